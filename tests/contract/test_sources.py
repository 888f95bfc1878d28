"""Every Source against `SourceContract`, each reading from a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from urllib.parse import quote

import asyncssh
import boto3
import pytest

from contactsync.adapters.memory import MemoryObjects
from contactsync.sources.ftp import FtpServerSource
from contactsync.sources.net import Guard
from contactsync.sources.s3 import Access, S3BucketSource
from contactsync.sources.sftp import Login, SftpServerSource
from contactsync.sources.stored import StoredSource
from contactsync.sources.transfer import Limits
from contactsync.sources.web import WebSource, basic
from tests.contract.source_contract import NAME, SECRET, Served, SourceContract
from tests.fakes.certificates import Authority
from tests.fakes.ftpserver import ftp_server
from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import WebServer, chunked, reply

HOST = "files.example.com"
QUICK = Limits(connect_s=5, read_s=5, answer_s=10, attempts=3, first_wait_s=0.001, settled_s=0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def guard_for(port: int, authority: Authority) -> Guard:
    """HOST leads to loopback, and may for once."""
    return Guard(frozenset({(HOST, port)}), resolver=lambda host, port: ["127.0.0.1"], tls=authority.client)


class TestStored(SourceContract):
    @pytest.fixture
    def served(self) -> Served:
        objects = MemoryObjects()
        return Served(
            put=lambda data: objects.put(f"uploads/a/u/{NAME}", data),
            source=lambda: StoredSource(objects, f"uploads/a/u/{NAME}"),
            missing=lambda: StoredSource(objects, "uploads/a/u/missing"),
        )


class TestWeb(SourceContract):
    @pytest.fixture(params=["http", "https", "http chunked"])
    def served(self, request, authority) -> Iterator[Served]:
        content = [b""]

        def answer(request_):
            if request_.headers.get("authorization") != basic("ann", SECRET)[1]:
                return reply(b"", status="401 Unauthorized")
            if "missing" in request_.target:
                return reply(b"", status="404 Not Found")
            if "chunked" in request.param:
                return reply(chunked(content[0]), Transfer_Encoding="chunked")
            return reply(content[0], Content_Type="text/csv")

        tls = authority.server(HOST) if request.param == "https" else None
        with WebServer(answer, tls=tls) as server:
            guard = guard_for(server.port, authority)

            def source(name: str) -> WebSource:
                url = f"{request.param.split()[0]}://{HOST}:{server.port}/{quote(name)}?token={SECRET}"
                return WebSource(url, guard=guard, credential=basic("ann", SECRET), limits=QUICK)

            yield Served(
                put=lambda data: content.__setitem__(0, data),
                source=lambda: source(NAME),
                missing=lambda: source("missing"),
            )


class TestFtp(SourceContract):
    @pytest.fixture(params=["none", "explicit", "implicit"])
    def served(self, request, authority, tmp_path) -> Iterator[Served]:
        scheme = "ftp" if request.param == "none" else "ftps"
        with ftp_server(
            tmp_path, password=SECRET, tls=request.param, certificate=authority.pem(HOST)
        ) as port:
            guard = guard_for(port, authority)

            def source(name: str) -> FtpServerSource:
                url = f"{scheme}://{HOST}:{port}/{quote(name)}"
                return FtpServerSource(
                    url, guard=guard, username="ann", password=SECRET, tls=request.param, limits=QUICK
                )

            yield Served(
                put=(tmp_path / NAME).write_bytes,
                source=lambda: source(NAME),
                missing=lambda: source("missing.csv"),
            )


@cache
def key_of(kind: str) -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(kind)


class TestSftp(SourceContract):
    @pytest.fixture(params=["password", "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
    def served(self, request, authority, tmp_path) -> Iterator[Served]:
        login, keys = Login("ann", SECRET), []
        if request.param != "password":
            keys = [key_of(request.param)]
            login = Login("ann", private_key=keys[0].export_private_key().decode())
        with sftp_server(tmp_path, password=SECRET, keys=keys) as port:
            guard = guard_for(port, authority)

            def source(name: str) -> SftpServerSource:
                return SftpServerSource(
                    f"sftp://{HOST}:{port}/{quote(name)}", guard=guard, login=login, limits=QUICK
                )

            yield Served(
                put=(tmp_path / NAME).write_bytes,
                source=lambda: source(NAME),
                missing=lambda: source("missing.csv"),
            )


class TestS3(SourceContract):
    @pytest.fixture(params=["a role of theirs", "our reader role"])
    def served(self, request, moto_url, monkeypatch) -> Iterator[Served]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
        bucket = boto3.resource("s3", region_name="us-east-1").Bucket("customer")
        bucket.create()
        access = Access(
            "arn:aws:iam::123456789012:role/reader",
            "an-external-id",
            "eu-west-1",
            ours=request.param == "our reader role",
        )
        yield Served(
            put=lambda data: bucket.put_object(Key=f"in/{NAME}", Body=data),
            source=lambda: S3BucketSource("customer", f"in/{NAME}", access=access, limits=QUICK),
            missing=lambda: S3BucketSource("customer", "in/missing", access=access, limits=QUICK),
        )
        bucket.objects.delete()

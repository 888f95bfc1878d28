"""Everything that a customer's server can do wrong, through a whole import: named, with the remedy, in one mail."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from contactsync.sources.net import Guard
from contactsync.sources.transfer import Limits
from tests.fakes.certificates import Authority
from tests.fakes.ftpserver import ftp_server
from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import RESET, WebServer, reply
from tests.support.world import World

CANARY = "canary-9c2e"
HOST = "files.example.com"
QUICK = Limits(connect_s=0.5, read_s=0.5, answer_s=0.5, attempts=2, first_wait_s=0.001, settled_s=0)
LOGIN_PAGE = b"<!DOCTYPE html><html><form action=/login>Password</form></html>"

SESSION = (
    b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey>"
    b"<SessionToken>C</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
    b"</AssumeRoleResponse>"
)
"""A role that was assumed."""

Case = Callable[[Path], AbstractContextManager[dict[str, Any]]]


def web(answer: Any, *, scheme: str = "http", certified: str | None = None, trusted: bool = True) -> Case:
    """A web server that answers like this; `certified`: the name in its certificate."""

    @contextmanager
    def case(folder: Path) -> Iterator[dict[str, Any]]:
        authority = Authority(folder)
        tls = authority.server(certified) if certified else None
        with WebServer(lambda request: answer, tls=tls) as server:
            auth = {"kind": "bearer", "token": CANARY}
            source = {"kind": "http", "url": f"{scheme}://{HOST}:{server.port}/a.csv", "auth": auth}
            yield {"port": server.port, "source": source, **({"tls": authority.client} if trusted else {})}

    return case


def ftp(name: str, password: str) -> Case:
    """An FTP server that holds a.csv and lets ann in with the password "right"."""

    @contextmanager
    def case(folder: Path) -> Iterator[dict[str, Any]]:
        (folder / "a.csv").write_bytes(b"email\na@example.com\n")
        with ftp_server(folder, password="right", auth_failed_timeout=0) as port:
            source = {"kind": "ftp", "url": f"ftp://{HOST}:{port}/{name}", "username": "ann"}
            yield {"port": port, "source": {**source, "password": password}}

    return case


def sftp(name: str, password: str) -> Case:
    """The same by SSH."""

    @contextmanager
    def case(folder: Path) -> Iterator[dict[str, Any]]:
        keys = [asyncssh.generate_private_key("ssh-ed25519")]
        with sftp_server(folder, password="right", host_keys=keys) as port:
            source = {"kind": "ftp", "url": f"sftp://{HOST}:{port}/{name}", "username": "ann"}
            yield {"port": port, "source": {**source, "password": password}}

    return case


def s3(told: str, status: str = "403 Forbidden", *, role: str = "") -> Case:
    """S3 that answers with this error; `role`: the error with which the role is refused before."""

    def error(code: str, head: str) -> list[bytes]:
        code, _, message = code.partition(": ")
        inner = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return reply(
            f"<ErrorResponse>{inner}</ErrorResponse>".encode() if role else inner.encode(), status=head
        )

    def answer(request: Any) -> list[bytes]:
        if request.method == "GET":
            return error(told, status)
        return error(role, "403 Forbidden") if role else reply(SESSION)

    @contextmanager
    def case(folder: Path) -> Iterator[dict[str, Any]]:
        with WebServer(answer) as server, pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
            source = {"kind": "s3", "bucket": "customer", "key": "in/a.csv"}
            yield {"port": server.port, "source": {**source, "role_arn": "arn:aws:iam::123456789012:role/x"}}

    return case


@contextmanager
def nobody(_: Path) -> Iterator[dict[str, Any]]:
    """A port at which nobody answers."""
    with WebServer(lambda request: []) as server:
        port = server.port
    yield {"port": port, "source": {"kind": "http", "url": f"http://{HOST}:{port}/a.csv"}}


def status(line: str) -> Case:
    return web(reply(LOGIN_PAGE, status=line))


CASES: dict[str, tuple[Case, str, str, str]] = {
    "not found": (status("404 Not Found"), "file_not_found", "no such file", "Check the address"),
    "gone": (status("410 Gone"), "file_not_found", "no such file", "was removed"),
    "login refused": (status("401 Unauthorized"), "login_refused", "refuses the login", "or the token"),
    "forbidden": (status("403 Forbidden"), "access_refused", "does not let us", "Ask whoever runs"),
    "login page": (web(reply(LOGIN_PAGE)), "web_page_instead_of_file", "a web page", "give this source a login"),
    "page of a shared file": (web(reply(LOGIN_PAGE)), "web_page_instead_of_file", "to look at the file", "export?format=csv"),
    "another name": (
        web(reply(b"x"), scheme="https", certified="other.example.com"),
        "certificate_not_valid",
        f"The certificate of {HOST} cannot be trusted",
        "for a valid certificate",
    ),
    "own authority": (
        web(reply(b"x"), scheme="https", certified=HOST, trusted=False),
        "certificate_not_valid",
        f"The certificate of {HOST} cannot be trusted",
        "nothing was sent to it",
    ),
    "no encryption": (web(reply(b"x"), scheme="https"), "encryption_failed", "encryption", "TLS 1.2"),
    "no answer": (nobody, "source_away", "does not accept connections", "Run the sync again later"),
    "silence": (web([]), "source_away", "broke off", "ask whoever runs the server"),
    "overloaded": (status("503 Busy"), "source_away", "the status 503", "We have tried again and again for"),
    "cut": (
        web([b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nemail\na@example.com\n", RESET]),
        "source_away",
        "broke off",
        "We have tried again and again for",
    ),
    "ftp login": (ftp("a.csv", CANARY), "login_refused", "refuses the login", "password"),
    "ftp no file": (ftp("b.csv", "right"), "file_not_found", "no such file", "Check the"),
    "sftp login": (sftp("a.csv", CANARY), "login_refused", "refuses the login", "password"),
    "s3 role": (s3("", role=f"AccessDenied: {CANARY}"), "role_refused", "We may not assume", "sts:ExternalId"),
    "s3 forbidden": (s3(f"AccessDenied: {CANARY}"), "access_refused", "does not let us", "Allow s3:GetObject"),
    "s3 no file": (s3("NoSuchKey", "404 Not Found"), "file_not_found", "no such object", "Check bucket and key"),
    "s3 no bucket": (s3("NoSuchBucket", "404 Not Found"), "file_not_found", "no such object", "Check bucket and key"),
    "s3 key": (s3(f"AccessDenied: {CANARY} kms:Decrypt"), "key_refused", "encrypted under a key", "kms:Decrypt"),
    "s3 archive": (s3("InvalidObjectState"), "file_archived", "archived", "Restore it"),
    "s3 away": (s3("SlowDown", "503 Slow Down"), "source_away", "S3 answers", "Run the sync again later"),
    "sftp no file": (sftp("b.csv", "right"), "file_not_found", "no such file", "Check the"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_failing_source_is_named_with_the_remedy_in_run_and_mail(name: str, tmp_path: Path) -> None:
    case, code, title, detail = CASES[name]
    world = World(limits=QUICK)
    with case(tmp_path) as given:
        allowed = frozenset({(HOST, given["port"])})
        tls = {"tls": given["tls"]} if "tls" in given else {}
        world.guard = Guard(allowed, resolver=lambda host, port: ["127.0.0.1"], **tls)
        run = world.import_rows("", name="Nightly", source=given["source"])
    assert run.problem is not None
    assert (run.status, run.problem.code) == ("failed", code)
    assert title in run.problem.title
    assert detail in run.problem.detail
    assert world.stored() == {}
    [mail] = world.mailer.sent
    assert mail.subject == "Nightly: the import failed"
    for said in (run.problem.title, f"What to do: {run.problem.detail}"):
        assert said in mail.text
        assert html.escape(said) in mail.html
    assert CANARY not in f"{run!r} {mail!r}"

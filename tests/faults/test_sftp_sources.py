"""What SSH servers do wrong or differently, and what a fetch makes of it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
from contextlib import closing, nullcontext
from typing import Any

import asyncssh
import paramiko
import pytest

from contactsync.errors import Busy, UnreadableFile
from contactsync.sources.net import Guard
from contactsync.sources.sftp import Login, SftpServerSource, _Fetching, _key_of
from contactsync.sources.transfer import Limits
from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import WebServer

HOST = "files.example.com"
TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(40_000))
QUICK = Limits(connect_s=5, read_s=5, answer_s=10, attempts=3, first_wait_s=0.001, settled_s=0)
ANN = Login("ann", "correct horse")
SECRET = "s3cret-canary"


def source(port: int, path: str = "/contacts.csv", *, login: Login = ANN, **options: Any) -> SftpServerSource:
    guard = Guard(frozenset({(HOST, port)}), resolver=lambda host, port: ["127.0.0.1"])
    return SftpServerSource(
        f"sftp://{HOST}:{port}{path}", guard=guard, login=login, **{"limits": QUICK} | options
    )


def code_of(source: SftpServerSource) -> str:
    with pytest.raises(UnreadableFile) as caught, source.open() as stream:
        stream.body.read()
    assert SECRET not in str(caught.value)
    return caught.value.code


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "contacts.csv").write_bytes(TEXT)
    return tmp_path


# the host's key


def test_the_key_that_is_seen_first_is_told_and_accepted_from_then_on(folder):
    with sftp_server(folder) as port:
        with source(port).open() as stream:
            seen = stream.host_key
        assert re.fullmatch(r"ssh-ed25519 SHA256:[A-Za-z0-9+/]{43}", seen or "")
        with source(port, host_key=seen).open() as stream:
            assert stream.body.read() == TEXT
            assert stream.host_key == seen


def test_another_key_is_refused_and_both_are_named(folder):
    class Untouched(asyncssh.SFTPServer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            raise AssertionError("somebody logged in")

    with sftp_server(folder) as port, source(port).open() as stream:
        before = stream.host_key
    with sftp_server(folder, files=Untouched) as port:
        with pytest.raises(UnreadableFile) as caught, source(port, host_key=before).open():
            pass
        assert caught.value.code == "host_key_changed"
        assert len(set(re.findall(r"SHA256:\S{43}", caught.value.title))) == 2


def test_of_several_host_keys_the_stored_one_is_asked_for(folder):
    keys = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")]
    with sftp_server(folder, host_keys=keys) as port:
        for key in keys:
            pin = f"{key.get_algorithm()} {key.get_fingerprint()}"
            with source(port, host_key=pin).open() as stream:
                assert stream.host_key == pin


# logins


def test_wrong_logins_are_said_so(folder):
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with sftp_server(folder) as port:
        assert code_of(source(port, login=Login("ann", SECRET))) == "login_refused"
        assert code_of(source(port, login=Login("bob", "correct horse"))) == "login_refused"
        assert code_of(source(port, login=Login("ann", private_key=stranger))) == "login_refused"


@pytest.mark.parametrize(
    "text", ["", "not a key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"]
)
def test_a_private_key_that_cannot_be_read_is_said_so(folder, text):
    with sftp_server(folder) as port:
        assert code_of(source(port, login=Login("ann", SECRET, text or " "))) == "private_key_not_valid"


class Strict(paramiko.ServerInterface):
    """A server that wants a key, and the account's password besides."""

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_PARTIALLY_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL if password == SECRET else paramiko.common.AUTH_FAILED


@pytest.mark.parametrize(
    ("password", "passphrase", "let_in"),
    [(SECRET, None, True), ("", None, False), ("wrong", None, False), (SECRET, SECRET, False)],
    ids=["both", "a key only", "a wrong password", "a passphrase, which is sent to nobody"],
)
def test_a_server_may_want_a_key_and_a_password(password, passphrase, let_in):
    made = asyncssh.generate_private_key("ssh-ed25519")
    key = made.export_private_key("pkcs8-pem", passphrase=passphrase).decode()
    here, there = socket.socketpair()
    with closing(paramiko.Transport(there)) as server, closing(paramiko.Transport(here)) as client:
        server.add_server_key(paramiko.ECDSAKey.generate())
        server.start_server(server=Strict(), event=threading.Event())
        client.start_client(timeout=10)
        fetching = _Fetching(f"sftp://{HOST}/x", Guard(), Login("ann", password, key), None, QUICK)
        with nullcontext() if let_in else pytest.raises(UnreadableFile, match="login_refused"):
            fetching._sign_in(client)
        assert client.is_authenticated() == let_in


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("passphrase", [None, SECRET])
@pytest.mark.parametrize(("old", "new"), [("", ""), ("\n", "\r\n"), ("\n", "\\n"), ("\n", "\n  ")])
def test_a_private_key_as_openssl_writes_it_will_do(kind, passphrase, old, new):
    """PKCS #8, since its third version; and as settings files hold it: with line breaks in letters, or indented."""
    key = asyncssh.generate_private_key(kind)
    text = key.export_private_key("pkcs8-pem", passphrase=passphrase).decode()
    found = _key_of(Login("ann", passphrase or "", text.replace(old, new)))
    assert found.asbytes() == key.public_data


def test_a_private_key_needs_its_passphrase(folder):
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key(passphrase=SECRET, rounds=50).decode()
    with sftp_server(folder, keys=[key]) as port:
        assert code_of(source(port, login=Login("ann", "", text))) == "private_key_not_valid"
        assert code_of(source(port, login=Login("ann", "wrong", text))) == "private_key_not_valid"
        with source(port, login=Login("ann", SECRET, text)).open() as stream:
            assert stream.body.read() == TEXT


# completeness


class _Breaking(asyncssh.SFTPServer):
    """Hangs up once, in the middle of the file."""

    broken = 0
    times = 1

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        if offset > 700_000 and type(self).broken < self.times:
            type(self).broken += 1
            self.channel.get_connection().abort()
        return super().read(file_obj, offset, size)


def test_after_a_cut_it_goes_on_where_it_was(folder):
    class Once(_Breaking):
        times = 1

    with sftp_server(folder, files=Once) as port, source(port).open() as stream:
        assert stream.body.read() == TEXT
        assert stream.ending().proof == "size"
    assert Once.broken == 1


def test_a_server_that_always_breaks_off_is_given_up(folder):
    class Always(_Breaking):
        times = 1000

    with sftp_server(folder, files=Always) as port, source(port).open() as stream:
        with pytest.raises(Busy, match="broke off"):
            stream.body.read()
        assert stream.ending().proof is None


@pytest.mark.parametrize("change", ["grows", "shrinks", "is replaced", "is touched"])
def test_a_file_that_changes_meanwhile_is_not_whole(folder, change):
    path = folder / "contacts.csv"
    os.utime(path, (1_767_000_000, 1_767_000_000))
    with sftp_server(folder) as port, source(port).open() as stream:
        stream.body.read(10)
        if change == "grows":
            with path.open("ab") as file:
                file.write(TEXT)
        elif change == "shrinks":
            os.truncate(path, 300_000)
        elif change == "is replaced":
            (folder / "new").write_bytes(TEXT)
            (folder / "new").rename(path)
        else:
            os.utime(path)
        with pytest.raises(Busy):
            stream.body.read()


def test_a_server_that_sends_less_than_is_asked_for_is_borne(folder):
    class Stingy(asyncssh.SFTPServer):
        def read(self, file_obj: Any, offset: int, size: int) -> Any:
            return super().read(file_obj, offset, min(size, 5000))

    with sftp_server(folder, files=Stingy) as port, source(port).open() as stream:
        assert stream.body.read() == TEXT
        assert stream.ending().proof == "size"


# the rest


class _Dripping(asyncssh.SFTPServer):
    """Sends the answers to reads a byte at a time."""

    def __init__(self, channel: Any, chroot: bytes) -> None:
        super().__init__(channel, chroot=chroot)
        self._write, self._drips, self._at = channel.write, False, 0.0
        channel.write = self._drip

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        self._drips = True
        return super().read(file_obj, offset, size)

    def _drip(self, data: bytes, datatype: Any = None) -> None:
        if not self._drips:
            self._write(data, datatype)
            return
        loop = asyncio.get_running_loop()
        self._at = max(self._at, loop.time())
        for byte in data:
            self._at += 0.03
            loop.call_at(self._at, self._write, bytes([byte]), datatype)


def test_a_server_that_sends_single_bytes_is_given_up(tmp_path):
    """A packet is one read, of which each byte is in time."""
    (tmp_path / "contacts.csv").write_bytes(TEXT[:150])
    began = time.monotonic()
    with sftp_server(tmp_path, files=_Dripping) as port:
        limits = Limits(connect_s=5, read_s=5, answer_s=10, total_s=2, settled_s=0)
        assert code_of(source(port, limits=limits)) == "too_slow"
        assert time.monotonic() - began < 4


def test_the_newest_match_is_taken_and_of_equals_the_last_by_name(folder):
    for name, age in (
        ("contacts-1.csv", 300),
        ("contacts-2.csv", 100),
        ("contacts-3.csv", 100),
        ("other.csv", 0),
    ):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (1_767_000_000 - age, 1_767_000_000 - age))
    (folder / "contacts-8.csv").mkdir()
    with sftp_server(folder) as port:
        with source(port, "/contacts-*.csv").open() as stream:
            assert stream.body.read() == b"contacts-3.csv"
            assert stream.name == "contacts-3.csv"
        assert code_of(source(port, "/none-*.csv")) == "file_not_found"
        assert code_of(source(port, "/nowhere/*.csv")) == "file_not_found"


def test_names_may_be_written_in_any_encoding(folder):
    """One name that is not UTF-8 is enough to break a whole listing."""
    path = folder / "M\udcfcller.csv"
    path.write_bytes(b"in Latin-1")
    os.utime(path, (1_767_000_000, 1_767_000_000))
    with sftp_server(folder) as port:
        with source(port, "/c*.csv").open() as stream:
            assert stream.body.read() == TEXT
        with source(port, "/M*.csv").open() as stream:
            assert stream.body.read() == b"in Latin-1"
            assert stream.ending().proof == "size"
            assert stream.name == "M\N{REPLACEMENT CHARACTER}ller.csv"


def test_a_refusal_may_be_written_in_any_encoding(folder):
    class German(asyncssh.SFTPServer):
        def stat(self, path: bytes) -> Any:
            raise asyncssh.SFTPNoSuchFile(b"Datei f\xfcr ann fehlt")  # type: ignore[arg-type]

    with sftp_server(folder, files=German) as port:
        assert code_of(source(port)) == "unexpected_answer"


def test_what_is_hidden_matches_only_a_pattern_that_says_so(folder):
    (folder / "._contacts.csv").write_bytes(b"what a Mac puts beside it")
    os.utime(folder / "contacts.csv", (1_767_000_000, 1_767_000_000))
    with sftp_server(folder) as port:
        with source(port, "/*.csv").open() as stream:
            assert stream.name == "contacts.csv"
        with source(port, "/._*").open() as stream:
            assert stream.name == "._contacts.csv"


def test_a_folder_is_no_file(folder):
    (folder / "in").mkdir()
    with sftp_server(folder) as port:
        assert code_of(source(port, "/in")) == "file_not_found"


def test_of_a_long_listing_all_of_it_is_looked_at(folder):
    for number in range(1000):
        (folder / f"{number}.csv").write_bytes(b"")
        os.utime(folder / f"{number}.csv", (1_767_000_000, 1_767_000_000 + (number == 523)))
    with sftp_server(folder) as port, source(port, "/*3.csv").open() as stream:
        assert stream.name == "523.csv"


def test_another_kind_of_server_is_given_up():
    with (
        WebServer(lambda request: []) as server,
        pytest.raises(Busy),
        source(
            server.port, limits=Limits(read_s=0.3, answer_s=0.5, attempts=2, first_wait_s=0, settled_s=0)
        ).open(),
    ):
        pass

"""A file that somebody is still uploading to an FTP or SSH server, and what a fetch makes of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from contactsync.errors import Busy
from contactsync.ports import Source
from contactsync.sources.ftp import FtpServerSource
from contactsync.sources.net import Guard
from contactsync.sources.sftp import Login, SftpServerSource
from contactsync.sources.transfer import Limits
from tests.fakes.ftpserver import ftp_server
from tests.fakes.sshserver import sftp_server
from tests.support.waiting import waiting

TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(1_000))
LIMITS = Limits(connect_s=5, read_s=5, answer_s=10, attempts=3, first_wait_s=0.001, settled_s=20)
Serve = Callable[[Path], AbstractContextManager[int]]
Reach = Callable[[int, Guard], Source]


def by_ftp(port: int, guard: Guard) -> Source:
    return FtpServerSource(f"ftp://127.0.0.1:{port}/contacts.csv", guard=guard, limits=LIMITS)


def by_sftp(port: int, guard: Guard) -> Source:
    login = Login("ann", "correct horse")
    return SftpServerSource(f"sftp://127.0.0.1:{port}/contacts.csv", guard=guard, login=login, limits=LIMITS)


each_way = pytest.mark.parametrize(
    ("serve", "reach"), [(ftp_server, by_ftp), (sftp_server, by_sftp)], ids=["ftp", "sftp"]
)


def uploaded(folder: Path) -> Path:
    path = folder / "contacts.csv"
    path.write_bytes(TEXT)
    return path


def guard_of(port: int) -> Guard:
    return Guard(frozenset({("127.0.0.1", port)}))


@each_way
def test_one_whose_upload_pauses_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve, reach: Reach
) -> None:
    path = uploaded(tmp_path)
    waits = waiting(monkeypatch, lambda: path.open("ab").write(TEXT))
    with serve(tmp_path) as port, reach(port, guard_of(port)).open() as stream:
        with pytest.raises(Busy, match="changed"):
            stream.body.read()
        assert stream.ending().proof is None
    assert 15 < waits[0] <= 20


@each_way
def test_one_that_has_stood_still_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve, reach: Reach
) -> None:
    before = time.time() - 21
    os.utime(uploaded(tmp_path), (before, before))
    waits = waiting(monkeypatch, lambda: None)
    with serve(tmp_path) as port, reach(port, guard_of(port)).open() as stream:
        assert stream.body.read() == TEXT
        assert stream.ending().proof == "size"
    assert waits == []

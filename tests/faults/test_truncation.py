"""A source that is cut is never taken for a whole one: 20 places in 7 ways, each of which ordinary code misses.

To be taken for whole, a fetch has to end without an error and with a proof. It is fetched as the import journey
does it: in pieces, unpacked on the way.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

import pytest

from contactsync.core.compression import decompressed
from contactsync.errors import Busy, UnreadableFile
from contactsync.ports import Source
from contactsync.sources.ftp import FtpServerSource
from contactsync.sources.net import Guard
from contactsync.sources.transfer import Limits
from contactsync.sources.web import WebSource
from tests.fakes.ftpstub import FtpStub
from tests.fakes.webserver import RESET, WebServer, chunked

TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(3000))
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)
POINTS = 20

Served = tuple[WebServer | FtpStub, Callable[[int], Source]]
"""A server, and the source that reads from it, given its port."""


def points(length: int) -> list[int]:
    """Places to cut at: both ends, both sides of a row's end, and anywhere."""
    row = TEXT.index(b"\r\n", length // 3)
    fixed = [0, 1, 11, 12, length // 2, row, row + 1, row + 2, length - 2, length - 1]
    chance = random.Random(length)
    return fixed + [chance.randrange(2, length - 2) for _ in range(POINTS - len(fixed))]


def web(head: bytes, body: bytes, *, at: int | None, end: object = b"") -> Served:
    answer = [b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n" + head + b"\r\n" + body[:at], end]
    name = "contacts.csv.gz" if body is PACKED else "contacts.csv"
    return WebServer(lambda request: answer), lambda port: WebSource(
        f"http://127.0.0.1:{port}/{name}", guard=guard(port), limits=QUICK
    )


def ftp(at: int | None, farewell: str) -> Served:
    stub = FtpStub(TEXT)
    stub.cut_at, stub.farewell = at, farewell if at is not None else "226 Done."
    return stub, lambda port: FtpServerSource(
        f"ftp://127.0.0.1:{port}/contacts.csv", guard=guard(port), limits=QUICK
    )


def guard(port: int) -> Guard:
    return Guard(frozenset({("127.0.0.1", port)}))


PACKED = gzip.compress(TEXT)
CHUNKED = chunked(TEXT, 4000)
WAYS = {
    "Content-Length not reached": (
        len(TEXT),
        lambda at: web(b"Content-Length: %d\r\n" % len(TEXT), TEXT, at=at),
    ),
    "chunks cut": (len(CHUNKED), lambda at: web(b"Transfer-Encoding: chunked\r\n", CHUNKED, at=at)),
    "no length": (len(TEXT), lambda at: web(b"", TEXT, at=at)),
    "gzip member cut": (
        len(PACKED),
        lambda at: web(b"Content-Length: %d\r\n" % (len(PACKED) if at is None else at), PACKED, at=at),
    ),
    "FTP says 226": (len(TEXT), lambda at: ftp(at, "226 Transfer complete.")),
    "FTP says 426": (len(TEXT), lambda at: ftp(at, "426 Connection closed; transfer aborted.")),
    "reset": (len(TEXT), lambda at: web(b"Content-Length: %d\r\n" % len(TEXT), TEXT, at=at, end=RESET)),
}


def fetched(source: Source) -> tuple[bytes, str | None]:
    """The file and the proof that it is whole."""
    with source.open() as stream:
        body = decompressed(stream.body, name=stream.name)
        data = b"".join(iter(lambda: body.read(10_000), b""))
        return data, stream.proof


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_source_is_never_taken_for_whole(way):
    length, arrange = WAYS[way]
    outcomes = []
    for point in points(length):
        server, source = arrange(point)
        with server:
            try:
                data, proof = fetched(source(server.port))
                outcomes.append("no proof" if proof is None else f"WHOLE at {point}")
                assert data == TEXT[: len(data)]
            except Busy:
                outcomes.append("to be tried again")
            except UnreadableFile as error:
                outcomes.append(error.code)
    assert len(outcomes) == POINTS
    assert set(outcomes) <= {"no proof", "to be tried again", "compressed_file_cut"}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "no length"])
def test_the_next_good_fetch_is_whole(way):
    _, arrange = WAYS[way]
    server, source = arrange(None)
    with server:
        data, proof = fetched(source(server.port))
    assert data == TEXT
    assert proof

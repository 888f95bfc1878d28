"""Servers that send a file whole, or cut at a byte, each in a way that ordinary code does not notice.

with WAYS["FTP says 226"]() as server:
    server.serve(data, cut_at=100)
    fetch(server.url)
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.fakes.ftpstub import FtpStub
from tests.fakes.webserver import RESET, WebServer, chunked

POINTS = 20


class WebCuts:
    """One way of a web server. `travels` is what goes over the wire for a file, `head` the headers for what is sent."""

    def __init__(
        self,
        head: Callable[[bytes, bytes], bytes] = lambda body, sent: b"Content-Length: %d\r\n" % len(body),
        travels: Callable[[bytes], bytes] = lambda data: data,
        *,
        name: str = "contacts.csv",
        end: Any = b"",
    ) -> None:
        self.travels = travels
        self._head = head
        self._name = name
        self._end = end
        self._server = WebServer(lambda request: [])

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def source(self) -> dict[str, str]:
        """How a sync names the file."""
        return {"kind": "http", "url": f"http://127.0.0.1:{self.port}/{self._name}"}

    def serve(self, data: bytes, cut_at: int | None = None) -> None:
        """From now on send this file, up to `cut_at` bytes of what travels."""
        body = self.travels(data)
        sent = body[:cut_at]
        start = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n" + self._head(body, sent) + b"\r\n"
        end = self._end if cut_at is not None else b""
        self._server.answer = lambda request: [start + sent, end]

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)


class FtpCuts:
    """An FTP server that says `farewell` after a file that it has cut."""

    def __init__(self, farewell: str) -> None:
        self._farewell = farewell
        self._stub = FtpStub()

    @property
    def port(self) -> int:
        return self._stub.port

    @property
    def source(self) -> dict[str, str]:
        """How a sync names the file."""
        return {"kind": "ftp", "url": f"ftp://127.0.0.1:{self.port}/contacts.csv"}

    def travels(self, data: bytes) -> bytes:
        return data

    def serve(self, data: bytes, cut_at: int | None = None) -> None:
        """From now on send this file, up to `cut_at` bytes of it."""
        self._stub.content = data
        self._stub.cut_at = cut_at
        self._stub.farewell = "226 Done." if cut_at is None else self._farewell

    def __enter__(self) -> Self:
        self._stub.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stub.__exit__(kind, error, trace)


Cuts = WebCuts | FtpCuts


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


WAYS: dict[str, Callable[[], Cuts]] = {
    "Content-Length not reached": WebCuts,
    "chunks cut": lambda: WebCuts(
        lambda body, sent: b"Transfer-Encoding: chunked\r\n", lambda data: chunked(data, 400)
    ),
    "no length": lambda: WebCuts(lambda body, sent: b""),
    "gzip member cut": lambda: WebCuts(
        lambda body, sent: b"Content-Length: %d\r\n" % len(sent), _packed, name="contacts.csv.gz"
    ),
    "FTP says 226": lambda: FtpCuts("226 Transfer complete."),
    "FTP says 426": lambda: FtpCuts("426 Connection closed; transfer aborted."),
    "reset": lambda: WebCuts(end=RESET),
}
"""Content-Length short, chunked cut, no length, gzip cut, FTP 226, FTP 426, reset."""


def points(data: bytes, travels: bytes) -> list[int]:
    """Places to cut at: both ends, both sides of a row's end, and anywhere."""
    length = len(travels)
    row = min(data.index(b"\r\n", length // 3), length - 4)
    fixed = [0, 1, 11, 12, length // 2, row, row + 1, row + 2, length - 2, length - 1]
    others = [place for place in range(2, length - 2) if place not in fixed]
    chosen = [*dict.fromkeys(fixed)]
    return chosen + random.Random(length).sample(others, POINTS - len(chosen))

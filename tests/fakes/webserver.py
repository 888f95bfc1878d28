"""A web server that sends exactly the bytes that a test tells it to, and breaks off where it is told.

    with WebServer(lambda request: [b"HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\n", b"half", RESET]) as server:
        fetch(f"http://127.0.0.1:{server.port}/")

An answer is a series of bytes to send, seconds to wait, and RESET; after the last the connection is closed.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

RESET = object()


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]


Answer = Iterable[bytes | float | object]


class WebServer:
    """See the module's docstring. `requests` are those that came in."""

    def __init__(
        self,
        answer: Callable[[Request], Answer],
        *,
        tls: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._tls = tls
        self._listener = socket.create_server(
            (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        )
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            request = _read(connection)
            if request:
                self.requests.append(request)
                for part in self.answer(request):
                    if part is RESET:
                        reset(connection)
                    elif isinstance(part, float):
                        time.sleep(part)
                    else:
                        assert isinstance(part, bytes)
                        connection.sendall(part)
                if self._tls and isinstance(connection, ssl.SSLSocket):
                    connection.settimeout(0.2)  # a client that has gone does not say goodbye
                    connection.unwrap()
        connection.close()


def reset(connection: socket.socket) -> None:
    """End a connection with RST, as a crashed host or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return None
        received += data
        if received.startswith(b"\x16\x03"):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nThis port does not speak TLS.")
            return None
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    left = int(headers.get("content-length", 0)) - len(body)
    while left > 0 and (data := connection.recv(left)):
        left -= len(
            data
        )  # unread, it would make a reset of the end of the connection, which overtakes the answer
    return Request(method, target, headers)


def reply(body: bytes, *, status: str = "200 OK", head: bool = True, **headers: str) -> list[bytes]:
    """A plain answer; `headers` with _ for -. Content-Length is added unless Transfer_Encoding is given."""
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    if "Transfer-Encoding" not in lines:
        lines.setdefault("Content-Length", str(len(body)))
    text = (
        f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    )
    return [text.encode("latin-1"), body]


def chunked(body: bytes, size: int = 1000) -> bytes:
    """A body as chunks, the last one included."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


def ranged(body: bytes, request: Request, *, etag: str = '"v1"') -> list[bytes]:
    """The whole, or the part that is asked for of this very version: what a good server answers."""
    wanted = request.headers.get("range", "")
    if not wanted or request.headers.get("if-range", etag) != etag:
        return reply(body, ETag=etag)
    start = int(wanted.removeprefix("bytes=").partition("-")[0])
    where = f"bytes {start}-{len(body) - 1}/{len(body)}"
    return reply(body[start:], status="206 Partial Content", ETag=etag, Content_Range=where)

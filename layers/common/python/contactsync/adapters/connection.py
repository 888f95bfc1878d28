"""One kept-alive HTTP/1.1 connection, as far as AWS's JSON services speak it.

http.client reads headers with the email package and writes head and body apart: 205 µs of CPU a request of 25
writes, of which a socket needs 15 and signing 20. Here it takes 85.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

LINE_BYTES = 16_384
HEADERS = 100


class Mangled(Exception):
    """What came is no answer, or not the one that was sent: cut, or changed on the way."""


class Answer(NamedTuple):
    """One answer, whole. Names of headers are in lower case; `closes`: the server will hear no more here."""

    status: int
    headers: dict[str, str]
    content: bytes
    closes: bool


class Connection:
    """A request at a time: `post`, then `answer`. `trust` makes it TLS. All but `close` may raise OSError."""

    def __init__(
        self, host: str, port: int, trust: ssl.SSLContext | None, *, connect_s: float, read_s: float
    ) -> None:
        plain = socket.create_connection((host, port), timeout=connect_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = trust.wrap_socket(plain, server_hostname=host) if trust else plain
        except BaseException:
            plain.close()
            raise
        self.sock.settimeout(read_s)
        self._reader: BinaryIO = self.sock.makefile("rb")

    def post(self, headers: Mapping[str, str], body: bytes) -> None:
        """Send one request to the path /."""
        head = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        self.sock.sendall(f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def answer(self) -> Answer:
        """Read the answer. Raises Mangled for what cannot be one."""
        status, version = self._status()
        headers = self._headers()
        closes = version == b"HTTP/1.0" or headers.get("connection", "").lower() == "close"
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Answer(status, headers, b"".join(self._chunks()), closes)
        length = headers.get("content-length", "")
        if not length.isdecimal():
            raise Mangled
        return Answer(status, headers, self._exactly(int(length)), closes)

    def close(self) -> None:
        """Hang up."""
        self._reader.close()  # first: it holds the socket's descriptor, too
        self.sock.close()

    def _status(self) -> tuple[int, bytes]:
        line = self._reader.readline(LINE_BYTES)
        if not line:
            raise ConnectionResetError
        version, _, rest = line.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise Mangled
        return int(rest[:3]), version

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(HEADERS):
            line = self._reader.readline(LINE_BYTES)
            if line in {b"\r\n", b"\n"}:
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not line.endswith(b"\n"):
                break
            headers[name.lower()] = value.strip()
        raise Mangled

    def _chunks(self) -> list[bytes]:
        """The body of whoever does not say at first how long it is, such as a proxy between."""
        chunks: list[bytes] = []
        while True:
            try:
                size = int(self._reader.readline(LINE_BYTES).partition(b";")[0], 16)
            except ValueError:
                raise Mangled from None
            if not size:
                self._headers_end()
                return chunks
            chunks.append(self._exactly(size))
            self._reader.readline(LINE_BYTES)

    def _headers_end(self) -> None:
        while self._reader.readline(LINE_BYTES).strip():
            pass

    def _exactly(self, length: int) -> bytes:
        content = self._reader.read(length)
        if len(content) < length:
            raise Mangled
        return content

"""Kept-alive HTTP/1.1 connections to one server, as far as AWS's services speak it.

http.client reads headers with the email package and writes head and body apart: 205 µs of CPU a request of 25
writes, of which a socket needs 15 and signing 20. Here it takes 85.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

from contactsync.adapters.patience import Again, left_s

CONNECT_S = 3.0
LEAST_READ_S = 0.1
"""An answer that is there is taken, however little time is left."""
IDLE_CONNECTIONS = 16
LINE_BYTES = 16_384
HEADERS = 100
JOINED_BYTES = 65_536
"""A body of up to this size goes out in one piece with its head; a larger one is not copied."""
TRACE = "_X_AMZN_TRACE_ID"
"""Where Lambda says to which trace the invocation belongs. AWS hands it on to whom it calls, so that it goes on there."""

Sendable = bytes | bytearray


class Mangled(Exception):
    """What came is no answer, or not the one that was sent: cut, or changed on the way."""


class InDoubt(Exception):
    """What was asked may have been carried out, or not; the message is a code."""


class Head(NamedTuple):
    """How an answer begins. Names of headers are in lower case; `closes`: the server will hear no more here."""

    status: int
    headers: dict[str, str]
    closes: bool


class Answer(NamedTuple):
    """One answer, whole."""

    head: Head
    content: bytes


class Host:
    """One server and the connections to it that are idle. Safe to share between threads.

    `service` is whose it is, for errors; `read_s` is how long it may be silent.
    """

    def __init__(self, service: str, address: str, *, read_s: float) -> None:
        url = urlsplit(address)
        if url.scheme not in {"http", "https"} or not url.hostname or url.path not in {"", "/"}:
            raise ValueError(f"The endpoint of {service} must be a plain http or https address.")
        self.address = f"{url.scheme}://{url.netloc}"
        self.named = url.netloc
        self._tls = url.scheme == "https"
        self._place = url.hostname, url.port or (443 if self._tls else 80)
        self._read_s = read_s
        self._idle: deque[Connection] = deque()

    def send(self, method: str, target: str, headers: dict[str, str], body: Sendable) -> Connection:
        """A request goes out on a connection that is the sender's until it is given back. Raises Again."""
        connection = self._take_idle() or self._new()
        self._send_on(connection, method, target, headers, body)
        return connection

    def ask_once(self, method: str, target: str, headers: dict[str, str], body: Sendable) -> Answer:
        """Ask what must not be carried out twice, on a new connection: one that was idle may be dead, and nobody knows.

        Raises:
            Again: there is no connection, so nothing went out.
            InDoubt: to what went out, or began to, there is no whole answer.
        """
        connection = self._new()
        try:
            self._send_on(connection, method, target, headers, body)
            with self.doubted(connection):
                answer = connection.answer()
        except Again as lost:
            raise InDoubt(str(lost)) from None
        connection.close()
        return answer

    def give_back(self, connection: Connection, head: Head) -> None:
        """The answer has been read to its end: the connection can bear another request, or is closed."""
        if head.closes or len(self._idle) >= IDLE_CONNECTIONS:
            connection.close()
        else:
            self._idle.append(connection)

    def doubted(self, connection: Connection | None) -> _Doubted:
        """A `with` block that closes a connection in any doubt about it, and says Again where another one may fare better."""
        return _Doubted(self, connection)

    def close(self) -> None:
        """Close the connections that are idle."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _take_idle(self) -> Connection | None:
        """An idle connection, the most recently used first."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not connection.has_ended():
                    return connection
                connection.close()
        return None

    def _new(self) -> Connection:
        """Raises Again."""
        trust = _trust(os.environ.get("AWS_CA_BUNDLE") or None) if self._tls else None
        with self.doubted(None):
            return Connection(*self._place, trust, connect_s=CONNECT_S, read_s=self._read_s)

    def _send_on(
        self, connection: Connection, method: str, target: str, headers: dict[str, str], body: Sendable
    ) -> None:
        """Raises Again."""
        if trace := os.environ.get(TRACE):
            headers["X-Amzn-Trace-Id"] = trace
        with self.doubted(connection):
            connection.be_patient(min(self._read_s, max(left_s(), LEAST_READ_S)))
            connection.send(method, target, headers, body)


class _Doubted:
    """See `Host.doubted`. A generator of contextlib would take ten times as long, twice a request."""

    __slots__ = ("_connection", "_host")

    def __init__(self, host: Host, connection: Connection | None) -> None:
        self._host = host
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is None:
            return
        if self._connection is not None:
            self._connection.close()
        if not isinstance(error, (OSError, Mangled)) or isinstance(error, ssl.SSLCertVerificationError):
            return
        self._host.close()  # the idle ones are suspect as well: a frozen sandbox loses all of them at once
        raise Again(type(error).__name__) from None


@cache
def _trust(bundle: str | None) -> ssl.SSLContext:
    """Whom to believe; one for all hosts, because reading the authorities takes 20 ms of CPU."""
    return ssl.create_default_context(cafile=bundle)


class Connection:
    """A request at a time: `send`, then `answer`, or `head` and then the body by `readinto`.

    `trust` makes it TLS. All but `close` may raise OSError.
    """

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
        self._read_s = read_s
        self._reader = self.sock.makefile("rb")
        self._poll = select.poll()
        self._poll.register(self.sock, select.POLLIN)
        self._is_head = False

    def be_patient(self, read_s: float) -> None:
        """How long the server may be silent from now on."""
        if read_s != self._read_s:
            self.sock.settimeout(read_s)
            self._read_s = read_s

    def send(self, method: str, target: str, headers: Mapping[str, str], body: Sendable) -> None:
        """Send one request."""
        self._is_head = method == "HEAD"
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{method} {target} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
        if len(body) <= JOINED_BYTES:
            self.sock.sendall(head + body)
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # who hangs up before the end may have said why
            self.sock.sendall(head)
            self.sock.sendall(body)

    def answer(self) -> Answer:
        """Read the answer. Raises Mangled for what cannot be one."""
        head = self.head()
        return Answer(head, self.content(head))

    def head(self) -> Head:
        """Read how the answer begins. Raises Mangled."""
        first, *lines = self._begin().decode("latin-1").split("\n")
        version, _, rest = first.partition(" ")
        status = rest[:3]
        is_status = version.startswith("HTTP/1.") and status.isascii() and status.isdigit()
        if not is_status or len(lines) > HEADERS:
            raise Mangled
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise Mangled
            headers[name.lower()] = value.strip()
        closes = version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        return Head(int(status), headers, closes)

    def content(self, head: Head) -> bytes:
        """Read the body that follows, whole. Raises Mangled."""
        if self._is_head or head.status == 204:
            return b""
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self._exactly(length_of(head))

    def readinto(self, view: memoryview) -> int:
        """What has come of a body, as far as it fits; 0 where the connection has ended."""
        return self._reader.readinto1(view)

    def has_ended(self) -> bool:
        """Whether the server has hung up meanwhile, as S3 does after seconds: nothing else is to be read between answers."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Hang up."""
        self._reader.close()  # first: it holds the socket's descriptor, too
        self.sock.close()

    def _begin(self) -> bytes:
        """The lines before a body, without the last one's end: in one packet nearly always. Raises Mangled."""
        come = self._reader.peek(1)
        end = come.find(b"\n\r\n")
        if end >= 0 and come.find(b"\n\n", 0, end) < 0:
            return self._reader.read(end + 3)[:end]
        lines: list[bytes] = []
        for _ in range(HEADERS):
            line = self._reader.readline(LINE_BYTES)
            if line in {b"\r\n", b"\n"} and lines:
                return b"".join(lines)[:-1]
            if not line and not lines:
                raise ConnectionResetError
            if not line.endswith(b"\n"):
                break
            lines.append(line)
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


def length_of(head: Head) -> int:
    """The bytes of a body, or of the one that a HEAD leaves out. Raises Mangled if it does not say."""
    length = head.headers.get("content-length", "")
    if not length.isdecimal():
        raise Mangled
    return int(length)

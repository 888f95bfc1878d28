"""Files on web servers: http and https.

Standard clients take a body that ends early for a whole one: `http.client` read in pieces says nothing when
Content-Length is not reached, and reads a chunk size of "00" that was cut out of "00a0" as the last chunk. So
the framing is read here, and each way to end is told apart.
"""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from io import BufferedReader
from typing import BinaryIO, cast
from urllib.parse import urljoin

from contactsync.errors import SourceAway, UnreadableFile
from contactsync.ports import Ending, SourceStream
from contactsync.sources import moments
from contactsync.sources.net import Guard, cut_after
from contactsync.sources.place import Place
from contactsync.sources.transfer import (
    BUFFER_BYTES,
    Cut,
    Deadline,
    Leg,
    Limits,
    Transfer,
    changed,
    too_large,
)

SCHEMES = ("http", "https")
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEAD_BYTES = 512
CLOSE_S = 1.0
"""How long to wait for the end of a body whose announced length has come, to see whether more follows."""

_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;[^\r\n]*)?\r?\n")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body|script|meta)\b",
    re.IGNORECASE | re.DOTALL,
)

Credential = tuple[str, str]
"""A request header's name and value."""


def basic(username: str, password: str) -> Credential:
    """HTTP Basic, in UTF-8."""
    return "Authorization", "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def bearer(token: str) -> Credential:
    """A bearer token."""
    return "Authorization", f"Bearer {token}"


class WebSource:
    """See `ports.Source`. The credential goes to the URL's own origin and to no other."""

    def __init__(
        self, url: str, *, guard: Guard, credential: Credential | None = None, limits: Limits | None = None
    ) -> None:
        self._url = url
        self._guard = guard
        self._credential = credential
        self._limits = limits or Limits()

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        """See `ports.Source.open`."""
        fetching = _Fetching(self._url, self._guard, self._credential, self._limits)
        with Transfer(fetching.begin, self._limits, fetching.place.host) as transfer:
            _refuse_page(transfer.head(HEAD_BYTES), fetching)
            with BufferedReader(transfer, BUFFER_BYTES) as body:
                yield SourceStream(
                    cast(BinaryIO, body),
                    transfer.ending,
                    name=fetching.place.name,
                    size=fetching.first.length,
                    etag=fetching.first.etag,
                    last_modified=moments.of_http(fetching.first.last_modified),
                )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What an answer says about the file. `length` is None where it does not say."""

    length: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    page: bool = False

    @classmethod
    def of(cls, reply: HTTPResponse, length: int | None) -> _Facts:
        """Read the headers."""
        kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return cls(
            length,
            reply.headers.get("ETag"),
            reply.headers.get("Last-Modified"),
            kind in {"text/html", "application/xhtml+xml"},
        )

    @property
    def version(self) -> str | None:
        """An ETag that changes with every byte; a weak one promises less."""
        return self.etag if self.etag and self.etag.startswith('"') else None

    def contradict(self, first: _Facts, *, same: bool) -> bool:
        """Whether this cannot be the file of the first answer. `same`: the server claims it is, by sending a part."""
        if self.version and first.version and self.version != first.version:
            return True
        return same and None not in {self.length, first.length} and self.length != first.length


@dataclass(frozen=True, slots=True)
class _Part:
    """Which bytes a partial answer holds: from `start` to before `end`, of `total` if that is known."""

    start: int
    end: int
    total: int | None


class _Fetching:
    """One file being fetched: requests, redirects, and the first answer, which later ones must agree with."""

    def __init__(self, url: str, guard: Guard, credential: Credential | None, limits: Limits) -> None:
        self.place = guard.place(url, SCHEMES)
        self.first = _Facts()
        self._url = url
        self._guard = guard
        self._credential = credential
        self._limits = limits
        self._deadline = Deadline(limits)

    def begin(self, at: int) -> Leg:
        """The answer to a GET from byte `at`, past all redirects. See `transfer.Transfer`."""
        url, place, credential = self._url, self.place, self._credential
        left_s = self._deadline.left_s()
        for _ in range(MAX_REDIRECTS + 1):
            reply, sock = self._ask(place, credential, at)
            try:
                if reply.status not in REDIRECTS:
                    refuse(reply.status, place.host, withheld=credential is not self._credential)
                    leg = self._leg(reply, sock, place, at)
                    leg.end_by(left_s)
                    return leg
                url, place, credential = self._follow(reply, url, place, credential)
            except BaseException:
                reply.close()
                raise
            reply.close()
        raise UnreadableFile(
            "too_many_redirects",
            f"{self.place.host} sends us on more than {MAX_REDIRECTS} times.",
            "Use the address that the file is served from.",
        )

    def _ask(
        self, place: Place, credential: Credential | None, at: int
    ) -> tuple[HTTPResponse, socket.socket]:
        sock = self._guard.connect(place.host, place.port, timeout_s=self._limits.connect_s)
        try:
            sock.settimeout(self._limits.read_s)
            with cut_after(sock, self._limits.answer_s):
                if place.scheme == "https":
                    sock = self._guard.secured(sock, place.host)
                return self._exchange(sock, place, credential, at), sock
        except BaseException:
            sock.close()
            raise

    def _exchange(
        self, sock: socket.socket, place: Place, credential: Credential | None, at: int
    ) -> HTTPResponse:
        connection = HTTPConnection(place.host, place.port)
        connection.default_port = 443 if place.scheme == "https" else 80  # so that Host names any other
        connection.sock = sock
        connection.response_class = _Answer
        connection.putrequest("GET", place.target, skip_accept_encoding=True)
        headers = {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "ContactSync",
        }
        if at and self.first.version:
            headers |= {"Range": f"bytes={at}-", "If-Range": self.first.version}
        for name, value in (*headers.items(), *([credential] if credential else [])):
            connection.putheader(name, value.encode())
        connection.endheaders()
        try:
            return connection.getresponse()
        except HTTPException as error:
            if isinstance(error, OSError):
                raise  # the connection ended before the answer began
            raise unexpected(place.host, "something that is not HTTP") from None

    def _follow(
        self, reply: HTTPResponse, url: str, place: Place, credential: Credential | None
    ) -> tuple[str, Place, Credential | None]:
        """Where a redirect leads: checked as the first address was, without a credential that is not meant for it."""
        location = reply.headers.get("Location", "")
        if not location:
            raise unexpected(place.host, "a redirect that leads nowhere")
        with suppress(UnicodeError):
            location = location.encode("latin-1").decode()  # headers are read as Latin-1, and meant as UTF-8
        try:
            url = urljoin(url, location.strip().replace(" ", "%20"))  # as browsers do; scripts name files so
        except ValueError:
            raise unexpected(place.host, "a redirect that cannot be read") from None
        there = self._guard.place(url, SCHEMES)
        if place.scheme == "https" and there.scheme != "https":
            raise UnreadableFile(
                "redirect_not_allowed",
                f"{place.host} sends us on from https to http, where anybody could read and change the file.",
                "Use an address that stays on https.",
            )
        return url, there, credential if there.origin == self.place.origin else None

    def _leg(self, reply: HTTPResponse, sock: socket.socket, place: Place, at: int) -> _Reply:
        """The answer's body, once it is sure that it belongs to the file that we began to read."""
        asked_for_part = at > 0 and self.first.version is not None
        part = _part(reply, place.host) if reply.status == 206 else None
        if part and not (asked_for_part and part.start == at):
            raise unexpected(place.host, "a part of the file that we did not ask for")
        encoding = reply.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:  # gzip is known by its first bytes, later on
            raise unexpected(place.host, "an encoding that we did not accept")
        leg = _framed(reply, sock, place.host, part)
        facts = _Facts.of(reply, leg.total)
        if facts.length is not None and facts.length > self._limits.most_bytes:
            raise too_large(self._limits.most_bytes)
        if at == 0:
            self.first = facts
        elif facts.contradict(self.first, same=part is not None):
            raise changed(place.host)
        return leg


def refuse(status: int, host: str, *, withheld: bool) -> None:
    """Raise what a status that is not the file means, and whose move it is. Passes for 200 and 206."""
    aside = (
        " It is sent to the first address only, not to the one that redirects lead to." if withheld else ""
    )
    match status:
        case 200 | 206:
            return
        case 401 | 407:
            raise UnreadableFile(
                "login_refused",
                f"{host} refuses the login ({status}).",
                f"Check the user name and password, or the token, of this source.{aside}",
            )
        case 403:
            raise UnreadableFile(
                "access_refused",
                f"{host} does not let us have this file (403).",
                f"Ask whoever runs the server for access, and check the login of this source.{aside}",
            )
        case 404 | 410:
            raise UnreadableFile(
                "file_not_found",
                f"There is no such file on {host} ({status}).",
                "Check the address; if it is right, the file has not been put there, or was removed.",
            )
        case 408 | 416 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 509 | 520 | 521 | 522 | 523 | 524 | 529:
            raise SourceAway(f"{host} answers with the status {status}.")
        case _:
            raise unexpected(host, f"the status {status}")


def unexpected(host: str, what: str) -> UnreadableFile:
    """An answer that is none to the question."""
    return UnreadableFile(
        "unexpected_answer",
        f"{host} sent {what} instead of the file.",
        "Open the address in a browser to see what it serves; whoever runs the server can mend it.",
    )


class _Lines(BufferedReader):
    """A stream whose lines are whole. To `http.client`, headers that are cut have ended."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line with its end, or as many bytes as were asked for. Raises Cut."""
        line = super().readline(-1 if size is None else size)
        if not line.endswith(b"\n") and len(line) != size:
            raise Cut
        return line


class _Answer(HTTPResponse):
    """An answer that is read through `_Lines`."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = _Lines(self.fp.detach())


class _Reply:
    """A body whose framing a subclass reads. `total` is the whole file's length, where that was announced."""

    def __init__(self, reply: HTTPResponse, sock: socket.socket, part: _Part | None) -> None:
        self.start = part.start if part else 0
        self.total = part.total if part else None
        self._part = part
        self._came = 0
        self._reply = reply
        self._sock = sock
        self._body: BufferedReader = reply.fp
        self._bounds = ExitStack()

    def end_by(self, seconds: float) -> None:
        """Be cut when so many seconds are over."""
        self._bounds.enter_context(cut_after(self._sock, seconds))

    def read(self, count: int, /) -> bytes:
        """See `transfer.Leg.read`."""
        data = self._some(count)
        self._came += len(data)
        return data

    def ending(self) -> Ending:
        """See `transfer.Leg.ending`. A part has to be what it said, and the last one."""
        if self._part and not self.start + self._came == self._part.end == self._part.total:
            raise Cut
        return self._framed_end()

    def close(self) -> None:
        """See `transfer.Leg.close`."""
        self._bounds.close()
        with suppress(OSError):
            self._reply.close()
            self._sock.close()

    def _some(self, count: int) -> bytes:
        raise NotImplementedError

    def _framed_end(self) -> Ending:
        raise NotImplementedError


class _Counted(_Reply):
    """A body of announced length."""

    def __init__(
        self, reply: HTTPResponse, sock: socket.socket, part: _Part | None, length: int, host: str
    ) -> None:
        super().__init__(reply, sock, part)
        self._length = length
        self._host = host
        if part is None:
            self.total = length

    def _some(self, count: int) -> bytes:
        left = self._length - self._came
        data = self._body.read1(min(count, left)) if left else b""
        if left and not data:
            raise Cut
        return data

    def _framed_end(self) -> Ending:
        """The length is proof, unless more follows: servers that count characters instead of bytes exist."""
        try:
            self._sock.settimeout(CLOSE_S)
            more = self._body.read1(1)
        except OSError:
            more = b""
        if more:
            raise UnreadableFile(
                "length_wrong",
                f"{self._host} announces {self._length} bytes and sends more.",
                "Whoever runs the server has to correct its Content-Length; a part of the file would be lost.",
            )
        return Ending("length")


class _Chunked(_Reply):
    """A body in chunks, the last of which is empty. That one, whole, is the proof."""

    def __init__(self, reply: HTTPResponse, sock: socket.socket, part: _Part | None) -> None:
        super().__init__(reply, sock, part)
        self._left = 0
        self._ended = False

    def _some(self, count: int) -> bytes:
        if not (self._left or self._ended):
            self._next_chunk()
        if self._ended:
            return b""
        data = self._body.read1(min(count, self._left))
        if not data:
            raise Cut
        self._left -= len(data)
        if not self._left and self._body.read(2) != b"\r\n":
            raise Cut
        return data

    def _framed_end(self) -> Ending:
        return Ending("terminal_chunk")

    def _next_chunk(self) -> None:
        size = _CHUNK_SIZE.fullmatch(self._body.readline(1000))
        if not size:
            raise Cut
        self._left = int(size[1], 16)
        self._ended = not self._left
        line = b"" if self._ended else b"\r\n"
        for _ in range(100):
            if line in {b"\r\n", b"\n"}:
                return
            line = self._body.readline(65536)  # a trailer, or the empty line that ends them
            if not line.endswith(b"\n"):
                break
        raise Cut


class _UntilClosed(_Reply):
    """A body that lasts until the connection ends, for whatever reason it ends."""

    def _some(self, count: int) -> bytes:
        return self._body.read1(count)

    def _framed_end(self) -> Ending:
        if self._part:
            return Ending("length")
        return Ending(
            None,
            "The server does not say how long the file is, so nobody can tell whether all of it arrived. "
            "Have it send Content-Length.",
        )


def _framed(reply: HTTPResponse, sock: socket.socket, host: str, part: _Part | None) -> _Reply:
    """How the body ends, by RFC 9112 section 6.3. Contradictions are refused, not resolved."""
    codings = reply.headers.get_all("Transfer-Encoding", [])
    announced = reply.headers.get_all("Content-Length", [])
    lengths = {length.strip() for value in announced for length in value.split(",")}
    if codings:
        if [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise unexpected(host, "a transfer coding that we did not accept")
        return _Chunked(reply, sock, part)
    if not lengths:
        return _UntilClosed(reply, sock, part)
    length = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,18}", length) or (part and int(length) != part.end - part.start):
        raise unexpected(host, "a Content-Length that makes no sense")
    return _Counted(reply, sock, part, int(length), host)


def _part(reply: HTTPResponse, host: str) -> _Part:
    match = _RANGE.fullmatch(reply.headers.get("Content-Range", "").strip())
    if not match:
        raise unexpected(host, "a part of the file without saying which")
    return _Part(int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3]))


def _refuse_page(head: bytes, fetching: _Fetching) -> None:
    """Raise for a web page, which is mostly a login form. Scripts that forget to say text/csv are let through."""
    if _PAGE.match(head) or (fetching.first.page and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")):
        raise UnreadableFile(
            "web_page_instead_of_file",
            f"{fetching.place.host} sent a web page instead of a file, most likely one to log in or to look at the file.",
            "Use the address of the file itself, and give this source a login if the server wants one. A link for sharing "
            "leads to the file at Google Sheets with /export?format=csv in place of /edit and what follows, at Dropbox "
            "with dl=1 at its end.",
        )

"""Files on FTP servers: ftp, and ftps with TLS that is asked for (AUTH TLS) or there from the start (port 990).

FTP ends a file by closing a connection, so a file that was cut looks like one that has ended, and some servers
say "226 Transfer complete" all the same. What counts is that the size the server told before is what came, and
that size and time of change are the same afterwards, when the file has stood still for a while.
"""

from __future__ import annotations

import ftplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import BinaryIO, Literal, cast

from contactsync.errors import UnreadableFile
from contactsync.ports import Ending, SourceStream
from contactsync.sources import moments
from contactsync.sources.choosing import MAX_LISTED, FilePath, readable
from contactsync.sources.net import Guard, cut_after, tls_refusals
from contactsync.sources.place import Place
from contactsync.sources.transfer import (
    BUFFER_BYTES,
    Cut,
    Leg,
    Limits,
    Transfer,
    changed,
    let_settle,
    too_large,
)

SCHEMES = ("ftp", "ftps")
IMPLICIT_PORT = 990
MAX_ASKED = 500
"""Matches that are asked for their time one by one, where the server cannot list times. Of more nobody can tell in time
which is the newest: the names need not say so."""

Tls = Literal["none", "explicit", "implicit"]


class FtpServerSource:
    """See `ports.Source`. Without a user name the login is anonymous. `tls` overrides what URL and port say."""

    def __init__(
        self,
        url: str,
        *,
        guard: Guard,
        username: str = "",
        password: str = "",
        tls: Tls | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._url = url
        self._guard = guard
        self._login = (username, password)
        self._tls = tls
        self._limits = limits or Limits()

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        """See `ports.Source.open`."""
        place = self._guard.place(self._url, SCHEMES)
        fetching = _Fetching(place, self._tls or _tls_of(place), self._guard, self._login, self._limits)
        with (
            Transfer(fetching.begin, self._limits, place.host) as transfer,
            BufferedReader(transfer, BUFFER_BYTES) as body,
        ):
            yield SourceStream(
                cast(BinaryIO, body),
                transfer.ending,
                name=readable(fetching.name),
                size=fetching.first.size,
                last_modified=moments.of_ftp(fetching.first.changed),
            )


def _tls_of(place: Place) -> Tls:
    if place.scheme == "ftp":
        return "none"
    return "implicit" if place.port == IMPLICIT_PORT else "explicit"


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the server says about the file; None where it does not say. `changed` is YYYYMMDDHHMMSS in UTC."""

    size: int | None = None
    changed: str | None = None

    @property
    def complete(self) -> bool:
        """Whether they tell one version of the file from another."""
        return self.size is not None and self.changed is not None


class _Control(ftplib.FTP_TLS):
    """The control connection. Data connections go to its own peer, whatever address the server names.

    Its lines are UTF-8 as far as they are; other bytes come and go as they are, for greetings and names may hold any.
    """

    def __init__(self, context: ssl.SSLContext, host: str, limits: Limits) -> None:
        super().__init__(context=context)
        self.host = host
        self.timeout = limits.read_s
        self._answer_s = limits.answer_s

    def speak(self, connection: socket.socket, tls: Tls) -> None:
        """Begin the conversation."""
        self.sock = connection
        if tls == "implicit":
            with tls_refusals(self.host):
                self.sock = self.context.wrap_socket(connection, server_hostname=self.host)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding, errors="surrogateescape")
        self.welcome = self.getresp()

    def putline(self, line: str) -> None:
        """Send a command. See `ftplib.FTP.putline`, which cannot send back the names that it was told."""
        if "\r" in line or "\n" in line:
            raise ValueError("A line break would become a command.")
        assert self.sock is not None
        self.sock.sendall(f"{line}\r\n".encode(self.encoding, "surrogateescape"))

    def makepasv(self) -> tuple[str, int]:
        """Where the data connection goes: to the peer we have checked, on a port that no standard service has."""
        _, port = super().makepasv()
        if not 1023 < port < 65536:
            raise UnreadableFile(
                "port_not_allowed",
                f"{self.host} wants to send the file from port {port}.",
                "Whoever runs the server has to set its passive ports above 1023.",
            )
        assert self.sock is not None
        return self.sock.getpeername()[0], port

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A data connection. It continues the control connection's TLS session, which many servers insist on."""
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 customers have FTP servers
        if isinstance(self.sock, socket.socket) and getattr(self, "_prot_p", False):
            try:
                with tls_refusals(self.host):
                    data = self.context.wrap_socket(
                        data, server_hostname=self.host, session=getattr(self.sock, "session", None)
                    )
            except BaseException:
                data.close()
                raise
        return data, size

    def lines(self, command: str) -> Iterator[str]:
        """A listing, line by line, up to a bound."""
        with (
            self.transfercmd(command) as data,
            cut_after(data, self._answer_s),
            data.makefile("r", encoding=self.encoding, errors="surrogateescape") as listing,
        ):
            for _ in range(MAX_LISTED + 2):
                line = listing.readline(8192)
                if not line:
                    break
                yield line.rstrip("\r\n")
        self.voidresp()

    def ask(self, command: str) -> str | None:
        """The answer to a question that a server need not understand."""
        try:
            answer = self.sendcmd(command)
        except ftplib.error_perm:
            return None
        return answer[4:].strip() if answer.startswith("213") else None


class _Fetching:
    """One file being fetched: its name, and what the server said about it first."""

    def __init__(self, place: Place, tls: Tls, guard: Guard, login: tuple[str, str], limits: Limits) -> None:
        self.first = _Facts()
        self._path = FilePath.of(place.target.removeprefix("/~/"), encoded=True)
        self.name = "" if self._path.pattern else self._path.name
        self._place = place
        self._tls = tls
        self._guard = guard
        self._login = login
        self._limits = limits
        if any(ord(character) < 32 for character in "".join(login)):
            raise _login_refused(place.host)

    def begin(self, at: int) -> Leg:
        """A transfer from byte `at`. See `transfer.Transfer`."""
        control = _Control(self._guard.tls(), self._place.host, self._limits)
        try:
            connection = self._guard.connect(
                self._place.host, self._place.port, timeout_s=self._limits.connect_s
            )
            connection.settimeout(self._limits.read_s)
            with _translated(self._place.host), cut_after(connection, self._limits.answer_s):
                control.speak(connection, self._tls)
                return self._retrieve(control, at)
        except BaseException:
            control.close()
            raise

    def _retrieve(self, control: _Control, at: int) -> Leg:
        self._sign_in(control)
        control.voidcmd("TYPE I")  # before SIZE, which in text mode counts other bytes
        if not self.name:
            assert self._path.pattern is not None
            self.name = self._path.newest(_listed(control, self._path))
        path = self._path.folder + self.name
        facts = self._facts(control, path)
        if facts.size is not None and facts.size > self._limits.most_bytes:
            raise too_large(self._limits.most_bytes)
        if at == 0:
            self.first = facts
        elif facts != self.first:
            raise changed(self._place.host)
        start = at if facts.complete else 0
        try:
            data = control.transfercmd(f"RETR {path}", start or None)
        except ftplib.error_perm as error:
            if not start or str(error).startswith("550"):
                raise
            start, data = 0, control.transfercmd(f"RETR {path}")  # it knows no REST
        ask_again = partial(self._facts_after, control, path, facts)
        return _FtpLeg(
            control, data, start, facts, ask_again, end_s=self._limits.answer_s + self._limits.settled_s
        )

    def _sign_in(self, control: _Control) -> None:
        username, password = self._login
        if self._tls == "explicit":
            try:
                with tls_refusals(self._place.host):
                    control.auth()
            except ftplib.error_perm:
                raise UnreadableFile(
                    "encryption_failed",
                    f"{self._place.host} does not offer TLS; nothing was sent to it.",
                    "Use ftps:// with port 990 if it expects TLS from the start, or ftp:// to go without.",
                ) from None
        try:
            control.login(username, password, secure=False)
        except ftplib.error_perm:
            raise _login_refused(self._place.host) from None
        if self._tls != "none":
            control.prot_p()

    def _facts_after(self, control: _Control, path: str, before: _Facts) -> _Facts:
        if before.complete:
            let_settle(moments.epoch(moments.of_ftp(before.changed)), self._limits)
        return self._facts(control, path)

    def _facts(self, control: _Control, path: str) -> _Facts:
        size = control.ask(f"SIZE {path}") or ""
        return _Facts(int(size) if size.isdecimal() else None, control.ask(f"MDTM {path}"))


class _FtpLeg:
    """One RETR. See `transfer.Leg`."""

    def __init__(
        self,
        control: _Control,
        data: socket.socket,
        start: int,
        facts: _Facts,
        ask_again: Callable[[], _Facts],
        *,
        end_s: float,
    ) -> None:
        self.start = start
        self._at = start
        self._control = control
        self._data = data
        self._facts = facts
        self._ask_again = ask_again
        self._end_s = end_s

    def read(self, count: int, /) -> bytes:
        """See `transfer.Leg.read`."""
        data = self._data.recv(count)
        self._at += len(data)
        return data

    def ending(self) -> Ending:
        """See `transfer.Leg.ending`, and this module's docstring."""
        self._data.close()
        assert self._control.sock is not None
        with _translated(self._control.host), cut_after(self._control.sock, self._end_s):
            self._control.voidresp()
            size = self._facts.size
            if size is not None and self._at < size:
                raise Cut
            after = self._ask_again()
        if after != self._facts or (size is not None and self._at > size):
            raise changed(self._control.host)
        if self._facts.complete:
            return Ending("size")
        missing = "the size of the file (SIZE)" if size is None else "when the file was last changed (MDTM)"
        return Ending(
            None, f"The server does not tell {missing}, so nobody can tell whether all of it arrived."
        )

    def close(self) -> None:
        """See `transfer.Leg.close`."""
        with suppress(OSError):
            self._data.close()
            self._control.close()


def _listed(control: _Control, path: FilePath) -> Iterator[tuple[str, str]]:
    """Time and name of the files in a folder."""
    try:
        for line in control.lines(f"MLSD {path.folder.rstrip('/') or '/'}" if path.folder else "MLSD"):
            facts, _, name = line.partition(" ")
            known = dict(fact.lower().partition("=")[::2] for fact in facts.split(";"))
            if known.get("type", "file") == "file":
                yield known.get("modify", ""), name
        return
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            return
    assert path.pattern is not None
    names = [name.rpartition("/")[2] for name in control.lines(f"NLST {path.folder}".rstrip())]
    matches = [name for name in names if path.pattern.fullmatch(name)]
    if len(matches) > MAX_ASKED:
        raise UnreadableFile(
            "too_many_files",
            f"More than {MAX_ASKED} files match the pattern, and the server lists no times (MLSD) to tell the newest.",
            "Move old files away, or name one file instead of a pattern.",
        )
    for name in matches:
        yield control.ask(f"MDTM {path.folder}{name}") or "", name


def _login_refused(host: str) -> UnreadableFile:
    return UnreadableFile(
        "login_refused",
        f"{host} refuses the login.",
        "Check the user name and password of this source; some servers want TLS first (ftps://).",
    )


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """What the server says, in the port's words. Its own words are not repeated: they may quote path and login."""
    try:
        yield
    except (ftplib.error_temp, EOFError):
        raise Cut from None  # 421, 425, 426, 450, 451: gone, or too busy
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            raise UnreadableFile(
                "file_not_found",
                f"There is no such file on {host}, or this login may not read it.",
                "Check the path and the login; if they are right, the file has not been put there, or was removed.",
            ) from None
        raise _unexpected(host) from None
    except (ftplib.Error, ValueError):  # no answer, a line without end, a number of thousands of digits
        raise _unexpected(host) from None


def _unexpected(host: str) -> UnreadableFile:
    return UnreadableFile(
        "unexpected_answer",
        f"{host} does not answer as an FTP server does.",
        "Check address and port; whoever runs the server can see in its log what it said.",
    )

"""Files on SSH servers: sftp, with a password or a private key.

An SSH server proves who it is by its host key alone, so the key that is seen first is stored and asked for from
then on. paramiko is imported when a file is opened: it takes a fifth of a second, and most functions never need it.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import logging
import socket
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from contactsync.errors import UnreadableFile
from contactsync.ports import Ending, SourceStream
from contactsync.sources import moments
from contactsync.sources.choosing import FilePath, readable
from contactsync.sources.net import Guard, cut_after
from contactsync.sources.transfer import (
    BUFFER_BYTES,
    Cut,
    Deadline,
    Leg,
    Limits,
    Transfer,
    changed,
    let_settle,
    too_large,
)

if TYPE_CHECKING:
    from paramiko import PKey, SFTPAttributes, SFTPClient, Transport

SCHEMES = ("sftp",)
REQUEST_BYTES = 32 * 1024
"""The most that every server has to answer in one piece."""
IN_FLIGHT = 64
"""Requests under way at once, so that a distant server is not asked one after the other: 2 MiB."""


@dataclass(frozen=True, slots=True)
class Login:
    """`password` is the private key's passphrase where there is a private key (PEM or OpenSSH text) that has one."""

    username: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


class SftpServerSource:
    """See `ports.Source`. `host_key` is what an earlier `SourceStream.host_key` said; None accepts any, once."""

    def __init__(
        self,
        url: str,
        *,
        guard: Guard,
        login: Login,
        host_key: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._url = url
        self._guard = guard
        self._login = login
        self._host_key = host_key
        self._limits = limits or Limits()

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        """See `ports.Source.open`."""
        fetching = _Fetching(self._url, self._guard, self._login, self._host_key, self._limits)
        with (
            Transfer(fetching.begin, self._limits, fetching.place.host) as transfer,
            io.BufferedReader(transfer, BUFFER_BYTES) as body,
        ):
            yield SourceStream(
                cast(BinaryIO, body),
                transfer.ending,
                name=readable(fetching.name),
                size=fetching.first.size,
                last_modified=moments.of_epoch(fetching.first.changed),
                host_key=fetching.host_key,
            )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the server says about the file: bytes, and time of change in epoch seconds; None: it does not say."""

    size: int | None = None
    changed: int | None = None

    @classmethod
    def of(cls, attributes: SFTPAttributes) -> _Facts:
        """Read a stat."""
        return cls(attributes.st_size, attributes.st_mtime)


class _Fetching:
    """One file being fetched: its name, the host's key, and what was said about the file first."""

    def __init__(self, url: str, guard: Guard, login: Login, host_key: str | None, limits: Limits) -> None:
        self.place = guard.place(url, SCHEMES)
        self.host_key = host_key
        self.first = _Facts()
        self._path = FilePath.of(self.place.target.removeprefix("/~/"), encoded=True)
        self.name = "" if self._path.pattern else self._path.name
        self._guard = guard
        self._login = login
        self._limits = limits
        self._deadline = Deadline(limits)

    def begin(self, at: int) -> Leg:
        """The file from byte `at`. See `transfer.Transfer`."""
        import paramiko  # noqa: PLC0415 see the module's docstring

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs what we raise
        host, port = self.place.host, self.place.port
        left_s = self._deadline.left_s()
        _ = self._key  # a passphrase takes its time, and no server waits for it
        sock = self._guard.connect(host, port, timeout_s=self._limits.connect_s)
        transport: Transport | None = None
        try:
            with _translated(host), cut_after(sock, self._limits.answer_s):
                transport = paramiko.Transport(sock)
                self._greet(transport)
                self._sign_in(transport)
                leg = self._leg(transport, at)
            leg.end_by(sock, left_s + self._limits.settled_s)
            return leg
        except BaseException:
            if transport is not None:
                transport.close()
            sock.close()
            raise

    @cached_property
    def _key(self) -> PKey | None:
        return _key_of(self._login) if self._login.private_key else None

    def _greet(self, transport: Transport) -> None:
        """Agree on encryption, and see who the server is before anything is told to it."""
        if self.host_key:
            kind = self.host_key.partition(" ")[0]
            names = ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
            options = transport.get_security_options()
            options.key_types = sorted(options.key_types, key=lambda name: name not in names)
        transport.banner_timeout = transport.auth_timeout = self._limits.read_s
        transport.start_client(timeout=self._limits.answer_s)
        key = transport.get_remote_server_key()
        digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        seen = f"{key.get_name()} SHA256:{digest}"
        if self.host_key and self.host_key != seen:
            raise UnreadableFile(
                "host_key_changed",
                f"{self.place.host} shows the host key {seen}, but {self.host_key} is the one it had before.",
                "Ask whoever runs the server. If its key was replaced, accept the new one in this source; "
                "if not, somebody is between us and the server. Nothing was sent.",
            )
        self.host_key = seen

    def _sign_in(self, transport: Transport) -> None:
        import paramiko  # noqa: PLC0415

        login, is_in = self._login, False
        with suppress(paramiko.AuthenticationException):
            needs = (
                transport.auth_publickey(login.username, self._key) if self._key is not None else ["password"]
            )
            if needs and (self._key is None or _is_for_the_server(login)):  # some want both
                needs = transport.auth_password(login.username, login.password)
            is_in = not needs
        if not is_in:
            raise UnreadableFile(
                "login_refused",
                f"{self.place.host} refuses the login.",
                "Check the user name and the password or private key of this source, and that the server accepts "
                f"{'keys' if login.private_key else 'passwords'} and asks for nothing besides.",
            )

    def _leg(self, transport: Transport, at: int) -> _SftpLeg:
        from paramiko import SFTPClient  # noqa: PLC0415

        client = SFTPClient.from_transport(transport)
        if client is None:
            raise Cut
        cast(socket.socket, client.get_channel()).settimeout(self._limits.read_s)
        if not self.name:
            self.name = self._path.newest(_listed(client, self._path.folder))
        path = (self._path.folder + self.name).encode("utf-8", "surrogateescape")
        attributes = client.stat(path)
        if stat.S_ISDIR(attributes.st_mode or 0):
            raise _no_such_file(self.place.host)
        facts = _Facts.of(attributes)
        if facts.size is not None and facts.size > self._limits.most_bytes:
            raise too_large(self._limits.most_bytes)
        if at == 0:
            self.first = facts
        elif facts != self.first:
            raise changed(self.place.host)
        settle = partial(let_settle, facts.changed or 0, self._limits)
        return _SftpLeg(transport, client, path, at, facts=facts, host=self.place.host, settle=settle)


class _SftpLeg:
    """One opened file. See `transfer.Leg`."""

    def __init__(
        self,
        transport: Transport,
        client: SFTPClient,
        path: bytes,
        at: int,
        *,
        facts: _Facts,
        host: str,
        settle: Callable[[], None],
    ) -> None:
        self.start = at
        self._at = at
        self._transport = transport
        self._client = client
        self._path = path
        self._facts = facts
        self._host = host
        self._settle = settle
        self._ahead = _Ahead(client, client.open(path, "rb"), at, facts.size)
        self._rest = b""
        self._bounds = ExitStack()

    def end_by(self, sock: socket.socket, seconds: float) -> None:
        """Be cut when so many seconds are over."""
        self._bounds.enter_context(cut_after(sock, seconds))

    def read(self, count: int, /) -> bytes:
        """See `transfer.Leg.read`."""
        if not self._rest:
            with _translated(self._host):
                self._rest = self._ahead.next()
        data, self._rest = self._rest[:count], self._rest[count:]
        self._at += len(data)
        return data

    def ending(self) -> Ending:
        """See `transfer.Leg.ending`: proof is that size and time are what they were, when the file has stood still for a while, and
        that the size came.
        """
        size = self._facts.size
        if size is not None and self._at < size:
            raise Cut
        self._settle()
        with _translated(self._host):
            after = _Facts.of(self._client.stat(self._path))
        if after != self._facts or (size is not None and self._at > size):
            raise changed(self._host)
        if size is None or after.changed is None:
            return Ending(
                None,
                "The server does not tell size and time of the file, so nobody can tell whether all of it arrived.",
            )
        return Ending("size")

    def close(self) -> None:
        """See `transfer.Leg.close`."""
        self._bounds.close()
        with suppress(OSError, EOFError):
            self._transport.close()


class _Asking:
    """Requests under way, whose answers come in whatever order the server likes."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._answers: dict[int, tuple[int, Any]] = {}

    def ask(self, kind: int, *arguments: Any) -> int:
        """Send a request; its number."""
        return cast(int, self._client._async_request(self, kind, *arguments))  # noqa: SLF001

    def answer(self, number: int, expected: int) -> Any | None:
        """What was answered to a request; None for the end of a file or folder. Raises paramiko's errors, and Cut."""
        while number not in self._answers:
            self._client._read_response()  # noqa: SLF001 which hands it to _async_response
        kind, message = self._answers.pop(number)
        if kind == expected:
            return message
        try:
            self._client._convert_status(message)  # noqa: SLF001
        except EOFError:
            return None
        raise Cut

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Called by paramiko with the answer to a request."""
        self._answers[number] = kind, message


class _Ahead:
    """The bytes of an open file in order, with a bounded number of requests under way.

    paramiko's own prefetching asks from a thread. When answers come faster than that thread asks, the reader takes
    the file for finished, goes on one request at a time, and the thread fills the memory with what nobody reads.
    """

    def __init__(self, client: Any, file: Any, at: int, size: int | None) -> None:
        self._asking = _Asking(client)
        self._file = file  # which closes itself when it is let go
        self._asked = at
        self._size = size
        self._waiting: deque[tuple[int, int, int]] = deque()

    def next(self) -> bytes:
        """Some bytes; none at the end. Raises paramiko's errors."""
        from paramiko import sftp  # noqa: PLC0415

        while len(self._waiting) < IN_FLIGHT and (self._size is None or self._asked <= self._size):
            self._waiting.append(self._ask(self._asked, REQUEST_BYTES))
            self._asked += REQUEST_BYTES
        if not self._waiting:
            return b""
        number, offset, length = self._waiting.popleft()
        message = self._asking.answer(number, sftp.CMD_DATA)
        if message is None:
            return b""
        data = cast(bytes, message.get_string())
        if 0 < len(data) < length:  # a server may send less than was asked for
            self._waiting.appendleft(self._ask(offset + len(data), length - len(data)))
        return data

    def _ask(self, offset: int, length: int) -> tuple[int, int, int]:
        from paramiko import sftp  # noqa: PLC0415

        number = self._asking.ask(sftp.CMD_READ, self._file.handle, sftp.int64(offset), length)
        return number, offset, length


def _listed(client: SFTPClient, folder: str) -> Iterator[tuple[str, str]]:
    """Time and name of the files in a folder. paramiko's own listing fails at the first name that is not UTF-8."""
    from paramiko import SFTPAttributes, sftp  # noqa: PLC0415

    asking = _Asking(client)
    opened = asking.answer(asking.ask(sftp.CMD_OPENDIR, (folder or ".").encode()), sftp.CMD_HANDLE)
    if opened is None:
        raise Cut
    handle = opened.get_binary()
    waiting = deque(asking.ask(sftp.CMD_READDIR, handle) for _ in range(IN_FLIGHT))
    while (page := asking.answer(waiting.popleft(), sftp.CMD_NAME)) is not None:
        waiting.append(asking.ask(sftp.CMD_READDIR, handle))
        for _ in range(page.get_int()):
            name = page.get_string().decode("utf-8", "surrogateescape")
            page.get_string()  # the same as ls would show it
            entry = SFTPAttributes._from_msg(page)  # type: ignore[attr-defined]  # noqa: SLF001
            if entry.st_mode is None or stat.S_ISREG(entry.st_mode):
                yield f"{entry.st_mtime or 0:020d}", name


def _key_of(login: Login) -> PKey:
    """The private key, of whichever type it is. Raises UnreadableFile: private_key_not_valid."""
    import paramiko  # noqa: PLC0415

    text, password = _readable(login.private_key, login.password or None)
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException, ValueError, IndexError, UnicodeError):
            return kind.from_private_key(io.StringIO(text), password)
    raise UnreadableFile(
        "private_key_not_valid",
        "The private key of this source cannot be read.",
        "Paste the whole file, from -----BEGIN to -----END, of an Ed25519, ECDSA or RSA key; "
        "if it has a passphrase, give it as the password. Let PuTTYgen export a key of PuTTY's as an OpenSSH key.",
    )


def _is_for_the_server(login: Login) -> bool:
    """Whether a password is the account's: the private key opens without it. A passphrase is sent to nobody."""
    with suppress(UnreadableFile):
        return bool(login.password) and _key_of(replace(login, password="")) is not None
    return False


def _readable(text: str, password: str | None) -> tuple[str, str | None]:
    """The key without its passphrase, in the older PEM form where it has one; paramiko does not read PKCS #8, as OpenSSL writes it.

    A passphrase is made to take long, so it is gone through once, here. Of an OpenSSH key without a comment that happens
    to need no padding (every second ECDSA key), paramiko 5.1 strips the whole as padding and then finds no key in it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    text = "\n".join(
        line.strip() for line in text.replace("\\n", "\n").splitlines()
    )  # as settings files hold it
    for load, attempt in product(
        (serialization.load_ssh_private_key, serialization.load_pem_private_key),
        {password, None},  # the password may be the account's, and the key have none
    ):
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            key = load(text.encode(), attempt.encode() if attempt else None)
            if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
                plain = key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.TraditionalOpenSSL,
                    serialization.NoEncryption(),
                )
                return plain.decode(), None
            if isinstance(key, ed25519.Ed25519PrivateKey):
                plain = key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.OpenSSH,
                    serialization.NoEncryption(),
                )
                return plain.decode(), None
    return text, password


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """paramiko's errors in the port's words."""
    from paramiko import SSHException  # noqa: PLC0415
    from paramiko.ssh_exception import IncompatiblePeer  # noqa: PLC0415

    try:
        yield
    except IncompatiblePeer:
        raise UnreadableFile(
            "encryption_failed",
            f"{host} and we could not agree on encryption.",
            "The server offers outdated methods only; whoever runs it has to update it.",
        ) from None
    except (SSHException, EOFError):
        raise Cut from None
    except UnicodeDecodeError:  # paramiko reads the words of a refusal, too, which nobody needs
        raise UnreadableFile(
            "unexpected_answer",
            f"{host} refuses the file, in words that are not UTF-8.",
            "Check the path and the login: most likely there is no such file, or this login may not read it.",
        ) from None
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EACCES}:
            raise _no_such_file(host) from None
        raise


def _no_such_file(host: str) -> UnreadableFile:
    return UnreadableFile(
        "file_not_found",
        f"There is no such file on {host}, or this login may not read it.",
        "Check the path and the login; if they are right, the file has not been put there, or was removed.",
    )

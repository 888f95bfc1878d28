"""An FTP server of our own making that goes wrong on purpose, for what no honest server does.

stub = FtpStub(b"...")
stub.cut_at, stub.farewell = 100, "226 Transfer complete."   # the lie
with stub: ...
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.fakes.webserver import reset


class FtpStub:
    """Attributes may be changed while it runs; `commands` are those that came in."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content
        self.cut_at: int | None = None
        """Each RETR ends here, counted from the file's beginning; "" as farewell says nothing, "RST" resets."""
        self.farewell = "226 Transfer complete."
        self.size: int | str | None = None
        """What SIZE answers instead of the truth; "" is an error."""
        self.changed = ["20260101120000"]
        """What MDTM answers, one after the other, the last from then on; "" is an error."""
        self.passive: str | None = None
        """What PASV answers instead of the truth."""
        self.knows_rest = True
        self.listing = b""
        """What MLSD sends."""
        self.greeting = "220 Ready."
        self.drips_s = 0.0
        """For how long the listing, and the farewell, are kept from ending, byte by byte."""
        self.on_retrieve = lambda: None
        self.commands: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._serve)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._converse, connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with suppress(OSError), connection:
            _Conversation(self, connection).run()


class _Conversation:
    """One control connection."""

    def __init__(self, stub: FtpStub, connection: socket.socket) -> None:
        self._stub = stub
        self._connection = connection
        self._waiting: list[socket.socket] = []
        self._offset = 0

    def run(self) -> None:
        try:
            self._say(self._stub.greeting)
            with self._connection.makefile(
                "r", encoding="utf-8", errors="surrogateescape", newline="\r\n"
            ) as lines:
                for line in lines:
                    self._stub.commands.append(line.rstrip("\r\n"))
                    command, _, argument = line.rstrip("\r\n").partition(" ")
                    answer = getattr(self, f"_{command.lower()}", None)
                    self._say(answer(argument) if answer else "502 Not here.")
        finally:
            for listener in self._waiting:
                listener.close()

    def _say(self, text: str) -> None:
        if text:
            self._connection.sendall(text.encode(errors="surrogateescape") + b"\r\n")

    def _user(self, argument: str) -> str:
        return "331 Password?"

    def _pass(self, argument: str) -> str:
        return "230 Welcome."

    def _type(self, argument: str) -> str:
        return "200 Done."

    def _size(self, argument: str) -> str:
        told = len(self._stub.content) if self._stub.size is None else self._stub.size
        return "502 Not here." if told == "" else f"213 {told}"

    def _mdtm(self, argument: str) -> str:
        changed = self._stub.changed
        told = changed.pop(0) if len(changed) > 1 else changed[0]
        return f"213 {told}" if told else "502 Not here."

    def _pasv(self, argument: str) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        self._waiting.append(listener)
        port = listener.getsockname()[1]
        return self._stub.passive or f"227 Passive (10,0,0,5,{port >> 8},{port & 255})."

    def _rest(self, argument: str) -> str:
        if not self._stub.knows_rest:
            return "502 Not here."
        self._offset = int(argument)
        return "350 Go on."

    def _mlsd(self, argument: str) -> str:
        with self._accepted() as data:
            data.sendall(self._stub.listing)
            self._drip(data)
        return "226 Done."

    def _drip(self, connection: socket.socket) -> None:
        """Send what leads nowhere, a byte at a time."""
        until = time.monotonic() + self._stub.drips_s
        while time.monotonic() < until:
            connection.sendall(b" ")
            time.sleep(0.02)

    def _accepted(self) -> socket.socket:
        """The data connection, announced."""
        with self._waiting.pop() as listener:
            listener.settimeout(5)
            data = listener.accept()[0]
        self._say("150 Here it comes.")
        return data

    def _retr(self, argument: str) -> str:
        data = self._accepted()
        self._stub.on_retrieve()
        with suppress(OSError):
            data.sendall(self._stub.content[self._offset : self._stub.cut_at])
        self._offset = 0
        if self._stub.farewell == "RST":
            reset(data)
            reset(self._connection)
            return ""
        data.close()
        if self._stub.drips_s:
            self._say("226-There is more to say:")
            self._drip(self._connection)
        return self._stub.farewell

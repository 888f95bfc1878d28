"""A server of real sockets that says what a test tells it to, be it no HTTP at all."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Cut(bytes):
    """An answer after which the server hangs up."""


class Server:
    """Says what it is told to, once a request, and after that `then`; None is silence, b"" hangs up."""

    def __init__(
        self, *answers: bytes | None, then: bytes = EMPTY, tls: ssl.SSLContext | None = None
    ) -> None:
        self._answers = list(answers)
        self._then = then
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        self.connections = 0
        self.open: list[socket.socket] = []
        self.heard: list[bytes] = []
        self.bodies: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for connection in self.open:
            connection.close()

    @property
    def requests(self) -> list[str]:
        """The request lines, without their version."""
        return [line.decode().rpartition(" ")[0] for line in self.heard if line.endswith(b" HTTP/1.1\r\n")]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._tls:
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    continue  # the client does not trust us
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection.makefile("rb") as reader:  # the client may go at any time
            length = 0
            while line := reader.readline():
                self.heard.append(line)
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                if line != b"\r\n":
                    continue
                self.bodies.append(reader.read(length))
                answer = self._answers.pop(0) if self._answers else self._then
                if answer:
                    connection.sendall(answer)
                if answer == b"" or isinstance(answer, Cut):
                    connection.shutdown(socket.SHUT_RDWR)
                    return

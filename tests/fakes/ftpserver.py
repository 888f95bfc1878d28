"""pyftpdlib on loopback, plain and with TLS: an FTP server that others use, not one that agrees with us by design."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer


@contextmanager
def ftp_server(
    folder: Path,
    *,
    username: str = "ann",
    password: str = "correct horse",
    tls: Literal["none", "explicit", "implicit"] = "none",
    certificate: Path | None = None,
    address: str = "127.0.0.1",
    **settings: Any,
) -> Iterator[int]:
    """Serve `folder`; yields the port. `settings` are attributes of the handler."""
    authorizer = DummyAuthorizer()
    authorizer.add_user(username, password, str(folder), perm="elr")
    authorizer.add_anonymous(str(folder))
    base = FTPHandler if tls == "none" else _ImplicitHandler if tls == "implicit" else TLS_FTPHandler
    protected = (
        {}
        if tls == "none"
        else {
            "certfile": str(certificate),
            "tls_control_required": True,
            "tls_data_required": True,
            "ssl_context": None,
        }
    )
    handler = type("Handler", (base,), {"authorizer": authorizer, **protected, **settings})
    loop = IOLoop()
    server = FTPServer((address, 0), handler, ioloop=loop)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.05, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.address[1]
    finally:
        stop.set()
        thread.join(10)


class _ImplicitHandler(TLS_FTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """TLS from the first byte on, as on port 990."""

    def handle(self) -> None:
        self.secure_connection(self.get_ssl_context())
        super().handle()

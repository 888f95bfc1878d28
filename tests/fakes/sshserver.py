"""asyncssh on loopback, serving files over SFTP: other code than the paramiko that the source is made of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh


class _Doorman(asyncssh.SSHServer):
    def __init__(self, username: str, password: str, keys: list[asyncssh.SSHKey]) -> None:
        self._login = username, password
        self._username = username
        self._keys = keys

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == self._login

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == self._username and any(
            key.public_data == known.public_data for known in self._keys
        )


@contextmanager
def sftp_server(
    folder: Path,
    *,
    username: str = "ann",
    password: str = "correct horse",
    keys: list[asyncssh.SSHKey] | None = None,
    host_keys: list[asyncssh.SSHKey] | None = None,
    files: type[asyncssh.SFTPServer] = asyncssh.SFTPServer,
) -> Iterator[int]:
    """Serve `folder` as the root; yields the port. `files` may be a subclass that misbehaves."""
    loop = asyncio.new_event_loop()
    ready: list[Any] = []

    def factory(channel: Any) -> asyncssh.SFTPServer:
        return files(channel, chroot=str(folder).encode())

    async def start() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=host_keys or [asyncssh.generate_private_key("ssh-ed25519")],
            server_factory=lambda: _Doorman(username, password, keys or []),
            sftp_factory=factory,
        )

    started = threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        ready.append(loop.run_until_complete(start()))
        started.set()
        loop.run_forever()
        loop.run_until_complete(ready[0].wait_closed())
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ready[0].get_port()
    finally:
        loop.call_soon_threadsafe(ready[0].close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)

"""The local stack's address takes a query as people type it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local.front import Front


class Emulator(BaseHTTPRequestHandler):
    """Answers with the path that it was asked for."""

    def do_GET(self) -> None:
        said = self.path.encode("latin-1")
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def port() -> Iterator[int]:
    emulator = HTTPServer(("127.0.0.1", 0), Emulator)
    threading.Thread(target=emulator.serve_forever, daemon=True).start()
    port = free_port()
    front = Front(port=port, emulator_port=emulator.server_port)
    front.start("api")
    yield port
    front.stop()
    emulator.shutdown()
    emulator.server_close()


@pytest.mark.parametrize("typed", ["Zoë", "Zo%C3%AB"])
def test_a_query_is_passed_on_whether_it_is_escaped_or_not(port: int, typed: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        asked = f"GET /v1/contacts?name={typed}&limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        client.sendall(asked.encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.endswith(b"/restapis/api/v1/_user_request_/contacts?name=Zo%C3%AB&limit=1")

"""Any WSGI application on loopback, with failures that a test switches: real servers that lose answers."""

from __future__ import annotations

import base64
import io
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from tests.fakes.jsonserver import Mishap

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
WRITES = frozenset({"PUT", "DELETE", "POST", "MKCOL"})


class WsgiServer:
    """Serves `app` for one user under one password. `mishaps` happen to the next writes, `cuts` to the next reports."""

    def __init__(self, app: App, *, username: str = "ann", password: str = "open sesame") -> None:
        self.app = app
        self.username = username
        self.password = password
        self.mishaps: list[Mishap] = []
        self.cuts = 0
        self.retry_after_s: int | None = None
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                owner._answer(self)

            do_GET = do_PUT = do_DELETE = do_POST = do_OPTIONS = answer  # noqa: N815 http.server names them
            do_PROPFIND = do_REPORT = do_MKCOL = do_PROPPATCH = do_MOVE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        secret = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        with self._lock:
            self.requests.append(request.command)
            mishap = self.mishaps.pop(0) if self.mishaps and request.command in WRITES else None
            if self.cuts and request.command == "REPORT":
                self.cuts -= 1
                mishap = Mishap.CUT
            if request.headers.get("Authorization") != f"Basic {secret}":
                status, headers, content = "401 Unauthorized", [("WWW-Authenticate", "Basic")], b""
            elif self.retry_after_s is not None:
                status, headers, content = "503 Busy", [("Retry-After", str(self.retry_after_s))], b""
            else:
                status, headers, content = self._asked(request, body)
        if mishap is Mishap.LOST:
            request.close_connection = True
            return
        if mishap is Mishap.ERROR:
            status, headers, content = "500 Oops", [], b""
        code, _, reason = status.partition(" ")
        request.send_response(int(code), reason)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "server", "date"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if mishap is Mishap.CUT else content)
        request.close_connection = request.close_connection or mishap is Mishap.CUT

    def _asked(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[str, list[tuple[str, str]], bytes]:
        path, _, query = request.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_USER": self.username,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        content = b"".join(self.app(environ, lambda status, headers, *_: begun.append((status, headers))))
        return *begun[-1], content

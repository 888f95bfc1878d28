"""A JSON API on loopback whose answers a test writes as functions, and whose failures it switches.

class Api(JsonServer):
    def respond(self, call: Call) -> Reply: …
with Api() as api: requests.get(api.url)
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson


class Mishap(Enum):
    """What may happen to one call."""

    LOST = "it is carried out, and the connection breaks before the answer"
    DROPPED = "the connection breaks before it is carried out"
    CUT = "the answer breaks off"
    ERROR = "500, after it was carried out"


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body) if self.body else {}

    def one(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.query.get(name, [default])[-1]


@dataclass(frozen=True)
class Reply:
    """What is answered: a JSON document, or bytes as they are."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def content(self) -> bytes:
        """The body."""
        if self.raw is not None:
            return self.raw
        return b"" if self.document is None else orjson.dumps(self.document)


class JsonServer:
    """See the module's docstring.

    Attributes:
        calls: those that came.
        mishaps: what happens to the next that write.
        cuts: so many of the next reads break off.
        refusals: what the next calls get, none of which is carried out.
        quota: so many calls are answered, the others with `exhausted`; None for any number.
        at_once_max: so many calls are answered at a time, one more with `exhausted`.
        most_at_once: how many came together at most.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.mishaps: deque[Mishap] = deque()
        self.cuts = 0
        self.refusals: deque[Reply] = deque()
        self.quota: int | None = None
        self.at_once_max = 1_000
        self.most_at_once = 0
        self._at_once: list[None] = []
        self.lock = threading.Lock()

    def respond(self, call: Call) -> Reply:
        """What a call gets."""
        raise NotImplementedError

    def exhausted(self) -> Reply:
        """What a call gets that is one too many."""
        return Reply(429, {"error": {"code": 429}}, {"Retry-After": "1"})

    def __enter__(self) -> Self:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                api._answer(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 http.server names them

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        split = urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.command, split.path, parse_qs(split.query), headers, body)
        self._at_once.append(None)
        try:
            mishap, reply = self._taken(call)
        finally:
            self._at_once.pop()
        if mishap in (Mishap.LOST, Mishap.DROPPED):
            request.close_connection = True
            return
        if mishap is Mishap.ERROR:
            reply = Reply(500, {"error": {"code": 500}})
        self._send(request, reply, cut=mishap is Mishap.CUT)

    def _taken(self, call: Call) -> tuple[Mishap | None, Reply]:
        crowded = len(self._at_once) > self.at_once_max
        with self.lock:
            self.most_at_once = max(self.most_at_once, len(self._at_once))
            self.calls.append(call)
            if crowded or self.quota == 0:
                return None, self.exhausted()
            if self.quota is not None:
                self.quota -= 1
            if self.refusals:
                return None, self.refusals.popleft()
            mishap = self.mishaps.popleft() if self.mishaps and self._is_write(call) else None
            if mishap is None and self.cuts and call.method == "GET":
                self.cuts -= 1
                mishap = Mishap.CUT
            return mishap, Reply() if mishap is Mishap.DROPPED else self.respond(call)

    def _send(self, request: BaseHTTPRequestHandler, reply: Reply, *, cut: bool) -> None:
        content = reply.content()
        request.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if cut else content)
        request.close_connection = request.close_connection or cut

    def _is_write(self, call: Call) -> bool:
        return call.method != "GET"

"""A proxy that stands between our code and a service, counts the calls, and makes the n-th of them go wrong.

    with FaultProxy("http://127.0.0.1:4566") as proxy:
        proxy.plan(3, LoseReply())                                   # the third call from now on
        proxy.plan_where(is_operation("Query"), throttled(), times=2)  # the next two queries
        run(endpoint=proxy.url)
        assert [call.operation for call in proxy.calls] == [...]

Crash enumeration runs a workload once to learn how many calls it makes, then once for every call and fault.
Faults work on the wire, so a request that is withheld is truly withheld: a hook inside the client or the
emulator's process would let it take effect.
"""

from __future__ import annotations

import json
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

UPSTREAM_S = 60
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came in, and what was planned for it."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    fault: Fault | None

    @property
    def operation(self) -> str:
        """The name that JSON services have, PutItem; for others the method and the path's first part, PUT /bucket."""
        target = self.headers.get("x-amz-target", "")
        if target:
            return target.rpartition(".")[2]
        return f"{self.method} /{self.path.lstrip('/').split('/')[0].split('?')[0]}"

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(slots=True)
class Reply:
    """What goes back to the caller."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def with_body(self, body: bytes) -> Reply:
        """Another body under the same status; checksums and lengths of the old one go."""
        gone = {"content-length", "x-amz-crc32"}
        return Reply(self.status, [pair for pair in self.headers if pair[0].lower() not in gone], body)


class DropConnection(Exception):
    """Raised by a fault to end the connection without an answer."""


Forward = Callable[[bytes], Reply]
"""Sends the call on with the given body and returns the service's reply."""


class Fault(ABC):
    """What happens instead of plain forwarding."""

    @abstractmethod
    def apply(self, call: Call, forward: Forward) -> Reply:
        """The reply to give; or DropConnection."""


class FailBeforeSending(Fault):
    """The request never arrives."""

    def apply(self, call: Call, forward: Forward) -> Reply:
        raise DropConnection


class LoseReply(Fault):
    """The request takes effect, and its answer is lost on the way."""

    def apply(self, call: Call, forward: Forward) -> Reply:
        forward(call.body)
        raise DropConnection


@dataclass(frozen=True)
class CutReply(Fault):
    """The answer stops after `after` bytes of body, while Content-Length promises all of it."""

    after: int

    def apply(self, call: Call, forward: Forward) -> Reply:
        reply = forward(call.body)
        headers = [*reply.with_body(b"").headers, ("Content-Length", str(len(reply.body))), ("X-Cut", "1")]
        return Reply(reply.status, headers, reply.body[: self.after])


class CorruptReply(Fault):
    """One byte of the answer changes on the way; checksums stay what they were."""

    def apply(self, call: Call, forward: Forward) -> Reply:
        reply = forward(call.body)
        middle = len(reply.body) // 2
        reply.body = reply.body[:middle] + bytes([reply.body[middle] ^ 1]) + reply.body[middle + 1 :]
        return reply


@dataclass(frozen=True)
class Answer(Fault):
    """The service answers this, and the request takes no effect."""

    status: int
    body: bytes = b""
    content_type: str = "application/x-amz-json-1.0"

    def apply(self, call: Call, forward: Forward) -> Reply:
        return Reply(self.status, [("Content-Type", self.content_type)], self.body)


@dataclass(frozen=True)
class Delay(Fault):
    """The request is sent on late."""

    seconds: float

    def apply(self, call: Call, forward: Forward) -> Reply:
        time.sleep(self.seconds)
        return forward(call.body)


@dataclass(frozen=True)
class WithholdStatements(Fault):
    """Some statements of a BatchExecuteStatement fail with `code` by themselves; the others are sent on."""

    indices: frozenset[int]
    code: str = "ThrottlingError"

    def apply(self, call: Call, forward: Forward) -> Reply:
        request = call.json()
        sent = [each for n, each in enumerate(request["Statements"]) if n not in self.indices]
        error = {"Error": {"Code": self.code, "Message": "withheld"}}
        if not sent:
            return _json_reply({"Responses": [error] * len(request["Statements"])})
        reply = forward(json.dumps(request | {"Statements": sent}).encode())
        answered = iter(json.loads(reply.body)["Responses"])
        merged = [error if n in self.indices else next(answered) for n in range(len(request["Statements"]))]
        return reply.with_body(json.dumps({"Responses": merged}).encode())


@dataclass(frozen=True)
class WithholdKeys(Fault):
    """The last `count` keys of a BatchGetItem come back as UnprocessedKeys; the others are sent on."""

    count: int

    def apply(self, call: Call, forward: Forward) -> Reply:
        ((table, asked),) = call.json()["RequestItems"].items()
        cut = max(0, len(asked["Keys"]) - self.count)
        unprocessed = {table: asked | {"Keys": asked["Keys"][cut:]}}
        if not cut:
            return _json_reply({"Responses": {table: []}, "UnprocessedKeys": unprocessed})
        reply = forward(json.dumps({"RequestItems": {table: asked | {"Keys": asked["Keys"][:cut]}}}).encode())
        return reply.with_body(json.dumps(json.loads(reply.body) | {"UnprocessedKeys": unprocessed}).encode())


def throttled(code: str = "ProvisionedThroughputExceededException") -> Answer:
    """DynamoDB's way of asking to wait."""
    return refused(code)


def refused(code: str, status: int = 400, **more: Any) -> Answer:
    """A JSON service's error."""
    return Answer(
        status, json.dumps({"__type": f"com.amazonaws.example#{code}", "message": code, **more}).encode()
    )


def cancelled(reasons: Iterable[str]) -> Answer:
    """A transaction cancelled for these reasons, one a write; "None" for a write that is not at fault."""
    return refused("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in reasons])


def s3_error(code: str, status: int) -> Answer:
    """S3's error."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Answer(status, body.encode(), "application/xml")


def is_operation(name: str) -> Callable[[Call], bool]:
    """For `plan_where`: calls of this operation."""
    return lambda call: call.operation == name


@dataclass(slots=True)
class _Plan:
    matches: Callable[[Call], bool]
    fault: Fault
    times: int


class FaultProxy:
    """See the module's docstring. `calls` holds every call since the last `reset`, in order of arrival."""

    def __init__(self, upstream_url: str) -> None:
        upstream = urlsplit(upstream_url)
        assert upstream.hostname is not None
        self._upstream = (upstream.hostname, upstream.port or 80)
        self._plans: list[_Plan] = []
        self._lock = Lock()
        self.calls: list[Call] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def plan(self, call_number: int, fault: Fault) -> None:
        """Let the call of this number (from 1, since the last reset) go wrong."""
        self.plan_where(lambda call: call.number == call_number, fault)

    def plan_where(self, matches: Callable[[Call], bool], fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` calls that match go wrong."""
        with self._lock:
            self._plans.append(_Plan(matches, fault, times))

    def reset(self) -> None:
        """Forget calls and plans."""
        with self._lock:
            self._plans.clear()
            self.calls.clear()

    def operations(self) -> list[str]:
        """The names of the calls so far."""
        return [call.operation for call in self.calls]

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Call:
        """Number a call and find what is planned for it."""
        with self._lock:
            call = Call(len(self.calls) + 1, method, path, headers, body, None)
            for plan in self._plans:
                if plan.times and plan.matches(call):
                    plan.times -= 1
                    call = Call(call.number, method, path, headers, body, plan.fault)
                    break
            self.calls.append(call)
            return call

    def forward(self, call: Call, body: bytes) -> Reply:
        """Send a call on, with this body."""
        connection = HTTPConnection(*self._upstream, timeout=UPSTREAM_S)
        try:
            connection.putrequest(call.method, call.path, skip_host=True, skip_accept_encoding=True)
            for name, value in call.headers.items():
                if name not in HOP_BY_HOP and name not in {"content-length", "expect"}:
                    connection.putheader(name, value)
            if body or call.method in {"PUT", "POST"}:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response: HTTPResponse = connection.getresponse()
            content = response.read()
            headers = [pair for pair in response.getheaders() if pair[0].lower() not in HOP_BY_HOP]
            if call.method != "HEAD":
                headers = [pair for pair in headers if pair[0].lower() != "content-length"]
            return Reply(response.status, headers, content)
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer

    def handle_one_request(self) -> None:
        """As in the base class, with one method for all verbs."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._chunks() if "chunked" in headers.get("transfer-encoding", "") else self._sized()
        assert isinstance(self.server, _Server)
        proxy = self.server.proxy
        call = proxy.take(self.command, self.path, headers, body)
        try:
            if call.fault is None:
                self._answer(proxy.forward(call, body))
            else:
                self._answer(call.fault.apply(call, lambda sent: proxy.forward(call, sent)))
        except (DropConnection, OSError):
            self._drop()

    def handle_expect_100(self) -> bool:
        """As in the base class, at once: S3's clients wait a second for it."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class named it
        pass

    def _sized(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _answer(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        names = {name.lower() for name, _ in reply.headers}
        for name, value in reply.headers:
            self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()
        if "x-cut" in names:
            self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):  # the caller may have gone first
            self.connection.shutdown(socket.SHUT_RDWR)


def _json_reply(answer: Any) -> Reply:
    return Reply(200, [("Content-Type", "application/x-amz-json-1.0")], json.dumps(answer).encode())

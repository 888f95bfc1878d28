"""Roles, enforced: what a function asks of AWS is refused unless the role that the template gives it allows it.

The emulator by itself lets everybody do everything, so a role that lacks a permission would be found in the cloud
only. Here each function signs with a name of its own; every request, and every presigned URL, is held against the
statements of that function's role, with conditions. Whoever signs with another name is the operator, who may do all.

Each statement that allowed something is noted once in `permissions.jsonl`, so that tests can tell which are needed.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from local.needs import Need, Request, needs
from local.place import ACCOUNT, REGION
from local.quotas import excess

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

NOTES = "permissions.jsonl"
MOST_BODY_BYTES = 20 * 1024 * 1024
_SIGNED = re.compile(r"Credential=([^/,]+)/\d+/[^/]+/([^/]+)/aws4_request")
_READ = frozenset({"dynamodb", "events", "kms", "scheduler", "ses", "sts"})
"""Services whose requests say in their body what they need."""


class Permissions:
    """Stands before the emulator. `roles` tells the role's name of a function, None for whoever is none."""

    def __init__(self, app: App, roles: Callable[[str], str | None], home: Path) -> None:
        self._app, self._roles, self._notes = app, roles, home / NOTES
        self._noted: set[tuple[str, str, str, str]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        signed = _signature(scope) if scope["type"] == "http" else None
        role = self._roles(signed[0]) if signed else None
        if signed is None or role is None:
            await self._app(scope, receive, send)
            return
        caller, service = signed
        body = b""
        if service in _READ or _deletes_several(scope, service):
            body = await _body(receive)
            receive = _said_again(body, receive)
        request = _request(scope, service, body)
        if too_much := excess(request):
            await _answer_badly(send, too_much)
            return
        for need in needs(request):
            if not self._allows(caller, role, need):
                await _refuse(send, service, need)
                return
        if service == "s3" and request.method in {"GET", "HEAD"}:
            bucket = request.path.lstrip("/").partition("/")[0]
            need = Need("s3:ListBucket", f"arn:aws:s3:::{bucket}")
            send = _missing_or_forbidden(send, lambda: self._allows(caller, role, need))
        await self._app(scope, receive, send)

    def _allows(self, caller: str, role: str, need: Need) -> bool:
        from ministack.core.iam_evaluator import (
            EvalContext,
            _gather_role_policies,
            _session_policy_limits,
            evaluate,
        )
        from ministack.services import sts

        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{caller}"
        asked = EvalContext(
            principal_arn=arn,
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action=need.action,
            resource_arn=need.resource,
            region=REGION,
            secure_transport=True,
            service_context=dict(need.context),
        )
        limits = _session_policy_limits(sts._sessions.get(caller) or {}, ACCOUNT)
        told = evaluate(asked, _gather_role_policies(role, ACCOUNT), *limits)
        allowed = bool(told.decision == "Allow")
        self._note(role if caller in sts._sessions else caller, need, told.matched_sid if allowed else "")
        return allowed

    def _note(self, caller: str, need: Need, sid: str) -> None:
        """Once for each statement and action; a refusal with its resource, once for each."""
        line = (caller, need.action, sid, "" if sid else need.resource)
        if line in self._noted:
            return
        self._noted.add(line)
        told = dict(zip(("function", "action", "sid", "resource"), line, strict=True))
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(told) + "\n")


def _signature(scope: Message) -> tuple[str, str] | None:
    """Who has signed a request, and for which service; in a header, or in a presigned URL."""
    header = _headers(scope).get("authorization", "")
    found = _SIGNED.search(header)
    if found is None:
        query = parse_qs(scope.get("query_string", b"").decode())
        found = _SIGNED.search("Credential=" + query.get("X-Amz-Credential", [""])[0])
    return (found[1], found[2]) if found else None


def _deletes_several(scope: Message, service: str) -> bool:
    """Whether this is S3's DeleteObjects, whose body names the objects."""
    query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
    return service == "s3" and scope["method"] == "POST" and "delete" in query


def _headers(scope: Message) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())
    }


def _request(scope: Message, service: str, body: bytes) -> Request:
    headers = _headers(scope)
    return Request(
        service=service,
        method=scope["method"],
        path=scope["path"],
        query=parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True),
        target=headers.get("x-amz-target", "").rpartition(".")[2],
        body=body,
        copied=headers.get("x-amz-copy-source", ""),
    )


async def _body(receive: Receive) -> bytes:
    """The whole body, which for these services is small."""
    parts, length = [], 0
    while length < MOST_BODY_BYTES:
        message = await receive()
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            break
    return b"".join(parts)


def _said_again(body: bytes, receive: Receive) -> Receive:
    """The body for whoever comes next, and then what the connection says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _missing_or_forbidden(send: Send, may_list: Callable[[], bool]) -> Send:
    """S3 tells that an object does not exist only to those who may list its bucket."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 404 and not may_list():
            message = {**message, "status": 403}
        await send(message)

    return told


async def _refuse(send: Send, service: str, need: Need) -> None:
    said = f"not authorized to perform {need.action} on {need.resource}"
    kind, body = "application/json", json.dumps({"__type": "AccessDeniedException", "message": said})
    if service in {"s3", "sts"}:
        kind = "application/xml"
        error = f"<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>"
        body = f"<ErrorResponse>{error}</ErrorResponse>" if service == "sts" else error
    headers = [(b"content-type", kind.encode()), (b"x-amzn-errortype", b"AccessDeniedException")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


async def _answer_badly(send: Send, why: str) -> None:
    body = json.dumps({"__type": "ValidationException", "message": f"beyond a limit of the service: {why}"})
    headers = [
        (b"content-type", b"application/x-amz-json-1.0"),
        (b"x-amzn-errortype", b"ValidationException"),
    ]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def noted(home: Path) -> list[Mapping[str, str]]:
    """What was noted so far on a stack."""
    path = home / NOTES
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

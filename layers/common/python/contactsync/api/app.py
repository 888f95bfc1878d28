"""The API: whatever a request passes on its way in, it passes here, in the same order for every route.

    route → caller → permission → query and body → idempotency → the route's verb → answer, or problem

The routes are one table, so finding one takes a few lines; a resolver of a library was measured at 100 ms of
every cold start, a quarter of all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aws_lambda_powertools.logging import Logger

from contactsync.api import idempotency, incoming
from contactsync.api.answer import AnyAnswer, WrongMethod, bug_answer, error_answer
from contactsync.api.route import Route
from contactsync.api.routes import ROUTES
from contactsync.control import new_id
from contactsync.errors import ContactSyncError, InvalidRequest, NotFound, NotPermitted, Problem
from contactsync.journeys.asked.asking import World
from contactsync.model.account import Caller

ANY_PAGE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, Retry-After, Allow, Content-Disposition",
}
"""Lets pages of any origin read an answer, and what it says beside its body: a browser adds no permission by itself, so the
key that the page sent is the permission."""

BASE = "/v1"
"""API Gateway leaves the stage out of the path, but a domain of one's own puts it in."""

_is_id = re.compile(r"[0-9A-Za-z_]{1,64}").fullmatch
_is_run = re.compile(r"r[0-9a-f]{24}").fullmatch
_is_made = re.compile(r"/v1/runs/(r[0-9a-f]{24})").fullmatch


class Api:
    """Answers Lambda proxy events of the REST API.

    Args:
        world: the ports that requests reach.
        logger: takes one line a request: route, status, account, run, milliseconds, and nothing of what was said.
        log_bug: takes an error that nobody foresaw, and keeps its message, which may quote people's data, to itself.
    """

    def __init__(self, world: World, *, logger: Logger, log_bug: Callable[[Exception], None]) -> None:
        self._world = world
        self._logger = logger
        self._log_bug = log_bug
        self._routes = [(route, _pattern(route.path)) for route in ROUTES]

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One event → one answer, both in API Gateway's form. Never raises."""
        began = time.monotonic()
        context = event.get("requestContext") or {}
        told: dict[str, Any] = {
            "request_id": str(context.get("requestId") or "unknown"),
            "account_id": (context.get("authorizer") or {}).get("account_id"),
            "route": None,
        }
        try:
            answer = self._answer(event, told)
        except ContactSyncError as error:
            answer = error_answer(error)
        except Exception as error:  # noqa: BLE001 - the last resort: the client gets an answer, we get a record
            self._log_bug(error)
            answer = bug_answer(told["request_id"])
        if found := _is_made(answer.headers.get("Location", "")):
            told["run_id"] = found[1]
        told |= {"status": answer.status, "duration_ms": round((time.monotonic() - began) * 1000)}
        self._logger.info("request", extra=told)
        return _proxied(replace(answer, body="") if event.get("httpMethod") == "HEAD" else answer)

    def _answer(self, event: Mapping[str, Any], told: dict[str, Any]) -> AnyAnswer:
        route, ids = self._route(event)
        told["route"] = f"{route.method} {route.path}"
        caller = incoming.NOBODY if route.public else incoming.caller_of(event)
        if route.permissions and caller.permissions.isdisjoint(route.permissions):
            raise NotPermitted(*route.permissions)
        if route.also is not None and route.also not in caller.permissions:
            raise NotPermitted(route.also)
        if not all(map(_is_id, ids.values())):
            raise NotFound
        if _is_run(ids.get("run_id", "")):  # nothing else that somebody writes there belongs in the log
            told["run_id"] = ids["run_id"]
        return self._ask(route, ids, caller, event)

    def _route(self, event: Mapping[str, Any]) -> tuple[Route, dict[str, str]]:
        """The route of this method and path, and the ids in the path. Raises NotFound or WrongMethod."""
        path = str(event.get("path") or "").removeprefix(BASE).rstrip("/")
        found = [(route, match) for route, pattern in self._routes if (match := pattern.fullmatch(path))]
        for route, match in found:
            asked = event.get("httpMethod")
            if asked == route.method or (asked == "HEAD" and route.method == "GET" and not route.once):
                return route, match.groupdict()
        raise WrongMethod([route.method for route, _ in found]) if found else NotFound

    def _ask(
        self, route: Route, ids: Mapping[str, str], caller: Caller, event: Mapping[str, Any]
    ) -> AnyAnswer:
        place = re.sub(r"<(\w+)>", lambda name: ids[name[1]], f"{route.method} {route.path}")
        query, problems = incoming.query_of(event, route.query, passes_over=route.public)
        request = incoming.Request(place=place, caller=caller, ids=ids, query=query)
        if problems:
            raise InvalidRequest([*problems, *self._further(route, request)])
        if route.method == "PATCH":
            request = replace(request, body=incoming.body_of(event))
        if route.method != "GET":
            request = replace(request, if_match=incoming.version_of(event, offered=route.versioned))
        if route.method != "POST":
            return route.verb(self._world, replace(request, seed=new_id(self._world.clock.now())))
        key = incoming.idempotency_key_of(event)
        asked = replace(request, body=incoming.body_of(event), idempotency_key=key)
        if route.replayed == "never":
            return route.verb(self._world, asked)
        return idempotency.once(
            asked,
            self._world.control,
            self._world.clock,
            lambda seed: route.verb(self._world, replace(asked, seed=seed)),
            keep=route.replayed == "kept",
        )

    def _further(self, route: Route, request: incoming.Request) -> Sequence[Problem]:
        """What else is wrong with a query: heard by asking, where that changes nothing.

        Not of its page token, which is bound to a query that is right.
        """
        if route.method == "GET" and not route.once and route.query:
            query = {name: value for name, value in request.query.items() if name != "next"}
            try:
                route.verb(self._world, replace(request, query=query))
            except InvalidRequest as error:
                return error.problems
            except ContactSyncError:
                pass  # to be said of a query that is right
        return ()


def _pattern(path: str) -> re.Pattern[str]:
    """A path of the table, "/runs/<run_id>", as a pattern with a group run_id."""
    return re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", re.escape(path)))


def _proxied(answer: AnyAnswer) -> dict[str, Any]:
    return {
        "statusCode": answer.status,
        "headers": {
            "Content-Type": answer.content_type,
            "Cache-Control": "no-store",
            **ANY_PAGE,
            **answer.headers,
        },
        "body": answer.body,
        "isBase64Encoded": False,
    }

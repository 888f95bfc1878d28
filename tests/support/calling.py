"""A caller of the API as API Gateway sees one: proxy events into the real handlers, over memory adapters."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from contactsync import bootstrap
from contactsync.adapters.memory import MemoryBus, MemoryIssuer, MemoryScheduler
from contactsync.connectors.oauth import OAuth
from contactsync.errors import Busy
from contactsync.journeys.account.accounts import NewAccount, create_account
from contactsync.journeys.account.signing_in import Guests
from contactsync.journeys.asked import asking
from contactsync.model.account import ALL_PERMISSIONS
from functions.api import handler
from tests.support.bookworld import BookWorld
from tests.support.promises import hold
from tests.support.world import World

SHARED = "shared-by-everybody"
"""The key under which API Gateway counts accounts without one of their own."""
ISSUER = "https://people.example.com/pool"
CLIENT = "console"
REACHED = [port.name for port in fields(asking.World)]
"""What requests reach of a service."""


class FlakyBus(MemoryBus):
    """Refuses to take the next `failures` events."""

    failures = 0

    def publish(self, kind: str, detail: dict[str, str]) -> None:
        if self.failures:
            self.failures -= 1
            raise Busy("the bus is away")
        super().publish(kind, detail)


@dataclass
class ApiWorld(World):
    """The service in memory with its bus; `runs_asked` are the runs that were announced on it."""

    bus: FlakyBus = field(default_factory=FlakyBus)
    scheduler: MemoryScheduler = field(default_factory=MemoryScheduler)

    _guests: Guests | None = None
    issuer: MemoryIssuer = field(default_factory=lambda: MemoryIssuer(ISSUER, frozenset({CLIENT})))

    def guests(self) -> Guests:
        """As the composition root makes them: one a process."""
        if self._guests is None:
            self._guests = Guests(self.issuer, self.control, self.clock)
        return self._guests

    def know(self, authorities: Mapping[str, OAuth], elsewhere: Mapping[str, str] | None = None) -> None:
        """As in a process that starts now."""
        super().know(authorities, elsewhere)
        handler.api.cache_clear()

    def reached(self) -> asking.World:
        """What requests reach of it."""
        return asking.World(**{name: getattr(self, name) for name in REACHED})

    def runs_asked(self) -> list[str]:
        return [event.detail["run_id"] for event in self.bus.events if event.kind == "RunRequested"]

    def another_account(self) -> NewAccount:
        return create_account(
            self.control, name="Globex", country="GB", email="other@example.com", now=self.clock.now()
        )


@dataclass
class ApiBookWorld(ApiWorld, BookWorld):
    """The service with its API and an address book."""


@contextmanager
def served(world: ApiWorld) -> Iterator[ApiWorld]:
    """Within this, the handlers' composition root hands out the ports of `world`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in REACHED:
            patch.setattr(bootstrap, name, partial(getattr, world, name))
        patch.setattr(bootstrap, "guests", world.guests)
        patch.setattr(bootstrap, "shared_usage_key", lambda: SHARED)
        handler.api.cache_clear()
        yield world
    handler.api.cache_clear()


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> tuple[int, str]:
        """The status and the code of a refusal."""
        return self.status, self.json["type"].removeprefix("/problems/")

    @property
    def pointers(self) -> set[str]:
        """Where a problem says that something is wrong."""
        assert self.headers["content-type"] == "application/problem+json"
        return {error["pointer"] for error in self.json["errors"]}


@dataclass
class Client:
    """Somebody with a key of `account`, who may do `permissions`."""

    world: ApiWorld
    account: NewAccount
    permissions: tuple[str, ...] = ALL_PERMISSIONS

    def get(self, path: str, **changes: Any) -> Told:
        return self.call("GET", path, **changes)

    def post(self, path: str, body: Any = None, *, key: str | None = None, **changes: Any) -> Told:
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        return self.call(
            "POST", path, body=json.dumps(body) if body is not None else None, headers=headers, **changes
        )

    def patch(self, path: str, body: Any, *, if_match: int | None = None) -> Told:
        return self._change("PATCH", path, body, if_match)

    def put(self, path: str) -> Told:
        return self.call("PUT", path)

    def delete(self, path: str, *, if_match: int | None = None) -> Told:
        return self._change("DELETE", path, None, if_match)

    def everything(self, path: str, **parameters: Any) -> list[Any]:
        """The items of a list, over as many pages as it takes."""
        found: list[Any] = []
        token: dict[str, str] = {}
        while True:
            page = self.get(f"{path}?{urlencode({**parameters, **token})}")
            assert page.status == 200, page.text
            found += page.json["items"]
            if page.json["next"] is None:
                return found
            token = {"next": page.json["next"]}

    def ended(self, run_id: str) -> Any:
        """The run as it is shown, after the state machine has carried it out."""
        self.world.execute(self.world.control.run(self.account.account_id, run_id).value)
        return self.get(f"/runs/{run_id}").json

    def _change(self, method: str, path: str, body: Any, if_match: int | None) -> Told:
        headers = {"Content-Type": "application/json"}
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        return self.call(method, path, body=json.dumps(body) if body is not None else None, headers=headers)

    def call(self, method: str, path: str, **changes: Any) -> Told:
        """The handler's answer, which keeps the route's promise; `changes` are laid over the event."""
        answer = handler.lambda_handler(self.event(method, path, **changes), None)
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        hold(method, path, answer["statusCode"], headers, answer["body"])
        return Told(answer["statusCode"], headers, answer["body"])

    def event(self, method: str, path: str, **changes: Any) -> dict[str, Any]:
        url = urlsplit(path)
        several: dict[str, list[str]] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            several.setdefault(name, []).append(value)
        return {
            "resource": "/{proxy+}",
            "path": url.path,
            "httpMethod": method,
            "headers": {},
            "multiValueHeaders": {},
            "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
            "multiValueQueryStringParameters": several or None,
            "pathParameters": {"proxy": url.path.lstrip("/")},
            "stageVariables": None,
            "requestContext": {
                "stage": "v1",
                "path": f"/v1{url.path}",
                "requestId": str(uuid.uuid4()),
                "authorizer": {
                    "account_id": self.account.account_id,
                    "member_id": self.account.member_id,
                    "permissions": " ".join(self.permissions),
                    "principalId": self.account.member_id,
                },
            },
            "body": None,
            "isBase64Encoded": False,
            **changes,
        }

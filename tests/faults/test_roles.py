"""What a function asks of AWS in any workload, its role allows: on good days and on those that come seldom.

The local stack enforces roles too (tests/journeys/test_roles.py), as far as its journeys come. Here each workload is
carried out once in memory; each call of a port, in the words of a role, is held against the role of the function that
would be at work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pytest

from contactsync.journeys import importing, syncing
from contactsync.journeys.account import forgetting
from contactsync.journeys.asked import dropping, scheduling
from contactsync.journeys.book import books
from contactsync.model.contact import Origin
from contactsync.ports import Delete, Insert, Put, Remove, Replace, Write
from tests.architecture.template import IMPORT, SYNC, functions
from tests.faults.scenes import cut_small
from tests.faults.workloads import WORKLOADS
from tests.support.world import Ports

AT_WORK: ContextVar[str] = ContextVar("at_work", default="")
"""The function that is played just now."""
ENTRIES = [
    *((importing, word, word) for word in IMPORT),
    *((syncing, word, word) for word in SYNC if hasattr(syncing, word)),
    (scheduling, "listen", "listen"),
    (dropping, "receive", "receive"),
    (dropping, "tell", "tell"),
    (books, "follow", "follow"),
    (forgetting, "erase", "erase"),
]
"""Where each function begins: its module, what it is called there, its word."""
OF_BUCKETS = {
    "get": "s3:GetObject",
    "open": "s3:GetObject",
    "open_version": "s3:GetObjectVersion",
    "size": "s3:GetObject",
    "put": "s3:PutObject",
    "writer": "s3:PutObject",
    "delete": "s3:DeleteObject",
    "keys": "s3:ListBucket",
    "folders": "s3:ListBucket",
}
OF_CONTACTS = {
    "get": "BatchGetItem",
    "slots": "BatchGetItem",
    "scan": "Query",
    "glimpses": "Query",
    "page": "Query",
}
BUCKETS = ("runs", "uploads", "photos")
IDENTITY = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${MailIdentity}"
WRITTEN = {Insert: "Insert", Replace: "Update", Remove: "Delete"}


@dataclass
class Asked:
    """What was asked: by which function, the action, of what, as the template spells it, and of an event its kind."""

    found: set[tuple[str, str, str, str]] = field(default_factory=set)

    def note(self, action: str, resource: str, kind: str = "") -> None:
        if word := AT_WORK.get():
            self.found.add((word, action, resource, kind))

    def ports(self, ports: Ports) -> Ports:
        """The same ports, heard by whoever notes."""
        buckets = {
            name: _Bucket(getattr(ports, name), self, f"{name.capitalize()}Bucket") for name in BUCKETS
        }
        buckets["drops"] = _Bucket(ports.drops, self, "DropBucket")
        return Ports(
            records=_Records(ports.records, self),
            contacts=_Contacts(ports.contacts, self),
            mailer=_Heard(ports.mailer, self, {"send": "ses:SendEmail"}, IDENTITY),
            bus=_Bus(ports.bus, self),
            vault=_Heard(
                ports.vault, self, {"encrypt": "kms:Encrypt", "decrypt": "kms:Decrypt"}, "${SecretsKey.Arn}"
            ),
            clock=ports.clock,
            **buckets,
        )


class _Heard:
    """A port of which each call needs one action on one resource."""

    def __init__(self, port: object, asked: Asked, actions: dict[str, str], resource: str) -> None:
        self._port, self._asked, self._actions, self._resource = port, asked, actions, resource

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        action = self._actions.get(name)
        if action is None:
            return call

        @functools.wraps(call)
        def heard(*arguments: Any, **options: Any) -> Any:
            self._asked.note(action, self._resource)
            return call(*arguments, **options)

        return heard


class _Bus(_Heard):
    def __init__(self, port: object, asked: Asked) -> None:
        super().__init__(port, asked, {}, "${EventBus.Arn}")

    def publish(self, kind: str, detail: dict[str, str]) -> None:
        self._asked.note("events:PutEvents", self._resource, kind)
        self._port.publish(kind, detail)  # type: ignore[attr-defined]


class _Records(_Heard):
    def __init__(self, port: object, asked: Asked) -> None:
        actions = {"get": "dynamodb:GetItem", "page": "dynamodb:Query"}
        super().__init__(port, asked, actions, "${ControlTable.Arn}")

    def commit(self, writes: Sequence[Put | Delete]) -> None:
        for write in writes:
            verb = "PutItem" if isinstance(write, Put) else "DeleteItem"
            self._asked.note(f"dynamodb:{verb}", self._resource)
        self._port.commit(writes)  # type: ignore[attr-defined]


class _Contacts(_Heard):
    def __init__(self, port: object, asked: Asked) -> None:
        actions = {name: f"dynamodb:{action}" for name, action in OF_CONTACTS.items()}
        super().__init__(port, asked, actions, "${ContactsTable.Arn}")

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        def noted() -> Iterator[Write]:
            for write in writes:
                self._asked.note(f"dynamodb:PartiQL{WRITTEN[type(write)]}", self._resource)
                yield write

        done: Iterator[tuple[Write, bool]] = self._port.write(account_id, noted())  # type: ignore[attr-defined]
        return done

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        def noted() -> Iterator[bytes]:
            for line in lines:
                self._asked.note("dynamodb:PartiQLInsert", self._resource)
                yield line

        late: Iterator[bytes] = self._port.bring(account_id, noted(), origin)  # type: ignore[attr-defined]
        return late


class _Bucket:
    def __init__(self, port: object, asked: Asked, bucket: str) -> None:
        self._port, self._asked, self._bucket = port, asked, bucket

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        action = OF_BUCKETS.get(name)

        @functools.wraps(call)
        def heard(what: Any, *arguments: Any, **options: Any) -> Any:
            keys = [what] if isinstance(what, str) else (what := list(what))
            for key in keys if action else ():
                place = "" if action == "s3:ListBucket" else f"/{key}"
                self._asked.note(str(action), f"${{{self._bucket}.Arn}}{place}")
            return call(what, *arguments, **options)

        return heard


@contextmanager
def played(word: str) -> Iterator[None]:
    """What is asked meanwhile, this function asks."""
    before = AT_WORK.set(word)
    try:
        yield
    finally:
        AT_WORK.reset(before)


def playing(word: str, entry: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(entry)
    def at_work(*arguments: Any, **options: Any) -> Any:
        with played(word):
            return entry(*arguments, **options)

    return at_work


def allows(word: str, action: str, resource: str, kind: str) -> bool:
    """Whether the template gives the function's role this. Of the conditions, that on an event's kind is looked at."""
    for statement in functions()[word]["Policies"][0]["Statement"]:
        kinds = statement.get("Condition", {}).get("StringEquals", {}).get("events:detail-type", kind)
        if (
            statement["Effect"] != "Allow"
            or action not in listed(statement["Action"])
            or kind not in listed(kinds)
        ):
            continue
        if any(fnmatchcase(resource, spelt(each)) for each in listed(statement["Resource"])):
            return True
    return False


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def spelt(resource: dict[str, str]) -> str:
    """A resource as it is noted here: what was named by an attribute, by its logical id."""
    [(form, named)] = resource.items()
    return f"${{{named}}}" if form == "GetAtt" else named


@pytest.mark.parametrize("divided", [False, True], ids=["", "in pieces"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_whatever_a_function_asks_for_its_role_allows(
    name: str, divided: bool, same_chance: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if divided:
        cut_small(monkeypatch)
    same_chance()
    asked = Asked()
    for module, called, word in ENTRIES:
        monkeypatch.setattr(module, called, playing(word, getattr(module, called)))
    scene = WORKLOADS[name].scene()
    scene.world.ports = asked.ports(scene.world.ports)
    scene.go()
    if scene.again is not None:
        scene.again()
    assert asked.found
    assert sorted(each for each in asked.found if not allows(*each)) == []

"""The contract of address books, by Google's connector against a People API on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contactsync.adapters.memory import ManualClock
from contactsync.connectors.google import GoogleConnector
from contactsync.connectors.google_person import Translation
from contactsync.errors import AccessLost
from contactsync.model.contact import Fields
from tests.contract.book import Book
from tests.contract.connector_contract import ConnectorContract
from tests.fakes.jsonserver import Mishap
from tests.fakes.people import PeopleServer

PERSONS = Translation("GB")


class GoogleBook(Book):
    def __init__(self, server: PeopleServer, clock: ManualClock) -> None:
        self.server = server
        self.clock = clock
        self.group = server.add_group("Friends")

    def connector(self) -> GoogleConnector:
        return GoogleConnector(self.access, country="GB", base=self.server.url)

    def access(self, renew: bool) -> str:
        if renew and not self.server.tokens:
            raise AccessLost("access_lost", "Google does not let us in any more.", "Connect again.")
        return next(iter(self.server.tokens), "dead")

    def add(self, fields: Fields, *, group: str = "") -> str:
        return self.server.add(_parts(fields), *([group] if group else []))

    def edit(self, id_: str, fields: Fields) -> None:
        self.server.edit(id_, PERSONS.person(fields))

    def remove(self, id_: str) -> None:
        self.server.remove(id_)

    def settle(self) -> None:
        self.clock.advance(self.server.lag)

    def leave(self, id_: str) -> None:
        kept = [
            each
            for each in self.server.persons[id_]["memberships"]
            if each["contactGroupMembership"]["contactGroupResourceName"] != self.group
        ]
        self.server.edit(id_, {"memberships": kept})

    def ids(self, group: str = "") -> set[str]:
        def is_in(person: dict[str, Any]) -> bool:
            kept = person["memberships"]
            return group in {each["contactGroupMembership"]["contactGroupResourceName"] for each in kept}

        return {id_ for id_, each in self.server.persons.items() if not group or is_in(each)}

    def enter(self, id_: str) -> None:
        kept = self.server.persons[id_]["memberships"]
        member = {"contactGroupMembership": {"contactGroupResourceName": self.group}}
        self.server.edit(id_, {"memberships": [*(each for each in kept if each != member), member]})

    def calm(self) -> None:
        self.server.mishaps.clear()
        self.server.cuts = 0

    def rename(self, id_: str) -> str:
        return self.server.rename(id_)

    def touch(self, id_: str) -> None:
        self.server.edit(id_, {})

    def scribble(self, id_: str) -> None:
        self.server.edit(id_, {"relations": [{"person": "Byron", "type": "father"}]})

    def scribbled(self, id_: str) -> bool:
        return bool(self.server.persons[id_].get("relations"))

    def expire(self) -> None:
        self.server.expire()

    def cut(self) -> None:
        self.server.cuts += 1

    def lose_answer(self) -> None:
        self.server.mishaps.append(Mishap.LOST)

    def lock(self) -> None:
        self.server.tokens.clear()

    def be_busy(self, retry_after_s: int) -> None:
        self.server.retry_after_s = retry_after_s


def _parts(fields: Fields) -> dict[str, object]:
    return {part: items for part, items in PERSONS.person(fields).items() if items}


class TestGoogle(ConnectorContract):
    @pytest.fixture
    def book(self) -> Iterator[GoogleBook]:
        clock = ManualClock()
        with PeopleServer(clock) as server:
            yield GoogleBook(server, clock)

"""The contract of address books, in memory: as good as a book can be, and with all habits of real ones at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contactsync.adapters.memory import ManualClock
from contactsync.connectors.memory import Habits, MemoryBook, MemoryConnector, Mishap
from contactsync.model.contact import Fields
from tests.contract.book import Book
from tests.contract.connector_contract import ConnectorContract

GROUP = "friends"
POOR = Habits(
    shows_after=timedelta(minutes=5),
    keys=frozenset({"name", "given_name", "family_name", "emails", "phones", "birthday", "notes"}),
    most={"emails": 3, "phones": 2},
    labels=False,
    yearless=False,
    part=2,
    at_once=2,
)


class InMemory(Book):
    group = GROUP

    def __init__(self, memory: MemoryBook) -> None:
        self.memory = memory
        self.memory.add_group(GROUP)

    def connector(self) -> MemoryConnector:
        return MemoryConnector(self.memory)

    def add(self, fields: Fields, *, group: str = "") -> str:
        return self.memory.add(fields, group) if group else self.memory.add(fields)

    def edit(self, id_: str, fields: Fields) -> None:
        self.memory.edit(id_, fields)

    def remove(self, id_: str) -> None:
        self.memory.remove(id_)

    def settle(self) -> None:
        clock = self.memory.clock
        assert isinstance(clock, ManualClock)
        clock.advance(self.memory.habits.shows_after)

    def leave(self, id_: str) -> None:
        self.memory.move(id_)

    def enter(self, id_: str) -> None:
        self.memory.move(id_, GROUP)

    def ids(self, group: str = "") -> set[str]:
        return {id_ for id_, kept in self.memory._kept.items() if not group or group in kept.groups}

    def calm(self) -> None:
        self.memory.mishaps.clear()
        self.memory._busy.clear()
        self.memory._cuts = 0

    def rename(self, id_: str) -> str:
        return self.memory.rename(id_)

    def touch(self, id_: str) -> None:
        self.memory.touch(id_)

    def scribble(self, id_: str) -> None:
        self.memory.edit(id_, self.memory.cards()[id_].fields, extra="scribbled")

    def scribbled(self, id_: str) -> bool:
        return self.memory.cards()[id_].extra == "scribbled"

    def expire(self) -> None:
        self.memory.expire_cursors()

    def cut(self) -> None:
        self.memory.cut_pulls()

    def lose_answer(self) -> None:
        self.memory.mishaps.append(Mishap.LOST)

    def lock(self) -> None:
        self.memory.lock()

    def be_busy(self, retry_after_s: int) -> None:
        self.memory.be_busy(100, retry_after_s=retry_after_s)


class TestMemory(ConnectorContract):
    @pytest.fixture
    def book(self):
        return InMemory(MemoryBook(ManualClock()))


class TestMemoryOfAPoorBook(ConnectorContract):
    @pytest.fixture
    def book(self):
        return InMemory(MemoryBook(ManualClock(), habits=POOR))

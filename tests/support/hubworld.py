"""The shared hub: several members, of whom each chooses contact by contact what is in their own address book."""

from __future__ import annotations

from dataclasses import dataclass, field

from contactsync.connectors.memory import ALL, MemoryBook
from contactsync.model.connection import Connection
from contactsync.model.run import Run
from tests.contract.cards import ADA
from tests.support.bookworld import CONNECTION, BookWorld

FILLERS = 20
"""So many others that one deletion more passes the guard."""


@dataclass
class Member:
    """Somebody with a book of their own, which follows what they tick."""

    world: HubWorld
    id: str
    book: MemoryBook
    sync: str = ""

    def go(self) -> Run:
        """A run of their sync."""
        return self.world.go(self.sync)

    def tick(self, contact: str) -> None:
        self.world.noted(contact)
        self.world.control.tick(self.world.account.account_id, self.id, contact, "2026-11-22T09:00:00Z")

    def untick(self, contact: str) -> None:
        self.world.noted(contact)
        self.world.control.untick(self.world.account.account_id, self.id, contact)

    def ticked(self) -> frozenset[str]:
        return self.world.control.subscriptions(self.world.account.account_id, self.id)

    def named(self, name: str) -> str | None:
        """The card of somebody; None if there is none. There is never more than one."""
        found = [id_ for id_, card in self.book.cards().items() if card.fields["name"] == name]
        assert len(found) <= 1
        return found[0] if found else None

    def edit(self, name: str, **changes: object) -> None:
        card = self.named(name)
        assert card is not None
        self.book.edit(card, {**self.book.cards()[card].fields, **changes})

    def delete(self, name: str) -> None:
        card = self.named(name)
        assert card is not None
        self.book.remove(card)


@dataclass
class HubWorld(BookWorld):
    """Two members or more, each with a book: `anna`'s is the one of every BookWorld."""

    several: int = 2
    members: dict[str, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members[CONNECTION] = Member(self, "m1", self.book)
        at = self.clock.now().isoformat(timespec="milliseconds")
        for number in range(2, self.several + 1):
            member_id = f"m{number}"
            book = MemoryBook(self.clock, habits=self.habits, subject=f"person-{number}")
            self.members[f"n{number}"] = Member(self, member_id, book)
            self.join(member_id)
            self.control.create_connection(
                self.account.account_id,
                Connection(
                    id=f"n{number}",
                    account_id=self.account.account_id,
                    provider="memory",
                    member_id=member_id,
                    state="active",
                    created_at=at,
                ),
            )
        for connection, member in self.members.items():
            source = {"kind": "connection", "connection_id": connection, "group": ALL}
            member.sync = self.sync(source=source, selection="subscribed")

    @property
    def books(self) -> dict[str, MemoryBook]:
        """Every address book, by connection."""
        return {connection: member.book for connection, member in self.members.items()}

    @property
    def anna(self) -> Member:
        return self.members["n1"]

    @property
    def ben(self) -> Member:
        return self.members["n2"]

    def noted(self, contact: str) -> None:
        self.control.note_changes(self.account.account_id, "box", self.clock.now(), contacts=[contact])

    def settle(self) -> None:
        """Both go on until nothing is left to do."""
        for _ in range(3):
            for member in self.members.values():
                assert member.go().status in ("succeeded", "unchanged")

    def ids(self) -> dict[str, str]:
        return {fields["name"]: id_ for id_, fields in self.everybody().items()}


def donated() -> HubWorld:
    """Anna has donated Ada and some others; Ben has not ticked anybody."""
    world = HubWorld()
    world.anna.book.add(ADA)
    for number in range(FILLERS):
        world.anna.book.add({"name": f"Filler {number}", "emails": [{"value": f"f{number}@example.com"}]})
    world.settle()
    return world

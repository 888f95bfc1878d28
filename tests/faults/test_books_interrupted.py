"""A run with an address book that fails at each of its calls, in every way: exactly one card and one link each.

Every call of the steps to tables, buckets and the provider fails once: before its effect, after it, and with its
answer lost. What the provider shows of writes comes minutes later, so nobody can look what became of them at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contactsync.connectors.memory import Habits, MemoryBook, MemoryConnector, Mishap
from contactsync.errors import AccessLost
from contactsync.model.connection import Connection
from tests.bookworld import BookWorld
from tests.contract.cards import ADA
from tests.faults.interruptions import Interruptions, Way, watched

EVERY = int(os.environ.get("FAULTS_EVERY", "1"))
LATE = Habits(shows_after=timedelta(minutes=5), part=2, at_once=2)
CALLS_MAX = 2_000


def person(name: str, **more: Any) -> dict[str, Any]:
    return {"name": f"{name} Person", "emails": [{"value": f"{name.lower()}@example.com"}], **more}


def first_contact(world: BookWorld) -> str:
    """Somebody on both sides, somebody on one side only, a shared address."""
    world.add({**person("Both"), "nickname": "B"})
    world.book.add(person("Both", notes="Known to both"))
    for name in ("Here", "Also", "Third"):
        world.add(person(name))
    world.book.add(ADA)
    world.book.add({**ADA, "name": "William King"})
    world.clock.advance(timedelta(hours=1))
    return world.sync()


def both_ways(world: BookWorld) -> str:
    """Each side edits, deletes and adds somebody; one contact is edited on both."""
    sync = first_contact(world)
    for n in range(12):
        world.add(person(f"Filler{n}"))
    for _ in range(2):
        world.go(sync)
    cards = {id_: link.id for id_, link in world.links().items()}
    both, here, also, third = (
        world.id_of(f"{name}@example.com") for name in ("both", "here", "also", "third")
    )
    world.edit(both, job_title="Analyst")
    world.book.edit(cards[both], {**world.book.cards()[cards[both]].fields, "department": "Engines"})
    world.book.edit(cards[here], {**world.book.cards()[cards[here]].fields, "notes": "Called"})
    world.remove(also)
    world.book.remove(cards[third])
    world.add(person("New"))
    world.book.add(person("Newcomer"))
    return sync


def state(world: BookWorld) -> list[list[str]]:
    """Both sides as people see them, and who is linked to whom; ids differ from world to world."""
    people, cards = world.everybody(), world.book.cards()
    pairs = [f"{people[id_]} = {cards[link.id].fields}" for id_, link in world.links().items()]
    sides = [str(fields) for fields in people.values()], [str(card.fields) for card in cards.values()], pairs
    return [sorted(each) for each in sides]


def in_step(world: BookWorld) -> None:
    people, cards, links = world.everybody(), world.book.cards(), world.links()
    assert links.keys() == people.keys()
    assert sorted(link.id for link in links.values()) == sorted(cards)
    assert all(cards[link.id].fields == world.book.held(people[id_]) for id_, link in links.items())


def interrupted(prepare: Callable[[BookWorld], str], interruptions: Interruptions) -> tuple[BookWorld, bool]:
    """A world whose run was interrupted, and whether it was."""
    world = BookWorld(habits=LATE)
    sync = prepare(world)
    ports = world.ports
    world.ports = interruptions.ports(ports)
    world.connect = lambda _: watched(MemoryConnector(world.book), interruptions)
    first = world.go(sync)
    world.ports, world.connect = ports, None
    assert first.status == "succeeded"
    world.go(sync)
    return world, interruptions.fired


@pytest.mark.slow
@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
@pytest.mark.parametrize("prepare", [first_contact, both_ways])
def test_every_call_can_fail(prepare: Callable[[BookWorld], str], way: Way):
    """Case 4, 5, 22."""
    expected = None
    for at in range(1, CALLS_MAX, EVERY):
        world, fired = interrupted(prepare, Interruptions(at, way))
        in_step(world)
        found = state(world)
        expected = expected or found
        assert found == expected, f"call {at}"
        sync = world.control.syncs(world.account.account_id, after=None, limit=1)[0][0].value.id
        last = world.go(sync)
        assert (last.counts.added, last.counts.updated, last.counts.deleted) == (0, 0, 0), f"call {at}"
        assert (last.pushed.added, last.pushed.updated, last.pushed.deleted) == (0, 0, 0), f"call {at}"
        if not fired:
            return
    raise AssertionError("a run makes fewer calls than that")


@pytest.mark.parametrize("mishap", [Mishap.LOST, Mishap.BUSY_AFTER])
def test_a_hundred_creations_whose_answers_are_lost_are_made_once_each(mishap: Mishap):
    """Case 4, 5."""
    world = BookWorld(habits=Habits(shows_after=timedelta(minutes=5), at_once=7))
    for n in range(100):
        world.add(person(f"P{n}"))
    sync = world.sync()
    made = 0
    for _ in range(110):
        world.book.mishaps.extend([mishap] * 100)
        world.go(sync)
        made = len(world.book.cards())
        if made == len(world.links()) == 100:
            break
    world.book.mishaps.clear()
    world.go(sync)
    assert made == 100
    in_step(world)


class _Leaving(MemoryConnector):
    """A way into a book that is closed after so many requests, whoever comes back."""

    def __init__(self, book: MemoryBook, *, after: int) -> None:
        super().__init__(book)
        self.after = after

    def __getattribute__(self, name: str) -> Any:
        if name in {"pull", "read", "find", "create", "update", "delete"}:
            self.book.requests["asked"] += 1
            if self.book.requests["asked"] >= self.after:
                raise AccessLost("access_lost", "Gone.", "Connect it again.")
        return super().__getattribute__(name)


def test_access_that_is_lost_half_way_loses_no_edit():
    """Case 46: contacts have taken over what is new, and their links are still to be stored."""
    for at in range(1, 60):
        world = BookWorld(habits=LATE)
        sync = both_ways(world)
        world.book.requests.clear()
        world.connect = lambda _, world=world, at=at: _Leaving(world.book, after=at)
        run = world.go(sync)
        world.connect = None
        world.control.update_connection(
            run.account_id, "n1", lambda it: Connection(**{**it.model_dump(), "state": "active"})
        )
        here = world.id_of("here@example.com")
        card = next(id_ for id_, it in world.book.cards().items() if it.fields["name"] == "Here Person")
        world.book.edit(card, {**world.book.cards()[card].fields, "notes": "Called twice"})
        for _ in range(3):
            world.go(sync)
        assert world.contact(here).fields["notes"] == "Called twice", at
        in_step(world)
        if run.status == "succeeded":
            return
    raise AssertionError("a run asks fewer questions than that")

"""A provider that loses answers or takes its access away, again and again: exactly one card and one link each.

That each call of a run fails once, in every way, is in tests/faults/test_crashes.py. What the provider shows of writes
comes minutes later here, so nobody can look what became of them at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.connectors.memory import Habits, MemoryBook, MemoryConnector, Mishap
from contactsync.errors import AccessLost
from contactsync.model.connection import Connection
from tests.faults.bookscenes import LATE, both_ways, person
from tests.support.bookworld import BookWorld


def in_step(world: BookWorld) -> None:
    people, cards, links = world.everybody(), world.book.cards(), world.links()
    assert links.keys() == people.keys()
    assert sorted(link.id for link in links.values()) == sorted(cards)
    assert all(cards[link.id].fields == world.book.held(people[id_]) for id_, link in links.items())


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

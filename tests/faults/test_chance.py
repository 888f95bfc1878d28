"""Faults by lot, many in one run: workers die, answers are lost, services throttle, events repeat, clocks jump.

Events come in any order and repeatedly, and providers have moods of their own. Whatever has become of a run then, it has ended and holds nothing; and once all works again, doing the same once more
leaves what an undisturbed world has. Each seed is one lot: `make faults N=…` draws so many for each workload, and
SEED=… draws that one again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from contactsync.connectors.memory import MemoryBook, MemoryConnector, Mishap
from contactsync.errors import Busy
from contactsync.model.contact import Contact
from tests.faults import invariants
from tests.faults.figures import note
from tests.faults.interruptions import ASKS_NOBODY, Interruptions, Way
from tests.faults.scenes import Scene
from tests.faults.test_crashes import add_neighbour
from tests.faults.workloads import WORKLOADS
from tests.support.bookworld import BookWorld
from tests.support.world import Died, World, unwatched

SEEDS = int(os.environ.get("N") or (200 if os.environ.get("FAULTS") == "all" else 3))
ONLY = os.environ.get("SEED")
REPEATABLE = [
    "small import",
    "claims",
    "segments",
    "delete what is missing",
    "a schedule that fires twice",
    "address book, first run",
    "address book, both ways",
    "address book, into the list",
    "address book, out of the list",
    "three address books, an edit in one",
    "three address books, an edit in the list",
]
"""What can be done once more after it has failed."""
JUMP = timedelta(minutes=10)
LATER = timedelta(hours=3)
"""Longer than the claim to an address lasts whose contact never came, however often the clock has jumped."""


class Moody:
    """A way into a book whose provider forgets cursors (410), changes versions (412), is busy (429, 5xx), says it of a
    part of a batch only, loses answers, and breaks lists off: by lot.
    """

    def __init__(self, connector: MemoryConnector, lots: random.Random, share: float) -> None:
        self._connector, self._lots, self._share = connector, lots, share

    def __getattr__(self, name: str) -> Any:
        if name not in ASKS_NOBODY and self._lots.random() < 2 * self._share:
            self._change(self._connector.book)
        return getattr(self._connector, name)

    def _change(self, book: MemoryBook) -> None:
        match self._lots.randrange(5):
            case 0:
                book.expire_cursors()
            case 1:
                book.touch(self._lots.choice(sorted(book.cards())))
            case 2:
                book.be_busy(self._lots.randint(1, 2), retry_after_s=self._lots.choice([None, 30]))
            case 3:
                book.cut_pulls()
            case _:
                book.mishaps.extend(self._lots.choices([None, *Mishap], k=4))


class Weather(Interruptions):
    """Faults by lot. How bad it is, is part of the lot."""

    def __init__(self, lots: random.Random, world: World) -> None:
        super().__init__(0, Way.BEFORE)
        self._lots, self._world = lots, world
        self._share = lots.choice([0.005, 0.02, 0.05])

    def due(self, name: str) -> bool:
        self.calls.append(name)
        if self._lots.random() < self._share / 5:
            self._world.clock.advance(self._lots.uniform(-1, 1) * JUMP)
        self.fired = self._lots.random() < self._share
        self.way = self._lots.choice(list(Way))
        return self.fired

    def watched(self, port: object) -> Any:
        """An address book has moods of its own besides."""
        if isinstance(port, MemoryConnector):
            port = Moody(port, self._lots, self._share)
        return super().watched(port)

    def raise_before(self) -> None:
        if self.way is Way.BEFORE:
            raise self._lots.choice([Died, Busy])


def people_of(world: World) -> object:
    """Everybody, as customers see them; with address books all sides."""
    here = sorted(
        repr((sorted(slot.fields.items()), slot.segments))
        for slot in invariants.slots(world)
        if isinstance(slot, Contact)
    )
    if not isinstance(world, BookWorld):
        return here
    return here, [
        sorted(repr(sorted(card.fields.items())) for card in book.cards().values())
        for book in world.books.values()
    ]


def calm(scene: Scene) -> None:
    """Everything works again: what was left open is closed, what happens later happens, the same is done once more."""
    world = scene.world
    world.ports, world.watch = world.true_ports(), unwatched
    for run in list(invariants.runs(world)):
        if run.execution is not None and not run.has_ended and run.status != "awaiting_approval":
            world.left(run, "FAILED", execution=run.execution)
        elif run.status == "queued":
            world.execute(run, execution="asked for again")
    world.clock.advance(LATER)
    for book in world.books.values() if isinstance(world, BookWorld) else ():
        book.calm()
    scene.settle()
    assert scene.again is not None
    assert scene.again().status in {"succeeded", "unchanged"}
    scene.settle()


def drawn(name: str, seed: int) -> object:
    """One lot; everybody there is at its end."""
    lots = random.Random(f"{name} {seed}")
    scene = WORKLOADS[name].scene()
    world = scene.world
    neighbour = add_neighbour(world)
    untouched = invariants.digest(world, neighbour)
    before = list(invariants.slots(world))
    weather = Weather(lots, world)
    if scene.bucket is not None:
        scene.bucket.lots = lots
    world.ports, world.watch = weather.ports(world.ports), weather.watched
    with suppress(Exception, Died):  # all tries of the last step were in vain
        scene.go()
    calm(scene)
    run = scene.run()
    invariants.rows_add_up(run, "rows")
    invariants.at_rest(world, run, "rest")
    invariants.one_record_a_key(world, "keys")
    invariants.no_unproven_deletion(world, before, "deletions")
    invariants.all_is_told(world, before, "audit")
    invariants.others_are_untouched(world, neighbour, untouched, "others")
    return people_of(world)


@pytest.mark.parametrize("name", REPEATABLE)
def test_once_all_works_again_all_is_as_it_should_be(name: str, same_chance: Callable[[], None]) -> None:
    same_chance()
    undisturbed = WORKLOADS[name].scene()
    undisturbed.go()
    calm(undisturbed)
    wanted = people_of(undisturbed.world)
    for seed in [int(ONLY)] if ONLY else range(SEEDS):
        same_chance()
        try:
            assert drawn(name, seed) == wanted
        except BaseException as failure:
            failure.add_note(f"replay: make faults SEED={seed} ARGS=\"-k 'chance and {name}'\"")
            raise
        note("seeds of random faults", 1)

"""A worker that is paused for longer than its lease, and goes on when another has finished its run: it spoils nothing.

At each call of a run, or at every 37th unless FAULTS=all, the worker of a step stops. The machine takes it for dead, tries
the step again and brings the run to its end; an hour later the worker goes on from where it stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import TypeVar

import pytest

import tests.support.bookworld
import tests.support.world
from tests.faults import invariants
from tests.faults.figures import note
from tests.faults.interruptions import Interruptions, Way
from tests.faults.scenes import cut_small
from tests.faults.test_crashes import STRIDE, add_neighbour
from tests.faults.workloads import WORKLOADS
from tests.support.bookworld import BookWorld
from tests.support.world import TRIES, Died, tried, unwatched

A = TypeVar("A")

WITH_ONE_RUN = [
    "small import",
    "claims",
    "segments",
    "generated codes",
    "delete what is missing",
    "rows that come again",
    "rows that come again, some missing",
    "undo",
    "a plan carried out",
    "address book, first run",
    "address book, both ways",
    "address book, into the list",
    "address book, out of the list",
]
"""Whose scene is one run, from its beginning to its end."""
CUT_SMALL = ("rows that come again", "rows that come again, some missing")
"""In pieces, in which rows are known: of what a late worker finds to be known, another may have known more or less."""
UNCONDITIONAL = frozenset({"create"})
"""What nobody can call back once it is on its way: a provider makes a card whenever the request comes. See test_lost_creations."""
PAUSE = timedelta(hours=1)
MOVES_S = 60


class Paused(Interruptions):
    """The worker stops before its n-th call, until it is told to go on. Each try of a step is a worker of its own."""

    def __init__(self, at: int) -> None:
        super().__init__(at, Way.BEFORE)
        self.late: threading.Thread | None = None
        self.outcome: invariants.Outcome = {}
        self._still, self._go_on = threading.Event(), threading.Event()

    def due(self, name: str) -> bool:
        """Stop, if it is the one; it is carried out later, as if nothing had been."""
        if super().due(name):
            self._still.set()
            assert self._go_on.wait(MOVES_S), "nobody tells the worker to go on"
        return False

    def tried(self, step: Callable[[], A], *, busy: int = TRIES) -> A:
        """See `tests.support.world.tried`: a worker that stops has died, as far as the machine knows."""
        return tried(lambda: self._by_a_worker(step), busy=busy)

    def resume(self) -> None:
        """An hour later the worker goes on, to the end of its step."""
        self._go_on.set()
        if self.late is not None:
            self.late.join(MOVES_S)
            assert not self.late.is_alive(), "the worker does not come to an end"

    def _by_a_worker(self, step: Callable[[], A]) -> A:
        came: list[A] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                came.append(step())
            except BaseException as error:  # noqa: BLE001 - the machine's to judge
                failed.append(error)
            finally:
                self._still.set()

        self._still.clear()
        worker = threading.Thread(target=work)
        worker.start()
        assert self._still.wait(MOVES_S), "the worker neither stops nor ends"
        if self.fired and self.late is None:
            self.late = worker
            raise Died
        worker.join()
        if failed:
            raise failed[0]
        return came[0]


def held_up(name: str, at: int) -> Paused:
    """One run, of which one worker is held up at one call; all that must hold then is looked at."""
    workload = WORKLOADS[name]
    scene = workload.scene()
    world = scene.world
    neighbour = add_neighbour(world)
    untouched = invariants.digest(world, neighbour)
    before = list(invariants.slots(world))
    paused = Paused(at)
    world.ports, world.watch = paused.ports(world.ports), paused.watched
    with pytest.MonkeyPatch.context() as patch:
        for machine in (tests.support.world, tests.support.bookworld):
            patch.setattr(machine, "tried", paused.tried)
        scene.go()
    where = f"{name}, paused at call {at}"
    run = scene.run()
    assert run.status == "succeeded", f"{where}: {run.status} {run.problem}"
    world.clock.advance(PAUSE)
    paused.resume()
    assert scene.run() == run, f"{where}: who was late has changed the run"
    world.ports, world.watch = world.true_ports(), unwatched
    if paused.fired and paused.calls[at - 1] in UNCONDITIONAL:
        return paused
    assert len(world.mailer.sent) == workload.mails, where
    invariants.rows_add_up(run, where)
    scene.settle()
    invariants.at_rest(world, run, where)
    invariants.one_record_a_key(world, where)
    invariants.no_unproven_deletion(world, before, where)
    invariants.all_is_told(world, before, where)
    invariants.others_are_untouched(world, neighbour, untouched, where)
    if not isinstance(world, BookWorld):  # a book's run may leave something to the next
        counts = run.counts.model_dump(exclude={"rows"})
        assert {key: number for key, number in counts.items() if number} == workload.counts, where
    paused.outcome = invariants.outcome(world)
    return paused


@pytest.mark.parametrize("name", WITH_ONE_RUN)
def test_a_worker_that_is_late_spoils_nothing(
    name: str, same_chance: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in CUT_SMALL:
        cut_small(monkeypatch)
    same_chance()
    oracle = held_up(name, 0)
    points = 0
    for at in count(1, STRIDE):
        same_chance()
        paused = held_up(name, at)
        if not paused.fired:
            break
        if paused.calls[at - 1] in UNCONDITIONAL:
            continue
        points += 1
        assert paused.outcome == oracle.outcome, f"{name}, paused at call {at}"
    note("workers paused past their lease", points)

"""Whatever the service does, and whichever of its calls fails in whatever way, ends as if nothing had failed.

Each workload is first carried out undisturbed: its oracle. Then once for every call and every way to fail, or for
every 37th unless FAULTS=all (`make faults`), and each time held against the oracle and against what always holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count

import pytest

from contactsync.journeys.account.accounts import create_account
from contactsync.model.contact import Audit, Contact
from contactsync.model.run import OPEN_STATUSES
from contactsync.ports import Insert
from tests.faults import invariants
from tests.faults.figures import note
from tests.faults.interruptions import Interruptions, Way
from tests.faults.scenes import Scene, Workload, cut_small
from tests.faults.workloads import WORKLOADS
from tests.support.bookworld import BookWorld
from tests.support.twins import came_again
from tests.support.world import World, unwatched

STRIDE = 1 if os.environ.get("FAULTS") == "all" else 37
DIVIDED = (
    "small import",
    "claims",
    "delete what is missing",
    "undo",
    "rows that come again",
    "rows that come again, some missing",
)
"""What is done in several chunks and units as well, where a fault may strike between two of them."""
POINTS = [(name, False) for name in WORKLOADS] + [(name, True) for name in DIVIDED]
UNCERTAIN = frozenset({"send", "commit"})
"""Where these fail nobody can tell whether a mail has left, and no second one is risked."""


def add_neighbour(world: World) -> str:
    """Another customer, who has a contact."""
    made = create_account(
        world.control, name="Next", country="NL", email="next@example.com", now=world.clock.now()
    )
    at = world.clock.now().isoformat(timespec="milliseconds")
    contact = Contact("0" * 32, 1, {"name": "Nora"}, Audit(at, "member:m1", at, "member:m1"))
    [(_, done)] = world.contacts.write(made.account_id, [Insert(contact)])
    assert done
    return made.account_id


def carry_out(scene: Scene, interruptions: Interruptions) -> None:
    """The workload, with one fault; then everything works again, and what happens later anyway happens."""
    world = scene.world
    world.ports, world.watch = interruptions.ports(world.ports), interruptions.watched
    scene.go()
    world.ports, world.watch = world.true_ports(), unwatched


class Point:
    """One workload, carried out once with one fault or with none (call 0), and all that is found then."""

    def __init__(self, workload: Workload, at: int, way: Way, name: str) -> None:
        self.scene = scene = workload.scene()
        world = scene.world
        neighbour = add_neighbour(world)
        untouched = invariants.digest(world, neighbour)
        before = list(invariants.slots(world))
        self.interruptions = Interruptions(at, way)
        carry_out(scene, self.interruptions)
        self.mails = len(world.mailer.sent)
        self.run = scene.run() if workload.counts is not None else None
        self.where = f"{name}, call {at}"
        if self.interruptions.fired:
            self.where += f", {self.interruptions.calls[at - 1]}, {way.value}"
        if self.run is not None:
            assert self.run.status not in OPEN_STATUSES, f"{self.where}: the run is {self.run.status}"
            invariants.rows_add_up(self.run, self.where)
        scene.settle()
        if self.run is not None:
            invariants.at_rest(world, self.run, self.where)
        if not workload.forgets:
            invariants.one_record_a_key(world, self.where)
            invariants.no_unproven_deletion(world, before, self.where)
            invariants.all_is_told(world, before, self.where)
        invariants.others_are_untouched(world, neighbour, untouched, self.where)
        self.outcome = invariants.outcome(world)
        self.told = scene.told()

    def further(self) -> None:
        """The same once more writes nothing."""
        if self.scene.again is None:
            return
        again = self.scene.again()
        assert again.status in {"succeeded", "unchanged"}, self.where
        assert invariants.outcome(self.scene.world) == self.outcome, f"{self.where}: a further run writes"


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
@pytest.mark.parametrize(
    ("name", "divided"), POINTS, ids=[f"{name} in pieces" if divided else name for name, divided in POINTS]
)
def test_a_failure_at_any_call_changes_nothing_in_the_result(
    name: str,
    way: Way,
    divided: bool,
    same_chance: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload = WORKLOADS[name]
    if divided:
        cut_small(monkeypatch)
    same_chance()
    oracle = Point(workload, 0, way, name)
    if oracle.run is not None:
        counts = oracle.run.counts.model_dump(exclude={"rows"})
        assert {key: number for key, number in counts.items() if number} == workload.counts
        assert oracle.run.status == "succeeded"
        assert came_again(oracle.scene.world, oracle.run) == (workload.known if divided else 0)
    assert oracle.mails == workload.mails
    oracle.further()
    points = 0
    for at in count(list(Way).index(way) + 1, STRIDE):
        same_chance()
        point = Point(workload, at, way, name)
        if not point.interruptions.fired:
            break
        points += 1
        where = point.where
        invariants.stored_is_what_was_meant(point.scene.world, oracle.outcome, where)
        assert point.told == oracle.told, where
        if point.run is not None and oracle.run is not None:
            assert point.run.status == oracle.run.status, where
            if not isinstance(point.scene.world, BookWorld):  # a book's run may leave something to the next
                assert point.run.counts == oracle.run.counts, where
        doubtful = point.interruptions.calls[at - 1] in UNCERTAIN
        assert point.mails == workload.mails or (doubtful and point.mails == workload.mails - 1), where
        point.further()
    note("crash points", points)
    assert points > 30 // STRIDE, "the workload makes fewer calls than it must"

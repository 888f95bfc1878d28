"""What workloads are made of: a scene, the world in it, and the bus as AWS plays it, which delivers until it is answered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from contactsync.adapters.memory import Event
from contactsync.core.parsing import records
from contactsync.journeys.file import cutting, known
from contactsync.model.field import FieldSpec
from contactsync.model.message import FileDropped
from contactsync.model.run import Run
from tests.support.dropped import DropBucket
from tests.support.world import Died, World


@dataclass
class Scene:
    """A world ready for a workload.

    `run` is the run that it comes down to, as it is stored; `again` does the same once more, with nothing new to
    say, and returns its run; `settle` is what happens later anyway; `told` is what else must be the same each time;
    `bucket` is what delivers events, if some are on their way.
    """

    world: World
    go: Callable[[], None]
    run: Callable[[], Run]
    again: Callable[[], Run] | None = None
    settle: Callable[[], None] = lambda: None
    told: Callable[[], object] = lambda: None
    bucket: Retrying | None = None


@dataclass(frozen=True)
class Workload:
    """`counts` are those of the run, undisturbed, None if there is none; `mails`: how many outcomes there are to write about;
    `forgets`: nothing is to be left, no account either; `known`: rows known by their bytes, where files are cut small."""

    scene: Callable[[], Scene]
    counts: dict[str, int] | None = None
    mails: int = 1
    forgets: bool = False
    known: int = 0


def cut_small(patch: pytest.MonkeyPatch) -> None:
    """From now on work is done in several chunks and units, and rows that come again are known in small files as well."""
    patch.setattr(cutting, "UNIT_ROWS", 2)
    patch.setattr(cutting, "cut", partial(records.cut, target_rows=2))
    patch.setattr(known, "KNOWN_FROM", 0)
    patch.setattr(known, "EDGE", 1)


def new_world(world: World | None = None) -> World:
    """A customer whose ids are the same each time, so that worlds can be compared whole."""
    world = world or World()
    spec = FieldSpec(key="customer_number", label="Customer number", type="text")
    world.control.create_field(world.account.account_id, spec)
    return world


def earlier(world: World, text: str, mapping: list[dict[str, str]], **body: object) -> Run:
    """An import that went well, before all that is tested."""
    run = world.import_rows(text, mapping, **body)
    assert run.status == "succeeded"
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return run


def execute(world: World, run: Run) -> None:
    world.execute(run)


class Retrying(DropBucket):
    """Whatever answers an event is tried again when it fails, as Lambda does; each event is delivered `times` times.

    With `lots`, events come in any order, and each any number of times.
    """

    times = 1
    tries = 3
    lots: random.Random | None = None

    def tried(self, answer: Callable[[], object]) -> None:
        for left in reversed(range(self.tries)):
            try:
                answer()
                return
            except (Exception, Died):
                if not left:
                    raise

    def receive_event(self, event: FileDropped) -> None:
        for _ in range(self.times):
            self.tried(lambda: self.receive(event))

    def act(self, kind: str, detail: dict[str, str]) -> None:
        act = super().act
        for _ in range(self.lots.randint(1, 3) if self.lots else self.times):
            self.tried(lambda: act(kind, detail))

    def next_event(self) -> Event:
        if self.lots is not None:
            at = self.lots.randrange(self.delivered, len(self.world.bus.events))
            events = self.world.bus.events
            events[self.delivered], events[at] = events[at], events[self.delivered]
        return super().next_event()

"""What every step begins with: whose run it is, how far it has come, and that a late worker keeps nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from contactsync.errors import Cancelled
from contactsync.journeys import importing
from contactsync.journeys.steps import check_turn, claim, enter, keep
from contactsync.model.message import Chunks, Message, Requested, Units
from contactsync.model.run import Run
from contactsync.ports import ContactStore
from tests.support.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def run(world: World) -> Run:
    """A run that the first execution has claimed."""
    asked = world.request("email\nada@example.com\n")
    claimed = claim(world.control, requested(asked, "first"), "fetch", world.clock)
    assert claimed is not None
    return claimed


def requested(run: Run, execution: str) -> Requested:
    return Requested(account_id=run.account_id, run_id=run.id, execution=execution)


def message(run: Run) -> Message:
    return Message(account_id=run.account_id, run_id=run.id)


def test_another_execution_does_not_get_it(world: World, run: Run) -> None:
    assert claim(world.control, requested(run, "second"), "fetch", world.clock) is None
    assert claim(world.control, requested(run, "first"), "fetch", world.clock) == run


def test_what_a_late_worker_has_found_out_is_not_kept(world: World, run: Run) -> None:
    late = enter(world.control, message(run), "map")
    enter(world.control, message(run), "plan")
    with pytest.raises(Cancelled, match="plan"):
        check_turn(world.control, late)
    with pytest.raises(Cancelled, match="plan"):
        keep(world.control, late, rows_total=7)
    assert world.run(run).rows_total != 7


def test_nor_is_its_plan_what_the_run_goes_on_with(world: World, run: Run) -> None:
    world.fetch(run, execution="first")
    importing.parse(message(run), control=world.control, runs=world.runs)
    names = message(run).model_dump()
    importing.map(Chunks(**names, chunks=(0,)), control=world.control, runs=world.runs, clock=world.clock)

    class Slow:
        """A contact list that answers when another worker has finished the step."""

        def __getattr__(self, name: str) -> Any:
            enter(world.control, message(run), "guard")
            return getattr(world.contacts, name)

    with pytest.raises(Cancelled, match="guard"):
        importing.plan(
            Units(**names, units=(0,)),
            control=world.control,
            contacts=cast(ContactStore, Slow()),
            runs=world.runs,
            clock=world.clock,
        )
    assert [key for key in world.runs.keys("") if "/plan/" in key] == []


def test_a_late_worker_takes_its_run_no_step_back(world: World, run: Run) -> None:
    enter(world.control, message(run), "plan")
    assert enter(world.control, message(run), "map").step == "plan"
    assert world.run(run).step == "plan"


def test_a_run_that_was_ended_is_nobody_s_to_work_on(world: World, run: Run) -> None:
    ended = {"status": "cancelled"}
    world.control.update_run(run.account_id, run.id, lambda stored: stored.model_copy(update=ended))
    for work in (
        lambda: enter(world.control, message(run), "map"),
        lambda: check_turn(world.control, run),
        lambda: keep(world.control, run, rows_total=7),
    ):
        with pytest.raises(Cancelled):
            work()

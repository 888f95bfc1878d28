"""An execution that was stopped, ran out of time or failed for good: its run says so, and lets the sync go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.control import Control
from contactsync.journeys import importing, syncing
from contactsync.model.message import Message, Requested
from contactsync.model.run import Run
from tests.contract.cards import ADA
from tests.support.bookworld import CONNECTION, BookWorld
from tests.support.world import TRIES, Caught, Died, World, tried

ROWS = "email\nada@example.com\nbob@example.com\n"


def begun(world: World) -> Run:
    """A run whose execution got as far as its first step."""
    run = world.request(ROWS)
    world.fetch(run)
    assert world.run(run).status == "running"
    return run


@pytest.mark.parametrize(
    ("status", "code"), [("ABORTED", "stopped"), ("TIMED_OUT", "timed_out"), ("FAILED", "internal")]
)
def test_the_run_says_so_and_lets_the_sync_go(status: str, code: str) -> None:
    world = World()
    run = begun(world)
    world.left(run, status)
    ended = world.run(run)
    assert (ended.status, ended.problem and ended.problem.code) == ("failed", code)
    assert ended.has_ended
    assert world.control.sync(run.account_id, run.sync_id).value.active_run is None
    assert world.control.open_runs(run.account_id) == []
    [mail] = world.mailer.sent
    assert ended.problem is not None
    assert ended.problem.title in mail.text
    world.clock.advance(timedelta(minutes=5))
    again = world.again(run.sync_id, ROWS)
    world.execute(again)
    assert world.run(again).counts.added == 2


def test_what_was_written_until_then_is_counted() -> None:
    world = World()
    run = world.request(ROWS)
    undisturbed = world.notify
    world.notify = None  # type: ignore[assignment,method-assign]  # the machine never comes to its last state
    with pytest.raises(TypeError):
        world.execute(run)
    world.notify = undisturbed  # type: ignore[method-assign]
    world.left(run, "ABORTED")
    counts = world.run(run).counts
    assert (counts.rows, counts.added, len(world.stored())) == (2, 2, 2)


def test_a_worker_that_outlived_its_execution_stops() -> None:
    world = World()
    run = begun(world)
    world.left(run, "ABORTED")
    with pytest.raises(Exception, match="the run is failed"):
        importing.parse(
            Message(account_id=run.account_id, run_id=run.id), control=world.control, runs=world.runs
        )


def test_said_again_or_of_another_execution_it_changes_nothing() -> None:
    world = World()
    run = begun(world)
    world.left(run, "FAILED", execution="another")
    assert world.run(run).status == "running"
    world.left(run, "TIMED_OUT")
    ended = world.run(run)
    world.left(run, "TIMED_OUT")
    world.left(run, "ABORTED")
    assert world.run(run) == ended
    assert len(world.mailer.sent) == 1


def test_a_run_that_ended_well_stays_as_it_is() -> None:
    world = World()
    run = world.request(ROWS)
    world.execute(run)
    ended = world.run(run)
    world.left(run, "FAILED")
    assert world.run(run) == ended


def test_a_run_that_was_never_begun_is_asked_for_again() -> None:
    world = World()
    run = world.request(ROWS)
    world.left(run, "ABORTED")
    assert world.run(run).status == "queued"
    assert [event.detail["run_id"] for event in world.bus.events if event.kind == "RunRequested"] == [run.id]


def test_who_dies_over_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    run = begun(world)
    close = type(world.control).close_run
    died: list[bool] = []

    def dying(*arguments: Any, **options: Any) -> Run:
        if not died:
            died.append(True)
            raise Died
        return close(*arguments, **options)

    monkeypatch.setattr(type(world.control), "close_run", dying)
    tried(lambda: world.left(run, "TIMED_OUT"))
    assert died
    assert world.run(run).has_ended
    problem = world.run(run).problem
    assert problem is not None
    assert problem.code == "timed_out"


def test_who_dies_between_closing_the_run_and_telling_people_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    run = begun(world)
    dies_over_it(monkeypatch)
    world.left(run, "TIMED_OUT")
    [mail] = world.mailer.sent
    assert world.run(run).problem is not None
    assert "The run took longer than any run may" in mail.text


def test_an_execution_that_broke_off_before_it_told_people_has_them_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its last state had closed the run, and came no further."""
    world = World()
    run = world.request(ROWS)
    dies_over_it(monkeypatch, times=TRIES)
    with pytest.raises(Caught):
        world.execute(run)
    ended = world.run(run)
    assert (ended.status, world.mailer.sent) == ("succeeded", [])
    world.left(run, "FAILED")
    [mail] = world.mailer.sent
    assert "2 added" in mail.subject
    assert world.run(run).counts == ended.counts


def test_a_question_that_its_execution_did_not_come_to_ask_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    options = {"delete_missing": {"scope": "sync"}, "guard": {"max_delete_count": 0}}
    first = world.import_rows(ROWS, options=options)
    world.mailer.sent.clear()
    run = world.again(first.sync_id, "email\nada@example.com\n")
    dies_over_it(monkeypatch, times=TRIES)
    with pytest.raises(Caught):
        world.execute(run)
    assert (world.run(run).status, world.mailer.sent) == ("awaiting_approval", [])
    world.left(run, "FAILED")
    assert world.run(run).status == "awaiting_approval"
    assert len(world.mailer.sent) == 1
    world.control.approve_run(run.account_id, run.id, world.run(run).plan_hash or "")
    world.left(run, "FAILED")
    assert world.run(run).status == "queued"
    world.execute(run, execution="after the approval")
    assert world.run(run).counts.deleted == 1


def dies_over_it(monkeypatch: pytest.MonkeyPatch, *, times: int = 1) -> None:
    """Whoever closes a run dies right after that; so often."""
    close = Control.close_run
    left = [None] * times

    def dying(*arguments: Any, **options: Any) -> Run:
        closed = close(*arguments, **options)
        if left:
            left.pop()
            raise Died
        return closed

    monkeypatch.setattr(Control, "close_run", dying)


def test_an_address_book_is_let_go_of() -> None:
    world = BookWorld()
    world.book.add(ADA)
    run = world.ask(world.sync())
    asked = Requested(account_id=run.account_id, run_id=run.id, execution="execution-1")
    syncing.pull(asked, ports=world.steps())
    assert not world.control.take_book(run.account_id, CONNECTION, "another", world.clock.now())
    world.left(run, "ABORTED")
    assert world.control.take_book(run.account_id, CONNECTION, "another", world.clock.now())

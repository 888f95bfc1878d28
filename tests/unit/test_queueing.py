"""So many runs of one account at a time: the others wait, come in their order, and none is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contactsync.control import plans
from contactsync.journeys.account import accounts
from contactsync.journeys.asked.queueing import LASTS_AT_MOST

if TYPE_CHECKING:
    from contactsync.model.run import Run
    from tests.support.calling import ApiWorld, Client

CONCURRENT_RUNS = plans()["standard"].limits.concurrent_runs
IMPORT = {
    "source": {"kind": "paste", "text": "email\nada@example.com\n"},
    "mapping": [{"column": "email", "field": "email"}],
}


def asked(world: ApiWorld, api: Client, count: int) -> list[Run]:
    """So many imports, asked for one after the other."""
    runs = []
    for _ in range(count):
        run_id = api.post("/imports", IMPORT).json["run"]["id"]
        runs.append(world.control.run(api.account.account_id, run_id).value)
        world.clock.advance(timedelta(seconds=1))
    return runs


def claim(world: ApiWorld, run: Run) -> None:
    """The run's execution begins, and gets no further for now."""
    change = {"status": "running", "execution": "e", "started_at": world.clock.now().isoformat()}
    world.control.update_run(run.account_id, run.id, lambda run: run.model_copy(update=change))


def test_a_run_beyond_the_share_waits_and_begins_when_another_has_ended(world: ApiWorld, api: Client) -> None:
    runs = asked(world, api, CONCURRENT_RUNS + 2)
    first, waiting = runs[:CONCURRENT_RUNS], runs[CONCURRENT_RUNS:]
    assert world.runs_asked() == [run.id for run in first]
    for run in first[1:]:
        claim(world, run)
    world.execute(first[0])
    assert world.runs_asked()[-1] == waiting[0].id
    assert [world.run(run).status for run in waiting] == ["queued", "queued"]


def test_those_who_wait_come_in_the_order_in_which_they_asked_until_none_is_left(
    world: ApiWorld, api: Client
) -> None:
    asked(world, api, 3 * CONCURRENT_RUNS)
    begun: list[str] = []
    while fresh := [each for each in dict.fromkeys(world.runs_asked()) if each not in begun]:
        begun.append(fresh[0])
        world.execute(world.control.run(api.account.account_id, fresh[0]).value)
    assert begun == sorted(begun)
    assert len(begun) == 3 * CONCURRENT_RUNS
    statuses = {world.control.run(api.account.account_id, each).value.status for each in begun}
    assert statuses <= {"succeeded", "unchanged"}
    assert world.control.open_runs(api.account.account_id) == []


def test_an_event_that_comes_before_its_turn_begins_nothing(world: ApiWorld, api: Client) -> None:
    runs = asked(world, api, CONCURRENT_RUNS + 1)
    for run in runs[:-1]:
        claim(world, run)
    assert world.execute(runs[-1], execution="too early") is None
    assert world.run(runs[-1]).status == "queued"


def test_with_a_smaller_share_none_begins_while_more_than_that_are_at_work(
    world: ApiWorld, api: Client
) -> None:
    runs = asked(world, api, CONCURRENT_RUNS + 3)
    first, waiting = runs[:CONCURRENT_RUNS], runs[CONCURRENT_RUNS:]
    for run in first[1:]:
        claim(world, run)
    mine, now = api.account.account_id, world.clock.now()
    accounts.change_plan(world.control, mine, now, limits={"concurrent_runs": CONCURRENT_RUNS - 2})
    world.execute(first[0])
    assert not {run.id for run in waiting} & set(world.runs_asked())


def test_another_account_waits_for_nobody(world: ApiWorld, api: Client, stranger: Client) -> None:
    for run in asked(world, api, CONCURRENT_RUNS + 3)[:CONCURRENT_RUNS]:
        claim(world, run)
    [theirs] = asked(world, stranger, 1)
    assert theirs.id in world.runs_asked()


@pytest.mark.parametrize("ending", ["cancelled while it waits", "lost with its execution"])
def test_a_place_is_not_kept_for_a_run_that_will_not_come(world: ApiWorld, api: Client, ending: str) -> None:
    runs = asked(world, api, CONCURRENT_RUNS + 1)
    for run in runs[1:-1]:
        claim(world, run)
    if ending == "cancelled while it waits":
        assert api.post(f"/runs/{runs[0].id}/cancel").status == 200
    else:
        claim(world, runs[0])
        world.clock.advance(LASTS_AT_MOST + timedelta(minutes=1))
        api.get(f"/runs/{runs[-1].id}")
    assert world.runs_asked()[-1] == runs[-1].id


def test_a_run_that_waits_for_an_approval_keeps_no_place(world: ApiWorld, api: Client) -> None:
    guard = {"max_delete_count": 0, "min_overlap_percent": 0}
    deleting = {**IMPORT, "options": {"delete_missing": {"scope": "all"}, "guard": guard}}
    people = [f"p{number}@example.com\n" for number in range(9)]
    both = {**deleting, "source": {"kind": "paste", "text": "email\n" + "".join(people)}}
    first = api.post("/imports", both).json["run"]["id"]
    world.execute(world.control.run(api.account.account_id, first).value)
    other = {**deleting, "source": {"kind": "paste", "text": "email\n" + "".join(people[1:])}}
    body = api.post("/imports", other).json["run"]
    run = world.control.run(api.account.account_id, body["id"]).value
    world.execute(run)
    assert world.run(run).status == "awaiting_approval"
    assert world.control.open_runs(api.account.account_id) == []
    world.approve(run)
    assert world.run(run).status == "succeeded"

"""What nobody calls for any more is called for by the hour: runs whose event was lost, files, runs left open."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contactsync.errors import Busy
from contactsync.journeys.asked import lingering
from contactsync.journeys.asked.queueing import LASTS_AT_MOST
from contactsync.journeys.asked.scheduling import listen
from contactsync.model.message import Finishing, SyncDue
from tests.support.dropped import MAPPING, DropBucket, prefix
from tests.unit.test_queueing import CONCURRENT_RUNS, IMPORT, asked, claim

if TYPE_CHECKING:
    from tests.support.calling import ApiWorld, Client

SHORT = timedelta(seconds=50)
LONG = timedelta(hours=1)


def hour(world: ApiWorld, *, after: timedelta = LONG) -> list[tuple[str, dict[str, str]]]:
    """What an hourly look, in all its stretches, puts on the bus for others than itself."""
    world.clock.advance(after)
    told, calls = [], [SyncDue(account_id="", sync_id=lingering.HOUR)]
    for call in calls:
        before = len(world.bus.events)
        listen(call, control=world.control, bus=world.bus, scheduler=world.scheduler, clock=world.clock)
        for event in world.bus.events[before:]:
            if event.detail.get("sync_id") == lingering.HOUR:
                calls.append(SyncDue.model_validate(event.detail))
            else:
                told.append((event.kind, event.detail))
    return told


def unannounced(world: ApiWorld, api: Client) -> str:
    """The id of a run that was stored, and whose maker died before the bus had heard of it."""
    world.bus.failures = 1
    assert api.post("/imports", IMPORT).status == 503
    [run] = world.control.open_runs(api.account.account_id)
    return run.id


def test_a_run_whose_event_was_lost_is_announced_again_and_runs(world: ApiWorld, api: Client) -> None:
    run_id = unannounced(world, api)
    assert [(kind, detail["run_id"]) for kind, detail in hour(world)] == [("RunRequested", run_id)]
    run = world.control.run(api.account.account_id, run_id).value
    world.execute(run)
    assert world.run(run).counts.added == 1
    assert hour(world) == []


def test_one_that_was_asked_for_just_now_is_left_to_its_own_event(world: ApiWorld, api: Client) -> None:
    unannounced(world, api)
    assert hour(world, after=SHORT) == []


def test_one_whose_turn_has_not_come_is_not_announced(world: ApiWorld, api: Client) -> None:
    runs = asked(world, api, CONCURRENT_RUNS + 2)
    for run in runs[:CONCURRENT_RUNS]:
        claim(world, run)
    assert hour(world) == []


def test_whoever_is_suspended_waits(world: ApiWorld, api: Client) -> None:
    unannounced(world, api)

    def suspended(read: Any) -> Any:
        return read.value.model_copy(update={"suspended_at": world.clock.now().isoformat()}), []

    world.control.change_account(api.account.account_id, suspended)
    assert hour(world) == []


def test_every_account_is_looked_at_stretch_by_stretch(
    world: ApiWorld, api: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "ACCOUNTS_A_STRETCH", 1)
    lost = {unannounced(world, api), unannounced(world, stranger)}
    assert {detail["run_id"] for _, detail in hour(world)} == lost


def test_a_file_whose_turn_nobody_called_for_gets_its_run(world: ApiWorld, api: Client) -> None:
    body = {"name": "M", "source": {"kind": "drop"}, "mapping": MAPPING, "notify": {"emails": []}}
    syncs = sorted(api.post("/syncs", body).json["id"] for _ in range(2))
    bucket = DropBucket(world)
    for sync_id in syncs:
        for name in ("a.csv", "b.csv"):
            world.bus.failures = 1
            with pytest.raises(Busy):
                bucket.drop(prefix(world, sync_id) + name, "email\nada@example.com\n")
    account_id = api.account.account_id
    assert hour(world) == [("SyncDue", {"account_id": account_id, "sync_id": each}) for each in syncs]


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_run_whose_execution_can_be_no_more_is_closed(
    world: ApiWorld, api: Client, *, cancelled: bool
) -> None:
    """Step Functions says by best effort only that an execution has come to no end of its own."""
    [run] = asked(world, api, 1)
    claim(world, run)
    if cancelled:
        assert api.post(f"/runs/{run.id}/cancel").json["finished_at"] is None
    assert hour(world) == []
    [(kind, left)] = hour(world, after=LASTS_AT_MOST)
    assert kind == "RunLost"
    world.notify(Finishing.model_validate({"source": "contactsync", "detail-type": kind, "detail": left}))
    ended = world.run(run)
    assert ended.has_ended
    assert (ended.status, ended.problem and ended.problem.code) == (
        ("cancelled", "cancelled") if cancelled else ("failed", "timed_out")
    )
    assert world.control.sync(run.account_id, run.sync_id).value.active_run is None
    assert hour(world) == []


def test_a_run_that_has_ended_lets_its_sync_go(world: ApiWorld, api: Client) -> None:
    """Who cancelled it died before that."""
    [run] = asked(world, api, 1)
    ended = {"status": "cancelled", "finished_at": run.requested_at}
    world.control.update_run(run.account_id, run.id, lambda run: run.model_copy(update=ended))
    assert hour(world) == [("SyncDue", {"account_id": run.account_id, "sync_id": run.sync_id})]
    assert world.control.sync(run.account_id, run.sync_id).value.active_run is None
    assert hour(world) == []

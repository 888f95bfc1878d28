"""Schedules through the API, and what becomes of wake-ups: one run for each due local day, however often we are woken."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contactsync.adapters.memory import MemoryScheduler
from contactsync.errors import Busy
from contactsync.journeys.account import accounts
from contactsync.journeys.asked.scheduling import arrange, kept, listen
from contactsync.model.message import SyncDue
from functions.api import handler
from tests.fakes.webserver import WebServer, reply

ROWS = b"email\nada@example.com\n"
DAILY = {"start": "2026-11-23T09:30:00", "time_zone": "Europe/Amsterdam", "recurrence": "FREQ=DAILY"}
MAPPING = [{"column": "email", "field": "email"}]


@pytest.fixture
def source(world):
    """A file on a web server, at nine o'clock UTC of 22 November 2026."""
    with WebServer(lambda _: reply(ROWS)) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        yield {"kind": "http", "url": f"http://127.0.0.1:{server.port}/a.csv"}


def ask(api, source: dict[str, Any], schedule: dict[str, Any] | None) -> Any:
    return api.post("/imports", {"source": source, "mapping": MAPPING, "schedule": schedule})


@pytest.fixture
def sync(api, source):
    """A sync of every day, its first run over."""
    sync = ask(api, source, DAILY).json["sync"]
    execute(api, sync["latest_run"]["id"])
    return sync


def execute(api, run_id: str) -> str:
    run = api.world.control.run(api.account.account_id, run_id).value
    api.world.execute(run, execution=f"execution of {run_id}")
    return str(api.get(f"/runs/{run_id}").json["status"])


def wake(api, sync: dict[str, Any], at: str | None = None) -> str | None:
    world = api.world
    if at is not None:
        world.clock.advance(datetime.fromisoformat(at).replace(tzinfo=UTC) - world.clock.now())
    message = SyncDue(account_id=api.account.account_id, sync_id=sync["id"])
    heard = listen(
        message, control=world.control, bus=world.bus, scheduler=world.scheduler, clock=world.clock
    )
    return heard.run_id


def calls(api) -> list[str]:
    """The syncs that we wake ourselves for."""
    return [event.detail["sync_id"] for event in api.world.bus.events if event.kind == "SyncDue"]


def runs(api, sync: dict[str, Any]) -> list[dict[str, Any]]:
    found = api.get(f"/syncs/{sync['id']}/runs").json["items"]
    return [run for run in found if run["trigger"] == "schedule"]


def test_a_schedule_is_kept_shown_and_arranged(api, sync):
    assert sync["schedule"] == {**DAILY, "end": None}
    assert sync["next_run_at"] == "2026-11-23T08:30:00.000Z"
    assert api.get(f"/syncs/{sync['id']}").json["next_run_at"] == "2026-11-23T08:30:00.000Z"
    wake_ups = api.world.scheduler.kept[api.account.account_id, sync["id"]]
    assert wake_ups.cron == "cron(30 7,8 * * ? *)"
    assert (wake_ups.start, wake_ups.end) == (None, None)


@pytest.mark.parametrize("time_zone", ["Europe/Amsterdam", "America/New_York"])
def test_an_end_that_says_never_is_none(api, source, time_zone):
    schedule = {**DAILY, "start": "2026-11-23T23:30:00", "time_zone": time_zone, "end": "9999-12-31"}
    answer = ask(api, source, schedule)
    assert answer.status == 202, answer.text
    assert api.world.scheduler.kept[api.account.account_id, answer.json["sync"]["id"]].end is None


def test_without_a_schedule_nobody_is_woken(api, source):
    sync = ask(api, source, None).json["sync"]
    assert (sync["schedule"], sync["next_run_at"]) == (None, None)
    assert api.world.scheduler.kept == {}


def test_only_what_we_can_fetch_has_a_schedule(api):
    answer = ask(api, {"kind": "paste", "text": "email\n"}, DAILY)
    assert (answer.status, answer.pointers) == (422, {"/schedule"})
    assert "a web, FTP or SSH server, or in a bucket" in answer.text
    assert api.world.scheduler.kept == {}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Mars/Olympus"}, "/schedule/time_zone"),
        ({"recurrence": "FREQ=HOURLY;INTERVAL=5"}, "/schedule/recurrence"),
        ({"recurrence": "every day"}, "/schedule/recurrence"),
        ({"start": "2026-11-23T09:30:00Z"}, "/schedule/start"),
        ({"start": "tomorrow"}, "/schedule/start"),
        ({"start": "9999-12-31T09:30:00"}, "/schedule/start"),
        ({"start": "0001-01-01T09:30:00"}, "/schedule/start"),
        ({"recurrence": "FREQ=YEARLY;BYMONTH=2;BYDAY=1MO;INTERVAL=-0"}, "/schedule/recurrence"),
        ({"end": "2026-11-22"}, "/schedule/end"),
        ({"start": "2026-01-01T09:00:00", "end": "2026-01-31"}, "/schedule"),
        ({"often": True}, "/schedule/often"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_where_it_stands(api, source, change, pointer):
    answer = ask(api, source, {**DAILY, **change})
    assert (answer.status, answer.pointers) == (422, {pointer})
    assert api.world.scheduler.kept == {}


def test_a_wake_up_before_the_moment_starts_nothing(api, sync):
    assert wake(api, sync, "2026-11-23T07:30") is None
    assert runs(api, sync) == []


def test_a_day_is_run_though_whoever_ended_the_run_before_it_died_on_the_way(api, sync):
    account = api.account.account_id
    before = api.post(f"/syncs/{sync['id']}/runs", {}).json["id"]
    ended = {"status": "cancelled", "finished_at": "2026-11-22T09:00:00Z"}
    api.world.control.update_run(account, before, lambda run: run.model_copy(update=ended))
    due = wake(api, sync, "2026-11-23T08:30")
    assert due
    assert execute(api, due) == "unchanged"


def test_a_due_day_is_run_once_however_often_we_are_woken(api, sync):
    first = wake(api, sync, "2026-11-23T08:30")
    assert first
    assert wake(api, sync) == first  # not taken up yet: announced again, made once
    assert api.get(f"/syncs/{sync['id']}").json["next_run_at"] == "2026-11-24T08:30:00.000Z"
    assert execute(api, first) == "unchanged"
    assert [wake(api, sync), wake(api, sync, "2026-11-23T22:00")] == [None, None]
    assert [run["id"] for run in runs(api, sync)] == [first]
    second = wake(api, sync, "2026-11-24T08:30")
    assert second
    assert second > first


def test_a_wake_up_that_died_before_its_announcement_is_made_good(api, sync):
    api.world.bus.failures = 1
    with pytest.raises(Busy):
        wake(api, sync, "2026-11-23T08:30")
    [stored] = runs(api, sync)
    assert wake(api, sync) == stored["id"]
    assert api.world.runs_asked()[-1] == stored["id"]


def test_after_an_outage_the_latest_day_is_run_and_no_other(api, sync):
    late = wake(api, sync, "2026-11-28T11:00")
    assert late
    execute(api, late)
    assert wake(api, sync) is None
    assert len(runs(api, sync)) == 1


def test_while_a_run_is_under_way_the_day_stays_open(api, sync):
    going = api.post(f"/syncs/{sync['id']}/runs", {}).json["id"]
    told = len(api.world.runs_asked())
    assert wake(api, sync, "2026-11-23T08:30") == going, "that one goes first"
    assert api.world.runs_asked()[told:] == [going], "its announcement may be lost"
    assert runs(api, sync) == []
    execute(api, going)
    later = wake(api, sync, "2026-11-23T09:30")
    assert later
    assert [run["id"] for run in runs(api, sync)] == [later]


@pytest.mark.parametrize("way", ["ends", "cancelled"])
def test_the_day_that_came_meanwhile_starts_when_that_run_ends(api, sync, way):
    going = api.post(f"/syncs/{sync['id']}/runs", {}).json["id"]
    told = len(api.world.runs_asked())
    assert wake(api, sync, "2026-11-23T08:30") == going, "that one goes first"
    assert api.world.runs_asked()[told:] == [going], "its announcement may be lost"
    assert runs(api, sync) == []
    if way == "cancelled":
        api.post(f"/runs/{going}/cancel", {})
    else:
        execute(api, going)
    assert sync["id"] in calls(api)
    started = wake(api, sync)
    assert [run["id"] for run in runs(api, sync)] == [started]


def test_a_run_that_ends_before_the_day_calls_nobody(api, sync):
    execute(api, api.post(f"/syncs/{sync['id']}/runs", {}).json["id"])
    assert calls(api) == []


def test_days_that_passed_before_the_schedule_was_set_are_not_made_up_for(api, source):
    sync = ask(api, source, {**DAILY, "start": "2026-01-01T09:30:00"}).json["sync"]
    execute(api, sync["latest_run"]["id"])
    assert sync["next_run_at"] == "2026-11-23T08:30:00.000Z"
    assert wake(api, sync, "2026-11-22T09:05") is None
    assert wake(api, sync, "2026-11-23T08:30") is not None


def test_a_schedule_that_has_had_its_last_day_wakes_nobody_any_more(api, source):
    sync = ask(api, source, {**DAILY, "recurrence": "FREQ=DAILY;COUNT=1"}).json["sync"]
    execute(api, sync["latest_run"]["id"])
    place = api.account.account_id, sync["id"]
    due = wake(api, sync, "2026-11-23T08:30")
    assert due
    assert execute(api, due) == "unchanged"
    assert api.get(f"/syncs/{sync['id']}").json["next_run_at"] is None
    assert wake(api, sync, "2026-11-23T09:30") is None
    assert place not in api.world.scheduler.kept


def test_a_last_day_that_is_still_open_is_woken_for(api, source):
    sync = ask(api, source, {**DAILY, "recurrence": "FREQ=DAILY;COUNT=1"}).json["sync"]
    assert wake(api, sync, "2026-11-23T08:30") == sync["latest_run"]["id"], "the first run goes first"
    assert (api.account.account_id, sync["id"]) in api.world.scheduler.kept
    execute(api, sync["latest_run"]["id"])
    assert [wake(api, sync)] == [run["id"] for run in runs(api, sync)]


def test_a_wake_up_that_comes_late_tells_the_scheduler_anew(api, sync):
    """A zone has changed its clocks by law since the scheduler was told, or was told by those of long ago."""
    place = api.account.account_id, sync["id"]
    right = api.world.scheduler.kept[place]
    api.world.scheduler.put(*place, "cron(0 7 * * ? *)", start=None, end=None)
    assert wake(api, sync, "2026-11-23T07:00") is None, "too early"
    assert wake(api, sync, "2026-11-24T07:00") is not None, "late for the day before"
    assert api.world.scheduler.kept[place] == right


def test_after_a_suspension_the_day_that_came_meanwhile_is_run(api, sync):
    world, account = api.world, api.account.account_id
    accounts.suspend(world.control, account, world.clock.now())
    assert wake(api, sync, "2026-11-23T08:30") is None
    world.clock.advance(timedelta(hours=1))
    accounts.resume(world.control, world.bus, account, world.clock.now())
    assert calls(api) == [sync["id"]]
    assert [wake(api, sync)] == [run["id"] for run in runs(api, sync)]


def test_a_schedule_that_is_sent_back_as_it_was_leaves_the_day_open(api, sync):
    going = api.post(f"/syncs/{sync['id']}/runs", {}).json["id"]
    assert wake(api, sync, "2026-11-23T08:30") == going
    stored = api.get(f"/syncs/{sync['id']}").json
    assert (
        api.patch(f"/syncs/{sync['id']}", {"name": "Nightly", "schedule": stored["schedule"]}).status == 200
    )
    execute(api, going)
    assert [wake(api, sync)] == [run["id"] for run in runs(api, sync)]


def test_a_paused_or_unknown_sync_is_not_run(api, sync):
    account = api.account.account_id
    api.world.control.update_sync(
        account, sync["id"], lambda it: it.value.model_copy(update={"state": "paused"})
    )
    assert wake(api, sync, "2026-11-23T08:30") is None
    assert wake(api, {"id": "s0"}) is None
    assert api.get(f"/syncs/{sync['id']}").json["next_run_at"] is None


def test_another_account_cannot_be_woken_for(api, sync, stranger):
    assert wake(stranger, sync, "2026-11-23T08:30") is None
    assert runs(api, sync) == []


def test_arranging_again_follows_the_sync(api, sync):
    world, account = api.world, api.account.account_id

    def tell(**changes: Any) -> None:
        world.control.update_sync(account, sync["id"], lambda read: read.value.model_copy(update=changes))
        arrange(account, sync["id"], control=world.control, scheduler=world.scheduler, clock=world.clock)

    stored = world.control.sync(account, sync["id"]).value
    ended = {
        "start": "2026-12-01T09:30:00",
        "time_zone": "UTC",
        "recurrence": "FREQ=DAILY",
        "end": "2026-12-24",
    }
    schedule = type(stored.schedule).model_validate(ended)
    tell(**kept(schedule, world.clock.now()))
    wake_ups = world.scheduler.kept[account, sync["id"]]
    assert wake_ups.start == datetime(2026, 11, 29, 9, 30, tzinfo=UTC)
    assert wake_ups.end == datetime(2026, 12, 26, 9, 30, tzinfo=UTC)
    tell(schedule=stored.schedule)
    assert (account, sync["id"]) in world.scheduler.kept
    tell(state="paused")
    assert world.scheduler.kept == {}
    tell(schedule=schedule, state="active")
    world.clock.advance(timedelta(days=60))
    tell()
    assert world.scheduler.kept == {}


class InterruptedScheduler(MemoryScheduler):
    """Lets `meanwhile` happen when it has been asked and has not done anything yet."""

    meanwhile: Callable[[], Any] | None = None

    def put(self, *asked: Any, **options: Any) -> None:
        self._let_it_happen()
        super().put(*asked, **options)

    def remove(self, *asked: Any) -> None:
        self._let_it_happen()
        super().remove(*asked)

    def _let_it_happen(self) -> None:
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()


SIX = {**DAILY, "start": "2026-11-23T06:00:00"}


@pytest.mark.parametrize(
    ("slow", "quick", "wanted"),
    [
        ({"schedule": {**DAILY, "start": "2026-11-23T12:00:00"}}, {"schedule": SIX}, "cron(0 4,5 * * ? *)"),
        ({"schedule": None}, {"schedule": SIX}, "cron(0 4,5 * * ? *)"),
        ({"schedule": SIX}, {"schedule": None}, None),
        ({"schedule": SIX}, {"state": "paused"}, None),
        ({"state": "paused"}, {"state": "active"}, "cron(30 7,8 * * ? *)"),
        ({"schedule": SIX}, "delete", None),
    ],
)
def test_whoever_tells_the_scheduler_last_it_ends_with_what_the_sync_says_last(
    api, sync, slow, quick, wanted
):
    world = api.world
    scheduler = InterruptedScheduler()
    scheduler.kept = world.scheduler.kept
    world.scheduler = scheduler
    handler.api.cache_clear()
    place = f"/syncs/{sync['id']}"
    scheduler.meanwhile = lambda: api.delete(place) if quick == "delete" else api.patch(place, quick)
    assert api.patch(place, slow).status in {200, 404}
    told = scheduler.kept.get((api.account.account_id, sync["id"]))
    assert (told and told.cron) == wanted


def test_a_schedule_that_keeps_changing_is_given_up_after_a_while(api, sync):
    world, account = api.world, api.account.account_id
    numbers = itertools.count()

    stored = world.control.sync(account, sync["id"]).value
    other = stored.schedule.model_copy(update={"recurrence": "FREQ=WEEKLY"})

    class Turning(MemoryScheduler):
        def put(self, *asked: Any, **options: Any) -> None:
            schedule = other if next(numbers) % 2 == 0 else stored.schedule
            world.control.update_sync(
                account, sync["id"], lambda read: read.value.model_copy(update={"schedule": schedule})
            )

    with pytest.raises(Busy):
        arrange(account, sync["id"], control=world.control, scheduler=Turning(), clock=world.clock)
    assert next(numbers) == 10


def test_a_wake_up_for_a_sync_that_is_paused_or_gone_is_the_last(api, sync):
    world, account = api.world, api.account.account_id
    world.control.update_sync(account, sync["id"], lambda it: it.value.model_copy(update={"state": "paused"}))
    assert (account, sync["id"]) in world.scheduler.kept
    assert wake(api, sync) is None
    assert world.scheduler.kept == {}
    world.scheduler.put(account, "s0", "cron(0 0 * * ? *)", start=None, end=None)
    assert wake(api, {"id": "s0"}) is None
    assert world.scheduler.kept == {}


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("Europe/Amsterdam", "2027-03-25"),
        ("Europe/Amsterdam", "2027-10-28"),
        ("America/New_York", "2027-03-11"),
        ("America/New_York", "2027-11-04"),
        ("Australia/Lord_Howe", "2027-04-01"),
        ("Australia/Lord_Howe", "2027-09-30"),
    ],
)
def test_a_change_of_the_clock_leaves_one_run_a_day(api, source, zone, begin):
    """Woken every half hour around the change; half past two is skipped or comes twice."""
    schedule = {**DAILY, "start": "2026-11-23T02:30:00", "time_zone": zone}
    sync = ask(api, source, schedule).json["sync"]
    execute(api, sync["latest_run"]["id"])
    days = []
    for step in range(6 * 48):
        run = wake(api, sync, (datetime.fromisoformat(begin) + timedelta(minutes=30 * step)).isoformat())
        if run:
            execute(api, run)
            stored = api.world.control.sync(api.account.account_id, sync["id"]).value
            assert stored.last_day == stored.last_due.astimezone(ZoneInfo(zone)).date()
            days.append(stored.last_day)
    assert days == [days[0] + timedelta(days=index) for index in range(len(days))]
    assert len(days) in {6, 7}  # the first may be the one that was missed before


def test_a_sync_is_saved_with_its_schedule_and_changed(api, source):
    body = {"source": source, "mapping": MAPPING, "schedule": DAILY}
    sync = api.post("/syncs", body).json
    place = api.account.account_id, sync["id"]
    assert sync["next_run_at"] == "2026-11-23T08:30:00.000Z"
    assert place in api.world.scheduler.kept
    changed = api.patch(f"/syncs/{sync['id']}", {"schedule": {**DAILY, "start": "2026-11-23T06:00:00"}})
    assert changed.json["next_run_at"] == "2026-11-23T05:00:00.000Z"
    assert api.world.scheduler.kept[place].cron == "cron(0 4,5 * * ? *)"
    assert api.patch(f"/syncs/{sync['id']}", {"state": "paused"}).json["next_run_at"] is None
    assert api.world.scheduler.kept == {}
    assert wake(api, sync, "2026-11-23T05:00") is None
    assert api.patch(f"/syncs/{sync['id']}", {"state": "active"}).json["next_run_at"]
    assert place in api.world.scheduler.kept
    assert wake(api, sync) is None  # what was due during the pause is not made up for
    assert api.patch(f"/syncs/{sync['id']}", {"schedule": None}).json["schedule"] is None
    assert api.world.scheduler.kept == {}


def test_a_sync_with_a_schedule_cannot_become_one_of_an_upload_or_paste(api, sync):
    answer = api.patch(f"/syncs/{sync['id']}", {"source": {"kind": "paste", "text": "email\n"}})
    assert (answer.status, answer.pointers) == (422, {"/schedule"})


def test_a_sync_whose_schedule_has_ended_can_still_be_renamed(api, source):
    sync = ask(api, source, {**DAILY, "end": "2026-11-24"}).json["sync"]
    execute(api, sync["latest_run"]["id"])
    api.world.clock.advance(timedelta(days=30))
    answer = api.patch(f"/syncs/{sync['id']}", {"name": "Old"})
    assert (answer.status, answer.json["name"], answer.json["next_run_at"]) == (200, "Old", None)
    whole = api.patch(f"/syncs/{sync['id']}", {"name": "Older", "schedule": answer.json["schedule"]})
    assert (whole.status, whole.json["name"]) == (200, "Older")
    later = {**DAILY, "end": "2026-11-25"}
    assert api.patch(f"/syncs/{sync['id']}", {"schedule": later}).pointers == {"/schedule"}


def test_a_deleted_sync_is_not_run_any_more(api, sync):
    assert api.call("DELETE", f"/syncs/{sync['id']}").status == 204
    assert api.world.scheduler.kept == {}
    assert wake(api, sync, "2026-11-23T08:30") is None


def test_two_wake_ups_at_once_are_one_run_even_where_the_first_has_ended_by_then(api: Any, sync: Any) -> None:
    records = api.world.records
    commit = records.commit
    ran = []

    def late(writes):
        records.commit = commit
        run_id = wake(api, sync)
        assert run_id is not None
        ran.append((run_id, execute(api, run_id)))
        commit(writes)

    records.commit = late
    assert wake(api, sync, "2026-11-23T08:30:00") is None
    assert [status for _, status in ran] == ["unchanged"]
    scheduled = [
        each["id"]
        for each in api.get(f"/syncs/{sync['id']}/runs").json["items"]
        if each["trigger"] == "schedule"
    ]
    assert scheduled == [ran[0][0]]

"""Schedules of hours and minutes: the latest moment is run, once; five failures pause none at once, and mails stay few."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contactsync.core.health import FAILURES_IN_A_ROW
from contactsync.errors import SourceAway
from contactsync.journeys.asked.scheduling import listen
from contactsync.model.message import SyncDue
from contactsync.ports import Put, RecordKey
from tests.support.bookworld import one_of, person
from tests.support.calling import ApiBookWorld, Client

MINE = {"kind": "connection", "connection_id": "n1"}
HOURLY = {"start": "2026-11-22T00:00:00", "time_zone": "Europe/Amsterdam", "recurrence": "FREQ=HOURLY"}
QUARTERLY = {**HOURLY, "recurrence": "FREQ=MINUTELY;INTERVAL=15"}
OWNER = ["owner@example.com"]


@pytest.fixture
def world(book_world: ApiBookWorld) -> ApiBookWorld:
    """A book of one, at ten o'clock in Amsterdam on 22 November 2026."""
    book_world.book.add(person(1))
    book_world.clock.advance(datetime(2026, 11, 22, 9, tzinfo=UTC) - book_world.clock.now())
    return book_world


def saved(world: ApiBookWorld, api: Client, schedule: dict[str, Any] = HOURLY, **asked: Any) -> str:
    """A sync of the book that has run once by hand."""
    notify = {"emails": OWNER, "on": asked.pop("on", "every_run")}
    made = api.post(
        "/syncs", {"name": "Book", "source": MINE, "schedule": schedule, "notify": notify, **asked}
    )
    assert made.status == 201, made.text
    sync_id = str(made.json["id"])
    assert world.go(sync_id).status == "succeeded"
    world.mailer.sent.clear()
    return sync_id


def woken(world: ApiBookWorld, sync_id: str, at: str = "") -> str | None:
    """The run that a wake-up at this UTC time of the 22nd, or another day, makes or finds waiting."""
    if at:
        moment = datetime.fromisoformat(at if "-" in at else f"2026-11-22T{at}").replace(tzinfo=UTC)
        world.clock.advance(moment - world.clock.now())
    ports = {name: getattr(world, name) for name in ("control", "bus", "scheduler", "clock")}
    return listen(SyncDue(account_id=world.account.account_id, sync_id=sync_id), **ports).run_id


def run(world: ApiBookWorld, api: Client, sync_id: str, at: str = "") -> dict[str, Any]:
    """The same, to its end."""
    run_id = woken(world, sync_id, at)
    assert run_id
    return ended(world, api, run_id)


def ended(world: ApiBookWorld, api: Client, run_id: str) -> dict[str, Any]:
    world.execute(world.control.run(world.account.account_id, run_id).value, execution=run_id)
    return dict(api.get(f"/runs/{run_id}").json)


def hours(world: ApiBookWorld, api: Client, sync_id: str, count: int) -> list[dict[str, Any]]:
    """The runs of so many hours, or until the schedule is paused."""
    found = []
    for _ in range(count):
        shown = api.get(f"/syncs/{sync_id}").json
        if shown["state"] == "paused":
            break
        world.clock.advance(datetime.fromisoformat(shown["next_run_at"]) - world.clock.now())
        found.append(run(world, api, sync_id))
    return found


def is_away(world: ApiBookWorld) -> None:
    def nobody(_: object) -> Any:
        raise SourceAway("The provider cannot be reached.")

    world.connect = nobody


# What is due


def test_what_is_edited_in_a_book_comes_in_within_a_quarter_of_an_hour(world, api):
    sync = saved(world, api, QUARTERLY)
    world.book.add(person(2))
    assert api.get(f"/syncs/{sync}").json["next_run_at"] == "2026-11-22T09:15:00.000Z"
    told = world.scheduler.kept[world.account.account_id, sync]
    assert told.cron == "cron(0,15,30,45 * * * ? *)"
    assert run(world, api, sync, "09:15")["counts"]["added"] == 1
    assert api.get(f"/syncs/{sync}").json["next_run_at"] == "2026-11-22T09:30:00.000Z"


def test_each_moment_is_run_once_and_after_an_outage_the_latest(world, api):
    sync = saved(world, api)
    first = run(world, api, sync, "10:00")["id"]
    assert [woken(world, sync), woken(world, sync, "10:59")] == [None, None]
    second = run(world, api, sync, "11:00")["id"]
    late = run(world, api, sync, "15:20")["id"]
    assert woken(world, sync) is None
    assert first < second < late
    assert int(late[1:13], 16) == datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp() * 1000
    assert run(world, api, sync, "16:00")["status"] == "unchanged"


def test_moments_that_come_during_a_run_are_one_when_it_has_ended(world, api):
    sync = saved(world, api, QUARTERLY)
    going = woken(world, sync, "09:15")
    assert [woken(world, sync, "09:30"), woken(world, sync, "09:45")] == [going, going]
    world.bus.events.clear()
    ended(world, api, str(going))
    assert [event.detail for event in world.bus.events if event.kind == "SyncDue"] == [
        {"account_id": world.account.account_id, "sync_id": sync}
    ]
    after = run(world, api, sync)["id"]
    assert int(after[1:13], 16) == datetime(2026, 11, 22, 9, 45, tzinfo=UTC).timestamp() * 1000
    assert woken(world, sync) is None


def test_a_day_that_an_earlier_version_has_run_is_not_run_again(world, api):
    sync = saved(world, api, {**HOURLY, "start": "2026-11-22T11:00:00", "recurrence": "FREQ=DAILY"})
    assert run(world, api, sync, "10:00")
    key = RecordKey(world.account.account_id, f"sync#{sync}")
    stored = world.control.records.get(key)
    document = dict(stored.document)
    assert (document.pop("last_due"), document["last_day"]) == ("2026-11-22T10:00:00Z", "2026-11-22")
    del document["failing_since"]
    world.control.records.commit([Put(key, document, stored.version)])
    assert woken(world, sync, "11:00") is None
    assert run(world, api, sync, "2026-11-23T10:00")["status"] == "unchanged"
    again = world.control.sync(world.account.account_id, sync).value
    assert (again.last_due, again.last_day) == (datetime(2026, 11, 23, 10, tzinfo=UTC), date(2026, 11, 23))


def test_the_account_s_runs_of_a_day_end_and_the_schedule_says_so(world, api):
    sync = saved(world, api)
    world.limit(runs_a_day=3)
    assert [run(world, api, sync, at)["status"] for at in ("10:00", "11:00")] == ["unchanged"] * 2
    assert woken(world, sync, "12:00") is None
    assert api.get(f"/syncs/{sync}").json["paused_because"]["code"] == "no_runs_left"
    assert run(world, api, sync, "2026-11-23T00:00")["status"] == "unchanged"
    assert api.get(f"/syncs/{sync}").json["paused_because"] is None


# A run that waits


def held(world: ApiBookWorld, api: Client) -> tuple[str, dict[str, Any]]:
    """An hourly sync, whose run of ten o'clock waits for an approval."""
    for number in range(2, 12):
        world.book.add(person(number))
    sync = saved(world, api, options={"guard": {"max_delete_count": 1}})
    for href in list(world.book.cards())[:3]:
        world.book.remove(href)
    waits = run(world, api, sync, "10:00")
    assert waits["status"] == "awaiting_approval"
    return sync, waits


def test_a_run_that_waits_for_an_approval_is_not_overtaken_for_a_day(world, api):
    sync, waits = held(world, api)
    assert woken(world, sync, "11:00") is None
    why = api.get(f"/syncs/{sync}").json["paused_because"]
    assert why["code"] == "undecided"
    assert f"/v1/runs/{waits['id']}/approve" in why["detail"]
    assert woken(world, sync, "2026-11-23T09:00") is None
    assert api.post(f"/runs/{waits['id']}/approve", {"plan_hash": waits["plan_hash"]}).status == 202
    assert ended(world, api, waits["id"])["status"] == "succeeded"
    assert api.get(f"/syncs/{sync}").json["paused_because"] is None
    assert run(world, api, sync)["status"] == "unchanged", "the latest of the hours that came meanwhile"
    for href in list(world.book.cards())[:3]:
        world.book.remove(href)
    world.mailer.sent.clear()
    assert run(world, api, sync, "2026-11-23T10:00")["status"] == "awaiting_approval"
    assert len(world.mailer.sent) == 1, "others wait for somebody"


def test_after_a_day_or_when_it_is_rejected_the_schedule_goes_on(world, api):
    sync, waits = held(world, api)
    after = run(world, api, sync, "2026-11-23T10:00")
    assert after["status"] == "awaiting_approval"
    assert len(world.mailer.sent) == 2
    assert api.post(f"/runs/{after['id']}/reject", {}).status == 200
    again = run(world, api, sync, "2026-11-23T11:00")
    assert again["status"] == "succeeded"
    assert again["id"] > after["id"] > waits["id"]
    assert len(world.mailer.sent) == 2, "whoever has rejected it is not asked again"


# Failures


def test_a_book_that_is_away_for_a_night_pauses_nothing(world, api):
    sync = saved(world, api)
    is_away(world)
    assert {each["status"] for each in hours(world, api, sync, 12)} == {"failed"}
    world.connect = None
    assert hours(world, api, sync, 1)[0]["status"] == "unchanged"
    stored = world.control.sync(world.account.account_id, sync).value
    assert (stored.failures, stored.failing_since) == (0, None)


def test_one_that_is_away_for_days_pauses_its_schedule_and_says_so(world, api):
    sync = saved(world, api)
    is_away(world)
    failed = hours(world, api, sync, 200)
    shown = api.get(f"/syncs/{sync}").json
    assert (shown["state"], shown["next_run_at"]) == ("paused", None)
    first, last = (datetime.fromisoformat(failed[each]["requested_at"]) for each in (0, -1))
    assert last - first == timedelta(days=FAILURES_IN_A_ROW - 1)
    assert f"its last {len(failed)} runs have failed" in shown["paused_because"]["title"]
    assert world.mailer.sent[-1].text.count("The schedule is paused") == 1
    # One a day, and of the last day another one, which says that it is over
    assert len(world.mailer.sent) == FAILURES_IN_A_ROW + 1
    api.patch(f"/syncs/{sync}", {"state": "active"})
    assert len(hours(world, api, sync, 24)) == 24


def test_failures_of_a_daily_schedule_that_is_made_finer_count_from_then(world, api):
    account = world.account.account_id
    sync = saved(world, api)
    world.control.update_sync(account, sync, lambda it: it.value.model_copy(update={"failures": 4}))
    is_away(world)
    assert len(hours(world, api, sync, 24)) == 24


# Mails


@pytest.mark.parametrize("on", ["every_run", "changes", "problems"])
def test_a_run_that_has_changed_nothing_sends_no_mail(world, api, on):
    sync = saved(world, api, on=on)
    assert {each["status"] for each in hours(world, api, sync, 3)} == {"unchanged"}
    assert world.mailer.sent == []
    world.book.add(person(2))
    hours(world, api, sync, 1)
    assert len(world.mailer.sent) == (on != "problems")


def test_whoever_runs_it_by_hand_is_told_as_ever(world, api):
    sync = saved(world, api)
    hours(world, api, sync, 1)
    assert world.go(sync).status == "unchanged"
    assert len(world.mailer.sent) == 1


@pytest.mark.parametrize(
    "recurrence", ["FREQ=DAILY", "FREQ=HOURLY;BYHOUR=11", "FREQ=WEEKLY;BYDAY=SU,MO,TU,WE,TH,FR,SA"]
)
def test_one_run_a_day_tells_as_ever(world, api, recurrence):
    sync = saved(world, api, {**HOURLY, "start": "2026-11-22T11:00:00", "recurrence": recurrence})
    hours(world, api, sync, 2)
    assert len(world.mailer.sent) == 2


@pytest.mark.parametrize("on", ["every_run", "problems"])
def test_the_same_problem_is_told_once_a_day(world, api, on):
    """Of the book's zone: 22 November ends there at eleven in the evening, UTC."""
    sync = saved(world, api, on=on)
    is_away(world)
    hours(world, api, sync, 13)
    [mail] = world.mailer.sent
    assert mail.subject == "Book: the import failed"
    midnight, *_ = hours(world, api, sync, 24)
    assert midnight["requested_at"] == "2026-11-22T23:00:00.000Z"
    _, second = world.mailer.sent
    assert midnight["id"] in second.text


def test_another_problem_of_the_day_is_told_and_the_first_one_not_again(world, api):
    sync = saved(world, api)
    is_away(world)
    hours(world, api, sync, 2)
    world.connect = None
    world.book.be_busy(100)
    assert hours(world, api, sync, 1)[0]["problem"]["code"] == "book_busy"
    world.book.calm()
    world.book.add(person(2))
    assert hours(world, api, sync, 1)[0]["counts"]["added"] == 1
    is_away(world)
    hours(world, api, sync, 2)
    subjects = [mail.subject for mail in world.mailer.sent]
    assert subjects == ["Book: the import failed", "Book: the import has to wait", "Book: 1 added"]


def test_a_change_is_told_beside_a_problem_that_was(world, api):
    """A card that the book does not take is told once a day; what else a run has done, each time."""
    sync = saved(world, api)
    world.edit(one_of(world, 1), name="Renamed")
    hours(world, api, sync, 1)
    [mail] = world.mailer.sent
    assert mail.subject == "Book: in the address book 1 updated"

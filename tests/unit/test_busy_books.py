"""Address books that are there and not to be had: their runs end without an alarm, and their schedules go on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from contactsync.core.health import FAILURES_IN_A_ROW
from contactsync.errors import BookBusy, SourceAway
from contactsync.journeys.asked import saving
from contactsync.journeys.asked.lingering import HOUR
from contactsync.journeys.asked.scheduling import listen
from contactsync.journeys.book import books
from contactsync.model.message import ContactsChanged, SyncDue
from tests.support.bookworld import person
from tests.support.calling import ApiBookWorld, Client
from tests.support.world import Died

DAILY = {"start": "2026-11-23T09:30:00", "time_zone": "Europe/Amsterdam", "recurrence": "FREQ=DAILY"}
MINE = {"kind": "connection", "connection_id": "n1"}


@pytest.fixture
def world(book_world: ApiBookWorld) -> ApiBookWorld:
    book_world.book.add(person(1))
    return book_world


@pytest.fixture
def sync(world: ApiBookWorld, api: Client) -> str:
    """A sync of every day, which has run once by hand."""
    asked = {"name": "Book", "source": MINE, "schedule": DAILY}
    made = api.post("/syncs", {**asked, "notify": {"emails": ["owner@example.com"], "on": "problems"}})
    sync_id = str(made.json["id"])
    assert world.go(sync_id).status == "succeeded"
    world.mailer.sent.clear()
    return sync_id


def woken(world: ApiBookWorld, sync_id: str, account_id: str | None = None) -> str | None:
    message = SyncDue(
        account_id=world.account.account_id if account_id is None else account_id, sync_id=sync_id
    )
    ports = {name: getattr(world, name) for name in ("control", "bus", "scheduler", "clock")}
    return listen(message, **ports).run_id


def day(world: ApiBookWorld, api: Client, sync_id: str) -> dict[str, Any]:
    """The run of the next day that is due; and the hour's look, before and after."""
    due = datetime.fromisoformat(api.get(f"/syncs/{sync_id}").json["next_run_at"])
    world.clock.advance(due - world.clock.now())
    woken(world, HOUR, "")
    run_id = woken(world, sync_id)
    assert run_id
    world.execute(world.control.run(world.account.account_id, run_id).value)
    woken(world, HOUR, "")
    return dict(api.get(f"/runs/{run_id}").json)


def rests(world: ApiBookWorld) -> None:
    """For a day: that is how long a provider may ask for."""
    world.book.calm()
    world.book.be_busy(retry_after_s=86_400)


def is_rate_limited(world: ApiBookWorld) -> None:
    """Whenever it is asked, without a word of how long."""
    world.book.calm()
    world.book.be_busy(100)


def is_held(world: ApiBookWorld) -> None:
    """By the run of another sync, which does not end."""
    assert world.control.take_book(world.account.account_id, "n1", "another", world.clock.now())


def is_away(world: ApiBookWorld) -> None:
    def nobody(_: object) -> Any:
        raise SourceAway("The provider cannot be reached.")

    world.connect = nobody


def days(world: ApiBookWorld, api: Client, sync_id: str, happens: Any) -> list[dict[str, Any]]:
    """As many days as pause a sync whose runs fail."""
    ended = []
    for _ in range(FAILURES_IN_A_ROW + 1):
        until_due = (
            datetime.fromisoformat(api.get(f"/syncs/{sync_id}").json["next_run_at"]) - world.clock.now()
        )
        world.clock.advance(until_due - timedelta(minutes=5))
        happens(world)
        ended.append(day(world, api, sync_id))
        if api.get(f"/syncs/{sync_id}").json["state"] == "paused":
            break
    return ended


@pytest.mark.parametrize("happens", [rests, is_rate_limited, is_held])
def test_a_book_that_is_not_to_be_had_pauses_no_schedule(world, api, sync, happens):
    """Case 24: and of a book that another sync's run holds it is just as true."""
    runs = days(world, api, sync, happens)
    assert [(run["status"], run["problem"]["code"]) for run in runs] == [("failed", "book_busy")] * 6
    shown = api.get(f"/syncs/{sync}").json
    assert (shown["state"], shown["paused_because"]) == ("active", None)
    assert shown["next_run_at"]
    assert world.control.sync(world.account.account_id, sync).value.failures == 0
    for mail in world.mailer.sent:
        assert mail.subject == "Book: the import has to wait"
        assert "fail" not in mail.text
        assert "paused" not in mail.text
        assert "We have waited for" in mail.text
        assert "What a schedule has asked for, its next run does." in mail.text
    world.book.calm()
    world.clock.advance(timedelta(hours=2))
    assert day(world, api, sync)["status"] in ("succeeded", "unchanged")


def test_a_book_that_is_really_away_pauses_its_schedule_and_says_so(world, api, sync):
    runs = days(world, api, sync, is_away)
    assert [run["problem"]["code"] for run in runs] == ["source_away"] * FAILURES_IN_A_ROW
    assert api.get(f"/syncs/{sync}").json["paused_because"]["code"] == "paused_after_failures"
    assert len(world.mailer.sent) == FAILURES_IN_A_ROW
    assert {mail.subject for mail in world.mailer.sent} == {"Book: the import failed"}
    assert "paused" in world.mailer.sent[-1].text


def test_a_wait_in_between_neither_counts_nor_heals(world, api, sync):
    is_away(world)
    for _ in range(FAILURES_IN_A_ROW - 1):
        day(world, api, sync)
    world.connect = None
    is_rate_limited(world)
    assert day(world, api, sync)["problem"]["code"] == "book_busy"
    assert world.control.sync(world.account.account_id, sync).value.failures == FAILURES_IN_A_ROW - 1
    is_away(world)
    day(world, api, sync)
    assert api.get(f"/syncs/{sync}").json["state"] == "paused"


def test_it_is_no_bug_of_ours(world, api, sync):
    """Nobody is woken for it."""
    is_held(world)
    world.clock.advance(timedelta(minutes=1))
    run = world.ask(sync)
    told = world.execute(run)
    assert (told.problem, told.bug) == (BookBusy.code, False)


def test_edits_that_waited_for_a_paused_sync_are_brought_when_it_goes_on(world, api):
    """Not with the next edit, for which nobody may have a reason."""
    sync_id = api.post("/syncs", {"source": MINE}).json["id"]
    world.go(sync_id)
    [contact] = world.everybody()
    path = f"/syncs/{sync_id}"
    assert api.patch(path, {"state": "paused"}).status == 200
    assert api.patch(f"/contacts/{contact}", {"fields": {"job_title": "Dame"}}).status == 200
    assert followed(world) == 0
    world.bus.events.clear()
    assert api.patch(path, {"name": "Another"}).status == 200
    assert [event.kind for event in world.bus.events] == []
    other = ContactsChanged(account_id=world.account.account_id, connection_id="another")
    assert api.patch(path, {"state": "active"}).status == 200
    assert books.follow(other, control=world.control, bus=world.bus, clock=world.clock).runs == 0
    assert followed(world) == 1
    [card] = world.book.cards().values()
    assert card.fields["job_title"] == "Dame"


def test_whoever_resumes_a_sync_and_dies_says_so_when_they_ask_again(world, api, monkeypatch):
    sync_id = api.post("/syncs", {"source": MINE}).json["id"]
    world.go(sync_id)
    path = f"/syncs/{sync_id}"
    assert api.patch(path, {"state": "paused"}).status == 200

    def dies(*_, **__):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(saving, "say_changed", dies)
        with pytest.raises(Died):
            api.patch(path, {"state": "active"})
    assert api.get(path).json["state"] == "active"
    world.bus.events.clear()
    assert api.patch(path, {"state": "active"}).status == 200
    assert followed(world) == 1


def followed(world: ApiBookWorld) -> int:
    """How many runs the edits that were said have set going; they are carried out."""
    said = [event for event in world.bus.events if event.kind == "ContactsChanged"]
    runs = 0
    for event in said:
        message = ContactsChanged.model_validate(event.detail)
        runs += books.follow(message, control=world.control, bus=world.bus, clock=world.clock).runs
    for run in world.control.open_runs(world.account.account_id):
        world.clock.advance(timedelta(minutes=10))
        world.execute(run)
    return runs

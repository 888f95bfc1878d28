"""A schedule whose runs keep failing stops, says so, and is resumed by whoever has mended what was wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from contactsync.core.health import FAILURES_IN_A_ROW
from contactsync.journeys.asked.scheduling import listen
from contactsync.model.message import Finishing, SyncDue
from tests.fakes.webserver import WebServer, reply

MAPPING = [{"column": "email", "field": "email"}]
DAILY = {"start": "2026-11-23T09:30:00", "time_zone": "Europe/Amsterdam", "recurrence": "FREQ=DAILY"}
GOOD = reply(b"email\nada@example.com\n")
MISSING = reply(b"", status="404 Not Found")


@pytest.fixture
def server(world):
    with WebServer(lambda _: GOOD) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        yield server


@pytest.fixture
def sync(api, server):
    """A sync of every day, its first run over."""
    source = {"kind": "http", "url": f"http://127.0.0.1:{server.port}/a.csv"}
    body = {"name": "Nightly", "source": source, "mapping": MAPPING, "schedule": DAILY}
    sync = api.post("/imports", {**body, "notify": {"emails": ["owner@example.com"]}}).json["sync"]
    execute(api, sync["latest_run"]["id"])
    api.world.mailer.sent.clear()
    return sync


def execute(api, run_id: str) -> dict[str, Any]:
    api.world.execute(api.world.control.run(api.account.account_id, run_id).value, execution=run_id)
    return dict(api.get(f"/runs/{run_id}").json)


def go(api, sync: dict[str, Any], **asked: Any) -> dict[str, Any]:
    return execute(api, api.post(f"/syncs/{sync['id']}/runs", asked).json["id"])


def wake(api, sync: dict[str, Any]) -> str | None:
    world = api.world
    message = SyncDue(account_id=api.account.account_id, sync_id=sync["id"])
    heard = listen(
        message, control=world.control, bus=world.bus, scheduler=world.scheduler, clock=world.clock
    )
    return heard.run_id


def days(api, sync: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The runs of so many days, each of which is due."""
    ended = []
    for _ in range(count):
        due = datetime.fromisoformat(api.get(f"/syncs/{sync['id']}").json["next_run_at"])
        api.world.clock.advance(due - api.world.clock.now())
        run = wake(api, sync)
        assert run
        ended.append(execute(api, run))
    return ended


def shown(api, sync: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/syncs/{sync['id']}").json)


@pytest.fixture
def paused(api, sync, server):
    server.answer = lambda _: MISSING
    days(api, sync, FAILURES_IN_A_ROW)
    return sync


def test_the_last_of_many_failures_pauses_the_schedule_and_says_so(api, sync, server):
    server.answer = lambda _: MISSING
    days(api, sync, FAILURES_IN_A_ROW - 1)
    before = shown(api, sync)
    assert (before["state"], before["paused_because"]) == ("active", None)
    assert before["next_run_at"]
    assert "paused" not in "".join(mail.text for mail in api.world.mailer.sent)
    [last] = days(api, sync, 1)
    after = shown(api, sync)
    assert (after["state"], after["next_run_at"]) == ("paused", None)
    why = after["paused_because"]
    assert why["code"] == "paused_after_failures"
    assert last["problem"]["title"] in why["detail"]
    assert len(api.world.mailer.sent) == FAILURES_IN_A_ROW
    text = api.world.mailer.sent[-1].text
    assert why["title"] in text
    assert f'PATCH /v1/syncs/{sync["id"]} with {{"state": "active"}}' in text


def test_the_mail_says_how_to_go_on_however_much_was_wrong(api, sync, server):
    """A file that has lost many columns fills a mail with their names."""
    columns = [
        {"column": f"A column with a rather long name, number {n}", "field": f"phones.{n}"} for n in range(40)
    ]
    assert api.patch(f"/syncs/{sync['id']}", {"mapping": [*MAPPING, *columns]}).status == 200
    server.answer = lambda _: reply(b"email\ngrace@example.com\n")
    days(api, sync, FAILURES_IN_A_ROW)
    assert len(shown(api, sync)["paused_because"]["detail"]) > 2_000
    assert f'PATCH /v1/syncs/{sync["id"]} with {{"state": "active"}}' in api.world.mailer.sent[-1].text


def test_who_wakes_us_for_a_paused_sync_is_told_to_stop(api, paused):
    assert api.world.bus.events[-1].kind == "SyncDue"
    assert wake(api, paused) is None
    assert api.world.scheduler.kept == {}
    api.world.clock.advance(timedelta(days=3))
    assert wake(api, paused) is None


def test_it_is_resumed_from_the_next_day_on_and_the_count_begins_anew(api, paused):
    wake(api, paused)
    api.world.clock.advance(timedelta(days=3))
    resumed = api.patch(f"/syncs/{paused['id']}", {"state": "active"}).json
    assert (resumed["state"], resumed["paused_because"]) == ("active", None)
    assert datetime.fromisoformat(resumed["next_run_at"]) > api.world.clock.now()
    assert (api.account.account_id, paused["id"]) in api.world.scheduler.kept
    assert wake(api, paused) is None  # the days of the pause are not made up for
    days(api, paused, FAILURES_IN_A_ROW - 1)
    assert shown(api, paused)["state"] == "active"
    days(api, paused, 1)
    assert shown(api, paused)["state"] == "paused"


def test_it_can_be_run_by_hand_and_a_good_run_does_not_resume_it_in_silence(api, paused, server):
    server.answer = lambda _: reply(b"email\nada@example.com\ngrace@example.com\n")
    run = go(api, paused)
    assert (run["status"], run["counts"]["added"]) == ("succeeded", 1)
    assert shown(api, paused)["state"] == "paused"
    assert "The schedule is paused" in api.world.mailer.sent[-1].text


@pytest.mark.parametrize("way", ["day", "hand", "source", "unchanged"])
def test_a_good_run_or_another_source_begins_the_count_anew(api, sync, server, way):
    server.answer = lambda _: MISSING
    days(api, sync, FAILURES_IN_A_ROW - 1)
    answer = GOOD if way == "unchanged" else reply(f"email\n{way}@example.com\n".encode())
    server.answer = lambda _: answer
    if way == "source":
        url = f"http://127.0.0.1:{server.port}/b.csv"
        assert api.patch(f"/syncs/{sync['id']}", {"source": {"kind": "http", "url": url}}).status == 200
    elif way == "hand":
        assert go(api, sync)["status"] == "succeeded"
    else:
        assert days(api, sync, 1)[0]["status"] == ("unchanged" if way == "unchanged" else "succeeded")
    server.answer = lambda _: MISSING
    days(api, sync, FAILURES_IN_A_ROW - 1)
    assert shown(api, sync)["state"] == "active"


def test_runs_by_hand_and_dry_runs_neither_count_nor_heal(api, sync, server):
    server.answer = lambda _: MISSING
    for _ in range(FAILURES_IN_A_ROW):
        assert go(api, sync)["status"] == "failed"
    days(api, sync, FAILURES_IN_A_ROW - 1)
    server.answer = lambda _: GOOD
    assert go(api, sync, dry_run=True)["status"] == "succeeded"
    assert shown(api, sync)["state"] == "active"
    server.answer = lambda _: MISSING
    days(api, sync, 1)
    assert shown(api, sync)["state"] == "paused"


def test_what_is_ours_to_mend_pauses_nothing(api, sync):
    world = api.world
    for _ in range(FAILURES_IN_A_ROW):
        world.clock.advance(timedelta(days=1))
        run_id = wake(api, sync)
        assert run_id
        world.ports.vault = None  # fetch breaks
        world.remote = None
        assert execute(api, run_id)["problem"]["code"] == "internal"
    assert shown(api, sync)["state"] == "active"


def test_the_same_end_told_twice_counts_once(api, sync, server):
    from contactsync.journeys import importing

    server.answer = lambda _: MISSING
    [run] = days(api, sync, 1)
    world = api.world
    for _ in range(FAILURES_IN_A_ROW):
        importing.notify(
            Finishing(account_id=api.account.account_id, run_id=run["id"]),
            control=world.control,
            contacts=world.contacts,
            runs=world.runs,
            mailer=world.mailer,
            bus=world.bus,
            clock=world.clock,
            public_url="",
        )
    assert shown(api, sync)["state"] == "active"
    assert world.control.sync(api.account.account_id, sync["id"]).value.failures == 1
    assert len(world.mailer.sent) == 1


def test_the_list_shows_name_latest_run_next_run_and_status(api, sync, server):
    [listed] = api.get("/syncs").json["items"]
    assert (listed["name"], listed["latest_run"]["status"]) == ("Nightly", "succeeded")
    assert listed["next_run_at"] == "2026-11-23T08:30:00.000Z"
    server.answer = lambda _: MISSING
    days(api, sync, 1)
    [listed] = api.get("/syncs").json["items"]
    assert (listed["state"], listed["latest_run"]["status"]) == ("active", "failed")
    assert listed["latest_run"]["problem"]["detail"]
    assert listed["next_run_at"] == "2026-11-24T08:30:00.000Z"
    assert api.delete(f"/syncs/{sync['id']}").status == 204
    assert api.get("/syncs").json["items"] == []
    assert api.world.scheduler.kept == {}

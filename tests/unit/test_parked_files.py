"""The drop bucket through the API: a file that nobody is to read is parked, and whoever owns it is told once."""

from __future__ import annotations

import pytest

from contactsync.journeys.asked import dropping
from tests.support.dropped import (
    ADA,
    GRACE,
    MAPPING,
    DropBucket,
    event_of,
    later,
    path,
    prefix,
    runs,
    saved,
    told,
)

UNKNOWN = "s0193f1a7d5c18a9e0b1c2d3e"


@pytest.fixture
def bucket(world):
    return DropBucket(world)


@pytest.fixture
def sync(api):
    return saved(api)


def test_a_paused_sync_parks_files_and_reads_the_newest_when_it_is_active_again(api, world, bucket, sync):
    api.patch(f"/syncs/{sync['id']}", {"state": "paused"})
    for name in ("a.csv", "b.csv"):
        bucket.drop(path(world, sync, name), ADA if name == "a.csv" else GRACE)
        bucket.go_on()
        later(world)
    newest, older = api.get("/drops").json["items"]
    assert (newest["state"], newest["problem"]["code"]) == ("parked", "sync_paused")
    assert told(world) == [("ann@example.com", "Members: a file was not imported")] * 2
    assert "b.csv" in world.mailer.sent[-1].text
    api.patch(f"/syncs/{sync['id']}", {"state": "active"})
    bucket.go_on()
    assert set(world.stored()) == {"grace@example.com"}
    newest, older = api.get("/drops").json["items"]
    assert (newest["state"], older["state"]) == ("run", "parked")


def test_a_sync_that_is_paused_while_files_wait_parks_them(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    api.patch(f"/syncs/{sync['id']}", {"state": "paused"})
    bucket.go_on()
    assert runs(api, sync) == []
    assert api.get("/drops").json["items"][0]["problem"]["code"] == "sync_paused"
    assert len(told(world)) == 1


def test_a_file_for_no_sync_is_parked_and_those_who_manage_the_account_are_told(api, world, bucket, sync):
    account = api.account.account_id
    names = [f"{UNKNOWN}/a.csv", "a.csv", "/a.csv", "../x/a", sync["id"]]
    for name in (f"{account}/{name}" for name in names):
        assert bucket.drop(name, ADA).outcome == "parked"
        later(world)
    bucket.go_on()
    drops = api.get("/drops").json["items"]
    assert {drop["problem"]["code"] for drop in drops} == {"no_such_sync"}
    assert told(world) == [("owner@example.com", "Drop bucket: a file was not imported")] * 5


def test_a_file_for_a_deleted_sync_or_one_of_another_kind_is_parked(api, world, bucket, sync):
    api.delete(f"/syncs/{sync['id']}")
    bucket.drop(path(world, sync), ADA)
    pasted = api.post("/syncs", {"source": {"kind": "paste", "text": ADA}, "mapping": MAPPING}).json
    bucket.drop(path(world, pasted), ADA)
    bucket.go_on()
    codes = {drop["problem"]["code"] for drop in api.get("/drops").json["items"]}
    assert codes == {"sync_deleted", "sync_reads_elsewhere"}
    assert world.stored() == {}
    answer = api.patch(f"/syncs/{pasted['id']}", {"source": {"kind": "drop"}})
    assert answer.json["source"]["prefix"] == prefix(world, pasted["id"])
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com"}
    away = api.patch(f"/syncs/{pasted['id']}", {"source": {"kind": "paste", "text": ADA}})
    assert away.json["source"] == {"kind": "paste"}


def test_deleting_a_sync_parks_what_still_waits(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    assert api.delete(f"/syncs/{sync['id']}").status == 204
    bucket.go_on()
    assert api.get("/drops").json["items"][0]["problem"]["code"] == "sync_deleted"


def test_more_files_than_anybody_means_are_parked(api, world, bucket, sync, monkeypatch):
    monkeypatch.setattr(dropping, "MAX_WAITING", 2)
    outcomes = [bucket.drop(path(world, sync, f"{n}.csv"), ADA).outcome for n in range(3)]
    assert outcomes == ["noted", "noted", "parked"]
    bucket.go_on()
    assert api.get("/drops").json["items"]
    assert len([it for it in api.get("/drops").json["items"] if it["problem"]]) == 1


def test_a_file_for_which_the_day_had_no_run_is_read_by_hand_and_listed_as_read(api, world, bucket, sync):
    world.limit(runs_a_day=0)
    bucket.drop(path(world, sync), ADA)
    bucket.go_on()
    assert api.get("/drops").json["items"][0]["problem"]["code"] == "plan_limit"
    world.limit(runs_a_day=9)
    dry = api.post(f"/syncs/{sync['id']}/runs", {"dry_run": True})
    bucket.go_on()
    assert api.get("/drops").json["items"][0]["state"] == "parked", dry.text
    later(world)
    run = api.post(f"/syncs/{sync['id']}/runs", {}).json
    bucket.go_on()
    [drop] = api.get("/drops").json["items"]
    assert (drop["state"], drop["run_id"], drop["problem"]) == ("run", run["id"], None)
    assert set(world.stored()) == {"ada@example.com"}


def test_of_several_files_for_which_the_day_had_no_run_the_older_ones_are_to_be_put_there_again(
    api, world, bucket, sync
):
    """A run by hand reads the newest alone, so that it would be no way to the others."""
    world.limit(runs_a_day=0)
    for name in ("a.csv", "b.csv"):
        bucket.drop(path(world, sync, name), ADA if name == "a.csv" else GRACE)
        later(world)
    bucket.go_on()
    world.limit(runs_a_day=9)
    api.post(f"/syncs/{sync['id']}/runs", {})
    bucket.go_on()
    newest, older = api.get("/drops").json["items"]
    assert (newest["state"], older["state"]) == ("run", "parked")
    assert "reads the sync's newest file; if this is not it, put it there again" in older["problem"]["detail"]
    bucket.drop(path(world, sync, "a.csv"), ADA)
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com", "grace@example.com"}


def test_of_many_files_only_the_first_of_a_day_are_told(api, world, bucket, sync):
    """A system that leaves one each minute would send as many mails."""
    other = saved(api, name="Others")
    for each in (sync, other):
        api.patch(f"/syncs/{each['id']}", {"state": "paused"})
    for number in range(8):
        bucket.drop(path(world, sync, f"{number}.csv"), ADA)
        bucket.go_on()
        later(world)
    assert told(world) == [("ann@example.com", "Members: a file was not imported")] * 5
    assert ["No mail comes about further ones" in mail.text for mail in world.mailer.sent] == [False] * 4 + [
        True
    ]
    assert {drop["state"] for drop in api.get("/drops").json["items"]} == {"parked"}
    bucket.drop(path(world, other), ADA)
    bucket.go_on()
    assert told(world)[-1] == ("ann@example.com", "Others: a file was not imported")
    later(world, 24 * 3600)
    bucket.drop(path(world, sync, "next.csv"), ADA)
    bucket.go_on()
    assert len(told(world)) == 7


def test_nobody_is_told_twice_of_one_file(api, world, bucket, sync):
    api.patch(f"/syncs/{sync['id']}", {"state": "paused"})
    event = bucket.put(path(world, sync), ADA)
    for _ in range(3):
        bucket.receive(event)
        bucket.go_on()
        bucket.delivered = 0
    bucket.go_on()
    assert len(told(world)) == 1


# Whose a file is


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.upper(),
        lambda key: f" {key}",
        lambda key: key.replace("/", " /", 1),
        lambda key: key.replace("/", "-evil/", 1),
        lambda key: f"/{key}",
        lambda key: f"../{key}",
        lambda key: f"./{key}",
        lambda key: key.replace("a", "%61", 1),
        lambda key: key.replace("/", "%2F"),
        lambda key: key[:10] + "\n" + key[10:],
        lambda key: "a" + "0" * 24 + key[25:],
        lambda key: key[1:],
        lambda _: "",
        lambda _: "é" * 512,
    ],
)
def test_a_key_under_no_account_is_nobody_s(world, bucket, sync, change):
    assert bucket.receive(event_of(change(path(world, sync)), world.clock.now(), size=5)).outcome == "stray"
    assert world.bus.events == []


@pytest.mark.parametrize(
    "name",
    ["a+b%20c d.csv", "line\nbreak.csv", "x/../y.csv", "//x.csv", "é.csv", "e\u0301.csv", "trailing .csv "],
)
def test_whatever_follows_the_sync_is_the_name_as_it_is(api, world, bucket, sync, name):
    key = path(world, sync, name)
    bucket.drop(key, ADA)
    bucket.go_on()
    assert runs(api, sync)[0]["status"] == "succeeded"
    assert api.get("/drops").json["items"][0]["key"] == key


def test_a_key_of_the_greatest_length_will_do(api, world, bucket, sync):
    key = path(world, sync, "é" * 486)
    assert len(key.encode()) == 1024
    bucket.drop(key, ADA)
    bucket.go_on()
    assert runs(api, sync)[0]["status"] == "succeeded"


def test_one_name_in_two_spellings_of_unicode_is_two_files(api, world, bucket, sync):
    for name in ("é.csv", "e\u0301.csv"):
        bucket.drop(path(world, sync, name), ADA)
        later(world)
    bucket.go_on()
    assert [run["status"] for run in runs(api, sync)] == ["succeeded", "unchanged"]


def test_another_account_s_sync_is_no_sync_here(api, world, bucket, sync, stranger):
    key = f"{stranger.account.account_id}/{sync['id']}/people.csv"
    assert bucket.drop(key, ADA).outcome == "parked"
    bucket.go_on()
    assert runs(api, sync) == []
    assert api.get("/drops").json["items"] == []
    [drop] = stranger.get("/drops").json["items"]
    assert drop["problem"]["code"] == "no_such_sync"
    assert told(world) == [("other@example.com", "Drop bucket: a file was not imported")]


# What the account may do


def test_beyond_the_runs_of_a_day_files_are_parked(api, world, bucket, sync):
    limit_runs(api, 1)
    for name in ("a.csv", "b.csv"):
        bucket.drop(path(world, sync, name), ADA if name == "a.csv" else GRACE)
        later(world)
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com"}
    assert api.get("/drops").json["items"][0]["problem"]["code"] == "plan_limit"
    assert told(world)[-1] == ("ann@example.com", "Members: a file was not imported")
    limit_runs(api, 2)
    assert api.post(f"/syncs/{sync['id']}/runs", {}).status == 202
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com", "grace@example.com"}


def limit_runs(api, number: int) -> None:
    limits = {"limits": {"runs_a_day": number}}
    api.world.control.change_account(
        api.account.account_id, lambda read: (read.value.model_copy(update=limits), [])
    )


def test_a_suspended_account_s_file_is_parked(api, world, bucket, sync):
    suspended = {"suspended_at": "2026-11-22T09:00:00Z"}
    api.world.control.change_account(
        api.account.account_id, lambda read: (read.value.model_copy(update=suspended), [])
    )
    bucket.drop(path(world, sync), ADA)
    bucket.go_on()
    [drop], _ = world.control.drops(api.account.account_id, after=None, limit=10)
    assert (drop.state, drop.parked) == ("parked", "account_suspended")
    assert world.stored() == {}

"""The drop bucket through the API: files run when they have arrived, one after the other, the newest last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contactsync.core.dropping import place_of
from contactsync.journeys.asked import dropping
from contactsync.model.message import FileDropped
from tests.support.dropped import ADA, GRACE, MAPPING, DropBucket, later, path, runs, saved, told


@pytest.fixture
def bucket(world):
    return DropBucket(world)


@pytest.fixture
def sync(api):
    return saved(api)


# What may be asked for


def test_a_sync_says_where_its_files_are_put(api, sync):
    place = f"{api.account.account_id}/{sync['id']}/"
    assert sync["source"] == {"kind": "drop", "bucket": "drop-bucket", "prefix": place}
    assert api.get("/syncs").json["items"][0]["source"]["prefix"] == place
    assert api.world.bus.events == []


def test_there_is_nothing_to_import_at_once(api):
    answer = api.post("/imports", {"source": {"kind": "drop"}, "mapping": MAPPING})
    assert (answer.status, answer.pointers) == (422, {"/source/kind"})
    assert "POST /v1/syncs" in answer.text


def test_a_drop_has_no_schedule_and_no_upload(api, sync):
    schedule = {"start": "2026-11-23T09:30:00", "time_zone": "UTC", "recurrence": "FREQ=DAILY"}
    answer = api.post("/syncs", {"source": {"kind": "drop"}, "mapping": MAPPING, "schedule": schedule})
    assert (answer.status, answer.pointers) == (422, {"/schedule"})
    assert "when it has arrived" in answer.text
    answer = api.post(f"/syncs/{sync['id']}/runs", {"upload_id": "u1"})
    assert (answer.status, answer.pointers) == (422, {"/upload_id"})


# One run a version


def test_a_file_is_imported_when_it_has_arrived(api, world, bucket, sync):
    assert bucket.drop(path(world, sync), ADA).outcome == "noted"
    bucket.go_on()
    [run] = runs(api, sync)
    assert (run["trigger"], run["status"], run["counts"]["added"]) == ("drop", "succeeded", 1)
    assert run["file"] == {"key": path(world, sync), "version": "v0", "size": len(ADA)}
    assert set(world.stored()) == {"ada@example.com"}
    [drop] = api.get("/drops").json["items"]
    assert (drop["state"], drop["run_id"], drop["problem"]) == ("run", run["id"], None)
    assert told(world) == [("ann@example.com", "Members: 1 added")]


def test_an_event_that_comes_again_starts_nothing(api, world, bucket, sync):
    event = bucket.put(path(world, sync), ADA)
    for _ in range(3):
        bucket.receive(event)
    bucket.go_on()
    later(world, 8 * 24 * 3600)
    bucket.receive(event)
    bucket.go_on()
    assert len(runs(api, sync)) == 1
    later(world, 100 * 24 * 3600)
    assert bucket.receive(event).outcome == "known"  # the file is forgotten by now, its run is not
    bucket.go_on()
    assert len(runs(api, sync)) == 1


def test_a_second_version_has_a_run_of_its_own(api, world, bucket, sync):
    for text in (ADA, ADA + "grace@example.com,Grace\n"):
        bucket.drop(path(world, sync), text)
        bucket.go_on()
        later(world)
    assert [run["counts"]["added"] for run in runs(api, sync)] == [1, 1]


def test_a_run_reads_its_own_version_though_the_file_was_replaced(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    bucket.go_on(runs=False)
    bucket.put(path(world, sync), GRACE)  # whose event has not come yet
    bucket.delivered = 0
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com"}


def test_a_version_that_is_gone_ends_its_run_with_what_to_do(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    world.drops.remove_version(path(world, sync), bucket.versions[path(world, sync)])
    bucket.go_on()
    [run] = runs(api, sync)
    assert (run["status"], run["problem"]["code"]) == ("failed", "dropped_file_gone")


def test_bytes_that_are_not_those_of_the_event_are_not_read(api, world, bucket, sync):
    """A bucket whose versions were switched off calls each version null."""
    event = bucket.put(path(world, sync), ADA, etag="0" * 32)
    bucket.receive(event)
    bucket.go_on()
    assert runs(api, sync)[0]["problem"]["code"] == "dropped_file_gone"


def test_without_a_version_id_the_sequencer_tells_files_apart(world, bucket, sync):
    key = path(world, sync)
    first = bucket.put(key, ADA, **{"version-id": ""})
    second = bucket.put(key, GRACE, **{"version-id": ""})
    ids = [bucket.receive(event).drop_id for event in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(api, world, bucket, sync):
    event = bucket.put(path(world, sync), ADA, size=6 * 1024**3)
    bucket.receive(event)
    bucket.go_on()
    assert runs(api, sync)[0]["problem"]["code"] == "too_large"


@pytest.mark.parametrize(("name", "text"), [("people.csv", ""), ("folder/", ""), ("folder/", "x")])
def test_what_is_no_file_starts_nothing(api, world, bucket, sync, name, text):
    assert bucket.drop(path(world, sync, name), text).outcome == "ignored"
    assert api.get("/drops").json["items"] == []
    assert world.bus.events == []


def test_the_sample_event_is_one_that_we_read():
    event = FileDropped.model_validate(json.loads(Path("events/receive.json").read_text(encoding="utf-8")))
    created = event.detail.object
    place = place_of(created.key)
    assert place is not None
    assert created.key == f"{place.account_id}/{place.sync_id}/members 2026+guests.csv"
    assert (created.size, created.version_id[:3], created.sequencer[-4:]) == (5120, "IYV", "D189")


# Order


def test_files_wait_for_their_turn_in_the_order_of_their_arrival(api, world, bucket, sync):
    names = ["c.csv", "a.csv", "b.csv"]
    events = []
    for number, name in enumerate(names):
        events.append(bucket.put(path(world, sync, name), f"email,name\np{number}@example.com,P\n"))
        later(world)
    for event in (events[0], events[2], events[1]):
        bucket.receive(event)
    bucket.go_on()
    assert [run["file"]["key"].rpartition("/")[2] for run in runs(api, sync)] == names
    assert [run["counts"]["added"] for run in runs(api, sync)] == [1, 1, 1]
    assert len(told(world)) == 3


def test_an_older_version_that_comes_late_has_its_run_and_writes_nothing(api, world, bucket, sync):
    old = bucket.put(path(world, sync), "email,name\nada@example.com,Old\n")
    later(world)
    new = bucket.put(path(world, sync), "email,name\nada@example.com,New\n")
    bucket.receive(new)
    bucket.go_on()
    mails = len(world.mailer.sent)
    for _ in range(2):
        bucket.receive(old)
        bucket.go_on()
    late, newest = runs(api, sync)
    assert (late["status"], late["problem"]["code"]) == ("cancelled", "superseded_file")
    assert late["finished_at"]
    assert newest["status"] == "succeeded"
    assert world.stored()["ada@example.com"].fields["name"] == "New"
    assert len(world.mailer.sent) == mails
    assert api.get(f"/syncs/{sync['id']}").json["latest_run"]["id"] == newest["id"]


def test_of_the_versions_that_wait_only_the_newest_is_read(api, world, bucket, sync):
    bucket.drop(path(world, sync, "first.csv"), ADA)
    bucket.go_on(runs=False)
    for number in range(4):
        later(world)
        bucket.drop(path(world, sync), f"email,name\ngrace@example.com,V{number}\n")
    bucket.go_on(runs=False)
    assert [run["status"] for run in runs(api, sync)] == ["queued", *["cancelled"] * 3]
    bucket.delivered = 0
    bucket.go_on()
    assert [run["status"] for run in runs(api, sync)] == ["succeeded", *["cancelled"] * 3, "succeeded"]
    assert world.stored()["grace@example.com"].fields["name"] == "V3"


@pytest.mark.parametrize(("earlier", "later_one"), [("0A1B", "0a1b01"), ("0a1b", "0A1C"), ("0A1B00", "0A1B")])
def test_sequencers_are_compared_by_value_and_by_time_where_that_is_the_same(
    world, bucket, sync, earlier, later_one
):
    """In whatever case they are written, and as if filled up with zeros."""
    key = path(world, sync)
    older = bucket.put(key, ADA, sequencer=earlier)
    later(world)
    newer = bucket.put(key, GRACE, sequencer=later_one)
    for event in (newer, older):
        bucket.receive(event)
    bucket.go_on()
    assert set(world.stored()) == {"grace@example.com"}


def test_a_run_by_hand_reads_the_newest_file_again(api, world, bucket, sync):
    answer = api.post(f"/syncs/{sync['id']}/runs", {})
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (409, "nothing_dropped")
    bucket.drop(path(world, sync), ADA)
    bucket.go_on()
    later(world)
    dry = api.post(f"/syncs/{sync['id']}/runs", {"dry_run": True}).json
    bucket.go_on()
    later(world)
    again = api.post(f"/syncs/{sync['id']}/runs", {}).json
    assert (again["trigger"], again["file"]) == ("api", dry["file"])
    bucket.go_on()
    assert [run["status"] for run in runs(api, sync)][1:] == ["succeeded", "unchanged"]


def test_a_report_of_refused_rows_is_no_measure_of_the_next_file(api, world, bucket, sync):
    many = "email,name\n" + "".join(f"p{n}@example.com,P\n" for n in range(30))
    bucket.drop(path(world, sync), many + "nobody,Bob\n")
    bucket.go_on()
    report = api.get(f"/runs/{runs(api, sync)[0]['id']}/rejects.csv").text
    later(world)
    bucket.drop(path(world, sync, "rejects.csv"), report.replace("nobody", "bob@example.com"))
    bucket.go_on()
    later(world)
    bucket.drop(path(world, sync), many + "bob@example.com,Bob\n")
    bucket.go_on()
    assert [(run["status"], run["warnings"]) for run in runs(api, sync)] == [("succeeded", [])] * 3
    assert len(world.stored()) == 31


def test_while_a_run_by_hand_is_under_way_a_file_waits(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    bucket.go_on()
    by_hand = api.post(f"/syncs/{sync['id']}/runs", {}).json
    later(world)
    bucket.drop(path(world, sync), GRACE)
    bucket.go_on(runs=False)
    assert api.get("/drops").json["items"][0]["state"] == "waiting"
    assert api.post(f"/runs/{by_hand['id']}/cancel").json["status"] == "cancelled"
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com", "grace@example.com"}


def test_a_run_that_waits_for_an_approval_blocks_no_newer_file(api, world, bucket):
    options = {"delete_missing": {"scope": "all"}, "guard": {"min_overlap_percent": 0}}
    sync = saved(api, options=options)
    many = "email,name\n" + "".join(f"p{n}@example.com,P\n" for n in range(20))
    bucket.drop(path(world, sync), many)
    bucket.go_on()
    later(world)
    bucket.drop(path(world, sync), "email,name\np1@example.com,P\n")
    bucket.go_on()
    held = runs(api, sync)[1]
    assert held["status"] == "awaiting_approval"
    later(world)
    bucket.drop(path(world, sync), many)
    bucket.go_on()
    assert runs(api, sync)[2]["status"] in {"succeeded", "unchanged"}
    stale = api.post(f"/runs/{held['id']}/approve", {"plan_hash": held["plan_hash"]})
    assert (stale.status, stale.json["type"].rpartition("/")[2]) == (409, "superseded")
    assert len(world.stored()) == 20


def test_many_old_versions_are_gone_through_by_several_calls(api, world, bucket, sync, monkeypatch):
    monkeypatch.setattr(dropping, "TURNS_AT_ONCE", 2)
    for number in range(7):
        bucket.drop(path(world, sync), f"email,name\nada@example.com,V{number}\n")
        later(world)
    del world.bus.events[1:]  # the others are lost
    bucket.go_on()
    assert len(runs(api, sync)) == 7
    assert world.stored()["ada@example.com"].fields["name"] == "V6"


# Nothing waits for ever


def test_a_look_at_the_sync_has_a_lost_turn_looked_at_again(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    world.bus.events.clear()  # SyncDue is lost
    api.get(f"/syncs/{sync['id']}")
    api.get(f"/syncs/{sync['id']}")
    assert [event.kind for event in world.bus.events] == ["SyncDue"]
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com"}


def test_a_sync_that_a_dead_cancel_left_held_is_let_go(api, world, bucket, sync):
    bucket.drop(path(world, sync), ADA)
    bucket.go_on(runs=False)
    [run] = runs(api, sync)
    ended = {"status": "cancelled", "finished_at": "2026-11-22T09:00:00Z"}
    account = api.account.account_id
    world.control.update_run(account, run["id"], lambda run: run.model_copy(update=ended))
    later(world)
    bucket.drop(path(world, sync), GRACE)
    bucket.go_on()
    assert set(world.stored()) == {"grace@example.com"}

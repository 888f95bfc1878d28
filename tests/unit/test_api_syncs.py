"""Syncs as people keep them: saved without running, changed under their version, deleted with their history kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

JSON = {"content-type": "application/json"}
TEXT = "email,name\nada@example.com,Ada\n"
SYNC = {
    "name": "Fair",
    "source": {"kind": "paste", "text": TEXT},
    "mapping": [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}],
    "options": {"existing": "skip", "guard": {"max_delete_count": 7}},
}


@pytest.fixture
def sync(api):
    answer = api.post("/syncs", SYNC)
    assert answer.status == 201, answer.text
    assert answer.headers["location"] == f"/v1/syncs/{answer.json['id']}"
    return answer.json


def run(api, sync, **asked):
    api.world.clock.advance(timedelta(minutes=1))
    answer = api.post(f"/syncs/{sync['id']}/runs", asked)
    assert answer.status == 202, answer.text
    return api.ended(answer.json["id"])


def test_a_saved_sync_runs_when_it_is_asked_to(api, sync):
    assert (sync["latest_run"], sync["version"], sync["source"]) == (None, 1, {"kind": "paste"})
    assert api.get(f"/syncs/{sync['id']}").json == sync
    assert not api.world.runs_asked()
    assert run(api, sync)["counts"]["added"] == 1
    assert run(api, sync)["status"] == "unchanged"


def test_a_sync_is_checked_when_it_is_saved(api):
    answer = api.post("/syncs", {**SYNC, "mapping": [], "options": {"segments": ["nowhere"]}})
    assert answer.pointers == {"/mapping", "/options/segments/0"}


def test_the_fields_that_a_mapping_brings_are_made_when_it_is_saved_or_changed(api, sync):
    def bringing(key):
        create = {"label": key.title(), "type": "text"}
        return [*SYNC["mapping"], {"column": key, "field": key, "create": create}]

    assert api.post("/syncs", {**SYNC, "mapping": bringing("colour")}).status == 201
    assert api.patch(f"/syncs/{sync['id']}", {"mapping": bringing("shape")}).status == 200
    assert {"colour", "shape"} < {field["key"] for field in api.get("/fields").json["items"]}


def test_the_same_request_saves_one_sync(api):
    first, again = (api.post("/syncs", SYNC, key="k") for _ in range(2))
    assert first.json == again.json
    assert len(api.get("/syncs").json["items"]) == 1


def test_syncs_that_were_deleted_make_no_page_shorter(api):
    """Who looks at the first page only takes an empty one for all there is."""
    made = []
    for _ in range(8):
        api.world.clock.advance(timedelta(seconds=1))
        made.append(api.post("/syncs", SYNC).json["id"])
    kept, gone = made[:3], made[3:]
    for sync_id in gone:
        api.delete(f"/syncs/{sync_id}")
    first = api.get("/syncs?limit=2").json
    assert [each["id"] for each in first["items"]] == kept[:0:-1]
    second = api.get(f"/syncs?limit=2&next={first['next']}").json
    assert ([each["id"] for each in second["items"]], second["next"]) == (kept[:1], None)


def test_a_change_says_only_what_changes(api, sync):
    answer = api.patch(f"/syncs/{sync['id']}", {"options": {"guard": {"max_delete_percent": 5}}})
    assert answer.status == 200, answer.text
    options = answer.json["options"]
    assert (options["existing"], options["guard"]["max_delete_count"]) == ("skip", 7)
    assert options["guard"]["max_delete_percent"] == 5
    assert answer.json["version"] == 2
    reset = api.patch(f"/syncs/{sync['id']}", {"options": {"existing": None}, "state": "paused"}).json
    assert (reset["options"]["existing"], reset["state"]) == ("override", "paused")


def test_a_changed_paste_is_what_the_next_run_reads(api, sync):
    run(api, sync)
    source = {"kind": "paste", "text": TEXT + "bob@example.com,Bob\n"}
    assert api.patch(f"/syncs/{sync['id']}", {"source": source}).status == 200
    assert run(api, sync)["counts"]["added"] == 1
    stored = api.world.records._stored
    assert not any(b"bob@example.com" in document for document, _, _ in stored.values())


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"mapping": [{"column": "x", "field": "no"}]}, {"/mapping/0/field", "/identity/field"}),
        ({"colour": 7, "name": 7}, {"/colour", "/name"}),
        ({"state": "asleep"}, {"/state"}),
        ({"source": {"kind": "upload", "upload_id": "nowhere"}}, {"/source/upload_id"}),
        ({"options": {"guard": 7}}, {"/options/guard"}),
        ({"options": 7}, {"/options"}),
    ],
)
def test_a_change_is_checked_as_a_whole(api, sync, change, pointers):
    assert api.patch(f"/syncs/{sync['id']}", change).pointers == pointers
    assert api.get(f"/syncs/{sync['id']}").json == sync


def test_a_change_names_the_version_that_it_changes(api, sync):
    path = f"/syncs/{sync['id']}"
    assert api.patch(path, {"name": "Two"}, if_match=1).json["version"] == 2
    assert api.patch(path, {"name": "Three"}, if_match=1).problem == (412, "changed_since")
    assert api.delete(path, if_match=1).problem == (412, "changed_since")
    assert api.call("DELETE", path, headers={"If-Match": "one"}).problem == (400, "bad_if_match")
    assert api.delete(path, if_match=2).status == 204


def test_a_run_is_no_change_of_the_sync(api, sync):
    """Who has read a sync before its nightly run can change it in the morning, and nobody's change is overwritten."""
    path = f"/syncs/{sync['id']}"
    run(api, sync)
    assert api.get(path).json["version"] > sync["version"]
    changed = api.patch(path, {"name": "Two"}, if_match=sync["version"])
    assert (changed.status, changed.json["name"]) == (200, "Two")
    run(api, sync)
    for version in (sync["version"], changed.json["version"] - 1, api.get(path).json["version"] + 1):
        assert api.patch(path, {"name": "Three"}, if_match=version).problem == (412, "changed_since")
    assert api.delete(path, if_match=changed.json["version"]).status == 204


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "paste", "text": TEXT},
        {"kind": "drop"},
        {"kind": "http", "url": "https://files.example.com/a.csv?sig=secret"},
        {
            "kind": "ftp",
            "url": "sftp://files.example.com/a.csv",
            "username": "ann",
            "password": "secret",
        },
        {
            "kind": "http",
            "url": "https://files.example.com/a.csv",
            "auth": {"kind": "bearer", "token": "secret"},
        },
    ],
    ids=["paste", "drop", "url", "password", "token"],
)
def test_a_source_that_is_sent_back_as_it_is_shown_stays_with_its_secrets(api, source):
    """Who renames a sync by sending all of it does not lock it out of the server."""
    made = api.post("/syncs", {**SYNC, "source": source}).json
    before = api.world.control.sync(api.account.account_id, made["id"]).value
    answer = api.patch(f"/syncs/{made['id']}", {"name": "Another", "source": made["source"]})
    assert (answer.status, answer.json["source"]) == (200, made["source"]), answer.text
    after = api.world.control.sync(api.account.account_id, made["id"]).value
    assert (after.name, after.sealed, after.pasted) == ("Another", before.sealed, before.pasted)
    assert bool(after.sealed) is (source["kind"] in ("http", "ftp"))


def test_the_rules_of_a_run_under_way_do_not_change_but_its_name_may(api, sync):
    path = f"/syncs/{sync['id']}"
    run_id = api.post(f"{path}/runs").json["id"]
    assert api.patch(path, {"options": {"existing": "override"}}).problem == (409, "run_under_way")
    assert api.delete(path).problem == (409, "run_under_way")
    assert api.patch(path, {"name": "Other"}).json["name"] == "Other"
    assert api.ended(run_id)["status"] == "succeeded"


def test_a_plan_made_before_the_sync_was_changed_is_not_carried_out(api, sync):
    dry = run(api, sync, dry_run=True)
    plan = {"plan": {"run_id": dry["id"], "plan_hash": dry["plan_hash"]}}
    api.world.clock.advance(timedelta(minutes=1))
    api.patch(f"/syncs/{sync['id']}", {"name": "Other"})
    api.patch(f"/syncs/{sync['id']}", {"options": {"existing": "override"}})
    assert api.post(f"/syncs/{sync['id']}/runs", plan).problem == (409, "superseded")


def test_a_deleted_sync_is_gone_and_its_history_stays(api, sync):
    done = run(api, sync)
    path = f"/syncs/{sync['id']}"
    answer = api.delete(path)
    assert (answer.status, answer.text) == (204, "")
    for method in ("GET", "PATCH", "DELETE"):
        assert api.call(method, path, body="{}", headers=JSON).status == 404
    assert api.post(f"{path}/runs").status == 404
    assert api.get("/syncs").json["items"] == []
    assert [each["id"] for each in api.get(f"{path}/runs").json["items"]] == [done["id"]]
    assert len(api.get("/contacts").json["items"]) == 1
    undo = api.post(f"/runs/{done['id']}/undo").json
    assert api.ended(undo["id"])["status"] == "succeeded"
    assert api.get("/contacts").json["items"] == []
    api.world.clock.advance(timedelta(days=91))
    assert api.get(f"{path}/runs").status == 404

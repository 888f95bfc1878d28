"""Importing through the API: uploads, imports, runs, and what becomes of a request that dies half way."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contactsync.errors import Busy

ROWS = "email,name\nada@example.com,Ada\nnot an address,Bob\ngrace@example.com,Grace\n"
IMPORT: dict[str, Any] = {
    "name": "Trade fair",
    "source": {"kind": "paste", "text": ROWS},
    "mapping": [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}],
}


def execute(world, run_id):
    """What the state machine does with an announced run."""
    world.execute(world.control.run(world.account.account_id, run_id).value)


def imported(api, **changes):
    """The run of an import that has ended."""
    run = api.post("/imports", {**IMPORT, **changes}).json["run"]
    execute(api.world, run["id"])
    return api.get(f"/runs/{run['id']}").json


def test_an_import_is_saved_announced_and_carried_out(api):
    answer = api.post("/imports", IMPORT)
    assert answer.status == 202
    sync, run = answer.json["sync"], answer.json["run"]
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert run["status"] == "queued"
    assert run["progress"] == {"percent": 0, "rows_done": 0, "rows_total": None}
    assert sync["source"] == {"kind": "paste"}
    assert sync["latest_run"] == run
    assert api.world.runs_asked() == [run["id"]]

    execute(api.world, run["id"])
    ended = api.get(f"/runs/{run['id']}").json
    assert ended["status"] == "succeeded"
    assert ended["counts"] == {
        "rows": 3, "added": 2, "updated": 0, "unchanged": 0, "deleted": 0, "rejected": 1, "skipped": 0
    }  # fmt: skip
    assert ended["progress"] == {"percent": 100, "rows_done": 3, "rows_total": 3}


def test_pasted_text_never_reaches_the_control_table(api):
    api.post("/imports", IMPORT, key="k1")
    stored = api.world.records._stored
    assert not any(b"ada@example.com" in document for document, _, _ in stored.values())


def test_a_file_comes_by_upload(api):
    told = api.post("/uploads", {"filename": "people.csv"}).json
    assert told["method"] == "PUT"
    assert told["expires_at"] > "2026"
    body = {**IMPORT, "source": {"kind": "upload", "upload_id": told["upload_id"]}}
    early = api.post("/imports", body)
    assert (early.status, early.pointers) == (422, {"/source/upload_id"})

    key = api.world.control.upload(api.account.account_id, told["upload_id"]).key
    api.world.uploads.put(key, ROWS.encode())
    run = api.post("/imports", body).json["run"]
    execute(api.world, run["id"])
    assert api.get(f"/runs/{run['id']}").json["status"] == "succeeded"


def test_all_problems_of_an_import_are_told_at_once(api):
    answer = api.post(
        "/imports",
        {
            "name": 7,
            "source": {"kind": "upload", "upload_id": "nowhere"},
            "format": {"country": "XX", "delimiter": ""},
            "mapping": [
                {"column": "Shoe", "field": "shoe_size"},
                {"column": 1.5, "field": "name"},
                {"literal": "x", "field": "birthday"},
            ],
            "options": {"existing": "burn"},
            "colour": "red",
        },
    )
    assert answer.status == 422
    assert answer.pointers == {
        "/name",
        "/source/upload_id",
        "/format/country",
        "/format/delimiter",
        "/mapping/0/field",
        "/mapping/1/column",
        "/options/existing",
        "/identity/field",
        "/colour",
    }
    assert answer.json["title"]
    assert answer.json["type"] == "/problems/invalid_request"
    assert not api.world.runs_asked()


@pytest.mark.parametrize("upload_id", ["", "x" * 101, "a#b", "../..", "é"])
def test_an_upload_that_cannot_be_is_a_problem_like_any_other(api, upload_id):
    answer = api.post("/imports", {**IMPORT, "source": {"kind": "upload", "upload_id": upload_id}})
    assert answer.pointers == {"/source/upload_id"}


def test_a_sync_too_large_to_store_is_refused(api):
    mapping = [*IMPORT["mapping"], *({"column": f"{n}" * 300, "field": f"phones.{n}"} for n in range(900))]
    answer = api.post("/imports", {**IMPORT, "mapping": mapping})
    assert answer.status == 422
    assert "" in answer.pointers


# Idempotency


def test_the_same_request_under_one_key_is_done_once_and_answered_the_same(api):
    first = api.post("/imports", IMPORT, key="k1")
    execute(api.world, first.json["run"]["id"])
    again = api.post("/imports", IMPORT, key="k1")
    assert (again.status, again.text, again.headers) == (first.status, first.text, first.headers)
    assert len(api.get("/syncs").json["items"]) == 1
    assert len(api.world.runs_asked()) == 1


def test_the_same_request_in_another_order_of_its_keys_is_the_same(api):
    first = api.post("/imports", IMPORT, key="k1")
    again = api.post("/imports", dict(reversed(IMPORT.items())), key="k1")
    assert (again.status, again.text) == (first.status, first.text)


def test_another_body_under_the_same_key_is_refused(api):
    api.post("/imports", IMPORT, key="k1")
    answer = api.post("/imports", {**IMPORT, "name": "Other"}, key="k1")
    assert (answer.status, answer.pointers) == (422, {""})


def test_a_key_is_the_accounts_and_the_routes_own(api, stranger):
    first = api.post("/imports", IMPORT, key="k1").json["run"]["id"]
    other = stranger.post("/imports", IMPORT, key="k1").json["run"]["id"]
    upload = api.post("/uploads", {"filename": "a.csv"}, key="k1")
    assert first != other
    assert upload.status == 201


def test_what_a_body_held_cannot_be_found_by_trying(api, stranger):
    """It may have held a password: what is remembered of it depends on a secret of the account."""
    bodies = []
    for client in (api, stranger):
        client.post("/imports", IMPORT, key="k1")
        [record] = api.world.records.page(client.account.account_id, "idempotency#").records
        bodies.append(record.document["body"])
    assert bodies[0] != bodies[1]


def test_an_upload_that_is_asked_for_again_later_is_the_same_with_a_url_that_still_opens_it(api):
    first = api.post("/uploads", {"filename": "a.csv"}, key="k1").json
    api.world.clock.advance(timedelta(hours=2))
    again = api.post("/uploads", {"filename": "a.csv"}, key="k1").json
    assert again["upload_id"] == first["upload_id"]
    assert datetime.fromisoformat(again["expires_at"]) > api.world.clock.now()
    assert api.post("/uploads", {"filename": "b.csv"}, key="k1").pointers == {""}


def test_after_a_day_a_key_is_free_again(api):
    first = api.post("/imports", IMPORT, key="k1")
    api.world.clock.advance(timedelta(hours=25))
    again = api.post("/imports", {**IMPORT, "name": "Other"}, key="k1")
    assert again.status == 202
    assert again.json["run"]["id"] != first.json["run"]["id"]


def test_a_refused_request_leaves_its_key_free_for_the_corrected_one(api):
    assert api.post("/imports", {**IMPORT, "mapping": []}, key="k1").status == 422
    assert api.post("/imports", IMPORT, key="k1").status == 202


def test_a_second_request_meanwhile_is_asked_to_wait(api, monkeypatch):
    seen = []
    publish = api.world.bus.publish

    def while_at_it(kind, detail):
        seen.append(api.post("/imports", IMPORT, key="k1"))
        publish(kind, detail)

    monkeypatch.setattr(api.world.bus, "publish", while_at_it)
    assert api.post("/imports", IMPORT, key="k1").status == 202
    assert [answer.status for answer in seen] == [409]
    assert int(seen[0].headers["retry-after"]) > 0


def test_of_two_requests_at_once_one_is_asked_to_wait(api, monkeypatch):
    commit = api.world.records.commit
    others: list[int] = []

    def a_moment_later(writes):
        if not others:
            others.append(0)
            others.append(api.post("/imports", IMPORT, key="k1").status)
        commit(writes)

    monkeypatch.setattr(api.world.records, "commit", a_moment_later)
    assert api.post("/imports", IMPORT, key="k1").status == 409
    assert others == [0, 202]
    assert len(api.get("/syncs").json["items"]) == 1


def test_one_that_outlives_its_lease_has_done_the_same_as_whoever_took_it_over(api, monkeypatch):
    publish = api.world.bus.publish
    others: list[object] = []

    def slowly(kind, detail):
        if not others:
            others.append("")
            api.world.clock.advance(timedelta(minutes=1))
            others.append(api.post("/imports", IMPORT, key="k1").json["run"]["id"])
        publish(kind, detail)

    monkeypatch.setattr(api.world.bus, "publish", slowly)
    first = api.post("/imports", IMPORT, key="k1")
    assert (first.status, first.json["run"]["id"]) == (202, others[1])
    assert len(api.get("/syncs").json["items"]) == 1


def test_who_has_done_it_says_so_though_the_answer_cannot_be_kept(api, monkeypatch):
    commit = api.world.records.commit

    def away(writes):
        if any("answer" in getattr(write, "document", {}) for write in writes):
            raise Busy("throttled")
        commit(writes)

    monkeypatch.setattr(api.world.records, "commit", away)
    assert api.post("/imports", IMPORT, key="k1").status == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\nb"])
def test_a_key_that_cannot_be_used_is_refused(api, key):
    event_headers = {"content-type": "application/json", "IDEMPOTENCY-KEY": key}
    answer = api.call("POST", "/uploads", body='{"filename": "a"}', headers=event_headers)
    assert answer.status == 400


# A request that dies half way


def test_when_the_announcement_fails_the_same_request_announces_the_same_run(api):
    api.world.bus.failures = 1
    failed = api.post("/imports", IMPORT, key="k1")
    assert failed.status == 503
    assert int(failed.headers["retry-after"]) > 0
    assert not api.world.runs_asked()

    again = api.post("/imports", IMPORT, key="k1")
    assert again.status == 202
    assert api.world.runs_asked() == [again.json["run"]["id"]]
    assert len(api.get("/syncs").json["items"]) == 1
    execute(api.world, again.json["run"]["id"])
    assert api.get(f"/runs/{again.json['run']['id']}").json["status"] == "succeeded"


def test_after_a_failed_announcement_another_body_is_still_refused(api):
    api.world.bus.failures = 1
    api.post("/imports", IMPORT, key="k1")
    assert api.post("/imports", {**IMPORT, "name": "Other"}, key="k1").status == 422


class _Killed(BaseException):
    """The function is killed: no code of ours runs any more."""


def test_when_the_function_is_killed_the_same_request_goes_on_where_it_died(api, monkeypatch):
    def killed(kind, detail):
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(api.world.bus, "publish", killed)
        with pytest.raises(_Killed):
            api.post("/imports", IMPORT, key="k1")
    api.world.clock.advance(timedelta(seconds=25))
    assert api.post("/imports", IMPORT, key="k1").status == 409  # the lease of the dead
    api.world.clock.advance(timedelta(seconds=31))
    again = api.post("/imports", IMPORT, key="k1")
    assert again.status == 202
    assert [sync["id"] for sync in api.get("/syncs").json["items"]] == [again.json["sync"]["id"]]
    assert api.world.runs_asked() == [again.json["run"]["id"]]


def test_a_run_without_a_key_whose_announcement_failed_is_announced_by_who_looks_at_it(api):
    api.world.bus.failures = 1
    assert api.post("/imports", IMPORT).status == 503
    run_id = api.get("/syncs").json["items"][0]["latest_run"]["id"]
    api.get(f"/runs/{run_id}")
    assert not api.world.runs_asked(), "it may still be on its way"

    api.world.clock.advance(timedelta(minutes=1))
    for _ in range(5):
        api.get(f"/runs/{run_id}")
    assert api.world.runs_asked() == [run_id], "once a minute, however many look"
    execute(api.world, run_id)
    api.world.clock.advance(timedelta(minutes=5))
    assert api.get(f"/runs/{run_id}").json["status"] == "succeeded"
    assert api.world.runs_asked() == [run_id]


def test_a_look_at_a_run_survives_a_bus_that_is_still_away(api, monkeypatch):
    run_id = api.post("/imports", IMPORT).json["run"]["id"]
    api.world.clock.advance(timedelta(minutes=2))

    def away(kind, detail):
        raise Busy("away")

    monkeypatch.setattr(api.world.bus, "publish", away)
    assert api.get(f"/runs/{run_id}").json["status"] == "queued"


# Runs again


def test_a_sync_runs_again_and_changes_nothing(api):
    first = imported(api)
    sync_id = first["sync_id"]
    api.world.clock.advance(timedelta(seconds=1))
    answer = api.post(f"/syncs/{sync_id}/runs")
    assert answer.status == 202
    execute(api.world, answer.json["id"])
    again = api.get(f"/runs/{answer.json['id']}").json
    assert again["status"] == "unchanged"
    assert again["counts"]["rows"] == 0  # the source is what it was: it is not even read
    listed = api.get(f"/syncs/{sync_id}/runs").json["items"]
    assert [run["id"] for run in listed] == [again["id"], first["id"]]
    assert api.get(f"/syncs/{sync_id}").json["latest_run"]["id"] == again["id"]


def test_a_dry_run_touches_nothing_and_says_what_it_would_do(api):
    sync_id = imported(
        api, source={"kind": "paste", "text": "email\nbob@example.com\n"}, mapping=IMPORT["mapping"][:1]
    )["sync_id"]
    before = api.get("/contacts").json
    run = api.post(f"/syncs/{sync_id}/runs", {"dry_run": True}).json
    assert run["dry_run"] is True
    execute(api.world, run["id"])
    assert api.get(f"/runs/{run['id']}").json["counts"]["unchanged"] == 1
    assert api.get("/contacts").json == before


def test_only_one_run_of_a_sync_at_a_time(api):
    sync_id = api.post("/imports", IMPORT).json["sync"]["id"]
    answer = api.post(f"/syncs/{sync_id}/runs")
    assert (answer.status, answer.json["type"]) == (409, "/problems/run_under_way")


def test_a_newer_upload_runs_through_the_same_sync(api):
    ids = []
    for text in (ROWS, ROWS + "new@example.com,New\n"):
        ids.append(api.post("/uploads", {"filename": "people.csv"}).json["upload_id"])
        key = api.world.control.upload(api.account.account_id, ids[-1]).key
        api.world.uploads.put(key, text.encode())
    first = imported(api, source={"kind": "upload", "upload_id": ids[0]})
    path = f"/syncs/{first['sync_id']}/runs"
    assert api.post(path, {"upload_id": "nowhere"}).pointers == {"/upload_id"}
    run = api.post(path, {"upload_id": ids[1]}).json
    execute(api.world, run["id"])
    assert api.get(f"/runs/{run['id']}").json["counts"]["added"] == 1


def test_what_to_do_for_a_file_that_is_not_there_any_more_or_never_came(api):
    def said(path, asked):
        answer = api.post(path, asked)
        assert answer.status == 422
        [error] = answer.json["errors"]
        return error["message"]

    place = api.post("/uploads", {"filename": "people.csv"}).json
    api.world.uploads.put(f"uploads/{api.account.account_id}/{place['upload_id']}", ROWS.encode())
    run = imported(api, source={"kind": "upload", "upload_id": place["upload_id"]})
    empty = api.post("/uploads", {"filename": "people.csv"}).json
    never = {**IMPORT, "source": {"kind": "upload", "upload_id": empty["upload_id"]}}
    assert "PUT it" in said("/imports", never)
    api.world.clock.advance(timedelta(hours=2))
    assert "its url has expired" in said("/imports", never)
    api.world.clock.advance(timedelta(days=8))
    assert "There is no such upload" in said("/imports", never)
    assert "kept no longer" in said(f"/syncs/{run['sync_id']}/runs", {})
    assert "There is no such upload" in said(
        f"/syncs/{run['sync_id']}/runs", {"upload_id": place["upload_id"]}
    )


def test_a_run_request_that_died_after_the_run_had_ended_finds_that_run(api):
    sync_id = imported(api)["sync_id"]
    api.world.bus.failures = 1
    assert api.post(f"/syncs/{sync_id}/runs", key="k2").status == 503
    run_id = api.get(f"/syncs/{sync_id}").json["latest_run"]["id"]
    execute(api.world, run_id)
    answer = api.post(f"/syncs/{sync_id}/runs", key="k2")
    assert (answer.status, answer.json["id"], answer.json["status"]) == (202, run_id, "unchanged")

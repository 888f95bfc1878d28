"""Running a sync of uploads again: which of its files is read, and what is said where that is kept no longer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.journeys.file.ruling import settings_hash
from tests.support.lists import DELETES, Lists, many
from tests.unit.test_erasing import erased

FIRST = "email,name\nada@example.com,Ada\ngrace@example.com,Grace\n"
NEWER = "email,name\nada@example.com,Ada King\ngrace@example.com,Grace\nzoe@example.com,Zoë\n"


@pytest.fixture
def lists(api) -> Lists:
    return Lists(api)


def names(api) -> dict[str, str]:
    items = api.get("/contacts?limit=200").json["items"]
    return {contact["fields"]["email"]: contact["fields"]["name"] for contact in items}


def source_of(api, run: dict[str, Any]) -> str:
    """The upload that the next run would read."""
    return str(api.get(f"/syncs/{run['sync_id']}").json["source"]["upload_id"])


def forget(api, upload_id: str) -> None:
    """As the bucket does after seven days."""
    api.world.uploads.delete([f"uploads/{api.account.account_id}/{upload_id}"])


def test_the_latest_file_is_read_and_no_older_value_comes_back(api, lists):
    first = lists.first(FIRST)
    newer = lists.again(first["sync_id"], NEWER)
    api.patch(f"/syncs/{first['sync_id']}", {"options": {"mode": "mirror"}})
    again = lists.again(first["sync_id"])
    assert (again["status"], again["upload_id"]) == ("succeeded", newer["upload_id"])
    assert again["counts"]["unchanged"] == 3
    assert names(api)["ada@example.com"] == "Ada King"
    assert source_of(api, first) == newer["upload_id"] != first["upload_id"]


def test_nobody_is_deleted_who_came_with_a_newer_file(api):
    lists = Lists(api, options={"delete_missing": {"scope": "sync"}, "guard": {"max_delete_percent": 100}})
    first = lists.first(FIRST)
    lists.again(first["sync_id"], NEWER)
    assert lists.again(first["sync_id"])["counts"]["deleted"] == 0
    assert "zoe@example.com" in lists.emails()


def test_the_same_file_under_another_upload_is_still_no_news(lists):
    first = lists.first(FIRST)
    assert lists.again(first["sync_id"], FIRST)["status"] == "unchanged"
    assert lists.again(first["sync_id"])["status"] == "unchanged"


def test_which_upload_is_read_is_no_setting(api, lists):
    """Else each file would be read whole, with every row of it typed anew."""
    first = lists.first(FIRST)
    stored = api.world.control.sync(api.account.account_id, first["sync_id"]).value
    other = stored.model_copy(update={"source": {**stored.source, "upload_id": "another"}})
    paste = stored.model_copy(update={"source": {"kind": "paste"}})
    assert settings_hash(other) == settings_hash(stored) != settings_hash(paste)


@pytest.mark.parametrize("ended", ["failed", "rejected", "cancelled", "undone"])
def test_what_became_of_a_file_does_not_matter(api, ended):
    """“Run the sync again”, as such runs say, is said of their file."""
    lists = Lists(api, options=DELETES)
    first = lists.first(many(100))
    if ended == "failed":
        newer = lists.again(first["sync_id"], "mail,name\nada@example.com,Ada\n")
        assert newer["problem"]["code"] == "mapping_does_not_fit"
    elif ended == "rejected":
        newer = lists.again(first["sync_id"], many(70))
        assert api.post(f"/runs/{newer['id']}/reject").json["status"] == "cancelled"
    elif ended == "cancelled":
        newer = lists.request(first["sync_id"], many(99)).json
        assert api.post(f"/runs/{newer['id']}/cancel").json["status"] == "cancelled"
    else:
        newer = lists.again(first["sync_id"], many(100, "Somebody"))
        assert lists.undone(newer)["status"] == "succeeded"
    read = source_of(api, first)
    assert read != first["upload_id"]
    assert lists.again(first["sync_id"])["upload_id"] == read


def test_a_dry_run_only_looks_at_a_file(api, lists):
    first = lists.first(FIRST)
    looked = lists.again(first["sync_id"], NEWER, dry_run=True)
    assert looked["upload_id"] != first["upload_id"]
    assert lists.again(first["sync_id"], dry_run=True)["upload_id"] == first["upload_id"]
    assert lists.again(first["sync_id"])["status"] == "unchanged"


def test_a_dry_run_looks_at_what_a_run_would_read(lists):
    first = lists.first(FIRST)
    newer = lists.again(first["sync_id"], NEWER)
    looked = lists.again(first["sync_id"], dry_run=True)
    assert (looked["upload_id"], looked["planned"]["unchanged"]) == (newer["upload_id"], 3)


def test_a_plan_that_is_carried_out_gives_the_sync_its_file(api, lists):
    first = lists.first(FIRST)
    looked = lists.again(first["sync_id"], NEWER, dry_run=True)
    plan = {"run_id": looked["id"], "plan_hash": looked["plan_hash"]}
    done = lists.again(first["sync_id"], plan=plan)
    assert (done["status"], done["upload_id"]) == ("succeeded", looked["upload_id"])
    assert lists.again(first["sync_id"])["upload_id"] == looked["upload_id"]
    assert names(api)["ada@example.com"] == "Ada King"


def test_another_source_is_the_latest_file(api, lists):
    first = lists.first(FIRST)
    lists.again(first["sync_id"], NEWER)
    other = lists.upload(FIRST)
    source = {"kind": "upload", "upload_id": other}
    assert api.patch(f"/syncs/{first['sync_id']}", {"source": source}).json["source"] == source
    assert lists.again(first["sync_id"])["upload_id"] == other


def test_what_is_kept_no_longer_is_asked_for_and_no_older_file_is_taken(api, lists):
    first = lists.first(FIRST)
    newer = lists.again(first["sync_id"], NEWER)
    forget(api, newer["upload_id"])
    told = lists.request(first["sync_id"])
    assert (told.problem, told.pointers) == ((422, "invalid_request"), {"/upload_id"})
    [error] = told.json["errors"]
    assert "latest file" in error["message"]
    assert "POST /v1/uploads" in error["message"]
    assert api.get(f"/syncs/{first['sync_id']}").json["latest_run"]["id"] == newer["id"]
    assert lists.again(first["sync_id"], NEWER)["status"] == "unchanged"
    api.world.clock.advance(timedelta(days=8))
    assert lists.request(first["sync_id"], dry_run=True).problem == (422, "invalid_request")


def test_a_file_that_goes_while_its_run_waits_is_asked_for(api, lists):
    first = lists.first(FIRST)
    run = lists.request(first["sync_id"]).json
    forget(api, first["upload_id"])
    ended = lists.ended(run)
    assert (ended["status"], ended["problem"]["code"]) == ("failed", "upload_forgotten")
    assert "POST /v1/uploads" in ended["problem"]["detail"]


def test_an_erasure_takes_the_upload_that_the_run_has_read(api, lists):
    """And no other one: the sync has gone on since."""
    first = lists.first(FIRST)
    newer = lists.again(first["sync_id"], "email,name\nzoe@example.com,Zoë\n")
    erased(api.world, api, email="grace@example.com")
    files = api.world.uploads.keys(f"uploads/{api.account.account_id}/")
    assert [key.rpartition("/")[2] for key in files] == [newer["upload_id"]]


def test_an_erasure_leaves_a_newer_file_alone_where_an_older_one_was_undone(api, lists):
    first = lists.first(FIRST)
    lists.undone(first)
    newer = lists.again(first["sync_id"], "email,name\nzoe@example.com,Zoë\n")
    erased(api.world, api, email="grace@example.com")
    assert lists.again(first["sync_id"])["upload_id"] == newer["upload_id"]


def test_a_sync_that_is_sent_back_as_it_was_read_is_no_other_one(api, lists):
    """Though its file may be kept no longer."""
    first = lists.first(FIRST)
    path = f"/syncs/{first['sync_id']}"
    api.world.clock.advance(timedelta(days=8))
    read = api.get(path).json
    settings = {key: read[key] for key in ("source", "format", "mapping", "identity", "options", "notify")}
    told = api.patch(path, {**settings, "name": "Another"})
    assert (told.status, told.json["name"], told.json["source"]) == (200, "Another", read["source"])

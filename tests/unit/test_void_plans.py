"""Plans that waited for an approval when their sync was changed or deleted: nobody is asked for what can be no more."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.errors import Busy
from tests.support.lists import Lists, many
from tests.unit.test_erasing import erased


def test_a_deleted_sync_leaves_no_run_that_waits(api, held):
    """Nobody can approve it: the sync that it belongs to is gone."""
    lists, run = held
    assert api.delete(f"/syncs/{run['sync_id']}").status == 204
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]["code"]) == ("cancelled", "superseded")
    assert "was deleted" in told["problem"]["title"]
    assert "POST /v1/syncs" in told["problem"]["detail"]
    told = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert told.problem == (409, "superseded")
    assert told.json["title"].startswith("The sync has been deleted")
    assert len(lists.emails()) == 100


CHANGES: dict[str, tuple[Any, ...]] = {
    "was changed": ("patch", {"options": {"existing": "skip"}}),
    "was deleted": ("delete",),
}


@pytest.mark.parametrize("what", CHANGES)
def test_deletions_that_waited_for_a_sync_that_is_another_now_are_left_and_the_rest_stays(
    api, half_held, what
):
    lists, run = half_held
    method, *body = CHANGES[what]
    assert getattr(api, method)(f"/syncs/{run['sync_id']}", *body).status in (200, 204)
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"], told["counts"]["added"]) == ("succeeded", None, 1)
    assert told["warnings"][-1]["code"] == "deletions_superseded"
    assert what in told["warnings"][-1]["message"]
    told = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert told.problem == (409, "superseded")
    assert len(lists.emails()) == 101
    assert lists.undone(run)["counts"]["deleted"] == 1


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("happened", [False, True], ids=["lost", "answer lost"])
def test_a_change_that_dies_leaves_sync_and_run_of_one_mind(api, held, monkeypatch, what, happened):
    """Either both say so or neither does; the same request again makes it good."""
    _, run = held
    method, *body = CHANGES[what]
    commit = api.world.records.commit

    def dies(writes):
        if happened:
            commit(writes)
        raise Busy("The table is away.")

    monkeypatch.setattr(api.world.records, "commit", dies)
    assert getattr(api, method)(f"/syncs/{run['sync_id']}", *body).status == 503
    monkeypatch.undo()
    waits = "cancelled" if happened else "awaiting_approval"
    assert api.get(f"/runs/{run['id']}").json["status"] == waits
    again = getattr(api, method)(f"/syncs/{run['sync_id']}", *body).status
    assert again == (404 if happened and method == "delete" else 204 if method == "delete" else 200)
    assert api.get(f"/runs/{run['id']}").json["status"] == "cancelled"


@pytest.mark.parametrize("what", CHANGES)
def test_a_plan_that_is_approved_while_its_sync_is_changed_is_carried_out_or_void(
    api, held, monkeypatch, what
):
    """Who comes second is refused; no run is both under way and closed."""
    _, run = held
    method, *body = CHANGES[what]
    commit = api.world.records.commit

    def meanwhile(writes):
        monkeypatch.undo()
        told = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
        assert told.status == 202
        commit(writes)

    monkeypatch.setattr(api.world.records, "commit", meanwhile)
    refused = getattr(api, method)(f"/syncs/{run['sync_id']}", *body)
    assert refused.status == 409
    assert api.get(f"/runs/{run['id']}").json["status"] == "queued"


def test_of_a_plan_that_named_somebody_who_was_erased_it_is_said_that_nobody_rejected_it(world, api, held):
    """The erasure took the file as well: whoever runs the sync again is told what they need."""
    _, run = held
    erased(world, api, email="p5@example.com")
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]["code"]) == ("cancelled", "plan_withdrawn")
    assert "was erased before it was approved" in told["problem"]["title"]
    assert "sent anew" in told["problem"]["detail"]
    late = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert late.problem == (409, "not_waiting")
    assert "says what has become of this one" in late.json["detail"]
    refused = api.post(f"/syncs/{run['sync_id']}/runs")
    assert "is kept no longer" in refused.text


def test_the_deletions_of_a_plan_that_named_somebody_who_was_erased_are_asked_for_again(
    world, api, half_held
):
    lists, run = half_held
    erased(world, api, email="p5@example.com")
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]) == ("succeeded", None)
    assert told["warnings"][-1]["code"] == "deletions_withdrawn"
    again = lists.again(run["sync_id"], many(70))
    assert (again["status"], again["planned"]["deleted"]) == ("awaiting_approval", 31)


def test_a_dry_run_that_named_somebody_who_was_erased_says_why_it_is_carried_out_no_more(world, api):
    lists = Lists(api)
    sync_id = lists.first(many(3))["sync_id"]
    dry = lists.again(sync_id, many(4), dry_run=True)
    erased(world, api, email="p1@example.com")
    plan = {"run_id": dry["id"], "plan_hash": dry["plan_hash"]}
    told = lists.request(sync_id, plan=plan)
    assert told.problem == (409, "plan_withdrawn")
    assert "was erased" in told.json["title"]

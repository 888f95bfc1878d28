"""Runs whose files are forgotten: nobody reads that there was nothing, and no plan of theirs is begun."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.lists import DELETES, Lists, many


def forget(api, run: dict[str, Any]) -> None:
    """What the bucket does after 90 days, or the night as soon as the account wants it."""
    account = api.account.account_id
    api.world.runs.delete(list(api.world.runs.keys(f"runs/{account}/{run['id']}/")))


@pytest.mark.parametrize("on_trip", ["hold_run", "hold_deletes"])
def test_a_plan_that_is_forgotten_is_not_approved_and_the_run_stays_as_it_was(api, on_trip):
    lists = Lists(api, options={**DELETES, "guard": {"on_trip": on_trip}})
    first = lists.first(many(100))
    held = lists.again(first["sync_id"], many(70) + "new@example.com,New\n")
    assert held["status"] == "awaiting_approval"
    forget(api, held)
    refused = api.post(f"/runs/{held['id']}/approve", {"plan_hash": held["plan_hash"]})
    assert refused.problem == (409, "plan_forgotten")
    assert api.get(f"/runs/{held['id']}").json == held
    assert lists.again(first["sync_id"], many(70))["planned"]["deleted"] >= 30


def test_a_dry_run_s_plan_that_is_forgotten_is_not_carried_out(api):
    lists = Lists(api)
    first = lists.first(many(2))
    dry = lists.again(first["sync_id"], many(3), dry_run=True)
    forget(api, dry)
    plan = {"run_id": dry["id"], "plan_hash": dry["plan_hash"]}
    assert lists.request(first["sync_id"], plan=plan).problem == (409, "plan_forgotten")
    assert lists.again(first["sync_id"], many(3))["counts"]["added"] == 1


PARTS = ["rows", "plan", "rejects.csv", "added.csv", "updated.csv", "deletions.csv"]


@pytest.mark.parametrize("part", PARTS)
def test_rows_that_are_forgotten_are_not_told_as_none(api, part):
    run = Lists(api).first(many(2) + "not an address,Bob\n")
    assert run["counts"]["rejected"] == 1
    forget(api, run)
    refused = api.get(f"/runs/{run['id']}/{part}")
    assert refused.problem == (409, "rows_forgotten")
    assert api.get(f"/runs/{run['id']}").json["counts"] == run["counts"]


@pytest.mark.parametrize("part", PARTS)
def test_a_run_that_has_read_no_row_has_none(api, part):
    run = Lists(api).first("")
    assert run["status"] == "failed"
    assert api.get(f"/runs/{run['id']}/{part}").status == 200

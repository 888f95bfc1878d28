"""A run reads as one story: one filter by its id over the log shows who asked for it, and each step with what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.stack import Stack
from tests.journeys.imports import ROWS, import_on_first
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

JOURNEY = ["fetch", "parse", "map", "plan", "guard", "upsert", "notify"]


def lines_of(stack: Stack, run_id: str) -> list[dict[str, Any]]:
    """The log lines that name the run, in the order of their times."""
    found: list[dict[str, Any]] = []
    for path in (stack.settings.home / "logs").glob("**/*.log"):
        lines = path.read_text("utf-8", "replace").splitlines()
        found += [json.loads(line) for line in lines if line.startswith("{") and run_id in line]
    return sorted(found, key=lambda line: str(line["timestamp"]))


def test_one_filter_shows_each_step_in_order(stack: Stack, customer: Customer):
    run = import_on_first(customer, ROWS)

    def told() -> list[dict[str, Any]] | None:
        done = [line for line in lines_of(stack, run["id"]) if line["message"] == "done"]
        return done if any(line["step"] == "notify" for line in done) else None

    done = wait_for(told, within_s=30, what="the last line of the run")
    assert [line["step"] for line in done if line["step"] in JOURNEY] == JOURNEY
    assert {line["account_id"] for line in done} == {customer.account_id}
    assert all(line["duration_ms"] >= 0 for line in done)
    asked = [line for line in lines_of(stack, run["id"]) if line["message"] == "request"]
    assert {(line["route"], line["run_id"]) for line in asked} >= {
        ("POST /imports", run["id"]), ("GET /runs/<run_id>", run["id"])
    }  # fmt: skip
    assert all(line["account_id"] == customer.account_id for line in asked)
    last = done[-1]
    assert (last["Runs"], last["status"], last["RowsRead"]) == (1, "succeeded", run["counts"]["rows"])

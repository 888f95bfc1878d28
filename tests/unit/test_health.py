"""What counts towards pausing a schedule, kind by kind of end."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.core.health import FAILURES_IN_A_ROW, minded
from contactsync.model.run import Run, RunProblem
from contactsync.model.sync import Format, Notify, Options, Sync

AT = "2026-11-22T12:00:00.000Z"
PROBLEM = RunProblem(code="file_not_found", title="There is no file.", detail="Put it there.")


def sync(**changes: Any) -> Sync:
    plain: dict[str, Any] = {
        "id": "s1",
        "name": "",
        "source": {"kind": "http", "url": "https://example.com/a.csv"},
        "format": Format(),
        "mapping": (),
        "identity": {"field": "email"},
        "options": Options(),
        "notify": Notify(),
        "created_at": AT,
        "created_by": "member:m1",
        "updated_at": AT,
    }
    return Sync(**{**plain, **changes})


def run(**changes: Any) -> Run:
    plain: dict[str, Any] = {
        "id": "r1",
        "account_id": "a1",
        "sync_id": "s1",
        "trigger": "schedule",
        "status": "failed",
        "problem": PROBLEM,
        "requested_at": AT,
        "requested_by": "sync:s1",
    }
    return Run(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "failures"),
    [
        ({}, 3),
        ({"status": "blocked"}, 3),
        ({"status": "awaiting_approval"}, 2),
        ({"status": "cancelled"}, 2),
        ({"status": "cancelled", "problem": None}, 2),
        ({"problem": PROBLEM.model_copy(update={"code": "internal"})}, 2),
        ({"problem": PROBLEM.model_copy(update={"code": "stopped"})}, 2),
        ({"problem": PROBLEM.model_copy(update={"code": "timed_out"})}, 2),
        ({"trigger": "api"}, 2),
        ({"trigger": "drop"}, 2),
        ({"dry_run": True}, 2),
        ({"undoes": "r0"}, 2),
        ({"status": "succeeded", "problem": None}, 0),
        ({"status": "unchanged", "problem": None}, 0),
        ({"status": "succeeded", "problem": None, "trigger": "api"}, 0),
    ],
)
def test_what_counts(changes, failures):
    assert minded(sync(failures=2), run(**changes)).failures == failures


@pytest.mark.parametrize("status", ["failed", "blocked"])
def test_the_last_of_many_pauses(status):
    before = sync(failures=FAILURES_IN_A_ROW - 1)
    after = minded(before, run(status=status))
    assert after.state == "paused"
    assert after.paused_because is not None
    assert after.paused_because.code == "paused_after_failures"
    assert minded(sync(failures=FAILURES_IN_A_ROW - 2), run(status=status)).state == "active"


def test_who_paused_it_by_hand_is_not_told_that_failures_did():
    after = minded(sync(failures=FAILURES_IN_A_ROW, state="paused"), run())
    assert after.paused_because is None

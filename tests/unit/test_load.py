"""What `make load` calls lost, strange, stuck or bare: its checks, over outcomes that nobody had to wait for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from bench.load import ROWS, Outcome, Refusals, check, summary

SENT = frozenset(f"api{number}@a1.example.com" for number in range(27))
RUN: dict[str, Any] = {
    "status": "succeeded",
    "problem": None,
    "counts": {"rows": ROWS, "added": 27, "updated": 0, "unchanged": 0, "rejected": 3, "skipped": 0},
}
GOOD = Outcome("a1", "api", RUN, 2.0, SENT, SENT)


def figures(outcome: Outcome = GOOD, *, refusals: Refusals | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "accounts": 1,
        "at_once": 1,
        "schedules": 0,
        "rows": ROWS,
        "wall_s": 2.0,
        "outcomes": [outcome],
        "refusals": refusals or Refusals(),
        "left": {},
        **changes,
    }


def answer(status: int, **headers: str) -> requests.Response:
    told = requests.Response()
    told.status_code, told._content = status, b'{"type":"/problems/busy"}'
    told.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    told.request = requests.Request("GET", "http://127.0.0.1/").prepare()
    return told


def test_what_went_well_passes() -> None:
    check(figures())
    assert summary(figures())["api"] == {"runs": 1, "median_s": 2.0, "p95_s": 2.0, "slowest_s": 2.0}


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, stored=frozenset(list(SENT)[1:])),
        replace(GOOD, stored=SENT | {"api1@a2.example.com"}),
        replace(GOOD, run={**RUN, "status": "failed"}),
        replace(GOOD, run={**RUN, "counts": {**RUN["counts"], "rejected": 2}}),
    ],
    ids=["a contact is lost", "somebody else's contact", "a run failed", "rows do not add up"],
)
def test_what_went_wrong_does_not(wrong: Outcome) -> None:
    with pytest.raises(AssertionError, match="api of a1"):
        check(figures(wrong))


def test_what_is_left_behind_or_missing_is_told() -> None:
    with pytest.raises(AssertionError, match="dead letters"):
        check(figures(left={"dead letters": 1}))
    with pytest.raises(AssertionError):
        check(figures(accounts=2))


def test_an_answer_has_to_say_when_to_ask_again() -> None:
    refusals = Refusals()
    problem = {"Content_Type": "application/problem+json"}
    assert refusals.note(answer(503, **problem, Retry_After="5")) == 5
    check(figures(refusals=refusals))
    for bare in (answer(503, **problem), answer(500, Retry_After="5", Content_Type="application/json")):
        refusals = Refusals()
        refusals.note(bare)
        with pytest.raises(AssertionError, match="help nobody"):
            check(figures(refusals=refusals))

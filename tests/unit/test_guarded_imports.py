"""The guard at work in whole runs: what is stopped has written nothing, and the next good file goes on as ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.errors import Conflict
from contactsync.model.run import Run
from tests.support.world import World

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
SIZES = [2, 4, 5, 6, 9, 10, 11, 19, 20, 21, 100]


def people(count: int, *, at: str = "example.com", begin: int = 0) -> str:
    rows = (f"p{number}@{at},Person {number}\n" for number in range(begin, begin + count))
    return "email,name\n" + "".join(rows)


class List:
    """A list of `count` people, kept by a sync that deletes who is missing."""

    def __init__(self, count: int, **guard: Any) -> None:
        self.world = World()
        options = {"delete_missing": {"scope": "all"}, "guard": guard}
        self.first = self.world.import_rows(people(count), NAMES, options=options)
        assert len(self) == count

    def __len__(self) -> int:
        return len(self.world.stored())

    def then(self, text: str, **later: float) -> Run:
        """The next run, over other rows, so much later (an hour)."""
        self.world.clock.advance(timedelta(**(later or {"hours": 1})))
        again = self.world.again(self.first.sync_id, text)
        self.world.execute(again)
        return self.world.run(again)


@pytest.mark.parametrize("count", SIZES)
def test_a_tenth_of_the_list_in_the_file_blocks_and_one_more_does_not(count: int) -> None:
    open_ = {"max_delete_percent": 100, "max_delete_count": 1_000_000}
    new = "new@example.com,New\n"
    wrong = List(count, **open_)
    run = wrong.then(people(count // 10) + new)
    assert (run.status, run.problem and run.problem.code) == ("blocked", "too_little_overlap")
    assert len(wrong) == count
    right = List(count, **open_)
    assert right.then(people(count // 10 + 1) + new).status == "succeeded"
    assert len(right) == count // 10 + 2


@pytest.mark.parametrize("count", SIZES)
def test_a_fifth_of_the_list_goes_and_one_more_waits(count: int) -> None:
    free = max(1, count // 5)
    within = List(count)
    assert within.then(people(count - free)).counts.deleted == free
    if count - free - 1 > count // 10:
        beyond = List(count)
        run = beyond.then(people(count - free - 1) + "new@example.com,New\n")
        assert (run.status, run.problem and run.problem.code) == ("awaiting_approval", "too_many_deletions")
        assert len(beyond) == count


def test_a_number_goes_and_one_more_waits() -> None:
    assert List(100, max_delete_count=7).then(people(93)).status == "succeeded"
    assert List(100, max_delete_count=7).then(people(92)).status == "awaiting_approval"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "failed"),
        ("\n\n", "failed"),
        ("email,name\n", "failed"),
        ("Name;Town\nAda;London\n", "failed"),
        (people(40, at="other.example"), "blocked"),
        (people(40, at="new.example.com"), "blocked"),
        (people(400, begin=1000), "blocked"),
    ],
    ids=["empty", "blank", "header only", "other columns", "other people", "all addresses changed", "many other people"],
)  # fmt: skip
def test_a_file_that_is_not_the_list_changes_nothing(text: str, status: str) -> None:
    """Even where the owner has opened the limits as far as they go."""
    for guard in ({}, {"min_overlap_percent": 0, "max_delete_percent": 100, "max_delete_count": 1_000_000}):
        kept = List(40, **guard)
        before = kept.world.fields()
        run = kept.then(text)
        assert run.status == status
        assert run.problem
        assert run.problem.detail
        assert kept.world.fields() == before
        assert kept.then(people(39)).counts.deleted == 1, "the next good file goes on as ever"


def test_a_slow_drip_is_held_within_seven_days_and_goes_on_after_them() -> None:
    kept = List(100)
    left = [100]
    for _ in range(12):
        run = kept.then(people(left[-1] - 8), days=1)
        held = run.status == "awaiting_approval"
        assert held == (run.problem is not None and run.problem.code == "too_many_deletions_in_a_week")
        left.append(left[-1] if held else left[-1] - 8)
        assert len(kept) == left[-1]
    assert left[:7] == [100, 92, 84, 76, 68, 60, 60]
    assert left[-1] < 60, "what went a week ago is forgotten"
    for before, after in zip(left, left[7:], strict=False):
        assert after >= before * 0.6


def test_deletions_that_were_approved_count_towards_the_week() -> None:
    kept = List(100)
    kept.world.approve(kept.then(people(70)))
    assert len(kept) == 70
    run = kept.then(people(59), days=1)  # 41 of the hundred that there were
    assert (run.status, run.problem and run.problem.code) == (
        "awaiting_approval",
        "too_many_deletions_in_a_week",
    )
    assert kept.then(people(60), days=1).status == "succeeded"


def test_deletions_that_only_waited_do_not_count_towards_the_week() -> None:
    kept = List(100, on_trip="hold_deletes")
    held = kept.then(people(70) + "new@example.com,New\n")
    assert (held.status, held.counts.added, len(kept)) == ("awaiting_approval", 1, 101)
    assert kept.then(people(81), days=1).status == "succeeded"
    assert kept.then(people(65), days=1).status == "succeeded", "36 of 101; the 30 that waited stayed"
    assert len(kept) == 65


def test_an_approval_is_void_once_a_newer_source_has_come() -> None:
    kept = List(100)
    held = kept.then(people(70))
    assert kept.then(people(95)).counts.deleted == 5
    with pytest.raises(Conflict) as caught:
        kept.world.approve(held)
    assert caught.value.code == "superseded"
    assert len(kept) == 95

"""The guard, one contact to either side of every limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contactsync.core.guarding import Limits, Losses, judge, judge_book

LIMITS = Limits()
SIZES = range(1, 10_001)
"""Every size of a list up to ten thousand contacts."""
OPEN = Limits(min_overlap_percent=0, max_delete_percent=100, max_delete_count=10**9)
"""Limits that stop next to nothing, to be narrowed one at a time."""


def verdict(stored: int, deletes: int, *, lately: int = 0, limits: Limits = LIMITS) -> str:
    return judge(Losses(stored, stored - deletes, deletes, lately), limits).kind


def test_a_tenth_of_the_list_in_the_file_is_too_little_and_one_more_is_enough() -> None:
    """The rule as it is published: blocked when 10 % or less of the stored contacts appear in the file."""
    limits = replace(OPEN, min_overlap_percent=10)
    for stored in SIZES:
        tenth = stored // 10
        assert verdict(stored, stored - tenth, limits=limits) == "blocked", stored
        if tenth + 1 < stored:
            assert verdict(stored, stored - tenth - 1, limits=limits) == "go", stored


def test_a_fifth_goes_and_one_more_is_held() -> None:
    limits = replace(OPEN, max_delete_percent=20)
    for stored in SIZES:
        free = max(1, stored // 5)
        assert verdict(stored, free, limits=limits) == ("go" if stored > 1 else "blocked"), stored
        if free + 1 < stored:
            assert verdict(stored, free + 1, limits=limits) == "hold", stored


def test_five_hundred_go_and_one_more_is_held() -> None:
    limits = replace(OPEN, max_delete_count=500)
    for stored in SIZES:
        if stored > 500:
            assert verdict(stored, 500, limits=limits) == "go", stored
        if stored > 501:
            assert verdict(stored, 501, limits=limits) == "hold", stored


def test_the_smaller_of_both_holds_and_the_larger_never_helps() -> None:
    for stored in SIZES:
        free = min(500, max(1, stored // 5))
        enough = (stored - free) * 10 > stored, (stored - free - 1) * 10 > stored
        assert verdict(stored, free) == ("go" if enough[0] else "blocked"), stored
        if free < stored:
            assert verdict(stored, free + 1) == ("hold" if enough[1] else "blocked"), stored


def test_seven_days_may_take_twice_a_run_and_one_more_is_held() -> None:
    """Counted on the list as it was when the seven days began: `began` contacts, of which `lately` went before."""
    for began in SIZES:
        free = min(500, max(1, began // 5))
        for lately in {1, free, 2 * free - 1}:
            stored, rest = began - lately, 2 * free - lately
            if 0 < rest <= min(500, max(1, stored // 5)) and (stored - rest) * 10 > stored:
                assert verdict(stored, rest, lately=lately) == "go", (began, lately)
            if stored - rest - 1 > 0 and (stored - rest - 1) * 10 > stored:
                assert verdict(stored, rest + 1, lately=lately) == "hold", (began, lately)


def test_the_published_example_holds() -> None:
    limits = Limits(max_delete_percent=100)
    assert judge(Losses(100, 10, 90), limits).kind == "blocked"
    assert judge(Losses(100, 11, 89), limits).kind == "go"


def test_an_empty_list_and_a_file_without_losses_are_never_stopped() -> None:
    assert judge(Losses(0, 0, 0), Limits()).kind == "go"
    assert judge(Losses(10_000, 1, 0), Limits()).kind == "go"


def test_a_list_whose_identities_have_all_changed_is_never_emptied() -> None:
    for limits in (LIMITS, OPEN):
        assert {judge(Losses(stored, 0, stored), limits).kind for stored in SIZES} == {"blocked"}


def test_a_row_that_nobody_can_read_holds_a_single_deletion() -> None:
    for stored in SIZES[1:]:
        assert judge(Losses(stored, stored - 1, 1, unreadable=1), OPEN).kind == "hold"


@pytest.mark.parametrize("stored", [50, 1000, 10_000])
def test_drop_by_drop_is_noticed_within_a_week(stored: int) -> None:
    left, lately, runs = stored, 0, 0
    daily = max(1, stored // 25)
    while verdict(left, daily, lately=lately) == "go":
        left, lately, runs = left - daily, lately + daily, runs + 1
        assert runs < 12
    assert left >= stored * 0.55


def test_no_deletion_at_all_can_be_asked_for() -> None:
    assert verdict(1000, 1, limits=Limits(max_delete_count=0)) == "hold"
    assert verdict(1000, 1, limits=Limits(max_delete_percent=0)) == "hold"


def test_the_reason_says_how_many_and_what_to_do() -> None:
    held = judge(Losses(1000, 799, 201), Limits())
    assert "201 of 1,000" in held.title
    assert "approve" in held.detail


RUN, WEEK = "too_many_deletions", "too_many_deletions_in_a_week"


@pytest.mark.parametrize(
    ("here", "there", "code"),
    [
        ((100, 0, 0), (100, 0, 0), ""),
        ((100, 20, 0), (100, 0, 0), ""),
        ((100, 21, 0), (100, 0, 0), RUN),
        ((100, 0, 0), (100, 20, 0), ""),
        ((100, 0, 0), (100, 21, 0), RUN),
        ((1, 1, 0), (1, 0, 0), "book_emptied"),
        ((3, 0, 0), (3, 3, 0), "book_emptied"),
        ((100, 20, 0), (100, 20, 0), ""),
        ((100, 20, 1), (100, 20, 0), WEEK),
        ((100, 20, 0), (100, 20, 1), WEEK),
        ((100, 20, 25), (100, 0, 25), ""),
        ((100, 20, 10), (50, 0, 10), ""),
        ((50, 0, 10), (100, 20, 10), ""),
        ((100, 0, 100), (100, 0, 100), ""),
    ],
)
def test_a_round_with_a_book_may_delete_a_fifth_on_either_side_and_two_fifths_a_week_on_both(
    here: tuple[int, int, int], there: tuple[int, int, int], code: str
) -> None:
    """Each side: how many it has, how many would go, how many went within the week."""
    losses = [Losses(stored, stored - deletes, deletes, lately) for stored, deletes, lately in (here, there)]
    said = judge_book(losses[0], losses[1], LIMITS)
    assert (said.kind, said.code) == ("hold" if code else "go", code)

"""The guard, one contact to either side of every limit."""

from __future__ import annotations

import pytest

from contactsync.core.guarding import Limits, Losses, judge

SIZES = [*range(1, 60), 99, 100, 101, 499, 500, 501, 999, 1000, 2499, 2500, 2501, 9999, 10_000]


def verdict(stored: int, deletes: int, *, lately: int = 0, limits: Limits | None = None) -> str:
    return judge(Losses(stored, stored - deletes, deletes, lately), limits or Limits()).kind


@pytest.mark.parametrize("stored", SIZES)
def test_the_last_free_deletion_goes_and_the_next_one_is_held(stored: int) -> None:
    free = min(500, max(1, stored // 5))
    if (stored - free) * 10 > stored:
        assert verdict(stored, free) == "go"
    if (stored - free - 1) * 10 > stored:
        assert verdict(stored, free + 1) == "hold"


@pytest.mark.parametrize("stored", SIZES)
def test_a_tenth_of_the_list_in_the_file_is_too_little_and_one_more_is_enough(stored: int) -> None:
    limits = Limits(max_delete_percent=100, max_delete_count=100_000)
    tenth = stored // 10
    assert judge(Losses(stored, tenth, stored - tenth), limits).kind == "blocked"
    if tenth + 1 < stored:
        assert judge(Losses(stored, tenth + 1, stored - tenth - 1), limits).kind == "go"


def test_the_published_example_holds() -> None:
    limits = Limits(max_delete_percent=100)
    assert judge(Losses(100, 10, 90), limits).kind == "blocked"
    assert judge(Losses(100, 11, 89), limits).kind == "go"


def test_an_empty_list_and_a_file_without_losses_are_never_stopped() -> None:
    assert judge(Losses(0, 0, 0), Limits()).kind == "go"
    assert judge(Losses(10_000, 1, 0), Limits()).kind == "go"


@pytest.mark.parametrize("stored", SIZES)
def test_a_list_whose_identities_have_all_changed_is_never_emptied(stored: int) -> None:
    assert (
        judge(Losses(stored, 0, stored), Limits(max_delete_percent=100, max_delete_count=10**9)).kind
        == "blocked"
    )


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

"""docs/errors.md lists every error that the code raises, in the code's own words."""

from __future__ import annotations

import pytest

from tests.docs import catalogue


def test_the_page_is_what_the_code_says() -> None:
    written = catalogue.PAGE.read_text(encoding="utf-8").splitlines()
    unlike = set(written).symmetric_difference(catalogue.page().splitlines())
    assert unlike == set(), "an error was added or reworded: run make docs"


def test_every_error_says_what_happened_and_what_to_do() -> None:
    silent = [
        one for one in catalogue.said() if one.kind in ("UserError", "UnreadableFile") and "" in one.texts
    ]
    assert silent == []


@pytest.mark.parametrize(
    "code",
    [
        "no_rows",
        "ragged_row",
        "invalid_request",
        "phone_invalid",
        "date_order",
        "internal",
        "too_many_deletions",
        "timed_out",
        "code_taken",
    ],
)
def test_the_scan_finds_errors_however_they_are_raised(code: str) -> None:
    """By a call, as a plain tuple, by a class that knows its code, from a function, with a constant, as a verdict."""
    assert f"| `{code}` |" in catalogue.page()


def test_what_is_told_is_a_sentence() -> None:
    told = {text for one in catalogue.said() if one.code not in ("", catalogue.UNKNOWN) for text in one.texts}
    assert [text for text in told if not text.endswith((".", "…"))] == []

"""What becomes of a contact's lists when a row is laid over them. An entry is written `value/label`."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.core.overlay import overlay


def entries(*written: str) -> list[dict[str, Any]]:
    return [dict(zip(("value", "label"), each.split("/"), strict=False)) for each in written]


@pytest.mark.parametrize(
    ("stored", "email", "after"),
    [
        (["a@x.org/home", "b@x.org"], "c@x.org", ["c@x.org/home", "b@x.org"]),
        (["a@x.org", "b@x.org", "c@x.org"], "B@x.org", ["B@x.org", "c@x.org"]),  # nobody has one twice
        (["A@x.org/home", "b@x.org"], "a@x.org", ["A@x.org/home", "b@x.org"]),  # spelling is no change
        (["a@x.org", "b@x.org/work"], None, ["b@x.org/work"]),
        (["a@x.org"], None, []),
    ],
)
def test_an_address_takes_the_place_of_the_first(
    stored: list[str], email: str | None, after: list[str]
) -> None:
    before = {"emails": entries(*stored)}
    fields, changes = overlay(before, {"email": email}, only_empty=False)
    assert fields.get("emails", []) == entries(*after)
    assert bool(changes) == (stored != after)


@pytest.mark.parametrize(
    ("stored", "row", "after"),
    [
        (["a@x.org", "b@x.org", "c@x.org"], ["d@x.org"], ["d@x.org", "b@x.org", "c@x.org"]),  # one for one
        (["a@x.org", "b@x.org", "c@x.org"], ["d@x.org", "e@x.org"], ["d@x.org", "e@x.org", "c@x.org"]),
        (["a@x.org/home", "b@x.org/work"], ["c@x.org/work"], ["c@x.org/work", "a@x.org/home"]),
        (["a@x.org/home"], ["a@x.org/work"], ["a@x.org/work"]),
        (["A@x.org/home", "b@x.org"], ["a@x.org/home"], ["A@x.org/home", "b@x.org"]),
    ],
)
def test_a_list_takes_the_place_of_what_it_speaks_of(
    stored: list[str], row: list[str], after: list[str]
) -> None:
    fields, changes = overlay({"emails": entries(*stored)}, {"emails": entries(*row)}, only_empty=False)
    assert fields["emails"] == entries(*after)
    assert bool(changes) == (stored != after)

"""Whether day or month comes first in a column of dates: decided by the column as a whole, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from typing import Literal

from contactsync.core.fieldtypes.refusal import EDGES

Order = Literal["dmy", "mdy", "ambiguous", "mixed"]
Reading = Literal["dmy", "mdy", "either"]

_YEAR_LAST = re.compile(r"([0-9]{1,2})([/.\- ])([0-9]{1,2})\2[0-9]{4}(?:,?[T ].*)?", re.DOTALL)
_MONTHS = 12
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Of each month at most: 04.31 is a typing error whichever comes first, and proves nothing about the others."""


def date_order(cells: Iterable[str]) -> Order | None:
    """What the dates of a column prove together: see `proven`."""
    return proven(readings(cells))


def readings(cells: Iterable[str]) -> set[Reading]:
    """How the dates among some cells can be read."""
    dates = filter(None, (_YEAR_LAST.fullmatch(cell.strip(EDGES)) for cell in cells))
    return set(filter(None, (reading(int(date[1]), int(date[3])) for date in dates)))


def proven(found: Set[Reading]) -> Order | None:
    """What all readings of a column prove together: one 13th is enough.

    Returns:
        "dmy" or "mdy" where some date can only be read that way and none only the other way; "mixed" where both
        occur; "ambiguous" where no date proves anything; None if there is no date with its year last.
    """
    if {"dmy", "mdy"} <= found:
        return "mixed"
    if "dmy" in found:
        return "dmy"
    if "mdy" in found:
        return "mdy"
    return "ambiguous" if found else None


def reading(first: int, second: int) -> Reading | None:
    """How a date that begins so can be read; None for what is no date, or is one either way, as 3/3."""
    smaller, larger = sorted((first, second))
    if not 1 <= smaller <= _MONTHS or smaller == larger or larger > _DAYS[smaller - 1]:
        return None
    if larger <= _MONTHS:
        return "either"
    return "dmy" if first == larger else "mdy"

"""Whether day or month comes first in a column of dates: decided by the column as a whole, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from contactsync.core.fieldtypes.refusal import EDGES

Order = Literal["dmy", "mdy", "ambiguous", "mixed"]

_YEAR_LAST = re.compile(r"([0-9]{1,2})([/.\- ])([0-9]{1,2})\2[0-9]{4}(?:[T ].*)?", re.DOTALL)
_MONTHS = 12
_DAYS = 31


def date_order(cells: Iterable[str]) -> Order | None:
    """What the dates of a column prove together: one 13th is enough.

    Returns:
        "dmy" or "mdy" where some date can only be read that way and none only the other way; "mixed" where both
        occur; "ambiguous" where no date proves anything; None if there is no date with its year last.
    """
    found = {order for cell in cells if (order := _reading(cell.strip(EDGES)))}
    if {"dmy", "mdy"} <= found:
        return "mixed"
    if "dmy" in found:
        return "dmy"
    if "mdy" in found:
        return "mdy"
    return "ambiguous" if found else None


def together(orders: Iterable[Order | None]) -> Order | None:
    """What the parts of a column prove together."""
    found = set(orders) - {None}
    if "mixed" in found or {"dmy", "mdy"} <= found:
        return "mixed"
    order: Order
    for order in ("dmy", "mdy", "ambiguous"):
        if order in found:
            return order
    return None


def _reading(text: str) -> str:
    """How one date can be read: "dmy", "mdy" or "either"; "" for what is no date, or is one either way, as 3/3."""
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return ""
    smaller, larger = sorted((int(found[1]), int(found[3])))
    if not 1 <= smaller <= _MONTHS or larger > _DAYS or smaller == larger:
        return ""
    if larger <= _MONTHS:
        return "either"
    return "dmy" if int(found[1]) == larger else "mdy"

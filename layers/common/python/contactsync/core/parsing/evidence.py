"""What the dates of a file prove about day and month, found out while `cut` passes over it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from contactsync.core.date_order import Order, Reading, proven, reading, readings
from contactsync.core.parsing.records import Damaged, Stretch

# How a date with its year last begins in `Stretch.roughly`: whatever `readings` finds is here as well. In a report
# of ours an apostrophe may stand before what its cell was.
_BEGINS = re.compile(
    rb"^(?:[ \t\r'\xff]|\xc2\xa0|\xef\xbb\xbf)*([0-9]{1,2})([/.\- ])([0-9]{1,2})\2[0-9]{4}", re.MULTILINE
)


class Evidence:
    """What the rows of a file prove together, in each of some columns."""

    def __init__(self, columns: Iterable[int]) -> None:
        self._found: dict[int, set[Reading]] = {column: set() for column in columns}

    def add(self, rows: Iterable[tuple[int, list[str]] | Damaged]) -> None:
        """Take in every date of these rows. What cannot be read proves nothing."""
        cells: dict[int, set[str]] = {column: set() for column in self._found}
        for row in rows:
            if not isinstance(row, Damaged):
                for column, seen in cells.items():
                    if column < len(row[1]):
                        seen.add(row[1][column])
        for column, seen in cells.items():
            self._found[column] |= readings(seen)

    def look(
        self, stretch: Stretch, read: Callable[[bytes], Iterable[tuple[int, list[str]] | Damaged]]
    ) -> None:
        """As `add` with the rows of the stretch, which are read only where they may prove something new."""
        if any(self._may_add(column, stretch) for column in self._found):
            self.add(read(stretch.data))

    def orders(self) -> dict[int, Order | None]:
        """By column, as `date_order` says it."""
        return {column: proven(found) for column, found in self._found.items()}

    def _may_add(self, column: int, stretch: Stretch) -> bool:
        cells = stretch.roughly(column)
        if cells is None:
            return True
        dates = {(int(first), int(second)) for first, _, second in set(_BEGINS.findall(cells))}
        return not self._found[column].issuperset(filter(None, (reading(*date) for date in dates)))

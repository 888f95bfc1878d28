"""Where the table begins on a sheet, and whether its first row names the columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contactsync.core.parsing.cells import header_likeness, rows_above
from contactsync.core.rules import folded

PREAMBLE_ROWS = 20
"""How many rows above the table are looked past, as in text files."""


@dataclass(frozen=True, slots=True)
class Table:
    """`first_line` is the number of the header, or of the first row; `rows` are as wide as `width`."""

    header: list[str] | None
    confidence: float
    width: int
    rows: list[list[str]]
    lines: list[int]
    first_line: int


def table_of(
    found: Sequence[tuple[int, Sequence[str]]], *, has_header: bool | Literal["auto"], names: Sequence[str]
) -> Table:
    """The table in a sheet's first rows, which end with their last cell that has content.

    `names` are the header names that a mapping asks for: the row that has them is the header.
    """
    asked = {folded(name) for name in names}
    begin = _begin(found, asked)
    body = found[begin:]
    width = max((len(cells) for _, cells in body), default=0)
    rows = [[*cells, *[""] * (width - len(cells))] for _, cells in body]
    lines = [line for line, _ in body]
    first_line = lines[0] if lines else 1
    named, confidence = _is_header(rows, has_header, asked)
    if not named or not rows:
        return Table(None, confidence, width, rows, lines, first_line)
    header = [cell.strip() for cell in rows[0]]
    return Table(header, confidence, width, rows[1:], lines[1:], first_line)


def _begin(found: Sequence[tuple[int, Sequence[str]]], asked: set[str]) -> int:
    """How many rows stand above the table: titles and notes, nearly alone in their rows."""
    rows = [cells for _, cells in found]
    top = rows[:PREAMBLE_ROWS]
    if asked:
        met = [len(asked & {folded(cell) for cell in cells}) for cells in top]
        return met.index(max(met)) if any(met) else 0
    if 0 < (above := rows_above(rows)) < PREAMBLE_ROWS:
        return above
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in rows]
    usual = Counter(count for count in filled if count).most_common(1)
    if not usual or usual[0][0] < 3:
        return 0
    above = next((at for at, count in enumerate(filled) if count > 1), 0)
    return above if above < PREAMBLE_ROWS else 0


def _is_header(
    rows: Sequence[Sequence[str]], has_header: bool | Literal["auto"], asked: set[str]
) -> tuple[bool, float]:
    if has_header != "auto":
        return has_header, 1.0
    if not rows:
        return False, 0.0
    if asked:
        return True, 1.0 if asked & {folded(cell) for cell in rows[0]} else 0.6
    likeness = header_likeness(rows[0], rows[1:])
    return likeness >= 0, round(0.5 + abs(likeness) / 2, 2)

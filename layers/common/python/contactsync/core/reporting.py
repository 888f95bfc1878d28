"""The refused rows as a file: the customer mends it and imports it again.

The report holds the original columns, then `line` and `reason`. Every cell is quoted, and a cell that a
spreadsheet would take for a formula gets an apostrophe in front (OWASP ASVS 1.2.10). When the mended report is
imported, the apostrophe comes off again, so that a phone number "+31 6 12345678" survives the round trip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from contactsync.core.naming import BRIEF, brief

REPORT_COLUMNS = ("line", "reason")
CHANGED_COLUMNS = ("line", "contact_id")
CONTACT_COLUMNS = ("contact_id", *BRIEF)
PARTIAL = "The file holds rows that were refused before, not the whole list."
"""Why a report that comes back does not tell who is missing."""

_FORMULA = re.compile(
    r"'*"  # already protected, or the customer's own apostrophe: one more, so that taking one off is exact
    r"(?:[\t\r\n\x00]"  # some spreadsheets drop these and look at what follows
    r"|[\s\ufeff]*[=+\-@＝＋－＠﹢﹣﹦﹫−])"  # full-width and small forms become ASCII under NFKC
)


def header_line(columns: Sequence[str]) -> str:
    """The first line of a report over a file with these columns."""
    return csv_line([*map(protect, columns), *REPORT_COLUMNS])


def row_line(cells: Sequence[str], *, width: int, line: int, reason: str) -> str:
    """One refused row.

    Args:
        cells: as they were in the file.
        width: columns of the header. A shorter row is filled up, so that line and reason keep their column;
            what a longer row has beyond it goes into the last cell behind commas, where it most often came from.
        line: where the row stands in the file, from 1.
        reason: what is wrong with it.
    """
    return csv_line([*(protect(cell) for cell in _fitted(cells, width)), str(line), protect(reason)])


def changed_header(columns: Sequence[str]) -> str:
    """The first line of a file of rows that have added or updated a contact."""
    return csv_line([*map(protect, columns), *CHANGED_COLUMNS])


def changed_line(cells: Sequence[str], *, width: int, line: int, contact: str) -> str:
    """One such row, with where it stands in the file and the id of its contact."""
    return csv_line([*(protect(cell) for cell in _fitted(cells, width)), str(line), contact])


def contact_header(*more: str) -> str:
    """The first line of a file of contacts."""
    return csv_line([*CONTACT_COLUMNS, *more])


def contact_line(contact: str, fields: Mapping[str, Any], *more: str) -> str:
    """One contact, by its id, as far as it takes to recognise it."""
    return csv_line([contact, *(protect(brief(fields, key)) for key in BRIEF), *more])


def protect(cell: str) -> str:
    """The cell, so that no spreadsheet computes it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restore(cell: str) -> str:
    """The cell as it was before `protect`, exactly, whatever it holds."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def is_report(header: Sequence[str]) -> bool:
    """Whether a file with this header is one of our reports, whose cells want to be restored."""
    return len(header) > len(REPORT_COLUMNS) and tuple(header[-len(REPORT_COLUMNS) :]) == REPORT_COLUMNS


def restored(cells: Sequence[str], width: int, ours: int) -> list[str]:
    """A row of a report as it was in the customer's file; `width` is the report's, of which the last `ours` columns are
    ours. A ragged row stays as it is.
    """
    if len(cells) == width:
        cells = cells[:-ours]
    return [restore(cell) for cell in cells]


def _fitted(cells: Sequence[str], width: int) -> list[str]:
    if len(cells) <= width:
        return [*cells, *[""] * (width - len(cells))]
    if width == 0:
        return []
    return [*cells[: width - 1], ",".join(cells[width - 1 :])]


def csv_line(cells: Sequence[str]) -> str:
    """One line of a table, every cell in quotes."""
    return ",".join(['"' + cell.replace('"', '""') + '"' for cell in cells]) + "\r\n"

"""What other programs have done to a file's values, found in its first rows before anything is stored.

A finding names the column and what to do; it never repeats a value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contactsync.core.date_order import date_order

_NOTHING = (
    "0/0/00 00/00/00 0000-00-00 00/00/0000 unspecified unknown n/a #n/a na none null nil - -- ? . tbd xxx"
)
FILLERS = frozenset(_NOTHING.split())
"""What Outlook and others write where there is nothing (folded)."""
_SPOILED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d{1,3}")
_BARE = re.compile(r"[1-9][0-9]{6,14}(?:\.0)?").fullmatch
_BROKEN_FORMULA = re.compile(r"#(?:REF|NAME|VALUE|DIV/0|NUM|NULL)[!?]?")
_MISREAD = re.compile("[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€|\ufffd")
_PHONE_NAMES = re.compile(
    r"phone|tel|mobile|mobil|handy|cell|fax|móvil|movil|portable|cellulare|telefo", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know before the import. `column` is a header's name or a position from 0, `row` a line number."""

    code: str
    message: str
    column: str | int | None = None
    row: int | None = None


def damage_in(
    header: Sequence[str] | None, rows: Sequence[Sequence[str]], lines: Sequence[int], width: int
) -> Iterator[Finding]:
    """Findings about the header, the rows' shape, and each column's values. `lines` number the rows."""
    if header is not None:
        yield from _header_findings(header, width)
    ragged = [line for line, row in zip(lines, rows, strict=True) if len(row) != width]
    if ragged:
        yield Finding(
            "ragged_rows",
            f"{len(ragged)} of the first {len(rows)} rows do not have {width} columns. They may be refused.",
            row=ragged[0],
        )
    for index in range(width):
        values = [
            (line, row[index].strip()) for line, row in zip(lines, rows, strict=True) if index < len(row)
        ]
        name = header[index] if header and index < len(header) and header[index] else index
        yield from _column_findings(name, [(line, value) for line, value in values if value])


def _header_findings(header: Sequence[str], width: int) -> Iterator[Finding]:
    for name, count in Counter(map(str.casefold, filter(None, header))).items():
        if count > 1:
            first = next(each for each in header if each.casefold() == name)
            yield Finding(
                "duplicate_header", f"{count} columns have this name. Map them by position.", column=first
            )
    for index, name in enumerate(header):
        if not name:
            yield Finding("blank_header", "This column has no name. Map it by position.", column=index)
    if len(header) != width:
        yield Finding(
            "header_width", f"The header names {len(header)} columns, but most rows have {width}.", row=None
        )


def _column_findings(name: str | int, values: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    for code, pattern in _PATTERNS.items():
        if found := [line for line, value in values if pattern(value)]:
            yield Finding(code, f"{_MESSAGES[code]} ({len(found)} of {len(values)} values)", name, found[0])
    fillers = [line for line, value in values if value.casefold() in FILLERS]
    if fillers:
        yield Finding(
            "filler_values",
            f"{len(fillers)} of {len(values)} values stand for “nothing”. Leave the column out, or clear them first.",
            name,
            fillers[0],
        )
    yield from _dates(name, values)
    yield from _lost_zeros(name, values)


def _dates(name: str | int, values: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    match date_order(value for _, value in values):
        case "mixed":
            yield Finding(
                "mixed_date_orders",
                "Some dates begin with the day, others with the month. Correct them, or state the date order.",
                name,
            )
        case "ambiguous":
            yield Finding(
                "ambiguous_dates",
                "No date in the sample tells whether day or month comes first. State the date order.",
                name,
            )


def _lost_zeros(name: str | int, values: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    """Phone numbers that a program took for numbers: digits only, and none begins with 0 or +."""
    if not isinstance(name, str) or not _PHONE_NAMES.search(name):
        return
    bare = [line for line, value in values if _BARE(value)]
    if len(values) >= 3 and len(bare) == len(values):
        yield Finding(
            "lost_leading_zeros",
            "No number in this column begins with 0 or +. If a spreadsheet has dropped them, "
            "export the column as text; otherwise state the country.",
            name,
            bare[0],
        )


_MESSAGES = {
    "spoiled_number": "A spreadsheet has shortened long numbers (as in 3.46E+10): digits are lost. Export the column as text.",
    "escaped_quotes": "A backslash stands before a quote, as databases write it, and is part of the value here. Export with "
    "doubled quotes.",
    "several_values": "Several values stand in one cell, with ::: between them, as Google writes them. Give each a column "
    "of its own.",
    "broken_formula": "A formula's error stands where its value should.",
    "misread_text": "Text was saved in the wrong encoding before it came here (é reads as Ã©). Export it again as UTF-8.",
}
_PATTERNS = {
    "spoiled_number": _SPOILED.fullmatch,
    "escaped_quotes": re.compile(r'\\"').search,
    "several_values": re.compile(r"(?!\* ).*?\S ::: \S", re.DOTALL).match,  # labels begin with an asterisk
    "broken_formula": _BROKEN_FORMULA.fullmatch,
    "misread_text": _MISREAD.search,
}

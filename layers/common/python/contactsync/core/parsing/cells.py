"""What a cell looks like, and whether a row of cells names the columns below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from contactsync.core.suggesting import DECIDED, suggest

Look = Literal["empty", "email", "url", "date", "number", "phone", "boolean", "text"]

_LOOKS: tuple[tuple[Look, re.Pattern[str]], ...] = (
    ("email", re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    ("url", re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)),
    ("date", re.compile(r"\d{4}-\d\d?-\d\d?(?:[T ][\d:.+Z-]+)?|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d\d)")),
    ("number", re.compile(r"[-+]?[$€£]?\d++(?:[., ']\d++)*+(?:[eE][-+]?\d+)?\s?[%€]?")),
    ("phone", re.compile(r"[+(]?\d[\d\s()./-]{5,}\d(?:\s?(?:x|ext\.?)\s?\d+)?", re.IGNORECASE)),
    ("boolean", re.compile(r"true|false|yes|no|y|n", re.IGNORECASE)),
)
_OTHER_NAMES = frozenset(
    [
        "id",
        "key",
        "nr",
        "no",
        "number",
        "uid",
        "guid",
        "name",
        "type",
        "status",
        "created",
        "updated",
        "date",
        "gender",
        "sex",
        "age",
        "value",
        "primary",
        "count",
        "score",
    ]
)
"""Words of column names that no contact field goes by (`core.synonyms` has those)."""
_LOOKED_AT = 254
"""Characters: the longest address. What is longer is text, whatever a pattern would take to find that out."""
_CERTAIN = 3.0
"""A vote that a few others do not outweigh."""
_SPLIT = re.compile(r"[^\w-]+|_")


def look(cell: str) -> Look:
    """The first kind of value that the whole cell could be."""
    text = cell.strip()
    if not text:
        return "empty"
    if len(text) > _LOOKED_AT:
        return "text"
    return next((name for name, pattern in _LOOKS if pattern.fullmatch(text)), "text")


def header_likeness(first: Sequence[str], rest: Sequence[Sequence[str]]) -> float:
    """From -1 (surely a row) to 1 (surely a header): does `first` name the columns of `rest`?

    Each column votes: for a header if its top is a usual name, or text above values; against it if its top is a
    value itself, or stands below again. 0 says that nothing tells.
    """
    votes = 0.0
    for index, (top, meant) in enumerate(zip(first, suggest(first), strict=True)):
        words = {word for word in _SPLIT.split(top.casefold()) if word}
        below = [row[index] for row in rest if index < len(row)]
        if look(top) == "email":  # whatever mail@contact.de would mean as a name
            votes -= _CERTAIN
        elif meant and meant.field in {"email", "emails"} and "email" in map(look, below):
            votes += _CERTAIN  # years and numbers may be names, too: no row holds the word among addresses
        elif (meant and meant.confidence >= DECIDED) or (words & _OTHER_NAMES and len(words) <= 3):
            votes += 1
        else:
            votes += _vote(top, below)
    return max(-1.0, min(1.0, votes / max(1, min(len(first), 4))))


def rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows stand above the one that surely names the columns: titles and notes, mostly of empty cells.

    A spreadsheet saved as text fills them up to the width of the table, so their number of cells tells nothing.
    """
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in rows]
    usual = Counter(count for count in filled if count).most_common(1)
    if not usual or usual[0][0] < 3:
        return 0
    above = next((at for at, count in enumerate(filled) if 2 * count > usual[0][0]), 0)
    return above if above and header_likeness(rows[above], rows[above + 1 :]) > 0 else 0


def _vote(top: str, below: Sequence[str]) -> float:
    """For a name that says nothing: are the values below of another kind than it is?"""
    kind = look(top)
    kinds = Counter(each for each in map(look, below) if each != "empty")
    usual, count = kinds.most_common(1)[0] if kinds else ("empty", 0)
    typed = usual not in {"empty", "text"} and count >= 0.7 * kinds.total()
    if kind in {"empty", "text", "boolean"}:
        repeated = bool(top.strip()) and top in below
        return -0.5 if repeated else 0.6 if typed and kind == "text" else 0.0
    if typed and kind == usual:
        return -1.0
    return -0.5 if kind in {"date", "phone", "url"} or not kinds else 0.0

"""One worksheet, row by row: cells as text, as the sheet shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from contactsync.core.parsing import Damaged
from contactsync.core.spreadsheet.numberformat import Shown, general
from contactsync.core.spreadsheet.package import Package, damaged, too_large
from contactsync.core.spreadsheet.parts import Strings, unescaped

COLUMNS = 1_000
CELL_CHARS = 131_072
ROW_CHARS = 1 << 20
"""A row is bounded as in text files. Excel itself allows 32,767 characters a cell."""
TEXT_CHARS = 1 << 30
"""The most text of a sheet. One shared string may stand in every cell, so that a small file could tell an endless
story; this is a million rows of a thousand characters."""
TOO_MANY_COLUMNS = "too_many_columns", f"The row has more than {COLUMNS:,} columns. Remove the rest."
CELL_TOO_LONG = "cell_too_long", f"A cell has more than {CELL_CHARS:,} characters. Shorten it."
ROW_TOO_LONG = "row_too_long", f"The row has more than {ROW_CHARS:,} characters. Shorten its cells."
_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PHONE_DIGITS = range(7, 16)
_NUMBER_CHARS = 40
_EXACT = 10**15
_SHOWN_CELLS = 20


@dataclass(slots=True)
class Seen:
    """What was noticed on the way: a column → its first row and how many cells. `hidden`: likewise of rows that are."""

    phone_like: dict[int, tuple[int, int]] = field(default_factory=dict)
    rounded: dict[int, tuple[int, int]] = field(default_factory=dict)
    errors: dict[int, tuple[int, int]] = field(default_factory=dict)
    uncalculated: dict[int, tuple[int, int]] = field(default_factory=dict)
    hidden: tuple[int, int] = (0, 0)


def _note(seen: dict[int, tuple[int, int]], column: int, row: int) -> None:
    first, count = seen.get(column, (row, 0))
    seen[column] = first, count + 1


def read_rows(
    package: Package,
    part: str,
    strings: Strings,
    formats: Sequence[Shown],
    seen: Seen,
    *,
    commas: Collection[int] = (),
) -> Iterator[tuple[int, list[str]] | Damaged]:
    """Each row that has content, with its number in the sheet and cells up to its last with content.

    Of merged cells the first has the value. A row beyond the bounds of a text file's is `Damaged`. Numbers in the columns
    `commas` have a comma before their decimals.
    """
    reader = _Reader(strings, formats, seen, commas)
    for _ in package.parsed(part, reader.start, reader.end, reader.text):
        yield from reader.taken()
        if reader.ended:
            return


class _Reader:
    """The parser's handlers. They run for each cell, twice or thrice, so they do little."""

    def __init__(
        self, strings: Strings, formats: Sequence[Shown], seen: Seen, commas: Collection[int]
    ) -> None:
        self.ended = False
        self._strings = strings
        self._formats = formats
        self._seen = seen
        self._commas = commas
        self._rows: list[tuple[int, list[str]] | Damaged] = []
        self._columns: dict[str, int] = {}
        self._row = 0
        self._column = -1
        self._cells: list[str] = []
        self._size = self._total = 0
        self._fault: tuple[str, str, int | None] | None = None
        self._type = self._style = ""
        self._taking = self._formula = self._hidden = False
        self._pieces: list[str] = []
        self._length = 0

    def taken(self) -> list[tuple[int, list[str]] | Damaged]:
        """The rows found since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._column = self._column_of(attributes.get("r", ""))
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "")
            self._formula = False
            self._length = 0
        elif name in {"v", "t"}:
            self._taking = True
        elif name == "f":
            self._formula = True
        elif name == "row":
            number = attributes.get("r", "")
            if len(number) > 9 or (number and not (number.isascii() and number.isdigit())):
                raise damaged()
            self._row = int(number) if number else self._row + 1
            self._hidden = attributes.get("hidden") in {"1", "true"}
            self._column = -1
            self._cells = []
            self._size = 0
            self._fault = None
        elif name == "rPh":
            self._type = "phonetic"

    def text(self, data: str) -> None:
        if self._taking and self._type != "phonetic" and self._length <= CELL_CHARS:
            self._length += len(data)
            self._pieces.append(data)

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._taking = False
        elif name == "c":
            if self._pieces:
                text = "".join(self._pieces)
                self._pieces.clear()
                self._place(self._shown(text))
            elif self._formula:
                _note(self._seen.uncalculated, self._column, self._row)
        elif name == "rPh":
            self._type = "inlineStr"
        elif name == "row":
            self._finish()
        elif name == "sheetData":
            self.ended = True

    def _column_of(self, reference: str) -> int:
        """Column from 0 of a reference like "AB12"; without one the cell follows its neighbour."""
        letters = reference.rstrip(_DIGITS)
        if not letters:
            return self._column + 1
        column = self._columns.get(letters)
        if column is None:
            if len(letters) > 3 or letters.strip(_LETTERS):
                raise damaged()
            column = 0
            for letter in letters:
                column = 26 * column + ord(letter) - 64
            column -= 1
            self._columns[letters] = column
        return column

    def _shown(self, text: str) -> str:
        match self._type:
            case "n":
                return self._number(text)
            case "s":
                if not text.strip().isdecimal() or len(text) > 12:
                    raise damaged()
                return self._strings[int(text)]
            case "b":
                return "TRUE" if text.strip() in {"1", "true"} else "FALSE"
            case "e":
                _note(self._seen.errors, self._column, self._row)
                return text
            case "d":
                return text.strip().removesuffix("T00:00:00").removesuffix("T00:00:00Z")
            case _:
                return unescaped(text)

    def _number(self, text: str) -> str:
        style = self._style
        known = style.isdecimal() and len(style) < 10 and int(style) < len(self._formats)
        show = self._formats[int(style)] if known else general
        if show is general and len(text) < 7 and text.isdigit():
            return text
        try:
            value = float(text) if len(text) <= _NUMBER_CHARS else float("nan")
        except ValueError:
            return text
        if not -1e300 < value < 1e300:
            return text
        shown = show(value)
        if shown.isdigit():
            if len(shown) in _PHONE_DIGITS:
                _note(self._seen.phone_like, self._column, self._row)
            if value >= _EXACT:
                _note(self._seen.rounded, self._column, self._row)
        return shown.replace(".", ",") if self._column in self._commas else shown

    def _place(self, shown: str) -> None:
        if not shown or self._fault:
            return
        cells = self._cells
        column = self._column
        self._size += len(shown)
        if column >= COLUMNS:
            self._fault = (*TOO_MANY_COLUMNS, None)
        elif len(shown) > CELL_CHARS:
            self._fault = (*CELL_TOO_LONG, column)
        elif self._size > ROW_CHARS:
            self._fault = (*ROW_TOO_LONG, None)
        elif column == len(cells):
            cells.append(shown)
        else:
            if column > len(cells):
                cells.extend([""] * (column - len(cells) + 1))
            cells[column] = shown

    def _finish(self) -> None:
        self._total += self._size
        if self._total > TEXT_CHARS:
            raise too_large()
        if self._hidden and self._cells:
            first, count = self._seen.hidden
            self._seen.hidden = first or self._row, count + 1
        if self._fault:
            code, message, column = self._fault
            cells = [cell[:CELL_CHARS] for cell in self._cells[:_SHOWN_CELLS]]
            self._rows.append(Damaged(self._row, cells, code, message, column))
        elif self._cells:
            self._rows.append((self._row, self._cells))

"""Where one record ends and the next begins: `cut` and `read_chunk`, and the one definition that both follow.

A physical line ends with LF, CR LF or a lone CR. A record is one physical line, or several where a quoted cell
holds line breaks. A blank line between records is no row, but it has a number.

One stray quote must not swallow the rows after it, so a record of several lines has to prove itself: every quote
in it closes before a delimiter or a line's end, it has as many columns as the file, and it stays within the
bounds below. Otherwise its first line alone is refused (`unbalanced_quote`), and reading goes on at the next
line. A record of one line is read leniently, as spreadsheets do; whether its columns are right is for mapping.

Both functions ask `Lexer`, and a chunk begins and ends between records: what `cut` counts is what `read_chunk`
yields. A chunk may end inside the text that a stray quote would have swallowed; that quote is then refused
because the data ends, as it was refused for another reason by `cut`.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from contactsync.core.parsing.dialect import Dialect
from contactsync.errors import UnreadableFile

LINE_BYTES = 1 << 20
"""The longest physical line. The file is refused beyond it, so that one line cannot fill a worker's memory."""
CELL_CHARS = 131_072
"""The longest cell: the csv module's own default. It also bounds what one stray quote makes us read twice."""
RECORD_CHARS = 1 << 20
"""The longest record of several lines: more can only be a quote that is never closed."""
COLUMNS = 1_000
"""The most columns of a row: fifteen times the widest address book export that we know."""
ROWS = 10_000_000
"""The most rows of a file: ten times the largest import that the service is sized for."""
REREAD_BYTES = 64 << 20
REREAD_SHARE = 2
"""Text read again after stray quotes may come to 64 MiB and twice what was read. Ordinary damage stays far
below: a stray quote is noticed at the next quote. Only a file made for it needs more, and it is refused."""
CHUNK_BYTES = 8 << 20
CHUNK_ROWS = 25_000
"""A chunk is what one worker maps at a time: some seconds of work and tens of megabytes of memory."""
_WINDOW_BYTES = 256 << 10
_BOM = b"\xef\xbb\xbf"
_ENDS = "\r\n"
_NEVER = "\n\n"
"""Stands for a quote or an escape that the dialect lacks: it cannot occur within one physical line."""
_SUSPECT = re.compile("[\0\udc80-\udcff]")
"""NUL, and what a byte that is no UTF-8 becomes under surrogateescape."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` bytes from `offset` of the UTF-8 object: whole records, `rows` of them.

    `first_line` is the number, from 1, of the physical line that begins at `offset`.
    """

    offset: int
    length: int
    first_line: int
    rows: int


class Fault(NamedTuple):
    """Why a record cannot be read. The message holds nothing of the record."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that could not be read: what stood on its line, and why.

    `cells` are the line split at its delimiters, quotes left where they are, so that it can be corrected.
    `column` counts from 0; None where the whole line is meant.
    """

    line: int
    cells: list[str]
    code: str
    message: str
    column: int | None = None


UNBALANCED = Fault(
    "unbalanced_quote",
    "A quotation mark on this line is not closed where its cell ends. Close it, or double it where it is text.",
)
CELL_TOO_LONG = Fault("cell_too_long", f"A cell has more than {CELL_CHARS:,} characters. Shorten it.")
TOO_MANY_COLUMNS = Fault("too_many_columns", f"The row has more than {COLUMNS:,} columns. Remove the rest.")


class Lexer:
    """The definition of a record. Lines are physical lines with their line ends; text may hold surrogateescapes."""

    def __init__(self, dialect: Dialect) -> None:
        self.quote = dialect.quote or _NEVER
        self.escape = dialect.escape or _NEVER
        self.reread = 0
        """Characters read in vain so far, behind quotes that turned out to be stray."""
        self._dialect = dialect
        self._between = f"{dialect.quote}{dialect.delimiter}{dialect.quote}"
        self._use(dialect.delimiter if len(dialect.delimiter) == 1 else "\x1f")

    def plain(self, body: str) -> list[str]:
        """Cells of a line, without its end, that holds neither quote nor escape."""
        cells = body.split(self._dialect.delimiter)
        return [cell.lstrip(" ") for cell in cells] if self._dialect.skip_spaces else cells

    def line(self, line: str) -> list[str] | Fault | None:
        """Cells of a record that ends with its first line; None if a quote is still open there."""
        if self.escape not in line and (cells := self._all_quoted(line)):
            return cells
        self._line.append(self._substitute(line))
        try:
            cells = next(self._reader)
        except IndexError:  # the reader asked for a second line
            return None
        except csv.Error:  # lenient as it is, the reader minds nothing but the length of a cell
            self._line.clear()
            return CELL_TOO_LONG
        return self._restore(cells)

    def lines(self, lines: Iterator[str], width: int | None, *, final: bool) -> tuple[int, list[str] | Fault]:
        """How many lines the record takes, and its cells; for a stray quote its first line and the fault.

        `width` None accepts any number of columns. Without `final`, 0 lines say that more are needed to tell.
        """
        taken: list[str] = []
        ended = False

        def feed() -> Iterator[str]:
            nonlocal ended
            chars = 0
            for line in lines:
                chars += len(line)
                if chars > RECORD_CHARS:
                    raise csv.Error
                taken.append(line)
                yield self._substitute(line)
            ended = True

        try:
            cells = next(self._csv(feed(), strict=True))
        except (csv.Error, StopIteration):
            if ended and not final:
                return 0, UNBALANCED
        else:
            cells = self._restore(cells)
            if width in {None, len(cells)} and all(len(cell) <= CELL_CHARS for cell in cells):
                return len(taken), cells
        self.reread += sum(map(len, taken))
        return 1, UNBALANCED

    def _all_quoted(self, line: str) -> list[str] | None:
        """Cells of a line in which every cell is quoted and holds no quote, at the price of a split.

        Exact: besides the outer two, every quote closes a cell, is followed by a delimiter and the next opening.
        """
        quote = self.quote
        body = line.rstrip(_ENDS)
        if body[0] == quote == body[-1]:
            cells = body[1:-1].split(self._between)
            if body.count(quote) == 2 * len(cells):
                return cells
        return None

    def _use(self, delimiter: str) -> None:
        """Let `delimiter` stand for the dialect's, of which the csv module takes one character only."""
        self._stand_in = delimiter
        self._line: list[str] = []
        self._reader = self._csv(iter(self._line.pop, None), strict=False)

    def _csv(self, lines: Iterable[str | None], *, strict: bool) -> Iterator[list[str]]:
        dialect = self._dialect
        return csv.reader(
            lines,  # type: ignore[arg-type]  # never None: the sentinel of iter() is a formality
            delimiter=self._stand_in,
            quotechar=dialect.quote or None,
            escapechar=dialect.escape,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            skipinitialspace=dialect.skip_spaces,
            strict=strict,
        )

    def _substitute(self, line: str) -> str:
        raise NotImplementedError

    def _restore(self, cells: list[str]) -> list[str]:
        raise NotImplementedError

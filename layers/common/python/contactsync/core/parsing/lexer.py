"""Where one record ends and the next begins: the one definition that `cut`, `read_chunk` and `detect` follow.

A physical line ends with LF, CR LF or a lone CR. A record is one physical line, or several where a quoted cell
holds line breaks. A blank line between records is no row, but it has a number.

One stray quote must not swallow the rows after it, so a record of several lines has to prove itself: every quote
in it opens or closes a cell or is doubled, and it stays within the bounds below. Its quotes then are even in
number, which a stray one and the sound rows after it never are together. Nor may its further lines look like rows
(`Lexer._swallows`): two stray quotes are even, too. Otherwise its first line alone is refused
(`unbalanced_quote`), and reading goes on at the next line. A record of one line is read leniently, as spreadsheets
do; whether its columns are right is for mapping.

No file makes this slow. A line that can open a record of several has an odd number of quotes; one that goes on
inside it has an even number. So looking ahead ends, at the latest, where the next such line begins: every line is
looked at ahead once, whatever the quotes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from contactsync.core.parsing.dialect import Dialect

CELL_CHARS = 131_072
"""The longest cell: the csv module's own default. It also bounds how far a stray quote makes us look ahead."""
RECORD_CHARS = 1 << 20
"""The longest record of several lines: more can only be a quote that is never closed."""
TELLING_COLUMNS = 5
"""From so many columns on, lines within a quoted cell that have as many are rows rather than prose."""
ENDS = "\r\n"
NEVER = "\ud801"
"""Stands for a quote or an escape that the dialect lacks: UTF-8 cannot hold it."""
_STAND_IN = "\ud800"
"""Stands for a delimiter of several characters, as the csv module takes one only: nor can it hold this."""


class CsvReader(Protocol):
    """What csv.reader returns; its own class has no public name before Python 3.13."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class Fault(NamedTuple):
    """Why a record cannot be read. The message holds nothing of the record."""

    code: str
    message: str


UNBALANCED = Fault(
    "unbalanced_quote",
    "A quotation mark on this line is not closed where its cell ends. Close it, or double it where it is text.",
)
CELL_TOO_LONG = Fault("cell_too_long", f"A cell has more than {CELL_CHARS:,} characters. Shorten it.")


class Lexer:
    """Physical lines, with their line ends, to records. The text may hold surrogateescapes."""

    def __init__(self, dialect: Dialect) -> None:
        self.quote = dialect.quote or NEVER
        self.escape = dialect.escape or NEVER
        self._delimiter = dialect.delimiter
        self._spaces = dialect.skip_spaces
        self._between = f"{dialect.quote}{dialect.delimiter}{dialect.quote}"
        self.several = len(dialect.delimiter) > 1
        self._opens, self._stays, self._closes, self._whole = _grammar(dialect)
        self._dialect = dialect
        self._lines: list[str] = []
        self._reader = self.reader(self._lines)

    def reader(self, lines: list[str]) -> CsvReader:
        """The csv module's reader of lines that it takes from the end of a list; an empty one ends it."""
        dialect = self._dialect
        return csv.reader(
            iter(lines.pop, ""),
            delimiter=_STAND_IN if self.several else dialect.delimiter,
            quotechar=dialect.quote or None,
            escapechar=dialect.escape,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            skipinitialspace=dialect.skip_spaces,
        )

    def shown(self, lines: list[str]) -> list[str]:
        """Lines as `reader` must be given them, which takes one character only for a delimiter."""
        return [line.replace(self._delimiter, _STAND_IN) for line in lines] if self.several else lines

    def restored(self, cells: list[str]) -> list[str]:
        """Cells that `reader` found: within quotes, what `shown` replaced was text."""
        return [cell.replace(_STAND_IN, self._delimiter) for cell in cells] if self.several else cells

    def record(self, lines: Sequence[str], at: int, width: int) -> tuple[int, list[str] | Fault]:
        """How many lines the record at `at` takes, and its cells: none for a blank line."""
        line = lines[at]
        if line[0] in ENDS:
            return 1, []
        if self.quote not in line and self.escape not in line:
            return 1, self.plain(line.rstrip(ENDS))
        if (cells := self.line(line)) is not None:
            return 1, cells
        return self.lines((lines[index] for index in range(at, len(lines))), width, final=True)

    def plain(self, body: str) -> list[str]:
        """Cells of a line, without its end, that holds neither quote nor escape."""
        cells = body.split(self._delimiter)
        return [cell.lstrip(" ") for cell in cells] if self._spaces else cells

    def line(self, line: str) -> list[str] | Fault | None:
        """Cells of a record of one line that holds a quote or an escape; None if it may go on with the next."""
        if self.escape not in line:
            body = line.rstrip(ENDS)
            quotes = body.count(self.quote)
            if body[0] == self.quote:
                # Every cell quoted and without quotes of its own: besides the outer two, each quote closes a cell
                # and is followed by a delimiter and the next opening. Exact, at the price of a split.
                cells = body[1:-1].split(self._between)
                if quotes == 2 * len(cells) and body[-1] == self.quote:
                    return cells
            if quotes % 2 == 0:
                return self._read([line])
        return None if self._opens.fullmatch(line) else self._read([line])

    def lines(self, lines: Iterator[str], width: int | None, *, final: bool) -> tuple[int, list[str] | Fault]:
        """How many lines the record takes for whose first line `line` said None, and its cells.

        For a stray quote: its first line and the fault. `width` is what rows should have, None if that is not
        known. Without `final`, 0 lines say that it takes more of them to tell.
        """
        taken = [next(lines)]
        chars = bare = len(taken[0])
        for line in lines:
            taken.append(line)
            chars += len(line)
            bare += len(line)
            if chars > RECORD_CHARS or bare > CELL_CHARS + len(taken[0]):
                break
            if self.quote not in line:
                continue
            bare = 0
            if self._closes.fullmatch(line):
                cells = self._read(taken)
                if isinstance(cells, Fault) or not self._swallows(taken, cells, width):
                    return len(taken), cells
                break
            if not self._stays.fullmatch(line):
                break
        else:
            if not final:
                return 0, UNBALANCED
        return 1, UNBALANCED

    def is_evident(self, lines: list[str], width: int) -> bool:
        """Whether `record` would certainly take these lines together: what it costs least to know."""
        text = "".join(lines)
        if len(text) > CELL_CHARS or not (self._is_one_note(text, lines) or self._whole.fullmatch(text)):
            return False
        return max([line.count(self._delimiter) for line in lines[1:]]) < max(1, width - 1)

    def _is_one_note(self, text: str, lines: list[str]) -> bool:
        """Whether there are two quotes alone, around a cell that begins on the first line and ends on the last.

        Most records of several lines are so: a fifth of what the grammar takes.
        """
        if text.count(self.quote) != 2 or self.escape in text:
            return False
        opens, closes = text.index(self.quote), text.rindex(self.quote)
        return (
            opens < len(lines[0])
            and closes >= len(text) - len(lines[-1])
            and (opens == 0 or text.endswith(self._delimiter, 0, opens))
            and (text.startswith((self._delimiter, *ENDS), closes + 1) or closes + 1 == len(text))
        )

    def _swallows(self, lines: list[str], cells: list[str], width: int | None) -> bool:
        """Whether a record of these lines has taken rows for the text of a cell.

        One line that is a row by itself tells, if the record has not `width` columns either. If it has, half of
        the lines must be rows, of a width that the commas of a note do not reach by chance. What stands on its
        last line besides the end of a first cell is as wide as a row however that cell reads, so that line tells
        only if the first one has a row's delimiters as well.
        """
        if width is None:
            return False
        enough = max(1, width - 1)
        rows = sum(
            len(self._alone(line)) == width for line in lines[1:] if line.count(self._delimiter) >= enough
        )
        if len(cells) != width:
            return rows > 0
        if lines[0].count(self._delimiter) < enough:
            rows -= len(self._alone(lines[-1])) == width
        return width >= TELLING_COLUMNS and 2 * rows >= len(lines)

    def _alone(self, line: str) -> list[str]:
        """The line's cells, were it a record; none if it could not be."""
        if self.quote not in line and self.escape not in line:
            return self.plain(line.rstrip(ENDS))
        cells = self.line(line)
        return cells if isinstance(cells, list) else []

    def _read(self, lines: list[str]) -> list[str] | Fault:
        """The cells of a record of these lines, as the csv module has them."""
        self._lines[:] = self.shown(lines)[::-1]
        try:
            return self.restored(next(self._reader))
        except IndexError:  # it asks for one line more
            return UNBALANCED
        except csv.Error:  # lenient as it is, it minds nothing but the length of a cell
            return CELL_TOO_LONG


def _grammar(dialect: Dialect) -> Iterator[re.Pattern[str]]:
    """RFC 4180's grammar in this dialect, for lines with their ends; each in linear time.

    A line outside quotes that leaves one open; one inside quotes that leaves one open; one inside quotes that
    closes it and the record; a whole record.
    """
    quote, escape, delimiter = (
        re.escape(mark or NEVER) for mark in (dialect.quote, dialect.escape, dialect.delimiter)
    )
    besides, in_text, in_bare = "", "", ""
    if dialect.escape:
        # a line end escaped outside quotes ends the row all the same: only quotes hold lines together
        besides, in_text, in_bare = escape, rf"|{escape}[\s\S]", rf"|{escape}[^\r\n]"
    text = rf"[^{quote}{besides}]*+(?:(?:{quote}{quote}{in_text})[^{quote}{besides}]*+)*+"
    if len(dialect.delimiter) == 1:
        bare = rf"(?:[^{quote}{delimiter}{besides}\r\n]++{in_bare})*+"
    else:
        bare = rf"(?:(?!{delimiter})[^{quote}{besides}\r\n]{in_bare})*+"
    spaces = " *+" if dialect.skip_spaces else ""
    cell = rf"{spaces}(?:{quote}{text}{quote}|{bare})"
    left = rf"(?:{cell}{delimiter})*+{spaces}{quote}{text}"
    end = r"(?:\r\n|\n|\r)?+"
    yield re.compile(left)
    yield re.compile(rf"{text}(?:{quote}{delimiter}{left})?+")
    yield re.compile(rf"{text}{quote}(?:{delimiter}{cell})*+{end}")
    yield re.compile(rf"{cell}(?:{delimiter}{cell})*+{end}")

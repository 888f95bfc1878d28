"""Where one record ends and the next begins: `cut` and `read_chunk`, and the one definition that both follow.

A physical line ends with LF, CR LF or a lone CR. A record is one physical line, or several where a quoted cell
holds line breaks. A blank line between records is no row, but it has a number.

One stray quote must not swallow the rows after it, so a record of several lines has to prove itself: every quote
in it opens or closes a cell or is doubled, it has as many columns as the file, and it stays within the bounds
below. Its quotes then are even in number, which a stray one and the sound rows after it never are together. Otherwise its first line alone is refused (`unbalanced_quote`), and reading goes on at the next
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
_NEVER = "\n\r"
"""Stands for a quote or an escape that the dialect lacks: it cannot occur within one physical line."""
_STAND_IN = "\ud800"
"""Stands for a delimiter of several characters, as the csv module takes one only: UTF-8 cannot hold it."""
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
        self._sound = _grammar(dialect)
        self._several = len(dialect.delimiter) > 1
        self._line: list[str] = []
        self._reader = self._csv(iter(self._line.pop, ""), strict=False)

    def plain(self, body: str) -> list[str]:
        """Cells of a line, without its end, that holds neither quote nor escape."""
        cells = body.split(self._dialect.delimiter)
        return [cell.lstrip(" ") for cell in cells] if self._dialect.skip_spaces else cells

    def line(self, line: str) -> list[str] | Fault | None:
        """Cells of a record that ends with its first line; None if a quote is still open there."""
        if self.escape not in line and (cells := self._all_quoted(line)):
            return cells
        self._line.append(self._shown(line))
        try:
            cells = next(self._reader)
        except IndexError:  # the reader asked for a second line
            return None
        except csv.Error:  # lenient as it is, the reader minds nothing but the length of a cell
            return CELL_TOO_LONG
        return self._restored(cells)

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
                yield self._shown(line)
            ended = True

        try:
            cells = next(self._csv(feed(), strict=True))
        except (csv.Error, StopIteration):
            if ended and not final:
                return 0, UNBALANCED
        else:
            cells = self._restored(cells)
            fits = width in {None, len(cells)} and all(len(cell) <= CELL_CHARS for cell in cells)
            if fits and self._sound.fullmatch("".join(taken).rstrip(_ENDS)):
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

    def _csv(self, lines: Iterable[str], *, strict: bool) -> Iterator[list[str]]:
        dialect = self._dialect
        return csv.reader(
            lines,
            delimiter=_STAND_IN if self._several else dialect.delimiter,
            quotechar=dialect.quote or None,
            escapechar=dialect.escape,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            skipinitialspace=dialect.skip_spaces,
            strict=strict,
        )

    def _shown(self, line: str) -> str:
        """The line as the csv module must see it."""
        return line.replace(self._dialect.delimiter, _STAND_IN) if self._several else line

    def _restored(self, cells: list[str]) -> list[str]:
        """Cells as they were: a quoted one may hold what stood for the delimiter."""
        return (
            [cell.replace(_STAND_IN, self._dialect.delimiter) for cell in cells] if self._several else cells
        )


def _grammar(dialect: Dialect) -> re.Pattern[str]:
    """A record in which no quote stands in the middle of a cell: RFC 4180's, in this dialect. Linear time."""
    quote, escape, delimiter = (
        re.escape(mark or "") for mark in (dialect.quote, dialect.escape, dialect.delimiter)
    )
    escaped = rf"{escape}[\s\S]|" if escape else ""
    bare = rf"(?:{escaped}(?!{delimiter})[^{quote}{escape}\r\n])*+"
    quoted = rf"{quote}(?:{escaped}{quote}{quote}|[^{quote}{escape}])*+{quote}"
    spaces = " *+" if dialect.skip_spaces else ""
    cell = rf"{spaces}(?:{quoted}|{bare})" if quote else bare
    return re.compile(rf"{cell}(?:{delimiter}{cell})*+")


def cut(
    blocks: Iterable[bytes],
    dialect: Dialect,
    *,
    width: int,
    target_bytes: int = CHUNK_BYTES,
    target_rows: int = CHUNK_ROWS,
) -> Iterator[Chunk]:
    """Chunks of a UTF-8 object, in order, without its byte-order mark, preamble and header.

    One pass with bounded memory: some windows of text, whatever the length of a line or of a block. No chunk has
    more than `target_rows` rows, nor more than `target_bytes` unless one record does.

    Raises UnreadableFile, naming the line: `line_too_long`, `too_many_rows`, `too_many_unbalanced_quotes`.
    """
    cutter = _Cutter(dialect, width, target_bytes, target_rows)
    source = _slices(blocks)
    pending = b""
    final = False
    while not final:
        # at least as much again as is undecided, so that what is read twice stays proportional
        wanted = max(_WINDOW_BYTES, len(pending))
        fresh = []
        while wanted > 0 and not final:
            fresh.append(next(source, b""))
            wanted -= len(fresh[-1])
            final = not fresh[-1]
        pending += b"".join(fresh)
        pending = pending[(yield from cutter.advance(pending, final=final)) :]
    yield from cutter.close()


def _slices(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _WINDOW_BYTES):
            yield block[start : start + _WINDOW_BYTES]


class _Cutter:
    """Where `cut` has come to: the chunk being filled, and the number of its next line."""

    def __init__(self, dialect: Dialect, width: int, target_bytes: int, target_rows: int) -> None:
        self.lexer = Lexer(dialect)
        self.quote = self.lexer.quote.encode()
        self.escape = self.lexer.escape.encode()
        self.width = width
        self.target_bytes = target_bytes
        self.target_rows = target_rows
        self.skip_rows = dialect.skip_rows
        self.header = dialect.has_header
        self.begun = False
        self.offset = self.length = self.rows = self.total = 0
        self.line = self.first_line = 1

    def advance(self, window: bytes, *, final: bool) -> Generator[Chunk, None, int]:
        """Take whole records from the window; returns how many bytes they are. The rest is undecided."""
        taken = 0
        if not self.begun:
            self.begun = True
            self.offset = taken = len(_BOM) if window.startswith(_BOM) else 0
        elif plain := self._plain_rows(window):
            taken, rows, lines = plain
            self.length += taken
            self.rows += rows
            self.line += lines
        for size, lines, row in self._records(window[taken:], final=final):
            taken += size
            if self.skip_rows or (self.header and row):
                self._leave_out(size, lines, row=row)
                continue
            if self.length + size > self.target_bytes or self.rows + row > self.target_rows:
                yield from self.close()
            self.length += size
            self.rows += row
            self.line += lines
        return taken

    def close(self) -> Iterator[Chunk]:
        """The chunk at hand, unless it holds blank lines only; the next one begins after it."""
        self.total += self.rows
        if self.total > ROWS:
            raise UnreadableFile(
                "too_many_rows",
                f"The file has more than {ROWS:,} rows.",
                f"Split it into several files; line {self.first_line:,} could begin the next.",
            )
        if self.rows:
            yield Chunk(self.offset, self.length, self.first_line, self.rows)
        self.offset += self.length
        self.length = self.rows = 0
        self.first_line = self.line

    def _leave_out(self, size: int, lines: int, *, row: bool) -> None:
        """Step over a line of the preamble, or over the header."""
        if self.skip_rows:
            self.skip_rows -= 1
        else:
            self.header = not row
        self.offset += self.length + size
        self.length = 0
        self.line += lines
        self.first_line = self.line

    def _plain_rows(self, window: bytes) -> tuple[int, int, int] | None:
        """Bytes, rows and lines up to the last line end, where counting line ends is enough to know them."""
        if (
            self.skip_rows
            or self.header
            or len(window) > LINE_BYTES
            or self.quote in window
            or self.escape in window
        ):
            return None
        end = window.rfind(b"\n") + 1
        rows = window.count(b"\n")
        if window.count(b"\r", 0, end) != window.count(b"\r\n", 0, end):
            return None
        if window.startswith((b"\n", b"\r\n")) or b"\n\n" in window or b"\n\r\n" in window:
            return None
        if self.length + end > self.target_bytes or self.rows + rows > self.target_rows:
            return None
        return end, rows, rows

    def _records(self, window: bytes, *, final: bool) -> Iterator[tuple[int, int, bool]]:
        """Bytes, lines, and whether it is a row, for each record and blank line that the window decides."""
        lines = window.splitlines(keepends=True)
        # a line without an end may go on, and a CR may be half of CR LF
        held = b"" if final or not lines or lines[-1].endswith(b"\n") else lines.pop()
        if len(window) > LINE_BYTES:
            self._refuse_long([*lines, held])
        quote, escape = self.quote, self.escape
        at = 0
        count = len(lines)
        while at < count:
            line = lines[at]
            if self.skip_rows or line[0] in b"\r\n":
                yield len(line), 1, False
            elif quote not in line and escape not in line:
                yield len(line), 1, True
            elif used := self._lex(lines, at, final=final):
                yield sum(map(len, islice(lines, at, at + used))), used, True
                at += used
                continue
            else:
                return
            at += 1

    def _lex(self, lines: list[bytes], at: int, *, final: bool) -> int:
        """How many lines the record at `at` takes; 0 if the window ends before that is certain."""
        cells = self.lexer.line(_text(lines[at]))
        if cells is not None:
            return 1
        ahead = (_text(lines[index]) for index in range(at, len(lines)))
        used, _ = self.lexer.lines(ahead, None if self.header else self.width, final=final)
        if self.lexer.reread > REREAD_BYTES + REREAD_SHARE * (self.offset + self.length):
            raise UnreadableFile(
                "too_many_unbalanced_quotes",
                f"Up to line {self.line:,} too many quotation marks are not closed.",
                "Check which character quotes text in this file, or export it again.",
            )
        return used

    def _refuse_long(self, lines: list[bytes]) -> None:
        for number, line in enumerate(lines, self.line):
            if len(line) > LINE_BYTES:
                raise UnreadableFile(
                    "line_too_long",
                    f"Line {number:,} is longer than 1 MiB.",
                    "A contacts file has one row a line: check the file's line ends and export it again.",
                )


def read_chunk(
    data: bytes, dialect: Dialect, *, width: int, first_line: int
) -> Iterator[tuple[int, list[str]] | Damaged]:
    """Each row of one chunk's bytes with the number of its first physical line.

    Yields exactly as many items as the chunk has rows. Cells are as they stand in the file, with the line breaks
    of quoted ones. A row that cannot be read is `Damaged`; those around it are not touched:

    - `unbalanced_quote`: see the top of this module.
    - `cell_too_long`, `too_many_columns`: beyond the bounds above.
    - `not_in_encoding`: a byte that the file's encoding does not have; its cell is named.
    - `nul_character`: text does not hold NUL; what follows it is often cut off by whoever reads it next.
    """
    try:
        text = data.decode()
        suspect = "\0" in text
    except UnicodeDecodeError:
        text = _text(data)
        suspect = True
    lines = io.StringIO(text, newline="").readlines()
    lexer = Lexer(dialect)
    quote, escape, plain = lexer.quote, lexer.escape, lexer.plain
    numbered = enumerate(lines)
    for at, line in numbered:
        cells: list[str] | Fault
        if quote not in line and escape not in line:
            body = line.rstrip(_ENDS)
            if not body:
                continue
            cells = plain(body)
        elif (lexed := lexer.line(line)) is not None:
            cells = lexed
        else:
            used, cells = lexer.lines((lines[i] for i in range(at, len(lines))), width, final=True)
            deque(islice(numbered, used - 1), maxlen=0)
        if len(line) > CELL_CHARS or len(cells) > COLUMNS or suspect or isinstance(cells, Fault):
            yield _judged(cells, line, first_line + at, dialect)
        else:
            yield first_line + at, cells


def _judged(
    cells: list[str] | Fault, line: str, number: int, dialect: Dialect
) -> tuple[int, list[str]] | Damaged:
    """The row after the checks that few rows need."""
    column: int | None = None
    if isinstance(cells, Fault):
        fault = cells
        cells = line.rstrip(_ENDS).split(dialect.delimiter, COLUMNS)
    elif len(cells) > COLUMNS:
        fault = TOO_MANY_COLUMNS
    elif any(len(cell) > CELL_CHARS for cell in cells):
        fault = CELL_TOO_LONG
        column = next(index for index, cell in enumerate(cells) if len(cell) > CELL_CHARS)
    elif any(map(_SUSPECT.search, cells)):
        column, found = next((i, m[0]) for i, cell in enumerate(cells) if (m := _SUSPECT.search(cell)))
        fault = _suspicion(found, column, dialect)
    else:
        return number, cells
    return Damaged(number, [legible(cell) for cell in cells[:COLUMNS]], fault.code, fault.message, column)


def _suspicion(found: str, column: int, dialect: Dialect) -> Fault:
    if found == "\0":
        return Fault("nul_character", f"Column {column + 1} holds a NUL character. Remove it.")
    what = f"byte 0x{ord(found) - 0xDC00:02X}, which is" if dialect.is_utf8 else "bytes that are"
    remedy = "Correct the text, or say which encoding the file has."
    return Fault("not_in_encoding", f"Column {column + 1} holds {what} not {dialect.encoding}. {remedy}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def legible(cell: str) -> str:
    """The cell with a visible mark for what is no text, so that it can be stored and shown."""
    return _SUSPECT.sub("\ufffd", cell)

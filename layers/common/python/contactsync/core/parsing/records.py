"""`cut` divides a file into chunks between records; `read_chunk` yields one chunk's rows.

Both ask `lexer.Lexer` what a record is, and what `cut` counts is what `read_chunk` yields. A chunk may end inside
the text that a stray quote would have swallowed; that quote is then refused because the data ends, as it was
refused for another reason by `cut`.

`cut` need not read cells. Where a window of text has no quotes, or only quotes that open and close cells, line
ends are counted and nothing else is done; other windows are taken line by line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.lexer import CELL_CHARS, CELL_TOO_LONG, ENDS, Fault, Lexer
from contactsync.errors import UnreadableFile

LINE_BYTES = 1 << 20
"""The longest physical line. The file is refused beyond it, so that one line cannot fill a worker's memory."""
COLUMNS = 1_000
"""The most columns of a row: ten times the widest address book export that we know."""
ROWS = 10_000_000
"""The most rows of a file: ten times the largest import that the service is sized for."""
CHUNK_BYTES = 8 << 20
CHUNK_ROWS = 25_000
"""A chunk is what one worker maps at a time: some seconds of work and tens of megabytes of memory."""
TOO_MANY_COLUMNS = Fault("too_many_columns", f"The row has more than {COLUMNS:,} columns. Remove the rest.")
_MANY_QUOTES = 8
"""A line, from which on it pays to fold those between two cells before anything else."""
_WINDOW_BYTES = 64 << 10
"""What is counted at once: a few hundred to a few thousand rows, of the many that go into a chunk."""
_BOM = b"\xef\xbb\xbf"
# bytes that no UTF-8 has stand for
_INSIDE = b"\xff"  # a line end inside quotes
_NEXT_CELL = b"\xfe"  # a quote, the delimiter and a quote, inside quotes
_NEVER = b"\xfd"  # a quote or an escape that the dialect lacks
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

    Raises UnreadableFile, naming the line: `line_too_long`, `too_many_rows`.
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
        self.quote = dialect.quote.encode() or _NEVER
        self.escape = dialect.escape.encode() if dialect.escape else _NEVER
        self.delimiter = dialect.delimiter.encode()
        self.between = self.quote + self.delimiter + self.quote
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
        elif counted := self._countable(window):
            taken, rows, lines = counted
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

    def _countable(self, window: bytes) -> tuple[int, int, int] | None:
        """Bytes, rows and lines of the window's records, where counting line ends is enough to know them.

        It is where each quote opens a cell, closes one or is doubled, CRs stand before LFs, no line is blank, and
        no record of several lines seems to hold rows.
        """
        if self.skip_rows or self.header or len(window) > LINE_BYTES or len(self.delimiter) > 1:
            return None
        if self.escape in window or _INSIDE in window or _NEXT_CELL in window:
            return None
        folded = window
        if window.count(self.quote) > _MANY_QUOTES * window.count(b"\n"):
            folded = window.replace(self.between, _NEXT_CELL)
        parts = folded.split(self.quote)  # outside quotes, inside, outside, …
        if not self._sound(parts[::2]):
            return None
        parts[1::2] = [part.replace(b"\n", _INSIDE) if b"\n" in part else part for part in parts[1::2]]
        *records, tail = self.quote.join(parts).split(b"\n")
        end, rows = len(window) - self._length(tail), len(records)
        if self.length + end > self.target_bytes or self.rows + rows > self.target_rows:
            return None
        several = [record for record in records if _INSIDE in record]
        returns = sum([record[-1:] == b"\r" for record in records]) if b"\r" in window else 0
        returns += sum(record.count(b"\r" + _INSIDE) for record in several)
        if returns != window.count(b"\r", 0, end) or b"" in records or b"\r" in records:
            return None
        if any(map(self._may_swallow, several)):
            return None
        return end, rows, rows + sum(record.count(_INSIDE) for record in several)

    def _sound(self, outside: list[bytes]) -> bool:
        """Whether the text between quotes begins and ends where cells do; nothing between two is a doubled one."""
        before, after = (self.delimiter, b"\n"), (self.delimiter, b"\n", b"\r")
        return (
            not any(part and not part.endswith(before) for part in set(outside[:-1]))
            and not any(part and not part.startswith(after) for part in set(outside[1:]))
            and not any(_NEXT_CELL in part for part in set(outside))
        )

    def _may_swallow(self, record: bytes) -> bool:
        """Whether a record of several lines is one that `Lexer` must look at."""
        enough = max(1, self.width - 1)
        lines = record.replace(_NEXT_CELL, self.between).split(_INSIDE)
        return self._length(record) > CELL_CHARS or any(
            line.count(self.delimiter) >= enough for line in lines[1:]
        )

    def _length(self, folded: bytes) -> int:
        return len(folded) + (len(self.between) - 1) * folded.count(_NEXT_CELL)

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
                yield sum(map(len, lines[at : at + used])), used, True
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
    suspicious = b"\0" in data or csv.field_size_limit() != CELL_CHARS
    physical = data.splitlines(keepends=True)
    del data  # a text of it all would be four times as large, for one character beyond the usual ones
    try:
        lines = [line.decode() for line in physical]
    except UnicodeDecodeError:
        lines = [_text(line) for line in physical]
        suspicious = True
    del physical
    lexer = Lexer(dialect)
    shown = lexer.shown(lines)
    unusual = suspicious or lexer.several
    count = len(lines)
    pending = ["", *shown[::-1]]
    reader = lexer.reader(pending)
    begun = at = behind = 0
    while at < count:
        with suppress(csv.Error):  # a cell is too long, which the lexer finds as well
            for cells in reader:
                begun, at = at, behind + reader.line_num
                if (at - begun > 1 and not lexer.is_evident(lines[begun:at], width)) or at == count:
                    break
                if cells:
                    if unusual or len(cells) > COLUMNS:
                        yield _judged(lexer.restored(cells), lines[begun], first_line + begun, dialect)
                    else:
                        yield first_line + begun, cells
                begun = at
        # where the reader took several lines, or the data ended, the lexer decides about those lines
        at, ahead = begun, behind + reader.line_num
        while at < ahead:
            used, found = lexer.record(lines, at, width)
            if found:
                yield _judged(found, lines[at], first_line + at, dialect)
            at += used
        if at > ahead:
            del pending[ahead - at :]
        behind = at - reader.line_num
        begun = at


def _judged(
    cells: list[str] | Fault, line: str, number: int, dialect: Dialect
) -> tuple[int, list[str]] | Damaged:
    """The row after the checks that few rows need."""
    column: int | None = None
    if isinstance(cells, Fault):
        fault = cells
        cells = line.rstrip(ENDS).split(dialect.delimiter, COLUMNS)
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

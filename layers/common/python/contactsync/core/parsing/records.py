"""`cut` divides a file into chunks between records; `read_chunk` yields one chunk's rows.

Both ask `lexer.Lexer` what a record is, and what `cut` counts is what `read_chunk` yields. A chunk may end inside
the text that a stray quote would have swallowed; that quote is then refused because the data ends, as it was
refused for another reason by `cut`.

`cut` need not read cells. Where a window of text has no quotes, or only quotes that open and close cells, it is
divided at line ends and nothing else is done; other windows are taken line by line. Whoever wants something of all
rows can look at what `cut` passes (`Stretch`), so that the file is read once for both.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

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
_GLANCE_BYTES = 4 << 10
"""Of a window, from which its quotes are estimated."""
_WINDOW_BYTES = 64 << 10
"""What is counted at once: a few hundred to a few thousand rows, of the many that go into a chunk."""
_BOM = b"\xef\xbb\xbf"
# bytes that no UTF-8 has stand for
_INSIDE = b"\xff"  # a line end inside quotes
_NEXT_CELL = b"\xfe"  # a quote, the delimiter and a quote, inside quotes
_NEVER = b"\xfd"  # a quote or an escape that the dialect lacks
_TEXT = b"\xfc"  # a delimiter inside quotes
_DOUBLED = b"\xfb"  # two quotes that are one
_MARKS = (_INSIDE, _NEXT_CELL, _NEVER, _TEXT, _DOUBLED)
_CR = b"\r"[0]
_first, _last = itemgetter(0), itemgetter(-1)
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


END_MARK = b"\x1a"
"""The end of a file, as DOS and its kin have it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some whole records that `cut` passes, as `data`: `read_chunk` has of them what it has of their chunk.

    `records` are these one by one, where `cut` knows them without reading cells.
    """

    data: bytes
    dialect: Dialect
    width: int
    records: Sequence[bytes] | None = None

    def roughly(self, column: int) -> bytes | None:
        """The cells of one column, each on a line; None if `records` are not known.

        They are what `read_chunk` has, but for three things: those of damaged rows are among them, cells are not
        in the order of the rows, and a byte that is no text stands for each line feed in a cell.
        """
        if self.records is None:
            return None
        quote, delimiter = self.dialect.quote.encode() or _NEVER, self.dialect.delimiter.encode()
        usual, after = self.width - 1, self.width - column
        cells = [
            line.rsplit(delimiter, after)[-after] for line in self.records if line.count(delimiter) == usual
        ]
        if len(cells) < len(self.records):
            for line in self.records:
                if line.count(delimiter) != usual:
                    cells += line.split(delimiter, column + 1)[column : column + 1]
        text = b"\n".join(cells).replace(quote + quote, _DOUBLED).replace(quote, b"")
        return text.replace(_DOUBLED, quote).replace(_TEXT, delimiter)


class _Counted(NamedTuple):
    """What is known of a window's records where counting is enough: bytes, lines, and one by one."""

    size: int
    lines: int
    records: list[bytes]


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
    look: Callable[[Stretch], None] | None = None,
) -> Iterator[Chunk]:
    """Chunks of a UTF-8 object, in order, without its byte-order mark, preamble and header.

    One pass with bounded memory: some windows of text, whatever the length of a line or of a block. No chunk has
    more than `target_rows` rows, nor more than `target_bytes` unless one record does. `look` is shown every row of
    every chunk once, some windows at a time.

    Raises UnreadableFile, naming the line: `line_too_long`, `too_many_rows`.
    """
    cutter = _Cutter(dialect, width, target_bytes, target_rows, look)
    source = _slices(_without_mark(blocks))
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


def _without_mark(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Without what old systems write behind the last row, and which would be a row that breaks off."""
    held = b""
    for block in blocks:
        whole = held + block
        text = whole.rstrip(END_MARK)
        held = whole[len(text) :]
        if len(held) > LINE_BYTES:  # no end, but a line that is too long
            text, held = whole, b""
        yield text


def _slices(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _WINDOW_BYTES):
            yield block[start : start + _WINDOW_BYTES]


class _Cutter:
    """Where `cut` has come to: the chunk being filled, and the number of its next line."""

    def __init__(
        self,
        dialect: Dialect,
        width: int,
        target_bytes: int,
        target_rows: int,
        look: Callable[[Stretch], None] | None,
    ) -> None:
        self.dialect = dialect
        self.look = look
        self.lexer = Lexer(dialect)
        self.quote = dialect.quote.encode() or _NEVER
        self.escape = dialect.escape.encode() if dialect.escape else _NEVER
        self.delimiter = dialect.delimiter.encode()
        self.between = self.quote + self.delimiter + self.quote
        self.before_quotes = {*self.delimiter[:1], *b"\n"}
        self.after_quotes = {*self.delimiter[:1], *b"\r\n"}
        self.as_text = bytes.maketrans(b"\n" + self.delimiter[:1], _INSIDE + _TEXT)
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
        elif counted := self._counted(window):
            taken = counted.size
            self.length += taken
            self.rows += len(counted.records)
            self.line += counted.lines
            if self.look:
                self.look(Stretch(window[:taken], self.dialect, self.width, counted.records))
        begin = taken
        for size, lines, row in self._records(window[taken:], final=final):
            taken += size
            if self.skip_rows or (self.header and row):
                self._leave_out(size, lines, row=row)
                begin = taken
                continue
            if self.length + size > self.target_bytes or self.rows + row > self.target_rows:
                yield from self.close()
            self.length += size
            self.rows += row
            self.line += lines
        if self.look and taken > begin:
            self.look(Stretch(window[begin:taken], self.dialect, self.width))
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

    def _counted(self, window: bytes) -> _Counted | None:
        """The window's records, where its line ends are enough to know them.

        It is where each quote opens a cell, closes one or is doubled, CRs stand before LFs, no line is blank, and
        no record of several lines seems to hold rows.
        """
        if self.skip_rows or self.header or len(window) > CELL_CHARS or len(self.delimiter) > 1:
            return None
        if self.escape in window or any(mark in window for mark in _MARKS):
            return None
        folded = window
        glance = window[:_GLANCE_BYTES]
        if glance.count(self.quote) > _MANY_QUOTES * glance.count(b"\n"):
            folded = window.replace(self.between, _NEXT_CELL)
        parts = folded.split(self.quote)  # outside quotes, inside, outside, …
        if not self._sound(parts[::2]):
            return None
        if len(parts) > 1:
            inside = self.quote.join(parts[1::2])
            parts[1::2] = inside.translate(self.as_text).split(self.quote)
            folded = self.quote.join(parts)
        body, _, tail = folded.rpartition(b"\n")
        size = len(window) - len(tail) - (len(self.between) - 1) * tail.count(_NEXT_CELL)
        if _NEXT_CELL in body:
            body = body.replace(_NEXT_CELL, self.delimiter)
        records = body.split(b"\n") if size else []
        if self.length + size > self.target_bytes or self.rows + len(records) > self.target_rows:
            return None
        within = body.split(_INSIDE)
        if b"" in records or b"\r" in records or any(map(self._may_swallow, within[1:])):
            return None
        if b"\r" in window:
            ends = [*map(_last, records), *map(_last, filter(None, within[:-1]))]
            if ends.count(_CR) != window.count(b"\r", 0, size):
                return None
        return _Counted(size, len(records) + len(within) - 1, records)

    def _sound(self, outside: list[bytes]) -> bool:
        """Whether the text between quotes begins and ends where cells do; nothing between two is a doubled one."""
        ends = set(map(_last, filter(None, outside[:-1])))
        begins = set(map(_first, filter(None, outside[1:])))
        return (
            ends <= self.before_quotes
            and begins <= self.after_quotes
            and _NEXT_CELL not in self.quote.join(outside)
        )

    def _may_swallow(self, begun: bytes) -> bool:
        """Whether text that begins with a further line of a record makes it one that `Lexer` must look at."""
        line = begun.partition(b"\n")[0]
        return line.count(self.delimiter) + line.count(_TEXT) >= max(1, self.width - 1)

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
        cells = self.lexer.line(text_of(lines[at]))
        if cells is not None:
            return 1
        ahead = (text_of(lines[index]) for index in range(at, len(lines)))
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
        lines = [text_of(line) for line in physical]
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
                        yield judged(lexer.restored(cells), lines[begun], first_line + begun, dialect)
                    else:
                        yield first_line + begun, cells
                begun = at
        # where the reader took several lines, or the data ended, the lexer decides about those lines
        at, ahead = begun, behind + reader.line_num
        while at < ahead:
            used, found = lexer.record(lines, at, width)
            if found:
                yield judged(found, lines[at], first_line + at, dialect)
            at += used
        if at > ahead:
            del pending[ahead - at :]
        behind = at - reader.line_num
        begun = at


def judged(
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


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def legible(cell: str) -> str:
    """The cell with a visible mark for what is no text, so that it can be stored and shown."""
    return _SUSPECT.sub("\ufffd", cell)

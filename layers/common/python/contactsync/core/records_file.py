"""Rows of a source that is no delimited text, as one UTF-8 object of JSON lines.

A workbook or an address book must be read from its beginning. Parse does that once and writes what it finds, so
that the object can be cut between lines and mapped in parallel, as a text file is:

    [3, ["Ada", "ada@example.com"]]                     a row, and the number by which its owner knows it
    [9, ["BEGIN:VCARD…"], "card_not_closed", "…", null] a row that could not be read: code, message, column

Rows end where their last cell with content does; `read` makes them as wide as the widest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from contactsync.core.parsing import Chunk, Damaged
from contactsync.core.parsing.records import CHUNK_BYTES, CHUNK_ROWS


def encode(row: int, cells: Sequence[str]) -> bytes:
    """One row as one line."""
    return orjson.dumps([row, cells], option=orjson.OPT_APPEND_NEWLINE)


def encode_damaged(damaged: Damaged) -> bytes:
    """One row that could not be read, as one line."""
    fields = [damaged.line, damaged.cells, damaged.code, damaged.message, damaged.column]
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


class Recorder:
    """Rows → lines, and what is known of them once all are written."""

    def __init__(self) -> None:
        self.width = 0
        """Cells of the widest row: what `read` needs."""
        self.rows = 0

    def lines(self, rows: Iterable[tuple[int, Sequence[str]] | Damaged]) -> Iterator[bytes]:
        """One line a row, in their order."""
        for row in rows:
            self.rows += 1
            if isinstance(row, Damaged):
                yield encode_damaged(row)
            else:
                self.width = max(self.width, len(row[1]))
                yield encode(*row)


def cut(
    blocks: Iterable[bytes],
    *,
    leave_out: int = 0,
    target_bytes: int = CHUNK_BYTES,
    target_rows: int = CHUNK_ROWS,
) -> Iterator[Chunk]:
    """Chunks of the object, in order, without its first `leave_out` lines: the header.

    A chunk's `first_line` is the number of its first row. No chunk has more than `target_rows` rows, nor more
    than `target_bytes` unless one row does. Memory: a block and a line.
    """
    offset = length = rows = first = 0
    for line in _lines(blocks):
        if leave_out:
            leave_out -= 1
            offset += len(line)
            continue
        if rows and (rows == target_rows or length + len(line) > target_bytes):
            yield Chunk(offset, length, first, rows)
            offset += length
            length = rows = 0
        if not rows:
            first = int(line[1 : line.index(b",")])
        length += len(line)
        rows += 1
    if rows:
        yield Chunk(offset, length, first, rows)


def read(data: bytes, *, width: int = 0) -> Iterator[tuple[int, list[str]] | Damaged]:
    """A chunk's rows, with empty cells up to `width` where a row has fewer."""
    for line in data.splitlines():
        row, cells, *problem = orjson.loads(line)
        if problem:
            yield Damaged(row, cells, *problem)
        else:
            cells.extend([""] * (width - len(cells)))
            yield row, cells


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their line ends, whatever the blocks."""
    pending: list[bytes] = []
    for block in blocks:
        lines = block.splitlines(keepends=True)
        if pending and lines:
            lines[0] = b"".join([*pending, lines[0]])
            pending = []
        if lines and not lines[-1].endswith(b"\n"):
            pending = [lines.pop()]
        yield from lines
    if pending:
        yield b"".join(pending)

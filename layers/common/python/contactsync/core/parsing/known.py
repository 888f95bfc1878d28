"""Rows of a chunk of which many are known by their bytes, and need not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, overload

from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.lexer import Lexer
from contactsync.core.parsing.records import Damaged, judged, text_of

K = TypeVar("K")
Records = Mapping[bytes, tuple[list[bytes], K]]
"""Rows that were read once without a fault, by their first line: the lines that follow it, and what the row is known as."""


def read_unknown(
    lines: Sequence[bytes], dialect: Dialect, *, width: int, first_line: int, known: Records[K]
) -> Iterator[tuple[int, list[str] | K] | Damaged]:
    """As `read_chunk`, of its physical lines with their ends; but of records that are known it says as what.

    What a record is, where one may begin, its own lines decide: so one that was read before in this dialect and width
    is one again, whatever follows.
    """
    lexer = Lexer(dialect)
    texts = _Texts(lines)
    at = 0
    while at < len(lines):
        record = known.get(lines[at])
        if record is not None and (not record[0] or lines[at + 1 : at + 1 + len(record[0])] == record[0]):
            yield first_line + at, record[1]
            at += 1 + len(record[0])
            continue
        used, found = lexer.record(texts, at, width)
        if found:
            yield judged(found, texts[at], first_line + at, dialect)
        at += used


class _Texts(Sequence[str]):
    """Lines, decoded as they are asked for."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        """One line, or some."""
        return (
            text_of(self._lines[at]) if isinstance(at, int) else [text_of(line) for line in self._lines[at]]
        )

"""Rows of a chunk of which many were read before, know themselves by their bytes, and need not be read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from operator import eq
from typing import NamedTuple, overload

from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.lexer import Lexer
from contactsync.core.parsing.records import Damaged, judged, text_of


class Earlier(NamedTuple):
    """Physical lines that were read before in the same way, with their ends, from line `first_line` of their file on.

    `records` are those that were read without a fault and are to be known, by the line at which each begins: the line
    at which the next record does.
    """

    first_line: int
    lines: Sequence[bytes]
    records: Mapping[int, int]


class Again:
    """The rows of a chunk, given as its physical lines with their ends, beside what was read before.

    What a record is, where one may begin, its own lines decide: so one that was read before in this dialect and width
    is one again, whatever follows.
    """

    def __init__(self, lines: Sequence[bytes], first_line: int, earlier: Iterable[Earlier]) -> None:
        self._lines = lines
        self._first_line = first_line
        self._stays = bytearray(len(lines) + 1)  # by line, and none behind the last
        self.places: dict[int, int] = {}
        """By the line at which a known record began, the one at which it begins now; right when `unknown` has ended."""
        self._elsewhere: dict[bytes, tuple[int, Sequence[bytes]]] = {}
        for each in earlier:
            self._compare(each)

    def _compare(self, earlier: Earlier) -> None:
        """Find the records of one line that have stayed, all at once; the others are looked for by their first line."""
        first_line, lines, records = earlier
        begin = max(self._first_line, first_line)
        same = map(eq, lines[begin - first_line :], self._lines[begin - self._first_line :])
        for number in compress(count(begin), same):
            if records.get(number) == number + 1:
                self.places[number] = number
                self._stays[number - self._first_line] = True
        for number in records.keys() - self.places.keys():
            at = number - first_line
            self._elsewhere[lines[at]] = number, lines[at + 1 : records[number] - first_line]

    def known(self) -> int:
        """How many lines begin a known record, as far as can be told before `unknown` is read."""
        others = compress(self._lines, self._stays.translate(_NOT))
        return len(self.places) + sum(map(self._elsewhere.__contains__, others))

    def unknown(self, dialect: Dialect, width: int) -> Iterator[tuple[int, list[str]] | Damaged]:
        """As `read_chunk`, but for the rows that are known."""
        lexer, texts = Lexer(dialect), _Texts(self._lines)
        at = 0
        while (at := self._stays.index(False, at)) < len(self._lines):
            used = self._known(at)
            if not used:
                used, found = lexer.record(texts, at, width)
                if found:
                    yield judged(found, texts[at], self._first_line + at, dialect)
            for within in compress(range(at, at + used), self._stays[at : at + used]):  # it is a row no more
                self._stays[within] = False
                del self.places[self._first_line + within]
            at += used

    def _known(self, at: int) -> int:
        """How many lines the record at `at` takes if it is known by now; 0 if it is not."""
        line = self._lines[at]
        if line not in self._elsewhere:
            return 0
        number, rest = self._elsewhere[line]
        used = 1 + len(rest)
        if rest and self._lines[at + 1 : at + used] != rest:
            return 0
        del self._elsewhere[line]  # one row is known by one
        self.places[number] = self._first_line + at
        return used


_NOT = bytes([True, False]) + bytes(254)
"""Translates flags to their opposites."""


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

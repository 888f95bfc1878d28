"""Rows of a chunk of which many were read before: they are known by their bytes, and need not be read again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import compress
from operator import eq
from typing import NamedTuple, overload

from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.lexer import Lexer
from contactsync.core.parsing.records import Damaged, judged, text_of


class Earlier(NamedTuple):
    """Physical lines that were read before in the same way, with their ends, from line `first_line` of their file on.

    `begins` are the lines at which their records begin, each of which reaches as far as the next one. `unknown` are
    those that were not read without a fault, or are not to be known.
    """

    first_line: int
    lines: Sequence[bytes]
    begins: Set[int]
    unknown: Set[int]


class Again:
    """The rows of a chunk, given as its physical lines with their ends, beside what was read before.

    What a record is, where one may begin, its own lines decide: so one that was read before in this dialect and width
    is one again, whatever follows.
    """

    def __init__(self, lines: Sequence[bytes], first_line: int, earlier: Iterable[Earlier]) -> None:
        self._lines = lines
        self._first_line = first_line
        self._stays = bytearray(len(lines) + 1)
        """By line, whether it is one of a record that has stayed where it was; one more, for the end."""
        self.places: dict[int, int] = {}
        """By the line at which a known record began, the one at which it begins now; right when `unknown` has ended."""
        self._elsewhere: dict[bytes, tuple[int, Sequence[bytes]]] = {}
        for each in earlier:
            self._compare(each)

    def _compare(self, earlier: Earlier) -> None:
        """Find the records that have stayed, long runs of them at once; the others are looked for by their first line."""
        first_line, lines, begins_at, unknown = earlier
        shift = first_line - self._first_line
        numbers = range(first_line, first_line + len(lines))
        begins = bytes([*map(begins_at.__contains__, numbers), True])
        same, left = self._same(lines, shift), bytearray(begins)
        for number in unknown:
            same[number - first_line] = left[number - first_line] = False
        for begin, end in _whole_records(begins, same):
            stayed = [*compress(numbers[begin:end], begins[begin:end])]
            self.places.update(zip(stayed, stayed, strict=True))
            self._stays[begin + shift : end + shift] = b"\1" * (end - begin)
            left[begin:end] = bytes(end - begin)
        for at in compress(range(len(lines)), left):
            rest = lines[at + 1 : begins.index(True, at + 1)]
            self._elsewhere[lines[at]] = first_line + at, rest

    def _same(self, lines: Sequence[bytes], shift: int) -> bytearray:
        """By line, whether it stands here as well, `shift` lines further down in the chunk."""
        ahead = max(0, -shift)
        same = bytes(map(eq, lines[ahead:], self._lines[ahead + shift :]))
        return bytearray((bytes(ahead) + same).ljust(len(lines), b"\0"))

    def known(self) -> int:
        """How many lines begin a known record, as far as can be told before `unknown` is read."""
        others = compress(self._lines, self._stays.translate(_NOT))
        return len(self.places) + sum(map(self._elsewhere.__contains__, others))

    def knows_any(self, lines: slice) -> bool:
        """Whether any of these lines is of a known record, as far as can be told by then."""
        return any(self._stays[:-1][lines]) or any(map(self._elsewhere.__contains__, self._lines[lines]))

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
            self._take(at, at + used)
            at += used

    def _take(self, at: int, end: int) -> None:
        """These lines are one record's: those are none that began within it."""
        while at < end or (self._stays[at] and self._first_line + at not in self.places):
            if self._stays[at]:
                self._stays[at] = False
                self.places.pop(self._first_line + at, None)
            at += 1

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


def _whole_records(begins: bytes, same: bytearray) -> Iterator[tuple[int, int]]:
    """In each run of same lines, where the first record begins, and where the last one ends; `begins` tells of the end, too."""
    for run in _RUN.finditer(same):
        begin, end = (find(True, run.start(), run.end() + 1) for find in (begins.find, begins.rfind))
        if begin < end:
            yield begin, end


_RUN = re.compile(b"\1+")
_NOT = bytes([True, False]) + bytes(254)
"""Turns flags to their opposites."""


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

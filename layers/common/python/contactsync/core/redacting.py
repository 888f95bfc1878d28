"""Which bytes mention a person, and what stands in the place of a line that did. Pure.

A person is found by the ids of the slots that were theirs, and by their email addresses, which stand for somebody else
where they are a part of a longer one: arjan@example.com is not jan@example.com. A number is looked for only where
there is no address, because numbers are shared; a name never, because names are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson

from contactsync.core.reporting import csv_line

NOBODY = "0" * 32
"""Stands where an id stood."""
CODE = "erased"
REASON = "Erased."
TAIL = 8
"""So many last digits tell a number, however it is written."""
_BEGINS = (
    rb"(?:(?<![0-9a-z])(?<![0-9a-z][._+-])"  # a letter right before, or before a dot: the address is a longer one
    rb"|(?<=\\[bfnrt])|(?<=\\[bfnrt][._+-])"  # unless the letter is how JSON writes a line end
    rb"|(?<=\\u[0-9a-f]{4})|(?<=[%=][0-9a-f]{2}))"  # or any other escape does
)
_ENDS = rb"(?![0-9a-z]|[.-][0-9a-z])"
_BESIDE = 6
"""Bytes around an address that tell whether it is a whole one."""


class Person:
    """Finds somebody in bytes: as text, as JSON writes it, in capitals or not."""

    def __init__(self, ids: Iterable[str], texts: Iterable[str], numbers: Iterable[str] = ()) -> None:
        spelled = {
            way
            for text in texts
            for said in (text, text.lower(), text.upper(), text.casefold())
            for way in (said.encode(), orjson.dumps(said)[1:-1])
        }
        others = [re.escape(each.encode()) for each in sorted(ids)]
        for number in numbers:
            digits = re.sub(r"\D", "", number)[-TAIL:]
            others.append(rb"[\s().\-/]{0,2}".join(digit.encode() for digit in digits))
        ways = [re.escape(way) for way in sorted(spelled)]
        whole = [_BEGINS + b"(?:" + b"|".join(ways) + b")" + _ENDS] if ways else []
        self._anything = _searching(others + ways)
        self._person = _searching(others + whole)
        self.longest = max(map(len, others + ways), default=0) + 2 * _BESIDE
        """Bytes that may have to be seen together."""

    def is_in(self, data: bytes) -> bool:
        """Whether these bytes mention the person. At their very ends an address counts as a whole one."""
        found = self._anything(data)  # four times as fast, and finds nothing in most
        return found is not None and self._person(data, found.start()) is not None


def _searching(patterns: Sequence[bytes]) -> Callable[..., re.Match[bytes] | None]:
    return re.compile(b"|".join(patterns), re.IGNORECASE).search


def decisions_without(lines: Iterable[bytes], person: Person) -> Iterator[tuple[bytes, bool]]:
    """Lines of a plan, and whether they had to be replaced, by one of the same length that says nothing."""
    for line in lines:
        if not person.is_in(line):
            yield line, False
            continue
        _, first, *rest = orjson.loads(line)
        row = rest[0] if isinstance(first, str) and rest and isinstance(rest[0], int) else 0
        yield _as_long(orjson.dumps(["skip", NOBODY, row, CODE, REASON]), line), True


def refusals_without(lines: Iterable[bytes], person: Person) -> Iterator[tuple[bytes, bool]]:
    """Refused rows likewise."""
    for line in lines:
        if not person.is_in(line):
            yield line, False
            continue
        row = orjson.loads(line)[0]
        yield _as_long(orjson.dumps([row, [], [[None, None, CODE, REASON]]]), line), True


def report_without(lines: Iterable[str], person: Person) -> Iterator[tuple[str, bool]]:
    """A report's lines, without those that mention the person."""
    for cells in csv.reader(lines):
        line = csv_line(cells)
        found = person.is_in(line.encode())
        yield ("" if found else line), found


def text_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 text by lines with their ends, for a reader of CSV."""
    reader = io.TextIOWrapper(io.BufferedReader(_Blocks(blocks)), "utf-8", newline="")
    yield from reader


class _Blocks(io.RawIOBase):
    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next(self._blocks, b"")
        data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _as_long(line: bytes, as_this: bytes) -> bytes:
    """Padded, so that a page that was shown before goes on at the same byte."""
    return line.ljust(len(as_this))

"""How a file is written, read off its beginning. What the request states is kept; the rest is weighed.

Every candidate delimiter reads the same first records; the one under which they have most alike columns wins. No
letter, digit, @ or full stop is a candidate, so a list of addresses stays one column.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from contactsync.core.parsing.cells import header_likeness, rows_above
from contactsync.core.parsing.damage import Finding, damage_in
from contactsync.core.parsing.dialect import Dialect, contradiction, delimiter_named
from contactsync.core.parsing.encoding import Reading, encoding_named, read_sample
from contactsync.core.parsing.kinds import refuse_noise, refuse_what_is_no_table
from contactsync.core.parsing.lexer import Fault, Lexer
from contactsync.core.parsing.records import COLUMNS, END_MARK, legible
from contactsync.core.rules import folded
from contactsync.errors import UnreadableFile

SAMPLE_ROWS = 100
PREAMBLE_LINES = 20
"""How many lines above the table are looked past: the longest known (LinkedIn's) has three."""
_DELIMITERS = {
    ",": 1.0, ";": 1.0, "\t": 1.0, "|": 1.0, "||": 1.0, "^": 0.9, "~": 0.9, "\x1f": 1.0, "\x01": 1.0, "¦": 0.9,
    "§": 0.9, ":": 0.6,
}  # fmt: skip
"""Candidates, and how far to trust their regularity: colons are as regular in times and web addresses."""
_ENOUGH = 0.4
"""Below this, the best delimiter divides the lines too irregularly: they are one column."""
_AGREED = 0.8
_DECLARED = re.compile(r'"?sep=(.{1,8}?)"?\s*$', re.IGNORECASE)
"""The line with which Excel is told the delimiter."""


class Requested(Protocol):
    """What the caller states about the file; "auto" leaves it to us."""

    @property
    def delimiter(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def has_header(self) -> bool | Literal["auto"]: ...
    @property
    def quote(self) -> str: ...
    @property
    def skip_rows(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Detected:
    """How to read the file, how sure that is, and its first rows as they then read.

    `confidence` goes from 0 to 1 for `encoding`, `delimiter`, `header`; 1 for what was stated. `width` is the
    number of columns that rows should have: what `cut` and `read_chunk` ask for. `rows` are the first sound ones,
    without the header; `lines` their physical lines in the file.
    """

    dialect: Dialect
    confidence: dict[str, float]
    header: list[str] | None
    width: int
    rows: list[list[str]] = field(repr=False)
    lines: list[int] = field(repr=False)
    warnings: tuple[Finding, ...]
    row_bytes: float

    def row_estimate(self, size: int) -> int:
        """About how many rows a file of `size` bytes has, were they all like the first."""
        return round(size / self.row_bytes) if self.row_bytes else 0


@dataclass(frozen=True, slots=True)
class _Table:
    """The sample's first records under one dialect: line number and cells, None where a record is broken.

    `chars` is their length in characters.
    """

    records: list[tuple[int, list[str] | None]]
    chars: int = 0

    @property
    def sound(self) -> list[tuple[int, list[str]]]:
        return [(line, cells) for line, cells in self.records if cells is not None]

    @property
    def widths(self) -> list[int]:
        return [len(cells) for _, cells in self.sound]

    @property
    def usual(self) -> int:
        """The width that most records have, of those with several columns if there are any."""
        counts = Counter(width for width in self.widths if width > 1)
        return max(counts, key=lambda width: (counts[width], width), default=1)

    @property
    def width(self) -> int:
        """The first record's, unless most of a few others agree on another: names above a table with notes."""
        first, *rest = self.widths or [1]
        usual, count = Counter(rest).most_common(1)[0] if rest else (first, 0)
        return usual if usual > first and count >= max(3, _AGREED * len(rest)) else first


def detect(
    sample: bytes,
    *,
    complete: bool,
    requested: Requested,
    mapped_columns: Sequence[str] | None = None,
    beyond: bytes = b"",
) -> Detected:
    """Say how the file is written whose first bytes `sample` are, a few hundred KiB; all of it if `complete`.

    `mapped_columns` are the header names that the mapping asks for: finding them settles delimiter and header.
    `beyond` is what `lines_beyond_ascii` finds in the whole file: a list may be in ASCII for thousands of rows
    before its first ë tells the encoding.

    Raises UnreadableFile: `empty_file`, `not_a_text_file`, `encoding_unknown`, `not_in_stated_encoding`,
    `delimiter_unusable`, `too_many_columns`. A header without rows is no error.
    """
    refuse_what_is_no_table(sample)
    reading = read_sample(sample, complete=complete, requested=requested.encoding, beyond=beyond)
    text = reading.text.rstrip(END_MARK.decode()) if complete else reading.text
    refuse_noise(text)
    lines = _physical_lines(text, complete=complete)
    if not any(line.strip() for line in lines):
        raise UnreadableFile("empty_file", "The file is empty.", "Check the export and send the file again.")
    names = {folded(name) for name in mapped_columns or ()}
    dialect, sure_delimiter = _dialect(lines, requested, names)
    table = _table(lines, dialect, SAMPLE_ROWS + 1)
    if not table.records:
        raise UnreadableFile("empty_file", "Nothing is left below the skipped lines.", "Skip fewer lines.")
    has_header, sure_header = _header_or_row(table, requested, names)
    dialect = replace(dialect, encoding=reading.encoding, has_header=has_header)
    width = _bounded_width(table)
    # once more, with what is known now: a record of several lines must have this many columns
    table = _table(lines, dialect, SAMPLE_ROWS + 1, width)
    header = _header(table, lines, dialect) if has_header else None
    rows = [row for row in table.sound if not has_header or row != table.records[0]][:SAMPLE_ROWS]
    numbers = [line for line, _ in rows]
    return Detected(
        dialect=dialect,
        confidence={"encoding": reading.confidence, "delimiter": sure_delimiter, "header": sure_header},
        header=header,
        width=width,
        rows=[[legible(cell) for cell in cells] for _, cells in rows],
        lines=numbers,
        warnings=(
            *_reading_findings(reading, requested, table, dialect.skip_rows),
            *damage_in(header, [cells for _, cells in rows], numbers, width),
        ),
        row_bytes=table.chars / len(table.records) * len(sample) / len(reading.text),
    )


def _bounded_width(table: _Table) -> int:
    for line, cells in table.sound[:1]:
        if len(cells) > COLUMNS:
            raise UnreadableFile(
                "too_many_columns",
                f"Line {line:,} has more than {COLUMNS:,} columns.",
                "Check which delimiter the file has, or remove the columns that are not needed.",
            )
    return min(table.width, COLUMNS)


def _header(table: _Table, lines: list[str], dialect: Dialect) -> list[str]:
    """The first record's cells as names; of a broken one, what stands between the delimiters."""
    line, cells = table.records[0]
    if cells is None:
        cells = lines[line - 1].rstrip("\r\n").split(dialect.delimiter, COLUMNS)
    return [legible(cell).strip() for cell in cells]


def _reading_findings(reading: Reading, requested: Requested, table: _Table, above: int) -> Iterator[Finding]:
    """What was found while the sample was read, rather than in its cells."""
    if requested.encoding != "auto" and encoding_named(requested.encoding) != reading.encoding:
        yield Finding(
            "encoding_overridden",
            f"The file is certainly in {reading.encoding}, so it is read as that, and not as {requested.encoding}. State “auto”, "
            "or have it saved in the encoding that is stated.",
        )
    if reading.broken:
        before = re.split("[\udc80-\udcff]", reading.text, maxsplit=1)[0]
        yield Finding(
            "mixed_encodings",
            f"Some bytes are not {reading.encoding}, as most of the file is. Rows that hold such bytes are refused.",
            row=len(f"{before}x".splitlines()),
        )
    if above > requested.skip_rows:
        yield Finding(
            "preamble_skipped", f"The table begins below line {above}. State skip_rows if it does not.", row=1
        )
    broken = [line for line, cells in table.records if cells is None]
    if broken:
        yield Finding(
            "unbalanced_quote",
            f"{len(broken)} of the first rows hold a quotation mark that is not closed. They are refused.",
            row=broken[0],
        )


def _header_or_row(table: _Table, requested: Requested, names: set[str]) -> tuple[bool, float]:
    """Whether the first record names the columns, and how sure that is."""
    if requested.has_header != "auto":
        return requested.has_header, 1.0
    first, rest = table.records[0][1], [cells for _, cells in table.sound[1:]]
    if first is None:
        return True, 0.3
    if names:
        # a mapping by names says that there is a header; if they are missing, that is what must be told
        return True, 1.0 if names & {folded(cell) for cell in first} else 0.6
    likeness = header_likeness(first, rest)
    return likeness >= 0, round(0.5 + abs(likeness) / 2, 2)


def _dialect(lines: list[str], requested: Requested, names: set[str]) -> tuple[Dialect, float]:
    """Everything about how the lines are written but the header; and how sure the delimiter is."""
    quote = requested.quote
    skip = requested.skip_rows
    stated = delimiter_named(requested.delimiter)
    if not skip and (declared := _DECLARED.match(lines[0])):
        skip, stated = 1, stated or declared[1]
    free = [mark for mark in _DELIMITERS if not quote or quote not in mark]
    if problem := contradiction(stated or free[0], quote, None):
        raise UnreadableFile(
            "delimiter_unusable", problem, "State another delimiter, or “auto”, or another quote."
        )
    tried: list[tuple[float, Dialect]] = []
    text = "".join(lines[: 2 * SAMPLE_ROWS])
    for delimiter in [stated] if stated else free:
        if not stated and _is_half(delimiter, text):
            continue
        dialect = _variant(lines, Dialect(delimiter, quote, skip_rows=skip))
        table = _table(lines, dialect, SAMPLE_ROWS)
        if not requested.skip_rows and (above := _preamble(table, lines, names)):
            dialect = replace(dialect, skip_rows=above)
            table = _table(lines, dialect, SAMPLE_ROWS)
        tried.append((_score(table, names) * _DELIMITERS.get(delimiter, 1.0), dialect))
    if stated:
        return tried[0][1], 1.0
    tried.sort(key=lambda pair: -pair[0])  # stable: the order of _DELIMITERS decides between equals
    (best, dialect), (second, _) = tried[:2]
    if best < _ENOUGH:
        text = "".join(lines)
        unused = next((mark for mark in free if mark not in text), free[0])
        return Dialect(unused, quote, skip_rows=skip), round(1 - best, 2)
    return dialect, round(min(0.99, 1 - second / best / 2), 2)


def _is_half(delimiter: str, text: str) -> bool:
    """Whether the delimiter is half of a longer candidate: it stands there, and always doubled."""
    twice = text.count(delimiter * 2)
    return delimiter * 2 in _DELIMITERS and twice > 0 and 2 * twice == text.count(delimiter)


def _score(table: _Table, names: set[str]) -> float:
    """How table-like: rows that are divided at all, into equally many columns, the more the better."""
    widths, width = table.widths, table.usual
    if width < 2:
        return 0.0
    alike = sum(each == width for each in widths) / len(table.records)
    divided = sum(each > 1 for each in widths) / len(table.records)
    score = (0.6 * alike + 0.4 * divided) * (1 - 0.5 / width)
    first = table.records[0][1] or []
    if len(first) == 1:  # one name above several columns: prose with commas, more likely
        score /= 2
    found = names & {folded(cell) for cell in first}
    return score + len(found) / len(names) if names else score


def _preamble(table: _Table, lines: list[str], names: set[str]) -> int:
    """How many physical lines stand above the table: notes and titles that no program meant as rows."""
    width = table.usual
    full = next((line for line, cells in table.records if cells and len(cells) == width), 1)
    if full == table.records[0][0]:
        return _empty_above(table.sound, names)
    above = [cells for line, cells in table.records if line < full]
    if not above or width < 2 or full > PREAMBLE_LINES:
        return 0
    if any(names & {folded(cell) for cell in cells or ()} for cells in above):
        return 0
    below = [cells for line, cells in table.records if line >= full]
    if sum(cells is not None and len(cells) == width for cells in below) < max(len(above), len(below) / 2):
        return 0  # what stands below is no table, but text that has a delimiter somewhere
    comments = all(cells and cells[0].startswith("#") for cells in above)
    alone = all(cells is None or len(cells) == 1 for cells in above)
    apart = not lines[full - 2].strip()
    return full - 1 if comments or (alone and (apart or width > 2)) else 0


def _empty_above(sound: list[tuple[int, list[str]]], names: set[str]) -> int:
    """The same where the notes are as wide as the table, filled up with empty cells."""
    count = rows_above([cells for _, cells in sound])
    full = sound[count][0] if count else 1
    asked = any(names & {folded(cell) for cell in cells} for _, cells in sound[:count])
    return 0 if asked or full > PREAMBLE_LINES else full - 1


def _variant(lines: list[str], dialect: Dialect) -> Dialect:
    """The dialect with the quote, escape and spaces that the lines show."""
    text = "".join(lines[: 2 * SAMPLE_ROWS])
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote == '"' and quote not in text and "'" not in delimiter and _single_quoted(lines, delimiter):
        quote = "'"
    if not quote:
        return dialect
    mark = re.escape(quote)
    spaced = re.compile(rf"(?:{mark}[^{mark}]*{mark}|[^{mark}]*){re.escape(delimiter)} +{mark}(?!{mark})")
    quoted = [line for line in lines[: 2 * SAMPLE_ROWS] if quote in line]
    spaces = " " not in (delimiter[0], quote) and sum(map(bool, map(spaced.match, quoted))) > len(quoted) / 2
    plain = replace(dialect, quote=quote, skip_spaces=spaces)
    if f"\\{quote}" not in text or "\\" in quote + delimiter:
        return plain
    escaped = replace(plain, escape="\\")
    usual, other = (_table(lines, one, SAMPLE_ROWS) for one in (plain, escaped))
    return escaped if _alike(other) > _alike(usual) else plain


def _single_quoted(lines: list[str], delimiter: str) -> bool:
    """Whether most lines begin and end with an apostrophe, as quoted cells do and names do not."""
    bodies = [line.strip() for line in lines[:SAMPLE_ROWS] if line.strip()]
    quoted = sum(len(body) > 1 and body[0] == "'" == body[-1] and f"'{delimiter}'" in body for body in bodies)
    return quoted > len(bodies) / 2


def _alike(table: _Table) -> int:
    return sum(each == table.usual for each in table.widths)


def _table(lines: list[str], dialect: Dialect, limit: int, width: int | None = None) -> _Table:
    """Up to `limit` records. `width` holds for records of several lines, as in `cut`; not for the header."""
    lexer = Lexer(dialect)
    records: list[tuple[int, list[str] | None]] = []
    at = begin = dialect.skip_rows
    while at < len(lines) and len(records) < limit:
        line, used = lines[at], 1
        if line.strip("\r\n"):
            cells: list[str] | Fault | None
            if lexer.quote not in line and lexer.escape not in line:
                cells = lexer.plain(line.rstrip("\r\n"))
            elif (cells := lexer.line(line)) is None:
                ahead = (lines[index] for index in range(at, len(lines)))
                used, cells = lexer.lines(ahead, width if records else None, final=True)
            records.append((at + 1, None if isinstance(cells, Fault) else cells))
        at += used
    return _Table(records, sum(map(len, lines[begin:at])))


def _physical_lines(text: str, *, complete: bool) -> list[str]:
    """The sample's lines with their ends, without a last one that the sample's end may have divided."""
    lines = io.StringIO(text, newline="").readlines()
    return lines if complete or len(lines) < 2 else lines[:-1]

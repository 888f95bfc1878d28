"""The first look at a file: what it is, how it is read, and its first rows. Parse and previews open files alike.

    bytes ─ .gz, .zip with one file ─→ unpacked ─ kind ─→ delimited text │ workbook │ vCard ─→ Opened

Only a beginning is read, and only a beginning is unpacked, save where a format has to be read whole.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import BinaryIO, Literal

from contactsync.core.compression import decompressed
from contactsync.core.exporting import EXPORT_COLUMNS, is_export, mapping_of
from contactsync.core.naming import short
from contactsync.core.parsing import Damaged, Dialect
from contactsync.core.parsing.damage import Finding, damage_in
from contactsync.core.parsing.detection import Detected, detect
from contactsync.core.parsing.encoding import CODECS, encoding_named, lines_beyond_ascii, to_utf8
from contactsync.core.parsing.kinds import kind_of
from contactsync.core.parsing.tables import Table, table_of
from contactsync.core.reporting import REPORT_COLUMNS, is_report, restore, restored
from contactsync.core.spreadsheet import Workbook
from contactsync.core.vcard import Columns, Found, read_cards, survey, table
from contactsync.errors import UnreadableFile
from contactsync.journeys.file.files import COPY_BYTES, File, blocks, seekable
from contactsync.model.run import Figures, RunWarning
from contactsync.model.sync import ColumnMapping, Format, LiteralMapping

SAMPLE_BYTES = 256 << 10
SAMPLE_ROWS = 100
WARNINGS_KEPT = 100
SURE = 0.75
"""From here on a first row is believed to be what it looks like, whatever that of the last file was."""
UNSURE = 0.6
HEAD_BYTES = 8 << 10
"""Enough to tell a text from everything else."""

Kind = Literal["csv", "xlsx", "vcard"]
Mapping = Sequence[ColumnMapping | LiteralMapping]

_MARKS = {codecs.BOM_UTF16_LE: "utf-16le", codecs.BOM_UTF16_BE: "utf-16be"}
_WRITTEN_BY_US = re.compile(
    rb"(?:^|[,;\t])(?:%b)\s*$"
    % b"|".join(
        b"[,;\t]".join(b'"?%b"?' % name.encode() for name in names)
        for names in (REPORT_COLUMNS, EXPORT_COLUMNS)
    )
)
"""How the first line of a report or an export ends, also where a spreadsheet has saved it anew."""


@dataclass(frozen=True, slots=True)
class Opened:
    """How a file is read, and its first rows.

    `confidence` goes from 0 to 1 for what was detected; 1 for what was stated. `rows` are the first sound ones
    without the header, `lines` their numbers: the sheet's rows, or the lines on which a row or a card begins.
    `row_estimate` is None where only a beginning is there and nobody knows of how much.
    `own_mapping` is that of a format whose columns have a known sense. `ours`: these are rows that we
    have written, refused or exported ones; so many columns at the end are ours, and the apostrophes are.
    """

    kind: Kind
    packed: bool
    confidence: dict[str, float]
    header: list[str] | None
    width: int
    rows: list[list[str]] = field(repr=False)
    lines: list[int] = field(repr=False)
    warnings: tuple[RunWarning, ...] = ()
    row_estimate: int | None = 0
    dialect: Dialect | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    first_row: int = 1
    cards: Columns | None = None
    encoding: str | None = None
    own_mapping: list[dict[str, str]] | None = None
    ours: int = 0

    @property
    def is_report(self) -> bool:
        """Whether these are the rows that an earlier run has refused: of a list of which they are a part."""
        return self.ours == len(REPORT_COLUMNS)


def open_file(file: File, stated: Format, mapping: Mapping = (), *, most_bytes: int | None = None) -> Opened:
    """Look at a file.

    Args:
        file: its bytes, packed or not.
        stated: what the caller says about it; the rest is detected.
        mapping: finding the columns that it names settles delimiter and header.
        most_bytes: how much is read of formats that must be read whole, for an answer while somebody waits.

    Raises UnreadableFile, saying what the file is instead, if it holds no rows that can be read.
    """
    with file.open(length=HEAD_BYTES) as stream:
        head = stream.read()
    outside = kind_of(head)
    packed = outside in {"gzip", "zip"}
    is_long_text = outside is None and len(head) == HEAD_BYTES
    # of a text no more is asked for than is looked at: a body that is left half read costs its connection
    with file.open(length=SAMPLE_BYTES + 1) if is_long_text else unpacked(file) as stream:
        sample = stream.read(SAMPLE_BYTES)
        complete = file.here is None and not stream.read(1)
    if _WRITTEN_BY_US.search(sample.partition(b"\n")[0]) and not set(REPORT_COLUMNS) & set(_names(mapping)):
        stated = Format(has_header=True)  # it is written as we write, not as the customer's files are
    encoding = _card_encoding(sample, stated)
    kind = _kind(sample.decode(CODECS[encoding], "replace").encode() if encoding else sample, stated)
    if kind == "xlsx":
        if file.here is not None:
            raise UnreadableFile(
                "beginning_shows_nothing",
                "Only the beginning of the workbook came while you wait, and it has to be read whole to be shown.",
                "Save the sync, mapping any one column for now, start it with dry_run, which changes nothing, and look at "
                "GET /v1/runs/{id}/preview; or put the sheet there as CSV: of that a beginning is enough.",
            )
        if most_bytes is not None and file.size > most_bytes:
            raise UnreadableFile(
                "too_large_to_preview",
                f"The workbook is larger than {most_bytes >> 20} MiB, and has to be read whole to be shown.",
                "Import it without a preview, or save the sheet as CSV: of that a beginning is enough.",
            )
        opened = _open_workbook(file, stated, mapping)
    elif kind == "vcard":
        opened = _open_cards(file, mapping, encoding, packed=packed, most_bytes=most_bytes)
    else:
        beyond = b""
        if not complete and _looks_beyond(sample, stated):
            with unpacked(file) as stream:
                beyond = lines_beyond_ascii(blocks(_first(stream, most_bytes)))
        opened = _open_text(sample, file, stated, mapping, beyond, packed=packed, complete=complete)
    told = opened.warnings if stated.date_order == "auto" else without_order(opened.warnings)
    unsure = _header_unsure(opened) if stated.has_header == "auto" and not _names(mapping) else []
    return _without_ours(replace(opened, warnings=(*unsure, *told)), mapping)


def open_as_before(file: File, stated: Format, mapping: Mapping, last: Figures | None) -> Opened:
    """Look at a file that comes again.

    Where nothing tells for sure whether its first row names the columns, and the mapping names none, that row is what it
    was in the `last` one: a nightly list without a header must not lose whoever happens to stand first.
    """
    opened = open_file(file, stated, mapping)
    settled = stated.has_header != "auto" or bool(_names(mapping) or opened.ours)
    if settled or last is None or last.has_header is None or opened.confidence["header"] >= SURE:
        return opened
    first = opened.header or [cell for row in opened.rows[:1] for cell in row]
    named = last.has_header and not {cell.strip() for cell in first}.isdisjoint(last.columns)
    return open_file(file, stated.model_copy(update={"has_header": named}), mapping)


@contextmanager
def unpacked(file: File) -> Iterator[BinaryIO]:
    """The file's bytes from the beginning, without a compression around them."""
    with file.open() as stream:
        yield decompressed(stream)


@contextmanager
def workbook_of(file: File) -> Iterator[Workbook]:
    """The file as a workbook, open while the context lasts."""
    with seekable(file) as stream:
        yield Workbook(stream)


def cards_of(stream: BinaryIO, encoding: str | None) -> Iterator[Found | Damaged]:
    """The cards of an address book; `encoding` is None where it is UTF-8, or whatever each property says."""
    data = blocks(stream)
    return read_cards(to_utf8(data, encoding) if encoding else data)


def _kind(sample: bytes, stated: Format) -> Kind:
    """What is read as what. A statement is believed, unless the bytes are certainly something else."""
    found = kind_of(sample)
    if stated.kind in {"csv", "export"}:
        return "csv"  # whatever else it certainly is, detection refuses and names
    if stated.kind == "vcard" and found != "vcard":
        raise UnreadableFile(
            "no_cards", "The file holds no vCards.", "Send a .vcf file, or state another kind, or “auto”."
        )
    if stated.kind == "xlsx" and found is None and sample:
        raise UnreadableFile(
            "not_a_workbook",
            "This is a text file, and no Excel workbook.",
            "Send an .xlsx file, or state another kind, or “auto”.",
        )
    if stated.kind == "xlsx" or found in {"xlsx", "zip"}:
        return "xlsx"
    return "vcard" if found == "vcard" else "csv"


def _header_unsure(opened: Opened) -> list[RunWarning]:
    """What is to be said where nothing tells whether the first row names the columns."""
    if opened.confidence["header"] >= UNSURE:
        return []
    taken = "a row like the others" if opened.header is None else "names, so it is not imported"
    message = f"Nothing tells whether the first row names the columns. It is taken for {taken}: state format.has_header."
    return [RunWarning(code="header_unsure", message=message)]


def _names(mapping: Mapping) -> list[str]:
    """The header names that a mapping asks for."""
    columns = [rule.column for rule in mapping if isinstance(rule, ColumnMapping)]
    return [column for column in columns if isinstance(column, str)]


# Delimited text


def _looks_beyond(sample: bytes, stated: Format) -> bool:
    """Whether a text's beginning does not tell how it is encoded, or something else is stated than what it may be."""
    if stated.encoding == "auto":
        return sample.isascii()
    return encoding_named(stated.encoding) != "utf-8"


def _open_text(
    sample: bytes,
    file: File,
    stated: Format,
    mapping: Mapping,
    beyond: bytes,
    *,
    packed: bool,
    complete: bool,
) -> Opened:
    detected = detect(
        sample, complete=complete, requested=stated, mapped_columns=_names(mapping), beyond=beyond
    )
    size = len(sample) if complete else file.size
    return Opened(
        kind="csv",
        packed=packed,
        confidence=detected.confidence,
        header=detected.header,
        width=detected.width,
        rows=detected.rows,
        lines=detected.lines,
        warnings=_warnings(detected.warnings),
        row_estimate=_estimate(detected, size, complete=complete) if size else None,
        dialect=detected.dialect,
    )


def _estimate(detected: Detected, size: int, *, complete: bool) -> int:
    if complete and len(detected.rows) < SAMPLE_ROWS:
        return len(detected.rows)
    return detected.row_estimate(size)


def _warnings(findings: Sequence[Finding]) -> tuple[RunWarning, ...]:
    return tuple(
        RunWarning(code=finding.code, message=finding.message, column=finding.column, row=finding.row)
        for finding in findings
    )


def without_order(warnings: Sequence[RunWarning]) -> Sequence[RunWarning]:
    """Without asking for an order of dates, where it has been stated or all rows have proven it."""
    return [warning for warning in warnings if warning.code != "ambiguous_dates"]


def bounded(warnings: Sequence[RunWarning]) -> tuple[RunWarning, ...]:
    """As many as a run's record holds: a file has up to a thousand columns, with something to be said of each."""
    kept = [
        warning.model_copy(update={"column": short(warning.column)})
        if isinstance(warning.column, str)
        else warning
        for warning in warnings[:WARNINGS_KEPT]
    ]
    if more := len(warnings) - len(kept):
        message = f"There is more to be said of the file: {more:,} warnings have no room here. Mend these first, then look again."
        kept.append(RunWarning(code="more_warnings", message=message))
    return tuple(kept)


# Workbooks


def _open_workbook(file: File, stated: Format, mapping: Mapping) -> Opened:
    with workbook_of(file) as book:
        if (stated.sheet or stated.skip_rows) and _is_ours(book, mapping):
            stated = Format(has_header=True)
        rows = book.rows(stated.sheet, skip_rows=stated.skip_rows)
        found = [row for row in islice(rows, SAMPLE_ROWS + 1) if not isinstance(row, Damaged)]
        more = next(rows, None) is not None
        sheet = table_of(found, has_header=stated.has_header, names=_names(mapping))
        if not sheet.width:
            raise UnreadableFile(
                "empty_sheet",
                f"The sheet is empty. The workbook has {len(book.sheets)}.",
                "Name the one that holds the contacts in format.sheet.",
            )
        noticed = book.warnings(sheet.header or [])
        sheets = book.sheets
    return Opened(
        kind="xlsx",
        packed=False,  # a workbook within an archive is one archive too many
        confidence={"header": sheet.confidence},
        header=sheet.header,
        width=sheet.width,
        rows=sheet.rows,
        lines=sheet.lines,
        warnings=(*_warnings(_damage(sheet)), *noticed),
        row_estimate=_row_estimate(file, len(sheet.rows)) if more else len(sheet.rows),
        sheet=stated.sheet,
        sheets=sheets,
        first_row=sheet.first_line,
    )


def _is_ours(book: Workbook, mapping: Mapping) -> bool:
    """Whether a table of ours was saved as a workbook: its sheet and its first rows are not as the customer's."""
    first = next(book.rows(), None)
    if first is None or isinstance(first, Damaged) or set(REPORT_COLUMNS) & set(_names(mapping)):
        return False
    return is_report(first[1]) or is_export(first[1])


def _damage(sheet: Table) -> list[Finding]:
    return list(damage_in(sheet.header, sheet.rows, sheet.lines, sheet.width))


_PACKED_CELL_BYTES = 6
"""What a cell costs in a compressed sheet, about."""


def _row_estimate(file: File, seen: int) -> int:
    """About how many rows a workbook has, of which more than `seen` were found."""
    return max(seen + 1, round(file.size / (_PACKED_CELL_BYTES * 8)))


# Address books


def _card_encoding(sample: bytes, stated: Format) -> str | None:
    """How an address book is encoded, if a mark at its beginning or the caller says so."""
    mark = next((name for mark, name in _MARKS.items() if sample.startswith(mark)), None)
    if mark or stated.kind != "vcard" or stated.encoding == "auto":
        return mark
    return encoding_named(stated.encoding)


def _open_cards(
    file: File, mapping: Mapping, encoding: str | None, *, packed: bool, most_bytes: int | None
) -> Opened:
    with unpacked(file) as stream:
        seen = survey(cards_of(_first(stream, most_bytes), encoding))
    columns = seen.columns.holding(_names(mapping))
    with unpacked(file) as stream:
        rows = table(cards_of(_first(stream, most_bytes), encoding), columns)
        next(rows)  # the header
        found = [row for row in islice(rows, SAMPLE_ROWS) if not isinstance(row, Damaged)]
    header = [column.name for column in columns.all()]
    read = file.here or most_bytes
    whole = file.here is None and (most_bytes is None or packed or file.size <= most_bytes)
    cards = seen.cards + seen.damaged
    estimate = round(cards * file.size / (read or 1)) or None
    return Opened(
        kind="vcard",
        packed=packed,
        confidence={"header": 1.0},
        header=header,
        width=len(header),
        rows=[cells for _, cells in found],
        lines=[line for line, _ in found],
        warnings=seen.warnings,
        row_estimate=cards if whole else estimate,
        cards=columns,
        encoding=encoding,
        own_mapping=columns.mapping(),
    )


class _Limited:
    """The first bytes of a stream."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._left = most

    def read(self, size: int = COPY_BYTES) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def _first(stream: BinaryIO, most: int | None) -> BinaryIO:
    return stream if most is None else _Limited(stream, most)  # type: ignore[return-value]


# What we have written ourselves


def _without_ours(opened: Opened, mapping: Mapping) -> Opened:
    """The same file without what we added to it, if it is a report of refused rows, or an export, that comes back."""
    header = opened.header
    rows, lines = opened.rows, opened.lines
    if header is None and rows and is_report(rows[0]):  # a file without a header gets one in its report
        header, rows, lines = rows[0], rows[1:], lines[1:]
    exported = header is not None and is_export(header)
    if header is None or not (exported or is_report(header)) or set(REPORT_COLUMNS) & set(_names(mapping)):
        return opened
    ours = len(EXPORT_COLUMNS if exported else REPORT_COLUMNS)
    names = [restore(name) for name in header[:-ours]]
    dialect = opened.dialect and replace(opened.dialect, has_header=True)
    cards = Columns.of(names)
    own_mapping = mapping_of(names) if exported else cards.mapping() if cards else opened.own_mapping
    return replace(
        opened,
        header=names,
        width=opened.width - ours,
        rows=[restored(cells, opened.width, ours) for cells in rows],
        lines=lines,
        dialect=dialect,
        own_mapping=own_mapping,
        ours=ours,
    )

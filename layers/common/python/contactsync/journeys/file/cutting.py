"""An opened file → one object that is cut between rows, so that many workers can map it at once.

Text stays as it is where it is UTF-8 already, and is written anew where it is not; workbooks and address books,
which have to be read from their beginning, become lines of JSON (`core.records_file`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from contactsync.core import records_file
from contactsync.core.date_order import Reading, readings
from contactsync.core.naming import short
from contactsync.core.parsing import Chunk, Damaged, cut, read_chunk
from contactsync.core.parsing.encoding import to_utf8
from contactsync.core.parsing.evidence import Evidence
from contactsync.core.vcard import table
from contactsync.errors import UnreadableFile
from contactsync.journeys.file.chunks import as_theirs, raw_rows
from contactsync.journeys.file.files import File, blocks
from contactsync.journeys.file.opening import Opened, bounded, cards_of, unpacked, without_order, workbook_of
from contactsync.journeys.file.runfiles import Manifest, RunFiles, batches, units_for
from contactsync.model.run import RunWarning

UNIT_ROWS = 25_000
LINES_AT_ONCE = 1_000


def cut_file(
    opened: Opened,
    file: File,
    files: RunFiles,
    *,
    dates: Sequence[int] = (),
    commas: Collection[int] = (),
    orders: Mapping[int, str] | None = None,
) -> tuple[Manifest, tuple[RunWarning, ...]]:
    """Write what has to be written, and say where the chunks lie.

    `dates` are columns of which all rows together have to prove whether day or month comes first; `commas` those that
    are read as numbers with a comma before the decimals: so a workbook's numbers, which have neither, are written there.
    `orders` are what the whole list has proven of which these rows are a part.

    Returns:
        The manifest, and what is worth knowing about the file.

    Raises UnreadableFile: `no_rows`, or whatever is wrong with the file further down; `date_order_unclear`,
    `date_orders_mixed`.
    """
    width, warnings = opened.width, opened.warnings
    evidence = Evidence(dates)
    if opened.kind == "csv":
        key, chunks = _cut_text(opened, file, files, evidence)
    else:
        key = files.records
        recorder = records_file.Recorder()
        if opened.kind == "xlsx":
            warnings = _record_workbook(opened, file, files, recorder, commas)
            width = max(width, recorder.width - opened.ours)
        else:
            _record_cards(opened, file, files, recorder)
        with files.objects.open(key) as stream:
            chunks = list(records_file.cut(blocks(stream), leave_out=opened.header is not None))
    rows = sum(chunk.rows for chunk in chunks)
    if not rows:
        raise UnreadableFile(
            "no_rows",
            "The file has no rows.",
            "Only a header was found: check the export and send the file again.",
        )
    manifest = Manifest(
        key=key,
        dialect=opened.dialect,
        header=opened.header,
        width=width,
        rows=rows,
        chunks=chunks,
        units=units_for(rows, rows_each=UNIT_ROWS),
        own_mapping=opened.own_mapping,
        ours=opened.ours,
    )
    if dates and manifest.dialect is None:
        for number in range(len(chunks)):
            evidence.add(raw_rows(number, files, manifest))
    found = _proven(evidence, manifest, files, orders or {})
    proven = [column for column, order in evidence.orders().items() if order in ("dmy", "mdy")]
    orders_told = manifest.model_copy(update={"date_orders": found, "orders_proven": proven})
    return orders_told, bounded(without_order(warnings))


def broken_end(manifest: Manifest, files: RunFiles) -> str:
    """What makes the end of the file look broken off, in a sentence; "" where it is as it should be.

    What arrived whole may have been cut where it was made: an export that died, a disk that was full.
    """
    [last] = deque(raw_rows(len(manifest.chunks) - 1, files, manifest), maxlen=1)
    if isinstance(last, Damaged):
        broken, line = last.code in {"unbalanced_quote", "card_not_closed"}, last.line
    else:
        line, cells = last
        broken = manifest.dialect is not None and any(cells) and len(cells) < manifest.file_width
    return f"Its last row, at line {line:,}, breaks off: let the file end with a whole row." if broken else ""


def _proven(
    evidence: Evidence, manifest: Manifest, files: RunFiles, orders: Mapping[int, str]
) -> dict[int, str]:
    """What each column of dates proves about day and month, all of its rows taken together.

    Raises UnreadableFile: `date_order_unclear`, `date_orders_mixed`, where a column proves nothing, or both:
    whoever knows the file must say, before any row is touched.
    """
    found: dict[int, str | None] = {
        column: orders.get(column, order) if order == "ambiguous" else order
        for column, order in evidence.orders().items()
    }
    for column, order in found.items():
        name = short(manifest.columns[column])
        if order == "ambiguous":
            raise UnreadableFile(
                "date_order_unclear",
                f"No date in the column “{name}” tells whether day or month comes first.",
                "State format.date_order, dmy or mdy, and run it again. No row was touched.",
            )
        if order == "mixed":
            lines = " and ".join(f"{line:,}" for line in _first_of_each(column, manifest, files))
            raise UnreadableFile(
                "date_orders_mixed",
                f"Some dates in the column “{name}” begin with the day, others with the month: see lines {lines}.",
                "Correct them, or state format.date_order: rows of the other order are then refused. "
                "No row was touched.",
            )
    return {column: order or "either" for column, order in found.items()}


def _first_of_each(column: int, manifest: Manifest, files: RunFiles) -> list[int]:
    """The lines where a column of dates in both orders has the first of each, for whoever corrects them."""
    found: dict[Reading, int] = {}
    for number in range(len(manifest.chunks)):
        for row in raw_rows(number, files, manifest):
            if not isinstance(row, Damaged) and column < len(row[1]):
                for each in readings([row[1][column]]) - {"either"}:
                    found.setdefault(each, row[0])
            if len(found) > 1:
                return sorted(found.values())
    return sorted(found.values())


def _cut_text(opened: Opened, file: File, files: RunFiles, evidence: Evidence) -> tuple[str, list[Chunk]]:
    dialect = opened.dialect
    if dialect is None:
        raise TypeError("delimited text has a dialect")
    width = opened.width + opened.ours
    if dialect.is_utf8 and not opened.packed:
        key = files.source
    else:
        key = files.text
        with unpacked(file) as stream, files.objects.writer(key) as out:
            data = blocks(stream)
            for block in data if dialect.is_utf8 else to_utf8(data, dialect.encoding):
                out.write(block)

    def read(data: bytes) -> Iterator[tuple[int, list[str]] | Damaged]:
        return as_theirs(read_chunk(data, dialect, width=width, first_line=1), width, opened.ours)

    with files.objects.open(key) as stream:
        return key, list(cut(blocks(stream), dialect, width=width, look=partial(evidence.look, read=read)))


def _record_workbook(
    opened: Opened,
    file: File,
    files: RunFiles,
    recorder: records_file.Recorder,
    commas: Collection[int],
) -> tuple[RunWarning, ...]:
    """Write the sheet's rows; returns what was noticed in all of them."""
    with workbook_of(file) as book:
        rows = book.rows(opened.sheet, skip_rows=opened.first_row - 1, commas=commas)
        _write(files, recorder.lines(rows))
        noticed = book.warnings(opened.header or [])
    known = {warning.code for warning in noticed}
    return (*(warning for warning in opened.warnings if warning.code not in known), *noticed)


def _record_cards(opened: Opened, file: File, files: RunFiles, recorder: records_file.Recorder) -> None:
    if opened.cards is None:
        raise TypeError("an address book has the columns of its cards")
    with unpacked(file) as stream:
        _write(files, recorder.lines(table(cards_of(stream, opened.encoding), opened.cards)))


def _write(files: RunFiles, lines: Iterable[bytes]) -> None:
    with files.objects.writer(files.records) as out:
        for batch in batches(lines, LINES_AT_ONCE):
            out.write(b"".join(batch))

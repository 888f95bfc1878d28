"""A file shown before anything is stored: how it is written, its first rows, what its columns may be, its damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contactsync.core import checking
from contactsync.core.suggesting import Suggestion, suggest
from contactsync.errors import Conflict, InvalidRequest, Problem
from contactsync.journeys.asked.asking import World, upload_problems
from contactsync.journeys.file.files import File, pasted, stored
from contactsync.journeys.file.opening import Opened, open_file
from contactsync.journeys.file.remote import REMOTE
from contactsync.journeys.file.runfiles import files_of
from contactsync.model.account import Caller
from contactsync.model.field import FieldSpec
from contactsync.model.request import PreviewRequest
from contactsync.model.run import Run
from contactsync.model.sync import Format, PasteSource

ROWS = 20
SAMPLES = 5
CELL_CHARS = 200
SHOWN_CHARS = 500_000
"""All cells of all rows together; an answer holds 6 MB, and a character may take six bytes of JSON twice."""
MOST_BYTES = 16 << 20
"""Of a workbook or an address book: what can be read while somebody waits."""


FETCHED = REMOTE | {"drop"}
ELSEWHERE = Problem(
    "/source/kind",
    "A file that we fetch is shown once a run has fetched it: save the sync with POST /v1/syncs, mapping any one column "
    "for now, start it with POST /v1/syncs/{id}/runs and dry_run, which changes nothing, and look at "
    "GET /v1/runs/{id}/preview.",
    "preview_by_dry_run",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file. `name` is None where the file has no header."""

    index: int
    name: str | None
    samples: list[str]
    suggestion: Suggestion | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would be read as. `format` may be sent back as it is; `confidence` says what of it is how sure."""

    opened: Opened
    format: Format
    confidence: dict[str, float]
    columns: list[Column]
    rows: list[list[str]]


def preview(world: World, caller: Caller, body: Mapping[str, Any]) -> Preview:
    """Look at an upload or at pasted text.

    Raises InvalidRequest, or UnreadableFile if the file holds no rows that can be read.
    """
    if checking.value_at(body, "source", "kind") in FETCHED:
        raise InvalidRequest([ELSEWHERE])
    request = checking.parse(PreviewRequest, body)
    if isinstance(request.source, PasteSource):
        file = pasted(request.source.text.encode())
    else:
        upload_id = request.source.upload_id
        if problems := upload_problems(world, caller.account_id, upload_id, "/source/upload_id"):
            raise InvalidRequest(problems)
        file = stored(world.uploads, world.control.upload(caller.account_id, upload_id).key)
    return preview_of(file, request.format, world.control.fields(caller.account_id))


def preview_of_run(world: World, run: Run) -> Preview:
    """Look at the file that a run has fetched, as it was then, however the run has gone on.

    Raises Conflict if it has fetched none, UnreadableFile if the file holds no rows that can be read.
    """
    files = files_of(run, world.runs)
    if run.undoes or world.runs.size(files.source) is None:
        raise Conflict(
            "nothing_fetched",
            "The run has no file to show.",
            "Ask again while it is under way; if it has ended, see its problem. Files are kept for 90 days.",
        )
    sync = world.control.sync(run.account_id, run.sync_id).value
    return preview_of(stored(world.runs, files.source), sync.format, world.control.fields(run.account_id))


def preview_of(file: File, stated: Format, fields: Mapping[str, FieldSpec]) -> Preview:
    """Look at a file, for an account with these fields."""
    opened = open_file(file, stated, most_bytes=MOST_BYTES)
    names = opened.header or []
    names = [*names, *[""] * (opened.width - len(names))]
    values = [
        [row[index] for row in opened.rows if index < len(row) and row[index].strip()]
        for index in range(opened.width)
    ]
    columns = [
        Column(
            index=index,
            name=names[index] if opened.header is not None else None,
            samples=[_shown(value) for value in list(dict.fromkeys(values[index]))[:SAMPLES]],
            suggestion=suggestion,
        )
        for index, suggestion in enumerate(_suggestions(opened, names, values, fields))
    ]
    return Preview(opened, _format(opened, stated), _confidence(opened, stated), columns, _rows(opened.rows))


def _suggestions(
    opened: Opened, names: Sequence[str], values: Sequence[Sequence[str]], fields: Mapping[str, FieldSpec]
) -> list[Suggestion | None]:
    """A field for each column: of cards the very one, else the likeliest."""
    if opened.own_mapping is None:
        return suggest(names, values, fields)
    own = {rule["column"]: rule["field"] for rule in opened.own_mapping}
    return [Suggestion(own[name], 1.0) if name in own else None for name in names]


def _format(opened: Opened, stated: Format) -> Format:
    """The format as the file is really written: sent with an import, it leaves nothing to detect."""
    found: dict[str, Any] = {"kind": opened.kind, "has_header": opened.header is not None}
    if dialect := opened.dialect:
        found |= {
            "delimiter": dialect.delimiter,
            "encoding": dialect.encoding,
            "quote": dialect.quote,
            "skip_rows": dialect.skip_rows,
        }
    elif opened.kind == "xlsx":
        found |= {"skip_rows": opened.first_row - 1}
    return stated.model_copy(update=found)


def _confidence(opened: Opened, stated: Format) -> dict[str, float]:
    """By the keys of the format. A kind is told by the first bytes: only that of text is no certainty."""
    kind = 1.0 if stated.kind != "auto" or opened.kind != "csv" else 0.9
    return {
        "kind": kind,
        "has_header": opened.confidence["header"],
        **{name: opened.confidence[name] for name in ("encoding", "delimiter") if name in opened.confidence},
    }


def _rows(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The first rows, fewer where they are very long."""
    shown: list[list[str]] = []
    left = SHOWN_CHARS
    for row in rows[:ROWS]:
        cells = [_shown(cell) for cell in row]
        left -= sum(map(len, cells))
        if left < 0:
            break
        shown.append(cells)
    return shown


def _shown(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARS else f"{cell[:CELL_CHARS]}…"

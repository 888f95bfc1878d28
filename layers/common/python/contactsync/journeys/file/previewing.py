"""A file shown before anything is stored: how it is written, its first rows, what its columns may be, its damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import TYPE_CHECKING, Any, cast

from contactsync.core import checking
from contactsync.core.suggesting import Suggestion, suggest
from contactsync.errors import Conflict, InvalidRequest, NotFound, Problem, SourceAway, UnreadableFile
from contactsync.journeys.asked import dropping
from contactsync.journeys.asked.asking import World, active_sync, check_kind, upload_problems
from contactsync.journeys.file.files import File, beginning, pasted, stored
from contactsync.journeys.file.remote import unsuitable
from contactsync.journeys.file.runfiles import RunFiles, files_of
from contactsync.model.account import Caller
from contactsync.model.field import FieldSpec
from contactsync.model.request import PreviewRequest
from contactsync.model.run import Run
from contactsync.model.source import RemoteSource
from contactsync.model.sync import DropSource, Format, PasteSource, UploadSource
from contactsync.ports import Beginning, Version
from contactsync.sources.staging import PEEK_S, begun
from contactsync.sources.stored import DroppedSource

if TYPE_CHECKING:
    from contactsync.journeys.file.opening import Opened

ROWS = 20
SAMPLES = 5
CELL_CHARS = 200
SHOWN_CHARS = 500_000
"""All cells of all rows together; an answer holds 6 MB, and a character may take six bytes of JSON twice."""
PIECE_BYTES = 256 << 10
MOST_BYTES = 16 << 20
"""Of a workbook or an address book: what can be read while somebody waits."""


NO_FILE = Problem(
    "/source/kind",
    "An address book has no columns to look at: its fields are those of contacts. GET /v1/connections/{id}/groups shows "
    "what can be chosen.",
    "not_a_file",
)
WHOSE_DROP = Problem(
    "/sync_id",
    "Name the sync: files arrive under its own prefix. Save one first, mapping any one column for now.",
    "sync_needed",
)
NO_DROP = Problem("/sync_id", "Only the source drop asks for a sync: leave this out.", "not_a_drop")


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
    origin: Beginning | None = None
    """Where the file was looked at, if that was not here; its bytes are of no use any more."""


def preview(world: World, caller: Caller, body: Mapping[str, Any]) -> Preview:
    """Look at an upload, at pasted text, or at the beginning of a file on a server.

    Raises InvalidRequest; PlanLimit; UnreadableFile if the file is not to be had, or holds no rows that can be read; Conflict if
    none has been dropped, or while too many look.
    """
    if checking.value_at(body, "source", "kind") == "connection":
        raise InvalidRequest([NO_FILE])
    request = checking.parse(PreviewRequest, body)
    source, fields = request.source, world.control.fields(caller.account_id)
    if request.sync_id is not None and not isinstance(source, DropSource):
        raise InvalidRequest([NO_DROP])
    check_kind(world.control.account(caller.account_id), source.kind)
    if isinstance(source, PasteSource):
        return preview_of(pasted(source.text.encode()), request.format, fields)
    if isinstance(source, UploadSource):
        if problems := upload_problems(world, caller.account_id, source.upload_id, "/source/upload_id"):
            raise InvalidRequest(problems)
        upload = world.control.upload(caller.account_id, source.upload_id)
        return preview_of(stored(world.uploads, upload.key), request.format, fields)
    if isinstance(source, DropSource):
        came = _dropped(world, caller, request.sync_id)
    else:
        came = _peeked(world, caller, source)
    return replace(preview_of(_beginning_of(came), request.format, fields), origin=replace(came, data=b""))


def _peeked(world: World, caller: Caller, source: RemoteSource) -> Beginning:
    """The beginning of a file on a server. What the server does is for the customer to mend, as in a run's problem."""
    if problems := unsuitable(source):
        raise InvalidRequest(problems)
    try:
        with world.control.looking(caller.account_id, world.clock.now()):
            return world.peeker.peek(caller.account_id, source)
    except SourceAway as error:
        raise UnreadableFile(
            "source_away", error.title, "See that the address is right and the server is up, then ask again."
        ) from None


def _dropped(world: World, caller: Caller, sync_id: str | None) -> Beginning:
    """The beginning of the newest file that has arrived for a sync, whether it was imported or not."""
    if sync_id is None:
        raise InvalidRequest([WHOSE_DROP])
    try:
        sync = active_sync(world, caller, sync_id).value
    except NotFound:
        message = "There is no such sync: make one with POST /v1/syncs."
        raise InvalidRequest([Problem("/sync_id", message, "unknown_sync")]) from None
    drop = dropping.newest_file(caller.account_id, sync.id, control=world.control)
    version = Version(drop.file.version, drop.file.etag)
    came = begun(DroppedSource(world.drops, drop.file.key, version), most_bytes=MOST_BYTES, most_s=PEEK_S)
    return replace(came, size=drop.file.size, name=drop.file.name, modified=drop.dropped_at)


def _beginning_of(came: Beginning) -> File:
    """What came, as far as it can be unpacked where it is packed and goes on."""
    if came.whole:
        return pasted(came.data)
    from contactsync.journeys.file.opening import unpacked  # noqa: PLC0415

    with unpacked(pasted(came.data)) as stream:
        data, there = bytearray(), cast(BufferedReader, stream)  # of which a piece is what has been unpacked
        try:
            while len(data) < MOST_BYTES and (piece := there.read1(PIECE_BYTES)):
                data += piece
        except UnreadableFile as error:
            if error.code != "compressed_file_cut":
                raise
    return beginning(bytes(data), round((came.size or 0) * len(data) / max(1, len(came.data))))


def preview_of_run(world: World, run: Run) -> Preview:
    """Look at the file that a run has fetched, as it was then, however the run has gone on.

    Raises Conflict if it has fetched none, UnreadableFile if the file holds no rows that can be read.
    """
    files = RunFiles(world.runs, run.account_id, run.same_as) if run.same_as else files_of(run, world.runs)
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
    # what files may be takes 18 ms to import, and few requests open one
    from contactsync.journeys.file.opening import bounded, open_file  # noqa: PLC0415

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
    shown = replace(opened, warnings=bounded(opened.warnings))
    return Preview(shown, _format(opened, stated), _confidence(opened, stated), columns, _rows(opened.rows))


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
    speaks = opened.kind == "csv" and opened.own_mapping is not None  # so that an import needs no mapping
    found: dict[str, Any] = {
        "kind": "export" if speaks else opened.kind,
        "has_header": opened.header is not None,
    }
    if dialect := opened.dialect:
        found |= {"delimiter": dialect.delimiter, "quote": dialect.quote, "skip_rows": dialect.skip_rows}
        if not any(warning.code == "mixed_encodings" for warning in opened.warnings):
            found["encoding"] = dialect.encoding  # stated, it would have to be that of every byte
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

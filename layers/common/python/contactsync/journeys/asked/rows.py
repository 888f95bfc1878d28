"""What callers are told of a run's rows: what is to become of each of them, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from contactsync.core.decisions import (
    Add,
    Confirm,
    Decision,
    Delete,
    Reject,
    Restore,
    Skip,
    Unchanged,
    Update,
    read_decision,
)
from contactsync.core.naming import short
from contactsync.core.overlay import Changes, overlay
from contactsync.errors import Conflict, NotFound
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.telling import Page
from contactsync.journeys.book.bookfiles import BookFiles
from contactsync.journeys.file.runfiles import Manifest, RunFiles, Stage, files_of, read_reject
from contactsync.model.contact import Contact
from contactsync.model.run import Run

LOOKED_AT_MAX = 20_000
"""Rows that one page of a filtered listing goes through, found or not."""
OUTCOMES = ("added", "updated", "unchanged", "deleted", "skipped", "rejected")
PLANNED = ("add", "update", "delete", "unchanged", "skip", "reject")
CARD_CHANGES = {"create": "add", "update": "update", "delete": "delete"}
NOT_REACHED = "The run stopped before this row."
NOT_WRITTEN = {
    "again": "Its card could not be written back, for it was changed meanwhile, or the address book did not answer.",
    "refused": "Its card could not be written back, for the address book does not take it.",
}

Tell = Callable[[Decision], "RowView"]


@dataclass(frozen=True, slots=True)
class RowView:
    """What becomes of one row: one of OUTCOMES, or of PLANNED where nothing is done yet.

    `line` is where it stands in the file, None for a contact that no row mentions; `contact_id` is None for a
    refused row. `changes` are those of a plan, `{field: [from, to]}`; `card` is what it does with the contact's card in
    an address book, and its changes.
    """

    line: int | None
    outcome: str
    contact_id: str | None
    reason: str | None
    errors: Sequence[dict[str, Any]] = ()
    changes: Changes = field(default_factory=dict)
    card: tuple[str, Changes] | None = None


def rows(world: World, run: Run, *, outcome: str | None, after: str | None, limit: int) -> Page[RowView]:
    """What became of each row of a run that has ended: first the refused ones, then the others by contact.

    `outcome` is one of OUTCOMES, or None for all; `after` is a position that this function has returned. There are
    at most `limit` rows; fewer, even none, where a filter passes over many: `next` says whether it goes on.
    """
    files = files_of(run, world.runs)
    return _page(
        files,
        run,
        ("rejected", "skipped"),
        lambda unit: _with_refused(files, run, outcomes(files, run, unit)),
        wanted=outcome,
        after=after,
        limit=limit,
    )


def plan(world: World, run: Run, *, change: str | None, after: str | None, limit: int) -> Page[RowView]:
    """What the plan of a run does with each row, field by field; pages as those of `rows`.

    `change` is one of PLANNED, of the contact or of its card, or None for all.
    """
    files = files_of(run, world.runs)
    cards = _cards(files) if run.journey == "sync" else {}

    def tell(decision: Decision) -> RowView:
        view = _planned(decision)
        return replace(view, card=cards.get(decision.key))

    return _page(files, run, ("reject", "skip"), lambda _: tell, wanted=change, after=after, limit=limit)


def with_outcome(files: RunFiles, manifest: Manifest, run: Run, outcome: str) -> Iterator[RowView]:
    """Every planned row with this outcome."""
    for unit in range(manifest.units):
        tell = outcomes(files, run, unit)
        for line in files.plan_lines(unit):
            view = tell(read_decision(line))
            if view.outcome == outcome:
                yield view


class _Position(NamedTuple):
    """A row's place in the run's files: in the rejects of a chunk or the plan of a unit, from which byte on."""

    part: str
    number: int
    offset: int

    def __str__(self) -> str:
        return f"{self.part}-{self.number}-{self.offset}"

    @classmethod
    def read(cls, text: str) -> _Position:
        part, number, offset = text.split("-")
        return cls(part, int(number), int(offset))


def manifest_of(files: RunFiles, run: Run) -> Manifest | None:
    """How the run's rows lie in its files; None if it ended before its file was read.

    Raises Conflict where the files are forgotten: no rows would say that there were none.
    """
    try:
        return files.manifest()
    except NotFound:
        if run.rows_total is None:
            return None
        raise Conflict(
            "rows_forgotten",
            "The rows of this run are no longer kept.",
            "They are for 90 days, or as long as retention_days says of the account. Its counts stay.",
        ) from None


def _page(
    files: RunFiles,
    run: Run,
    words: tuple[str, str],
    tell_of: Callable[[int], Tell],
    *,
    wanted: str | None,
    after: str | None,
    limit: int,
) -> Page[RowView]:
    """A page of views; `words` are what a refused row and a blank one are called, `tell_of` a unit's decisions."""
    manifest = manifest_of(files, run)
    if manifest is None:
        return Page([], [], None)
    found: list[RowView] = []
    marks: list[str] = []
    begin = _Position.read(after) if after else _Position("rejects", 0, 0)
    for looked_at, (position, row) in enumerate(_rows_from(files, manifest, words, tell_of, begin)):
        if len(marks) < len(found):
            marks.append(str(position))
        if len(found) == limit or looked_at == LOOKED_AT_MAX:
            return Page(found, marks, str(position))
        if wanted in (None, row.outcome, row.card and row.card[0]):
            found.append(row)
    return Page(found, marks, None)


def _rows_from(
    files: RunFiles,
    manifest: Manifest,
    words: tuple[str, str],
    tell_of: Callable[[int], Tell],
    begin: _Position,
) -> Iterator[tuple[_Position, RowView]]:
    """Rows from a position on, each with its own position."""
    part, first, offset = begin
    if part == "rejects":
        for chunk in range(first, len(manifest.chunks)):
            for at, line in _with_offsets(files.reject_lines(chunk, offset=offset), offset):
                yield _Position("rejects", chunk, at), _refused(line, manifest, *words)
            offset = 0
        first = 0
    for unit in range(first, manifest.units):
        tell = tell_of(unit)
        for at, line in _with_offsets(files.plan_lines(unit, offset=offset), offset):
            yield _Position("plan", unit, at), tell(read_decision(line))
        offset = 0


def _with_offsets(lines: Iterator[bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        yield offset, line
        offset += len(line) + 1


def _refused(line: bytes, manifest: Manifest, refused: str, blank: str) -> RowView:
    reject = read_reject(line)
    if reject.is_blank:
        return RowView(reject.row, blank, None, reject.reason(manifest.columns))
    columns = manifest.columns
    errors = [
        {
            "column": short(columns[column]) if column is not None and column < len(columns) else column,
            "field": field,
            "code": code,
            "message": message,
        }
        for column, field, code, message in reject.problems
    ]
    return RowView(reject.row, refused, None, reject.reason(manifest.columns), errors)


def outcomes(files: RunFiles, run: Run, unit: int) -> Tell:
    """How to tell what became of a planned row of one unit: as planned, unless upsert says otherwise.

    A unit that upsert never came to has changed nothing, save in a dry run, where the plan is what is asked for.
    Deletions that were held and never approved were not carried out either.
    """
    stages: tuple[Stage, ...] = ("all", "held")
    lines = (line for stage in stages for line in files.deviations(unit, stage))
    deviations = {decision.key: decision for decision in map(read_decision, lines)}
    went_well = run.status in ("succeeded", "undone")
    applied = went_well or files.upserted_counts(unit, "all") is not None
    all_went = went_well or files.upserted_counts(unit, run.stage) is not None
    deleted = all_went and run.status != "blocked" and (run.dry_run or run.stage != "rest")
    book = run.undoes is not None and run.journey == "sync"
    not_written = dict(BookFiles(files).not_done("all")) if book else {}

    def outcome_of(planned: Decision) -> RowView:
        decision = deviations.get(planned.key, planned)
        match decision:
            case Unchanged(row) if row.id in not_written:
                return RowView(None, "skipped", row.id, NOT_WRITTEN[not_written[row.id]])
            case Delete(contact):
                outcome = "deleted" if deleted else "skipped"
                return RowView(
                    None, outcome, contact.id, None if deleted else "The deletion was not carried out."
                )
            case Restore(contact, _) if applied:
                return RowView(None, "added", contact.id, None)
            case Restore():
                return RowView(None, "skipped", None, NOT_REACHED)
            case Add(row) | Update(row) if not applied:
                return RowView(row.line, "skipped", None, NOT_REACHED)
            case Add(row):
                return RowView(row.line, "added", row.id, None)
            case Update(row, contact, _, _, note):
                return RowView(row.line or None, "updated", contact.id, note or None)
            case Unchanged() | Confirm():
                return _unchanged(decision)
            case Reject(row, code, reason):
                return RowView(row.line, "rejected", None, reason, _late(code, reason))
            case Skip(row, _, reason):
                return RowView(row.line or None, "skipped", row.id, reason)

    return outcome_of


def _with_refused(files: RunFiles, run: Run, tell: Tell) -> Tell:
    """The same, with why the address book did not take a contact's card; an undo's rows say so themselves."""
    refused = BookFiles(files).refused() if run.journey == "sync" and run.undoes is None else {}

    def told(decision: Decision) -> RowView:
        view = tell(decision)
        why = refused.get(view.contact_id or "")
        return replace(view, reason=" ".join(filter(None, (view.reason, why)))) if why else view

    return told if refused else tell


def _cards(files: RunFiles) -> dict[str, tuple[str, Changes]]:
    """What a plan does with cards, by contact."""
    found = {}
    for errand in BookFiles(files).errands():
        before = errand.card.fields if errand.card is not None and errand.kind != "create" else {}
        after = errand.fields or {}
        if errand.kind in CARD_CHANGES:
            changes = {
                key: [before.get(key), after.get(key)]
                for key in sorted({*before, *after})
                if before.get(key) != after.get(key)
            }
            found[errand.contact_id] = CARD_CHANGES[errand.kind], changes
    return found


def _planned(decision: Decision) -> RowView:
    """What a plan does with one row."""
    match decision:
        case Add(row):
            return RowView(
                row.line, "add", row.id, None, changes=overlay({}, row.fields, only_empty=False)[1]
            )
        case Update(row, contact, changes, _, note):
            return RowView(row.line or None, "update", contact.id, note or None, changes=changes)
        case Delete(contact):
            return RowView(None, "delete", contact.id, None, changes=_of_fields(contact, gone=True))
        case Restore(contact):
            return RowView(None, "add", contact.id, None, changes=_of_fields(contact, gone=False))
        case Unchanged() | Confirm():
            return _unchanged(decision)
        case Reject(row, code, reason):
            return RowView(row.line, "reject", None, reason, _late(code, reason))
        case Skip(row, _, reason):
            return RowView(row.line or None, "skip", row.id, reason)


def _unchanged(decision: Unchanged | Confirm) -> RowView:
    return RowView(decision.row.line or None, "unchanged", decision.row.id, decision.note or None)


def _of_fields(contact: Contact, *, gone: bool) -> Changes:
    """A whole contact as changes: every field that goes, or that comes back."""
    return {key: [value, None] if gone else [None, value] for key, value in contact.fields.items()}


def _late(code: str, reason: str) -> list[dict[str, Any]]:
    return [{"column": None, "field": None, "code": code, "message": reason}]

"""What callers are told: where a run stands, what became of each row, which contacts there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from contactsync.control import Read
from contactsync.core import reporting
from contactsync.core.decisions import (
    Add,
    Decision,
    Delete,
    Reject,
    Restore,
    Skip,
    Unchanged,
    Update,
    read_decision,
)
from contactsync.core.identity import contact_id, email_key
from contactsync.errors import NotFound
from contactsync.journeys.asking import World, remind
from contactsync.journeys.runfiles import Manifest, RunFiles, Stage, files_of, read_reject
from contactsync.model.account import Caller
from contactsync.model.contact import Contact
from contactsync.model.run import Run
from contactsync.model.sync import Sync

INLINE_BYTES = 4_000_000
ANSWER_BYTES = 5_500_000
"""Lambda's answer holds 6 MB, and the report travels in it as a JSON string, in which a quote takes two bytes."""
DOWNLOAD_OPEN_S = 900
PASSES = 3
"""A row goes through map, plan and upsert; each reports its progress."""
LOOKED_AT_MAX = 20_000
"""Rows that one page of a filtered listing goes through, found or not."""
OUTCOMES = ("added", "updated", "unchanged", "deleted", "skipped", "rejected")
NOT_REACHED = "The run stopped before this row."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the position from which to go on; None at the end.

    `marks` has one position for each item: where to go on after it, should the page have to end there.
    """

    items: Sequence[T]
    marks: Sequence[str]
    next: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `rows_total` is None until the file has been read through."""

    percent: int
    rows_done: int
    rows_total: int | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it stands now."""

    run: Run
    progress: Progress


@dataclass(frozen=True, slots=True)
class SyncView:
    """A sync, its version, and its latest run."""

    sync: Read[Sync]
    latest_run: RunView | None


@dataclass(frozen=True, slots=True)
class RowView:
    """What became of one row. `line` is where it stands in the file; `contact_id` is None for a refused row."""

    line: int | None
    outcome: str
    contact_id: str | None
    reason: str | None
    errors: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The refused rows: the file itself, or where it can be had."""

    text: str | None
    url: str | None


# Runs and syncs


def run(world: World, caller: Caller, run_id: str) -> RunView:
    """One run. A look at a run that nobody has taken up announces it again."""
    found = world.control.run(caller.account_id, run_id).value
    remind(world, found)
    return view(world, found)


def runs(world: World, caller: Caller, sync_id: str, *, after: str | None, limit: int) -> Page[RunView]:
    """The runs of a sync, newest first."""
    world.control.sync(caller.account_id, sync_id)
    found, following = world.control.runs(caller.account_id, sync_id, after=after, limit=limit)
    return Page([view(world, each) for each in found], [each.id for each in found], following)


def sync(world: World, caller: Caller, sync_id: str) -> SyncView:
    """One sync."""
    return _sync_view(world, caller, world.control.sync(caller.account_id, sync_id))


def syncs(world: World, caller: Caller, *, after: str | None, limit: int) -> Page[SyncView]:
    """All syncs, newest first."""
    found, following = world.control.syncs(caller.account_id, after=after, limit=limit)
    views = [_sync_view(world, caller, each) for each in found]
    return Page(views, [each.value.id for each in found], following)


def view(world: World, run: Run) -> RunView:
    """A run with its progress, computed from what its workers have noted."""
    total = run.rows_total
    if not run.is_open:
        return RunView(
            run, Progress(100, run.counts.settled, total if total is not None else run.counts.rows)
        )
    if run.status == "queued" or not total:
        return RunView(run, Progress(0, 0, total))
    passes = PASSES - 1 if run.dry_run else PASSES
    done = world.control.progress(run)
    settled = world.control.progress(run, "upsert")
    percent = min(99, 100 * done // (passes * total))
    return RunView(run, Progress(percent, min(settled, total), total))


def _sync_view(world: World, caller: Caller, read: Read[Sync]) -> SyncView:
    latest = read.value.latest_run
    if latest is None:
        return SyncView(read, None)
    return SyncView(read, view(world, world.control.run(caller.account_id, latest).value))


# Rows


def report(world: World, run: Run) -> Report:
    """The refused rows of a run that has ended."""
    files = files_of(run, world.runs)
    size = world.runs.size(files.rejects_csv)
    if size is None:
        return Report(reporting.header_line(()), None)
    if size <= INLINE_BYTES:
        text = world.runs.get(files.rejects_csv).decode()
        if len(orjson.dumps(text)) <= ANSWER_BYTES:
            return Report(text, None)
    name = f"rejects-{run.id}.csv"
    url = world.runs.presign_get(files.rejects_csv, expires_s=DOWNLOAD_OPEN_S, filename=name)
    return Report(None, url)


def rows(world: World, run: Run, *, outcome: str | None, after: str | None, limit: int) -> Page[RowView]:
    """What became of each row of a run that has ended: first the refused ones, then the others by contact.

    `outcome` is one of OUTCOMES, or None for all; `after` is a position that this function has returned. There are
    at most `limit` rows; fewer, even none, where a filter passes over many: `next` says whether it goes on.
    """
    files = files_of(run, world.runs)
    try:
        manifest = files.manifest()
    except NotFound:
        return Page([], [], None)  # the run ended before its file was read
    found: list[RowView] = []
    marks: list[str] = []
    begin = _Position.read(after) if after else _Position("rejects", 0, 0)
    for looked_at, (position, row) in enumerate(_rows_from(files, manifest, run, begin)):
        if len(marks) < len(found):
            marks.append(str(position))
        if len(found) == limit or looked_at == LOOKED_AT_MAX:
            return Page(found, marks, str(position))
        if outcome is None or row.outcome == outcome:
            found.append(row)
    return Page(found, marks, None)


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


def _rows_from(
    files: RunFiles, manifest: Manifest, run: Run, begin: _Position
) -> Iterator[tuple[_Position, RowView]]:
    """Rows from a position on, each with its own position."""
    part, first, offset = begin
    if part == "rejects":
        for chunk in range(first, len(manifest.chunks)):
            for at, line in _with_offsets(files.reject_lines(chunk, offset=offset), offset):
                yield _Position("rejects", chunk, at), _refused(line, manifest)
            offset = 0
        first = 0
    for unit in range(first, manifest.units):
        outcome_of = _outcomes(files, run, unit)
        for at, line in _with_offsets(files.plan_lines(unit, offset=offset), offset):
            yield _Position("plan", unit, at), outcome_of(read_decision(line))
        offset = 0


def _with_offsets(lines: Iterator[bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        yield offset, line
        offset += len(line) + 1


def _refused(line: bytes, manifest: Manifest) -> RowView:
    reject = read_reject(line)
    if reject.is_blank:
        return RowView(reject.row, "skipped", None, reject.reason(manifest.columns))
    columns = manifest.columns
    errors = [
        {
            "column": columns[column] if column is not None and column < len(columns) else column,
            "field": field,
            "code": code,
            "message": message,
        }
        for column, field, code, message in reject.problems
    ]
    return RowView(reject.row, "rejected", None, reject.reason(manifest.columns), errors)


def _outcomes(files: RunFiles, run: Run, unit: int) -> Callable[[Decision], RowView]:
    """How to tell what became of a planned row of one unit: as planned, unless upsert says otherwise.

    A unit that upsert never came to has changed nothing, save in a dry run, where the plan is what is asked for.
    """
    stages: tuple[Stage, ...] = ("all", "held")
    lines = (line for stage in stages for line in files.deviations(unit, stage))
    deviations = {decision.key: decision for decision in map(read_decision, lines)}
    went_well = run.dry_run or run.status in ("succeeded", "undone")
    applied = went_well or files.upserted_counts(unit, "all") is not None
    deleted = went_well or (files.upserted_counts(unit, run.stage) is not None and run.stage != "rest")

    def outcome_of(planned: Decision) -> RowView:
        decision = deviations.get(planned.key, planned)
        match decision:
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
            case Unchanged(row):
                return RowView(row.line, "unchanged", row.id, None)
            case Reject(row, code, reason):
                problem = {"column": None, "field": None, "code": code, "message": reason}
                return RowView(row.line, "rejected", None, reason, [problem])
            case Skip(row, _, reason):
                return RowView(row.line or None, "skipped", row.id, reason)

    return outcome_of


# Contacts


def contact(world: World, caller: Caller, wanted: str) -> Contact:
    """One contact. Raises NotFound."""
    if not _is_contact_id(wanted):
        raise NotFound
    found = world.contacts.get(caller.account_id, [wanted]).get(wanted)
    if found is None:
        raise NotFound
    return found


def contacts_by_email(world: World, caller: Caller, secret: str, email: str) -> Page[Contact]:
    """The contact that this address identifies, if there is one. `secret` is the account's, hex."""
    wanted = contact_id(bytes.fromhex(secret), "email", email_key(email.strip()))
    found = list(world.contacts.get(caller.account_id, [wanted]).values())
    return Page(found, [each.id for each in found], None)


def contacts(world: World, caller: Caller, *, after: str | None, limit: int) -> Page[Contact]:
    """All contacts, in the order of their ids."""
    page = world.contacts.page(caller.account_id, after=after, limit=limit)
    return Page(page.contacts, [each.id for each in page.contacts], page.next)


def _is_contact_id(text: str) -> bool:
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)

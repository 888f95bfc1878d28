"""Uploads, previews, runs and what they did."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field as About
from pydantic.json_schema import SkipJsonSchema

from contactsync.api.shapes.basics import (
    Id,
    Next,
    Shape,
    Time,
)
from contactsync.model.run import Status, Step
from contactsync.model.sync import (
    Format,
)


class Upload(Shape):
    """Where one file can be put."""

    upload_id: Id
    url: str = About(description="Presigned: whoever has it may put this one file.")
    method: Literal["PUT"]
    headers: dict[str, str] = About(description="Send these with the bytes.")
    fields: dict[str, str] = About(description="For uploads by form; empty, for they go by PUT.")
    expires_at: Time


class Suggestion(Shape):
    """Where a column most likely belongs."""

    field: str = About(description="As a mapping names it: `email`, `phones.mobile`, `address.city`.")
    confidence: float = About(ge=0, le=1)


class PreviewColumn(Shape):
    """One column of a file."""

    index: int = About(ge=0)
    name: str | None = About(description="null where the file has no header.")
    samples: tuple[str, ...] = About(description="At most five values that differ.")
    suggestion: Suggestion | None


class Finding(Shape):
    """Something to know; it stops nothing."""

    code: str
    message: str
    column: str | int | SkipJsonSchema[None] = About(
        default=None, description="A header's name or a position from 0."
    )
    row: int | SkipJsonSchema[None] = About(default=None, description="The line on which it stands.")


class PreviewedFile(Shape):
    """Which file was looked at. What its server says of it; null where it does not say."""

    name: str = About(description="Without its folder; of several that match a pattern, the newest.")
    size: int | None = About(ge=0, description="Bytes.")
    modified_at: Time | None
    host_key: str | None = About(description="Of an SSH server: compare it with what whoever runs it says.")


class Preview(Shape):
    """How a file would be read."""

    format: Format = About(description="As the file is written; can be sent with the import as it is.")
    confidence: dict[str, float] = About(description="Key of `format` → how sure it is, from 0 to 1.")
    sheets: tuple[str, ...] = About(description="Of a workbook.")
    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[str, ...], ...] = About(description="The first twenty; long cells are cut.")
    row_estimate: int | None = About(
        ge=0,
        description="null where only a beginning was fetched, and its server does not say how long the file is.",
    )
    file: PreviewedFile | None = About(description="Of a file that was fetched to be looked at; else null.")
    warnings: tuple[Finding, ...]


class Progress(Shape):
    """How far a run is."""

    percent: int = About(ge=0, le=100)
    rows_done: int = About(ge=0)
    rows_total: int | None = About(description="null until the file has been read through.")


class Counts(Shape):
    """rows = added + updated + unchanged + rejected + skipped, once the run has ended."""

    rows: int
    added: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    skipped: int


class RunWarning(Shape):
    """Something found on the way that did not stop the run."""

    code: str
    message: str
    column: str | int | None
    row: int | None


class RunProblem(Shape):
    """Why a run stopped, and what to do about it."""

    code: str
    title: str
    detail: str


class Verdict(Shape):
    """What the guard said of the plan: go on, stop, or wait for an approval of all of it or of its deletions."""

    kind: Literal["go", "blocked", "hold", "hold_deletes"]
    code: str
    title: str
    detail: str


class DroppedFile(Shape):
    """A version of an object in the drop bucket."""

    key: str
    version: str = About(description="As S3 names it.")
    size: int = About(ge=0, description="Bytes.")


class Drop(DroppedFile):
    """A file that has arrived in the drop bucket, and what has become of it."""

    id: Id
    sync_id: Id | None = About(description="null where the key names nothing that could be a sync.")
    dropped_at: Time
    state: Literal["waiting", "run", "parked"]
    run_id: Id | None = About(description="Its run, once it has one.")
    problem: RunProblem | None = About(description="Why a parked file was not read, and what to do about it.")


class DropList(Shape):
    """Files of the drop bucket."""

    items: tuple[Drop, ...]
    next: Next


class CardCounts(Shape):
    """How many cards of an address book."""

    added: int = About(description="Made.")
    updated: int = About(description="Changed.")
    deleted: int = About(description="Deleted.")
    refused: int = About(description="Those that the address book does not take.")
    carried: int = About(description="Changes that are left for the next run.")


class BookSide(Shape):
    """What a run with an address book does there; `counts` and `planned` of the run are those of the contacts here."""

    planned: CardCounts | None = About(description="What its plan would do; null before there is one.")
    counts: CardCounts = About(description="What it has done.")


class Run(Shape):
    """One run of a sync. `queued`, `running` and `awaiting_approval` can still change; `succeeded` can become `undone`."""

    id: Id
    sync_id: Id
    trigger: Literal["api", "schedule", "drop", "edit"]
    dry_run: bool
    status: Status
    step: Step | None
    progress: Progress
    counts: Counts = About(description="What it has done; of a run that waits, what its plan would do.")
    planned: Counts | None = About(description="What its plan would do; null before there is one.")
    book: BookSide | None = About(description="Its address book's side; null for a run that imports a file.")
    warnings: tuple[RunWarning, ...]
    problem: RunProblem | None
    verdict: Verdict | None
    plan_hash: str | None = About(description="Names the plan: an approval sends it back.")
    plan_of: Id | None = About(description="The dry run whose plan this one carries out.")
    undoes: Id | None = About(description="The run that this one takes back.")
    undone_by: Id | None = About(description="The run that has taken this one back.")
    approved: bool
    upload_id: Id | None = About(
        description="The upload that it reads; null where that is none, or not known before it has begun."
    )
    file: DroppedFile | None = About(description="The file of the drop bucket that it reads.")
    requested_at: Time
    started_at: Time | None
    finished_at: Time | None
    mails_failed: int = About(description="Addresses in `notify` that no mail is sure to have reached.")


class RunList(Shape):
    """Runs."""

    items: tuple[Run, ...]
    next: Next


class RowError(Shape):
    """One thing that is wrong with a row."""

    column: str | int | None
    field: str | None
    code: str
    message: str


class Row(Shape):
    """What became of one row."""

    row: int | None = About(description="Its line in the file; null for a contact that no row mentions.")
    outcome: Literal["added", "updated", "unchanged", "deleted", "skipped", "rejected"]
    contact_id: Id | None
    reason: str | None
    errors: tuple[RowError, ...]


class RowList(Shape):
    """Rows of a run."""

    items: tuple[Row, ...]
    next: Next


class ChangedValue(Shape):
    """One field, from what to what; null: there was, or is, no value."""

    field: str
    before: Any = About(alias="from")
    after: Any = About(alias="to")


class PlannedCard(Shape):
    """What a plan does with the card of a contact in the address book."""

    change: Literal["add", "update", "delete"] = About(description="What becomes of the card.")
    fields: tuple[ChangedValue, ...] = About(description="What differs afterwards.")


class PlannedRow(Shape):
    """What a plan does with one row."""

    row: int | None = About(description="Its line in the file; null for a contact that no row mentions.")
    change: Literal["add", "update", "delete", "unchanged", "skip", "reject"]
    contact_id: Id | None
    fields: tuple[ChangedValue, ...]
    card: PlannedCard | None = About(
        description="Of a sync with an address book; null where no card is written."
    )
    reason: str | None
    errors: tuple[RowError, ...]


class Plan(Shape):
    """What the plan of a run would do, in numbers and row by row."""

    plan_hash: str | None
    planned: Counts | None
    items: tuple[PlannedRow, ...]
    next: Next

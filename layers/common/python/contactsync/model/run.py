"""One run of a sync: where it stands, what it has done, and what went wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from contactsync.model.deferred import Deferred
from contactsync.model.drop import DroppedFile

Status = Literal[
    "queued",
    "running",
    "awaiting_approval",
    "succeeded",
    "unchanged",
    "blocked",
    "failed",
    "cancelled",
    "undone",
]
OPEN_STATUSES: frozenset[Status] = frozenset({"queued", "running", "awaiting_approval"})
STARTED: frozenset[Status] = frozenset({"queued", "running"})
"""Those that work, or wait for nothing but their turn."""

Step = Literal[
    "fetch", "parse", "map", "plan", "pull", "reconcile", "guard", "upsert", "push", "commit", "notify"
]
"""In an order that fits both journeys: fetch to plan are a file's, pull, reconcile, push and commit an address book's."""


class Counts(Deferred):
    """rows = added + updated + unchanged + rejected + skipped, for every run that has ended."""

    model_config = ConfigDict(frozen=True)

    rows: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in Counts.model_fields})

    @property
    def settled(self) -> int:
        """Rows whose fate is known. Deletions are contacts that no row mentions."""
        return self.added + self.updated + self.unchanged + self.rejected + self.skipped


class Pushed(Deferred):
    """What a run did to an address book, and what it has left for the next one."""

    model_config = ConfigDict(frozen=True)

    added: int = 0
    updated: int = 0
    deleted: int = 0
    refused: int = 0
    carried: int = 0


class RunWarning(Deferred):
    """Something found on the way that did not stop the run."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    column: str | int | None = None
    row: int | None = None


class RunProblem(Deferred):
    """Why a run stopped, and what to do about it."""

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    detail: str


class Verdict(Deferred):
    """What the guard said of the plan. `hold` waits for an approval; `hold_deletes` for that of the deletions only."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["go", "blocked", "hold", "hold_deletes"]
    code: str = ""
    title: str = ""
    detail: str = ""


class Refused(Deferred):
    """A reason for refusal and how many rows it met: what the mail shows first."""

    model_config = ConfigDict(frozen=True)

    reason: str
    rows: int
    first_line: int


class Figures(Deferred):
    """What a file was like: the measure of the next one. Rows and columns are known once it has been read."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    modified: str | None = Field(default=None, description="When, as its server says; RFC 3339, UTC.")
    rows: int | None = None
    width: int = Field(default=0, description="How many columns it has.")
    columns: tuple[str, ...] = Field(default=(), description="The names of the first hundred.")
    met: int | None = Field(
        default=None, description="How many of its rows were about contacts that were there."
    )
    has_header: bool | None = Field(default=None, description="Whether its first row names them.")
    filled: tuple[int, ...] = Field(
        default=(), description="How much of each is filled, a percentage of its first rows."
    )


class Run(Deferred):
    """The run's record. Progress within a step lies in records of its own, one a worker."""

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str
    sync_id: str
    journey: Literal["import", "sync"] = Field(default="import", description="Which state machine runs it.")
    trigger: Literal["api", "schedule", "drop", "edit"]
    dry_run: bool = False
    undoes: str | None = Field(default=None, description="The run that this one takes back.")
    undone_by: str | None = Field(default=None, description="The run that has taken this one back.")
    plan_of: str | None = Field(default=None, description="The dry run whose plan this one carries out.")
    approved: bool = Field(default=False, description="Somebody has approved the plan as it is.")
    unchanged: bool = Field(default=False, description="The source is what the latest good run read.")
    same_as: str = Field(default="", description="That run, where its file is kept for this one too.")
    verdict: Verdict | None = None
    status: Status = "queued"
    step: Step | None = None
    execution: str | None = Field(default=None, description="The state machine execution that owns this run.")
    upload_id: str | None = Field(
        default=None,
        description="The upload that this run reads: as it was asked to, or what it has found to be the sync's latest.",
    )
    file: DroppedFile | None = Field(default=None, description="The file of the drop bucket that it reads.")
    rows_total: int | None = None
    planned: Counts | None = Field(default=None, description="What the plan would do; guard's sum.")
    confirms: int = Field(
        default=0,
        description="Of how many unchanged contacts it notes that the sync knows them; guard's sum.",
    )
    counts: Counts = Counts()
    pushed: Pushed = Pushed()
    planned_there: Pushed | None = Field(
        default=None, description="What the plan would do to the address book; None where there is none."
    )
    refusals: tuple[Refused, ...] = ()
    warnings: tuple[RunWarning, ...] = ()
    problem: RunProblem | None = None
    marker: str = Field(default="", description="The state of the contact list when the source was read.")
    digest: str | None = Field(default=None, description="SHA-256 of the source's bytes.")
    settings: str = Field(
        default="", description="What decided over the run when the source was read, as a digest."
    )
    proof: str | None = Field(default=None, description="What shows that the source was read to its end.")
    doubt: str = Field(default="", description="Where there is no proof: why there is none.")
    figures: Figures | None = Field(default=None, description="What its file was like.")
    plan_hash: str | None = None
    mails_claimed: int = Field(
        default=0, description="How many addresses a mail was, or may have been, sent to."
    )
    mails_failed: int = Field(default=0, description="How many of these were refused, or lost their answer.")
    mails_put_off: int = Field(
        default=0, description="How often a mail was left to the next attempt, as the service was away."
    )
    requested_at: str
    requested_by: str
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def planned_already(self) -> bool:
        """Whether the plan is there, and is to be carried out as it is."""
        return self.approved or self.plan_of is not None

    @property
    def stage(self) -> Literal["all", "rest", "held"]:
        """Which part of the plan is to be carried out now: where the deletions wait, they go last."""
        if self.verdict is None or self.verdict.kind != "hold_deletes":
            return "all"
        return "held" if self.approved else "rest"

    @property
    def is_open(self) -> bool:
        """Whether the run can still change."""
        return self.status in OPEN_STATUSES

    def unapproved(self, problem: RunProblem, warning: RunWarning) -> Run:
        """The run once nobody will approve it any more; where only the deletions had waited, the rest is done and stays."""
        if self.verdict is not None and self.verdict.kind == "hold_deletes":
            warnings = (*self.warnings, warning)
            return self.model_copy(update={"status": "succeeded", "problem": None, "warnings": warnings})
        return self.model_copy(update={"status": "cancelled", "problem": problem})

    def began(self) -> datetime:
        """When it began; when it was asked for, before that."""
        return datetime.fromisoformat(self.started_at or self.requested_at)

    @property
    def took_s(self) -> float | None:
        """Seconds from the first step to the end; None where there was no first step or is no end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (
            datetime.fromisoformat(self.finished_at) - datetime.fromisoformat(self.started_at)
        ).total_seconds()

    @property
    def has_ended(self) -> bool:
        """Whether nobody works on it any more, and its counts stand. A cancelled run's workers stop a little later."""
        return not self.is_open and self.finished_at is not None

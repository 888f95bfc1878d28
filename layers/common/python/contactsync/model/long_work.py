"""Long work that is no run: an export, an erasure. It is done stretch by stretch, each of which is stored."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from contactsync.model.deferred import Deferred

ExportKind = Literal["contacts", "history", "runs", "settings"]


class LongWork(Deferred):
    """What all long work has in common."""

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str
    status: Literal["queued", "running", "succeeded"] = "queued"
    stage: int = Field(default=0, description="Which part of the work comes next.")
    position: str | None = Field(
        default=None, description="Where in that part to go on; None at its beginning."
    )
    requested_at: str
    requested_by: str
    touched_at: str = Field(description="When a stretch was last stored.")
    finished_at: str | None = None
    forget_at: int = Field(description="Epoch seconds after which the record is gone.")


class ExportFile(Deferred):
    """One file of an export."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    size: int


class Export(LongWork):
    """What is to be exported, and the files that are there already."""

    kinds: tuple[ExportKind, ...]
    format: Literal["csv", "vcard", "jsonl"]
    segment: str | None = None
    run: str | None = None
    slots: dict[str, int] = Field(default={}, description="How many columns each list needs, as far as seen.")
    files: tuple[ExportFile, ...] = ()


class Erasure(LongWork):
    """What is to be forgotten: a person, the whole account, what the account keeps for a shorter time than others, or
    pictures that no contact names any more.

    `ids` are the slots that were the person's: keyed hashes, which tell nothing without the account's secret.
    """

    kind: Literal["person", "account", "retention", "photos"]
    ids: tuple[str, ...] = ()
    days: int = 0
    contacts: int = Field(default=0, description="Contacts and slots that were emptied.")
    runs: int = Field(default=0, description="Runs in whose files the person was found.")
    lines: int = Field(default=0, description="Lines that say nothing any more.")
    files: int = Field(default=0, description="Files that were deleted.")

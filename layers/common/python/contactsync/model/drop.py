"""Files that customers' systems have left in the drop bucket, and what has become of them."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from contactsync.model.deferred import Deferred

Parked = Literal[
    "no_such_sync",
    "sync_deleted",
    "sync_paused",
    "sync_reads_elsewhere",
    "too_many_waiting",
    "plan_limit",
    "account_suspended",
]


class DroppedFile(Deferred):
    """One version of an object: what it is called here, its bytes are for ever the same."""

    model_config = ConfigDict(frozen=True)

    key: str
    version: str = Field(description="As S3 names it; null where the bucket keeps no versions.")
    etag: str
    size: int

    @property
    def name(self) -> str:
        """What comes after the account and the sync."""
        return self.key.split("/", 2)[-1]


class Drop(Deferred):
    """A file that has arrived.

    waiting: its turn comes when the runs before it have ended. run: it has its run. parked: it lies where it was
    put, and is not read; `parked` says why.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str
    sync_id: str | None = Field(description="None where the key names nothing that could be a sync.")
    file: DroppedFile
    sequencer: str = Field(description="Of the versions of one key, the later one has the greater text.")
    dropped_at: str
    state: Literal["waiting", "run", "parked"] = "waiting"
    parked: Parked | None = None
    run_id: str | None = None
    mails_claimed: int = Field(
        default=0, description="To how many addresses a mail was, or may have been, sent."
    )
    forget_at: int = Field(description="Epoch seconds.")

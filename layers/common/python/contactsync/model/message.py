"""What the functions read and answer: messages between the states of both machines, and events on the bus.

They hold identifiers and counts, never contacts: Step Functions carries at most 256 KiB and keeps ninety days of
history, so people's data stays in the bucket and the tables, and only the way to it travels.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from contactsync.model.deferred import Deferred
from contactsync.model.run import Counts, Status
from contactsync.model.source import RemoteSource


class Message(Deferred):
    """The run at hand; all that parse and guard need.

    Frozen, and loud about a field it does not know: samples and tests must agree with it. What arrives in the cloud
    is read more kindly (see `entry`), for it may come from another version; so a new field always has a default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    run_id: str


class CreatedObject(Deferred):
    """An object as S3 names it in its events, and where its version stands among those of its key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    size: int = 0
    etag: str = ""
    version_id: str = Field(default="", alias="version-id")
    sequencer: str = ""


class _Created(Deferred):
    model_config = ConfigDict(frozen=True, extra="ignore")

    object: CreatedObject


class FileDropped(Deferred):
    """Receive reads this: S3's own event, as it is. It may say more than we need, and S3 may add to it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: datetime
    detail: _Created


class Received(Deferred):
    """What became of it. `stray`: its key names no account of ours; `ignored`: it is no file."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["noted", "parked", "known", "ignored", "stray"]
    drop_id: str | None = None


class FileParked(Deferred):
    """Tell reads this: a file was left where it lies, and its owner does not know yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    drop_id: str


class BookLost(Deferred):
    """Tell reads this: an address book does not let us in any more, and its member does not know yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    connection_id: str


class ToTell(Deferred):
    """Tell reads one of the two."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    drop_id: str | None = None
    connection_id: str | None = None


class Told(Deferred):
    """How many addresses a mail has left for, by whomever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    drop_id: str | None = None
    mails: int


class SyncDue(Deferred):
    """Listen reads this: something of a sync may be due, because its moment has come, a file waits or a run has ended; or
    an hour is over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    sync_id: str


class Heard(SyncDue):
    """What came of it: the run that was asked for, if one was due."""

    run_id: str | None


class ExportDue(Deferred):
    """Export reads this, and answers it: the next stretch of an export is due."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    export_id: str


class EraseDue(Deferred):
    """Erase reads this, and answers it: the next stretch of an erasure is due; or it is night."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    erasure_id: str


class ContactsChanged(Deferred):
    """Follow reads this: contacts of an account have changed, by a run of the sync `but` if that is not empty; or no
    contact has, but which of them the member `chooser` has ticked; or the book `connection_id` can be followed again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    but: str = ""
    chooser: str = ""
    connection_id: str = ""


class Followed(Deferred):
    """How many runs that set going."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    runs: int


class Requested(Message):
    """Fetch reads this: a run that somebody asked for, and the execution that answers."""

    execution: str


class Fetched(Message):
    """`duplicate`: another execution has this run, or will have it when its turn comes; nothing is to be done."""

    outcome: Literal["fetched", "unchanged", "duplicate"]


class StagingKeys(Deferred):
    """Credentials that may write one object and do nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_key_id: str = Field(repr=False)
    secret_access_key: str = Field(repr=False)
    session_token: str = Field(repr=False)


class Reaching(Message):
    """Reach reads this from fetch, not from the state machine: it holds secrets, and nothing keeps it.

    `source` with its secrets, the SSH `host_key` that it had before, and the object `key` that `keys` may write.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: RemoteSource = Field(repr=False)
    host_key: str | None
    key: str
    keys: StagingKeys


class Reached(Message):
    """What came: see `ports.Carried`."""

    digest: str
    proof: str | None
    doubt: str
    size: int
    modified: AwareDatetime | None
    host_key: str | None


class Peeking(Deferred):
    """Peek reads this from the API: a file that somebody waits to see. It holds secrets, and nothing keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account_id: str
    source: RemoteSource = Field(repr=False)


class Peeked(Deferred):
    """What came: see `ports.Beginning`; `data` in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    data: str = Field(repr=False)
    whole: bool
    size: int | None
    name: str
    modified: str | None
    host_key: str | None


class Parsed(Message):
    """Where the work is divided: chunks of the file for map, units of shards for plan and upsert.

    `next`: an undo has no rows to map, and an approved plan is not made again.
    """

    size: Literal["small", "large"]
    next: Literal["map", "plan", "guard"] = "map"
    chunks: tuple[int, ...]
    units: tuple[int, ...]


class Pulled(Message):
    """What has come from an address book. `planned`: there is a plan, made before, that is to be carried out.

    `unchanged`: neither side has changed; `duplicate`: another execution has this run, nothing is to be done.
    `units` are those of the plan: one is enough for a book.
    """

    outcome: Literal["pulled", "planned", "unchanged", "duplicate"]
    units: tuple[int, ...] = (0,)


class Reconciled(Message):
    """How many contacts and cards were looked at."""

    rows: int


class Pushed(Message):
    """The book has what it was to have."""


class Committed(Message):
    """The sync has moved on."""


class Chunks(Message):
    """Map reads this."""

    chunks: tuple[int, ...]


class Mapped(Message):
    """Rows of these chunks, and how many were refused."""

    rows: int
    rejected: int


class Units(Message):
    """Plan and upsert read this."""

    units: tuple[int, ...]


class Planned(Message):
    """What applying these units would do."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    skipped: int
    rejected: int


class Guarded(Message):
    """`nothing`: the plan changes nothing, or the run was a dry run; `hold`: somebody must approve."""

    verdict: Literal["go", "nothing", "hold", "stop"]


class Upserted(Message):
    """What applying these units did."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    skipped: int
    rejected: int


class Failure(Deferred):
    """What a Catch of the state machine puts at `$.error`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    error: str = Field(alias="Error")
    cause: str = Field(default="", alias="Cause")


class Finishing(Deferred):
    """Notify reads the whole state: it must not fail over a field it has no use for.

    It reads as well, in the place of a state, EventBridge's word that an execution has come to no end of its own, or
    ours that it can be no more: `stopped` is then that execution's name, and the error is what became of it (FAILED, TIMED_OUT, ABORTED).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    account_id: str
    run_id: str
    error: Failure | None = None
    stopped: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, told: Any) -> Any:
        detail = told.get("detail") if isinstance(told, dict) else None
        if not isinstance(detail, dict):
            return told
        asked = json.loads(detail["input"])
        names = {"account_id": asked["account_id"], "run_id": asked["run_id"]}
        return {**names, "error": {"Error": detail["status"]}, "stopped": detail["name"]}


class Notified(Message):
    """How the run ended. `bug` makes the execution itself fail, so that operators see it.

    The rest is for operators, too: the problem's code, and what has become of the rows once the run has ended for
    good, so that a run that waited for an approval is counted once.
    """

    status: Status
    bug: bool
    problem: str | None = None
    counts: Counts | None = None
    took_s: float | None = None
    mails_sent: int = 0
    mails_failed: int = 0

"""What the key of a dropped file says, and why a file is parked."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from contactsync.core.timestamps import timestamp
from contactsync.model.drop import Drop, DroppedFile, Parked
from contactsync.model.message import CreatedObject
from contactsync.model.run import RunProblem

KEPT = timedelta(days=90)
"""How long is remembered what became of a file; the bucket itself forgets it sooner."""

_ID = re.compile(r"[a-z][0-9a-f]{24}")

SUPERSEDED = RunProblem(
    code="superseded_file",
    title="A newer version of this file arrived before this one was read, so this one was not imported.",
    detail="There is nothing to do: the newer version has a run of its own.",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Whose file a key makes an object, as far as the key can say: who is named there need not exist."""

    account_id: str
    sync_id: str | None


def prefix_of(account_id: str, sync_id: str) -> str:
    """What the keys of a sync's files begin with."""
    return f"{account_id}/{sync_id}/"


def place_of(key: str) -> Place | None:
    """The account and the sync that a key names; None where its first segment can be no account.

    The key is taken as it is: S3 does not encode it in events for EventBridge, so decoding it would make another
    key of one with a plus or a percent sign. Segments are compared whole; nothing is resolved or trimmed.
    """
    account_id, _, rest = key.partition("/")
    sync_id, slash, _ = rest.partition("/")
    if not _ID.fullmatch(account_id):
        return None
    return Place(account_id, sync_id if slash and _ID.fullmatch(sync_id) else None)


def holds_nothing(created: CreatedObject) -> bool:
    """Whether this is no file: empty, or what consoles and clients make to show a folder."""
    return created.size == 0 or created.key.endswith("/")


def drop_of(created: CreatedObject, place: Place, at: datetime) -> Drop:
    """The file of an event. Its id comes from the version, so that a repeated event is the same file."""
    version = created.version_id or "null"
    sequencer = created.sequencer.upper().rstrip("0")  # compared as if filled up with zeros
    named = "\0".join((place.account_id, created.key, version, sequencer if version == "null" else ""))
    digest = hashlib.sha256(named.encode(errors="surrogatepass")).hexdigest()
    return Drop(
        id=f"d{int(at.timestamp() * 1000):012x}{digest[:12]}",
        account_id=place.account_id,
        sync_id=place.sync_id,
        file=DroppedFile(key=created.key, version=version, etag=created.etag.strip('"'), size=created.size),
        sequencer=sequencer,
        dropped_at=timestamp(at),
        forget_at=int((at + KEPT).timestamp()),
    )


def run_id_of(drop: Drop) -> str:
    """The one run of a file that came by itself. It sorts by the moment the file arrived."""
    return f"r{drop.id[1:]}"


def why_parked(reason: Parked) -> RunProblem:
    """What is said of a parked file: whose move it is, and what the move is."""
    return _WHY[reason]


_WHY: dict[str, RunProblem] = {
    problem.code: problem
    for problem in (
        RunProblem(
            code="no_such_sync",
            title="The file lies under no sync of this account, so it was not imported.",
            detail="Put it under the prefix that GET /v1/syncs/{id} shows as source.prefix.",
        ),
        RunProblem(
            code="sync_deleted",
            title="The sync of this file has been deleted, so the file was not imported.",
            detail="Make another sync with POST /v1/syncs, and put the file under its prefix.",
        ),
        RunProblem(
            code="sync_paused",
            title="The sync of this file is paused, so the file was not imported.",
            detail="Set the sync's state to active with PATCH /v1/syncs/{id}: its newest file is imported then.",
        ),
        RunProblem(
            code="sync_reads_elsewhere",
            title="The sync of this file does not read the drop bucket, so the file was not imported.",
            detail="Change its source to the kind drop with PATCH /v1/syncs/{id}, or put the file under another sync.",
        ),
        RunProblem(
            code="too_many_waiting",
            title="Too many files of this sync were waiting already, so this one was not imported.",
            detail="Wait until those before it have been imported, then put it there again.",
        ),
        RunProblem(
            code="plan_limit",
            title="The account's plan allows no more runs on this day, so the file was not imported.",
            detail="On another day, import it with POST /v1/syncs/{id}/runs, which reads the sync's newest file; if this is not it, put "
            "it there again. Or ask us for a larger plan.",
        ),
        RunProblem(
            code="account_suspended",
            title="The account is suspended, so the file was not imported.",
            detail="Ask us to resume the account. Then import it with POST /v1/syncs/{id}/runs, which reads the sync's newest file; if "
            "this is not it, put it there again.",
        ),
    )
}
assert set(_WHY) == set(get_args(Parked))

"""From what a sync asks for and what a run knows to the rules under which it plans and writes."""

from __future__ import annotations

import hashlib

from contactsync.control import Control
from contactsync.core.planning import Rules
from contactsync.errors import NotFound
from contactsync.model.field import PRIMARIES
from contactsync.model.run import Run
from contactsync.model.sync import GeneratedIdentity, InSegment, Sync

TYPING = 9
"""One more with each release that types a cell otherwise: then every file is read anew, and every row of it typed."""


def rules_of(run: Run, control: Control) -> Rules:
    """The rules of a run.

    A run deletes only what a source that was proven complete does not mention, and an undo what it has to.
    """
    sync = control.sync(run.account_id, run.sync_id).value
    identity = sync.identity.field
    spec = control.field(run.account_id, identity)
    deletes = sync.options.delete_missing
    lists = {list_key: key for key, list_key in PRIMARIES.items()}
    return Rules(
        account_id=run.account_id,
        sync_id=sync.id,
        run_id=run.id,
        at=run.started_at or run.requested_at,
        existing=sync.options.existing,
        mode=sync.options.mode,
        secret=bytes.fromhex(control.account(run.account_id).identity_secret),
        identity=lists.get(identity, identity),
        identity_type=spec.type if spec else "text",
        generate=isinstance(sync.identity, GeneratedIdentity),
        segments=_joined(sync),
        deletes=deletes.scope if deletes and run.proof and not run.undoes else None,
        exact=run.planned_already,
        shares_addresses=bool(sync.connection_id),
        confirms=_comes_again(sync),
        via=_via(run, sync, control),
    )


def _comes_again(sync: Sync) -> bool:
    """Whether a sync's file has to be expected again: one that was sent to us may be the only one, until a second is."""
    return sync.source["kind"] not in ("upload", "paste") or sync.last_good is not None


def _via(run: Run, sync: Sync, control: Control) -> str:
    """Whose edits a run brings in, from which book; taking them back is nobody's edit."""
    if not sync.connection_id or run.undoes is not None:
        return ""
    try:
        member = control.connection(run.account_id, sync.connection_id).value.member_id
    except NotFound:
        return ""
    return f"{member}#{sync.connection_id}"


def _joined(sync: Sync) -> tuple[str, ...]:
    """The segments that a sync's contacts become members of."""
    if isinstance(sync.selection, InSegment) and sync.connection_id and sync.direction != "push":
        return tuple(sorted({*sync.options.segments, sync.selection.segment}))
    return sync.options.segments


def country_of(run: Run, sync: Sync, control: Control) -> str | None:
    """Whose phones without a country code and whose separators the sync's files have."""
    return sync.format.country or control.account(run.account_id).country


def settings_hash(sync: Sync) -> str:
    """What of a sync decides over the outcome of a run, as a digest: its settings, and for files how this release types.

    Which upload it reads does not: each is told by its bytes.
    """
    deciding_keys = {"source", "format", "mapping", "identity", "options"}
    if sync.connection_id:
        deciding_keys |= {"direction", "conflict", "match", "selection", "limits"}
    deciding = sync.model_dump_json(include=deciding_keys, exclude={"source": {"upload_id"}})
    typing = "" if sync.connection_id else f"{TYPING} "
    return hashlib.sha256(f"{typing}{deciding}".encode()).hexdigest()

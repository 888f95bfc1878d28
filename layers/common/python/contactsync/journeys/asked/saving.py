"""Syncs as people keep them: saved without running, changed, deleted. What their runs have done stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from contactsync.control import Read
from contactsync.core import checking, health
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, InvalidRequest, PreconditionFailed, Stale
from contactsync.journeys.asked import dropping, scheduling
from contactsync.journeys.asked.asking import (
    World,
    active_sync,
    add_fields,
    arrange,
    checked,
    derived_id,
    keep_paste,
    new_sync,
    wake,
)
from contactsync.journeys.asked.telling import source_of
from contactsync.journeys.book.books import say_changed
from contactsync.journeys.file.remote import stored
from contactsync.journeys.file.ruling import settings_hash
from contactsync.model.account import Caller
from contactsync.model.request import SyncState
from contactsync.model.sync import PasteSource, Sync

KEPT = timedelta(days=90)
"""How long a deleted sync is history: as long as the files of its runs."""
MERGED = ("format", "options", "notify", "limits")
"""Objects that a change is merged into; the others it replaces."""


def create_sync(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Sync:
    """Save a sync without running it."""
    request = checked(world, caller, body)
    add_fields(world, caller, request)
    place = derived_id(seed, "pasted")
    keep_paste(world, caller, request, place)
    sync = new_sync(world, request, caller, seed, place=place)
    world.control.create_sync(caller.account_id, sync)
    arrange(world, caller, sync)
    return sync


def change_sync(
    world: World,
    caller: Caller,
    sync_id: str,
    body: Mapping[str, Any],
    seed: str,
    *,
    if_match: int | None,
) -> Read[Sync]:
    """Change what the body names, checked as a whole (RFC 7396 within `format`, `options`, `notify` and `limits`).

    Raises Conflict while a run is under way whose rules would change, PreconditionFailed for another version.
    """
    before = active_sync(world, caller, sync_id)
    asked = _asked(body, source_of(world, caller, before.value))
    state, problems = checking.check(SyncState, {"state": body.get("state", before.value.state)})
    merged = {**before.value.request, **asked}
    for key in MERGED:
        if isinstance(asked.get(key), Mapping):
            merged[key] = _merged(before.value.request[key], asked[key])
    request = None
    try:
        request = checked(
            world, caller, merged, new=asked.keys(), schedule=before.value.schedule, sync_id=sync_id
        )
    except InvalidRequest as error:
        problems += error.problems
    if request is None or state is None:
        raise InvalidRequest(problems)
    at, place = timestamp(world.clock.now()), derived_id(seed, "pasted")
    changed = {name: getattr(request, name) for name in type(request).model_fields if name != "source"}
    changed |= {"state": state.state, "updated_at": at}
    if state.state != before.value.state:
        changed |= {**health.NEVER_FAILED, "paused_because": None}
    if (request.schedule, state.state) != (before.value.schedule, before.value.state):
        changed |= scheduling.kept(request.schedule, world.clock.now())
    add_fields(world, caller, request)
    if "source" in asked:
        keep_paste(world, caller, request, place)
        source, sealed = stored(request.source, caller.account_id, sync_id, world.vault)
        changed |= {"source": source, "sealed": sealed, "host_key": None, "figures": None}
        changed["pasted"] = place if isinstance(request.source, PasteSource) else None

    def change(read: Read[Sync]) -> Sync:
        _check_version(read, if_match)
        if read.version != before.version:  # it was checked together with what stood there before
            raise Stale
        after = read.value.model_copy(update={**changed, "changed_in": read.version + 1})
        if "source" in asked or settings_hash(after) != settings_hash(read.value):
            _check_idle(read.value)
            after = after.model_copy(update={"settings_at": at, **health.NEVER_FAILED})
        return after

    after = world.control.update_sync(caller.account_id, sync_id, change)
    arrange(world, caller, before.value)
    if before.value.schedule is None:
        arrange(world, caller, after.value)
    _turn_to_what_waits(world, caller, before.value, after.value, resumed=body.get("state") == "active")
    return after


def _turn_to_what_waits(world: World, caller: Caller, before: Sync, after: Sync, *, resumed: bool) -> None:
    """Of the files that were parked the newest is imported now, if the sync takes files; else those that wait are parked.

    Edits that came while it was paused are brought to its book. Who resumes it once more says so again: they may have died
    before.
    """
    if after.connection_id and resumed:
        say_changed(world.bus, caller.account_id, connection_id=after.connection_id)
    if "drop" in (before.source["kind"], after.source["kind"]):
        dropping.resume(caller.account_id, after, control=world.control)
        wake(world, caller.account_id, after.id)


def delete_sync(world: World, caller: Caller, sync_id: str, if_match: int | None) -> None:
    """Deactivate a sync, without its schedule and its secrets.

    Its runs, and what they have done, stay to be looked at and undone for KEPT.
    """
    before = active_sync(world, caller, sync_id).value
    now = world.clock.now()

    def change(read: Read[Sync]) -> Sync:
        _check_version(read, if_match)
        _check_idle(read.value)
        gone = {"deleted_at": timestamp(now), "forget_at": int((now + KEPT).timestamp())}
        forgotten = {"sealed": "", "host_key": None, **scheduling.kept(None, now)}
        return read.value.model_copy(update=gone | forgotten)

    world.control.update_sync(caller.account_id, sync_id, change)
    arrange(world, caller, before)
    if before.source["kind"] == "drop":  # what still waits is parked
        wake(world, caller.account_id, sync_id)


def _asked(body: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """What a change names, beside the state. A source that is sent back as it is shown is no other one: it keeps its secrets,
    which nobody is shown, and its file, which may be kept no longer.
    """
    left_out = {"state", "source"} if body.get("source") == source else {"state"}
    return {key: value for key, value in body.items() if key not in left_out}


def _merged(stored: Any, asked: Any) -> Any:
    """RFC 7396: objects are merged, null takes a key away, everything else replaces."""
    if not isinstance(stored, Mapping) or not isinstance(asked, Mapping):
        return asked
    kept = {key: value for key, value in stored.items() if key not in asked}
    return kept | {key: _merged(stored.get(key), value) for key, value in asked.items() if value is not None}


def _check_version(read: Read[Sync], expected: int | None) -> None:
    """Each run makes two versions more; none of them is another sync to somebody who changes it."""
    since = read.value.changed_in or read.version
    if expected is not None and not since <= expected <= read.version:
        raise PreconditionFailed(
            "changed_since",
            "The sync has been changed since you read it.",
            "Nothing was written. Read it again, and send your change with its version.",
        )


def _check_idle(sync: Sync) -> None:
    if sync.active_run is not None:
        raise Conflict(
            "run_under_way",
            "A run of this sync is under way.",
            f"Wait for run {sync.active_run} to end, or cancel it.",
        )

"""Static segments: made, listed, taken away, and who is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contactsync.core import checking
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.asked.editing import change_segments
from contactsync.model.account import Caller
from contactsync.model.contact import Contact
from contactsync.model.request import SegmentRequest
from contactsync.model.segment import Segment
from contactsync.model.sync import InSegment, Sync
from contactsync.ports import Delete, RecordKey


def create_segment(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Segment:
    """Make a segment. Raises Conflict if there is one of that name, or no room for another."""
    request = checking.parse(SegmentRequest, body)
    segment = Segment(
        id=derived_id(seed, "segment"),
        name=request.name,
        created_at=timestamp(world.clock.now()),
        created_by=f"member:{caller.member_id}",
    )
    return world.control.create_segment(caller.account_id, segment)


def delete_segment(world: World, caller: Caller, segment_id: str) -> None:
    """Take a segment away; its contacts stay. Raises Conflict while a sync follows it."""
    read = world.control.segment(caller.account_id, segment_id)
    syncs = world.control.every_sync(caller.account_id)
    using = [each.id for each in syncs if each.deleted_at is None and segment_id in _segments_of(each)]
    if using:
        raise Conflict(
            "segment_in_use",
            "Syncs put their contacts into this segment, or take them from it.",
            f"Take the segment out of their options and selections first: {', '.join(using[:10])}.",
        )
    world.control.records.commit(
        [Delete(RecordKey(caller.account_id, f"segment#{segment_id}"), read.version)]
    )


def _segments_of(sync: Sync) -> frozenset[str]:
    """The segments that a sync puts contacts into, or takes them from."""
    chosen = [sync.selection.segment] if isinstance(sync.selection, InSegment) else []
    return frozenset((*sync.options.segments, *chosen))


def join(world: World, caller: Caller, segment_id: str, contact_id: str, seed: str) -> Contact:
    """Make a contact a member; one that is stays so."""
    world.control.segment(caller.account_id, segment_id)
    return change_segments(world, caller, contact_id, lambda segments: segments | {segment_id}, seed)


def leave(world: World, caller: Caller, segment_id: str, contact_id: str, seed: str) -> Contact:
    """Make a contact no member any more."""
    world.control.segment(caller.account_id, segment_id)
    return change_segments(world, caller, contact_id, lambda segments: segments - {segment_id}, seed)


def known(world: World, caller: Caller, contacts: Iterable[Contact]) -> frozenset[str]:
    """The segments that exist, asked for only if one of these contacts is in any.

    A contact may still name one that was taken away; nobody is shown that.
    """
    if not any(contact.segments for contact in contacts):
        return frozenset()
    return frozenset(world.control.segments(caller.account_id))

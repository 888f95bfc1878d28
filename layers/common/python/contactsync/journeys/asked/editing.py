"""Contacts changed by hand: added, edited, deleted.

Each change is a record of its own, `edit#<contact>#<edit>` with before and after, stored before the contact is
written; the contact's list of what changed it names the edit. So a change that never came about, because its
writer died in between or somebody else was first, is known by its not being named there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from contactsync.control import check_room
from contactsync.core import checking
from contactsync.core.entering import changes, entered
from contactsync.core.identity import ID_BYTES, is_contact_id
from contactsync.core.overlay import Changes
from contactsync.core.planning import RUNS_KEPT
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed, Problem, Stale
from contactsync.journeys.asked.addressing import Addresses
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.book.books import say_changed
from contactsync.journeys.file.applying import REMEMBERED, filling
from contactsync.model.account import Caller
from contactsync.model.contact import Alias, Audit, Contact, Fields, Slot, Tombstone
from contactsync.model.request import ContactRequest
from contactsync.ports import Put, RecordKey, Remove, Replace

EDITS_KEPT = timedelta(days=400)
"""As long as a deletion is remembered."""
COUNTED = {"added": +1, "deleted": -1}


@dataclass(frozen=True, slots=True)
class Hand:
    """Who is changing contacts, when, and under which name the change is kept."""

    world: World
    caller: Caller
    edit: str
    at: str

    @property
    def by(self) -> str:
        """How the change is signed."""
        return f"member:{self.caller.member_id}"


def hand(world: World, caller: Caller, seed: str) -> Hand:
    """The hand of one request."""
    return Hand(world, caller, derived_id(seed, "edit"), timestamp(world.clock.now()))


def create_contact(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Contact:
    """Add a contact. Raises Conflict, naming the holder, if the email address belongs to another one, and PlanLimit."""
    fields, _, segments = _checked(world, caller, body, {})
    if not fields:
        raise InvalidRequest(
            [Problem("/fields", "Give at least one field: nothing is known of this contact.")]
        )
    addresses, mine = Addresses(world, caller.account_id), hand(world, caller, seed)
    slot_id = addresses.slot_of(fields) or _chosen_id(addresses.secret, mine.edit)
    stored = addresses.read(slot_id)
    if isinstance(stored, Contact) and mine.edit in stored.runs:
        _make_up(mine, slot_id, stored)
        return stored  # this request was here before
    _refuse_taken(addresses, stored, addresses.holder(slot_id, stored))
    check_room(
        world.control.account(caller.account_id),
        "contacts",
        world.control.contacts_count(caller.account_id) + 1,
    )
    contact = Contact(
        id=slot_id,
        version=(stored.version if stored else 0) + 1,
        fields=fields,
        audit=Audit(mine.at, mine.by, mine.at, mine.by),
        segments=segments or (),
        runs=(mine.edit,),
    )
    _store(mine, addresses, None, contact, over=stored.version if stored else 0)
    _count(mine, +1)
    return contact


def change_contact(
    world: World, caller: Caller, contact_id: str, body: Mapping[str, Any], seed: str, *, if_match: int | None
) -> Contact:
    """Change what the body names of a contact. Raises PreconditionFailed, Conflict, NotFound."""
    before = _contact(world, caller, contact_id, if_match)
    fields, _, segments = _checked(world, caller, body, before.fields)
    if before.fields and not fields:
        raise InvalidRequest(
            [
                Problem(
                    "/fields", "Nothing would be known of this contact: leave a field, or delete the contact."
                )
            ]
        )
    return _changed(
        hand(world, caller, seed), before, fields, before.segments if segments is None else segments
    )


def change_segments(
    world: World,
    caller: Caller,
    contact_id: str,
    change: Callable[[frozenset[str]], frozenset[str]],
    seed: str,
) -> Contact:
    """Make a contact a member of other segments."""
    before = _contact(world, caller, contact_id, None)
    segments = tuple(sorted(change(frozenset(before.segments))))
    return _changed(hand(world, caller, seed), before, before.fields, segments)


def delete_contact(world: World, caller: Caller, contact_id: str, seed: str, *, if_match: int | None) -> None:
    """Delete a contact, and remember it for so long that no old row brings it back."""
    mine, addresses = hand(world, caller, seed), Addresses(world, caller.account_id)
    try:
        before = _contact(world, caller, contact_id, if_match)
    except NotFound:
        slot = addresses.read(contact_id) if is_contact_id(contact_id) else None
        _make_up(mine, contact_id, slot)
        if isinstance(slot, Tombstone):
            _untick(mine, contact_id)
        raise
    gone = Tombstone(
        id=before.id,
        version=before.version + 1,
        deleted_at=mine.at,
        deleted_by=mine.by,
        sources=before.sources,
        expires_at=int((world.clock.now() + REMEMBERED).timestamp()),
    )
    _note(mine, before, None)
    _announce(mine, before.id)
    if not addresses.write(Replace(gone)):
        raise Stale
    addresses.bury(addresses.slot_of(before.fields), gone)
    _untick(mine, before.id)
    _conclude(mine)
    _count(mine, -1)


def _untick(mine: Hand, contact_id: str) -> None:
    """Whoever had ticked a deleted contact has not asked for whom somebody adds under its id again."""
    control, account_id = mine.world.control, mine.caller.account_id
    for member_id in control.subscribers(account_id, contact_id):
        control.untick(account_id, member_id, contact_id)


def _count(mine: Hand, more: int) -> None:
    mine.world.control.note_contacts(mine.caller.account_id, mine.edit, more, now=mine.world.clock.now())


def _changed(mine: Hand, before: Contact, fields: Fields, segments: tuple[str, ...]) -> Contact:
    if (fields, segments) == (before.fields, before.segments):
        _make_up(mine, before.id, before)
        return before
    after = replace(
        before,
        version=before.version + 1,
        fields=fields,
        segments=segments,
        audit=replace(before.audit, updated_at=mine.at, updated_by=mine.by, via=""),
        runs=(*before.runs, mine.edit)[-RUNS_KEPT:],
    )
    _store(mine, Addresses(mine.world, mine.caller.account_id), before, after, over=before.version)
    return after


def _store(mine: Hand, addresses: Addresses, before: Contact | None, after: Contact, *, over: int) -> None:
    """Claim the address, keep the change, write the contact, give its former address back. Raises Stale."""
    old = addresses.slot_of(before.fields) if before else None
    new = addresses.slot_of(after.fields)
    claim = _claim(mine, addresses, after.id, new) if new not in (None, old, after.id) else None
    _note(mine, before, after)
    _announce(mine, after.id)
    if not addresses.write(filling(after, over)):
        stored = addresses.read(after.id)
        is_ours = isinstance(stored, Contact) and mine.edit in stored.runs  # only the answer was lost
        if not is_ours:
            if claim is not None:
                addresses.write(Remove(claim.id, claim.version))
            raise Stale
    if old != new:
        addresses.release(old, after.id)
    _conclude(mine)


def _announce(mine: Hand, contact_id: str) -> None:
    """Say that a contact is about to change: to runs that compare, and to address books that follow."""
    world, account_id = mine.world, mine.caller.account_id
    world.control.note_changes(account_id, mine.edit, world.clock.now(), contacts=[contact_id])
    world.control.set_marker(account_id, mine.edit)


def _conclude(mine: Hand) -> None:
    """Say that it has changed; the marker last, by which a change is known that was not concluded."""
    say_changed(mine.world.bus, mine.caller.account_id)
    mine.world.control.set_marker(mine.caller.account_id, f"{mine.edit}:done")


def _make_up(mine: Hand, contact_id: str, slot: Slot | None) -> None:
    """Conclude a change that came about and whose maker died before they could: who asks once more finds nothing to do.

    The account's marker still names it then, and what is stored is what it wrote.
    """
    edit = mine.world.control.marker(mine.caller.account_id)
    noted = mine.world.control.records.get(RecordKey(mine.caller.account_id, f"edit#{contact_id}#{edit}"))
    if noted is None or slot is None or not _wrote(edit, noted.document, slot):
        return
    theirs = replace(mine, edit=edit)
    if isinstance(slot, Tombstone) and "emails" in noted.document["changes"]:
        addresses = Addresses(mine.world, mine.caller.account_id)
        addresses.bury(addresses.slot_of({"emails": noted.document["changes"]["emails"][0]}), slot)
    _conclude(theirs)
    if noted.document["change"] in COUNTED:
        _count(theirs, COUNTED[noted.document["change"]])


def _wrote(edit: str | None, noted: Mapping[str, Any], slot: Slot) -> bool:
    """Whether what is stored is what an edit wrote: of two at once, the one that came too late is noted as well."""
    if isinstance(slot, Tombstone):
        return (slot.deleted_at, slot.deleted_by) == (noted["at"], noted["by"])
    return isinstance(slot, Contact) and slot.runs[-1:] == (edit,)


def _claim(mine: Hand, addresses: Addresses, contact_id: str, slot_id: str | None) -> Alias:
    """Take an address for a contact, before it is written. Its own claim is renewed: it may be about to be given back."""
    assert slot_id is not None
    slot: Slot | None = addresses.read(slot_id)
    holder = addresses.holder(slot_id, slot)
    if holder != contact_id:
        _refuse_taken(addresses, slot, holder)
    over = slot.version if slot else 0
    alias = Alias(slot_id, over + 1, contact_id, int(mine.world.clock.now().timestamp()))
    if not addresses.write(filling(alias, over)):
        raise Stale
    return alias


def _note(mine: Hand, before: Contact | None, after: Contact | None) -> None:
    """Keep a change, before it is made."""
    told: Changes = changes(before.fields if before else {}, after.fields if after else {})
    segments = [list(each.segments) if each else [] for each in (before, after)]
    if segments[0] != segments[1]:
        told = {**told, "segments": segments}
    target = after or before
    assert target is not None
    document = {
        "at": mine.at,
        "by": mine.by,
        "change": "added" if before is None else "updated" if after is not None else "deleted",
        "changes": told,
        "runs": list(before.runs) if before and after is None else [],
    }
    expires_at = int((mine.world.clock.now() + EDITS_KEPT).timestamp())
    records = mine.world.control.records
    key = RecordKey(mine.caller.account_id, f"edit#{target.id}#{mine.edit}")
    stored = records.get(key)
    records.commit([Put(key, document, stored.version if stored else 0, expires_at)])


def _contact(world: World, caller: Caller, contact_id: str, if_match: int | None) -> Contact:
    stored = (
        world.contacts.get(caller.account_id, [contact_id]).get(contact_id)
        if is_contact_id(contact_id)
        else None
    )
    if stored is None:
        raise NotFound
    if if_match is not None and stored.version != if_match:
        raise PreconditionFailed(
            "changed_since",
            "The contact has been changed since you read it.",
            "Nothing was written. Read it again, and send your change with its version.",
        )
    return stored


def _checked(
    world: World, caller: Caller, body: Mapping[str, Any], base: Fields
) -> tuple[Fields, Changes, tuple[str, ...] | None]:
    """The fields as they become, and the segments if they are named. Raises InvalidRequest with every problem."""
    request, problems = checking.check(ContactRequest, body)
    account = world.control.account(caller.account_id)
    asked = checking.value_at(body, "fields")
    fields: Fields = base
    told: Changes = {}
    if isinstance(asked, Mapping):
        specs = world.control.fields(account.id)
        fields, told, found = entered(asked, base, specs, country=account.country)
        problems += found
    if request is not None and request.segments:
        known = world.control.segments(account.id)
        problems += [
            Problem(
                f"/segments/{index}",
                "There is no such segment: GET /v1/segments lists those that are there.",
                "unknown_segment",
            )
            for index, segment in enumerate(request.segments)
            if segment not in known
        ]
    if request is None or problems:
        raise InvalidRequest(problems)
    segments = tuple(sorted(set(request.segments))) if "segments" in request.model_fields_set else None
    return fields, told, segments


def _refuse_taken(addresses: Addresses, slot: Slot | None, holder: str | None) -> None:
    if holder is None:
        return
    if isinstance(slot, Contact) and addresses.slot_of(slot.fields) != slot.id:
        raise Conflict(
            "email_taken",
            f"Contact {holder} was first known by this email address, which stays kept for it.",
            "If it is the same person, edit that contact. If not, delete it and add it again under the address it has now: "
            "then this one is free.",
        )
    raise Conflict(
        "email_taken",
        f"The email address belongs to contact {holder}.",
        "Edit that contact, or correct the address in one of the two.",
    )


def _chosen_id(secret: bytes, edit: str) -> str:
    """The id of a contact without an email address: the same when its request is sent again."""
    return blake2b(f"hand\0{edit}".encode(), key=secret, digest_size=ID_BYTES).hexdigest()

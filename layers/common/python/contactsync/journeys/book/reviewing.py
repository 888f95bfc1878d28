"""What a person decides over an address book: who a card is, and that a frozen contact may go on.

What is decided is remembered, and the next run carries it out: the feed names the contacts that it concerns.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from contactsync.control import Read
from contactsync.control.books import Linking
from contactsync.core import checking
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, InvalidRequest, NotFound, Problem, Stale
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.asked.telling import Page
from contactsync.journeys.book.books import say_changed
from contactsync.model.account import Caller
from contactsync.model.connection import NEW, Link, Review, Turn
from contactsync.model.contact import Contact, Fields
from contactsync.model.request import ReviewDecision

LOOKED_AT_MAX = 500
"""Reviews that one page goes through: most are decided, and only the others are told."""


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A card, and the contacts that it may be, as they are now; those that were deleted since are left out."""

    id: str
    review: Review
    contacts: tuple[Contact, ...]


@dataclass(frozen=True, slots=True)
class FrozenView:
    """A contact whose card another program keeps changing back: both as they are, and whose change was written when."""

    id: str
    at: str
    contact: Contact | None
    card: Fields
    turns: tuple[Turn, ...]


# Reviews


def reviews(
    world: World, caller: Caller, connection_id: str, *, after: str | None, limit: int
) -> Page[ReviewView]:
    """The cards of a book that wait for somebody to say who they are. A page may hold fewer than `limit`."""
    _own(world, caller, connection_id)
    place = caller.account_id, connection_id
    found: list[ReviewView] = []
    looked_at, following = world.control.reviews_page(*place, after=after, limit=LOOKED_AT_MAX)
    for key, read in looked_at:
        link = world.control.link(*place, key) if not read.value.decision else None
        if read.value.decision or (link is not None and link.value.is_live):
            continue
        if len(found) == limit:
            return Page(found, [each.id for each in found], found[-1].id)
        found.append(_view(world, caller, key, read.value))
    return Page(found, [each.id for each in found], following)


def decide(
    world: World, caller: Caller, connection_id: str, review_id: str, body: Mapping[str, Any], *, seed: str
) -> ReviewView:
    """Say who a card is. Said again, it changes nothing. Raises NotFound, Conflict once another decision is made."""
    _own(world, caller, connection_id)
    place = caller.account_id, connection_id
    read = world.control.review(*place, review_id)
    asked = checking.parse(ReviewDecision, body)
    decided = _decided(read.value, asked)
    if decided != read.value:
        if read.value.decision:
            raise Conflict(
                "decided_already",
                "Somebody has said already who this card is.",
                "Nothing was changed. If it is wrong, edit the contact or the card by hand.",
            )
        by = derived_id(seed, "edit")
        contacts = read.value.contacts
        world.control.note_changes(caller.account_id, by, world.clock.now(), contacts=contacts)
        world.control.store_review(*place, review_id, decided, expected=read.version)
    if not decided.settled:  # said again: whoever decided may have died before
        say_changed(world.bus, caller.account_id)
    return _view(world, caller, review_id, decided)


def _decided(review: Review, asked: ReviewDecision) -> Review:
    if asked.decision == "new":
        return review.model_copy(update={"decision": NEW})
    if asked.contact_id not in review.contacts:
        raise InvalidRequest([Problem("/contact_id", "Name one of the contacts that the card may be.")])
    if asked.decision == "same":
        return review.model_copy(update={"decision": asked.contact_id})
    apart = tuple(sorted({*review.apart, asked.contact_id}))
    nobody_left = set(apart) >= set(review.contacts)
    return review.model_copy(update={"apart": apart, "decision": NEW if nobody_left else ""})


def _view(world: World, caller: Caller, key: str, review: Review) -> ReviewView:
    candidates = [each for each in review.contacts if each not in review.apart]
    there = world.contacts.get(caller.account_id, candidates)
    return ReviewView(key, review, tuple(there[each] for each in candidates if each in there))


# Frozen contacts


def frozen(
    world: World, caller: Caller, connection_id: str, *, after: str | None, limit: int
) -> Page[FrozenView]:
    """The contacts of a book that two programs kept overwriting."""
    _own(world, caller, connection_id)
    place = caller.account_id, connection_id
    stored, following = world.control.frozen_page(*place, after=after, limit=limit)
    views = []
    for key, document in stored:
        read = world.control.link(*place, key)
        if read is not None:
            contact_id = read.value.contact_id
            contact = world.contacts.get(caller.account_id, [contact_id]).get(contact_id)
            turns = read.value.turns
            views.append(FrozenView(key, document["at"], contact, document["theirs"], turns))
    return Page(views, [each.id for each in views], following)


def thaw(world: World, caller: Caller, connection_id: str, key: str, seed: str) -> None:
    """Let a frozen contact go on; the next run reads its card anew. Raises NotFound."""
    _own(world, caller, connection_id)
    place = caller.account_id, connection_id
    read = world.control.link(*place, key)
    if read is None or not world.control.is_frozen(*place, key):
        # Whoever let it go on may have died before they said so
        if read is not None and read.value == thawed(read.value):
            say_changed(world.bus, caller.account_id)
        raise NotFound
    by, now = derived_id(seed, "edit"), world.clock.now()
    world.control.note_changes(caller.account_id, by, now, contacts=[read.value.contact_id])
    with suppress(Stale):  # somebody else was first
        world.control.store_links(*place, [Linking(thawed(read.value), read)], now)
    say_changed(world.bus, caller.account_id)


def thawed(link: Link) -> Link:
    """The link as it goes on: without a version, for nobody has looked at the card for long."""
    return replace(link, state="linked", turns=(), carried=(), etag="")


def _own(world: World, caller: Caller, connection_id: str) -> Read[Any]:
    """The connection, if it is the caller's, or the caller manages the account: a book is a person's. Raises NotFound."""
    read = world.control.connection(caller.account_id, connection_id)
    if read.value.member_id != caller.member_id and "account.manage" not in caller.permissions:
        raise NotFound
    return read


def times(turns: tuple[Turn, ...]) -> list[tuple[str, str]]:
    """When which side's change was written to the other."""
    return [(timestamp(datetime.fromtimestamp(at, UTC)), side) for at, side in turns]

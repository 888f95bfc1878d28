"""The Sync Contact box: a member wants a contact of the shared hub in their own address book, or does not any more.

What follows in the book is the next run's: the feed names the contact, and an edit's run begins within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contactsync.control.feed import YOUNG
from contactsync.core.timestamps import timestamp
from contactsync.errors import NotPermitted
from contactsync.journeys.asked import telling
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.book.books import say_changed
from contactsync.journeys.book.ticking import untick_if_gone
from contactsync.model.account import Caller


@dataclass(frozen=True, slots=True)
class Subscription:
    """That the member has the contact ticked, since when, and how many members have."""

    contact_id: str
    member_id: str
    since: str
    subscribers: int


def subscribe(world: World, caller: Caller, contact_id: str, seed: str) -> Subscription:
    """Tick a contact; one that is ticked stays so. Raises NotFound, NotPermitted for who is a member no more."""
    telling.contact(world, caller, contact_id)
    account_id, member_id, control = caller.account_id, caller.member_id, world.control
    since = control.subscription(account_id, member_id, contact_id)
    now = world.clock.now()
    if since is None:
        since = timestamp(now)
        _note(world, caller, contact_id, seed)
        control.tick(account_id, member_id, contact_id, since)
    # Whoever ticked it just now may have died before they could say so
    if now - datetime.fromisoformat(since) < YOUNG:
        say_changed(world.bus, account_id, chooser=member_id)
    if untick_if_gone(control, account_id, member_id):  # the authorizer's word is up to a minute old
        raise NotPermitted("contacts.view")
    return Subscription(contact_id, member_id, since, len(control.subscribers(account_id, contact_id)))


def unsubscribe(world: World, caller: Caller, contact_id: str, seed: str) -> None:
    """Take the tick away; the card stays where it is, and follows no more. Raises NotFound."""
    telling.contact(world, caller, contact_id)
    account_id, member_id, control = caller.account_id, caller.member_id, world.control
    if control.subscription(account_id, member_id, contact_id) is not None:
        _note(world, caller, contact_id, seed)
        control.untick(account_id, member_id, contact_id)
    # Said again where nothing is ticked: whoever unticked it may have died before they could
    say_changed(world.bus, account_id, chooser=member_id)


def _note(world: World, caller: Caller, contact_id: str, seed: str) -> None:
    by = derived_id(seed, "edit")
    world.control.note_changes(caller.account_id, by, world.clock.now(), contacts=[contact_id])

"""The shared hub, and what has happened today: each member's Sync Contact boxes, and the day's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Answer, NoContent, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.route import Route
from contactsync.journeys import counting, subscribing
from contactsync.journeys.asking import World

if TYPE_CHECKING:
    from contactsync.api import shapes


def tick_contact(world: World, request: Request) -> Ok[shapes.Subscription]:
    """Tick a contact's Sync Contact box.

    The box is yours alone. Your syncs whose `selection` is subscribed put the contact into your address book within
    minutes, and keep it true there: edits go both ways, to the contact list and from there to all others who ticked it.
    """
    contact_id = request.ids["contact_id"]
    told = subscribing.subscribe(world, request.caller, contact_id, request.seed)
    return json_answer(200, show.subscription(told))


def untick_contact(world: World, request: Request) -> NoContent:
    """Take the tick from a contact's Sync Contact box.

    The card stays in your address book as it is, and is followed no more. Now it can be deleted there without a word to
    anybody else.
    """
    subscribing.unsubscribe(world, request.caller, request.ids["contact_id"], request.seed)
    return Answer(204, "")


def show_today(world: World, request: Request) -> Ok[shapes.Today]:
    """Tell what syncs with address books have added, updated and deleted today.

    `hub`: what was brought from here to the books; `remote`: what came from each of them, by connection. Of deletions only
    those made in address books count. The day is that of the account's time zone.
    """
    return json_answer(200, show.today(counting.today(world, request.caller)))


ROUTES = (
    Route("PUT", "/contacts/<contact_id>/subscription", "contacts.view", tick_contact),
    Route("DELETE", "/contacts/<contact_id>/subscription", "contacts.view", untick_contact),
    Route("GET", "/metrics/today", "contacts.view", show_today),
)

"""Address books as their people see them: Sync Contact boxes, what they have to decide, and the day's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Answer, NoContent, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, pager
from contactsync.journeys.asked import segmenting
from contactsync.journeys.asked.asking import World
from contactsync.journeys.book import counting, reviewing, subscribing
from contactsync.model.request import ReviewDecision

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


def list_reviews(world: World, request: Request) -> Ok[shapes.ReviewList]:
    """List the cards of an address book of which somebody has to say who they are.

    Each may be one of the contacts beside it, and that is not certain. Until somebody has said, neither is touched. A page
    may hold fewer than `limit`; `next` says whether it goes on.
    """
    tokens = pager(world, request)
    connection_id, (after, limit) = request.ids["connection_id"], tokens.page()
    page = reviewing.reviews(world, request.caller, connection_id, after=after, limit=limit)
    known = segmenting.known(world, request.caller, (each for view in page.items for each in view.contacts))
    return json_answer(200, show.listing(page, lambda view: show.review(view, known), tokens.token))


def decide_review(world: World, request: Request) -> Ok[shapes.Review]:
    """Say who a card is.

    `same`: it is the contact `contact_id`. `different`: it is not, which is remembered. `new`: it is nobody who is here
    already. The next run carries it out.
    """
    ids = request.ids
    view = reviewing.decide(
        world, request.caller, ids["connection_id"], ids["review_id"], request.body, seed=request.seed
    )
    known = segmenting.known(world, request.caller, view.contacts)
    return json_answer(200, show.review(view, known))


def list_frozen(world: World, request: Request) -> Ok[shapes.FrozenList]:
    """List the frozen contacts of an address book.

    Another program keeps the same contacts in step, and each of the two takes the other's writes for edits. Stop one
    of them, see which version is right, then let the contact go on. Two people who set the same two values against each other
    look like that, too: they have to agree first.
    """
    tokens = pager(world, request)
    connection_id, (after, limit) = request.ids["connection_id"], tokens.page()
    page = reviewing.frozen(world, request.caller, connection_id, after=after, limit=limit)
    known = segmenting.known(world, request.caller, filter(None, (view.contact for view in page.items)))
    return json_answer(200, show.listing(page, lambda view: show.frozen(view, known), tokens.token))


def thaw(world: World, request: Request) -> NoContent:
    """Let a frozen contact go on.

    The next run reads its card anew; where both sides have changed since, the sync's rule for conflicts decides. What is
    certain to stay is what was written on both sides before.
    """
    ids = request.ids
    reviewing.thaw(world, request.caller, ids["connection_id"], ids["frozen_id"], request.seed)
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
    Route("GET", "/connections/<connection_id>/reviews", "contacts.view", list_reviews, PAGED),
    Route(
        "PATCH",
        "/connections/<connection_id>/reviews/<review_id>",
        "contacts.edit",
        decide_review,
        body=ReviewDecision,
    ),
    Route("GET", "/connections/<connection_id>/frozen", "contacts.view", list_frozen, PAGED),
    Route("DELETE", "/connections/<connection_id>/frozen/<frozen_id>", "contacts.edit", thaw),
    Route("GET", "/metrics/today", "contacts.view", show_today),
)

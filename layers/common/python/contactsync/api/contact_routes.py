"""Contacts and segments: found, shown, changed by hand, and what has changed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contactsync.api import representations as show
from contactsync.api.answer import Answer, Created, Elsewhere, NoContent, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.paging import together
from contactsync.api.route import Route, pager, part
from contactsync.journeys.asked import editing, finding, recounting, segmenting, telling
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.telling import Page
from contactsync.model.contact import Contact
from contactsync.model.request import ContactRequest, SegmentRequest

if TYPE_CHECKING:
    from contactsync.api import shapes


def list_contacts(world: World, request: Request) -> Ok[shapes.ContactList]:
    """List contacts.

    Ordered by id. By an email address a contact is found at once. All other filters go through the list, a bounded part
    of it a page: a page may hold fewer contacts than `limit`, even none, and `next` says whether it goes on. Filters
    that are given together all have to fit.
    """
    tokens = pager(world, request)
    fits, (after, limit) = together(lambda: finding.wanted(world, request.caller, request.query), tokens.page)
    email = request.query.get("email")
    if email is not None:
        page = telling.contacts_by_email(world, request.caller, email)
        if fits is not None:
            page = Page(list(filter(fits, page.items)), [], None)
    else:
        page = telling.contacts(world, request.caller, fits=fits, after=after, limit=limit)
    known = segmenting.known(world, request.caller, page.items)
    return json_answer(200, show.listing(page, lambda each: show.contact(each, known), tokens.token))


def create_contact(world: World, request: Request) -> Created[shapes.Contact]:
    """Add a contact by hand.

    An email address belongs to one contact: if another has it already, the answer is 409 and names that contact.
    """
    made = editing.create_contact(world, request.caller, request.body, request.seed)
    return json_answer(201, _shown(world, request, made), {"Location": f"/v1/contacts/{made.id}"})


def read_contact(world: World, request: Request) -> Ok[shapes.Contact]:
    """Read a contact."""
    contact = telling.contact(world, request.caller, request.ids["contact_id"])
    return json_answer(200, _shown(world, request, contact))


def change_contact(world: World, request: Request) -> Ok[shapes.Contact]:
    """Change a contact by hand.

    What is left out stays, a field that is `null` is emptied, a list is replaced as a whole. Of a list and its first value
    (`emails`, `email`) the one counts that differs from what was shown. The next run leaves such an edit alone as long as
    its row has not changed (`options.mode` of the sync).
    """
    contact_id, version = request.ids["contact_id"], request.if_match
    changed = editing.change_contact(
        world, request.caller, contact_id, request.body, request.seed, if_match=version
    )
    return json_answer(200, _shown(world, request, changed))


def delete_contact(world: World, request: Request) -> NoContent:
    """Delete a contact.

    That it was deleted is remembered, so that an old row does not bring it back.
    """
    contact_id, version = request.ids["contact_id"], request.if_match
    editing.delete_contact(world, request.caller, contact_id, request.seed, if_match=version)
    return Answer(204, "")


def read_photo(world: World, request: Request) -> Elsewhere:
    """Look at a contact's picture.

    Of a contact whose `photo` begins with `ni:`: it names a JPEG or PNG that an address book brought, by the hash of its
    bytes. The answer is 303, and the picture lies at `Location` for a quarter of an hour. Where `photo` is a web address,
    or empty, there is nothing here.
    """
    url = telling.photo_url(world, request.caller, request.ids["contact_id"])
    return Answer(303, "", "text/plain", {"Location": url})


def read_history(world: World, request: Request) -> Ok[shapes.ChangeList]:
    """List what has changed a contact, newest first.

    Every change with who or which run made it, which fields, from what to what, and why. At most ten a page. Of a
    deleted contact too, while its deletion is remembered.
    """
    tokens = pager(world, request)
    after, limit = tokens.page()
    page = recounting.history(
        world, request.caller.account_id, request.ids["contact_id"], after=after, limit=limit
    )
    return json_answer(200, show.listing(page, show.change, tokens.token))


def list_segments(world: World, request: Request) -> Ok[shapes.SegmentList]:
    """List all segments, oldest first. Without a `limit` they come at once."""
    found = world.control.segments(request.caller.account_id)
    tokens = pager(world, request)
    return json_answer(200, show.listing(part(world, request, found), show.segment, tokens.token))


def create_segment(world: World, request: Request) -> Created[shapes.Segment]:
    """Make a segment: a name under which some contacts are kept together."""
    made = segmenting.create_segment(world, request.caller, request.body, request.seed)
    return json_answer(201, show.segment(made))


def delete_segment(world: World, request: Request) -> NoContent:
    """Take a segment away.

    Its contacts stay. Refused while a sync puts its contacts into it.
    """
    segmenting.delete_segment(world, request.caller, request.ids["segment_id"])
    return Answer(204, "")


def join_segment(world: World, request: Request) -> Ok[shapes.Contact]:
    """Put a contact into a segment; one that is in it stays so."""
    segment_id, contact_id = request.ids["segment_id"], request.ids["contact_id"]
    member = segmenting.join(world, request.caller, segment_id, contact_id, request.seed)
    return json_answer(200, _shown(world, request, member))


def leave_segment(world: World, request: Request) -> NoContent:
    """Take a contact out of a segment."""
    segment_id, contact_id = request.ids["segment_id"], request.ids["contact_id"]
    segmenting.leave(world, request.caller, segment_id, contact_id, request.seed)
    return Answer(204, "")


def _shown(world: World, request: Request, contact: Contact) -> dict[str, Any]:
    return show.contact(contact, segmenting.known(world, request.caller, [contact]))


ROUTES = (
    Route("GET", "/contacts", "contacts.view", list_contacts, PAGED | finding.FILTERS | {"email"}),
    Route("POST", "/contacts", "contacts.create", create_contact, body=ContactRequest),
    Route("GET", "/contacts/<contact_id>", "contacts.view", read_contact),
    Route(
        "PATCH",
        "/contacts/<contact_id>",
        "contacts.edit",
        change_contact,
        body=ContactRequest,
        versioned=True,
    ),
    Route("DELETE", "/contacts/<contact_id>", "contacts.delete", delete_contact, versioned=True),
    Route("GET", "/contacts/<contact_id>/photo", "contacts.view", read_photo),
    Route("GET", "/contacts/<contact_id>/history", "contacts.view", read_history, PAGED),
    Route("GET", "/segments", "contacts.view", list_segments, PAGED),
    Route("POST", "/segments", "contacts.edit", create_segment, body=SegmentRequest),
    Route("DELETE", "/segments/<segment_id>", "contacts.edit", delete_segment),
    Route("PUT", "/segments/<segment_id>/contacts/<contact_id>", "contacts.edit", join_segment),
    Route("DELETE", "/segments/<segment_id>/contacts/<contact_id>", "contacts.edit", leave_segment),
)

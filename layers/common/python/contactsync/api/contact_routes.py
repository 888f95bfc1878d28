"""Contacts and segments: found, shown, changed by hand, and what has changed them."""

from __future__ import annotations

from contactsync.api import representations as show
from contactsync.api.answer import Answer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, pager
from contactsync.journeys import editing, finding, recounting, segmenting, telling
from contactsync.journeys.asking import World
from contactsync.journeys.telling import Page
from contactsync.model.contact import Contact


def list_contacts(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    after, limit = tokens.position(), tokens.limit()
    email, fits = request.query.get("email"), finding.wanted(world, request.caller, request.query)
    if email is not None:
        page = telling.contacts_by_email(world, request.caller, email)
        if fits is not None:
            page = Page(list(filter(fits, page.items)), [], None)
    else:
        page = telling.contacts(world, request.caller, fits=fits, after=after, limit=limit)
    known = segmenting.known(world, request.caller, page.items)
    return json_answer(200, show.listing(page, lambda each: show.contact(each, known), tokens.token))


def create_contact(world: World, request: Request) -> Answer:
    made = editing.create_contact(world, request.caller, request.body, request.seed)
    return _shown(world, request, made, 201)


def read_contact(world: World, request: Request) -> Answer:
    return _shown(world, request, telling.contact(world, request.caller, request.ids["contact_id"]))


def change_contact(world: World, request: Request) -> Answer:
    contact_id, version = request.ids["contact_id"], request.if_match
    changed = editing.change_contact(
        world, request.caller, contact_id, request.body, request.seed, if_match=version
    )
    return _shown(world, request, changed)


def delete_contact(world: World, request: Request) -> Answer:
    contact_id, version = request.ids["contact_id"], request.if_match
    editing.delete_contact(world, request.caller, contact_id, request.seed, if_match=version)
    return Answer(204, "")


def read_history(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    after, limit = tokens.position(), tokens.limit()
    page = recounting.history(world, request.caller, request.ids["contact_id"], after=after, limit=limit)
    return json_answer(200, show.listing(page, show.change, tokens.token))


def list_segments(world: World, request: Request) -> Answer:
    found = world.control.segments(request.caller.account_id).values()
    return json_answer(200, {"items": [show.segment(each) for each in found], "next": None})


def create_segment(world: World, request: Request) -> Answer:
    made = segmenting.create_segment(world, request.caller, request.body, request.seed)
    return json_answer(201, show.segment(made))


def delete_segment(world: World, request: Request) -> Answer:
    segmenting.delete_segment(world, request.caller, request.ids["segment_id"])
    return Answer(204, "")


def join_segment(world: World, request: Request) -> Answer:
    segment_id, contact_id = request.ids["segment_id"], request.ids["contact_id"]
    return _shown(
        world, request, segmenting.join(world, request.caller, segment_id, contact_id, request.seed)
    )


def leave_segment(world: World, request: Request) -> Answer:
    segment_id, contact_id = request.ids["segment_id"], request.ids["contact_id"]
    segmenting.leave(world, request.caller, segment_id, contact_id, request.seed)
    return Answer(204, "")


def _shown(world: World, request: Request, contact: Contact, status: int = 200) -> Answer:
    known = segmenting.known(world, request.caller, [contact])
    return json_answer(status, show.contact(contact, known))


ROUTES = (
    Route("GET", "/contacts", "contacts.view", list_contacts, PAGED | finding.FILTERS | {"email"}),
    Route("POST", "/contacts", "contacts.create", create_contact),
    Route("GET", "/contacts/<contact_id>", "contacts.view", read_contact),
    Route("PATCH", "/contacts/<contact_id>", "contacts.edit", change_contact),
    Route("DELETE", "/contacts/<contact_id>", "contacts.delete", delete_contact),
    Route("GET", "/contacts/<contact_id>/history", "contacts.view", read_history, PAGED),
    Route("GET", "/segments", "contacts.view", list_segments),
    Route("POST", "/segments", "contacts.edit", create_segment),
    Route("DELETE", "/segments/<segment_id>", "contacts.edit", delete_segment),
    Route("PUT", "/segments/<segment_id>/contacts/<contact_id>", "contacts.edit", join_segment),
    Route("DELETE", "/segments/<segment_id>/contacts/<contact_id>", "contacts.edit", leave_segment),
)

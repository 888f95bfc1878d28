"""Every route of the API: its place, who may, what it reads, which journey it asks. One table, at the end."""

from __future__ import annotations

from contactsync.api import representations as show
from contactsync.api import run_routes
from contactsync.api.answer import Answer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, accepted, pager
from contactsync.control import Read
from contactsync.journeys import asking, telling
from contactsync.journeys.asking import World

# Uploads, and imports in one call


def create_upload(world: World, request: Request) -> Answer:
    place = asking.create_upload(world, request.caller, request.body, request.seed)
    return json_answer(201, show.upload(place))


def start_import(world: World, request: Request) -> Answer:
    sync, run = asking.start_import(world, request.caller, request.body, request.seed)
    view = telling.sync_view(world, Read(sync, 1), run)
    shown = show.sync(view)
    return json_answer(202, {"sync": shown, "run": shown["latest_run"]}, {"Location": f"/v1/runs/{run.id}"})


# Syncs


def list_syncs(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    page = telling.syncs(world, request.caller, after=tokens.position(), limit=tokens.limit())
    return json_answer(200, show.listing(page, show.sync, tokens.token))


def read_sync(world: World, request: Request) -> Answer:
    return json_answer(200, show.sync(telling.sync(world, request.caller, request.ids["sync_id"])))


def start_run(world: World, request: Request) -> Answer:
    run = asking.start_run(world, request.caller, request.ids["sync_id"], request.body, request.seed)
    return accepted(world, run)


def list_runs(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    page = telling.runs(
        world, request.caller, request.ids["sync_id"], after=tokens.position(), limit=tokens.limit()
    )
    return json_answer(200, show.listing(page, show.run, tokens.token))


# Contacts


def list_contacts(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    after, limit = tokens.position(), tokens.limit()
    email = request.query.get("email")
    if email is not None:
        page = telling.contacts_by_email(world, request.caller, tokens.secret, email)
    else:
        page = telling.contacts(world, request.caller, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.contact, tokens.token))


def read_contact(world: World, request: Request) -> Answer:
    return json_answer(200, show.contact(telling.contact(world, request.caller, request.ids["contact_id"])))


# Fields and the account


def list_fields(world: World, request: Request) -> Answer:
    return json_answer(200, show.fields(list(world.control.fields(request.caller.account_id).values())))


def create_field(world: World, request: Request) -> Answer:
    return json_answer(201, show.field(asking.create_field(world, request.caller, request.body)))


def read_account(world: World, request: Request) -> Answer:
    return json_answer(200, show.account(world.control.account(request.caller.account_id), request.caller))


ROUTES = (
    *run_routes.ROUTES,
    Route("POST", "/uploads", "syncs.manage", create_upload),
    Route("POST", "/imports", "syncs.manage", start_import),
    Route("GET", "/syncs", "syncs.manage", list_syncs, PAGED),
    Route("GET", "/syncs/<sync_id>", "syncs.manage", read_sync),
    Route("POST", "/syncs/<sync_id>/runs", "syncs.manage", start_run),
    Route("GET", "/syncs/<sync_id>/runs", "syncs.manage", list_runs, PAGED),
    Route("GET", "/contacts", "contacts.view", list_contacts, PAGED | {"email"}),
    Route("GET", "/contacts/<contact_id>", "contacts.view", read_contact),
    Route("GET", "/fields", None, list_fields),
    Route("POST", "/fields", "account.manage", create_field),
    Route("GET", "/account", None, read_account),
)

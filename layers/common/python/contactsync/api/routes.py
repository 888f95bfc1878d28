"""Every route of the API: its place, who may, what it reads, which journey it asks. One table, at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contactsync.api import representations as show
from contactsync.api.answer import Answer, Wait, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.paging import Pager
from contactsync.control import Read
from contactsync.errors import InvalidRequest, Problem
from contactsync.journeys import asking, telling
from contactsync.journeys.asking import World
from contactsync.journeys.telling import OUTCOMES, SyncView
from contactsync.model.account import Permission
from contactsync.model.run import Run

Verb = Callable[[World, Request], Answer]

POLL_S = 2


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path. `permission` None: whoever holds a key may."""

    method: str
    path: str
    permission: Permission | None
    verb: Verb
    query: frozenset[str] = frozenset()


# Uploads, and imports in one call


def create_upload(world: World, request: Request) -> Answer:
    place = asking.create_upload(world, request.caller, request.body, request.seed)
    return json_answer(201, show.upload(place))


def start_import(world: World, request: Request) -> Answer:
    sync, run = asking.start_import(world, request.caller, request.body, request.seed)
    view = telling.view(world, run)
    shown = show.sync(SyncView(Read(sync, 1), view))
    return json_answer(202, {"sync": shown, "run": show.run(view)}, {"Location": f"/v1/runs/{run.id}"})


# Syncs


def list_syncs(world: World, request: Request) -> Answer:
    pager = _pager(world, request)
    page = telling.syncs(world, request.caller, after=pager.position(), limit=pager.limit())
    return json_answer(200, show.listing(page, show.sync, pager.token))


def read_sync(world: World, request: Request) -> Answer:
    return json_answer(200, show.sync(telling.sync(world, request.caller, request.ids["sync_id"])))


def start_run(world: World, request: Request) -> Answer:
    run = asking.start_run(world, request.caller, request.ids["sync_id"], request.body, request.seed)
    return json_answer(202, show.run(telling.view(world, run)), {"Location": f"/v1/runs/{run.id}"})


def list_runs(world: World, request: Request) -> Answer:
    pager = _pager(world, request)
    page = telling.runs(
        world, request.caller, request.ids["sync_id"], after=pager.position(), limit=pager.limit()
    )
    return json_answer(200, show.listing(page, show.run, pager.token))


# Runs


def read_run(world: World, request: Request) -> Answer:
    return json_answer(200, show.run(telling.run(world, request.caller, request.ids["run_id"])))


def read_rejects(world: World, request: Request) -> Answer:
    report = telling.report(world, _ended(world, request))
    if report.url is not None:
        return Answer(303, "", "text/csv; charset=utf-8", {"Location": report.url})
    name = f'attachment; filename="rejects-{request.ids["run_id"]}.csv"'
    return Answer(200, report.text or "", "text/csv; charset=utf-8", {"Content-Disposition": name})


def list_rows(world: World, request: Request) -> Answer:
    outcome = request.query.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidRequest([Problem("/outcome", f"Choose one of: {', '.join(OUTCOMES)}.")])
    pager = _pager(world, request)
    after, limit = pager.position(), pager.limit()
    page = telling.rows(world, _ended(world, request), outcome=outcome, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.row, pager.token))


def _ended(world: World, request: Request) -> Run:
    run = telling.run(world, request.caller, request.ids["run_id"]).run
    if run.is_open:
        raise Wait(
            "run_under_way",
            "The run is under way.",
            f"Its rows are settled when it has ended: ask for /v1/runs/{run.id} until then.",
            retry_after_s=POLL_S,
        )
    return run


# Contacts


def list_contacts(world: World, request: Request) -> Answer:
    pager = _pager(world, request)
    after, limit = pager.position(), pager.limit()
    email = request.query.get("email")
    if email is not None:
        page = telling.contacts_by_email(world, request.caller, pager.secret, email)
    else:
        page = telling.contacts(world, request.caller, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.contact, pager.token))


def read_contact(world: World, request: Request) -> Answer:
    return json_answer(200, show.contact(telling.contact(world, request.caller, request.ids["contact_id"])))


# Fields and the account


def list_fields(world: World, request: Request) -> Answer:
    return json_answer(200, show.fields(list(world.control.fields(request.caller.account_id).values())))


def create_field(world: World, request: Request) -> Answer:
    return json_answer(201, show.field(asking.create_field(world, request.caller, request.body)))


def read_account(world: World, request: Request) -> Answer:
    return json_answer(200, show.account(world.control.account(request.caller.account_id), request.caller))


def _pager(world: World, request: Request) -> Pager:
    secret = world.control.account(request.caller.account_id).identity_secret
    return Pager(secret, request.place, request.query, int(world.clock.now().timestamp()))


ROUTES = (
    Route("POST", "/uploads", "syncs.manage", create_upload),
    Route("POST", "/imports", "syncs.manage", start_import),
    Route("GET", "/syncs", "syncs.manage", list_syncs, PAGED),
    Route("GET", "/syncs/<sync_id>", "syncs.manage", read_sync),
    Route("POST", "/syncs/<sync_id>/runs", "syncs.manage", start_run),
    Route("GET", "/syncs/<sync_id>/runs", "syncs.manage", list_runs, PAGED),
    Route("GET", "/runs/<run_id>", "syncs.manage", read_run),
    Route("GET", "/runs/<run_id>/rejects.csv", "syncs.manage", read_rejects),
    Route("GET", "/runs/<run_id>/rows", "syncs.manage", list_rows, PAGED | {"outcome"}),
    Route("GET", "/contacts", "contacts.view", list_contacts, PAGED | {"email"}),
    Route("GET", "/contacts/<contact_id>", "contacts.view", read_contact),
    Route("GET", "/fields", None, list_fields),
    Route("POST", "/fields", "account.manage", create_field),
    Route("GET", "/account", None, read_account),
)

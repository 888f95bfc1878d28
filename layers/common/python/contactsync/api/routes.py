"""Every route of the API: its place, who may, what it reads, which journey it asks. One table, at the end."""

from __future__ import annotations

from contactsync.api import contact_routes, field_routes, run_routes, sync_routes
from contactsync.api import representations as show
from contactsync.api.answer import Answer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.route import Route
from contactsync.control import Read
from contactsync.journeys import asking, previewing, telling
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


def show_preview(world: World, request: Request) -> Answer:
    return json_answer(200, show.preview(previewing.preview(world, request.caller, request.body)))


# The account


def read_account(world: World, request: Request) -> Answer:
    return json_answer(200, show.account(world.control.account(request.caller.account_id), request.caller))


ROUTES = (
    *sync_routes.ROUTES,
    *run_routes.ROUTES,
    *contact_routes.ROUTES,
    *field_routes.ROUTES,
    Route("POST", "/uploads", "syncs.manage", create_upload),
    Route("POST", "/previews", "syncs.manage", show_preview, replayed=False),
    Route("POST", "/imports", "syncs.manage", start_import),
    Route("GET", "/account", None, read_account),
)

"""Syncs: saved, changed, deleted, run."""

from __future__ import annotations

from contactsync.api import representations as show
from contactsync.api.answer import Answer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, accepted, pager
from contactsync.control import Read
from contactsync.journeys import asking, saving, telling
from contactsync.journeys.asking import World


def list_syncs(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    page = telling.syncs(world, request.caller, after=tokens.position(), limit=tokens.limit())
    return json_answer(200, show.listing(page, show.sync, tokens.token))


def create_sync(world: World, request: Request) -> Answer:
    sync = saving.create_sync(world, request.caller, request.body, request.seed)
    shown = show.sync(telling.sync_view(world, Read(sync, 1), None))
    return json_answer(201, shown, {"Location": f"/v1/syncs/{sync.id}"})


def read_sync(world: World, request: Request) -> Answer:
    return json_answer(200, show.sync(telling.sync(world, request.caller, request.ids["sync_id"])))


def change_sync(world: World, request: Request) -> Answer:
    sync_id, caller, version = request.ids["sync_id"], request.caller, request.if_match
    saving.change_sync(world, caller, sync_id, request.body, request.seed, if_match=version)
    return json_answer(200, show.sync(telling.sync(world, request.caller, sync_id)))


def delete_sync(world: World, request: Request) -> Answer:
    saving.delete_sync(world, request.caller, request.ids["sync_id"], request.if_match)
    return Answer(204, "")


def start_run(world: World, request: Request) -> Answer:
    run = asking.start_run(world, request.caller, request.ids["sync_id"], request.body, request.seed)
    return accepted(world, run)


def list_runs(world: World, request: Request) -> Answer:
    tokens = pager(world, request)
    page = telling.runs(
        world, request.caller, request.ids["sync_id"], after=tokens.position(), limit=tokens.limit()
    )
    return json_answer(200, show.listing(page, show.run, tokens.token))


ROUTES = (
    Route("GET", "/syncs", "syncs.manage", list_syncs, PAGED),
    Route("POST", "/syncs", "syncs.manage", create_sync),
    Route("GET", "/syncs/<sync_id>", "syncs.manage", read_sync),
    Route("PATCH", "/syncs/<sync_id>", "syncs.manage", change_sync),
    Route("DELETE", "/syncs/<sync_id>", "syncs.manage", delete_sync),
    Route("POST", "/syncs/<sync_id>/runs", "syncs.manage", start_run),
    Route("GET", "/syncs/<sync_id>/runs", "syncs.manage", list_runs, PAGED),
)

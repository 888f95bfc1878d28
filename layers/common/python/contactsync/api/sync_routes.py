"""Syncs: saved, changed, deleted, run; and the files that arrive for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Accepted, Answer, Created, NoContent, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, accepted, pager
from contactsync.control import Read
from contactsync.journeys.asked import asking, saving, telling
from contactsync.journeys.asked.asking import World
from contactsync.model.request import RunRequest, SyncChange
from contactsync.model.sync import SyncRequest

if TYPE_CHECKING:
    from contactsync.api import shapes


def list_syncs(world: World, request: Request) -> Ok[shapes.SyncList]:
    """List all syncs, newest first.

    A page may hold fewer than `limit`, even none, where many were deleted: `next` says whether it goes on.
    """
    tokens = pager(world, request)
    after, limit = tokens.page()
    page = telling.syncs(world, request.caller, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.sync, tokens.token))


def create_sync(world: World, request: Request) -> Created[shapes.Sync]:
    """Save a sync without running it.

    Secrets in the source are sealed and never shown again.
    """
    sync = saving.create_sync(world, request.caller, request.body, request.seed)
    shown = show.sync(telling.sync_view(world, request.caller, Read(sync, 1), None))
    return json_answer(201, shown, {"Location": f"/v1/syncs/{sync.id}"})


def read_sync(world: World, request: Request) -> Ok[shapes.Sync]:
    """Read a sync, with its latest run."""
    return json_answer(200, show.sync(telling.sync(world, request.caller, request.ids["sync_id"])))


def change_sync(world: World, request: Request) -> Ok[shapes.Sync]:
    """Change a sync.

    What is left out stays. `format`, `options`, `notify` and `limits` are merged key by key, where null takes a key away;
    everything else is replaced. The whole is checked as a new sync would be. Refused while a run is under way whose
    rules would change.
    """
    sync_id, caller, version = request.ids["sync_id"], request.caller, request.if_match
    saving.change_sync(world, caller, sync_id, request.body, request.seed, if_match=version)
    return json_answer(200, show.sync(telling.sync(world, request.caller, sync_id)))


def delete_sync(world: World, request: Request) -> NoContent:
    """Delete a sync.

    Its schedule and its secrets go at once. Its runs, and what they have done, stay to be looked at and undone for 90 days.
    """
    saving.delete_sync(world, request.caller, request.ids["sync_id"], request.if_match)
    return Answer(204, "")


def start_run(world: World, request: Request) -> Accepted[shapes.Run]:
    """Run a sync.

    `dry_run` writes nothing and tells what it would do; `plan` carries out exactly what a dry run has told, or nothing.
    What it reads is the source as it is now: of uploads the latest that the sync was given, whatever became of its run, or
    the one that `upload_id` names; of dropped files the newest. Refused while a run of this sync is under way.
    """
    run = asking.start_run(world, request.caller, request.ids["sync_id"], request.body, request.seed)
    return accepted(world, run)


def list_runs(world: World, request: Request) -> Ok[shapes.RunList]:
    """List the runs of a sync, newest first."""
    tokens = pager(world, request)
    after, limit = tokens.page()
    page = telling.runs(world, request.caller, request.ids["sync_id"], after=after, limit=limit)
    return json_answer(200, show.listing(page, show.run, tokens.token))


def list_drops(world: World, request: Request) -> Ok[shapes.DropList]:
    """List the files that have arrived in the drop bucket, newest first.

    Each with its run, if it has one, or with why it was not read. Remembered for 90 days.
    """
    tokens = pager(world, request)
    after, limit = tokens.page()
    page = telling.drops(world, request.caller, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.drop, tokens.token))


ROUTES = (
    Route("GET", "/syncs", "syncs.manage", list_syncs, PAGED),
    Route("POST", "/syncs", "syncs.manage", create_sync, body=SyncRequest),
    Route("GET", "/syncs/<sync_id>", "syncs.manage", read_sync),
    Route("PATCH", "/syncs/<sync_id>", "syncs.manage", change_sync, body=SyncChange, versioned=True),
    Route("DELETE", "/syncs/<sync_id>", "syncs.manage", delete_sync, versioned=True),
    Route("POST", "/syncs/<sync_id>/runs", "syncs.manage", start_run, body=RunRequest),
    Route("GET", "/syncs/<sync_id>/runs", "syncs.manage", list_runs, PAGED),
    Route("GET", "/drops", "syncs.manage", list_drops, PAGED),
)

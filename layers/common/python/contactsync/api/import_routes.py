"""Files on their way in: uploaded, looked at before anything is stored, imported in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Accepted, Created, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.route import Route
from contactsync.control import Read
from contactsync.journeys.asked import asking, telling
from contactsync.journeys.asked.asking import World
from contactsync.journeys.file import previewing
from contactsync.model.request import PreviewRequest, UploadRequest
from contactsync.model.sync import SyncRequest

if TYPE_CHECKING:
    from contactsync.api import shapes


def create_upload(world: World, request: Request) -> Created[shapes.Upload]:
    """Make room for a file.

    Send its bytes to `url` by `method`, with `headers`, until `expires_at`; then name `upload_id` as the source of a
    preview, an import or a sync. At most 5 GB.
    """
    place = asking.create_upload(world, request.caller, request.body, request.seed)
    return json_answer(201, show.upload(place))


def start_import(world: World, request: Request) -> Accepted[shapes.Import]:
    """Import a file: save a sync and run it, in one call.

    Everything that is wrong with the request is told at once, each with its place.
    """
    sync, run = asking.start_import(world, request.caller, request.body, request.seed)
    view = telling.sync_view(world, request.caller, Read(sync, 1), run)
    shown = show.sync(view)
    return json_answer(202, {"sync": shown, "run": shown["latest_run"]}, {"Location": f"/v1/runs/{run.id}"})


def show_preview(world: World, request: Request) -> Ok[shapes.Preview]:
    """Look at a file before anything is stored.

    How it is written and how sure that is, its first rows, a field for each column, and what other programs have done to
    its values. `format` can be sent with the import as it is. Of a file on a server the beginning is fetched, up to 4 MiB
    or what comes within some seconds; neither it nor the secrets in the request are kept. A file that was dropped needs
    `sync_id`.
    """
    return json_answer(200, show.preview(previewing.preview(world, request.caller, request.body)))


ROUTES = (
    Route("POST", "/uploads", "syncs.manage", create_upload, body=UploadRequest, replayed="made_again"),
    Route("POST", "/previews", "syncs.manage", show_preview, body=PreviewRequest, replayed="never"),
    Route("POST", "/imports", "syncs.manage", start_import, body=SyncRequest),
)

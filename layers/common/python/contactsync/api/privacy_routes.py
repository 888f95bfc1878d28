"""What an account takes along, and whom it forgets: exports and erasures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contactsync.api import representations as show
from contactsync.api.answer import Accepted, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.route import Route
from contactsync.journeys.account import erasing, exporting
from contactsync.journeys.asked.asking import World
from contactsync.model.long_work import Export
from contactsync.model.request import ErasureRequest, ExportRequest

if TYPE_CHECKING:
    from contactsync.api import shapes


def create_export(world: World, request: Request) -> Accepted[shapes.Export]:
    """Export contacts, history, runs, settings.

    The files are made one after the other: ask for the export until it has succeeded. A table (csv) or a card file
    can be imported again as it is, without a mapping, and gives the same contacts. Only who may manage the account gets
    more than the contacts. One export of an account is made at a time; its files are kept for 7 days.
    """
    export = exporting.ask_for_export(world, request.caller, request.body, request.seed)
    return json_answer(202, _shown(world, export), {"Location": f"/v1/exports/{export.id}"})


def read_export(world: World, request: Request) -> Ok[shapes.Export]:
    """Ask how far an export is.

    Each file has a `url` from which anybody can have it for a quarter of an hour; ask again for another one.
    """
    export = exporting.read_export(world, request.caller, request.ids["export_id"])
    return json_answer(200, _shown(world, export))


def create_erasure(world: World, request: Request) -> Accepted[shapes.Erasure]:
    """Forget a person.

    The contact goes at once; its history, and every file of a run that mentions it, soon after. Ask how far it is. A later
    file that still holds the person brings them back: take them out of your own lists first. What remains, and for how
    long, is in docs/privacy.md.
    """
    erasure = erasing.ask_for_erasure(world, request.caller, request.body, request.seed)
    return json_answer(202, show.erasure(erasure), {"Location": f"/v1/erasures/{erasure.id}"})


def read_erasure(world: World, request: Request) -> Ok[shapes.Erasure]:
    """Ask how far an erasure is."""
    return json_answer(
        200, show.erasure(erasing.read_erasure(world, request.caller, request.ids["erasure_id"]))
    )


def _shown(world: World, export: Export) -> dict[str, Any]:
    return show.export(export, lambda file: exporting.url_of(world, export, file))


ROUTES = (
    Route("POST", "/exports", "contacts.view", create_export, body=ExportRequest),
    Route("GET", "/exports/<export_id>", "contacts.view", read_export),
    Route("POST", "/erasures", "contacts.delete", create_erasure, body=ErasureRequest, also="account.manage"),
    Route("GET", "/erasures/<erasure_id>", "account.manage", read_erasure),
)

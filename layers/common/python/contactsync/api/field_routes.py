"""The account's fields: listed, added, changed, taken away."""

from __future__ import annotations

from contactsync.api import representations as show
from contactsync.api.answer import Answer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.route import Route
from contactsync.errors import InvalidRequest, Problem
from contactsync.journeys import asking, fielding
from contactsync.journeys.asking import World

ASKED_FIRST = frozenset({"dry_run", "confirm"})


def list_fields(world: World, request: Request) -> Answer:
    return json_answer(200, show.fields(list(world.control.fields(request.caller.account_id).values())))


def create_field(world: World, request: Request) -> Answer:
    return json_answer(201, show.field(asking.create_field(world, request.caller, request.body)))


def change_field(world: World, request: Request) -> Answer:
    dry_run, confirm = _flag(request, "dry_run"), _flag(request, "confirm")
    key = request.ids["key"]
    spec, effects = fielding.change_field(
        world, request.caller, key, request.body, dry_run=dry_run, confirm=confirm
    )
    return json_answer(200, {**show.field(spec), "effects": show.effects(effects)})


def delete_field(world: World, request: Request) -> Answer:
    dry_run, confirm = _flag(request, "dry_run"), _flag(request, "confirm")
    effects = fielding.delete_field(
        world, request.caller, request.ids["key"], dry_run=dry_run, confirm=confirm
    )
    return json_answer(200, {"effects": show.effects(effects)}) if dry_run else Answer(204, "")


def _flag(request: Request, name: str) -> bool:
    said = request.query.get(name, "false")
    if said not in ("true", "false"):
        raise InvalidRequest([Problem(f"/{name}", "Say true or false.")])
    return said == "true"


ROUTES = (
    Route("GET", "/fields", None, list_fields),
    Route("POST", "/fields", "account.manage", create_field),
    Route("PATCH", "/fields/<key>", "account.manage", change_field, ASKED_FIRST),
    Route("DELETE", "/fields/<key>", "account.manage", delete_field, ASKED_FIRST),
)

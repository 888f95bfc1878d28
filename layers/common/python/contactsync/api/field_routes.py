"""The account's fields: listed, added, changed, taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Answer, Created, NoContent, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.paging import together
from contactsync.api.route import Route, pager, part
from contactsync.errors import InvalidRequest, Problem
from contactsync.journeys.asked import fielding
from contactsync.journeys.asked.asking import World
from contactsync.model.request import FieldChange, FieldRequest

if TYPE_CHECKING:
    from contactsync.api import shapes

ASKED_FIRST = frozenset({"dry_run", "confirm"})


def list_fields(world: World, request: Request) -> Ok[shapes.FieldList]:
    """List all fields: the standard ones, then those of the account. Without a `limit` they come at once."""
    fields = world.control.fields(request.caller.account_id).values()
    found = {f"{'standard' if each.built_in else 'theirs'}#{each.key}": each for each in fields}
    tokens = pager(world, request)
    return json_answer(200, show.listing(part(world, request, found), show.field, tokens.token))


def create_field(world: World, request: Request) -> Created[shapes.Field]:
    """Add a field of the account's own."""
    return json_answer(201, show.field(fielding.create_field(world, request.caller, request.body)))


def change_field(world: World, request: Request) -> Ok[shapes.ChangedField]:
    """Change a field's label, its choices, or whether it is required.

    What is left out stays. Where contacts have a choice that would go, it has to be confirmed: `dry_run` tells how
    many there are and changes nothing, `confirm` does it.
    """
    dry_run, confirm = _flags(request)
    key = request.ids["key"]
    spec, effects = fielding.change_field(
        world, request.caller, key, request.body, dry_run=dry_run, confirm=confirm
    )
    return json_answer(200, {**show.field(spec), "effects": show.effects(effects)})


def delete_field(world: World, request: Request) -> Ok[shapes.FieldEffects] | NoContent:
    """Take a field away.

    Refused while a sync maps it or finds contacts by it. Where contacts have values in it, it has to be confirmed:
    `dry_run` tells how many there are and changes nothing, `confirm` does it. The values stay with the contacts
    until somebody empties them.
    """
    dry_run, confirm = _flags(request)
    effects = fielding.delete_field(
        world, request.caller, request.ids["key"], dry_run=dry_run, confirm=confirm
    )
    gone: NoContent = Answer(204, "")
    told: Ok[shapes.FieldEffects] = json_answer(200, {"effects": show.effects(effects)})
    return told if dry_run else gone


def _flags(request: Request) -> tuple[bool, bool]:
    dry_run, confirm = together(lambda: _flag(request, "dry_run"), lambda: _flag(request, "confirm"))
    return dry_run, confirm


def _flag(request: Request, name: str) -> bool:
    said = request.query.get(name, "false")
    if said not in ("true", "false"):
        raise InvalidRequest([Problem(f"/{name}", "Say true or false.")])
    return said == "true"


ROUTES = (
    Route("GET", "/fields", None, list_fields, PAGED),
    Route("POST", "/fields", "account.manage", create_field, body=FieldRequest),
    Route("PATCH", "/fields/<key>", "account.manage", change_field, ASKED_FIRST, body=FieldChange),
    Route("DELETE", "/fields/<key>", "account.manage", delete_field, ASKED_FIRST),
)

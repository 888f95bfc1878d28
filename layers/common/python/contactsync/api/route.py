"""What a route is, and what the verbs of several nouns share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contactsync.api import representations as show
from contactsync.api.answer import Answer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import Pager
from contactsync.journeys import telling
from contactsync.journeys.asking import World
from contactsync.model.account import Permission
from contactsync.model.run import Run

Verb = Callable[[World, Request], Answer]

POLL_S = 2


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path. `permission` None: whoever holds a key may.

    `replayed`: the answer to a POST is kept under its Idempotency-Key. One that changes nothing and shows people's
    data is not kept; asked again, it is given again.
    """

    method: str
    path: str
    permission: Permission | None
    verb: Verb
    query: frozenset[str] = frozenset()
    replayed: bool = True


def pager(world: World, request: Request) -> Pager:
    """The page tokens of this account for this listing."""
    secret = world.control.account(request.caller.account_id).identity_secret
    return Pager(secret, request.place, request.query, int(world.clock.now().timestamp()))


def accepted(world: World, run: Run) -> Answer:
    """A run that was asked for, and where to ask how far it is."""
    return json_answer(202, show.run(telling.view(world, run)), {"Location": f"/v1/runs/{run.id}"})

"""What a route is, and what the verbs of several nouns share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel

from contactsync.api import representations as show
from contactsync.api.answer import Accepted, AnyAnswer, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import Pager
from contactsync.journeys.asked import telling
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.telling import Page
from contactsync.model.account import Permission
from contactsync.model.run import Run

if TYPE_CHECKING:
    from contactsync.api import shapes

Verb = Callable[[World, Request], AnyAnswer]

T = TypeVar("T")

POLL_S = 2


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path, and the verb that answers it. The OpenAPI document is read from here:

    - the verb's docstring: its first line is the summary, what follows is the description;
    - the verb's signature: `-> Created[shapes.Segment]` promises 201 with that shape of api/shapes/, which
      a module of routes imports under TYPE_CHECKING, for no request needs it; `-> NoContent` is 204; several
      answers are joined by `|`. The tests hold every answer to what its verb promises;
    - `body`: the model of what a POST, PATCH or PUT is sent; None where there is nothing to say;
    - `query`: the parameters, each of which tests/docs/openapi.py describes.

    A route that lacks one of these fails tests/docs/test_openapi.py, which says what to add; `make docs` then writes
    the document anew.

    `permission`: None: whoever holds a key may; several: who has one of them, and the verb knows for what. `also`: is
    needed beside it. `versioned`: the thing has a version, and If-Match may name it.

    `replayed`: the answer to a POST is kept under its Idempotency-Key. One that shows a secret, as is a URL that opens
    something for a while, is not kept but made again, from the same seed, which comes to the same. One that changes nothing and shows people's data is neither.

    `public`: no key is asked for, and the caller is nobody; parameters that it does not know are passed over, for whoever
    sends people there adds their own.

    `once`: it does something, though it is a GET: HEAD, by which programs look whether something is there, does not.
    """

    method: str
    path: str
    permission: Permission | tuple[Permission, ...] | None
    verb: Verb
    query: frozenset[str] = frozenset()
    body: type[BaseModel] | None = None
    versioned: bool = False
    replayed: Literal["kept", "made_again", "never"] = "kept"
    public: bool = False
    also: Permission | None = None
    once: bool = False

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """One of these is needed; none if there are none."""
        if self.permission is None or isinstance(self.permission, tuple):
            return self.permission or ()
        return (self.permission,)


def pager(world: World, request: Request) -> Pager:
    """The page tokens of this account for this listing."""
    secret = world.control.account(request.caller.account_id).identity_secret
    return Pager(secret, request.place, request.query, int(world.clock.now().timestamp()))


def accepted(world: World, run: Run) -> Accepted[shapes.Run]:
    """A run that was asked for, and where to ask how far it is."""
    return json_answer(202, show.run(telling.view(world, run)), {"Location": f"/v1/runs/{run.id}"})


def part(world: World, request: Request, items: Mapping[str, T]) -> Page[T]:
    """A bounded list: all of it, or as many as are asked for at once.

    `items` have their marks, which rise among all that may come or go. A page goes on behind the last one's, whether that
    is still there or not: by its number, one that was there all the time would be passed over, or told twice.
    """
    after, asked = pager(world, request).page()
    marks = list(items)
    begin = 0
    if after is not None:
        rest = (number for number, mark in enumerate(marks) if mark > after)
        begin = marks.index(after) + 1 if after in items else next(rest, len(marks))
    limit = asked if "limit" in request.query else len(marks)
    shown = marks[begin : begin + limit]
    more = begin + len(shown) < len(marks)
    return Page([items[mark] for mark in shown], shown, shown[-1] if more else None)

"""Address books that members connect: at Google and Microsoft by signing in there, on CardDAV servers by a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Answer, Created, NoContent, Ok, json_answer
from contactsync.api.document_routes import HTML, STRICT
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, pager
from contactsync.errors import Busy, UserError
from contactsync.journeys.asked.asking import World
from contactsync.journeys.book import connecting
from contactsync.journeys.book.attaching import PERMISSIONS
from contactsync.model.request import ConnectionRequest

if TYPE_CHECKING:
    from contactsync.api import shapes

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def list_connections(world: World, request: Request) -> Ok[shapes.ConnectionList]:
    """List the connected address books, oldest first.

    Those at providers for which you have the permission.
    """
    tokens = pager(world, request)
    after, limit = tokens.page()
    page = connecting.connections(world, request.caller, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.connection, tokens.token))


def connect(world: World, request: Request) -> Created[shapes.NewConnection]:
    """Connect an address book.

    At Google or Microsoft, send the person to `authorize_url`; they sign in, and the connection is `active`. A CardDAV
    server is looked at at once. A book that was connected before by the same member is that connection again, with all
    that it had: then `GET` of the id that you were given shows that one. `connection_id` asks that it be this one, and
    refuses another person's book.
    """
    begun = connecting.begin(world, request.caller, request.body, request.seed)
    return json_answer(201, show.begun(begun), {"Location": f"/v1/connections/{begun.connection.id}"})


def read_connection(world: World, request: Request) -> Ok[shapes.Connection]:
    """Read a connection."""
    found = connecting.connection(world, request.caller, request.ids["connection_id"])
    return json_answer(200, show.connection(found))


def list_groups(world: World, request: Request) -> Ok[shapes.GroupList]:
    """List what can be chosen in an address book.

    All of it first, then its labels, folders or collections. The provider is asked now. Your own connections; with
    `account.manage`, everybody's.
    """
    return json_answer(
        200, show.groups(connecting.groups(world, request.caller, request.ids["connection_id"]))
    )


def disconnect(world: World, request: Request) -> NoContent:
    """Disconnect an address book.

    What opens it is given back where the provider takes it back, and forgotten. Contacts stay; syncs with it wait, and go
    on where they stopped if the same book is connected again. Your own; with `account.manage`, everybody's.
    """
    connecting.disconnect(world, request.caller, request.ids["connection_id"])
    return Answer(204, "")


def complete_sign_in(world: World, request: Request) -> Ok[shapes.Page]:
    """Where people come back to from a provider's sign-in.

    A page that says what has happened, and what to do.
    """
    try:
        landed = connecting.complete(world, request.query)
    except UserError as error:
        return _page(error.title, error.detail)
    except Busy:
        return _page(
            "The address book is not connected.", "The provider does not answer. Begin again in a minute."
        )
    return _page(
        f"The address book of {landed.book} is connected to {landed.account}.",
        f"{landed.account} can read and change its contacts from now on, as its syncs say. If you did not mean that, "
        "take the access back in the settings of your account at the provider. You can close this page.",
    )


def _page(title: str, text: str) -> Ok[shapes.Page]:
    from html import escape  # noqa: PLC0415 its list of entities takes 2 ms, for the two pages that people see

    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Contact Sync</title></head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n</body></html>\n"
    )
    return Answer(200, page, HTML, {"Content-Security-Policy": _POLICY, **STRICT})


_ANY = tuple(PERMISSIONS.values())

ROUTES = (
    Route("GET", "/connections", _ANY, list_connections, PAGED),
    Route("POST", "/connections", _ANY, connect, body=ConnectionRequest, replayed="made_again"),
    Route("GET", "/connections/<connection_id>", _ANY, read_connection),
    Route("DELETE", "/connections/<connection_id>", _ANY, disconnect),
    Route("GET", "/connections/<connection_id>/groups", _ANY, list_groups),
    Route(
        "GET",
        "/oauth/callback",
        None,
        complete_sign_in,
        frozenset({"state", "code", "error", "iss"}),
        public=True,
        once=True,
    ),
)

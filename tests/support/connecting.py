"""People who connect their address books: the provider's sign-in page, and where it sends them back to."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import pytest

from contactsync.connectors.oauth import OAuth
from contactsync.connectors.ways import CALLBACK, authorities, discovered
from contactsync.model.connection import Connection
from contactsync.model.lending import Discovered, Discovering
from contactsync.sources.net import Guard
from tests.fakes.authority import AuthorityServer, Person
from tests.support.calling import ApiWorld, Client, Told

PUBLIC = "https://api.example.com"
BOB = Person("subject-2", "bob@example.com")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def consent(url: str) -> str:
    """The person agrees; the query with which they are sent back."""
    with pytest.raises(HTTPError) as sent_back:
        urllib.request.build_opener(_NoRedirect).open(url)
    with sent_back.value as redirect:
        back = redirect.headers.get("Location") or ""
    assert back.startswith(f"{PUBLIC}{CALLBACK}?"), back
    return urlsplit(back).query


def come_back(client: Client, query: str | dict[str, str]) -> Told:
    """The page that the person sees; no key is sent."""
    told = query if isinstance(query, str) else urlencode(query)
    return client.call(
        "GET", f"/oauth/callback?{told}", requestContext={"requestId": "r", "authorizer": None}
    )


def sign_in(client: Client, provider: str = "google", **asked: str) -> Told:
    """Connect a book, as its person: the page at the end."""
    begun = client.post("/connections", {"provider": provider, **asked})
    assert begun.status == 201, begun.text
    return come_back(client, consent(begun.json["authorize_url"]))


def connected(client: Client, provider: str = "google") -> dict[str, Any]:
    """A book that was connected just now."""
    client.world.clock.advance(timedelta(seconds=1))
    begun = client.post("/connections", {"provider": provider}).json
    page = come_back(client, consent(begun["authorize_url"]))
    assert "is connected" in page.text, page.text
    found: dict[str, Any] = client.get(f"/connections/{begun['connection']['id']}").json
    return found


@contextmanager
def authority(**changes: Any) -> Iterator[AuthorityServer]:
    """A provider's authority that knows us under PUBLIC."""
    with AuthorityServer(redirect_uri=f"{PUBLIC}{CALLBACK}", **changes) as server:
        yield server


def known(**servers: AuthorityServer) -> dict[str, OAuth]:
    """What we know these providers' authorities by."""
    apps = {provider: (server.client_id, server.client_secret) for provider, server in servers.items()}
    return authorities(apps, {provider: server.url for provider, server in servers.items()}, PUBLIC)


class Servers:
    """See `ports.Discoverer`: CardDAV servers on this machine, looked at as the function Discover does."""

    def __init__(self, *ports: int, guard: Guard | None = None) -> None:
        self.guard = guard or Guard(frozenset(("127.0.0.1", port) for port in ports))

    def discover(self, asked: Discovering) -> Discovered:
        """See `ports.Discoverer.discover`."""
        return discovered(asked, guard=self.guard)


def state_of(client: Client, connection_id: str) -> str:
    """As its member sees it."""
    return str(client.get(f"/connections/{connection_id}").json["state"])


def stored(world: ApiWorld, connection_id: str) -> Connection:
    """The customer's connection as it is kept."""
    return world.control.connection(world.account.account_id, connection_id).value


def member(world: ApiWorld, client: Client, *permissions: str) -> Client:
    """Another member of the same account, who may do this."""
    asked = {"email": f"{len(permissions)}@example.com", "permissions": list(permissions)}
    told = client.post("/members", asked)
    return Client(world, replace(client.account, member_id=told.json["id"]), permissions)

"""The ways into address books: at which authorities people let us in, and which connector speaks to whose server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from contactsync.connectors import google, microsoft
from contactsync.connectors.calling import Access
from contactsync.connectors.carddav import CardDavConnector, discover
from contactsync.connectors.dav import Dav
from contactsync.connectors.oauth import App, Authority, OAuth
from contactsync.errors import SourceAway
from contactsync.model.connection import Connection
from contactsync.model.lending import Discovered, Discovering
from contactsync.ports import Connector
from contactsync.sources.net import Guard

AUTHORITIES: Mapping[str, Authority] = {"google": google.AUTHORITY, "microsoft": microsoft.AUTHORITY}
_SIGNED_IN: Mapping[str, tuple[Callable[..., Connector], str]] = {
    "google": (google.GoogleConnector, google.BASE),
    "microsoft": (microsoft.MicrosoftConnector, microsoft.BASE),
}
CALLBACK = "/v1/oauth/callback"
DISCOVERY_WAIT_S = 5.0
"""For each wait on a server that somebody has just named, while they look on."""


def authorities(
    apps: Mapping[str, tuple[str, str]], elsewhere: Mapping[str, str], public_url: str
) -> dict[str, OAuth]:
    """Where we are known, by provider.

    Args:
        apps: client id and secret; a provider without them is not offered.
        elsewhere: base URLs of stand-ins, on one machine.
        public_url: ours, to which people come back.
    """
    return {
        provider: OAuth(
            _at(AUTHORITIES[provider], elsewhere.get(provider, "")), App(*app, f"{public_url}{CALLBACK}")
        )
        for provider, app in apps.items()
        if all(app)
    }


def _at(authority: Authority, base: str) -> Authority:
    """An authority, or its stand-in at another address."""
    if not base:
        return authority
    return replace(
        authority,
        authorize_url=f"{base}/authorize",
        token_url=f"{base}/token",
        revoke_url=f"{base}/revoke" if authority.revoke_url else None,
        issuers=(base,),
    )


def signed_in_book(
    connection: Connection,
    access: Access,
    *,
    country: Callable[[str], str],
    elsewhere: Mapping[str, str],
) -> Connector:
    """A book whose person has signed in at its provider."""
    connector, base = _SIGNED_IN[connection.provider]
    return connector(
        access, country=country(connection.account_id), base=elsewhere.get(connection.provider, base)
    )


def dav_book(
    connection: Connection, access: Access, *, country: Callable[[str], str], guard: Guard
) -> Connector:
    """A book on a CardDAV server; where it lies is its `subject`, and its access is the password."""
    dav = Dav(connection.subject, connection.username, access(False), guard)
    home = urlsplit(connection.subject).path
    return CardDavConnector(dav, home, country=country(connection.account_id), username=connection.username)


def discovered(asked: Discovering, *, guard: Guard) -> Discovered:
    """Where somebody's books lie on a CardDAV server, and which there are. See `ports.Discoverer.discover`."""
    dav = Dav(
        asked.url,
        asked.username,
        asked.password,
        guard,
        timeout_s=DISCOVERY_WAIT_S,
        answer_s=DISCOVERY_WAIT_S,
        sleep=_impatient,
    )
    try:
        book = CardDavConnector(dav, discover(dav), country="", username=asked.username)
        holder = book.holder()
        return Discovered(
            account_id=asked.account_id, subject=holder.subject, name=holder.name, groups=tuple(book.groups())
        )
    finally:
        dav.close()


def _impatient(_seconds: float) -> None:
    raise SourceAway("The server asks for patience.")

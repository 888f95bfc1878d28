"""Opening a connected address book: by its provider's own way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contactsync.errors import AccessLost
from contactsync.model.connection import Connection
from contactsync.ports import Connector

WayIn = Callable[[Connection], Connector]


def opened(connection: Connection, *, ways: Mapping[str, WayIn]) -> Connector:
    """The connector of a connection. Raises AccessLost for a provider that this installation has no way into."""
    way = ways.get(connection.provider)
    if way is None:
        raise AccessLost(
            "provider_not_set_up",
            "This installation has no access to the address book's provider.",
            "Ask whoever runs the service to set the provider up.",
        )
    return way(connection)

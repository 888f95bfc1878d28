"""Every route of the API, in one table: its place, who may, what it reads, which journey it asks."""

from __future__ import annotations

from contactsync.api import (
    account_routes,
    connection_routes,
    contact_routes,
    document_routes,
    field_routes,
    hub_routes,
    import_routes,
    privacy_routes,
    run_routes,
    sync_routes,
)

ROUTES = (
    *sync_routes.ROUTES,
    *run_routes.ROUTES,
    *contact_routes.ROUTES,
    *hub_routes.ROUTES,
    *connection_routes.ROUTES,
    *field_routes.ROUTES,
    *privacy_routes.ROUTES,
    *import_routes.ROUTES,
    *account_routes.ROUTES,
    *document_routes.ROUTES,
)

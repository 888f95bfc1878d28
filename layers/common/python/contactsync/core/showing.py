"""A contact as everybody outside sees it: in the API's answers, and line by line in an export."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from contactsync.model.contact import Contact
from contactsync.model.field import PRIMARIES


def _book_of(via: str) -> dict[str, str] | None:
    """Whose edit in which address book a change was."""
    member, _, connection = via.partition("#")
    return {"member_id": member, "connection_id": connection} if via else None


def in_utc(stored: str) -> str:
    """A time in the one form in which all are shown; some are stored with an offset, which is always none."""
    return stored.replace("+00:00", "Z")


def shown(contact: Contact, segments: Container[str]) -> dict[str, Any]:
    """A contact. Each of the standard lists shows its primary under the singular key too.

    `segments` are those that exist: it may name one that was taken away.
    """
    fields = {
        key: [{**each, "label": each.get("label")} for each in value] if isinstance(value, list) else value
        for key, value in contact.fields.items()
    }
    for primary, plural in PRIMARIES.items():
        if values := fields.get(plural):
            fields[primary] = values[0]["value"]
    return {
        "id": contact.id,
        "fields": fields,
        "segments": [segment for segment in contact.segments if segment in segments],
        "sources": [
            {"sync_id": sync_id, "run_id": source.run_id, "row": source.row}
            for sync_id, source in contact.sources.items()
        ],
        "audit": {
            "created_at": in_utc(contact.audit.created_at),
            "created_by": contact.audit.created_by,
            "updated_at": in_utc(contact.audit.updated_at),
            "updated_by": contact.audit.updated_by,
            "updated_in": _book_of(contact.audit.via),
        },
        "version": contact.version,
    }

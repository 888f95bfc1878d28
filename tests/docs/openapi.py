"""The OpenAPI document, written from the routes, their verbs and the models."""

from __future__ import annotations

from typing import Any

from contactsync.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from contactsync.journeys.rows import OUTCOMES, PLANNED

Json = dict[str, Any]

_TEXT: Json = {"type": "string", "maxLength": 2000}
_FLAG: Json = {"type": "string", "enum": ["true", "false"], "default": "false"}

PARAMETERS: dict[str, tuple[str, Json]] = {
    "limit": (
        "How many items a page has at most.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    "next": ("Where to go on: `next` of the page before, with the same query.", _TEXT),
    "email": ("The contact with this primary email address.", _TEXT),
    "name": ("Contacts with this text in one of their names, whatever its case.", _TEXT),
    "phone": ("Contacts with this number, as people of the account's country write it.", _TEXT),
    "segment": ("Members of this segment.", _TEXT),
    "run": ("Contacts that this run changed, if it was one of the last that did.", _TEXT),
    "field.*": (
        "Contacts with this value in a field: `field.organization=Example Ltd`.",
        {
            "type": "object",
            "patternProperties": {r"^field\.[a-z][a-z0-9_]{0,62}$": _TEXT},
            "additionalProperties": False,
            "maxProperties": 20,
        },
    ),
    "outcome": ("Rows of which this became.", {"type": "string", "enum": list(OUTCOMES)}),
    "change": ("Rows with which the plan does this.", {"type": "string", "enum": list(PLANNED)}),
    "dry_run": ("Tell what it would do, and do nothing.", _FLAG),
    "confirm": ("Do it although contacts have values that it concerns.", _FLAG),
}
"""Every parameter of a query: what it asks for, and its schema. One ending in `.*` stands for a kind of parameters."""

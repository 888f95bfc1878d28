"""How contacts and columns are called where people look at some: by as little as it takes to recognise them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BRIEF = ("name", "email", "phone", "organization")
"""What a file of contacts shows of each."""
COLUMN_CHARS = 100


def short(name: str) -> str:
    """A column's name, short enough for a message: a damaged header may name one by all that follows."""
    return name if len(name) <= COLUMN_CHARS else f"{name[:COLUMN_CHARS]}…"


def called(fields: Mapping[str, Any], identity: str) -> str:
    """A name; where there is none, what the rows of a file find the contact by, or an address or number."""
    for key in ("name", identity, "email", "phone", "organization"):
        if words := brief(fields, key):
            return words
    return "(a contact without a name)"


def brief(fields: Mapping[str, Any], key: str) -> str:
    """A field in one line: of a list its first value, of a name in parts the parts; "" if it is empty."""
    if key == "name" and not fields.get("name"):
        parts = (str(fields.get(part, "")) for part in ("given_name", "middle_name", "family_name"))
        return " ".join(filter(None, parts))
    value = fields.get(key) or fields.get(f"{key}s")
    if isinstance(value, list):
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("text") or value.get("value") or ""
    return "" if value is None else str(value)

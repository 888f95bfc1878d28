"""Fields that several columns feed: lists of labelled values, and addresses that come in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from contactsync.core.fieldtypes import BadValue, Converter
from contactsync.core.identity import identity_key

RowProblem = tuple[int | None, str | None, str, str]
"""Column (from 0) or None, field or None, code, message. Never the cell: it stands in the reject file beside."""


class Item(NamedTuple):
    """One source of a value: a column, or (column None) a literal that is already converted."""

    column: int | None
    literal: Any
    convert: Converter
    label: str
    part: str


class Composed(NamedTuple):
    """A field and all that feeds it, in order: the first value of a list is its primary."""

    field: str
    type: str
    is_list: bool
    items: tuple[Item, ...]
    clear: bool
    required: bool


def compose(composed: Composed, cells: Sequence[str], problems: list[RowProblem]) -> Any:
    """The field's value from a row: a list of `{"value"[, "label"]}`, an address, or None if all is empty.

    A value that stands in two columns is listed once. What cells are refused for is added to `problems`.
    """
    found: list[tuple[Item, Any]] = []
    for item in composed.items:
        column = item.column
        if column is None:
            found.append((item, item.literal))
            continue
        cell = cells[column]
        try:
            value = item.convert(cell) if cell else None
        except BadValue as bad:
            problems.append((column, composed.field, bad.code, bad.message))
            continue
        if value is not None:
            found.append((item, value))
    if not found:
        return None
    return _addresses(found, composed) if composed.type == "address" else _entries(found, composed.type)


def _entries(found: list[tuple[Item, Any]], field_type: str) -> list[dict[str, Any]]:
    """Values as entries of a list, each value once. A phone is an entry already."""
    entries: list[dict[str, Any]] = []
    seen: list[str] = []
    for item, value in found:
        if len(found) > 1:
            key = identity_key(field_type, value)
            if key in seen:
                continue
            seen.append(key)
        entry = value if field_type == "phone" else {"value": value}
        if item.label:
            entry["label"] = item.label
        entries.append(entry)
    return entries


def _addresses(found: list[tuple[Item, Any]], composed: Composed) -> Any:
    """Addresses: parts under one label make one address, a whole one in a cell stands for itself."""
    addresses: dict[str | int, dict[str, str]] = {}
    labels: dict[str | int, str] = {}
    for number, (item, value) in enumerate(found):
        key: str | int = item.label if item.part or not composed.is_list else number
        labels[key] = item.label
        addresses.setdefault(key, {}).update({item.part: value} if item.part else value)
    if not composed.is_list:
        return addresses.popitem()[1]
    return [
        {"value": address, "label": labels[key]} if labels[key] else {"value": address}
        for key, address in addresses.items()
    ]

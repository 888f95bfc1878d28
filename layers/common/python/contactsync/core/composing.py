"""Fields that several columns feed: lists of labelled values, and addresses that come in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from contactsync.core.fieldtypes import BadValue, Converter
from contactsync.core.identity import identity_key
from contactsync.core.rules import LABEL_MAX

RowProblem = tuple[int | None, str | None, str, str]
"""Column (from 0) or None, field or None, code, message. Never the cell: it stands in the reject file beside."""


class Item(NamedTuple):
    """One source of a value: a column, or (column None) a literal that is already converted."""

    column: int | None
    literal: Any
    convert: Converter
    label: str
    part: str
    label_column: int | None = None


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
    if composed.type == "address":
        return _addresses(found, composed, cells)
    return _entries(found, composed.type, cells)


def _label(item: Item, cells: Sequence[str]) -> str:
    """What a value is for: as the row itself says where it has a column for that, else as the mapping does."""
    return item.label if item.label_column is None else cells[item.label_column].strip()[:LABEL_MAX]


def _entries(found: list[tuple[Item, Any]], field_type: str, cells: Sequence[str]) -> list[dict[str, Any]]:
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
        if label := _label(item, cells):
            entry["label"] = label
        entries.append(entry)
    return entries


def _addresses(found: list[tuple[Item, Any]], composed: Composed, cells: Sequence[str]) -> Any:
    """Addresses: parts under one label, or beside one label column, make one; a whole one in a cell stands for itself."""
    addresses: dict[object, dict[str, str]] = {}
    labels: dict[object, str] = {}
    for number, (item, value) in enumerate(found):
        key = (item.label, item.label_column) if item.part or not composed.is_list else number
        labels[key] = _label(item, cells)
        addresses.setdefault(key, {}).update({item.part: value} if item.part else value)
    if not composed.is_list:
        return addresses.popitem()[1]
    return [
        {"value": address, "label": labels[key]} if labels[key] else {"value": address}
        for key, address in addresses.items()
    ]

"""Fields that several columns feed: lists of labelled values, and addresses that come in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from contactsync.core.fieldtypes import Converter
from contactsync.core.identity import identity_key


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


def compose(composed: Composed, cells: Sequence[str]) -> Any:
    """The field's value from a row: a list of `{"value"[, "label"]}`, an address, or None if all is empty.

    A value that stands in two columns is listed once.

    Raises:
        BadValue: a cell is not a value of its type.
    """
    if composed.type == "address":
        return _addresses(composed, cells)
    entries: list[dict[str, Any]] = []
    seen: set[str] = set()
    for item in composed.items:
        value = _value(item, cells)
        if value is None:
            continue
        key = identity_key(composed.type, value)
        if key in seen:
            continue
        seen.add(key)
        entry = dict(value) if isinstance(value, dict) else {"value": value}
        if item.label:
            entry["label"] = item.label
        entries.append(entry)
    return entries or None


def _addresses(composed: Composed, cells: Sequence[str]) -> Any:
    """Addresses: parts under one label make one address, a whole one in a cell stands for itself."""
    by_label: dict[str | int, dict[str, str]] = {}
    labels: dict[str | int, str] = {}
    for number, item in enumerate(composed.items):
        value = _value(item, cells)
        if value is None:
            continue
        key: str | int = item.label if item.part or not composed.is_list else number
        labels[key] = item.label
        by_label.setdefault(key, {}).update({item.part: value} if item.part else value)
    if not by_label:
        return None
    if not composed.is_list:
        return next(iter(by_label.values()))
    return [
        {"value": address, "label": labels[key]} if labels[key] else {"value": address}
        for key, address in by_label.items()
    ]


def _value(item: Item, cells: Sequence[str]) -> Any:
    if item.column is None:
        return item.literal
    cell = cells[item.column]
    return item.convert(cell) if cell else None

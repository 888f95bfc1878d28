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
    required: bool

    @property
    def column(self) -> int | None:
        """The column that is named where all are empty."""
        return self.items[0].column


def is_listed(value: Any, entries: list[dict[str, Any]], field_type: str) -> bool:
    """Whether an entry identifies the same: for a telephone its number and its extension."""
    if field_type == "phone":
        number, extension = value["value"], value.get("extension")
        for entry in entries:  # noqa: SIM110 - any() takes three times as long, and most rows come here
            if entry["value"] == number and entry.get("extension") == extension:
                return True
        return False
    key = identity_key(field_type, value)
    return any(identity_key(field_type, entry["value"]) == key for entry in entries)


def own_label(cell: str) -> str:
    """What a value is for, where the row itself says so; Google marks the first of several with an asterisk."""
    return cell.strip().removeprefix("*").strip()[:LABEL_MAX]


def addresses(composed: Composed, cells: Sequence[str], problems: list[RowProblem]) -> Any:
    """Addresses: parts under one label, or beside one label column, make one; a whole one in a cell stands for itself."""
    begun: dict[object, dict[str, str]] = {}
    labels: dict[object, str] = {}
    for number, (column, literal, convert, label, part, label_column) in enumerate(composed.items):
        value = literal
        if column is not None:
            try:
                value = convert(cells[column]) if cells[column] else None
            except BadValue as bad:
                problems.append((column, composed.field, bad.code, bad.message))
                continue
        if value is None:
            continue
        key = (label, label_column) if part or not composed.is_list else number
        labels[key] = label if label_column is None else own_label(cells[label_column])
        begun.setdefault(key, {}).update({part: value} if part else value)
    if not composed.is_list:
        return begun.popitem()[1] if begun else None
    entries = [
        {"value": address, "label": labels[key]} if labels[key] else {"value": address}
        for key, address in begun.items()
    ]
    return entries or None


def empty(column: int | None, field: str) -> RowProblem:
    """What a row is refused for that leaves a required field empty."""
    message = f"“{field}” is empty, and must not be: fill it in."
    return column, field, "empty_cell", message

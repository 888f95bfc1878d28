"""Laying the fields of a row over those of a contact: what becomes of each field, and what that changes."""

from __future__ import annotations

from typing import Any

from contactsync.core.identity import email_key
from contactsync.model.contact import Fields
from contactsync.model.field import LISTS, PRIMARIES

Entry = dict[str, Any]
"""One value of a list: `{"value": …}`, with `label` where it has one, with `text` for a phone as it was typed."""
Changes = dict[str, list[Any]]
"""`{field: [from, to]}`; None where there was, or is, nothing."""


def overlay(base: Fields, row: Fields, *, only_empty: bool) -> tuple[Fields, Changes]:
    """Lay the fields of a row over those of a contact.

    A value of None empties its field. A singular key (`email`) reads and writes the first value of its list
    (`emails`); the others stay. A list of a row replaces as much of the stored list as it speaks of.

    Returns:
        The fields as they become, and `{field: [from, to]}` for each that differs.
    """
    fields = dict(base)
    changes: Changes = {}
    for key, value in row.items():
        list_key = PRIMARIES.get(key, key)
        current = fields.get(list_key)
        if only_empty and not is_empty(current):
            continue
        if list_key != key:
            after = _with_primary(list_key, current or [], value)
        elif key in LISTS and value is not None:
            after = _with_list(list_key, current or [], value)
        else:
            after = value
        if after == current:
            continue
        if after is None:
            del fields[list_key]
        else:
            fields[list_key] = after
        changes[list_key] = [current, after]
    return fields, changes


def laid_bare(row: Fields) -> Fields:
    """What `overlay` makes of a row over nothing, without keeping account: a first import is nothing else.

    An eighth of the CPU of `overlay`, which would ask of every field what was there.
    """
    fields: Fields = {}
    for key, value in row.items():
        if value is None:
            continue
        if key not in PRIMARIES:
            fields[key] = value
            continue
        list_key = PRIMARIES[key]
        if list_key in row:  # one speaks of the other
            return overlay({}, row, only_empty=False)[0]
        fields[list_key] = [value if key == "phone" else {"value": value}]
    return fields


def compares(row: Fields) -> bool:
    """Whether `laid_bare` looks at the values of a row, and not at its keys alone: one that has a list and its primary."""
    return any(key in row and list_key in row for key, list_key in PRIMARIES.items())


def _with_primary(list_key: str, before: list[Entry], value: Any) -> list[Entry] | None:
    """The list with another first value, or without its first if the value is None; None if nothing is left."""
    if value is None:
        return before[1:] or None
    entry = value if list_key == "phones" else {"value": value}
    if before and (_same_value(list_key, before[0], entry) or _dials(before[0], entry)):
        return before
    if before and "label" in before[0]:
        entry = {**entry, "label": before[0]["label"]}
    return [entry, *(other for other in before[1:] if not _same_value(list_key, other, entry))]


def _with_list(list_key: str, before: list[Entry], row: list[Entry]) -> list[Entry]:
    """The row's values, then those stored ones that the row does not speak of.

    A labelled value of the row speaks of the stored value under its label; the unlabelled ones speak of as many
    unlabelled stored ones, in order. A value that means the same stays as it was spelled.
    """
    labels = {entry.get("label") for entry in row}
    unlabelled = sum("label" not in entry for entry in row)
    after = []
    for entry in row:
        same = (other for other in before if _same_value(list_key, other, entry))
        kept = next((other for other in same if other.get("label") == entry.get("label")), None)
        after.append(kept or entry)
    for other in before:
        if "label" not in other and unlabelled:
            unlabelled -= 1
        elif other.get("label", "") not in labels and not any(
            _same_value(list_key, other, kept) for kept in after
        ):
            after.append(other)
    return after


def _same_value(list_key: str, one: Entry, other: Entry) -> bool:
    """Whether two values of a list mean the same: spelling alone is no change."""
    a, b = one["value"], other["value"]
    if a == b:
        return one.get("extension") == other.get("extension")
    return list_key == "emails" and email_key(a) == email_key(b)


def _dials(one: Entry, other: Entry) -> bool:
    """Whether the other one is the same number, and says nothing of an extension: a primary is shown without."""
    return bool(one["value"] == other["value"] and "extension" not in other)


def is_empty(value: Any) -> bool:
    """Whether a field holds nothing that `fill_empty` would have to respect."""
    return value is None or value in ("", [])


def undone(current: Fields, changes: Changes) -> tuple[Fields, Changes, list[str]]:
    """Take changes back, each field that is still as they left it.

    Returns:
        The fields as they become, `{field: [from, to]}` of what is taken back, and the fields that somebody has
        changed since and that therefore stay.
    """
    fields = dict(current)
    taken_back: Changes = {}
    kept: list[str] = []
    for key, (before, after) in changes.items():
        if fields.get(key) != after:
            kept.append(key)
            continue
        if before is None:
            fields.pop(key, None)
        else:
            fields[key] = before
        taken_back[key] = [after, before]
    return fields, taken_back, kept

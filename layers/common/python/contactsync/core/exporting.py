"""Contacts → rows of a table, cards, lines of JSON: what an import of ours takes back as it was.

A table has a column for each field, and for a list as many as its longest has values; what a value is for stands
behind it, and the last columns are ours:

    name   emails 1   emails 1 label   addresses 1 street   …   segments   contact_id   updated_at

Every cell is quoted and protected as those of a report (`core.reporting`). A file with this header says itself
what is what: the protection comes off, and the columns need no mapping by hand.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from contactsync.core.fieldtypes import BadValue, Converter, converter
from contactsync.core.pictures import is_name, kind_of
from contactsync.core.reporting import csv_line, protect
from contactsync.core.rules import ADDRESS_PARTS
from contactsync.core.showing import in_utc, shown
from contactsync.model.contact import Contact, Fields
from contactsync.model.field import PRIMARIES, FieldSpec

EXPORT_COLUMNS = ("segments", "contact_id", "updated_at")
SLOTS_MAX = 20
"""Values of a list that have columns; JSON lines and cards hold them all."""
LABEL = "label"

_NAME = re.compile(r"([a-z][a-z0-9_]*)(?: ([0-9]{1,2}))?(?: ([a-z_]+))?")


class Column(NamedTuple):
    """A field's value; of a list the one at `slot`, from 1; of an address one part; or what the value is for."""

    key: str
    type: str
    slot: int = 0
    part: str = ""

    @property
    def name(self) -> str:
        """The header: "emails 2 label", "home 1 city", "shoe_size"."""
        return " ".join(filter(None, (self.key, str(self.slot or ""), self.part)))


def longest(contacts: Iterable[Contact], known: Mapping[str, int]) -> dict[str, int]:
    """How many columns each list needs for these contacts, and for what was seen before."""
    found = dict(known)
    for contact in contacts:
        for key, value in contact.fields.items():
            if isinstance(value, list) and len(value) > found.get(key, 1):
                found[key] = min(len(value), SLOTS_MAX)
    return found


def columns(specs: Mapping[str, FieldSpec], slots: Mapping[str, int]) -> list[Column]:
    """A column for everything that a contact of the account can hold, in the order of the fields."""
    return [
        column for spec in specs.values() if spec.key not in PRIMARIES for column in _columns_of(spec, slots)
    ]


def _columns_of(spec: FieldSpec, slots: Mapping[str, int]) -> Iterator[Column]:
    parts = ADDRESS_PARTS if spec.type == "address" else ("",)
    for slot in range(1, slots.get(spec.key, 1) + 1) if spec.list else (0,):
        for part in (*parts, LABEL) if slot else parts:
            yield Column(spec.key, spec.type, slot, part)


# Tables


def csv_header(columns: Sequence[Column]) -> str:
    """The first line of a table."""
    return csv_line([*(column.name for column in columns), *EXPORT_COLUMNS])


def csv_row(contact: Contact, columns: Sequence[Column], segments: Mapping[str, str], country: str) -> str:
    """One contact. `segments` are names by id; `country` is the one whose people write the account's numbers."""
    cells = [_cell(contact.fields, column, country) for column in columns]
    named = "; ".join(segments[each] for each in contact.segments if each in segments)
    return csv_line([*map(protect, cells), protect(named), contact.id, in_utc(contact.audit.updated_at)])


def _cell(fields: Fields, column: Column, country: str) -> str:
    value = fields.get(column.key)
    if column.slot:
        entries = value or ()
        entry = entries[column.slot - 1] if column.slot <= len(entries) else {}
        if column.part == LABEL:
            return str(entry.get("label") or "")
        value = entry if column.type == "phone" else entry.get("value")
    if value in (None, "", {}):
        return ""
    if column.part:
        return str(value.get(column.part, ""))
    return written(value, column.type, country)


def written(value: Any, field_type: str, country: str) -> str:
    """A value as an import for the same country reads it: as it was first written, where that says the same."""
    match field_type:
        case "phone":
            ways = [value.get("text") or value["value"], _international(value)]
        case "decimal":
            ways = [str(value), str(value).replace(".", ",")]
        case "boolean":
            return "true" if value else "false"
        case _:
            return str(value)
    read = converter(field_type, country=country)
    return str(next((way for way in ways if _is_read_as(read, way, value, field_type)), ways[-1]))


def _is_read_as(read: Converter, way: str, value: Any, field_type: str) -> bool:
    try:
        found = read(way)
    except BadValue:
        return False
    if field_type == "phone" and found is not None:
        return all(found.get(name) == value.get(name) for name in ("value", "extension"))
    return bool(found == value)


def _international(phone: Mapping[str, str]) -> str:
    extension = phone.get("extension")
    return f"{phone['value']} ext. {extension}" if extension else phone["value"]


# Tables that come back


def is_export(header: Sequence[str]) -> bool:
    """Whether a file with this header is one of our tables, whose cells want to be restored."""
    return len(header) > len(EXPORT_COLUMNS) and tuple(header[-len(EXPORT_COLUMNS) :]) == EXPORT_COLUMNS


def mapping_of(header: Sequence[str]) -> list[dict[str, str]]:
    """A sync's mapping of our own table, as a request would write it; `header` is without our columns."""
    mapping = []
    names = frozenset(header)
    for name in header:
        found = _NAME.fullmatch(name)
        if found is None or found[3] == LABEL:
            continue
        key, slot, part = found[1], found[2], found[3]
        label = f"{key} {slot} {LABEL}"
        # Labels that stand in the mapping itself keep the addresses apart where the labels' columns are left out
        beside = f".other {slot}" if slot and slot != "1" and part else ""
        entry = {"column": name, "field": f"{key}{beside}.{part}" if part else key}
        mapping.append(entry | {"label_column": label} if label in names else entry)
    return mapping


# Cards and lines


def card(contact: Contact, segments: Mapping[str, str], country: str, picture: bytes | None = None) -> str:
    """A contact as a vCard 4.0: its standard fields, its picture if we keep one, and its segments as categories."""
    # only exports of cards need them, and every handler that knows of exports starts 5 ms sooner
    from contactsync.core.vcard import Card, Property, from_fields, serialise  # noqa: PLC0415
    from contactsync.core.vcard.values import escaped  # noqa: PLC0415

    fields = {key: _plain(key, value, country) for key, value in contact.fields.items()}
    if is_name(fields.get("photo")):
        del fields["photo"]
    made = from_fields(fields, version="4.0")
    named = [escaped(segments[each], "4.0") for each in contact.segments if each in segments]
    kept = [Property("UID", contact.id), *([Property("CATEGORIES", ",".join(named))] if named else [])]
    if picture is not None:
        data = b64encode(picture).decode()
        kept.append(Property("PHOTO", f"data:{kind_of(picture)};base64,{data}"))
    return serialise(Card(made.version, (*made.properties, *kept)))


def _plain(key: str, value: Any, country: str) -> Any:
    if not isinstance(value, list):
        return value
    entries = []
    for entry in value:
        label = {"label": entry["label"]} if entry.get("label") else {}
        said = written(entry, "phone", country) if key == "phones" else entry["value"]
        entries.append({"value": said, **label})
    return entries


def json_line(contact: Contact, segments: Container[str]) -> bytes:
    """A contact whole, as the API shows it."""
    return orjson.dumps(shown(contact, segments), option=orjson.OPT_APPEND_NEWLINE)

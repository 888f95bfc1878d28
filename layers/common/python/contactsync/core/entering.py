"""Field values as a person enters them through the API → canonical values, or every reason why not.

The same converters as for cells, so that what is entered and what is imported are the same. A value that the API
has shown can be sent back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from contactsync.core.checking import pointer
from contactsync.core.fieldtypes import BadValue, converter
from contactsync.core.identity import email_key
from contactsync.core.overlay import Changes, overlay
from contactsync.core.rules import ADDRESS_PARTS, LABEL_MAX, ROW_MAX
from contactsync.errors import Problem
from contactsync.model.contact import Fields
from contactsync.model.field import PRIMARIES, FieldSpec

LIST_MAX = 200
CHANGE_MAX = 380_000
"""Bytes of what was and what will be, as JSON: history keeps both in one record, which holds 400 KB."""
_EXTENSION = re.compile("[0-9]{1,20}")
CANONICAL_FIRST = frozenset({"integer", "decimal"})
"""Types whose canonical form, which the API shows, must not be read by the rules of a country."""
TAKEN = {
    "boolean": "true or false",
    "integer": "a number or a text",
    "decimal": "a number or a text",
    "address": "an object with its parts",
}
"""What JSON a field of a type takes; all others take a text."""


def entered(
    asked: Mapping[str, Any], base: Fields, specs: Mapping[str, FieldSpec], *, country: str
) -> tuple[Fields, Changes, list[Problem]]:
    """Lay entered values over a contact's fields; None empties a field, a list replaces the stored one.

    Returns:
        The fields as they become, `{field: [from, to]}`, and the problems, each with its pointer into the body.
    """
    problems: list[Problem] = []
    values: Fields = {}
    for key, value in asked.items():
        spec = specs.get(key)
        if spec is None and key in base and (value is None or _is_shown(value, base[key])):
            values[key] = None if value is None else base[key]  # of a field that was deleted
        elif spec is None:
            message = "There is no such field: create it with POST /v1/fields, or leave it out."
            problems.append(Problem(pointer(("fields", key[:100])), message, "unknown_field"))
        elif value is None:
            values[key] = None
        else:
            found = len(problems)
            problems += _bad(value, spec, country, values, base.get(key))
            if len(problems) > found:
                values.pop(key, None)
    problems += _at_odds(asked, values, base)
    fields = _laid(values, base, specs)
    for spec in specs.values():
        if spec.required and spec.key not in fields and PRIMARIES.get(spec.key, "") not in fields:
            message = f"“{spec.label}” is required: fill it in."
            problems.append(Problem(pointer(("fields", spec.key)), message, "required"))
    told = changes(base, fields)
    if len(orjson.dumps(fields)) > ROW_MAX:
        problems.append(Problem("/fields", f"A contact holds {ROW_MAX:,} bytes: shorten the longest value."))
    elif len(orjson.dumps(told)) > CHANGE_MAX:
        message = (
            f"What was and what will be are more than {CHANGE_MAX:,} bytes: change fewer fields at once."
        )
        problems.append(Problem("/fields", message))
    return fields, told, problems


def changes(before: Fields, after: Fields) -> Changes:
    """`{field: [from, to]}` of two states of a contact; None where there was, or is, nothing."""
    keys = sorted(before.keys() | after.keys())
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}


def _at_odds(asked: Mapping[str, Any], values: Fields, base: Fields) -> Iterator[Problem]:
    """Where a list and its primary are both given, and say different things, whose word counts: that of the one that is not
    as the API has shown it. Takes a primary out of `values` that says nothing new.
    """
    for primary, plural in PRIMARIES.items():
        if not {primary, plural} <= values.keys():
            continue
        stored = base.get(plural)
        if asked[primary] == (stored[0]["value"] if stored else None):
            del values[primary]
        elif (values[plural] or None) != stored:
            listed = {plural: values[plural]} if values[plural] else {}
            if overlay(listed, {primary: values[primary]}, only_empty=False)[1]:
                message = (
                    f"This is not the first of {plural}: put it first there, or leave one of the two out."
                )
                yield Problem(pointer(("fields", primary)), message, "primary_at_odds")


def _laid(values: Fields, base: Fields, specs: Mapping[str, FieldSpec]) -> Fields:
    """A contact's fields with these values over them."""
    fields = dict(base)
    for key in sorted(values, key=lambda key: key in PRIMARIES):  # a list before its primary
        if key not in specs or specs[key].list:
            fields.pop(key, None)
            if values[key]:
                fields[key] = values[key]
        else:
            if key == "email" and values[key]:
                _respell(fields, values[key])
            fields, _ = overlay(fields, {key: values[key]}, only_empty=False)
    return fields


def _respell(fields: Fields, email: str) -> None:
    """Spell the primary address as a person does now; rows of files leave it as it was."""
    first, *others = fields.get("emails") or [None]
    if first is not None and email_key(first["value"]) == email_key(email):
        fields["emails"] = [{**first, "value": email}, *others]


def _bad(value: Any, spec: FieldSpec, country: str, values: Fields, stored: Any) -> Iterator[Problem]:
    """Puts the canonical value into `values`; yields what is wrong with it.

    What is `stored` stays good, though its field has become stricter since.
    """
    place: tuple[str | int, ...] = ("fields", spec.key)
    if not spec.list:
        try:
            values[spec.key] = _value(value, spec, country)
        except BadValue as bad:
            if stored is not None and _is_shown(value, stored):
                values[spec.key] = stored
            else:
                yield Problem(pointer(place), bad.message, bad.code)
        return
    if not isinstance(value, list) or len(value) > LIST_MAX:
        yield Problem(pointer(place), f"Give a list of at most {LIST_MAX} values.")
        return
    entries = values[spec.key] = []
    for index, item in enumerate(value):
        try:
            entries.append(_entry(item, spec, country))
        except BadValue as bad:
            shown = item if isinstance(item, Mapping) else {"value": item}
            kept = next((each for each in stored or () if _is_shown(shown, each)), None)
            if kept is not None:
                entries.append(kept)
            else:
                yield Problem(pointer((*place, index)), bad.message, bad.code)


def _is_shown(value: Any, stored: Any) -> bool:
    """Whether this is a stored value as the API shows it."""
    return orjson.dumps(_bare(value), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        stored, option=orjson.OPT_SORT_KEYS
    )


def _bare(value: Any) -> Any:
    """A shown value without the labels that are none."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, Mapping):
        return {key: each for key, each in value.items() if key != "label" or each is not None}
    return value


def _entry(item: Any, spec: FieldSpec, country: str) -> dict[str, Any]:
    """One value of a list: `{"value"[, "label"][, "text"]}`, or the bare value."""
    described = item if isinstance(item, Mapping) and "value" in item else {"value": item}
    if not described.keys() <= {"value", "label", "text", "extension"}:
        raise BadValue("list_value", "A value of a list has the keys value and label.")
    label = described.get("label")
    if label is not None and not (isinstance(label, str) and 0 < len(label) <= LABEL_MAX):
        raise BadValue("label", f"A label is a text of 1 to {LABEL_MAX} characters.")
    value = _value(
        {**described, "label": None} if spec.type == "phone" else described["value"], spec, country
    )
    if value is None:
        raise BadValue("empty_value", "The value is empty: fill it in, or leave it out of the list.")
    entry = dict(value) if spec.type == "phone" else {"value": value}
    return {**entry, "label": label} if label else entry


def _value(value: Any, spec: FieldSpec, country: str) -> Any:
    """The canonical value. Raises BadValue."""
    if spec.type == "boolean" and isinstance(value, bool):
        return value
    if spec.type == "address" and isinstance(value, Mapping):
        return _address(value)
    if spec.type == "phone" and isinstance(value, Mapping):
        return _phone(value, country)
    if spec.type in CANONICAL_FIRST and isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str):
        raise BadValue(
            "wrong_type", f"Give {TAKEN.get(spec.type, 'a text')}: the field is of the type {spec.type}."
        )
    if spec.type in CANONICAL_FIRST:
        try:
            return converter(spec.type)(value)
        except BadValue:
            pass  # then as people of the account's country write it
    return converter(spec.type, country=country, choices=spec.choices)(value)


def _phone(value: Mapping[str, Any], country: str) -> Any:
    """A number as the API shows it keeps the text under which it was first written."""
    number, text, extension = value.get("value"), value.get("text"), value.get("extension")
    if not isinstance(number, str):
        raise BadValue("wrong_type", "Give the number as a text, in value.")
    if not (extension is None or (isinstance(extension, str) and _EXTENSION.fullmatch(extension))):
        raise BadValue("phone_extension", "An extension is a text of 1 to 20 digits.")
    read = converter("phone", country=country)
    found = read(f"{number} ext. {extension}" if extension else number)
    if isinstance(text, str) and found is not None:
        written = read(text)
        said = ("value", "extension") if "extension" in value else ("value",)
        if written is not None and all(written.get(each) == found.get(each) for each in said):
            return written
    return found


def _address(value: Mapping[str, Any]) -> dict[str, Any] | None:
    read = converter("text")
    if not value.keys() <= set(ADDRESS_PARTS):
        raise BadValue("address_part", f"An address has the parts {', '.join(ADDRESS_PARTS)}.")
    if not all(isinstance(part, str) for part in value.values()):
        raise BadValue("wrong_type", "The parts of an address are texts.")
    return {key: part for key, text in value.items() if (part := read(text))} or None

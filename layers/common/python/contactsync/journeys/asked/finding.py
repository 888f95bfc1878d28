"""Which contacts a listing asks for, other than by email address: that leads to its contact directly.

    name=ada king        each word occurs in one of the names, whatever its case and its accents
    phone=06 12345678    one of the numbers, as people of the account's country write it; with whatever extension, if
                         none is named
    subscribed=true      ticked by the caller, in the shared hub; false: not ticked
    segment=…  run=…     a member of the segment, of which there are none once it is taken away; changed by the run,
                         one of the last that changed it
    field.<key>=value    the field, or one of its values, is this

There is no index for these: the contacts are gone through, a bounded number a page.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import filterfalse
from typing import Any

from contactsync.core.fieldtypes import BadValue, converter
from contactsync.core.identity import identity_key
from contactsync.errors import InvalidRequest, Problem
from contactsync.journeys.asked.asking import World
from contactsync.model.account import Caller
from contactsync.model.contact import Contact
from contactsync.model.field import PRIMARIES, FieldSpec

FILTERS = frozenset({"name", "phone", "segment", "run", "subscribed", "field.*"})
NAMES = ("name", "given_name", "family_name", "middle_name", "nickname")

Fits = Callable[[Contact], bool]


def wanted(world: World, caller: Caller, query: Mapping[str, str]) -> Fits | None:
    """Whether a contact is asked for; None where all are. Raises InvalidRequest for values that cannot be."""
    fits: list[Fits] = []
    problems: list[Problem] = []
    country: str | None = None
    specs: Mapping[str, FieldSpec] = {}
    if any(name == "phone" or name.startswith("field.") for name in query):
        country = world.control.account(caller.account_id).country
        specs = world.control.fields(caller.account_id)
    for name, value in query.items():
        try:
            if name == "name":
                fits.append(_named(value))
            elif name == "segment":
                fits.append(_member(world, caller, value))
            elif name == "subscribed":
                fits.append(_ticked(world, caller, value))
            elif name == "run":
                fits.append(_changed_by(value))
            elif name == "phone" or name.startswith("field."):
                fits.append(_valued(name.removeprefix("field."), value, specs, country))
        except BadValue as bad:
            problems.append(Problem(f"/{name}", bad.message, bad.code))
    if problems:
        raise InvalidRequest(problems)
    return (lambda contact: all(fit(contact) for fit in fits)) if fits else None


def _member(world: World, caller: Caller, segment: str) -> Fits:
    """Whether a contact is shown to be a member: it may still name a segment that was taken away."""
    there = segment in world.control.segments(caller.account_id)
    return lambda contact: there and segment in contact.segments


def _changed_by(run: str) -> Fits:
    return lambda contact: run in contact.runs


def _ticked(world: World, caller: Caller, text: str) -> Fits:
    """Whether the caller has, or has not, ticked a contact. Raises BadValue."""
    if text not in ("true", "false"):
        raise BadValue("not_boolean", "Say true or false.")
    ticked = world.control.subscriptions(caller.account_id, caller.member_id)
    return lambda contact: (contact.id in ticked) is (text == "true")


def _named(text: str) -> Fits:
    asked = _folded(text).replace(",", " ").split()

    def fits(contact: Contact) -> bool:
        values = (contact.fields.get(key) for key in NAMES)
        names = "\n".join(_folded(value) for value in values if isinstance(value, str))
        return bool(names) and all(word in names for word in asked)

    return fits


def _valued(key: str, text: str, specs: Mapping[str, FieldSpec], country: str | None) -> Fits:
    """Whether a field has this value. Raises BadValue."""
    spec = specs.get(key)
    if spec is None:
        raise BadValue("unknown_field", "There is no such field: GET /v1/fields lists those that are there.")
    if spec.type == "address":
        raise BadValue("field_type", "Contacts cannot be looked for by an address: name another field.")
    value = converter(spec.type, country=country, choices=spec.choices)(text)
    if value is None:
        raise BadValue("empty_value", "Give a value.")
    whole = spec.type != "phone" or "extension" in value
    asked = identity_key(spec.type, value)

    def fits(contact: Contact) -> bool:
        stored = contact.fields.get(PRIMARIES.get(key, key))
        return any(
            identity_key(spec.type, each if whole else {"value": each["value"]}) == asked
            for each in _values(stored, spec.type)
        )

    return fits


def _values(stored: Any, field_type: str) -> Iterator[Any]:
    """The values of a field: of a list all of them."""
    for each in stored if isinstance(stored, list) else [stored]:
        if each is not None:
            yield each["value"] if isinstance(each, dict) and field_type != "phone" else each


def _folded(text: str) -> str:
    """As people look for it: José is found by jose, and jose by José."""
    if text.isascii():
        return text.lower()
    plain = "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFD", text.casefold())))
    return unicodedata.normalize("NFC", plain)

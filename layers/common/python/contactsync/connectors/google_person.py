"""Google's person ↔ our fields. Pure; what of a person is no field of ours stays in the person.

Values that Google has merged in from a public profile are not the contact's own and are overlooked. Of a list that
holds more than we can read (a telephone number that is none), the rest goes back as it came.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from contactsync.connectors.numbers import Numbers
from contactsync.core.fieldtypes import NO_DAYS, BadValue, converter
from contactsync.core.identity import digest_of
from contactsync.core.merging import same
from contactsync.core.vcard.fields import display
from contactsync.model.contact import Fields

Person = dict[str, Any]

MARKER_KEY = "contact-sync-marker"
NAME_KEY = "contact-sync-name"
"""In `clientData`: the marker of a creation, and the name that we wrote whole, which Google then takes apart."""
MASK = {
    "names": ("name", "given_name", "family_name", "middle_name", "prefix", "suffix"),
    "nicknames": ("nickname",),
    "emailAddresses": ("emails",),
    "phoneNumbers": ("phones",),
    "addresses": ("addresses",),
    "urls": ("urls",),
    "organizations": ("organization", "department", "job_title"),
    "birthdays": ("birthday",),
    "biographies": ("notes",),
}
"""The parts of a person that can be written, and the fields of ours that each holds."""
READ_MASK = ",".join([*MASK, "clientData", "memberships", "metadata", "photos"])
LEAP_YEAR = 2000
APPLE_NO_YEAR = 1604
"""Telephones of Apple's leave it with Google where somebody knows the day alone."""
PHOTO_EDGE = 720
"""Pixels of the longer edge of the largest picture that Google keeps of a contact. No document says so."""
FIELDS = frozenset(key for keys in MASK.values() for key in keys)

_SIZED = re.compile(r"=[swh][0-9]+[a-z0-9-]*$")
_NAMES = {
    "given_name": "givenName",
    "family_name": "familyName",
    "middle_name": "middleName",
    "prefix": "honorificPrefix",
    "suffix": "honorificSuffix",
}
_SPOKEN = "phonetic"
"""What parts of a name begin with that say how it is spoken, as Japanese names have: they are not ours, and stay."""
_WORK = {"organization": "name", "department": "department", "job_title": "title"}
_KINDS = {
    "home fax": "homeFax",
    "work fax": "workFax",
    "other fax": "otherFax",
    "work mobile": "workMobile",
    "work pager": "workPager",
}
"""What a number is for, in our words and as Google has it in one: other books would not know a fax by it."""
_LABELS = {type_.casefold(): label for label, type_ in _KINDS.items()}
_ADDRESS = {
    "street": "streetAddress",
    "extended": "extendedAddress",
    "po_box": "poBox",
    "city": "city",
    "region": "region",
    "postal_code": "postalCode",
    "country": "country",
}
_OUTPUT_ONLY = frozenset({"metadata", "formattedType", "canonicalForm", "formattedValue"})


class Translation:
    """Between persons and fields, for one account: a number without its country is one of `country`."""

    def __init__(self, country: str) -> None:
        self._readers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "emails": self._read_with(converter("email")),
            "phones": self._read_phone,
            "addresses": _read_address,
            "urls": self._read_with(converter("url")),
        }
        self._numbers = Numbers(country)

    def fields(self, person: Person) -> Fields:
        """What of a person are fields of ours."""
        found: Fields = {
            **self._names(person),
            "nickname": _text(_first(person, "nicknames").get("value")),
            "notes": _text(_first(person, "biographies").get("value")),
            "birthday": _birthday(_first(person, "birthdays").get("date") or {}),
        }
        work = _first(person, "organizations")
        found |= {key: _text(work.get(name)) for key, name in _WORK.items()}
        for key, name in _LISTS.items():
            found[key] = [entry for item in _own(person, name) if (entry := self._entry(key, item))]
        return {key: value for key, value in found.items() if value}

    def person(self, fields: Fields, base: Person | None = None) -> Person:
        """The person that has these fields: all of its parts, made over `base` where there is one.

        What could not be read back is not written, for it could not be told from others' values afterwards.
        """
        base = base or {}
        parts: Person = {
            "names": self._named(fields, base),
            "nicknames": _single(fields.get("nickname"), base, "nicknames"),
            "biographies": [{"value": fields["notes"], "contentType": "TEXT_PLAIN"}]
            if fields.get("notes")
            else [],
            "birthdays": [{"date": _date(fields["birthday"])}] if fields.get("birthday") else [],
            "organizations": self._employed(fields, base),
        }
        for key, name in _LISTS.items():
            there = [(self._entry(key, item), _plain(item)) for item in _own(base, name)]
            items = (
                next((item for read, item in there if read == entry), {}) or self._item(key, entry)
                for entry in fields.get(key) or ()
            )
            parts[name] = [item for item in items if self._entry(key, item)]
            for place, (read, item) in enumerate(there):
                if read is None:
                    parts[name].insert(place, item)
        return parts

    def changed(self, before: Fields, after: Fields) -> list[str]:
        """The parts of a person that have to be written for `after` to become true."""
        return [
            part
            for part, keys in MASK.items()
            if not same({key: before.get(key) for key in keys}, {key: after.get(key) for key in keys})
        ]

    def held(self, fields: Fields) -> Fields:
        """What Google gives back of these fields."""
        own = {key: value for key, value in fields.items() if key in FIELDS}
        written = self.person(own)
        return self.fields(
            {**written, "names": as_stored(written["names"]), "clientData": client_data("", own)}
        )

    def _names(self, person: Person) -> Fields:
        name = _first(person, "names")
        shown = _text(name.get("displayName"))
        if any(
            item.get("key") == NAME_KEY and item.get("value") == digest_of(shown) for item in _data(person)
        ):
            return {"name": shown}
        return {"name": shown, **{key: _text(name.get(part)) for key, part in _NAMES.items()}}

    def _named(self, fields: Fields, base: Person) -> list[dict[str, str]]:
        parts = {part: fields[key] for key, part in _NAMES.items() if fields.get(key)}
        if not parts and fields.get("name"):
            parts = {"unstructuredName": fields["name"]}
        spoken = {part: said for part, said in _first(base, "names").items() if part.startswith(_SPOKEN)}
        return [{**spoken, **parts}] if parts else []

    def _employed(self, fields: Fields, base: Person) -> list[dict[str, Any]]:
        first, *others = [_plain(item) for item in _own(base, "organizations")] or [{}]
        job = {name: value for name, value in first.items() if name not in _WORK.values()}
        job |= {name: fields[key] for key, name in _WORK.items() if fields.get(key)}
        return [*([job] if job.keys() & set(_WORK.values()) else []), *others]

    def _entry(self, key: str, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """One value of a list; None if it is none that we could hold."""
        try:
            value = self._readers[key](item)
        except BadValue:
            return None
        if not value:
            return None
        label = _text(item.get("type"))
        if key == "phones":
            label = _LABELS.get(label.casefold(), label)
        entry = value if key == "phones" else {"value": value}
        return {**entry, "label": label} if label else entry

    def _item(self, key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        label = str(entry.get("label") or "")
        if key == "phones":
            label = _KINDS.get(label.casefold(), label)
        type_ = {"type": label} if label else {}
        value = entry["value"]
        if key == "addresses":
            parts = {name: value[part] for part, name in _ADDRESS.items() if value.get(part)}
            return {**(parts or {"formattedValue": value.get("formatted", "")}), **type_}
        return {"value": self._numbers.written(entry) if key == "phones" else value, **type_}

    def _read_phone(self, item: Mapping[str, Any]) -> Any:
        return self._numbers.read(_text(item.get("value")), _text(item.get("canonicalForm")))

    @staticmethod
    def _read_with(convert: Callable[[str], Any]) -> Callable[[Mapping[str, Any]], Any]:
        return lambda item: convert(_text(item.get("value")))


_LISTS = {"emails": "emailAddresses", "phones": "phoneNumbers", "addresses": "addresses", "urls": "urls"}


def client_data(marker: str, fields: Fields) -> list[dict[str, str]]:
    """What we leave with a person: our marker, and whether its name was written whole."""
    data = [{"key": MARKER_KEY, "value": marker}] if marker else []
    if fields.get("name") and not any(fields.get(key) for key in _NAMES):
        data.append({"key": NAME_KEY, "value": digest_of(fields["name"])})
    return data


def others_data(person: Person) -> list[dict[str, str]]:
    """What other apps have left with a person."""
    return [item for item in _data(person) if item.get("key") not in (MARKER_KEY, NAME_KEY)]


def marker_of(person: Person) -> str:
    """The marker of our creation; empty if it was somebody else's."""
    return next((_text(item.get("value")) for item in _data(person) if item.get("key") == MARKER_KEY), "")


def photo_of(person: Person) -> str:
    """Where the contact's own picture is; empty if it has none, or only a generated or a profile's one."""
    return next((_text(item.get("url")) for item in _own(person, "photos") if not item.get("default")), "")


def whole(url: str) -> str:
    """Where a picture is as large as Google shows it: its own address leads to a copy of a hundred pixels.

    By the two ways that Google documents, at the end of the address: `=s100` and `?sz=100`.
    """
    bare = _SIZED.sub("", url)
    return f"{bare}=s{PHOTO_EDGE}" if bare != url else f"{url}{'&' if '?' in url else '?'}sz={PHOTO_EDGE}"


def as_stored(names: list[dict[str, str]]) -> list[dict[str, str]]:
    """Names as Google gives them back: with the display name that it makes of the parts."""
    if not names:
        return []
    parts = {key: names[0].get(part, "") for key, part in _NAMES.items()}
    shown = names[0].get("unstructuredName") or display(parts)
    return [{**names[0], "displayName": shown}]


def _data(person: Person) -> Iterable[dict[str, str]]:
    return person.get("clientData") or ()


def _own(person: Person, part: str) -> list[dict[str, Any]]:
    """The contact's own values of a part, its primary one first."""
    items = [
        item
        for item in person.get(part) or ()
        if item.get("metadata", {}).get("source", {}).get("type", "CONTACT") == "CONTACT"
    ]
    return sorted(items, key=lambda item: not item.get("metadata", {}).get("primary", False))


def _first(person: Person, part: str) -> dict[str, Any]:
    return next(iter(_own(person, part)), {})


def _single(value: Any, base: Person, part: str) -> list[dict[str, Any]]:
    """A part of which we know the first value only; the others stay."""
    return [*([{"value": value}] if value else []), *(_plain(item) for item in _own(base, part)[1:])]


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as it can be written again."""
    kept = {name: value for name, value in item.items() if name not in _OUTPUT_ONLY}
    alone = "formattedValue" in item and not kept.keys() - {"type"}
    return {**kept, "formattedValue": item["formattedValue"]} if alone else kept


def _read_address(item: Mapping[str, Any]) -> dict[str, str]:
    parts = {part: _text(item.get(name)) for part, name in _ADDRESS.items() if _text(item.get(name))}
    formatted = _text(item.get("formattedValue"))
    return parts or ({"formatted": formatted} if formatted else {})


def _birthday(date: Mapping[str, int]) -> str:
    """A year of 0 is none, and so is that of Apple's programs; what is no day of any calendar is no birthday, nor is the
    first that programs can count.
    """
    year, month, day = (date.get(name, 0) for name in ("year", "month", "day"))
    year = 0 if year == APPLE_NO_YEAR else year
    try:
        datetime.date(year or LEAP_YEAR, month, day)
    except ValueError:
        return ""
    found = f"{year:04d}-{month:02d}-{day:02d}" if year else f"--{month:02d}-{day:02d}"
    return "" if found in NO_DAYS else found


def _date(birthday: str) -> dict[str, int]:
    year, month, day = birthday.rsplit("-", 2)
    return {"year": int(year) if year.strip("-") else 0, "month": int(month), "day": int(day)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else ""

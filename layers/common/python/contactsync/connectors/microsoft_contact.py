"""Microsoft's contact ↔ our fields. Pure.

Outlook has slots, not lists: two numbers for work, two for home, one that is mobile, three addresses of each kind. A
value whose slot is taken stays with us, and so does the label that a slot cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contactsync.connectors.numbers import Numbers
from contactsync.core.fieldtypes import NO_DAYS, BadValue, converter
from contactsync.core.merging import same
from contactsync.model.contact import Fields

Contact = dict[str, Any]

_TEXTS = {
    "name": "displayName",
    "given_name": "givenName",
    "family_name": "surname",
    "middle_name": "middleName",
    "prefix": "title",
    "suffix": "generation",
    "nickname": "nickName",
    "organization": "companyName",
    "department": "department",
    "job_title": "jobTitle",
    "notes": "personalNotes",
}
_ADDRESS = {
    "street": "street",
    "city": "city",
    "region": "state",
    "postal_code": "postalCode",
    "country": "countryOrRegion",
}
_PHONES = (("work", "businessPhones", 2), ("home", "homePhones", 2), ("mobile", "mobilePhone", 1))
_PLACES = (("home", "homeAddress"), ("work", "businessAddress"), ("other", "otherAddress"))
_FAX = ("fax", "pager")
"""What is said to be one of these would be dialled by somebody if it stood among the telephones."""
EMAILS_MAX = 3
_NO_YEAR = "1604"
"""The year that Apple's programs write for none."""

FIELDS = frozenset({*_TEXTS, "emails", "phones", "addresses", "urls", "birthday"})
PROPERTIES = (
    *_TEXTS.values(),
    "emailAddresses",
    "businessPhones",
    "homePhones",
    "mobilePhone",
    "homeAddress",
    "businessAddress",
    "otherAddress",
    "businessHomePage",
    "birthday",
)


class Translation:
    """Between Microsoft's contacts and fields, for one account: a number without its country is one of `country`."""

    def __init__(self, country: str) -> None:
        self._numbers = Numbers(country)
        self._email = converter("email")
        self._url = converter("url")

    def fields(self, contact: Contact) -> Fields:
        """What of a contact are fields of ours."""
        found: Fields = {key: _text(contact.get(name)) for key, name in _TEXTS.items()}
        emails = (_text(each.get("address")) for each in contact.get("emailAddresses") or ())
        found["emails"] = [{"value": email} for email in emails if self._converts(self._email, email)]
        found["phones"] = list(self._phones(contact))
        found["addresses"] = [
            {"value": place, "label": label}
            for label, name in _PLACES
            if (place := _read_address(contact.get(name) or {}))
        ]
        url = self._converts(self._url, _text(contact.get("businessHomePage")))
        found["urls"] = [{"value": url}] if url else []
        found["birthday"] = _birthday(_text(contact.get("birthday")))
        return {key: value for key, value in found.items() if value}

    def contact(self, fields: Fields, base: Contact | None = None) -> Contact:
        """The contact that has these fields: each property, None or empty where there is nothing.

        What of `base` we could not read goes along, where a property is written as a whole.
        """
        base = base or {}
        written: Contact = {name: fields.get(key) or None for key, name in _TEXTS.items()}
        there = [
            (self._converts(self._email, _text(each.get("address"))), each)
            for each in base.get("emailAddresses") or ()
        ]
        unread = [each for email, each in there if not email]
        emails = [
            entry["value"]
            for entry in fields.get("emails") or ()
            if self._converts(self._email, entry["value"])
        ]
        room = max(0, EMAILS_MAX - len(unread))
        shown = dict(there)  # under the name that somebody has given to an address
        written["emailAddresses"] = [
            *(shown.get(email) or {"name": email, "address": email} for email in emails[:room]),
            *unread,
        ]
        written |= self._dialled(fields.get("phones") or (), base)
        written |= _placed(fields.get("addresses") or ())
        urls = (self._converts(self._url, entry["value"]) for entry in fields.get("urls") or ())
        page = _text(base.get("businessHomePage"))
        is_taken = page and not self._converts(self._url, page)
        written["businessHomePage"] = page if is_taken else next((url for url in urls if url), None)
        day = str(fields.get("birthday", ""))
        written["birthday"] = f"{day}T12:00:00Z" if day and day[:2] != "--" and day[:4] != _NO_YEAR else None
        return written

    def changes(self, before: Fields, after: Fields, base: Contact) -> Contact:
        """The properties that have to be written for `after` to become true; none if it is true already.

        The display name goes with every one, because Outlook makes a new one where it is left out.
        """
        was, shall = self.contact(before, base), self.contact(after, base)
        changed = {name: shall[name] for name in PROPERTIES if was[name] != shall[name]}
        if same(self.held(before), self.held(after)) or not changed:
            return {}
        return {**changed, "displayName": shall["displayName"]}

    def held(self, fields: Fields) -> Fields:
        """What Outlook gives back of these fields."""
        return self.fields(self.contact({key: value for key, value in fields.items() if key in FIELDS}))

    def _phones(self, contact: Contact) -> Iterator[dict[str, Any]]:
        for label, name, _ in _PHONES:
            for text in _listed(contact.get(name)):
                if entry := self._numbers.read(text):
                    yield {**entry, "label": label}

    def _dialled(self, entries: Sequence[Mapping[str, Any]], base: Contact) -> Contact:
        """Each number into the slot that its label names; those without one into what is free."""
        slots = {
            label: [text for text in _listed(base.get(name)) if not self._numbers.read(text)]
            for label, name, _ in _PHONES
        }
        room = {label: most - len(slots[label]) for label, _, most in _PHONES}
        mine: dict[str, list[str]] = {label: [] for label in slots}
        readable = [
            (_kind(entry), text)
            for entry in entries
            if self._numbers.read(text := self._numbers.written(entry))
        ]
        for kind, text in sorted(readable, key=lambda each: each[0] not in slots):
            for label in (kind,) if kind in slots else slots if kind not in _FAX else ():
                if len(mine[label]) < room[label]:
                    mine[label].append(text)
                    break
        filled = {label: [*mine[label], *slots[label]] for label in slots}
        return {
            name: filled[label] if most > 1 else next(iter(filled[label]), None)
            for label, name, most in _PHONES
        }

    @staticmethod
    def _converts(convert: Any, text: str) -> str:
        """The text as we hold it; empty if we cannot."""
        try:
            return str(convert(text) or "") if text else ""
        except BadValue:
            return ""


def _kind(entry: Mapping[str, Any]) -> str:
    """What a number is for, in Outlook's kinds where it is one of them."""
    words = str(entry.get("label") or "").casefold().split()
    for kind in (*_FAX, "mobile", "home", "work"):
        if kind in words:
            return kind
    return "mobile" if "cell" in words else ""


def _placed(entries: Sequence[Mapping[str, Any]]) -> Contact:
    """Each address into the slot that its label names; the others into what is free."""
    slots = dict(_PLACES)
    placed: dict[str, dict[str, str]] = {}
    written = [
        (str(entry.get("label") or "").casefold(), _written_address(entry["value"])) for entry in entries
    ]
    for label, address in sorted(written, key=lambda each: each[0] not in slots):
        free = [slots[label]] if label in slots else [slots[each] for each in ("other", "home", "work")]
        name = next((name for name in free if name not in placed), None)
        if name and address:
            placed[name] = address
    return {name: placed.get(name, {}) for _, name in _PLACES}


def _written_address(value: Mapping[str, str]) -> dict[str, str]:
    return {name: value[part] for part, name in _ADDRESS.items() if value.get(part)}


def _read_address(address: Mapping[str, Any]) -> dict[str, str]:
    return {part: _text(address.get(name)) for part, name in _ADDRESS.items() if _text(address.get(name))}


def _birthday(moment: str) -> str:
    """The day of a moment, whatever its hour: it has no time zone. The first and last that programs can count are none."""
    day = moment[:10]
    if day in NO_DAYS:
        return ""
    return f"-{day[4:]}" if day.startswith(_NO_YEAR) else day


def _listed(value: Any) -> list[str]:
    """A slot's values, whether it holds one or several."""
    values = value if isinstance(value, list) else [value]
    return [text for each in values if (text := _text(each))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else ""

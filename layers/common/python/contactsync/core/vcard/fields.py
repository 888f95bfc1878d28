"""A card → a contact's fields.

Values are as the card has them: phones are not normalised, addresses not checked; that is mapping's work. A photo
is a field only where it is a web address. What is no field of ours stays in the card.
"""

from __future__ import annotations

import datetime
import re
from typing import Any
from urllib.parse import unquote

from contactsync.core.vcard.card import Card, Property, Version
from contactsync.core.vcard.labels import label, labels
from contactsync.core.vcard.values import listed, parts, plain, text, uncaret
from contactsync.model.contact import Fields
from contactsync.model.field import NAME_PARTS

ADDRESS_PARTS = ("po_box", "extended", "street", "city", "region", "postal_code", "country")
LISTS = {"emails": "EMAIL", "phones": "TEL", "addresses": "ADR", "urls": "URL"}
_DISPLAY = ("prefix", "given_name", "middle_name", "family_name", "suffix")

_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[T ].*)?", re.DOTALL)
_YEARLESS = re.compile(r"--([0-9]{2})-?([0-9]{2})(?:[T ].*)?", re.DOTALL)
_NO_YEAR = "1604"
"""The leap year that Apple writes where there is none. Nobody in an address book was born in it."""
_TEL_PARAMS = re.compile(r";(?:(ext)=)?([^;]*)", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)


def to_fields(card: Card) -> Fields:
    """The standard fields that the card holds; what is empty is left out. Lists have the preferred value first."""
    version = card.version
    grouped = labels(card)
    fields: Fields = dict(zip(NAME_PARTS, _components(card, "N"), strict=False))
    organization = next(iter(_components(card, "ORG")), "")
    fields |= {
        "nickname": ", ".join(
            name for prop in card.all("NICKNAME") for name in listed(prop, version) if name
        ),
        "organization": organization,
        "department": " / ".join(unit for unit in units_of(card) if unit),
        "job_title": _first(card, "TITLE"),
        "birthday": birthday(card),
        "notes": "\n\n".join(note for prop in card.all("NOTE") if (note := text(prop, version)).strip()),
        "photo": next((url for prop in card.all("PHOTO") if (url := photo_url(prop, version))), ""),
    }
    for field, key in LISTS.items():
        entries = [entry(prop, version, grouped) for prop in card.all(key)]
        fields[field] = [found for found in entries if found]
    fields["name"] = _first(card, "FN") or display(fields)
    return {
        field: value
        for field, value in fields.items()
        if value and (value.strip() if isinstance(value, str) else True)
    }


def units_of(card: Card) -> list[str]:
    """The parts of a company that a card names, the largest first."""
    return _components(card, "ORG")[1:]


def display(fields: Fields) -> str:
    """How to call somebody whose card has no name of its own: by parts, else by whatever there is."""
    parts_ = " ".join(str(fields[part]) for part in _DISPLAY if fields.get(part))
    if parts_.strip():
        return parts_
    for field in ("nickname", "organization"):
        if fields.get(field):
            return str(fields[field])
    firsts = (fields[field][0]["value"] for field in ("emails", "phones") if fields.get(field))
    return next(firsts, "")


def entry(prop: Property, version: Version, grouped: dict[str, str]) -> dict[str, Any] | None:
    """One value of a list, `{"value"[, "label"]}`; None if it is empty."""
    value: Any
    match prop.key:
        case "ADR":
            value = _address(prop, version)
        case "TEL":
            value = _phone(text(prop, version).strip())
        case "EMAIL":
            value = text(prop, version).strip()
            value = value[7:] if value[:7].lower() == "mailto:" else value
        case _:
            value = text(prop, version).strip()
    if not value:
        return None
    found = label(prop, grouped)
    return {"value": value, "label": found} if found else {"value": value}


def birthday(card: Card) -> str:
    """As "YYYY-MM-DD" or "--MM-DD"; "" where no BDAY is a day of the calendar. A time of day is dropped."""
    for prop in card.all("BDAY"):
        value = plain(prop).strip()
        found = _DATE.fullmatch(value)
        year, month, day = found.groups() if found else ("", "", "")
        if yearless := _YEARLESS.fullmatch(value):
            year, month, day = _NO_YEAR, *yearless.groups()
        if _exists(year, month, day):
            omitted = year == _NO_YEAR or year in prop.param("X-APPLE-OMIT-YEAR")
            return f"--{month}-{day}" if omitted else f"{year}-{month}-{day}"
    return ""


def photo_url(prop: Property, version: Version) -> str:
    """The photo's web address; "" where the photo lies in the card itself, or somewhere else."""
    value = "" if prop.encoding == "BASE64" or len(prop.value) > 4096 else text(prop, version).strip()
    return value if _WEB.match(value) else ""


def _exists(year: str, month: str, day: str) -> bool:
    try:
        datetime.date.fromisoformat(f"{year}-{month}-{day}")
    except ValueError:
        return False
    return True


def _first(card: Card, key: str) -> str:
    texts = (text(prop, card.version) for prop in card.all(key))
    return next((found for found in texts if found.strip()), "")


def _components(card: Card, key: str) -> list[str]:
    return next((parts(prop, card.version) for prop in card.all(key) if prop.value.strip(" ;")), [])


def _address(prop: Property, version: Version) -> dict[str, str]:
    named = zip(ADDRESS_PARTS, parts(prop, version), strict=False)
    address = {part: value for part, value in named if value.strip()}
    if formatted := next(iter(prop.param("LABEL")), ""):
        address["formatted"] = uncaret(formatted) if "^" in formatted else formatted.replace("\\n", "\n")
    return address


def _phone(value: str) -> str:
    """A number as people write it, also from a URI: tel:+1-418-656-9254;ext=102."""
    if value[:4].lower() != "tel:":
        return value
    number, semicolon, rest = value[4:].partition(";")
    extension = next((found[2] for found in _TEL_PARAMS.finditer(semicolon + rest) if found[1]), "")
    return unquote(f"{number} ext. {extension}" if extension else number)

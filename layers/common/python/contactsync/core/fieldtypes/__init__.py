"""Cell text → canonical value, by field type. Every converter refuses with BadValue, never in silence.

text      as it is                        date      "YYYY-MM-DD" or "--MM-DD"
email     "Ada@example.com"               integer   64 bits
phone     {"text", "value": E.164}        decimal   canonical text, "-1234.5"
url       "https://…"                     boolean   true or false
address   {"formatted": …}                choice    one of the field's own
"""

from __future__ import annotations

from collections.abc import Sequence

from contactsync.core.fieldtypes.date import NO_DAYS, date
from contactsync.core.fieldtypes.email import email
from contactsync.core.fieldtypes.number import decimal, integer
from contactsync.core.fieldtypes.phone import is_country, phone
from contactsync.core.fieldtypes.plain import BOOLEANS, address, boolean, choice, text
from contactsync.core.fieldtypes.refusal import TEXT_MAX, BadValue, Converter
from contactsync.core.fieldtypes.url import url

__all__ = [
    "BOOLEANS", "NO_DAYS", "TEXT_MAX", "BadValue", "Converter", "address", "boolean", "choice", "converter", "date",
    "decimal", "email", "integer", "is_country", "phone", "text", "url",
]  # fmt: skip


def converter(
    field_type: str, *, country: str | None = None, date_order: str | None = None, choices: Sequence[str] = ()
) -> Converter:
    """The converter of a field type, made once for a column and called for each of its cells.

    Args:
        field_type: as in a field's spec.
        country: ISO 3166, upper case; where local phone numbers and separators belong.
        date_order: "dmy", "mdy", "ymd", "iso", "either" or None.
        choices: of a choice field, as they are stored.
    """
    match field_type:
        case "text":
            return text
        case "email":
            return email
        case "phone":
            return phone(country)
        case "url":
            return url
        case "date":
            return date(date_order)
        case "integer":
            return integer(country)
        case "decimal":
            return decimal(country)
        case "boolean":
            return boolean
        case "choice":
            return choice(choices)
        case "address":
            return address
    raise ValueError(f"no such field type: {field_type}")

"""vCard 2.1, 3.0 and 4.0, both ways: files of phones and mail programs in, cards for anybody out.

    bytes ─ read_cards ─→ Card ─ to_fields ─→ Fields ─ from_fields ─→ Card ─ serialise ─→ text

A Card keeps every property, known or not, so that what we do not understand survives a round trip. For an
import, `Columns` turns cards into rows with columns that need no mapping by hand.
"""

from contactsync.core.vcard.card import Card, Property, Version
from contactsync.core.vcard.columns import Column, Columns, Survey, survey, table
from contactsync.core.vcard.converting import converted
from contactsync.core.vcard.fields import to_fields
from contactsync.core.vcard.reading import Found, read_cards
from contactsync.core.vcard.writing import from_fields, serialise

__all__ = [
    "Card", "Column", "Columns", "Found", "Property", "Survey", "Version", "converted", "from_fields",
    "read_cards", "serialise", "survey", "table", "to_fields",
]  # fmt: skip

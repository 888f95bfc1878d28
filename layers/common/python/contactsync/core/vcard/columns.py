"""Cards as rows of a table, whose columns need no mapping by hand.

A file of cards is read twice: `survey` finds out how many emails, phones, addresses and links its fullest card
has, within SLOTS; then each card is a row of `Columns`. The first slot holds the preferred value, and what a
value is for stands in a column beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from contactsync.core.parsing import Damaged
from contactsync.core.rules import ADDRESS_PARTS, folded
from contactsync.core.vcard.card import Card
from contactsync.core.vcard.fields import to_fields
from contactsync.core.vcard.reading import Found
from contactsync.model.contact import Fields
from contactsync.model.field import PRIMARIES, STANDARD_FIELDS
from contactsync.model.run import RunWarning

SLOTS = {"emails": 20, "phones": 20, "addresses": 10, "urls": 10}
"""The most values of a list that become columns: more than any address book of a person holds."""
_SINGLES = (
    "name", "prefix", "given_name", "middle_name", "family_name", "suffix", "nickname",
    "organization", "department", "job_title", "birthday", "notes", "photo",
)  # fmt: skip
_PRIMARY = {plural: single for single, plural in PRIMARIES.items()}


class Column(NamedTuple):
    """One column: its header, and the field of a mapping that takes it; None for a label, which stands behind its value."""

    name: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file. `slots` says how many values of each list have columns, at least one."""

    slots: tuple[tuple[str, int], ...]

    def all(self) -> list[Column]:
        """Every column in its place: the same slots always give the same columns."""
        columns = [Column(STANDARD_FIELDS[field].label, field) for field in _SINGLES]
        for plural, count in self.slots:
            single = _PRIMARY[plural]
            title = STANDARD_FIELDS[single].label
            for number in range(1, count + 1):
                name = title if number == 1 else f"{title} {number}"
                if plural == "addresses":
                    columns += [
                        Column(f"{name} {part.replace('_', ' ')}", _address(part, number))
                        for part in ADDRESS_PARTS
                    ]
                else:
                    columns.append(Column(name, single if number == 1 else plural))
                columns.append(Column(f"{name} label", None))
        return columns

    @classmethod
    def of(cls, names: Sequence[str]) -> Columns | None:
        """The columns that have these names, in this order; None if none have."""
        found = cls(tuple(dict.fromkeys(SLOTS, 1).items())).holding(names)
        return found if [column.name for column in found.all()] == list(names) else None

    def holding(self, names: Iterable[str]) -> Columns:
        """As many more as it takes to have the columns that a mapping names, within SLOTS."""
        wanted = {folded(name) for name in names}
        slots = dict(self.slots)
        for plural, limit in SLOTS.items():
            most = Columns(((plural, limit),)).all()[len(_SINGLES) :]
            places = [place for place, column in enumerate(most) if folded(column.name) in wanted]
            if places:
                slots[plural] = max(slots[plural], places[-1] * limit // len(most) + 1)
        return Columns(tuple(slots.items()))

    def mapping(self) -> list[dict[str, str]]:
        """A sync's mapping of every column that has a field, as a request would write it."""
        mapping: list[dict[str, str]] = []
        label = ""
        for column in reversed(self.all()):  # a label stands behind its value
            if column.field is None:
                label = column.name
            elif column.field in _SINGLES:
                mapping.append({"column": column.name, "field": column.field})
            else:
                mapping.append({"column": column.name, "field": column.field, "label_column": label})
        return mapping[::-1]

    def cells(self, card: Card) -> list[str]:
        """The card as a row: as many cells as there are columns."""
        fields = to_fields(card)
        cells = [fields.get(field, "") for field in _SINGLES]
        for plural, count in self.slots:
            entries = fields.get(plural, [])
            for number in range(count):
                cells += _entry_cells(plural, entries[number] if number < len(entries) else {})
        return cells


def _address(part: str, number: int) -> str:
    """The first address is the primary; of the others a mapping keeps the parts together by a label."""
    if number == 1:
        return f"address.{part}"
    return f"addresses.other.{part}" if number == 2 else f"addresses.other {number - 1}.{part}"


def _entry_cells(plural: str, entry: dict[str, Any]) -> list[str]:
    label = entry.get("label", "")
    if plural == "addresses":
        value = entry.get("value", {})
        return [*(value.get(part, "") for part in ADDRESS_PARTS), label]
    return [entry.get("value", ""), label]


def table(found: Iterable[Found | Damaged], columns: Columns) -> Iterator[tuple[int, list[str]] | Damaged]:
    """The header, as row 0, then a row for each card, with the line of its BEGIN:VCARD."""
    yield 0, [column.name for column in columns.all()]
    for one in found:
        yield one if isinstance(one, Damaged) else (one.line, columns.cells(one.card))


class Survey(NamedTuple):
    """What a first reading of a file found. `warnings` tell of what the rows do not hold, with its first line."""

    columns: Columns
    cards: int
    damaged: int
    warnings: tuple[RunWarning, ...]


def survey(cards: Iterable[Found | Damaged]) -> Survey:
    """Count what the cards hold."""
    most = dict.fromkeys(SLOTS, 1)
    counts = [0, 0]
    left_out: dict[str, tuple[int, int]] = {}
    for found in cards:
        counts[isinstance(found, Damaged)] += 1
        if isinstance(found, Damaged):
            continue
        fields = to_fields(found.card)
        for plural, limit in SLOTS.items():
            most[plural] = max(most[plural], min(limit, len(fields.get(plural, []))))
        for code in _left_out(found.card, fields):
            first, number = left_out.get(code, (found.line, 0))
            left_out[code] = first, number + 1
    return Survey(Columns(tuple(most.items())), counts[False], counts[True], tuple(_warnings(left_out)))


def _left_out(card: Card, fields: Fields) -> Iterable[str]:
    """Codes of what the card's row does not hold although it has a field for it."""
    if "photo" not in fields and any(prop.key == "PHOTO" and prop.value for prop in card.properties):
        yield "photo_left_out"
    if "birthday" not in fields and any(
        prop.key == "BDAY" and prop.value.strip() for prop in card.properties
    ):
        yield "birthday_left_out"
    if any(len(fields.get(plural, [])) > limit for plural, limit in SLOTS.items()):
        yield "values_left_out"


_MESSAGES = {
    "photo_left_out": "{count:,} cards hold a picture of their own. Pictures are imported as web addresses only.",
    "birthday_left_out": "{count:,} cards have a birthday that is no full date, nor a day and month. It is left out.",
    "values_left_out": "{count:,} cards have more emails, phones, addresses or links than are imported: "
    + ", ".join(f"{limit} {plural}" for plural, limit in SLOTS.items())
    + ".",
}


def _warnings(left_out: dict[str, tuple[int, int]]) -> Iterable[RunWarning]:
    for code, (first, count) in left_out.items():
        yield RunWarning(code=code, message=_MESSAGES[code].format(count=count), row=first)

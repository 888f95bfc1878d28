"""What a row does to the contact list: the plan.

A plan says of every row what it will do, before anything is written, and what is written is exactly the plan.
It is stored one JSON array a line, so that a million rows need no more memory than one:

    ["add", id, row, hash, fields]
    ["update", id, row, hash, fields, contact, changes]     contact: as it will be; changes: {field: [from, to]}
    ["unchanged", id, row]
    ["skip", id, row, code, reason]

`fields` are those of the row, so that a plan overtaken by somebody's edit can be made anew for that one row.
`changes` keeps what was there before: a run can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from contactsync.core.identity import email_key
from contactsync.model.contact import Audit, Contact, Fields, Source
from contactsync.model.field import PRIMARIES

Existing = Literal["override", "skip", "fill_empty"]
Entry = dict[str, Any]
"""One value of a list: `{"value": …}`, with `label` where it has one, with `text` for a phone as it was typed."""
LISTS = frozenset(PRIMARIES.values())


@dataclass(frozen=True, slots=True)
class Row:
    """One mapped row: the contact it is about, its line in the file, its fields and their hash."""

    id: str
    line: int
    hash: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Rules:
    """What the sync asks for, and in whose name its contacts are written.

    `at` is when the run began, RFC 3339: a step that runs twice plans the same.
    """

    account_id: str
    sync_id: str
    run_id: str
    at: str
    existing: Existing
    mode: Literal["three_way", "mirror"]

    @property
    def author(self) -> str:
        """How the run signs what it writes."""
        return f"run:{self.run_id}"


@dataclass(frozen=True, slots=True)
class Add:
    """The row's contact is not here yet."""

    row: Row

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["add", self.row.id, self.row.line, self.row.hash, self.row.fields])


@dataclass(frozen=True, slots=True)
class Update:
    """The row changes its contact; `contact` is what it becomes."""

    row: Row
    contact: Contact
    changes: dict[str, list[Any]]

    def line(self) -> bytes:
        """As stored."""
        row = self.row
        return orjson.dumps(
            ["update", row.id, row.line, row.hash, row.fields, asdict(self.contact), self.changes]
        )


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The contact is as the row says, or the row is as it was when it was last applied."""

    row: Row

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["unchanged", self.row.id, self.row.line])


@dataclass(frozen=True, slots=True)
class Skip:
    """The row is valid and deliberately not applied."""

    row: Row
    code: str
    reason: str

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["skip", self.row.id, self.row.line, self.code, self.reason])


Decision = Add | Update | Unchanged | Skip


def add_line(mapped_line: bytes) -> bytes:
    """The plan line that adds a mapped row, made from the row's own line `[id, row, hash, fields]` unread.

    Most rows of a first import take this way; reading and writing them anew would be half of the step's work.
    """
    return b'["add",' + mapped_line[1:]


def read_row(mapped_line: bytes) -> Row:
    """A row as map stored it."""
    return Row(*orjson.loads(mapped_line))


def read_decision(line: bytes) -> Decision:
    """A decision as `line()` stored it. Unchanged and skipped rows come back without hash and fields."""
    match orjson.loads(line):
        case ["add", id_, row, hash_, fields]:
            return Add(Row(id_, row, hash_, fields))
        case ["update", id_, row, hash_, fields, contact, changes]:
            return Update(Row(id_, row, hash_, fields), _contact(contact), changes)
        case ["unchanged", id_, row]:
            return Unchanged(Row(id_, row, "", {}))
        case ["skip", id_, row, code, reason]:
            return Skip(Row(id_, row, "", {}), code, reason)
    raise ValueError("not a plan line")


def decide(row: Row, stored: Contact | None, rules: Rules) -> Decision:
    """What one row does to the contact that is stored under its identity, or to the empty place.

    Three-way by default: a row that is as it was when this sync last applied it says nothing new, so an edit
    made here since stays. A row that has changed is laid over the contact, and only its own fields count.
    """
    if stored is None:
        return Add(row)
    if rules.existing == "skip":
        return Skip(
            row, "exists", "A contact with this identity is here already, and existing ones are left alone."
        )
    applied = stored.sources.get(rules.sync_id)
    if rules.mode == "three_way" and applied is not None and applied.hash == row.hash:
        return Unchanged(row)
    fields, changes = overlay(stored.fields, row.fields, only_empty=rules.existing == "fill_empty")
    if not changes:
        return Unchanged(row)
    contact = Contact(
        id=stored.id,
        version=stored.version + 1,
        fields=fields,
        audit=Audit(stored.audit.created_at, stored.audit.created_by, rules.at, rules.author),
        sources={**stored.sources, rules.sync_id: Source(rules.run_id, row.line, row.hash)},
        segments=stored.segments,
    )
    return Update(row, contact, changes)


def new_contact(row: Row, rules: Rules) -> Contact:
    """The contact that an Add stores."""
    fields, _ = overlay({}, row.fields, only_empty=False)
    return Contact(
        id=row.id,
        version=1,
        fields=fields,
        audit=Audit(rules.at, rules.author, rules.at, rules.author),
        sources={rules.sync_id: Source(rules.run_id, row.line, row.hash)},
    )


def is_applied(row: Row, stored: Contact, rules: Rules) -> bool:
    """Whether this very run has already written this very row into the contact.

    This is how a step that runs again knows its own writes, whatever others have done to the contact since.
    """
    return stored.sources.get(rules.sync_id) == Source(rules.run_id, row.line, row.hash)


def overlay(base: Fields, row: Fields, *, only_empty: bool) -> tuple[Fields, dict[str, list[Any]]]:
    """Lay the fields of a row over those of a contact.

    A value of None empties its field. A singular key (`email`) reads and writes the first value of its list
    (`emails`); the others stay. A list of a row replaces as much of the stored list as it speaks of.

    Returns:
        The fields as they become, and `{field: [from, to]}` for each that differs.
    """
    fields = dict(base)
    changes: dict[str, list[Any]] = {}
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


def _with_primary(list_key: str, before: list[Entry], value: Any) -> list[Entry] | None:
    """The list with another first value, or without its first if the value is None; None if nothing is left."""
    if value is None:
        return before[1:] or None
    entry = value if list_key == "phones" else {"value": value}
    if before and _same_value(list_key, before[0], entry):
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
        return True
    return list_key == "emails" and email_key(a) == email_key(b)


def is_empty(value: Any) -> bool:
    """Whether a field holds nothing that `fill_empty` would have to respect."""
    return value is None or value in ("", [])


def _contact(document: Mapping[str, Any]) -> Contact:
    return Contact(
        id=document["id"],
        version=document["version"],
        fields=document["fields"],
        audit=Audit(**document["audit"]),
        sources={sync: Source(**source) for sync, source in document["sources"].items()},
        segments=tuple(document["segments"]),
    )

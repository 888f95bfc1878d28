"""What a run does to the contact list, decision by decision, and how decisions are stored.

A plan says of every row what it will do, before anything is written, and what is written is exactly the plan.
It is stored one JSON array a line, so that a million rows need no more memory than one:

    ["add", id, row, hash, fields]                              the usual one; over and claim where there are any
    ["add", id, row, hash, fields, over, claim]
    ["update", id, row, hash, fields, contact, changes, claim, note]
                                                                contact: as it will be, unsigned; changes: {field: [from, to]}
    ["confirm", id, row, hash, fields, contact]                 contact: as it is, one version on; note last where there is one
    ["delete", contact]                                         contact: as it was
    ["restore", contact, over, claim]                           contact: as it will be, unsigned
    ["unchanged", id, row]                                      note last where there is one
    ["skip", id, row, code, reason]
    ["reject", id, row, code, reason]

`fields` are those of the row, so that a plan overtaken by somebody's edit can be made anew for that one row.
`changes` and deleted contacts keep what was there before: a run can be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import orjson

from contactsync.core.overlay import Changes
from contactsync.model.contact import Audit, Contact, Fields, Source


class Row(NamedTuple):
    """One mapped row: the slot of its identity, its line in the file, its fields and their hash."""

    id: str
    line: int
    hash: str
    fields: Fields


class Claim(NamedTuple):
    """The slot of an email address that a contact takes for itself; `over`: the version read there, 0 if empty."""

    slot: str
    over: int


class Add(NamedTuple):
    """The row's contact is not here yet. `over`: the version of what lies in its slot, 0 if that is empty."""

    row: Row
    over: int = 0
    claim: Claim | None = None

    @property
    def key(self) -> str:
        """What the decision is about, once a run."""
        return self.row.id

    @property
    def target(self) -> str:
        """The contact that is written."""
        return self.row.id

    def line(self) -> bytes:
        """As stored."""
        plain = ["add", self.row.id, self.row.line, self.row.hash, self.row.fields]
        return orjson.dumps([*plain, self.over, _told(self.claim)] if self.over or self.claim else plain)


class _OfRow:
    """A decision about a row."""

    __slots__ = ()
    row: Row

    @property
    def key(self) -> str:
        """What the decision is about, once a run."""
        return self.row.id


class _OfContact:
    """A decision about a contact that no row explains."""

    __slots__ = ()
    contact: Contact

    @property
    def key(self) -> str:
        """What the decision is about, once a run."""
        return self.contact.id


class _Writes:
    """A decision that names the contact as it is written, or as it was."""

    __slots__ = ()
    contact: Contact

    @property
    def target(self) -> str:
        """The contact that is written, or that goes."""
        return self.contact.id


@dataclass(frozen=True, slots=True)
class Update(_OfRow, _Writes):
    """The row changes its contact; `contact` is what it becomes, `note` what the customer should know of it."""

    row: Row
    contact: Contact
    changes: Changes
    claim: Claim | None = None
    note: str = ""

    def line(self) -> bytes:
        """As stored."""
        row = self.row
        plain = ["update", row.id, row.line, row.hash, row.fields]
        return orjson.dumps([*plain, asdict(self.contact), self.changes, _told(self.claim), self.note])


@dataclass(frozen=True, slots=True)
class Confirm(_OfRow, _Writes):
    """The contact is as the row says, and the sync does not know it yet: no more is written than that it does now.

    `note` as of an update.
    """

    row: Row
    contact: Contact
    note: str = ""

    def line(self) -> bytes:
        """As stored."""
        row = self.row
        plain = ["confirm", row.id, row.line, row.hash, row.fields, asdict(self.contact)]
        return orjson.dumps([*plain, self.note] if self.note else plain)


@dataclass(frozen=True, slots=True)
class Delete(_OfContact, _Writes):
    """A contact goes, as no row mentions it, or as the run that brought it is undone. `contact` is as it was."""

    contact: Contact

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["delete", asdict(self.contact)])


@dataclass(frozen=True, slots=True)
class Restore(_OfContact, _Writes):
    """A deleted contact comes back; `over`: the version of what lies in its slot, 0 if that is empty."""

    contact: Contact
    over: int
    claim: Claim | None = None

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["restore", asdict(self.contact), self.over, _told(self.claim)])


@dataclass(frozen=True, slots=True)
class Unchanged(_OfRow):
    """The contact is as the row says, or the row is as it was when it was last applied; `note` as of an update."""

    row: Row
    note: str = ""

    def line(self) -> bytes:
        """As stored."""
        plain = ["unchanged", self.row.id, self.row.line]
        return orjson.dumps([*plain, self.note] if self.note else plain)


@dataclass(frozen=True, slots=True)
class Skip(_OfRow):
    """The row is valid and deliberately not applied."""

    row: Row
    code: str
    reason: str

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["skip", self.row.id, self.row.line, self.code, self.reason])


@dataclass(frozen=True, slots=True)
class Reject(_OfRow):
    """The row cannot be applied to this contact list; somebody has to mend one of the two."""

    row: Row
    code: str
    reason: str

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps(["reject", self.row.id, self.row.line, self.code, self.reason])


Changing = Add | Update | Delete | Restore
Writing = Changing | Confirm
Decision = Writing | Unchanged | Skip | Reject

_KINDS = {
    kind[:3].encode(): kind
    for kind in ("add", "update", "confirm", "delete", "restore", "unchanged", "skip", "reject")
}


def unchanged_line(mapped_line: bytes) -> bytes:
    """The plan line of a mapped row that changes nothing, made from the row's own line unread as well."""
    return b'["unchanged",%b]' % mapped_line[1 : mapped_line.index(b',"')]


def hash_of(mapped_line: bytes) -> str:
    """The hash of a mapped row, its line unread."""
    begin = _hash_at(mapped_line)
    return mapped_line[begin : mapped_line.index(b'"', begin)].decode()


def _hash_at(mapped_line: bytes) -> int:
    """Where the hash begins in `["<id>",<row>,"<hash>", …`: neither the id nor the row holds a comma."""
    return mapped_line.index(b',"') + 2


def kinds_in(lines: Iterable[bytes]) -> Counter[str]:
    """How many plan lines there are of each kind. Three letters tell kinds apart, and are quicker to find than a word's end."""
    found = Counter([line[2:5] for line in lines])
    return Counter({_KINDS[letters]: number for letters, number in found.items()})


IDLE = (b'["unchanged"', b'["skip"', b'["reject"')
"""How the plan lines begin that write nothing: nearly all of a file that comes again."""


def read_row(mapped_line: bytes) -> Row:
    """A row as map stored it."""
    return Row(*orjson.loads(mapped_line))


def read_writing(line: bytes) -> Writing:
    """A decision that writes, as `line()` stored it."""
    decision = read_decision(line)
    assert isinstance(decision, Writing)
    return decision


def read_decision(line: bytes) -> Decision:
    """A decision as `line()` stored it. Rows that are not applied come back without hash and fields."""
    match orjson.loads(line):
        case ["add", id_, row, hash_, fields]:
            return Add(Row(id_, row, hash_, fields))
        case ["add", id_, row, hash_, fields, over, claim]:
            return Add(Row(id_, row, hash_, fields), over, _claim(claim))
        case ["update", id_, row, hash_, fields, contact, changes, claim, note]:
            return Update(Row(id_, row, hash_, fields), read_contact(contact), changes, _claim(claim), note)
        case ["confirm", id_, row, hash_, fields, contact, *note]:
            return Confirm(Row(id_, row, hash_, fields), read_contact(contact), *note)
        case ["delete", contact]:
            return Delete(read_contact(contact))
        case ["restore", contact, over, claim]:
            return Restore(read_contact(contact), over, _claim(claim))
        case ["unchanged", id_, row, *note]:
            return Unchanged(Row(id_, row, "", {}), *note)
        case ["skip", id_, row, code, reason]:
            return Skip(Row(id_, row, "", {}), code, reason)
        case ["reject", id_, row, code, reason]:
            return Reject(Row(id_, row, "", {}), code, reason)
    raise ValueError("not a plan line")


def read_contact(document: Mapping[str, Any]) -> Contact:
    """A contact as a plan line holds it."""
    return Contact(
        id=document["id"],
        version=document["version"],
        fields=document["fields"],
        audit=Audit(**document["audit"]),
        sources={sync: Source(**source) for sync, source in document["sources"].items()},
        segments=tuple(document["segments"]),
        runs=tuple(document["runs"]),
    )


def _told(claim: Claim | None) -> list[Any] | None:
    return list(claim) if claim else None


def _claim(stored: list[Any] | None) -> Claim | None:
    return Claim(*stored) if stored else None

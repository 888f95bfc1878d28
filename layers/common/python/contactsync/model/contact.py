"""A contact as it is stored. Slotted dataclasses, not pydantic: a run makes a million of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
"""Field key → canonical JSON value (text, number, boolean, object) or a list of `{value, label}`."""


@dataclass(frozen=True, slots=True)
class Source:
    """What one sync last applied to a contact, or found it to be like: which run, which row, and the hash of that row."""

    run_id: str
    row: int
    hash: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Who touched the contact first and last. Times are RFC 3339 UTC; by is "run:<id>" or "member:<id>".

    `via` is "<member>#<connection>" where the last change was made in an address book: whose edit, in which book.
    """

    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """One person of one account.

    `id` is derived from the identity under which the contact was first seen and never changes.
    `version` counts writes; every write names the version it has read. `runs` are the last ones that changed it,
    in order: where its history lies.
    """

    id: str
    version: int
    fields: Fields
    audit: Audit
    sources: dict[str, Source] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """What all contacts have in common that one run adds: who made them, from which sync, into which segments."""

    audit: Audit
    sync_id: str
    run_id: str
    segments: tuple[str, ...] = ()

    def contact(self, id_: str, version: int, fields: Fields, line: int, hash_: str) -> Contact:
        """The contact that a row brings; `fields` are the contact's, `line` and `hash_` the row's."""
        return Contact(
            id=id_,
            version=version,
            fields=fields,
            audit=self.audit,
            sources={self.sync_id: Source(self.run_id, line, hash_)},
            segments=self.segments,
            runs=(self.run_id,),
        )


@dataclass(frozen=True, slots=True)
class Glimpse:
    """As much of a slot as tells whether a row has anything new for its contact; all else is read where it has.

    `hashes`: sync id → hash of the row that it last applied. `fields`: those that were asked for, as far as
    there are any. Of an alias and of a tombstone it tells no more than that something lies there.
    """

    id: str
    is_contact: bool
    hashes: dict[str, str] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    created_by: str = ""
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alias:
    """The slot of an identity that belongs to a contact which was first seen under another one.

    It is written before the contact, at `claimed_at` (epoch seconds), so for a while the contact may not be there.
    """

    id: str
    version: int
    contact_id: str
    claimed_at: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The slot of a contact that was deleted: what brought it is remembered, so that an old row does not revive it.

    `expires_at` is epoch seconds, after which the slot may be empty.
    """

    id: str
    version: int
    deleted_at: str
    deleted_by: str
    sources: dict[str, Source]
    expires_at: int


Slot = Contact | Alias | Tombstone
"""What lies under the key that an identity makes."""


def glimpse_of(slot: Slot, fields: Collection[str]) -> Glimpse:
    """What a glimpse of a slot shows, with these fields."""
    if not isinstance(slot, Contact):
        return Glimpse(slot.id, is_contact=False)
    return Glimpse(
        id=slot.id,
        is_contact=True,
        hashes={sync_id: source.hash for sync_id, source in slot.sources.items()},
        segments=slot.segments,
        created_by=slot.audit.created_by,
        fields={key: value for key, value in slot.fields.items() if key in fields},
    )

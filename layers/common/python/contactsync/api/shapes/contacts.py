"""Contacts, segments, fields, and what is done about people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field as About
from pydantic.json_schema import SkipJsonSchema

from contactsync.api.shapes.basics import (
    Actor,
    Id,
    Next,
    Shape,
    Time,
    Version,
)
from contactsync.api.shapes.runs import (
    ChangedValue,
)
from contactsync.model.field import FieldType
from contactsync.model.long_work import ExportKind


class PhoneNumber(Shape):
    """A phone number: to dial, and as it was written."""

    value: str = About(description="E.164, such as +442079460018.")
    text: str
    extension: str | SkipJsonSchema[None] = About(default=None, description="Digits to dial after it.")


class Address(Shape):
    """A postal address: those parts that are known."""

    formatted: str | SkipJsonSchema[None] = None
    street: str | SkipJsonSchema[None] = None
    extended: str | SkipJsonSchema[None] = None
    po_box: str | SkipJsonSchema[None] = None
    city: str | SkipJsonSchema[None] = None
    region: str | SkipJsonSchema[None] = None
    postal_code: str | SkipJsonSchema[None] = None
    country: str | SkipJsonSchema[None] = None


class Labelled(Shape):
    """One value of a list; the first one is the primary."""

    value: str | bool | int | Address
    label: str | None
    text: str | SkipJsonSchema[None] = About(
        default=None, description="Of a phone number: as it was written."
    )
    extension: str | SkipJsonSchema[None] = About(
        default=None, description="Of a phone number: digits to dial after it."
    )


Value = str | bool | int | PhoneNumber | Address | tuple[Labelled, ...]


class ContactSource(Shape):
    """Which row the sync has last applied to it, or found it to be like."""

    sync_id: Id
    run_id: Id
    row: int


class BookOf(Shape):
    """A member's address book."""

    member_id: Id
    connection_id: Id


class Audit(Shape):
    """Who touched it first and last."""

    created_at: Time
    created_by: Actor
    updated_at: Time
    updated_by: Actor
    updated_in: BookOf | None = About(
        description="Where the last change was made in an address book: whose edit, in which book."
    )


class Contact(Shape):
    """One person of the account."""

    id: Id
    fields: dict[str, Value] = About(
        description="Field key → value. A date is `YYYY-MM-DD`, or `--MM-DD` without a year; a decimal is text, so "
        "that no digit is lost. `email`, `phone`, `address` and `url` show the first of `emails`, `phones`, …"
    )
    segments: tuple[Id, ...]
    sources: tuple[ContactSource, ...]
    audit: Audit
    version: Version


class ContactList(Shape):
    """Contacts."""

    items: tuple[Contact, ...]
    next: Next


class Subscription(Shape):
    """That you have ticked a contact's Sync Contact box."""

    contact_id: Id
    member_id: Id
    since: Time
    subscribers: int = About(ge=0, description="How many members have ticked it.")


class CardShown(Shape):
    """A contact as the address book has it."""

    fields: dict[str, Any] = About(description="Field key → value, as those of a contact.")


class Review(Shape):
    """A card that may be one of these contacts."""

    id: Id
    card: CardShown
    contacts: tuple[Contact, ...]
    rule: tuple[str, ...] = About(description="What they have in common.")
    why: Literal["several_contacts", "several_cards", "other_name"]
    run_id: Id
    decision: str | None = About(description="The contact's id, or `new`; null until somebody has said.")


class ReviewList(Shape):
    """Cards that wait for somebody to say who they are."""

    items: tuple[Review, ...]
    next: Next


class TurnTaken(Shape):
    """One side's change was written to the other."""

    at: Time
    by: Literal["hub", "book"]


class Frozen(Shape):
    """A contact that two programs kept overwriting: both versions, and when each was written."""

    id: Id
    at: Time
    contact: Contact | None
    card: CardShown
    turns: tuple[TurnTaken, ...]


class FrozenList(Shape):
    """Frozen contacts."""

    items: tuple[Frozen, ...]
    next: Next


class Tally(Shape):
    """How many contacts."""

    total: int = About(ge=0)
    hub: int = About(ge=0, description="Brought from here to address books.")
    remote: dict[str, int] = About(description="Connection → how many came from its address book.")


class Today(Shape):
    """What syncs with address books have done today."""

    added: Tally
    updated: Tally = About(description="With those that were found on both sides and brought together.")
    deleted: Tally = About(description="`total` counts those that were deleted in address books.")
    resets_at: Time


class Change(Shape):
    """One change of a contact."""

    at: Time
    by: Actor
    change: Literal["added", "updated", "deleted", "restored"]
    run_id: Id | None
    row: int | None = About(description="Where the run's row stands in its file.")
    fields: tuple[ChangedValue, ...]
    why: str


class ChangeList(Shape):
    """Changes of a contact."""

    items: tuple[Change, ...]
    next: Next


class ExportFile(Shape):
    """One file of an export."""

    name: str
    url: str = About(description="Anybody can have the file there, for a quarter of an hour.")
    size: int = About(ge=0, description="Bytes.")
    rows: int = About(ge=0)


class Export(Shape):
    """An export, and the files that are there already."""

    id: Id
    status: Literal["queued", "running", "succeeded"]
    kinds: tuple[ExportKind, ...]
    format: Literal["csv", "vcard", "jsonl"]
    segment: str | None
    run: str | None
    files: tuple[ExportFile, ...]
    requested_at: Time
    requested_by: Actor
    finished_at: Time | None
    expires_at: Time = About(description="From then on the files are gone.")


class Erasure(Shape):
    """How far a person is forgotten, in counts."""

    id: Id
    status: Literal["queued", "running", "succeeded"]
    contacts: int = About(ge=0, description="Contacts, and other slots of the list, that were emptied.")
    runs: int = About(ge=0, description="Runs whose files had mentioned the person.")
    lines: int = About(ge=0, description="Lines of these files that say nothing any more.")
    files: int = About(ge=0, description="Files that were deleted.")
    requested_at: Time
    requested_by: Actor
    finished_at: Time | None
    remains: str = About(description="What may still hold the person, and until when.")


class Segment(Shape):
    """A name under which some contacts are kept together."""

    id: Id
    name: str
    created_at: Time
    created_by: Actor


class SegmentList(Shape):
    """Segments."""

    items: tuple[Segment, ...]
    next: Next


class Field(Shape):
    """A field of a contact."""

    key: str
    label: str
    type: FieldType
    list: bool
    choices: tuple[str, ...] | SkipJsonSchema[None] = About(
        default=None, description="Of the type choice only."
    )
    required: bool = About(description="Every import has to map it, and no row may leave it empty.")
    built_in: bool


class FieldList(Shape):
    """Fields."""

    items: tuple[Field, ...]
    next: Next


class Effects(Shape):
    """What the change of a field would do, or has done."""

    contacts: int = About(description="Contacts with a value that it concerns.")
    contacts_looked_at: int
    all_contacts_seen: bool = About(description="Whether those looked at are all there are.")
    syncs: tuple[Id, ...] = About(description="Syncs that map the field, or find contacts by it.")
    syncs_stopped: tuple[Id, ...] = About(
        description="Syncs whose runs would fail, for they do not map a field that becomes required."
    )


class FieldEffects(Shape):
    """What taking a field away would do."""

    effects: Effects


class ChangedField(Field):
    """A field as it is now, or would be, and what the change does."""

    effects: Effects

"""How the answers look, field by field: the OpenAPI document is made from these, and the tests hold every answer to them.

Answers are put together as plain dictionaries (representations.py), because no request needs these models and
building them would be paid for in every cold start. So nothing imports this module but for types.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, NewType

from pydantic import BaseModel, ConfigDict
from pydantic import Field as About
from pydantic.json_schema import SkipJsonSchema

from contactsync.model.account import Permission
from contactsync.model.errand import ExportKind
from contactsync.model.field import FieldType
from contactsync.model.plan import PlanLimits
from contactsync.model.run import Status, Step
from contactsync.model.sync import (
    ColumnMapping,
    FieldIdentity,
    Format,
    GeneratedIdentity,
    InSegment,
    Limits,
    LiteralMapping,
    Notify,
    Options,
    Schedule,
)

Csv = NewType("Csv", str)
"""`text/csv`, with a header line."""
Page = NewType("Page", str)
"""`text/html`."""
Document = NewType("Document", dict[str, Any])
"""The OpenAPI document itself."""

Id = Annotated[str, About(min_length=1, max_length=100)]
Time = Annotated[str, About(json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC.")]
Version = Annotated[int, About(ge=1, description="One more with every change; If-Match takes it.")]
Next = Annotated[
    str | None,
    About(description="Send it as `next`, with the same query, to go on; null at the end. Good for a day."),
]
Actor = Annotated[str, About(description="`run:<id>` or `member:<id>`.")]


class Shape(BaseModel):
    """An answer, or a part of one. Nothing is in it that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# Problems


class ProblemPlace(Shape):
    """One thing to mend."""

    pointer: str = About(description="JSON pointer (RFC 6901) into the request; of a parameter, its name.")
    message: str


class Problem(Shape):
    """What went wrong and whose move it is (RFC 9457): all problems of a request at once."""

    type: str = About(description="`/problems/<code>`; the codes are stable.")
    title: str = About(description="What happened.")
    detail: str = About(description="What to do.")
    status: int | SkipJsonSchema[None] = About(
        default=None, description="The status of the answer; left out where only API Gateway knows it."
    )
    errors: tuple[ProblemPlace, ...] = About(
        description="Every place of the request to correct; of more than a thousand, the first."
    )


# Uploads and previews


class Upload(Shape):
    """Where one file can be put."""

    upload_id: Id
    url: str = About(description="Presigned: whoever has it may put this one file.")
    method: Literal["PUT"]
    headers: dict[str, str] = About(description="Send these with the bytes.")
    fields: dict[str, str] = About(description="For uploads by form; empty, for they go by PUT.")
    expires_at: Time


class Suggestion(Shape):
    """Where a column most likely belongs."""

    field: str = About(description="As a mapping names it: `email`, `phones.mobile`, `address.city`.")
    confidence: float = About(ge=0, le=1)


class PreviewColumn(Shape):
    """One column of a file."""

    index: int = About(ge=0)
    name: str | None = About(description="null where the file has no header.")
    samples: tuple[str, ...] = About(description="At most five values that differ.")
    suggestion: Suggestion | None


class Finding(Shape):
    """Something to know; it stops nothing."""

    code: str
    message: str
    column: str | int | SkipJsonSchema[None] = About(
        default=None, description="A header's name or a position from 0."
    )
    row: int | SkipJsonSchema[None] = About(default=None, description="The line on which it stands.")


class Preview(Shape):
    """How a file would be read."""

    format: Format = About(description="As the file is written; can be sent with the import as it is.")
    confidence: dict[str, float] = About(description="Key of `format` → how sure it is, from 0 to 1.")
    sheets: tuple[str, ...] = About(description="Of a workbook.")
    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[str, ...], ...] = About(description="The first twenty; long cells are cut.")
    row_estimate: int = About(ge=0)
    warnings: tuple[Finding, ...]


# Runs


class Progress(Shape):
    """How far a run is."""

    percent: int = About(ge=0, le=100)
    rows_done: int = About(ge=0)
    rows_total: int | None = About(description="null until the file has been read through.")


class Counts(Shape):
    """rows = added + updated + unchanged + rejected + skipped, once the run has ended."""

    rows: int
    added: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    skipped: int


class RunWarning(Shape):
    """Something found on the way that did not stop the run."""

    code: str
    message: str
    column: str | int | None
    row: int | None


class RunProblem(Shape):
    """Why a run stopped, and what to do about it."""

    code: str
    title: str
    detail: str


class Verdict(Shape):
    """What the guard said of the plan: go on, stop, or wait for an approval of all of it or of its deletions."""

    kind: Literal["go", "blocked", "hold", "hold_deletes"]
    code: str
    title: str
    detail: str


class DroppedFile(Shape):
    """A version of an object in the drop bucket."""

    key: str
    version: str = About(description="As S3 names it.")
    size: int = About(ge=0, description="Bytes.")


class Drop(DroppedFile):
    """A file that has arrived in the drop bucket, and what has become of it."""

    id: Id
    sync_id: Id | None = About(description="null where the key names nothing that could be a sync.")
    dropped_at: Time
    state: Literal["waiting", "run", "parked"]
    run_id: Id | None = About(description="Its run, once it has one.")
    problem: RunProblem | None = About(description="Why a parked file was not read, and what to do about it.")


class DropList(Shape):
    """Files of the drop bucket."""

    items: tuple[Drop, ...]
    next: Next


class Run(Shape):
    """One run of a sync. `queued`, `running` and `awaiting_approval` can still change; `succeeded` can become `undone`."""

    id: Id
    sync_id: Id
    trigger: Literal["api", "schedule", "drop", "edit"]
    dry_run: bool
    status: Status
    step: Step | None
    progress: Progress
    counts: Counts = About(description="What it has done; of a run that waits, what its plan would do.")
    planned: Counts | None = About(description="What its plan would do; null before there is one.")
    warnings: tuple[RunWarning, ...]
    problem: RunProblem | None
    verdict: Verdict | None
    plan_hash: str | None = About(description="Names the plan: an approval sends it back.")
    plan_of: Id | None = About(description="The dry run whose plan this one carries out.")
    undoes: Id | None = About(description="The run that this one takes back.")
    undone_by: Id | None = About(description="The run that has taken this one back.")
    approved: bool
    file: DroppedFile | None = About(description="The file of the drop bucket that it reads.")
    requested_at: Time
    started_at: Time | None
    finished_at: Time | None
    mails_failed: int = About(description="Addresses in `notify` that no mail is sure to have reached.")


class RunList(Shape):
    """Runs."""

    items: tuple[Run, ...]
    next: Next


class RowError(Shape):
    """One thing that is wrong with a row."""

    column: str | int | None
    field: str | None
    code: str
    message: str


class Row(Shape):
    """What became of one row."""

    row: int | None = About(description="Its line in the file; null for a contact that no row mentions.")
    outcome: Literal["added", "updated", "unchanged", "deleted", "skipped", "rejected"]
    contact_id: Id | None
    reason: str | None
    errors: tuple[RowError, ...]


class RowList(Shape):
    """Rows of a run."""

    items: tuple[Row, ...]
    next: Next


class ChangedValue(Shape):
    """One field, from what to what; null: there was, or is, no value."""

    field: str
    before: Any = About(alias="from")
    after: Any = About(alias="to")


class PlannedRow(Shape):
    """What a plan does with one row."""

    row: int | None = About(description="Its line in the file; null for a contact that no row mentions.")
    change: Literal["add", "update", "delete", "unchanged", "skip", "reject"]
    contact_id: Id | None
    fields: tuple[ChangedValue, ...]
    reason: str | None
    errors: tuple[RowError, ...]


class Plan(Shape):
    """What the plan of a run would do, in numbers and row by row."""

    plan_hash: str | None
    planned: Counts | None
    items: tuple[PlannedRow, ...]
    next: Next


# Syncs


class StoredUpload(Shape):
    """An uploaded file."""

    kind: Literal["upload"]
    upload_id: Id


class StoredPaste(Shape):
    """Pasted rows; the text is not shown again."""

    kind: Literal["paste"]


class StoredConnection(Shape):
    """A group of a connected address book."""

    kind: Literal["connection"]
    connection_id: Id
    group: str


class StoredBasicAuth(Shape):
    """A user name; the password is not shown."""

    kind: Literal["basic"]
    username: str


class StoredBearerAuth(Shape):
    """A token, which is not shown."""

    kind: Literal["bearer"]


class StoredHeaderAuth(Shape):
    """The name of a header; its value is not shown."""

    kind: Literal["header"]
    name: str


class StoredHttp(Shape):
    """A file on a web server. What follows the question mark of the URL is not shown."""

    kind: Literal["http"]
    url: str
    auth: (
        Annotated[StoredBasicAuth | StoredBearerAuth | StoredHeaderAuth, About(discriminator="kind")]
        | SkipJsonSchema[None]
    ) = None


class StoredFtp(Shape):
    """A file on an FTP or SSH server; neither password nor private key is shown."""

    kind: Literal["ftp"]
    url: str
    username: str


class StoredS3(Shape):
    """An object in a bucket of the customer's own."""

    kind: Literal["s3"]
    bucket: str
    key: str
    role_arn: str | SkipJsonSchema[None] = None


class StoredDrop(Shape):
    """Files that are put into the drop bucket, under keys that begin with this prefix."""

    kind: Literal["drop"]
    bucket: str
    prefix: str


class Sync(Shape):
    """What a customer wants done, again and again: a source, how to read it, where its columns go, and the rules."""

    id: Id
    name: str
    source: Annotated[
        StoredUpload | StoredPaste | StoredDrop | StoredHttp | StoredFtp | StoredS3 | StoredConnection,
        About(discriminator="kind"),
    ]
    mapping: tuple[ColumnMapping | LiteralMapping, ...]
    format: Format
    identity: FieldIdentity | GeneratedIdentity
    options: Options
    direction: Literal["pull", "push", "both"] | None = About(
        default=None, description="With an address book only, as are the four that follow."
    )
    conflict: Literal["remote", "hub", "newest"] | None = None
    match: tuple[tuple[str, ...], ...] | None = None
    selection: Literal["all", "subscribed"] | InSegment | None = None
    limits: Limits | None = None
    schedule: Schedule | None
    notify: Notify
    state: Literal["active", "paused"]
    paused_because: RunProblem | None = About(
        description="Why we have paused it, after failures in a row; null if somebody has, or nobody."
    )
    latest_run: Run | None
    next_run_at: Time | None = About(description="When its schedule runs it next.")
    version: Version
    created_at: Time
    updated_at: Time


class SyncList(Shape):
    """Syncs."""

    items: tuple[Sync, ...]
    next: Next


class Connection(Shape):
    """A member's way into an address book."""

    id: Id
    provider: Literal["google", "microsoft", "carddav", "memory"]
    member_id: Id
    name: str = About(description="By which the person recognises the book: an address as a rule.")
    state: Literal["pending", "active", "lost", "disconnected"] = About(
        description="`pending`: the person has yet to sign in; `lost`: the provider does not let us in any more."
    )
    url: str = About(description="Of a CardDAV server, as it was given.")
    username: str
    scopes: tuple[str, ...] = About(description="What the person has granted.")
    problem: str | None = About(description="Why it is lost, and what to do.")
    created_at: Time
    updated_at: Time


class NewConnection(Shape):
    """A connection as it begins."""

    connection: Connection
    authorize_url: str | None = About(
        description="Send the person there, within ten minutes and once; null where nobody has to sign in."
    )


class ConnectionList(Shape):
    """Connections."""

    items: tuple[Connection, ...]
    next: Next


class Group(Shape):
    """A part of an address book: all of it, a label, a folder, a collection."""

    id: Annotated[str, About(min_length=1)]
    name: str
    writable: bool


class GroupList(Shape):
    """The parts of an address book, all at once."""

    items: tuple[Group, ...]
    next: None


class Import(Shape):
    """A sync that was saved, and its first run."""

    sync: Sync
    run: Run


# Contacts


class PhoneNumber(Shape):
    """A phone number: to dial, and as it was written."""

    value: str = About(description="E.164, such as +442079460018.")
    text: str


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


Value = str | bool | int | PhoneNumber | Address | tuple[Labelled, ...]


class ContactSource(Shape):
    """Which row brought what the sync last applied."""

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
    change: Literal["added", "updated", "deleted"]
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


# Fields


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


class FieldEffects(Shape):
    """What taking a field away would do."""

    effects: Effects


class ChangedField(Field):
    """A field as it is now, or would be, and what the change does."""

    effects: Effects


# The account


class CallingMember(Shape):
    """Whose key it is."""

    id: Id
    permissions: tuple[Permission, ...]


class Usage(Shape):
    """How much the account has of what its limits count."""

    contacts: int = About(description="As far as runs and changes by hand have told; see ADR 0016.")
    runs_today: int
    day: date = About(
        description="Which day it is in the account's time zone; runs are counted anew with the next."
    )
    schedules: int
    members: int
    keys: int
    fields: int


class Account(Shape):
    """The account."""

    id: Id
    name: str
    country: str = About(description="ISO 3166: where phones without a country code are.")
    time_zone: str = About(description="IANA name: where its day begins; schedules that name none have it.")
    retention_days: int = About(description="How long history is kept.")
    plan: str
    limits: PlanLimits
    usage: Usage
    external_id: str = About(description="What a role in your AWS account asks of us before it admits us.")
    created_at: Time
    member: CallingMember


class Member(Shape):
    """A person of the account."""

    id: Id
    email: str
    name: str
    permissions: tuple[Permission, ...]
    created_at: Time
    signed_in: bool = About(description="Whether they have ever signed in, other than by a key.")


class MemberList(Shape):
    """Members, oldest first."""

    items: tuple[Member, ...]
    next: Next


class Key(Shape):
    """An API key, without its secret."""

    id: Id
    name: str
    member_id: Id
    prefix: str = About(description="The first characters of the key, to recognise it by.")
    created_at: Time
    expires_at: Time | None
    replaced_by: Id | None = About(description="The key that it was rotated into; it works until expires_at.")


class KeyList(Shape):
    """All keys at once: their number is bounded."""

    items: tuple[Key, ...]
    next: None


class NewKey(Key):
    """A key, this once with its secret."""

    key: str = About(description="Send it as Authorization: Bearer <key>. It is not shown again.")


class AuditNote(Shape):
    """Who has changed what of the account, its members or its keys."""

    id: Id
    at: Time
    by: str = About(description="`member:<id>` or `operator`.")
    what: str = About(description="Such as member.added.")
    about: Id = About(description="The id of what was changed.")
    changes: dict[str, Any] = About(description="What was before and what is after, by name.")


class AuditList(Shape):
    """Changes, newest first."""

    items: tuple[AuditNote, ...]
    next: Next

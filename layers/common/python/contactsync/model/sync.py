"""What a customer asks for: a source, how to read it, where its columns go, and the rules."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from contactsync.model.deferred import Deferred
from contactsync.model.field import FieldSpec, FieldType
from contactsync.model.forms import COUNTRY
from contactsync.model.run import Figures, RunProblem
from contactsync.model.source import FtpSource, HttpSource, S3Source, with_stand_ins


class _Asked(Deferred):
    """Part of a request body: an unknown key is a mistake, and is said so."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class UploadSource(_Asked):
    """A file that the client has put where `POST /v1/uploads` told it to."""

    kind: Literal["upload"]
    upload_id: str = Field(min_length=1, max_length=100)


class PasteSource(_Asked):
    """Rows pasted into a text box. Larger ones belong into a file."""

    kind: Literal["paste"]
    text: str = Field(min_length=1, max_length=1_000_000)


class DropSource(_Asked):
    """Files that are put under the sync's own prefix of the drop bucket: each is imported when it has arrived."""

    kind: Literal["drop"]


class ConnectionSource(_Asked):
    """A group of an address book that a member has connected; the whole book if the group is left out.

    One's own book; with `account.manage` everybody's.
    """

    kind: Literal["connection"]
    connection_id: str = Field(min_length=1, max_length=100)
    group: str = Field(default="", max_length=1000)


Source = Annotated[
    UploadSource | PasteSource | DropSource | HttpSource | FtpSource | S3Source | ConnectionSource,
    Field(discriminator="kind"),
]


class Format(_Asked):
    """How to read the file. What is "auto" is detected, and reported with the run."""

    kind: Literal["auto", "csv", "xlsx", "vcard", "export"] = Field(
        default="auto", description="export: a table that `POST /v1/exports` has made."
    )
    delimiter: str = Field(default="auto", min_length=1, max_length=8)
    encoding: str = Field(default="auto", min_length=1, max_length=40)
    has_header: bool | Literal["auto"] = "auto"
    quote: str = Field(default='"', max_length=1, description="Empty: quotes mean nothing in this file.")
    skip_rows: int = Field(default=0, ge=0, le=1000, description="Lines before the header or the first row.")
    country: str | None = Field(
        default=None, pattern=COUNTRY, description="ISO 3166 code for phones and numbers without one."
    )
    date_order: Literal["auto", "iso", "ymd", "dmy", "mdy"] = Field(
        default="auto",
        description="auto: each column as a whole decides, or else the run ends before any row is touched.",
    )
    sheet: str | None = Field(
        default=None, min_length=1, max_length=200, description="Of a workbook; its first one if left out."
    )


class NewField(_Asked):
    """A field of the account's own that a mapping brings with it: it is made if there is none of this key."""

    label: str = Field(default="", max_length=200, description="Shown to people; the key if left out.")
    type: FieldType = "text"
    list: bool = False
    choices: tuple[str, ...] = Field(default=(), max_length=500)
    required: bool = False

    def spec(self, key: str) -> FieldSpec:
        """The field under its key. Raises ValidationError for a key that cannot be one."""
        return FieldSpec(
            key=key,
            label=self.label or key,
            type=self.type,
            list=self.list,
            choices=self.choices,
            required=self.required,
        )


class ColumnMapping(_Asked):
    """A column, by header name or by position from 0, into a field."""

    column: str | Annotated[int, Field(ge=0, lt=1000)]
    field: str = Field(min_length=1, max_length=63)
    label_column: str | Annotated[int, Field(ge=0, lt=1000)] | None = Field(
        default=None, description="Of a list's value: the column that says what it is for, such as work."
    )
    create: NewField | None = None


class LiteralMapping(_Asked):
    """One constant for every contact of the file, into a field."""

    literal: str | int | bool
    field: str = Field(min_length=1, max_length=63)
    create: NewField | None = None


class FieldIdentity(_Asked):
    """The field by which a row finds its contact."""

    field: str = Field(min_length=1, max_length=63)


class GeneratedIdentity(_Asked):
    """Each row gets a random nine-digit code of its own in this field, over whatever the file says there."""

    generate: Literal[True]
    field: str = Field(min_length=1, max_length=63)


class DeleteMissing(_Asked):
    """Whom a run deletes if no row of the file mentions them.

    all: every contact of the account, those added by hand too. sync: only what this sync has brought, and no other sync
    has brought as well or found in its source.
    """

    scope: Literal["all", "sync"]


class Guard(_Asked):
    """When a run that deletes is stopped."""

    min_overlap_percent: float = Field(
        default=10,
        ge=0,
        le=100,
        description="The run is not performed if no more than this share of the stored contacts is in the file.",
    )
    max_delete_percent: float = Field(
        default=20, ge=0, le=100, description="The share of the contacts that go without asking."
    )
    max_delete_count: int = Field(
        default=500,
        ge=0,
        description="The number of contacts that go without asking; the smaller of both holds.",
    )
    on_trip: Literal["hold_run", "hold_deletes"] = Field(
        default="hold_run", description="What waits for an approval: everything, or the deletions only."
    )


class Options(_Asked):
    """The rules of a run."""

    existing: Literal["override", "skip", "fill_empty"] = Field(
        default="override", description="What happens to a contact that is here already."
    )
    mode: Literal["three_way", "mirror"] = Field(
        default="three_way",
        description="three_way: a row that has not changed since it was last applied leaves edits made here alone. "
        "mirror: the file always wins.",
    )
    empty_cells: Literal["ignore", "clear", "reject"] = Field(
        default="ignore",
        description="An empty cell of a mapped column: leave, empty the field, or refuse the row.",
    )
    delete_missing: DeleteMissing | None = None
    guard: Guard = Guard()
    segments: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(
        default=(),
        max_length=20,
        description="Every contact of the file becomes a member of these; with `skip` those who are new.",
    )


class InSegment(_Asked):
    """The contacts of one segment; whoever comes in from the book joins it."""

    segment: str = Field(min_length=1, max_length=63)


class Limits(_Asked):
    """Which cards of an address book are skipped, and which of their values are left where they are."""

    required: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(
        default=(), max_length=10, description="A card that lacks one of these fields is skipped."
    )
    max_emails: int | None = Field(default=None, ge=1, description="A card with more is skipped.")
    max_phones: int | None = Field(default=None, ge=1, description="A card with more is skipped.")
    addresses: Literal["all", "primary"] = "all"
    birthdays: Literal["all", "complete"] = Field(
        default="all", description="complete: a birthday without a year stays where it is."
    )
    photos: Literal["all", "new", "none"] = Field(
        default="all",
        description="all: pictures are kept in step. new: a contact or card that the sync makes gets the other's "
        "picture, once. none: pictures are left alone.",
    )
    protected: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(
        default=("name", "emails", "phones"),
        max_length=50,
        description="Fields that the book may change here, but not empty.",
    )
    deletions: Literal["edit_wins", "deletion_wins"] = Field(
        default="edit_wins", description="What counts where one side edits whom the other deletes."
    )


class Notify(_Asked):
    """Who gets a mail after a run, and after which runs."""

    emails: tuple[Annotated[str, Field(min_length=3, max_length=254)], ...] = Field(default=(), max_length=20)
    on: Literal["every_run", "changes", "problems"] = "every_run"


class Schedule(_Asked):
    """When a sync runs by itself: on the days of a rule, at one local time or in steps of hours or minutes."""

    start: datetime = Field(
        description="The first local moment, without an offset. Its time of day is that of every run; the steps of an "
        "HOURLY or MINUTELY rule go through it, on each day from midnight on.",
        json_schema_extra={"format": "local-date-time", "examples": ["2026-11-23T06:30:00"]},
    )
    time_zone: str = Field(
        default="",
        max_length=64,
        description="IANA name, such as Europe/Amsterdam; the account's if left out.",
    )
    recurrence: str = Field(
        min_length=1,
        max_length=500,
        description="RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO,TH or FREQ=HOURLY;BYHOUR=8,9,10,11,12. INTERVAL of "
        "HOURLY is 1, 2, 3, 4, 6, 8 or 12, of MINUTELY 15, 20 or 30. A month that lacks the day has no run, as after a start on the "
        "31st: BYMONTHDAY=-1 is the last day of each. Each run counts among the plan's runs_a_day.",
    )
    end: date | None = Field(default=None, description="The last local day.")

    def day_of(self, moment: datetime) -> date:
        """Which day it is then where the schedule is."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()


def had(schedule: Schedule | None, due: datetime | None) -> dict[str, Any]:
    """What a sync keeps of the latest moment of its schedule that needs no run any more."""
    return {"last_due": due, "last_day": schedule.day_of(due) if schedule and due else None}


class SyncRequest(_Asked):
    """The body of `POST /v1/imports`: a sync, saved and run in one call."""

    name: str = Field(default="", max_length=200)
    source: Source
    format: Format = Format()
    mapping: tuple[ColumnMapping | LiteralMapping, ...] = Field(
        default=(),
        max_length=1000,
        description="May be left out for vCards and exports, which say themselves what is what.",
    )
    identity: FieldIdentity | GeneratedIdentity = FieldIdentity(field="email")
    options: Options = Options()
    schedule: Schedule | None = None
    notify: Notify = Notify()
    direction: Literal["pull", "push", "both"] = Field(
        default="both", description="pull: the address book is never written. push: no contact is."
    )
    conflict: Literal["remote", "hub", "newest"] = Field(
        default="remote", description="Who wins where both sides have changed the same value."
    )
    match: tuple[
        Annotated[tuple[Annotated[str, Field(min_length=1, max_length=63)], ...], Field(min_length=1)], ...
    ] = Field(
        default=(),
        max_length=20,
        description="Rules by which cards find contacts on first contact, in order.",
    )
    selection: Literal["all", "subscribed"] | InSegment = Field(
        default="all",
        description="Which contacts belong to the sync. subscribed: those that the member ticks.",
    )
    limits: Limits = Limits()


class LastGood(Deferred):
    """What a successful run read, and how the contact list was then: the same again needs no run.

    Hashes: of the source's bytes, of the sync's settings. `marker` changes with every change of the contact list.
    `run_id`: in whose files the rows lie, "" if they were not kept so. `feed`: the place in the feed of changes from which
    on contacts may be otherwise than that run has left them. `whole_at`: when the latest run began that has looked at
    every row.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    settings: str
    marker: str
    run_id: str = ""
    feed: str = ""
    whole_at: str = ""

    def is_as(self, digest: str, settings: str, marker: str) -> bool:
        """Whether a source is as it was then, and the contact list as well."""
        return (self.digest, self.settings, self.marker) == (digest, settings, marker)


class Sync(Deferred):
    """A saved sync: the request, and what it has become. A paste's text lies in the bucket, not here."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    source: dict[str, Any] = Field(description="The source without its secrets and without pasted text.")
    sealed: str = Field(default="", repr=False, description="The source's secrets, encrypted for this sync.")
    host_key: str | None = Field(default=None, description="Of the source's SSH server, as first seen.")
    format: Format
    mapping: tuple[ColumnMapping | LiteralMapping, ...]
    identity: FieldIdentity | GeneratedIdentity
    options: Options
    notify: Notify
    direction: Literal["pull", "push", "both"] = "both"
    conflict: Literal["remote", "hub", "newest"] = "remote"
    match: tuple[tuple[str, ...], ...] = ()
    selection: Literal["all", "subscribed"] | InSegment = "all"
    limits: Limits = Limits()
    schedule: Schedule | None = None
    last_due: datetime | None = Field(
        default=None,
        description="The latest moment of the schedule that has had its run, or came before it.",
    )
    last_day: date | None = Field(
        default=None,
        description="Its local day, which is all that an earlier version knows: read where last_due is missing.",
    )
    state: Literal["active", "paused"] = "active"
    failures: int = Field(default=0, description="Runs of the schedule in a row that have failed.")
    failing_since: str | None = Field(default=None, description="When the first of them was asked for.")
    paused_because: RunProblem | None = Field(
        default=None, description="Why we have paused it; None if somebody has, or nobody."
    )
    pasted: str | None = Field(default=None, description="Among which run's files the pasted text lies.")
    last_good: LastGood | None = Field(default=None, description="What the latest successful run read.")
    figures: Figures | None = Field(default=None, description="What that run's file was like.")
    active_run: str | None = Field(default=None, description="At most one run of a sync is under way.")
    latest_run: str | None = None
    created_at: str
    created_by: str
    updated_at: str
    settings_at: str = Field(default="", description="When what decides over a run was last changed.")
    changed_in: int = Field(
        default=0,
        description="The version that somebody's last change has made; runs make others. 0: not known.",
    )
    deleted_at: str | None = Field(default=None, description="From then on it is history.")
    forget_at: int | None = Field(
        default=None, description="Epoch seconds after which a deleted sync is gone."
    )

    @property
    def connection_id(self) -> str:
        """The address book that it keeps in step; "" for a sync that imports a file."""
        return str(self.source["connection_id"]) if self.source["kind"] == "connection" else ""

    @property
    def journey(self) -> Literal["import", "sync"]:
        """Which state machine runs it."""
        return "sync" if self.connection_id else "import"

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for, as `SyncRequest` has it; in the place of pasted text and of secrets stands a dash."""
        source = with_stand_ins(self.source)
        if self.source["kind"] == "paste":
            source["text"] = "-"
        names = SyncRequest.model_fields.keys() - {"source"}
        return {"source": source, **self.model_dump(mode="json", include=set(names))}


class Upload(Deferred):
    """A place in the uploads bucket that one client may fill once."""

    model_config = ConfigDict(frozen=True)

    id: str
    key: str
    filename: str
    expires_at: str

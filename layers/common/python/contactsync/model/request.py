"""Bodies of requests that are not nouns of their own. An unknown key is a mistake, and is said so."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, RootModel, field_validator

from contactsync.model.account import ALL_PERMISSIONS, RETENTION_DAYS, Permission
from contactsync.model.deferred import Deferred
from contactsync.model.field import FieldType
from contactsync.model.forms import CONTACT_ID, COUNTRY, FIELD_KEY
from contactsync.model.source import FtpSource, HttpSource, Line, S3Source, plain_url
from contactsync.model.sync import (
    ColumnMapping,
    DropSource,
    Format,
    Limits,
    LiteralMapping,
    Notify,
    Options,
    PasteSource,
    Schedule,
    Source,
    SyncRequest,
    UploadSource,
)


class _Asked(Deferred):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UploadRequest(_Asked):
    """The body of `POST /v1/uploads`."""

    filename: str = Field(min_length=1, max_length=255)


class SyncChange(SyncRequest):
    """The body of `PATCH /v1/syncs/{id}`; what is left out stays."""

    model_config = ConfigDict(
        defer_build=True,  # it describes; what is checked is the whole that a change would make
        json_schema_extra={"required": []},
    )

    source: Source = Field(
        description="Replaced as a whole, secrets included. Sent back as it is shown, it stays, with its secrets."
    )
    format: Format = Field(default=Format(), description="Merged key by key.")
    mapping: tuple[ColumnMapping | LiteralMapping, ...] = Field(default=(), max_length=1000)
    options: Options = Field(default=Options(), description="Merged key by key.")
    schedule: Schedule | None = Field(default=None, description="null: runs only when it is asked to.")
    notify: Notify = Field(default=Notify(), description="Merged key by key.")
    limits: Limits = Field(default=Limits(), description="Merged key by key.")
    state: Literal["active", "paused"] = Field(
        default="active", description="One that is paused is not run by its schedule."
    )


class SignedInBook(_Asked):
    """An address book whose person signs in at its provider."""

    provider: Literal["google", "microsoft"]
    connection_id: str = Field(
        default="",
        max_length=100,
        description="Your own connection that is to be renewed; left out: whichever book it is.",
    )


class DavBook(_Asked):
    """An address book on a CardDAV server, which is looked for from `url` on."""

    provider: Literal["carddav"]
    url: str = Field(min_length=1, max_length=2000, description="Of the server, or of what lies on it.")
    username: Line = Field(min_length=1)
    password: Line = Field(min_length=1, repr=False, description="Kept sealed, and never shown again.")
    connection_id: str = Field(default="", max_length=100, description="As above.")

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        return plain_url(url, ("https", "http"))


class ConnectionRequest(RootModel[Annotated[SignedInBook | DavBook, Field(discriminator="provider")]]):
    """The body of `POST /v1/connections`."""


class SyncState(_Asked):
    """What `PATCH /v1/syncs/{id}` may change besides what was asked for when the sync was made."""

    state: Literal["active", "paused"]


class PlanReference(_Asked):
    """A plan that somebody has looked at: the run that made it, and its hash."""

    run_id: str = Field(min_length=1, max_length=100)
    plan_hash: str = Field(min_length=1, max_length=100)


class ApproveRequest(_Asked):
    """The body of `POST /v1/runs/{id}/approve`."""

    plan_hash: str = Field(min_length=1, max_length=100)


class NothingAsked(_Asked):
    """The body of a request that says all by its place."""


class PreviewRequest(_Asked):
    """The body of `POST /v1/previews`."""

    source: Annotated[
        UploadSource | PasteSource | DropSource | HttpSource | FtpSource | S3Source,
        Field(discriminator="kind"),
    ] = Field(description="Its secrets are used for this one look, and kept nowhere.")
    format: Format = Format()
    sync_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="For the source `drop`: the sync under whose prefix the file has arrived.",
    )


class RunRequest(_Asked):
    """The body of `POST /v1/syncs/{id}/runs`."""

    dry_run: bool = False
    upload_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="A newer file for a sync whose source is an upload: from then on its source, unless this is a dry run. Left "
        "out: the latest that it was given.",
    )
    plan: PlanReference | None = Field(
        default=None, description="Carry out exactly the plan of this dry run, or nothing."
    )


class ContactRequest(_Asked):
    """The body of `POST /v1/contacts` and `PATCH /v1/contacts/{id}`; what is left out stays."""

    fields: dict[str, Any] = Field(default={}, max_length=1000)
    segments: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(
        default_factory=tuple, max_length=100
    )


class SegmentRequest(_Asked):
    """The body of `POST /v1/segments`."""

    name: str = Field(min_length=1, max_length=200)


class ErasureRequest(_Asked):
    """The body of `POST /v1/erasures`: one of the two."""

    contact_id: str | None = Field(default=None, pattern=CONTACT_ID)
    email: str | None = Field(
        default=None, min_length=3, max_length=254, description="Of somebody who may be no contact any more."
    )


class ExportRequest(_Asked):
    """The body of `POST /v1/exports`."""

    kinds: tuple[Literal["contacts", "history", "runs", "settings"], ...] = Field(
        default=("contacts",),
        min_length=1,
        max_length=4,
        description="All but the contacts is for who may manage the account, and comes as JSON lines.",
    )
    format: Literal["csv", "vcard", "jsonl"] = Field(
        default="csv",
        description="Of the contacts. csv and vcard can be imported again as they are; jsonl holds everything.",
    )
    segment: str | None = Field(default=None, min_length=1, max_length=63, description="Only its contacts.")
    run: str | None = Field(
        default=None, min_length=1, max_length=100, description="Only contacts that this run has changed."
    )


class FieldRequest(_Asked):
    """The body of `POST /v1/fields`."""

    key: str = Field(pattern=FIELD_KEY, description="Lower-case letters, digits and underscores.")
    label: str = Field(min_length=1, max_length=200)
    type: FieldType
    list: bool = False
    choices: tuple[str, ...] = Field(default=(), max_length=500, description="What a choice may be.")
    required: bool = Field(
        default=False, description="Every import has to map it, and no row may leave it empty."
    )


class FieldChange(_Asked):
    """The body of `PATCH /v1/fields/{key}`; what is left out stays."""

    label: str | None = Field(default=None, min_length=1, max_length=200)
    choices: tuple[str, ...] | None = Field(default=None, max_length=500)
    required: bool | None = None


class AccountChange(_Asked):
    """The body of `PATCH /v1/account`; what is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    country: str | None = Field(default=None, pattern=COUNTRY, description="ISO 3166 code.")
    time_zone: str | None = Field(
        default=None, min_length=1, max_length=64, description="IANA name, such as Europe/Amsterdam."
    )
    retention_days: int | None = Field(
        default=None, ge=1, le=RETENTION_DAYS, description="How long history is kept."
    )


class MemberRequest(_Asked):
    """The body of `POST /v1/members`."""

    email: str = Field(min_length=3, max_length=254)
    name: str = Field(default="", max_length=200)
    permissions: tuple[Permission, ...] = Field(max_length=len(ALL_PERMISSIONS))


class MemberChange(_Asked):
    """The body of `PATCH /v1/members/{id}`; what is left out stays."""

    name: str | None = Field(default=None, max_length=200)
    permissions: tuple[Permission, ...] | None = Field(default=None, max_length=len(ALL_PERMISSIONS))


class ReviewDecision(_Asked):
    """The body of `PATCH /v1/connections/{id}/reviews/{id}`: who a card is."""

    decision: Literal["same", "different", "new"] = Field(
        description="same, different: it is this contact, or is not. new: it is none of them."
    )
    contact_id: str = Field(
        default="", max_length=100, description="One of the contacts that it may be; not with new."
    )


class KeyRequest(_Asked):
    """The body of `POST /v1/keys`."""

    name: str = Field(default="", max_length=200)
    member_id: str | None = Field(
        default=None, min_length=1, max_length=100, description="Whose key it is; yours if left out."
    )
    expires_at: AwareDatetime | None = Field(default=None, description="From then on it opens nothing.")


class RotateRequest(_Asked):
    """The body of `POST /v1/keys/{id}/rotate`."""

    grace_hours: int = Field(
        default=24, ge=0, le=24 * 30, description="How long the old key still works; 0: no longer."
    )

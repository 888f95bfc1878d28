"""Who the customers are: an account, its members, and the keys they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contactsync.model.deferred import Deferred
from contactsync.model.forms import COUNTRY

Permission = Literal[
    "contacts.view",
    "contacts.create",
    "contacts.edit",
    "contacts.delete",
    "syncs.manage",
    "sync.google",
    "sync.microsoft",
    "sync.carddav",
    "account.manage",
]
ALL_PERMISSIONS: tuple[Permission, ...] = Permission.__args__  # type: ignore[attr-defined]


RETENTION_DAYS = 90
"""The longest that the files of a run are kept; the bucket forgets them then by itself."""


class Account(BaseModel):
    """One customer. `identity_secret` keys the hashes that contact ids are; it never leaves the service."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    country: str = Field(pattern=COUNTRY, description="ISO 3166; the default for phones and numbers.")
    time_zone: str = Field(
        default="UTC", description="IANA name; where the account's day begins, and its schedules' default."
    )
    retention_days: int = Field(
        default=RETENTION_DAYS, ge=1, le=RETENTION_DAYS, description="How long history is kept."
    )
    plan: str = Field(default="", description="A plan of plans.json; empty: the default one.")
    limits: dict[str, Any] = Field(
        default={}, description="Where this account's limits differ from its plan's."
    )
    suspended_at: str | None = Field(
        default=None, description="From then on nothing runs and nobody gets in."
    )
    metered: bool = Field(
        default=False, description="API Gateway counts its requests alone, not among everybody else's."
    )
    identity_secret: str = Field(repr=False, description="Hex, 32 bytes.")
    created_at: str


class Member(Deferred):
    """A person of an account, and what they may do."""

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str
    email: str
    name: str = ""
    permissions: tuple[Permission, ...]
    subject: str | None = Field(
        default=None,
        description="Whom the identity provider means, as a hash, from the first sign-in on: nobody else "
        "signs in as this member, whoever has the address by then.",
    )
    created_at: str

    @property
    def manages(self) -> bool:
        """Whether they may manage the account."""
        return "account.manage" in self.permissions


class Key(Deferred):
    """An API key as stored: the hash finds it, the key itself is shown once and kept nowhere."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    account_id: str
    member_id: str
    name: str = ""
    prefix: str = Field(description="The first characters, to recognise the key by.")
    digest: str = Field(default="", repr=False, description="SHA-256 of the key.")
    created_at: str
    expires_at: str | None = Field(default=None, description="From then on it opens nothing.")
    replaced_by: str | None = Field(default=None, description="The key that it was rotated into.")
    revoked: bool = False

    def opens(self, now: datetime) -> bool:
        """Whether somebody gets in with it at this time."""
        return not self.revoked and (self.expires_at is None or now < datetime.fromisoformat(self.expires_at))


class AuditNote(Deferred):
    """Who has changed what of an account, its members or its keys. `about` is the id of what was changed."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: str
    by: str = Field(description="member:<id> or operator.")
    what: str
    about: str
    changes: dict[str, Any] = Field(default_factory=dict)


class Caller(Deferred):
    """Who is asking, as the authorizer found: the only source of the account in any request."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    member_id: str
    permissions: frozenset[Permission]

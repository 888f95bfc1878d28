"""The account, its members and keys."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field as About

from contactsync.api.shapes.basics import (
    Id,
    Next,
    Shape,
    Time,
)
from contactsync.model.account import Permission
from contactsync.model.plan import PlanLimits


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
    runs_at_work: int = About(description="Held against `limits.concurrent_runs`; the others wait.")
    syncs: int = About(description="No plan limits them.")
    schedules: int
    connections: int
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
    """Keys."""

    items: tuple[Key, ...]
    next: Next


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

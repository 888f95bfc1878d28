"""Who the customers are: an account, its members, and the keys they hold."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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


class Account(BaseModel):
    """One customer. `identity_secret` keys the hashes that contact ids are; it never leaves the service."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166; the default for phones and numbers.")
    identity_secret: str = Field(repr=False, description="Hex, 32 bytes.")
    created_at: str


class Member(BaseModel):
    """A person of an account, and what they may do."""

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str
    email: str
    permissions: tuple[Permission, ...]
    created_at: str


class Key(BaseModel):
    """An API key as stored: the hash finds it, the key itself is shown once and kept nowhere."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    member_id: str
    prefix: str = Field(description="The first characters, to recognise the key by.")
    created_at: str
    revoked: bool = False


class Caller(BaseModel):
    """Who is asking, as the authorizer found: the only source of the account in any request."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    member_id: str
    permissions: frozenset[Permission]

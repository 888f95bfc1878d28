"""Customers come: an account, its first member, and the key that is shown once."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import datetime

from contactsync.control import Control, key_digest, new_id
from contactsync.model.account import ALL_PERMISSIONS, Account, Key, Member

KEY_PREFIX = "csk_"
KEY_LENGTH = 40
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A fresh account. The key is nowhere else: whoever made the account must keep it."""

    account_id: str
    member_id: str
    api_key: str


def create_account(control: Control, *, name: str, country: str, email: str, now: datetime) -> NewAccount:
    """Create an account with one member who may do everything, and a key for them.

    Args:
        control: where they are stored.
        name: the customer's name, for the operator's eyes.
        country: ISO 3166 code; phones and numbers without one are read as this country's.
        email: the member's address.
        now: in UTC.
    """
    at = now.isoformat(timespec="milliseconds")
    account = Account(
        id=f"a{new_id(now)}", name=name, country=country, identity_secret=secrets.token_hex(32), created_at=at
    )
    member = Member(
        id=f"m{new_id(now)}", account_id=account.id, email=email, permissions=ALL_PERMISSIONS, created_at=at
    )
    api_key = new_key()
    key = Key(
        account_id=account.id, member_id=member.id, prefix=api_key[: len(KEY_PREFIX) + 4], created_at=at
    )
    control.create_account(account, member, key_digest(api_key), key)
    return NewAccount(account.id, member.id, api_key)


def new_key() -> str:
    """A key that nobody can guess, and that everybody recognises as ours."""
    return KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))

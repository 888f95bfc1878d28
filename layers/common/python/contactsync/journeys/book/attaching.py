"""A book that somebody has just let us into → the one connection that it has.

The same person of the same provider, let in by the same member, is the same connection as before: its links and
cursors are still there, so nothing comes twice. Another person's book never takes its place.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contactsync.control import Control, Read, check_room
from contactsync.errors import Busy, Conflict, NotFound, NotPermitted, Stale
from contactsync.model.account import Permission
from contactsync.model.connection import Connection
from contactsync.ports import Delete, Put, Vault

ATTEMPTS = 5
CONNECTED = ("active", "lost")
PERMISSIONS: Mapping[str, Permission] = {
    "google": "sync.google",
    "microsoft": "sync.microsoft",
    "carddav": "sync.carddav",
}
"""By provider: what a member needs to connect a book there."""


@dataclass(frozen=True, slots=True)
class Lent:
    """What a person lets us in with, and who they are at the provider."""

    subject: str
    name: str
    secret: str = field(repr=False)
    scopes: tuple[str, ...] = ()


def sealing_context(account_id: str, connection_id: str) -> Mapping[str, str]:
    """For what the secret of a connection is sealed. The keys are those of every secret (ADR 0011)."""
    return {"account": account_id, "sync": connection_id}


def attach(control: Control, vault: Vault, begun: Read[Connection], lent: Lent, now: datetime) -> Connection:
    """The connection of the book, which opens it from now on: the one it had, or the one that was begun.

    Raises:
        Conflict: the connection that was to be renewed is that of another book.
        NotPermitted: its member is gone, or may not connect this provider any more.
        PlanLimit: the account has no room for one more.
    """
    asked = begun.value
    if asked.subject and asked.subject != lent.subject:
        raise Conflict(
            "another_book",
            f"This connection is that of {asked.name}, and the sign-in was with {lent.name}.",
            f"Nothing was changed. Sign in as {asked.name}, or connect the other book with POST /v1/connections without "
            "connection_id: then it is a connection of its own.",
        )
    for _ in range(ATTEMPTS):
        former = control.connection_of(asked.account_id, asked.member_id, asked.provider, lent.subject)
        before = former or begun
        member = _lender(control, asked)
        turn = control.in_turn(asked.account_id, "connections")
        if before.value.state not in CONNECTED:
            check_connections(control, asked.account_id)
        connection_id = before.value.id
        after = before.value.model_copy(
            update={
                "state": "active",
                "subject": lent.subject,
                "name": lent.name,
                "sealed": vault.encrypt(lent.secret, sealing_context(asked.account_id, connection_id)),
                "scopes": lent.scopes,
                "url": asked.url or before.value.url,
                "username": asked.username or before.value.username,
                "problem": "",
                "told": False,
                "rest_until": 0,
                "updated_at": now.isoformat(timespec="milliseconds"),
            }
        )
        try:
            control.attach(before, after, begun, [turn, *member])
        except Stale:
            begun = control.connection(asked.account_id, asked.id) if begun.version else begun
            continue
        return after
    raise Busy("The connection is being changed from several sides.")


def _lender(control: Control, asked: Connection) -> list[Put | Delete]:
    """The writes that hold only while the connection's member is there, and may connect it. Raises NotPermitted.

    Whoever asks was let in up to a minute ago: what they lend now would outlive their removal.
    """
    try:
        read = control.read_member(asked.account_id, asked.member_id)
    except NotFound:
        raise NotPermitted(PERMISSIONS[asked.provider]) from None
    if not may_connect(read.value.permissions, asked.provider):
        raise NotPermitted(PERMISSIONS[asked.provider])
    return control.put_member(read.value, read.version)


def may_connect(permissions: Container[str], provider: str) -> bool:
    """Whether somebody with these permissions may connect a book at the provider."""
    needed = PERMISSIONS.get(provider)
    return needed is None or needed in permissions


def check_connections(control: Control, account_id: str) -> None:
    """Raises PlanLimit if the account may not have one more address book."""
    taken = sum(each.state in CONNECTED for each in control.connections(account_id))
    check_room(control.account(account_id), "connections", taken + 1)

"""Address books that members connect: sign-ins that were begun, and which connection a person's book has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from contactsync.control.documents import Documents, Read, put
from contactsync.errors import Stale
from contactsync.model.connection import Connection, SignIn
from contactsync.ports import Delete, Put, RecordKey

PENDING_KEPT = timedelta(days=1)
"""How long a connection is remembered whose person never came back, or came back to another one."""


class Connections(Documents):
    """What comes before a connection opens a book. What is remembered of the book itself: `control.books`."""

    def begin_connection(self, connection: Connection, now: datetime) -> None:
        """Store a connection whose person is still to come. Repeating the same call changes nothing."""
        key = _key(connection)
        expires_at = int((now + PENDING_KEPT).timestamp())
        self._commit_once([put(key, connection, expires_at=expires_at)], key)

    def sign_in(self, state: str) -> Read[SignIn] | None:
        """The sign-in that was begun under a state, if it has not been taken up."""
        record = self.records.get(_sign_in(state))
        return Read(SignIn.model_validate(record.document), record.version) if record else None

    def store_sign_in(self, state: str, sign_in: SignIn, *, expected: int) -> None:
        """Begin a sign-in, or begin it anew. Raises Stale."""
        self.records.commit(
            [put(_sign_in(state), sign_in, expected=expected, expires_at=int(sign_in.expires_at))]
        )

    def take_sign_in(self, state: str, now: datetime) -> SignIn | None:
        """The sign-in of a state, for one caller only, and in time only; nobody finds it again."""
        found = self.sign_in(state)
        if found is None:
            return None
        with suppress(Stale):
            self.records.commit([Delete(_sign_in(state), found.version)])
            return found.value if now.timestamp() < found.value.expires_at else None
        return None

    def connection_of(
        self, account_id: str, member_id: str, provider: str, subject: str
    ) -> Read[Connection] | None:
        """The connection that a member has, or had, to the book of this person at the provider."""
        record = self.records.get(_holder(account_id, member_id, provider, subject))
        if record is None:
            return None
        key = RecordKey(account_id, f"connection#{record.document['connection']}")
        return self._read(key, Connection)

    def attach(
        self,
        before: Read[Connection],
        after: Connection,
        begun: Read[Connection],
        also: Sequence[Put | Delete],
    ) -> None:
        """Let a connection open its book, from now on or again; `begun` is what the sign-in was begun for.

        One commit: of two sign-ins to one book at once, one is Stale; by the write of `in_turn` among `also`, of any two
        of the account.
        """
        writes: list[Put | Delete] = [put(_key(after), after, expected=before.version), *also]
        holder = _holder(after.account_id, after.member_id, after.provider, after.subject)
        if self.records.get(holder) is None:
            writes.append(Put(holder, {"connection": after.id}, 0))
        if begun.value.id != after.id and begun.version:
            became = begun.value.model_copy(update={"became": after.id})
            expires_at = int((datetime.fromisoformat(begun.value.created_at) + 2 * PENDING_KEPT).timestamp())
            writes.append(put(_key(became), became, expected=begun.version, expires_at=expires_at))
        self.records.commit(writes)


def _key(connection: Connection) -> RecordKey:
    return RecordKey(connection.account_id, f"connection#{connection.id}")


def _sign_in(state: str) -> RecordKey:
    return RecordKey(f"oauth#{hashlib.sha256(state.encode()).hexdigest()}", "state")


def _holder(account_id: str, member_id: str, provider: str, subject: str) -> RecordKey:
    told = hashlib.sha256("\0".join((member_id, provider, subject)).encode()).hexdigest()
    return RecordKey(account_id, f"holder#{told}")

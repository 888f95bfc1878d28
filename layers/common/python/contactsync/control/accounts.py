"""Accounts, their members and keys, and what they have made of their own: fields, segments, uploads."""

from __future__ import annotations

import hashlib

from contactsync.control.documents import Documents, Read, put
from contactsync.errors import Conflict, Stale
from contactsync.model.account import Account, Key, Member
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from contactsync.model.segment import Segment
from contactsync.model.sync import Upload
from contactsync.ports import RecordKey

MAX_FIELDS = 1000
MAX_SEGMENTS = 1000


def key_digest(api_key: str) -> str:
    """Under which name a key lies. Keys are long and random, so one plain hash is enough."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class Accounts(Documents):
    """What belongs to an account as a whole."""

    # Accounts

    def create_account(self, account: Account, member: Member, digest: str, key: Key) -> None:
        """Store an account with its first member and key, all or nothing."""
        self.records.commit(
            [
                put(RecordKey(account.id, "account"), account),
                put(RecordKey(account.id, f"member#{member.id}"), member),
                put(RecordKey(f"key#{digest}", "key"), key),
            ]
        )

    def account(self, account_id: str) -> Account:
        """The account. Raises NotFound."""
        return self._read(RecordKey(account_id, "account"), Account).value

    def member(self, account_id: str, member_id: str) -> Member:
        """A member of the account. Raises NotFound."""
        return self._read(RecordKey(account_id, f"member#{member_id}"), Member).value

    def key(self, digest: str) -> Key:
        """The key with this digest. Raises NotFound."""
        return self._read(RecordKey(f"key#{digest}", "key"), Key).value

    # Fields

    def fields(self, account_id: str) -> dict[str, FieldSpec]:
        """Every field that a mapping may name: the standard ones and the account's own."""
        own = self._all(account_id, "field#", FieldSpec, limit=MAX_FIELDS)
        return {**STANDARD_FIELDS, **{spec.key: spec for spec in own}}

    def field(self, account_id: str, key: str) -> FieldSpec | None:
        """One field, standard or the account's own; None if there is no such field."""
        if key in STANDARD_FIELDS:
            return STANDARD_FIELDS[key]
        record = self.records.get(RecordKey(account_id, f"field#{key}"))
        return FieldSpec.model_validate(record.document) if record else None

    def create_field(self, account_id: str, spec: FieldSpec) -> None:
        """Store a new field of the account's own. Raises Conflict if the key is taken."""
        try:
            self.records.commit([put(RecordKey(account_id, f"field#{spec.key}"), spec)])
        except Stale:
            raise Conflict(
                "field_exists",
                f"There is a field {spec.key} already.",
                "Choose another key, or use that field.",
            ) from None

    # Segments

    def segments(self, account_id: str) -> dict[str, Segment]:
        """Every segment of the account, by id, oldest first."""
        return {each.id: each for each in self._all(account_id, "segment#", Segment, limit=MAX_SEGMENTS)}

    def segment(self, account_id: str, segment_id: str) -> Read[Segment]:
        """One segment. Raises NotFound."""
        return self._read(RecordKey(account_id, f"segment#{segment_id}"), Segment)

    def create_segment(self, account_id: str, segment: Segment) -> None:
        """Store a new segment. Repeating the same call changes nothing."""
        key = RecordKey(account_id, f"segment#{segment.id}")
        self._commit_once([put(key, segment)], key)

    # Uploads

    def create_upload(self, account_id: str, upload: Upload, *, expires_at: int) -> None:
        """Remember where a client may put a file."""
        self.records.commit(
            [put(RecordKey(account_id, f"upload#{upload.id}"), upload, expires_at=expires_at)]
        )

    def upload(self, account_id: str, upload_id: str) -> Upload:
        """The upload. Raises NotFound."""
        return self._read(RecordKey(account_id, f"upload#{upload_id}"), Upload).value

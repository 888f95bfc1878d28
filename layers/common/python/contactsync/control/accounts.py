"""Accounts, what was changed of them and by whom, and what they have made of their own: fields, segments, uploads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from contactsync.control.documents import UPDATE_ATTEMPTS, Documents, Read, new_id, put
from contactsync.control.plans import check_room
from contactsync.errors import Busy, Conflict, NotFound, Stale
from contactsync.model.account import Account, AuditNote
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from contactsync.model.segment import Segment
from contactsync.model.sync import Upload
from contactsync.ports import Delete, Put, RecordKey

MAX_FIELDS = 1000
MAX_SEGMENTS = 1000


AUDIT_KEPT = timedelta(days=400)
EVERY_ACCOUNT = "accounts"
"""The partition that lists them, for operators."""


def note(
    by: str, what: str, about: str, now: datetime, changes: Mapping[str, Any] | None = None
) -> AuditNote:
    """A note of who has changed what. It names ids, never addresses."""
    at = now.isoformat(timespec="milliseconds")
    return AuditNote(id=new_id(now), at=at, by=by, what=what, about=about, changes=dict(changes or {}))


class Accounts(Documents):
    """What belongs to an account as a whole."""

    # Accounts

    def create_account(self, account: Account, also: Sequence[Put | Delete]) -> None:
        """Store an account with what it begins with, all or nothing."""
        listed = Put(RecordKey(EVERY_ACCOUNT, f"account#{account.id}"), {}, 0)
        self.records.commit([put(RecordKey(account.id, "account"), account), listed, *also])

    def account(self, account_id: str) -> Account:
        """The account. Raises NotFound."""
        return self.read_account(account_id).value

    def read_account(self, account_id: str) -> Read[Account]:
        """The account and its version. Raises NotFound."""
        return self._read(RecordKey(account_id, "account"), Account)

    def accounts(self, *, after: str | None, limit: int) -> tuple[list[Account], str | None]:
        """Up to `limit` accounts made after the account `after`, oldest first, and the id to go on after."""
        page = self.records.page(EVERY_ACCOUNT, "account#", after=after and f"account#{after}", limit=limit)
        found = []
        for record in page.records:
            with suppress(NotFound):  # deleted, and not yet taken off the list
                found.append(self.account(record.key.name.removeprefix("account#")))
        return found, page.next and page.next.removeprefix("account#")

    def change_account(
        self, account_id: str, change: Callable[[Read[Account]], tuple[Account, Sequence[Put | Delete]]]
    ) -> Account:
        """Carry out `change` on the account as it is stored now, and commit with it what else it answers.

        Whoever changes what several may change at once, members and keys, goes through here too: the account's version
        lets one of them be first. `change` may be called several times; if it answers no writes and the same
        account, nothing is written.
        """
        for _ in range(UPDATE_ATTEMPTS):
            read = self.read_account(account_id)
            changed, also = change(read)
            if changed == read.value and not also:
                return changed
            with suppress(Stale):
                self.records.commit(
                    [put(RecordKey(account_id, "account"), changed, expected=read.version), *also]
                )
                return changed
        raise Busy("The account is being changed from several sides.")

    # What was changed, and by whom

    def noted(self, account_id: str, note: AuditNote) -> Put:
        """The write that keeps a note; it belongs into the commit of what it tells of."""
        expires_at = int((datetime.fromisoformat(note.at) + AUDIT_KEPT).timestamp())
        return put(RecordKey(account_id, f"audit#{note.id}"), note, expires_at=expires_at)

    def notes(self, account_id: str, *, after: str | None, limit: int) -> tuple[list[AuditNote], str | None]:
        """Up to `limit` notes older than the note `after`, newest first, and the id to go on after."""
        page = self.records.page(
            account_id, "audit#", after=after and f"audit#{after}", limit=limit, newest_first=True
        )
        notes = [AuditNote.model_validate(record.document, extra="ignore") for record in page.records]
        return notes, page.next and page.next.removeprefix("audit#")

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
        return FieldSpec.model_validate(record.document, extra="ignore") if record else None

    def create_field(self, account_id: str, spec: FieldSpec) -> None:
        """Store a new field of the account's own. Raises Conflict if the key is taken, PlanLimit."""
        key = RecordKey(account_id, f"field#{spec.key}")
        for _ in range(UPDATE_ATTEMPTS):
            if self.records.get(key) is not None:
                raise Conflict(
                    "field_exists",
                    f"There is a field {spec.key} already.",
                    "Choose another key, or use that field.",
                )
            turn = self.in_turn(account_id, "fields")
            own = self._all(account_id, "field#", FieldSpec, limit=MAX_FIELDS)
            check_room(self.account(account_id), "fields", len(own) + 1)
            with suppress(Stale):
                self.records.commit([put(key, spec), turn])
                return
        raise Busy("The account is being changed from several sides.")

    # Segments

    def segments(self, account_id: str) -> dict[str, Segment]:
        """Every segment of the account, by id, oldest first."""
        return {each.id: each for each in self._all(account_id, "segment#", Segment, limit=MAX_SEGMENTS)}

    def segment(self, account_id: str, segment_id: str) -> Read[Segment]:
        """One segment. Raises NotFound."""
        return self._read(RecordKey(account_id, f"segment#{segment_id}"), Segment)

    def create_segment(self, account_id: str, segment: Segment) -> Segment:
        """Store a new segment; repeating the same call changes nothing. Raises Conflict if its name is taken, or at 1,000."""
        for _ in range(UPDATE_ATTEMPTS):
            turn = self.in_turn(account_id, "segments")
            others = self.segments(account_id)
            if segment.id in others:
                return others[segment.id]  # this request was here before
            for other in others.values():
                if other.name == segment.name:
                    raise Conflict(
                        "segment_exists",
                        f"There is a segment of this name already: {other.id}.",
                        "Use that one, or choose another name.",
                    )
            if len(others) >= MAX_SEGMENTS:
                raise Conflict(
                    "too_many_segments",
                    f"The account has {len(others):,} segments, as many as there can be.",
                    "Delete one that nobody needs first.",
                )
            with suppress(Stale):
                self.records.commit([put(RecordKey(account_id, f"segment#{segment.id}"), segment), turn])
                return segment
        raise Busy("The account is being changed from several sides.")

    # Uploads

    def create_upload(self, account_id: str, upload: Upload, *, expires_at: int) -> None:
        """Remember where a client may put a file."""
        self.records.commit(
            [put(RecordKey(account_id, f"upload#{upload.id}"), upload, expires_at=expires_at)]
        )

    def upload(self, account_id: str, upload_id: str) -> Upload:
        """The upload. Raises NotFound."""
        return self._read(RecordKey(account_id, f"upload#{upload_id}"), Upload).value

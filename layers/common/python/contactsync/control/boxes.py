"""The Sync Contact boxes of the shared hub: who has ticked which contact, so that it is in their own address book.

    subscribed#<member>#<contact>     {"at": …}: what a member has ticked
    subscriber#<contact>#<member>     {}: who has ticked a contact
    unticked#<contact>#<member>       {"at": …}: when a box went with its contact, which may come back

The first two are written and taken away in one commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from contactsync.control.documents import UPDATE_ATTEMPTS, Documents
from contactsync.errors import Busy, Stale
from contactsync.ports import Delete, Put, Record, RecordKey

TICKED_MAX = 200_000
BOXES_A_COMMIT = 50
TICKED = 1
"""The version of a box's records: they are written once, and taken away."""
SUBSCRIBERS_MAX = 1_000
"""Members of an account: no contact has more."""
UNTICKED_KEPT = timedelta(days=90)
"""As long as the run that deleted the contact can be undone."""
UNTICKED_MAX = 1_000_000
AGAIN_A_COMMIT = 33
"""Each is three records, and a commit holds a hundred."""


class Gone(NamedTuple):
    """A box that went with its contact."""

    contact_id: str
    member_id: str
    record: Record


class Boxes(Documents):
    """Who has ticked what."""

    def subscription(self, account_id: str, member_id: str, contact_id: str) -> str | None:
        """Since when a member has a contact ticked; None if they have not."""
        record = self.records.get(_mine(account_id, member_id, contact_id))
        return str(record.document["at"]) if record else None

    def subscriptions(self, account_id: str, member_id: str) -> frozenset[str]:
        """The contacts that a member has ticked, by id."""
        names = self._names(account_id, f"subscribed#{member_id}#", TICKED_MAX)
        return frozenset(names)

    def subscribers(self, account_id: str, contact_id: str) -> frozenset[str]:
        """The members that have ticked a contact."""
        return frozenset(self._names(account_id, f"subscriber#{contact_id}#", SUBSCRIBERS_MAX))

    def tick(self, account_id: str, member_id: str, contact_id: str, at: str) -> None:
        """A member wants a contact. Saying it again changes nothing."""
        with suppress(Stale):  # ticked already
            self.records.commit(ticking(account_id, member_id, contact_id, at))

    def untick(self, account_id: str, member_id: str, contact_id: str) -> None:
        """A member does not want a contact any more. Saying it again changes nothing."""
        for _ in range(UPDATE_ATTEMPTS):
            writes = self.unticking(account_id, member_id, contact_id)
            if not writes:
                return
            with suppress(Stale):
                self.records.commit(writes)
                return
        raise Busy("The box is being changed from several sides.")

    def untick_all(self, account_id: str, member_id: str) -> None:
        """A member wants nobody any more."""
        prefix = _mine(account_id, member_id, "").name
        for _ in range(TICKED_MAX // BOXES_A_COMMIT):
            mine = self.records.page(account_id, prefix, limit=BOXES_A_COMMIT).records
            if not mine:
                return
            contacts = [record.key.name.removeprefix(prefix) for record in mine]
            theirs = [Delete(_theirs(account_id, contact_id, member_id), TICKED) for contact_id in contacts]
            try:
                self.records.commit([*(Delete(record.key, record.version) for record in mine), *theirs])
            except Stale:  # somebody takes one of them away just now
                for contact_id in contacts:
                    self.untick(account_id, member_id, contact_id)

    def unticking(self, account_id: str, member_id: str, contact_id: str) -> Sequence[Delete]:
        """What takes a box away, as it is now; nothing if it is not ticked."""
        keys = (_mine(account_id, member_id, contact_id), _theirs(account_id, member_id, contact_id))
        found: list[Record | None] = [self.records.get(key) for key in keys]
        return [Delete(record.key, record.version) for record in found if record is not None]

    def going_with(
        self, account_id: str, member_id: str, contact_id: str, now: datetime
    ) -> Sequence[Put | Delete]:
        """What takes a box away whose contact is gone, and remembers it; nothing if it is not ticked."""
        gone = self.unticking(account_id, member_id, contact_id)
        if not gone:
            return []
        key = RecordKey(account_id, f"unticked#{contact_id}#{member_id}")
        record = self.records.get(key)
        expires_at = int((now + UNTICKED_KEPT).timestamp())
        return [*gone, Put(key, {"at": now.isoformat()}, record.version if record else 0, expires_at)]

    def gone_with(self, account_id: str, since: datetime) -> Iterator[Gone]:
        """The boxes that went with their contacts since then."""
        for record in self._pages(account_id, "unticked#", UNTICKED_MAX):
            if datetime.fromisoformat(record.document["at"]) >= since:
                _, contact_id, member_id = record.key.name.split("#")
                yield Gone(contact_id, member_id, record)

    def tick_again(self, account_id: str, boxes: Sequence[Gone], at: str) -> None:
        """Boxes that went with their contacts are there as before. Who dies on the way has the rest still to do."""
        for first in range(0, len(boxes), AGAIN_A_COMMIT):
            some = boxes[first : first + AGAIN_A_COMMIT]
            writes: list[Put | Delete] = [Delete(box.record.key, box.record.version) for box in some]
            for box in some:
                writes += ticking(account_id, box.member_id, box.contact_id, at)
            try:
                self.records.commit(writes)
            except Stale:  # one of them has been ticked meanwhile
                for box in some:
                    self.tick(account_id, box.member_id, box.contact_id, at)
                    with suppress(Stale):
                        self.records.commit([Delete(box.record.key, box.record.version)])

    def forget_boxes(self, account_id: str, contact_id: str) -> None:
        """Nobody has or had a contact ticked."""
        for member_id in self.subscribers(account_id, contact_id):
            self.untick(account_id, member_id, contact_id)
        for record in self._pages(account_id, f"unticked#{contact_id}#", SUBSCRIBERS_MAX):
            self.records.commit([Delete(record.key, record.version)])

    def _names(self, partition: str, prefix: str, limit: int) -> list[str]:
        return [record.key.name.removeprefix(prefix) for record in self._pages(partition, prefix, limit)]


def ticking(account_id: str, member_id: str, contact_id: str, at: str) -> Sequence[Put]:
    """What ticks a box that is not ticked."""
    return [
        Put(_mine(account_id, member_id, contact_id), {"at": at}, 0),
        Put(_theirs(account_id, member_id, contact_id), {}, 0),
    ]


def _mine(account_id: str, member_id: str, contact_id: str) -> RecordKey:
    return RecordKey(account_id, f"subscribed#{member_id}#{contact_id}")


def _theirs(account_id: str, member_id: str, contact_id: str) -> RecordKey:
    return RecordKey(account_id, f"subscriber#{contact_id}#{member_id}")

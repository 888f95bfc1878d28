"""The feed of an account: which contacts have changed here, in order, for all who follow them.

    feed#<milliseconds, 12 hex digits>#<run or edit>      {"run": id} or {"contacts": [id, …]}

Whoever is about to change contacts says so before the first write. An entry may come a little later than its name
says, and the writes later still: so a reader takes young entries into account, and does not pass them. A run that was
broken off says once more that it writes, at the time until which one of its workers may.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contactsync.control.documents import Documents
from contactsync.errors import Stale
from contactsync.ports import Put, RecordKey

KEPT = timedelta(days=30)
SURE = timedelta(days=29)
"""A reader that comes later than that may have missed something, and compares everything."""
YOUNG = timedelta(minutes=2)
"""Longer than any request lasts: what was to be written before has been written since."""
OUTLIVES = timedelta(minutes=15)
"""How long a worker may go on whose run has ended without it: no function lives longer."""
ENTRIES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what a run has changed, or these contacts."""

    name: str
    at: datetime
    run_id: str = ""
    contacts: tuple[str, ...] = ()


class Feed(Documents):
    """Who has changed."""

    def note_changes(
        self, account_id: str, by: str, now: datetime, *, run_id: str = "", contacts: Iterable[str] = ()
    ) -> None:
        """Say, before the first write, that a run or these contacts are about to change; `by` tells entries apart."""
        key = RecordKey(account_id, f"{position_at(now)}#{by}")
        document = {"run": run_id} if run_id else {"contacts": list(contacts)}
        with suppress(Stale):  # said already, in this very millisecond
            self.records.commit([Put(key, document, 0, int((now + KEPT).timestamp()))])

    def changes_since(self, account_id: str, position: str, now: datetime) -> list[Entry] | None:
        """What has been said after a position, oldest first; None if that is too long ago, or too much."""
        if not position or time_of(position) < now - SURE:
            return None
        found: list[Entry] = []
        after: str | None = position
        while after is not None:
            page = self.records.page(account_id, "feed#", after=after, limit=1000)
            for record in page.records:
                said = record.document
                found.append(
                    Entry(
                        record.key.name,
                        time_of(record.key.name),
                        said.get("run", ""),
                        tuple(said.get("contacts", ())),
                    )
                )
            if len(found) > ENTRIES_MAX:
                return None
            after = page.next
        return found

    def erased(self, account_id: str, limit: int) -> list[str]:
        """Contacts that were erased within the last weeks, at most so many. The feed does not tell: their cards stay."""
        page = self.records.page(account_id, "erased#", limit=limit)
        return [record.key.name.removeprefix("erased#") for record in page.records]


def position_at(at: datetime) -> str:
    """The place in a feed that a time has."""
    return f"feed#{int(at.timestamp() * 1000):012x}"


def time_of(name: str) -> datetime:
    """When an entry was made, or a position was taken; the beginning of time for none."""
    return datetime.fromtimestamp(int(name[5:17] or "0", 16) / 1000, UTC)

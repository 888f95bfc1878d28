"""What runs remember of the contact list and of each other: markers, deletions, progress."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from contactsync.control.documents import Documents
from contactsync.errors import Stale
from contactsync.model.run import Run
from contactsync.ports import Put, RecordKey

PROGRESS_KEPT = timedelta(days=7)
WORKER_LIMIT = 10_000
COUNT_OPEN = timedelta(days=1)
"""How long a change of the number of contacts can be said again: as long as an Idempotency-Key is known."""
HANDS_OPEN = 100
"""Of changes by hand so many, the latest: who asks for an earlier one again is told of it, and nobody counts it anew. There
may be thousands in a day, and a record holds 400 KB."""
RUN = "r"
"""With which letter the ids of runs begin."""


class Memories(Documents):
    """What runs remember for those that come after them, and for who asks how far they are."""

    # Whether contacts have changed, and how many were deleted lately

    def marker(self, account_id: str) -> str:
        """Changes whenever somebody is about to change the account's contacts, or has changed how its rows are typed."""
        record = self.records.get(RecordKey(account_id, "contacts_marker"))
        return str(record.document["marker"]) if record else ""

    def set_marker(self, account_id: str, marker: str) -> None:
        """Say, before the first write, that contacts are about to change."""
        key = RecordKey(account_id, "contacts_marker")
        self._change_document(key, lambda _: {"marker": marker})

    def marking(self, account_id: str, marker: str) -> Put:
        """The write that says, together with what it is committed with, that rows would now be typed otherwise.

        A run beside it has typed some of its rows before, and some after.
        """
        key = RecordKey(account_id, "contacts_marker")
        stored = self.records.get(key)
        return Put(key, {"marker": marker}, stored.version if stored else 0)

    def begin_changes(self, run: Run) -> None:
        """Say that a run is about to write, and note whether contacts are as when it read its source."""
        mine = _marker_of(run)

        def begin(document: dict[str, Any]) -> dict[str, Any]:
            alone = document.get("marker", "") in (run.marker, mine)
            return {"marker": mine if alone else f"{mine}:among others"}

        self._change_document(RecordKey(run.account_id, "contacts_marker"), begin)

    def end_changes(self, run: Run) -> str | None:
        """Say that a run writes no more; returns the marker from now on, None if others have written meanwhile.

        Others must not take what they read while the run was still writing for what is there now.
        """
        mine = _marker_of(run)
        done, among_others = f"{mine}:done", f"{mine}:done among others"
        alone = False

        def end(document: dict[str, Any]) -> dict[str, Any]:
            nonlocal alone
            alone = document.get("marker") in (mine, done)
            return {"marker": done if alone else among_others}

        self._change_document(RecordKey(run.account_id, "contacts_marker"), end)
        return done if alone else None

    def deleted_since(self, account_id: str, sync_id: str, since: str, *, but: str) -> int:
        """How many contacts runs of a sync have deleted since a time; the run `but` does not count."""
        record = self.records.get(RecordKey(account_id, f"deletions#{sync_id}"))
        runs = record.document if record else {}
        return sum(count for run_id, (at, count) in runs.items() if at >= since and run_id != but)

    def note_deletions(self, run: Run, at: str, count: int, *, forget_before: str) -> None:
        """Remember how many contacts a run deletes. Saying it twice counts once."""

        def note(runs: dict[str, Any]) -> dict[str, Any]:
            kept = {run_id: entry for run_id, entry in runs.items() if entry[0] >= forget_before}
            return {**kept, run.id: [at, count]}

        self._change_document(RecordKey(run.account_id, f"deletions#{run.sync_id}"), note)

    # How many contacts there are

    def contacts_count(self, account_id: str) -> int:
        """How many contacts the account has, as far as runs and hands have told (ADR 0016)."""
        record = self.records.get(RecordKey(account_id, "contacts_count"))
        return _sum_of(record.document) if record else 0

    def note_contacts(
        self, account_id: str, change: str, more: int, *, now: datetime, counted: int | None = None
    ) -> None:
        """Say how many contacts more there are by one run or edit. Saying it again, with whatever number, replaces it.

        `counted`: how many there are in all, where the run has just seen every one of them; what was said before
        is then forgotten. What nobody repeats any more, as it is older than COUNT_OPEN or by hand and not among the last
        HANDS_OPEN, is added up.
        """
        at = int(now.timestamp())
        open_since = at - int(COUNT_OPEN.total_seconds())

        def note(document: dict[str, Any]) -> dict[str, Any]:
            if counted is not None:
                return {"counted": counted, "changes": {}, "by": change}
            if document.get("by") == change:
                return document
            changes = {**document.get("changes", {}), change: [at, more]}
            kept = _open(changes, open_since)
            closed = sum(entry[1] for name, entry in changes.items() if name not in kept)
            return {**document, "counted": document.get("counted", 0) + closed, "changes": kept}

        self._change_document(RecordKey(account_id, "contacts_count"), note)

    # Progress

    def note_progress(self, run: Run, step: str, part: int, rows: int, now: datetime) -> None:
        """Say how many rows one worker has done. A lost race is another worker on the same part: let it be."""
        key = RecordKey(run.account_id, f"progress#{run.id}#{step}#{part:05d}")
        stored = self.records.get(key)
        expires_at = int((now + PROGRESS_KEPT).timestamp())
        with suppress(Stale):
            self.records.commit([Put(key, {"rows": rows}, stored.version if stored else 0, expires_at)])

    def has_progress(self, run: Run, step: str, part: int) -> bool:
        """Whether a worker has ever begun on this part."""
        return self.records.get(RecordKey(run.account_id, f"progress#{run.id}#{step}#{part:05d}")) is not None

    def progress(self, run: Run, step: str | None = None) -> int:
        """Rows done in all steps, or in one: a row that map, plan and upsert have each done counts three."""
        prefix = f"progress#{run.id}#{step}#" if step else f"progress#{run.id}#"
        return sum(document["rows"] for document in self._documents(run.account_id, prefix, WORKER_LIMIT))


def _marker_of(run: Run) -> str:
    """What stands for the contact list while a run writes: what had waited for an approval is a second time."""
    return f"{run.id}:approved" if run.approved else run.id


def _open(changes: dict[str, Any], since: int) -> dict[str, Any]:
    """The changes that may be said again; all others are added up."""
    lately = {name: entry for name, entry in changes.items() if entry[0] >= since}
    by_hand = sorted((name for name in lately if not name.startswith(RUN)), key=lambda name: lately[name][0])
    for name in by_hand[:-HANDS_OPEN]:
        del lately[name]
    return lately


def _sum_of(count: dict[str, Any]) -> int:
    changes = sum(int(more) for _, more in count["changes"].values())
    return max(0, int(count["counted"]) + changes)

"""The control table: accounts, keys, fields, uploads, syncs and runs, and under which names they lie.

    partition        name                        document
    <account>        account                     Account
    <account>        member#<member>             Member
    <account>        field#<key>                 FieldSpec, the account's own
    <account>        segment#<segment>           Segment
    <account>        upload#<upload>             Upload
    <account>        sync#<sync>                 Sync
    <account>        run#<run>                   Run
    <account>        sync_run#<sync>#<run>       {} (the runs of a sync, newest last: run ids begin with the time)
    <account>        progress#<run>#<step>#<n>   {"rows": …} one a worker, so that workers never contend
    <account>        contacts_marker             {"marker": …} another one whenever contacts are about to change
    <account>        deletions#<sync>            {<run>: [at, count]} of the last seven days
    key#<sha256>     key                         Key

Every write names the version it has read; nothing here is ever overwritten blindly.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from contactsync.errors import Busy, Conflict, NotFound, Stale
from contactsync.model.account import Account, Key, Member
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from contactsync.model.run import Run
from contactsync.model.segment import Segment
from contactsync.model.sync import LastGood, Sync, Upload
from contactsync.ports import Put, RecordKey, Records

PROGRESS_KEPT = timedelta(days=7)
UPDATE_ATTEMPTS = 10
"""A run's record has a handful of writers; ten lost races in a row mean that something is wrong."""
MAX_FIELDS = 1000
MAX_SEGMENTS = 1000
WORKER_LIMIT = 10_000


T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A document, and the version that a write over it must name."""

    value: T
    version: int


def new_id(now: datetime) -> str:
    """A fresh id that sorts by time: 12 hex digits of milliseconds, 12 of chance."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"


def key_digest(api_key: str) -> str:
    """Under which name a key lies. Keys are long and random, so one plain hash is enough."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class Control:
    """Typed access to the control table. Foreign and missing documents raise the same NotFound."""

    def __init__(self, records: Records) -> None:
        self.records = records

    # Accounts

    def create_account(self, account: Account, member: Member, digest: str, key: Key) -> None:
        """Store an account with its first member and key, all or nothing."""
        self.records.commit(
            [
                _put(RecordKey(account.id, "account"), account),
                _put(RecordKey(account.id, f"member#{member.id}"), member),
                _put(RecordKey(f"key#{digest}", "key"), key),
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
            self.records.commit([_put(RecordKey(account_id, f"field#{spec.key}"), spec)])
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
        self._commit_once([_put(key, segment)], key)

    # Uploads

    def create_upload(self, account_id: str, upload: Upload, *, expires_at: int) -> None:
        """Remember where a client may put a file."""
        self.records.commit(
            [_put(RecordKey(account_id, f"upload#{upload.id}"), upload, expires_at=expires_at)]
        )

    def upload(self, account_id: str, upload_id: str) -> Upload:
        """The upload. Raises NotFound."""
        return self._read(RecordKey(account_id, f"upload#{upload_id}"), Upload).value

    # Syncs and their runs

    def create_sync(self, account_id: str, sync: Sync, run: Run | None = None) -> None:
        """Store a new sync, together with its first run if it has one. Repeating the same call changes nothing."""
        key = RecordKey(account_id, f"sync#{sync.id}")
        writes = [_put(key, sync)]
        if run is not None:
            key = RecordKey(account_id, f"run#{run.id}")
            writes += [_put(key, run), Put(RecordKey(account_id, f"sync_run#{sync.id}#{run.id}"), {}, 0)]
        self._commit_once(writes, key)

    def update_sync(self, account_id: str, sync_id: str, change: Callable[[Read[Sync]], Sync]) -> Read[Sync]:
        """Carry out `change` on the sync as it is stored now; `change` may be called several times."""
        for _ in range(UPDATE_ATTEMPTS):
            read = self.sync(account_id, sync_id)
            changed = change(read)
            if changed == read.value:
                return read
            with suppress(Stale):
                self.records.commit([_put_sync(account_id, changed, read.version)])
                return Read(changed, read.version + 1)
        raise Busy("The sync is being changed from several sides.")

    def create_run(self, account_id: str, run: Run, *, day: date | None = None) -> None:
        """Add a run to a sync that has none under way; `day` is then the latest that its schedule has run.

        Of several who add the run of the same day the first one does, and the others change nothing.

        Raises:
            Conflict: a run of this sync is under way.
            NotFound: there is no such sync.
        """
        for _ in range(UPDATE_ATTEMPTS):
            sync = self.sync(account_id, run.sync_id)
            if sync.value.active_run == run.id:
                return
            if day is not None and sync.value.last_day is not None and sync.value.last_day >= day:
                return
            if sync.value.active_run is not None:
                raise Conflict(
                    "run_under_way",
                    "A run of this sync is under way.",
                    f"Wait for run {sync.value.active_run} to end, or cancel it.",
                )
            started = sync.value.model_copy(
                update={
                    "active_run": run.id,
                    "latest_run": run.id,
                    **({"last_day": day} if day is not None else {}),
                }
            )
            try:
                self.records.commit(
                    [
                        _put_sync(account_id, started, sync.version),
                        _put(RecordKey(account_id, f"run#{run.id}"), run),
                        Put(RecordKey(account_id, f"sync_run#{run.sync_id}#{run.id}"), {}, 0),
                    ]
                )
                return
            except Stale:
                continue
        raise Busy("The sync is being changed from several sides.")

    def sync(self, account_id: str, sync_id: str) -> Read[Sync]:
        """The sync. Raises NotFound."""
        return self._read(RecordKey(account_id, f"sync#{sync_id}"), Sync)

    def syncs(self, account_id: str, *, after: str | None, limit: int) -> tuple[list[Read[Sync]], str | None]:
        """Up to `limit` syncs older than the sync `after`, newest first, and the id to go on after."""
        page = self.records.page(
            account_id, "sync#", after=after and f"sync#{after}", limit=limit, newest_first=True
        )
        read = [Read(Sync.model_validate(record.document), record.version) for record in page.records]
        return read, page.next and page.next.removeprefix("sync#")

    def runs(
        self, account_id: str, sync_id: str, *, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """Up to `limit` runs of a sync older than the run `after`, newest first, and the id to go on after."""
        prefix = f"sync_run#{sync_id}#"
        page = self.records.page(
            account_id, prefix, after=after and f"{prefix}{after}", limit=limit, newest_first=True
        )
        ids = [record.key.name.removeprefix(prefix) for record in page.records]
        return [self.run(account_id, run_id).value for run_id in ids], page.next and page.next.removeprefix(
            prefix
        )

    def run(self, account_id: str, run_id: str) -> Read[Run]:
        """The run. Raises NotFound."""
        return self._read(RecordKey(account_id, f"run#{run_id}"), Run)

    def update_run(self, account_id: str, run_id: str, change: Callable[[Run], Run]) -> Run:
        """Carry out `change` on the run as it is stored now; `change` may be called several times."""
        key = RecordKey(account_id, f"run#{run_id}")
        for _ in range(UPDATE_ATTEMPTS):
            read = self._read(key, Run)
            changed = change(read.value)
            if changed == read.value:
                return changed
            try:
                self.records.commit([_put(key, changed, expected=read.version)])
                return changed
            except Stale:
                continue
        raise Busy("The run's record is being changed from several sides.")

    def close_run(
        self, account_id: str, run_id: str, change: Callable[[Run], Run], *, good: LastGood | None = None
    ) -> Run:
        """As update_run, and in the same commit let the sync go if this run is the one that holds it.

        `good` is then remembered as what its latest good run read.
        """
        for _ in range(UPDATE_ATTEMPTS):
            read = self.run(account_id, run_id)
            sync = self.sync(account_id, read.value.sync_id)
            closed = change(read.value)
            writes = []
            if closed != read.value:
                writes.append(_put(RecordKey(account_id, f"run#{run_id}"), closed, expected=read.version))
            if sync.value.active_run == run_id:
                free = sync.value.model_copy(
                    update={"active_run": None, **({"last_good": good} if good else {})}
                )
                writes.append(_put_sync(account_id, free, sync.version))
            if not writes:
                return closed
            try:
                self.records.commit(writes)
                return closed
            except Stale:
                continue
        raise Busy("The run's record is being changed from several sides.")

    def approve_run(self, account_id: str, run_id: str, plan_hash: str) -> Run:
        """Let a held run go on with the very plan that was shown.

        Raises:
            Conflict: the run does not wait, its plan is another one, or its sync has gone on since.
        """
        for _ in range(UPDATE_ATTEMPTS):
            read = self.run(account_id, run_id)
            run = read.value
            if run.status == "queued" and run.approved and run.plan_hash == plan_hash:
                return run  # approved a moment ago, perhaps by this very call, whose answer was lost
            if run.status != "awaiting_approval":
                raise Conflict(
                    "not_waiting", f"The run is {run.status}.", "Only a run that waits can be approved."
                )
            if run.plan_hash != plan_hash:
                raise Conflict(
                    "another_plan", "This is not the run's plan.", "Look at the plan and send its hash."
                )
            sync = self.sync(account_id, run.sync_id)
            if (
                sync.value.active_run is not None
                or sync.value.latest_run != run_id
                or sync.value.settings_at > run.requested_at
                or sync.value.deleted_at is not None
            ):
                raise Conflict(
                    "superseded",
                    "The sync has run again since, or has been changed, so this plan is out of date.",
                    "Look at its latest run and approve that one, if it waits; otherwise run it again.",
                )
            going = run.model_copy(
                update={
                    "status": "queued",
                    "approved": True,
                    "execution": None,
                    "step": None,
                    "problem": None,
                    "mails_claimed": 0,
                    "finished_at": None,
                }
            )
            held = sync.value.model_copy(update={"active_run": run_id})
            with suppress(Stale):
                self.records.commit(
                    [
                        _put(RecordKey(account_id, f"run#{run_id}"), going, expected=read.version),
                        _put_sync(account_id, held, sync.version),
                    ]
                )
                return going
        raise Busy("The run's record is being changed from several sides.")

    # What the guard and the unchanged remember

    def marker(self, account_id: str) -> str:
        """Changes whenever somebody is about to change the account's contacts."""
        record = self.records.get(RecordKey(account_id, "contacts_marker"))
        return str(record.document["marker"]) if record else ""

    def set_marker(self, account_id: str, marker: str) -> None:
        """Say, before the first write, that contacts are about to change."""
        key = RecordKey(account_id, "contacts_marker")
        self._change_document(key, lambda _: {"marker": marker})

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

    # Reading and writing

    def _change_document(self, key: RecordKey, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        for _ in range(UPDATE_ATTEMPTS):
            stored = self.records.get(key)
            before = stored.document if stored else {}
            after = change(before)
            if stored is not None and after == before:
                return
            with suppress(Stale):
                self.records.commit([Put(key, after, stored.version if stored else 0)])
                return
        raise Busy("A record of the account is being changed from several sides.")

    def _read(self, key: RecordKey, model: type[M]) -> Read[M]:
        record = self.records.get(key)
        if record is None:
            raise NotFound()
        return Read(model.model_validate(record.document), record.version)

    def _all(self, partition: str, prefix: str, model: type[M], *, limit: int) -> list[M]:
        return [model.model_validate(document) for document in self._documents(partition, prefix, limit)]

    def _documents(self, partition: str, prefix: str, limit: int) -> Iterator[dict[str, Any]]:
        after = None
        seen = 0
        while seen < limit:
            page = self.records.page(partition, prefix, after=after, limit=min(1000, limit - seen))
            yield from (record.document for record in page.records)
            seen += len(page.records)
            after = page.next
            if after is None:
                return

    def _commit_once(self, writes: list[Put], witness: RecordKey) -> None:
        """Commit; where the answer to an earlier, identical commit was lost, see that it is there."""
        try:
            self.records.commit(writes)
        except Stale:
            stored = self.records.get(witness)
            if stored is None:
                raise


def _marker_of(run: Run) -> str:
    """What stands for the contact list while a run writes: what had waited for an approval is a second time."""
    return f"{run.id}:approved" if run.approved else run.id


def _put(key: RecordKey, model: BaseModel, *, expected: int = 0, expires_at: int | None = None) -> Put:
    return Put(key, model.model_dump(mode="json"), expected, expires_at)


def _put_sync(account_id: str, sync: Sync, expected: int) -> Put:
    key = RecordKey(account_id, f"sync#{sync.id}")
    return _put(key, sync, expected=expected, expires_at=sync.forget_at)

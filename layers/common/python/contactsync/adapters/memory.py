"""Every port in memory: the service on one machine without AWS, held to the same contract tests.

All of it is safe to share between threads, and hands out copies, so that nobody edits what is stored.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from threading import RLock
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import orjson

from contactsync.adapters.bus import SOURCE
from contactsync.adapters.control_table import check_commit, check_page
from contactsync.adapters.items import (
    ITEM_LIMIT,
    TRANSACTION_LIMIT,
    Unstorable,
    item_of,
    partition,
    size_of,
    slot_of,
)
from contactsync.adapters.mailer import check_address, one_line
from contactsync.core.identity import SHARDS, shard_of
from contactsync.core.newcomers import contact_in, id_in
from contactsync.errors import NotFound, Stale
from contactsync.model.contact import Contact, Glimpse, Origin, Slot, glimpse_of
from contactsync.ports import (
    Clock,
    ContactPage,
    Delete,
    Insert,
    Mail,
    ObjectWriter,
    Put,
    Record,
    RecordKey,
    RecordPage,
    Remove,
    Unopenable,
    Version,
    Write,
)


class ManualClock:
    """See `ports.Clock`. Stands still until it is moved."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """See `ports.Clock.now`."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let time pass, or go back."""
        self._now += by


class MemoryContacts:
    """See `ports.ContactStore`. Keeps items as the table does, encoded, so that both refuse the same."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, bytes]] = {}
        self._lock = RLock()

    def get(self, account_id: str, ids: Sequence[str]) -> dict[str, Contact]:
        """See `ports.ContactStore.get`."""
        found = self.slots(account_id, ids).values()
        return {slot.id: slot for slot in found if isinstance(slot, Contact)}

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        """See `ports.ContactStore.slots`."""
        with self._lock:
            stored = [self._slot(account_id, each).get(each) for each in ids]
        return {slot.id: slot for slot in map(_decoded, filter(None, stored))}

    def scan(self, account_id: str, shard: int) -> Iterator[Slot]:
        """See `ports.ContactStore.scan`."""
        return self._along(account_id, shard)

    def glimpses(self, account_id: str, shard: int, fields: Collection[str]) -> Iterator[Glimpse]:
        """See `ports.ContactStore.glimpses`."""
        return (glimpse_of(slot, fields) for slot in self._along(account_id, shard))

    def page(self, account_id: str, *, after: str | None, limit: int) -> ContactPage:
        """See `ports.ContactStore.page`."""
        found: list[Contact] = []
        for shard in range(shard_of(after) if after else 0, SHARDS):
            found += (
                slot
                for slot in self.scan(account_id, shard)
                if isinstance(slot, Contact) and (after is None or slot.id > after)
            )
            if len(found) > limit:
                return ContactPage(found[:limit], found[limit - 1].id)
        return ContactPage(found, None)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        """See `ports.ContactStore.write`."""
        unstorable: list[str] = []
        for write in writes:
            try:
                yield write, self._write(account_id, write)
            except Unstorable as error:
                unstorable += error.ids
        if unstorable:
            raise Unstorable(unstorable)

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        """See `ports.ContactStore.bring`."""
        by_id: dict[str, list[bytes]] = {}
        inserts = []
        for line in lines:
            by_id.setdefault(id_in(line), []).append(line)
            inserts.append(Insert(contact_in(line, origin)))
        for write, done in self.write(account_id, inserts):
            line = by_id[write.slot_id].pop(0)
            if not done:
                yield line

    def _write(self, account_id: str, write: Write) -> bool:
        if isinstance(write, Remove):
            with self._lock:
                place = self._slot(account_id, write.slot_id)
                stored = _version(place.get(write.slot_id))
                if stored == write.version:
                    del place[write.slot_id]
            return stored in {write.version, 0}
        slot = write.slot
        data = _encoded(account_id, slot)
        with self._lock:
            place = self._slot(account_id, slot.id)
            expected = 0 if isinstance(write, Insert) else slot.version - 1
            if _version(place.get(slot.id)) != expected:
                return False
            place[slot.id] = data
            return True

    def _along(self, account_id: str, shard: int) -> Iterator[Slot]:
        with self._lock:
            stored = sorted(self._partitions.get(partition(account_id, shard), {}).items())
        return (_decoded(data) for _, data in stored)

    def _slot(self, account_id: str, contact_id: str) -> dict[str, bytes]:
        return self._partitions.setdefault(partition(account_id, shard_of(contact_id)), {})


class MemoryRecords:
    """See `ports.Records`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stored: dict[RecordKey, tuple[bytes, int, int | None]] = {}
        self._lock = RLock()

    def get(self, key: RecordKey) -> Record | None:
        """See `ports.Records.get`."""
        with self._lock:
            return self._alive(key)

    def commit(self, writes: Sequence[Put | Delete]) -> None:
        """See `ports.Records.commit`."""
        check_commit(writes)
        documents = [orjson.dumps(write.document) if isinstance(write, Put) else b"" for write in writes]
        if any(len(document) > ITEM_LIMIT for document in documents):
            raise ValueError("DynamoDB takes no record of this size.")
        with self._lock:
            former = [len(self._stored[write.key][0]) for write in writes if write.key in self._stored]
            if sum(map(len, documents)) > TRANSACTION_LIMIT or sum(former) > TRANSACTION_LIMIT:
                raise ValueError("DynamoDB takes no transaction of this size.")
            for write in writes:
                stored = self._alive(write.key)
                if (stored.version if stored else 0) != write.expected:
                    raise Stale("A record's version is not the one that was read. Nothing was written.")
            for write, document in zip(writes, documents, strict=True):
                if isinstance(write, Put):
                    self._stored[write.key] = (document, write.expected + 1, write.expires_at)
                else:
                    self._stored.pop(write.key, None)

    def page(
        self,
        partition: str,
        prefix: str,
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> RecordPage:
        """See `ports.Records.page`."""
        check_page(prefix, after, limit)
        with self._lock:
            names = [
                key.name for key in self._stored if key.partition == partition and key.name.startswith(prefix)
            ]
            found: list[Record] = []
            for name in sorted(names, key=str.encode, reverse=newest_first):
                if after is not None and (name >= after if newest_first else name <= after):
                    continue
                record = self._alive(RecordKey(partition, name))
                if record is not None:
                    found.append(record)
        more = len(found) > limit
        return RecordPage(tuple(found[:limit]), found[limit - 1].key.name if more else None)

    def _alive(self, key: RecordKey) -> Record | None:
        document, version, expires_at = self._stored.get(key, (b"", 0, None))
        if not version or (expires_at is not None and expires_at <= int(self._clock.now().timestamp())):
            return None
        return Record(key, orjson.loads(document), version, expires_at)


class MemoryObjects:
    """See `ports.Objects`. URLs lead nowhere; their form is `memory:<key>?…`."""

    def __init__(self) -> None:
        self._stored: dict[str, bytes] = {}
        self._versions: dict[tuple[str, str], bytes] = {}
        self._lock = RLock()

    def get(self, key: str) -> bytes:
        """See `ports.Objects.get`."""
        with self._lock:
            if key not in self._stored:
                raise NotFound
            return self._stored[key]

    @contextmanager
    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """See `ports.Objects.open`."""
        whole = self.get(key)
        end = len(whole) if length is None else offset + length
        with io.BytesIO(whole[offset:end]) as stream:
            yield stream

    @contextmanager
    def open_version(self, key: str, version: Version) -> Iterator[BinaryIO]:
        """See `ports.Objects.open_version`."""
        with self._lock:
            data = self._versions.get((key, version.id))
        if data is None or _etag(data) != version.etag:
            raise NotFound
        with io.BytesIO(data) as stream:
            yield stream

    def put_version(self, key: str, data: bytes) -> Version:
        """Store an object as a bucket with versions does, beside those of its key that were there before."""
        with self._lock:
            version = Version(f"v{len(self._versions)}", _etag(data))
            self._versions[key, version.id] = bytes(data)
            self.put(key, data)
        return version

    def remove_version(self, key: str, version: Version) -> None:
        """Forget a version, as the bucket does by and by."""
        with self._lock:
            del self._versions[key, version.id]

    def size(self, key: str) -> int | None:
        """See `ports.Objects.size`."""
        with self._lock:
            return len(self._stored[key]) if key in self._stored else None

    def put(self, key: str, data: bytes) -> None:
        """See `ports.Objects.put`."""
        with self._lock:
            self._stored[key] = bytes(data)

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        """See `ports.Objects.writer`."""
        buffer = io.BytesIO()
        yield cast(ObjectWriter, buffer)
        self.put(key, buffer.getvalue())

    def keys(self, prefix: str) -> Iterator[str]:
        """See `ports.Objects.keys`."""
        with self._lock:
            return iter(sorted((key for key in self._stored if key.startswith(prefix)), key=str.encode))

    def folders(self, prefix: str) -> Iterator[str]:
        """See `ports.Objects.folders`."""
        inside = (key[len(prefix) :].partition("/") for key in self.keys(prefix))
        return iter(dict.fromkeys(f"{prefix}{name}/" for name, slash, _ in inside if slash))

    def delete(self, keys: Iterable[str]) -> None:
        """See `ports.Objects.delete`."""
        for key in keys:
            with self._lock:
                self._stored.pop(key, None)

    def presign_put(self, key: str, *, expires_s: int) -> str:
        """See `ports.Objects.presign_put`."""
        return f"memory:{quote(key)}?method=PUT&expires={expires_s}"

    def presign_get(self, key: str, *, expires_s: int, filename: str) -> str:
        """See `ports.Objects.presign_get`."""
        return f"memory:{quote(key)}?method=GET&expires={expires_s}&filename={quote(filename, safe='')}"


class MemoryVault:
    """See `ports.Vault`. What it gives out says nothing, for the secrets stay in here."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, dict[str, str]]] = {}

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> str:
        """See `ports.Vault.encrypt`."""
        sealed = token_hex(16)
        self._kept[sealed] = (plaintext, dict(context))
        return sealed

    def decrypt(self, sealed: str, context: Mapping[str, str]) -> str:
        """See `ports.Vault.decrypt`."""
        plaintext, asked_for = self._kept.get(sealed, ("", None))
        if asked_for != dict(context):
            raise Unopenable
        return plaintext


@dataclass(frozen=True, slots=True)
class WakeUps:
    """What a scheduler was told last for one sync."""

    cron: str
    start: datetime | None
    end: datetime | None


class MemoryScheduler:
    """See `ports.Scheduler`. Keeps what it was told in `kept`, by account and sync, and wakes nobody."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], WakeUps] = {}

    def put(
        self, account_id: str, sync_id: str, cron: str, *, start: datetime | None, end: datetime | None
    ) -> None:
        """See `ports.Scheduler.put`."""
        self.kept[account_id, sync_id] = WakeUps(cron, start, end)

    def remove(self, account_id: str, sync_id: str) -> None:
        """See `ports.Scheduler.remove`."""
        self.kept.pop((account_id, sync_id), None)


class MemoryShares:
    """See `ports.Shares`. `kept` is the plan by account."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def put(self, account_id: str, plan: str) -> None:
        """See `ports.Shares.put`."""
        self.kept[account_id] = plan

    def remove(self, account_id: str) -> None:
        """See `ports.Shares.remove`."""
        self.kept.pop(account_id, None)


class MemoryIssuer:
    """See `ports.IdentityProvider`. `published` is what it tells; `asked` counts how often."""

    def __init__(self, issuer: str, audiences: frozenset[str]) -> None:
        self.issuer = issuer
        self.audiences = audiences
        self.published: dict[str, Mapping[str, Any]] = {}
        self.asked = 0

    def keys(self) -> Mapping[str, Mapping[str, Any]]:
        """See `ports.IdentityProvider.keys`."""
        self.asked += 1
        return dict(self.published)


class MemoryMailer:
    """See `ports.Mailer`. Keeps what was sent in `sent`, oldest first."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        """See `ports.Mailer.send`."""
        check_address(mail.to)
        self.sent.append(Mail(mail.to, one_line(mail.subject), mail.text, mail.html))


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a bus carries it."""

    source: str
    kind: str
    detail: dict[str, str]


class MemoryBus:
    """See `ports.Bus`. Keeps what was published in `events`, oldest first."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, kind: str, detail: dict[str, str]) -> None:
        """See `ports.Bus.publish`."""
        self.events.append(Event(SOURCE, kind, dict(detail)))


def _encoded(account_id: str, slot: Slot) -> bytes:
    """A slot as the table would store it. Raises Unstorable where the table would refuse."""
    try:
        item = item_of(account_id, slot)
        data = orjson.dumps(item)
    except TypeError:
        raise Unstorable([slot.id]) from None
    if size_of(item) > ITEM_LIMIT:
        raise Unstorable([slot.id])
    return data


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _decoded(stored: bytes) -> Slot:
    return slot_of(orjson.loads(stored))


def _version(stored: bytes | None) -> int:
    """What a write must name: 0 where there is nothing."""
    return int(orjson.loads(stored)["v"]["N"]) if stored is not None else 0

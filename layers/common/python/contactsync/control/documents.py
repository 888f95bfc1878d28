"""Documents of the control table: read, changed under the version that was read, listed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from contactsync.errors import Busy, NotFound, Stale
from contactsync.ports import Put, Record, RecordKey, Records

UPDATE_ATTEMPTS = 10
"""A record has a handful of writers; ten lost races in a row mean that something is wrong."""

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


class Documents:
    """Pydantic models as documents. Foreign and missing documents raise the same NotFound."""

    def __init__(self, records: Records) -> None:
        self.records = records

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

    def in_turn(self, account_id: str, limit: str) -> Put:
        """What whoever counts before adding one more commits with it, so that of two who count at once one is Stale.

        To be asked for before counting. `limit` is the plan's.
        """
        key = RecordKey(account_id, f"room#{limit}")
        stored = self.records.get(key)
        return Put(key, {}, stored.version if stored else 0)

    def _read(self, key: RecordKey, model: type[M]) -> Read[M]:
        record = self.records.get(key)
        if record is None:
            raise NotFound()
        return Read(model.model_validate(record.document, extra="ignore"), record.version)

    def _all(self, partition: str, prefix: str, model: type[M], *, limit: int) -> list[M]:
        return [
            model.model_validate(document, extra="ignore")
            for document in self._documents(partition, prefix, limit)
        ]

    def _documents(self, partition: str, prefix: str, limit: int) -> Iterator[dict[str, Any]]:
        return (record.document for record in self._pages(partition, prefix, limit))

    def _pages(self, partition: str, prefix: str, limit: int) -> Iterator[Record]:
        after = None
        seen = 0
        while seen < limit:
            page = self.records.page(partition, prefix, after=after, limit=min(1000, limit - seen))
            yield from page.records
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


def put(key: RecordKey, model: BaseModel, *, expected: int = 0, expires_at: int | None = None) -> Put:
    """The write that stores a model."""
    return Put(key, model.model_dump(mode="json"), expected, expires_at)

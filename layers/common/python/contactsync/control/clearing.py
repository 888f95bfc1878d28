"""Records that go together, in as many commits as it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import orjson

from contactsync.ports import Delete, Put, Record, Records

R = TypeVar("R", Record, Put)

RECORDS_A_COMMIT = 100
BYTES_A_COMMIT = 3_000_000
"""DynamoDB: "The aggregate size of the items in the transaction cannot exceed 4 MB", and what is deleted is an item, too."""


def clear(records: Records, found: Iterable[Record]) -> int:
    """Delete records as they were read, and how many those were. Who dies in between goes on with what is left.

    Raises:
        Stale: one was changed since. Those before it may be deleted.
    """
    deleted = 0
    for some in lots(found):
        records.commit([Delete(record.key, record.version) for record in some])
        deleted += len(some)
    return deleted


def clear_all(records: Records, partition: str, prefix: str) -> None:
    """Delete all records of a kind."""
    for page in pages(records, partition, prefix):
        clear(records, page)


def pages(records: Records, partition: str, prefix: str) -> Iterator[Sequence[Record]]:
    """All records of a kind, page by page; a page may be deleted meanwhile."""
    after = None
    while True:
        page = records.page(partition, prefix, after=after)
        yield page.records
        after = page.next
        if after is None:
            return


def lots(found: Iterable[R], *, most: int = RECORDS_A_COMMIT) -> Iterator[list[R]]:
    """As many at a time as one commit holds, `most` at most."""
    lot: list[R] = []
    size = 0
    for record in found:
        weight = len(orjson.dumps(record.document))
        if lot and (len(lot) == most or size + weight > BYTES_A_COMMIT):
            yield lot
            lot, size = [], 0
        lot.append(record)
        size += weight
    if lot:
        yield lot

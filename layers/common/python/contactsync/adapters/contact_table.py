"""The contacts table: its keys and attributes, and how contacts are read.

    pk "<account>#<shard>"   shard 00 to 63 by the id's first six bits: one account's writes spread over 64
                             partitions of 1,000 writes/s each, and shard after shard is id order
    sk "<contact id>"        32 hex digits

    attribute   type  holds
    k           S     "c" a contact; "a" an alias: the slot of an identity that belongs to the contact named in t;
                      "t" a tombstone: the slot of a contact that was deleted
    v           N     version, one more with every write; all writes are conditional on it
    t           S     alias: id of the contact
    ct          N     alias: claimed at, epoch seconds
    expires_at  N     tombstone: epoch seconds after which the table forgets it
    f           M     field key → canonical value
    g           SS    segments; absent if there are none
    h           S     ids of the last runs and edits that changed the contact, with a space between; absent if there
                      are none
    s           M     sync id → {r: run id, n: row, h: hash of the row}, of the last 50 syncs
    ca cb       S     created at, created by
    ua ub       S     updated at, updated by
    uv          S     whose edit in which address book the last change was; absent if it was none

One slot an identity, contact or alias, so that one read by key tells who has it. Short names keep a usual
contact within the 1 KB that one write unit pays for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any

import orjson

from contactsync.adapters.contact_writes import Statements, Writing
from contactsync.adapters.items import (
    CONTACT,
    GLIMPSE,
    Attribute,
    Item,
    contact_of,
    glimpse_of,
    partition,
    slot_of,
)
from contactsync.adapters.lanes import Batch, Lanes, batches
from contactsync.adapters.wire import ServiceError, Wire
from contactsync.core.identity import SHARDS, shard_of
from contactsync.core.newcomers import id_in
from contactsync.model.contact import Contact, Glimpse, Origin, Slot
from contactsync.ports import ContactPage, Write

KEYS_A_REQUEST = 100
REQUESTS_IN_FLIGHT = 8
"""At some 6 ms an answer these are 30,000 writes a second: more than a warm table gives one worker."""


class ContactTable:
    """See `ports.ContactStore`."""

    def __init__(self, table: str, wire: Wire) -> None:
        self._table = table
        self._wire = wire
        self._statements = Statements(table)

    def get(self, account_id: str, ids: Sequence[str]) -> dict[str, Contact]:
        """See `ports.ContactStore.get`."""
        found = self.slots(account_id, ids).values()
        return {slot.id: slot for slot in found if isinstance(slot, Contact)}

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        """See `ports.ContactStore.slots`."""
        found: dict[str, Slot] = {}
        with Lanes[Batch[Item]](self._wire, REQUESTS_IN_FLIGHT) as lanes:

            def ask(batch: Batch[Item]) -> None:
                wanted = {self._table: {"Keys": batch.parts, "ConsistentRead": True}}
                body = orjson.dumps({"RequestItems": wanted})
                lanes.send("BatchGetItem", body, batch, after_s=batch.delay_s)

            keys = (_key(account_id, contact_id) for contact_id in dict.fromkeys(ids))
            for batch, outcome in lanes.run(batches(keys, KEYS_A_REQUEST), ask):
                answer = _granted(outcome)
                found.update(
                    (item["sk"]["S"], slot_of(item)) for item in answer["Responses"].get(self._table, ())
                )
                left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys")
                if left:
                    ask(batch.rest(left, "BatchGetItem", self._wire.patience))
        return found

    def scan(self, account_id: str, shard: int) -> Iterator[Slot]:
        """See `ports.ContactStore.scan`."""
        return map(slot_of, self._items(self._query(account_id, shard)))

    def glimpses(self, account_id: str, shard: int, fields: Collection[str]) -> Iterator[Glimpse]:
        """See `ports.ContactStore.glimpses`."""
        names = {f"#{number}": field for number, field in enumerate(sorted(fields))}
        asked = ", ".join([*GLIMPSE, *(f"f.{name}" for name in names)])
        request = self._query(account_id, shard) | {"ProjectionExpression": asked}
        if names:
            request["ExpressionAttributeNames"] = names
        return map(glimpse_of, self._items(request))

    def _items(self, request: dict[str, Any]) -> Iterator[Item]:
        """What a query finds. The next page is on its way while the caller works on this one."""
        with Lanes[None](self._wire, 1) as lanes:
            lanes.send("Query", orjson.dumps(request), None)
            while lanes:
                _, outcome = lanes.next()
                answer = _granted(outcome)
                if "LastEvaluatedKey" in answer:
                    onward = request | {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
                    lanes.send("Query", orjson.dumps(onward), None)
                yield from answer["Items"]

    def page(self, account_id: str, *, after: str | None, limit: int) -> ContactPage:
        """See `ports.ContactStore.page`.

        Ids are hashes, so all shards are about equally full: a shard with few contacts promises as few in the
        next, and more of those are asked at once. A small account costs 11 rounds of requests instead of 64.
        """
        found: list[Contact] = []
        shard, step = (shard_of(after) if after else 0), 1
        while shard < SHARDS and len(found) <= limit:
            shards = range(shard, min(shard + step, SHARDS))
            found += self._first(account_id, shards, after, limit + 1)
            shard, step = shards.stop, min(step * 2, REQUESTS_IN_FLIGHT)
        more = len(found) > limit
        return ContactPage(found[:limit], found[limit - 1].id if more else None)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        """See `ports.ContactStore.write`.

        Raises:
            Unstorable: after all other writes were seen to.
        """
        with Lanes[Batch[Write]](self._wire, REQUESTS_IN_FLIGHT) as lanes:
            made = partial(self._statements.of, account_id)
            writing = Writing(made, attrgetter("slot_id"), lanes, self._wire.patience)
            for done, lost in writing.settled(writes):
                yield from zip(done, repeat(True))
                yield from zip(lost, repeat(False))

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        """See `ports.ContactStore.bring`.

        Raises:
            Unstorable: after all other lines were seen to.
        """
        with Lanes[Batch[bytes]](self._wire, REQUESTS_IN_FLIGHT) as lanes:
            made = self._statements.arrivals(account_id, origin)
            writing = Writing(made, id_in, lanes, self._wire.patience)
            for _, lost in writing.settled(lines):
                yield from lost

    def _first(self, account_id: str, shards: Iterable[int], after: str | None, limit: int) -> list[Contact]:
        """Up to `limit` contacts beyond the id `after` of each of these shards, in id order."""
        found: dict[int, list[Contact]] = {}
        requests = {shard: self._query(account_id, shard, after) | {"Limit": limit} for shard in shards}
        with Lanes[int](self._wire, REQUESTS_IN_FLIGHT) as lanes:

            def ask(shard: int) -> None:
                lanes.send("Query", orjson.dumps(requests[shard]), shard)

            for shard, outcome in lanes.run(requests, ask):
                answer = _granted(outcome)
                contacts = found.setdefault(shard, [])
                contacts += _contacts(answer["Items"])
                if "LastEvaluatedKey" in answer and len(contacts) < limit:
                    requests[shard]["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
                    ask(shard)
        return [contact for shard in sorted(found) for contact in found[shard][:limit]]

    def _query(self, account_id: str, shard: int, after: str | None = None) -> dict[str, Any]:
        """A request for the contacts of a shard that follow the id `after`."""
        condition, values = "pk = :pk", {":pk": {"S": partition(account_id, shard)}}
        if after is not None:
            condition += " AND sk > :after"
            values[":after"] = {"S": after}
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }


def _key(account_id: str, contact_id: str) -> dict[str, Attribute]:
    return {"pk": {"S": partition(account_id, shard_of(contact_id))}, "sk": {"S": contact_id}}


def _contacts(items: Iterable[Item]) -> Iterator[Contact]:
    """The contacts among the slots."""
    return (contact_of(item) for item in items if item["k"]["S"] == CONTACT)


def _granted(outcome: dict[str, Any] | ServiceError) -> dict[str, Any]:
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome

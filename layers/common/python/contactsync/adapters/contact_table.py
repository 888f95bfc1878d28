"""The contacts table: the only module that knows its keys and statements.

    pk "<account>#<shard>"   shard 00 to 63 by the id's first six bits: one account's writes spread over 64
                             partitions of 1,000 writes/s each, and shard after shard is id order
    sk "<contact id>"        32 hex digits

    attribute   type  holds
    k           S     "c" a contact, "a" an alias: the slot of an identity that another contact has taken over
    v           N     version, one more with every write; all writes are conditional on it
    f           M     field key → canonical value
    g           SS    segments; absent if there are none
    s           M     sync id → {r: run id, n: row, h: hash of the row}
    ca cb       S     created at, created by
    ua ub       S     updated at, updated by

One slot an identity, contact or alias, so that one read by key tells who has it. Short names keep a usual
contact within the 1 KB that one write unit pays for.

Writes go out as PartiQL batches: the only request that carries 25 writes, each under its own condition, at one
write unit each. BatchWriteItem knows no conditions, a transaction costs double and fails as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from contactsync.adapters.in_flight import in_flight
from contactsync.adapters.items import (
    CONTACT,
    SHARDS,
    Item,
    Unstorable,
    contact_of,
    item_of,
    partition,
    shard_of,
)
from contactsync.adapters.wire import TRANSIENT, ServiceError, Wire
from contactsync.errors import Busy
from contactsync.model.contact import Contact
from contactsync.ports import ContactPage, Insert, Remove, Write

WRITES_A_REQUEST = 25
KEYS_A_REQUEST = 100
REQUESTS_IN_FLIGHT = 8
"""At some 5 ms an answer this outruns a warm table's share of one worker; more would only add threads."""

LOST = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
TRANSIENT_STATEMENT = frozenset(code.removesuffix("Exception") for code in TRANSIENT) | {"ThrottlingError"}
UNSTORABLE = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})

_Statement = dict[str, Any]
_Verdict = tuple[Write, bool | None]
"""True: carried out; False: another version is stored; None: cannot be stored at all."""


class ContactTable:
    """See `ports.ContactStore`."""

    def __init__(self, table: str, wire: Wire) -> None:
        self._table = table
        self._wire = wire
        self._statements = _Statements(table)

    def get(self, account_id: str, ids: Sequence[str]) -> dict[str, Contact]:
        """See `ports.ContactStore.get`."""
        unique = iter(dict.fromkeys(ids))
        batches = iter(lambda: list(islice(unique, KEYS_A_REQUEST)), [])
        found: dict[str, Contact] = {}
        for items in in_flight(partial(self._read, account_id), batches, limit=REQUESTS_IN_FLIGHT):
            found.update((contact.id, contact) for contact in map(contact_of, items))
        return found

    def scan(self, account_id: str, shard: int) -> Iterator[Contact]:
        """See `ports.ContactStore.scan`."""
        start: Item | None = None
        while True:
            items, start = self._query(partition(account_id, shard), start=start)
            yield from map(contact_of, items)
            if start is None:
                return

    def page(self, account_id: str, *, after: str | None, limit: int) -> ContactPage:
        """See `ports.ContactStore.page`.

        Ids are hashes, so all shards are about equally full: a shard with few contacts promises as few in the
        next, and more of those are asked at once. A small account costs 9 rounds of requests instead of 64.
        """
        found: list[Contact] = []
        shard, step = (shard_of(after) if after else 0), 1
        while shard < SHARDS and len(found) <= limit:
            shards = range(shard, min(shard + step, SHARDS))
            first = partial(self._first, account_id, after=after, limit=limit + 1)
            for contacts in sorted(in_flight(first, shards, limit=REQUESTS_IN_FLIGHT)):
                found += contacts[1]
            shard, step = shards.stop, min(step * 2, REQUESTS_IN_FLIGHT)
        more = len(found) > limit
        return ContactPage(found[:limit], found[limit - 1].id if more else None)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        """See `ports.ContactStore.write`.

        Raises:
            Unstorable: after all other writes were seen to.
        """
        waiting = iter(writes)
        batches = iter(lambda: list(islice(waiting, WRITES_A_REQUEST)), [])
        unstorable: list[str] = []
        for verdicts in in_flight(partial(self._write, account_id), batches, limit=REQUESTS_IN_FLIGHT):
            for write, done in verdicts:
                if done is None:
                    unstorable.append(_id(write))
                else:
                    yield write, done
        if unstorable:
            raise Unstorable(unstorable)

    def _read(self, account_id: str, ids: Sequence[str]) -> list[Item]:
        """The contacts among at most 100 ids. Keys that the table did not get to are asked for again."""
        keys = [{"pk": {"S": partition(account_id, shard_of(each))}, "sk": {"S": each}} for each in ids]
        items: list[Item] = []
        failures = 0
        while keys:
            request = {"RequestItems": {self._table: {"Keys": keys, "ConsistentRead": True}}}
            answer = self._wire.call("BatchGetItem", request)
            items += _contacts(answer["Responses"].get(self._table, ()))
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            failures = failures + 1 if len(left) == len(keys) else 0
            keys = left
            if keys:
                self._wait(failures, "BatchGetItem")
        return items

    def _query(
        self, key: str, *, start: Item | None = None, after: str | None = None, limit: int | None = None
    ) -> tuple[list[Item], Item | None]:
        """One page of a partition's contacts, and where the next begins."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": key}},
        }
        if after is not None:
            request["KeyConditionExpression"] += " AND sk > :after"
            request["ExpressionAttributeValues"][":after"] = {"S": after}
        if limit is not None:
            request["Limit"] = limit
        if start is not None:
            request["ExclusiveStartKey"] = start
        answer = self._wire.call("Query", request)
        return _contacts(answer["Items"]), answer.get("LastEvaluatedKey")

    def _first(
        self, account_id: str, shard: int, *, after: str | None, limit: int
    ) -> tuple[int, list[Contact]]:
        """The shard, and up to `limit` of its contacts beyond the id `after`."""
        if after is not None and shard_of(after) != shard:
            after = None  # earlier shards are behind us, later ones count from their beginning
        found: list[Item] = []
        start: Item | None = None
        while True:
            items, start = self._query(partition(account_id, shard), start=start, after=after, limit=limit)
            found += items
            if start is None or len(found) >= limit:
                return shard, [contact_of(item) for item in found[:limit]]

    def _write(self, account_id: str, batch: Sequence[Write]) -> list[_Verdict]:
        """Carry out at most 25 writes. Those that the table asks to wait with are tried again by themselves."""
        verdicts: list[_Verdict] = []
        left: list[tuple[Write, _Statement]] = []
        for write in batch:
            statement = self._statements.of(account_id, write)
            if statement is None:
                verdicts.append((write, None))
            else:
                left.append((write, statement))
        failures = 0
        while left:
            codes = self._execute([statement for _, statement in left])
            again = []
            for pair, code in zip(left, codes, strict=True):
                if code in TRANSIENT_STATEMENT:
                    again.append(pair)
                else:
                    verdicts.append((pair[0], _verdict(code)))
            failures = failures + 1 if len(again) == len(left) else 0
            left = again
            if left:
                self._wait(failures, "BatchExecuteStatement")
        return verdicts

    def _execute(self, statements: Sequence[_Statement]) -> list[str | None]:
        """What became of each statement: None, or the code of its error."""
        try:
            answer = self._wire.call("BatchExecuteStatement", {"Statements": statements})
        except (TypeError, ServiceError) as error:
            # One that neither JSON nor the table can hold fails the whole request, and nothing was carried out
            if isinstance(error, ServiceError) and error.code != "ValidationException":
                raise
            if len(statements) == 1:
                return ["ValidationError"]
            return [code for statement in statements for code in self._execute([statement])]
        return [reply["Error"]["Code"] if "Error" in reply else None for reply in answer["Responses"]]

    def _wait(self, failures: int, operation: str) -> None:
        """Wait before what is left is tried again; `failures` counts the rounds that got nothing done."""
        patience = self._wire.patience
        if failures >= patience.attempts:
            raise Busy(f"{operation} got nothing done in {failures} rounds.")
        patience.wait(max(failures, 1))


class _Statements:
    """PartiQL for the three kinds of write. Values travel as parameters, so nothing can break out of one."""

    def __init__(self, table: str) -> None:
        names = ("pk", "sk", "k", "v", "f", "s", "ca", "cb", "ua", "ub")
        insert = ", ".join(f"'{name}': ?" for name in names)
        update = " ".join(f"SET {name} = ?" for name in names[3:])
        # The table's name is the template's, and values are parameters
        where = "WHERE pk = ? AND sk = ? AND v = ? AND k = ?"  # k: an alias is nobody's to overwrite
        self._insert = f'INSERT INTO "{table}" VALUE {{{insert}}}'
        self._insert_in_segments = f"INSERT INTO \"{table}\" VALUE {{{insert}, 'g': ?}}"
        self._update = f'UPDATE "{table}" {update} REMOVE g {where}'
        self._update_in_segments = f'UPDATE "{table}" {update} SET g = ? {where}'  # noqa: S608
        self._delete = f'DELETE FROM "{table}" {where}'  # noqa: S608

    def of(self, account_id: str, write: Write) -> _Statement | None:
        """The statement that carries out `write`; None if its contact holds a value that no item can."""
        if isinstance(write, Remove):
            key = [{"S": partition(account_id, shard_of(write.contact_id))}, {"S": write.contact_id}]
            return {"Statement": self._delete, "Parameters": [*key, *_condition(write.version)]}
        contact = write.contact
        try:
            item = item_of(account_id, contact)
        except TypeError:
            return None
        values = list(item.values())
        if isinstance(write, Insert):
            statement = self._insert_in_segments if contact.segments else self._insert
            return {"Statement": statement, "Parameters": values}
        statement = self._update_in_segments if contact.segments else self._update
        return {
            "Statement": statement,
            "Parameters": [*values[3:], *values[:2], *_condition(contact.version - 1)],
        }


def _condition(version: int) -> list[dict[str, str]]:
    return [{"N": str(version)}, {"S": CONTACT}]


def _contacts(items: Iterable[Item]) -> list[Item]:
    """Without the aliases among them."""
    return [item for item in items if item["k"]["S"] == CONTACT]


def _verdict(code: str | None) -> bool | None:
    if code is None:
        return True
    if code in LOST:
        return False
    if code in UNSTORABLE:
        return None
    raise ServiceError("BatchExecuteStatement", 200, code, "unknown")


def _id(write: Write) -> str:
    return write.contact_id if isinstance(write, Remove) else write.contact.id

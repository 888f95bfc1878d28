"""The control table: small JSON documents under conditional writes.

pk           S   RecordKey.partition: an account, or a look-up of its own
sk           S   RecordKey.name: "<kind>#<id>"
v            N   version, from 1, one more with every write
d            S   the document as JSON
expires_at   N   epoch seconds; DynamoDB removes the item some time after, and it counts as gone from then on
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from contactsync.adapters.wire import TRANSIENT, ServiceError, Wire
from contactsync.errors import Busy, Stale
from contactsync.ports import Clock, Delete, Put, Record, RecordKey, RecordPage

WRITES_A_COMMIT = 100
"""DynamoDB's bound for one transaction."""

CONDITION_FAILED = "ConditionalCheckFailed"
TRANSIENT_REASONS = frozenset(code.removesuffix("Exception") for code in TRANSIENT) | {"ThrottlingError"}

_Item = Mapping[str, Mapping[str, Any]]


class ControlTable:
    """See `ports.Records`."""

    def __init__(self, table: str, wire: Wire, clock: Clock) -> None:
        self._table = table
        self._wire = wire
        self._clock = clock

    def get(self, key: RecordKey) -> Record | None:
        """See `ports.Records.get`."""
        request = {"TableName": self._table, "Key": _key(key), "ConsistentRead": True}
        item = self._wire.call("GetItem", request).get("Item")
        return _record(item) if item and self._is_alive(item) else None

    def commit(self, writes: Sequence[Put | Delete]) -> None:
        """See `ports.Records.commit`."""
        check_commit(writes)
        if len(writes) == 1:
            self._write_one(writes[0])
        elif writes:
            self._write_all(writes)

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
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": partition}},
            "ScanIndexForward": not newest_first,
            "Limit": limit + 1,  # one more than asked for tells whether this is the end
        }
        if prefix:
            request["KeyConditionExpression"] += " AND begins_with(sk, :prefix)"
            request["ExpressionAttributeValues"][":prefix"] = {"S": prefix}
        if after is not None:
            request["ExclusiveStartKey"] = _key(RecordKey(partition, after))
        found: list[Record] = []
        while len(found) <= limit:
            answer = self._wire.call("Query", request)
            found += [_record(item) for item in answer["Items"] if self._is_alive(item)]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        more = len(found) > limit
        return RecordPage(tuple(found[:limit]), found[limit - 1].key.name if more else None)

    def _write_one(self, write: Put | Delete) -> None:
        operation = "PutItem" if isinstance(write, Put) else "DeleteItem"
        try:
            self._wire.call(operation, self._conditional(write))
        except ServiceError as error:
            if error.code == "ConditionalCheckFailedException":
                raise Stale(_STALE) from None
            raise

    def _write_all(self, writes: Sequence[Put | Delete]) -> None:
        """One transaction. Its token makes sending it again harmless when the answer was lost on the way."""
        request = {
            "ClientRequestToken": secrets.token_hex(16),
            "TransactItems": [{type(write).__name__: self._conditional(write)} for write in writes],
        }
        patience = self._wire.patience
        for failures in range(1, patience.attempts + 1):
            try:
                self._wire.call("TransactWriteItems", request)
                return
            except ServiceError as error:
                reasons = set(error.reasons) - {"None"}
                # A failed condition decides, whatever else met the other writes: reading again is always right
                if CONDITION_FAILED in reasons and reasons <= TRANSIENT_REASONS | {CONDITION_FAILED}:
                    raise Stale(_STALE) from None
                if not reasons or not reasons <= TRANSIENT_REASONS:
                    raise
            if failures < patience.attempts:
                patience.wait(failures)
        raise Busy(
            f"Other transactions held one of {len(writes)} records during {patience.attempts} attempts."
        )

    def _conditional(self, write: Put | Delete) -> dict[str, Any]:
        """The request of one write. To it, an expired record that is still there is none."""
        values = {":now": {"N": str(self._now())}}
        if write.expected:
            condition = "v = :expected AND (attribute_not_exists(expires_at) OR expires_at > :now)"
            values[":expected"] = {"N": str(write.expected)}
        else:
            condition = "attribute_not_exists(pk) OR expires_at <= :now"
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        if isinstance(write, Delete):
            return request | {"Key": _key(write.key)}
        item: dict[str, Any] = {
            **_key(write.key),
            "v": {"N": str(write.expected + 1)},
            "d": {"S": orjson.dumps(write.document).decode()},
        }
        if write.expires_at is not None:
            item["expires_at"] = {"N": str(write.expires_at)}
        return request | {"Item": item}

    def _is_alive(self, item: _Item) -> bool:
        return "expires_at" not in item or int(item["expires_at"]["N"]) > self._now()

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


_STALE = "A record's version is not the one that was read. Nothing was written."


def check_commit(writes: Sequence[Put | Delete]) -> None:
    """Raises ValueError for what no commit may hold."""
    if len(writes) > WRITES_A_COMMIT:
        raise ValueError(f"A commit holds at most {WRITES_A_COMMIT} writes, not {len(writes)}.")
    if len({write.key for write in writes}) < len(writes):
        raise ValueError("A commit writes a record once.")


def check_page(prefix: str, after: str | None, limit: int) -> None:
    """Raises ValueError for a page that begins outside of what is asked for, or has no room."""
    if after is not None and not after.startswith(prefix):
        raise ValueError("The page must go on from a name with the prefix asked for.")
    if limit < 1:
        raise ValueError("A page has room for one record at least.")


def _key(key: RecordKey) -> dict[str, Any]:
    return {"pk": {"S": key.partition}, "sk": {"S": key.name}}


def _record(item: _Item) -> Record:
    expires_at = item.get("expires_at")
    return Record(
        key=RecordKey(item["pk"]["S"], item["sk"]["S"]),
        document=orjson.loads(item["d"]["S"]),
        version=int(item["v"]["N"]),
        expires_at=int(expires_at["N"]) if expires_at else None,
    )

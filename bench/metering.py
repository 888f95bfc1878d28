"""What AWS would bill of requests, counted from the requests and their answers as they pass.

    write units   1 KB of an item, begun; doubled within a transaction
    read units    4 KB, begun: of each item asked for by key, of a whole page of a Query; all our reads are consistent

Sizes are DynamoDB's: the bytes of names and values, and some for structure. An item that is deleted counts as one
unit: its size is not in the request, and contacts are below 1 KB.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

WRITE_BYTES = 1024
READ_BYTES = 4096
READS = frozenset({"GetItem", "Query", "BatchGetItem"})
_INSERTED = re.compile(r"'(\w+)': \?")
_SET = re.compile(r"SET (\w+) = \?")
_TABLE = re.compile(r'"([^"]+)"')
_REFUSED = {"DuplicateItem", "ConditionalCheckFailed"}


class Meter:
    """Counts by "<table> <what>" and by "<service> <operation>"."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def dynamodb(self, operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Note one request that was carried out, or refused by a condition."""
        self.counts[f"dynamodb {operation}"] += 1
        if operation == "BatchExecuteStatement":
            self._statements(request["Statements"], answer.get("Responses", ()))
        elif operation in READS:
            self._note_reads(operation, request, answer)
        else:
            self._note_writes(operation, request)

    def _statements(self, statements: Iterable[Any], replies: Iterable[Any]) -> None:
        for statement, reply in zip(statements, replies, strict=False):
            if reply.get("Error", {}).get("Code", "") in _REFUSED:
                self.counts[f"{_table(statement)} writes refused"] += 1
            self._write(_table(statement), write_units(size_of(item_of(statement))))

    def _note_writes(self, operation: str, request: Mapping[str, Any]) -> None:
        if operation in {"PutItem", "DeleteItem"}:
            self._write(request["TableName"], write_units(size_of(request.get("Item", {}))))
        elif operation == "TransactWriteItems":
            for part in request["TransactItems"]:
                [write] = part.values()
                self._write(write["TableName"], 2 * write_units(size_of(write.get("Item", {}))))
        elif operation == "BatchWriteItem":
            for name, writes in request["RequestItems"].items():
                for write in writes:
                    self._write(name, write_units(size_of(write["PutRequest"]["Item"])))

    def _note_reads(self, operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if operation == "GetItem":
            self._read(request["TableName"], read_units([answer.get("Item", {})]))
        elif operation == "Query":
            self._read(request["TableName"], read_units(answer.get("Items", ())))
        else:
            for name, asked in request["RequestItems"].items():
                found = answer.get("Responses", {}).get(name, [])
                missing = len(asked["Keys"]) - len(found)
                self._read(name, missing + sum(read_units([item]) for item in found))

    def s3(self, method: str, key: str, sent: int, received: int) -> None:
        """Note one request for an object; bytes as the bucket sees them: `sent` to it, `received` from it."""
        self.counts[f"s3 {method}"] += 1
        if method != "HEAD":  # whose answer tells of a body and has none
            self.counts[f"s3 bytes {_kind(key)} read"] += received
        self.counts[f"s3 bytes {_kind(key)} written"] += sent

    def other(self, service: str) -> None:
        """Note a request to any other service."""
        self.counts[f"other {service}"] += 1

    def _write(self, table: str, units: int) -> None:
        self.counts[f"{table} write units"] += units

    def _read(self, table: str, units: int) -> None:
        self.counts[f"{table} read units"] += units


def write_units(size: int) -> int:
    """Of one item."""
    return max(1, -(-size // WRITE_BYTES))


def read_units(items: Iterable[Mapping[str, Any]]) -> int:
    """Of what one read answers."""
    return max(1, -(-sum(map(size_of, items)) // READ_BYTES))


def item_of(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The item that an INSERT or UPDATE leaves, with its key; of a DELETE the key alone."""
    text, values = statement["Statement"], statement["Parameters"]
    if text.startswith("INSERT"):
        return dict(zip(_INSERTED.findall(text), values, strict=True))
    names = _SET.findall(text)
    key = dict(zip(("pk", "sk"), values[len(names) :], strict=False))
    return key | dict(zip(names, values, strict=False))


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes of an item."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(typed: Mapping[str, Any]) -> int:
    [(kind, value)] = typed.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return (len(value) + 1) // 2 + 1
    if kind == "M":
        return 3 + len(value) + size_of(value)
    if kind == "L":
        return 3 + len(value) + sum(map(_value_bytes, value))
    if kind == "SS":
        return sum(len(each.encode()) for each in value)
    return 1


def _table(statement: Mapping[str, Any]) -> str:
    found = _TABLE.search(statement["Statement"])
    return found[1] if found else ""


def _kind(key: str) -> str:
    """Which file of a run an object is, without whose: `rows`, `plan`, `source`, …"""
    parts = key.split("/")
    return parts[-1] if len(parts) < 5 else parts[3]

"""DynamoDB, S3, EventBridge and SES as far as an import speaks to them, in memory, as fast as one process answers.

    python -m bench.service       prints the port it listens on, and serves until it is stopped

Unlike bench.stub it keeps what it is given and checks conditions and versions, so that whole imports run on it, and
run again. It runs in a process of its own: its CPU is not counted as the client's. `GET /_meter` answers what has
been asked of it since the last time (bench.metering), and forgets it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from bisect import bisect_right
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from bench.metering import Meter, item_of, size_of

PAGE_BYTES = 1 << 20
"""What one Query reads at most, as in DynamoDB."""
PEERS = "peers"
PEERS_TABLE = {
    "TableName": PEERS,
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
_PART = re.compile(r"<PartNumber>(\d+)</PartNumber>")


class Refused(Exception):
    """A condition failed."""


def _partitions() -> defaultdict[str, dict[str, bytes]]:
    return defaultdict(dict)


class Tables:
    """Items by table and partition, encoded: a million Python dictionaries would need five times the memory."""

    def __init__(self) -> None:
        self._tables: defaultdict[str, defaultdict[str, dict[str, bytes]]] = defaultdict(_partitions)
        self._sorted: dict[tuple[str, str], list[str]] = {}

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """What DynamoDB says. Raises Refused, KeyError for an operation that no import uses."""
        operations = {
            "GetItem": self._get,
            "PutItem": self._write_one,
            "DeleteItem": self._write_one,
            "TransactWriteItems": self._transact,
            "Query": self._query,
            "BatchGetItem": self._batch_get,
            "BatchWriteItem": self._batch_write,
            "BatchExecuteStatement": self._statements,
            "DescribeTable": self._describe,
        }
        return operations[operation](request)

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["TableName"] == PEERS
        return {"Table": PEERS_TABLE}

    def _find(self, table: str, key: dict[str, Any]) -> dict[str, Any] | None:
        stored = self._tables[table][key["pk"]["S"]].get(key["sk"]["S"])
        return orjson.loads(stored) if stored else None

    def _store(self, table: str, item: dict[str, Any]) -> None:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if sk not in self._tables[table][pk]:
            self._sorted.pop((table, pk), None)
        self._tables[table][pk][sk] = orjson.dumps(item)

    def _remove(self, table: str, key: dict[str, Any]) -> None:
        if self._tables[table][key["pk"]["S"]].pop(key["sk"]["S"], None):
            self._sorted.pop((table, key["pk"]["S"]), None)

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        item = self._find(request["TableName"], request["Key"])
        return {"Item": item} if item else {}

    def _write_one(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check(request)
        self._apply(request)
        return {}

    def _transact(self, request: dict[str, Any]) -> dict[str, Any]:
        writes = [write for part in request["TransactItems"] for write in part.values()]
        for write in writes:
            self._check(write)
        for write in writes:
            self._apply(write)
        return {}

    def _check(self, write: dict[str, Any]) -> None:
        """The two conditions of the control table: this version, or none."""
        stored = self._find(write["TableName"], write.get("Item") or write["Key"])
        expected = write.get("ExpressionAttributeValues", {}).get(":expected")
        if (stored["v"] if stored else None) != expected:
            raise Refused

    def _apply(self, write: dict[str, Any]) -> None:
        if "Item" in write:
            self._store(write["TableName"], write["Item"])
        else:
            self._remove(write["TableName"], write["Key"])

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        values = request["ExpressionAttributeValues"]
        table, pk = request["TableName"], values[":pk"]["S"]
        stored = self._tables[table][pk]
        names = self._sorted.setdefault((table, pk), sorted(stored))
        prefix = values.get(":prefix", {}).get("S", "")
        after = request.get("ExclusiveStartKey", {}).get("sk", values.get(":after", {})).get("S")
        newest_first = not request.get("ScanIndexForward", True)
        if newest_first:
            names = [name for name in reversed(names) if after is None or name < after]
        elif after is not None:
            names = names[bisect_right(names, after) :]
        items: list[dict[str, Any]] = []
        size = 0
        for name in names:
            if not name.startswith(prefix):
                continue
            item = orjson.loads(stored[name])
            items.append(item)
            size += size_of(item)
            if size >= PAGE_BYTES or len(items) >= request.get("Limit", size):
                last = {"pk": item["pk"], "sk": item["sk"]}
                return {"Items": items, "Count": len(items), "LastEvaluatedKey": last}
        return {"Items": items, "Count": len(items)}

    def _batch_get(self, request: dict[str, Any]) -> dict[str, Any]:
        found = {
            table: [item for key in asked["Keys"] if (item := self._find(table, key))]
            for table, asked in request["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def _batch_write(self, request: dict[str, Any]) -> dict[str, Any]:
        """Peers put items over whatever is there."""
        for table, writes in request["RequestItems"].items():
            for write in writes:
                item = write["PutRequest"]["Item"]
                self._tables[table][item["id"]["S"]][""] = orjson.dumps(item)
        return {"UnprocessedItems": {}}

    def _statements(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"Responses": [self._carried_out(statement) for statement in request["Statements"]]}

    def _carried_out(self, statement: dict[str, Any]) -> dict[str, Any]:
        text, values = statement["Statement"], statement["Parameters"]
        table = text.split('"')[1]
        item = item_of(statement)
        stored = self._find(table, item)
        if text.startswith("INSERT"):
            if stored:
                return {"Error": {"Code": "DuplicateItem"}, "TableName": table}
        elif stored is None or stored["v"] != values[-1]:
            return {"Error": {"Code": "ConditionalCheckFailed"}, "TableName": table}
        if text.startswith("DELETE"):
            self._remove(table, item)
        else:
            self._store(table, item)
        return {"TableName": table}


class Objects:
    """One bucket for all."""

    def __init__(self) -> None:
        self._stored: dict[str, bytes] = {}
        self._parts: dict[str, dict[int, bytes]] = {}

    def answer(self, method: str, target: str, head: bytes, body: bytes) -> tuple[int, str, bytes]:
        """Status, further headers, body."""
        url = urlsplit(target)
        key, query = unquote(url.path), parse_qs(url.query, keep_blank_values=True)
        if method == "PUT":
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if "partNumber" in query:
                self._parts[query["uploadId"][0]][int(query["partNumber"][0])] = body
            else:
                self._stored[key] = body
            return 200, f'ETag: "{etag}"\r\n', b""
        if method == "POST":
            return 200, "Content-Type: application/xml\r\n", self._multipart(key, query, body)
        if method == "DELETE":
            self._stored.pop(key, None)
            return 204, "", b""
        if key not in self._stored:
            return 404, "", b"<Error><Code>NoSuchKey</Code></Error>" if method == "GET" else b""
        return self._read(self._stored[key], _header(head, b"range:"))

    def _read(self, data: bytes, span: bytes) -> tuple[int, str, bytes]:
        etag = f'ETag: "{len(data):x}"\r\n'
        if not span:
            return 200, etag, data
        first, _, last = span.removeprefix(b"bytes=").partition(b"-")
        if int(first) >= len(data):
            return 416, "", b"<Error><Code>InvalidRange</Code></Error>"
        stop = min(int(last) + 1, len(data)) if last else len(data)
        where = f"Content-Range: bytes {int(first)}-{stop - 1}/{len(data)}\r\n"
        return 206, etag + where, data[int(first) : stop]

    def _multipart(self, key: str, query: dict[str, list[str]], body: bytes) -> bytes:
        if "uploads" in query:
            upload = str(len(self._parts))
            self._parts[upload] = {}
            return f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode()
        parts = self._parts[query["uploadId"][0]]
        named = _PART.findall(body.decode())
        self._stored[key] = b"".join(parts.pop(int(number)) for number in named)
        return b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"


TABLES, OBJECTS = Tables(), Objects()
METERS = [Meter()]


class Service(asyncio.Protocol):
    """One connection: requests with Content-Length in, answers out."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._told_to_go_on = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._received += data
        while (head_end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:head_end])
            end = head_end + 4 + int(_header(head, b"content-length:") or 0)
            if len(self._received) < end:
                if not self._told_to_go_on and _header(head, b"expect:"):
                    self._told_to_go_on = True
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = bytes(self._received[head_end + 4 : end])
            del self._received[:end]
            self._told_to_go_on = False
            status, headers, answer = respond(head, body)
            length = "" if status == 204 else f"Content-Length: {len(answer)}\r\n"
            line = f"HTTP/1.1 {status} Ok\r\n{length}{headers}x-amzn-RequestId: BENCH\r\n\r\n"
            self._transport.write(line.encode())
            if not head.startswith(b"HEAD"):
                self._transport.write(answer)


def respond(head: bytes, body: bytes) -> tuple[int, str, bytes]:
    """Status, headers and body of any answer."""
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    operation = _header(head, b"x-amz-target:").decode()
    if target == "/_meter":
        counts, METERS[0] = METERS[0].counts, Meter()
        return 200, "", orjson.dumps(counts)
    if operation.startswith("DynamoDB"):
        return _dynamodb(operation.rpartition(".")[2], orjson.loads(body))
    if operation or target.startswith("/v2/email"):
        METERS[0].other(operation or "mail")
        return (
            200,
            "Content-Type: application/json\r\n",
            b'{"MessageId":"1","FailedEntryCount":0,"Entries":[{"EventId":"1"}]}',
        )
    answer = OBJECTS.answer(method, target, head, body)
    METERS[0].s3(method, urlsplit(target).path[1:].partition("/")[2], len(body), len(answer[2]))
    return answer


def _dynamodb(operation: str, request: dict[str, Any]) -> tuple[int, str, bytes]:
    try:
        answer, status = TABLES.answer(operation, request), 200
    except Refused:
        answer, status = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}, 400
    # Before the projection: what is read is billed, not what is told
    METERS[0].dynamodb(operation, request, answer)
    if "ProjectionExpression" in request:
        answer["Items"] = [projected(item, request) for item in answer["Items"]]
    content = orjson.dumps(answer)
    headers = f"Content-Type: application/x-amz-json-1.0\r\nx-amz-crc32: {zlib.crc32(content)}\r\n"
    return status, headers, content


def projected(item: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The attributes that a query asks for: whole ones, or single keys of a map."""
    names = request.get("ExpressionAttributeNames", {})
    shown: dict[str, Any] = {}
    for path in request["ProjectionExpression"].split(", "):
        name, _, key = path.partition(".")
        if not key and name in item:
            shown[name] = item[name]
        elif key and names[key] in item.get(name, {"M": {}})["M"]:
            shown.setdefault(name, {"M": {}})["M"][names[key]] = item[name]["M"][names[key]]
    return shown


def _header(head: bytes, name: bytes) -> bytes:
    start = head.lower().find(b"\r\n" + name)
    if start < 0:
        return b""
    start += 2 + len(name)
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


async def serve() -> None:
    """Listen on a free port of the loopback interface until stopped."""
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())

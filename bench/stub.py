"""DynamoDB that says yes at once and keeps nothing: what remains of a writer's time is the writer's own work.

    python -m bench.stub 0        prints the port it listens on, and serves until it is stopped

It runs in a process of its own, so that its CPU is not counted as the writer's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from functools import cache

TABLE = {
    "Table": {
        "TableName": "bench",
        "TableStatus": "ACTIVE",
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    }
}


class Stub(asyncio.Protocol):
    """One connection: requests with Content-Length in, canned answers out."""

    def __init__(self) -> None:
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._received += data
        while (head_end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:head_end]).lower()
            length = int(_header(head, b"content-length:") or 0)
            end = head_end + 4 + length
            if len(self._received) < end:
                return
            operation = _header(head, b"x-amz-target:").rpartition(b".")[2]
            statements = (
                self._received.count(b'{"Statement":', head_end, end)
                if operation.startswith(b"batche")
                else 0
            )
            del self._received[:end]
            self._transport.write(answer(operation, statements))


@cache
def answer(operation: bytes, statements: int) -> bytes:
    """The whole HTTP answer, with the checksum that DynamoDB sends."""
    bodies: dict[bytes, object] = {
        b"batchexecutestatement": {"Responses": [{"TableName": "bench"}] * statements},
        b"batchwriteitem": {"UnprocessedItems": {}},
        b"describetable": TABLE,
    }
    body = json.dumps(bodies.get(operation, {})).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n"
        f"x-amzn-RequestId: BENCH\r\nx-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


def _header(head: bytes, name: bytes) -> bytes:
    start = head.find(b"\r\n" + name)
    if start < 0:
        return b""
    start += 2 + len(name)
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


async def serve(port: int) -> None:
    """Listen on loopback until cancelled; port 0 takes a free one."""
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))

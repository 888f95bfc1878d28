"""From a source into a bucket, every byte counted into the digest, the object there whole or not at all; or, to be
looked at, the first megabytes into memory.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from typing import cast

from contactsync.errors import UnreadableFile
from contactsync.model.source import RemoteSource, external_id
from contactsync.ports import Beginning, Carried, Destination, Objects, Source
from contactsync.sources.transfer import Limits

COPY_BYTES = 1 << 20
MAX_SOURCE_BYTES = 5 * 1024**3
PEEK_BYTES = 4 << 20
"""How much of a file is looked at: in base64 it still fits into the answer of a function, which holds 6 MB."""
PEEK_S = 8.0
"""What has come by then is enough to look at: somebody waits."""
PEEK_LIMITS = Limits(connect_s=4, read_s=5, answer_s=10, total_s=14, attempts=1, settled_s=0)
"""One attempt: whoever waits can ask again, and knows then that the server broke off. Nor need a beginning have settled."""
PIECE_BYTES = 64 << 10


def copied(source: Source, objects: Objects, key: str) -> Carried:
    """Stream a source into an object. Raises what `Source.open` does, and UnreadableFile: too_large."""
    digest = hashlib.sha256()
    size = 0
    with source.open() as stream, objects.writer(key) as out:
        while data := stream.body.read(COPY_BYTES):
            size += len(data)
            if size > MAX_SOURCE_BYTES:
                raise too_large()
            digest.update(data)
            out.write(data)
        ending = stream.ending()
    return Carried(digest.hexdigest(), ending, size, stream.last_modified, stream.host_key)


def begun(source: Source, *, most_bytes: int, most_s: float) -> Beginning:
    """The first bytes of a source, so many or as come in so many seconds. Raises what `Source.open` does."""
    until = time.monotonic() + most_s
    data = bytearray()
    with source.open() as stream:
        body = cast(io.BufferedReader, stream.body)
        while piece := body.read1(PIECE_BYTES):
            data += piece
            if len(data) > most_bytes or time.monotonic() > until:
                break
        return Beginning(
            data=bytes(data[:most_bytes]),
            whole=not piece,
            size=stream.size,
            name=stream.name,
            modified=stream.last_modified,
            host_key=stream.host_key,
        )


def too_large() -> UnreadableFile:
    """What is said of a file of more than MAX_SOURCE_BYTES, as soon as that is known."""
    return UnreadableFile("too_large", "The file is larger than 5 GiB.", "Split it into several files.")


class DirectCourier:
    """See `ports.Courier`: goes there itself, with whatever this process may do. `opened` is `opening.source_of`."""

    def __init__(self, opened: Callable[..., Source], objects: Objects) -> None:
        self._opened = opened
        self._objects = objects

    def carry(self, source: RemoteSource, to: Destination, *, host_key: str | None) -> Carried:
        """See `ports.Courier.carry`."""
        there = self._opened(source, host_key=host_key, external_id=external_id(to.account_id))
        return copied(there, self._objects, to.key)


class DirectPeeker:
    """See `ports.Peeker`: as `DirectCourier`."""

    def __init__(self, opened: Callable[..., Source]) -> None:
        self._opened = opened

    def peek(self, account_id: str, source: RemoteSource) -> Beginning:
        """See `ports.Peeker.peek`."""
        there = self._opened(source, external_id=external_id(account_id), limits=PEEK_LIMITS)
        return begun(there, most_bytes=PEEK_BYTES, most_s=PEEK_S)

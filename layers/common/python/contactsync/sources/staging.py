"""From a source into a bucket: every byte counted into the digest, the object there whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from contactsync.errors import UnreadableFile
from contactsync.model.source import RemoteSource, external_id
from contactsync.ports import Carried, Destination, Objects, Source

COPY_BYTES = 1 << 20
MAX_SOURCE_BYTES = 5 * 1024**3


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

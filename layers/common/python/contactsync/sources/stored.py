"""Files that lie in a bucket of ours: uploads, and text that was pasted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from contactsync.errors import NotFound, UnreadableFile
from contactsync.ports import Ending, Objects, SourceStream


class StoredSource:
    """See `ports.Source`. The bucket vouches for the length, so what is read to its end is complete."""

    def __init__(self, objects: Objects, key: str) -> None:
        self.objects = objects
        self.key = key

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        """See `ports.Source.open`."""
        try:
            with self.objects.open(self.key) as body:
                yield SourceStream(body, lambda: _ending(body), name=self.key.rpartition("/")[2])
        except NotFound:
            raise UnreadableFile(
                "nothing_uploaded",
                "No file has arrived for this upload.",
                "PUT the file to the upload's url first, then start the import again.",
            ) from None


def _ending(body: BinaryIO) -> Ending:
    return Ending(None, "The file was not read to its end.") if body.read(1) else Ending("length")

"""Files that lie in a bucket of ours: uploads, text that was pasted, and files that were dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from contactsync.errors import NotFound, UnreadableFile
from contactsync.ports import Ending, Objects, SourceStream, Version


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
            raise gone() from None


class DroppedSource:
    """See `ports.Source`. One version of an object: S3 shows it only when all its bytes have come, and never changes it."""

    def __init__(self, objects: Objects, key: str, version: Version) -> None:
        self.objects = objects
        self.key = key
        self.version = version

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        """See `ports.Source.open`."""
        try:
            with self.objects.open_version(self.key, self.version) as body:
                yield SourceStream(body, lambda: _ending(body), name=self.key.rpartition("/")[2])
        except NotFound:
            raise UnreadableFile(
                "dropped_file_gone",
                "The file is no longer in the drop bucket as it arrived.",
                "Put it there again: it is imported when it has arrived.",
            ) from None


def gone() -> UnreadableFile:
    """An upload that was there when its run was asked for."""
    return UnreadableFile(
        "upload_forgotten",
        "The uploaded file is kept no longer.",
        "Send it again with POST /v1/uploads, and name it when you run the sync.",
    )


def _ending(body: BinaryIO) -> Ending:
    return Ending(None, "The file was not read to its end.") if body.read(1) else Ending("length")

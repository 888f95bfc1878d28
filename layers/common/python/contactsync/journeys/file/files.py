"""A file's bytes, wherever they lie: opened from the beginning, or read back and forth in bounded memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, Protocol, cast

from contactsync.ports import Objects

COPY_BYTES = 8 << 20
SEEK_BYTES = 1 << 20
"""What is fetched at once of a file that is read back and forth."""


class Opens(Protocol):
    """How a range of a file is opened."""

    def __call__(self, *, offset: int = 0, length: int | None = None) -> AbstractContextManager[BinaryIO]: ...


@dataclass(frozen=True, slots=True)
class File:
    """Bytes that can be opened as often as needed.

    `here` is None where they are the whole file. Of one whose beginning alone has been fetched they are so many, and
    `size` is the whole file's, 0 where nobody knows it.
    """

    size: int
    open: Opens
    here: int | None = None


def stored(objects: Objects, key: str) -> File:
    """An object of a bucket."""
    return File(objects.size(key) or 0, partial(objects.open, key))


def pasted(data: bytes) -> File:
    """Bytes in memory."""

    @contextmanager
    def opened(*, offset: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        yield io.BytesIO(data[offset : None if length is None else offset + length])

    return File(len(data), opened)


def beginning(data: bytes, size: int) -> File:
    """The first bytes of a file, in memory."""
    return replace(pasted(data), size=size, here=len(data))


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The stream's bytes in pieces of some megabytes."""
    return iter(partial(stream.read, COPY_BYTES), b"")


@contextmanager
def seekable(file: File) -> Iterator[BinaryIO]:
    """The file to be read back and forth, a range at a time."""
    with io.BufferedReader(_Ranges(file), SEEK_BYTES) as stream:
        yield cast(BinaryIO, stream)


class _Ranges(io.RawIOBase):
    """A file as a raw stream: each read opens the range that it asks for."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        length = min(len(buffer), self._file.size - self._at)
        if length <= 0:
            return 0
        with self._file.open(offset=self._at, length=length) as stream:
            data = stream.read(length)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

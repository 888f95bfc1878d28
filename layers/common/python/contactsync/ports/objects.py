"""Files of one bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class ObjectWriter(Protocol):
    """An object in the making: it appears, whole, when the context ends without an error."""

    def write(self, data: bytes, /) -> int:
        """Append; returns the number of bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object: the bucket's name for it, and the ETag that its bytes have."""

    id: str
    etag: str


class Objects(Protocol):
    """Files of one bucket."""

    def get(self, key: str) -> bytes:
        """A small object, whole. Raises NotFound."""
        ...

    def open(
        self, key: str, *, offset: int = 0, length: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Stream an object or a range of it. A body that ends early raises Busy, never a quiet end.

        Raises NotFound.
        """
        ...

    def open_version(self, key: str, version: Version) -> AbstractContextManager[BinaryIO]:
        """As `open`, of exactly this version, whatever has been stored over it since.

        Raises NotFound, also where what is there under this name has another ETag; UnreadableFile: dropped_file_locked,
        it was encrypted under a key of its writer's.
        """
        ...

    def size(self, key: str) -> int | None:
        """Bytes of an object; None if there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store a small object, whole, over whatever is there."""
        ...

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Stream an object of any size in bounded memory. An error inside leaves nothing behind."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """What lies right below `prefix`, which ends with a slash: "runs/" → "runs/a1/", "runs/a2/", in order."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these objects; one that is not there is no error. Stops half way when raising."""
        ...

    def presign_put(self, key: str, *, expires_s: int) -> str:
        """A URL to which anybody may PUT this object until it expires."""
        ...

    def presign_get(self, key: str, *, expires_s: int, filename: str) -> str:
        """A URL from which anybody may GET this object, saved under `filename`, until it expires."""
        ...

"""Where a file comes from, and who fetches it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from contactsync.model.source import RemoteSource


@dataclass(frozen=True, slots=True)
class Ending:
    """How a source's bytes ended.

    `proof` names the evidence that they are all there are ("length", "terminal_chunk", "size"). None: there is
    none; a run may then add and update, never delete, and `doubt` says to the customer why.
    """

    proof: str | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class SourceStream:
    """The bytes of a source as they come, and what is known about them.

    `ending` answers once `body` has been read to its end; before that nothing is proven. A body that is known
    to be cut raises SourceAway instead of ending. `name` is what was read, without its folder; of several files that
    match a pattern it says which. `size` in bytes, `etag` and `last_modified` (RFC 3339, UTC) are what the server claims:
    hints, not proof.
    `host_key` is an SSH server's "<type> SHA256:<fingerprint>", to be stored and given to the next fetch.
    """

    body: BinaryIO
    ending: Callable[[], Ending]
    name: str = ""
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    host_key: str | None = None


class Source(Protocol):
    """Where a file comes from."""

    def open(self) -> AbstractContextManager[SourceStream]:
        """Stream the file from its beginning.

        Raises, here or while the body is read:
            UnreadableFile: there is no file, or we may not have it; says what to do. Trying again is no use.
            SourceAway: the server is away, slow or keeps breaking off; what was read so far is of no use.
        """
        ...


@dataclass(frozen=True, slots=True)
class Carried:
    """A file that was copied: the SHA-256 of its bytes, how they ended, how many they are; and what the server said.

    `modified` is RFC 3339, `host_key` an SSH server's; None where there is none.
    """

    digest: str
    ending: Ending
    size: int
    modified: str | None = None
    host_key: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run's file is put: the object `key` of the runs bucket."""

    account_id: str
    run_id: str
    key: str


class Courier(Protocol):
    """Copies files from customers' servers, where nobody knows what is sent back."""

    def carry(self, source: RemoteSource, to: Destination, *, host_key: str | None) -> Carried:
        """Copy a file, whole or not at all. `source` has its secrets, `host_key` is what it had before.

        Raises what `Source.open` does, and UnreadableFile: too_large.
        """
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first bytes of a source. `whole`: they are all there are. The rest is what `SourceStream` says."""

    data: bytes = field(repr=False)
    whole: bool
    size: int | None
    name: str = ""
    modified: str | None = None
    host_key: str | None = None


class Peeker(Protocol):
    """Looks at files on customers' servers while somebody waits; keeps nothing."""

    def peek(self, account_id: str, source: RemoteSource) -> Beginning:
        """The first megabytes of a file, or what has come of it within some seconds. `source` has its secrets.

        Raises what `Source.open` does.
        """
        ...

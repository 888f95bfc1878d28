"""Small documents under conditional writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class RecordKey:
    """Where a control record lies: `partition` is an account or a look-up, `name` is "<kind>#<id>"."""

    partition: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON document and its version; `expires_at` is epoch seconds, after which it may vanish."""

    key: RecordKey
    document: dict[str, Any]
    version: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Store a document if the stored version is `expected`; 0 means that there must be none."""

    key: RecordKey
    document: dict[str, Any]
    expected: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a document if the stored version is `expected`."""

    key: RecordKey
    expected: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records in name order, and the name to go on after; None at the end."""

    records: Sequence[Record] = field(default_factory=tuple)
    next: str | None = None


class Records(Protocol):
    """Small documents under conditional writes: the control table."""

    def get(self, key: RecordKey) -> Record | None:
        """The record as last written."""
        ...

    def commit(self, writes: Sequence[Put | Delete]) -> None:
        """Carry out all writes or none; at most 100, one a key.

        Raises:
            Stale: a version was not as expected. Nothing was written. A lost answer to an earlier commit of
                the same writes looks the same: read again to tell.
        """
        ...

    def page(
        self,
        partition: str,
        prefix: str,
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> RecordPage:
        """Records of a partition whose names begin with `prefix`, in name order or its reverse."""
        ...

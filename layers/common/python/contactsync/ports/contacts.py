"""The contact list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from contactsync.model.contact import Contact, Glimpse, Origin, Slot


@dataclass(frozen=True, slots=True)
class Insert:
    """Fill a slot that is empty."""

    slot: Slot

    @property
    def slot_id(self) -> str:
        """Which slot."""
        return self.slot.id


@dataclass(frozen=True, slots=True)
class Replace:
    """Fill a slot anew, over the version that was read; `slot.version` is one more, the kind may be another."""

    slot: Slot

    @property
    def slot_id(self) -> str:
        """Which slot."""
        return self.slot.id


@dataclass(frozen=True, slots=True)
class Remove:
    """Empty a slot at the version that was read."""

    slot_id: str
    version: int


Write = Insert | Replace | Remove


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Some contacts in id order, and where to go on; None at the end."""

    contacts: Sequence[Contact]
    next: str | None


class ContactStore(Protocol):
    """The contacts of all accounts."""

    def get(self, account_id: str, ids: Sequence[str]) -> dict[str, Contact]:
        """The contacts among `ids` that exist, by id, each as last written."""
        ...

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        """Whatever lies in those of these slots that are not empty, by id, each as last written."""
        ...

    def scan(self, account_id: str, shard: int) -> Iterator[Slot]:
        """Every slot of one shard that is not empty, in id order; reads on as the caller goes on."""
        ...

    def glimpses(self, account_id: str, shard: int, fields: Collection[str]) -> Iterator[Glimpse]:
        """As `scan`, a glimpse of each with these fields: as many read units, a quarter of the bytes and the CPU."""
        ...

    def page(self, account_id: str, *, after: str | None, limit: int) -> ContactPage:
        """Up to `limit` contacts of the account that follow the id `after`."""
        ...

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        """Carry out every write whose condition holds, in batches and in any order.

        Yields each write with whether it was carried out; False means that the stored version is another
        one (or that the slot is not empty, for Insert) and that nothing was written. A False may also be our
        own earlier write, whose answer was lost: read again to tell. A slot occurs once in `writes`.
        """
        ...

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        """Insert the contacts of which plan lines say that they are new (`core.newcomers`): as `write`, for half the CPU.

        Yields the lines that were not carried out, under the conditions under which `write` yields False.
        """
        ...

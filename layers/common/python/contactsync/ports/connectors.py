"""Address books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from contactsync.model.card import Capabilities, Card, Draft, Edit, Group, Holder, Outcome, Pulled
from contactsync.model.contact import Fields


class Connector(Protocol):
    """One person's address book at a provider.

    Every method may raise, besides Busy (which names in `retry_after_s` how long the provider wants to be left alone):
        AccessLost: the provider does not let us in any more, and only the person can change that.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can."""
        ...

    def held(self, fields: Fields) -> Fields:
        """What of these fields the provider would give back if they were written to a card. Asks nobody.

        The law of every connector: a card written with `fields` and read again has exactly `held(fields)`, and
        `held(held(fields)) == held(fields)`. What is not held stays with us, and its absence there means nothing.
        """
        ...

    def holder(self) -> Holder:
        """Whose book it is."""
        ...

    def groups(self) -> Sequence[Group]:
        """What can be chosen, the whole book first."""
        ...

    def pull(self, group: str, cursor: str) -> Iterator[Pulled]:
        """What has changed in a group since `cursor`; everything that is in it if that is empty.

        The last part carries the next cursor; a pull that ends without one was cut, and raises Busy instead.
        Our own earlier writes may come back, at once or minutes later, or not at all.

        Raises:
            CursorExpired: the provider has forgotten the cursor; pull anew without one. Parts given before that
                count for nothing.
        """
        ...

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        """Those of these cards that exist, whatever group they are in, each as it is now.

        One that has another id now may come under that, and names the former.

        One that cannot be read is there as well, with its `damage` and without fields: who is not there is deleted.
        """
        ...

    def find(self, markers: Sequence[str]) -> dict[str, Card]:
        """The cards that were made with these markers, as far as the provider shows them yet."""
        ...

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        """Make cards in a group: Written, Refused, or Unknown. A draft that was not sent is Changed."""
        ...

    def update(self, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Outcome]]:
        """Change cards that are still as they were read. Whatever `fields` does not speak of (`extra`) stays."""
        ...

    def delete(self, cards: Sequence[Card]) -> Iterator[tuple[Card, Outcome]]:
        """Delete cards that are still as they were read: Written with the card as it was, Changed, or Missing."""
        ...

    def photo(self, card: Card) -> bytes | None:
        """The card's picture as it was put there, byte for byte if the provider keeps it so; None if there is none."""
        ...

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        """Give the card a JPEG or PNG picture, or none."""
        ...

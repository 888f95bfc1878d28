"""What of a card a sync looks at: which of its fields, under which keys of ours, and how much of them.

All that is compared and merged is seen through this; all that is written goes back through it, over what the card
holds besides. So what a sync does not look at stays where it is, on either side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contactsync.core.overlay import is_empty
from contactsync.model.contact import Fields
from contactsync.model.field import PRIMARIES


@dataclass(frozen=True, slots=True)
class View:
    """The fields of a card that count.

    Attributes:
        keys: the card's key → ours.
        primary_address: of several addresses the first one only.
        whole_birthday: no birthday without a year.
    """

    keys: Mapping[str, str]
    primary_address: bool = False
    whole_birthday: bool = False

    def into(self, card: Fields) -> Fields:
        """A card's fields → those of a contact."""
        seen = ((ours, self._seen(theirs, card.get(theirs))) for theirs, ours in self.keys.items())
        return {key: value for key, value in seen if not is_empty(value)}

    def out(self, contact: Fields, card: Fields) -> Fields:
        """A contact's fields → those of its card, which has `card` now."""
        written = dict(card)
        for theirs, ours in self.keys.items():
            value = self._seen(theirs, contact.get(ours))
            rest = self._unseen(theirs, card.get(theirs))
            if isinstance(rest, list):
                value = [*(value or []), *rest]
            elif is_empty(value):
                value = rest
            if is_empty(value):
                written.pop(theirs, None)
            else:
                written[theirs] = value
        return written

    def _seen(self, key: str, value: Any) -> Any:
        if self.primary_address and key == "addresses" and value:
            return value[:1]
        return None if self._is_yearless(key, value) else value

    def _unseen(self, key: str, value: Any) -> Any:
        """What the card keeps under this key whatever we write."""
        if self.primary_address and key == "addresses" and value:
            return value[1:]
        return value if self._is_yearless(key, value) else None

    def _is_yearless(self, key: str, value: Any) -> bool:
        return self.whole_birthday and key == "birthday" and isinstance(value, str) and value.startswith("--")


def keys_of(mapping: Iterable[tuple[str, str]], holds: Iterable[str]) -> dict[str, str]:
    """The card's key → ours: as a mapping says, or else each field under its own key. Lists stand for their primary."""
    mapped = {PRIMARIES.get(theirs, theirs): PRIMARIES.get(ours, ours) for theirs, ours in mapping}
    held = sorted(holds)
    return {key: mapped[key] for key in held if key in mapped} if mapped else {key: key for key in held}

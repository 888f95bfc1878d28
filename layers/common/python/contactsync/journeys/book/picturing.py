"""What becomes of the picture of a contact and its card.

What a provider calls a picture (`Card.photo`) says whether it has changed there; only then are its bytes fetched, and
what counts of them is the hash of how they came. A picture of ours that a provider gives back encoded anew, or smaller, is
no change, and one that bears our mark is nobody's picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from contactsync.core.merging import Side
from contactsync.core.pictures import digest_of, is_copy, is_marked, is_name, marked, name_of, size_of
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.gathering import CARDS_AT_ONCE
from contactsync.journeys.book.meeting import Pair
from contactsync.journeys.file.runfiles import batches
from contactsync.model.card import Card
from contactsync.model.connection import Shown
from contactsync.model.contact import Contact, Fields, Slot

PHOTOS_A_RUN = 500
"""Pictures that a run fetches or puts there, one by one, a second or less each; the others wait for the next run."""
TOKENS_A_RUN = 4_000
"""Cards that are asked what their picture is called, where lists do not say."""


class Wanted(NamedTuple):
    """What a card shall show: the picture of this name, "" for none, and whether under the hub's mark."""

    photo: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Pictured:
    """What becomes of the pictures of one pair.

    Attributes:
        shown: the link's.
        photo: the contact's `photo`, where it changes; "" empties it.
        wanted: what is to be put on the card, if anything is.
        waits: the next run has to look at the pair again.
    """

    shown: Shown | None
    photo: str | None = None
    wanted: Wanted | None = None
    waits: bool = False


@dataclass(slots=True)
class Picturing:
    """Decides over the pictures of one run, pair by pair. `noted` counts what people should hear of."""

    work: BookRun
    noted: Counter[str]
    _tokens: dict[str, str | None] = field(default_factory=dict)
    _moved: int = 0

    def look(self, pairs: Iterable[Pair], slots: Mapping[str, Slot]) -> None:
        """Ask what the pictures of these cards are called, as far as nobody has told and it matters."""
        if not self.work.carries_photos:
            return
        untold = [
            pair.card.id
            for pair in pairs
            if pair.card is not None
            and pair.card.photo is None
            and (
                not self.work.connector.capabilities.lists_photos
                or self._is_to_go(slots.get(pair.contact_id))
            )
        ]
        for ids in batches(untold[:TOKENS_A_RUN], CARDS_AT_ONCE):
            found = self.work.connector.read(ids)
            self._tokens.update((id_, card.photo) for id_, card in found.items())

    def _is_to_go(self, slot: Slot | None) -> bool:
        """Whether a card that has not changed may get a picture all the same."""
        return self.work.is_hub or (isinstance(slot, Contact) and is_name(slot.fields.get("photo")))

    def of_pair(self, pair: Pair, contact_id: str, ours: Contact | None, newer: Side | None) -> Pictured:
        """Of a pair of which both stay, or come."""
        shown = pair.before.value.shown if pair.before is not None else None
        if not self.work.carries_photos:
            return Pictured(shown)
        value = str(ours.fields.get("photo") or "") if ours is not None else ""
        if pair.card is None:
            return self._going(Pictured(Shown()), value, is_new=True)
        token = pair.card.photo if pair.card.photo is not None else self._tokens.get(pair.card.id)
        is_elsewhere = bool(value) and not is_name(value)
        if token is None and is_name(value) and value != (shown or Shown()).photo:
            return Pictured(shown, waits=True)  # the card is gone, and its list does not say so yet
        if token is None or (is_elsewhere and (not self.work.is_hub or (token and shown is None))):
            return Pictured(shown)  # an address of the web is the contact's own, and no picture that we keep
        seen = _Seen(pair.card, token, shown, contact_id, "" if is_elsewhere else value, newer, ours is None)
        if is_elsewhere:
            return self._going(Pictured(shown), "", is_new=False)
        return self._going(self._coming(seen), value, is_new=ours is None)

    def parted(self, pair: Pair) -> Wanted | None:
        """Of a card that does not follow its contact any more: it is given back what it showed without the mark."""
        link = pair.before.value if pair.before is not None else None
        if (
            pair.card is None
            or link is None
            or link.shown is None
            or not link.is_marked
            or not self.work.pushes
        ):
            return None
        return Wanted(link.shown.photo, marked=False)

    # What comes from the card

    def _coming(self, seen: _Seen) -> Pictured:
        shown = seen.shown
        if shown is not None and seen.token == shown.token and not shown.begun:
            return Pictured(shown)
        if not seen.token:
            return self._gone(seen)
        if self._moved >= PHOTOS_A_RUN:
            self.noted["photos_wait"] += 1
            return Pictured(shown, waits=True)
        self._moved += 1
        picture = self.work.connector.photo(seen.card)
        if picture is None:
            return Pictured(shown, waits=True)
        if size_of(picture) is None:
            self.noted["photo_not_taken"] += 1
            return Pictured(Shown(seen.token, seen.photo, alone=True))
        own = self.work.album.picture(seen.contact_id, seen.photo)
        if self._is_ours(seen, picture, own):
            known = shown or Shown()
            return Pictured(replace(known, token=seen.token, digest=digest_of(picture), begun=False))
        return self._weighed(seen, picture, own)

    def _gone(self, seen: _Seen) -> Pictured:
        """There is no picture on the card, or none any more. Who takes a marked one away says nothing of the contact's."""
        shown = seen.shown
        if shown is None:
            return Pictured(Shown() if seen.photo else None)
        emptied = shown.token and not (shown.marked or shown.begun) and seen.photo == shown.photo
        if emptied and seen.photo and self._takes(seen) and "photo" not in self.work.policy.mandatory:
            return Pictured(Shown(), photo="")
        return Pictured(Shown())

    def _is_ours(self, seen: _Seen, picture: bytes, own: bytes | None) -> bool:
        """Whether the card shows what we have put there, or were about to, however it is encoded now."""
        shown = seen.shown or Shown()
        if is_marked(picture) or digest_of(picture) == shown.digest:
            return True
        if shown.begun and own is not None and is_copy(picture, own):
            return True
        return (shown.marked or shown.begun) and self.work.is_hub and is_copy(picture, marked(own))

    def _weighed(self, seen: _Seen, picture: bytes, own: bytes | None) -> Pictured:
        """The person's own picture on the card, against that of the contact."""
        name = name_of(picture)
        if name == seen.photo:
            return Pictured(Shown(seen.token, name))
        if own is not None:
            larger = _area(picture) - _area(own)
            if larger <= 0 and is_copy(picture, own):
                return Pictured(Shown(seen.token, seen.photo, digest_of(picture)))
            if self._stays(seen, larger):
                self.work.album.keep(seen.contact_id, picture)  # so that it can be put back
                return Pictured(Shown(seen.token, name))
        if not self._takes(seen):
            return Pictured(Shown(seen.token, seen.photo, alone=True))
        self.work.album.keep(seen.contact_id, picture)
        return Pictured(Shown(seen.token, name), photo=name)

    def _stays(self, seen: _Seen, larger: int) -> bool:
        """Whether the contact's picture counts: of two between which nobody has chosen, the larger one does."""
        if seen.shown is None and larger:
            return larger < 0
        if seen.shown is None or seen.photo != seen.shown.photo:
            return self._winner(seen) == "ours"
        return False

    def _winner(self, seen: _Seen) -> Side:
        conflict = self.work.policy.conflict
        return (
            "theirs" if conflict == "remote" or (conflict == "newest" and seen.newer == "theirs") else "ours"
        )

    def _takes(self, seen: _Seen) -> bool:
        """Whether a contact gets what its card shows."""
        return self.work.pulls and (self.work.sync.limits.photos == "all" or seen.is_new)

    # What goes to the card

    def _going(self, coming: Pictured, value: str, *, is_new: bool) -> Pictured:
        """What is decided, and what is to be put on the card after it."""
        after = value if coming.photo is None else coming.photo
        wanted = Wanted(after if is_name(after) else "", self.work.is_hub)
        shown = coming.shown or Shown()
        if not self.work.pushes or coming.waits or not self._differs(shown, wanted):
            return coming
        if self.work.sync.limits.photos == "new" and not (is_new or wanted.marked or shown.marked):
            return coming
        if self._moved >= PHOTOS_A_RUN:
            self.noted["photos_wait"] += 1
            return replace(coming, waits=True)
        self._moved += 1
        return replace(coming, wanted=wanted)

    def _differs(self, shown: Shown, wanted: Wanted) -> bool:
        """Whether the card is to show something else. What we cannot keep is not covered with a mark."""
        if shown.alone:
            return not wanted.marked and bool(wanted.photo) and wanted.photo != shown.photo
        return shown.begun or wanted != (shown.photo, shown.marked)


def with_photo(fields: Fields, photo: Any) -> Fields:
    """A contact's fields with this picture, or without one."""
    rest = {key: value for key, value in fields.items() if key != "photo"}
    return {**rest, "photo": photo} if photo else rest


def _area(picture: bytes) -> int:
    size = size_of(picture)
    return size.area if size else 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A card with another picture than when both last agreed, and the contact, which has `photo` now."""

    card: Card
    token: str
    shown: Shown | None
    contact_id: str
    photo: str
    newer: Side | None
    is_new: bool

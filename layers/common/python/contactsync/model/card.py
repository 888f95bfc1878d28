"""A contact as an address book holds it. Slotted dataclasses, not pydantic: a book has 25,000 of them.

A provider's own words (a People resource, a Graph contact, a vCard) end in the connector: what leaves it is a
Card, whose fields are those of our contacts.
"""

from __future__ import annotations

from dataclasses import dataclass

from contactsync.model.contact import Fields


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose address book a connection opens.

    `subject` is the provider's own, unchanging id of the person: the same one after a reconnect. `name` is what
    the person recognises it by, an address as a rule.
    """

    subject: str
    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """A part of an address book that can be chosen: all of it, a label, a folder, a collection."""

    id: str
    name: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """One contact of a book, as last read or written.

    Attributes:
        id: the provider's; lasts as long as the contact does, or is said to be `former` by its successor.
        etag: the version that a write must name.
        fields: in our keys and canonical values; only what the provider holds.
        extra: what else the provider keeps of it, in the connector's own form, so that a write loses nothing of it.
        marker: the one that its creation carried, if it was made by us.
        photo: changes whenever the picture does; empty if there is none of the person's own choosing, None if this
            reading does not tell.
        former: ids under which it was known before.
        updated_at: the provider's clock, RFC 3339; never decides more than a tie.
        damage: why the card cannot be read, in a sentence; then it is there, and nobody knows what is on it.
    """

    id: str
    etag: str
    fields: Fields
    extra: str = ""
    marker: str = ""
    photo: str | None = ""
    former: tuple[str, ...] = ()
    updated_at: str = ""
    damage: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A card to be made. `marker` is ours, made before the first try, so that a lost answer can be looked for."""

    marker: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Edit:
    """A card to be changed: as it was read, and the fields that it shall have. What fields lacks is taken away."""

    card: Card
    fields: Fields


@dataclass(frozen=True, slots=True)
class Pulled:
    """A part of what has changed in a group since a cursor.

    Attributes:
        cards: that are new, changed, or perhaps the same; the last word on an id is the last one said.
        gone: ids that the provider says are deleted.
        left: ids that are still there but not in this group any more.
        cursor: on the last part of a pull, and only there: from where to go on next time.
    """

    cards: tuple[Card, ...] = ()
    gone: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """The card as it stands after a write."""

    card: Card


@dataclass(frozen=True, slots=True)
class Changed:
    """Nothing was written, for the card is no longer what was read. Read it again and decide anew."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing was written, for there is no such card any more."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider does not take it, and would not next time. `code` is stable, `reason` is for people."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost: it may have been written, or not. Look for the marker before trying again."""


Outcome = Written | Changed | Missing | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can and cannot, so that nobody has to ask which one it is.

    Attributes:
        fields: the keys that it holds, at least in part; see `Connector.held` for how much of each.
        photos: whether pictures can be read and written.
        lists_photos: whether `pull` tells of them. If not, a picture that changes alone is found by looking.
        finds_at_once: whether `find` sees a card as soon as it is made. If not, a card whose creation was lost
            must not be made again before `settles_after_s` have passed.
        settles_after_s: seconds after which everything written is certainly seen by reads.
        writes_at_once: how many drafts, edits or deletions are best given together.
        book_size: how many cards a book holds; None if nobody knows.
    """

    fields: frozenset[str]
    photos: bool = False
    lists_photos: bool = True
    finds_at_once: bool = True
    settles_after_s: int = 0
    writes_at_once: int = 1
    book_size: int | None = None

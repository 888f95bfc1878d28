"""An address book under test, and what happens to it besides what we do."""

from __future__ import annotations

from abc import ABC, abstractmethod

from contactsync.model.card import Card, Draft, Outcome, Pulled, Written
from contactsync.model.contact import Fields
from contactsync.ports import Connector


class Book(ABC):
    """A person's book at a provider, empty at first, and all that happens to it besides what we do.

    `lacks` names the methods that mean nothing at this provider; the laws that need them are skipped.
    """

    lacks: frozenset[str] = frozenset()
    group = ""
    """A second group, into which cards can be put; empty where there is only the whole book."""

    @abstractmethod
    def connector(self) -> Connector:
        """A new way into the book, as a new process would make it."""

    @abstractmethod
    def add(self, fields: Fields, *, group: str = "") -> str:
        """Another app makes a card in the whole book, or in this group of it; returns its id."""

    @abstractmethod
    def edit(self, id_: str, fields: Fields) -> None:
        """Another app gives a card these fields in place of what it had."""

    @abstractmethod
    def remove(self, id_: str) -> None:
        """Another app deletes a card."""

    def ids(self, group: str = "") -> set[str]:
        """The cards that there are now, in the whole book or in this group of it."""
        connector = self.connector()
        return set(pulled(connector, group or whole(connector))[0])

    def settle(self) -> None:  # noqa: B027 - most providers show at once what was written
        """Let time pass until everybody sees everything that was written."""

    def leave(self, id_: str) -> None:
        """Another app takes a card out of `group`; it stays in the book."""
        raise NotImplementedError

    def enter(self, id_: str) -> None:
        """Another app puts a card into `group`."""
        raise NotImplementedError

    def rename(self, id_: str) -> str:
        """The provider gives a card another id; returns it."""
        raise NotImplementedError

    def touch(self, id_: str) -> None:
        """The provider gives a card another version without a change."""
        raise NotImplementedError

    def scribble(self, id_: str) -> None:
        """Another app stores something with a card that is no field of ours."""
        raise NotImplementedError

    def scribbled(self, id_: str) -> bool:
        """Whether that is still there."""
        raise NotImplementedError

    def expire(self) -> None:
        """The provider forgets every cursor it has given out."""
        raise NotImplementedError

    def cut(self) -> None:
        """The next pull breaks off before its end, however few cards there are."""
        raise NotImplementedError

    def lose_answer(self) -> None:
        """The next write is carried out, and its answer is lost."""
        raise NotImplementedError

    def calm(self) -> None:
        """Nothing that was to go wrong and has not yet will."""
        raise NotImplementedError

    def lock(self) -> None:
        """The person takes our access away."""
        raise NotImplementedError

    def be_busy(self, retry_after_s: int) -> None:
        """The provider wants to be left alone for so long, however often it is asked from now on."""
        raise NotImplementedError


def whole(connector: Connector) -> str:
    """The group that is the whole book."""
    return connector.groups()[0].id


def pulled(connector: Connector, group: str, cursor: str = "") -> tuple[dict[str, Card], Pulled]:
    """Everything a pull says: the last word on each card, and the rest as one part."""
    cards: dict[str, Card] = {}
    gone: dict[str, None] = {}
    left: dict[str, None] = {}
    cursors = []
    for part in connector.pull(group, cursor):
        for id_ in part.gone:
            cards.pop(id_, None)
            gone[id_] = None
        for id_ in part.left:
            cards.pop(id_, None)
            left[id_] = None
        for card in part.cards:
            cards[card.id] = card
        cursors.append(part.cursor)
    assert cursors[-1], "the last part carries the next cursor"
    assert not any(cursors[:-1]), "and no other does"
    return cards, Pulled(tuple(cards.values()), tuple(gone), tuple(left), cursors[-1])


def made(connector: Connector, fields: Fields, *, marker: str = "marker-1", group: str = "") -> Card:
    """A card made by us."""
    [(_, outcome)] = connector.create(group or whole(connector), [Draft(marker, fields)])
    return written(outcome)


def written(outcome: Outcome) -> Card:
    """The card as a write left it."""
    assert isinstance(outcome, Written), outcome
    return outcome.card

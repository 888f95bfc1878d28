"""Who is to be decided about: cards and contacts that are linked, that meet for the first time, or stand alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from contactsync.control import Read
from contactsync.core.matching import DEFAULT_RULES, match
from contactsync.core.merging import Agreed, same
from contactsync.journeys.book.bookfiles import Line, Round, card_line
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.gathering import CARDS_AT_ONCE, Known, people, read_all_links, read_slots
from contactsync.journeys.file.runfiles import batches
from contactsync.model.card import Card
from contactsync.model.connection import Link, Review, key_of
from contactsync.model.contact import Contact, Fields

NEW = "new"
"""A person's decision that a card is none of the contacts that it was like."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A card and a contact, or one of them.

    Attributes:
        contact_id: "" where the card's contact is still to be made.
        card: as it is now; None where there is none, or none any more.
        before: their link, or a card's that was linked once.
        agreed: what both were when they last agreed; None where nothing of it counts.
        parted: "left" or "unchosen" where they are to follow each other no more.
        marker: of the creation that `card` came from, or that is to be tried again.
        revive: the card is gone, and is to be made again: its going says nothing about the contact.
        skip: why the card is left alone: code and reason.
        again: how the next run would be told of them.
    """

    contact_id: str
    card: Card | None
    again: Line
    before: Read[Link] | None = None
    agreed: Agreed | None = None
    parted: Literal["", "left", "unchosen"] = ""
    marker: str = ""
    revive: bool = False
    skip: tuple[str, str] | None = None


@dataclass(slots=True)
class Meeting:
    """All pairs of one run, in an order that does not change when the step runs again."""

    work: BookRun
    round: Round
    known: Known
    chooses: Callable[[Contact], bool]
    waiting: list[Line] = field(default_factory=list)
    doubts: dict[str, Review] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _used: set[str] = field(default_factory=set)

    def pairs(self) -> list[Pair]:
        """Everybody about whom there is something to decide."""
        found = [*self._begun()]
        read_slots(self.work, self.known, self._named())
        found += self._linked()
        new = self._new_cards()
        found += (self._skipped(card) for card in new.values() if self._lacks(card))
        met = {id_: card for id_, card in new.items() if not self._lacks(card)}
        found += self._met(met)
        if self.work.pushes:
            found += self._alone()
        return found

    # Creations that were begun

    def _begun(self) -> Iterator[Pair]:
        """Creations whose answer never came: those that came about are linked, the others tried again in time."""
        settles_s = self.work.connector.capabilities.settles_after_s
        ids = [card.id for card in self.known.made.values()]
        there: dict[str, Card] = {}
        for batch in batches(ids, CARDS_AT_ONCE):
            there.update(self.work.connector.read(batch))
        for marker, intent in sorted(self.known.intents.items()):
            card = self.known.made.get(marker)
            if card is not None and card.id in there and self.known.link_of(card) is None:
                self._taken.add(intent.contact_id)
                self._used.add(card.id)
                agreed = Agreed(intent.agreed, self.work.view.into(intent.seen))
                again: Line = ["contact", intent.contact_id]
                former = self._former(intent.contact_id)
                yield Pair(intent.contact_id, there[card.id], again, former, agreed, marker=marker)
            elif card is None and intent.at + settles_s > self.work.now.timestamp():
                self._taken.add(intent.contact_id)
                self.waiting.append(["contact", intent.contact_id])

    def _former(self, contact: str) -> Read[Link] | None:
        """The link of a contact whose card was gone, and was being made again."""
        links = (read for read in self.known.links.values() if read.value.contact_id == contact)
        return next((read for read in links if read.value.state != "closed"), None)

    def _retried(self, contact: str) -> str:
        """The marker under which a contact's card was begun before, and certainly not made."""
        begun = (
            marker for marker, intent in sorted(self.known.intents.items()) if intent.contact_id == contact
        )
        return next((marker for marker in begun if marker not in self.known.made), "")

    # Linked ones

    def _named(self) -> set[str]:
        """The contacts of links that may matter, and those that have changed."""
        return self.known.touched | {read.value.contact_id for read in self.known.links.values()}

    def _linked(self) -> Iterator[Pair]:
        here = {id_: slot for id_ in self._named() if isinstance(slot := self.known.slots.get(id_), Contact)}
        chosen = {id_ for id_, contact in here.items() if self.chooses(contact)}
        by_link = {
            read.value.key: card for card in self.known.cards.values() if (read := self.known.link_of(card))
        }
        back = self._back(chosen)
        for key, read in sorted(self.known.links.items()):
            link, card = read.value, by_link.get(key)
            if card is not None:
                self._used.add(card.id)
            if link.contact_id in self._taken:
                continue
            if link.state == "closed":
                if card is not None:
                    yield self._after_closing(card, read)
                continue
            gone = link.id in self.known.gone
            left = link.id in self.known.left and link.sync not in self.known.others
            here_only = link.contact_id in self.known.touched or self.round.everybody
            if card is None and not gone and not left and (link.sync in self.known.others or not here_only):
                self._taken.add(link.contact_id)
                continue
            self._taken.add(link.contact_id)
            rejoins = card is not None if link.state == "left" else link.contact_id in chosen
            if not link.is_live and not rejoins and not gone:
                continue
            now = card or (back.get(link.id) if link.state == "unchosen" else link.card)
            is_there = not gone and now is not None
            again: Line = (
                card_line(card) if card else ["gone", link.id] if gone else ["contact", link.contact_id]
            )
            out = link.contact_id in here.keys() - chosen or (
                self.work.is_hub and link.contact_id not in here
            )
            revive = not is_there and not out and self._is_wanted(link)
            yield Pair(
                link.contact_id,
                now if is_there else None,
                ["left", link.id] if left else again,
                before=read,
                agreed=None if revive else self._agreed(link, both=is_there and link.contact_id in here),
                parted="left" if left else "unchosen" if out else "",
                revive=revive,
            )

    def _is_wanted(self, link: Link) -> bool:
        """Whether a contact that belongs to the sync gets a card again although its card is gone.

        One that was deleted while it did not belong: that was no word on the contact. And in the shared hub one that
        others have in their books as well: nobody deletes it for them, and who does not want it unticks it.
        """
        if link.state == "unchosen":
            return True
        others = self.work.is_hub and self.work.control.subscribers(self.work.run.account_id, link.contact_id)
        return bool(others and others - {self.work.member})

    def _back(self, chosen: set[str]) -> dict[str, Card]:
        """The cards of contacts that belong to the sync again, as far as they are still there."""
        ids = [
            read.value.id
            for read in self.known.links.values()
            if read.value.state == "unchosen" and read.value.contact_id in chosen
        ]
        found: dict[str, Card] = {}
        for batch in batches(ids, CARDS_AT_ONCE):
            found.update(self.work.connector.read(batch))
        return found

    def _agreed(self, link: Link, *, both: bool) -> Agreed | None:
        """What counts of what was agreed: nothing that was seen with other eyes, or through another part of the book.

        In its first run a sync deletes nobody; nor does who comes back after they followed each other no more.
        """
        if link.terms != self.work.terms or (not both and (self.round.version == 0 or not link.is_live)):
            return None
        return Agreed(link.agreed, self.work.view.into(link.seen))

    def _after_closing(self, card: Card, read: Read[Link]) -> Pair:
        """A card whose contact was deleted: it is left alone until somebody changes it."""
        view = self.work.view
        if same(view.into(card.fields), view.into(read.value.seen)):
            return Pair(
                "",
                card,
                card_line(card),
                before=read,
                skip=("deleted_here", "Its contact was deleted here, and the card has not changed since."),
            )
        return Pair("", card, card_line(card), before=read)

    # Those who meet for the first time

    def _new_cards(self) -> dict[str, Card]:
        return {id_: card for id_, card in sorted(self.known.cards.items()) if id_ not in self._used}

    def _lacks(self, card: Card) -> str:
        """Why a card is not taken in at all; "" if it is."""
        limits, fields = self.work.sync.limits, self.work.view.into(card.fields)
        missing = [key for key in limits.required if not fields.get(key)]
        if missing:
            return f"The card has no {' and no '.join(missing)}."
        for key, most in (("emails", limits.max_emails), ("phones", limits.max_phones)):
            if most is not None and len(fields.get(key) or ()) > most:
                return f"The card has more than {most} {key}."
        return ""

    def _skipped(self, card: Card) -> Pair:
        return Pair("", card, card_line(card), skip=("not_taken_in", self._lacks(card)))

    def _met(self, cards: dict[str, Card]) -> Iterator[Pair]:
        """Cards without a link: each with the contact that it certainly is, or alone, or not yet."""
        reviews = self.work.control.reviews(*self.work.place) if cards or self.round.everybody else {}
        if not cards and not self.round.everybody:
            return
        read_all_links(self.work, self.known)
        linked = {read.value.contact_id for read in self.known.links.values() if read.value.state != "closed"}
        everybody = people(
            self.work,
            self.known,
            linked=frozenset(linked | self._taken),
            keep=self.chooses if self.round.everybody else None,
        )
        decided = {read.value.card_id: read.value for read in reviews.values()}
        for id_, review in decided.items():
            if review.decision and review.decision not in linked | {NEW} and id_ in cards:
                self._taken.add(review.decision)
                card = cards.pop(id_)
                yield Pair(review.decision, card, card_line(card))
        apart = {
            (id_, contact)
            for id_, review in decided.items()
            for contact in (review.contacts if review.decision else review.apart)
        }
        rules = self.work.sync.match or DEFAULT_RULES
        fields = {id_: self.work.view.into(card.fields) for id_, card in cards.items()}
        matches = match(fields, _but(everybody, self._taken), rules, apart=apart)
        read_slots(self.work, self.known, matches.pairs.values())
        for doubt in matches.doubts:
            self._taken.update(doubt.contacts)
            self.doubts[doubt.card] = Review(
                card_id=doubt.card,
                card=cards[doubt.card].fields,
                contacts=doubt.contacts,
                rule=doubt.rule,
                why=doubt.why,
                run_id=self.work.run.id,
            )
        for id_, card in cards.items():
            if id_ in self.doubts:
                reason = (
                    "It may be a contact that is here already: say who it is, or that it is somebody new."
                )
                yield Pair("", card, card_line(card), skip=("needs_review", reason))
            elif id_ in matches.pairs:
                self._taken.add(matches.pairs[id_])
                yield Pair(matches.pairs[id_], card, card_line(card))
            elif self.work.pulls:
                yield Pair("", card, card_line(card))

    # Contacts without a card

    def _alone(self) -> Iterator[Pair]:
        wanted = self.known.slots if self.round.everybody else self.known.touched
        reviews = self.work.control.reviews(*self.work.place) if wanted else {}
        for read in reviews.values():
            if self._is_open(read.value):
                self._taken.update(set(read.value.contacts) - set(read.value.apart))
        for id_ in sorted(wanted):
            contact = self.known.slots.get(id_)
            if id_ not in self._taken and isinstance(contact, Contact) and self.chooses(contact):
                yield Pair(id_, None, ["contact", id_], marker=self._retried(id_))

    def _is_open(self, review: Review) -> bool:
        """Whether a person is still to say who a card is: its contacts may have it already."""
        link = self.known.links.get(key_of(review.card_id))
        is_known = review.card_id in self.known.gone or (link is not None and link.value.is_live)
        return not (review.decision or is_known)


def _but(everybody: Iterable[tuple[str, Fields]], taken: set[str]) -> Iterator[tuple[str, Fields]]:
    return ((id_, fields) for id_, fields in everybody if id_ not in taken)

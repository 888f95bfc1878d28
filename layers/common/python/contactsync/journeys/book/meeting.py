"""Who is to be decided about: cards and contacts that are linked, that meet for the first time, or stand alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from contactsync.control import Read
from contactsync.core.matching import DEFAULT_RULES, Matches, match
from contactsync.core.merging import SIDE_MAX, Agreed, is_too_large, same
from contactsync.journeys.book.bookfiles import Line, Round, card_line
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.gathering import CARDS_AT_ONCE, Known, people, read_all_links, read_slots
from contactsync.journeys.file.runfiles import batches
from contactsync.model.card import Card
from contactsync.model.connection import NEW, Link, Review, key_of
from contactsync.model.contact import Contact, Fields
from contactsync.model.field import PRIMARIES

UNREADABLE = "card_unreadable"


@dataclass(frozen=True, slots=True)
class Pair:
    """A card and a contact, or one of them.

    Attributes:
        contact_id: "" where the card's contact is still to be made.
        card: as it is now; None where there is none, or none any more.
        before: their link, or a card's that was linked once.
        agreed: what both were when they last agreed; None where nothing of it counts.
        parted: "left", "unchosen" or "closed" where they are to follow each other no more.
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
    parted: Literal["", "left", "unchosen", "closed"] = ""
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
    back: set[str] = field(default_factory=set)
    doubts: dict[str, Review] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _used: set[str] = field(default_factory=set)
    _closed: dict[str, Read[Link]] = field(default_factory=dict)
    _unmade: dict[str, Read[Link]] = field(default_factory=dict)

    def pairs(self) -> list[Pair]:
        """Everybody about whom there is something to decide."""
        found = [*self._begun()]
        read_slots(self.work, self.known, self._named())
        found += self._linked()
        self._let_back()
        new = self._new_cards()
        found += (self._skipped(card) for card in new.values() if self._lacks(card))
        met = {id_: card for id_, card in new.items() if not self._lacks(card)}
        found += self._met(met)
        found += self._met_again()
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
                if there[card.id].damage:
                    self.waiting.append(["contact", intent.contact_id])
                    continue
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
        return next((read for read in links if not read.value.is_over), None)

    def _retried(self, contact: str) -> str:
        """The marker under which a contact's card was begun before, and certainly not made."""
        begun = (
            marker for marker, intent in sorted(self.known.intents.items()) if intent.contact_id == contact
        )
        return next((marker for marker in begun if marker not in self.known.made), "")

    # Linked ones

    def _named(self) -> set[str]:
        """The contacts of links that may matter, and those that have changed."""
        return (
            self.known.touched
            | self.known.erased
            | {read.value.contact_id for read in self.known.links.values()}
        )

    def _linked(self) -> Iterator[Pair]:
        here = {id_: slot for id_ in self._named() if isinstance(slot := self.known.slots.get(id_), Contact)}
        chosen = {id_ for id_, contact in here.items() if self.chooses(contact)}
        by_link = {
            read.value.key: card for card in self.known.cards.values() if (read := self.known.link_of(card))
        }
        back = self._back(chosen)
        yield from self._unreadable({**back, **self.known.cards})
        for key, read in sorted(self.known.links.items()):
            link, card = read.value, by_link.get(key)
            if card is not None:
                self._used.add(card.id)
            if link.contact_id in self._taken:
                continue
            gone = link.id in self.known.gone
            if link.id in self.known.missing and card is None:
                if not link.is_over:
                    self._taken.add(link.contact_id)
                continue
            if link.is_over:
                if card is not None:
                    yield from self._after_closing(card, read)
                elif gone and link.state == "closed":
                    yield Pair(link.contact_id, None, ["gone", link.id], before=read)
                continue
            if link.state == "unmade" and card is None:
                yield from self._taken_back(read, here.get(link.contact_id), chosen)
                continue
            left = link.id in self.known.left and link.sync not in self.known.others
            here_only = link.contact_id in self.known.touched or self.round.everybody
            if card is None and not gone and not left and (link.sync in self.known.others or not here_only):
                self._taken.add(link.contact_id)
                continue
            self._taken.add(link.contact_id)
            rejoins = card is not None if link.state == "left" else link.contact_id in chosen
            if not link.is_live and not rejoins and not gone:
                yield from self._still_apart(read, card)
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
                marker="" if is_there else self._retried(link.contact_id),
                revive=revive,
            )

    def _unreadable(self, cards: Mapping[str, Card]) -> Iterator[Pair]:
        """Cards of which nobody knows what is on them: neither they nor their contacts are touched."""
        for id_, card in sorted(cards.items()):
            read = self.known.link_of(card) if card.damage else None
            if read is not None and not read.value.is_over and read.value.contact_id not in self._taken:
                self._used.add(id_)
                self._taken.add(read.value.contact_id)
                skip = (UNREADABLE, card.damage)
                yield Pair(read.value.contact_id, card, card_line(card), before=read, skip=skip)

    def _taken_back(self, read: Read[Link], contact: Contact | None, chosen: set[str]) -> Iterator[Pair]:
        """A contact whose card was taken back gets another once somebody edits it, chooses it anew, or makes one by hand."""
        link, again = read.value, ["contact", read.value.contact_id]
        marker = self._retried(link.contact_id)
        is_chosen = link.contact_id in chosen
        if contact is not None and not is_chosen and link.sync not in self.known.others:
            yield Pair(link.contact_id, None, again, before=read, marker=marker, parted="unchosen")
        elif contact is not None and same(contact.fields, link.agreed):
            self._unmade[link.contact_id] = read
        elif contact is None and (self.round.everybody or link.contact_id in self.known.touched):
            yield Pair(link.contact_id, None, again, before=read, marker=marker)
        elif is_chosen:
            self._taken.add(link.contact_id)
            yield Pair(link.contact_id, None, again, before=read, marker=marker, revive=True)

    def _still_apart(self, read: Read[Link], card: Card | None) -> Iterator[Pair]:
        """A card that follows its contact no more, and has another id now, or bears the hub's mark where somebody died."""
        link = read.value
        parted: Literal["left", "unchosen"] = "left" if link.state == "left" else "unchosen"
        if card is not None and card.id != link.id and parted == "unchosen":
            yield Pair(link.contact_id, card, card_line(card), before=read, parted=parted)
        elif link.is_marked:
            again: Line = ["contact", link.contact_id]
            yield Pair(link.contact_id, card or link.card, again, before=read, parted=parted)

    def _let_back(self) -> None:
        """Who was erased, and has been added again, waits for the next run: that one lists their card, too."""
        for id_ in sorted(self.known.erased - self._taken):
            contact = self.known.slots.get(id_)
            if isinstance(contact, Contact) and self.chooses(contact):
                self.back.add(id_)
                self._taken.add(id_)
                self.waiting.append(["contact", id_])

    def _is_wanted(self, link: Link) -> bool:
        """Whether a contact that belongs to the sync gets a card again although its card is gone.

        One that was deleted while it did not belong: that was no word on the contact. And in the shared hub one that
        others have in their books as well, or that no deletion in a book reaches: nobody deletes it for them, and who
        does not want it unticks it.
        """
        if link.state == "unchosen" or (self.work.is_hub and not self.work.pulls):
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

    def _after_closing(self, card: Card, read: Read[Link]) -> Iterator[Pair]:
        """A card whose contact was deleted is left alone until somebody changes it; then it is a new one.

        One that we had deleted, and that has another id now, was changed meanwhile by its provider only: it goes. One
        that somebody has brought back is new, but in the shared hub, where nobody is donated a second time unasked.
        """
        link, view = read.value, self.work.view
        is_here = isinstance(self.known.slots.get(link.contact_id), Contact)
        if link.state == "gone" and card.id != link.id and not is_here:
            self._taken.add(link.contact_id)
            agreed = self._agreed(link, both=True)
            yield Pair(link.contact_id, card, card_line(card), before=read, agreed=agreed)
            return
        self._closed[card.id] = read
        is_back = link.state == "gone" and not self.work.is_hub
        is_known = self._decision(card.id) not in ("", NEW)
        if is_back or is_known or not same(view.into(card.fields), view.into(link.seen)):
            self._used.discard(card.id)

    # Those who meet for the first time

    def _new_cards(self) -> dict[str, Card]:
        return {id_: card for id_, card in sorted(self.known.cards.items()) if id_ not in self._used}

    def _lacks(self, card: Card) -> str:
        """Why a card is not taken in at all; "" if it is."""
        if card.damage:
            return card.damage
        if is_too_large(card.fields):
            return f"The card holds more than {SIDE_MAX:,} bytes: shorten its longest value, most likely the notes."
        limits, fields = self.work.sync.limits, self.work.view.into(card.fields)
        missing = [key for key in limits.required if not fields.get(PRIMARIES.get(key, key))]
        if missing:
            return f"The card has no {' and no '.join(missing)}."
        for key, most in (("emails", limits.max_emails), ("phones", limits.max_phones)):
            if most is not None and len(fields.get(key) or ()) > most:
                return f"The card has more than {most} {key}."
        return ""

    def _skipped(self, card: Card) -> Pair:
        return self._pair("", card, skip=(UNREADABLE if card.damage else "not_taken_in", self._lacks(card)))

    def _met(self, cards: dict[str, Card]) -> Iterator[Pair]:
        """Cards without a link: each with the contact that it certainly is, or alone, or not yet."""
        if not cards and not self.round.everybody:
            return
        read_all_links(self.work, self.known)
        linked = set()
        for read in self.known.links.values():
            if read.value.state == "unmade":
                self._unmade[read.value.contact_id] = read
            elif not read.value.is_over:
                linked.add(read.value.contact_id)
        everybody = people(
            self.work,
            self.known,
            linked=frozenset(linked | self._taken),
            keep=self.chooses if self.round.everybody else None,
        )
        yield from self._decided_on(cards, linked)
        matches = self._matched(cards, _but(everybody, self._taken))
        read_slots(self.work, self.known, matches.pairs.values())
        for card in cards.values():
            yield self._introduced(card, matches) or self._pair("", card)

    def _met_again(self) -> Iterator[Pair]:
        """Cards whose contacts were deleted: they are left alone, but for those whose contact was added again."""
        cards = {id_: self.known.cards[id_] for id_ in self._closed if id_ in self._used}
        new = self._new_contacts()
        found = self._may_be(new) if new else {}
        matches = self._matched(found, new.items())
        for id_, card in {**cards, **found}.items():
            introduced = self._introduced(card, matches)
            if introduced is not None:
                yield introduced
            elif id_ in cards and self._closed[id_].value.id != id_:
                yield replace(self._pair("", card), parted="closed")
            elif id_ in cards:
                reason = "Its contact was deleted here, and the card has not changed since."
                yield self._pair("", card, skip=("deleted_here", reason))

    def _new_contacts(self) -> dict[str, Fields]:
        """Contacts that belong to the sync and have no card yet, as far as they are looked at."""
        ids = self.known.slots if self.round.everybody else self.known.touched
        slots = ((id_, self.known.slots.get(id_)) for id_ in sorted({*ids} - self._taken - {*self._unmade}))
        return {id_: slot.fields for id_, slot in slots if isinstance(slot, Contact) and self.chooses(slot)}

    def _may_be(self, contacts: dict[str, Fields]) -> dict[str, Card]:
        """Cards whose contacts were deleted, and that are there yet, as far as they may be those of these contacts."""
        read_all_links(self.work, self.known)
        listed = {read.value.key: id_ for id_, read in self._closed.items()}
        not_theirs = {*self.known.gone, *self.known.left}
        closed = {
            listed.get(read.value.key, read.value.id): read
            for read in self.known.links.values()
            if read.value.state == "closed"
            and read.value.id not in not_theirs
            and read.value.sync not in self.known.others
        }
        fields = {id_: self.work.view.into(read.value.seen) for id_, read in closed.items()}
        waiting = {
            id_: each for id_, each in fields.items() if id_ not in listed.values() or id_ in self._used
        }
        matches = match(waiting, contacts.items(), self.work.sync.match or DEFAULT_RULES)
        ids = [*matches.pairs, *(doubt.card for doubt in matches.doubts)]
        there = {id_: self.known.cards[id_] for id_ in ids if id_ in self.known.cards}
        for batch in batches((id_ for id_ in ids if id_ not in there), CARDS_AT_ONCE):
            for id_, card in self.work.connector.read(batch).items():
                name = next((each for each in (id_, *card.former) if each in closed), None)
                # Under another id it is the one that was closed, unless that one was merged with somebody's
                if name is not None and (name == id_ or key_of(id_) not in self.known.links):
                    there[id_], closed[id_] = card, closed[name]
        self._closed.update((id_, closed[id_]) for id_ in there)
        return there

    def _decided_on(self, cards: dict[str, Card], linked: set[str]) -> Iterator[Pair]:
        """Those of the cards of which somebody has said who they are; they are taken out of `cards`."""
        said = {id_: self._decision(id_) for id_ in cards}
        said = {id_: contact for id_, contact in said.items() if contact not in ("", NEW)}
        read_slots(self.work, self.known, said.values())
        for id_, contact in said.items():
            card = cards.pop(id_)
            if contact in linked | self._taken:
                reason = "Its contact has another card in this address book. Merge the two there."
                yield self._pair("", card, skip=("has_a_card", reason))
            else:
                self._taken.add(contact)
                yield self._pair(contact, card)

    def _decision(self, card_id: str) -> str:
        """Who a card is, as far as somebody has said so: a contact's id, NEW, or ""."""
        review = self.known.reviews.get(card_id)
        return review.decision if review else ""

    def _matched(self, cards: Mapping[str, Card], contacts: Iterable[tuple[str, Fields]]) -> Matches:
        """Who is who beyond doubt; what is in doubt is noted, and nobody else is to have these contacts."""
        apart = {
            (id_, contact)
            for id_, review in self.known.reviews.items()
            for contact in (review.contacts if review.decision else review.apart)
        }
        fields = {id_: self.work.view.into(card.fields) for id_, card in cards.items()}
        matches = match(fields, contacts, self.work.sync.match or DEFAULT_RULES, apart=apart)
        self._taken.update(matches.pairs.values())
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
        return matches

    def _introduced(self, card: Card, matches: Matches) -> Pair | None:
        """A card with its contact, or not yet; None if it is nobody that we know."""
        if card.id in self.doubts:
            reason = "It may be a contact that is here already: say who it is, or that it is somebody new."
            return self._pair("", card, skip=("needs_review", reason))
        contact = matches.pairs.get(card.id)
        return self._pair(contact, card) if contact else None

    def _pair(self, contact_id: str, card: Card, *, skip: tuple[str, str] | None = None) -> Pair:
        before = self._closed.get(card.id) or self._unmade.get(contact_id)
        return Pair(contact_id, card, card_line(card), before=before, skip=skip)

    # Contacts without a card

    def _alone(self) -> Iterator[Pair]:
        wanted = self.known.slots if self.round.everybody else self.known.touched
        for review in self.known.reviews.values():
            if self._is_open(review):
                self._taken.update(set(review.contacts) - set(review.apart))
        for id_ in sorted(wanted):
            contact = self.known.slots.get(id_)
            if id_ in self._taken or id_ in self._unmade:
                continue
            if isinstance(contact, Contact) and self.chooses(contact):
                yield Pair(id_, None, ["contact", id_], marker=self._retried(id_))

    def _is_open(self, review: Review) -> bool:
        """Whether a person is still to say who a card is: its contacts may have it already."""
        link = self.known.links.get(key_of(review.card_id))
        is_known = review.card_id in self.known.gone or (link is not None and link.value.is_live)
        return not (review.decision or is_known)


def _but(everybody: Iterable[tuple[str, Fields]], taken: set[str]) -> Iterator[tuple[str, Fields]]:
    return ((id_, fields) for id_, fields in everybody if id_ not in taken)

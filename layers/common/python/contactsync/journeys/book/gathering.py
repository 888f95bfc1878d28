"""What a run knows of cards, links and contacts before it decides anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from contactsync.control import Read
from contactsync.core.identity import SHARDS
from contactsync.core.matching import DEFAULT_RULES, match
from contactsync.errors import NotFound
from contactsync.journeys.book.bookfiles import Line, Round, read_card
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.file.runfiles import batches
from contactsync.model.card import Card
from contactsync.model.connection import Intent, Link, Review, key_of
from contactsync.model.contact import Contact, Fields, Slot

T = TypeVar("T")

LINKS_APART = 300
"""Below so many, links are asked for one by one; above, all of them are read along."""
CARDS_AT_ONCE = 200
LOOKED_AT_ONCE = 2_000
"""Cards whose pictures are looked at by one run: most books in a day, the largest in two weeks."""
SLOTS_AT_ONCE = 1_000


@dataclass(slots=True)
class Known:
    """What there is to be decided about.

    Attributes:
        cards: by id, as they are now.
        gone, left: ids of cards that are deleted, or in another group now.
        missing: ids of cards that are not there, though it is not certain yet that they are gone, and since when.
        links: by the card's key, every one that may matter; all of them if `all_links`.
        touched: ids of contacts that may have changed.
        renamed: card id → the link that it had under another id.
        reviews: what people are asked about cards, by the card's id, and what they have said.
        erased: ids that erased people had here whose cards are left out.
        intents: creations of which nobody knows, by marker; `made` are those of them that came about.
        slots: what lies in the slots of contacts, as far as it was read.
        looked: the key of the link up to which cards were asked for their pictures.
        others: ids of other syncs that follow cards of the same book; those that were deleted leave theirs to us.
    """

    cards: dict[str, Card] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    missing: dict[str, float] = field(default_factory=dict)
    links: dict[str, Read[Link]] = field(default_factory=dict)
    all_links: bool = False
    touched: set[str] = field(default_factory=set)
    renamed: dict[str, Read[Link]] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()
    intents: dict[str, Intent] = field(default_factory=dict)
    made: dict[str, Card] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    looked: str = ""

    def size(self, round_: Round) -> int:
        """How many cards the group has now, or a few more where the list was not a complete one."""
        if round_.full:
            return round_.size
        new = sum(self.link_of(card) is None and card.id not in self.reviews for card in self.cards.values())
        return max(0, round_.size + new - sum(key_of(id_) in self.links for id_ in self.gone))

    def link_of(self, card: Card) -> Read[Link] | None:
        """The link of a card, whatever id it had when it was made."""
        return self.renamed.get(card.id) or self.links.get(key_of(card.id))


def gather(work: BookRun, round_: Round) -> Known:
    """Everything that has changed on either side, and the links that it concerns."""
    known = Known(touched=set(round_.changed))
    progress = work.control.progress_of(*work.place, work.sync.id).value
    carried = work.files.lines(progress.carry) if progress.carry else iter(())
    _take(known, (line for line in carried if line[0] in ("contact", "missing") or not round_.full))
    _take(known, work.files.pulled(round_.parts))
    erased = work.control.erased_cards(*work.place).values()
    known.erased = frozenset(id_ for card in erased if not card.back for id_ in card.ids)
    known.intents = work.control.intents(*work.place)
    known.made = work.connector.find(list(known.intents)) if known.intents else {}
    known.touched.update(intent.contact_id for intent in known.intents.values())
    known.reviews = {read.value.card_id: read.value for read in work.control.reviews(*work.place).values()}
    _find_links(work, known, everything=round_.full or round_.everybody)
    known.others = _others(work, known)
    _read_unseen(work, known)  # first: a card that has another id since says so
    _follow_renamed(work, known)
    _read_missing(work, known)
    _read_anew(work, known)
    _read_decided(work, known)
    if round_.full:
        _miss(work, known)
        _follow_renamed(
            work, known
        )  # complete lists tell no former ids: the markers of those that are missing do
    if round_.look:
        _look_at_pictures(work, known, progress.looked)
    _follow_made_anew(work, known)
    return known


def _take(known: Known, lines: Iterable[Line]) -> None:
    """The last word on a card counts."""
    for kind, said in lines:
        if kind == "contact":
            known.touched.add(said)
            continue
        if kind == "missing":
            known.missing[said[0]] = said[1]
            continue
        id_ = said["id"] if kind == "card" else said
        earlier = known.cards.pop(id_, None)
        known.gone.discard(id_)
        known.left.discard(id_)
        if kind == "card":
            known.cards[id_] = read_card(said)
        else:
            ids = {id_, *(earlier.former if earlier else ())}  # its link may know it under a former one yet
            (known.gone if kind == "gone" else known.left).update(ids)


def _find_links(work: BookRun, known: Known, *, everything: bool) -> None:
    ids = [*known.cards, *known.gone, *known.left, *known.missing]
    if everything or len(ids) + len(known.touched) > LINKS_APART:
        read_all_links(work, known)
        return
    for id_ in ids:
        _remember(known, work.control.link(*work.place, key_of(id_)))
    for contact_id in known.touched:
        _remember(known, work.control.link_of(*work.place, contact_id))


def read_all_links(work: BookRun, known: Known) -> None:
    """Every link of the connection."""
    if not known.all_links:
        known.links = {read.value.key: read for read in work.control.links(*work.place)}
        known.all_links = True


def _remember(known: Known, read: Read[Link] | None) -> None:
    if read is not None:
        known.links[read.value.key] = read


def _others(work: BookRun, known: Known) -> set[str]:
    found = set()
    for sync_id in {read.value.sync for read in known.links.values()} - {work.sync.id, ""}:
        with suppress(NotFound):
            if work.control.sync(work.run.account_id, sync_id).value.deleted_at is None:
                found.add(sync_id)
    return found


def _follow_renamed(work: BookRun, known: Known) -> None:
    """Cards that had another id: their successors say so, or carry the marker of one that is gone."""
    strange = [id_ for id_ in known.left if key_of(id_) not in known.links] if known.gone else []
    for ids in batches(strange, CARDS_AT_ONCE):
        known.cards.update(work.connector.read(ids))
    by_marker = {
        read.value.marker: read
        for read in known.links.values()
        if read.value.marker and read.value.id in known.gone
    }
    for card in known.cards.values():
        if key_of(card.id) in known.links:
            continue
        for former in card.former:
            if not known.all_links and key_of(former) not in known.links:
                _remember(known, work.control.link(*work.place, key_of(former)))
        links = (known.links.get(key_of(former)) for former in card.former)
        found = next(filter(None, links), None) or by_marker.get(card.marker or "-")
        if found is not None:
            known.renamed[card.id] = found
            known.gone.discard(found.value.id)
            known.missing.pop(found.value.id, None)
    for id_ in strange:
        if id_ in known.renamed and known.renamed[id_].value.is_live:
            known.left.add(known.renamed[id_].value.id)
        else:
            known.cards.pop(id_, None)


def _read_missing(work: BookRun, known: Known) -> None:
    """Cards that were not there: gone, once lists would certainly show what has become of them."""
    settles_s = work.connector.capabilities.settles_after_s
    ripe = [id_ for id_, at in known.missing.items() if at + settles_s <= work.now.timestamp()]
    for ids in batches(ripe, CARDS_AT_ONCE):
        there = work.connector.read(ids)
        for id_ in ids:
            del known.missing[id_]
            if id_ not in there and id_ not in known.cards:
                known.gone.add(id_)


def _read_anew(work: BookRun, known: Known) -> None:
    """Cards that we wrote or deleted a short while ago: what was listed may be older than that."""
    doubtful = [
        card.id
        for card in known.cards.values()
        if (read := known.link_of(card)) is not None
        and (read.value.state == "gone" or _is_young(work, read.value))
    ]
    for ids in batches(doubtful, CARDS_AT_ONCE):
        found = work.connector.read(ids)
        for id_ in ids:
            if id_ in found:  # former names are told by lists alone
                known.cards[id_] = replace(found[id_], former=known.cards[id_].former)
            else:
                del known.cards[id_]
                known.missing.setdefault(id_, work.now.timestamp())


def _read_unseen(work: BookRun, known: Known) -> None:
    """Cards that went their own way while their link was frozen."""
    unseen = [
        read.value.id
        for read in known.links.values()
        if read.value.state == "linked" and not read.value.etag and read.value.id not in known.cards
    ]
    for ids in batches(unseen, CARDS_AT_ONCE):
        found = work.connector.read(ids)
        known.cards.update(found)
        known.gone.update(id_ for id_ in ids if id_ not in found)


def _read_decided(work: BookRun, known: Known) -> None:
    """Cards of which somebody has said meanwhile who they are, or are not."""
    if not known.touched:
        return
    waiting = [
        review.card_id
        for review in known.reviews.values()
        if (review.decision or review.apart)
        and not review.settled
        and review.card_id not in known.cards
        and review.card_id not in known.gone
    ]
    for ids in batches(waiting, CARDS_AT_ONCE):
        for id_, card in work.connector.read(ids).items():
            known.cards[id_] = card
            _remember(known, work.control.link(*work.place, key_of(id_)))


def _look_at_pictures(work: BookRun, known: Known, after: str) -> None:
    """The next cards of the sync in the order of their links' keys: those that show another picture have changed."""
    read_all_links(work, known)
    mine = (key for key, read in sorted(known.links.items()) if _is_followed(work, read.value))
    keys = list(islice((key for key in mine if key > after), LOOKED_AT_ONCE))
    known.looked = keys[-1] if len(keys) == LOOKED_AT_ONCE else ""
    links = [known.links[key].value for key in keys]
    tokens = {link.id: link.shown.token if link.shown else "" for link in links}
    for ids in batches([id_ for id_ in tokens if id_ not in known.cards], CARDS_AT_ONCE):
        for id_, card in work.connector.read(ids).items():
            if card.photo not in (None, tokens[id_]):
                known.cards[id_] = card


def _is_followed(work: BookRun, link: Link) -> bool:
    return link.state == "linked" and link.sync == work.sync.id


def _miss(work: BookRun, known: Known) -> None:
    """Cards of this sync that a complete list does not have: they are gone, or have left the group."""
    there = {*known.cards, *known.gone, *known.left, *known.missing}
    there.update(read.value.id for read in known.renamed.values())
    missing = {
        read.value.id: read.value
        for read in known.links.values()
        if (read.value.is_live or read.value.state == "closed")
        and read.value.sync not in known.others
        and read.value.id not in there
    }
    for ids in batches(missing, CARDS_AT_ONCE):
        found = work.connector.read(ids)
        # A card with a link of its own was merged with one that is gone: it is not that one under another id.
        alone = [card for card in found.values() if key_of(card.id) not in known.links]
        found |= {former: card for card in alone for former in card.former if former in missing}
        for id_ in ids:
            is_young = _is_young(work, missing[id_])
            if id_ in found and found[id_].id in known.cards:  # it is listed under another id
                now = known.cards[found[id_].id]
                known.cards[now.id] = replace(now, former=(*now.former, id_))
            elif id_ in found and not is_young:
                known.left.add(id_)
            elif id_ not in found and is_young:
                known.missing[id_] = work.now.timestamp()
            elif id_ not in found:
                known.gone.add(id_)


def _follow_made_anew(work: BookRun, known: Known) -> None:
    """A card that went, and one that came in the same round with the very same fields, are one person under another id.

    Some programs move contacts by making them anew. Without this the contact would go, with all that only we hold.
    So are those of which the sync's rules say so beyond doubt; they meet as if for the first time, for what the new card
    lacks may have been left out.
    """
    lost = [
        read
        for read in known.links.values()
        if read.value.is_live and read.value.id in known.gone and read.value.seen
    ]
    came = [card for card in known.cards.values() if known.link_of(card) is None]
    links, cards = (
        _by_content((read.value.seen, read) for read in lost),
        _by_content((c.fields, c) for c in came),
    )
    for content in links.keys() & cards.keys():
        if len(links[content]) == len(cards[content]) == 1:
            [read], [card] = links[content], cards[content]
            known.renamed[card.id] = read
            known.gone.discard(read.value.id)
    went = {
        read.value.key: read
        for read in known.links.values()
        if not (read.value.is_over or read.value.state == "unmade") and read.value.id in known.gone
    }
    fields = {card.id: work.view.into(card.fields) for card in came if card.id not in known.renamed}
    apart = {
        (review.card_id, key)
        for review in known.reviews.values()
        for key, read in went.items()
        if read.value.contact_id in (review.contacts if review.decision else review.apart)
    }
    contacts = ((key, read.value.agreed) for key, read in went.items())
    pairs = match(fields, contacts, work.sync.match or DEFAULT_RULES, apart=apart).pairs
    for id_, key in pairs.items():
        known.links[key] = Read(replace(went[key].value, terms="", shown=None), went[key].version)
        known.renamed[id_] = known.links[key]
        known.gone.discard(went[key].value.id)


def _by_content(found: Iterable[tuple[Fields, T]]) -> dict[str, list[T]]:
    by: dict[str, list[T]] = {}
    for fields, what in found:
        by.setdefault(json.dumps(fields, sort_keys=True), []).append(what)
    return by


def _is_young(work: BookRun, link: Link) -> bool:
    """Whether lists may not show yet what we have written last."""
    settles = timedelta(seconds=work.connector.capabilities.settles_after_s)
    return link.written_at > (work.now - settles).timestamp()


# Contacts


def read_slots(work: BookRun, known: Known, ids: Iterable[str]) -> None:
    """Read what lies in these slots, as far as that is not known yet."""
    for batch in batches([id_ for id_ in dict.fromkeys(ids) if id_ not in known.slots], SLOTS_AT_ONCE):
        known.slots.update(work.ports.contacts.slots(work.run.account_id, batch))


def people(
    work: BookRun, known: Known, *, linked: frozenset[str], keep: Callable[[Contact], bool] | None
) -> Iterator[tuple[str, Fields]]:
    """Every contact that is not linked, to be matched; those that are to be kept are, on the way."""
    for shard in range(SHARDS):
        for slot in work.ports.contacts.scan(work.run.account_id, shard):
            if not isinstance(slot, Contact):
                continue
            if slot.id in linked:
                continue
            if keep is not None and keep(slot):
                known.slots[slot.id] = slot
            yield slot.id, slot.fields

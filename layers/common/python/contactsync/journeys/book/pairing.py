"""What becomes of one card and one contact: a decision here, and an errand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

import orjson

from contactsync.core.decisions import (
    Add,
    Changing,
    Confirm,
    Decision,
    Delete,
    Row,
    Skip,
    Unchanged,
    Update,
    Writing,
)
from contactsync.core.identity import contact_id
from contactsync.core.merging import (
    SIDE_MAX,
    TURNS_AT_MOST,
    Conflict,
    Merge,
    Side,
    is_loop,
    is_too_large,
    merge,
)
from contactsync.core.overlay import Changes
from contactsync.core.planning import Rules, confirmed, has_room
from contactsync.errors import NotFound
from contactsync.journeys.book import picturing
from contactsync.journeys.book.bookfiles import Errand, Line, Round
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.gathering import Known, read_slots
from contactsync.journeys.book.meeting import Pair
from contactsync.journeys.book.picturing import Pictured, Picturing, Wanted
from contactsync.journeys.file.reading import Lookup
from contactsync.journeys.file.runfiles import batches
from contactsync.model.card import Card
from contactsync.model.connection import Link, Shown, State, Turn
from contactsync.model.contact import Contact, Fields, Tombstone
from contactsync.model.field import LISTS

Parting = Literal["left", "unchosen", "closed"]
CLAIMS_AT_ONCE = 2_000
TOLD_MAX = 200
"""Characters of a value that a sentence quotes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pair comes to. `picture` is put on the card when all else is done."""

    decision: Decision
    errand: Errand | None = None
    conflicts: tuple[Conflict, ...] = ()
    picture: Errand | None = None

    @property
    def errands(self) -> tuple[Errand, ...]:
        """What is to be done about the card."""
        return tuple(each for each in (self.errand, self.picture) if each is not None)

    @property
    def changes(self) -> bool:
        """Whether anything is written but a link, and who knows the contact."""
        return isinstance(self.decision, Changing) or any(each.kind != "link" for each in self.errands)


@dataclass(frozen=True, slots=True)
class _Change:
    """What was found out of one pair on the way: the card's fields, what both sides become, the link, the decision."""

    pair: Pair
    theirs: Fields | None
    merged: Merge
    link: Link
    decision: Decision


@dataclass(slots=True)
class Pairing:
    """Decides pair by pair.

    `size`: cards there were before, `made`: that are to be made. `noted` counts what people should hear of; `left` is for
    when the book has room.
    """

    work: BookRun
    round: Round
    known: Known
    rules: Rules
    noted: Counter[str] = field(default_factory=Counter)
    left: list[Line] = field(default_factory=list)
    size: int = 0
    made: int = 0
    pictures: Picturing = field(init=False)
    _ids: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _undoing: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pictures = Picturing(self.work, self.noted)

    # Ids of contacts that are still to be made

    def look_up(self, pairs: Iterable[Pair]) -> None:
        """Choose an id for each card that becomes a contact: its address's slot, unless that is somebody's.

        A card that becomes none has an id as well, by which the plan speaks of it.
        """
        alone = [(pair.card, pair.skip) for pair in pairs if not pair.contact_id and pair.card is not None]
        linked = {read.value.contact_id for read in self.known.links.values() if not read.value.is_over}
        for card, _ in alone:
            id_ = self._own_id(card.marker or card.id)
            if id_ in linked:  # who copies a card copies its marker
                id_ = self._own_id(card.id)
            self._ids[card.id] = id_
            linked.add(id_)
        new = [card for card, skip in alone if self.work.pulls and skip is None]
        slots = {card.id: self.rules.email_slot(self.work.view.into(card.fields)) for card in new}
        read_slots(self.work, self.known, (slot for slot in [*slots.values(), *self._ids.values()] if slot))
        back = {pair.contact_id for pair in pairs if self._comes_back(pair)}
        for card in new:
            slot = slots[card.id]
            if slot and slot not in self._taken and slot not in back and self._is_free(slot):
                self._ids[card.id] = slot
                self._taken.add(slot)
            else:
                self.noted["address_shared"] += slot is not None

    def _own_id(self, name: str) -> str:
        """An id made of a card's name, for a person without an address, or with somebody else's."""
        return contact_id(self.rules.secret, "card", f"{self.work.connection.id}\0{name}")

    def _is_free(self, slot: str) -> bool:
        return isinstance(self.known.slots.get(slot), Tombstone | None)

    def _comes_back(self, pair: Pair) -> bool:
        """Whether a card brings a deleted contact back, so that its slot is no other card's."""
        if pair.card is None or not isinstance(self.known.slots.get(pair.contact_id), Tombstone):
            return False
        theirs, newer = self.work.view.into(pair.card.fields), _newer(None, pair.card)
        return merge(pair.agreed, None, theirs, self.work.policy, newer=newer).ours is not None

    # One pair

    def decide(self, pair: Pair, number: int) -> Outcome:
        """What is done about a pair, which is row `number` of the plan."""
        id_ = pair.contact_id or self._ids[pair.card.id if pair.card else ""]
        row = Row(id_, number, "", {})
        if pair.skip is not None:
            self.noted[pair.skip[0]] += 1
            return Outcome(Skip(row, *pair.skip))
        slot = self.known.slots.get(id_)
        ours = slot if isinstance(slot, Contact) else None
        link = pair.before.value if pair.before else None
        if link is not None and link.state == "frozen":
            self.noted["frozen"] += 1
            return Outcome(Skip(row, "frozen", FROZEN))
        if pair.parted:
            return self._parted(pair, row, pair.parted)
        ended = link is not None and link.state in ("left", "closed", "gone")
        if ended and pair.card is None and not pair.revive:
            return self._parted(pair, row, "closed")
        if ours is None and pair.card is None:
            return self._parted(pair, row, "closed")
        if ours is None and isinstance(slot, Tombstone) and link is not None and self._was_taken_back(slot):
            return self._parted(pair, row, "closed")
        return self._merged(pair, row, ours)

    def _parted(self, pair: Pair, row: Row, state: Parting) -> Outcome:
        """The two follow each other no more; neither is changed. Of one that is gone nothing is left to follow.

        What was agreed stays so: what the card has beyond it is news to a contact that comes back.
        """
        if pair.before is None:
            return Outcome(Unchanged(row))
        after = replace(pair.before.value, state=state if pair.card is not None else "gone")
        if pair.card is not None:
            seen = after.seen
            after = after.seeing(pair.card)
            news = state == "closed" and not is_too_large(pair.card.fields)
            after = after if news else replace(after, seen=seen)
        is_gone = not isinstance(self.known.slots.get(row.id), Contact)
        errand = self._linking(pair, after, unticks=self._mine(when=is_gone))
        picture = self._picture(after, self.pictures.parted(pair), needs=False)
        return Outcome(Unchanged(row), errand, picture=picture)

    def _mine(self, *, when: bool) -> str:
        """Whose box of the contact changes with the link: in the shared hub, that of the book's member."""
        return self.work.member if when and self.work.is_hub else ""

    def _was_taken_back(self, slot: Tombstone) -> bool:
        """Whether a contact is gone because its run was undone: then its card is nobody's business."""
        by = slot.deleted_by.removeprefix("run:")
        if by not in self._undoing:
            try:
                undoes = self.work.control.run(self.work.run.account_id, by).value.undoes
            except NotFound:
                undoes = None
            self._undoing[by] = undoes is not None
        return self._undoing[by]

    def _merged(self, pair: Pair, row: Row, ours: Contact | None) -> Outcome:
        theirs = self.work.view.into(pair.card.fields) if pair.card else None
        policy = self.work.policy
        newer = _newer(ours, pair.card)
        merged = merge(pair.agreed, ours.fields if ours else None, theirs, policy, newer=newer)
        pictured = Pictured(pair.before.value.shown if pair.before else None)
        if merged.ours is not None and merged.theirs is not None:
            if is_too_large(merged.ours, merged.theirs, pair.card.fields if pair.card else None):
                self.noted["too_large"] += 1
                return Outcome(Skip(row, "too_large", TOO_LARGE))
            pictured = self.pictures.of_pair(pair, row.id, ours, newer)
            merged = _with_photo(merged, pictured.photo)
        if pictured.waits:
            self.left.append(pair.again)
        self.noted["protected"] += bool(merged.protected)
        self.noted["revived"] += merged.revived is not None
        decision = self._here(pair, row, ours, merged)
        link = replace(self._link(pair, row.id, merged), shown=pictured.shown)
        if pair.agreed is not None and pair.before is not None:
            link = self._taking_turns(link, decision, theirs, merged.theirs)
            if is_loop(link.turns, link.carried):
                self.noted["frozen"] += 1
                frozen = replace(pair.before.value, state="frozen", turns=link.turns, carried=link.carried)
                errand = self._linking(pair, frozen)
                return Outcome(Skip(row, "frozen", FROZEN), errand and replace(errand, card=pair.card))
        needs = isinstance(decision, Writing)
        picture = self._picture(link, pictured.wanted, needs=needs)
        is_to_go = picture is not None or pictured.waits
        if is_to_go and pair.agreed is not None:  # until it is there it is an edit of the contact's
            link = replace(link, agreed=picturing.with_photo(link.agreed, pair.agreed.ours.get("photo", "")))
        change = _Change(pair, theirs, merged, link, decision)
        return Outcome(decision, self._there(change), merged.conflicts, picture)

    def _taking_turns(
        self, link: Link, decision: Decision, theirs: Fields | None, to_be: Fields | None
    ) -> Link:
        """The link with what is now written on either side, whose change that is, and what it says."""
        at = self.work.now.timestamp()
        turns: list[tuple[Turn, str]] = []
        if _is_edited(decision):
            turns.append(((at, "theirs"), _mark(_said(decision))))
        if to_be != theirs:
            turns.append(((at, "ours"), _mark(_differing(theirs or {}, to_be or {}))))
        return replace(
            link,
            turns=(*link.turns, *(turn for turn, _ in turns))[-TURNS_AT_MOST:],
            carried=(*link.carried, *(mark for _, mark in turns))[-TURNS_AT_MOST:],
        )

    def _picture(self, link: Link, wanted: Wanted | None, *, needs: bool) -> Errand | None:
        """What is put on the card; which link it then has is looked up, for a card that is made has none yet."""
        if wanted is None:
            return None
        again: Line = ["contact", link.contact_id]
        agreed = {"photo": link.agreed.get("photo", "")}
        return Errand(
            "photo",
            link.contact_id,
            Link(link.id, link.contact_id, "", agreed, {}, shown=Shown(photo=wanted.photo)),
            needs=needs,
            again=again,
            photo=wanted.photo,
            marked=wanted.marked,
            former=link.shown.photo if link.shown else "",
        )

    def _here(self, pair: Pair, row: Row, ours: Contact | None, merged: Merge) -> Decision:
        if merged.ours is None:
            return Delete(ours) if ours is not None else Unchanged(row)
        if ours is None:
            slot = self.known.slots.get(row.id)
            return Add(row._replace(fields=merged.ours), slot.version if slot else 0)
        changes: Changes = {
            key: [ours.fields.get(key), merged.ours.get(key)]
            for key in [*ours.fields, *(key for key in merged.ours if key not in ours.fields)]
            if ours.fields.get(key) != merged.ours.get(key)
        }
        segments = ours.segments
        if self.work.segment and self.work.pulls and self.work.segment not in segments:
            segments = tuple(sorted({*segments, self.work.segment}))
            changes["segments"] = [list(ours.segments), list(segments)]
        known = self._knowing(pair, row, ours)
        if not changes and known is ours:
            return Unchanged(row, _note(merged))
        after = replace(known, version=ours.version + 1, fields=merged.ours, segments=segments)
        if not changes:
            return Confirm(row, after, _note(merged))
        return Update(row, after, changes, note=_note(merged))

    def _knowing(self, pair: Pair, row: Row, ours: Contact) -> Contact:
        """The contact, known by the sync where the book has had a card of the person before the two were linked.

        Whoever deletes what no other sync has brought then leaves it, and the card: it is its owner's.
        """
        is_new = self.work.pulls and _is_met(pair) and self.rules.sync_id not in ours.sources
        return confirmed(ours, row, self.rules) if is_new and has_room(ours, self.rules) else ours

    def _link(self, pair: Pair, id_: str, merged: Merge) -> Link:
        """The link as it becomes if no card is written."""
        agreed = merged.ours or {}
        follows = merged.ours is not None and merged.theirs is not None
        if pair.before is not None:
            link = replace(pair.before.value, contact_id=id_, agreed=agreed or pair.before.value.agreed)
        else:
            link = Link("", id_, "", agreed, {})
        state: State = "linked" if follows else "closed" if merged.theirs is not None else "gone"
        link = replace(link, state=state, sync=self.work.sync.id, terms=self.work.terms)
        return link.seeing(pair.card) if pair.card is not None else link

    def _there(self, change: _Change) -> Errand | None:
        """What is done about the card and the link. Who brings a contact into the hub wants to keep it."""
        pair, theirs, merged, link = change.pair, change.theirs, change.merged, change.link
        needs = isinstance(change.decision, Writing)
        ticks = self._mine(when=_is_met(pair))
        unticks = self._mine(when=merged.ours is None)
        plain = Errand(
            "link",
            link.contact_id,
            link,
            pair.before,
            pair.card,
            needs=needs,
            again=pair.again,
            ticks=ticks if merged.ours is not None else "",
            unticks=unticks,
        )
        if merged.ours is None and merged.theirs is None and theirs is not None:
            return replace(plain, kind="delete", held=True)
        if theirs is None and merged.theirs is not None:
            if self._is_full():
                self.noted["book_full"] += 1
                self.left.append(pair.again)
                return None
            self.made += 1
            self.noted["kept_here"] += _exceeds(merged)
            marker = pair.marker or self._marker(link.contact_id)
            fields = self.work.view.out(merged.theirs, {})
            return replace(plain, kind="create", fields=fields, marker=marker)
        if pair.card is not None and theirs is not None and merged.theirs not in (None, theirs):
            self.noted["kept_here"] += _exceeds(merged)
            fields = self.work.view.out(merged.theirs or {}, pair.card.fields)
            half = self._half(pair, link, theirs) if needs else None
            return replace(plain, kind="update", fields=fields, marker=pair.marker, half=half)
        if not _changes(pair, link):
            return None
        return replace(plain, card=None, marker=pair.marker, held=isinstance(change.decision, Delete))

    def _linking(self, pair: Pair, after: Link, *, unticks: str = "") -> Errand | None:
        """A link that changes by itself; none where it stays as it is."""
        if not _changes(pair, after):
            return None
        return Errand(
            "link",
            after.contact_id,
            after,
            pair.before,
            marker=pair.marker,
            again=pair.again,
            unticks=unticks,
        )

    def _half(self, pair: Pair, link: Link, theirs: Fields) -> Link | None:
        """The link where the contact has been written, and its card has not: what we changed is still to be sent."""
        if pair.agreed is None:
            return None
        taken_over = merge(pair.agreed, pair.agreed.ours, theirs, self.work.policy)
        return replace(link, agreed=_with_photo(taken_over, link.agreed.get("photo", "")).ours or {})

    def _is_full(self) -> bool:
        room, size = self.work.limits.connection_contacts, self.work.connector.capabilities.book_size
        return self.size + self.made >= min(room, size or room)

    def _marker(self, id_: str) -> str:
        """Another one for each run that makes a card: what one before it has made may still be listed, and be gone."""
        told = f"{self.work.connection.id}\0{id_}\0{self.work.files.files.prefix}"
        return blake2b(told.encode(), digest_size=16).hexdigest()

    # Addresses

    def with_claims(self, decisions: Sequence[Decision]) -> list[Decision]:
        """The same decisions; those that give a contact another address claim it, unless it is somebody else's."""
        lookup = Lookup(self.work.ports.contacts, self.rules, int(self.work.now.timestamp()))
        claimed = list(decisions)
        giving = [(at, each) for at, each in enumerate(decisions) if isinstance(each, Update | Add)]
        for batch in batches(giving, CLAIMS_AT_ONCE):
            for (at, _), each in zip(batch, lookup.with_claims([each for _, each in batch]), strict=True):
                claimed[at] = each
        return claimed


TOO_LARGE = (
    f"The contact or its card holds more than {SIDE_MAX:,} bytes, so both are left as they are. Shorten the longest value, "
    "most likely the notes, on the side where it is: then they are kept in step again."
)
FROZEN = (
    "The address book and the contact list keep overwriting each other, as two programs do that both keep the same "
    "contacts in step, or two people who do not agree. Both are left as they are. Stop one of the programs, or agree and write "
    "the same on both sides; then let the contact go on: DELETE /v1/connections/{id}/frozen/{id}."
)


def _with_photo(merged: Merge, photo: str | None) -> Merge:
    """The contact with this picture; None: with the one that it has."""
    if photo is None or merged.ours is None:
        return merged
    return replace(merged, ours=picturing.with_photo(merged.ours, photo))


def _is_met(pair: Pair) -> bool:
    """Whether the book has a card of the person that we have not made, and with which nothing was linked until now."""
    is_new = pair.before is None or pair.before.value.is_over
    return is_new and pair.card is not None and not pair.marker


def _is_edited(decision: Decision) -> bool:
    """Whether a contact gets other fields. Its picture alone is no turn: each that comes in goes out with a mark."""
    return isinstance(decision, Add) or (
        isinstance(decision, Update) and decision.changes.keys() != {"photo"}
    )


def _changes(pair: Pair, after: Link) -> bool:
    """Whether there is a link to be stored."""
    return bool(after.id) and (pair.before is None or pair.before.value != after)


def _exceeds(merged: Merge) -> bool:
    """Whether a contact has more values of a kind than its card can have."""
    ours, theirs = merged.ours or {}, merged.theirs or {}
    return any(len(ours.get(key) or ()) > len(theirs[key]) for key in LISTS & theirs.keys())


def _said(decision: Decision) -> Fields:
    """The values that a contact gets."""
    if isinstance(decision, Update):
        return {key: new for key, (_, new) in decision.changes.items()}
    return decision.row.fields if isinstance(decision, Add) else {}


def _differing(before: Fields, after: Fields) -> Fields:
    """The values that a card gets; None for those that it loses."""
    return {key: after.get(key) for key in {*before, *after} if before.get(key) != after.get(key)}


def _mark(said: Fields) -> str:
    """Equal for the same values of the same fields."""
    return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _newer(ours: Contact | None, card: Card | None) -> Side | None:
    """Which side was changed last, by clocks that nobody has compared."""
    if ours is None or card is None or not card.updated_at:
        return None
    try:
        there, here = (datetime.fromisoformat(at) for at in (card.updated_at, ours.audit.updated_at))
        return "theirs" if there > here else "ours"
    except (ValueError, TypeError):
        return None


def _note(merged: Merge) -> str:
    """What the customer should know of a contact: both values of what was in dispute, and what was kept."""
    told = []
    for each in merged.conflicts:
        kept = "ours" if each.kept == "ours" else "the address book's"
        told.append(
            f"Changed on both sides: {each.field}, here {_told(each.ours)}, in the address book {_told(each.theirs)}; "
            f"{kept} counts."
        )
    if merged.protected:
        told.append(f"Kept although the address book has emptied it: {', '.join(merged.protected)}.")
    if merged.revived == "theirs":
        told.append(
            "Its card was deleted in the address book, and it was edited here: it stays, and gets a card again."
        )
    return " ".join(told)


def _told(value: Any) -> str:
    """A value as a sentence quotes it."""
    if isinstance(value, dict) and "value" in value:
        value = value["value"]
    if isinstance(value, dict):
        value = ", ".join(str(part) for part in value.values())
    text = str(value) if value is not None else "nothing"
    return f"“{text[:TOLD_MAX]}…”" if len(text) > TOLD_MAX else f"“{text}”"

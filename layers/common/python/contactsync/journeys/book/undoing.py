"""Undo of what a run did to its address book, card by card, as far as nobody has changed them since.

Both sides then stay as they are: what they are after the undo is what they have agreed on, though it may differ. A card
that is deleted so is not made again before somebody edits its contact, and one that is made again brings nobody back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Literal, NamedTuple

from contactsync.control import Read
from contactsync.core.decisions import Decision, Delete, Restore, Row, Skip, Unchanged, Update, Writing
from contactsync.core.merging import same
from contactsync.core.overlay import undone as fields_undone
from contactsync.core.pictures import is_name
from contactsync.core.planning import Rules
from contactsync.errors import AccessLost
from contactsync.journeys.book.bookfiles import BookFiles, Errand, Round
from contactsync.journeys.book.bookrun import BookRun, Ports, book_of, open_book
from contactsync.journeys.book.gathering import CARDS_AT_ONCE, SLOTS_AT_ONCE
from contactsync.journeys.book.pairing import Outcome
from contactsync.journeys.book.pushing import divided
from contactsync.journeys.book.reconciling import save_plans
from contactsync.journeys.file.runfiles import Stage, batches, files_of
from contactsync.journeys.file.units import Planning
from contactsync.journeys.steps import check_turn
from contactsync.model.card import Card
from contactsync.model.connection import Link, Shown, State, key_of
from contactsync.model.contact import Contact, Fields
from contactsync.model.run import Run

DONE = {
    "update": "Its card in the address book was written back.",
    "delete": "Its card in the address book was deleted.",
    "create": "Its card in the address book was made again.",
    "photo": "Its card in the address book has its former picture again.",
}


class _Kept(NamedTuple):
    """Why a card stays as it is: code and reason."""

    code: str
    reason: str


CHANGED = _Kept("edited_since", "Its card has been changed since, and stays.")
GONE = _Kept("gone_since", "Its card has been deleted since.")
THERE = _Kept("edited_since", "It has a card in the address book again already.")
PICTURE = _Kept("picture_stays", "The picture of its card stays as it is.")


def undo_book(run: Run, undone: Run, ports: Ports, rules: Rules) -> int:
    """Decide what takes back what a run did here, and in its book, and save that. Returns the number of rows."""
    files, theirs = files_of(run, ports.runs), files_of(undone, ports.runs)
    now, my_turn = int(ports.clock.now().timestamp()), partial(check_turn, ports.control, run)
    planning = Planning(files, theirs.manifest(), ports.contacts, rules, now, my_turn)
    deleted = undone.stage != "rest" and undone.status != "blocked"
    decisions = list(planning.undoing(0, theirs, deleted=deleted))
    carried_out = [*_carried_out(undone, BookFiles(theirs), ports)]
    try:
        work = open_book(run, ports) if carried_out else book_of(run, ports)
        away = None
    except AccessLost as lost:
        work, away = book_of(run, ports), _Kept("not_connected", f"{lost.title} Its card stays as it is.")
    work.check_turn()
    undoing = _Undoing(work, decisions, away)
    outcomes = undoing.outcomes(carried_out)
    work.files.save_round(Round(parts=0, group=_group(work), cursor="", feed="", full=False, everybody=False))
    at_once = work.connector.capabilities.writes_at_once if carried_out and away is None else 1
    return save_plans(work, outcomes, [outcome.decision for outcome in outcomes], at_once=at_once)


def _group(work: BookRun) -> str:
    """Where cards are made again: in the part of the book that the sync follows."""
    return work.control.progress_of(*work.place, work.sync.id).value.group or work.group


def _carried_out(run: Run, files: BookFiles, ports: Ports) -> Iterator[Errand]:
    """What a run has done, or may have done before it died, to cards."""
    if files.plan() is None:
        return
    stages: tuple[Stage, ...] = ("all",) if run.stage == "all" else ("rest", "held")
    for stage in stages:
        word = "push_held" if stage == "held" else "push"
        for number, part in enumerate(divided(files, stage).parts):
            lines = files.done(stage, number)
            if lines is None:
                begun = ports.control.has_progress(run, word, number)
                yield from (errand for errand in part if begun and errand.kind != "link")
                continue
            done = {(kind, contact) for kind, contact, result, *_ in lines if result == "done"}
            yield from (
                errand
                for errand in part
                if errand.kind != "link" and (errand.kind, errand.contact_id) in done
            )


@dataclass(slots=True)
class _Undoing:
    """Brings together what becomes of contacts, and of cards."""

    work: BookRun
    decisions: Sequence[Decision]
    away: _Kept | None
    _after: dict[str, Fields | None] = field(default_factory=dict)
    _there: dict[str, Card] = field(default_factory=dict)
    _links: dict[str, Read[Link]] = field(default_factory=dict)
    _alone: dict[str, Read[Link]] = field(default_factory=dict)
    """By marker: what is remembered of cards that were made again and brought nobody back."""

    def outcomes(self, carried_out: Sequence[Errand]) -> list[Outcome]:
        """A row for each contact, with what is done about its card."""
        self._look(carried_out)
        found: dict[str, Outcome] = {}
        for decision in self.decisions:
            found[decision.key] = Outcome(decision, self._agreeing(decision))
        for errand in carried_out:
            if errand.kind == "photo" and not errand.link.id:
                continue  # of a card that the run has made: what becomes of that one says it all
            back = self.away or self._back(errand)
            found[errand.contact_id] = self._joined(found.get(errand.contact_id), errand, back)
        return list(found.values())

    def _look(self, carried_out: Sequence[Errand]) -> None:
        """Read contacts as they will be, links as they are, and the cards."""
        contacts = dict.fromkeys([*(errand.contact_id for errand in carried_out), *self._targets()])
        for batch in batches(contacts, SLOTS_AT_ONCE):
            slots = self.work.ports.contacts.slots(self.work.run.account_id, batch)
            here = {id_: slot.fields for id_, slot in slots.items() if isinstance(slot, Contact)}
            self._after.update((id_, here.get(id_)) for id_ in batch)
        for decision in self.decisions:
            match decision:
                case Update(_, contact) | Restore(contact):
                    self._after[contact.id] = contact.fields
                case Delete(contact):
                    self._after[contact.id] = None
        for id_ in contacts:
            read = self.work.control.link_of(*self.work.place, id_)
            if read is not None:
                self._links[id_] = read
        alone = {errand.marker for errand in carried_out if errand.kind == "create" and errand.link.is_over}
        if alone:  # a link that is over is not found by its contact
            links = self.work.control.links(*self.work.place)
            self._alone = {read.value.marker: read for read in links if read.value.marker in alone}
        ids = [] if self.away else [*filter(None, map(self._card_id, carried_out))]
        for cards in batches(ids, CARDS_AT_ONCE):
            self._there.update(self.work.connector.read(cards))

    def _targets(self) -> Iterable[str]:
        return (decision.target for decision in self.decisions if isinstance(decision, Writing))

    def _card_id(self, errand: Errand) -> str:
        if errand.kind != "create":
            return errand.link.id
        read = self._alone.get(errand.marker) or self._links.get(errand.contact_id)
        return read.value.id if read is not None and read.value.marker == errand.marker else ""

    def _agreeing(self, decision: Decision) -> Errand | None:
        """A contact that goes back does not take its card along: what its book has was not the run's doing."""
        read = self._links.get(decision.key) if isinstance(decision, Update) else None
        if read is None or not read.value.is_live:
            return None
        fields = self._after[decision.key] or {}
        shown = read.value.shown
        if shown is not None and not shown.marked:  # a marked one is ours, and follows its contact
            photo = fields.get("photo")
            shown = replace(shown, photo=str(photo) if is_name(photo) else "")
        after = replace(read.value, agreed=fields, shown=shown)
        return Errand("link", decision.key, after, read, needs=True)

    def _back(self, errand: Errand) -> Errand | _Kept:
        """What takes a carried out errand back."""
        match errand.kind:
            case "update":
                return self._changed_back(errand)
            case "create":
                return self._deleted(errand)
            case "delete":
                return self._made_again(errand)
        return self._shown_again(errand)

    def _changed_back(self, errand: Errand) -> Errand | _Kept:
        now, read = self._there.get(errand.link.id), self._links.get(errand.contact_id)
        if now is None or errand.card is None:
            return GONE
        if read is None or read.value.id != now.id:
            return CHANGED
        before, wrote = errand.card.fields, self.work.connector.held(errand.fields or {})
        changes = {
            key: [before.get(key), wrote.get(key)]
            for key in sorted({*before, *wrote})
            if before.get(key) != wrote.get(key)
        }
        fields, taken_back, _ = fields_undone(now.fields, changes)
        if not taken_back:
            return CHANGED
        return self._errand("update", errand, read, now, fields=fields)

    def _deleted(self, errand: Errand) -> Errand | _Kept:
        read = self._alone.get(errand.marker) or self._links.get(errand.contact_id)
        now = self._there.get(self._card_id(errand))
        if read is None or now is None:
            return GONE
        if not same(now.fields, self.work.connector.held(errand.fields or {})):
            return CHANGED
        over = read.value.is_over or self._after.get(errand.contact_id) is None
        state: State = "gone" if over else "unmade"
        return self._errand("delete", errand, read, now, state=state)

    def _made_again(self, errand: Errand) -> Errand | _Kept:
        read = self._links.get(errand.contact_id)
        if errand.link.id in self._there or (read is not None and read.value.state != "unmade"):
            return THERE
        read = read or self.work.control.link(*self.work.place, key_of(errand.link.id))
        if read is None or errand.card is None:
            return GONE
        state: State = "closed" if self._after.get(errand.contact_id) is None else "linked"
        return self._errand("create", errand, read, None, fields=errand.card.fields, state=state)

    def _shown_again(self, errand: Errand) -> Errand | _Kept:
        """The picture that the card had, unless somebody has given it another one since."""
        read, now = self._links.get(errand.contact_id), self._there.get(errand.link.id)
        if errand.former == errand.photo:
            return PICTURE
        if read is None or now is None or read.value.shown is None:
            return GONE
        shown = read.value.shown
        if (shown.photo, shown.marked, shown.token) != (errand.photo, errand.marked, now.photo):
            return CHANGED
        if errand.former and self.work.album.place(errand.contact_id, errand.former) is None:
            return PICTURE
        photo = (self._after.get(errand.contact_id) or {}).get("photo")
        link = replace(errand.link, shown=Shown(photo=str(photo) if is_name(photo) else ""))
        return replace(errand, link=link, needs=self._is_written(errand.contact_id), photo=errand.former)

    def _is_written(self, contact_id: str) -> bool:
        """Whether the undo changes the contact as well."""
        return any(each.key == contact_id for each in self.decisions if isinstance(each, Writing))

    def _errand(
        self,
        kind: Literal["create", "update", "delete"],
        errand: Errand,
        read: Read[Link],
        card: Card | None,
        *,
        fields: Fields | None = None,
        state: State | None = None,
    ) -> Errand:
        link = replace(read.value, state=state or read.value.state)
        after = self._after.get(errand.contact_id)
        if after is not None:
            link = replace(link, agreed=after)
        told = f"{self.work.connection.id}\0{errand.contact_id}\0{self.work.run.id}"
        marker = blake2b(told.encode(), digest_size=16).hexdigest() if kind == "create" else ""
        return Errand(
            kind,
            errand.contact_id,
            link,
            read,
            card,
            fields,
            marker,
            needs=self._is_written(errand.contact_id),
        )

    def _joined(self, found: Outcome | None, errand: Errand, back: Errand | _Kept) -> Outcome:
        """The row of a contact, with what becomes of its card."""
        decision = found.decision if found else None
        if isinstance(back, _Kept):
            if decision is None:
                return Outcome(Skip(Row(errand.contact_id, 0, "", {}), *back))
            return replace(found or Outcome(decision), decision=_told(decision, back.reason))
        reason = DONE[back.kind]
        if back.kind == "photo":
            told = (
                _told(decision, reason) if decision else Unchanged(Row(errand.contact_id, 0, "", {}), reason)
            )
            return Outcome(told, found.errand if found else None, picture=back)
        if back.kind == "update" and back.card is not None:
            wrote = self.work.connector.held(errand.fields or {})
            kept = [
                key
                for key in sorted({*wrote, *back.card.fields})
                if wrote.get(key) != back.card.fields.get(key)
            ]
            reason += f" Changed there since, and stays: {', '.join(kept)}." if kept else ""
        told = _told(decision, reason) if decision else Unchanged(Row(errand.contact_id, 0, "", {}), reason)
        return Outcome(told, back)


def _told(decision: Decision, reason: str) -> Decision:
    """The decision, with something to be said of it besides. A card and its picture often have the same to say: once will do."""
    match decision:
        case Update(_, _, _, _, note) | Unchanged(_, note) if reason not in note:
            return replace(decision, note=f"{note} {reason}".strip())
        case Skip(_, _, said) if reason not in said:
            return replace(decision, reason=f"{said} {reason}")
    return decision

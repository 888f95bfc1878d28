"""Push's work: what was planned for the address book, and the links that go with it.

A creation is announced before it is tried, under a marker that the card carries, and a part of the work is noted as
begun. So whoever takes over knows what may have happened, and looks before trying again; what nobody can know yet,
because the provider shows new cards later, waits for the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from contactsync.control import Read
from contactsync.control.books import Linking
from contactsync.core.decisions import read_decision
from contactsync.core.merging import same
from contactsync.core.pictures import digest_of, marked
from contactsync.errors import Stale
from contactsync.journeys.book.bookfiles import BookFiles, BookPlan, Errand, Line, Result, card_line
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.picturing import with_photo
from contactsync.journeys.file.applying import Applying
from contactsync.journeys.file.runfiles import Stage, batches
from contactsync.model.card import Card, Changed, Draft, Edit, Missing, Outcome, Refused, Unknown, Written
from contactsync.model.connection import Intent, Link, Shown, key_of
from contactsync.model.contact import Contact, Slot

LINKS_AT_ONCE = 45
PHOTOS_AT_ONCE = 10
SETTLED_AT_ONCE = 1_000
BOOK_FULL = "book_full"


@dataclass(frozen=True, slots=True)
class Work:
    """The errands of one stage: parts in their order, and those that have come to nothing because of upsert."""

    parts: list[list[Errand]]
    dropped: list[Errand]


def divided(files: BookFiles, stage: Stage) -> Work:
    """What one stage has to do, in parts that are the same whoever asks, once upsert is through."""
    at_once = (files.plan() or BookPlan()).at_once
    otherwise = {read_decision(line).key for line in files.files.deviations(0, stage)}
    mine = [errand for errand in files.errands() if stage == "all" or errand.held == (stage == "held")]
    dropped = [errand for errand in mine if errand.needs and errand.contact_id in otherwise]
    going = [errand for errand in mine if not (errand.needs and errand.contact_id in otherwise)]
    parts = [
        part
        for kind, alike in groupby(going, lambda errand: errand.kind)
        for part in batches(alike, {"link": LINKS_AT_ONCE, "photo": PHOTOS_AT_ONCE}.get(kind, at_once))
    ]
    return Work(parts, dropped)


@dataclass(slots=True)
class Pushing:
    """One run's work on its book."""

    work: BookRun
    stage: Stage
    full: str = ""
    """Why no more cards are made, once the provider has said that there is no room."""
    _results: list[Line] = field(default_factory=list)

    def push(self) -> None:
        """Do every part that nobody has come to the end of."""
        todo = divided(self.work.files, self.stage)
        for number, part in enumerate(todo.parts):
            if self.work.files.done(self.stage, number) is None:
                self._do(number, part)

    def _do(self, number: int, part: Sequence[Errand]) -> None:
        self.work.check_turn()
        control, run = self.work.control, self.work.run
        word = "push" if self.stage != "held" else "push_held"
        begun = control.has_progress(run, word, number)
        control.note_progress(run, word, number, 0, self.work.now)
        self._results = []
        if run.undoes is None or part[0].kind != "link":
            self.work.check_let_in()
        match part[0].kind:
            case "link":
                self._link(part)
            case "create":
                self._create(part, begun=begun)
            case "update":
                self._update(part)
            case "delete":
                self._delete(part)
            case "photo":
                for errand in part:
                    self._show(errand)
        self.work.check_turn()
        self.work.files.save_done(self.stage, number, self._results)
        control.note_progress(run, word, number, len(part), self.work.now)

    def _told(self, errand: Errand, result: Result, again: Line | None = None, *, why: str = "") -> None:
        self._results.append([errand.kind, errand.contact_id, result, again, why])

    # Links

    def _link(self, part: Sequence[Errand]) -> None:
        for errand in part:
            self._stored(errand, errand.link, kept="done")

    def _stored(
        self, errand: Errand, link: Link, *, kept: Result, again: Line | None = None, why: str = ""
    ) -> None:
        """Store a link, and say what became of its errand. One that somebody else has changed is looked at again."""
        linking = _linking(errand, link)
        try:
            self.work.control.store_links(*self.work.place, [linking], self.work.now)
        except Stale:
            self._told(errand, "again", errand.again)
        else:
            self._told(errand, kept, again, why=why)

    def _written(self, errand: Errand, card: Card) -> None:
        """The card is as it was to become."""
        self._stored(
            errand, replace(errand.link.seeing(card), written_at=self.work.now.timestamp()), kept="done"
        )

    def _failed(self, errand: Errand, result: Result, again: Line | None = None, *, why: str = "") -> None:
        """The card is not written; what the contact has taken over from it counts as agreed."""
        if errand.half is not None:
            self._stored(errand, errand.half, kept=result, again=again, why=why)
        else:
            self._told(errand, result, again, why=why)

    # Creations

    def _create(self, part: Sequence[Errand], *, begun: bool) -> None:
        # The link says so as well: a card that its server has put elsewhere does not tell its marker
        by_marker = {
            errand.marker: replace(errand, link=replace(errand.link, marker=errand.marker)) for errand in part
        }
        if begun:
            for errand in part:
                if self._is_linked(errand):
                    del by_marker[errand.marker]
                    self._told(errand, "done")
        self._look_for(by_marker)
        if self.full:
            for errand in by_marker.values():
                self._told(errand, "refused", errand.again, why=self.full)
            return
        if not by_marker:
            return
        self._begin(by_marker)
        self.work.check_turn()  # a creation is the one thing that cannot be made conditional
        drafts = [Draft(marker, errand.fields or {}) for marker, errand in by_marker.items()]
        unknown: dict[str, Errand] = {}
        for draft, outcome in self.work.connector.create(self.work.files.round().group, drafts):
            errand = by_marker[draft.marker]
            if isinstance(outcome, Unknown):
                unknown[draft.marker] = errand
            else:
                self._created(errand, outcome)
        self._look_for(unknown)
        for marker, errand in unknown.items():
            if self.work.connector.capabilities.finds_at_once:
                self._forget(marker)
            self._told(errand, "again", errand.again)

    def _is_linked(self, errand: Errand) -> bool:
        """Whether a worker before us has linked the card that it made."""
        place, before = self.work.place, errand.before
        read = self.work.control.link_of(*place, errand.contact_id)
        if read is not None and read.value.marker == errand.marker and read.value.is_live:
            return True
        # A link that is over is not found by its contact; that its former card has no link any more tells
        if before is None or not errand.link.is_over:
            return False
        return self.work.control.link(*place, before.value.key) is None

    def _begin(self, by_marker: dict[str, Errand]) -> None:
        now = self.work.now.timestamp()
        intents = {
            marker: Intent(
                contact_id=errand.contact_id,
                at=now,
                agreed=errand.link.agreed,
                seen=self.work.connector.held(errand.fields or {}),
            )
            for marker, errand in by_marker.items()
        }
        self.work.control.begin_creations(*self.work.place, intents, run_id=self.work.run.id)

    def _look_for(self, by_marker: dict[str, Errand]) -> None:
        """Take out of these creations those that came about, and those of which nobody can know yet."""
        intents = {marker: self.work.control.has_intent(*self.work.place, marker) for marker in by_marker}
        begun = {marker: intent for marker, intent in intents.items() if intent is not None}
        if not begun:
            return
        found = self.work.connector.find(list(begun))
        there = self.work.connector.read([card.id for card in found.values()])
        settled = self.work.now.timestamp() - self.work.connector.capabilities.settles_after_s
        for marker, intent in begun.items():
            card = found.get(marker)
            if card is not None and card.id in there:
                self._found(by_marker.pop(marker), there[card.id], intent)
            elif intent.at > settled:
                errand = by_marker.pop(marker)
                self._told(errand, "again", errand.again)

    def _found(self, errand: Errand, card: Card, intent: Intent) -> None:
        """The card was made before; what somebody has made of it since is for the next run to see."""
        link = replace(errand.link.seeing(card), seen=intent.seen, written_at=self.work.now.timestamp())
        self._stored(errand, link, kept="done", again=None if card.fields == intent.seen else card_line(card))

    def _created(self, errand: Errand, outcome: Outcome) -> None:
        if isinstance(outcome, Written):
            self._written(errand, outcome.card)
            return
        self._forget(errand.marker)
        if isinstance(outcome, Refused):
            full = outcome.code == BOOK_FULL
            self.full = outcome.reason if full else self.full
            self._told(errand, "refused", errand.again if full else None, why=outcome.reason)
        else:
            self._told(errand, "again", errand.again)

    def _forget(self, marker: str) -> None:
        self.work.control.forget_intent(*self.work.place, marker)

    # Changes

    def _update(self, part: Sequence[Errand]) -> None:
        by_id = {errand.link.id: errand for errand in part}
        cards = self._whole(part)
        edits = [Edit(cards[id_], errand.fields or {}) for id_, errand in by_id.items() if id_ in cards]
        doubtful = {id_: errand for id_, errand in by_id.items() if id_ not in cards}
        for edit, outcome in self.work.connector.update(edits):
            errand = by_id[edit.card.id]
            match outcome:
                case Written(card):
                    self._written(errand, card)
                case Missing():
                    self._failed(errand, "again", self._missing(errand))
                case Refused(_, reason):
                    self._failed(errand, "refused", why=reason)
                case Changed() | Unknown():
                    doubtful[edit.card.id] = errand
        there = self.work.connector.read(list(doubtful))
        for id_, errand in doubtful.items():
            now = there.get(id_)
            if now is None:
                self._failed(errand, "again", self._missing(errand))
            elif now.fields == self.work.connector.held(errand.fields or {}):
                self._written(errand, now)
            else:
                self._failed(errand, "again", card_line(now))

    def _missing(self, errand: Errand) -> Line:
        """By the id under which it is linked: the card may have had another one when it was listed."""
        id_ = errand.before.value.id if errand.before is not None else errand.link.id
        return ["missing", [id_, self.work.now.timestamp()]]

    def _whole(self, part: Sequence[Errand]) -> dict[str, Card]:
        """The cards to be changed with all that belongs to them; links do not keep what is very long."""
        cards = {errand.card.id: errand.card for errand in part if errand.card is not None}
        short = [
            errand.link.id
            for errand in part
            if errand.before is not None
            and errand.before.value.extra is None
            and errand.card == errand.before.value.card
        ]
        there = self.work.connector.read(short)
        for id_ in short:
            if id_ in there and there[id_].etag == cards[id_].etag:
                cards[id_] = there[id_]
            else:
                del cards[id_]
        return cards

    # Deletions

    def _delete(self, part: Sequence[Errand]) -> None:
        by_id = {errand.link.id: errand for errand in part}
        doubtful: dict[str, Errand] = {}
        for card, outcome in self.work.connector.delete([errand.card for errand in part if errand.card]):
            errand = by_id[card.id]
            if isinstance(outcome, Written | Missing):
                self._stored(errand, errand.link, kept="done")
            elif isinstance(outcome, Refused):
                self._told(errand, "refused", why=outcome.reason)
            else:
                doubtful[card.id] = errand
        there = self.work.connector.read(list(doubtful))
        for id_, errand in doubtful.items():
            if id_ in there:
                self._told(errand, "again", card_line(there[id_]))
            else:
                self._stored(errand, errand.link, kept="done")

    # Pictures

    def _show(self, errand: Errand) -> None:
        """Put a picture on a card, announced first: what is there then is ours, until the link says what it is called."""
        read = self._link_now(errand)
        link = read.value if read is not None else None
        if read is None or link is None:
            self._told(errand, "again", errand.again)
            return
        shown, is_undone = link.shown or Shown(), self.work.run.undoes is not None
        if (shown.photo, shown.marked, shown.begun) == (errand.photo, errand.marked, False) and not is_undone:
            self._told(errand, "done")
            return
        card = self.work.connector.read([link.id]).get(link.id)
        if card is None or (card.photo != shown.token and not shown.begun):
            self._told(errand, "again", card_line(card) if card else ["gone", link.id])
            return
        picture = self.work.album.picture(errand.contact_id, errand.photo)
        if errand.photo and picture is None:
            self._told(errand, "refused")
            return
        if errand.marked:
            picture = marked(picture)
        begun = replace(link, shown=replace(shown, begun=True))
        read = self._relinked(read, begun)
        if read is None:
            self._told(errand, "again", errand.again)
            return
        match self.work.connector.put_photo(card, picture):
            case Written(after):
                self._shown(errand, read, after, picture)
            case Refused(_, reason):  # nor would it be taken next time
                now = Shown(card.photo or "", errand.photo, marked=errand.marked)
                self._relinked(read, replace(_agreeing(link, errand), shown=now))
                self._told(errand, "refused", why=reason)
            case Missing():
                self._told(errand, "again", ["gone", link.id])
            case Changed() | Unknown():
                self._told(errand, "again", errand.again)

    def _shown(self, errand: Errand, read: Read[Link], card: Card, picture: bytes | None) -> None:
        """Remember what the provider calls the picture, and which bytes it gives of it: some encode it anew."""
        back = self.work.connector.photo(card) if picture is not None else None
        digest = digest_of(back or picture) if picture is not None else ""
        agreed = errand.link.shown or Shown(photo=errand.photo)
        shown = Shown(card.photo or "", agreed.photo, digest, errand.marked)
        link = read.value
        is_edited = card.fields != link.seen  # by somebody, since it was listed: the next run is to see that
        seen = link if is_edited else link.seeing(card)
        after = replace(_agreeing(seen, errand), shown=shown, written_at=self.work.now.timestamp())
        if self._relinked(read, after) is None:
            self._told(errand, "again", errand.again)
        else:
            self._told(errand, "done", card_line(card) if is_edited else None)

    def _link_now(self, errand: Errand) -> Read[Link] | None:
        if errand.link.id:
            return self.work.control.link(*self.work.place, key_of(errand.link.id))
        return self.work.control.link_of(*self.work.place, errand.contact_id)

    def _relinked(self, read: Read[Link], after: Link) -> Read[Link] | None:
        """The link as it is then; None where somebody else has changed it."""
        linking = Linking(after, read)
        try:
            self.work.control.store_links(*self.work.place, [linking], self.work.now)
        except Stale:
            return None
        return self.work.control.link(*self.work.place, after.key)


def _agreeing(link: Link, errand: Errand) -> Link:
    """The link when nothing is left to do about the picture: then it counts as agreed."""
    agreed = errand.link.agreed
    return replace(link, agreed=with_photo(link.agreed, agreed["photo"])) if "photo" in agreed else link


def settle_links(work: Applying, connection_id: str) -> None:
    """After a run that failed: what contacts have taken over from their cards counts as agreed.

    Otherwise the next run would take it for an edit made here. A contact that the run did not come to is left as it
    was agreed before: what is new on its card would else pass for undone here.
    """
    account, now = work.run.account_id, work.clock.now()
    for batch in batches(_settled(work), SETTLED_AT_ONCE):
        slots = work.contacts.slots(account, [errand.contact_id for errand in batch])
        for errand in batch:
            link = errand.link if errand.kind == "link" else errand.half
            if link is not None and _is_written(errand, slots.get(errand.contact_id)):
                with suppress(Stale):
                    work.control.store_links(account, connection_id, [_linking(errand, link)], now)


def _linking(errand: Errand, link: Link) -> Linking:
    """The link as it becomes, with all that goes with it."""
    theirs = errand.card.fields if errand.card is not None and link.state == "frozen" else None
    return Linking(link, errand.before, errand.marker, errand.ticks, errand.unticks, theirs)


def _settled(work: Applying) -> Iterator[Errand]:
    """Errands that wait for their contact to be written, and were not come to."""
    todo = divided(BookFiles(work.files), work.run.stage)
    return (errand for part in todo.parts for errand in part if errand.needs)


def _is_written(errand: Errand, slot: Slot | None) -> bool:
    """Whether the contact has become what the errand's link says."""
    if errand.link.is_over:
        return not isinstance(slot, Contact)
    return isinstance(slot, Contact) and same(slot.fields, errand.link.agreed)

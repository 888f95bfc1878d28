"""An address book in memory, with the habits of real ones, each of which can be switched on by itself.

`MemoryBook` is the provider: what others do to the book, and what goes wrong with it. `MemoryConnector` is our way in.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import partial

from contactsync.core.overlay import is_empty
from contactsync.errors import AccessLost, BookBusy, Busy, CursorExpired
from contactsync.model.card import (
    Capabilities,
    Card,
    Changed,
    Draft,
    Edit,
    Group,
    Holder,
    Missing,
    Outcome,
    Pulled,
    Refused,
    Unknown,
    Written,
)
from contactsync.model.contact import Fields
from contactsync.model.field import PRIMARIES, STANDARD_FIELDS
from contactsync.ports import Clock

ALL = "all"
"""The group that is the whole book."""
KEYS = frozenset(STANDARD_FIELDS) - frozenset(PRIMARIES) - {"photo"}
"""What a book holds: lists instead of their primaries, and pictures beside the fields."""


class Mishap(Enum):
    """What becomes of one write that does not go as it should."""

    LOST = "it is carried out, and the answer is lost"
    DROPPED = "it is not carried out, and nobody can tell"
    UNSENT = "it is not carried out, and said so"
    BUSY = "it is not carried out, for the provider is busy"
    BUSY_AFTER = "it is carried out, and then the provider is busy"


@dataclass
class Habits:
    """What a book is like. Changed at any time; at first it is as good as a book can be.

    Attributes:
        shows_after: how long until `pull` and `find` see what was written.
        keys: the fields that it holds; `most`: of how many values of a list it holds the first ones.
        labels, yearless: whether it holds labels, and birthdays without a year.
        size: how many cards it takes.
        part: how many cards a part of a pull has; `at_once`: how many writes are best given together.
        photos: whether it holds pictures; `lists_photos`: whether it tells of them in lists, and counts another one as
            another version of the card; `encodes`: what becomes of the bytes of a picture that is put there.
    """

    shows_after: timedelta = timedelta()
    keys: frozenset[str] = KEYS
    most: dict[str, int] = field(default_factory=dict)
    labels: bool = True
    yearless: bool = True
    size: int | None = None
    part: int = 100
    at_once: int = 10
    photos: bool = True
    lists_photos: bool = True
    encodes: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A card of the book, and the groups it is in besides all."""

    card: Card
    groups: frozenset[str]
    picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A card as it stands from `at` on for those who list the book; None: it is deleted."""

    at: datetime
    id: str
    kept: Kept | None


class MemoryBook:
    """One person's book. `requests` counts what its connectors have asked, by method; a part of a pull is one."""

    def __init__(self, clock: Clock, *, habits: Habits | None = None, subject: str = "person-1") -> None:
        self.clock = clock
        self.habits = habits or Habits()
        self.holder = Holder(subject, f"{subject}@book.example")
        self.groups: dict[str, Group] = {ALL: Group(ALL, "All contacts")}
        self.mishaps: deque[Mishap | None] = deque()
        self.requests: Counter[str] = Counter()
        self._kept: dict[str, Kept] = {}
        self._shown: dict[str, Kept] = {}
        self._waiting: deque[Event] = deque()
        self._events: list[Event] = []
        self._age = 0
        self._numbers = 0
        self._busy: deque[float | None] = deque()
        self._cuts = 0
        self._locked = False

    # What others do to the book

    def add_group(self, id_: str, *, writable: bool = True) -> Group:
        """A label, a folder."""
        self.groups[id_] = Group(id_, id_.title(), writable)
        return self.groups[id_]

    def add(self, fields: Fields, *groups: str, extra: str = "", marker: str = "") -> str:
        """Somebody makes a card; returns its id."""
        id_ = f"card-{self._next():06d}"
        card = Card(id_, "", self.held(fields), extra=extra, marker=marker)
        self._keep(Kept(card, frozenset(groups) - {ALL}))
        return id_

    def edit(self, id_: str, fields: Fields, *, extra: str | None = None) -> None:
        """Somebody changes a card: what fields lacks is taken away."""
        kept = self._kept[id_]
        extra = kept.card.extra if extra is None else extra
        self._keep(replace(kept, card=replace(kept.card, fields=self.held(fields), extra=extra)))

    def touch(self, id_: str) -> None:
        """The provider gives a card another version, for reasons of its own."""
        self._keep(self._kept[id_])

    def remove(self, id_: str) -> None:
        """Somebody deletes a card."""
        del self._kept[id_]
        self._happens(id_, None)

    def move(self, id_: str, *groups: str) -> None:
        """Somebody puts a card into these groups, and no others."""
        self._keep(replace(self._kept[id_], groups=frozenset(groups) - {ALL}))

    def rename(self, id_: str) -> str:
        """The provider gives a card another id; returns it."""
        kept = self._kept[id_]
        new = f"card-{self._next():06d}"
        self.remove(id_)
        self._keep(replace(kept, card=replace(kept.card, id=new, former=(*kept.card.former, id_))))
        return new

    def picture(self, id_: str, picture: bytes | None) -> None:
        """Somebody gives a card another picture."""
        token = f"p{self._next()}" if picture else ""
        kept = self._kept[id_]
        pictured = replace(kept, card=replace(kept.card, photo=token), picture=picture)
        if self.habits.lists_photos:
            self._keep(pictured)
        else:
            self._kept[id_] = pictured

    def cards(self) -> dict[str, Card]:
        """Every card as it is now, by id."""
        return {id_: deepcopy(kept.card) for id_, kept in self._kept.items()}

    # What goes wrong

    def expire_cursors(self) -> None:
        """The provider forgets every cursor that it has given out."""
        self._age += 1

    def be_busy(self, times: int = 1, *, retry_after_s: float | None = None) -> None:
        """The next requests are not answered."""
        self._busy.extend([retry_after_s] * times)

    def cut_pulls(self, times: int = 1) -> None:
        """The next pulls break off after their first part."""
        self._cuts += times

    def lock(self, *, locked: bool = True) -> None:
        """The person takes our access away, or gives it back."""
        self._locked = locked

    def calm(self) -> None:
        """Nothing goes wrong from now on."""
        self._busy.clear()
        self.mishaps.clear()
        self._cuts = 0

    # What connectors ask

    def ask(self, method: str) -> None:
        """Count a request, and refuse it where it is to be refused."""
        self.requests[method] += 1
        if self._locked:
            raise AccessLost(
                "access_lost",
                "The address book does not let us in any more.",
                "Connect it again; nothing is lost until then.",
            )
        if self._busy:
            raise BookBusy("The address book is busy.", retry_after_s=self._busy.popleft())

    def held(self, fields: Fields) -> Fields:
        """What the book keeps of these fields."""
        held: Fields = {}
        for key in sorted(fields.keys() & self.habits.keys):
            value = deepcopy(fields[key])
            if isinstance(value, list):
                value = value[: self.habits.most.get(key)]
                if not self.habits.labels:
                    value = [{name: part for name, part in each.items() if name != "label"} for each in value]
            if is_empty(value) or (key == "birthday" and value.startswith("--") and not self.habits.yearless):
                continue
            held[key] = value
        return held

    def read(self, id_: str) -> Card | None:
        """A card as it is now."""
        kept = self._kept.get(id_)
        return deepcopy(kept.card) if kept else None

    def listed(self) -> dict[str, Kept]:
        """Every card, as those who list the book see it."""
        self._show()
        return self._shown

    def since(self, group: str, cursor: str) -> tuple[list[Event], str]:
        """What has shown itself since a cursor, or all there is, and the next cursor. Raises CursorExpired."""
        self._show()
        after = f"{self._age}:{group}:{len(self._events)}"
        if not cursor:
            return [Event(self.clock.now(), id_, kept) for id_, kept in self._shown.items()], after
        age, of, number = cursor.split(":")
        if (int(age), of) != (self._age, group):
            raise CursorExpired("The book has forgotten this cursor.")
        return self._events[int(number) :], after

    def cuts(self) -> bool:
        """Whether the pull that begins now is to break off: asked once a pull."""
        if not self._cuts:
            return False
        self._cuts -= 1
        return True

    def picture_of(self, id_: str) -> bytes | None:
        """A card's picture."""
        kept = self._kept.get(id_)
        return kept.picture if kept else None

    @property
    def is_full(self) -> bool:
        """Whether it takes no more cards."""
        return self.habits.size is not None and len(self._kept) >= self.habits.size

    def _keep(self, kept: Kept) -> None:
        stamp = self.clock.now().isoformat(timespec="milliseconds")
        kept = replace(kept, card=replace(kept.card, etag=f"v{self._next()}", updated_at=stamp))
        self._kept[kept.card.id] = kept
        self._happens(kept.card.id, kept)

    def _happens(self, id_: str, kept: Kept | None) -> None:
        self._waiting.append(Event(self.clock.now() + self.habits.shows_after, id_, kept))

    def _show(self) -> None:
        while self._waiting and self._waiting[0].at <= self.clock.now():
            event = self._waiting.popleft()
            self._events.append(event)
            if event.kept is None:
                self._shown.pop(event.id, None)
            else:
                self._shown[event.id] = event.kept

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


class MemoryConnector:
    """See `ports.Connector`. The way into a `MemoryBook`."""

    def __init__(self, book: MemoryBook) -> None:
        self.book = book

    @property
    def capabilities(self) -> Capabilities:
        """See `ports.Connector.capabilities`."""
        habits = self.book.habits
        return Capabilities(
            fields=habits.keys,
            photos=habits.photos,
            lists_photos=habits.lists_photos,
            finds_at_once=not habits.shows_after,
            settles_after_s=int(habits.shows_after.total_seconds()),
            writes_at_once=habits.at_once,
            book_size=habits.size,
        )

    def held(self, fields: Fields) -> Fields:
        """See `ports.Connector.held`."""
        return self.book.held(fields)

    def holder(self) -> Holder:
        """See `ports.Connector.holder`."""
        self.book.ask("holder")
        return self.book.holder

    def groups(self) -> Sequence[Group]:
        """See `ports.Connector.groups`."""
        self.book.ask("groups")
        return list(self.book.groups.values())

    def pull(self, group: str, cursor: str) -> Iterator[Pulled]:
        """See `ports.Connector.pull`."""
        self.book.ask("pull")
        events, after = self.book.since(group, cursor)
        cut = self.book.cuts()
        size = self.book.habits.part
        parts = [events[start : start + size] for start in range(0, len(events), size)] or [[]]
        for number, part in enumerate(parts, 1):
            if number > 1:
                self.book.ask("pull")
            whole = number == len(parts) and not cut
            told = part if self.book.habits.lists_photos else map(_without_photo, part)
            yield _pulled(list(told), group, after if whole else "", full=not cursor)
            if cut:
                raise Busy("The list was cut.")

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.read`."""
        if ids:
            self.book.ask("read")
        found = ((id_, self.book.read(id_)) for id_ in ids)
        return {id_: card for id_, card in found if card is not None}

    def find(self, markers: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.find`."""
        if markers:
            self.book.ask("find")
        wanted = set(markers)
        return {
            kept.card.marker: deepcopy(kept.card)
            for kept in self.book.listed().values()
            if kept.card.marker in wanted
        }

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        """See `ports.Connector.create`."""
        for draft in drafts:
            yield draft, self._write("create", partial(self._create, group, draft))

    def update(self, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Outcome]]:
        """See `ports.Connector.update`."""
        for edit in edits:
            yield edit, self._write("update", partial(self._update, edit))

    def delete(self, cards: Sequence[Card]) -> Iterator[tuple[Card, Outcome]]:
        """See `ports.Connector.delete`."""
        for card in cards:
            yield card, self._write("delete", partial(self._delete, card))

    def photo(self, card: Card) -> bytes | None:
        """See `ports.Connector.photo`."""
        self.book.ask("photo")
        return self.book.picture_of(card.id)

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        """See `ports.Connector.put_photo`."""
        return self._write("put_photo", partial(self._put_photo, card, picture))

    def _write(self, method: str, write: Callable[[], Outcome]) -> Outcome:
        """Carry out one write, unless something happens to it."""
        self.book.ask(method)
        mishap = self.book.mishaps.popleft() if self.book.mishaps else None
        if mishap is Mishap.BUSY:
            raise Busy("The address book is busy.")
        if mishap is Mishap.UNSENT:
            return Changed()
        outcome = write() if mishap is not Mishap.DROPPED else Unknown()
        if mishap is Mishap.BUSY_AFTER:
            raise Busy("The address book is busy.")
        return Unknown() if mishap is Mishap.LOST else outcome

    def _create(self, group: str, draft: Draft) -> Outcome:
        if not self.book.groups[group].writable:
            return Refused("read_only", "This group takes no contacts.")
        if self.book.is_full:
            return Refused("book_full", "The address book takes no more contacts.")
        return self._now(self.book.add(draft.fields, group, marker=draft.marker))

    def _update(self, edit: Edit) -> Outcome:
        obstacle = self._obstacle(edit.card)
        if obstacle is None:
            self.book.edit(edit.card.id, edit.fields)
        return obstacle or self._now(edit.card.id)

    def _delete(self, card: Card) -> Outcome:
        obstacle = self._obstacle(card)
        if obstacle is not None:
            return obstacle
        gone = self._now(card.id)
        self.book.remove(card.id)
        return gone

    def _put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        obstacle = self._obstacle(card)
        if obstacle is None:
            self.book.picture(card.id, picture and self.book.habits.encodes(picture))
        return obstacle or self._now(card.id)

    def _obstacle(self, card: Card) -> Changed | Missing | None:
        """What forbids a write over the version that was read."""
        stored = self.book.read(card.id)
        if stored is None:
            return Missing()
        return None if stored.etag == card.etag else Changed()

    def _now(self, id_: str) -> Written:
        card = self.book.read(id_)
        assert card is not None
        return Written(card)


def _without_photo(event: Event) -> Event:
    kept = event.kept
    return replace(event, kept=kept and replace(kept, card=replace(kept.card, photo=None)))


def _pulled(events: Sequence[Event], group: str, cursor: str, *, full: bool) -> Pulled:
    """A part of a pull: the last word on each card; who asks for everything is not told what is not there."""
    cards, gone, left = [], [], []
    for event in {event.id: event for event in events}.values():
        if event.kept is None:
            gone.append(event.id)
        elif group in (ALL, *event.kept.groups):
            cards.append(deepcopy(event.kept.card))
        elif not full:
            left.append(event.id)
    return Pulled(tuple(cards), tuple(gone), tuple(left), cursor)

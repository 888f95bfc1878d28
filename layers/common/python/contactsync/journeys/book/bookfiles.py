"""What a run with an address book leaves in its folder, besides the plan (`journeys.file.runfiles`).

    pulled/<part>.jsonl      ["card", {…}], ["gone", id], ["left", id]
    pulled.json              how many parts count, and all that reconcile begins with
    push.jsonl               what is to be done at the provider, and what becomes of links, one `Errand` a line
    book.json                what these come to
    conflicts.jsonl          [contact id, field, ours, theirs, whose value counts]
    carried.jsonl            what was left for the next run by reconcile, as lines of `pulled`, ["contact", id] and
                             ["missing", [id, at]]
    done/<stage>-<n>.jsonl   what became of some errands: [kind, contact id, result, what is left for the next run, why]
    refused/<stage>.jsonl    [contact id, why its card was not written], where the provider did not take it
    left/<stage>.jsonl       all that the next run begins with: `Progress.carry` names it

Files under one name hold the same whenever they are written; `pulled.json` and `book.json` are written last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, count
from typing import Any, Literal

import orjson
from pydantic import ConfigDict

from contactsync.control import Read
from contactsync.core.decisions import Unchanged, read_decision
from contactsync.errors import NotFound
from contactsync.journeys.file.runfiles import RunFiles, Stage, batches
from contactsync.model.card import Card
from contactsync.model.connection import Link, read_link
from contactsync.model.contact import Fields
from contactsync.model.deferred import Deferred

Line = list[Any]
"""["card", {…}], ["gone", id], ["left", id], ["contact", id] or ["missing", [id, at]]: what a run has to look at.

A card is missing that was not found by its id at `at`, epoch seconds, though no list has said yet that it is gone: its
provider may have given it another id, which lists show later.
"""
Result = Literal["done", "refused", "again"]


class Round(Deferred):
    """What reconcile begins with.

    Attributes:
        parts: how many files of cards count.
        cursor, feed: from where the next round goes on.
        full: all cards of the group are there, so one that is missing is gone, or has left.
        everybody: every contact is to be looked at, not only those in `changed`.
        size: cards of the group, as far as known.
        version: of the progress that this round goes on from.
        at: when it began, RFC 3339: a complete list does not tell of what came later.
        erased: cards that were left out, because their people were erased.
        look: whether pictures are looked at of which the provider's list does not tell.
    """

    model_config = ConfigDict(frozen=True)

    parts: int
    group: str
    cursor: str
    feed: str
    full: bool
    everybody: bool
    changed: tuple[str, ...] = ()
    size: int = 0
    version: int = 0
    at: str = ""
    erased: int = 0
    settings: str = ""
    first: bool = False
    look: bool = False


class BookPlan(Deferred):
    """What a run is to do to its book.

    `linked`: contacts that it has there before; `at_once`: how many writes the provider takes together;
    `looked`: the key of the link up to which pictures were looked at.
    """

    model_config = ConfigDict(frozen=True)

    created: int = 0
    updated: int = 0
    deleted: int = 0
    errands: int = 0
    linked: int = 0
    linked_after: int = 0
    size: int = 0
    at_once: int = 1
    looked: str = ""


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to be done about a card.

    Attributes:
        kind: link changes no card; photo its picture; the others do what they say.
        link: as it becomes; of a card that is written, what the provider answers is still to be filled in.
        before: as it was read, None for a new one.
        fields: of the card, all of them, as it shall be.
        needs: the run must have written the contact first.
        held: it goes with a deletion here or there, and waits if that waits.
        half: what the link becomes if the card is not written though the contact was.
        again: what the next run looks at if this comes to nothing.
        ticks, unticks: the member whose box of the contact goes with the link.
        photo, marked: the picture that the card shall show, by its name, and whether under the hub's mark; `link.shown` says
            which one counts as agreed then, and `former` which one it shows before.
    """

    kind: Literal["link", "create", "update", "delete", "photo"]
    contact_id: str
    link: Link
    before: Read[Link] | None = None
    card: Card | None = None
    fields: Fields | None = None
    marker: str = ""
    needs: bool = False
    held: bool = False
    half: Link | None = None
    again: Line | None = None
    ticks: str = ""
    unticks: str = ""
    photo: str = ""
    marked: bool = False
    former: str = ""

    def gains(self, sync_id: str) -> int:
        """By how many linked contacts a sync has more afterwards: one more, one less, or as many."""
        if self.kind == "photo":
            return 0
        was = self.before is not None and self.before.value.is_live and self.before.value.sync == sync_id
        return self.link.is_live - was

    def line(self) -> bytes:
        """As stored."""
        before = [self.before.value.document(), self.before.version] if self.before else None
        card = asdict(self.card) if self.card else None
        half = self.half.document() if self.half else None
        told: Line = [
            self.kind,
            self.contact_id,
            self.link.document(),
            before,
            card,
            self.fields,
            self.marker,
        ]
        told += [self.needs, self.held, half, self.again, self.ticks, self.unticks]
        return orjson.dumps([*told, self.photo, self.marked, self.former])


def read_errand(line: bytes) -> Errand:
    """An errand as `line()` stored it."""
    told = orjson.loads(line)
    kind, contact_id, link, before, card, fields, marker, needs, held, half, again, *rest = told
    ticks, unticks, *picture = rest
    photo, marked, former = picture or ("", False, "")
    return Errand(
        kind=kind,
        contact_id=contact_id,
        link=read_link(link),
        before=Read(read_link(before[0]), before[1]) if before else None,
        card=read_card(card) if card else None,
        fields=fields,
        marker=marker,
        needs=needs,
        held=held,
        half=read_link(half) if half else None,
        again=again,
        ticks=ticks,
        unticks=unticks,
        photo=photo,
        marked=marked,
        former=former,
    )


def card_line(card: Card) -> Line:
    """A card, to be looked at. One that can be read is told as versions told it that knew no others."""
    return ["card", {key: value for key, value in asdict(card).items() if key != "damage" or value}]


def read_card(document: dict[str, Any]) -> Card:
    """A card as `card_line` stored it."""
    return Card(**{**document, "former": tuple(document["former"])})


class BookFiles:
    """The files of one run; those before the push may be another run's, whose plan this one carries out."""

    def __init__(self, files: RunFiles) -> None:
        self.files = files
        self.objects = files.objects

    def save_part(self, part: int, lines: Iterable[Line]) -> None:
        """A part of what was pulled."""
        self._save(f"{self.files.prefix}pulled/{part:05d}.jsonl", map(orjson.dumps, lines))

    def save_round(self, round_: Round) -> None:
        """Written after the parts: where it is, they are."""
        self.objects.put(f"{self.files.prefix}pulled.json", round_.model_dump_json().encode())

    def round(self) -> Round:
        """As saved."""
        return Round.model_validate_json(self.objects.get(f"{self.files.prefix}pulled.json"))

    def pulled(self, parts: int) -> Iterator[Line]:
        """All that was pulled, in order."""
        for part in range(parts):
            yield from self.lines(f"{self.files.prefix}pulled/{part:05d}.jsonl")

    def save_errands(self, errands: Iterable[bytes]) -> None:
        """What is to be done, in order."""
        self._save(f"{self.files.prefix}push.jsonl", errands)

    def errands(self) -> Iterator[Errand]:
        """As saved."""
        return (read_errand(line) for line in self._lines(f"{self.files.prefix}push.jsonl"))

    def deletions(self) -> Iterator[tuple[str, Card]]:
        """The cards that the plan deletes, as they were, each with the id of its contact; none of a run without a book."""
        for errand in self.errands():
            if errand.kind == "delete" and errand.card is not None:
                yield errand.contact_id, errand.card

    def save_conflicts(self, lines: Iterable[Line]) -> None:
        """Values of both sides of which only one could stay."""
        self._save(f"{self.files.prefix}conflicts.jsonl", map(orjson.dumps, lines))

    def conflicts(self) -> Iterator[Line]:
        """As saved; nothing if the run did not come so far."""
        return self.lines(f"{self.files.prefix}conflicts.jsonl")

    def save_carried(self, lines: Iterable[Line]) -> None:
        """What is left for the next run before anything is done."""
        self._save(f"{self.files.prefix}carried.jsonl", map(orjson.dumps, lines))

    def carried(self) -> Iterator[Line]:
        """As saved."""
        return self.lines(f"{self.files.prefix}carried.jsonl")

    def save_plan(self, plan: BookPlan) -> None:
        """Written after the errands: where it is, they are."""
        self.objects.put(f"{self.files.prefix}book.json", plan.model_dump_json().encode())

    def plan(self) -> BookPlan | None:
        """As saved; None for a run that has not come so far."""
        try:
            return BookPlan.model_validate_json(self.objects.get(f"{self.files.prefix}book.json"))
        except NotFound:
            return None

    def save_done(self, stage: Stage, number: int, lines: Iterable[Line]) -> None:
        """What became of some errands."""
        self._save(f"{self.files.done}done/{stage}-{number:05d}.jsonl", map(orjson.dumps, lines))

    def done(self, stage: Stage, number: int) -> list[Line] | None:
        """As saved; None if nobody came to the end of them yet."""
        key = f"{self.files.done}done/{stage}-{number:05d}.jsonl"
        if self.objects.size(key) is None:
            return None
        return list(self.lines(key))

    def not_done(self, stage: Stage) -> Iterator[tuple[str, Result]]:
        """Contacts whose card was not written as planned, of those that the stage came to."""
        for number in count():
            lines = self.done(stage, number)
            if lines is None:
                return
            yield from ((contact, result) for _, contact, result, *_ in lines if result != "done")

    def unwritten(self, units: int) -> int:
        """How many rows of an undo would be unchanged, had their card been written back: they are skipped."""
        not_done = dict(self.not_done("all"))
        lines = chain.from_iterable(map(self.files.plan, range(units))) if not_done else ()
        decisions = map(read_decision, lines)
        return sum(isinstance(each, Unchanged) and each.row.id in not_done for each in decisions)

    def save_refused(self, stage: Stage, lines: Iterable[Line]) -> None:
        """Whose card the provider did not take, and why."""
        self._save(f"{self.files.done}refused/{stage}.jsonl", map(orjson.dumps, lines))

    def refused(self) -> dict[str, str]:
        """As saved, by contact."""
        stages: tuple[Stage, ...] = ("all", "rest", "held")
        keys = (f"{self.files.done}refused/{stage}.jsonl" for stage in stages)
        return {contact: why for key in keys for contact, why in self.lines(key)}

    def left_key(self, stage: Stage) -> str:
        """Where all that the next run begins with lies."""
        return f"{self.files.done}left/{stage}.jsonl"

    def save_left(self, stage: Stage, lines: Iterable[Line]) -> None:
        """All that the next run begins with."""
        self._save(self.left_key(stage), map(orjson.dumps, lines))

    def lines(self, key: str) -> Iterator[Line]:
        """The lines of a file; none if there is no such file."""
        return (orjson.loads(line) for line in self._lines(key))

    def _save(self, key: str, lines: Iterable[bytes]) -> None:
        with self.objects.writer(key) as out:
            for batch in batches(lines, 1000):
                out.write(b"\n".join(batch) + b"\n")

    def _lines(self, key: str) -> Iterator[bytes]:
        if self.objects.size(key) is None:
            return
        with self.objects.open(key) as stream:
            for line in stream:
                yield line.rstrip(b"\n")

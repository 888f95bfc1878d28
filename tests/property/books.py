"""An address book and the contact list under everything that people, providers and dying machines do to them.

After at most two rounds without faults both sides say the same, and a third writes nothing. Whatever somebody changed,
and nobody changed or deleted after that, is there on both sides; nobody is there twice, and nobody is lost.
"""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, ClassVar, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from contactsync.core.identity import email_key
from contactsync.core.merging import same
from contactsync.model.card import Card
from contactsync.model.connection import Link
from contactsync.model.run import Run
from contactsync.model.segment import Segment
from tests.contract.book import Book, whole
from tests.faults.interruptions import Interruptions, Way
from tests.support.bookworld import BookWorld

SEGMENT = "g1"
APART = timedelta(hours=13)
"""Between two runs: so that no honest exchange of edits looks like two programs at each other's throats."""
TEXTS = ("notes", "job_title", "department")
CALLS = 150
"""About as many does a run make: at one of them it dies."""

Side = Literal["here", "there"]
SIDES = st.sampled_from(["here", "there"])
OTHER: dict[Side, Side] = {"here": "there", "there": "here"}
PICK = st.integers(0, 99)


@dataclass
class Person:
    """What has been done to somebody since both sides agreed, by side; `new_…`: since the latest run.

    `kept`: one side has edited whom the other deleted, and no run came between. `apart`: the card left the group, or the
    contact the segment. `renamed`: the card has another id since the latest run. `unseen`: one that we made was deleted
    before we heard of it.
    """

    texts: dict[str, dict[Side, str]] = field(default_factory=dict)
    emails: set[str] = field(default_factory=set)
    edited: set[Side] = field(default_factory=set)
    deleted: set[Side] = field(default_factory=set)
    new_edits: set[Side] = field(default_factory=set)
    new_deletions: set[Side] = field(default_factory=set)
    kept: bool = False
    apart: bool = False
    renamed: bool = False
    unseen: bool = False


class Books(RuleBasedStateMachine):
    """Two sides, and a sync between them that is now and then disturbed. `steps` counts what was really done."""

    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.people: dict[str, Person] = {}
        self.death: tuple[int, Way] | None = None
        self.troubles: list[str] = []
        chance = Random(0)  # a history found once is found again
        self.true_chance = secrets.token_hex

        def the_same_each_time(nbytes: int | None = None) -> str:
            return chance.randbytes(nbytes or 32).hex()

        secrets.token_hex = the_same_each_time

    # The two sides

    @abstractmethod
    def opened(self, *, late: bool, at_once: int, emails: int | None) -> tuple[BookWorld, Book]:
        """A world whose book is empty. The options are for books that can be made to order."""

    def calm(self) -> None:
        """From now on nothing goes wrong any more, and everything that was written shows itself."""
        self.death = None
        self.troubles.clear()
        self.book.calm()
        self.book.settle()

    def cards(self) -> dict[str, Card]:
        """Every card as it is now, by id."""
        return self.connector.read(sorted(self.book.ids()))

    @initialize(
        late=st.booleans(),
        conflict=st.sampled_from(["remote", "hub", "newest"]),
        at_once=st.integers(1, 4),
        emails=st.sampled_from([None, 2]),
        chosen=st.booleans(),
    )
    def begin(self, late: bool, conflict: str, at_once: int, emails: int | None, chosen: bool) -> None:
        self.world, self.book = self.opened(late=late, at_once=at_once, emails=emails)
        self.connector = self.book.connector()
        self.world.connect = lambda _: self.book.connector()
        self.whole = whole(self.connector)
        self.chosen = chosen
        account = self.world.account.account_id
        self.world.control.create_segment(
            account, Segment(id=SEGMENT, name="Book", created_at="now", created_by="member:m1")
        )
        self.sync = self.world.sync(
            group=self.book.group,
            conflict=conflict,
            options={"guard": {"max_delete_percent": 100, "max_delete_count": 1000}},
            selection={"segment": SEGMENT} if chosen else "all",
        )

    # People

    @rule(side=SIDES)
    def add(self, side: Side) -> None:
        token = self.token()
        fields = {"name": f"Person {token}", "emails": [{"value": f"{token}@example.com"}]}
        self.people[token] = Person(emails={f"{token}@example.com"})
        if side == "here":
            self.world.add(fields, SEGMENT)
        else:
            self.book.add(fields, group=self.book.group)
        self.done("add")

    @rule(side=SIDES, key=st.sampled_from(TEXTS), pick=PICK)
    def edit(self, side: Side, key: str, pick: int) -> None:
        if (found := self.pick(side, pick)) is None:
            return
        token, id_ = found
        value = f"{key} {self.token()}"
        if not self.connector.held({key: value}):
            return
        self.people[token].texts.setdefault(key, {})[side] = value
        self.change(side, token, id_, {key: value})

    @rule(side=SIDES, pick=PICK)
    def add_email(self, side: Side, pick: int) -> None:
        """One more than the book holds changes nothing there, so it is no edit that a deletion there would meet."""
        if (found := self.pick(side, pick)) is None:
            return
        token, id_ = found
        address = f"{token}.{self.token()}@example.com"
        emails = [*self.fields(side, id_).get("emails", []), {"value": address}]
        is_held = len(self.connector.held({"emails": emails})["emails"]) == len(emails)
        if side == "there" and not is_held:
            return
        self.people[token].emails.add(address)
        self.change(side, token, id_, {"emails": emails}, shows=is_held)

    @rule(side=SIDES, pick=PICK)
    def remove(self, side: Side, pick: int) -> None:
        if (found := self.pick(side, pick)) is None:
            return
        token, id_ = found
        person = self.people[token]
        person.deleted.add(side)
        person.new_deletions.add(side)
        person.new_edits.discard(side)
        person.kept = OTHER[side] in person.new_edits
        if side == "there":
            linked = {link.id for link in self.world.links().values()}
            person.unseen = bool(self.cards()[id_].marker) and id_ not in linked
        if side == "here":
            self.world.remove(id_)
        else:
            self.book.remove(id_)
        self.done("remove")

    # Who belongs to the sync

    @rule(pick=PICK)
    def leave(self, pick: int) -> None:
        """A card leaves the group. One that has just been given another id stays: no complete list tells of both."""
        found = self.pick("there", pick)
        if found is None or "leave" in self.book.lacks or self.people[found[0]].renamed:
            return
        if found[1] in self.book.ids(self.book.group):
            self.people[found[0]].apart = True
            self.book.leave(found[1])
            self.done("leave")

    @rule(pick=PICK)
    def enter(self, pick: int) -> None:
        found = self.pick("there", pick)
        if found is None or "enter" in self.book.lacks or self.people[found[0]].renamed:
            return
        self.people[found[0]].apart = True
        self.book.enter(found[1])
        self.done("enter")

    @precondition(lambda self: self.chosen)
    @rule(pick=PICK, inside=st.booleans())
    def choose(self, pick: int, inside: bool) -> None:
        if (found := self.pick("here", pick)) is not None:
            self.people[found[0]].apart = True
            self.world.regroup(found[1], *([SEGMENT] if inside else []))
            self.done("choose")

    @rule(whole_book=st.booleans())
    def reselect(self, whole_book: bool) -> None:
        """Somebody has the sync follow another part of the book; see `leave` for cards that have another id just now."""
        if any(person.renamed for person in self.people.values()):
            return
        group = self.whole if whole_book else self.book.group
        outside = self.book.ids() - self.book.ids(self.book.group)
        for id_, card in self.cards().items():
            person = self.people.get(token_of(card.fields))
            if person is not None and id_ in outside:
                person.apart = True
        self.world.control.update_sync(
            self.world.account.account_id,
            self.sync,
            lambda read: read.value.model_copy(update={"source": {**read.value.source, "group": group}}),
        )
        self.done("reselect")

    # The provider

    @rule(pick=PICK)
    def touch(self, pick: int) -> None:
        found = self.pick("there", pick)
        if found is not None and "touch" not in self.book.lacks:
            self.book.touch(found[1])
            self.done("touch")

    @rule(pick=PICK)
    def rename(self, pick: int) -> None:
        found = self.pick("there", pick)
        if found is None or "rename" in self.book.lacks or self.people[found[0]].apart:
            return
        self.people[found[0]].renamed = True
        self.book.rename(found[1])
        self.done("rename")

    @rule(what=st.sampled_from(["expire", "cut", "lose_answer"]))
    def trouble(self, what: str) -> None:
        """What meets the next run, and no others who look into the book before."""
        if what not in self.book.lacks:
            self.troubles.append(what)
            self.done(what)

    # The sync

    @rule(at=st.integers(1, CALLS), way=st.sampled_from(Way))
    def die(self, at: int, way: Way) -> None:
        """A worker of the next run dies at one of its calls, or loses its answer."""
        self.death = at, way
        self.done("die")

    @rule()
    def run_disturbed(self) -> None:
        self.go()
        self.done("run")

    @precondition(lambda self: self.people)
    @rule()
    def come_together(self) -> None:
        self.calm()
        for _ in range(2):
            self.go()
            self.calm()
        assert not writes(self.go())
        self.check()
        linked = {link.contact_id: link for link in self.world.links().values() if link.is_live}
        known = {token_of(fields): id_ for id_, fields in self.world.everybody().items()}
        self.people = {
            token: Person(apart=known.get(token) not in linked)
            for token, person in self.people.items()
            if not person.deleted
        }
        self.done("come together")

    def teardown(self) -> None:
        try:
            if self.people:
                self.come_together()
        finally:
            secrets.token_hex = self.true_chance

    def go(self) -> Run:
        self.world.clock.advance(APART)
        for person in self.people.values():
            person.new_edits.clear()
            person.new_deletions.clear()
            person.renamed = False
        if self.death is not None:
            at, way = self.death
            self.world.ports = Interruptions(at, way).ports(self.world.true_ports())
            self.death = None
        while self.troubles:
            getattr(self.book, self.troubles.pop())()
        run = self.world.go(self.sync)
        self.book.calm()
        self.world.ports = self.world.true_ports()
        if run.status == "awaiting_approval":
            self.world.approve(run)
        return self.world.run(run)

    # What must hold

    def check(self) -> None:
        contacts, cards = self.world.everybody(), self.cards()
        here = {token_of(fields): fields for fields in contacts.values()}
        there = {token_of(card.fields): card.fields for card in cards.values()}
        assert len(here) == len(contacts), "nobody is there twice"
        assert len(there) == len(cards), "nobody is there twice"
        for link in self.world.links().values():
            if link.state == "linked":
                self.check_linked(link, contacts, cards)
        for token, person in self.people.items():
            there_again = token in here, token in there
            if person.apart:
                assert person.deleted or any(there_again), "nobody is lost"
            elif person.kept:
                assert there_again == (True, True), "an edit beats a deletion"
            elif person.deleted and not person.edited and not person.unseen:
                assert there_again == (False, False), "a deletion travels"
            elif not person.deleted:
                assert there_again == (True, True), "nobody is lost"
                self.check_fields(person, here[token], there[token])

    def check_linked(self, link: Link, contacts: dict[str, Any], cards: dict[str, Card]) -> None:
        held = self.connector.held(contacts[link.contact_id])
        assert same(cards[link.id].fields, held), "both sides say the same"

    def check_fields(self, person: Person, here: dict[str, Any], there: dict[str, Any]) -> None:
        for key, values in person.texts.items():
            assert here.get(key) == there.get(key)
            assert here.get(key) in values.values(), "an edit is not lost"
        assert {entry["value"] for entry in here.get("emails", [])} >= person.emails, "nor an address"

    # Odds and ends

    def done(self, what: str) -> None:
        self.steps[what] += 1

    def token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def pick(self, side: Side, number: int) -> tuple[str, str] | None:
        """Somebody on one side: token and id."""
        if side == "here":
            found = {token_of(fields): id_ for id_, fields in self.world.everybody().items()}
        else:
            found = {token_of(card.fields): id_ for id_, card in self.cards().items()}
        known = sorted(token for token in found if token in self.people)
        return (known[number % len(known)], found[known[number % len(known)]]) if known else None

    def fields(self, side: Side, id_: str) -> dict[str, Any]:
        return dict(self.world.contact(id_).fields if side == "here" else self.cards()[id_].fields)

    def change(
        self, side: Side, token: str, id_: str, changes: dict[str, Any], *, shows: bool = True
    ) -> None:
        person = self.people[token]
        person.edited.add(side)
        if shows:
            person.new_edits.add(side)
            person.kept = person.kept or OTHER[side] in person.new_deletions
        if side == "here":
            self.world.edit(id_, **changes)
        else:
            self.book.edit(id_, {**self.fields(side, id_), **changes})
        self.done("edit")


def token_of(fields: dict[str, Any]) -> str:
    """Whose fields they are."""
    return email_key(str(fields["name"])).split()[-1]


def writes(run: Run) -> int:
    """What a run has written on either side."""
    here, there = run.counts, run.pushed
    return here.added + here.updated + here.deleted + there.added + there.updated + there.deleted

"""An address book and the contact list under everything that people and providers do to them: they come together.

After at most two rounds without faults both sides say the same, and a third writes nothing. Whatever somebody
changed, and nobody changed or deleted after that, is there on both sides.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from contactsync.connectors.memory import Habits, Mishap
from contactsync.core.identity import email_key
from contactsync.model.run import Run
from tests.bookworld import BookWorld

GROUP = "friends"
APART = timedelta(hours=13)
"""Between two runs: so that no honest exchange of edits looks like two programs at each other's throats."""
LATE = timedelta(hours=14)
"""So long a provider may show what was before a write: longer than it is until the next run."""
TEXTS = ("notes", "job_title", "department")
STEPS = 50
EXAMPLES = 400 if os.environ.get("FAULTS") == "all" else 40
"""With STEPS steps each: 20,000 with FAULTS=all, which takes minutes."""

Side = Literal["here", "there"]
SIDES = st.sampled_from(["here", "there"])
OTHER: dict[Side, Side] = {"here": "there", "there": "here"}


@dataclass
class Person:
    """What has been done to somebody since both sides agreed, by side; `new_…`: since the latest run.

    `kept`: one side has edited whom the other deleted, and no run came between. `apart`: the card left the group.
    `renamed`: it has another id since the latest run. `unseen`: a card that we made was deleted before we heard of it.
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
    """Two sides, and a sync between them that is now and then disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.people: dict[str, Person] = {}

    @initialize(
        late=st.booleans(),
        conflict=st.sampled_from(["remote", "hub", "newest"]),
        at_once=st.integers(1, 4),
        emails=st.sampled_from([None, 2]),
    )
    def begin(self, late: bool, conflict: str, at_once: int, emails: int | None) -> None:
        most = {"emails": emails} if emails else {}
        shows_after = LATE if late else timedelta()
        self.world = BookWorld(habits=Habits(shows_after=shows_after, at_once=at_once, part=3, most=most))
        self.world.book.add_group(GROUP)
        guard = {"max_delete_percent": 100, "max_delete_count": 1000}
        self.sync = self.world.sync(group=GROUP, conflict=conflict, options={"guard": guard})

    # People

    @rule(side=SIDES)
    def add(self, side: Side) -> None:
        token = self.token()
        fields = {"name": f"Person {token}", "emails": [{"value": f"{token}@example.com"}]}
        self.people[token] = Person(emails={f"{token}@example.com"})
        if side == "here":
            self.world.add(fields)
        else:
            self.world.book.add(fields, GROUP)

    @rule(side=SIDES, key=st.sampled_from(TEXTS), pick=st.integers(0, 99))
    def edit(self, side: Side, key: str, pick: int) -> None:
        if (found := self.pick(side, pick)) is None:
            return
        token, id_ = found
        value = f"{key} {self.token()}"
        self.people[token].texts.setdefault(key, {})[side] = value
        self.change(side, token, id_, {key: value})

    @rule(side=SIDES, pick=st.integers(0, 99))
    def add_email(self, side: Side, pick: int) -> None:
        if (found := self.pick(side, pick)) is None:
            return
        token, id_ = found
        emails = self.fields(side, id_).get("emails", [])
        if side == "there" and len(emails) >= self.world.habits.most.get("emails", 99):
            return
        address = f"{token}.{self.token()}@example.com"
        self.people[token].emails.add(address)
        self.change(side, token, id_, {"emails": [*emails, {"value": address}]})

    @rule(side=SIDES, pick=st.integers(0, 99))
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
            person.unseen = bool(self.world.book.cards()[id_].marker) and id_ not in linked
        if side == "here":
            self.world.remove(id_)
        else:
            self.world.book.remove(id_)

    @rule(pick=st.integers(0, 99), inside=st.booleans())
    def regroup(self, pick: int, inside: bool) -> None:
        """One that has just been given another id stays: of such a card no complete list of the group tells."""
        found = self.pick("there", pick)
        if found is not None and not self.people[found[0]].renamed:
            self.people[found[0]].apart = True
            self.world.book.move(found[1], *([GROUP] if inside else []))

    # The provider

    @rule(pick=st.integers(0, 99), what=st.sampled_from(["touch", "rename"]))
    def stir(self, pick: int, what: str) -> None:
        found = self.pick("there", pick)
        if found is None or (what == "rename" and self.people[found[0]].apart):
            return
        self.people[found[0]].renamed |= what == "rename"
        getattr(self.world.book, what)(found[1])

    @rule(mishap=st.sampled_from(Mishap), after=st.integers(0, 3))
    def mishap(self, mishap: Mishap, after: int) -> None:
        self.world.book.mishaps.extend([None] * after + [mishap])

    @rule(what=st.sampled_from(["expire_cursors", "cut_pulls", "be_busy"]))
    def trouble(self, what: str) -> None:
        getattr(self.world.book, what)()

    @rule()
    def run_disturbed(self) -> None:
        self.go()

    # What must hold

    @precondition(lambda self: self.people)
    @rule()
    def come_together(self) -> None:
        book = self.world.book
        book.mishaps.clear()
        book._busy.clear()
        book._cuts = 0
        for _ in range(2):
            self.world.clock.advance(self.world.habits.shows_after)
            self.go()
        self.world.clock.advance(self.world.habits.shows_after)
        assert not writes(self.go())
        self.check()
        self.people = {token: Person(apart=it.apart) for token, it in self.people.items() if not it.deleted}

    def teardown(self) -> None:
        if self.people:
            self.come_together()

    def go(self) -> Run:
        self.world.clock.advance(APART)
        for person in self.people.values():
            person.new_edits.clear()
            person.new_deletions.clear()
        run = self.world.go(self.sync)
        if run.status == "awaiting_approval":
            self.world.approve(run)
        return self.world.run(run)

    def check(self) -> None:
        here = {token_of(fields): fields for fields in self.world.everybody().values()}
        cards = self.world.book.cards()
        there = {token_of(card.fields): card.fields for card in cards.values()}
        assert len(here) == len(self.world.everybody()), "nobody is there twice"
        assert len(there) == len(cards), "nobody is there twice"
        for link in self.world.links().values():
            if link.state == "linked":
                assert cards[link.id].fields == self.world.book.held(
                    self.world.contact(link.contact_id).fields
                )
        for token, person in self.people.items():
            if person.apart:
                continue
            there_again = token in here, token in there
            if person.kept:
                assert there_again == (True, True), "an edit beats a deletion"
            elif person.deleted and not person.edited and not person.unseen:
                assert there_again == (False, False), "a deletion travels"
            elif not person.deleted:
                assert there_again == (True, True), "nobody is lost"
                self.check_fields(person, here[token], there[token])

    def check_fields(self, person: Person, here: dict[str, Any], there: dict[str, Any]) -> None:
        for key, values in person.texts.items():
            assert here.get(key) == there.get(key)
            assert here.get(key) in values.values(), "an edit is not lost"
        assert {entry["value"] for entry in here.get("emails", [])} >= person.emails, "nor an address"

    # Odds and ends

    def token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def pick(self, side: Side, number: int) -> tuple[str, str] | None:
        """Somebody on one side: token and id."""
        if side == "here":
            found = {token_of(fields): id_ for id_, fields in self.world.everybody().items()}
        else:
            found = {token_of(card.fields): id_ for id_, card in self.world.book.cards().items()}
        known = sorted(token for token in found if token in self.people)
        return (known[number % len(known)], found[known[number % len(known)]]) if known else None

    def fields(self, side: Side, id_: str) -> dict[str, Any]:
        return dict(self.world.contact(id_).fields if side == "here" else self.world.book.cards()[id_].fields)

    def change(self, side: Side, token: str, id_: str, changes: dict[str, Any]) -> None:
        person = self.people[token]
        person.edited.add(side)
        person.new_edits.add(side)
        person.kept = person.kept or OTHER[side] in person.new_deletions
        if side == "here":
            self.world.edit(id_, **changes)
        else:
            self.world.book.edit(id_, {**self.fields(side, id_), **changes})


def token_of(fields: dict[str, Any]) -> str:
    """Whose fields they are."""
    return email_key(str(fields["name"])).split()[-1]


def writes(run: Run) -> int:
    """What a run has written on either side."""
    here, there = run.counts, run.pushed
    return here.added + here.updated + here.deleted + there.added + there.updated + there.deleted


TestBooks = pytest.mark.timeout(1800)(Books.TestCase)  # 20,000 steps on a busy machine
TestBooks.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)

"""Whatever happens to a file, to its sync and to its contacts: rows known by their bytes come to what reading them does."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import cycle
from typing import Any, ClassVar, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contactsync.errors import Conflict, NotFound
from contactsync.journeys.account import accounts, erasing, forgetting
from contactsync.journeys.asked import deciding, editing, segmenting
from contactsync.model.contact import Contact
from contactsync.model.message import EraseDue
from contactsync.model.run import Run
from contactsync.model.segment import Segment
from contactsync.model.sync import ColumnMapping, Format, Options
from contactsync.ports import ContactStore
from tests.support.rewriting import (
    ENDS,
    HEADERS,
    MAPPING,
    MARK,
    PEOPLE,
    VIP,
    Change,
    afterwards,
    changes,
    countries,
    files,
    names,
    numbers,
    options,
    places,
    put_in,
    rendered,
)
from tests.support.twins import NEVER, Once, Troubled, Twin, Twins, forget_files
from tests.support.world import stores_of

MET = (
    "known by email",
    "known by customer_number",
    "known beside changes",
    "known beside refusals",
    "told who is missing",
    "told whom to delete",
    "told, and held",
    "told beside refusals",
    "approved",
    "rejected",
    "undo",
    "undo of an undo",
    "a plan of before",
    "meanwhile",
    "a file lost",
    "small",
    "known without a dialect stated",
    "identity",
    "delete",
    "segment",
    "erased",
    "settings",
)
"""What a hundred histories come to, nearly always each many times."""
HUNDREDS = 5
"""At most so many are looked at, where each hundred is another one, until they have come to all of that."""


class Histories(RuleBasedStateMachine):
    """One account, two syncs of the same people. `done` counts what was really done, over all histories."""

    done: ClassVar[Counter[str]] = Counter()

    @initialize(
        lines=files,
        identity=st.sampled_from(["email", "email", "customer_number"]),
        first=options,
        second=options,
        country=countries,
        left_out=st.integers(0, PEOPLE),
        stated=st.booleans(),
        answers=st.lists(st.sampled_from([True, False, None]), min_size=3, max_size=3),
    )
    def begin(
        self,
        lines: list[str],
        identity: str,
        first: dict[str, Any],
        second: dict[str, Any],
        country: str | None,
        left_out: int,
        stated: bool,
        answers: list[bool | None],
    ) -> None:
        self.twins = Twins()
        self.header, self.lines = HEADERS[0], lines
        self.identity, self.stated, self.edits = identity, stated, 0
        self.mark, self.ends = "", "\n"
        self.runs: list[Run] = []
        self.waiting: Run | None = None
        self.plan: Run | None = None
        self.known = self.told = 0
        self.answers = cycle(answers)
        account = self.twins.worlds[0].account.account_id
        vip = Segment(id=VIP, name="VIP", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
        self.twins.both(lambda world: world.control.create_segment(account, vip))
        self.syncs = [
            self.first_run(identity, {"options": first, "format": self.format(country)}),
            self.first_run("email", {"options": second, "format": self.format(country)}, lines[left_out:]),
        ]

    def format(self, country: str | None) -> dict[str, Any]:
        if not self.stated:
            return {"country": country}
        return {"delimiter": ",", "encoding": "utf-8", "has_header": True, "country": country}

    def first_run(self, identity: str, asked: dict[str, Any], lines: list[str] | None = None) -> str:
        body = {"identity": {"field": identity}, "notify": {}, **asked}
        text = self.text(lines)
        run = self.twins.both(lambda world: world.request(text, MAPPING, **body))
        self.ran(self.twins.execute(run))
        return run.sync_id

    def text(self, lines: list[str] | None = None) -> bytes:
        text = self.header + "".join(lines or self.lines)
        return (self.mark + re.sub(r"(?<!\r)\n", self.ends, text)).encode("utf-8", "surrogateescape")

    def ran(self, run: Run) -> None:
        known = self.twins.came_again - self.known
        self.known += known
        self.done[run.status] += 1
        if known:
            self.done["known rows"] += known
            self.done[f"known by {self.identity}"] += 1
            self.done["known without a dialect stated"] += not self.stated
            self.done["known with a mark"] += bool(self.mark)
            self.done["known beside changes"] += bool(run.counts.added + run.counts.updated)
            self.done["known beside deletions"] += bool(run.counts.deleted)
            self.done["known beside refusals"] += bool(run.counts.rejected)
        if self.twins.told > self.told:
            self.told = self.twins.told
            self.done["told who is missing"] += 1
            self.done["told whom to delete"] += bool(run.counts.deleted)
            self.done["told, and held"] += run.status == "awaiting_approval"
            self.done["told, and blocked"] += run.status == "blocked"
            self.done["told beside refusals"] += bool(run.counts.rejected)
        self.runs.append(run)
        self.wait(timedelta(seconds=20))
        if run.status == "awaiting_approval":
            if (approves := next(self.answers)) is None:
                self.waiting = run
            else:
                self.answer(run, approves=approves)

    def wait(self, long: timedelta) -> None:
        self.twins.both(lambda world: world.clock.advance(long))

    def again(self, which: int, **asked: Any) -> Run:
        return self.twins.both(lambda world: world.again(self.syncs[which], self.text(), **asked))

    @property
    def world(self) -> Twin:
        return self.twins.worlds[0]

    def somebody(self, pick: int) -> Contact | None:
        people = sorted(self.world.stored().items())
        return people[pick % len(people)][1] if people else None

    def edit(self, what: str, act: Callable[[Twin, str], object]) -> None:
        """An edit by the API, which may be refused."""
        self.edits += 1

        def asked(world: Twin) -> str:
            try:
                act(world, f"edit {self.edits}")
            except (Conflict, NotFound) as refused:
                return type(refused).__name__
            return ""

        self.done[what] += not self.twins.both(asked)

    # The file comes again

    def change(self, changed: list[Change]) -> None:
        for change in changed:
            self.lines = change(self.lines) or self.lines

    @rule(changed=changes, which=st.sampled_from([0, 0, 0, 1]))
    def comes_again(self, changed: list[Change], which: int) -> None:
        self.change(changed)
        self.ran(self.twins.execute(self.again(which)))

    def answer(self, run: Run, *, approves: bool) -> None:
        if approves:
            plan = run.plan_hash or ""
            self.twins.both(lambda world: world.control.approve_run(run.account_id, run.id, plan))
            self.ran(self.twins.execute(run, execution="after the approval"))
        else:
            self.twins.both(lambda world: deciding.reject(world.asked, world.caller, run.id, {}))
        self.done["approved" if approves else "rejected"] += 1

    def then(self, changed: list[Change] | None) -> None:
        """After what was done, the file may come again at once."""
        if changed is not None:
            self.change(changed)
            self.ran(self.twins.execute(self.again(0)))

    @rule(
        header=st.sampled_from(HEADERS),
        mark=st.sampled_from(["", MARK]),
        ends=st.sampled_from(ENDS),
        after=afterwards,
    )
    def written_otherwise(self, header: str, mark: str, ends: str, after: list[Change] | None) -> None:
        self.header, self.mark, self.ends = header, mark, ends
        self.then(after)

    @rule(changed=changes, after=afterwards)
    def comes_as_a_small_file(self, changed: list[Change], after: list[Change] | None) -> None:
        """Too small for its rows to be known."""
        world = self.world
        known_from, world.known_from = world.known_from, NEVER
        self.change(changed)
        self.ran(self.twins.execute(self.again(0)))
        world.known_from = known_from
        self.done["small"] += 1
        self.then(after)

    @rule(
        changed=changes,
        which=st.sampled_from([0, 0, 1]),
        at=st.integers(0, 1),
        what=st.sampled_from(["another run", "an edit", "a country"]),
        pick=numbers,
        after=afterwards,
    )
    def comes_while_others_write(
        self,
        changed: list[Change],
        which: int,
        at: int,
        what: str,
        pick: int,
        after: list[Change] | None,
    ) -> None:
        self.change([*changed, put_in(at, rendered(pick, pick, f"Name {self.edits}", "", "plain"))])
        run = self.again(which)
        other = self.again(1 - which) if what == "another run" else None
        contact = self.somebody(pick)
        self.edits += 1
        happened: list[str] = []

        def between(world: Twin) -> None:
            def happens() -> None:
                happened.append(what)
                within = copy.copy(world)
                within.ports = world.true_ports()
                world.clock.advance(timedelta(seconds=1))
                if other is not None:
                    within.execute(other)
                elif what == "a country":
                    accounts.change(within.asked, world.caller, {"country": ["NL", "GB"][pick % 2]})
                elif contact is not None:
                    name = f"edit {self.edits}"
                    with suppress(Conflict, NotFound):
                        editing.delete_contact(within.asked, world.caller, contact.id, name, if_match=None)

            world.ports.contacts = cast(ContactStore, Troubled(world.contacts, at, Once(happens)))

        self.twins.both(between)
        self.ran(self.twins.execute(run))
        self.calm()
        if other is not None:
            self.ran(self.twins.execute(other))
        self.done["meanwhile"] += bool(happened)
        self.done[f"meanwhile {what}"] += bool(happened)
        self.then(after)

    @precondition(lambda self: self.waiting is not None)
    @rule(approves=st.booleans(), after=afterwards)
    def decided_late(self, approves: bool, after: list[Change] | None) -> None:
        run, self.waiting = self.waiting, None
        assert run is not None
        if self.world.run(run).status == "awaiting_approval":
            with suppress(Conflict):
                self.answer(run, approves=approves)
                self.done["decided late"] += 1
        self.then(after)

    @rule(changed=changes)
    def shown(self, changed: list[Change]) -> None:
        self.change(changed)
        self.plan = self.twins.execute(self.again(0, dry_run=True))

    @precondition(lambda self: self.plan is not None)
    @rule(after=afterwards)
    def carried_out_as_shown(self, after: list[Change] | None) -> None:
        plan, self.plan = self.plan, None
        assert plan is not None
        self.ran(self.twins.execute(self.again(0, plan_of=plan.id)))
        self.done["a plan of before"] += 1
        self.then(after)

    @precondition(lambda self: bool(self.runs))
    @rule(pick=places, which=st.integers(0, 60), after=afterwards)
    def lost(self, pick: int, which: int, after: list[Change] | None) -> None:
        """One file of one run, which does not wait for anything; those that lie in both worlds."""
        run = self.runs[-1 - pick % len(self.runs)]
        folder = f"runs/{run.account_id}/{run.id}/"
        ours, theirs = ({*world.runs.keys(folder)} for world in self.twins.worlds)
        names = sorted(ours & theirs)
        if names and self.world.run(run).has_ended:
            name = names[which % len(names)]
            self.twins.both(lambda world: world.runs.delete([name]))
            self.done["a file lost"] += 1
        self.then(after)

    @rule(changed=changes)
    def shown_first_and_then_carried_out(self, changed: list[Change]) -> None:
        self.change(changed)
        shown = self.again(0, dry_run=True)
        self.ran(self.twins.execute(shown))
        self.ran(self.twins.execute(self.again(0, plan_of=shown.id)))

    @rule(changed=changes, at=st.integers(0, 3), cancelled=st.booleans(), after=afterwards)
    def stops_half_way(
        self, changed: list[Change], at: int, cancelled: bool, after: list[Change] | None
    ) -> None:
        self.change(changed)
        run = self.again(0)

        def trouble(world: Twin) -> None:
            def happens() -> None:
                if not cancelled:
                    raise RuntimeError("the table is broken")
                deciding.cancel(world.asked, world.caller, run.id, {})

            world.ports.contacts = cast(ContactStore, Troubled(world.contacts, at, happens))

        self.twins.both(trouble)
        self.ran(self.twins.execute(run))
        self.calm()
        self.then(after)

    def calm(self) -> None:
        def calm(world: Twin) -> None:
            world.ports = world.true_ports()

        self.twins.both(calm)

    @precondition(lambda self: bool(self.runs))
    @rule(pick=st.sampled_from([0, 0, 1, 2, 3]), undo_too=st.booleans(), after=afterwards)
    def undone(self, pick: int, undo_too: bool, after: list[Change] | None) -> None:
        """One of the last runs, and perhaps the undo as well."""
        run = self.undo(self.runs[-1 - pick % len(self.runs)])
        if run is not None and undo_too:
            self.done["undo of an undo"] += self.undo(run) is not None
        self.then(after)

    def undo(self, done: Run) -> Run | None:
        """The run that takes one back, at its end; None if there is nothing to take back."""
        self.edits += 1

        def asked(world: Twin) -> Run | str:
            seed = f"{int(world.clock.now().timestamp() * 1000):012x} undo {self.edits}"
            try:
                return deciding.undo(world.asked, world.caller, done.id, {}, seed)
            except (Conflict, NotFound) as refused:
                return type(refused).__name__

        run = self.twins.both(asked)
        if not isinstance(run, Run):
            return None
        self.ran(self.twins.execute(run))
        self.done["undo"] += 1
        return run

    # What people do

    @rule(pick=numbers, name=names, after=afterwards)
    def renamed(self, pick: int, name: str, after: list[Change] | None) -> None:
        if (contact := self.somebody(pick)) is not None:
            body = {"fields": {"name": f"{name} King"}}
            self.edit(
                "rename",
                lambda world, s: editing.change_contact(
                    world.asked, world.caller, contact.id, body, s, if_match=None
                ),
            )
        self.then(after)

    @rule(
        pick=numbers,
        field=st.sampled_from(["email", "customer_number", "phone"]),
        to=st.none() | numbers,
        after=afterwards,
    )
    def another_identity(self, pick: int, field: str, to: int | None, after: list[Change] | None) -> None:
        value = {"email": f"p{to}@example.com", "customer_number": str(to), "phone": None}[field]
        body = {"fields": {field: None if to is None else value}}
        if (contact := self.somebody(pick)) is not None:
            self.edit(
                "identity",
                lambda world, s: editing.change_contact(
                    world.asked, world.caller, contact.id, body, s, if_match=None
                ),
            )
        self.then(after)

    @rule(pick=numbers, after=afterwards)
    def deleted(self, pick: int, after: list[Change] | None) -> None:
        if (contact := self.somebody(pick)) is not None:
            self.edit(
                "delete",
                lambda world, s: editing.delete_contact(
                    world.asked, world.caller, contact.id, s, if_match=None
                ),
            )
        self.then(after)

    @rule(who=numbers, after=afterwards)
    def entered(self, who: int, after: list[Change] | None) -> None:
        body = {"fields": {"email": f"p{who}@example.com", "name": "By Hand"}}
        self.edit("create", lambda world, s: editing.create_contact(world.asked, world.caller, body, s))
        self.then(after)

    @rule(pick=numbers, joins=st.booleans(), after=afterwards)
    def regrouped(self, pick: int, joins: bool, after: list[Change] | None) -> None:
        if (contact := self.somebody(pick)) is not None:
            act = segmenting.join if joins else segmenting.leave
            self.edit("segment", lambda world, s: act(world.asked, world.caller, VIP, contact.id, s))
        self.then(after)

    @rule(who=numbers, stretches=st.integers(1, 9), after=afterwards)
    def erased(self, who: int, stretches: int, after: list[Change] | None) -> None:
        """A person; the erasure may not have come to its end when the next run begins."""

        def erase(world: Twin) -> str:
            caller, name = world.caller, f"erasure {self.edits}"
            erasure = erasing.ask_for_erasure(world.asked, caller, {"email": f"p{who}@example.com"}, name)
            for _ in range(stretches):
                forgetting.erase(
                    EraseDue(account_id=caller.account_id, erasure_id=erasure.id), stores_of(world)
                )
            return erasure.id

        self.edits += 1
        self.twins.both(erase)
        self.done["erased"] += 1
        self.then(after)

    # What is asked for

    @rule(which=st.integers(0, 1), asked=options, country=countries, phones=st.booleans(), after=afterwards)
    def other_settings(
        self, which: int, asked: dict[str, Any], country: str | None, phones: bool, after: list[Change] | None
    ) -> None:
        def change(world: Twin) -> None:
            def changed(read: Any) -> Any:
                columns = {"number", "email", "name", *(["phone"] if phones else [])}
                kept = tuple(
                    ColumnMapping.model_validate(each) for each in MAPPING if each["column"] in columns
                )
                return read.value.model_copy(
                    update={
                        "options": Options.model_validate(asked),
                        "format": Format.model_validate(self.format(country)),
                        "mapping": kept,
                    }
                )

            world.control.update_sync(world.account.account_id, self.syncs[which], changed)

        self.twins.both(change)
        self.done["settings"] += 1
        self.then(after)

    @rule(country=st.sampled_from(["NL", "GB"]), after=afterwards)
    def moved(self, country: str, after: list[Change] | None) -> None:
        self.twins.both(
            lambda world: accounts.change(world.asked, world.caller, {"country": country}).country
        )
        self.then(after)

    @rule(days=st.sampled_from([0.001, 0.002, 1, 3, 7, 91]), after=afterwards)
    def time_passes(self, days: float, after: list[Change] | None) -> None:
        self.wait(timedelta(days=days))
        self.twins.both(forget_files)
        self.done[f"{days} days"] += 1
        self.then(after)


def test_known_rows_come_to_what_reading_them_does() -> None:
    Histories.done.clear()
    missed: list[str] = []
    for _ in range(HUNDREDS):
        run_state_machine_as_test(Histories, settings=settings(stateful_step_count=10))
        print(Histories.done)
        missed = [what for what in MET if not Histories.done[what]]
        if not missed:
            break
    assert not missed, "histories that never come to it show nothing"
    assert Histories.done["known rows"] > 200

"""Whatever happens to a file, to its sync and to its contacts: rows known by their bytes come to what reading them does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
from contactsync.ports import ContactStore, Write
from tests.twins import Twin, Twins
from tests.world import stores_of

MAPPING = [
    {"column": "number", "field": "customer_number"},
    {"column": "email", "field": "email"},
    {"column": "name", "field": "name"},
    {"column": "phone", "field": "phone"},
]
HEADERS = ["number,email,name,phone\n", "number,email,phone,name\n", '"number",email,"name",phone\r\n']
VIP = "vip"
PEOPLE = 7
FREE = {"min_overlap_percent": 0, "max_delete_percent": 100}
ASKING = {"min_overlap_percent": 0, "max_delete_count": 0}

# Rows, as they stand in a file

STYLES: dict[str, str] = {
    "plain": "{n},{email},{name},{phone}\n",
    "plain too": "{n},{email},{name} {name},{phone}\n",
    "quoted": '"{n}","{email}","{name}","{phone}"\n',
    "CR LF": "{n},{email},{name},{phone}\r\n",
    "CR": "{n},{email},{name},{phone}\r",
    "two lines": '{n},{email},"{name}\nof two lines",{phone}\n',
    "other second line": '{n},{email},"{name}\nof other lines",{phone}\n',
    "another's row inside": '{n},{email},"{name}\n{other}",{phone}\n',
    "quotes": '{n},{email},"{name} ""the Great""",{phone}\n',
    "capitals": "{n},{capitals},{name},{phone}\n",
    "short": "{n},{email}\n",
    "long": "{n},{email},{name},{phone},more\n",
    "long, but empty": "{n},{email},{name},{phone},\n",
    "no address": "{n},nobody,{name},{phone}\n",
    "no number": ",{email},{name},{phone}\n",
    "wrong phone": "{n},{email},{name},12\n",
    "stray quote": '{n},"{email},{name},{phone}\n',
    "empty cells": ",,,\n",
    "blank line": "\n",
    "NUL": "{n},{email},{name}\0,{phone}\n",
    "no UTF-8": "{n},{email},{name}\udcff,{phone}\n",
}
USUAL = ["plain", "plain", "plain", "quoted", "two lines"]


def rendered(who: int, address: int, name: str, phone: str, style: str) -> str:
    values = {"n": who, "email": f"p{address}@example.com", "capitals": f"P{address}@EXAMPLE.com"}
    other = f"{(who + 1) % PEOPLE},p{(who + 1) % PEOPLE}@example.com,Ada,\n"
    return STYLES[style].format(**values, name=name, phone=phone, other=other)


numbers = st.integers(0, PEOPLE + 1)
names = st.sampled_from(["Ada", "Bob", "Cem Öz"])
phones = st.sampled_from(["", "", "06 12345678", "020 7946 0018"])
styles = st.sampled_from(USUAL) | st.sampled_from(sorted(STYLES))
own_rows = st.builds(lambda who, *rest: rendered(who, who, *rest), numbers, names, phones, styles)
strange_rows = st.builds(rendered, numbers, numbers, names, phones, styles)
rows = st.one_of(own_rows, own_rows, own_rows, strange_rows)
everybody = st.tuples(
    *(
        st.builds(rendered, st.just(n), st.just(n), names, phones, st.sampled_from(USUAL))
        for n in range(PEOPLE)
    )
)
files = st.builds(lambda usual, others: [*usual, *others], everybody, st.lists(rows, max_size=5))

Change = Callable[[list[str]], list[str]]
places = st.integers(0, 20)


def put_in(at: int, row: str) -> Change:
    return lambda lines: [*lines[: at % (len(lines) + 1)], row, *lines[at % (len(lines) + 1) :]]


def taken_out(at: int) -> Change:
    return lambda lines: [line for place, line in enumerate(lines) if place != at % len(lines)]


def turned_round(at: int) -> Change:
    return lambda lines: [*lines[at % len(lines) :], *lines[: at % len(lines)]]


def twice(at: int, to: int) -> Change:
    return lambda lines: put_in(to, lines[at % len(lines)])(lines)


def in_place(at: int, row: str) -> Change:
    return lambda lines: [row if place == at % len(lines) else line for place, line in enumerate(lines)]


def unended(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1].rstrip("\r\n")] if lines[-1].rstrip("\r\n") else lines


some_changes = st.lists(
    st.one_of(
        st.builds(put_in, places, rows),
        st.builds(taken_out, places),
        st.builds(turned_round, places),
        st.builds(twice, places, places),
        st.builds(in_place, places, rows),
        st.builds(in_place, places, own_rows),
        st.just(unended),
    ),
    min_size=1,
    max_size=3,
)
changes = some_changes | st.builds(list[Change])
afterwards = changes | st.none()

# Syncs

options = st.fixed_dictionaries(
    {
        "guard": st.sampled_from([FREE, FREE, ASKING, {**ASKING, "on_trip": "hold_deletes"}, {}]),
        "delete_missing": st.sampled_from([None, {"scope": "all"}, {"scope": "sync"}]),
    },
    optional={
        "existing": st.sampled_from(["override", "override", "fill_empty", "skip"]),
        "mode": st.sampled_from(["three_way", "three_way", "three_way", "mirror"]),
        "empty_cells": st.sampled_from(["ignore", "clear", "reject"]),
        "segments": st.sampled_from([[], [VIP]]),
    },
)
countries = st.sampled_from([None, "NL", "GB"])


class Troubled:
    """A contact list to which something happens at a write, and at each that follows."""

    def __init__(self, contacts: ContactStore, at: int, happens: Callable[[], None]) -> None:
        self._contacts, self._left, self._happens = contacts, at, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        self._left -= 1
        if self._left < 0:
            self._happens()
        return self._contacts.write(account_id, writes)


def forget_files(world: Twin) -> None:
    """What the bucket's lifecycle does."""
    kept_from = int((world.clock.now() - timedelta(days=90)).timestamp() * 1000)
    for folder in list(world.runs.folders(f"runs/{world.account.account_id}/")):
        if int(folder.split("/")[2][1:13], 16) < kept_from:
            world.runs.delete(list(world.runs.keys(folder)))


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
    "identity",
    "delete",
    "segment",
    "erased",
    "settings",
)
"""What a hundred histories come to, each many times."""


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
        answers: list[bool | None],
    ) -> None:
        self.twins = Twins()
        self.header, self.lines = HEADERS[0], lines
        self.identity, self.edits = identity, 0
        self.known = self.told = 0
        self.answers = cycle(answers)
        self.last: Run | None = None
        account = self.twins.worlds[0].account.account_id
        vip = Segment(id=VIP, name="VIP", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
        self.twins.both(lambda world: world.control.create_segment(account, vip))
        self.syncs = [
            self.first_run(identity, {"options": first, "format": self.format(country)}),
            self.first_run("email", {"options": second, "format": self.format(country)}, lines[left_out:]),
        ]

    def format(self, country: str | None) -> dict[str, Any]:
        return {"delimiter": ",", "encoding": "utf-8", "has_header": True, "country": country}

    def first_run(self, identity: str, asked: dict[str, Any], lines: list[str] | None = None) -> str:
        body = {"identity": {"field": identity}, "notify": {}, **asked}
        text = self.text(lines)
        run = self.twins.both(lambda world: world.request(text, MAPPING, **body))
        self.ran(self.twins.execute(run))
        return run.sync_id

    def text(self, lines: list[str] | None = None) -> bytes:
        return (self.header + "".join(lines or self.lines)).encode("utf-8", "surrogateescape")

    def ran(self, run: Run) -> None:
        known = self.twins.came_again - self.known
        self.known += known
        self.done[run.status] += 1
        if known:
            self.done["known rows"] += known
            self.done[f"known by {self.identity}"] += 1
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
        self.last = run
        self.wait(timedelta(seconds=20))
        if run.status == "awaiting_approval" and (approves := next(self.answers)) is not None:
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

    @rule(header=st.sampled_from(HEADERS), after=afterwards)
    def other_header(self, header: str, after: list[Change] | None) -> None:
        self.header = header
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

        def calm(world: Twin) -> None:
            world.ports = world.true_ports()

        self.twins.both(calm)
        self.then(after)

    @precondition(
        lambda self: self.last is not None and self.last.status == "succeeded" and not self.last.dry_run
    )
    @rule(after=afterwards)
    def undone(self, after: list[Change] | None) -> None:
        last = self.last
        assert last is not None
        if last.undoes:
            return
        which = self.syncs.index(last.sync_id)
        self.ran(self.twins.execute(self.again(which, undoes=last.id)))
        self.done["undo"] += 1
        self.then(after)

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
    run_state_machine_as_test(Histories, settings=settings(stateful_step_count=10))
    print(Histories.done)
    missed = [what for what in MET if not Histories.done[what]]
    assert not missed, "histories that never come to it show nothing"
    assert Histories.done["known rows"] > 200

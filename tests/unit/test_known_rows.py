"""Rows that come again are known by their bytes: when they are, of whom they are not, and what a known row spares.

Each test happens in two worlds, of which the other reads every row (tests/twins.py): what comes of it is the same. The laws are in
tests/property.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, cast

import orjson
import pytest

from contactsync.adapters.memory import MemoryContacts
from contactsync.control.feed import YOUNG
from contactsync.journeys import changes
from contactsync.journeys.account import accounts, erasing, forgetting
from contactsync.journeys.asked import deciding, editing, segmenting
from contactsync.journeys.file import known, units
from contactsync.model.message import EraseDue
from contactsync.model.run import Run
from contactsync.model.segment import Segment
from contactsync.model.sync import Format, Options
from contactsync.ports import ContactStore, Delete, Objects, Put, RecordKey, Write
from tests.twins import Twin, Twins
from tests.workbooks import packed, parts_of, sheet_of

HEADER = "number,email,name,phone\n"
MAPPING = [
    {"column": "number", "field": "customer_number"},
    {"column": "email", "field": "email"},
    {"column": "name", "field": "name"},
    {"column": "phone", "field": "phone"},
]
BY_NUMBER = {"field": "customer_number"}
PEOPLE = 12
ALL = {"delete_missing": {"scope": "all"}, "guard": {"max_delete_percent": 100}}
LATER = timedelta(minutes=10)


def row(number: int, name: str = "", phone: str = "06 12345678", email: str = "") -> str:
    return f"{number},{email or f'p{number}@example.com'},{name or f'Person {number}'},{phone}\n"


LINES = [row(number) for number in range(PEOPLE)]
TEXT = HEADER + "".join(LINES)
CHANGED = TEXT.replace("Person 5", "Person Five")


class Story(Twins):
    """One sync in both worlds, and what becomes of it."""

    def __init__(self, text: str | bytes = TEXT, *, unit: int = 4, **body: Any) -> None:
        super().__init__(unit=unit)
        self.sync_id = self.imported(text, **body).sync_id

    def imported(self, text: str | bytes, **body: Any) -> Run:
        """Another sync's first run."""
        run = self.both(lambda world: world.request(text, MAPPING, **{"notify": {}, **body}))
        return self.ended(run)

    def again(self, text: str | bytes = CHANGED, **asked: Any) -> Run:
        """The sync's next run."""
        return self.ended(self.both(lambda world: world.again(self.sync_id, text, **asked)))

    def ended(self, run: Run, **options: Any) -> Run:
        """The run at its end, some minutes later."""
        before = self.came_again
        ended = self.execute(run, **options)
        self.known = self.came_again - before
        self.both(lambda world: world.clock.advance(LATER))
        return ended

    def change_sync(self, **changed: Any) -> None:
        def change(world: Twin) -> None:
            world.control.update_sync(
                world.account.account_id, self.sync_id, lambda read: read.value.model_copy(update=changed)
            )

        self.both(change)

    def id_of(self, number: int) -> str:
        return self.worlds[0].stored()[f"p{number}@example.com"].id

    def edit(self, number: int, **fields: Any) -> None:
        """By hand."""
        id_ = self.id_of(number)
        self.both(
            lambda world: editing.change_contact(
                world.asked, world.caller, id_, {"fields": fields}, f"edit {number} {fields}", if_match=None
            )
        )

    @property
    def good(self) -> Run:
        """The run whose rows are known."""
        world = self.worlds[0]
        sync = world.control.sync(world.account.account_id, self.sync_id).value
        assert sync.last_good is not None
        return world.control.run(world.account.account_id, sync.last_good.run_id).value

    def files_of_good(self) -> list[str]:
        """The names of its files."""
        prefix = f"runs/{self.good.account_id}/{self.good.id}/"
        return [key.removeprefix(prefix) for key in self.worlds[0].runs.keys(prefix)]

    def lose(self, run: Run, name: str) -> None:
        """A file of a run is kept no longer."""
        self.both(lambda world: world.runs.delete([f"runs/{run.account_id}/{run.id}/{name}"]))

    def forget(self, run: Run) -> None:
        """A run's record is kept no longer."""

        def forget(world: Twin) -> None:
            stored = world.records.get(RecordKey(run.account_id, f"run#{run.id}"))
            assert stored is not None
            world.records.commit([Delete(stored.key, stored.version)])

        self.both(forget)

    def overtaken(self, happens: Callable[[Twin], object]) -> None:
        """Something happens, once, just before contacts are written next."""

        def overtaken(world: Twin) -> None:
            within = copy.copy(world)
            within.ports = world.true_ports()
            contacts = Overtaken(world.contacts, lambda: happens(within))
            world.ports.contacts = cast(ContactStore, contacts)

        self.both(overtaken)

    def rewrite(self, run: Run, name: str, drop: str) -> None:
        """A file of a run as a version had written it that did not know one of its words."""

        def rewrite(world: Twin) -> None:
            key = f"runs/{run.account_id}/{run.id}/{name}"
            said = orjson.loads(world.runs.get(key))
            del said[drop]
            world.runs.put(key, orjson.dumps(said))

        self.both(rewrite)


class TestTheyAreKnown:
    def test_all_but_those_that_are_new(self) -> None:
        story = Story()
        run = story.again()
        assert (run.counts.updated, run.counts.unchanged, story.known) == (1, 11, 11)

    def test_wherever_they_have_moved_within_a_chunk_or_two(self) -> None:
        story = Story()
        run = story.again(HEADER + row(20) + "".join(LINES[:6]) + "\n" + "".join(LINES[7:]))
        assert (run.counts.added, run.counts.unchanged, story.known) == (1, 11, 11)

    def test_by_a_run_that_has_known_them_itself(self) -> None:
        story = Story()
        story.again()
        again = story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert (again.counts.updated, again.counts.unchanged, story.known) == (1, 11, 11)

    def test_by_the_run_that_has_read_them_where_others_had_nothing_to_read(self) -> None:
        story = Story()
        read = story.good
        assert story.again(TEXT).status == "unchanged"
        assert story.good == read
        story.again()
        assert story.known == 11

    def test_of_several_lines_and_beside_refused_and_blank_ones(self) -> None:
        rows = [
            '1,a@example.com,"Ada\nLovelace",\n',
            "2,nobody,Bob,\n",
            "\n",
            ",,,\n",
            '3,"c@example.com,Cem,\n',
        ]
        text = HEADER + "".join([*rows, *LINES[4:]])
        story = Story(text)
        run = story.again(text.replace("Person 7", "Person Seven"))
        assert (run.counts.rejected, run.counts.skipped, run.counts.unchanged) == (2, 1, 8)
        assert story.known == 8

    def test_and_so_not_missing_from_the_file(self) -> None:
        story = Story(options=ALL)
        run = story.again(HEADER + "".join(LINES[1:]))
        assert (run.counts.deleted, run.counts.unchanged, story.known) == (1, 11, 11)

    def test_for_a_week_however_often_and_then_again(self) -> None:
        story = Story()
        days, text = [], TEXT
        for day in range(15):
            text = text.replace(f"Person {day}\n" if day < PEOPLE else "Person 1,", f"Someone {day}\n")
            story.again(f"{text},,,\n" + "\n" * day)
            days += [day] if story.known == 0 else []
            story.both(lambda world: world.clock.advance(timedelta(days=1) - LATER))
        assert days == [7, 14]

    def test_in_a_dry_run_whose_plan_is_carried_out(self) -> None:
        story = Story()
        shown = story.again(dry_run=True)
        assert story.known == 11
        assert story.again(plan_of=shown.id).counts.updated == 1

    def test_and_no_contact_of_theirs_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story(options={"existing": "fill_empty"})
        read: list[str] = []

        def noted(name: str) -> Callable[..., Any]:
            real = getattr(MemoryContacts, name)

            def look(self: MemoryContacts, account_id: str, *asked: Any) -> Any:
                if self is story.worlds[0].contacts:
                    read.extend(asked[0] if name in ("slots", "get") else [name])
                return real(self, account_id, *asked)

            return look

        for name in ("slots", "get", "scan", "glimpses"):
            monkeypatch.setattr(MemoryContacts, name, noted(name))
        monkeypatch.setattr(Twins, "check", lambda self: None)  # which reads them all
        run = story.again(TEXT + ",,,\n")
        assert (run.status, run.counts.unchanged, read) == ("succeeded", PEOPLE, [])
        run = story.again(CHANGED)
        assert run.counts.settled == PEOPLE
        assert set(read) == {story.id_of(5)}


Between = Callable[[Story], object]


def of_sync(**changed: Any) -> Between:
    return lambda story: story.change_sync(**changed)


def in_good(name: str, drop: str) -> Between:
    return lambda story: story.rewrite(story.good, name, drop)


def noted_by_an_earlier_version(story: Story) -> None:
    def forget(world: Twin) -> None:
        key = RecordKey(world.account.account_id, f"sync#{story.sync_id}")
        stored = world.records.get(key)
        assert stored is not None
        good = {name: stored.document["last_good"][name] for name in ("digest", "settings", "marker")}
        world.records.commit([Put(key, {**stored.document, "last_good": good}, stored.version)])

    story.both(forget)


def moved(story: Story) -> None:
    story.both(lambda world: accounts.change(world.asked, world.caller, {"country": "GB"}).country)


NOT_KNOWN: dict[str, Between] = {
    "another country of the sync": of_sync(format=Format(country="GB")),
    "another country of the account": moved,
    "existing contacts are left alone": of_sync(options=Options(existing="skip")),
    "the file always wins": of_sync(options=Options(mode="mirror")),
    "empty cells mean something else": of_sync(options=Options(empty_cells="clear")),
    "everybody joins a segment": of_sync(options=Options(segments=("vip",))),
    "a good run of an earlier version": noted_by_an_earlier_version,
    "a manifest of an earlier version": in_good("manifest.json", "reading"),
    "a plan of an earlier version": in_good("plan/02.json", "odd"),
    "a week": lambda story: story.both(lambda world: world.clock.advance(known.WHOLE_EVERY - LATER)),
}


FOR_GOOD = ("existing contacts", "the file always", "another country")
"""In which rows are never known, or refused."""


class TestNoneIsKnown:
    @pytest.mark.parametrize("what", NOT_KNOWN)
    def test_after(self, what: str) -> None:
        story = Story()
        NOT_KNOWN[what](story)
        run = story.again()
        assert (run.status, run.counts.settled, story.known) == ("succeeded", PEOPLE, 0)
        story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert story.known == (0 if what.startswith(FOR_GOOD) else 11), "from the next one on they are"

    @pytest.mark.parametrize(("most", "known_then"), [(2, 9), (1, 0)])
    @pytest.mark.parametrize(("module", "bound"), [(known, "LOOKED_AT_MAX"), (changes, "CHANGED_MAX")])
    def test_where_too_many_contacts_have_changed(
        self, module: Any, bound: str, most: int, known_then: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        story = Story()
        monkeypatch.setattr(module, bound, most)
        story.edit(0, name="By Hand")
        story.edit(1, name="By Hand")
        story.again()
        assert story.known == known_then

    @pytest.mark.parametrize(("most", "known_then"), [(2, 9), (1, 0)])
    def test_where_too_many_contacts_are_not_as_their_rows_say(
        self, most: int, known_then: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(units, "ODD_MAX", most)
        story = Story(HEADER + row(0) + row(1) + "".join(LINES), unit=100)
        story.again(HEADER + row(0) + row(1) + "".join(LINES).replace("Person 5", "Person Five"))
        assert story.known == known_then

    def test_in_a_file_of_few_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story()
        story.worlds[0].known_from = PEOPLE + 1
        story.again()
        assert story.known == 0
        story.again(CHANGED + row(20))
        assert story.known == 12

    def test_where_the_header_names_other_columns(self) -> None:
        story = Story()
        run = story.again(CHANGED.replace("name,phone", "phone,name"))
        assert (run.counts.rejected, story.known) == (PEOPLE, 0)

    def test_where_a_release_types_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story()
        monkeypatch.setattr(known, "TYPING", known.TYPING + 1)
        story.again()
        assert story.known == 0

    def test_in_a_workbook(self) -> None:
        def pages(text: str) -> bytes:
            rows = [line.split(",") for line in text.splitlines()]
            data: bytes = packed(parts_of(sheet_of(rows))).getvalue()
            return data

        story = Story(pages(TEXT))
        assert story.again(pages(CHANGED)).counts.unchanged == 11
        assert story.known == 0

    def test_in_a_report_of_ours_that_comes_back(self) -> None:
        story = Story(TEXT.replace("@example.com", ""))
        report = story.worlds[0].runs.get(story.worlds[0].files(story.good).rejects_csv).decode()
        mended = re.sub(r'"(p\d+)"', r'"\1@example.com"', report)
        assert story.again(mended).counts.added == PEOPLE
        again = story.again(mended.replace("Person 5", "Person Five"))
        assert (again.counts.updated, again.counts.unchanged, story.known) == (1, 11, 0)


class TestLostFiles:
    """The bucket forgets the good run's files one by one, at any moment: then rows are read."""

    def test_before_the_next_run_begins(self) -> None:
        text = HEADER + row(3, "An Earlier Row") + "".join(LINES) + "3,nobody,,\n" + ",,,\n"
        names = Story(text).files_of_good()
        kinds = {re.sub(r"\d+", "0", name) for name in names}
        assert {"manifest.json", "source", "plan/0.odd", "upsert/0.jsonl", "rejects/0.jsonl"} <= kinds
        for name in names:
            story = Story(text)
            story.lose(story.good, name)
            run = story.again(text.replace("Person 5", "Person Five"))
            assert (run.status, run.counts.updated, run.counts.unchanged) == ("succeeded", 1, 11), name

    def test_between_parse_and_map(self) -> None:
        known = set()
        for name in Story().files_of_good():
            known.add(self.lost_at_work(Story(), name))
        assert {0, 11} < known

    def lost_at_work(self, story: Story, name: str) -> int:
        good = story.good
        run = story.both(lambda world: world.again(story.sync_id, CHANGED))

        def losing(world: Twin) -> None:
            key = f"runs/{good.account_id}/{good.id}/{name}"
            world.ports.runs = cast(Objects, _Losing(world.runs, key))

        story.both(losing)
        assert story.ended(run).counts.updated == 1, name
        return story.known


class _Losing:
    """A bucket that loses an object when another run's manifest is written."""

    def __init__(self, objects: Any, key: str) -> None:
        self._objects, self._key = objects, key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, key: str, data: bytes) -> None:
        self._objects.put(key, data)
        if key.endswith("manifest.json"):
            self._objects.delete([self._key])


class Overtaken:
    """A contact list to which something happens just before it is first written."""

    def __init__(self, contacts: ContactStore, happens: Callable[[], object]) -> None:
        self._contacts = contacts
        self._happens: Callable[[], object] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return self._contacts.write(account_id, writes)


class TestWhoIsLookedAt:
    """Rows are read that came before as well, where their contacts are not, or may not be, as they say."""

    def test_whom_somebody_has_edited(self) -> None:
        story = Story(options={"segments": ["vip"]})
        vip = Segment(id="vip", name="VIP", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
        story.both(lambda world: world.control.create_segment(world.account.account_id, vip))
        left, gone = story.id_of(1), story.id_of(2)
        story.both(lambda world: segmenting.leave(world.asked, world.caller, "vip", left, "leave"))
        story.both(
            lambda world: editing.delete_contact(world.asked, world.caller, gone, "gone", if_match=None)
        )
        story.edit(3, email="p3@example.org")
        run = story.again()
        assert (run.counts.updated, run.counts.skipped, run.counts.unchanged) == (2, 1, 9)
        assert story.known == 8
        assert story.worlds[0].stored()["p1@example.com"].segments == ("vip",)

    def test_whom_somebody_was_about_to_edit_when_the_good_run_began(self) -> None:
        story = Story()
        gone = story.id_of(2)
        story.both(
            lambda world: world.control.note_changes(
                world.account.account_id, "e1", world.clock.now(), contacts=[gone]
            )
        )
        story.both(lambda world: world.clock.advance(YOUNG - timedelta(seconds=1)))
        story.again(CHANGED)

        def late(world: Twin) -> None:
            [slot] = world.contacts.slots(world.account.account_id, [gone]).values()
            body = {"fields": {"name": "Late"}}
            editing.change_contact(world.asked, world.caller, slot.id, body, "late", if_match=None)

        story.both(late)
        story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert story.known == 10

    def test_whom_another_sync_has_written_or_an_undo(self) -> None:
        story = Story()
        story.imported(HEADER + row(1, "Other One") + row(2))
        run = story.again()
        assert (story.known, run.counts.unchanged) == (10, 11)
        story.again("", undoes=run.id)
        again = story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert (story.known, again.counts.updated) == (10, 1)

    def test_whom_a_run_of_its_own_has_written_that_came_to_no_good_end(self) -> None:
        story = Story()
        text = TEXT.replace("Person 1", "Someone 1")
        run = story.both(lambda world: world.again(story.sync_id, text))
        story.overtaken(lambda world: deciding.cancel(world.asked, world.caller, run.id, {}))
        assert story.ended(run).status == "cancelled"
        story.again()
        assert story.known == PEOPLE - 4, "persons 1, 10, 11 and 5"

    def test_whom_a_run_deletes_that_was_still_writing_when_the_good_one_ended(self) -> None:
        story = Story()
        text = HEADER + "".join(LINES[1:])
        other = story.both(lambda world: world.request(text, MAPPING, notify={}, options=ALL))
        meanwhile = story.both(lambda world: world.again(story.sync_id, TEXT + ",,,\n"))

        def another_run(world: Twin) -> None:
            world.clock.advance(LATER)
            world.execute(meanwhile)
            assert world.run(meanwhile).counts.unchanged == PEOPLE
            world.clock.advance(LATER)

        story.overtaken(another_run)
        assert story.ended(other).counts.deleted == 1
        assert story.good.id == meanwhile.id
        run = story.again(TEXT)
        assert (run.counts.skipped, run.counts.unchanged, story.known) == (1, 11, 11)

    @pytest.mark.parametrize("lost", ["its record", "manifest.json", "plan/02.json", "plan/02.jsonl"])
    def test_everybody_where_a_run_has_written_of_which_something_is_lost(self, lost: str) -> None:
        story = Story()
        other = story.imported(TEXT.replace("Person", "Someone"))
        if lost == "its record":
            story.forget(other)
        else:
            story.lose(other, lost)
        story.again()
        assert story.known == 0

    def test_who_was_refused_skipped_or_superseded(self) -> None:
        text = HEADER + row(1, "An Earlier Row") + "".join(LINES) + row(30, email="p2@example.com")
        story = Story(text, identity=BY_NUMBER)
        gone = story.id_of(3)
        story.both(
            lambda world: editing.delete_contact(world.asked, world.caller, gone, "gone", if_match=None)
        )
        before = story.again(text)
        assert (before.counts.rejected, before.counts.skipped) == (1, 2)
        run = story.again(text.replace("Person 5", "Person Five"))
        assert (run.counts.rejected, run.counts.skipped, story.known) == (1, 2, 9)
        left = "".join(LINES[2:]).replace("Person 5", "Person Five")
        last = story.again(HEADER + row(1, "An Earlier Row") + left)
        assert last.counts.updated == 1, "the row that did not count does so alone"

    def test_whose_row_turned_out_otherwise_than_planned(self) -> None:
        story = Story(identity=BY_NUMBER)
        taken = row(30, email="p30@example.com")
        run = story.both(lambda world: world.again(story.sync_id, CHANGED + taken))

        def somebody_comes(world: Twin) -> None:
            body = {"fields": {"email": "p30@example.com"}}
            editing.create_contact(world.asked, world.caller, body, "create")

        story.overtaken(somebody_comes)
        assert story.ended(run).counts.rejected == 1
        assert story.again(CHANGED + taken).counts.rejected == 1

    def test_who_has_another_address_than_the_row_names(self) -> None:
        """It stands in the way of another row, whoever reads it."""
        story = Story(identity=BY_NUMBER)
        story.edit(2, email="else@example.com")
        assert story.again(TEXT).counts.unchanged == PEOPLE
        run = story.again(TEXT + row(30, email="p2@example.com"))
        assert story.known == 11
        assert run.counts.settled == PEOPLE + 1

    def test_who_is_being_erased(self) -> None:
        story = Story()
        gone = story.id_of(4)

        def erase(world: Twin) -> None:
            erasure = erasing.ask_for_erasure(world.asked, world.caller, {"contact_id": gone}, "erasure")
            ports = {name: getattr(world, name) for name in STORES}
            message = EraseDue(account_id=world.account.account_id, erasure_id=erasure.id)
            forgetting.erase(message, forgetting.All(**ports))

        story.both(erase)
        run = story.again()
        assert (run.counts.added, run.counts.updated, story.known) == (1, 1, 10)


STORES = (
    "control",
    "contacts",
    "runs",
    "uploads",
    "photos",
    "clock",
    "drops",
    "scheduler",
    "bus",
    "keeper",
)

"""Who is missing from a file that comes again is told by the last good run, without a look along the contact list.

As in tests/unit/test_known_rows.py, each test happens in two worlds, of which the other reads everything: both delete the same, and show
the guard the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from contactsync.control import feed
from contactsync.core.identity import SHARDS
from contactsync.journeys import changes
from contactsync.journeys.asked import deciding, editing
from contactsync.journeys.file import known, missing, reading
from contactsync.model.contact import Slot
from contactsync.model.run import Run
from contactsync.model.sync import DeleteMissing, Options
from contactsync.ports import ContactStore, Delete, Objects, RecordKey
from tests.twins import Twin
from tests.twinstory import ALL, BY_NUMBER, CHANGED, HEADER, LATER, LINES, MAPPING, TEXT, Story, row

OF_SYNC = {**ALL, "delete_missing": {"scope": "sync"}}
WITHOUT_7 = TEXT.replace(LINES[7], "")
OTHERS = "".join(row(number, f"Other {number}") for number in (6, 7, 8))
REFUSED = "".join(row(number, phone="1") for number in range(20, 40))


def figures(story: Story, run: Run) -> tuple[int, int]:
    """How many contacts the guard was told of, and how many of them the file mentions."""
    world = story.worlds[0]
    files = world.files(run)
    units = [files.plan_summary(unit) for unit in range(files.manifest().units)]
    return sum(unit.stored for unit in units if unit), sum(unit.found for unit in units if unit)


def told(story: Story, text: str = WITHOUT_7) -> Run:
    """The sync's next run, which is told who is missing."""
    before = story.told
    run = story.again(text)
    assert story.told == before + 1, "it has looked along the contact list"
    return run


def not_told(story: Story, text: str = WITHOUT_7) -> Run:
    before = story.told
    run = story.again(text)
    assert story.told == before
    return run


class After:
    """A bucket in which something happens once, after an object was put whose name ends like this."""

    def __init__(self, objects: Objects, name: str, happens: Callable[[], object]) -> None:
        self._objects, self._name = objects, name
        self._happens: Callable[[], object] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, key: str, data: bytes) -> None:
        self._objects.put(key, data)
        if key.endswith(self._name) and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()


class Before:
    """A contact list in which something happens once, before a contact is asked for by key for the n-th time."""

    def __init__(self, contacts: ContactStore, asked: str, times: int, happens: Callable[[], object]) -> None:
        self._contacts, self._asked, self._left, self._happens = contacts, asked, times, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        self._left -= self._asked in ids
        if self._left == 0:
            self._left = -1
            self._happens()
        return self._contacts.slots(account_id, ids)


def before_plan(story: Story, happens: Callable[[Twin], object]) -> None:
    """Something happens when map is through with the last chunk of the next run."""

    def watched(world: Twin) -> None:
        world.ports.runs = cast(Objects, After(world.runs, "rows/00003.json", lambda: happens(world)))

    story.both(watched)


def delete_by_hand(story: Story, number: int) -> None:
    gone = story.id_of(number)
    story.both(lambda world: by_hand(world, gone))
    story.both(lambda world: world.clock.advance(LATER))


def by_hand(world: Twin, gone: str) -> None:
    editing.delete_contact(world.asked, world.caller, gone, f"gone {gone}", if_match=None)


def create(world: Twin, number: int) -> None:
    body = {"fields": {"email": f"p{number}@example.com", "name": "By Hand"}}
    editing.create_contact(world.asked, world.caller, body, f"new {number}")


@pytest.mark.parametrize("options", [ALL, OF_SYNC], ids=["all", "of the sync"])
class TestTold:
    """By the good run's rows, and by whom it has noted."""

    def test_whom_the_file_does_not_mention_any_more(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        run = told(story)
        assert (run.counts.deleted, run.counts.unchanged) == (1, 11)
        assert figures(story, run) == (12, 11)
        run = told(story, WITHOUT_7.replace(LINES[3], row(3, "Person Three")).replace(LINES[9], ""))
        assert (run.counts.deleted, run.counts.updated, run.counts.unchanged) == (1, 1, 9)
        assert figures(story, run) == (11, 10)

    def test_nobody_who_is_there_or_comes(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        run = told(story, CHANGED + row(20))
        assert (run.counts.deleted, run.counts.added, figures(story, run)) == (0, 1, (12, 12))
        run = told(story, CHANGED)
        assert (run.counts.deleted, figures(story, run)) == (1, (13, 12))

    def test_whose_row_is_refused_is_not_missing(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        refused = CHANGED.replace(LINES[2], row(2, phone="1")) + row(30, phone="2")
        run = told(story, refused)
        assert (run.counts.rejected, run.counts.deleted, figures(story, run)) == (2, 0, (12, 12))
        run = told(story, refused.replace(LINES[7], ""))
        assert (run.counts.rejected, run.counts.deleted, figures(story, run)) == (2, 1, (12, 11))
        story.both(lambda world: create(world, 30))
        run = told(story, refused.replace(LINES[8], ""))
        by_hand = 1 if options is ALL else 0
        assert (run.counts.deleted, figures(story, run)) == (1, (11 + by_hand, 10 + by_hand))

    def test_who_is_found_by_another_identity_until_it_is_gone_too(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        story.edit(3, email="p3@example.org")
        moved = TEXT.replace("p3@example.com", "p3@example.org")
        run = told(story, moved.replace(LINES[7], ""))
        assert (run.counts.deleted, run.counts.added, figures(story, run)) == (1, 0, (12, 11))
        run = told(story, moved.replace(LINES[7], "").replace(LINES[8], ""))
        assert (run.counts.deleted, figures(story, run)) == (1, (11, 10))
        run = told(story, TEXT.replace(LINES[7], "").replace(LINES[8], "").replace(LINES[3], ""))
        assert (run.counts.deleted, figures(story, run)) == (1, (10, 9))

    def test_who_was_to_be_deleted_and_had_just_been_edited(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        again = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))
        stays = story.id_of(7)

        def edit(world: Twin) -> None:
            body = {"fields": {"name": "By Hand"}}
            editing.change_contact(world.asked, world.caller, stays, body, "late", if_match=None)

        story.overtaken(edit)
        assert story.ended(again).counts.deleted == 0
        story.both(lambda world: setattr(world, "ports", world.true_ports()))
        run = told(story, WITHOUT_7 + ",,,\n")
        assert (run.counts.deleted, figures(story, run)) == (1, (12, 11))

    def test_who_came_went_or_was_changed_by_hand(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        delete_by_hand(story, 2)
        story.both(lambda world: create(world, 40))
        story.edit(4, name="By Hand")
        story.edit(7, name="By Hand")
        run = told(story)
        created = 1 if options is ALL else 0
        assert (run.counts.deleted, run.counts.skipped) == (1 + created, 1)
        assert figures(story, run) == (11 + created, 10)

    def test_who_comes_or_goes_by_hand_while_rows_are_mapped(self, options: dict[str, Any]) -> None:
        """Of those who go the one has no row any more, the other one that is refused."""
        refused = "2,p2@example.com,,1\n"
        story = Story(options=options)
        told(story, TEXT.replace(LINES[2], refused))
        ids = [story.id_of(2), story.id_of(8)]

        def meanwhile(world: Twin) -> None:
            create(world, 40)
            for gone in ids:
                by_hand(world, gone)

        before_plan(story, meanwhile)
        run = told(story, WITHOUT_7.replace(LINES[2], refused).replace(LINES[8], ""))
        created = 1 if options is ALL else 0
        assert (run.counts.deleted, figures(story, run)) == (1 + created, (10 + created, 9))

    def test_who_is_erased_while_rows_are_mapped(self, options: dict[str, Any]) -> None:
        refused = "2,p2@example.com,,1\n"
        story = Story(options=options)
        told(story, TEXT.replace(LINES[2], refused))
        gone = story.id_of(2)
        erased = story.asked_to_erase(gone)
        before_plan(story, lambda world: erased(world, 1))
        run = told(story, WITHOUT_7.replace(LINES[2], refused))
        assert (run.counts.deleted, figures(story, run)) == (1, (11, 10))

    def test_who_gets_another_identity_just_before_the_last_look_is_left(
        self, options: dict[str, Any]
    ) -> None:
        """The row that it lacked may be there."""
        story = Story(options=options)
        moved = story.id_of(7)

        def watched(world: Twin, looks: int) -> None:
            body = {"fields": {"email": "p7@example.org"}}

            def move() -> None:
                editing.change_contact(world.asked, world.caller, moved, body, "late", if_match=None)

            world.ports.contacts = cast(ContactStore, Before(world.contacts, moved, looks, move))

        for world, looks in zip(story.worlds, (2, 1), strict=True):
            watched(world, looks)
        run = told(story, WITHOUT_7)
        assert (run.counts.deleted, figures(story, run)) == (0, (12, 11))

    def test_after_deletions_that_were_held_and_rejected(self, options: dict[str, Any]) -> None:
        story = Story(options={**options, "guard": {"on_trip": "hold_deletes"}})
        few = CHANGED.replace("".join(LINES[7:]), "")
        held = told(story, few)
        assert (held.status, held.counts.updated) == ("awaiting_approval", 1)
        story.both(lambda world: deciding.reject(world.asked, world.caller, held.id, {}))
        again = told(story, few + ",,,\n")
        assert (again.status, figures(story, again)) == ("awaiting_approval", (12, 7))
        assert again.verdict is not None
        assert again.verdict.title.startswith("The import would delete 5 of 12 contacts")

    def test_after_deletions_that_were_held_and_approved(self, options: dict[str, Any]) -> None:
        story = Story(options={**options, "guard": {"max_delete_percent": 30}})
        few = TEXT.replace("".join(LINES[7:]), "")
        held = told(story, few)
        plan = held.plan_hash or ""
        story.both(lambda world: world.control.approve_run(held.account_id, held.id, plan))
        assert story.ended(held, execution="after the approval").counts.deleted == 5
        run = told(story, few.replace(LINES[1], ""))
        assert (run.counts.deleted, figures(story, run)) == (1, (7, 6))

    def test_and_it_may_be_the_wrong_file(self, options: dict[str, Any]) -> None:
        """Rows are known here that are few of all: one of the twelve."""
        story = Story(options={**options, "guard": {}})
        run = told(story, HEADER + "".join(LINES[:4]).replace("p", "q") + "".join(LINES[4:5]) + LINES[4] * 7)
        assert (run.status, figures(story, run)) == ("blocked", (12, 1))

    def test_after_an_undo(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        run = told(story, WITHOUT_7 + row(20))
        story.again("", undoes=run.id)
        assert "p7@example.com" in story.worlds[0].stored()
        run = told(story, WITHOUT_7)
        assert (run.counts.deleted, figures(story, run)) == (1, (12, 11))

    def test_by_number(self, options: dict[str, Any]) -> None:
        story = Story(options=options, identity=BY_NUMBER)
        story.edit(3, customer_number="33")
        run = told(story)
        assert (run.counts.deleted, figures(story, run)) == (1, (12, 11))


@pytest.mark.parametrize(("before", "now"), [(100, 3), (3, 100), (3, 6), (6, 3)])
def test_it_tells_however_many_units_there_were(before: int, now: int) -> None:
    story = Story(TEXT + REFUSED, unit=before, options=ALL)
    delete_by_hand(story, 2)
    story.each_unit(now)
    run = told(story, WITHOUT_7 + REFUSED)
    assert (run.counts.deleted, figures(story, run)) == (1, (11, 10))
    run = told(story, WITHOUT_7.replace(LINES[8], "") + REFUSED)
    assert (run.counts.deleted, figures(story, run)) == (1, (10, 9))


def test_each_of_the_few_is_asked_for_by_one_unit() -> None:
    refused = row(30, phone="1")
    story = Story(unit=100, options=OF_SYNC)
    moved, gone = story.id_of(3), story.id_of(7)
    story.edit(3, email="p3@example.org")
    told(story, CHANGED.replace("p3@example.com", "p3@example.org") + refused)
    story.both(lambda world: create(world, 40))
    story.each_unit(3)
    world = story.worlds[0]
    world.contacts.asked.clear()
    told(story, WITHOUT_7.replace("p3@example.com", "p3@example.org") + refused)
    asked = Counter(world.contacts.asked)
    assert asked[story.id_of(40)] == 1, "changed since"
    assert asked[gone] == 2, "not mentioned any more; before it goes it is asked for again"
    assert asked[moved] == 2, "set aside; its row asks for it, too"
    assert asked[story.id_of(5)] == 1, "its row has changed"
    assert not {story.id_of(number) for number in (0, 1, 2, 4, 6, 8, 9, 10, 11)} & asked.keys()
    assert world.id_of("p30@example.com") not in asked, "set aside, as nobody is there"


def test_whose_row_a_glimpse_settles_is_there_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a shard has many rows to be looked at, these are read along, for themselves."""
    story = Story(options=ALL)
    monkeypatch.setattr(reading, "SCAN_WORTH_ROWS", 1)
    story.edit(4, name="By Hand")
    looks = story.worlds[0].contacts.looks
    run = story.again(WITHOUT_7)
    assert story.worlds[0].contacts.looks == looks + 1
    assert (run.counts.deleted, figures(story, run)) == (1, (12, 11))


def test_those_who_go_together_go_in_one_order() -> None:
    """The plan's hash says what somebody has looked at."""
    lines = [row(number) for number in range(200)]
    story = Story(HEADER + "".join(lines), unit=1000, options=ALL)
    assert told(story, HEADER + "".join(lines[100:])).counts.deleted == 100


class TestOutsideOfTheScope:
    """Whom others bring as well, or who was here before, is neither deleted nor counted."""

    def test_whom_another_sync_brings_as_well_is_not_counted(self) -> None:
        story = Story(options=OF_SYNC)
        story.imported(HEADER + OTHERS)
        run = told(story)
        assert (run.counts.deleted, figures(story, run)) == (0, (9, 9))
        run = told(story, WITHOUT_7.replace(LINES[0], ""))
        assert (run.counts.deleted, figures(story, run)) == (1, (9, 8))

    def test_who_was_here_before_is_not_counted(self) -> None:
        world = Story(HEADER + LINES[0])
        sync = world.both(
            lambda one: one.request(TEXT.replace("Person 3", "X"), MAPPING, notify={}, options=OF_SYNC)
        )
        assert world.ended(sync).counts.added == 11
        world.sync_id = sync.sync_id
        run = told(world)
        assert (run.counts.deleted, figures(world, run)) == (1, (11, 10))
        run = told(world, WITHOUT_7.replace(LINES[0], ""))
        assert (run.counts.deleted, figures(world, run)) == (0, (10, 10))

    def test_who_was_deleted_here_and_comes_again_in_the_file_is_not_counted(self) -> None:
        story = Story(options=ALL)
        delete_by_hand(story, 2)
        for text, deleted in ((TEXT + ",,,\n", 0), (WITHOUT_7, 1)):
            run = told(story, text)
            assert (run.counts.skipped, run.counts.deleted) == (2 if ",,," in text else 1, deleted)
            assert figures(story, run) == (11, 11 - deleted)


def in_good(name: str, drop: str) -> Callable[[Story], object]:
    return lambda story: story.rewrite(story.good, name, drop)


def lost(name: str) -> Callable[[Story], object]:
    return lambda story: story.lose(story.good, name)


def once_more(happens: Callable[[Story], object]) -> Callable[[Story], object]:
    """After a second run, which notes somebody aside in each of the units."""

    def then(story: Story) -> None:
        told(
            story, HEADER + "".join(row(number, phone="1") for number in range(20, 40)) + TEXT[len(HEADER) :]
        )
        happens(story)

    return then


class TestNobodyIsTold:
    """In any doubt everybody is looked at."""

    @pytest.mark.parametrize("drop", ["aside", "deletes"])
    def test_by_a_run_of_an_earlier_version(self, drop: str) -> None:
        story = Story(options=ALL)
        for unit in range(4):
            story.rewrite(story.good, f"plan/{unit:02d}.json", drop)
        assert not_told(story).counts.deleted == 1
        assert told(story, WITHOUT_7.replace(LINES[8], "")).counts.deleted == 1

    @pytest.mark.parametrize("name", ["plan/02.json", "plan/02.aside", "rows/00001.json", "manifest.json"])
    def test_where_a_file_is_lost_before_plan(self, name: str) -> None:
        story = Story(TEXT + REFUSED, options=ALL)
        good = story.good
        key = f"runs/{good.account_id}/{good.id}/{name}"
        story.worlds[0].runs.get(key)
        before_plan(story, lambda world: world.runs.delete([key]))
        assert not_told(story, WITHOUT_7 + REFUSED).counts.deleted == 1

    def test_where_it_is_not_known_any_more_who_has_changed(self) -> None:
        story = Story(options=ALL)
        run = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))
        before_plan(story, lambda world: world.runs.delete([f"{world.files(run).prefix}looked-at"]))
        before = story.told
        assert story.ended(run).counts.deleted == 1
        assert story.told == before

    @pytest.mark.parametrize("by", ["nobody", "an earlier run"])
    def test_where_it_is_not_the_last_good_run_that_knows_rows(self, by: str) -> None:
        story = Story(options=ALL)
        known_by = story.good.id if by == "an earlier run" else ""
        told(story, CHANGED)
        before = story.told
        run = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))

        def late(world: Twin) -> None:
            files = world.files(run)
            files.save_manifest(files.manifest().model_copy(update={"known_by": known_by}))

        before_plan(story, late)
        assert story.ended(run).counts.deleted == 1
        assert story.told == before

    @pytest.mark.parametrize(("first", "then"), [(None, "all"), ("sync", "all"), ("all", "sync")], ids=str)
    def test_by_a_run_whose_scope_was_changed_while_it_was_at_work(self, first: Any, then: Any) -> None:
        story = Story(options={**ALL, "delete_missing": {"scope": first} if first else None})
        story.imported(HEADER + OTHERS)
        run = story.both(lambda world: world.again(story.sync_id, CHANGED))
        options = Options.model_validate({**ALL, "delete_missing": {"scope": then}})

        def change(world: Twin) -> None:
            account = world.account.account_id
            world.control.update_sync(
                account, story.sync_id, lambda read: read.value.model_copy(update={"options": options})
            )

        story.overtaken(change)
        story.ended(run)
        assert story.good.id == run.id
        story.both(lambda world: setattr(world, "ports", world.true_ports()))
        assert not_told(story, CHANGED.replace(LINES[7], "")).counts.deleted == (then == "all")
        assert DeleteMissing(scope=then) == options.delete_missing

    def test_beside_another_run_that_is_at_work(self) -> None:
        story = Story(options=ALL)
        other = story.both(lambda world: world.request(HEADER + row(7, "Other"), MAPPING, notify={}))
        run = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))

        looks: list[int] = []

        def another_run(world: Twin) -> None:
            world.clock.advance(LATER)
            before = world.contacts.looks
            world.execute(run)
            looks.append(world.contacts.looks - before)
            world.clock.advance(LATER)

        story.overtaken(another_run)
        story.ended(other)
        assert (story.worlds[0].run(run).counts.deleted, looks) == (1, [SHARDS, SHARDS])

    @pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)], ids=["at once", "later"])
    def test_after_a_run_that_has_ended_since_it_began(self, later: timedelta) -> None:
        story = Story(options=ALL)
        other = story.both(lambda world: world.request(HEADER + row(50), MAPPING, notify={}))

        def meanwhile(world: Twin) -> None:
            world.clock.advance(later)
            within, world.ports = world.ports, world.true_ports()
            world.execute(other)
            world.ports = within

        before_plan(story, meanwhile)
        assert not_told(story).counts.deleted == 2

    def test_after_a_run_of_which_nothing_is_known_any_more(self) -> None:
        story = Story(options=ALL)
        other = story.imported(HEADER + row(50))

        def forget(world: Twin) -> None:
            stored = world.records.get(RecordKey(other.account_id, f"run#{other.id}"))
            assert stored is not None
            world.records.commit([Delete(stored.key, stored.version)])

        before_plan(story, forget)
        assert not_told(story).counts.deleted == 2

    @pytest.mark.parametrize(("most", "is_told"), [(2, True), (1, False)])
    def test_where_too_many_have_changed_meanwhile(
        self, most: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes, "CHANGED_MAX", most)
        story = Story(options=ALL)
        story.edit(2, name="By Hand")
        before_plan(story, lambda world: create(world, 40))
        assert story.again(WITHOUT_7).counts.deleted == 2
        assert (story.told, story.known) == (is_told, 10)

    @pytest.mark.parametrize(("most", "is_told"), [(2, True), (1, False)])
    def test_where_too_much_was_said_meanwhile(
        self, most: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The good run itself has said that it writes."""
        monkeypatch.setattr(feed, "ENTRIES_MAX", most)
        story = Story(options=ALL)
        before_plan(story, lambda world: create(world, 40))
        assert story.again(WITHOUT_7).counts.deleted == 2
        assert (story.told, story.known) == (is_told, 11)

    @pytest.mark.parametrize(("most", "is_told"), [(2, True), (1, False)])
    def test_where_too_many_were_noted_aside(
        self, most: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(missing, "ASIDE_MAX", most)
        monkeypatch.setattr("contactsync.journeys.file.units.ASIDE_MAX", most)
        story = Story(TEXT + row(20, phone="1") + row(21, phone="1"), unit=100, options=ALL)
        assert story.again(WITHOUT_7 + row(20, phone="1")).counts.deleted == 1
        assert story.told == is_told

    @pytest.mark.parametrize(("changed", "is_told"), [(1, True), (2, False)])
    def test_where_it_is_quicker_to_look_at_all(
        self, changed: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows that have changed are asked for by key as well as those who may be missing."""
        monkeypatch.setattr(missing, "SCAN_WORTH_ROWS", 3 / SHARDS)
        story = Story(unit=100, options=ALL)
        text = WITHOUT_7
        for number in range(changed):
            text = text.replace(f"Person {number},", f"Someone {number},")
        assert story.again(text).counts.deleted == 1
        assert story.told == is_told

    def test_once_a_week(self) -> None:
        story = Story(options=ALL)
        told(story)
        story.both(lambda world: world.clock.advance(known.WHOLE_EVERY))
        assert not_told(story, WITHOUT_7.replace(LINES[8], "")).counts.deleted == 1

    def test_where_nothing_shows_that_the_source_is_complete(self) -> None:
        story = Story(options=ALL)
        run = not_told(story, WITHOUT_7[:-1] + ',"')
        assert (run.counts.deleted, figures(story, run)) == (0, (0, 0))


def test_whoever_was_erased_is_noted_nowhere() -> None:
    story = Story(options=OF_SYNC)
    story.edit(3, email="p3@example.org")
    moved = TEXT.replace("p3@example.com", "p3@example.org")
    run = told(story, moved + ",,,\n")
    world = story.worlds[0]
    [there] = [contact for contact in world.stored().values() if contact.fields["name"] == "Person 3"]
    noted = [key for key in world.runs.keys("") if key.endswith(".aside")]
    assert any(there.id.encode() in world.runs.get(key) for key in noted)
    story.begin_to_erase(there.id, stretches=30)
    for world in story.worlds:
        for key in world.runs.keys(""):
            assert there.id.encode() not in world.runs.get(key), key
    run = not_told(story, moved.replace(LINES[7], ""))
    assert (run.counts.added, run.counts.deleted) == (1, 1)

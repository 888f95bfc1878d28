"""Who is missing from a file that comes again is told by the last good run, without a look along the contact list.

As in tests/unit/test_known_rows.py, each test happens in two worlds, of which the other reads everything: both delete the same, and show
the guard the same.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from contactsync.journeys.asked import deciding, editing
from contactsync.journeys.file import reading
from contactsync.ports import ContactStore
from tests.support.missing import (
    OF_SYNC,
    OTHERS,
    REFUSED,
    WITHOUT_7,
    Before,
    before_plan,
    by_hand,
    create,
    delete_by_hand,
    figures,
    not_told,
    told,
)
from tests.support.twins import Twin
from tests.support.twinstory import ALL, BY_NUMBER, CHANGED, HEADER, LINES, MAPPING, TEXT, Story, row


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

    def test_whom_another_sync_has_brought_since(self, options: dict[str, Any]) -> None:
        story = Story(options=options)
        story.imported(HEADER + row(40))
        run = told(story)
        brought = 1 if options is ALL else 0
        assert run.counts.deleted == 1 + brought
        assert figures(story, run) == (12 + brought, 11)

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

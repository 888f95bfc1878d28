"""What a second look at the same contacts does: after an undo, beside another sync, after an approval, in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from contactsync.adapters.memory import MemoryContacts
from contactsync.core import planning
from contactsync.core.identity import SHARDS, shard_of
from contactsync.journeys import importing
from contactsync.journeys.file import cutting, reading
from contactsync.model.contact import Alias, Slot
from contactsync.model.field import FieldSpec
from contactsync.model.message import Finishing
from contactsync.model.run import Run
from contactsync.ports import Insert, Put, RecordKey, Replace
from tests.support.world import World
from tests.unit.test_importing import regroup

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
NUMBERED = [{"column": "number", "field": "customer_number"}, *NAMES]
BY_NUMBER = {"field": "customer_number"}
CALLED = [{"column": "phone", "field": "phone"}, {"column": "name", "field": "name"}]
ALL = {"delete_missing": {"scope": "all"}}


@pytest.fixture
def world(numbered_world: World) -> World:
    return numbered_world


@pytest.fixture(autouse=True, params=["asked by key", "read along"])
def reading_along(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether shards are read along, as those of large files are; what comes of it is the same."""
    along: bool = request.param == "read along"
    if along:
        monkeypatch.setattr(reading, "SCAN_WORTH_ROWS", 1)
    return along


def numbered(*rows: str) -> str:
    return "number,email,name\n" + "".join(f"{row}\n" for row in rows)


def many(count: int) -> str:
    return "email,name\n" + "".join(f"p{number}@example.com,Person {number}\n" for number in range(count))


def again(world: World, run: Run, text: str, **asked: object) -> Run:
    world.clock.advance(timedelta(minutes=5))
    following = world.again(run.sync_id, text, **asked)
    world.execute(following)
    return world.run(following)


class TestAfterAnUndo:
    """An undo is an edit made here: a row that says nothing new does not override it."""

    def test_the_same_rows_do_not_bring_back_what_was_undone(self, world: World) -> None:
        run = world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        text = "email,name\nada@example.com,Ada King\nbob@example.com,Bob\n"
        later = again(world, run, text)
        again(world, run, "", undoes=later.id)
        same = again(world, run, text)
        assert (same.counts.unchanged, same.counts.skipped) == (1, 1)
        assert {email: fields["name"] for email, fields in world.fields().items()} == {
            "ada@example.com": "Ada"
        }

    def test_a_row_that_has_changed_does_and_so_does_mirror_mode(self, world: World) -> None:
        run = world.import_rows("email,name\nada@example.com,Ada\n", NAMES, options={"mode": "mirror"})
        text = "email,name\nada@example.com,Ada King\nbob@example.com,Bob\n"
        again(world, run, "", undoes=again(world, run, text).id)
        assert again(world, run, text).counts.settled == 2
        assert world.fields()["ada@example.com"]["name"] == "Ada King"
        assert "bob@example.com" in world.stored()

    def test_who_comes_back_and_is_not_in_the_file_may_go_again_and_that_is_said(self, world: World) -> None:
        run = world.import_rows(many(20), NAMES, options={"delete_missing": {"scope": "sync"}})
        gone = again(world, run, many(19))
        back = again(world, run, "", undoes=gone.id)
        assert (back.counts.added, [each.code for each in back.warnings]) == (1, ["missing_as_before"])
        assert again(world, run, many(19)).counts.deleted == 1

    def test_a_deleted_sync_has_no_next_run_to_be_warned_of(self, world: World) -> None:
        run = world.import_rows(many(20), NAMES, options={"delete_missing": {"scope": "sync"}})
        gone = again(world, run, many(19))
        at = world.clock.now().isoformat()
        world.control.update_sync(
            world.account.account_id,
            run.sync_id,
            lambda read: read.value.model_copy(update={"deleted_at": at}),
        )
        back = again(world, run, "", undoes=gone.id)
        assert (back.counts.added, back.warnings) == (1, ())

    def test_who_comes_back_and_is_in_the_file_stays_and_nothing_is_said(self, world: World) -> None:
        run = world.import_rows(many(20), NAMES, options={"delete_missing": {"scope": "sync"}})
        undone = again(world, run, "", undoes=run.id)
        back = again(world, run, "", undoes=undone.id)
        assert (back.counts.added, back.warnings) == (20, ())
        assert again(world, run, many(20)).counts.deleted == 0

    def test_an_address_that_is_another_contacts_by_now_is_not_taken_back(self, world: World) -> None:
        run = world.import_rows(numbered("1,ada@example.com,Ada"), NUMBERED, identity=BY_NUMBER)
        moved = again(world, run, numbered("1,ada@example.org,Ada"))
        world.import_rows("email,name\nada@example.com,The Other Ada\n", NAMES)
        undone = again(world, run, "", undoes=moved.id)
        assert (undone.status, undone.counts.skipped, undone.counts.updated) == ("succeeded", 1, 0)
        assert sorted(world.stored()) == ["ada@example.com", "ada@example.org"]

    def test_a_contact_does_not_come_back_over_one_that_has_its_slot(self, world: World) -> None:
        run = world.import_rows(many(10), NAMES, options=ALL)
        gone = again(world, run, many(9))
        world.import_rows(numbered("1,p9@example.com,Somebody Else"), NUMBERED, identity=BY_NUMBER)
        undone = again(world, run, "", undoes=gone.id)
        assert (undone.counts.added, undone.counts.skipped) == (0, 1)
        assert world.fields()["p9@example.com"]["name"] == "Somebody Else"

    def test_who_comes_back_has_their_address_back(self, world: World) -> None:
        rows = numbered(*(f"{number},p{number}@example.com,Person {number}" for number in range(10)))
        run = world.import_rows(rows, NUMBERED, identity=BY_NUMBER, options=ALL)
        gone = again(world, run, rows.rpartition("9,")[0])
        assert (gone.counts.deleted, again(world, run, "", undoes=gone.id).counts.added) == (1, 1)
        other = world.import_rows(numbered("77,p9@example.com,Other"), NUMBERED, identity=BY_NUMBER)
        assert other.counts.rejected == 1

    def test_a_contact_that_is_here_again_stays_as_it_is(self, world: World) -> None:
        run = world.import_rows(many(10), NAMES, options=ALL)
        gone = again(world, run, many(9))
        world.import_rows("email,name\np9@example.com,Here Again\n", NAMES)
        undone = again(world, run, "", undoes=gone.id)
        assert (undone.counts.added, undone.counts.skipped) == (0, 1)
        assert world.fields()["p9@example.com"]["name"] == "Here Again"


def test_literals_that_are_none_any_more_are_named(world: World) -> None:
    def field(*choices: str) -> FieldSpec:
        return FieldSpec(key="tier", label="Tier", type="choice", choices=choices)

    account = world.account.account_id
    world.control.create_field(account, field("gold", "silver"))
    mapping = [*NAMES, {"literal": "gold", "field": "tier"}, {"literal": "06 12345678", "field": "phone"}]
    run = world.import_rows("email,name\nada@example.com,Ada\n", mapping)
    assert run.status == "succeeded"
    key = RecordKey(account, "field#tier")
    stored = world.records.get(key)
    assert stored is not None
    world.records.commit([Put(key, field("silver").model_dump(mode="json"), stored.version)])
    world.control.change_account(account, lambda read: (read.value.model_copy(update={"country": "US"}), []))
    later = again(world, run, "email,name\nada@example.com,Ada King\n")
    assert later.status == "failed"
    assert later.problem is not None
    assert later.problem.code == "mapping_does_not_fit"
    assert "The literal for “tier”: This is none of the field's choices." in later.problem.detail
    assert "The literal for “phone”: " in later.problem.detail
    assert later.rows_total is None, "before any row is touched"


def test_a_mapping_of_hundreds_of_columns_over_another_file_says_what_is_wrong(world: World) -> None:
    """Step Functions cuts the cause of a failure after 32,768 characters: nobody could read it, and it passed for a bug of ours."""
    mapping = [
        *NAMES,
        *({"column": f"Question {n}, as it was asked", "field": "notes"} for n in range(1, 500)),
    ]
    run = world.import_rows("email,name\nada@example.com,Ada\n", mapping)
    assert run.problem is not None
    assert run.problem.code == "mapping_does_not_fit"
    assert "“Question 1, as it was asked”" in run.problem.detail
    assert "more of this kind" in run.problem.detail
    assert len(run.problem.detail) < 5_000


def test_a_contact_that_every_import_changes_does_not_grow_with_each(world: World) -> None:
    """Each import is a sync of its own: after some thousand of them the table took the contact no more."""
    own = {"delete_missing": {"scope": "sync"}}
    first = last = world.import_rows(f"{many(10)}ada@example.com,Ada\n", NAMES, options=own)
    for number in range(60):
        last = world.import_rows(f"email,name\nada@example.com,Ada {number}\n", NAMES)
        world.clock.advance(timedelta(minutes=1))
    ada = next(each for each in world.stored().values() if each.fields["name"] == "Ada 59")
    assert len(ada.sources) == 50
    assert last.sync_id in ada.sources
    assert first.sync_id not in ada.sources
    gone = again(world, first, many(9))
    assert (gone.status, gone.counts.deleted) == ("succeeded", 1), "of Ada others know as well"
    assert "ada@example.com" in world.stored()


class TestUnchangedBesideOthers:
    def test_what_was_read_while_another_run_was_still_writing_is_no_good(self, world: World) -> None:
        mine = world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        other = world.import_rows("email,name\nbob@example.com,Bob\n", NAMES)
        world.control.begin_changes(other)  # its workers are still at it while mine reads, and ends
        assert again(world, mine, "email,name\nada@example.com,Ada\n").status == "succeeded"
        world.control.end_changes(other)
        assert again(world, mine, "email,name\nada@example.com,Ada\n").status == "succeeded"

    def test_deletions_that_were_approved_later_are_a_change_of_their_own(self, world: World) -> None:
        options = {**ALL, "guard": {"on_trip": "hold_deletes"}}
        run = world.import_rows(many(20), NAMES, options=options)
        held = again(world, run, many(10) + "new@example.com,New\n")
        other = world.import_rows(many(1), NAMES)
        world.approve(held)
        assert again(world, other, many(1)).status == "succeeded"

    def test_a_row_refused_for_an_address_that_the_same_run_has_freed_gets_its_turn(
        self, world: World
    ) -> None:
        run = world.import_rows(numbered("1,ada@example.com,Ada"), NUMBERED, identity=BY_NUMBER)
        text = numbered("1,ada@example.org,Ada", "2,ada@example.com,Another Ada")
        assert again(world, run, text).counts.rejected == 1
        assert again(world, run, text).counts.added == 1
        assert again(world, run, text).status == "unchanged"

    def test_a_row_that_nothing_can_help_is_read_once(self, world: World) -> None:
        world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        text = numbered("1,ada@example.com,Another Ada", "2,bob@example.com,Bob")
        run = world.import_rows(text, NUMBERED, identity=BY_NUMBER)
        assert (run.counts.added, run.counts.rejected) == (1, 1)
        assert again(world, run, text).status == "unchanged"

    def test_whom_a_run_has_deleted_no_row_finds_by_their_address_either(self, world: World) -> None:
        rows = numbered(*(f"{number},p{number}@example.com,Person {number}" for number in range(10)))
        run = world.import_rows(rows, NUMBERED, identity=BY_NUMBER, options=ALL)
        other = world.import_rows("email,name\np9@example.com,Nine\n", NAMES)
        assert other.counts.updated == 1
        assert again(world, run, rows.rpartition("9,")[0]).counts.deleted == 1
        later = again(world, other, "email,name\np9@example.com,Nine\nnew@example.com,New\n")
        assert (later.counts.added, later.counts.skipped) == (1, 1)


@pytest.mark.parametrize("units", [1, SHARDS])
class TestOneRowAContact:
    @pytest.fixture(autouse=True)
    def divided(self, units: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows about one contact may be two workers' to decide."""
        monkeypatch.setattr(cutting, "units_for", lambda rows, rows_each: units)

    def test_of_two_rows_about_one_contact_the_one_with_its_present_identity_counts(
        self, world: World
    ) -> None:
        world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        contact = world.stored()["ada@example.com"]
        emails = [{"value": "ada@example.org"}]
        alias = Alias(world.id_of("ada@example.org"), 1, contact.id, 0)
        moved = replace(contact, version=2, fields={**contact.fields, "emails": emails})
        list(world.contacts.write(world.account.account_id, [Insert(alias), Replace(moved)]))
        text = "email,name\nada@example.org,New\nada@example.com,Old\n"
        run = world.import_rows(text, NAMES)
        assert (run.counts.updated, run.counts.skipped) == (1, 1)
        assert world.fields()["ada@example.org"]["name"] == "New"
        same = again(world, run, text + "bob@example.com,Bob\n")
        assert (same.counts.unchanged, same.counts.skipped, same.counts.added) == (1, 1, 1)

    def test_but_not_if_that_one_is_refused(self, world: World) -> None:
        world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        moved = replace(
            world.stored()["ada@example.com"], version=2, fields={"emails": [{"value": "ada@example.org"}]}
        )
        alias = Alias(world.id_of("ada@example.org"), 1, moved.id, 0)
        list(world.contacts.write(world.account.account_id, [Insert(alias), Replace(moved)]))
        text = "email,name,phone\nada@example.org,New,12\nada@example.com,Old,\n"
        mapping = [*NAMES, {"column": "phone", "field": "phone"}]
        run = world.import_rows(text, mapping)
        assert (run.counts.updated, run.counts.rejected) == (1, 1)
        assert world.fields()["ada@example.org"]["name"] == "Old"

    def test_two_contacts_that_swap_their_addresses_are_both_refused_and_keep_them(
        self, world: World
    ) -> None:
        run = world.import_rows(
            numbered("1,ada@example.com,Ada", "2,bob@example.com,Bob"), NUMBERED, identity=BY_NUMBER
        )
        swapped = again(world, run, numbered("1,bob@example.com,Ada", "2,ada@example.com,Bob"))
        assert swapped.counts.rejected == 2
        assert world.fields()["ada@example.com"]["name"] == "Ada"

    def test_an_emptied_first_address_lets_the_second_move_up_unless_it_is_anothers(
        self, world: World
    ) -> None:
        mapping = [*NUMBERED, {"column": "second", "field": "emails.work"}]
        options = {"empty_cells": "clear"}
        first = "number,email,second,name\n1,ada@example.com,ada@work.example.com,Ada\n"
        world.import_rows(first, mapping, identity=BY_NUMBER, options=options)
        world.import_rows("email,name\nada@work.example.com,Another\n", NAMES)
        before = world.fields()
        for dry_run in (True, False):
            asked = world.request(
                numbered("1,,Ada"), NUMBERED, identity=BY_NUMBER, options=options, dry_run=dry_run
            )
            world.execute(asked)
            assert world.run(asked).counts.rejected == 1
        addresses = [fields["emails"][0]["value"] for fields in world.fields().values() if "emails" in fields]
        assert len(addresses) == len(set(addresses)), before


class TestASharedLine:
    """Colleagues whom the extension of their telephone tells apart, beside a row of the line itself."""

    ROWS = "phone,name\n020 1234567,Reception\n" + "".join(
        f"020 1234567 ext {number},Person {number}\n" for number in range(10, 20)
    )

    @pytest.fixture
    def run(self, world: World) -> Run:
        run = world.import_rows(self.ROWS, CALLED, identity={"field": "phone"}, options=ALL)
        assert run.counts.added == 11
        return run

    def test_each_has_a_row_that_counts(self, world: World, run: Run) -> None:
        later = again(world, run, self.ROWS.replace("Person 12", "Ada"))
        assert (later.counts.updated, later.counts.unchanged, later.counts.skipped) == (1, 10, 0)

    def test_who_is_in_the_file_no_more_goes(self, world: World, run: Run) -> None:
        later = again(world, run, self.ROWS.replace("020 1234567 ext 12,Person 12\n", ""))
        assert (later.counts.deleted, len(world.stored())) == (1, 10)


def test_who_was_taken_out_of_a_file_s_segment_is_in_it_again_with_the_next(world: World) -> None:
    run = world.import_rows(many(5), NAMES, options={"segments": ["fair"]})
    regroup(world, "p3@example.com")
    assert again(world, run, many(6)).counts.updated == 1
    assert {contact.segments for contact in world.stored().values()} == {("fair",)}


def test_existing_contacts_that_are_left_alone_count_as_skipped_each_time(world: World) -> None:
    run = world.import_rows(many(5), NAMES, options={"existing": "skip"})
    later = again(world, run, many(6))
    assert (later.counts.added, later.counts.skipped) == (1, 5)


def test_a_contact_remembers_the_latest_runs_that_have_changed_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "RUNS_KEPT", 2)
    first = world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
    runs = [again(world, first, f"email,name\nada@example.com,Ada {n}\n").id for n in range(3)]
    assert world.stored()["ada@example.com"].runs == tuple(runs[1:])


def test_the_last_step_of_a_held_run_tried_again_after_the_approval_leaves_it_alone(world: World) -> None:
    run = world.import_rows(many(20), NAMES, options=ALL)
    held = again(world, run, many(10))
    assert held.status == "awaiting_approval"
    world.control.approve_run(held.account_id, held.id, held.plan_hash or "")
    world.mailer.sent.clear()
    importing.notify(
        Finishing(account_id=held.account_id, run_id=held.id),
        control=world.control,
        contacts=world.contacts,
        runs=world.runs,
        mailer=world.mailer,
        bus=world.bus,
        clock=world.clock,
        public_url="",
    )
    assert (world.run(held).status, world.mailer.sent) == ("queued", [])
    world.execute(held, execution="after the approval")
    assert (world.run(held).counts.deleted, len(world.stored())) == (10, 10)


@pytest.mark.parametrize("options", [{}, ALL])
def test_only_contacts_whose_rows_have_changed_are_read(
    world: World, reading_along: bool, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.import_rows(many(40), NAMES, options=options)
    read: list[str] = []
    slots, scan = MemoryContacts.slots, MemoryContacts.scan

    def slots_noted(self: MemoryContacts, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        read.extend(ids)
        return slots(self, account_id, ids)

    def scan_noted(self: MemoryContacts, account_id: str, shard: int) -> Iterator[Slot]:
        for slot in scan(self, account_id, shard):
            read.append(slot.id)
            yield slot

    monkeypatch.setattr(MemoryContacts, "slots", slots_noted)
    monkeypatch.setattr(MemoryContacts, "scan", scan_noted)
    later = again(world, run, many(40).replace("Person 7\n", "Person Seven\n"))
    assert (later.counts.updated, later.counts.unchanged) == (1, 39)
    about = {shard_of(world.id_of(f"p{number}@example.com")) for number in range(40)}
    if reading_along or options:
        about = {shard_of(world.id_of("p7@example.com"))}
    assert {shard_of(each) for each in read} == about


def test_books_hear_of_whatever_a_run_has_changed_and_of_nothing_else(world: World) -> None:
    run = world.import_rows("email,name\nada@example.com,Ada\nbob@example.com,Bob\n", NAMES, options=ALL)

    def said() -> list[str]:
        told = [event.detail["but"] for event in world.bus.events if event.kind == "ContactsChanged"]
        world.bus.events.clear()
        return told

    assert said() == [run.sync_id], "who was added"
    for text, told in (("Ada King\nbob@example.com,Bob", 1), ("Ada King", 1), ("Ada King\n,", 0)):
        later = again(world, run, f"email,name\nada@example.com,{text}\n")
        assert said() == [run.sync_id] * told, text
        run = later if told else run
    again(world, run, "", undoes=run.id)
    assert said() == [""], "its own book, too: what goes back was not its doing"


@pytest.mark.parametrize("scope", ["sync", "all"])
def test_however_much_of_the_list_a_run_sees_all_of_it_is_counted(world: World, scope: str) -> None:
    options = {
        "delete_missing": {"scope": scope},
        "guard": {"max_delete_percent": 100, "min_overlap_percent": 0},
    }
    world.import_rows("email,name\nada@example.com,Ada\nbob@example.com,Bob\n", NAMES)
    rows = "email,name\ncem@example.com,Cem\ndan@example.com,Dan\n"
    run = world.import_rows(rows, NAMES, options=options)
    for text in (rows, rows + "eve@example.com,Eve\n", rows):
        again(world, run, text)
        assert world.control.contacts_count(world.account.account_id) == len(world.stored())

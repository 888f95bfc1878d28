"""Imports from end to end in memory: what a customer asks for, and what the contact list then holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contactsync.adapters.memory import MemoryContacts
from contactsync.core.decisions import Reject, Skip, Update, read_decision
from contactsync.core.identity import SHARDS
from contactsync.errors import Busy
from contactsync.journeys.file import finishing
from contactsync.journeys.file.runfiles import files_of
from contactsync.model.contact import Alias, Audit, Contact, Origin, Tombstone
from contactsync.model.field import FieldSpec
from contactsync.model.run import Run
from contactsync.ports import Insert, Replace, Write
from tests.support.world import World

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
BY_NUMBER = [{"column": "number", "field": "customer_number"}, *NAMES]


@pytest.fixture
def world(numbered_world: World) -> World:
    return numbered_world


def people(*names: str) -> str:
    return "email,name\n" + "".join(f"{name.lower()}@example.com,{name}\n" for name in names)


def many(count: int) -> str:
    return "email,name\n" + "".join(f"p{number}@example.com,Person {number}\n" for number in range(count))


def refreshed(world: World, run: Run, text: str) -> Run:
    """The next run of the same sync, over other rows."""
    world.clock.advance(timedelta(hours=1))
    again = world.again(run.sync_id, text)
    world.execute(again)
    return world.run(again)


def undo(world: World, run: Run) -> Run:
    world.clock.advance(timedelta(minutes=1))
    again = world.again(run.sync_id, "", undoes=run.id)
    world.execute(again)
    return world.run(again)


def add(world: World, email: str, **fields: Any) -> None:
    """Somebody adds a contact here."""
    at = world.clock.now().isoformat()
    contact = Contact(
        world.id_of(email),
        1,
        {"emails": [{"value": email}], **fields},
        Audit(at, "member:m1", at, "member:m1"),
    )
    [(_, done)] = world.contacts.write(world.account.account_id, [Insert(contact)])
    assert done


def edit(world: World, email: str, **fields: Any) -> None:
    """Somebody edits a contact here."""
    contact = world.stored()[email]
    edited = saved(world, contact, fields={**contact.fields, **fields})
    world.control.set_marker(world.account.account_id, f"edit:{contact.id}:{edited.version}")


def regroup(world: World, email: str, *segments: str) -> None:
    """Somebody makes a contact a member of these segments, and no others."""
    saved(world, world.stored()[email], segments=segments)


def saved(world: World, contact: Contact, **changed: Any) -> Contact:
    """Somebody changes a contact here a second later, under their name."""
    at = (world.clock.now() + timedelta(seconds=1)).isoformat(timespec="milliseconds")
    audit = replace(contact.audit, updated_at=at, updated_by="member:m1")
    after = replace(contact, version=contact.version + 1, audit=audit, **changed)
    [(_, done)] = world.contacts.write(world.account.account_id, [Replace(after)])
    assert done
    return after


class TestIdentity:
    def test_any_field_can_find_a_contact(self, world: World) -> None:
        identity = {"field": "customer_number"}
        first = world.import_rows("number,email,name\n7,ada@example.com,Ada\n", BY_NUMBER, identity=identity)
        second = world.import_rows(
            "number,email,name\n7,ada@example.org,Ada King\n", BY_NUMBER, identity=identity
        )
        assert (first.counts.added, second.counts.updated) == (1, 1)
        assert world.fields()["ada@example.org"]["name"] == "Ada King"

    def test_an_address_belongs_to_one_contact_whatever_the_identity(self, world: World) -> None:
        identity = {"field": "customer_number"}
        text = "number,email,name\n1,ada@example.com,Ada\n2,ADA@example.com,Ada the Second\n"
        run = world.import_rows(text, BY_NUMBER, identity=identity)
        assert (run.counts.added, run.counts.rejected) == (1, 1)
        later = world.import_rows(
            "number,email,name\n3,ada@example.com,Third\n", BY_NUMBER, identity=identity
        )
        assert later.counts.rejected == 1
        assert len(world.stored()) == 1
        csv = files_of(later, world.runs)
        report = world.runs.get(csv.rejects_csv).decode()
        assert '"3","ada@example.com","Third"' in report
        assert world.stored()["ada@example.com"].id in report

    def test_a_contact_found_by_number_is_found_by_its_address_too(self, world: World) -> None:
        world.import_rows(
            "number,email,name\n7,ada@example.com,Ada\n", BY_NUMBER, identity={"field": "customer_number"}
        )
        run = world.import_rows("email,name\nada@example.com,Ada King\n", NAMES)
        assert (run.counts.updated, len(world.stored())) == (1, 1)
        assert world.fields()["ada@example.com"]["customer_number"] == "7"

    def test_an_address_that_was_given_up_is_free(self, world: World) -> None:
        identity = {"field": "customer_number"}
        world.import_rows("number,email,name\n7,ada@example.com,Ada\n", BY_NUMBER, identity=identity)
        world.import_rows("number,email,name\n7,ada@example.org,Ada\n", BY_NUMBER, identity=identity)
        run = world.import_rows("number,email,name\n8,ada@example.com,Other\n", BY_NUMBER, identity=identity)
        assert run.counts.added == 1
        assert sorted(world.stored()) == ["ada@example.com", "ada@example.org"]

    def test_one_by_which_a_contact_was_first_known_is_kept_and_the_row_says_for_whom(
        self, world: World
    ) -> None:
        first = world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        ada = world.stored()["ada@example.com"]
        edit(world, "ada@example.com", emails=[{"value": "ada@example.org"}])
        run = world.import_rows(
            "number,email,name\n8,ada@example.com,Other\n", BY_NUMBER, identity={"field": "customer_number"}
        )
        assert (first.counts.added, run.counts.rejected) == (1, 1)
        report = world.runs.get(files_of(run, world.runs).rejects_csv).decode()
        assert f"Contact {ada.id} was first known by this email address" in report


class TestExisting:
    def test_fill_empty_fills_and_never_overwrites(self, world: World) -> None:
        world.import_rows("email\nada@example.com\n")
        filled = world.import_rows(people("Ada"), NAMES, options={"existing": "fill_empty"})
        kept = world.import_rows(
            "email,name\nada@example.com,Other\n", NAMES, options={"existing": "fill_empty"}
        )
        assert (filled.counts.updated, kept.counts.unchanged) == (1, 1)
        assert world.fields()["ada@example.com"]["name"] == "Ada"

    def test_an_edit_made_here_outlives_an_unchanged_row_and_yields_to_a_changed_one(
        self, world: World
    ) -> None:
        run = world.import_rows(people("Ada", "Bob"), NAMES)
        edit(world, "ada@example.com", name="Ada King")
        same = refreshed(world, run, people("Ada", "Bob", "Cem"))
        assert (same.counts.added, same.counts.unchanged) == (1, 2)
        assert world.fields()["ada@example.com"]["name"] == "Ada King"
        refreshed(world, run, people("Ada", "Bob", "Cem").replace("Ada\n", "Ada Byron\n"))
        assert world.fields()["ada@example.com"]["name"] == "Ada Byron"

    def test_everybody_in_the_file_joins_the_segment(self, world: World) -> None:
        world.import_rows(people("Ada"), NAMES)
        run = world.import_rows(people("Ada", "Bob"), NAMES, options={"segments": ["vip"]})
        assert (run.counts.added, run.counts.updated) == (1, 1)
        assert {contact.segments for contact in world.stored().values()} == {("vip",)}
        again = world.import_rows(people("Ada", "Bob"), NAMES, options={"segments": ["vip"]})
        assert again.counts.unchanged == 2


class TestDryRun:
    def test_a_dry_run_says_what_would_be_and_writes_nothing(self, world: World) -> None:
        run = world.request(people("Ada", "Bob"), NAMES, dry_run=True)
        world.execute(run)
        ended = world.run(run)
        assert (ended.status, ended.counts.added, world.stored()) == ("succeeded", 2, {})
        assert ended.plan_hash

    def test_of_rows_that_give_one_address_to_several_contacts_it_says_that_the_first_counts(
        self, world: World
    ) -> None:
        rows = "number,email,name\n" + "".join(f"{number},ada@example.com,Ada\n" for number in (3, 1, 2))
        run = world.request(rows, BY_NUMBER, identity={"field": "customer_number"}, dry_run=True)
        world.execute(run)
        assert (world.run(run).counts.added, world.run(run).counts.rejected) == (1, 2)
        decisions = map(read_decision, world.files(run).plan(0))
        reasons = [decision.reason for decision in decisions if isinstance(decision, Reject)]
        assert all("Row 2 of the same file gives this email address" in reason for reason in reasons)

    def test_the_plan_that_was_shown_is_what_is_applied(self, world: World) -> None:
        world.import_rows(people("Ada"), NAMES)
        shown = world.request(
            "email,name\nada@example.com,Ada King\nbob@example.com,Bob\n", NAMES, dry_run=True
        )
        world.execute(shown)
        applied = world.again(shown.sync_id, "", plan_of=shown.id)
        world.execute(applied)
        ended = world.run(applied)
        assert (ended.status, ended.counts.added, ended.counts.updated) == ("succeeded", 1, 1)
        assert ended.plan_hash == world.run(shown).plan_hash
        assert world.fields()["ada@example.com"]["name"] == "Ada King"
        assert world.stored()["ada@example.com"].audit.updated_by == f"run:{applied.id}"

    def test_a_plan_that_has_been_overtaken_is_refused_whole(self, world: World) -> None:
        world.import_rows(people("Ada"), NAMES)
        shown = world.request(
            "email,name\nada@example.com,Ada King\nbob@example.com,Bob\n", NAMES, dry_run=True
        )
        world.execute(shown)
        edit(world, "ada@example.com", notes="edited since")
        applied = world.again(shown.sync_id, "", plan_of=shown.id)
        world.execute(applied)
        ended = world.run(applied)
        assert ended.status == "blocked"
        assert ended.problem is not None
        assert ended.problem.code == "plan_is_stale"
        assert list(world.stored()) == ["ada@example.com"]


class TestUndo:
    def test_adds_and_updates_are_taken_back(self, world: World) -> None:
        world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        before = world.fields()
        run = world.import_rows("email,name\nada@example.com,Ada King\nbob@example.com,Bob\n", NAMES)
        undone = undo(world, run)
        assert undone.status == "succeeded"
        assert (undone.counts.updated, undone.counts.deleted) == (1, 1)
        assert world.fields() == before
        assert world.run(run).status == "undone"

    def test_an_undo_can_be_undone(self, world: World) -> None:
        world.import_rows("email,name\nada@example.com,Ada\n", NAMES)
        run = world.import_rows("email,name\nada@example.com,Ada King\nbob@example.com,Bob\n", NAMES)
        after = world.fields()
        undo(world, undo(world, run))
        assert world.fields() == after

    def test_what_was_edited_since_stays_and_is_said_to(self, world: World) -> None:
        run = world.import_rows(people("Ada", "Bob"), NAMES)
        edit(world, "ada@example.com", notes="met in June")
        undone = undo(world, run)
        assert (undone.counts.deleted, undone.counts.skipped) == (1, 1)
        assert world.fields()["ada@example.com"]["notes"] == "met in June"
        assert undone.counts.rows == undone.counts.settled
        decisions = map(read_decision, world.files(undone).plan(0))
        [kept] = [decision for decision in decisions if isinstance(decision, Skip)]
        assert kept.reason == "The contact has been changed since, and stays."

    def test_only_the_fields_that_nobody_has_touched_since_go_back(self, world: World) -> None:
        mapping = [*NAMES, {"column": "notes", "field": "notes"}]
        world.import_rows("email,name,notes\nada@example.com,Ada,old\n", mapping)
        run = world.import_rows("email,name,notes\nada@example.com,Ada King,new\n", mapping)
        edit(world, "ada@example.com", notes="mine")
        undone = undo(world, run)
        [decision] = map(read_decision, world.files(undone).plan(0))
        assert isinstance(decision, Update)
        assert decision.note == "Changed since, and stays: notes."
        fields = world.fields()["ada@example.com"]
        assert (fields["name"], fields["notes"]) == ("Ada", "mine")

    def test_of_the_segments_those_that_the_run_has_brought_are_left(self, world: World) -> None:
        world.import_rows(people("Ada"), NAMES, options={"segments": ["vip"]})
        run = world.import_rows(people("Ada"), NAMES, options={"segments": ["fair"]})
        assert world.stored()["ada@example.com"].segments == ("fair", "vip")
        regroup(world, "ada@example.com", "fair", "new")
        undone = undo(world, run)
        assert world.stored()["ada@example.com"].segments == ("new",), "somebody took her out of vip since"
        undo(world, undone)
        assert world.stored()["ada@example.com"].segments == ("fair", "new")

    def test_a_segment_that_somebody_has_taken_the_contact_out_of_since_is_said_to_stay_so(
        self, world: World
    ) -> None:
        world.import_rows(people("Ada"), NAMES)
        run = world.import_rows(people("Ada"), NAMES, options={"segments": ["fair"]})
        regroup(world, "ada@example.com")
        undone = undo(world, run)
        [decision] = map(read_decision, world.files(undone).plan(0))
        assert isinstance(decision, Skip)
        assert decision.reason == "Changed since, and stays: segments."


ALL = {"delete_missing": {"scope": "all"}}


class Exhausted:
    """A contact store that takes so many writes, and from then on is away."""

    def __init__(self, store: MemoryContacts, writes: int) -> None:
        self.store, self.writes = store, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        for write in writes:
            if not self.writes:
                raise Busy("away")
            self.writes -= 1
            yield from self.store.write(account_id, [write])

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        for line in lines:
            if not self.writes:
                raise Busy("away")
            self.writes -= 1
            yield from self.store.bring(account_id, [line], origin)


class TestUndoHalfWay:
    def test_a_run_that_failed_half_way_is_taken_back_as_far_as_it_came(self, world: World) -> None:
        world.import_rows("email,name\np1@example.com,Old\n", NAMES)
        before = world.fields()
        run = world.request(many(10), NAMES)
        world.ports.contacts = Exhausted(world.contacts, 4)
        world.execute(run)
        world.ports.contacts = world.contacts
        failed = world.run(run)
        assert failed.status == "failed"
        assert failed.counts.added + failed.counts.updated == 4
        assert failed.counts.rows == failed.counts.settled
        undone = undo(world, run)
        assert undone.counts.deleted + undone.counts.updated == 4
        assert undone.counts.skipped == 0, "what the run never came to is nothing to take back"
        assert world.fields() == before
        assert (world.run(run).status, world.run(run).undone_by) == ("failed", undone.id)

    def test_whom_it_never_came_to_delete_an_undo_does_not_bring_back(self, world: World) -> None:
        first = world.import_rows(many(100), NAMES, options=ALL)
        run = world.again(first.sync_id, many(80))
        world.ports.contacts = Exhausted(world.contacts, 5)
        world.execute(run)
        world.ports.contacts = world.contacts
        assert (world.run(run).status, world.run(run).counts.deleted) == ("failed", 5)
        left = {f"p{number}@example.com" for number in range(80, 100)} & world.stored().keys()
        world.delete(left.pop())
        assert undo(world, run).counts.added == 5
        assert len(world.stored()) == 99

    def test_a_run_that_wrote_nothing_has_nothing_to_take_back(self, world: World) -> None:
        run = world.request(many(10), NAMES)
        world.ports.contacts = Exhausted(world.contacts, 0)
        world.execute(run)
        world.ports.contacts = world.contacts
        undone = undo(world, run)
        assert undone.counts.settled == undone.counts.rows
        assert world.stored() == {}

    def test_whom_an_approval_that_came_too_late_has_not_deleted_it_does_not_bring_back(
        self, world: World
    ) -> None:
        options = {**ALL, "guard": {"on_trip": "hold_deletes"}}
        run = world.import_rows(many(100), NAMES, options=options)
        held = refreshed(world, run, many(70) + "new@example.com,New\n")
        world.delete("p99@example.com")
        world.approve(held)
        assert world.run(held).status == "blocked"
        undone = undo(world, held)
        assert (undone.counts.added, undone.counts.deleted) == (0, 1)
        assert "p99@example.com" not in world.stored()


class TestDeleteMissing:
    def test_what_the_file_no_longer_mentions_goes(self, world: World) -> None:
        run = world.import_rows(many(20), NAMES, options=ALL)
        later = refreshed(world, run, many(18))
        assert (later.counts.deleted, later.counts.unchanged, len(world.stored())) == (2, 18, 18)
        tombstones = [
            slot
            for shard in range(SHARDS)
            for slot in world.contacts.scan(world.account.account_id, shard)
            if isinstance(slot, Tombstone)
        ]
        assert len(tombstones) == 2

    def test_and_comes_back_when_the_run_is_undone(self, world: World) -> None:
        run = world.import_rows(many(20), NAMES, options=ALL)
        before = world.fields()
        later = refreshed(world, run, many(18))
        after = world.fields()
        undone = undo(world, later)
        assert (undone.counts.added, world.fields()) == (2, before)
        again = undo(world, undone)
        assert (again.counts.deleted, world.fields()) == (2, after)

    def test_scope_sync_keeps_what_others_have_brought(self, world: World) -> None:
        options = {"delete_missing": {"scope": "sync"}}
        world.import_rows(people("Ada", "Bob"), NAMES)
        run = world.import_rows(many(20), NAMES, options=options)
        later = refreshed(world, run, many(19))
        assert later.counts.deleted == 1
        assert {"ada@example.com", "bob@example.com"} < set(world.stored())

    def test_scope_sync_keeps_who_was_added_by_hand_and_is_in_the_file_for_a_time(self, world: World) -> None:
        add(world, "p19@example.com")
        run = world.import_rows(many(20), NAMES, options={"delete_missing": {"scope": "sync"}})
        assert (run.counts.added, run.counts.updated) == (19, 1)
        assert refreshed(world, run, many(18)).counts.deleted == 1
        assert "p19@example.com" in world.stored()

    def test_scope_all_takes_those_added_by_hand_too(self, world: World) -> None:
        world.import_rows(people("Ada"), NAMES)
        run = world.import_rows(many(20), NAMES, options=ALL)
        assert run.status == "blocked"  # none of the stored contacts appears in the file
        later = world.import_rows(many(20) + "ada@example.com,Ada\n", NAMES, options=ALL)
        gone = world.import_rows(many(20), NAMES, options=ALL)
        assert (later.counts.added, gone.counts.deleted) == (20, 1)
        assert "ada@example.com" not in world.stored()

    def test_a_contact_whose_row_was_refused_is_not_missing(self, world: World) -> None:
        mapping = [*NAMES, {"column": "born", "field": "birthday"}]
        rows = "email,name,born\n" + "".join(f"p{n}@example.com,P{n},2001-01-01\n" for n in range(20))
        run = world.import_rows(rows, mapping, options=ALL)
        later = refreshed(
            world, run, rows.replace("p3@example.com,P3,2001-01-01", "p3@example.com,P3,some day")
        )
        assert (later.counts.rejected, later.counts.deleted) == (1, 0)
        assert "p3@example.com" in world.stored()

    def test_a_row_that_does_not_say_whom_it_is_about_holds_the_deletions(self, world: World) -> None:
        run = world.import_rows(many(20), NAMES, options=ALL)
        later = refreshed(world, run, many(19) + "p19@example,Person 19\n")
        assert later.status == "awaiting_approval"
        assert later.problem is not None
        assert later.problem.code == "rows_unreadable"
        assert len(world.stored()) == 20

    def test_the_wrong_file_is_blocked_and_changes_nothing(self, world: World) -> None:
        run = world.import_rows(many(100), NAMES, options=ALL)
        later = refreshed(world, run, many(10))
        assert later.status == "blocked"
        assert len(world.stored()) == 100
        assert later.counts.rows == later.counts.settled

    def test_too_many_deletions_wait_for_an_approval_and_then_all_of_it_is_done(self, world: World) -> None:
        run = world.import_rows(many(100), NAMES, options=ALL)
        held = refreshed(world, run, many(70) + "new@example.com,New\n")
        assert held.status == "awaiting_approval"
        assert (held.planned.deleted if held.planned else 0) == 30
        assert len(world.stored()) == 100
        world.approve(held)
        ended = world.run(held)
        assert (ended.status, ended.counts.deleted, ended.counts.added) == ("succeeded", 30, 1)
        assert len(world.stored()) == 71

    def test_hold_deletes_lets_the_rest_flow(self, world: World) -> None:
        options = {**ALL, "guard": {"on_trip": "hold_deletes"}}
        run = world.import_rows(many(100), NAMES, options=options)
        held = refreshed(world, run, many(70) + "new@example.com,New\n")
        assert held.status == "awaiting_approval"
        assert (held.counts.added, held.counts.deleted, len(world.stored())) == (1, 0, 101)
        world.approve(held)
        ended = world.run(held)
        assert (ended.counts.added, ended.counts.deleted, len(world.stored())) == (1, 30, 71)
        assert (ended.counts.rows, ended.counts.unchanged, ended.counts.skipped) == (71, 70, 0)

    def test_an_approval_dies_with_an_edit_made_since(self, world: World) -> None:
        run = world.import_rows(many(100), NAMES, options=ALL)
        held = refreshed(world, run, many(70))
        edit(world, "p99@example.com", name="Still here")
        world.approve(held)
        ended = world.run(held)
        assert ended.status == "blocked"
        assert len(world.stored()) == 100

    def test_drop_by_drop_is_noticed(self, world: World) -> None:
        run = world.import_rows(many(100), NAMES, options=ALL)
        statuses = [refreshed(world, run, many(100 - 15 * day)).status for day in range(1, 5)]
        assert statuses == ["succeeded", "succeeded", "awaiting_approval", "awaiting_approval"]

    def test_a_contact_that_was_deleted_here_stays_deleted_while_its_row_says_nothing_new(
        self, world: World
    ) -> None:
        run = world.import_rows(people("Ada", "Bob"), NAMES)
        world.delete("ada@example.com")
        same = refreshed(world, run, people("Ada", "Bob", "Cem"))
        assert (same.counts.added, same.counts.skipped) == (1, 1)
        assert "ada@example.com" not in world.stored()
        refreshed(world, run, people("Ada", "Bob", "Cem").replace("Ada\n", "Ada Byron\n"))
        assert world.fields()["ada@example.com"]["name"] == "Ada Byron"


class TestUnchanged:
    def test_the_same_source_again_is_not_even_parsed(self, world: World) -> None:
        run = world.import_rows(people("Ada"), NAMES)
        again = refreshed(world, run, people("Ada"))
        assert again.status == "unchanged"
        assert again.rows_total is None

    def test_unless_somebody_has_changed_contacts_meanwhile(self, world: World) -> None:
        run = world.import_rows(people("Ada"), NAMES)
        edit(world, "ada@example.com", name="Ada King")
        assert refreshed(world, run, people("Ada")).status == "succeeded"


def test_aliases_name_contacts_that_exist(world: World) -> None:
    world.import_rows(
        "number,email,name\n7,ada@example.com,Ada\n", BY_NUMBER, identity={"field": "customer_number"}
    )
    slots = [slot for shard in range(SHARDS) for slot in world.contacts.scan(world.account.account_id, shard)]
    [alias] = [slot for slot in slots if isinstance(slot, Alias)]
    assert alias.contact_id == world.stored()["ada@example.com"].id


class TestRequired:
    def test_a_required_field_must_be_mapped_and_filled(self, world: World) -> None:
        spec = FieldSpec(key="contract", label="Contract", type="text", required=True)
        world.control.create_field(world.account.account_id, spec)
        unmapped = world.import_rows(people("Ada"), NAMES)
        assert unmapped.status == "failed"
        assert unmapped.problem is not None
        assert "“contract” is required" in unmapped.problem.detail
        mapping = [*NAMES, {"column": "contract", "field": "contract"}]
        run = world.import_rows(
            "email,name,contract\nada@example.com,Ada,A-1\nbob@example.com,Bob, \n", mapping
        )
        assert (run.counts.added, run.counts.rejected) == (1, 1)
        assert "contract" in run.refusals[0].reason


def test_of_a_file_made_to_have_many_reasons_so_many_are_counted_and_all_are_reported(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "REASONS_COUNTED", 2)
    refused = ["@example.com", "ada@", "ada", "@example.org"]
    run = world.import_rows("email,name\n" + "".join(f"{email},Ada\n" for email in refused), NAMES)
    assert [(reason.rows, reason.first_line) for reason in run.refusals] == [(2, 2), (1, 3)]
    assert run.counts.rejected == 4
    report = world.runs.get(files_of(run, world.runs).rejects_csv).decode()
    assert [email for email in refused if f'{email}","Ada"' not in report] == []


def test_a_run_belongs_to_the_first_execution_that_comes():
    """An announcement that arrives twice starts two executions, and the second has nothing to do."""
    world = World()
    run = world.request("email\nada@example.com\n")
    begun = {"status": "running", "execution": "the first", "started_at": "2026-11-22T09:00:00Z"}
    world.control.update_run(run.account_id, run.id, lambda it: it.model_copy(update=begun))
    assert world.execute(run, execution="the second") is None
    assert world.stored() == {}
    assert world.execute(run, execution="the first") is not None
    assert set(world.stored()) == {"ada@example.com"}

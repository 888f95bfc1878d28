"""What people do here while a run is at its writes: nothing of theirs is lost, and an undo takes back no more than the run did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contactsync.core.decisions import Add, read_decision
from contactsync.core.identity import contact_id, identity_key
from contactsync.model.contact import Alias, Audit, Contact
from contactsync.model.run import Run
from contactsync.ports import ContactStore, Insert, Replace, Write
from tests.support.world import Died, Overtaken, World
from tests.unit.test_importing import BY_NUMBER, NAMES, add, edit, many, people, refreshed, undo

ALL = {"delete_missing": {"scope": "all"}}
NUMBER = {"field": "customer_number"}


@pytest.fixture
def world(numbered_world: World) -> World:
    return numbered_world


class Followed:
    """A contact list to which something happens just after it was written for the n-th time."""

    def __init__(self, contacts: ContactStore, nth: int, happens: Callable[[], object]) -> None:
        self._contacts, self._left, self._happens = contacts, nth, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        yield from self._contacts.write(account_id, writes)
        self._left -= 1
        if not self._left:
            self._happens()


def overtaken(world: World, run: Run, happens: Callable[[], object]) -> Run:
    """The run to its end; something happens just before its first write."""
    return beside(world, run, Overtaken(world.contacts, happens))


def beside(world: World, run: Run, contacts: Any) -> Run:
    """The run to its end, over this contact list."""
    world.ports.contacts = contacts
    world.execute(run)
    world.ports = world.true_ports()
    ended = world.run(run)
    assert ended.counts.settled == ended.counts.rows
    return ended


def following(world: World, run: Run, text: str, **asked: Any) -> Run:
    """The next run of the same sync, not begun."""
    world.clock.advance(timedelta(hours=1))
    return world.again(run.sync_id, text, **asked)


def numbered(*rows: str) -> str:
    return "number,email,name\n" + "".join(f"{row}\n" for row in rows)


def by_number(world: World, *rows: str, **body: Any) -> Run:
    return world.import_rows(numbered(*rows), BY_NUMBER, identity=NUMBER, **body)


def die() -> None:
    raise Died


def move(world: World, email: str, to: str) -> None:
    """Somebody gives a contact another address here."""
    contact, slot_id = world.stored()[email], world.id_of(to)
    account, at = world.account.account_id, int(world.clock.now().timestamp())
    taken = world.contacts.slots(account, [slot_id]).get(slot_id)
    alias = Alias(slot_id, taken.version + 1 if taken else 1, contact.id, at)
    moved = replace(
        contact, version=contact.version + 1, fields={**contact.fields, "emails": [{"value": to}]}
    )
    writes = [Replace(alias) if taken else Insert(alias), Replace(moved)]
    assert all(done for _, done in world.contacts.write(account, writes))


class Restless:
    """A contact list in which somebody goes on editing a contact, before each write."""

    def __init__(self, world: World, email: str) -> None:
        self._world, self._email, self._edits = world, email, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        self._edits += 1
        edit(self._world, self._email, notes=f"Edited {self._edits} times")
        return self._world.contacts.write(account_id, writes)


class TestADeletion:
    @pytest.fixture
    def run(self, world: World) -> Run:
        """Of ten people one is in the file no more."""
        return following(world, world.import_rows(many(10), NAMES, options=ALL), many(9))

    def test_of_somebody_who_is_edited_is_left_out(self, world: World, run: Run) -> None:
        done = overtaken(world, run, lambda: edit(world, "p9@example.com", name="Still here"))
        assert (done.status, done.counts.deleted) == ("succeeded", 0)
        assert world.fields()["p9@example.com"]["name"] == "Still here"

    def test_of_somebody_who_is_deleted_by_hand_is_not_the_run_s_to_take_back(
        self, world: World, run: Run
    ) -> None:
        done = overtaken(world, run, lambda: world.delete("p9@example.com"))
        assert (done.status, done.counts.deleted) == ("succeeded", 0)
        undo(world, done)
        assert "p9@example.com" not in world.stored()

    @pytest.mark.parametrize("writes", range(1, 4))
    def test_keeps_the_present_address_out_as_well_though_its_worker_died_after_so_many_writes(
        self, world: World, writes: int
    ) -> None:
        rows = [f"{number},p{number}@example.com,Person {number}" for number in range(10)]
        first = by_number(world, *rows, options=ALL)
        other = world.import_rows("email,name\np9@example.com,Nine\n", NAMES)
        run = following(world, first, numbered(*rows[:9]))
        assert beside(world, run, Followed(world.contacts, writes, die)).counts.deleted == 1
        later = refreshed(world, other, "email,name\np9@example.com,Nine\nnew@example.com,New\n")
        assert (later.counts.added, later.counts.skipped) == (1, 1)

    def test_that_was_approved_takes_the_others_and_an_undo_brings_those_back(self, world: World) -> None:
        options = {**ALL, "guard": {"on_trip": "hold_deletes"}}
        held = refreshed(world, world.import_rows(many(10), NAMES, options=options), many(5))

        def edit_and_delete() -> None:
            edit(world, "p9@example.com", name="Still here")
            world.delete("p8@example.com")

        world.ports.contacts = Overtaken(world.contacts, edit_and_delete)
        world.approve(held)
        world.ports = world.true_ports()
        assert (world.run(held).counts.deleted, len(world.stored())) == (3, 6)
        assert world.fields()["p9@example.com"]["name"] == "Still here"
        assert undo(world, held).counts.added == 3
        assert "p8@example.com" not in world.stored()


class TestAChange:
    @pytest.fixture
    def run(self, world: World) -> Run:
        """Ada has another name in the file."""
        first = world.import_rows(people("Ada", "Bob"), NAMES)
        return following(world, first, people("Ada", "Bob").replace("Ada\n", "Ada King\n"))

    def test_is_made_to_the_contact_as_it_is_by_then(self, world: World, run: Run) -> None:
        done = overtaken(world, run, lambda: edit(world, "ada@example.com", notes="Edited"))
        assert (done.counts.updated, done.counts.unchanged) == (1, 1)
        ada = world.fields()["ada@example.com"]
        assert (ada["name"], ada["notes"]) == ("Ada King", "Edited")

    def test_is_taken_back_to_what_somebody_had_made_of_it(self, world: World, run: Run) -> None:
        done = overtaken(world, run, lambda: edit(world, "ada@example.com", name="Ada Byron"))
        assert world.fields()["ada@example.com"]["name"] == "Ada King"
        undo(world, done)
        assert world.fields()["ada@example.com"]["name"] == "Ada Byron"

    @pytest.mark.parametrize("writes", range(1, 6))
    def test_is_taken_back_to_that_though_its_worker_died_after_so_many_writes(
        self, world: World, run: Run, writes: int
    ) -> None:
        edited = Overtaken(world.contacts, lambda: edit(world, "ada@example.com", name="Ada Byron"))
        done = beside(world, run, Followed(edited, writes, die))
        assert done.counts.updated == 1
        undo(world, done)
        assert world.fields()["ada@example.com"]["name"] == "Ada Byron"

    def test_in_mirror_mode_is_made_though_the_row_was_applied_before(self, world: World) -> None:
        first = world.import_rows(people("Ada"), NAMES, options={"mode": "mirror"})
        edit(world, "ada@example.com", name="Ada Byron")
        run = following(world, first, people("Ada"))
        done = overtaken(world, run, lambda: edit(world, "ada@example.com", name="Ada King", notes="Edited"))
        assert done.counts.updated == 1
        ada = world.fields()["ada@example.com"]
        assert (ada["name"], ada["notes"]) == ("Ada", "Edited")

    def test_of_a_plan_that_was_looked_at_is_left_out(self, world: World) -> None:
        first = world.import_rows(people("Ada", "Bob"), NAMES)
        shown = following(world, first, "email,name\nada@example.com,A\nbob@example.com,B\n", dry_run=True)
        world.execute(shown)
        run = following(world, first, "", plan_of=shown.id)
        done = overtaken(world, run, lambda: edit(world, "ada@example.com", notes="Edited"))
        assert (done.counts.updated, done.counts.skipped) == (1, 1)
        assert {email: fields["name"] for email, fields in world.fields().items()} == {
            "ada@example.com": "Ada",
            "bob@example.com": "B",
        }
        assert undo(world, done).counts.updated == 1

    def test_to_one_contact_by_two_rows_is_made_by_one_after_the_other(self, world: World) -> None:
        first = world.import_rows(people("Ada", "Bob"), NAMES)
        text = "email,name\nada@example.com,Ada King\nnew@example.com,New\n"
        done = overtaken(
            world,
            following(world, first, text),
            lambda: move(world, "ada@example.com", "new@example.com"),
        )
        assert (done.counts.updated, len(world.stored())) == (2, 2)
        assert world.stored()["new@example.com"].version == 4, "added, moved, and changed by each of them"


class TestWhoIsNew:
    @pytest.fixture
    def run(self, world: World) -> Run:
        return world.request(people("Ada", "Bob"), NAMES)

    def test_and_is_added_by_hand_gets_what_the_row_says_and_stays_after_an_undo(
        self, world: World, run: Run
    ) -> None:
        done = overtaken(world, run, lambda: add(world, "ada@example.com", name="Ada Byron", notes="By hand"))
        assert (done.counts.added, done.counts.updated) == (1, 1)
        assert world.fields()["ada@example.com"]["name"] == "Ada"
        undo(world, done)
        assert {email: fields["name"] for email, fields in world.fields().items()} == {
            "ada@example.com": "Ada Byron"
        }

    def test_and_was_added_by_hand_and_deleted_comes_and_goes_with_an_undo(
        self, world: World, run: Run
    ) -> None:
        def come_and_go() -> None:
            add(world, "ada@example.com", name="Ada Byron")
            world.delete("ada@example.com")

        done = overtaken(world, run, come_and_go)
        assert (done.counts.added, len(world.stored())) == (2, 2)
        assert undo(world, done).counts.deleted == 2
        assert world.stored() == {}

    def test_is_refused_where_the_code_that_was_drawn_for_them_is_somebody_else_s_by_then(
        self, world: World
    ) -> None:
        run = world.request("name\nAda\n", NAMES[1:], identity={"field": "customer_number", "generate": True})

        def take_the_code() -> None:
            [line] = world.files(run).plan(0)
            drawn = read_decision(line)
            assert isinstance(drawn, Add)
            at = world.clock.now().isoformat()
            other = Contact(
                drawn.row.id, 1, {**drawn.row.fields, "name": "Somebody else"}, Audit(at, "m", at, "m")
            )
            assert all(done for _, done in world.contacts.write(world.account.account_id, [Insert(other)]))

        done = overtaken(world, run, take_the_code)
        assert (done.counts.added, done.counts.rejected) == (0, 1)
        assert [contact.fields["name"] for contact in world.stored().values()] == ["Somebody else"]


class TestAnUndo:
    def test_leaves_whom_somebody_edits(self, world: World) -> None:
        run = world.import_rows(people("Ada", "Bob"), NAMES)
        undoing = following(world, run, "", undoes=run.id)
        done = overtaken(world, undoing, lambda: edit(world, "ada@example.com", notes="Edited"))
        assert (done.counts.deleted, done.counts.skipped) == (1, 1)
        assert world.fields()["ada@example.com"]["notes"] == "Edited"

    def test_leaves_what_somebody_edits(self, world: World) -> None:
        first = world.import_rows(people("Ada"), NAMES)
        run = refreshed(world, first, "email,name\nada@example.com,Ada King\n")
        undoing = following(world, run, "", undoes=run.id)
        done = overtaken(world, undoing, lambda: edit(world, "ada@example.com", notes="Edited"))
        assert (done.counts.updated, done.counts.skipped) == (0, 1)
        ada = world.fields()["ada@example.com"]
        assert (ada["name"], ada["notes"]) == ("Ada King", "Edited")

    def test_brings_nobody_back_over_somebody_who_is_added_by_hand(self, world: World) -> None:
        first = world.import_rows(many(10), NAMES, options=ALL)
        run = refreshed(world, first, many(9))
        undoing = following(world, run, "", undoes=run.id)

        def add_again() -> None:
            gone = world.contacts.slots(world.account.account_id, [world.id_of("p9@example.com")])
            [slot] = gone.values()
            at = world.clock.now().isoformat()
            fields = {"emails": [{"value": "p9@example.com"}], "name": "Here again"}
            here = Contact(slot.id, slot.version + 1, fields, Audit(at, "member:m1", at, "member:m1"))
            assert all(done for _, done in world.contacts.write(world.account.account_id, [Replace(here)]))

        done = overtaken(world, undoing, add_again)
        assert (done.counts.added, done.counts.skipped) == (0, 1)
        assert world.fields()["p9@example.com"]["name"] == "Here again"


class TestAnAddress:
    def test_that_somebody_takes_is_theirs(self, world: World) -> None:
        first = by_number(world, "1,ada@example.com,Ada")
        run = following(world, first, numbered("1,new@example.com,Ada King"))
        done = overtaken(world, run, lambda: add(world, "new@example.com", name="Another"))
        assert done.counts.rejected == 1
        assert {email: fields["name"] for email, fields in world.fields().items()} == {
            "ada@example.com": "Ada",
            "new@example.com": "Another",
        }

    def test_of_a_row_that_is_left_out_is_free_at_once(self, world: World) -> None:
        first = by_number(world, "1,ada@example.com,Ada", "2,bob@example.com,Bob")
        shown = following(
            world, first, numbered("1,new@example.com,Ada", "2,bob@example.com,Bob"), dry_run=True
        )
        world.execute(shown)
        run = following(world, first, "", plan_of=shown.id)
        assert (
            overtaken(world, run, lambda: edit(world, "ada@example.com", notes="Edited")).counts.skipped == 1
        )
        other = world.import_rows(
            numbered("1,ada@example.com,Ada", "2,new@example.com,Bob"), BY_NUMBER, identity=NUMBER
        )
        assert (other.counts.updated, other.counts.rejected) == (1, 0)

    def test_of_a_row_that_turns_out_to_be_somebody_s_who_is_here_is_free_at_once(self, world: World) -> None:
        by_number(world, "1,ada@example.com,Ada", "2,bob@example.com,Bob")
        run = world.request(
            numbered("3,new@example.com,Cem"), BY_NUMBER, identity=NUMBER, options={"existing": "skip"}
        )
        done = overtaken(world, run, lambda: edit_number(world, "ada@example.com", "3"))
        assert done.counts.skipped == 1
        other = by_number(world, "2,new@example.com,Bob")
        assert (other.counts.updated, other.counts.rejected) == (1, 0)

    def test_of_a_row_whose_contact_keeps_changing_is_free_at_once(self, world: World) -> None:
        first = by_number(world, "1,ada@example.com,Ada", "2,bob@example.com,Bob")
        run = following(world, first, numbered("1,new@example.com,Ada", "2,bob@example.com,Bob"))
        done = beside(world, run, Restless(world, "ada@example.com"))
        assert (done.counts.unchanged, done.counts.skipped) == (1, 1)
        other = by_number(world, "2,new@example.com,Bob")
        assert (other.counts.updated, other.counts.rejected) == (1, 0)

    def test_that_moves_up_in_one_contact_and_that_a_row_gives_to_another_goes_to_one_of_them(
        self, world: World
    ) -> None:
        mapping = [*BY_NUMBER, {"column": "second", "field": "emails.work"}]
        first = "number,email,name,second\n1,ada@example.com,Ada,work@example.com\n2,bob@example.com,Bob,\n"
        world.import_rows(first, mapping, identity=NUMBER)
        run = by_number(world, "1,,Ada", "2,work@example.com,Bob", options={"empty_cells": "clear"})
        assert (run.counts.updated, run.counts.rejected) == (1, 1)
        assert len(world.stored()) == 2, "by their first addresses"

    def test_that_a_contact_has_given_up_and_another_one_is_about_to_take_is_left_to_it(
        self, world: World
    ) -> None:
        by_number(world, "2,bob@example.com,Bob")
        world.clock.advance(timedelta(days=1))
        first = by_number(world, "1,ada@example.com,Ada")
        bob = world.stored()["bob@example.com"]

        def taken() -> None:
            account, slot_id = world.account.account_id, world.id_of("ada@example.com")
            [slot] = world.contacts.slots(account, [slot_id]).values()
            claim = Alias(slot_id, slot.version + 1, bob.id, int(world.clock.now().timestamp()))
            assert all(done for _, done in world.contacts.write(account, [Replace(claim)]))

        run = following(world, first, numbered("1,new@example.com,Ada"))
        assert beside(world, run, Followed(world.contacts, 2, taken)).counts.updated == 1
        other = by_number(world, "3,ada@example.com,Cem")
        assert (other.counts.added, other.counts.rejected) == (0, 1)

    def test_that_a_contact_has_given_up_and_has_again_stays_its_own(self, world: World) -> None:
        first = by_number(world, "1,ada@example.com,Ada")
        run = following(world, first, numbered("1,new@example.com,Ada"))
        back = Followed(world.contacts, 2, lambda: move(world, "new@example.com", "ada@example.com"))
        assert beside(world, run, back).counts.updated == 1
        other = by_number(world, "3,ada@example.com,Cem")
        assert (other.counts.added, other.counts.rejected) == (0, 1)


def edit_number(world: World, email: str, number: str) -> None:
    """Somebody gives a contact another customer number here."""
    contact = world.stored()[email]
    secret = bytes.fromhex(world.control.account(world.account.account_id).identity_secret)
    slot_id = contact_id(secret, "customer_number", identity_key("text", number))
    alias = Alias(slot_id, 1, contact.id, int(world.clock.now().timestamp()))
    edited = replace(
        contact, version=contact.version + 1, fields={**contact.fields, "customer_number": number}
    )
    writes: list[Write] = [Insert(alias), Replace(edited)]
    assert all(done for _, done in world.contacts.write(world.account.account_id, writes))

"""What undoing a run brings back of the shared hub's boxes: who had the contact in their own book has it again."""

from __future__ import annotations

import pytest

from tests.contract.cards import ADA
from tests.support.bookworld import GAP
from tests.support.hubworld import FILLERS, donated
from tests.support.world import World

NAME = ADA["name"]
OTHERS = frozenset(f"Filler {number}" for number in range(FILLERS))


@pytest.fixture
def world():
    return donated()


def deleted_by_a_file(world, kept=OTHERS):
    """An import of those alone, of everybody but Ada if nobody says otherwise; returns the run."""
    rows = "email\n" + "".join(
        f"{name.lower().replace('filler ', 'f')}@example.com\n" for name in sorted(kept)
    )
    guard = {"max_delete_percent": 100, "max_delete_count": 100, "min_overlap_percent": 0}
    options = {"delete_missing": {"scope": "all"}, "guard": guard}
    run = world.request(rows, [{"column": "email", "field": "email"}], options=options)
    World.execute(world, run)
    run = world.run(run)
    assert (run.status, run.counts.deleted) == ("succeeded", FILLERS + 1 - len(kept))
    return run


def undo(world, run):
    world.clock.advance(GAP)
    again = world.again(run.sync_id, "", undoes=run.id)
    World.execute(world, again)
    assert world.run(again).status == "succeeded"


@pytest.mark.parametrize("heard", [False, True])
def test_a_contact_that_a_file_had_deleted(world, heard):
    ada = world.ids()[NAME]
    world.ben.tick(ada)
    world.settle()
    run = deleted_by_a_file(world)
    if heard:
        world.settle()
        assert ada not in world.anna.ticked() | world.ben.ticked()
    undo(world, run)
    assert ada in world.anna.ticked() & world.ben.ticked()
    world.edit(ada, job_title="Dame")
    world.settle()
    for member in world.members.values():
        assert member.book.cards()[member.named(NAME)].fields["job_title"] == "Dame"


def test_a_contact_that_its_only_one_had_deleted_in_their_book(world):
    ada = world.ids()[NAME]
    world.anna.delete(NAME)
    run = world.anna.go()
    assert run.counts.deleted == 1
    assert world.go(world.anna.sync, undoes=run.id).status == "succeeded"
    assert ada in world.everybody()
    assert ada in world.anna.ticked()
    world.settle()
    assert ada in world.everybody()
    assert world.anna.named(NAME) is not None


def test_nobody_who_is_a_member_no_more(world):
    ada = world.ids()[NAME]
    world.ben.tick(ada)
    world.settle()
    run = deleted_by_a_file(world)
    world.settle()
    control, account_id = world.control, world.account.account_id
    control.records.commit(control.drop_member(control.read_member(account_id, world.ben.id)))
    undo(world, run)
    assert control.subscribers(account_id, ada) == {world.anna.id}


def test_of_many_contacts_also_where_somebody_has_ticked_one_of_them_meanwhile(world):
    ids = [id_ for name, id_ in world.ids().items() if name != "Filler 7"]
    for contact_id in ids:
        world.ben.tick(contact_id)
    world.settle()
    run = deleted_by_a_file(world, {"Filler 7"})
    control, account_id, now = world.control, world.account.account_id, world.clock.now()
    for contact_id in ids:  # a run with Ben's book would wait for an approval of so many
        control.records.commit(control.going_with(account_id, world.ben.id, contact_id, now))
    assert world.ben.ticked() == frozenset()
    control.tick(account_id, world.ben.id, ids[3], now.isoformat())
    undo(world, run)
    assert world.ben.ticked() == set(ids)
    assert not control.records.page(account_id, "unticked#").records


def test_not_who_lost_it_with_an_earlier_deletion(world):
    ada = world.ids()[NAME]
    world.ben.tick(ada)
    world.settle()
    world.remove(ada)
    world.settle()
    assert world.add(ADA) == ada
    world.anna.tick(ada)
    world.settle()
    run = deleted_by_a_file(world)
    world.settle()
    undo(world, run)
    assert world.control.subscribers(world.account.account_id, ada) == {world.anna.id}


def test_not_of_a_contact_that_was_added_again_before(world):
    ada = world.ids()[NAME]
    run = deleted_by_a_file(world)
    world.settle()
    world.add(ADA)
    undo(world, run)
    assert ada in world.everybody()
    assert world.control.subscribers(world.account.account_id, ada) == frozenset()


def test_forgotten_with_the_contact(world):
    ada = world.ids()[NAME]
    deleted_by_a_file(world)
    world.settle()
    control, account_id = world.control, world.account.account_id
    assert control.records.page(account_id, f"unticked#{ada}#").records
    control.forget_boxes(account_id, ada)
    assert not control.records.page(account_id, f"unticked#{ada}#").records

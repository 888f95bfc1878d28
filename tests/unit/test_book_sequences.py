"""What becomes of people when things happen one after another that nobody thought of together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contactsync.connectors.memory import MemoryConnector, Mishap
from contactsync.model.card import Capabilities
from contactsync.model.segment import Segment
from tests.support.bookworld import GAP, BookWorld, one_of, person


@pytest.fixture
def world():
    return BookWorld()


def change(world: BookWorld, sync: str, **asked: Any) -> None:
    world.control.update_sync(
        world.account.account_id, sync, lambda read: read.value.model_copy(update=asked)
    )


class TestTheSyncLooksAtMore:
    """What it has not looked at before was never agreed on, so it was not deleted here either."""

    @pytest.fixture
    def sync(self, world):
        for n in range(6):
            world.book.add(person(n, notes=f"Note {n}"))
        sync = world.sync(mapping=[{"column": key, "field": key} for key in ("name", "emails")])
        world.go(sync)
        return sync

    def both_have_notes(self, world):
        people, cards = world.everybody().values(), world.book.cards().values()
        return all("notes" in fields for fields in [*people, *(card.fields for card in cards)])

    def test_and_what_exceeds_the_run_comes_with_the_next(self, world, sync):
        world.limit(next_sync_contacts=2)
        change(world, sync, mapping=())
        world.go(sync)
        for n in range(6):
            world.edit(one_of(world, n), nickname="N")
        for _ in range(6):
            world.go(sync)
        assert self.both_have_notes(world)

    def test_because_it_is_another_one(self, world, sync):
        """Case 45."""
        change(world, sync, deleted_at="now")
        other = world.sync()
        world.go(other)
        assert self.both_have_notes(world)


class TestWhoComesBack:
    """Who has left, and belongs to the sync again, meets the other side as if for the first time: nobody is deleted."""

    @pytest.fixture
    def segment(self, world):
        segment = Segment(id="g1", name="Book", created_at="now", created_by="member:m1")
        world.control.create_segment(world.account.account_id, segment)
        for n in range(20):
            world.add(person(n), "g1")
        sync = world.sync(selection={"segment": "g1"})
        world.go(sync)
        return sync

    @pytest.mark.parametrize("seen", [True, False])
    def test_to_a_card_that_was_deleted_meanwhile_gets_another(self, world, segment, seen):
        id_ = one_of(world, 1)
        card = world.links()[id_].id
        world.regroup(id_)
        world.go(segment)
        world.book.remove(card)
        if seen:
            world.go(segment)
        world.regroup(id_, "g1")
        for _ in range(2):
            world.go(segment)
        assert len(world.everybody()) == len(world.book.cards()) == 20
        assert world.links()[id_].id in world.book.cards()

    def test_to_a_contact_that_was_deleted_meanwhile_brings_it_back(self, world):
        """Case 18."""
        world.book.add_group("friends")
        for n in range(20):
            world.book.add(person(n), "friends")
        sync = world.sync(group="friends")
        world.go(sync)
        id_ = one_of(world, 1)
        card = world.links()[id_].id
        world.book.move(card)
        world.go(sync)
        world.remove(id_)
        world.go(sync)
        world.book.move(card, "friends")
        for _ in range(2):
            world.go(sync)
        assert card in world.book.cards()
        assert len(world.everybody()) == 20


def test_a_card_that_leaves_one_sync_s_group_stays_with_the_other_s(world):
    """Case 18: of two syncs with one book."""
    for group in ("friends", "work"):
        world.book.add_group(group)
        world.book.add(person(len(group)), group)
    card = world.book.add(person(1), "friends", "work")
    syncs = [world.sync(group=group, direction="pull") for group in ("friends", "work")]
    for sync in (*syncs, *syncs):
        world.go(sync)
    world.book.move(card, "friends")
    for sync in (*syncs, *syncs):
        world.go(sync)
    assert world.links()[one_of(world, 1)].state == "linked"


class TestDoubts:
    @pytest.fixture
    def ids(self, world):
        world.book.add({"name": "Ada Lovelace", "organization": "Engines"})
        fields = {"name": "Ada Lovelace", "organization": "Engines"}
        return [
            world.add({**fields, "emails": [{"value": f"ada@{each}.example"}]}) for each in ("one", "two")
        ]

    def test_a_contact_in_doubt_gets_no_second_card_because_it_was_edited(self, world, ids):
        """Case 43."""
        sync = world.sync()
        world.go(sync)
        world.edit(ids[0], nickname="A")
        for _ in range(2):
            world.go(sync)
        assert len(world.book.cards()) == 1


def test_a_list_that_breaks_off_deletes_nobody(world):
    """Case 3."""
    world.habits.part = 5
    for n in range(20):
        world.book.add(person(n))
    sync = world.sync()
    world.go(sync)
    world.book.expire_cursors()
    world.book.add(person(99))
    world.book.cut_pulls(20)
    assert world.go(sync).status == "failed"
    assert len(world.everybody()) == 20
    assert {link.state for link in world.links().values()} == {"linked"}


def test_who_was_deleted_does_not_come_back_after_months(world):
    """Case 14: the book still has the card, and lists it anew."""
    for n in range(3):
        world.book.add(person(n))
    sync = world.sync(direction="pull")
    world.go(sync)
    gone = one_of(world, 1)
    world.remove(gone)
    world.go(sync)
    world.clock.advance(timedelta(days=120))
    world.book.expire_cursors()
    world.go(sync)
    assert gone not in world.everybody()
    assert len(world.everybody()) == 2


def test_a_book_at_which_another_run_works_is_left_alone(world):
    """Case 23."""
    world.book.add(person(1))
    sync = world.sync()
    assert world.control.take_book(world.account.account_id, "n1", "another", world.clock.now() + GAP)
    assert world.go(sync).status == "failed"
    assert not world.everybody()
    world.clock.advance(timedelta(hours=1))
    world.go(sync)
    assert len(world.everybody()) == 1


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_a_run_had_brought_in_when_it_ended_early_is_no_edit_made_here(world, status):
    card = world.book.add(person(1, notes="Old"))
    sync = world.sync(conflict="hub")
    world.go(sync)
    world.edit(one_of(world, 1), nickname="N")
    world.book.edit(card, {**world.book.cards()[card].fields, "notes": "New"})
    world.clock.advance(GAP)
    run = world.ask(sync)

    class Ending(MemoryConnector):
        def update(self, edits):
            if status == "failed":
                raise RuntimeError("a bug")
            world.control.update_run(
                run.account_id, run.id, lambda run: run.model_copy(update={"status": status})
            )
            return super().update(edits)

    world.connect = lambda connection: Ending(world.book)
    world.execute(run)
    assert (world.run(run).status, world.contact(one_of(world, 1)).fields["notes"]) == (status, "New")
    today = world.control.counted_on(run.account_id, world.clock.now().date())["n1"]
    assert today["updated"] == {"hub": 0, "remote": 1}, "it came from there"
    world.connect = None
    world.book.edit(card, {**world.book.cards()[card].fields, "notes": "Newer"})
    world.go(sync)
    assert world.contact(one_of(world, 1)).fields["notes"] == "Newer"
    assert world.book.cards()[card].fields["nickname"] == "N"


def test_clocks_decide_nothing_where_only_one_side_changed_a_value(world):
    """Case 50."""
    card = world.book.add(person(1, notes="Old", job_title="Old"))
    sync = world.sync(conflict="newest")
    world.go(sync)
    world.book.edit(card, {**world.book.cards()[card].fields, "notes": "New"})
    world.clock.advance(timedelta(minutes=1))
    world.edit(one_of(world, 1), job_title="New")
    world.go(sync)
    fields = world.contact(one_of(world, 1)).fields
    assert (fields["notes"], fields["job_title"]) == ("New", "New")
    assert world.book.cards()[card].fields == fields


@pytest.mark.parametrize("last", ["here", "there"])
def test_the_newest_counts_where_both_have_changed_a_value(world, last):
    card = world.book.add(person(1))
    sync = world.sync(conflict="newest")
    world.go(sync)
    for side in ("there", "here") if last == "here" else ("here", "there"):
        world.clock.advance(timedelta(minutes=1))
        if side == "here":
            world.edit(one_of(world, 1), notes="here")
        else:
            world.book.edit(card, person(1, notes="there"))
    world.go(sync)
    assert world.contact(one_of(world, 1)).fields["notes"] == last
    assert world.book.cards()[card].fields["notes"] == last


def test_what_came_in_while_the_card_could_not_be_written_is_no_edit_of_ours(world):
    """Whoever takes it back there has it taken back here, and ours goes there all the same."""
    card = world.book.add(person(1))
    sync = world.sync()
    world.go(sync)
    world.edit(one_of(world, 1), nickname="Here")
    world.book.edit(card, person(1, job_title="There"))
    world.book.mishaps.append(Mishap.UNSENT)
    world.go(sync)
    assert world.contact(one_of(world, 1)).fields["job_title"] == "There"
    assert "nickname" not in world.book.cards()[card].fields
    world.book.edit(card, person(1))
    for _ in range(2):
        world.go(sync)
    assert (
        world.contact(one_of(world, 1)).fields
        == world.book.cards()[card].fields
        == person(1, nickname="Here")
    )


class TestACardIsMadeAnew:
    """Case 19: some programs move a contact by deleting it and making it again, under another id and in one round."""

    @pytest.fixture
    def sync(self, world):
        for n in range(20):
            world.book.add(person(n))
        sync = world.sync()
        world.go(sync)
        world.edit(one_of(world, 1), own_field="kept here")
        world.go(sync)
        return sync

    @pytest.mark.parametrize("everything", [False, True])
    def test_and_the_contact_keeps_what_only_we_hold(self, world, sync, everything):
        card = world.links()[one_of(world, 1)].id
        fields = world.book.cards()[card].fields
        world.book.remove(card)
        again = world.book.add(fields)
        if everything:
            world.book.expire_cursors()
        world.go(sync)
        world.go(sync)
        assert len(world.everybody()) == len(world.book.cards()) == 20
        assert world.contact(one_of(world, 1)).fields["own_field"] == "kept here"
        assert world.links()[one_of(world, 1)].id == again

    @pytest.mark.parametrize("everything", [False, True])
    def test_not_quite_as_it_was_and_nothing_of_either_is_lost(self, world, sync, everything):
        card = world.links()[one_of(world, 1)].id
        world.book.edit(card, person(1, notes="On the old card"))
        world.go(sync)
        world.book.remove(card)
        again = world.book.add(person(1, job_title="On the new card"))
        if everything:
            world.book.expire_cursors()
        for _ in range(2):
            world.go(sync)
        assert world.go(sync).status == "unchanged"
        assert len(world.everybody()) == len(world.book.cards()) == 20
        fields = world.contact(one_of(world, 1)).fields
        assert (fields["own_field"], fields["notes"]) == ("kept here", "On the old card")
        assert fields["job_title"] == "On the new card"
        assert world.links()[one_of(world, 1)].id == again
        assert world.book.cards()[again].fields["notes"] == "On the old card"

    def test_but_of_two_that_may_be_it_neither_is_guessed_at(self, world, sync):
        world.book.remove(world.links()[one_of(world, 1)].id)
        for number in range(2):
            world.book.add(person(1, job_title=f"Number {number}"))
        world.go(sync)
        world.go(sync)
        told = sorted(fields.get("job_title", "") for fields in world.everybody().values())[-2:]
        assert told == ["Number 0", "Number 1"]

    def test_but_two_who_are_alike_are_not_guessed_at(self, world, sync):
        for n in (1, 2):
            world.book.remove(world.links()[one_of(world, n)].id)
        world.book.add(person(30))
        world.go(sync)
        world.go(sync)
        assert len(world.everybody()) == len(world.book.cards()) == 19


class _Unaware(MemoryConnector):
    """Nobody knows how many cards the book takes, until it refuses one."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, book_size=None)


@pytest.mark.parametrize("connector", [MemoryConnector, _Unaware])
def test_who_found_no_room_in_the_book_comes_when_there_is_some(world, connector):
    """Case 47."""
    world.habits.size = 3
    world.connect = lambda _: connector(world.book)
    for n in range(6):
        world.add(person(n))
    sync = world.sync()
    for _ in range(2):
        world.go(sync)
    assert len(world.book.cards()) == 3
    assert not world.control.intents(world.account.account_id, "n1"), "what was refused was not begun"
    world.habits.size = 10
    for _ in range(2):
        world.go(sync)
    assert len(world.book.cards()) == 6


class TestAContactIsAddedAgain:
    """Its card was left alone when it was deleted here, and is still in the book: it is found, not made a second time."""

    @pytest.fixture
    def taken_back(self, world):
        """Three cards whose contacts were taken back."""
        for n in range(3):
            world.book.add(person(n))
        sync = world.sync()
        run = world.go(sync)
        world.go(sync, undoes=run.id)
        world.go(sync)
        assert (len(world.everybody()), len(world.book.cards())) == (0, 3)
        return sync

    @pytest.mark.parametrize("full", [False, True])
    def test_under_its_address(self, world, taken_back, full):
        card = next(id_ for id_, each in world.book.cards().items() if each.fields["name"] == "Person 1")
        id_ = world.add(person(1, notes="Back"))
        if full:
            world.book.expire_cursors()
        for _ in range(2):
            world.go(taken_back)
        assert len(world.book.cards()) == 3
        assert world.links()[id_].id == card
        assert world.book.cards()[card].fields["notes"] == "Back"
        world.book.edit(card, {**world.book.cards()[card].fields, "nickname": "P"})
        world.go(taken_back)
        assert world.contact(id_).fields["nickname"] == "P"

    def test_with_another_address_under_its_name(self, world, taken_back):
        phone = [{"value": "+442079460018", "text": "020 7946 0018"}]
        card = world.book.add({"name": "Cem Usta", "phones": phone, "emails": [{"value": "c@example.com"}]})
        change(world, taken_back, direction="pull")
        world.go(taken_back)
        world.remove(world.id_of("c@example.com"))
        world.go(taken_back)
        assert card in world.book.cards()
        again = world.add({"name": "Cem Usta", "phones": phone, "emails": [{"value": "cem@example.com"}]})
        change(world, taken_back, direction="both")
        for _ in range(2):
            world.go(taken_back)
        assert world.links()[again].id == card
        assert len(world.book.cards()) == 4

    def test_while_its_card_is_edited(self, world, taken_back):
        """There is one contact then, too."""
        card = next(id_ for id_, each in world.book.cards().items() if each.fields["name"] == "Person 1")
        world.add(person(1))
        world.book.edit(card, person(1, notes="Edited"))
        for _ in range(2):
            world.go(taken_back)
        [contact] = world.everybody().values()
        assert contact["notes"] == "Edited"
        assert len(world.book.cards()) == 3

    def test_whose_card_is_gone_by_then_gets_another(self, world, taken_back):
        for id_ in world.book.cards():
            world.book.remove(id_)
        world.go(taken_back)
        id_ = world.add(person(1))
        for _ in range(2):
            world.go(taken_back)
        assert [*world.book.cards()] == [world.links()[id_].id]

    def test_whom_two_cards_may_be_is_asked_about(self, world):
        """Case 43."""
        for n in range(2):
            world.book.add({"name": "Ada Lovelace", "organization": "Engines", "notes": f"{n}"})
        sync = world.sync()
        world.go(sync, undoes=world.go(sync).id)
        world.go(sync)
        world.add({"name": "Ada Lovelace", "organization": "Engines"})
        assert world.go(sync).counts.skipped == 2
        assert len(world.control.reviews(world.account.account_id, "n1")) == 2
        assert len(world.book.cards()) == 2

    def test_in_the_one_way_out_nobody_who_was_there_before_gets_a_second_card(self, world):
        """Also a card that nobody here was like when it was listed."""
        card = world.book.add(person(1))
        sync = world.sync(direction="push")
        world.go(sync)
        assert not world.everybody()
        id_ = world.add(person(1, notes="From here"))
        world.go(sync)
        assert [*world.book.cards()] == [card] == [world.links()[id_].id]
        assert world.book.cards()[card].fields["notes"] == "From here"


def test_a_card_of_a_contact_that_was_deleted_stays_out_for_years(world):
    """Case 14: as long as the book has it, any complete list would bring it back."""
    world.book.add(person(1))
    sync = world.sync(direction="pull")
    world.go(sync)
    world.remove(one_of(world, 1))
    world.go(sync)
    world.clock.advance(timedelta(days=800))
    world.book.expire_cursors()
    for _ in range(2):
        world.go(sync)
    assert not world.everybody()


def test_a_card_that_is_taken_out_of_the_trash_comes_back(world):
    for n in range(3):
        world.book.add(person(n))
    sync = world.sync()
    world.go(sync)
    card = world.links()[one_of(world, 1)].id
    kept = world.book._kept[card]
    world.book.remove(card)
    world.go(sync)
    assert one_of(world, 1) not in world.everybody()
    world.book._keep(kept)
    for _ in range(2):
        world.go(sync)
    assert world.links()[one_of(world, 1)].id == card


@pytest.mark.parametrize(
    "fields", [person(1), {"name": "No Address"}], ids=["with an address", "without one"]
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
@pytest.mark.parametrize("original", ["stays", "goes"])
def test_copies_of_a_card_that_we_made_are_people_of_their_own(world, fields, at_once, original):
    """Who copies a card in Outlook copies our marker with it."""
    world.add(fields)
    sync = world.sync()
    for _ in range(2):
        world.go(sync)
    [card] = world.book.cards().values()
    assert card.marker
    if original == "goes":
        world.book.remove(card.id)
    notes = [f"Copy {number}" for number in range(3)]
    for note in notes:
        world.book.add({**card.fields, "notes": note}, marker=card.marker)
        if not at_once:
            world.go(sync)
    for _ in range(2):
        world.go(sync)
    assert world.go(sync).status == "unchanged"
    told = sorted(str(fields.get("notes", "")) for fields in world.everybody().values())
    assert told == ([""] if original == "stays" else []) + notes
    assert len(world.links()) == len(world.book.cards()) == len(told)

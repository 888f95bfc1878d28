"""Books whose lists are late, whose cards get other ids, and that fill up between two looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contactsync.connectors.memory import Habits, MemoryConnector, Mishap
from contactsync.model.card import Capabilities
from contactsync.model.segment import Segment
from tests.support.bookworld import BookWorld, one_of, person


@pytest.fixture
def world():
    return BookWorld()


def left_its_segment(world: BookWorld) -> tuple[str, str, str]:
    """The sync of a segment, and one of its contacts and its card, which has just left the segment."""
    segment = Segment(id="g1", name="Book", created_at="now", created_by="member:m1")
    world.control.create_segment(world.account.account_id, segment)
    for n in range(3):
        world.add(person(n), "g1")
    sync = world.sync(selection={"segment": "g1"})
    world.go(sync)
    id_ = one_of(world, 1)
    card = world.links()[id_].id
    world.regroup(id_)
    return sync, id_, card


class TestWhatIsWrittenShowsLate:
    """Case 10: lists are behind; what is read by its id is not."""

    @pytest.fixture
    def world(self):
        world = BookWorld(habits=Habits(shows_after=timedelta(minutes=15)))
        for n in range(10):
            world.book.add(person(n))
        world.clock.advance(timedelta(hours=1))
        return world

    def later(self, world: BookWorld, sync: str) -> None:
        """Until lists show everything."""
        for _ in range(4):
            world.go(sync)

    @pytest.mark.parametrize("full", [False, True])
    def test_a_card_that_is_deleted_as_soon_as_we_have_made_it_is_noticed(self, world, full):
        sync = world.sync()
        world.go(sync)
        id_ = world.add(person(99))
        world.go(sync)
        world.book.remove(world.links()[id_].id)
        if full:
            world.book.expire_cursors()
        self.later(world, sync)
        assert id_ not in world.everybody()
        assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 10

    @pytest.mark.parametrize("full", [False, True])
    def test_a_card_that_gets_another_id_meanwhile_is_no_deletion(self, world, full):
        """Case 17."""
        sync = world.sync()
        world.go(sync)
        id_ = world.add(person(99))
        world.go(sync)
        card = world.book.rename(world.links()[id_].id)
        if full:
            world.book.expire_cursors()
        else:
            world.edit(id_, notes="Edited")
        self.later(world, sync)
        assert world.links()[id_].id == card
        assert len(world.everybody()) == len(world.book.cards()) == 11

    def test_a_card_that_gets_another_id_before_we_delete_it_is_deleted(self, world):
        """Case 17: its contact was deleted here, and nobody has edited the card."""
        sync = world.sync()
        world.go(sync)
        id_ = one_of(world, 1)
        world.book.rename(world.links()[id_].id)
        world.remove(id_)
        self.later(world, sync)
        assert len(world.everybody()) == len(world.book.cards()) == 9

    def test_a_lost_answer_of_a_deletion_deletes_nobody_else(self, world):
        sync = world.sync()
        world.go(sync)
        world.remove(one_of(world, 1))
        world.book.mishaps.append(Mishap.LOST)
        self.later(world, sync)
        assert len(world.everybody()) == len(world.book.cards()) == 9


class _Cautious(MemoryConnector):
    """Lists show at once what was written, and nobody may rely on that."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, settles_after_s=1800)


def test_a_card_that_is_deleted_right_before_a_complete_list_is_noticed(world):
    """The list lacks it, and so do all that follow: it was deleted before, though we had made it a short while ago."""
    for n in range(10):
        world.book.add(person(n))
    world.connect = lambda _: _Cautious(world.book)
    sync = world.sync()
    world.go(sync)
    id_ = world.add(person(99))
    world.go(sync)
    world.book.remove(world.links()[id_].id)
    world.book.expire_cursors()
    for _ in range(5):
        world.go(sync)
    assert id_ not in world.everybody()
    assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 10


def test_a_card_that_gets_another_id_and_leaves_the_group_is_the_same_one(world):
    """Cases 17 and 18 at once."""
    world.book.add_group("friends")
    for n in range(5):
        world.book.add(person(n), "friends")
    sync = world.sync(group="friends")
    world.go(sync)
    id_ = one_of(world, 1)
    world.edit(id_, notes="Edited")
    card = world.book.rename(world.links()[id_].id)
    world.book.move(card)
    for _ in range(2):
        world.go(sync)
    assert len(world.everybody()) == len(world.book.cards()) == 5
    world.book.move(card, "friends")
    for _ in range(2):
        world.go(sync)
    assert world.book.cards()[card].fields["notes"] == "Edited"
    assert len(world.everybody()) == len(world.book.cards()) == 5


def test_a_card_that_gets_another_id_while_its_contact_is_out_is_found_again(world):
    """Case 17, of a segment."""
    sync, id_, card = left_its_segment(world)
    world.go(sync)
    card = world.book.rename(card)
    world.go(sync)
    world.regroup(id_, "g1")
    for _ in range(2):
        world.go(sync)
    assert len(world.book.cards()) == 3
    assert world.links()[id_].id == card


class TestTheBookGrows:
    """Between two complete lists as well."""

    @pytest.fixture
    def sync(self, world):
        world.limit(connection_contacts=5)
        for n in range(3):
            world.book.add(person(n))
        sync = world.sync()
        world.go(sync)
        return sync

    def test_beyond_what_may_be_in_it_and_is_not_synced_any_more(self, world, sync):
        for n in range(10, 13):
            world.book.add(person(n))
        run = world.go(sync)
        assert (run.status, run.problem.code) == ("failed", "book_too_large")
        assert len(world.everybody()) == 3
        world.book.remove(next(iter(world.book.cards())))
        assert world.go(sync).status == "succeeded"
        assert len(world.everybody()) == 5

    def test_and_is_filled_no_further_than_it_may_be(self, world, sync):
        for n in range(10, 14):
            world.add(person(n))
            world.go(sync)
        assert len(world.book.cards()) == 5
        world.book.remove(world.links()[one_of(world, 0)].id)
        for _ in range(2):
            world.go(sync)
        assert len(world.book.cards()) == 5


def test_what_is_edited_on_a_card_while_its_contact_leaves_is_news_when_it_comes_back(world):
    sync, id_, card = left_its_segment(world)
    world.book.edit(card, person(1, notes="Edited"))
    for _ in range(2):
        world.go(sync)
    assert "notes" not in world.contact(id_).fields
    world.regroup(id_, "g1")
    world.go(sync)
    assert world.contact(id_).fields["notes"] == world.book.cards()[card].fields["notes"] == "Edited"


def test_a_card_that_is_deleted_right_after_it_got_another_id_is_gone(world):
    """Case 17: and its contact is edited, so it is made again."""
    world.habits.shows_after = timedelta(minutes=14)
    world.book.add(person(1))
    sync = world.sync()
    world.go(sync)
    card = world.book.rename(next(iter(world.book.cards())))
    world.go(sync)
    id_ = one_of(world, 1)
    world.book.remove(card)
    world.edit(id_, notes="Edited")
    for _ in range(5):
        world.go(sync)
    assert [*world.book.cards()] == [world.links()[id_].id]
    assert next(iter(world.book.cards().values())).fields["notes"] == "Edited"


def test_a_card_with_another_id_that_is_deleted_before_its_link_knows_is_gone(world):
    """Case 17: our own deletion of it did not get through."""
    for n in range(10):
        world.book.add(person(n))
    sync = world.sync()
    world.go(sync)
    id_ = one_of(world, 1)
    card = world.book.rename(world.links()[id_].id)
    world.remove(id_)
    world.book.mishaps.append(Mishap.DROPPED)
    world.go(sync)
    world.book.remove(card)
    for _ in range(2):
        world.go(sync)
    assert len(world.links()) == len(world.book.cards()) == len(world.everybody()) == 9

"""What a sync with an address book may do: limits, the guard over both sides, who belongs to it, what it looks at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.connectors.memory import Habits
from contactsync.control import Control
from contactsync.core.viewing import View
from contactsync.errors import Busy
from contactsync.model.segment import Segment
from tests.contract.cards import ADA
from tests.support.bookworld import BookWorld, person

LONG = "x" * 200_000


@pytest.fixture
def world():
    return BookWorld()


def codes(run: Any) -> set[str]:
    return {warning.code for warning in run.warnings}


def problem(run: Any) -> str:
    return run.problem.code if run.problem else ""


class TestTheGuard:
    @pytest.fixture
    def sync(self, world):
        for n in range(20):
            world.book.add(person(n))
        sync = world.sync()
        world.go(sync)
        world.go(sync)
        return sync

    @pytest.mark.parametrize("side", ["here", "there"])
    def test_many_deletions_wait_and_the_rest_goes_on(self, world, sync, side):
        """Case 15."""
        gone = [world.id_of(f"p{n}@example.com") for n in range(10)]
        for id_ in gone:
            if side == "here":
                world.book.remove(world.links()[id_].id)
            else:
                world.remove(id_)
        world.book.add(person(99))
        world.add(person(98))
        run = world.go(sync)
        assert (run.status, problem(run)) == ("awaiting_approval", "too_many_deletions")
        assert (run.counts.added, run.counts.deleted, run.pushed.added, run.pushed.deleted) == (1, 0, 1, 0)
        assert (len(world.everybody()), len(world.book.cards())) == ((22, 12) if side == "here" else (12, 22))
        assert {*gone} <= world.links().keys()
        world.approve(run)
        assert world.run(run).status == "succeeded"
        assert len(world.everybody()) == len(world.book.cards()) == 12
        world.go(sync)
        assert world.go(sync).status == "unchanged"

    def test_deletions_that_wait_are_asked_for_again(self, world, sync):
        for n in range(10):
            world.remove(world.id_of(f"p{n}@example.com"))
        assert world.go(sync).status == "awaiting_approval"
        again = world.go(sync)
        assert again.status == "awaiting_approval"
        assert len(world.book.cards()) == 20
        world.approve(again)
        assert len(world.book.cards()) == 10

    def test_who_is_taken_out_of_the_trash_before_somebody_agrees_stays(self, world, sync):
        """The next run still has their deletion to look at; what the book has said since counts."""
        cards = [world.links()[world.id_of(f"p{n}@example.com")].id for n in range(10)]
        kept = [world.book._kept[card] for card in cards]
        for card in cards:
            world.book.remove(card)
        assert world.go(sync).status == "awaiting_approval"
        for each in kept:
            world.book._keep(each)
        run = world.go(sync)
        assert (run.status, run.counts.deleted) == ("succeeded", 0)
        assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 20

    def test_a_commit_that_is_carried_out_again_counts_once(self, world, sync, monkeypatch):
        """Its last word was not heard; what is counted is what was done, and not what the run's record says already."""
        for n in range(10):
            world.remove(world.id_of(f"p{n}@example.com"))
        world.add(person(98))
        run = world.go(sync)
        left = Control.leave_book
        unheard = [Busy("away")]

        def leave(control, *place):
            left(control, *place)
            if unheard:
                raise unheard.pop()

        monkeypatch.setattr(Control, "leave_book", leave)
        world.approve(run)
        assert not unheard
        assert (world.run(run).pushed.added, world.run(run).pushed.deleted) == (1, 10)

    @pytest.mark.parametrize("side", ["here", "there"])
    def test_an_emptied_side_waits_however_small_it_is(self, side):
        """Case 15."""
        world = BookWorld()
        world.book.add(ADA)
        sync = world.sync()
        world.go(sync)
        [(id_, link)] = world.links().items()
        if side == "here":
            world.book.remove(link.id)
        else:
            world.remove(id_)
        run = world.go(sync)
        assert (run.status, problem(run)) == ("awaiting_approval", "book_emptied")

    @pytest.mark.parametrize("side", ["here", "there"])
    def test_a_few_deletions_a_day_are_summed_up(self, world, sync, side):
        """Case 16."""
        held = []
        for n in range(12):
            world.clock.advance(timedelta(hours=12))
            id_ = world.id_of(f"p{n}@example.com")
            if side == "here":
                world.book.remove(world.links()[id_].id)
            else:
                world.remove(id_)
            held.append(world.go(sync).status == "awaiting_approval")
        assert not any(held[:5])
        assert held[-1]
        assert len(world.everybody() if side == "here" else world.book.cards()) > 10

    def test_a_first_run_deletes_nobody(self, world, sync):
        """Case 40: the sync is made anew; what was deleted meanwhile comes back."""
        world.control.update_sync(
            world.account.account_id, sync, lambda read: read.value.model_copy(update={"deleted_at": "now"})
        )
        world.remove(world.id_of("p0@example.com"))
        world.book.remove(world.links()[world.id_of("p1@example.com")].id)
        other = world.sync()
        run = world.go(other)
        assert (run.status, run.counts.deleted, run.pushed.deleted) == ("succeeded", 0, 0)
        assert len(world.everybody()) == len(world.book.cards()) == 20


class TestLimits:
    def test_what_exceeds_a_run_is_left_for_the_next_and_not_lost(self, world):
        world.limit(first_sync_contacts=7, next_sync_contacts=5)
        for n in range(10):
            world.book.add(person(n))
            world.add(person(100 + n))
        sync = world.sync()
        runs = [world.go(sync) for _ in range(4)]
        assert [run.counts.added + run.pushed.added for run in runs] == [7, 5, 5, 3]
        assert ["carried" in codes(run) for run in runs] == [True, True, True, False]
        assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 20

    def test_deletions_that_exceed_a_run_are_not_lost(self, world):
        for n in range(30):
            world.book.add(person(n))
        sync = world.sync()
        world.go(sync)
        world.limit(next_sync_contacts=2)
        for n in range(5):
            world.book.remove(world.links()[world.id_of(f"p{n}@example.com")].id)
        assert [world.go(sync).counts.deleted for _ in range(4)] == [2, 2, 1, 0]

    def test_a_book_that_is_too_large_is_not_synced(self, world):
        world.limit(connection_contacts=5)
        for n in range(6):
            world.book.add(person(n))
        run = world.go(world.sync())
        assert (run.status, problem(run)) == ("failed", "book_too_large")
        assert not world.everybody()

    def test_a_full_book_takes_no_more_and_the_rest_goes_on(self, world):
        """Case 47."""
        world.habits.size = 3
        world.book.add(person(0))
        for n in range(1, 6):
            world.add(person(n))
        run = world.go(world.sync())
        assert (run.status, run.counts.added, run.pushed.added) == ("succeeded", 1, 2)
        assert "book_full" in codes(run)

    @pytest.mark.parametrize("side", ["here", "there"])
    def test_somebody_who_is_too_large_keeps_nobody_else_waiting(self, world, side):
        """Whole mails stand in Outlook's notes: what both sides agreed on found no room, and the run failed, night after night."""
        sync = world.sync()
        world.book.add(person(1))
        world.add(person(2))
        large = (world.book.add if side == "there" else world.add)(person(0, notes=LONG))
        for _ in range(2):
            run = world.go(sync)
            assert (run.status, problem(run)) in {("succeeded", ""), ("unchanged", "")}
        assert (len(world.everybody()), len(world.book.cards())) == ((2, 3) if side == "there" else (3, 2))
        if side == "there":
            world.book.edit(large, person(0, notes="short"))
        else:
            world.edit(large, notes="short")
        assert world.go(sync).status == "succeeded"
        assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 3

    @pytest.mark.parametrize("side", ["here", "there"])
    def test_somebody_who_has_become_too_large_is_left_as_they_are_until_they_are_shorter(self, world, side):
        card = world.book.add(person(0))
        sync = world.sync()
        world.go(sync)
        contact = world.id_of("p0@example.com")
        if side == "there":
            world.book.edit(card, person(0, notes=LONG, nickname="There"))
        else:
            world.edit(contact, notes=LONG, nickname="Here")
        run = world.go(sync)
        assert (run.status, run.counts.skipped, codes(run)) == ("succeeded", 1, {"too_large"})
        assert (run.counts.updated, run.pushed.updated) == (0, 0)
        if side == "there":
            world.book.edit(card, person(0, notes="short", nickname="There"))
        else:
            world.edit(contact, notes="short")
        world.go(sync)
        both = (world.contact(contact).fields, world.book.cards()[card].fields)
        assert [(each["notes"], each["nickname"]) for each in both] == [("short", side.capitalize())] * 2

    def test_many_cards_with_long_notes_are_made_at_once(self):
        """A commit holds 4 MB, and what is begun lies in one."""
        world = BookWorld(habits=Habits(at_once=100))
        for n in range(100):
            world.add(person(n, notes="x" * 30_000))
        run = world.go(world.sync())
        assert (run.status, run.pushed.added) == ("succeeded", 100)

    def test_a_card_that_lacks_what_is_asked_for_is_skipped(self, world):
        world.book.add({"organization": "Nameless Ltd"})
        phones = [{"value": f"+4420794600{n:02d}", "text": "-"} for n in range(3)]
        world.book.add(person(1, phones=phones))
        world.book.add(person(2, phones=phones[:2]))
        run = world.go(world.sync(limits={"required": ["name"], "max_phones": 2}))
        assert (run.counts.rows, run.counts.added, run.counts.skipped) == (3, 1, 2)
        assert codes(run) == {"not_taken_in"}

    def test_the_first_value_stands_for_its_list(self, world):
        """As it does in mappings, and wherever contacts are shown."""
        card = world.book.add(person(1))
        world.book.add({"name": "No Address"})
        sync = world.sync(limits={"required": ["email"], "protected": ["email"]})
        run = world.go(sync)
        assert (run.counts.added, run.counts.skipped) == (1, 1)
        [id_] = world.everybody()
        world.book.edit(card, {"name": "Person One"})
        world.go(sync)
        fields = world.contact(id_).fields
        assert (fields["name"], "emails" in fields) == ("Person One", True)

    def test_who_has_more_addresses_than_the_book_holds_is_kept_whole_and_told(self):
        """Case 25."""
        world = BookWorld(habits=Habits(most={"emails": 1}))
        emails = [{"value": f"ada{n}@example.com"} for n in range(3)]
        id_ = world.add({"name": "Ada", "emails": emails})
        run = world.go(world.sync())
        assert "kept_here" in codes(run)
        assert len(world.contact(id_).fields["emails"]) == 3
        assert [len(card.fields["emails"]) for card in world.book.cards().values()] == [1]

    def test_who_has_too_many_addresses_is_skipped_where_the_sync_asks_for_that(self, world):
        emails = [{"value": f"ada{n}@example.com"} for n in range(11)]
        world.book.add({"name": "Ada", "emails": emails})
        world.book.add({"name": "Bob", "emails": emails[:10]})
        run = world.go(
            world.sync(limits={"required": ["name", "emails"], "max_emails": 10, "max_phones": 10})
        )
        assert (run.counts.added, run.counts.skipped) == (1, 1)
        assert "not_taken_in" in codes(run)


class TestWhoBelongsToIt:
    def test_a_group_that_is_not_there_is_no_empty_one(self, world):
        world.book.add(ADA)
        id_ = world.add(person(1))
        run = world.go(world.sync(group="friends"))
        assert (run.status, problem(run)) == ("failed", "group_gone")
        assert (list(world.everybody()), len(world.book.cards())) == ([id_], 1)

    def test_who_leaves_the_group_is_unlinked_and_stays_on_both_sides(self, world):
        """Case 18."""
        world.book.add_group("friends")
        card = world.book.add(ADA, "friends")
        world.book.add(person(1), "friends")
        sync = world.sync(group="friends")
        world.go(sync)
        world.book.move(card)
        run = world.go(sync)
        assert (run.counts.deleted, run.pushed.deleted) == (0, 0)
        assert len(world.everybody()) == len(world.book.cards()) == 2
        ada = world.id_of("ada@example.com")
        world.edit(ada, nickname="Countess")
        assert world.go(sync).pushed.updated == 0
        world.book.move(card, "friends")
        world.go(sync)
        assert world.book.cards()[card].fields["nickname"] == "Countess"
        assert len(world.everybody()) == len(world.book.cards()) == 2

    def test_a_segment_is_what_goes_out_and_where_others_come_in(self, world):
        segment = Segment(id="g1", name="Book", created_at="now", created_by="member:m1")
        world.control.create_segment(world.account.account_id, segment)
        world.book.add(ADA)
        inside = world.add(person(1), "g1")
        world.add(person(2))
        sync = world.sync(selection={"segment": "g1"})
        world.go(sync)
        assert len(world.book.cards()) == 2
        assert world.contact(world.id_of("ada@example.com")).segments == ("g1",)
        world.regroup(inside)
        run = world.go(sync)
        assert (run.counts.deleted, run.pushed.deleted, len(world.book.cards())) == (0, 0, 2)
        world.edit(inside, nickname="N")
        world.go(sync)
        assert not any("nickname" in card.fields for card in world.book.cards().values())
        world.regroup(inside, "g1")
        world.go(sync)
        assert len(world.book.cards()) == 2
        assert any(card.fields.get("nickname") == "N" for card in world.book.cards().values())

    def test_a_sync_that_is_made_anew_finds_everybody(self, world):
        """Case 45."""
        for n in range(3):
            world.book.add(person(n))
            world.add(person(10 + n))
        world.go(world.sync())
        before = world.everybody(), world.book.cards()
        [first] = {link.sync for link in world.links().values()}
        world.control.update_sync(
            world.account.account_id, first, lambda read: read.value.model_copy(update={"deleted_at": "now"})
        )
        run = world.go(world.sync())
        assert (run.counts.added, run.pushed.added) == (0, 0)
        assert (world.everybody(), world.book.cards()) == before

    def test_two_syncs_with_one_book_leave_each_other_alone(self, world):
        for group in ("friends", "work"):
            world.book.add_group(group)
        world.book.add(person(1), "friends")
        world.book.add(person(2), "work")
        syncs = [world.sync(group=group, direction="pull") for group in ("friends", "work")]
        for sync in (*syncs, *syncs):
            run = world.go(sync)
            assert run.counts.deleted == 0
        assert {link.state for link in world.links().values()} == {"linked"}
        world.book.expire_cursors()
        for sync in syncs:
            world.go(sync)
        assert {link.state for link in world.links().values()} == {"linked"}
        assert len(world.everybody()) == 2


class TestWhatItLooksAt:
    def test_a_field_may_have_another_name_here(self, world):
        world.book.add({**ADA, "nickname": "Countess"})
        mapping = [{"column": key, "field": key} for key in ("name", "emails")]
        sync = world.sync(mapping=[*mapping, {"column": "notes", "field": "remarks"}])
        world.go(sync)
        [(id_, fields)] = world.everybody().items()
        assert fields == {"name": ADA["name"], "emails": ADA["emails"], "remarks": ADA["notes"]}
        world.edit(id_, remarks="Changed")
        world.go(sync)
        [card] = world.book.cards().values()
        assert (card.fields["notes"], card.fields["nickname"]) == ("Changed", "Countess")

    def test_what_it_leaves_alone_stays(self):
        view = View(
            {"addresses": "addresses", "birthday": "birthday"}, primary_address=True, whole_birthday=True
        )
        one, two = {"value": {"city": "Turin"}}, {"value": {"city": "Zürich"}}
        card = {"addresses": [one, two], "birthday": "--12-10", "notes": "N"}
        assert view.into(card) == {"addresses": [one]}
        assert view.out({"addresses": [{"value": {"city": "London"}}]}, card) == {
            **card,
            "addresses": [{"value": {"city": "London"}}, two],
        }
        assert view.out({}, card) == {"addresses": [two], "birthday": "--12-10", "notes": "N"}

    def test_what_the_book_cannot_hold_stays_here(self):
        """Case 25, 28."""
        world = BookWorld(habits=Habits(most={"emails": 1}, yearless=False))
        more = {"emails": [{"value": f"a{n}@example.com"} for n in range(3)], "birthday": "--12-10"}
        id_ = world.add({"name": "Ada", **more})
        sync = world.sync()
        for n in range(3):
            world.go(sync)
            card = next(iter(world.book.cards()))
            world.book.edit(card, {**world.book.cards()[card].fields, "notes": f"Note {n}"})
        world.go(sync)
        assert world.contact(id_).fields == {"name": "Ada", **more, "notes": "Note 2"}


def test_two_programs_that_overwrite_each_other_are_stopped(world):
    """Case 48."""
    world.book.add(ADA)
    sync = world.sync()
    world.go(sync)
    [(id_, link)] = world.links().items()
    told: set[str] = set()
    for turn in range(10):
        world.edit(id_, job_title=f"From here {turn}")
        world.go(sync)
        world.book.edit(link.id, {**world.book.cards()[link.id].fields, "job_title": f"From there {turn}"})
        told |= codes(world.go(sync))
        if "frozen" in told:
            break
    assert "frozen" in told
    here, there = world.contact(id_).fields["job_title"], world.book.cards()[link.id].fields["job_title"]
    assert here != there
    world.edit(id_, job_title="Still here")
    world.go(sync)
    assert world.book.cards()[link.id].fields["job_title"] == there


def test_a_run_that_is_undone_takes_its_contacts_back_and_leaves_the_cards(world):
    for n in range(3):
        world.book.add(person(n))
    sync = world.sync()
    run = world.go(sync)
    undone = world.go(sync, undoes=run.id)
    assert (undone.status, undone.counts.deleted) == ("succeeded", 3)
    for _ in range(2):
        world.go(sync)
        assert (len(world.everybody()), len(world.book.cards())) == (0, 3)


class TestSegments:
    @pytest.fixture
    def sync(self, world):
        segment = Segment(id="g1", name="Book", created_at="now", created_by="member:m1")
        world.control.create_segment(world.account.account_id, segment)
        world.add(person(1), "g1")
        world.add(person(2))
        world.book.add(person(3))
        sync = world.sync(selection={"segment": "g1"})
        world.go(sync)
        assert len(world.book.cards()) == 2
        return sync

    def test_who_leaves_it_is_unlinked_and_stays_on_both_sides(self, world, sync):
        """Case 18."""
        id_ = world.id_of("p1@example.com")
        card = world.links()[id_].id
        world.regroup(id_)
        world.go(sync)
        world.edit(id_, nickname="N")
        run = world.go(sync)
        assert (run.counts.deleted, run.pushed.deleted) == (0, 0)
        assert id_ in world.everybody()
        assert "nickname" not in world.book.cards()[card].fields

    def test_a_card_that_is_deleted_after_that_says_nothing_about_the_contact(self, world, sync):
        id_ = world.id_of("p1@example.com")
        card = world.links()[id_].id
        world.regroup(id_)
        world.go(sync)
        world.book.remove(card)
        world.go(sync)
        assert id_ in world.everybody()

    def test_who_joins_it_again_has_one_card(self, world, sync):
        id_ = world.id_of("p1@example.com")
        card = world.links()[id_].id
        world.regroup(id_)
        world.go(sync)
        world.book.remove(card)
        world.go(sync)
        world.regroup(id_, "g1")
        world.go(sync)
        assert len(world.book.cards()) == 2
        assert id_ in world.links()

    def test_in_one_way_in_whoever_comes_in_joins_it_and_nobody_goes_out(self, world):
        segment = Segment(id="g2", name="In", created_at="now", created_by="member:m1")
        world.control.create_segment(world.account.account_id, segment)
        world.add(person(1), "g2")
        world.book.add(person(3))
        world.go(world.sync(selection={"segment": "g2"}, direction="pull"))
        assert world.contact(world.id_of("p3@example.com")).segments == ("g2",)
        assert len(world.book.cards()) == 1

    def test_in_one_way_out_nobody_joins_it(self, world):
        segment = Segment(id="g3", name="Out", created_at="now", created_by="member:m1")
        world.control.create_segment(world.account.account_id, segment)
        world.book.add_group("crm")
        id_ = world.add(person(1), "g3")
        world.add(person(2))
        world.book.add(person(3))
        run = world.go(world.sync(group="crm", selection={"segment": "g3"}, direction="push"))
        assert (run.counts.added, run.pushed.added) == (0, 1)
        card = world.links()[id_].id
        assert world.book.listed()[card].groups == {"crm"}

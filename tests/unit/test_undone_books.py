"""Undo takes back what a run did to an address book too, card by card: reversed, kept as edited since, or why it could not."""

from __future__ import annotations

import pytest

from contactsync.connectors.memory import Mishap
from contactsync.journeys.book.album import Album
from tests.support.bookworld import person
from tests.support.portraits import portrait
from tests.support.world import Overtaken


@pytest.fixture
def world(book_world):
    return book_world


@pytest.fixture
def sync(world):
    """Twenty who are on both sides."""
    for n in range(20):
        world.book.add(person(n, notes="Before"))
    sync = world.sync()
    world.go(sync)
    return sync


def one(world, n):
    return world.id_of(f"p{n}@example.com")


def card_of(world, n):
    return next(card for card in world.book.cards().values() if card.fields["name"] == f"Person {n}")


def undo(world, api, run):
    """Undo a run to the end; the run that did, and what it says of each row."""
    told = api.post(f"/runs/{run.id}/undo")
    assert told.status == 202, told.text
    undoing = world.control.run(run.account_id, told.json["id"]).value
    world.execute(undoing)
    undoing = world.run(undoing)
    assert undoing.status == "succeeded"
    rows = api.get(f"/runs/{undoing.id}/rows").json["items"]
    return undoing, [(row["outcome"], row["reason"]) for row in rows]


def stays(world, sync):
    """Both sides as they are, and as they still are after further runs."""
    before = world.everybody(), {id_: card.fields for id_, card in world.book.cards().items()}
    for full in (False, True, False):
        if full:
            world.book.expire_cursors()
        world.go(sync)
    assert (world.everybody(), {id_: card.fields for id_, card in world.book.cards().items()}) == before


REVERSED = "Its card in the address book was written back."


class TestCardsThatWereChanged:
    def test_are_written_back(self, world, api, sync):
        world.edit(one(world, 1), notes="After", nickname="N")
        run = world.go(sync)
        assert (run.counts.updated, run.pushed.updated) == (0, 1)
        undoing, rows = undo(world, api, run)
        assert undoing.pushed.updated == 1
        assert rows == [("unchanged", REVERSED)]
        assert card_of(world, 1).fields == world.book.held(person(1, notes="Before"))
        assert world.contact(one(world, 1)).fields["notes"] == "After", "what people did here is theirs"
        stays(world, sync)

    def test_keep_what_was_edited_since_field_by_field(self, world, api, sync):
        world.edit(one(world, 1), notes="After", nickname="N")
        run = world.go(sync)
        card = card_of(world, 1)
        world.book.edit(card.id, {**card.fields, "notes": "Edited"})
        _, rows = undo(world, api, run)
        assert rows == [("unchanged", f"{REVERSED} Changed there since, and stays: notes.")]
        fields = card_of(world, 1).fields
        assert (fields["notes"], fields.get("nickname")) == ("Edited", None)

    def test_of_which_all_was_edited_since_stay(self, world, api, sync):
        world.edit(one(world, 1), notes="After")
        run = world.go(sync)
        card = card_of(world, 1)
        world.book.edit(card.id, {**card.fields, "notes": "Edited"})
        undoing, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been changed since, and stays.")]
        assert undoing.pushed.updated == 0

    def test_that_are_gone_since_are_said_to_be(self, world, api, sync):
        world.edit(one(world, 1), notes="After")
        run = world.go(sync)
        world.book.remove(card_of(world, 1).id)
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been deleted since.")]

    def test_whose_contact_has_another_card_by_now_stay(self, world, api, sync):
        contact = one(world, 1)
        world.edit(contact, notes="After")
        run = world.go(sync)
        card = card_of(world, 1)
        kept = world.book._kept[card.id]
        world.remove(contact)
        world.go(sync)
        world.add(person(1))
        world.go(sync)
        other = world.links()[contact].id
        world.book._keep(kept)  # out of the provider's bin
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been changed since, and stays.")]
        assert world.book.cards()[card.id].fields["notes"] == "After"
        assert world.links()[contact].id == other

    def test_only_they_are_told_of_and_none_that_the_provider_has_refused(self, world, api, sync):
        world.edit(one(world, 1), notes="After")
        world.book.mishaps.append(Mishap.UNSENT)
        run = world.go(sync)
        assert run.pushed.updated == 0
        assert undo(world, api, run)[1] == []

    def test_while_somebody_edits_them_are_left_to_them(self, world, api, sync):
        world.edit(one(world, 1), notes="After")
        run = world.go(sync)
        world.book.mishaps.append(Mishap.UNSENT)
        undoing, rows = undo(world, api, run)
        [(outcome, reason)] = rows
        assert outcome == "skipped"
        assert "could not be written back" in reason
        assert (undoing.counts.unchanged, undoing.counts.skipped) == (0, 1)
        assert card_of(world, 1).fields["notes"] == "After"

    def test_go_back_on_both_sides_where_both_had_edits(self, world, api, sync):
        card = card_of(world, 1)
        world.edit(one(world, 1), nickname="Here")
        world.book.edit(card.id, {**card.fields, "job_title": "There"})
        run = world.go(sync)
        assert (run.counts.updated, run.pushed.updated) == (1, 1)
        undo(world, api, run)
        fields = world.contact(one(world, 1)).fields
        assert (fields.get("nickname"), fields.get("job_title")) == ("Here", None)
        fields = card_of(world, 1).fields
        assert (fields.get("nickname"), fields.get("job_title")) == (None, "There")
        stays(world, sync)

    def test_stay_where_somebody_edits_their_contact_before_it_goes_back(self, world, api, sync):
        """One side alone is not taken back: the next run would take it for somebody's edit."""
        card = card_of(world, 1)
        world.edit(one(world, 1), nickname="Here")
        world.book.edit(card.id, {**card.fields, "job_title": "There"})
        run = world.go(sync)
        world.ports.contacts = Overtaken(world.contacts, lambda: world.edit(one(world, 1), notes="Edited"))
        undoing, [(outcome, reason)] = undo(world, api, run)
        world.ports = world.true_ports()
        assert (undoing.pushed.updated, outcome) == (0, "skipped")
        assert "changed since the plan was made" in reason
        for _ in range(2):
            world.go(sync)
            contact, there = world.contact(one(world, 1)).fields, card_of(world, 1).fields
            for fields in (contact, there):
                assert (fields["nickname"], fields["job_title"], fields["notes"]) == (
                    "Here",
                    "There",
                    "Edited",
                )

    def test_go_on_after_that(self, world, api, sync):
        world.edit(one(world, 1), notes="After")
        undo(world, api, world.go(sync))
        world.edit(one(world, 1), notes="Later")
        world.go(sync)
        assert card_of(world, 1).fields["notes"] == "Later"


class TestCardsThatWereMade:
    def test_are_deleted_and_not_made_again(self, world, api, sync):
        for n in (31, 32):
            world.add(person(n))
        run = world.go(sync)
        assert run.pushed.added == 2
        undoing, rows = undo(world, api, run)
        assert undoing.pushed.deleted == 2
        assert rows == 2 * [("unchanged", "Its card in the address book was deleted.")]
        assert (len(world.everybody()), len(world.book.cards())) == (22, 20)
        stays(world, sync)

    def test_do_not_come_because_their_contact_joins_a_segment(self, world, api, sync):
        contact = world.add(person(31))
        undo(world, api, world.go(sync))
        world.regroup(contact, "fair")
        world.go(sync)
        assert len(world.book.cards()) == 20

    def test_come_when_their_contact_is_edited(self, world, api, sync):
        contact = world.add(person(31))
        undo(world, api, world.go(sync))
        world.edit(contact, notes="Edited")
        for _ in range(2):
            world.go(sync)
        assert len(world.book.cards()) == 21
        assert card_of(world, 31).fields["notes"] == "Edited"

    def test_come_for_a_contact_that_is_added_again(self, world, api, sync):
        contact = world.add(person(31))
        undo(world, api, world.go(sync))
        world.remove(contact)
        world.go(sync)
        world.add(person(31))
        for _ in range(2):
            world.go(sync)
        assert world.links()[contact].id == card_of(world, 31).id

    def test_come_for_a_contact_that_was_deleted_first_and_is_added_again(self, world, api, sync):
        contact = world.add(person(31))
        run = world.go(sync)
        world.remove(contact)
        undo(world, api, run)
        assert len(world.book.cards()) == 20
        world.add(person(31))
        for _ in range(2):
            world.go(sync)
        assert world.links()[contact].id == card_of(world, 31).id

    def test_are_found_where_somebody_makes_them_by_hand(self, world, api, sync):
        contact = world.add(person(31))
        undo(world, api, world.go(sync))
        card = world.book.add(person(31))
        for _ in range(2):
            world.go(sync)
        assert len(world.everybody()) == len(world.book.cards()) == 21
        assert world.links()[contact].id == card

    def test_stay_where_somebody_has_edited_them_since(self, world, api, sync):
        world.add(person(31))
        run = world.go(sync)
        card = card_of(world, 31)
        world.book.edit(card.id, {**card.fields, "notes": "Edited"})
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been changed since, and stays.")]
        assert card.id in world.book.cards()

    def test_leave_the_card_alone_that_a_later_run_has_made(self, world, api, sync):
        world.add(person(31))
        run = world.go(sync)
        world.book.remove(card_of(world, 31).id)
        world.go(sync)
        world.add(person(31))
        world.go(sync)
        card = card_of(world, 31)
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been deleted since.")]
        assert card.id in world.book.cards()


class TestCardsThatWereDeleted:
    def test_after_they_had_waited_are_made_again(self, world, api, sync):
        for n in range(10):
            world.remove(one(world, n))
        held = world.go(sync)
        assert held.status == "awaiting_approval"
        world.approve(held)
        assert len(world.book.cards()) == 10
        undo(world, api, world.run(held))
        assert len(world.book.cards()) == 20

    def test_until_their_run_failed_are_made_again(self, world, api, sync):
        for n in range(10):
            world.remove(one(world, n))
        held = world.go(sync)
        world.book.mishaps.extend([None] * 4 + [Mishap.BUSY] * 20)
        world.approve(held)
        world.book.mishaps.clear()
        failed = world.run(held)
        assert (failed.status, len(world.book.cards())) == ("failed", 16)
        undoing, _ = undo(world, api, failed)
        assert (undoing.pushed.added, len(world.book.cards())) == (4, 20)

    def test_and_are_there_again_are_not_made_a_second_time(self, world, api, sync):
        card = card_of(world, 1)
        kept = world.book._kept[card.id]
        world.remove(one(world, 1))
        run = world.go(sync)
        world.book._keep(kept)
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "It has a card in the address book again already.")]
        assert len(world.book.cards()) == 20

    def test_whose_contact_has_another_one_by_now_are_not_made_again(self, world, api, sync):
        world.remove(one(world, 1))
        run = world.go(sync)
        world.add(person(1))
        world.go(sync)
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "It has a card in the address book again already.")]
        assert len(world.book.cards()) == 20

    def test_are_made_again_and_bring_nobody_back(self, world, api, sync):
        world.remove(one(world, 1))
        run = world.go(sync)
        assert run.pushed.deleted == 1
        undoing, rows = undo(world, api, run)
        assert undoing.pushed.added == 1
        assert rows == [("unchanged", "Its card in the address book was made again.")]
        assert card_of(world, 1).fields["notes"] == "Before"
        assert one(world, 1) not in world.everybody()
        stays(world, sync)

    def test_are_made_again_where_no_group_was_chosen(self, world, api):
        for n in range(20):
            world.book.add(person(n))
        sync = world.sync(group="")
        world.go(sync)
        world.remove(one(world, 1))
        undoing, _ = undo(world, api, world.go(sync))
        assert (undoing.pushed.added, len(world.book.cards())) == (1, 20)

    def test_are_made_once_though_a_worker_dies(self, world, api, sync):
        world.remove(one(world, 1))
        run = world.go(sync)
        world.book.mishaps.append(Mishap.BUSY_AFTER)
        undo(world, api, run)
        assert len(world.book.cards()) == 20
        stays(world, sync)


class TestPictures:
    @staticmethod
    def give(world, n, picture, **fields):
        """Somebody gives a contact a picture, and other values with it."""
        contact = one(world, n)
        photo = Album(world.photos, world.account.account_id).keep(contact, picture)
        world.edit(contact, photo=photo, **fields)

    def test_go_with_the_card_that_was_made_and_are_not_told_of(self, world, api, sync):
        world.add(person(31))
        self.give(world, 31, portrait(1))
        _, rows = undo(world, api, world.go(sync))
        assert rows == [("unchanged", "Its card in the address book was deleted.")]

    def test_that_were_changed_since_stay(self, world, api, sync):
        self.give(world, 1, portrait(1))
        run = world.go(sync)
        world.book.picture(card_of(world, 1).id, portrait(2))
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been changed since, and stays.")]
        assert world.book.picture_of(card_of(world, 1).id) == portrait(2)

    def test_whose_former_one_is_kept_no_more_stay(self, world, api, sync):
        self.give(world, 1, portrait(1))
        world.go(sync)
        self.give(world, 1, portrait(2))
        run = world.go(sync)
        Album(world.photos, world.account.account_id).forget([one(world, 1)])
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "The picture of its card stays as it is.")]
        assert world.book.picture_of(card_of(world, 1).id) == portrait(2)

    def test_stay_where_somebody_edits_their_contact_before_it_goes_back(self, world, api, sync):
        card = card_of(world, 1)
        world.book.edit(card.id, {**card.fields, "job_title": "There"})
        self.give(world, 1, portrait(1))
        run = world.go(sync)
        world.ports.contacts = Overtaken(world.contacts, lambda: world.edit(one(world, 1), notes="Edited"))
        undoing, _ = undo(world, api, run)
        world.ports = world.true_ports()
        assert undoing.pushed.updated == 0
        world.go(sync)
        assert world.book.picture_of(card.id) == portrait(1)
        assert world.contact(one(world, 1)).fields["job_title"] == "There"

    def test_of_cards_that_are_gone_since_are_told_of_once(self, world, api, sync):
        self.give(world, 1, portrait(1), notes="After")
        run = world.go(sync)
        world.book.remove(card_of(world, 1).id)
        _, rows = undo(world, api, run)
        assert rows == [("skipped", "Its card has been deleted since.")]

    def test_of_cards_that_have_changed_go_back_with_all_else(self, world, api, sync):
        self.give(world, 1, portrait(1), notes="After")
        _, rows = undo(world, api, world.go(sync))
        assert rows == [
            ("unchanged", f"{REVERSED} Its card in the address book has its former picture again.")
        ]
        card = card_of(world, 1)
        assert (card.fields["notes"], world.book.picture_of(card.id)) == ("Before", None)


def test_deletions_that_were_rejected_are_nothing_to_take_back(world, api, sync):
    for n in range(10):
        world.book.remove(card_of(world, n).id)
    world.edit(one(world, 11), notes="After")
    held = world.go(sync)
    assert held.status == "awaiting_approval"
    api.post(f"/runs/{held.id}/reject")
    _, rows = undo(world, api, world.run(held))
    assert rows == [("unchanged", REVERSED)]


def test_deletions_whose_approval_came_too_late_are_nothing_to_take_back_either(world, api, sync):
    for n in range(10):
        world.book.remove(card_of(world, n).id)
    held = world.go(sync)
    world.edit(one(world, 1), notes="Still here")
    world.remove(one(world, 2))
    world.approve(held)
    blocked = world.run(held)
    assert blocked.status == "blocked"
    undo(world, api, blocked)
    assert one(world, 2) not in world.everybody()


def test_an_undo_is_undone(world, api, sync):
    world.edit(one(world, 1), notes="After")
    world.add(person(31))
    undoing, _ = undo(world, api, world.go(sync))
    assert len(world.book.cards()) == 20
    undo(world, api, undoing)
    assert len(world.book.cards()) == 21
    assert card_of(world, 1).fields["notes"] == "After"
    stays(world, sync)


def test_an_undo_that_made_a_card_of_nobody_again_is_undone(world, api, sync):
    world.remove(one(world, 1))
    undoing, _ = undo(world, api, world.go(sync))
    assert len(world.book.cards()) == 20
    again, rows = undo(world, api, undoing)
    assert rows == [("unchanged", "Its card in the address book was deleted.")]
    assert len(world.book.cards()) == 19
    stays(world, sync)
    undo(world, api, again)
    assert len(world.book.cards()) == 20
    stays(world, sync)


def test_a_book_that_is_not_connected_any_more_keeps_its_cards_and_says_so(world, api, sync):
    card = card_of(world, 1)
    world.edit(one(world, 1), nickname="Here")
    world.book.edit(card.id, {**card.fields, "job_title": "There"})
    world.edit(one(world, 2), notes="After")
    run = world.go(sync)
    world.control.update_connection(
        run.account_id, "n1", lambda each: each.model_copy(update={"state": "lost"})
    )
    _, rows = undo(world, api, run)
    assert "job_title" not in world.contact(one(world, 1)).fields
    assert {outcome for outcome, _ in rows} == {"updated", "skipped"}
    assert all("not connected" in reason for _, reason in rows)


def test_a_run_that_only_wrote_to_the_book_and_failed_then_can_be_undone(world, api, sync):
    for n in range(31, 61):  # ten at a time
        world.add(person(n))
    world.book.mishaps.extend([None] * 12 + [Mishap.BUSY] * 20)
    run = world.go(sync)
    world.book.mishaps.clear()
    assert (run.status, len(world.book.cards())) == ("failed", 32)
    _, rows = undo(world, api, run)
    assert len(world.book.cards()) == 20
    deleted = [row for row in rows if row == ("unchanged", "Its card in the address book was deleted.")]
    assert (len(deleted), len(rows)) == (12, 20), "what it never began is not told of"

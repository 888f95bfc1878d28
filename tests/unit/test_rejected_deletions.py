"""Deletions of a sync with an address book that somebody has rejected: both sides keep whom they have, and nobody asks again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from contactsync.connectors.memory import MemoryConnector
from contactsync.errors import Busy
from contactsync.journeys.asked import deciding
from contactsync.model.card import Draft, Outcome
from contactsync.model.run import Run
from tests.faults.bookscenes import asked_of, caller
from tests.support.bookworld import CONNECTION, GAP, BookWorld, one_of, person
from tests.support.hubworld import donated

PEOPLE = 20
LOST = 10


def reject(world: BookWorld, run: Run) -> Run:
    """Somebody says no."""
    return deciding.reject(asked_of(world), caller(world), run.id, {})


def lose(world: BookWorld, side: str, numbers: Any) -> None:
    """Somebody deletes these people, in the book or in the list."""
    for n in numbers:
        if side == "book":
            world.book.remove(world.links()[one_of(world, n)].id)
        else:
            world.remove(one_of(world, n))


def in_step(direction: str = "both", people: int = PEOPLE) -> tuple[Any, str]:
    """A book and a list of the same people."""
    world = BookWorld()
    for n in range(people):
        world.book.add(person(n))
    if direction == "push":
        for n in range(people):
            world.add(person(n))
    sync = world.sync(direction=direction)
    for _ in range(2):
        world.go(sync)
    assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == people
    return world, sync


def sizes(world: BookWorld) -> tuple[int, int]:
    return len(world.everybody()), len(world.book.cards())


def card_of(world: BookWorld, n: int) -> str:
    return next(
        id_ for id_, card in world.book.cards().items() if card.fields["name"].startswith(f"Person {n}")
    )


def written(run: Run) -> tuple[int, ...]:
    here, there = run.counts, run.pushed
    return here.added, here.updated, here.deleted, there.added, there.updated, there.deleted


NOTHING = (0,) * 6


class TestTheBookLostCards:
    @pytest.fixture(params=["both", "pull"])
    def rejected(self, request):
        world, sync = in_step(request.param)
        lose(world, "book", range(LOST))
        run = world.go(sync)
        assert (run.status, run.verdict.code) == ("awaiting_approval", "too_many_deletions")
        told = reject(world, run)
        assert (told.status, told.warnings[-1].code) == ("succeeded", "deletions_rejected")
        assert "no later run asks" in told.warnings[-1].message
        return world, sync, request.param

    def test_nobody_is_asked_again_and_the_contacts_stay(self, rejected):
        world, sync, _ = rejected
        run = world.go(sync)
        assert (run.status, written(run), run.counts.rows) == ("succeeded", NOTHING, 0)
        assert world.go(sync).status == "unchanged"
        world.book.expire_cursors()
        assert written(world.go(sync)) == NOTHING
        assert sizes(world) == (PEOPLE, PEOPLE - LOST)

    def test_an_edit_brings_the_contact_back_where_the_sync_writes_cards(self, rejected):
        world, sync, direction = rejected
        world.go(sync)
        world.edit(one_of(world, 0), nickname="Edited")
        run = world.go(sync)
        assert run.pushed.added == (1 if direction == "both" else 0)
        assert sizes(world) == (PEOPLE, PEOPLE - LOST + run.pushed.added)
        assert written(world.go(sync)) == NOTHING

    def test_an_edit_between_the_plan_and_the_next_run_counts(self, rejected):
        world, sync, direction = rejected
        world.edit(one_of(world, 0), nickname="Edited")
        assert written(world.go(sync)) == (0, 0, 0, int(direction == "both"), 0, 0)
        assert len(world.everybody()) == PEOPLE

    def test_who_is_deleted_here_then_is_gone(self, rejected):
        world, sync, _ = rejected
        world.go(sync)
        world.remove(one_of(world, 0))
        assert written(world.go(sync)) == NOTHING
        assert world.go(sync).status == "unchanged"
        world.book.expire_cursors()
        assert written(world.go(sync)) == NOTHING
        assert sizes(world) == (PEOPLE - 1, PEOPLE - LOST)
        assert one_of(world, 0) not in world.links()

    def test_who_was_edited_and_is_deleted_in_the_book_then_goes_here_as_well(self, rejected):
        world, sync, direction = rejected
        if direction == "pull":
            return
        world.edit(one_of(world, 0), nickname="Edited")
        for _ in range(2):
            world.go(sync)
        lose(world, "book", [0])
        run = world.go(sync)
        assert (run.status, run.counts.deleted) == ("succeeded", 1)
        assert sizes(world) == (PEOPLE - 1, PEOPLE - LOST)

    def test_a_card_that_is_put_back_is_theirs_again(self, rejected):
        """Who lost them by accident has them from the provider's bin."""
        world, sync, _ = rejected
        world.go(sync)
        card = world.book.add(person(0, notes="From the bin"))
        run = world.go(sync)
        assert (run.counts.added, run.counts.updated, run.pushed.added) == (0, 1, 0)
        assert world.links()[one_of(world, 0)].id == card
        assert world.contact(one_of(world, 0)).fields["notes"] == "From the bin"

    def test_those_who_follow_each_other_yet_go_on_doing_so(self, rejected):
        world, sync, direction = rejected
        card = card_of(world, 15)
        world.book.edit(card, person(15, notes="There"))
        world.edit(one_of(world, 16), notes="Here")
        run = world.go(sync)
        assert written(run) == (0, 1, 0, 0, int(direction == "both"), 0)


class TestTheListLostContacts:
    @pytest.fixture(params=["both", "push"])
    def rejected(self, request):
        world, sync = in_step(request.param)
        lose(world, "list", range(LOST))
        run = world.go(sync)
        assert (run.status, run.verdict.code) == ("awaiting_approval", "too_many_deletions")
        assert reject(world, run).status == "succeeded"
        return world, sync, request.param

    def test_nobody_is_asked_again_and_the_cards_stay(self, rejected):
        world, sync, _ = rejected
        run = world.go(sync)
        assert (run.status, written(run)) == ("succeeded", NOTHING)
        assert world.go(sync).status == "unchanged"
        world.book.expire_cursors()
        assert written(world.go(sync)) == NOTHING
        assert sizes(world) == (PEOPLE - LOST, PEOPLE)

    def test_an_edit_brings_the_card_s_person_back_where_the_sync_writes_contacts(self, rejected):
        world, sync, direction = rejected
        world.go(sync)
        world.book.edit(card_of(world, 2), person(2, notes="Edited"))
        run = world.go(sync)
        assert run.counts.added == (1 if direction == "both" else 0)
        assert sizes(world) == (PEOPLE - LOST + run.counts.added, PEOPLE)
        assert world.go(sync).status == "unchanged"

    def test_an_edit_between_the_plan_and_the_next_run_counts(self, rejected):
        world, sync, direction = rejected
        world.book.edit(card_of(world, 2), person(2, notes="Edited"))
        assert written(world.go(sync)) == (int(direction == "both"), 0, 0, 0, 0, 0)
        assert len(world.book.cards()) == PEOPLE

    def test_a_card_that_is_deleted_there_then_is_gone(self, rejected):
        world, sync, _ = rejected
        world.go(sync)
        world.book.remove(card_of(world, 2))
        assert written(world.go(sync)) == NOTHING
        assert world.go(sync).status == "unchanged"
        assert sizes(world) == (PEOPLE - LOST, PEOPLE - 1)

    def test_who_came_back_and_is_deleted_here_then_goes_there_as_well(self, rejected):
        world, sync, direction = rejected
        if direction == "push":
            return
        world.book.edit(card_of(world, 2), person(2, notes="Edited"))
        for _ in range(2):
            world.go(sync)
        world.remove(one_of(world, 2))
        run = world.go(sync)
        assert (run.status, run.pushed.deleted) == ("succeeded", 1)
        assert sizes(world) == (PEOPLE - LOST, PEOPLE - 1)

    def test_who_is_added_again_here_has_their_card(self, rejected):
        world, sync, _ = rejected
        world.go(sync)
        world.add(person(2, notes="Added again"))
        run = world.go(sync)
        assert (run.pushed.added, run.pushed.updated) == (0, 1)
        assert sizes(world) == (PEOPLE - LOST + 1, PEOPLE)


@pytest.mark.parametrize("side", ["book", "list"])
class TestWhicheverSide:
    def test_an_approval_of_others_later_does_not_delete_them(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        reject(world, world.go(sync))
        lose(world, side, range(LOST, LOST + 6))
        run = world.go(sync)
        assert (run.status, run.verdict.code) == ("awaiting_approval", "too_many_deletions")
        assert "would delete 6 of 10 contacts" in run.verdict.title
        world.approve(run)
        there, here = sorted(sizes(world))
        assert (here, there) == (PEOPLE - 6, PEOPLE - LOST - 6)
        assert world.run(run).counts.deleted + world.run(run).pushed.deleted == 6

    def test_what_was_superseded_is_asked_for_again_with_the_same_figures(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        first = world.go(sync)
        again = world.go(sync)
        assert world.run(first).warnings[-1].code == "deletions_superseded"
        assert (again.status, again.verdict) == ("awaiting_approval", first.verdict)
        reject(world, again)
        assert written(world.go(sync)) == NOTHING
        assert max(sizes(world)) == PEOPLE

    def test_a_side_that_was_emptied_leaves_the_other_as_it_is(self, side):
        world, sync = in_step(people=3)
        lose(world, side, range(3))
        run = world.go(sync)
        assert run.verdict.code == "book_emptied"
        reject(world, run)
        for _ in range(2):
            assert written(world.go(sync)) == NOTHING
        world.book.expire_cursors()
        assert written(world.go(sync)) == NOTHING
        assert sorted(sizes(world)) == [0, 3]

    def test_a_dry_run_shows_them_no_more_either(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        reject(world, world.go(sync))
        looked = world.go(sync, dry_run=True)
        assert (looked.status, looked.planned.deleted, looked.planned_there.deleted) == ("succeeded", 0, 0)
        assert written(world.go(sync)) == NOTHING
        assert max(sizes(world)) == PEOPLE

    def test_the_plan_of_a_dry_run_that_is_carried_out_next_settles_them(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        reject(world, world.go(sync))
        looked = world.go(sync, dry_run=True)
        assert written(world.go(sync, plan_of=looked.id)) == NOTHING
        world.book.expire_cursors()
        assert written(world.go(sync)) == NOTHING
        assert max(sizes(world)) == PEOPLE

    def test_a_cancelled_run_that_waited_is_rejected(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        run = world.go(sync)
        deciding.cancel(asked_of(world), caller(world), run.id, {})
        assert written(world.go(sync)) == NOTHING
        assert max(sizes(world)) == PEOPLE

    def test_a_plan_that_was_withdrawn_is_no_rejection(self, side):
        """Somebody of it was erased, which says nothing of the others."""
        world, sync = in_step()
        lose(world, side, range(LOST))
        run = world.go(sync)
        world.control.update_run(run.account_id, run.id, deciding.withdrawn)
        again = world.go(sync)
        assert (again.status, again.verdict) == ("awaiting_approval", run.verdict)

    def test_the_rest_can_be_undone_and_they_stay_settled(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        world.add(person(30))
        run = reject(world, world.go(sync))
        assert run.pushed.added == 1
        undone = world.go(sync, undoes=run.id)
        assert (undone.status, undone.pushed.deleted) == ("succeeded", 1)
        assert written(world.go(sync)) == NOTHING
        assert max(sizes(world)) == PEOPLE + (side == "book")

    def test_the_links_say_so(self, side):
        world, sync = in_step()
        lose(world, side, range(LOST))
        reject(world, world.go(sync))
        world.go(sync)
        reads = world.control.links(world.account.account_id, CONNECTION)
        states = [read.value.state for read in reads]
        assert sorted(states) == sorted(["unmade" if side == "book" else "closed"] * LOST + ["linked"] * 10)


def test_a_contact_that_a_deletion_would_have_beaten_is_left_alone_too():
    """It had been edited when its card went: what it was in the plan counts, not what both sides last agreed on."""
    world = BookWorld()
    for n in range(PEOPLE):
        world.book.add(person(n))
    sync = world.sync(limits={"deletions": "deletion_wins"})
    for _ in range(2):
        world.go(sync)
    for n in range(LOST):
        world.edit(one_of(world, n), nickname="Edited")
    lose(world, "book", range(LOST))
    reject(world, world.go(sync))
    for _ in range(2):
        assert written(world.go(sync)) == NOTHING
    assert sizes(world) == (PEOPLE, PEOPLE - LOST)


class _Dying(MemoryConnector):
    """A way into a book that breaks off before any card is made."""

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        raise Busy("away")


@pytest.mark.parametrize("rejects", [True, False])
def test_a_card_that_was_begun_anew_and_never_made_leaves_nothing_behind(rejects: bool):
    """Its creation was announced under one name and tried again under another: every later run asked the book for the first."""
    world, sync = in_step()
    lose(world, "book", range(LOST if rejects else 1))
    if rejects:
        reject(world, world.go(sync))
    world.edit(one_of(world, 0), nickname="Edited")
    world.connect = lambda _: _Dying(world.book)
    assert world.go(sync).status == "failed"
    assert len(world.control.intents(world.account.account_id, CONNECTION)) == 1
    world.connect = None
    assert world.go(sync).pushed.added == 1
    assert not world.control.intents(world.account.account_id, CONNECTION)


@pytest.mark.parametrize("decided", [True, False])
def test_what_waits_after_a_rejection_is_news(decided: bool):
    """Where a schedule has several runs a day, what nobody has decided is told once a day."""
    world, _ = in_step()
    hourly = {"start": "2026-11-22T09:00", "time_zone": "UTC", "recurrence": "FREQ=HOURLY"}
    sync = world.sync(notify={"emails": ["owner@example.com"], "on": "problems"}, schedule=hourly)

    def scheduled() -> Run:
        world.clock.advance(GAP)
        asked = world.ask(sync)
        world.control.update_run(
            asked.account_id, asked.id, lambda run: run.model_copy(update={"trigger": "schedule"})
        )
        world.execute(world.run(asked))
        return cast(Run, world.run(asked))

    world.go(sync)
    world.mailer.sent.clear()
    lose(world, "book", range(LOST))
    held = scheduled()
    [mail] = world.mailer.sent
    assert "Each side then keeps whom it has, and no later run asks" in " ".join(mail.text.split())
    if decided:
        reject(world, held)
        lose(world, "book", range(LOST, LOST + 6))
    assert scheduled().status == "awaiting_approval"
    assert len(world.mailer.sent) == (2 if decided else 1)


def test_in_the_hub_the_boxes_stay_and_who_ticks_anew_has_the_card():
    world = donated()
    world.settle()
    ids = {name: id_ for name, id_ in world.ids().items() if name.startswith("Filler")}
    lost = sorted(ids)[:LOST]
    for name in lost:
        world.anna.delete(name)
    reject(world, world.anna.go())
    for _ in range(2):
        assert written(world.anna.go()) == NOTHING
    assert {ids[name] for name in lost} <= world.anna.ticked()
    world.anna.untick(ids[lost[0]])
    assert written(world.anna.go()) == NOTHING
    world.anna.tick(ids[lost[0]])
    assert world.anna.go().pushed.added == 1
    assert world.anna.named(lost[0])
    assert len(world.ids()) == 21

"""The shared hub: each member chooses contact by contact what is in their own address book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from contactsync.connectors.memory import ALL, Habits, MemoryConnector, Mishap
from tests.contract.cards import ADA
from tests.support.hubworld import FILLERS, HubWorld, donated

BOB = {"name": "Bob Kahn", "emails": [{"value": "bob@example.com"}]}


@pytest.fixture
def world():
    return donated()


NAME = ADA["name"]


def ada(world: HubWorld) -> str:
    return world.ids()[NAME]


def remove_member(world: HubWorld, member_id: str) -> None:
    """As when their boxes were taken away, and a run that is at work with their book has not noticed."""
    control, account_id = world.control, world.account.account_id
    control.records.commit(control.drop_member(control.read_member(account_id, member_id)))
    control.untick_all(account_id, member_id)


class TestBoxes:
    def test_donated_contacts_come_in_ticked_for_the_donor(self, world):
        assert world.anna.ticked() == frozenset(world.ids().values())

    def test_others_contacts_are_in_nobody_s_book_until_they_are_ticked(self, world):
        assert world.ben.book.cards() == {}
        world.ben.tick(ada(world))
        world.settle()
        assert [card.fields["name"] for card in world.ben.book.cards().values()] == [NAME]

    def test_edits_go_in_to_the_hub_and_out_to_all_others(self, world):
        world.ben.tick(ada(world))
        world.settle()
        world.ben.edit(NAME, job_title="Dame")
        world.settle()
        assert world.contact(ada(world)).fields["job_title"] == "Dame"
        assert world.anna.book.cards()[world.anna.named(NAME)].fields["job_title"] == "Dame"
        world.edit(ada(world), nickname="A")
        world.settle()
        for member in world.members.values():
            assert member.book.cards()[member.named(NAME)].fields["nickname"] == "A"

    def test_unticking_stops_and_leaves_the_card(self, world):
        world.anna.untick(ada(world))
        world.settle()
        world.edit(ada(world), nickname="A")
        world.anna.edit(NAME, job_title="Dame")
        world.settle()
        card = world.anna.book.cards()[world.anna.named(NAME)]
        assert "nickname" not in card.fields
        assert world.contact(ada(world)).fields["job_title"] == ADA["job_title"]

    def test_who_ticks_again_has_one_card_with_what_both_have_changed(self, world):
        world.anna.untick(ada(world))
        world.settle()
        world.edit(ada(world), nickname="A")
        world.anna.edit(NAME, job_title="Dame")
        world.settle()
        world.anna.tick(ada(world))
        world.settle()
        card = world.anna.book.cards()[world.anna.named(NAME)]
        assert (card.fields["nickname"], card.fields["job_title"]) == ("A", "Dame")
        assert world.contact(ada(world)).fields["job_title"] == "Dame"

    def test_who_has_somebody_already_and_brings_them_in_is_not_doubled(self, world):
        """The hub knows Ada; Ben has a card of hers, too."""
        world.ben.book.add({**ADA, "notes": "From Ben"})
        world.settle()
        assert len(world.ids()) == FILLERS + 1
        assert ada(world) in world.ben.ticked()
        assert world.anna.book.cards()[world.anna.named(NAME)].fields["notes"] == "From Ben"

    def test_two_who_edit_at_once_both_find_both_edits(self, world):
        world.ben.tick(ada(world))
        world.settle()
        world.anna.edit(NAME, job_title="Dame")
        world.ben.edit(NAME, nickname="A")
        world.settle()
        for member in world.members.values():
            fields = member.book.cards()[member.named(NAME)].fields
            assert (fields["job_title"], fields["nickname"]) == ("Dame", "A")

    def test_of_a_member_who_is_gone_are_none_after_a_run_that_brought_somebody_in_for_them(self, world):
        world.ben.book.add(BOB)

        class Leaving(MemoryConnector):
            def pull(self, *arguments):
                yield from super().pull(*arguments)
                remove_member(world, world.ben.id)

        world.connect = lambda connection: Leaving(world.books[connection.id])
        world.ben.go()
        assert BOB["name"] in world.ids()
        assert world.ben.ticked() == frozenset()
        assert world.control.subscribers(world.account.account_id, world.ids()[BOB["name"]]) == frozenset()

    def test_two_who_edit_in_turn_are_taken_for_people(self, world):
        """Each answers the other, and nobody's value comes back."""
        world.ben.tick(ada(world))
        world.settle()
        for turn in range(5):
            for member in (world.anna, world.ben):
                member.edit(NAME, job_title=f"Countess {turn} of {member.id}")
                world.anna.go()
                world.ben.go()
        world.settle()
        for member in world.members.values():
            assert (
                member.book.cards()[member.named(NAME)].fields["job_title"] == f"Countess 4 of {world.ben.id}"
            )

    def test_two_programs_that_keep_their_own_value_are_stopped(self, world):
        world.ben.tick(ada(world))
        world.settle()
        for _ in range(5):
            for member in (world.anna, world.ben):
                member.edit(NAME, job_title=f"Countess of {member.id}")
                world.anna.go()
                world.ben.go()
        titles = [
            member.book.cards()[member.named(NAME)].fields["job_title"] for member in world.members.values()
        ]
        assert len(set(titles)) == 2

    def test_a_program_that_answers_with_our_own_former_value_is_stopped(self, world):
        """It copies with a delay; somebody here goes on to correct what it undoes."""
        before = ADA["job_title"]
        for turn in range(6):
            world.edit(ada(world), job_title=f"Countess {turn}")
            world.anna.go()
            world.anna.edit(NAME, job_title=before)
            world.anna.go()
            before = f"Countess {turn}"
        assert (
            world.contact(ada(world)).fields["job_title"]
            != world.anna.book.cards()[world.anna.named(NAME)].fields["job_title"]
        )


@dataclass(frozen=True)
class Deletion:
    """One row of the table: who has ticked, what is done in order, and who then has the contact."""

    row: str
    ben_too: bool
    steps: tuple[str, ...]
    hub: bool
    anna: bool
    ben: bool


TABLE = (
    Deletion("3.12 deleted in the hub: the cards stay", True, ("hub",), hub=False, anna=True, ben=True),
    Deletion(
        "deleted in the hub, then edited in a book: not brought back",
        True,
        ("hub", "edit anna"),
        hub=False,
        anna=True,
        ben=True,
    ),
    Deletion(
        "deleted in a book, others have it: it stays, and comes back",
        True,
        ("delete anna",),
        hub=True,
        anna=True,
        ben=True,
    ),
    Deletion(
        "deleted in the book of the only one: gone",
        False,
        ("delete anna",),
        hub=False,
        anna=False,
        ben=False,
    ),
    Deletion(
        "unticked first, then deleted: the hub keeps it",
        False,
        ("untick anna", "delete anna"),
        hub=True,
        anna=False,
        ben=False,
    ),
    Deletion(
        "unticked and deleted before any run",
        False,
        ("untick anna, delete anna",),
        hub=True,
        anna=False,
        ben=False,
    ),
    Deletion(
        "unticked: the card stays and follows no more",
        True,
        ("untick anna",),
        hub=True,
        anna=True,
        ben=True,
    ),
    Deletion(
        "after the others have unticked: gone",
        True,
        ("untick ben", "delete anna"),
        hub=False,
        anna=False,
        ben=True,
    ),
    Deletion(
        "deleted by two at once: neither is the only one",
        True,
        ("delete anna, delete ben",),
        hub=True,
        anna=True,
        ben=True,
    ),
    Deletion(
        "deleted by two one after the other: both have it again",
        True,
        ("delete anna", "delete ben"),
        hub=True,
        anna=True,
        ben=True,
    ),
    Deletion(
        "deleted in the hub and by the only one",
        False,
        ("hub, delete anna",),
        hub=False,
        anna=False,
        ben=False,
    ),
    Deletion(
        "edited in the hub while the only one deletes: the edit wins",
        False,
        ("edit hub, delete anna",),
        hub=True,
        anna=True,
        ben=False,
    ),
)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.row)
def test_what_becomes_of_contact_and_cards(world: HubWorld, case: Deletion) -> None:
    if case.ben_too:
        world.ben.tick(ada(world))
        world.settle()
    contact = ada(world)
    for step in case.steps:
        for word in step.split(", "):
            match word.split():
                case ["hub"]:
                    world.remove(contact)
                case ["edit", "hub"]:
                    world.edit(contact, nickname="A")
                case ["edit", who]:
                    getattr(world, who).edit(NAME, notes="Mine")
                case ["delete", who]:
                    getattr(world, who).delete(NAME)
                case ["untick", who]:
                    getattr(world, who).untick(contact)
        world.settle()
    assert (contact in world.everybody()) is case.hub
    assert (world.anna.named(NAME) is not None) is case.anna
    assert (world.ben.named(NAME) is not None) is case.ben
    if not case.hub:
        for member in world.members.values():
            assert contact not in member.ticked(), "who adds this person again has not asked these members"


def test_after_taking_a_contact_back_another_donor_s_card_reaches_nobody_unasked(world):
    """Use for personal contacts that were donated by mistake."""
    world.ben.tick(ada(world))
    world.settle()
    world.remove(ada(world))
    world.settle()
    before = world.ben.book.cards()
    again = world.add({**ADA, "notes": "Somebody else's"})
    world.settle()
    assert again in world.everybody()
    assert world.ben.book.cards() == before


def test_ticked_again_after_the_card_was_deleted_it_is_made_again(world):
    world.anna.untick(ada(world))
    world.settle()
    world.anna.delete(NAME)
    world.anna.tick(ada(world))
    world.settle()
    assert ada(world) in world.everybody()
    assert world.anna.named(NAME) is not None


@pytest.mark.parametrize("unticked", [False, True])
def test_who_makes_a_card_anew_doubles_nobody(world, unticked):
    """Some programs, and people, replace a card instead of editing it; Ben has her, too."""
    world.ben.tick(ada(world))
    world.settle()
    if unticked:
        world.anna.untick(ada(world))
        world.settle()
    world.anna.delete(NAME)
    world.anna.book.add({**ADA, "job_title": "Dame"})
    world.settle()
    assert len(world.ids()) == len(world.everybody()) == FILLERS + 1
    assert world.anna.named(NAME) is not None
    followed = world.contact(ada(world)), world.ben.book.cards()[world.ben.named(NAME)]
    assert {each.fields["job_title"] for each in followed} == {ADA["job_title"] if unticked else "Dame"}


def test_in_the_one_way_out_who_is_ticked_is_in_the_book(world):
    """No deletion there reaches the hub, so it can only mean that the card is wanted again, or was an accident."""
    source = {"kind": "connection", "connection_id": "n2", "group": ALL}
    sync = world.sync(source=source, selection="subscribed", direction="push")
    for contact in world.everybody():
        world.ben.tick(contact)
    world.go(sync)
    world.anna.untick(ada(world))
    world.ben.delete(NAME)
    world.go(sync)
    assert world.ben.named(NAME) is not None
    world.ben.untick(ada(world))
    world.go(sync)
    world.ben.delete(NAME)
    world.go(sync)
    assert world.ben.named(NAME) is None
    assert ada(world) in world.everybody()


def test_whom_somebody_has_ticked_since_is_not_deleted_by_an_approval(world):
    """A plan may wait for days, and the only one may not be the only one by then."""
    cards = list(world.anna.book.cards())
    for card in cards[: FILLERS // 2]:
        world.anna.book.remove(card)
    run = world.anna.go()
    assert run.status == "awaiting_approval"
    world.ben.tick(ada(world))
    world.ben.go()
    world.approve(run)
    assert world.run(run).problem.code == "plan_is_stale"
    assert ada(world) in world.everybody()
    again = world.anna.go()
    assert again.status == "awaiting_approval"
    world.approve(again)
    assert set(world.ids()) & {NAME, "Filler 0"} == {NAME}
    assert world.anna.named(NAME) is not None


def test_a_card_pushed_back_out_is_there_once_though_the_answer_is_lost():
    """Case 4."""
    world = HubWorld(habits=Habits(shows_after=timedelta(minutes=15)))
    world.anna.book.add(ADA)
    world.clock.advance(timedelta(hours=1))
    world.settle()
    world.ben.tick(ada(world))
    world.settle()
    world.anna.delete(NAME)
    world.clock.advance(timedelta(hours=1))
    world.anna.book.mishaps.append(Mishap.LOST)
    for _ in range(3):
        world.settle()
    assert world.anna.named(NAME) is not None
    assert ada(world) in world.everybody()


def test_the_guard_holds_many_deletions_of_the_only_one(world):
    for card in list(world.anna.book.cards()):
        world.anna.book.remove(card)
    run = world.anna.go()
    assert run.status == "awaiting_approval"
    assert len(world.everybody()) == FILLERS + 1

"""Whose an email address is: families share one in books, and who is deleted has theirs again when they come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.model.field import FieldSpec
from contactsync.model.run import Run
from tests.support.bookworld import one_of, person
from tests.support.calling import ApiBookWorld
from tests.support.world import World

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
NUMBERS = [{"column": "number", "field": "number"}, *NAMES]
HOME = "home@example.com"
ADA, WILLIAM = ({"name": name, "emails": [{"value": HOME}]} for name in ("Ada", "William"))
OTHERS = "".join(f"p{n}@example.com,Person {n}\n" for n in range(30))
NUMBERED = "number,email,name\n" + "".join(f"{n},{row}\n" for n, row in enumerate(OTHERS.splitlines()))


@pytest.fixture
def world(book_world: ApiBookWorld) -> ApiBookWorld:
    spec = FieldSpec(key="number", label="Number", type="text")
    book_world.control.create_field(book_world.account.account_id, spec)
    return book_world


def imported(world: ApiBookWorld, text: str, mapping: list[dict[str, Any]], **asked: Any) -> Run:
    """A file that says who there is, and nobody else."""
    world.clock.advance(timedelta(hours=1))
    run = world.request(text, mapping, options={"delete_missing": {"scope": "all"}}, **asked)
    World.execute(world, run)
    return world.run(run)


def undone(world: ApiBookWorld, run: Run) -> Run:
    world.clock.advance(timedelta(hours=1))
    undo = world.again(run.sync_id, "", undoes=run.id)
    World.execute(world, undo)
    return world.run(undo)


def family(world: ApiBookWorld) -> list[str]:
    """Who has the address, by name."""
    return sorted(
        each["name"] for each in world.everybody().values() if {"value": HOME} in each.get("emails", [])
    )


def test_both_come_back(world):
    for each in (ADA, WILLIAM, *map(person, range(30))):
        world.book.add(each)
    world.go(world.sync())
    before = world.everybody()
    run = imported(world, "email,name\n" + OTHERS, NAMES)
    assert (run.counts.deleted, family(world)) == (2, [])
    undo = undone(world, run)
    assert (undo.counts.rows, undo.counts.added) == (2, 2)
    assert world.everybody() == before


class TestOneOfThem:
    @pytest.fixture
    def run(self, world, api):
        """One is of the file, the other came from a book and is deleted, as the file does not know them."""
        text = f"{NUMBERED}30,{HOME},Ada\n"
        imported(world, text, NUMBERS, identity={"field": "number"})
        world.book.add(WILLIAM)
        sync = world.sync(direction="pull")
        world.go(sync)
        [review] = api.get("/connections/n1/reviews").json["items"]
        assert api.patch(f"/connections/n1/reviews/{review['id']}", {"decision": "new"}).status == 200
        world.go(sync)
        assert family(world) == ["Ada", "William"]
        run = imported(world, f"{text}31,,New\n", NUMBERS, identity={"field": "number"})
        assert (run.counts.deleted, family(world)) == (1, ["Ada"])
        return run

    def test_comes_back_to_the_other(self, world, run):
        undo = undone(world, run)
        assert (undo.counts.rows, undo.counts.added, undo.counts.deleted) == (1, 1, 1)
        assert family(world) == ["Ada", "William"]

    def test_stays_away_from_whom_somebody_has_changed_since_and_is_told_whose_the_address_is(
        self, world, api, run
    ):
        [holder] = api.get(f"/contacts?email={HOME}").json["items"]
        assert api.patch(f"/contacts/{holder['id']}", {"fields": {"notes": "Since"}}).status == 200
        undo = undone(world, run)
        assert (undo.counts.rows, undo.counts.skipped, undo.counts.deleted) == (1, 1, 1)
        assert family(world) == ["Ada"]
        [reason] = [
            row["reason"]
            for row in api.get(f"/runs/{undo.id}/rows").json["items"]
            if row["outcome"] == "skipped"
        ]
        assert reason == (
            f"Its email address is that of contact {holder['id']} now, so it stays deleted. To have it back, give that contact "
            "another address, and add this one by hand."
        )


def test_who_comes_back_from_a_book_has_their_address_again(world, api):
    """They were first known by another one. An import by email is not to add them a second time."""
    for n in range(6):
        world.book.add(person(n))
    sync = world.sync()
    world.go(sync)
    ada = one_of(world, 1)
    assert api.patch(f"/contacts/{ada}", {"fields": {"email": HOME}}).status == 200
    world.go(sync)
    card = world.links()[ada].id
    assert api.delete(f"/contacts/{ada}").status == 204
    world.book.edit(card, {**world.book.cards()[card].fields, "notes": "Edited"})
    world.go(sync)
    run = world.request(f"email,name\n{HOME},Ada\n", NAMES)
    World.execute(world, run)
    assert (world.run(run).counts.updated, world.run(run).counts.added) == (1, 0)
    assert [each["id"] for each in api.get(f"/contacts?email={HOME}").json["items"]] == [ada]


def test_who_comes_back_and_who_is_new_with_their_address_are_two(world, api):
    """The new card was taken for the deleted contact's: one contact came of two cards."""
    for each in (ADA, *map(person, range(6))):
        world.book.add(each)
    sync = world.sync()
    world.go(sync)
    ada = world.id_of(HOME)
    card = world.links()[ada].id
    assert api.delete(f"/contacts/{ada}").status == 204
    world.book.edit(card, {**world.book.cards()[card].fields, "notes": "Edited"})
    world.book.add(WILLIAM)
    run = world.go(sync)
    assert (run.counts.added, family(world)) == (2, ["Ada", "William"])
    assert {link.id for link in world.links().values()} == set(world.book.cards())


def test_who_is_new_has_the_address_of_somebody_deleted_and_counts_once(world, api):
    for each in (ADA, *map(person, range(12))):
        world.book.add(each)
    sync = world.sync()
    world.go(sync)
    assert api.delete(f"/contacts/{world.id_of(HOME)}").status == 204
    world.book.add(WILLIAM)
    run = world.go(sync)
    assert (run.counts.added, run.counts.unchanged, family(world)) == (1, 1, ["William"])
    [found] = api.get(f"/contacts?email={HOME}").json["items"]
    assert found["fields"]["name"] == "William"
    assert "Ada" not in {card.fields["name"] for card in world.book.cards().values()}

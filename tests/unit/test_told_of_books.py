"""What people are told of a run with an address book, by mail and in lists: what it did there, and whom it would delete there."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from contactsync.connectors.memory import MemoryConnector
from contactsync.model.card import Refused
from tests.support.bookworld import one_of, person
from tests.support.calling import ApiBookWorld, Client

MINE = {"kind": "connection", "connection_id": "n1"}


@pytest.fixture
def world(book_world: ApiBookWorld) -> ApiBookWorld:
    return book_world


def saved(api: Client, **asked: Any) -> str:
    notify = {"emails": ["owner@example.com"], "on": asked.pop("on", "every_run")}
    answer = api.post("/syncs", {"name": "Book", "source": MINE, "notify": notify, **asked})
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def mails(world: ApiBookWorld) -> list[Any]:
    """What has come since the last look."""
    found = list(world.mailer.sent)
    world.mailer.sent.clear()
    return found


def facts(mail: Any) -> dict[str, str]:
    lines = (line.partition("  ") for line in mail.text.splitlines() if "  " in line)
    return {label: value.strip() for label, _, value in lines}


# The mail


def test_it_says_what_was_done_in_the_book(world: ApiBookWorld, api: Client) -> None:
    ids = [world.add(person(number)) for number in range(3)]
    sync = saved(api)
    assert world.go(sync).pushed.added == 3
    [mail] = mails(world)
    assert mail.subject == "Book: in the address book 3 added"
    assert facts(mail)["Cards added"] == "3"
    world.edit(ids[0], name="Renamed")
    world.remove(ids[1])
    world.book.add(person(9))
    world.go(sync)
    [mail] = mails(world)
    assert mail.subject == "Book: 1 added; in the address book 1 updated, 1 deleted"
    assert (facts(mail)["Cards updated"], facts(mail)["Cards deleted"]) == ("1", "1")


def test_a_dry_run_says_what_would_be_done_in_the_book(world: ApiBookWorld, api: Client) -> None:
    world.add(person(1))
    world.go(saved(api), dry_run=True)
    [mail] = mails(world)
    assert mail.subject == "Book: dry run, in the address book 1 would be added"
    assert facts(mail)["Cards added"] == "1"


def test_a_change_in_the_book_is_one(world: ApiBookWorld, api: Client) -> None:
    """Who asks to hear of changes hears of those that a push has made."""
    sync = saved(api, on="changes", direction="push")
    world.add(person(1))
    world.go(sync)
    assert len(mails(world)) == 1
    world.go(sync)
    assert mails(world) == []


def test_a_card_that_the_book_does_not_take_is_a_problem(
    world: ApiBookWorld, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = saved(api, on="problems")
    world.add(person(1))

    def refuses(_: Any, group: str, drafts: Any) -> Any:
        return ((draft, Refused("not_taken", "It is too long.")) for draft in drafts)

    monkeypatch.setattr(MemoryConnector, "create", refuses)
    run = world.go(sync)
    [mail] = mails(world)
    assert mail.subject == "Book: in the address book 1 refused"
    assert "It is too long." in mail.text
    assert "cards_refused" in {warning["code"] for warning in api.get(f"/runs/{run.id}").json["warnings"]}
    [row] = api.get(f"/runs/{run.id}/rows").json["items"]
    assert row["reason"] == "Its card was not made in the address book. It is too long."


def test_whom_somebody_has_to_decide_about_is_a_problem(world: ApiBookWorld, api: Client) -> None:
    """The mail says where: nobody looks there by themselves."""
    home = [{"value": "home@example.com"}]
    world.add({"name": "William King", "emails": home})
    world.book.add({"name": "Ada Lovelace", "emails": home})
    world.go(saved(api, on="problems"))
    [mail] = mails(world)
    assert "Say who they are: GET /v1/connections/n1/reviews." in mail.text


# Deletions that wait


def in_step(world: ApiBookWorld, api: Client, people: int) -> str:
    """The sync of a book with so many cards that are contacts as well; its mails have been read."""
    for number in range(people):
        world.book.add(person(number))
    sync = saved(api)
    world.go(sync)
    world.go(sync)
    mails(world)
    return sync


@pytest.fixture
def held(world: ApiBookWorld, api: Client) -> Any:
    """A run that would delete ten cards of twenty, for their contacts were deleted here."""
    sync = in_step(world, api, 20)
    for number in range(10):
        world.remove(one_of(world, number))
    run = world.go(sync)
    assert run.status == "awaiting_approval"
    return run


def test_the_mail_names_the_cards_that_wait_and_says_what_to_do(world: ApiBookWorld, held: Any) -> None:
    [mail] = mails(world)
    assert "10 cards would be deleted in the address book:" in mail.text
    for number in range(10):
        assert f"- Person {number}\n" in mail.text
    assert "/approve" in mail.text
    assert "/deletions.csv" in mail.text
    assert "options.delete_missing" not in mail.text, "a sync with a book has none"
    assert facts(mail)["Cards to be deleted"] == "10"


def test_the_list_of_deletions_has_the_cards(world: ApiBookWorld, api: Client, held: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(api.get(f"/runs/{held.id}/deletions.csv").text)))
    assert {row["name"] for row in rows} == {f"Person {number}" for number in range(10)}
    assert {row["deleted_from"] for row in rows} == {"address book"}
    assert {row["contact_id"] for row in rows} == {one_of(world, number) for number in range(10)}


def test_the_plan_is_filtered_by_what_becomes_of_the_cards(api: Client, held: Any) -> None:
    found = api.get(f"/runs/{held.id}/plan?change=delete").json["items"]
    assert len(found) == 10
    assert {row["card"]["change"] for row in found} == {"delete"}


def test_contacts_that_wait_are_told_apart_from_cards(world: ApiBookWorld, api: Client) -> None:
    sync = in_step(world, api, 40)
    for number in range(10):
        world.remove(one_of(world, number))
        world.book.remove(world.links()[one_of(world, 20 + number)].id)
    run = world.go(sync)
    [mail] = mails(world)
    assert "10 contacts would be deleted:" in mail.text
    assert "10 cards would be deleted in the address book:" in mail.text
    rows = list(csv.DictReader(io.StringIO(api.get(f"/runs/{run.id}/deletions.csv").text)))
    assert sorted(row["deleted_from"] for row in rows) == ["address book"] * 10 + ["contacts"] * 10


def test_a_deletion_that_an_edit_has_beaten_is_told_with_its_contact(
    world: ApiBookWorld, api: Client
) -> None:
    """Case 12."""
    world.book.add(person(1))
    sync = saved(api)
    world.go(sync)
    world.edit(one_of(world, 1), nickname="One")
    world.book.remove(world.links()[one_of(world, 1)].id)
    run = world.go(sync)
    [row] = api.get(f"/runs/{run.id}/rows").json["items"]
    assert row["contact_id"] == one_of(world, 1)
    assert "it stays, and gets a card again" in row["reason"]


# While it goes on


def test_a_push_is_seen_to_go_on(world: ApiBookWorld, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood at a third until its end, however many cards were to be made."""
    for number in range(20):
        world.add(person(number))
    sync = saved(api)
    seen = []

    def watched(self: Any, group: str, drafts: Any) -> Any:
        [latest] = api.get("/syncs").json["items"]
        seen.append(latest["latest_run"]["progress"]["percent"])
        return real(self, group, drafts)

    real = MemoryConnector.create
    monkeypatch.setattr(MemoryConnector, "create", watched)
    world.go(sync)
    assert seen == [50, 75]


# Files of rows


@pytest.mark.parametrize("outcome", ["added", "updated"])
def test_a_run_that_read_no_file_has_no_file_of_rows(world: ApiBookWorld, api: Client, outcome: str) -> None:
    world.book.add(person(1))
    run = world.go(saved(api))
    refused = api.get(f"/runs/{run.id}/{outcome}.csv")
    assert (refused.status, refused.json["type"]) == (409, "/problems/no_file_read")
    assert f"/v1/runs/{run.id}/rows?outcome={outcome}" in refused.json["detail"]

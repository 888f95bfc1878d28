"""A run that was stopped before it deletes: the mail names whom, and what can be done; the file lists them all."""

from __future__ import annotations

import csv
import html
import io
import logging
import re
from typing import Any

import pytest

from contactsync.core.naming import called
from tests.support.world import World

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
ALL = {"delete_missing": {"scope": "all"}}


def people(numbers: range, extra: str = "") -> str:
    return "email,name\n" + "".join(f"p{n}@example.com,Person {n:03}\n" for n in numbers) + extra


def stopped(world: World, before: range, after: str, **options: Any) -> Any:
    first = world.import_rows(people(before), NAMES, name="Staff", options={**ALL, **options})
    world.mailer.sent.clear()
    run = world.again(first.sync_id, after)
    world.execute(run)
    return world.run(run)


def named(text: str) -> list[str]:
    return re.findall(r"^- (Person \d+|and .* more)$", text, re.MULTILINE)


def test_the_mail_of_a_held_run_names_whom_it_would_delete_and_what_can_be_done() -> None:
    world = World()
    run = stopped(world, range(60), people(range(30), "new@example.com,New\n"))
    assert run.status == "awaiting_approval"
    [mail] = world.mailer.sent
    assert mail.subject == "Staff: the import waits for your approval"
    *first, more = named(mail.text)
    assert len(set(first)) == 20
    assert {int(name.split()[1]) for name in first} <= set(range(30, 60))
    assert more == "and 10 more"
    for said in (
        "Nothing was changed.",
        "30 contacts would be deleted:",
        "To be added    1",
        "To be deleted  30",
        f"https://api.example.com/v1/runs/{run.id}/deletions.csv",
        f"https://api.example.com/v1/runs/{run.id}/plan?change=delete",
        f'/v1/runs/{run.id}/approve with {{"plan_hash": "{run.plan_hash}"}}',
        f"/v1/runs/{run.id}/reject",
        f"PATCH https://api.example.com/v1/syncs/{run.sync_id}, options.guard or options.delete_missing",
    ):
        assert said in mail.text
        assert html.escape(said.split("  ")[0]) in mail.html


def test_where_only_the_deletions_wait_the_mail_says_that_the_rest_was_done() -> None:
    world = World()
    run = stopped(
        world,
        range(40),
        people(range(30), "new@example.com,New\n"),
        guard={"on_trip": "hold_deletes"},
    )
    assert (run.status, run.counts.added) == ("awaiting_approval", 1)
    [mail] = world.mailer.sent
    assert mail.subject == "Staff: 1 added, the deletions wait for your approval"
    assert "Everything else was carried out. Only the deletions wait." in mail.text
    assert re.search(r"Contacts added +1\n", mail.text)
    assert re.search(r"To be deleted +10\n", mail.text)
    assert len(named(mail.text)) == 10
    world.approve(run)
    assert world.run(run).counts.deleted == 10
    assert "would be deleted" not in world.mailer.sent[-1].text


def test_a_blocked_run_names_them_too_and_offers_no_approval() -> None:
    world = World()
    run = stopped(world, range(30), people(range(900, 910)))
    assert (run.status, run.counts.deleted) == ("blocked", 0)
    [mail] = world.mailer.sent
    assert len(named(mail.text)) == 21
    assert "approve" not in mail.text
    assert "switch the deletion of missing contacts off" in mail.text
    assert "Nothing was changed." not in mail.text  # the problem says so already


def test_the_names_are_in_the_mail_and_in_no_log_or_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()
    run = stopped(world, range(10), people(range(5)))
    [mail] = world.mailer.sent
    assert "Person 007" in mail.text
    assert "Person" not in f"{caplog.text} {run!r} {world.records._stored!r} {world.bus.events!r}"


def test_a_name_that_would_break_the_mail_does_not() -> None:
    world = World()
    nasty = '"<b>Eve</b>\r\nBcc: eve@example.net"'
    first = world.import_rows(
        f"email,name\nx@example.com,{nasty}\n" + people(range(9))[11:], NAMES, name="Staff", options=ALL
    )
    world.mailer.sent.clear()
    world.execute(world.again(first.sync_id, people(range(5))))
    [mail] = world.mailer.sent
    assert "- <b>Eve</b> Bcc: eve@example.net\n" in mail.text
    assert "<b>" not in mail.html


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Ada", "emails": [{"value": "ada@example.com"}]}, "Ada"),
        ({"given_name": "Ada", "family_name": "Byron", "code": "7"}, "Ada Byron"),
        ({"code": 7, "emails": [{"value": "ada@example.com"}]}, "7"),
        ({"emails": [{"value": "ada@example.com"}, {"value": "b@example.com"}]}, "ada@example.com"),
        ({"phones": [{"value": "+442079460018", "text": "020 7946 0018"}]}, "020 7946 0018"),
        ({"organization": "Example Ltd", "notes": "private"}, "Example Ltd"),
        ({"notes": "private"}, "(a contact without a name)"),
    ],
)
def test_a_contact_is_called_by_what_people_know_it_by(fields: dict[str, Any], said: str) -> None:
    assert called(fields, "code") == said


def test_the_file_lists_everybody_whom_the_plan_deletes(api: Any) -> None:
    world = api.world
    first = world.import_rows(people(range(40), "=x@example.com,=1+1\n"), NAMES, options=ALL)
    run = world.again(first.sync_id, people(range(20)))
    assert api.get(f"/runs/{run.id}/deletions.csv").status == 409
    world.execute(run)
    answer = api.get(f"/runs/{run.id}/deletions.csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="deletions-{run.id}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["email"] for row in rows} == {f"p{n}@example.com" for n in range(20, 40)} | {
        "'=x@example.com"
    }
    assert {row["name"] for row in rows} == {f"Person {n:03}" for n in range(20, 40)} | {"'=1+1"}
    for row in rows:
        assert api.get(f"/contacts/{row['contact_id']}").json["fields"]["email"] == row["email"].lstrip("'")
    listed = api.get(f"/runs/{run.id}/plan?change=delete").json["items"]
    assert {item["contact_id"] for item in listed} == {row["contact_id"] for row in rows}


def test_a_run_that_deletes_nobody_or_was_never_read_has_an_empty_list(api: Any) -> None:
    whole = api.world.import_rows(people(range(3)), NAMES)
    broken = api.world.import_rows("", NAMES)
    for run in (whole, broken):
        answer = api.get(f"/runs/{run.id}/deletions.csv")
        assert (answer.status, len(answer.text.splitlines())) == (200, 1)


def test_a_stranger_does_not_get_the_list(api: Any, stranger: Any) -> None:
    run = api.world.import_rows(people(range(3)), NAMES)
    assert stranger.get(f"/runs/{run.id}/deletions.csv").status == 404

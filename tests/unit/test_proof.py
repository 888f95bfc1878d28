"""What is not proven to be whole deletes nobody, even if every byte of it has arrived; and the run says why."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contactsync.entry import step
from contactsync.errors import Busy, SourceAway
from contactsync.model.message import Requested
from tests.support.world import World

MAPPING = [
    {"column": "email", "field": "email"},
    {"column": "name", "field": "name"},
    {"column": "note", "field": "notes"},
]
DELETES = {"delete_missing": {"scope": "all"}}


def rows(count: int, end: str = "") -> str:
    return "email,name,note\n" + "".join(f"p{n}@example.com,Person {n},x\n" for n in range(count - 1)) + end


def again(end: str, **options: object) -> tuple[set[str], dict[str, str]]:
    """Who is left of twenty after a file of nineteen with such an end, and what the run warns of."""
    world = World()
    run = world.import_rows(rows(20, "p19@example.com,Person 19,x\n"), MAPPING, options=options)
    later = world.again(run.sync_id, rows(19, end))
    world.execute(later)
    assert world.run(later).status == "succeeded"
    warnings = {warning.code: warning.message for warning in world.run(later).warnings}
    return set(world.stored()), warnings


@pytest.mark.parametrize(
    "end",
    [
        "p18@exam", "p18@example.com", "p18@example.com,Per", 'p18@example.com,"Person', 'p18@example.com,"Person 18","',
        'p18@example.com,Person 18,"first line\nsec', "p18@example.com\n", "p18@example.com\n\n",
    ],
)  # fmt: skip
def test_a_file_whose_last_row_breaks_off_adds_and_updates_only(end: str) -> None:
    left, warnings = again(end, **DELETES)
    assert "p19@example.com" in left
    assert "breaks off" in warnings["source_not_proven_complete"]


@pytest.mark.parametrize(
    "end",
    [
        "p18@example.com,Person 18,x", "p18@example.com,Person 18,\n", 'p18@example.com,Person 18,"first\nsecond"',
        "p18@example.com,Person 18,x\n\n\n", "p18@example.com,Person 18,x\n,,\n", "p18@example.com,Person 18,x,,,\n",
        "p18@example.com,Person 18,x\n\x1a", "p18@example.com,Person 18,x\n" + "\x1a" * 80,
    ],
)  # fmt: skip
def test_a_file_with_a_whole_last_row_deletes(end: str) -> None:
    left, warnings = again(end, **DELETES)
    assert "p19@example.com" not in left
    assert "source_not_proven_complete" not in warnings


def test_where_nobody_is_to_be_deleted_the_end_does_not_matter() -> None:
    _, warnings = again("p18@exam")
    assert "source_not_proven_complete" not in warnings


def test_a_card_that_is_not_closed_is_a_broken_end() -> None:
    def cards(count: int) -> str:
        return "".join(
            f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:P{n}\r\nEMAIL:p{n}@example.com\r\nEND:VCARD\r\n"
            for n in range(count)
        )

    world = World()
    run = world.import_rows(cards(20), [], options=DELETES)
    later = world.again(run.sync_id, cards(18) + "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:P18\r\nEMA")
    world.execute(later)
    assert len(world.stored()) == 20
    assert "source_not_proven_complete" in {warning.code for warning in world.run(later).warnings}


def test_a_server_that_fails_to_the_last_is_told_to_the_customer_and_tried_again_before() -> None:
    """The machine matches errors by name, so the name stays Busy; what happened travels in the message."""

    @step("fetch", reads=Requested)
    def handler(message: Requested) -> Requested:
        raise SourceAway("files.example.com broke off 5 times, the last time after 7 bytes.")

    asked = {"account_id": "a1", "run_id": "r1", "execution": "e1"}
    with pytest.raises(Busy) as caught:
        handler(asked, cast("Any", SimpleNamespace(aws_request_id="request-1")))
    assert type(caught.value) is Busy
    problem = json.loads(str(caught.value))
    assert problem["code"] == "source_away"
    assert problem["title"].startswith("files.example.com broke off")
    assert "whoever runs the server" in problem["detail"]

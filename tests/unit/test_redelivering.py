"""Dead letters, whoever has left them: each goes where it was to go, or is over, or stays and is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contactsync.adapters.memory import MemoryBus
from contactsync.adapters.scheduler import _name
from contactsync.operating.redeliver import redeliver

CLOCK = {
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "time": "2026-11-22T02:17:00Z",
    "detail": {},
}
LEFT = {"account_id": "", "sync_id": "hour"}
FOLLOWED = {"account_id": "a1", "but": "", "connection_id": "c1"}


class Queue:
    """SQS, with one message. Bytes are a body as it is."""

    def __init__(self, body: Any, **attributes: str) -> None:
        told = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        message = {
            "MessageId": "m",
            "ReceiptHandle": "r",
            "Body": body.decode() if isinstance(body, bytes) else json.dumps(body),
        }
        self.messages = [message | ({"MessageAttributes": told} if told else {})]
        self.hidden = False
        self.asked = 0

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        assert self.asked <= 2, "the same message again and again"
        found, self.hidden = ([] if self.hidden else self.messages), asked["VisibilityTimeout"] > 0
        return {"Messages": list(found)}

    def delete_message(self, **_: Any) -> None:
        self.messages = []

    def change_message_visibility(self, **_: Any) -> None:
        self.hidden = False


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (CLOCK, []),
        (LEFT, ["SyncDue"]),
        (FOLLOWED, ["ContactsChanged"]),
        ({"account_id": "a1", "connection_id": "c1"}, ["BookLost"]),
        ({"source": "contactsync", "detail-type": "RunLost", "detail": {"name": "e"}}, ["RunLost"]),
    ],
    ids=[
        "a clock's",
        "a look's",
        "of a book that goes on",
        "of a book that is lost",
        "a run's that was left",
    ],
)
def test_no_dead_letter_of_ours_is_left(body: dict[str, Any], kinds: list[str]) -> None:
    queue, bus = Queue(body), MemoryBus()
    assert redeliver(queue, "q", bus, lambda *_: None) == (1, 0)
    assert queue.messages == []
    assert [event.kind for event in bus.events] == kinds


def test_what_a_schedule_could_not_say_is_said() -> None:
    """Of whatever form: AWS's guide shows the request to the target in the body, and the schedule in an attribute."""
    account_id, sync_id = f"a{'0' * 24}", f"s{'1' * 24}"
    arn = f"arn:aws:scheduler:eu-west-1:123456789012:schedule/contact-sync-syncs/{_name(account_id, sync_id)}"
    detail = json.dumps({"account_id": account_id, "sync_id": sync_id})
    entry = {
        "EventBusName": "contact-sync",
        "Source": "contactsync",
        "DetailType": "SyncDue",
        "Detail": detail,
    }
    queue, bus = (
        Queue({"Entries": [entry]}, SCHEDULE_ARN=arn, ERROR_CODE="AccessDeniedException"),
        MemoryBus(),
    )
    assert redeliver(queue, "q", bus, lambda *_: None) == (1, 0)
    assert queue.messages == []
    assert [(event.kind, event.detail) for event in bus.events] == [("SyncDue", json.loads(detail))]


@pytest.mark.parametrize(
    "body",
    [
        {"source": "aws.elsewhere", "detail": {}},
        b"no JSON",
        ["a", "list"],
        {"account_id": "a1", "run_id": 7},
        {"run_id": "r1"},
    ],
    ids=str,
)
def test_what_nobody_knows_stays_and_is_there_for_others(body: Any) -> None:
    queue, bus = Queue(body), MemoryBus()
    assert redeliver(queue, "q", bus, lambda *_: None) == (0, 1)
    assert queue.messages
    assert not queue.hidden
    assert bus.events == []

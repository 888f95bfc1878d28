"""Put the events of the dead-letter queue on their way again.

A message is deleted only once its event was taken, so the command can be run any number of times; an event that
arrives twice is harmless to those who listen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from contactsync import bootstrap
from contactsync.adapters.bus import SOURCE
from contactsync.adapters.scheduler import ids_in
from contactsync.operating.stack import Stack, client
from contactsync.ports import Bus

MOST_MESSAGES = 100_000
HIDDEN_S = 3600
"""So long nobody else sees a message that we have taken; those that we leave are shown again at the end."""
KINDS = {
    "run_id": "RunRequested",
    "sync_id": "SyncDue",
    "drop_id": "FileParked",
    "but": "ContactsChanged",
    "connection_id": "BookLost",
    "export_id": "ExportDue",
    "erasure_id": "EraseDue",
}
"""A function's own dead letter is the bare detail of its event; the first of these that it holds says of which kind it was."""

OF_A_SCHEDULE = "SCHEDULE_ARN"
"""The attribute by which EventBridge Scheduler says what was due. The body is the request that it could not send."""

OF_THE_CLOCK = "aws.events"
"""A rule's own clock. What it said then it has said again since."""

OF_AWS = {"aws.s3": "ReceiveFunction", "aws.states": "NotifyFunction"}
"""Events of AWS nobody can put on a bus again: the function that listens gets them, by its logical id."""


class Event(NamedTuple):
    """An event of ours, as the bus takes it."""

    kind: str
    detail: dict[str, str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """None besides the stack."""


def run(_options: argparse.Namespace, stack: Stack) -> int:
    """0 if the queue is empty then, 1 if something was left in it."""
    stack.enter()
    taken, left = redeliver(
        client("sqs"), stack.output("UndeliveredQueueUrl"), bootstrap.bus(), partial(_invoke, stack)
    )
    print(f"{taken} sent again, {left} left in the queue")
    return 1 if left else 0


def _invoke(stack: Stack, function: str, event: str) -> None:
    """Give a function an event, as its rule does."""
    found = client("cloudformation").describe_stack_resource(StackName=stack.name, LogicalResourceId=function)
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=event.encode())


def redeliver(sqs: Any, queue: str, bus: Bus, invoke: Callable[[str, str], None]) -> tuple[int, int]:
    """How many messages were sent on their way again, and how many were left because nobody knows where to.

    Args:
        sqs: a client of the queue's service.
        queue: its address.
        bus: takes events of ours.
        invoke: gives the function of that logical id an event of AWS.
    """
    taken, left = 0, {}
    for _ in range(MOST_MESSAGES):
        asked = {"QueueUrl": queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        messages = sqs.receive_message(**asked, VisibilityTimeout=HIDDEN_S).get("Messages", ())
        if not messages:
            break
        for message in messages:
            told = _sent_again(message, bus, invoke)
            if told is None:
                left[message["MessageId"]] = message["ReceiptHandle"]
                print(f"left      message {message['MessageId']}: nobody knows where it was to go")
                continue
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            taken += 1
            print(f"sent      {told}")
    for receipt in left.values():
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    return taken, len(left)


def _sent_again(message: Mapping[str, Any], bus: Bus, invoke: Callable[[str, str], None]) -> str | None:
    """What was sent, in ids; None if it is not known what to do with the message."""
    try:
        body = json.loads(message["Body"])
    except ValueError:
        body = None
    event = _event_of_a_schedule(message) or event_of(body)
    if event is not None:
        bus.publish(event.kind, event.detail)
        return f"{event.kind} {' '.join(sorted(event.detail.values()))}"
    source = str(body.get("source")) if isinstance(body, dict) else ""
    if source == OF_THE_CLOCK:
        return f"nothing for {body.get('time')}: the clock has said the same again since"
    function = OF_AWS.get(source)
    if function is not None:
        invoke(function, message["Body"])
        return f"{body.get('detail-type')} {body.get('id')}"
    return None


def _event_of_a_schedule(message: Mapping[str, Any]) -> Event | None:
    told = message.get("MessageAttributes", {}).get(OF_A_SCHEDULE)
    if told is None:
        return None
    account_id, sync_id = ids_in(told["StringValue"])
    return Event("SyncDue", {"account_id": account_id, "sync_id": sync_id})


def event_of(body: Any) -> Event | None:
    """The event of ours that a dead letter holds: whole, as a rule leaves it, or only its detail, as a function does."""
    if not isinstance(body, dict):
        return None
    detail = body.get("detail") if body.get("source") == SOURCE else body
    if not isinstance(detail, dict) or not all(isinstance(value, str) for value in detail.values()):
        return None
    if body.get("source") == SOURCE:
        return Event(str(body["detail-type"]), detail)
    kinds = [kind for name, kind in KINDS.items() if {"account_id", name} <= detail.keys()]
    return Event(kinds[0], detail) if kinds else None

"""Everything that the service writes down besides contacts, and a search for marked people in it.

A mark is found as it is, in other cases, as JSON, URL, base64 or hex write it: a log that encodes what it was
told has told it all the same.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import requests

from contactsync.core.identity import SHARDS
from local import deploy
from local.stack import Stack

_AT_EXAMPLE = re.compile(r"[\w.+-]+(?:@|%40|\\u0040)example\.(?:com|org|net)", re.IGNORECASE)
_BACKSLASHES = re.compile(r"\\+")


class Place(NamedTuple):
    """Something that was written down: where, and what it says."""

    where: str
    text: str


def spellings(mark: str) -> set[str]:
    """The mark in every way in which it could stand in a text, in lower case but for base64."""
    data = mark.encode()
    plain = {
        mark,
        json.dumps(mark)[1:-1],
        quote(mark, safe=""),
        quote_plus(mark),
        repr(mark)[1:-1],
        data.hex(),
    }
    return {_BACKSLASHES.sub(r"\\", text).casefold() for text in plain} | {
        text for shift in range(3) for text in _in_base64(data, shift)
    }


def _in_base64(data: bytes, shift: int) -> Iterator[str]:
    """What surely stands in base64 of any text that holds `data` behind `shift` bytes, modulo three."""
    encoded = base64.b64encode(b"\0" * shift + data).decode()
    first = {0: 0, 1: 2, 2: 3}[shift]
    whole = (shift + len(data)) // 3 * 4
    yield encoded[first:whole]
    yield encoded[first:whole].replace("+", "-").replace("/", "_")


def found(mark: str, places: list[Place]) -> list[str]:
    """Where the mark stands, in any spelling."""
    wanted = spellings(mark)
    return [
        place.where for place in places if any(text in told for told in _tellings(place) for text in wanted)
    ]


def _tellings(place: Place) -> tuple[str, str]:
    """What the place says, as it stands and in lower case. JSON in JSON doubles each backslash: they count as one."""
    text = _BACKSLASHES.sub(r"\\", place.text)
    return text, text.casefold()


def executions(stack: Stack) -> list[Place]:
    """Step Functions: input, output and whole history of every execution, children of Maps among them."""
    service = deploy.client("stepfunctions", stack.endpoint)
    machine = stack.deployed.outputs["ImportStateMachineArn"]
    names = [
        execution["executionArn"]
        for execution in _all(service, "list_executions", "executions", stateMachineArn=machine)
    ]
    for name in list(names):
        for run in _all(service, "list_map_runs", "mapRuns", executionArn=name):
            children = _all(service, "list_executions", "executions", mapRunArn=run["mapRunArn"])
            names += [child["executionArn"] for child in children]
    places = []
    for name in dict.fromkeys(names):
        told = service.describe_execution(executionArn=name)
        history = _all(service, "get_execution_history", "events", executionArn=name)
        places.append(Place(f"execution {name}", _text([told, history])))
    return places


def logs(stack: Stack) -> list[Place]:
    """What functions printed, what the emulator said, and what CloudWatch keeps."""
    home = stack.settings.home
    files = [path for path in [*home.glob("logs/**/*"), home / "emulator.log"] if path.is_file()]
    places = [Place(f"file {path.relative_to(home)}", path.read_text("utf-8", "replace")) for path in files]
    service = deploy.client("logs", stack.endpoint)
    for group in _all(service, "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        lines = _all(service, "filter_log_events", "events", logGroupName=name)
        places.append(Place(f"log group {name}", "\n".join(line["message"] for line in lines)))
    return places


def object_keys(stack: Stack) -> list[Place]:
    """The names of all objects, with what their headers say."""
    service = deploy.client("s3", stack.endpoint)
    places = []
    for bucket in service.list_buckets()["Buckets"]:
        for held in _all(service, "list_objects_v2", "Contents", Bucket=bucket["Name"]):
            told = service.head_object(Bucket=bucket["Name"], Key=held["Key"])
            said = [
                held["Key"],
                told.get("Metadata"),
                told.get("ContentType"),
                told.get("ContentDisposition"),
            ]
            places.append(Place(f"object in {bucket['Name']}", _text(said)))
    return places


def objects(stack: Stack, bucket: str, prefix: str) -> list[Place]:
    """The content of objects: where people's data belongs. What goes while it is looked for is not there."""
    service = deploy.client("s3", stack.endpoint)
    places = []
    for held in _all(service, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix):
        with suppress(service.exceptions.NoSuchKey):
            content = service.get_object(Bucket=bucket, Key=held["Key"])["Body"].read()
            places.append(Place(held["Key"], content.decode(errors="replace")))
    return places


def contacts(stack: Stack, account_id: str) -> list[dict[str, Any]]:
    """Every item that the contacts table holds of an account, raw, in the order of keys."""
    service, table = deploy.client("dynamodb", stack.endpoint), stack.deployed.outputs["ContactsTableName"]
    return [
        item
        for shard in range(SHARDS)
        for item in _all(
            service,
            "query",
            "Items",
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"{account_id}#{shard:02d}"}},
        )
    ]


def records(stack: Stack) -> list[Place]:
    """The control table."""
    service = deploy.client("dynamodb", stack.endpoint)
    return [
        Place(f"record {item['sk']['S']}", _text(item))
        for item in _all(service, "scan", "Items", TableName=stack.deployed.outputs["ControlTableName"])
    ]


def messages(stack: Stack, queue: str) -> list[Place]:
    """What lies in a queue; it is taken out."""
    service = deploy.client("sqs", stack.endpoint)
    taken: list[Place] = []
    while batch := service.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in batch:
            taken.append(Place(f"message in {queue.rpartition('/')[2]}", _text(message)))
            service.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return taken


def mails(stack: Stack) -> list[Place]:
    """All mails: headers, envelope and both bodies, for these too are kept by others."""
    listed = requests.get(f"{stack.facts.inbox}/messages", timeout=10).json()["items"]
    return [Place(f"mail {mail['id']}", _text(mail)) for mail in listed]


def people_in_logs(stack: Stack) -> list[str]:
    """Where functions and executions have named anybody of the journeys, who all live at example.com."""
    places = [place for place in logs(stack) if "emulator" not in place.where] + executions(stack)
    return [f"{place.where}: {found[0]}" for place in places if (found := _AT_EXAMPLE.search(place.text))]


def _all(service: Any, operation: str, key: str, **request: Any) -> list[Any]:
    """Every page of a listing."""
    if service.can_paginate(operation):
        pages = service.get_paginator(operation).paginate(**request)
        return [each for page in pages for each in page.get(key, ())]
    return list(getattr(service, operation)(**request).get(key, ()))


def _text(said: Any) -> str:
    return json.dumps(said, default=str, ensure_ascii=False)

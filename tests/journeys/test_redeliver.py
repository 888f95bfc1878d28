"""make redeliver: what lies in the dead-letter queue goes on its way again, and what is not ours stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local import deploy
from local.place import REGION
from local.stack import Stack
from tests.journeys.imports import ROWS, request
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack


def redeliver(stack: Stack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "contactsync", "redeliver", "--stack", deploy.STACK_NAME],
        env={**os.environ, "AWS_ENDPOINT_URL": stack.endpoint, "AWS_DEFAULT_REGION": REGION},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def dead(stack: Stack, body: str) -> str:
    """A dead letter; its message's id."""
    queue = stack.deployed.outputs["UndeliveredQueueUrl"]
    told: dict[str, Any] = deploy.client("sqs", stack.endpoint).send_message(QueueUrl=queue, MessageBody=body)
    return str(told["MessageId"])


def unheard_run(stack: Stack, customer: Customer) -> str:
    """A run that was asked for while the rule that starts runs was switched off."""
    events = deploy.client("events", stack.endpoint)
    bus, _, rule = stack.deployed.resources["RunRequestedRule"].rpartition("|")
    bus = bus or stack.deployed.outputs["EventBusName"]
    events.disable_rule(Name=rule, EventBusName=bus)
    try:
        run: str = customer.post("/imports", request(ROWS, customer), expect=202)["run"]["id"]
    finally:
        events.enable_rule(Name=rule, EventBusName=bus)
    assert customer.get(f"/runs/{run}")["status"] == "queued"
    return run


@pytest.mark.parametrize("whole", [True, False], ids=["as a rule leaves it", "as a function leaves it"])
def test_an_undelivered_run_is_run_once_however_often_its_event_is_sent(
    stack: Stack, customer: Customer, whole: bool
):
    run = unheard_run(stack, customer)
    detail = {"account_id": customer.account_id, "run_id": run, "journey": "import", "trigger": "api"}
    event = {"source": "contactsync", "detail-type": "RunRequested", "detail": detail}
    for _ in range(2):
        dead(stack, json.dumps(event if whole else detail))
    done = redeliver(stack)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(run) == 2
    assert customer.wait_for_run(run)["status"] == "succeeded"
    assert len(customer.contacts()) == 4
    assert redeliver(stack).stdout == "0 sent again, 0 left in the queue\n"


def test_an_event_of_a_dropped_file_goes_to_the_function_that_listens(stack: Stack, customer: Customer):
    sync_id = customer.post("/syncs", {**request(ROWS, customer), "source": {"kind": "drop"}}, expect=201)[
        "id"
    ]
    bucket, key = stack.deployed.outputs["DropBucketName"], f"{customer.account_id}/{sync_id}/people.csv"
    events = deploy.client("events", stack.endpoint)
    rule_name = stack.deployed.resources["FileDroppedRule"]
    events.disable_rule(Name=rule_name)
    put = deploy.client("s3", stack.endpoint).put_object(Bucket=bucket, Key=key, Body=ROWS.encode())
    events.enable_rule(Name=rule_name)
    told = {"key": key, "size": len(ROWS), "etag": put["ETag"].strip('"'), "version-id": put["VersionId"]}
    event = {"id": "e1", "source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-22T00:00:00Z"}
    dead(stack, json.dumps({**event, "detail": {"bucket": {"name": bucket}, "object": told}}))
    assert redeliver(stack).returncode == 0
    runs = wait_for(
        lambda: customer.get(f"/syncs/{sync_id}/runs")["items"] or None, within_s=30, what="the run"
    )
    assert customer.wait_for_run(runs[0]["id"])["status"] == "succeeded"


def test_what_is_not_ours_is_named_and_stays(stack: Stack):
    strange = dead(stack, json.dumps({"source": "somebody", "detail": {"email": "ada@example.com"}}))
    done = redeliver(stack)
    assert done.returncode == 1
    assert strange in done.stdout
    assert "ada" not in done.stdout
    sqs, queue = deploy.client("sqs", stack.endpoint), stack.deployed.outputs["UndeliveredQueueUrl"]
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["MessageId"] == strange
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

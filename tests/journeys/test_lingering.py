"""What nobody calls for any more is called for by the hour: what HourRule sends, and all that comes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local import deploy
from local.stack import Stack
from tests.architecture.template import RESOURCES
from tests.journeys.test_redeliver import unheard_run
from tests.support.customer import Customer

pytestmark = pytest.mark.stack


def hour(stack: Stack) -> None:
    """The hour comes."""
    [target] = RESOURCES["HourRule"]["Properties"]["Targets"]
    deploy.client("lambda", stack.endpoint).invoke(
        FunctionName=stack.deployed.resources["ListenFunction"],
        InvocationType="Event",
        Payload=target["Input"].encode(),
    )


def change_run(stack: Stack, customer: Customer, run_id: str, **values: Any) -> None:
    """A run's record, as somebody left it who died."""
    table = deploy.client("dynamodb", stack.endpoint)
    key = {"pk": {"S": customer.account_id}, "sk": {"S": f"run#{run_id}"}}
    name = stack.deployed.outputs["ControlTableName"]
    item = table.get_item(TableName=name, Key=key)["Item"]
    item["d"]["S"] = json.dumps({**json.loads(item["d"]["S"]), **values})
    table.put_item(TableName=name, Item=item)


def before(**ago: int) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat(timespec="milliseconds")


def test_a_run_whose_event_was_lost_is_run(stack: Stack, customer: Customer) -> None:
    run_id = unheard_run(stack, customer)
    change_run(stack, customer, run_id, requested_at=before(minutes=2))
    hour(stack)
    assert customer.wait_for_run(run_id)["status"] == "succeeded"
    assert len(customer.contacts()) == 4


def test_a_run_of_whose_end_nobody_has_said_a_word_is_closed_and_told(
    stack: Stack, customer: Customer
) -> None:
    run_id = unheard_run(stack, customer)
    change_run(stack, customer, run_id, status="running", execution="lost", started_at=before(days=2))
    hour(stack)
    run = customer.wait_for_run(run_id)
    assert (run["status"], run["problem"]["code"]) == ("failed", "timed_out")
    assert "The run took longer than any run may" in customer.wait_for_mail()["text"]
    again = customer.post(f"/syncs/{run['sync_id']}/runs", {}, expect=202)
    assert customer.wait_for_run(again["id"])["status"] == "succeeded"

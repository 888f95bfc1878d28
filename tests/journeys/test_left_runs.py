"""An execution is stopped by hand: Step Functions says so, and its run is closed and its sync free."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from local import deploy
from local.stack import Stack
from tests.journeys.imports import request
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

TRIES = 8
ROWS = "email,name,phone\n" + "".join(f"person{n}@example.com,Person {n},\n" for n in range(2_000))


def test_a_run_whose_execution_was_stopped_says_so_and_the_sync_runs_again(stack: Stack) -> None:
    """An execution may be quicker than we are: then another one is tried."""
    for _ in range(TRIES):
        customer = Customer.of(stack)
        asked = customer.post("/imports", request(ROWS, customer), expect=202)
        run_id, sync_id = asked["run"]["id"], asked["sync"]["id"]
        if not stopped(stack, run_id):
            customer.wait_for_run(run_id)
            continue
        run = customer.wait_for_run(run_id)
        assert (run["status"], run["problem"]["code"]) == ("failed", "stopped")
        counts = run["counts"]
        assert counts["rows"] == counts["added"] + counts["unchanged"] + counts["skipped"]
        customer.wait_for_mail()
        again = customer.post(f"/syncs/{sync_id}/runs", {}, expect=202)
        assert customer.wait_for_run(again["id"])["status"] == "succeeded"
        return
    raise AssertionError(f"in {TRIES} tries no execution was stopped before its end")


def stopped(stack: Stack, run_id: str) -> bool:
    """Whether the run's execution was stopped; False if it came to its end before."""
    states = deploy.client("stepfunctions", stack.endpoint)
    machine = stack.deployed.outputs["ImportStateMachineArn"]

    def execution() -> str | None:
        for found in states.list_executions(stateMachineArn=machine)["executions"]:
            told = states.describe_execution(executionArn=found["executionArn"])
            if json.loads(told["input"]).get("run_id") == run_id:
                return str(found["executionArn"])
        return None

    arn = wait_for(execution, within_s=60, what="the execution")
    try:
        states.stop_execution(executionArn=arn)
    except ClientError:
        return False
    return str(states.describe_execution(executionArn=arn)["status"]) == "ABORTED"

"""A worker's process is killed outright while it works; the run ends as if nothing had been."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from contactsync.core.identity import SHARDS
from contactsync.journeys.steps import STEPS
from contactsync.model.run import Step
from local import deploy
from local.stack import Stack
from tests.journeys import traces
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

ROWS = 2_000
"""Few enough for one worker to take in turn, shard by shard: midway the last shards are empty."""
TRIES = 8
COUNTS = {
    "rows": ROWS,
    "added": ROWS,
    "updated": 0,
    "unchanged": 0,
    "deleted": 0,
    "rejected": 0,
    "skipped": 0,
}


def workers(stack: Stack, step: str) -> list[int]:
    """The processes of a step's function on this stack."""
    name = f"AWS_LAMBDA_FUNCTION_NAME={stack.deployed.resources[f'{step.capitalize()}Function']}"
    mine = f"AWS_ENDPOINT_URL={stack.endpoint}"
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if name in variables and mine in variables:
            found.append(int(environ.parent.name))
    return found


def kill(stack: Stack, step: str) -> None:
    killed = workers(stack, step)
    assert killed, f"no process works on {step}"
    for process in killed:
        os.kill(process, signal.SIGKILL)


def started(customer: Customer) -> str:
    text = "email,name\n" + "".join(f"person{n}@example.com,Person {n}\n" for n in range(ROWS))
    request = {
        "source": {"kind": "paste", "text": text},
        "mapping": [{"column": key, "field": key} for key in ("email", "name")],
        "notify": {"emails": [customer.email]},
    }
    return str(customer.post("/imports", request, expect=202)["run"]["id"])


def test_an_upsert_killed_midway_is_taken_up_where_it_stopped(stack: Stack) -> None:
    """The worker is quick and the signal may come too late: then the run is none the worse, and another one is tried."""
    for _ in range(TRIES):
        customer = Customer.of(stack)
        run_id = started(customer)
        wait_for(partial(holds, stack, customer, shard=0), within_s=60, what="the first contacts")
        kill(stack, "upsert")
        midway = not holds(stack, customer, shard=SHARDS - 1)
        ended_as_if_nothing_had_been(run_id, customer, stack)
        if midway:
            return
    raise AssertionError(f"in {TRIES} tries no worker was killed midway")


@pytest.mark.parametrize("step", ["parse", "map", "plan"])
def test_a_step_killed_as_it_begins_is_run_again(stack: Stack, step: Step) -> None:
    """A step takes milliseconds, and may be over before anybody sees it: then another run is tried."""
    for _ in range(TRIES):
        customer = Customer.of(stack)
        run_id = started(customer)
        seen = wait_for(partial(reached, customer, run_id, step), within_s=60, what=step, every_s=0)
        if seen == step:
            kill(stack, step)
        ended_as_if_nothing_had_been(run_id, customer, stack)
        if seen == step:
            return
    raise AssertionError(f"in {TRIES} tries nobody saw a run at {step}")


def reached(customer: Customer, run_id: str, step: Step) -> Step | None:
    """Where a run is, once it has come to this step."""
    now: Step | None = customer.get(f"/runs/{run_id}")["step"]
    return now if now and STEPS.index(now) >= STEPS.index(step) else None


def ended_as_if_nothing_had_been(run_id: str, customer: Customer, stack: Stack) -> None:
    run = customer.wait_for_run(run_id)
    assert (run["status"], run["counts"]) == ("succeeded", COUNTS)
    contacts = traces.contacts(stack, customer.account_id)
    assert len({contact["f"]["M"]["name"]["S"] for contact in contacts}) == len(contacts) == ROWS
    assert {contact["v"]["N"] for contact in contacts} == {"1"}
    customer.wait_for_mail()
    assert len(customer.mails()) == 1


def holds(stack: Stack, customer: Customer, *, shard: int) -> bool:
    """Whether any contact stands in one shard of the customer's."""
    answer = deploy.client("dynamodb", stack.endpoint).query(
        TableName=stack.deployed.outputs["ContactsTableName"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"{customer.account_id}#{shard:02d}"}},
        Limit=1,
    )
    return bool(answer["Items"])

"""A customer's own system puts files into the drop bucket of the whole stack."""

from __future__ import annotations

from typing import Any

import pytest

from local import deploy
from local.stack import Stack
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
NAME = "members 2026+guests %20 é.csv"


def put(stack: Stack, key: str, text: str) -> None:
    deploy.client("s3", stack.endpoint).put_object(
        Bucket=stack.facts.drop_bucket, Key=key, Body=text.encode()
    )


def drop_sync(stack: Stack, customer: Customer) -> Any:
    body = {
        "name": "Members",
        "source": {"kind": "drop"},
        "mapping": MAPPING,
        "notify": {"emails": [customer.email]},
    }
    sync = customer.post("/syncs", body, expect=201)
    assert sync["source"]["bucket"] == stack.facts.drop_bucket
    return sync


def nth_run(customer: Customer, sync: Any, number: int) -> dict[str, Any]:
    """The sync's n-th run, from 1, when it has ended."""

    def begun() -> str | None:
        runs = customer.get(f"/syncs/{sync['id']}/runs")["items"][::-1]
        return runs[number - 1]["id"] if len(runs) >= number else None

    return customer.wait_for_run(wait_for(begun, within_s=60, what=f"run {number} of a dropped file"))


def names(customer: Customer) -> dict[str, str]:
    return {contact["fields"]["email"]: contact["fields"]["name"] for contact in customer.contacts()}


def test_each_version_of_a_dropped_file_is_imported(stack: Stack, customer: Customer):
    sync = drop_sync(stack, customer)
    key = sync["source"]["prefix"] + NAME
    put(stack, key, "email,name\nada@example.com,Ada\n")
    first = nth_run(customer, sync, 1)
    assert (first["trigger"], first["status"], first["file"]["key"]) == ("drop", "succeeded", key), first
    put(stack, key, "email,name\nada@example.com,Ada Lovelace\ngrace@example.com,Grace\n")
    second = nth_run(customer, sync, 2)
    assert (second["counts"]["added"], second["counts"]["updated"]) == (1, 1)
    assert second["file"]["version"] != first["file"]["version"]
    assert names(customer) == {"ada@example.com": "Ada Lovelace", "grace@example.com": "Grace"}


def test_a_paused_sync_parks_a_file_and_imports_it_when_it_is_active_again(stack: Stack, customer: Customer):
    sync = drop_sync(stack, customer)
    customer.request("PATCH", f"/syncs/{sync['id']}", json={"state": "paused"})
    put(stack, f"{sync['source']['prefix']}a.csv", "email,name\nada@example.com,Ada\n")
    mail = customer.wait_for_mail()
    assert mail["subject"] == "Members: a file was not imported"
    [drop] = customer.get("/drops")["items"]
    assert (drop["state"], drop["problem"]["code"]) == ("parked", "sync_paused")
    customer.request("PATCH", f"/syncs/{sync['id']}", json={"state": "active"})
    assert nth_run(customer, sync, 1)["status"] == "succeeded"
    assert names(customer) == {"ada@example.com": "Ada"}


def test_a_file_under_another_account_s_sync_is_not_imported(
    stack: Stack, customer: Customer, other_customer: Customer
):
    sync = drop_sync(stack, customer)
    put(stack, f"{other_customer.account_id}/{sync['id']}/a.csv", "email,name\nada@example.com,Ada\n")
    assert other_customer.wait_for_mail()["subject"] == "Drop bucket: a file was not imported"
    assert customer.get(f"/syncs/{sync['id']}/runs")["items"] == []
    assert customer.get("/drops")["items"] == []

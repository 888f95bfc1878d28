"""The same file again writes nothing: told by what is asked of the table, and by what stands in it."""

from __future__ import annotations

import json

import pytest

from local.stack import Stack
from tests.journeys import traces
from tests.journeys.imports import LATER, ROWS, import_on_first, import_on_second, request
from tests.support.customer import Customer
from tests.support.second_interpreter import SecondInterpreter

pytestmark = pytest.mark.stack

WRITES = (
    "PartiQLInsert",
    "PartiQLUpdate",
    "PartiQLDelete",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
)


def contact_writes(second: SecondInterpreter, stack: Stack) -> list[str]:
    """The write requests that have reached the contacts table, statement by statement."""
    table = f"table/{stack.deployed.outputs['ContactsTableName']}"
    return [call.action for call in second.calls if call.resource == table and call.action.endswith(WRITES)]


def test_the_same_file_again_asks_for_no_write(
    customer: Customer, second: SecondInterpreter, stack: Stack
) -> None:
    import_on_second(second, customer, ROWS)
    assert contact_writes(second, stack) == ["dynamodb:PartiQLInsert"] * 4
    second.calls.clear()
    run = import_on_second(second, customer, ROWS)
    assert (run.counts.unchanged, run.counts.rejected, run.counts.skipped) == (4, 1, 1)
    assert contact_writes(second, stack) == []


def test_what_changed_alone_is_written(customer: Customer, second: SecondInterpreter, stack: Stack) -> None:
    import_on_second(second, customer, ROWS)
    second.calls.clear()
    run = import_on_second(second, customer, LATER)
    assert (run.counts.added, run.counts.updated, run.counts.unchanged) == (1, 1, 2)
    assert sorted(contact_writes(second, stack)) == ["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]


def test_the_same_file_again_leaves_every_attribute_as_it_was(customer: Customer, stack: Stack) -> None:
    import_on_first(customer, ROWS)
    before = traces.contacts(stack, customer.account_id)
    assert len(before) == 4
    assert import_on_first(customer, ROWS)["counts"]["unchanged"] == 4
    assert traces.contacts(stack, customer.account_id) == before


def test_of_a_large_file_the_changed_rows_alone_are_read_and_written_and_who_is_gone_is_deleted(
    customer: Customer, stack: Stack
) -> None:
    rows = [f"p{number}@example.com,Person {number},\n" for number in range(6_000)]
    header = "email,name,phone\n"
    upload = customer.upload("people.csv", (header + "".join(rows)).encode())
    asked = {
        **request("-", customer),
        "source": {"kind": "upload", "upload_id": upload},
        "options": {"delete_missing": {"scope": "sync"}},
    }
    first = customer.wait_for_run(customer.post("/imports", asked, expect=202)["run"]["id"])
    assert first["counts"]["added"] == 6_000
    for number in (7, 3_000, 5_999):
        rows[number] = f"p{number}@example.com,Somebody Else,\n"
    del rows[4_000]
    upload = customer.upload("people.csv", (header + "".join(rows)).encode())
    begun = customer.post(f"/syncs/{first['sync_id']}/runs", {"upload_id": upload}, expect=202)
    again = customer.wait_for_run(begun["id"])
    counts = again["counts"]
    assert (counts["updated"], counts["unchanged"], counts["deleted"]) == (3, 5_996, 1), again["problem"]
    bucket = stack.deployed.outputs["RunsBucketName"]
    mapped = traces.objects(stack, bucket, f"runs/{customer.account_id}/{again['id']}/rows/")
    indexes = [json.loads(place.text) for place in mapped if place.where.endswith(".json")]
    assert sum(index["known"] for index in indexes) == 5_996

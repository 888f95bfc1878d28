"""Exports, erasures and the end of an account, on the whole stack: through the HTTP API, under each function's role."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests

from contactsync.adapters import wire
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.signing import Credentials
from contactsync.control import Control
from contactsync.journeys import forgetting
from local import deploy
from local.emulator import REGION
from local.stack import Stack
from tests.customer import Customer
from tests.journeys import traces
from tests.waiting import wait_for

pytestmark = pytest.mark.stack

MARK = "kanarie-4d2c@example.com"
ROWS = f'email,name,phone\n{MARK},"=Ada",+31 6 12345678\nbob@example.com,Bob,\n'
MAPPING = [{"column": key, "field": key} for key in ("email", "name", "phone")]


def imported(customer: Customer, rows: str, mapping: list[dict[str, str]]) -> None:
    kind = "csv" if mapping else "export"
    body = {"source": {"kind": "paste", "text": rows}, "format": {"kind": kind}, "mapping": mapping}
    run = customer.wait_for_run(customer.post("/imports", body, expect=202)["run"]["id"])
    assert run["status"] == "succeeded", run["problem"]


def exported(customer: Customer, **body: object) -> str:
    export = customer.post("/exports", body, expect=202)
    files = customer.wait_until_done(f"/exports/{export['id']}")["files"]
    return "".join(requests.get(file["url"], timeout=30).text for file in files)


def held(stack: Stack, account_id: str) -> list[str]:
    """Every place of the stack that holds the marked person, of one account."""
    places = [
        *traces.records(stack),
        *(
            place
            for bucket in ("RunsBucketName", "UploadsBucketName", "DropBucketName")
            for place in traces.objects(stack, stack.deployed.outputs[bucket], "")
        ),
        *(traces.Place("contact", str(item)) for item in traces.contacts(stack, account_id)),
    ]
    return traces.found(MARK, places)


def test_what_one_account_takes_along_another_has_again(customer: Customer, other_customer: Customer) -> None:
    imported(customer, ROWS, MAPPING)
    table = exported(customer)
    imported(other_customer, table, [])
    fields = [
        sorted(str(contact["fields"]) for contact in whose.contacts()) for whose in (customer, other_customer)
    ]
    assert fields[0] == fields[1]
    assert MARK in exported(customer, kinds=["history"])


def test_nothing_of_a_person_stays_in_any_store(stack: Stack, customer: Customer) -> None:
    imported(customer, ROWS, MAPPING)
    imported(customer, ROWS.replace("Ada", "Ada King"), MAPPING)
    exported(customer)
    assert held(stack, customer.account_id)
    erasure = customer.post("/erasures", {"email": MARK}, expect=202)
    done = customer.wait_until_done(f"/erasures/{erasure['id']}")
    assert (done["contacts"], done["runs"]) == (1, 2)
    mine = [
        place
        for place in held(stack, customer.account_id)
        if customer.account_id in place or "contact" in place
    ]
    assert mine == []
    assert [contact["fields"]["email"] for contact in customer.contacts()] == ["bob@example.com"]


def test_a_closed_account_is_gone_when_its_time_has_come(
    stack: Stack, customer: Customer, other_customer: Customer
) -> None:
    for each in (customer, other_customer):
        imported(each, ROWS, MAPPING)
    long_ago = datetime.now(UTC) - 2 * forgetting.GRACE
    dynamodb = wire.dynamodb(REGION, endpoint=stack.endpoint, credentials=lambda: Credentials("test", "test"))
    control = Control(ControlTable(stack.deployed.outputs["ControlTableName"], dynamodb, SystemClock()))
    forgetting.close_account(control, customer.account_id, long_ago)
    functions = deploy.client("lambda", stack.endpoint)
    functions.invoke(
        FunctionName=stack.deployed.resources["EraseFunction"],
        InvocationType="Event",
        Payload=b'{"account_id": "", "erasure_id": "night"}',
    )

    def gone() -> bool:
        records = [place for place in traces.records(stack) if customer.account_id in place.text]
        return len(records) == 1 and not traces.contacts(stack, customer.account_id)

    wait_for(gone, within_s=60, what="the end of the account")
    assert customer.request("GET", "/account").status_code in (401, 403)
    assert len(other_customer.contacts()) == 2

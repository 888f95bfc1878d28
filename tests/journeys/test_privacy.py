"""Exports, erasures and the end of an account, on the whole stack: through the HTTP API, under each function's role."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests

from contactsync.adapters.memory import MemoryShares
from contactsync.journeys.account import forgetting, stretches
from contactsync.journeys.account.erasing import key_of
from contactsync.model.long_work import Erasure
from local import deploy
from local.accounts import control_of
from local.demo import DemoBook
from local.stack import Stack
from tests.journeys import traces
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

MAPPING = [{"column": key, "field": key} for key in ("email", "name", "phone")]


def mark(customer: Customer) -> str:
    """The address of somebody whom only this customer knows."""
    return f"kanarie-{customer.account_id}@example.com"


def rows(customer: Customer) -> str:
    return f'email,name,phone\n{mark(customer)},"=Ada",+31 6 12345678\nbob@example.com,Bob,\n'


def imported(customer: Customer, text: str, mapping: list[dict[str, str]]) -> None:
    kind = "csv" if mapping else "export"
    body = {"source": {"kind": "paste", "text": text}, "format": {"kind": kind}, "mapping": mapping}
    run = customer.wait_for_run(customer.post("/imports", body, expect=202)["run"]["id"])
    assert run["status"] == "succeeded", run["problem"]


def exported(customer: Customer, **body: object) -> str:
    export = customer.post("/exports", body, expect=202)
    files = customer.wait_until_done(f"/exports/{export['id']}")["files"]
    return "".join(requests.get(file["url"], timeout=30).text for file in files)


def held(stack: Stack, customer: Customer) -> list[str]:
    """Every place of the stack that holds the customer's marked person."""
    places = [
        *traces.records(stack),
        *(
            place
            for bucket in ("RunsBucketName", "UploadsBucketName", "DropBucketName")
            for place in traces.objects(stack, stack.deployed.outputs[bucket], "")
        ),
        *(traces.Place("contact", str(item)) for item in traces.contacts(stack, customer.account_id)),
    ]
    return traces.found(mark(customer), places)


def erase(stack: Stack, account_id: str, erasure_id: str) -> None:
    """Wake the function that forgets."""
    deploy.client("lambda", stack.endpoint).invoke(
        FunctionName=stack.deployed.resources["EraseFunction"],
        InvocationType="Event",
        Payload=json.dumps({"account_id": account_id, "erasure_id": erasure_id}).encode(),
    )


def test_what_one_account_takes_along_another_has_again(customer: Customer, other_customer: Customer) -> None:
    imported(customer, rows(customer), MAPPING)
    table = exported(customer)
    imported(other_customer, table, [])
    fields = [
        sorted(str(contact["fields"]) for contact in whose.contacts()) for whose in (customer, other_customer)
    ]
    assert fields[0] == fields[1]
    assert mark(customer) in exported(customer, kinds=["history"])


def test_nothing_of_a_person_stays_in_any_store(stack: Stack, customer: Customer) -> None:
    imported(customer, rows(customer), MAPPING)
    imported(customer, rows(customer).replace("Ada", "Ada King"), MAPPING)
    exported(customer)
    assert held(stack, customer)
    erasure = customer.post("/erasures", {"email": mark(customer)}, expect=202)
    done = customer.wait_until_done(f"/erasures/{erasure['id']}")
    assert (done["contacts"], done["runs"]) == (1, 2)
    assert held(stack, customer) == []
    assert [contact["fields"]["email"] for contact in customer.contacts()] == ["bob@example.com"]


def test_pictures_that_nobody_has_are_set_apart_and_go_with_the_account(
    stack: Stack, customer: Customer, other_customer: Customer
) -> None:
    bucket, s3 = stack.deployed.outputs["PhotosBucketName"], deploy.client("s3", stack.endpoint)
    for each in (customer, other_customer):
        s3.put_object(Bucket=bucket, Key=f"photos/{each.account_id}/{'0' * 32}/{'A' * 43}", Body=b"picture")
    control = control_of(stack.endpoint, stack.deployed)
    at = "2026-11-22T09:00:00.000Z"
    due = Erasure(
        id="photos", kind="photos", account_id=customer.account_id, requested_at=at, requested_by="night",
        touched_at=at, forget_at=2**33,
    )  # fmt: skip
    stretches.store(control, key_of(customer.account_id, due.id), due)
    erase(stack, customer.account_id, due.id)

    def places(whose: Customer) -> list[str]:
        return [
            place.where.split("/")[0]
            for place in traces.objects(stack, bucket, "")
            if whose.account_id in place.where
        ]

    wait_for(lambda: places(customer) == ["former"], within_s=60, what="the picture among the former ones")
    long_ago = datetime.now(UTC) - 2 * forgetting.GRACE
    forgetting.close_account(control, MemoryShares(), customer.account_id, long_ago)
    erase(stack, "", "night")
    wait_for(lambda: places(customer) == [], within_s=60, what="the end of the account's pictures")
    assert len(places(other_customer)) == 1  # set apart too, if this is the day of its week


def test_a_closed_account_is_gone_when_its_time_has_come(
    stack: Stack, customer: Customer, other_customer: Customer, demo_book: DemoBook
) -> None:
    for each in (customer, other_customer):
        imported(each, rows(each), MAPPING)
    customer.connect_demo_book()
    before = len(demo_book.revoked)
    long_ago = datetime.now(UTC) - 2 * forgetting.GRACE
    control = control_of(stack.endpoint, stack.deployed)
    forgetting.close_account(control, MemoryShares(), customer.account_id, long_ago)
    erase(stack, "", "night")

    def gone() -> bool:
        records = [place for place in traces.records(stack) if customer.account_id in place.text]
        return len(records) == 1 and not traces.contacts(stack, customer.account_id)

    wait_for(gone, within_s=60, what="the end of the account")
    assert len(demo_book.revoked) == before + 1, "the provider keeps what was lent"
    assert customer.request("GET", "/account").status_code in (
        401,
        403,
        404,
    )  # 404: the gateway remembers a minute
    assert len(other_customer.contacts()) == 2

"""The same as tests/unit/test_api_fuzzed.py through the whole stack: gateway, authorizer, and functions in processes.

`make fuzz-api` makes 2,000 requests and more; else it is some hundreds.
"""

from __future__ import annotations

from typing import Any

import pytest
from schemathesis import Case, Response

from local.stack import Stack
from tests.support.customer import Customer
from tests.support.fuzzing import MAPPING, SENSIBLE, TEXT, TIER, Known, examples, fuzz, operations
from tests.support.promises import hold

pytestmark = pytest.mark.stack

USUAL = 8


@pytest.fixture(scope="module")
def customer(stack: Stack) -> Customer:
    return Customer.of(stack)


@pytest.fixture(scope="module")
def known(customer: Customer) -> Known:
    """Something of everything."""
    source = {"kind": "paste", "text": TEXT}
    told = customer.post("/imports", {"source": source, "mapping": MAPPING}, expect=202)
    run = customer.wait_for_run(told["run"]["id"])
    segment_id = customer.post("/segments", {"name": "Fair"}, expect=201)["id"]
    return {
        **SENSIBLE,
        "sync_id": [told["sync"]["id"]],
        "run_id": [run["id"]],
        "run": [run["id"]],
        "contact_id": [each["id"] for each in customer.contacts()],
        "segment_id": [segment_id],
        "segments": [[segment_id], []],
        "segment": [segment_id],
        "key": [customer.post("/fields", TIER, expect=201)["key"]],
        "upload_id": [customer.upload("people.csv", TEXT.encode())],
        "plan_hash": [run["plan_hash"]],
        "next": [customer.get("/contacts", limit=1)["next"]],
    }


@pytest.mark.timeout(900)
@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_every_answer_is_as_the_document_says(customer: Customer, known: Known, operation: Any) -> None:
    def ask(case: Case[Any]) -> Response:
        headers = {"Authorization": f"Bearer {customer.api_key}"}
        answer = case.call(base_url=customer.api, headers=headers, allow_redirects=False)
        told = {name.lower(): values[0] for name, values in answer.headers.items()}
        hold(
            case.method.upper(),
            str(answer.request.path_url),
            answer.status_code,
            told,
            answer.content.decode(),
        )
        return answer

    tally = fuzz(operation, ask, known, examples(USUAL))
    print(tally)
    assert tally.cases > 0

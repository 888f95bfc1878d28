"""What a customer is told while the service cannot answer: that it is busy, and when to ask again; never a bare 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from local import deploy
from local.stack import Stack
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

NOBODY_THERE = "http://127.0.0.1:9"


@contextmanager
def configured(stack: Stack, function: str, **changes: Any) -> Iterator[None]:
    """Within this, a function is configured otherwise."""
    functions = deploy.client("lambda", stack.endpoint)
    name = stack.deployed.resources[function]
    before = functions.get_function_configuration(FunctionName=name)
    functions.update_function_configuration(FunctionName=name, **changes)
    try:
        yield
    finally:
        kept = {key: before[key] for key in changes}
        functions.update_function_configuration(FunctionName=name, **kept)


def with_tables_elsewhere(stack: Stack, function: str) -> dict[str, Any]:
    """An environment in which the tables do not answer."""
    functions = deploy.client("lambda", stack.endpoint)
    name = stack.deployed.resources[function]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    return {"Environment": {"Variables": {**variables, "AWS_ENDPOINT_URL_DYNAMODB": NOBODY_THERE}}}


def told_to_wait(answer: requests.Response, kind: str) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["type"] == f"/problems/{kind}"


@pytest.mark.parametrize("function", ["AuthorizeFunction", "ApiFunction"])
def test_while_the_tables_are_away_everybody_is_told_to_ask_again(stack: Stack, function: str) -> None:
    customer = Customer.of(stack)  # nobody of whom the gateway remembers who they are
    with configured(stack, function, **with_tables_elsewhere(stack, function)):
        told_to_wait(customer.request("GET", "/contacts"), "busy")
    assert customer.get("/contacts")["items"] == []


def test_a_function_that_breaks_off_is_answered_for(stack: Stack, customer: Customer) -> None:
    with configured(stack, "ApiFunction", Handler="gone.lambda_handler"):
        told_to_wait(customer.request("GET", "/contacts"), "no_answer")
    assert customer.get("/contacts")["items"] == []

"""The local stack refuses what the real services would: one item, statement or byte more than they take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.needs import Request
from local.quotas import ANSWER_BYTES, excess, too_large_an_answer


def request(service: str, target: str, body: Any) -> Request:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(service, "POST", "/", {}, target, content)


def put(size: int) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "d": {"S": "x" * size}}


def transaction(count: int, size: int = 1) -> Request:
    items = [{"Put": {"Item": put(size)}} for _ in range(count)]
    return request("dynamodb", "TransactWriteItems", {"TransactItems": items})


def statements(count: int, size: int = 1) -> Request:
    each = {"Statement": "INSERT", "Parameters": [{"S": "x" * size}]}
    return request("dynamodb", "BatchExecuteStatement", {"Statements": [each] * count})


def keys(count: int) -> Request:
    return request("dynamodb", "BatchGetItem", {"RequestItems": {"t": {"Keys": [{}] * count}}})


def events(count: int, size: int = 1) -> Request:
    return request("events", "PutEvents", {"Entries": [{"Detail": "x" * size}] * count})


@pytest.mark.parametrize(
    ("fits", "does_not"),
    [
        (transaction(100), transaction(101)),
        (transaction(20, 190_000), transaction(20, 210_000)),
        (statements(25), statements(26)),
        (statements(1, 400_000), statements(1, 410_000)),
        (keys(100), keys(101)),
        (
            request("dynamodb", "PutItem", {"Item": put(400_000)}),
            request("dynamodb", "PutItem", {"Item": put(410_000)}),
        ),
        (events(10), events(11)),
        (events(1, 250_000), events(1, 263_000)),
        (request("ses", "", b"x" * 10_000_000), request("ses", "", b"x" * 11_000_000)),
    ],
    ids=["items", "transaction", "statements", "parameters", "keys", "item", "events", "event", "mail"],
)
def test_one_more_is_too_much(fits, does_not):
    assert excess(fits) == ""
    assert excess(does_not)


def test_an_answer_of_the_api_arrives_up_to_six_megabytes():
    assert too_large_an_answer(ANSWER_BYTES) == ""
    assert "exceeded" in too_large_an_answer(ANSWER_BYTES + 1)

"""What nobody should send, sent to the whole stack: every answer names the problem, and good rows are stored."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from local.stack import Stack
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
GOOD = b"ada@example.com,Ada\n"
LONG = 140_000
"""Characters beyond a cell's bound, and below a line's."""


def asked(customer: Customer, content: bytes, **more: Any) -> dict[str, Any]:
    """The run of an uploaded file, when it has ended."""
    source = {"kind": "upload", "upload_id": customer.upload("odd.csv", content)}
    request = {"source": source, "mapping": MAPPING, **more}
    return customer.wait_for_run(customer.post("/imports", request, expect=202)["run"]["id"])


def rows(customer: Customer, run: dict[str, Any], outcome: str) -> list[dict[str, Any]]:
    return list(customer.get(f"/runs/{run['id']}/rows", outcome=outcome)["items"])


def emails(customer: Customer) -> list[str]:
    return sorted(contact["fields"]["email"] for contact in customer.contacts())


# Who asks, and what for


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer csk_" + "x" * 40},
        {"Authorization": "Bearer " + "é" * 10},
        {"Authorization": "Basic Y3NrX3g6"},
        {"X-Api-Key": "csk_" + "x" * 40},
    ],
    ids=["no header", "empty", "no key", "unknown key", "no ASCII", "another scheme", "another header"],
)
def test_without_a_valid_key_it_is_401_and_a_problem(stack: Stack, headers: dict[str, str]) -> None:
    sent = {name: value.encode() for name, value in headers.items()}
    for method, path in (("GET", "/contacts"), ("POST", "/imports"), ("GET", "/runs/x/rejects.csv")):
        answer = requests.request(method, f"{stack.facts.api}/v1{path}", headers=sent, timeout=30)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "detail", "errors"} <= set(answer.json())


def test_a_key_with_one_letter_changed_is_nobody_s(customer: Customer, stack: Stack) -> None:
    changed = customer.api_key[:-1] + ("a" if customer.api_key[-1] != "a" else "b")
    answer = requests.get(
        f"{stack.facts.api}/v1/account", headers={"Authorization": f"Bearer {changed}"}, timeout=30
    )
    assert answer.status_code == 401


def test_all_problems_of_a_body_are_told_at_once_each_with_its_place(customer: Customer) -> None:
    answer = customer.request(
        "POST",
        "/imports",
        json={
            "source": {"kind": "paste", "text": "email\nada@example.com\n", "colour": "red"},
            "mapping": [{"column": "email", "field": "email"}, {"column": "email"}],
            "identity": {"field": "email"},
            "options": {"existing": "perhaps"},
            "notify": {"emails": ["x"]},
        },
    )
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    told = {error["pointer"] for error in answer.json()["errors"]}
    assert {"/source/colour", "/options/existing", "/notify/emails/0"} <= told
    assert any(pointer.startswith("/mapping/1") for pointer in told)


@pytest.mark.parametrize(
    ("mapping", "pointer"),
    [
        ([{"column": "email", "field": "email"}, {"column": "name", "field": "nmae"}], "/mapping/1/field"),
        ([{"column": "name", "field": "name"}], "/identity/field"),
        ([{"column": "email", "field": "email"}, {"column": "name", "field": "email"}], "/mapping/1/field"),
    ],
    ids=["unknown field", "no identity mapped", "mapped twice"],
)
def test_a_mapping_that_cannot_be_carried_out_is_refused_before_it_is_saved(
    customer: Customer, mapping: list[dict[str, str]], pointer: str
) -> None:
    source = {"kind": "paste", "text": "email,name\nada@example.com,Ada\n"}
    answer = customer.request("POST", "/imports", json={"source": source, "mapping": mapping})
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert customer.get("/syncs")["items"] == []


# Files that end the run


@pytest.mark.parametrize(
    ("content", "more", "code"),
    [
        (b"email,name\n" + GOOD + b"x" * (1 << 20) + b",\n", {}, "line_too_long"),
        (b",".join(b"c%d" % n for n in range(1_001)) + b"\n" + GOOD, {}, "too_many_columns"),
        (b"email,name\n" + GOOD + b"e\xff@example.com,\xfe\n", {"format": {"encoding": "utf-16le"}}, None),
        (b"email,name\n" + GOOD, {"format": {"encoding": "rot13"}}, "encoding_unknown"),
        (b"PK\x03\x04" + bytes(200), {}, None),
    ],
    ids=[
        "line too long",
        "too many columns",
        "another encoding than stated",
        "unknown encoding",
        "half a zip",
    ],
)
def test_a_file_that_cannot_be_read_ends_the_run_with_a_named_problem(
    customer: Customer, content: bytes, more: dict[str, Any], code: str | None
) -> None:
    upload_id = customer.upload("odd.csv", content)
    source = {"kind": "upload", "upload_id": upload_id}
    answer = customer.request("POST", "/imports", json={"source": source, "mapping": MAPPING, **more})
    if answer.status_code == 422:  # what can be told from the request alone is told at once
        assert answer.json()["errors"]
        return
    run = customer.wait_for_run(answer.json()["run"]["id"])
    assert run["status"] == "failed"
    assert run["problem"]["code"] != "internal"
    assert code is None or run["problem"]["code"] == code
    assert run["problem"]["detail"]
    assert customer.contacts() == []


def test_an_upload_that_never_came_is_told(customer: Customer) -> None:
    upload_id = customer.post("/uploads", {"filename": "c.csv"}, expect=201)["upload_id"]
    source = {"kind": "upload", "upload_id": upload_id}
    answer = customer.request("POST", "/imports", json={"source": source, "mapping": MAPPING})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/source/upload_id"]


# Rows that are refused alone


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"bob@example.com," + b"x" * LONG, "cell_too_long"),
        (b"bob@example.com" + b",x" * 1_001, "too_many_columns"),
        (b"bob@example.com,Bob,more", "ragged_row"),
        (b"bob@example.com", "ragged_row"),
        (b'bob@example.com,"Bob', "unbalanced_quote"),
        (b"bob@example.com,B\x00b", "nul_character"),
        (b"bob,Bob", "email_invalid"),
        (b",Bob", "identity_missing"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_and_the_others_are_stored(
    customer: Customer, row: bytes, code: str
) -> None:
    more_good = b"".join(b"person%d@example.com,Person\n" % n for n in range(20))
    run = asked(customer, b"email,name\n" + GOOD + row + b"\n" + more_good)
    assert run["status"] == "succeeded"
    [refused] = rows(customer, run, "rejected")
    assert refused["row"] == 3
    assert [error["code"] for error in refused["errors"]] == [code]
    assert len(emails(customer)) == run["counts"]["added"] == 21


def test_of_two_rows_with_one_identity_the_later_counts_and_the_earlier_is_told(customer: Customer) -> None:
    run = asked(customer, b"email,name\n" + GOOD + b"bob@example.com,Bob\nADA@example.com,Ada King\n")
    assert (run["counts"]["added"], run["counts"]["skipped"]) == (2, 1)
    [skipped] = rows(customer, run, "skipped")
    assert skipped["row"] == 2
    assert "4" in skipped["reason"]
    [ada] = customer.get("/contacts", email="ada@example.com")["items"]
    assert ada["fields"]["name"] == "Ada King"

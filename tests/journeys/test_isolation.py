"""One account sees nothing of another: every route, asked with somebody else's ids, on the whole stack."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from contactsync.api.route import Route
from contactsync.api.routes import ROUTES
from contactsync.model.connection import Connection, Review, key_of
from local.accounts import control_of
from local.stack import Stack
from tests.journeys.imports import ROWS, import_on_first, request
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

MISSING = "0" * 25
OWN_FROM_THE_BEGINNING = {"/fields", "/members", "/keys", "/account/audit"}


@pytest.fixture(scope="module")
def owner(stack: Stack) -> tuple[Customer, dict[str, str]]:
    """A customer with contacts, and one id of everything that they have."""
    owner = Customer.of(stack)
    run = import_on_first(owner, ROWS)
    contact = owner.contacts()[0]
    return owner, {
        "sync_id": run["sync_id"],
        "run_id": run["id"],
        "contact_id": contact["id"],
        "segment_id": owner.post("/segments", {"name": "Theirs"}, expect=201)["id"],
        "key": owner.post("/fields", {"key": "shoe_size", "label": "Size", "type": "integer"}, expect=201)[
            "key"
        ],
        "member_id": owner.post("/members", {"email": "two@example.com", "permissions": []}, expect=201)[
            "id"
        ],
        "key_id": owner.post("/keys", {"name": "Theirs"}, expect=201)["id"],
        "export_id": owner.post("/exports", {}, expect=202)["id"],
        "erasure_id": owner.post("/erasures", {"email": "nobody@example.com"}, expect=202)["id"],
        "upload_id": owner.upload("theirs.csv", ROWS.encode()),
        **of_a_book(stack, owner),
    }


def of_a_book(stack: Stack, owner: Customer) -> dict[str, str]:
    """A connected address book, a card to be decided about, and a frozen contact."""
    control, card = control_of(stack.endpoint, stack.deployed), "people/c1"
    connection = Connection(
        id=f"c{'1' * 24}",
        account_id=owner.account_id,
        provider="google",
        member_id=owner.member_id,
        state="active",
        created_at="2026-11-22T12:00:00.000Z",
    )
    control.create_connection(owner.account_id, connection)
    review = Review(card_id=card, contacts=("0" * 32,), rule=("email",), why="several_contacts", run_id="r1")
    control.store_review(owner.account_id, connection.id, key_of(card), review)
    return {"connection_id": connection.id, "review_id": key_of(card), "frozen_id": key_of("people/c2")}


@pytest.fixture(scope="module")
def stranger(stack: Stack) -> Customer:
    """Somebody with a key of their own, and nothing else."""
    return Customer.of(stack)


def asked(customer: Customer, route: Route, ids: dict[str, str]) -> tuple[int, str]:
    path = re.sub(r"<(\w+)>", lambda name: ids[name[1]], route.path)
    body: dict[str, Any] = {"json": {}} if route.method in {"POST", "PATCH"} else {}
    answer = customer.request(route.method, path, **body, allow_redirects=False)
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    "route", [it for it in ROUTES if not it.public], ids=lambda route: f"{route.method} {route.path}"
)
def test_no_route_tells_or_touches_anything_of_another(
    owner: tuple[Customer, dict[str, str]], stranger: Customer, route: Route
) -> None:
    _, ids = owner
    status, text = asked(stranger, route, ids)
    assert [held for held in ids.values() if held in text] == []
    assert "example.com" not in text.replace(stranger.email, "")
    if "<" in route.path:
        assert status == 404
        assert (status, text) == asked(stranger, route, dict.fromkeys(ids, MISSING))
    elif route.method == "GET":
        assert status == 200
        assert json.loads(text).get("items", []) == [] or route.path in OWN_FROM_THE_BEGINNING


def test_another_s_upload_cannot_be_imported(
    owner: tuple[Customer, dict[str, str]], stranger: Customer
) -> None:
    _, ids = owner

    def refused(upload_id: str) -> str:
        theirs = {**request("", stranger), "source": {"kind": "upload", "upload_id": upload_id}}
        answer = stranger.request("POST", "/imports", json=theirs)
        assert answer.status_code == 422
        return answer.text

    assert refused(ids["upload_id"]) == refused(MISSING)


def test_the_same_person_is_two_contacts_with_unlike_ids(
    owner: tuple[Customer, dict[str, str]], stack: Stack
) -> None:
    """An id that was the same for everybody would tell who else has this person."""
    customer, _ = owner
    another = Customer.of(stack)
    import_on_first(another, ROWS)
    mine, theirs = ({contact["id"] for contact in each.contacts()} for each in (customer, another))
    assert len(mine) == len(theirs) == 4
    assert mine.isdisjoint(theirs)

"""An address book through the whole stack: signed in for, synced both ways, disconnected, connected again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.demo import CLIENT, DemoBook
from local.stack import Ports, Settings, Stack
from tests.customer import Customer
from tests.waiting import wait_for

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, DemoBook]]:
    """A stack, and the book that it takes for Google's."""
    ports = Ports.free()
    with DemoBook(f"http://127.0.0.1:{ports.api}/v1/oauth/callback") as book:
        settings = Settings(
            home=Path(tmp_path_factory.mktemp("book")),
            ports=ports,
            wait_scale=0.05,
            functions={"GOOGLE_ELSEWHERE": book.url},
            parameters={"GoogleClientId": CLIENT, "GoogleClientSecret": CLIENT},
            say=lambda text: None,
        )
        with Stack(settings) as stack:
            yield stack, book


def signed_in(customer: Customer) -> str:
    """Connects the book as its person; the connection's id."""
    begun = customer.post("/connections", {"provider": "google"}, expect=201)
    page = requests.get(begun["authorize_url"], timeout=30)
    assert "is connected to" in page.text, page.text
    active = [each for each in customer.get("/connections")["items"] if each["state"] == "active"]
    return str(active[0]["id"])


def edited(customer: Customer, sync_id: str) -> str | None:
    """The run that an edit has set going."""
    latest = customer.get(f"/syncs/{sync_id}")["latest_run"]
    return str(latest["id"]) if latest["trigger"] == "edit" else None


def run(customer: Customer, sync_id: str) -> None:
    told = customer.wait_for_run(customer.post(f"/syncs/{sync_id}/runs", {}, expect=202)["id"])
    assert told["status"] == "succeeded", told


def test_a_book_is_synced_both_ways_and_connected_again_without_doubles(whole: tuple[Stack, DemoBook]):
    """Case 45, with every role enforced."""
    stack, book = whole
    customer = Customer.of(stack)
    connection = signed_in(customer)
    groups = customer.get(f"/connections/{connection}/groups")["items"]
    assert groups[0]["name"] == "All contacts"
    source = {"kind": "connection", "connection_id": connection}
    sync_id = customer.post("/syncs", {"source": source}, expect=201)["id"]
    run(customer, sync_id)
    requests.get(f"{book.url}/demo", {"from": "Ada Example", "to": "Ada Lovelace"}, timeout=30)
    run(customer, sync_id)
    customer.post("/contacts", {"fields": {"name": "Zoe", "email": "zoe@example.com"}}, expect=201)
    followed = wait_for(
        lambda: edited(customer, sync_id), within_s=60, what="a run"
    )  # nobody has asked for that run
    assert customer.wait_for_run(followed)["status"] == "succeeded"
    names = {"Ada Lovelace", "Grace Example", "Zoe"}
    assert {each["fields"]["name"] for each in customer.contacts()} == names
    assert customer.request("DELETE", f"/connections/{connection}").status_code == 204
    assert customer.get(f"/syncs/{sync_id}")["paused_because"]["code"] == "not_connected"
    assert signed_in(customer) == connection
    run(customer, sync_id)
    assert sorted(each["fields"]["name"] for each in customer.contacts()) == sorted(names)
    assert sorted(requests.get(f"{book.url}/demo", timeout=30).json()["contacts"]) == sorted(names)

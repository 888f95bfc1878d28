"""An address book through the whole stack: signed in for, synced both ways, disconnected, connected again."""

from __future__ import annotations

import pytest
import requests

from local.demo import DemoBook
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack


def edited(customer: Customer, sync_id: str) -> str | None:
    """The run that an edit has set going."""
    latest = customer.get(f"/syncs/{sync_id}")["latest_run"]
    return str(latest["id"]) if latest["trigger"] == "edit" else None


def test_a_book_is_synced_both_ways_and_connected_again_without_doubles(
    customer: Customer, demo_book: DemoBook
):
    """Case 45, with every role enforced."""
    book = demo_book
    connection = customer.connect_demo_book()
    groups = customer.get(f"/connections/{connection}/groups")["items"]
    assert groups[0]["name"] == "All contacts"
    source = {"kind": "connection", "connection_id": connection}
    sync_id = customer.post("/syncs", {"source": source}, expect=201)["id"]
    customer.sync(sync_id)
    requests.get(f"{book.url}/demo", {"from": "Emmy Noether", "to": "Amalie Noether"}, timeout=30)
    customer.sync(sync_id)
    customer.post("/contacts", {"fields": {"name": "Zoe", "email": "zoe@example.com"}}, expect=201)
    followed = wait_for(
        lambda: edited(customer, sync_id), within_s=60, what="a run"
    )  # nobody has asked for that run
    assert customer.wait_for_run(followed)["status"] == "succeeded"
    names = {"Amalie Noether", "Grace Hopper", "Zoe"}
    assert {each["fields"]["name"] for each in customer.contacts()} == names
    assert customer.request("DELETE", f"/connections/{connection}").status_code == 204
    assert customer.get(f"/syncs/{sync_id}")["paused_because"]["code"] == "not_connected"
    assert customer.connect_demo_book() == connection
    customer.sync(sync_id)
    assert sorted(each["fields"]["name"] for each in customer.contacts()) == sorted(names)
    assert sorted(requests.get(f"{book.url}/demo", timeout=30).json()["contacts"]) == sorted(names)

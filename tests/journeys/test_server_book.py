"""Address books on a CardDAV server through the whole stack, with Radicale as the server and every role enforced."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.core.pictures import marked, name_of
from local.demo import DemoBook
from local.stack import Stack
from tests.fakes.radicale import DavPerson, Radicale
from tests.journeys import traces
from tests.support.customer import Customer
from tests.support.portraits import portrait
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack


def opened(person: DavPerson, **changes: str) -> dict[str, Any]:
    named = {"username": person.name, "password": person.password}
    return {"provider": "carddav", "url": person.server, **named, **changes}


def people(customer: Customer) -> list[str]:
    return sorted(each["fields"]["name"] for each in customer.contacts())


def come(person: DavPerson, names: list[str]) -> None:
    """Nobody asks for a run: an edit is brought to the book by itself."""
    wait_for(lambda: person.names("Friends") == names, within_s=60, what=f"{names} in the book")


def test_a_book_is_synced_both_ways_and_connected_again_without_doubles(
    customer: Customer, radicale: Radicale
):
    """Case 45."""
    maria = radicale.person("maria", "Contacts", "Friends")
    maria.put("Friends", "1", "Ada", "ada@example.com")
    maria.put("Contacts", "2", "Nobody asked for", "nobody@example.com")
    connection = customer.post("/connections", opened(maria), expect=201)["connection"]["id"]
    groups = {each["name"]: each["id"] for each in customer.get(f"/connections/{connection}/groups")["items"]}
    assert list(groups) == ["All address books", "Contacts", "Friends"]
    source = {"kind": "connection", "connection_id": connection, "group": groups["Friends"]}
    sync_id = customer.post("/syncs", {"source": source}, expect=201)["id"]
    assert customer.sync(sync_id)["counts"]["added"] == 1
    assert people(customer) == ["Ada"]

    zoe = customer.post("/contacts", {"fields": {"name": "Zoe", "email": "zoe@example.com"}}, expect=201)
    come(maria, ["Ada", "Zoe"])
    maria.put("Friends", "1", "Ada Lovelace", "ada@example.com")
    customer.sync(sync_id)
    changed = customer.request("PATCH", f"/contacts/{zoe['id']}", json={"fields": {"name": "Zoë"}})
    assert changed.ok, changed.text
    come(maria, ["Ada Lovelace", "Zoë"])
    assert people(customer) == ["Ada Lovelace", "Zoë"]

    assert customer.request("DELETE", f"/connections/{connection}").status_code == 204
    assert customer.get(f"/syncs/{sync_id}")["paused_because"]["code"] == "not_connected"
    radicale.let_in("maria", "close sesame")
    again = customer.post("/connections", opened(maria, password="close sesame"), expect=201)["connection"]
    assert (again["id"], again["state"]) == (connection, "active")
    assert customer.sync(sync_id)["counts"]["added"] == 0
    assert people(customer) == ["Ada Lovelace", "Zoë"]
    assert DavPerson(radicale.url, "maria", "close sesame").names("Friends") == ["Ada Lovelace", "Zoë"]


def test_a_picture_bears_the_hub_s_mark_as_long_as_the_box_is_ticked_and_goes_with_its_person(
    customer: Customer, radicale: Radicale, stack: Stack
):
    """Case 32."""
    petra, face = radicale.person("petra", "Contacts"), portrait(1)
    petra.put("Contacts", "1", "Ada", "ada@example.com", face)
    connection = customer.post("/connections", opened(petra), expect=201)["connection"]["id"]
    source = {"kind": "connection", "connection_id": connection}
    sync_id = customer.post("/syncs", {"source": source, "selection": "subscribed"}, expect=201)["id"]
    customer.sync(sync_id)
    [ada] = customer.contacts()
    assert petra.picture("Contacts", "1") == marked(face)
    assert customer.request("GET", f"/contacts/{ada['id']}/photo").content == face

    customer.sync(sync_id)
    assert customer.request("DELETE", f"/contacts/{ada['id']}/subscription").status_code == 204
    wait_for(lambda: petra.picture("Contacts", "1") == face, within_s=60, what="the original")
    customer.sync(sync_id)
    [same] = customer.contacts()
    assert same["fields"]["photo"] == name_of(face)

    erasure = customer.post("/erasures", {"contact_id": ada["id"]}, expect=202)
    customer.wait_until_done(f"/erasures/{erasure['id']}")
    kept = traces.objects(stack, stack.deployed.outputs["PhotosBucketName"], "")
    assert not [place for place in kept if customer.account_id in place.where]


def test_what_cannot_be_connected_is_told_and_nothing_is_kept(
    customer: Customer, stack: Stack, radicale: Radicale, demo_book: DemoBook
):
    lena = radicale.person("lena", "Contacts")
    inside = f"https://127.0.0.1:{stack.settings.ports.aws}/"
    for body, pointer, said in (
        (opened(lena, password="shut sesame"), "/password", "does not take this user name and password"),
        (opened(lena, url=demo_book.url), "/url", "There is no address book at this address."),
        (opened(lena, url=inside), "/url", "This address cannot be fetched from."),
        (opened(lena, url="http://dav.example.com/"), "/url", "with encryption only"),
    ):
        told = customer.post("/connections", body, expect=422)
        [error] = told["errors"]
        assert error["pointer"] == pointer
        assert said in error["message"]
    assert customer.get("/connections")["items"] == []

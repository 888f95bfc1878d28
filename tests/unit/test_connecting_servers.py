"""Connecting address books on CardDAV servers through the API, with Radicale as the server."""

from __future__ import annotations

import json
import socket
import uuid
from typing import Any

import pytest

from contactsync.connectors.carddav import discover
from contactsync.connectors.dav import Dav
from contactsync.control.books import Linking
from contactsync.model.connection import Link
from contactsync.sources.net import Guard
from tests.fakes.certificates import Authority
from tests.fakes.radicale import DavPerson, Radicale
from tests.fakes.webserver import Answer, Request, WebServer, reply
from tests.support.calling import ApiWorld, Client
from tests.support.connecting import Servers

WRONG_PASSWORD = "The server does not take this user name and password."
NO_BOOK = "There is no address book at this address. Give the address that the provider names for CardDAV"
AWAY = "See that the address is right and the server is up, and send this again."


@pytest.fixture
def ann(radicale: Radicale) -> DavPerson:
    return radicale.person(f"ann-{uuid.uuid4().hex[:8]}", "Contacts", "Friends")


@pytest.fixture(autouse=True)
def reachable(world: ApiWorld, radicale: Radicale) -> None:
    reach(world, radicale.port)


def reach(world: ApiWorld, *ports: int) -> None:
    """CardDAV servers on these ports may be asked."""
    world.discoverer = Servers(*ports)
    world.know({})


def opened(person: DavPerson, **changes: str) -> dict[str, Any]:
    named = {"username": person.name, "password": person.password}
    return {"provider": "carddav", "url": person.server, **named, **changes}


def connected(client: Client, person: DavPerson, **changes: str) -> dict[str, Any]:
    answer = client.post("/connections", opened(person, **changes))
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json["connection"]
    return found


def refused(client: Client, body: dict[str, Any]) -> tuple[str, str]:
    """Which part of the request is wrong, and what is said of it; nothing is connected."""
    answer = client.post("/connections", body)
    assert answer.status == 422, answer.text
    assert client.get("/connections").json["items"] == []
    [error] = answer.json["errors"]
    assert error["message"].endswith(".")
    assert body["password"] not in answer.text
    return error["pointer"], error["message"]


def assert_wrong(told: tuple[str, str], where: str, why: str) -> None:
    assert (told[0], why in told[1]) == (where, True), told


@pytest.mark.parametrize("path", ["", "/", "/{}/", "/{}/contacts/", "/.well-known/carddav", "/nowhere/"])
def test_a_book_is_found_from_any_address_of_its_server(api, ann, path):
    """RFC 6764."""
    answer = api.post("/connections", opened(ann, url=ann.server + path.format(ann.name)))
    assert (answer.status, answer.json["authorize_url"]) == (201, None)
    shown = api.get(answer.headers["location"].removeprefix("/v1")).json
    assert (shown["state"], shown["name"], shown["provider"]) == ("active", ann.name, "carddav")
    assert api.get("/connections").json["items"] == [shown]
    groups = api.get(f"/connections/{shown['id']}/groups").json["items"]
    assert [group["name"] for group in groups] == ["All address books", "Contacts", "Friends"]


def test_a_password_is_kept_sealed_and_seen_nowhere(api, world, ann, capsys):
    shown = connected(api, ann)
    told = json.dumps([shown, api.get(f"/connections/{shown['id']}").json])
    kept = [document for document, _, _ in world.records._stored.values()]
    for seen in (told, str(kept), capsys.readouterr().out):
        assert ann.password not in seen


# What is wrong


def test_a_wrong_password_is_said_to_be_one(api, ann):
    assert_wrong(refused(api, opened(ann, password="shut sesame")), "/password", WRONG_PASSWORD)


def test_a_user_whom_the_server_does_not_know_looks_the_same(api, ann):
    assert_wrong(refused(api, opened(ann, username="nobody")), "/password", WRONG_PASSWORD)


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"<html>Welcome</html>"),
        reply(b"", status="404 Not Found"),
        reply(b"", status="405 Method Not Allowed"),
        reply(b"", status="501 Not Implemented"),
        reply(b'<multistatus xmlns="DAV:"/>', status="207 Multi-Status"),
    ],
)
def test_a_server_without_address_books_is_said_to_be_one(api, world, ann, answer):
    with WebServer(lambda _: answer) as server:
        reach(world, server.port)
        body = opened(ann, url=f"http://127.0.0.1:{server.port}/")
        assert_wrong(refused(api, body), "/url", NO_BOOK)


@pytest.mark.parametrize("answer", [[b"SSH-2.0-OpenSSH_9.6\r\n"], reply(b"", status="503 Busy"), []])
def test_what_speaks_otherwise_or_not_now_is_said_to_be_away(api, world, ann, answer):
    with WebServer(lambda _: answer) as server:
        reach(world, server.port)
        body = opened(ann, url=f"http://127.0.0.1:{server.port}/")
        assert_wrong(refused(api, body), "/url", AWAY)


def home(place: str) -> Answer:
    """What a server says of where somebody's books lie."""
    found = f"<C:addressbook-home-set><href>{place}</href></C:addressbook-home-set>"
    body = (
        '<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><response><href>/</href><propstat>'
        f"<prop>{found}</prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
    )
    return reply(body.encode(), status="207 Multi-Status", Connection="close")


def test_a_server_that_does_not_know_that_it_is_reached_with_encryption_is_asked_so_all_the_same(tmp_path):
    """As Nextcloud behind a proxy, unless it is told: it refers to its host without encryption, at its inner port."""
    authority = Authority(tmp_path)

    def answer(request: Request) -> Answer:
        if request.target == "/.well-known/carddav":
            return reply(b"", status="301 Moved", Location="http://127.0.0.1:8080/dav/", Connection="close")
        if request.target == "/dav/":
            return home("/ann/")
        return reply(b"", status="405 Method Not Allowed", Connection="close")

    with WebServer(answer, tls=authority.server("127.0.0.1")) as server:
        guard = Guard(frozenset({("127.0.0.1", server.port)}), tls=authority.client)
        url = f"https://127.0.0.1:{server.port}"
        assert discover(Dav(f"{url}/", "ann", "s3cret", guard)) == f"{url}/ann/"


def test_a_host_whose_pages_lie_elsewhere_may_have_its_books_here():
    def answer(request: Request) -> Answer:
        if request.target == "/.well-known/carddav":
            return home("/ann/")
        return reply(b"", status="302 Found", Location="https://www.example.org/", Connection="close")

    with WebServer(answer) as server:
        url, guard = f"http://127.0.0.1:{server.port}", Guard(frozenset({("127.0.0.1", server.port)}))
        assert discover(Dav(f"{url}/", "ann", "s3cret", guard)) == f"{url}/ann/"


def test_where_nobody_listens_is_said_to_be_away(api, world, ann):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    reach(world, port)
    assert_wrong(refused(api, opened(ann, url=f"http://127.0.0.1:{port}/")), "/url", AWAY)


def test_an_address_inside_is_refused_unless_it_is_allowed(api, world, ann):
    reach(world)
    assert_wrong(
        refused(api, opened(ann, url=ann.server.replace("http:", "https:"))),
        "/url",
        "This address cannot be fetched from.",
    )


def test_a_password_goes_nowhere_unencrypted(api, ann):
    assert_wrong(
        refused(api, opened(ann, url="http://dav.example.com/")), "/url", "Give the address with https://."
    )


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "dav.example.com", "https://ann:pw@dav.example.com/", ""]
)
def test_what_is_no_address_is_not_asked(api, ann, url):
    answer = api.post("/connections", opened(ann, url=url))
    assert (answer.status, answer.pointers) == (422, {"/url"})


# Again (Case 45)


def test_the_same_book_is_the_same_connection_again(api, world, radicale, ann):
    before = connected(api, ann)["id"]
    link = Link("card-1", "contact-1", "e1", {"name": "Ada"}, {"name": "Ada"})
    world.control.store_links(world.account.account_id, before, [Linking(link)], world.clock.now())
    assert api.delete(f"/connections/{before}").status == 204
    assert world.control.connection(world.account.account_id, before).value.sealed == ""
    assert api.get(f"/connections/{before}/groups").json["type"] == "/problems/not_connected"
    radicale.let_in(ann.name, "close sesame")
    again = connected(api, ann, url=f"{ann.server}/{ann.name}/contacts/", password="close sesame")
    assert (again["id"], again["state"]) == (before, "active")
    assert world.control.link(world.account.account_id, before, link.key).value == link
    assert api.get(f"/connections/{before}/groups").status == 200
    assert len(api.get("/connections").json["items"]) == 1


def test_a_request_that_is_sent_again_connects_one_book(api, ann):
    first, second = (api.post("/connections", opened(ann), key="k").json for _ in range(2))
    assert first == second
    assert len(api.get("/connections").json["items"]) == 1


def test_another_person_s_books_never_take_a_connection_over(api, radicale, ann):
    mine = connected(api, ann)
    bob = radicale.person(f"bob-{uuid.uuid4().hex[:8]}", "Contacts")
    answer = api.post("/connections", opened(bob, connection_id=mine["id"]))
    assert (answer.status, answer.json["type"]) == (409, "/problems/another_book")
    assert api.get(f"/connections/{mine['id']}").json == mine
    assert connected(api, bob)["id"] != mine["id"]


def test_a_password_that_is_taken_no_more_is_renewed_by_name(api, radicale, ann):
    mine = connected(api, ann)["id"]
    radicale.let_in(ann.name, "close sesame")
    answer = api.get(f"/connections/{mine}/groups")
    assert (answer.status, answer.json["type"]) == (422, "/problems/access_lost")
    assert connected(api, ann, password="close sesame", connection_id=mine)["id"] == mine
    assert api.get(f"/connections/{mine}/groups").status == 200


def test_a_plan_has_room_for_so_many_books(api, world, radicale, ann):
    world.limit(connections=1)
    mine = connected(api, ann)["id"]
    bob = radicale.person(f"bob-{uuid.uuid4().hex[:8]}", "Contacts")
    answer = api.post("/connections", opened(bob))
    assert (answer.status, answer.json["type"]) == (403, "/problems/plan_limit")
    assert connected(api, ann, connection_id=mine)["id"] == mine


def test_so_many_servers_of_an_account_are_waited_for_at_a_time(world, api, ann):
    """One that does not answer holds the functions that all accounts share."""
    book = connected(api, ann)
    world.limit(concurrent_runs=1)
    groups = f"/connections/{book['id']}/groups"
    with world.control.looking(api.account.account_id, world.clock.now()):
        answers = [api.post("/connections", opened(ann)), api.get(groups)]
    assert [each.status for each in answers] == [409, 409]
    assert {each.json["type"] for each in answers} == {"/problems/previews_under_way"}
    assert api.get(groups).status == 200
    assert api.post("/connections", opened(ann)).status == 201

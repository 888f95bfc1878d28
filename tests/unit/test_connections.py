"""Connecting address books through the API, by the real OAuth client against an authority on loopback (T15, T16)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from contactsync.model.connection import Link
from tests.fakes.authority import Person
from tests.fakes.graph import GraphServer
from tests.fakes.people import PeopleServer
from tests.support.calling import ApiWorld
from tests.support.connecting import (
    BOB,
    come_back,
    connected,
    consent,
    known,
    member,
    sign_in,
    state_of,
    stored,
)


@pytest.fixture(autouse=True)
def offered(world: ApiWorld, google, microsoft, people: PeopleServer, graph: GraphServer) -> None:
    world.know(known(google=google, microsoft=microsoft), {"google": people.url, "microsoft": graph.url})


# Connecting


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_a_person_signs_in_and_the_book_is_connected(api, world, provider):
    begun = api.post("/connections", {"provider": provider})
    assert begun.status == 201
    assert begun.json["connection"]["state"] == "pending"
    page = come_back(api, consent(begun.json["authorize_url"]))
    assert "ann@example.com is connected to Acme" in page.text
    shown = api.get(begun.headers["location"].removeprefix("/v1")).json
    assert (shown["state"], shown["name"], shown["provider"]) == ("active", "ann@example.com", provider)
    assert api.get("/connections").json["items"] == [shown]


def test_the_groups_of_a_book_are_the_provider_s(api, people, graph):
    people.add_group("Friends")
    ours = api.get(f"/connections/{connected(api)['id']}/groups").json["items"]
    assert [group["name"] for group in ours] == ["All contacts", "Starred", "Friends"]
    graph.add_folder("Clients")
    theirs = api.get(f"/connections/{connected(api, 'microsoft')['id']}/groups").json["items"]
    assert "Clients" in [group["name"] for group in theirs]


def test_the_page_says_whose_account_it_is_and_runs_nothing(api, google):
    google.person = Person("subject-9", "<script>alert(1)</script>@example.com")
    page = sign_in(api)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_a_request_that_is_sent_again_leads_to_the_same_sign_in(api):
    first, second = (api.post("/connections", {"provider": "google"}, key="k").json for _ in range(2))
    assert first == second
    assert "is connected" in come_back(api, consent(second["authorize_url"])).text
    assert len(api.get("/connections").json["items"]) == 1


def test_another_member_s_request_is_another_one_whatever_its_key(api, world):
    """They would be sent to sign in for a connection that is not theirs."""
    other = member(world, api, "sync.google", "contacts.view")
    first = api.post("/connections", {"provider": "google"}, key="connect")
    second = other.post("/connections", {"provider": "google"}, key="connect")
    assert first.status == 201
    assert (second.status, second.json["title"]) == (422, "The Idempotency-Key has been used.")


def test_parameters_that_a_provider_adds_are_passed_over(api):
    begun = api.post("/connections", {"provider": "google"}).json
    back = consent(begun["authorize_url"])
    assert "is connected" in come_back(api, f"{back}&scope=a%20b&authuser=0&prompt=consent&hd=x").text


def test_a_provider_at_which_we_are_not_known_is_not_offered(api, world, google):
    world.know(known(google=google))
    answer = api.post("/connections", {"provider": "microsoft"})
    assert (answer.status, answer.json["type"]) == (409, "/problems/provider_not_offered")
    assert "Microsoft" in answer.json["title"]


# T15: sign-ins that are none


def test_a_sign_in_can_be_completed_once(api, google):
    begun = api.post("/connections", {"provider": "google"}).json
    back = consent(begun["authorize_url"])
    come_back(api, back)
    tokens = dict(google.refresh_tokens)
    assert "is over" in come_back(api, back).text
    assert google.refresh_tokens == tokens
    assert state_of(api, begun["connection"]["id"]) == "active"


@pytest.mark.parametrize("query", ["", "code=1", "state=&code=1", "state=made-up&code=1"])
def test_a_state_that_we_did_not_give_out_leads_nowhere(api, query):
    assert "is over" in come_back(api, query).text
    assert api.get("/connections").json["items"] == []


def test_a_sign_in_is_over_after_ten_minutes(api, world):
    begun = api.post("/connections", {"provider": "google"}).json
    back = consent(begun["authorize_url"])
    world.clock.advance(timedelta(minutes=10))
    assert "is over" in come_back(api, back).text
    assert state_of(api, begun["connection"]["id"]) == "pending"


def test_a_code_of_another_sign_in_is_worth_nothing(api, stranger):
    """A code that somebody has got hold of, brought back under a state of their own: the verifier is another one."""
    stolen = parse_qs(consent(api.post("/connections", {"provider": "google"}).json["authorize_url"]))
    mine = stranger.post("/connections", {"provider": "google"}).json
    own = parse_qs(consent(mine["authorize_url"]))
    page = come_back(stranger, {"state": own["state"][0], "code": stolen["code"][0]})
    assert "did not accept" in page.text
    assert state_of(stranger, mine["connection"]["id"]) == "pending"


def test_a_code_is_used_once(api, google):
    first = api.post("/connections", {"provider": "google"}).json
    back = parse_qs(consent(first["authorize_url"]))
    come_back(api, {"state": back["state"][0], "code": back["code"][0]})
    second = api.post("/connections", {"provider": "google"}).json
    state = parse_qs(consent(second["authorize_url"]))["state"][0]
    assert "did not accept" in come_back(api, {"state": state, "code": back["code"][0]}).text


def test_an_answer_of_another_issuer_is_refused_before_the_code_goes_anywhere(api, google, microsoft):
    begun = api.post("/connections", {"provider": "google"}).json
    back = consent(begun["authorize_url"])
    page = come_back(api, f"{back}&iss={microsoft.url}")
    assert "another provider" in page.text
    assert google.codes, "the code was sent"
    assert state_of(api, begun["connection"]["id"]) == "pending"


def test_the_right_issuer_is_no_obstacle(api, google):
    begun = api.post("/connections", {"provider": "google"}).json
    assert "is connected" in come_back(api, f"{consent(begun['authorize_url'])}&iss={google.url}").text


def test_a_code_of_google_is_worth_nothing_at_microsoft(api, google):
    from_google = parse_qs(consent(api.post("/connections", {"provider": "google"}).json["authorize_url"]))
    begun = api.post("/connections", {"provider": "microsoft"}).json
    state = parse_qs(consent(begun["authorize_url"]))["state"][0]
    assert "did not accept" in come_back(api, {"state": state, "code": from_google["code"][0]}).text
    assert state_of(api, begun["connection"]["id"]) == "pending"


def test_an_address_to_come_back_to_is_ours_alone(api):
    url = api.post("/connections", {"provider": "google", "redirect_uri": "https://evil.example.com"})
    assert (url.status, url.pointers) == (422, {"/redirect_uri"})


def test_who_says_no_connects_nothing(api):
    begun = api.post("/connections", {"provider": "google"}).json
    state = parse_qs(consent(begun["authorize_url"]))["state"][0]
    page = come_back(api, {"state": state, "error": "access_denied"}).text
    assert "not granted" in page
    assert "an administrator of yours" in page, "some cannot agree by themselves"
    assert "is over" in come_back(api, {"state": state, "code": "1"}).text


def test_who_unticks_a_box_is_told_to_leave_it(api, google):
    google.unticked = frozenset({"https://www.googleapis.com/auth/contacts"})
    assert "leave all boxes ticked" in sign_in(api).text
    assert api.get("/connections").json["items"][0]["state"] == "pending"


def test_a_member_who_is_gone_connects_nothing(api, world):
    other = member(world, api, "sync.google")
    begun = other.post("/connections", {"provider": "google"}).json
    api.delete(f"/members/{other.account.member_id}")
    assert "is over" in come_back(api, consent(begun["authorize_url"])).text


# Again (Case 45)


def test_the_same_book_is_the_same_connection_again(api, world):
    """Case 45: what links its cards to contacts is still there, so nobody comes twice."""
    before = connected(api)
    link = Link("card-1", "contact-1", "e1", {"name": "Ada"}, {"name": "Ada"})
    world.control.store_links(world.account.account_id, before["id"], [_new(link)], world.clock.now())
    assert api.delete(f"/connections/{before['id']}").status == 204
    assert state_of(api, before["id"]) == "disconnected"
    begun = api.post("/connections", {"provider": "google"}).json["connection"]
    sign_in(api)
    again = connected(api)
    assert again["id"] == before["id"] != begun["id"]
    assert [item["id"] for item in api.get("/connections").json["items"] if item["state"] == "active"] == [
        before["id"]
    ]
    assert world.control.link(world.account.account_id, before["id"], link.key).value == link


def _new(link: Link):
    from contactsync.control.books import Linking

    return Linking(link)


def test_another_person_s_book_is_a_connection_of_its_own(api, google):
    ann = connected(api)
    google.person = BOB
    bob = connected(api)
    assert ann["id"] != bob["id"]
    assert [each["name"] for each in api.get("/connections").json["items"]] == [
        "ann@example.com",
        "bob@example.com",
    ]


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_who_is_signed_in_at_the_provider_can_connect_another_account_of_theirs(
    api, google, microsoft, provider
):
    ann = connected(api, provider)
    for authority in (google, microsoft):
        authority.session, authority.person = authority.person, BOB
    assert connected(api, provider)["id"] != ann["id"]


def test_the_same_book_of_another_member_is_another_connection(api, world):
    ann = connected(api)
    other = member(world, api, "sync.google")
    assert connected(other)["id"] != ann["id"]


def test_a_book_that_two_members_have_connected_is_followed_through_one_of_the_connections(
    api, world, google
):
    """Each of two would take for news what the other has brought there, without end."""
    other = member(world, api, "sync.google", "syncs.manage")
    mine, theirs = connected(api)["id"], connected(other)["id"]

    def following(connection):
        return {"source": {"kind": "connection", "connection_id": connection}}

    first = api.post("/syncs", following(mine)).json
    assert api.post("/syncs", following(mine)).status == 201
    refused = other.post("/syncs", following(theirs))
    assert (refused.status, refused.pointers) == (422, {"/source/connection_id"})
    google.person = BOB
    assert api.post("/syncs", following(connected(other)["id"])).status == 201
    for sync in api.get("/syncs").json["items"]:
        if sync["source"]["connection_id"] == mine and sync["id"] != first["id"]:
            api.delete(f"/syncs/{sync['id']}")
    assert api.patch(f"/syncs/{first['id']}", following(theirs)).status == 200
    assert other.post("/syncs", following(theirs)).status == 201
    assert api.post("/syncs", following(mine)).status == 422


def test_a_sign_in_with_another_book_never_takes_a_connection_over(api, google, world):
    before = connected(api)
    sealed = stored(world, before["id"]).sealed
    google.person = BOB
    page = sign_in(api, connection_id=before["id"])
    assert "that of ann@example.com, and the sign-in was with bob@example.com" in page.text
    assert "Nothing was changed" in page.text
    assert stored(world, before["id"]).sealed == sealed
    assert len(api.get("/connections").json["items"]) == 1


def test_a_connection_is_renewed_by_name(api, world):
    before = connected(api)
    assert "is connected" in sign_in(api, connection_id=before["id"]).text
    assert len(api.get("/connections").json["items"]) == 1


def test_nobody_renews_a_connection_that_is_not_theirs(api, world, stranger):
    mine = connected(api)["id"]
    other = member(world, api, "sync.google")
    for client in (other, stranger):
        answer = client.post("/connections", {"provider": "google", "connection_id": mine})
        assert (answer.status, answer.pointers) == (422, {"/connection_id"})
    answer = api.post("/connections", {"provider": "microsoft", "connection_id": mine})
    assert answer.status == 422


# Who may, and how many


@pytest.mark.parametrize("provider", ["google", "microsoft", "carddav"])
def test_each_provider_has_its_own_permission(api, provider):
    others = {"google", "microsoft", "carddav"} - {provider}
    api.permissions = tuple(f"sync.{each}" for each in others)
    answer = api.post("/connections", {"provider": provider})
    assert answer.status == 403
    assert f"sync.{provider}" in answer.json["title"]


def test_connections_of_other_providers_are_not_shown(api):
    google, microsoft = connected(api)["id"], connected(api, "microsoft")["id"]
    api.permissions = ("sync.microsoft",)
    assert [each["id"] for each in api.get("/connections").json["items"]] == [microsoft]
    for path in (f"/connections/{google}", f"/connections/{google}/groups"):
        assert api.get(path).status == 403
    assert api.delete(f"/connections/{google}").status == 403


def test_only_who_manages_the_account_handles_others_connections(api, world):
    mine = connected(api)["id"]
    other = member(world, api, "sync.google")
    assert other.get(f"/connections/{mine}").status == 200
    assert other.get(f"/connections/{mine}/groups").status == 403
    assert other.delete(f"/connections/{mine}").status == 403
    theirs = connected(other)["id"]
    assert api.get(f"/connections/{theirs}/groups").status == 200
    assert api.delete(f"/connections/{theirs}").status == 204


def test_only_who_manages_the_account_has_others_books_followed(api, world):
    """A sync brings all contacts of the book to everybody, and may change them there."""
    mine = connected(api)["id"]
    other = member(world, api, "sync.google", "syncs.manage")

    def following(connection):
        return {"source": {"kind": "connection", "connection_id": connection}}

    for path in ("/syncs", "/imports"):
        refused = other.post(path, following(mine))
        assert (refused.status, "account.manage" in refused.json["title"]) == (403, True)
    own = other.post("/syncs", following(connected(other)["id"])).json
    assert other.patch(f"/syncs/{own['id']}", following(mine)).status == 403
    assert api.patch(f"/syncs/{own['id']}", following(mine)).status == 200
    assert other.patch(f"/syncs/{own['id']}", {"name": "Books"}).status == 200


def test_a_plan_has_room_for_so_many_books_whichever_way_they_are_begun(api, world, google):
    world.limit(connections=1)
    urls = [api.post("/connections", {"provider": "google"}).json["authorize_url"] for _ in range(2)]
    assert "is connected" in come_back(api, consent(urls[0])).text
    google.person = BOB
    assert "has room for 1 connected" in come_back(api, consent(urls[1])).text
    answer = api.post("/connections", {"provider": "google"})
    assert (answer.status, answer.json["type"]) == (403, "/problems/plan_limit")
    [first] = [each["id"] for each in api.get("/connections").json["items"] if each["state"] == "active"]
    google.person = Person("subject-1", "ann@example.com")
    assert "is connected" in sign_in(api, connection_id=first).text
    api.delete(f"/connections/{first}")
    assert api.post("/connections", {"provider": "google"}).status == 201


def test_of_two_books_that_come_at_the_same_moment_the_last_that_fits_is_one(api, world, google):
    world.limit(connections=1)
    ways = [consent(api.post("/connections", {"provider": "google"}).json["authorize_url"]) for _ in range(2)]
    pages = []
    attach = world.control.attach

    def attach_late(*told):
        world.control.attach = attach
        google.person = BOB
        pages.append(come_back(api, ways[1]).text)
        attach(*told)

    world.control.attach = attach_late
    pages.append(come_back(api, ways[0]).text)
    assert "is connected" in pages[0]
    assert "has room for 1 connected" in pages[1]
    assert api.get("/account").json["usage"]["connections"] == 1


def test_connections_are_listed_page_by_page(api, google):
    for number in range(3):
        google.person = Person(f"subject-{number}", f"{number}@example.com")
        connected(api)
    page = api.get("/connections?limit=2").json
    rest = api.get(f"/connections?limit=2&next={page['next']}").json
    names = [each["name"] for each in (*page["items"], *rest["items"])]
    assert names == ["0@example.com", "1@example.com", "2@example.com"]
    assert rest["next"] is None

"""Connecting address books through the API, by the real OAuth client against an authority on loopback (T15, T16)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import cast
from urllib.parse import parse_qs

import pytest

from contactsync.adapters.memory import MemoryShares
from contactsync.errors import Busy
from contactsync.journeys.account import forgetting
from contactsync.journeys.asked import scheduling
from contactsync.model.connection import Link
from contactsync.model.lending import Errand
from contactsync.model.message import SyncDue
from contactsync.ports import Keeper
from tests.calling import ApiWorld, Client
from tests.connecting import authority, come_back, connected, consent, known, sign_in
from tests.fakes.authority import AuthorityServer, Person
from tests.fakes.graph import GraphServer
from tests.fakes.people import PeopleServer
from tests.unit.test_forgetting import nights

BOB = Person("subject-2", "bob@example.com")


@pytest.fixture
def google() -> Iterator[AuthorityServer]:
    with authority() as server:
        yield server


@pytest.fixture
def microsoft() -> Iterator[AuthorityServer]:
    with authority(rotates=True) as server:
        yield server


@pytest.fixture
def people(world: ApiWorld, google: AuthorityServer) -> Iterator[PeopleServer]:
    with PeopleServer(world.clock) as server:
        server.tokens = cast("set[str]", google.access_tokens.keys())
        yield server


@pytest.fixture
def graph(microsoft: AuthorityServer) -> Iterator[GraphServer]:
    with GraphServer() as server:
        server.tokens = cast("set[str]", microsoft.access_tokens.keys())
        yield server


@pytest.fixture(autouse=True)
def offered(world: ApiWorld, google, microsoft, people: PeopleServer, graph: GraphServer) -> None:
    world.know(known(google=google, microsoft=microsoft), {"google": people.url, "microsoft": graph.url})


def state_of(client: Client, connection_id: str) -> str:
    return str(client.get(f"/connections/{connection_id}").json["state"])


def stored(world: ApiWorld, connection_id: str):
    return world.control.connection(world.account.account_id, connection_id).value


def member(world: ApiWorld, client: Client, *permissions: str) -> Client:
    """Another member of the same account, who may do this."""
    told = client.post(
        "/members", {"email": f"{len(permissions)}@example.com", "permissions": list(permissions)}
    )
    account = client.account.__class__(**{**vars_of(client.account), "member_id": told.json["id"]})
    return Client(world, account, permissions)


def vars_of(account) -> dict[str, str]:
    return {name: getattr(account, name) for name in account.__dataclass_fields__}


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
    assert "not granted" in come_back(api, {"state": state, "error": "access_denied"}).text
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


# Again (Case 45, S2.13, S4.20)


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


def test_the_same_book_of_another_member_is_another_connection(api, world):
    ann = connected(api)
    other = member(world, api, "sync.google")
    assert connected(other)["id"] != ann["id"]


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


# Going


def test_disconnecting_gives_everything_back_and_forgets_it(api, world, google):
    connection = connected(api)
    given = list(google.refresh_tokens)
    assert api.delete(f"/connections/{connection['id']}").status == 204
    assert google.revoked == given
    assert stored(world, connection["id"]).sealed == ""
    assert api.delete(f"/connections/{connection['id']}").status == 204
    answer = api.get(f"/connections/{connection['id']}/groups")
    assert (answer.status, answer.json["type"]) == (422, "/problems/not_connected")


def test_a_book_that_another_member_has_connected_too_is_not_taken_back(api, world, google):
    other = member(world, api, "sync.google")
    theirs, mine = connected(other)["id"], connected(api)["id"]
    api.delete(f"/connections/{mine}")
    assert google.revoked == []
    assert other.get(f"/connections/{theirs}/groups").status == 200


def test_a_provider_that_is_away_keeps_nobody_connected(api, world, google):
    connection = connected(api)
    google.down = True
    assert api.delete(f"/connections/{connection['id']}").status == 204
    assert stored(world, connection["id"]).sealed == ""


def test_an_account_that_is_forgotten_gives_back_what_its_members_lent(api, world, google):
    connected(api)
    connected(member(world, api, "sync.google"))
    given = list(google.refresh_tokens)
    forgetting.close_account(world.control, MemoryShares(), world.account.account_id, world.clock.now())
    world.clock.advance(forgetting.GRACE)
    nights(world)
    assert set(google.revoked) & set(given)
    assert world.control.connections(world.account.account_id) == []


def test_nothing_is_forgotten_while_our_own_keys_are_away(api, world, google, monkeypatch):
    """Else the provider would keep a grant that nobody can give back any more."""
    connection, given = connected(api), list(google.refresh_tokens)

    def away(*_):
        raise Busy("throttled")

    with monkeypatch.context() as patch:
        patch.setattr(world.vault, "decrypt", away)
        assert api.delete(f"/connections/{connection['id']}").status == 503
    assert api.delete(f"/connections/{connection['id']}").status == 204
    assert google.revoked == given


# T16: what opens a book


def access(world: ApiWorld, connection_id: str, keeper=None, refused: str = "") -> str:
    errand = Errand(
        wants="access",
        account_id=world.account.account_id,
        connection_id=connection_id,
        refused=refused,
    )
    return (keeper or world.keeper).keep(errand).token


def test_nothing_that_opens_a_book_is_seen_anywhere(api, world, google, capsys):
    begun = api.post("/connections", {"provider": "google"})
    back = consent(begun.json["authorize_url"])
    page = come_back(api, back)
    connection_id = begun.json["connection"]["id"]
    [refresh], [token] = google.refresh_tokens, google.access_tokens
    asked = parse_qs(back)
    seen = page.text + json.dumps(api.get(f"/connections/{connection_id}").json) + capsys.readouterr().out
    for secret in (refresh, token, asked["code"][0], asked["state"][0]):
        assert secret not in seen
        assert secret not in json.dumps([record.document for record in everything(world)])


def everything(world: ApiWorld):
    from contactsync.ports import Record

    for key, (document, version, _) in world.records._stored.items():
        yield Record(key, json.loads(document), version)


def test_what_was_sealed_for_one_connection_opens_no_other(api, world, google):
    ann = connected(api)["id"]
    google.person = BOB
    bob = connected(api)["id"]
    sealed = {each: stored(world, each).sealed for each in (ann, bob)}
    for mine, other in ((ann, bob), (bob, ann)):
        world.control.update_connection(
            world.account.account_id,
            mine,
            lambda it, other=other: it.model_copy(update={"sealed": sealed[other]}),
        )
    world.know(known(google=google))
    for each in (ann, bob):
        answer = api.get(f"/connections/{each}/groups")
        assert (answer.status, answer.json["type"]) == (422, "/problems/access_lost")


def test_a_token_is_used_as_long_as_it_lives(api, world, google):
    connection = connected(api)["id"]
    first = access(world, connection)
    assert access(world, connection) == first
    world.clock.advance(timedelta(minutes=58))
    assert access(world, connection) != first


def test_a_token_that_was_not_taken_is_replaced(api, world, people, google):
    connection = connected(api)["id"]
    access(world, connection)
    google.expire()
    assert api.get(f"/connections/{connection}/groups").status == 200


def test_a_newer_refresh_token_takes_the_place_of_the_older(api, world, microsoft):
    connection = connected(api, "microsoft")["id"]
    [first] = microsoft.refresh_tokens
    world.know(known(microsoft=microsoft))  # another process
    access(world, connection)
    microsoft.refresh_tokens.pop(first)
    world.know(known(microsoft=microsoft))
    access(world, connection)


def test_two_workers_that_renew_at_once_do_not_lose_the_newer_token(api, world, microsoft, monkeypatch):
    """The slower one comes with a token that its authority has already replaced and killed."""
    connection = connected(api, "microsoft")["id"]
    [first] = microsoft.refresh_tokens
    known_at = known(microsoft=microsoft)
    slow, fast = (keeper(world, known_at) for _ in range(2))
    refresh = known_at["microsoft"].refresh
    raced: list[str] = []

    def overtaken(token: str):
        if not raced:
            raced.append(token)
            access(world, connection, fast)
            microsoft.refresh_tokens.pop(first)
        return refresh(token)

    monkeypatch.setattr(known_at["microsoft"], "refresh", overtaken)
    assert access(world, connection, slow) in microsoft.access_tokens
    assert raced == [first]
    assert state_of(api, connection) == "active"
    assert access(world, connection, keeper(world, known_at)) in microsoft.access_tokens


def keeper(world: ApiWorld, known_at) -> Keeper:
    world.know(known_at)
    return world.keeper


def test_access_that_was_withdrawn_is_said_and_comes_back_with_a_new_sign_in(api, world, google):
    connection = connected(api)["id"]
    google.withdraw()
    answer = api.get(f"/connections/{connection}/groups")
    assert (answer.status, answer.json["type"]) == (422, "/problems/access_lost")
    shown = api.get(f"/connections/{connection}").json
    assert shown["state"] == "lost"
    assert "Connect the account again" in shown["problem"]
    assert [event.kind for event in world.bus.events if event.kind == "BookLost"] == ["BookLost"], (
        "outside of any run"
    )
    assert connected(api)["id"] == connection
    assert state_of(api, connection) == "active"
    assert api.get(f"/connections/{connection}/groups").status == 200


def test_an_authority_that_is_away_loses_nothing(api, world, google):
    connection = connected(api)["id"]
    world.know(known(google=google))
    google.down = True
    assert api.get(f"/connections/{connection}/groups").status == 503
    assert state_of(api, connection) == "active"


def test_a_sync_waits_while_its_book_is_not_connected_and_goes_on_by_itself(api, world):
    """Case 46, S2.19: nothing is paused that somebody would have to resume."""
    connection = connected(api)["id"]
    asked = {
        "source": {"kind": "connection", "connection_id": connection},
        "schedule": {"start": "2026-11-22T06:00:00", "time_zone": "UTC", "recurrence": "FREQ=DAILY"},
    }
    answer = api.post("/syncs", asked)
    assert answer.status == 201, answer.text
    sync_id = answer.json["id"]
    api.delete(f"/connections/{connection}")
    shown = api.get(f"/syncs/{sync_id}").json
    assert shown["paused_because"]["code"] == "not_connected"
    world.clock.advance(timedelta(days=1))
    assert woken(world, sync_id) is None
    connected(api)
    assert api.get(f"/syncs/{sync_id}").json["paused_because"] is None
    assert woken(world, sync_id) is not None


def woken(world: ApiWorld, sync_id: str) -> str | None:
    due = SyncDue(account_id=world.account.account_id, sync_id=sync_id)
    return scheduling.listen(
        due, control=world.control, bus=world.bus, scheduler=world.scheduler, clock=world.clock
    ).run_id

"""What opens a connected book: who holds it, how it is renewed, and that it is given back."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from contactsync.adapters.memory import MemoryShares
from contactsync.errors import Busy
from contactsync.journeys.account import forgetting
from contactsync.journeys.asked import scheduling
from contactsync.model.lending import Discovered, Errand
from contactsync.model.message import SyncDue
from contactsync.ports import Keeper
from tests.fakes.graph import GraphServer
from tests.fakes.people import PeopleServer
from tests.support.calling import ApiWorld
from tests.support.connecting import BOB, come_back, connected, consent, known, member, state_of, stored
from tests.unit.test_forgetting import nights


@pytest.fixture(autouse=True)
def offered(world: ApiWorld, google, microsoft, people: PeopleServer, graph: GraphServer) -> None:
    world.know(known(google=google, microsoft=microsoft), {"google": people.url, "microsoft": graph.url})


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


def test_a_member_who_is_removed_gets_no_contacts_any_more_and_lends_nothing(api, world, google):
    """Their own book is private from then on: what is edited here stays out of it, what is deleted there changes nobody."""
    leaver = member(world, api, "sync.google")
    mine = connected(api)["id"]
    google.person = BOB
    [theirs] = [connected(leaver)["id"]]
    given = stored(world, theirs).sealed
    assert given
    assert api.delete(f"/members/{leaver.account.member_id}").status == 204
    left, kept = stored(world, theirs), stored(world, mine)
    assert (left.state, left.sealed) == ("disconnected", "")
    assert (kept.state, bool(kept.sealed)) == ("active", True)
    assert len(google.revoked) == 1


def test_whose_permission_is_taken_away_lends_no_book_of_that_provider_any_more(api, world, google):
    """What is edited here stays out of the book, and no deletion there comes in, as if it were disconnected by hand."""
    leaver = member(world, api, "sync.google", "sync.microsoft", "contacts.view")
    mine, theirs = connected(api)["id"], connected(leaver)["id"]
    other = connected(leaver, "microsoft")["id"]
    path = f"/members/{leaver.account.member_id}"
    assert api.patch(path, {"name": "Ben"}).status == 200
    assert stored(world, theirs).state == "active"
    assert api.patch(path, {"permissions": ["sync.microsoft", "contacts.view"]}).status == 200
    assert (stored(world, theirs).state, stored(world, theirs).sealed) == ("disconnected", "")
    assert [stored(world, each).state for each in (mine, other)] == ["active", "active"]
    assert api.patch(path, {"permissions": ["sync.google", "sync.microsoft"]}).status == 200
    assert connected(leaver)["id"] == theirs


def test_a_book_that_could_not_be_given_back_is_when_its_permission_is_taken_again(api, world, monkeypatch):
    leaver = member(world, api, "sync.google")
    theirs, path = connected(leaver)["id"], f"/members/{leaver.account.member_id}"

    def away(*_):
        raise Busy("throttled")

    with monkeypatch.context() as patch:
        patch.setattr(world.vault, "decrypt", away)
        assert api.patch(path, {"permissions": []}).status == 503
    assert stored(world, theirs).state == "active"
    assert api.patch(path, {"permissions": []}).status == 200
    assert stored(world, theirs).state == "disconnected"


def test_who_could_not_be_removed_for_good_is_removed_when_asked_again(api, world, monkeypatch):
    leaver = member(world, api, "sync.google")
    theirs = connected(leaver)["id"]

    def away(*_):
        raise Busy("throttled")

    with monkeypatch.context() as patch:
        patch.setattr(world.vault, "decrypt", away)
        assert api.delete(f"/members/{leaver.account.member_id}").status == 503
    assert api.delete(f"/members/{leaver.account.member_id}").status == 204
    assert stored(world, theirs).state == "disconnected"


@pytest.mark.parametrize("when", ["before", "while the server is asked", "at the last moment"])
def test_who_is_removed_lends_no_book_that_would_outlive_it(api, world, monkeypatch, when):
    """For up to a minute they are still let in, and a book that they connect then would go on getting contacts."""
    leaver = member(world, api, "sync.carddav")
    attach = world.control.attach

    def removed() -> None:
        assert api.delete(f"/members/{leaver.account.member_id}").status == 204

    def discover(asked):
        if when.startswith("while"):
            removed()
        return Discovered(account_id=asked.account_id, subject=asked.url, name="Books", groups=())

    def attach_late(*told):
        if when.startswith("at"):
            monkeypatch.setattr(world.control, "attach", attach)
            removed()
        attach(*told)

    world.discoverer = SimpleNamespace(discover=discover)
    world.know({})
    monkeypatch.setattr(world.control, "attach", attach_late)
    if when == "before":
        removed()
    asked = {"provider": "carddav", "url": "https://dav.example.com", "username": "l", "password": "p"}
    assert leaver.post("/connections", asked).status == 403
    assert api.get("/connections").json["items"] == []


def test_who_may_not_be_removed_stays_connected(api, world):
    mine = connected(api)["id"]
    assert api.delete(f"/members/{api.account.member_id}").status == 409
    assert stored(world, mine).state == "active"


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
    """Case 46: nothing is paused that somebody would have to resume."""
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
    world.bus.events.clear()
    connected(api)
    due = [event.detail["sync_id"] for event in world.bus.events if event.kind == "SyncDue"]
    assert due == [sync_id], "at once, not when its next day comes"
    said = [event.detail for event in world.bus.events if event.kind == "ContactsChanged"]
    assert [each["connection_id"] for each in said] == [connection], "edits have waited, too"
    assert api.get(f"/syncs/{sync_id}").json["paused_because"] is None
    assert woken(world, sync_id) is not None


def woken(world: ApiWorld, sync_id: str) -> str | None:
    due = SyncDue(account_id=world.account.account_id, sync_id=sync_id)
    return scheduling.listen(
        due, control=world.control, bus=world.bus, scheduler=world.scheduler, clock=world.clock
    ).run_id

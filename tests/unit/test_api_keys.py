"""Keys: shown once, stored as hashes, rotated, revoked, expired; and that none opens more than its maker may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from contactsync.api.authorizing import Unauthorized
from contactsync.control import key_digest
from contactsync.journeys.account import accounts
from functions.authorize import handler
from tests.unit.test_api_authorize import event
from tests.unit.test_api_members import acting_as, add


def opens(key):
    try:
        return handler.lambda_handler(event(f"Bearer {key}"), None)["principalId"]
    except Unauthorized:
        return None


def make(api, **body):
    answer = api.post("/keys", body)
    assert answer.status == 201, answer.text
    return answer.json


def everything_stored(api):
    return b"".join(document for document, _, _ in api.world.records._stored.values())


def listed(api):
    return {key["id"] for key in api.get("/keys").json["items"]}


def test_a_key_is_shown_once_and_kept_as_a_hash(api):
    made = make(api, name="Nightly")
    assert made["key"].startswith("csk_")
    assert made["prefix"] == made["key"][:8]
    assert opens(made["key"]) == api.account.member_id
    [shown] = [each for each in api.get("/keys").json["items"] if each["id"] == made["id"]]
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert made["key"].encode() not in everything_stored(api)
    assert key_digest(made["key"]).encode() in everything_stored(api)


def test_the_same_request_shows_the_same_key_which_still_is_kept_nowhere(api):
    first, again = (api.post("/keys", {"name": "Nightly"}, key="k") for _ in range(2))
    assert (first.status, first.json) == (again.status, again.json)
    assert opens(first.json["key"]) == api.account.member_id
    assert len(listed(api)) == 2
    assert first.json["key"].encode() not in everything_stored(api)
    other = api.post("/keys", {"name": "Nightly"}, key="another").json
    assert other["key"] != first.json["key"]


def test_a_request_that_is_sent_again_brings_no_revoked_key_back(api):
    made = api.post("/keys", {}, key="k").json
    api.delete(f"/keys/{made['id']}")
    assert api.post("/keys", {}, key="k").problem == (409, "key_revoked")
    assert opens(made["key"]) is None


def test_somebody_else_s_request_sent_again_shows_nothing(api):
    made = api.post("/keys", {}, key="k")
    clerk = acting_as(api, add(api, permissions=["contacts.view"]))
    assert made.status == 201
    refused = clerk.post("/keys", {}, key="k")
    assert refused.problem == (422, "invalid_request")
    assert made.json["key"] not in refused.text


@pytest.mark.parametrize("left", [["contacts.view", "contacts.edit"], ["account.manage", "contacts.view"]])
def test_who_may_do_less_by_now_is_shown_no_key_again_that_opens_more(api, left):
    other = add(api, email="other@example.com", permissions=["contacts.view", "contacts.edit"])["id"]
    helper = acting_as(api, add(api, permissions=["account.manage", "contacts.view", "contacts.edit"]))
    made = helper.post("/keys", {"member_id": other}, key="k")
    assert made.status == 201
    fewer = replace(helper, permissions=tuple(left))
    refused = fewer.post("/keys", {"member_id": other}, key="k")
    assert refused.problem == (403, "not_permitted")
    assert made.json["key"] not in refused.text


def test_keys_that_have_expired_take_no_room(api):
    mine = api.account.account_id
    accounts.change_plan(api.world.control, mine, api.world.clock.now(), limits={"keys": 2})
    make(
        api,
        expires_at=(api.world.clock.now() + timedelta(hours=1))
        .astimezone(timezone(timedelta(hours=2)))
        .isoformat(),
    )
    assert api.post("/keys", {}).problem == (403, "plan_limit")
    api.world.clock.advance(timedelta(hours=1))
    assert api.post("/keys", {}).status == 201


def test_a_revoked_key_opens_nothing(api):
    made = make(api)
    assert api.delete(f"/keys/{made['id']}").status == 204
    assert opens(made["key"]) is None
    assert made["id"] not in listed(api)
    assert api.delete(f"/keys/{made['id']}").problem == (404, "not_found")


def test_a_key_expires(api):
    at = (api.world.clock.now() + timedelta(hours=1)).isoformat()
    made = make(api, expires_at=at)
    assert opens(made["key"])
    api.world.clock.advance(timedelta(hours=1))
    assert opens(made["key"]) is None
    assert api.post("/keys", {"expires_at": at}).pointers == {"/expires_at"}
    assert api.post("/keys", {"expires_at": "2030-01-01T00:00:00"}).pointers == {"/expires_at"}


@pytest.mark.parametrize(
    "never", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00", "2200-01-01T00:00:00Z"]
)
def test_an_end_that_says_never_is_refused_with_the_way_to_say_it(api, never):
    refused = api.post("/keys", {"expires_at": never})
    assert (refused.status, refused.pointers) == (422, {"/expires_at"})
    assert "leave it out" in refused.text
    made = make(api, expires_at="2199-12-31T23:59:59Z")
    api.world.clock.advance(timedelta(days=1))
    assert api.post(f"/keys/{made['id']}/rotate", {}).status == 201


def test_a_rotated_key_lives_on_for_its_grace(api):
    old = make(api, name="Nightly")
    new = api.post(f"/keys/{old['id']}/rotate", {"grace_hours": 2}).json
    assert new["name"] == "Nightly"
    assert opens(old["key"]) == opens(new["key"]) == api.account.member_id
    [shown] = [each for each in api.get("/keys").json["items"] if each["id"] == old["id"]]
    assert shown["replaced_by"] == new["id"]
    assert api.post(f"/keys/{old['id']}/rotate", {}).problem == (409, "key_replaced")
    api.world.clock.advance(timedelta(hours=2))
    assert opens(old["key"]) is None
    assert opens(new["key"])


def test_a_key_that_somebody_else_has_is_rotated_at_once(api):
    old = make(api)
    first, again = (api.post(f"/keys/{old['id']}/rotate", {"grace_hours": 0}, key="k") for _ in range(2))
    assert first.json == again.json
    assert opens(old["key"]) is None
    assert opens(first.json["key"])
    assert old["id"] not in listed(api)


def test_a_rotated_key_lives_as_long_as_the_old_one_was_to(api):
    old = make(api, expires_at=(api.world.clock.now() + timedelta(days=30)).isoformat())
    api.world.clock.advance(timedelta(days=29))
    new = api.post(f"/keys/{old['id']}/rotate", {"grace_hours": 720}).json
    api.world.clock.advance(timedelta(days=1))
    assert opens(old["key"]) is None, "the grace gives no longer life than there was"
    api.world.clock.advance(timedelta(days=28))
    assert opens(new["key"])
    api.world.clock.advance(timedelta(days=2))
    assert api.post(f"/keys/{new['id']}/rotate", {}).problem == (409, "key_expired")


def test_without_account_manage_one_sees_to_one_s_own_keys(api):
    theirs = make(api)
    clerk = acting_as(api, add(api, permissions=["contacts.view"]))
    own = make(clerk, name="Mine")
    assert listed(clerk) == {own["id"]}
    assert {own["id"], theirs["id"]} < listed(api)
    for refused in (
        clerk.delete(f"/keys/{theirs['id']}"),
        clerk.post(f"/keys/{theirs['id']}/rotate", {}),
        clerk.post("/keys", {"member_id": api.account.member_id}),
    ):
        assert refused.problem == (403, "not_permitted")
        assert "account.manage" in refused.json["title"]
    assert opens(theirs["key"])
    assert clerk.delete(f"/keys/{own['id']}").status == 204


def test_nobody_sees_a_key_that_opens_more_than_they_may(api):
    owners = make(api)
    manager = acting_as(api, add(api, permissions=["account.manage"]))
    for refused in (
        manager.post("/keys", {"member_id": api.account.member_id}),
        manager.post(f"/keys/{owners['id']}/rotate", {}),
    ):
        assert refused.problem == (403, "not_permitted")
        assert "contacts.view" in refused.json["title"]
    assert manager.delete(f"/keys/{owners['id']}").status == 204, "closing is not opening"


def test_a_key_for_nobody_is_refused(api, stranger):
    for member_id in ("m0", stranger.account.member_id):
        assert api.post("/keys", {"member_id": member_id}).pointers == {"/member_id"}


def test_the_plan_limits_keys_that_open_something(api):
    api.world.limit(keys=2)
    made = make(api)
    refused = api.post("/keys", {})
    assert refused.problem == (403, "plan_limit")
    assert api.post(f"/keys/{made['id']}/rotate", {}).status == 403
    assert api.post(f"/keys/{made['id']}/rotate", {"grace_hours": 0}).status == 201


@pytest.mark.parametrize("body", [{"grace_hours": -1}, {"grace_hours": 721}, {"grace_hours": "1"}])
def test_a_grace_has_bounds(api, body):
    assert api.post(f"/keys/{make(api)['id']}/rotate", body).pointers == {"/grace_hours"}

"""Members: who they are, what they may do, and that nobody gets more than somebody had to give."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from contactsync.model.account import ALL_PERMISSIONS
from tests.support.calling import Client
from tests.unit.test_api_authorize import event as authorizer_event

ADDED = {"email": "two@example.com", "name": "Two", "permissions": ["contacts.view", "account.manage"]}


def add(api, email="two@example.com", permissions=(), **changes):
    api.world.clock.advance(timedelta(seconds=1))
    answer = api.post("/members", {"email": email, "permissions": list(permissions), **changes})
    assert answer.status == 201, answer.text
    return answer.json


def acting_as(api, member):
    """The API as this member has it."""
    account = type(api.account)(api.account.account_id, member["id"], "")
    return Client(api.world, account, tuple(member["permissions"]))


def test_a_member_is_added_listed_changed_and_removed(api):
    api.world.clock.advance(timedelta(seconds=1))
    member = api.post("/members", ADDED).json
    assert (member["email"], member["signed_in"]) == ("two@example.com", False)
    owner, second = api.get("/members").json["items"]
    assert (owner["id"], owner["permissions"]) == (api.account.member_id, list(ALL_PERMISSIONS))
    assert second == member
    path = f"/members/{member['id']}"
    changed = api.patch(path, {"permissions": ["contacts.edit"]}).json
    assert (changed["permissions"], changed["name"]) == (["contacts.edit"], "Two")
    assert api.delete(path).status == 204
    assert api.delete(path).problem == (404, "not_found")
    assert len(api.get("/members").json["items"]) == 1


def test_members_come_in_pages(api):
    added = [add(api, f"m{number}@example.com")["id"] for number in range(3)]
    first = api.get("/members?limit=2").json
    second = api.get(f"/members?limit=2&next={first['next']}").json
    assert [each["id"] for each in first["items"] + second["items"]] == [api.account.member_id, *added]


def test_the_same_request_adds_one_member(api):
    first, again = (api.post("/members", ADDED, key="k") for _ in range(2))
    assert first.json == again.json
    assert len(api.get("/members").json["items"]) == 2


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/email", "/permissions"}),
        ({"email": "nobody", "permissions": ["fly"]}, {"/email", "/permissions/0"}),
        ({"email": "   ", "permissions": []}, {"/email"}),
        ({"email": "a@example.com", "permissions": [], "role": "chief"}, {"/role"}),
    ],
)
def test_all_that_is_wrong_is_told_at_once(api, body, pointers):
    assert api.post("/members", body).pointers == pointers


def test_an_address_is_one_member_however_it_is_spelled(api):
    add(api)
    again = api.post("/members", {"email": "TWO@Example.com", "permissions": []})
    assert again.problem == (409, "member_exists")


def test_nobody_gives_a_permission_that_they_lack(api):
    manager = acting_as(api, add(api, permissions=["account.manage", "contacts.view"]))
    refused = manager.post("/members", {"email": "x@example.com", "permissions": ["contacts.delete"]})
    assert refused.problem == (403, "not_permitted")
    assert "contacts.delete" in refused.json["title"]
    member = add(manager, "x@example.com", ["contacts.view"])
    path = f"/members/{member['id']}"
    assert manager.patch(path, {"permissions": ["contacts.view", "syncs.manage"]}).status == 403
    api.patch(path, {"permissions": ["contacts.view", "syncs.manage"]})
    kept = manager.patch(path, {"permissions": ["syncs.manage"]})
    assert kept.json["permissions"] == ["syncs.manage"], "what is there already, nobody gives"


def test_somebody_always_manages_the_account(api):
    path = f"/members/{api.account.member_id}"
    for refused in (api.delete(path), api.patch(path, {"permissions": ["contacts.view"]})):
        assert refused.problem == (409, "last_manager")
    second = add(api, permissions=["account.manage"])
    assert api.patch(path, {"permissions": ["contacts.view"]}).status == 200
    assert acting_as(api, second).delete(f"/members/{second['id']}").problem == (409, "last_manager")


def test_two_managers_who_demote_each_other_at_once_leave_one(api, monkeypatch):
    """The second one reads before the first one has written, and writes after."""
    second = add(api, permissions=["account.manage"])
    commit = api.world.records.commit
    met: list[int] = []

    def meanwhile(writes):
        if not met:
            met.append(1)
            theirs = acting_as(api, second).patch(f"/members/{api.account.member_id}", {"permissions": []})
            assert theirs.status == 200
        commit(writes)

    monkeypatch.setattr(api.world.records, "commit", meanwhile)
    assert api.patch(f"/members/{second['id']}", {"permissions": []}).problem == (409, "last_manager")
    managers = [each for each in api.get("/members").json["items"] if "account.manage" in each["permissions"]]
    assert [each["id"] for each in managers] == [second["id"]]


def test_the_keys_of_a_member_who_is_removed_open_nothing(api):
    from functions.authorize import handler

    member = add(api, permissions=["contacts.view"])
    key = api.post("/keys", {"member_id": member["id"]}).json["key"]
    assert handler.lambda_handler(authorizer_event(f"Bearer {key}"), None)["principalId"] == member["id"]
    api.delete(f"/members/{member['id']}")
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        handler.lambda_handler(authorizer_event(f"Bearer {key}"), None)
    assert [each["member_id"] for each in api.get("/keys").json["items"]] == [api.account.member_id]


def test_the_plan_limits_members(api):
    api.world.limit(members=2)
    add(api)
    refused = api.post("/members", {"email": "three@example.com", "permissions": []})
    assert refused.problem == (403, "plan_limit")
    assert refused.json["title"] == "The plan standard has room for 2 members."


def test_who_changed_what_is_kept_without_addresses(api):
    member = add(api, permissions=["contacts.view"])
    api.world.clock.advance(timedelta(seconds=1))
    api.patch(f"/members/{member['id']}", {"permissions": []})
    api.world.clock.advance(timedelta(seconds=1))
    api.delete(f"/members/{member['id']}")
    notes = api.get("/account/audit").json["items"]
    assert [note["what"] for note in notes] == [
        "member.removed", "member.changed", "member.added", "account.created",
    ]  # fmt: skip
    assert {note["by"] for note in notes[:3]} == {f"member:{api.account.member_id}"}
    assert notes[1]["changes"] == {"permissions": [["contacts.view"], []]}
    assert "@" not in json.dumps(notes)


@pytest.mark.parametrize("then", ["removed", "demoted"])
def test_who_may_not_manage_any_more_hands_out_no_access(api, then):
    """For up to a minute they are still let in as they were, and what they hand out then would stay."""
    leaver = add(api, permissions=["contacts.view", "account.manage"])
    other = add(api, "three@example.com", ["contacts.view"])
    theirs = acting_as(api, leaver)
    key = api.post("/keys", {"member_id": other["id"], "name": "Theirs"}).json["id"]
    path = f"/members/{leaver['id']}"
    if then == "removed":
        assert api.delete(path).status == 204
    else:
        assert api.patch(path, {"permissions": ["contacts.view"]}).status == 200
    members, keys = api.get("/members").json, api.get("/keys").json
    handing_out = [
        theirs.post("/members", {"email": "four@example.com", "permissions": ["account.manage"]}),
        theirs.patch(f"/members/{other['id']}", {"permissions": ["contacts.view", "account.manage"]}),
        theirs.delete(f"/members/{other['id']}"),
        theirs.post("/keys", {"member_id": other["id"], "name": "Mine"}),
        theirs.post(f"/keys/{key}/rotate", {}),
    ]
    assert [each.problem for each in handing_out] == [(403, "not_permitted")] * 5
    assert (api.get("/members").json, api.get("/keys").json) == (members, keys)

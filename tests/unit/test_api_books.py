"""Syncs with address books, as callers of the API ask for them."""

from __future__ import annotations

import pytest

from contactsync.model.connection import Connection


def test_a_sync_with_a_book_is_saved_shown_and_changed(api):
    account = api.account.account_id
    at = api.world.clock.now().isoformat()
    made = Connection(id="n1", provider="memory", member_id="m1", state="active", created_at=at)
    api.world.control.create_connection(account, made)
    asked = {"source": {"kind": "connection", "connection_id": "n1"}, "direction": "pull"}
    saved = api.post("/syncs", asked).json
    assert (saved["direction"], saved["conflict"], saved["selection"]) == ("pull", "remote", "all")
    changed = api.patch(f"/syncs/{saved['id']}", {"limits": {"max_emails": 10}}).json
    assert (changed["direction"], changed["limits"]["max_emails"]) == ("pull", 10)
    run = api.post(f"/syncs/{saved['id']}/runs", {"dry_run": True})
    assert run.status == 202
    assert [event.detail["journey"] for event in api.world.bus.events] == ["sync"]


def test_a_connection_that_is_none_is_refused(api):
    asked = {"source": {"kind": "connection", "connection_id": "n9"}}
    answer = api.post("/syncs", asked)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json["errors"]] == ["/source/connection_id"]


@pytest.mark.parametrize("state", ["pending", "disconnected"])
def test_a_book_into_which_nobody_lets_us_is_refused(api, state):
    """A connection whose person never came back is forgotten after a day, and what followed it would follow nothing."""
    at = api.world.clock.now().isoformat()
    made = Connection(id="n1", provider="memory", member_id="m1", state=state, created_at=at)
    api.world.control.create_connection(api.account.account_id, made)
    answer = api.post("/syncs", {"source": {"kind": "connection", "connection_id": "n1"}})
    assert (answer.status, answer.pointers) == (422, {"/source/connection_id"})


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"limits": {"required": ["name", "email", "nmae"]}}, {"/limits/required/2"}),
        ({"limits": {"protected": ["e-mail"]}}, {"/limits/protected/0"}),
        ({"match": [["name", "phone"], ["emails.work", "nmae"]]}, {"/match/1/1"}),
        ({"match": [["name"], []]}, {"/match/1"}),  # by which everybody would be like everybody
        ({"limits": {"required": ["email"], "protected": ["phones"]}, "match": [["email"]]}, set()),
    ],
)
def test_a_field_that_is_none_is_refused_where_a_book_s_rules_name_it(api, change, pointers):
    at = api.world.clock.now().isoformat()
    made = Connection(id="n1", provider="memory", member_id="m1", state="active", created_at=at)
    api.world.control.create_connection(api.account.account_id, made)
    asked = {"source": {"kind": "connection", "connection_id": "n1"}}
    answer = api.post("/syncs", {**asked, **change})
    assert (answer.pointers if pointers else answer.status) == (pointers or 201)
    saved = answer.json if not pointers else api.post("/syncs", asked).json
    changed = api.patch(f"/syncs/{saved['id']}", change)
    assert (changed.pointers if pointers else changed.status) == (pointers or 200)


@pytest.mark.parametrize(
    ("mapping", "pointers"),
    [
        ([("name", "name"), ("phone", "phones"), ("notes", "remarks")], set()),
        ([("Email", "email")], {"/mapping/0/column"}),
        ([("emails", "emails.work")], {"/mapping/0/field"}),
        ([("notes", "nmae")], {"/mapping/0/field"}),
        ([("emails", "notes"), ("birthday", "remarks")], {"/mapping/0/field", "/mapping/1/field"}),
        ([("name", "name"), ("nickname", "name")], {"/mapping/1/field"}),
        ([("email", "email"), ("emails", "emails")], {"/mapping/1/field"}),
        ([(0, "name")], {"/mapping/0"}),
    ],
)
def test_a_mapping_leads_from_a_field_of_the_book_to_one_that_holds_the_same(api, mapping, pointers):
    at = api.world.clock.now().isoformat()
    made = Connection(id="n1", provider="memory", member_id="m1", state="active", created_at=at)
    api.world.control.create_connection(api.account.account_id, made)
    api.post("/fields", {"key": "remarks", "label": "Remarks", "type": "text"})
    api.post("/fields", {"key": "contract", "label": "Contract", "type": "text", "required": True})
    asked = {
        "source": {"kind": "connection", "connection_id": "n1"},
        "mapping": [{"column": column, "field": field} for column, field in mapping],
    }
    answer = api.post("/syncs", asked)
    assert (answer.pointers if pointers else answer.status) == (pointers or 201)


@pytest.mark.parametrize("change", [{"name": "Later"}, {"state": "paused"}])
def test_a_sync_whose_book_is_disconnected_is_renamed_and_paused(api, change):
    at = api.world.clock.now().isoformat()
    made = Connection(id="n1", provider="memory", member_id="m1", state="active", created_at=at)
    api.world.control.create_connection(api.account.account_id, made)
    saved = api.post("/syncs", {"source": {"kind": "connection", "connection_id": "n1"}}).json
    api.world.control.update_connection(
        api.account.account_id, "n1", lambda stored: stored.model_copy(update={"state": "disconnected"})
    )
    changed = api.patch(f"/syncs/{saved['id']}", change)
    assert changed.status == 200
    assert change.items() <= changed.json.items()


@pytest.fixture
def book(api):
    """A connection that somebody has signed in for, as a source."""
    at = api.world.clock.now().isoformat()
    made = Connection(id="n1", provider="memory", member_id="m1", state="active", created_at=at)
    api.world.control.create_connection(api.account.account_id, made)
    return {"kind": "connection", "connection_id": "n1"}


def mapping(*fields):
    return [{"column": field, "field": field} for field in fields]


@pytest.mark.parametrize(
    ("asked", "pointers"),
    [
        ({"options": {"existing": "skip", "mode": "mirror", "empty_cells": "clear"}},
         ["/options/existing", "/options/mode", "/options/empty_cells"]),
        ({"options": {"existing": "override"}, "format": {}, "identity": {"field": "email"}}, []),
        ({"identity": {"field": "phone"}, "format": {"country": "DE"}}, ["/identity", "/format"]),
        ({"mapping": mapping("notes")}, ["/mapping"]),
        ({"mapping": mapping("email"), "match": [["phone"], ["name", "email"]]}, ["/mapping"]),
        ({"mapping": mapping("notes"), "match": [["notes"]]}, []),
        ({"mapping": mapping("family_name", "phones")}, []),
    ],
    ids=str,
)  # fmt: skip
def test_what_would_be_passed_over_is_refused(api, book, asked, pointers):
    """Cards that find nobody by the fields that are mapped would come in a second time, and what only files have means nothing."""
    answer = api.post("/syncs", {"source": book, **asked})
    assert answer.status == (422 if pointers else 201), answer.text
    if pointers:
        assert answer.pointers == set(pointers)
        saved = api.post("/syncs", {"source": book}).json
        assert api.patch(f"/syncs/{saved['id']}", asked).pointers == set(pointers)


def test_what_was_taken_before_stands_in_the_way_of_no_other_change(api, book):
    saved = api.post("/syncs", {"source": book}).json
    former = {"match": (("e-mail",),), "identity": {"field": "phone"}}
    account = api.account.account_id
    api.world.control.update_sync(
        account,
        saved["id"],
        lambda read: type(read.value).model_validate({**read.value.model_dump(), **former}),
    )
    assert api.patch(f"/syncs/{saved['id']}", {"name": "Later"}).status == 200

"""Segments: made, filled and taken away, and kept while a sync fills them."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.control import accounts as control_accounts
from contactsync.journeys.asked import telling

FILE = {"kind": "paste", "text": "email\nada@example.com\n"}
MAPPING = [{"column": "email", "field": "email"}]


@pytest.fixture
def ada(api):
    return api.post("/contacts", {"fields": {"email": "ada@example.com"}}).json


def test_a_contact_is_once_in_a_segment_however_often_that_is_said(api, ada):
    fair, vip = (api.post("/segments", {"name": name}).json["id"] for name in ("Fair", "VIP"))
    edited = api.patch(f"/contacts/{ada['id']}", {"segments": [vip, fair, vip]}).json
    assert edited["segments"] == sorted([fair, vip])


def test_there_are_as_many_segments_as_are_shown(api, monkeypatch):
    monkeypatch.setattr(control_accounts, "MAX_SEGMENTS", 2)
    first, last, beyond = (api.post("/segments", {"name": name}, key=name) for name in ("Fair", "VIP", "New"))
    assert (first.status, last.status, beyond.problem) == (201, 201, (409, "too_many_segments"))
    assert sorted(each["name"] for each in api.get("/segments").json["items"]) == ["Fair", "VIP"]
    assert api.post("/segments", {"name": "VIP"}, key="VIP").json == last.json
    assert api.delete(f"/segments/{first.json['id']}").status == 204
    assert api.post("/segments", {"name": "New"}).status == 201


def test_of_two_segments_of_one_name_at_once_one_is_made(api, monkeypatch):
    commit = api.world.records.commit
    meanwhile: list[Any] = []

    def late(writes: Any) -> None:
        if any(write.key.name.startswith("segment#") for write in writes):
            monkeypatch.setattr(api.world.records, "commit", commit)
            meanwhile.append(api.post("/segments", {"name": "Fair"}))
        commit(writes)

    monkeypatch.setattr(api.world.records, "commit", late)
    assert api.post("/segments", {"name": "Fair"}).problem == (409, "segment_exists")
    assert api.get("/segments").json["items"] == [each.json for each in meanwhile]


def test_segments_are_made_filled_and_taken_away(api, ada):
    made = api.post("/segments", {"name": "Fair"})
    assert made.status == 201
    segment = made.json
    assert api.get("/segments").json["items"] == [segment]
    assert api.post("/segments", {"name": "Fair"}).problem == (409, "segment_exists")
    path = f"/segments/{segment['id']}/contacts/{ada['id']}"
    assert api.put(path).json["segments"] == [segment["id"]]
    assert api.put(path).json["version"] == 2, "a second time changes nothing"
    assert api.post("/contacts", {"fields": {"email": "bob@example.com"}}).status == 201
    [member] = api.get(f"/contacts?segment={segment['id']}").json["items"]
    assert member["id"] == ada["id"]
    assert api.get(f"/contacts/{ada['id']}/history").json["items"][0]["fields"] == [
        {"field": "segments", "from": [], "to": [segment["id"]]}
    ]
    assert api.delete(path).status == 204
    assert api.get(f"/contacts?segment={segment['id']}").json["items"] == []
    api.put(path)
    assert api.delete(f"/segments/{segment['id']}").status == 204
    assert api.get(f"/contacts/{ada['id']}").json["segments"] == []
    assert api.put(path).status == 404


def test_a_segment_that_a_sync_fills_is_kept(api):
    segment = api.post("/segments", {"name": "Fair"}).json
    asked = {"source": FILE, "mapping": MAPPING, "options": {"segments": [segment["id"]]}}
    assert api.ended(api.post("/imports", asked).json["run"]["id"])["counts"]["added"] == 1
    assert api.delete(f"/segments/{segment['id']}").problem == (409, "segment_in_use")


def test_a_segment_that_a_sync_fills_is_kept_however_many_there_are_since(api):
    """Every `POST /imports` saves one, so the oldest of a thousand may be the one that runs each night."""
    segment = api.post("/segments", {"name": "Fair"}).json
    asked = {"source": FILE, "mapping": MAPPING, "options": {"segments": [segment["id"]]}}
    oldest = api.post("/syncs", asked).json["id"]
    control, account = api.world.control, api.account.account_id
    sync = control.sync(account, oldest).value
    for number in range(1001):
        later = {"id": f"t{number}", "options": type(sync.options)()}
        control.create_sync(account, sync.model_copy(update=later))
    refused = api.delete(f"/segments/{segment['id']}")
    assert refused.problem == (409, "segment_in_use")
    assert oldest in refused.json["detail"]


def test_contacts_are_put_into_segments_when_they_are_made_or_edited(api):
    one, two = (api.post("/segments", {"name": name}).json["id"] for name in ("One", "Two"))
    made = api.post("/contacts", {"fields": {"name": "Bob"}, "segments": [one]}).json
    assert made["segments"] == [one]
    path = f"/contacts/{made['id']}"
    assert api.patch(path, {"segments": [two]}).json["segments"] == [two]
    assert api.patch(path, {"segments": None}).pointers == {"/segments"}
    assert api.patch(path, {"fields": {"name": "Bo"}}).json["segments"] == [two]
    assert api.patch(path, {"segments": []}).json["segments"] == []


def test_a_page_of_a_segment_looks_at_a_bounded_number_of_contacts(api, monkeypatch):
    monkeypatch.setattr(telling, "READ_AT_ONCE", 1)
    monkeypatch.setattr(telling, "LOOKED_AT_MAX", 2)
    segment = api.post("/segments", {"name": "Fair"}).json["id"]
    for number in range(5):
        api.post(
            "/contacts", {"fields": {"email": f"p{number}@example.com"}, "segments": [segment] * (number % 2)}
        )
    assert len(api.everything("/contacts", segment=segment)) == 2

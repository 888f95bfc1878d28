"""Pages of lists that change while they are read: what was there all the time is told once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contactsync.api import representations
from contactsync.core.planning import RUNS_KEPT
from tests.support.calling import Client


def pages(api: Client, path: str, between: Callable[[], Any], *, limit: int) -> list[dict[str, Any]]:
    """All items, where `between` happens behind the first page."""
    page = api.get(f"{path}?limit={limit}").json
    found: list[dict[str, Any]] = page["items"]
    between()
    while page["next"]:
        page = api.get(f"{path}?limit={limit}&next={page['next']}").json
        found += page["items"]
    return found


@pytest.fixture
def segments(api: Client) -> list[str]:
    """In the order in which they are listed."""
    for number in range(6):
        assert api.post("/segments", {"name": f"S{number}"}).status == 201
    return [each["id"] for each in api.get("/segments").json["items"]]


@pytest.mark.parametrize("gone", [(0,), (1,), (0, 1), (2,), (1, 2)])
def test_a_segment_that_goes_takes_no_other_from_the_next_page(
    api: Client, segments: list[str], gone: tuple[int, ...]
) -> None:
    def taken_away() -> None:
        for number in gone:
            assert api.delete(f"/segments/{segments[number]}").status == 204

    found = [each["id"] for each in pages(api, "/segments", taken_away, limit=2)]
    stayed = [each for number, each in enumerate(segments) if number not in gone]
    assert [each for each in found if each in stayed] == stayed


def field(api: Client, key: str) -> None:
    assert api.post("/fields", {"key": key, "label": key, "type": "text"}).status == 201


@pytest.mark.parametrize(("new", "gone"), [(("a", "g"), ()), ((), ("b",)), (("g",), ("b", "d"))])
@pytest.mark.parametrize("limit", [2, 21, 22, 23])
def test_a_field_that_comes_or_goes_moves_no_other(
    api: Client, limit: int, new: tuple[str, ...], gone: tuple[str, ...]
) -> None:
    for key in ("b", "d", "f", "h"):
        field(api, key)
    before = [each["key"] for each in api.get("/fields").json["items"]]

    def changed() -> None:
        for key in new:
            field(api, key)
        for key in gone:
            assert api.delete(f"/fields/{key}").status == 204

    found = [each["key"] for each in pages(api, "/fields", changed, limit=limit)]
    assert len(found) == len(set(found))
    stayed = [key for key in before if key not in gone]
    assert [key for key in found if key in stayed] == stayed


def test_a_history_that_grows_beyond_what_is_kept_does_not_begin_anew(api: Client) -> None:
    contact = api.post("/contacts", {"fields": {"name": "Ada"}}).json["id"]

    def edited(numbers: range) -> None:
        for number in numbers:
            assert api.patch(f"/contacts/{contact}", {"fields": {"notes": f"note {number}"}}).status == 200

    edited(range(20))
    newer = range(100, 100 + RUNS_KEPT)
    found = pages(api, f"/contacts/{contact}/history", lambda: edited(newer), limit=10)
    told = [change["fields"][0]["to"] for change in found]
    assert told == [f"note {number}" for number in range(19, 9, -1)]


def test_a_history_with_much_to_say_comes_in_more_pages(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten changes of what a contact can hold would burst the answer, which holds 6 MB."""
    contact = api.post("/contacts", {"fields": {"name": "Ada"}}).json["id"]
    for number in range(3):
        api.patch(f"/contacts/{contact}", {"fields": {"notes": f"note {number}"}})
    api.delete(f"/contacts/{contact}")
    at_once = api.get(f"/contacts/{contact}/history").json["items"]
    assert [each["change"] for each in at_once] == ["deleted", "updated", "updated", "updated", "added"]
    monkeypatch.setattr(representations, "LISTING_BYTES", 10)
    assert len(api.get(f"/contacts/{contact}/history").json["items"]) == 1
    assert pages(api, f"/contacts/{contact}/history", lambda: None, limit=10) == at_once


def test_the_history_of_a_contact_that_an_undo_brought_back_is_as_the_document_says(api: Client) -> None:
    rows = "email,name\nada@example.com,Ada\nbob@example.com,Bob\n"
    body = {
        "source": {"kind": "paste", "text": rows},
        "mapping": [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}],
        "options": {"delete_missing": {"scope": "sync"}, "guard": {"max_delete_percent": 60}},
    }
    told = api.post("/imports", body).json
    api.ended(told["run"]["id"])
    bob = api.world.id_of("bob@example.com")
    shorter = {"source": {"kind": "paste", "text": rows.rpartition("bob")[0]}}
    assert api.patch(f"/syncs/{told['sync']['id']}", shorter).status == 200
    run = api.post(f"/syncs/{told['sync']['id']}/runs", {}).json["id"]
    api.ended(run)
    api.ended(api.post(f"/runs/{run}/undo", {}).json["id"])
    changes = [each["change"] for each in api.get(f"/contacts/{bob}/history").json["items"]]
    assert changes[0] == "restored"

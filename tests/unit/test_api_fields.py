"""Fields changed and taken away: what that would do is told first."""

from __future__ import annotations

import pytest

TIER = {"key": "tier", "label": "Tier", "type": "choice", "choices": ["gold", "silver"]}


@pytest.fixture
def tier(api):
    assert api.post("/fields", TIER).status == 201
    for number, value in enumerate(("gold", "silver", None)):
        fields = {"email": f"p{number}@example.com", "tier": value}
        assert api.post("/contacts", {"fields": fields}).status == 201


def listed(api):
    return {field["key"]: field for field in api.get("/fields").json["items"]}


@pytest.mark.usefixtures("tier")
def test_a_label_is_changed(api):
    told = api.patch("/fields/tier", {"label": "Level", "required": True})
    assert (told.status, told.json["label"], told.json["effects"]["contacts"]) == (200, "Level", 0)
    assert (listed(api)["tier"]["label"], listed(api)["tier"]["required"]) == ("Level", True)


@pytest.mark.usefixtures("tier")
def test_taking_a_choice_away_says_first_whom_it_concerns(api):
    change = {"choices": ["silver", "bronze"]}
    told = api.patch("/fields/tier?dry_run=true", change).json
    assert told["effects"] == {
        "contacts": 1, "contacts_looked_at": 3, "all_contacts_seen": True, "syncs": [], "syncs_stopped": []
    }  # fmt: skip
    assert told["choices"] == ["silver", "bronze"]
    refused = api.patch("/fields/tier", change)
    assert refused.problem == (409, "choice_in_use")
    assert refused.json["title"].startswith("1 contact has one of")
    assert listed(api)["tier"]["choices"] == ["gold", "silver"]
    assert api.patch("/fields/tier?confirm=true", change).status == 200
    assert listed(api)["tier"]["choices"] == ["silver", "bronze"]


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"choices": []}, {"/choices"}),
        ({"type": "text"}, {"/type"}),
        ({"label": ""}, {"/label"}),
        ({"key": "level", "label": 7}, {"/key", "/label"}),
    ],
)
def test_what_a_field_cannot_become_is_refused(api, change, pointers):
    assert api.patch("/fields/tier", change).pointers == pointers
    api.post("/fields", {"key": "size", "label": "Size", "type": "text"})
    assert api.patch("/fields/size", {"choices": ["a"]}).pointers == {"/choices"}


@pytest.mark.usefixtures("tier")
def test_a_field_with_values_goes_only_when_that_is_confirmed(api):
    assert api.delete("/fields/tier?dry_run=true").json["effects"]["contacts"] == 2
    refused = api.delete("/fields/tier")
    assert refused.problem == (409, "field_has_values")
    assert "2 contacts" in refused.json["title"]
    assert api.delete("/fields/tier?confirm=yes").pointers == {"/confirm"}
    assert api.delete("/fields/tier?confirm=true").status == 204
    assert "tier" not in listed(api)
    [gold, *_] = api.get("/contacts?email=p0@example.com").json["items"]
    assert gold["fields"]["tier"] == "gold", "nothing is lost by a mistake"
    emptied = api.patch(f"/contacts/{gold['id']}", {"fields": {"tier": None}})
    assert "tier" not in emptied.json["fields"]


def test_a_field_that_a_sync_maps_is_kept(api):
    api.post("/fields", TIER)
    mapping = [{"column": "email", "field": "email"}, {"literal": "gold", "field": "tier"}]
    sync = api.post("/syncs", {"source": {"kind": "paste", "text": "email\n"}, "mapping": mapping}).json
    assert api.delete("/fields/tier?dry_run=true").json["effects"]["syncs"] == [sync["id"]]
    refused = api.delete("/fields/tier?confirm=true")
    assert (refused.problem, sync["id"] in refused.json["detail"]) == ((409, "field_in_use"), True)
    api.delete(f"/syncs/{sync['id']}")
    assert api.delete("/fields/tier").status == 204


def test_who_makes_a_field_required_is_told_whose_runs_would_fail(api):
    api.post("/fields", TIER)
    email = {"column": "email", "field": "email"}
    ways = [[email, {"literal": "gold", "field": "tier"}], [email], [email]]
    bodies = [{"source": {"kind": "paste", "text": "email\n"}, "mapping": mapping} for mapping in ways]
    mapped, lacking, deleted = (api.post("/syncs", body).json["id"] for body in bodies)
    api.delete(f"/syncs/{deleted}")
    for query in ("?dry_run=true", ""):
        told = api.patch(f"/fields/tier{query}", {"required": True}).json["effects"]
        assert (told["syncs"], told["syncs_stopped"]) == ([mapped], [lacking])
    assert api.patch("/fields/tier", {"required": True}).json["effects"]["syncs_stopped"] == []


def test_only_so_many_contacts_are_looked_at(api, tier, monkeypatch):
    from contactsync.journeys.asked import fielding

    monkeypatch.setattr(fielding, "READ_AT_ONCE", 1)
    monkeypatch.setattr(fielding, "LOOKED_AT_MAX", 2)
    told = api.delete("/fields/tier?dry_run=true").json["effects"]
    assert (told["contacts_looked_at"], told["all_contacts_seen"]) == (2, False)
    assert "of the first 2" in api.delete("/fields/tier").json["title"]


def test_a_standard_field_stays_as_it_is(api):
    assert api.patch("/fields/name", {"label": "N"}).problem == (409, "built_in_field")
    assert api.delete("/fields/name").problem == (409, "built_in_field")
    assert api.delete("/fields/nowhere").status == 404

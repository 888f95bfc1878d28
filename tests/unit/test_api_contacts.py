"""Contacts by hand: added, edited, deleted under their version, and the history of it all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from contactsync.journeys.asked import editing
from contactsync.journeys.asked.addressing import Addresses
from contactsync.model.contact import Alias, Tombstone
from contactsync.ports import Put, RecordKey
from tests.support.world import Died

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]


def imported(api, text, **changes):
    api.world.clock.advance(timedelta(minutes=1))
    body = {"source": {"kind": "paste", "text": text}, "mapping": NAMES, **changes}
    told = api.post("/imports", body)
    assert told.status == 202, told.text
    return api.ended(told.json["run"]["id"])


def add(api, **fields):
    answer = api.post("/contacts", {"fields": fields})
    assert answer.status == 201, answer.text
    return answer.json


def edit(api, contact, **fields):
    api.world.clock.advance(timedelta(minutes=1))
    answer = api.patch(f"/contacts/{contact['id']}", {"fields": fields})
    assert answer.status == 200, answer.text
    return answer.json


def by_email(api, email):
    return [contact["id"] for contact in api.get(f"/contacts?email={email}").json["items"]]


@pytest.fixture
def ada(api):
    return add(api, email="ada@example.com", name="Ada", phone="06 12345678", birthday="--12-10")


# Adding


def test_a_contact_added_by_hand_is_what_an_import_would_make_of_it(api, ada):
    assert ada["fields"]["phones"] == [{"value": "+31612345678", "text": "06 12345678", "label": None}]
    assert (ada["version"], ada["audit"]["created_by"]) == (1, f"member:{api.account.member_id}")
    assert ada["id"] == api.world.id_of("ada@example.com")
    assert api.get(f"/contacts/{ada['id']}").json == ada
    assert imported(api, "email,name\nada@example.com,Ada\n")["counts"]["unchanged"] == 1


def test_what_the_api_shows_can_be_sent_back(api, ada):
    assert edit(api, ada, **ada["fields"]) == ada


def test_every_problem_of_a_contact_is_told_at_once(api):
    asked = {
        "fields": {
            "email": "no address", "emails": ["a@example.com", {"value": 7}], "shoe_size": 1, "name": 7,
            "birthday": "soon", "addresses": [{"value": {"planet": "Mars"}}], "phones": "x", "url": "",
        },
        "segments": ["nowhere"],
        "colour": "red",
    }  # fmt: skip
    answer = api.post("/contacts", asked)
    assert answer.pointers == {
        "/fields/email", "/fields/emails/1", "/fields/shoe_size", "/fields/name", "/fields/birthday",
        "/fields/addresses/0", "/fields/phones", "/colour",
    }  # fmt: skip
    assert api.post("/contacts", {"fields": {"name": "X"}, "segments": ["no"]}).pointers == {"/segments/0"}
    assert api.post("/contacts", {}).pointers == {"/fields"}


def test_something_stays_known_of_a_contact(api, ada):
    emptied = dict.fromkeys(ada["fields"])
    assert api.patch(f"/contacts/{ada['id']}", {"fields": emptied}).pointers == {"/fields"}
    assert edit(api, ada, **{**emptied, "name": "Ada King"})["fields"] == {"name": "Ada King"}


def test_an_address_belongs_to_one_contact(api, ada):
    answer = api.post("/contacts", {"fields": {"email": "ADA@example.com"}})
    assert answer.problem == (409, "email_taken")
    assert answer.json["title"] == f"The email address belongs to contact {ada['id']}."


def test_a_contact_needs_no_address_and_a_request_sent_again_adds_it_once(api):
    first, again = (api.post("/contacts", {"fields": {"name": "Bob"}}, key="k") for _ in range(2))
    assert first.json == again.json
    assert add(api, name="Bob")["id"] != first.json["id"]
    assert len(api.get("/contacts").json["items"]) == 2


def test_a_request_whose_answer_was_lost_finds_its_contact(api, monkeypatch):
    from contactsync.errors import Busy

    real = type(api.world.control).set_marker

    def lost(self, account_id, marker):
        real(self, account_id, marker)
        if marker.endswith(":done"):
            raise Busy("away")

    with monkeypatch.context() as patch:
        patch.setattr(type(api.world.control), "set_marker", lost)
        assert api.post("/contacts", {"fields": {"email": "bob@example.com"}}, key="k").status == 503
    again = api.post("/contacts", {"fields": {"email": "bob@example.com"}}, key="k")
    assert (again.status, again.json["version"]) == (201, 1)


# Editing


def test_an_edit_that_is_there_is_made_though_the_table_s_answer_was_lost(api, ada, monkeypatch):
    """Whoever asks the table again is told that the version has moved on: by ourselves."""
    kind = type(api.world.contacts)
    write = kind.write

    def lost(self, account_id, writes):
        return [(each, False) for each, _ in write(self, account_id, writes)]

    with monkeypatch.context() as patch:
        patch.setattr(kind, "write", lost)
        answer = api.patch(f"/contacts/{ada['id']}", {"fields": {"name": "Countess"}})
    assert (answer.status, answer.json["version"]) == (200, 2)
    assert api.get(f"/contacts/{ada['id']}").json["fields"]["name"] == "Countess"


def test_a_contact_that_two_delete_at_once_is_counted_once(api, ada, monkeypatch):
    add(api, email="bob@example.com")
    there, note = api.world.control.contacts_count(api.account.account_id), editing._note
    told: list[int] = []

    def overtaken(*said):
        if not told:
            told.append(0)
            api.world.clock.advance(timedelta(seconds=1))
            told.append(api.delete(f"/contacts/{ada['id']}").status)
        note(*said)

    monkeypatch.setattr(editing, "_note", overtaken)
    answers = [api.delete(f"/contacts/{ada['id']}").status for _ in range(3)]
    assert (told[1], answers[1:]) == (204, [404, 404])
    assert api.world.control.contacts_count(api.account.account_id) == there - 1
    key = RecordKey(api.account.account_id, f"edit#{ada['id']}#e{'f' * 24}")
    late = {
        "at": ada["audit"]["created_at"],
        "by": "member:m2",
        "change": "deleted",
        "changes": {},
        "runs": [],
    }
    api.world.records.commit([Put(key, late, 0)])  # as another one that came too late has left it
    deleted = api.get(f"/contacts/{ada['id']}/history").json["items"][0]
    assert datetime.fromisoformat(deleted["at"]) == api.world.clock.now(), "the one that came about is told"


def told_of_changes(api):
    return sum(event.kind == "ContactsChanged" for event in api.world.bus.events)


@pytest.mark.parametrize("change", ["added", "edited", "deleted"])
def test_books_hear_of_a_change_whose_maker_died_when_it_is_asked_for_again(api, ada, monkeypatch, change):
    """The contact is written, and nobody has said so yet."""
    there = api.world.control.contacts_count(api.account.account_id)

    def ask():
        if change == "added":
            return api.post("/contacts", {"fields": {"name": "Cem"}}, key="once").status
        if change == "edited":
            return api.patch(f"/contacts/{ada['id']}", {"fields": {"name": "Ada King"}}).status
        return api.delete(f"/contacts/{ada['id']}").status

    def dies(*_):
        raise Died

    before = told_of_changes(api)
    with monkeypatch.context() as patch:
        patch.setattr(api.world.bus, "publish", dies)
        with pytest.raises(Died):
            ask()
    api.world.clock.advance(timedelta(minutes=5))
    assert ask() == {"added": 201, "edited": 200, "deleted": 404}[change]
    assert told_of_changes(api) == before + 1
    more = {"added": 1, "edited": 0, "deleted": -1}[change]
    assert api.world.control.contacts_count(api.account.account_id) == there + more
    ask()
    assert told_of_changes(api) == before + 1


def test_a_deletion_whose_maker_died_keeps_the_present_address_out_as_well(api, ada, monkeypatch):
    """A row that finds the contact by the address that it got later is as old as one that finds it by its first."""
    edit(api, ada, emails=[{"value": "king@example.com"}])

    def dies(*_):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Addresses, "bury", dies)
        with pytest.raises(Died):
            api.delete(f"/contacts/{ada['id']}")
    assert api.delete(f"/contacts/{ada['id']}").status == 404
    addresses = Addresses(api.world, api.account.account_id)
    slots = [addresses.read(addresses.slot(f"{name}@example.com")) for name in ("ada", "king")]
    assert [type(slot) for slot in slots] == [Tombstone, Tombstone]


def test_an_edit_changes_what_it_names_and_nothing_else(api, ada):
    after = edit(api, ada, name="Ada King", birthday=None, emails=[
        {"value": "ada@example.com", "label": "home"}, {"value": "king@example.com"},
    ])  # fmt: skip
    assert after["version"] == 2
    assert after["fields"]["name"] == "Ada King"
    assert "birthday" not in after["fields"]
    assert [entry["value"] for entry in after["fields"]["emails"]] == ["ada@example.com", "king@example.com"]
    assert after["fields"]["phone"] == ada["fields"]["phone"]


def test_an_edit_names_the_version_that_it_changes(api, ada):
    path = f"/contacts/{ada['id']}"
    assert api.patch(path, {"fields": {"name": "B"}}, if_match=1).json["version"] == 2
    assert api.patch(path, {"fields": {"name": "C"}}, if_match=1).problem == (412, "changed_since")
    assert api.delete(path, if_match=1).problem == (412, "changed_since")


def test_a_new_address_finds_the_contact_and_the_old_one_no_longer_does(api, ada):
    edit(api, ada, email="ada@example.org")
    assert by_email(api, "ada@example.org") == [ada["id"]]
    assert by_email(api, "ada@example.com") == []
    run = imported(api, "email,name\nada@example.org,Countess\n")
    assert run["counts"]["updated"] == 1
    taken = api.post("/contacts", {"fields": {"email": "ada@example.org"}})
    assert taken.problem == (409, "email_taken")
    edit(api, ada, email="ada@example.net")
    assert add(api, email="ada@example.org")["id"] != ada["id"], "the address was given back"


def test_the_address_by_which_a_contact_was_first_known_is_freed_as_the_refusal_says(api, ada):
    edit(api, ada, email="ada@example.org")
    taken = api.post("/contacts", {"fields": {"email": "ada@example.com"}})
    assert taken.problem == (409, "email_taken")
    assert f"Contact {ada['id']} was first known by this email address" in taken.json["title"]
    assert "delete it and add it again under the address it has now" in taken.json["detail"]
    assert api.delete(f"/contacts/{ada['id']}").status == 204
    again = add(api, email="ada@example.org")
    other = add(api, email="ada@example.com")
    assert by_email(api, "ada@example.org") == [again["id"]]
    assert by_email(api, "ada@example.com") == [other["id"]]


def test_an_address_that_another_contact_has_is_refused(api, ada):
    bob = add(api, email="bob@example.com")
    answer = api.patch(f"/contacts/{bob['id']}", {"fields": {"email": "ada@example.com"}})
    assert answer.problem == (409, "email_taken")
    assert ada["id"] in answer.json["title"]
    assert api.get(f"/contacts/{bob['id']}").json == bob


def test_of_two_contacts_that_are_given_one_address_at_once_one_has_it(api, ada, monkeypatch):
    bob, cem = (add(api, name=name) for name in ("Bob", "Cem"))
    address, holder = {"fields": {"email": "one@example.com"}}, Addresses.holder
    others: list[int] = []

    def overtaken(self, slot_id, slot):
        found = holder(self, slot_id, slot)
        if not others:
            others.append(0)
            others.append(api.patch(f"/contacts/{cem['id']}", address).status)
        return found

    monkeypatch.setattr(Addresses, "holder", overtaken)
    assert api.patch(f"/contacts/{bob['id']}", address).status == 409
    assert others[1] == 200
    assert by_email(api, "one@example.com") == [cem["id"]]
    assert "email" not in api.get(f"/contacts/{bob['id']}").json["fields"]


def test_a_lost_race_writes_nothing_and_gives_the_address_back(api, ada, monkeypatch):
    note = editing._note

    def overtaken(mine, before, after):
        note(mine, before, after)
        with monkeypatch.context() as patch:
            patch.setattr(editing, "_note", note)
            edit(api, ada, name="First")

    with monkeypatch.context() as patch:
        patch.setattr(editing, "_note", overtaken)
        answer = api.patch(f"/contacts/{ada['id']}", {"fields": {"email": "second@example.com"}})
    assert answer.problem == (409, "changed_meanwhile")
    assert api.get(f"/contacts/{ada['id']}").json["fields"]["name"] == "First"
    assert add(api, email="second@example.com")["id"] != ada["id"]
    told = api.get(f"/contacts/{ada['id']}/history").json["items"]
    assert [change["change"] for change in told] == ["updated", "added"], "what never was is not told"


def test_a_run_notices_what_was_edited_by_hand(api):
    first = imported(api, "email,name\nada@example.com,Ada\n")
    [contact] = api.get("/contacts").json["items"]
    edit(api, contact, name="Ada King")
    run = api.post(f"/syncs/{first['sync_id']}/runs").json
    told = api.ended(run["id"])
    assert (told["status"], told["counts"]["unchanged"]) == ("succeeded", 1)
    assert api.get(f"/contacts/{contact['id']}").json["fields"]["name"] == "Ada King"


# Deleting


def test_a_deleted_contact_stays_away_while_its_row_says_nothing_new(api):
    first = imported(api, "email,name\nada@example.com,Ada\n")
    [contact] = api.get("/contacts").json["items"]
    assert api.delete(f"/contacts/{contact['id']}").status == 204
    assert api.get(f"/contacts/{contact['id']}").status == 404
    assert api.delete(f"/contacts/{contact['id']}").status == 404
    run = api.ended(api.post(f"/syncs/{first['sync_id']}/runs").json["id"])
    assert (run["status"], run["counts"]["skipped"]) == ("succeeded", 1)
    assert api.get("/contacts").json["items"] == []
    back = add(api, email="ada@example.com", name="Ada")
    assert back["id"] == contact["id"]


def test_a_contact_deleted_by_hand_is_remembered_under_its_address_too(api):
    first = imported(api, "email,name\nada@example.com,Ada\n")
    [contact] = api.get("/contacts").json["items"]
    edit(api, contact, email="ada@example.org")
    second = imported(api, "email,name\nada@example.org,Ada King\n")
    assert second["counts"]["updated"] == 1
    api.delete(f"/contacts/{contact['id']}")
    for sync_id in (first["sync_id"], second["sync_id"]):
        run = api.ended(api.post(f"/syncs/{sync_id}/runs").json["id"])
        assert (run["counts"]["added"], run["counts"]["skipped"]) == (0, 1)


def test_the_address_of_a_deleted_contact_is_free(api, ada):
    edit(api, ada, email="ada@example.org")
    assert api.delete(f"/contacts/{ada['id']}").status == 204
    assert add(api, email="ada@example.org")["id"] != ada["id"]


# History


def told_of(api, contact_id):
    return api.get(f"/contacts/{contact_id}/history").json["items"]


def test_history_tells_every_change_with_its_author_and_its_reason(api):
    first = imported(api, "email,name\nada@example.com,Ada\n")
    [contact] = api.get("/contacts").json["items"]
    edit(api, contact, notes="met in June")
    second = imported(api, "email,name\nada@example.com,Ada King\n")
    undo = api.ended(api.post(f"/runs/{second['id']}/undo").json["id"])
    undone, updated, edited, added = told_of(api, contact["id"])
    assert (added["change"], added["by"], added["row"]) == ("added", f"run:{first['id']}", 2)
    assert {"field": "name", "from": None, "to": "Ada"} in added["fields"]
    assert (edited["by"], edited["run_id"]) == (f"member:{api.account.member_id}", None)
    assert edited["fields"] == [{"field": "notes", "from": None, "to": "met in June"}]
    assert updated["fields"] == [{"field": "name", "from": "Ada", "to": "Ada King"}]
    assert (updated["run_id"], updated["why"]) == (second["id"], "Row 2 of the file.")
    assert undone["fields"] == [{"field": "name", "from": "Ada King", "to": "Ada"}]
    assert (undone["by"], second["id"] in undone["why"]) == (f"run:{undo['id']}", True)


def test_the_history_of_a_contact_found_by_another_identity_is_found_too(api):
    api.post("/fields", {"key": "number", "label": "Number", "type": "text"})
    mapping = [*NAMES, {"column": "number", "field": "number"}]
    options: dict[str, Any] = {"mapping": mapping, "identity": {"field": "number"}}
    add(api, email="ada@example.com", number="7")
    imported(api, "email,name,number\nada@example.org,Ada,7\n", **options)
    [contact] = [c for c in api.get("/contacts").json["items"] if c["fields"].get("name") == "Ada"]
    assert told_of(api, contact["id"])[0]["fields"]


def test_the_history_of_a_deleted_contact_is_told_while_its_deletion_is_remembered(api, ada):
    edit(api, ada, name="Ada King")
    api.delete(f"/contacts/{ada['id']}")
    deleted, edited, added = told_of(api, ada["id"])
    assert (deleted["change"], edited["change"], added["change"]) == ("deleted", "updated", "added")
    assert {"field": "name", "from": "Ada King", "to": None} in deleted["fields"]


def test_a_deletion_by_a_run_is_told(api):
    options = {"delete_missing": {"scope": "sync"}, "guard": {"max_delete_percent": 60}}
    rows = "email,name\nada@example.com,Ada\nbob@example.com,Bob\n"
    first = imported(api, rows, options=options)
    gone = api.world.id_of("bob@example.com")
    source = {"kind": "paste", "text": rows.rpartition("bob")[0]}
    api.patch(f"/syncs/{first['sync_id']}", {"source": source})
    run = api.ended(api.post(f"/syncs/{first['sync_id']}/runs").json["id"])
    assert run["counts"]["deleted"] == 1
    deleted, added = told_of(api, gone)
    assert (deleted["change"], deleted["run_id"], deleted["why"]) == (
        "deleted", run["id"], "No row of the file mentioned the contact."
    )  # fmt: skip
    assert added["run_id"] == first["id"]


def test_a_long_history_comes_in_pages(api, ada):
    for number in range(24):
        edit(api, ada, notes=f"note {number}")
    assert len(api.get(f"/contacts/{ada['id']}/history?limit=7").json["items"]) == 7
    seen = api.everything(f"/contacts/{ada['id']}/history", limit=7)
    assert len(seen) == 25
    assert seen[-1]["change"] == "added"


def test_the_latest_edits_are_told_however_many_there_were(api, ada, monkeypatch):
    monkeypatch.setattr(editing, "RUNS_KEPT", 2)
    for number in range(4):
        edit(api, ada, notes=f"note {number}")
    assert told_of(api, ada["id"])[0]["fields"] == [{"field": "notes", "from": "note 2", "to": "note 3"}]


def test_a_contact_that_never_was_has_no_history(api, ada):
    edit(api, ada, email="ada@example.org")
    alias = api.world.id_of("ada@example.org")
    assert isinstance(api.world.contacts.slots(api.account.account_id, [alias])[alias], Alias)
    for contact_id in ("0" * 32, alias, "x"):
        assert api.get(f"/contacts/{contact_id}/history").status == 404


def test_edits_are_forgotten_in_the_end(api, ada):
    records = api.world.records
    page = records.page(api.account.account_id, f"edit#{ada['id']}#")
    assert isinstance(page.records[0].key, RecordKey)
    assert page.records[0].expires_at


# Filters


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=ADA", {"ada@example.com"}),
        ("name=byron", {"ada@example.com", "george@example.com"}),
        ("phone=06-12345678", {"ada@example.com"}),
        ("phone=%2B31612345678", {"ada@example.com"}),
        ("field.birthday=1815-12-10", {"ada@example.com"}),
        ("field.emails=George@Example.ORG", {"george@example.com"}),
        ("field.organization=Acme", {"ada@example.com", "george@example.com"}),
        ("field.organization=Acme&name=george", {"george@example.com"}),
        ("field.organization=acm", set()),
        ("email=ada@example.com&name=george", set()),
    ],
)
def test_contacts_are_found_by_what_is_known_of_them(api, query, found):
    add(api, email="ada@example.com", name="Ada Byron", phone="+31 6 12345678", organization="Acme",
        birthday="1815-12-10")  # fmt: skip
    emails = [{"value": "george@example.com"}, {"value": "george@example.org"}]
    add(api, emails=emails, given_name="George", family_name="Byron", organization="Acme")
    add(api, email="bob@example.com")
    told = api.get(f"/contacts?{query}").json["items"]
    assert {contact["fields"]["email"] for contact in told} == found


def test_contacts_are_found_by_the_run_that_changed_them(api, ada):
    run = imported(api, "email,name\nbob@example.com,Bob\n")
    [bob] = api.get(f"/contacts?run={run['id']}").json["items"]
    assert bob["fields"]["name"] == "Bob"


@pytest.mark.parametrize(
    "query", ["phone=x", "field.birthday=soon", "field.no=1", "field.=1", "field=1", "field.address=x"]
)
def test_what_nobody_can_have_is_named(api, query):
    assert api.get(f"/contacts?{query}").pointers == {f"/{query.partition('=')[0]}"}

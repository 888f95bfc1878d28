"""Exports: asked for, made stretch by stretch, read; and who may have what."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contactsync.adapters.memory import MemoryObjects
from contactsync.journeys.account import exporting, stretches
from contactsync.model.message import ExportDue
from tests.support.calling import Client
from tests.support.world import Died

if TYPE_CHECKING:
    from tests.support.calling import ApiWorld

MAPPING = [{"column": name, "field": name} for name in ("email", "name")]


def stretch(world: ApiWorld, account_id: str, export_id: str) -> None:
    message = ExportDue(account_id=account_id, export_id=export_id)
    exporting.export(
        message,
        control=world.control,
        contacts=world.contacts,
        runs=world.runs,
        photos=world.photos,
        bus=world.bus,
        clock=world.clock,
    )


def made(world: ApiWorld, api: Client, **body: Any) -> dict[str, Any]:
    """An export, once all its stretches are done; each is called for by the one before."""
    told = api.post("/exports", body)
    assert told.status == 202, told.text
    for _ in range(100):
        due = [event.detail for event in world.bus.events if event.kind == exporting.DUE.event]
        world.bus.events.clear()
        if not due:
            break
        for each in due:
            stretch(world, each["account_id"], each["export_id"])
    export: dict[str, Any] = api.get(f"/exports/{told.json['id']}").json
    assert export["status"] == "succeeded"
    return export


def content(world: ApiWorld, api: Client, export: dict[str, Any], kind: str = "") -> str:
    """All files of an export, or those of one kind."""
    names = [file["name"] for file in export["files"] if file["name"].startswith(kind)]
    folder = f"{exporting.folder(api.account.account_id)}{export['id']}/"
    return "".join(world.runs.get(folder + name).decode() for name in names)


def test_contacts_come_as_a_table_that_says_itself_what_is_what(world: ApiWorld, api: Client) -> None:
    world.import_rows('email,name\nada@example.com,"=Ada"\nbob@example.com,+31 Bob\n', MAPPING)
    export = made(world, api)
    table = content(world, api, export)
    assert [(file["name"], file["rows"]) for file in export["files"]] == [("contacts-0001.csv", 2)]
    assert export["files"][0]["size"] == len(table.encode())
    assert '"\'=Ada"' in table
    assert all(row.endswith('Z"') for row in table.splitlines()[1:]), "one form of time, whoever changed it"
    before = world.fields()
    again = world.import_rows(table, [])
    assert (again.counts.rows, again.counts.unchanged) == (2, 2)
    assert world.fields() == before


def test_a_long_list_becomes_several_files_each_bounded(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FILE_ROWS", 10)
    monkeypatch.setattr(exporting, "READ_AT_ONCE", 5)
    monkeypatch.setattr(exporting, "SURVEYED", 10)
    world.import_rows("email\n" + "".join(f"p{number}@example.com\n" for number in range(43)))
    export = made(world, api, format="jsonl")
    assert [file["rows"] for file in export["files"]] == [10, 10, 10, 10, 3]
    ids = [json.loads(line)["id"] for line in content(world, api, export).splitlines()]
    assert ids == sorted(contact.id for contact in world.stored().values())
    assert sum(file["rows"] for file in made(world, api)["files"]) == 43


def test_history_runs_and_settings_come_too_without_secrets(world: ApiWorld, api: Client) -> None:
    run = world.import_rows("email,name\nada@example.com,Ada\n", MAPPING)
    [ada] = world.stored().values()
    api.patch(f"/contacts/{ada.id}", {"fields": {"name": "Ada King"}})
    export = made(world, api, kinds=["history", "runs", "settings"])
    told = [json.loads(line) for line in content(world, api, export, "history").splitlines()]
    assert [(each["by"], each["changes"].get("name")) for each in told] == [
        (f"member:{api.account.member_id}", ["Ada", "Ada King"]),
        (f"run:{run.id}", [None, "Ada"]),
    ]
    assert run.id in content(world, api, export, "runs")
    settings = content(world, api, export, "settings")
    assert "owner@example.com" in settings
    assert world.control.account(api.account.account_id).identity_secret not in settings


def test_only_the_asked_contacts(world: ApiWorld, api: Client) -> None:
    segment = api.post("/segments", {"name": "Fair"}).json["id"]
    first = world.import_rows("email\nada@example.com\n")
    world.import_rows("email\nbob@example.com\n", options={"segments": [segment]})
    assert "bob@" in (fair := content(world, api, made(world, api, segment=segment)))
    assert "ada@" not in fair
    assert "ada@" in (ran := content(world, api, made(world, api, run=first.id, format="vcard")))
    assert "bob@" not in ran
    assert api.post("/exports", {"segment": "nobody"}).pointers == {"/segment"}


def test_who_may_have_what(world: ApiWorld, api: Client, stranger: Client) -> None:
    export = made(world, api, kinds=["contacts", "runs"])
    viewer = Client(world, world.account, permissions=("contacts.view",))
    assert viewer.get(f"/exports/{export['id']}").status == 403
    assert viewer.post("/exports", {"kinds": ["settings"]}).status == 403
    assert viewer.post("/exports", {}).status == 202
    assert stranger.get(f"/exports/{export['id']}").status == 404
    assert Client(world, world.account, permissions=("syncs.manage",)).post("/exports", {}).status == 403


def test_one_export_of_an_account_at_a_time(world: ApiWorld, api: Client, stranger: Client) -> None:
    first = api.post("/exports", {})
    assert api.post("/exports", {}).status == 409
    assert stranger.post("/exports", {}).status == 202
    assert first.json["id"] in api.post("/exports", {}).json["detail"]


def test_a_stretch_that_dies_is_done_again_and_a_double_one_does_no_harm(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.import_rows("email\nada@example.com\nbob@example.com\n")
    told = api.post("/exports", {"format": "jsonl"}).json
    put = MemoryObjects.put

    def dies(*arguments: Any) -> None:
        put(*arguments)
        raise Died

    monkeypatch.setattr(MemoryObjects, "put", dies)
    with pytest.raises(Died):
        stretch(world, api.account.account_id, told["id"])
    monkeypatch.setattr(MemoryObjects, "put", put)
    for _ in range(3):
        stretch(world, api.account.account_id, told["id"])
    export = api.get(f"/exports/{told['id']}").json
    assert [file["rows"] for file in export["files"]] == [2]
    assert content(world, api, export).count("\n") == 2


def test_a_call_that_was_lost_is_made_again_when_somebody_asks(world: ApiWorld, api: Client) -> None:
    told = api.post("/exports", {}).json
    world.bus.events.clear()
    api.get(f"/exports/{told['id']}")
    assert world.bus.events == []
    world.clock.advance(stretches.SILENT + timedelta(seconds=1))
    api.get(f"/exports/{told['id']}")
    assert [event.kind for event in world.bus.events] == [exporting.DUE.event]


def test_an_export_is_kept_no_longer_than_its_account_keeps_history(world: ApiWorld, api: Client) -> None:
    assert api.patch("/account", {"retention_days": 2}).status == 200
    until = api.post("/exports", {}).json["expires_at"]
    assert datetime.fromisoformat(until) - world.clock.now() == timedelta(days=2)

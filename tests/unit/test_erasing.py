"""One person is forgotten everywhere, whatever dies meanwhile; everybody else stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contactsync.core.identity import SHARDS
from contactsync.journeys.account import erasing, forgetting
from contactsync.model.message import EraseDue
from tests.faults.interruptions import Interruptions, Way
from tests.support.calling import Client
from tests.support.world import Died, stores_of

if TYPE_CHECKING:
    from tests.support.calling import ApiWorld

MAPPING = [{"column": name, "field": name} for name in ("email", "name", "phone")]
HEADER = "email,name,phone\n"
ADA = "ada@example.com,Ada Lovelace,06 12345678\n"
BOB = "bob@example.com,Bob,06 87654321\n"
MARKS = ("ada@example.com", "Ada Lovelace", "12345678", "Countess")


def finish(world: ApiWorld, account_id: str, erasure_id: str, **changed: Any) -> None:
    """All stretches of an erasure; one that dies is done again."""
    message = EraseDue(account_id=account_id, erasure_id=erasure_id)
    for _ in range(400):
        try:
            forgetting.erase(message, stores_of(world, **changed))
        except Died:
            continue
        world.bus.events.clear()


def erased(world: ApiWorld, api: Client, **person: str) -> dict[str, Any]:
    told = api.post("/erasures", person)
    assert told.status == 202, told.text
    finish(world, api.account.account_id, told.json["id"])
    done: dict[str, Any] = api.get(f"/erasures/{told.json['id']}").json
    assert done["status"] == "succeeded"
    return done


def everything(world: ApiWorld, account_id: str) -> str:
    """All that is stored of an account, as text."""
    slots = [slot for shard in range(SHARDS) for slot in world.contacts.scan(account_id, shard)]
    records = world.records.page(account_id, "", limit=10_000).records
    files = [
        store.get(key).decode("utf-8", "replace")
        for store in (world.runs, world.uploads)
        for key in store.keys("")
        if f"/{account_id}/" in key
    ]
    return "\n".join(map(str, [*slots, *records, *files]))


def lived(world: ApiWorld, api: Client) -> str:
    """Ada has been imported, changed by an import and by hand, refused, deleted by a plan that waits; her id."""
    world.import_rows(HEADER + ADA + BOB, MAPPING)
    world.import_rows(HEADER + ADA.replace("Lovelace", "King") + BOB, MAPPING)
    world.import_rows(HEADER + "ada@example.com,Ada Lovelace,12\n" + BOB, MAPPING)
    ada = world.stored()["ada@example.com"].id
    assert api.patch(f"/contacts/{ada}", {"fields": {"name": "Countess"}}).status == 200
    upload = api.post("/uploads", {"filename": "a.csv"}).json["upload_id"]
    world.uploads.put(f"uploads/{api.account.account_id}/{upload}", (HEADER + ADA + BOB).encode())
    body = {"source": {"kind": "upload", "upload_id": upload}, "mapping": MAPPING}
    run = api.post("/imports", body).json["run"]["id"]
    world.execute(world.control.run(api.account.account_id, run).value)
    for each in ("rejects.csv", "added.csv", "updated.csv"):
        api.get(f"/runs/{run}/{each}")
    return ada


@pytest.mark.parametrize("by", ["contact_id", "email"])
def test_a_person_is_forgotten_and_everybody_else_stays(world: ApiWorld, api: Client, by: str) -> None:
    ada = lived(world, api)
    before = everything(world, api.account.account_id)
    assert [mark for mark in MARKS if mark not in before] == []
    done = erased(world, api, **({"contact_id": ada} if by == "contact_id" else {"email": "ADA@example.com"}))
    left = everything(world, api.account.account_id)
    assert [mark for mark in MARKS if mark in left] == []
    assert list(world.stored()) == ["bob@example.com"]
    assert (done["contacts"], done["runs"]) == (1, 4)
    assert done["lines"] >= 4
    assert "drop bucket" in done["remains"]


def test_rows_of_a_run_are_listed_as_before_and_undone_without_the_person(
    world: ApiWorld, api: Client
) -> None:
    run = world.import_rows(HEADER + ADA + BOB, MAPPING)
    first = api.get(f"/runs/{run.id}/rows?limit=1").json
    erased(world, api, email="ada@example.com")
    rest = api.get(f"/runs/{run.id}/rows?limit=1&next={first['next']}")
    assert rest.status == 200
    listed = api.get(f"/runs/{run.id}/rows").json["items"]
    assert sorted(row["outcome"] for row in listed) == ["added", "skipped"]
    undo = api.post(f"/runs/{run.id}/undo").json["id"]
    world.execute(world.control.run(api.account.account_id, undo).value)
    assert world.control.run(api.account.account_id, undo).value.counts.deleted == 1
    assert world.stored() == {}


def test_an_address_that_only_runs_remember_is_looked_for_too(world: ApiWorld, api: Client) -> None:
    """Nobody knows any more that the refused row was hers, but by the address that she had then."""
    assert api.post("/fields", {"key": "no", "label": "No", "type": "text"}).status == 201
    mapping = [{"column": name, "field": name} for name in ("no", "email", "name", "phone")]
    for email, phone in (("old", "12"), ("old", "06 12345678"), ("ada", "06 12345678")):
        text = f"no,{HEADER}1,{email}@example.com,Ada Lovelace,{phone}\n2,{BOB}"
        world.import_rows(text, mapping, identity={"field": "no"})
    assert "old@example.com" in everything(world, api.account.account_id)
    erased(world, api, email="ada@example.com")
    left = everything(world, api.account.account_id)
    assert [mark for mark in (*MARKS, "old@example.com") if mark in left] == []
    assert [each.fields["name"] for each in world.stored().values()] == ["Bob"]


def test_rows_of_whose_address_is_longer_stay(world: ApiWorld, api: Client) -> None:
    others = (
        "grada@example.com,Grada,06 1\nada@example.com.au,Ada,06 2\nann.ada@example.com,Ann,06 87654321\n"
    )
    run = world.import_rows(HEADER + ADA + others, MAPPING)
    files = [f"runs/{api.account.account_id}/{run.id}/rejects.csv"]
    erased(world, api, email="ada@example.com")
    listed = api.get(f"/runs/{run.id}/rows").json["items"]
    assert sorted(row["outcome"] for row in listed) == ["added", "rejected", "rejected", "skipped"]
    report = world.runs.get(files[0]).decode()
    assert ("grada@example.com" in report, "ada@example.com.au" in report) == (True, True)


def test_a_plan_that_named_the_person_cannot_be_carried_out(world: ApiWorld, api: Client) -> None:
    run = world.import_rows(HEADER + ADA, MAPPING)
    planned = api.post(f"/syncs/{run.sync_id}/runs", {"dry_run": True}).json["id"]
    world.execute(world.control.run(api.account.account_id, planned).value)
    hash_ = world.control.run(api.account.account_id, planned).value.plan_hash
    erased(world, api, email="ada@example.com")
    plan = {"run_id": planned, "plan_hash": hash_}
    assert api.post(f"/syncs/{run.sync_id}/runs", {"plan": plan}).status == 409


def test_a_later_file_brings_the_person_back(world: ApiWorld, api: Client) -> None:
    world.import_rows(HEADER + ADA, MAPPING)
    erased(world, api, email="ada@example.com")
    assert world.import_rows(HEADER + ADA, MAPPING).counts.added == 1


def test_after_a_restore_the_person_is_forgotten_again(world: ApiWorld, api: Client) -> None:
    world.import_rows(HEADER + ADA + BOB, MAPPING)
    [ada] = [each for each in world.stored().values() if "Ada" in str(each)]
    erased(world, api, contact_id=ada.id)
    world.import_rows(HEADER + ADA, MAPPING)  # as a table of yesterday would hold them
    assert erasing.erase_again(stores_of(world), api.account.account_id) == 1
    assert list(world.stored()) == ["bob@example.com"]


def test_who_may_and_when(world: ApiWorld, api: Client, stranger: Client) -> None:
    ada = lived(world, api)
    assert stranger.post("/erasures", {"contact_id": ada}).status == 404
    deleter = Client(world, world.account, permissions=("contacts.delete",))
    assert deleter.post("/erasures", {"contact_id": ada}).status == 403
    assert api.post("/erasures", {}).status == 422
    assert api.post("/erasures", {"contact_id": ada, "email": "ada@example.com"}).status == 422
    open_run = api.post("/imports", {"source": {"kind": "paste", "text": HEADER + BOB}, "mapping": MAPPING})
    told = api.post("/erasures", {"contact_id": ada})
    assert (told.status, open_run.json["run"]["id"] in told.json["detail"]) == (409, True)


@pytest.mark.parametrize("way", [Way.BEFORE, Way.AFTER], ids=lambda way: way.value)
def test_whatever_dies_the_person_is_forgotten(
    world: ApiWorld, api: Client, stranger: Client, way: Way
) -> None:
    """Every call of the work dies once."""
    lived(world, api)
    world.control.create_field  # noqa: B018
    told = api.post("/erasures", {"email": "ada@example.com"}).json["id"]
    at = 1
    while True:
        interruptions = Interruptions(at=at, way=way)
        watched = interruptions.ports(world.ports)
        try:
            forgetting.erase(
                EraseDue(account_id=api.account.account_id, erasure_id=told),
                stores_of(
                    world,
                    contacts=watched.contacts,
                    runs=watched.runs,
                    uploads=watched.uploads,
                    photos=watched.photos,
                ),
            )
        except Died:
            at += 1
            continue
        if api.get(f"/erasures/{told}").json["status"] == "succeeded":
            break
    assert at > 20
    left = everything(world, api.account.account_id)
    assert [mark for mark in MARKS if mark in left] == []
    assert list(world.stored()) == ["bob@example.com"]
    assert world.control.contacts_count(api.account.account_id) == 1

"""One person is forgotten everywhere, whatever dies meanwhile; everybody else stays."""

from __future__ import annotations

import gzip
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contactsync.core.decisions import Row, Skip
from contactsync.core.identity import SHARDS, first_id
from contactsync.errors import Busy
from contactsync.journeys.account import erasing, forgetting
from contactsync.journeys.asked import editing, recounting
from contactsync.journeys.book.album import Album
from contactsync.model.contact import Alias
from contactsync.model.message import EraseDue
from contactsync.model.run import Run
from contactsync.ports import Insert
from tests.faults.interruptions import Interruptions, Way
from tests.support.calling import Client
from tests.support.lists import Lists
from tests.support.world import Died, Overtaken, stores_of
from tests.unit.test_api_exports import made

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
    made(world, api, kinds=["contacts", "history"])
    return ada


@pytest.mark.parametrize("at_a_time", ["much", "little"])
@pytest.mark.parametrize("by", ["contact_id", "email"])
def test_a_person_is_forgotten_and_everybody_else_stays(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch, by: str, at_a_time: str
) -> None:
    if at_a_time == "little":
        monkeypatch.setattr(erasing, "RUNS_A_STRETCH", 1)
        monkeypatch.setattr(erasing, "READ_BYTES", 10)
    ada = lived(world, api)
    before = everything(world, api.account.account_id)
    assert [mark for mark in MARKS if mark not in before] == []
    done = erased(world, api, **({"contact_id": ada} if by == "contact_id" else {"email": "ADA@example.com"}))
    left = everything(world, api.account.account_id)
    assert [mark for mark in MARKS if mark in left] == []
    assert list(world.stored()) == ["bob@example.com"]
    assert (done["contacts"], done["runs"], done["lines"]) == (1, 4, 5)
    assert done["files"] >= 12, "of all of its stretches"
    assert "drop bucket" in done["remains"]


@pytest.mark.parametrize("at_a_time", [erasing.RECORDS_A_STRETCH, 1])
def test_an_answer_that_showed_the_person_is_not_repeated(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(erasing, "RECORDS_A_STRETCH", at_a_time)
    names = ("bob", "ada", "cem")
    asked = [{"fields": {"email": f"{name}@example.com"}} for name in names]
    told = [api.post("/contacts", body, key=name).text for name, body in zip(names, asked, strict=True)]
    erased(world, api, email="ada@example.com")
    assert "ada@example.com" not in everything(world, api.account.account_id)
    world.clock.advance(timedelta(minutes=1))
    again = [api.post("/contacts", body, key=name).text for name, body in zip(names, asked, strict=True)]
    assert [one == other for one, other in zip(told, again, strict=True)] == [True, False, True]


def test_an_export_that_held_the_person_is_there_no_longer(world: ApiWorld, api: Client) -> None:
    world.import_rows(HEADER + ADA, MAPPING)
    export = made(world, api)
    erased(world, api, email="ada@example.com")
    assert api.get(f"/exports/{export['id']}").status == 404


@pytest.mark.parametrize("name", ["ada", "bob"])
def test_rows_of_a_run_are_listed_as_before_and_undone_without_the_person(
    world: ApiWorld, api: Client, name: str
) -> None:
    run = world.import_rows(HEADER + ADA + BOB, MAPPING)
    first = api.get(f"/runs/{run.id}/rows?limit=1").json
    erased(world, api, email=f"{name}@example.com")
    rest = api.get(f"/runs/{run.id}/rows?limit=1&next={first['next']}")
    assert rest.status == 200
    assert sorted(each["row"] for each in first["items"] + rest.json["items"]) == [2, 3]
    listed = api.get(f"/runs/{run.id}/rows").json["items"]
    assert sorted(row["outcome"] for row in listed) == ["added", "skipped"]
    undo = api.post(f"/runs/{run.id}/undo").json["id"]
    world.execute(world.control.run(api.account.account_id, undo).value)
    assert world.control.run(api.account.account_id, undo).value.counts.deleted == 1
    assert world.stored() == {}


@pytest.mark.parametrize("at_a_time", [recounting.CHANGES_A_PAGE, 1])
def test_an_address_that_only_runs_remember_is_looked_for_too(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """Nobody knows any more that the refused row was hers, but by the address that she had then."""
    monkeypatch.setattr(recounting, "CHANGES_A_PAGE", at_a_time)
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


@pytest.mark.parametrize("written", ["ada@example.com", " ADA@example.com "])
def test_an_address_that_was_only_ever_refused_is_looked_for_too(
    world: ApiWorld, api: Client, written: str
) -> None:
    world.import_rows(HEADER + ADA.replace("06 12345678", "12") + BOB, MAPPING)
    assert "ada@example.com" in everything(world, api.account.account_id)
    erased(world, api, email=written)
    assert "ada@example.com" not in everything(world, api.account.account_id)
    assert list(world.stored()) == ["bob@example.com"]


def test_an_address_of_long_ago_is_looked_for_too(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contact names its last changes only; what was done by hand before them is kept for longer."""
    monkeypatch.setattr(editing, "RUNS_KEPT", 1)
    for phone in ("12", "06 12345678"):
        world.import_rows(f"{HEADER}old@example.com,Ada Lovelace,{phone}\n", MAPPING)
    ada = world.stored()["old@example.com"].id
    for fields in ({"email": "ada@example.com"}, {"name": "Ada Lovelace"}):
        assert api.patch(f"/contacts/{ada}", {"fields": fields}).status == 200
    erased(world, api, contact_id=ada)
    assert "old@example.com" not in everything(world, api.account.account_id)


def test_a_short_number_is_looked_for_without_its_country_too(world: ApiWorld, api: Client) -> None:
    assert api.post("/fields", {"key": "no", "label": "No", "type": "text"}).status == 201
    mapping = [{"column": name, "field": name} for name in ("no", "name", "phone")]
    text = "no,name,phone\n1,Ada Lovelace,581 2345\n,Ada Lovelace,5812345\n"
    run = world.import_rows(text, mapping, identity={"field": "no"}, format={"country": "IS"})
    [ada] = world.stored().values()
    assert (run.counts.rejected, ada.fields["phones"][0]["value"]) == (1, "+3545812345")
    erased(world, api, contact_id=ada.id)
    assert "5812345" not in everything(world, api.account.account_id)


@pytest.mark.parametrize("now", ["there", "deleted", "changed"])
def test_who_has_no_address_is_looked_for_by_number(world: ApiWorld, api: Client, now: str) -> None:
    """As it is written here and as it was written in the file; also one that only runs remember."""
    assert api.post("/fields", {"key": "no", "label": "No", "type": "text"}).status == 201
    mapping = [{"column": name, "field": name} for name in ("no", "name", "phone")]
    rows = "1,Ada Lovelace,(06) 1234 5678\n2,Bob,06 87654321\n"
    world.import_rows(f"no,name,phone\n{rows},Ada Lovelace,612345678\n", mapping, identity={"field": "no"})
    [ada] = [each.id for each in world.stored().values() if "Ada" in str(each)]
    if now == "deleted":
        assert api.delete(f"/contacts/{ada}").status == 204
    if now == "changed":
        assert api.patch(f"/contacts/{ada}", {"fields": {"phone": "06 11223344"}}).status == 200
    erased(world, api, contact_id=ada)
    left = everything(world, api.account.account_id)
    assert [mark for mark in ("12345678", "1234 5678", "11223344") if mark in left] == []
    assert "87654321" in left
    assert world.contacts.slots(api.account.account_id, [ada]) == {}


def test_an_address_that_a_run_had_only_begun_to_give_to_somebody_is_not_theirs(
    world: ApiWorld, api: Client
) -> None:
    world.import_rows(HEADER + BOB + ADA.replace("06 12345678", "12"), MAPPING)
    bob = world.stored()["bob@example.com"]
    claim = Alias(world.id_of("ada@example.com"), 1, bob.id, 0)
    assert all(done for _, done in world.contacts.write(api.account.account_id, [Insert(claim)]))
    erased(world, api, email="ada@example.com")
    assert world.stored() == {"bob@example.com": bob}
    assert "ada@example.com" not in everything(world, api.account.account_id)


def test_who_has_the_address_of_a_deleted_contact_now_is_somebody_else(world: ApiWorld, api: Client) -> None:
    ada, bob = (
        api.post("/contacts", {"fields": {"email": f"{name}@example.com"}}).json["id"]
        for name in ("ada", "bob")
    )
    assert api.delete(f"/contacts/{ada}").status == 204
    assert api.patch(f"/contacts/{bob}", {"fields": {"email": "ada@example.com"}}).status == 200
    erased(world, api, contact_id=ada)
    assert api.get(f"/contacts/{bob}").status == 200
    assert api.get("/contacts?email=ada@example.com").json["items"][0]["id"] == bob


def test_who_has_been_deleted_is_looked_for_by_the_address_of_then(world: ApiWorld, api: Client) -> None:
    world.import_rows(HEADER + ADA + BOB, MAPPING)
    ada = world.stored()["ada@example.com"].id
    assert api.delete(f"/contacts/{ada}").status == 204
    world.import_rows(HEADER + "ada@example.com,Ada Lovelace,12\n", MAPPING)
    erased(world, api, contact_id=ada)
    left = everything(world, api.account.account_id)
    assert [mark for mark in MARKS if mark in left] == []
    assert world.contacts.slots(api.account.account_id, [ada]) == {}


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


@pytest.mark.parametrize("part", ["plan", "upsert", "held"])
def test_what_a_run_did_with_others_is_kept(world: ApiWorld, api: Client, part: str) -> None:
    run = world.import_rows(HEADER + ADA + BOB, MAPPING)
    key = f"runs/{run.account_id}/{run.id}/{part}/09.jsonl"
    lines = [
        Skip(Row(first_id(n), n, "", {}), "why", f"{name}@example.com")
        for n, name in ((1, "ada"), (2, "bob"))
    ]
    world.runs.put(key, b"".join(each.line() + b"\n" for each in lines))
    erased(world, api, email="ada@example.com")
    left = world.runs.get(key)
    assert (b"ada@example.com" in left, lines[1].line() in left) == (False, True)


def test_of_a_run_that_was_never_read_the_bytes_go_and_of_others_they_stay(
    world: ApiWorld, api: Client
) -> None:
    """A packed file names nobody, whoever is in it."""
    world.import_rows(HEADER + ADA, MAPPING)
    bob = world.import_rows(HEADER + BOB, MAPPING)
    body = {"source": {"kind": "paste", "text": HEADER}, "mapping": MAPPING}
    unread = api.post("/imports", body).json["run"]["id"]
    assert api.post(f"/runs/{unread}/cancel").status == 200
    world.runs.put(f"runs/{bob.account_id}/{unread}/paste", gzip.compress((HEADER + ADA).encode()))
    erased(world, api, email="ada@example.com")
    assert list(world.runs.keys(f"runs/{bob.account_id}/{unread}/")) == []
    again = api.post(f"/syncs/{bob.sync_id}/runs", {"dry_run": True}).json["id"]
    world.execute(world.control.run(bob.account_id, again).value)
    assert world.control.run(bob.account_id, again).value.counts.unchanged == 1


def test_the_upload_goes_also_of_a_run_that_broke_off_before_it_said_which(
    world: ApiWorld, api: Client
) -> None:
    mine = api.account.account_id
    upload = api.post("/uploads", {"filename": "a.csv"}).json["upload_id"]
    world.uploads.put(f"uploads/{mine}/{upload}", (HEADER + ADA).encode())
    body = {"source": {"kind": "upload", "upload_id": upload}, "mapping": MAPPING}
    run = api.post("/imports", body).json["run"]["id"]
    world.runs.put(f"runs/{mine}/{run}/source", (HEADER + ADA).encode())
    assert api.post(f"/runs/{run}/cancel").status == 200
    erased(world, api, email="ada@example.com")
    assert "ada@example.com" not in everything(world, mine)


def test_the_upload_goes_also_of_a_run_that_found_its_file_as_before_or_could_not_read_it(
    world: ApiWorld, api: Client
) -> None:
    """Neither keeps a word of it; of somebody else's list the same runs leave it."""
    for person in (ADA, BOB):
        lists = Lists(api, mapping=MAPPING)
        sync_id = lists.first(HEADER + person)["sync_id"]
        assert lists.again(sync_id, HEADER + person)["status"] == "unchanged"
    other = Lists(api, mapping=MAPPING[:1]).first("mail\n" + ADA)
    assert other["status"] == "failed"
    erased(world, api, email="ada@example.com")
    kept = [world.uploads.get(key).decode() for key in world.uploads.keys("")]
    assert kept == [HEADER + BOB] * 2


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
    assert api.patch(f"/contacts/{ada.id}", {"fields": {"name": "Countess"}}).status == 200
    mine = api.account.account_id
    for each in world.stored().values():
        Album(world.photos, mine).keep(each.id, b"picture")
    for _ in range(2):
        assert erasing.erase_again(stores_of(world), mine) == 1
        assert list(world.stored()) == ["bob@example.com"]
        assert world.control.contacts_count(mine) == 1
        assert "Countess" not in str(world.records.page(mine, "", limit=10_000).records)
        assert len(list(world.photos.keys(""))) == 1
        world.clock.advance(timedelta(minutes=1))
        world.import_rows(HEADER + ADA, MAPPING)


def test_after_a_restore_who_has_their_address_now_keeps_it(world: ApiWorld, api: Client) -> None:
    world.import_rows(HEADER + ADA + BOB, MAPPING)
    erased(world, api, email="ada@example.com")
    bob = world.stored()["bob@example.com"].id
    assert api.patch(f"/contacts/{bob}", {"fields": {"email": "ada@example.com"}}).status == 200
    assert erasing.erase_again(stores_of(world), api.account.account_id) == 0
    assert [each["id"] for each in api.get("/contacts?email=ada@example.com").json["items"]] == [bob]


def test_whose_call_was_lost_is_called_for_by_the_same_request_and_by_whoever_looks(
    world: ApiWorld, api: Client
) -> None:
    world.import_rows(HEADER + ADA, MAPPING)
    person = {"email": "ada@example.com"}

    def calls() -> int:
        found = [event for event in world.bus.events if event.kind == "EraseDue"]
        world.bus.events.clear()
        return len(found)

    world.bus.failures = 1
    assert (api.post("/erasures", person, key="1").status, calls()) == (503, 0)
    told = api.post("/erasures", person, key="1")
    assert (told.status, calls()) == (202, 1)
    mine, id_ = api.account.account_id, told.json["id"]

    def looked(later: timedelta) -> tuple[str, int]:
        world.clock.advance(later)
        return api.get(f"/erasures/{id_}").json["status"], calls()

    assert [looked(timedelta(0)), looked(timedelta(hours=1))] == [("queued", 0), ("queued", 1)]
    forgetting.erase(EraseDue(account_id=mine, erasure_id=id_), stores_of(world))
    assert calls() == 1
    assert looked(timedelta(minutes=15)) == ("running", 0)
    finish(world, mine, id_)
    stored = world.records.get(erasing.key_of(mine, id_))
    assert looked(timedelta(hours=1)) == ("succeeded", 0)
    finish(world, mine, id_)
    assert world.records.get(erasing.key_of(mine, id_)) == stored, "an event that comes late changes nothing"
    assert stored is not None
    assert datetime.fromtimestamp(stored.expires_at or 0, UTC) - world.clock.now() < erasing.TOLD


def test_who_is_changed_meanwhile_is_forgotten_all_the_same(world: ApiWorld, api: Client) -> None:
    world.import_rows(HEADER + ADA, MAPPING)
    ada = world.stored()["ada@example.com"].id
    told = api.post("/erasures", {"contact_id": ada}).json["id"]
    contacts = Overtaken(
        world.contacts, lambda: api.patch(f"/contacts/{ada}", {"fields": {"name": "Countess"}})
    )
    due = EraseDue(account_id=api.account.account_id, erasure_id=told)
    with pytest.raises(Busy):
        forgetting.erase(due, stores_of(world, contacts=contacts))
    finish(world, api.account.account_id, told)
    assert world.stored() == {}
    assert "Countess" not in everything(world, api.account.account_id)


@pytest.mark.parametrize("happens", ["the worker dies", "the sync runs"])
def test_the_same_file_is_not_as_before_whatever_happens_meanwhile(
    world: ApiWorld, api: Client, happens: str
) -> None:
    run = world.import_rows(HEADER + ADA, MAPPING)

    def again() -> Run:
        world.clock.advance(timedelta(minutes=5))
        following = world.again(run.sync_id, HEADER + ADA)
        world.execute(following)
        return world.run(following)

    told = api.post("/erasures", {"email": "ada@example.com"}).json["id"]
    due = EraseDue(account_id=run.account_id, erasure_id=told)
    if happens == "the sync runs":
        forgetting.erase(due, stores_of(world, contacts=Overtaken(world.contacts, again)))
    else:
        at = 1
        while world.stored():
            with suppress(Died):
                watched = Interruptions(at=at, way=Way.AFTER).ports(world.ports)
                forgetting.erase(due, stores_of(world, contacts=watched.contacts))
            at += 1
    finish(world, run.account_id, told)
    assert again().counts.added == 1


def test_who_may_and_when(world: ApiWorld, api: Client, stranger: Client) -> None:
    ada = lived(world, api)
    assert stranger.post("/erasures", {"contact_id": ada}).status == 404
    deleter = Client(world, world.account, permissions=("contacts.delete",))
    assert deleter.post("/erasures", {"contact_id": ada}).status == 403
    assert api.post("/erasures", {}).status == 422
    assert api.post("/erasures", {"contact_id": ada, "email": "ada@example.com"}).status == 422
    assert api.post("/erasures", {"email": "Ada Lovelace"}).pointers == {"/email"}
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

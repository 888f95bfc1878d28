"""An account is forgotten in all stores, whatever dies meanwhile, and no other is touched; history for as long as wanted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contactsync.adapters.memory import MemoryObjects, MemoryShares
from contactsync.control import new_id
from contactsync.control.members import by_subject
from contactsync.errors import Conflict, NotFound
from contactsync.journeys.account import accounts, forgetting
from contactsync.journeys.file.runfiles import RunFiles
from contactsync.model.connection import Connection
from contactsync.model.contact import Audit, Contact
from contactsync.model.message import EraseDue
from contactsync.ports import Insert, Put, RecordKey
from tests.faults.interruptions import Interruptions, Way
from tests.support.world import Died, stores_of

if TYPE_CHECKING:
    from tests.support.calling import ApiWorld, Client

MAPPING = [{"column": "email", "field": "email"}]


def lived(world: ApiWorld, client: Client, name: str) -> None:
    """An account with something in every store."""
    account = client.account.account_id
    body = {"source": {"kind": "paste", "text": f"email\n{name}@example.com\n"}, "mapping": MAPPING}
    for _ in range(2):
        run = client.post("/imports", body).json["run"]["id"]
        world.execute(world.control.run(account, run).value)
    contact = client.post("/contacts", {"fields": {"email": f"{name}.2@example.com"}}).json["id"]
    client.delete(f"/contacts/{contact}")
    client.post("/segments", {"name": name})
    export = client.post("/exports", {}).json["id"]
    upload = client.post("/uploads", {"filename": "a.csv"}).json["upload_id"]
    world.uploads.put(f"uploads/{account}/{upload}", b"x")
    world.drops.put(f"{account}/s1/file.csv", b"dropped")
    for folder in ("photos", "former"):
        world.photos.put(f"{folder}/{account}/c1/hash", b"picture")
    world.runs.put(f"exports/{account}/{export}/contacts-0001.csv", b"x")
    world.runs.put(f"erasures/{account}/e1", b"x")
    at, owner = world.clock.now().isoformat(timespec="milliseconds"), client.account.member_id
    book = Connection(
        id="n1", account_id=account, provider="memory", member_id=owner, state="active", created_at=at
    )
    world.control.create_connection(account, book)
    world.records.commit([Put(RecordKey(f"{account}#n1", "lease"), {"name": name}, 0)])
    read = world.control.read_member(account, owner)
    world.records.commit(world.control.bind_member(read, by_subject("https://people.example.com", name)))


def holding(world: ApiWorld, account_id: str) -> list[str]:
    """Every place that still names an account: records, contacts, objects, schedules."""
    alive = filter(None, map(world.records.get, list(world.records._stored)))
    records = [
        f"{each.key.partition} {each.key.name}"
        for each in alive
        if account_id in f"{each.key.partition} {each.key.name} {each.document}"
    ]
    contacts = [
        f"contacts {name}"
        for name, slots in world.contacts._partitions.items()
        if slots and account_id in name
    ]
    stores = (world.runs, world.uploads, world.drops, world.photos)
    objects = [key for store in stores for key in store.keys("") if account_id in key]
    return [*records, *contacts, *objects, *(str(key) for key in world.scheduler.kept if account_id in key)]


def nights(world: ApiWorld, **changed: Any) -> None:
    """A night, and all that it calls for."""
    forgetting.erase(EraseDue(account_id="", erasure_id="night"), stores_of(world, **changed))
    for _ in range(500):
        due = [event.detail for event in world.bus.events if event.kind == "EraseDue"]
        world.bus.events.clear()
        if not due:
            return
        for each in due:
            forgetting.erase(EraseDue.model_validate(each), stores_of(world, **changed))


def sync_schedules(world: ApiWorld, account_id: str) -> None:
    """A schedule for each of the account's syncs."""
    for read in world.control.syncs(account_id, after=None, limit=10)[0]:
        world.scheduler.put(account_id, read.value.id, "cron(0 9 * * ? *)", start=None, end=None)


@pytest.mark.parametrize("at_a_time", [forgetting.RECORDS_A_PAGE, 1])
def test_of_a_closed_account_only_its_id_remains_and_the_other_is_untouched(
    world: ApiWorld, api: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(forgetting, "RECORDS_A_PAGE", at_a_time)
    lived(world, api, "ada")
    lived(world, stranger, "bob")
    mine, theirs = api.account.account_id, stranger.account.account_id
    sync_schedules(world, mine)
    assert len(world.scheduler.kept) == 2
    forgetting.close_account(world.control, MemoryShares(), mine, world.clock.now())
    nights(world)
    assert world.stored(), "not before the grace is over"
    world.clock.advance(forgetting.GRACE + timedelta(minutes=1))
    before = holding(world, theirs)
    nights(world)
    assert holding(world, mine) == [f"forgotten#{mine} account"]
    assert [each for each in before if each not in holding(world, theirs)] == []


def test_an_erasure_whose_event_was_lost_is_called_for_again_at_night(world: ApiWorld, api: Client) -> None:
    lived(world, api, "ada")
    asked = api.post("/erasures", {"email": "ada@example.com"})
    world.bus.events.clear()  # lost, and nobody asks how far it is
    nights(world)
    assert "ada@example.com" in world.stored(), "not while the event may still come"
    world.clock.advance(timedelta(hours=1))
    nights(world)
    assert "ada@example.com" not in world.stored()
    assert api.get(f"/erasures/{asked.json['id']}").json["status"] == "succeeded"
    world.clock.advance(timedelta(hours=1))
    forgetting.erase(EraseDue(account_id="", erasure_id="night"), stores_of(world))
    called = [event.detail["erasure_id"] for event in world.bus.events if event.kind == "EraseDue"]
    assert asked.json["id"] not in called


def test_nobody_gets_in_meanwhile_and_it_can_be_called_back(world: ApiWorld, api: Client) -> None:
    mine, now = api.account.account_id, world.clock.now()
    lived(world, api, "ada")
    forgetting.close_account(world.control, MemoryShares(), mine, now)
    with pytest.raises(Conflict):
        forgetting.close_account(world.control, MemoryShares(), mine, now)
    assert world.control.account(mine).suspended_at is not None
    forgetting.call_back(world.control, world.bus, mine, now)
    assert world.control.account(mine).suspended_at is None
    world.clock.advance(forgetting.GRACE + timedelta(days=2))
    nights(world)
    assert "ada@example.com" in world.stored()
    with pytest.raises(NotFound):
        forgetting.call_back(world.control, world.bus, mine, now)


def test_one_that_is_being_forgotten_cannot_be_called_back(world: ApiWorld, api: Client) -> None:
    mine = api.account.account_id
    lived(world, api, "ada")
    forgetting.close_account(world.control, MemoryShares(), mine, world.clock.now())
    world.clock.advance(forgetting.GRACE)
    forgetting.erase(EraseDue(account_id="", erasure_id="night"), stores_of(world))
    with pytest.raises(Conflict):
        forgetting.call_back(world.control, world.bus, mine, world.clock.now())
    assert world.control.account(mine).suspended_at is not None


def test_its_requests_are_counted_alone_no_longer(world: ApiWorld, api: Client) -> None:
    mine, now, shares = api.account.account_id, world.clock.now(), MemoryShares()
    accounts.meter(world.control, shares, mine, now)
    forgetting.close_account(world.control, shares, mine, now)
    assert shares.kept == {}
    assert not world.control.account(mine).metered, "the authorizer names a key that is there"


def test_names_that_begin_alike_are_different_accounts(world: ApiWorld, api: Client) -> None:
    mine = api.account.account_id
    for store in (world.runs, world.uploads):
        for folder in ("runs/", "exports/", "uploads/", ""):
            store.put(f"{folder}{mine}2/x", b"theirs")
    lived(world, api, "ada")
    forgetting.close_account(world.control, MemoryShares(), mine, world.clock.now())
    world.clock.advance(forgetting.GRACE + timedelta(minutes=1))
    nights(world)
    left = [key for store in (world.runs, world.uploads) for key in store.keys("")]
    assert len(left) == 8
    assert all(f"{mine}2/" in key for key in left)


def test_edits_of_many_bytes_go_with_their_account(world: ApiWorld, api: Client) -> None:
    """DynamoDB takes 4 MB a transaction, which a hundred records may exceed: the account would be there for ever."""
    mine = api.account.account_id
    for each in range(30):
        world.records.commit([Put(RecordKey(mine, f"edit#c{each:02}#1"), {"text": "x" * 300_000}, 0)])
    forgetting.close_account(world.control, MemoryShares(), mine, world.clock.now())
    world.clock.advance(forgetting.GRACE + timedelta(minutes=1))
    nights(world)
    assert holding(world, mine) == [f"forgotten#{mine} account"]


@pytest.mark.parametrize("left", ["a record", "an object", "a contact"])
def test_what_somebody_has_written_who_was_still_at_work_goes_too(
    world: ApiWorld, api: Client, left: str
) -> None:
    lived(world, api, "ada")
    mine = api.account.account_id
    forgetting.close_account(world.control, MemoryShares(), mine, world.clock.now())
    world.clock.advance(forgetting.GRACE)
    forgetting.erase(EraseDue(account_id="", erasure_id="night"), stores_of(world))
    gone = [f"forgotten#{mine} account", f"closing account#{mine}", f"accounts account#{mine}"]
    for _ in range(500):
        if not set(holding(world, mine)) - set(gone):
            break
        forgetting.erase(EraseDue(account_id=mine, erasure_id="account"), stores_of(world))
    match left:
        case "a record":
            world.records.commit([Put(RecordKey(mine, "feed#1"), {}, 0)])
        case "an object":
            world.runs.put(f"runs/{mine}/r1/source", b"x")
        case _:
            contact = Contact("0" * 32, 1, {}, Audit("", "", "", ""))
            list(world.contacts.write(mine, [Insert(contact)]))
    for _ in range(500):
        forgetting.erase(EraseDue(account_id=mine, erasure_id="account"), stores_of(world))
    assert holding(world, mine) == gone[:1]


@pytest.mark.parametrize("way", [Way.BEFORE, Way.AFTER], ids=lambda way: way.value)
def test_whatever_dies_the_account_is_forgotten(
    world: ApiWorld, api: Client, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """Every call of the work dies once: buckets and contacts, and the records in between."""
    monkeypatch.setattr(forgetting, "OBJECTS_A_STRETCH", 5)
    monkeypatch.setattr(forgetting, "RECORDS_A_PAGE", 5)
    lived(world, api, "ada")
    mine = api.account.account_id
    forgetting.close_account(world.control, MemoryShares(), mine, world.clock.now())
    world.clock.advance(forgetting.GRACE + timedelta(minutes=1))
    forgetting.erase(EraseDue(account_id="", erasure_id="night"), stores_of(world))
    at, due = 1, EraseDue(account_id=mine, erasure_id="account")
    for _ in range(2000):
        watched = Interruptions(at=at, way=way).ports(world.ports)
        try:
            forgetting.erase(
                due,
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
        if holding(world, mine) == [f"forgotten#{mine} account"]:
            break
    assert holding(world, mine) == [f"forgotten#{mine} account"]
    assert at > 5


@pytest.mark.parametrize("at_a_time", [forgetting.RUNS_A_STRETCH, 1])
def test_history_is_kept_for_as_long_as_its_account_wants(
    world: ApiWorld, api: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(forgetting, "RUNS_A_STRETCH", at_a_time)
    monkeypatch.setattr(forgetting, "RECORDS_A_PAGE", at_a_time)
    for client, name in ((api, "ada"), (stranger, "bob")):
        lived(world, client, name)
    assert api.patch("/account", {"retention_days": 10}).status == 200
    mine, theirs = api.account.account_id, stranger.account.account_id
    world.clock.advance(timedelta(days=9))
    nights(world)
    folders = ((world.runs, "runs/"), (world.runs, "exports/"), (world.uploads, "uploads/"))
    assert all(list(store.keys(f"{folder}{mine}/")) for store, folder in folders)
    world.clock.advance(timedelta(days=2))
    fresh = world.request("email\ncem@example.com\n")
    nights(world)
    kept = {key.split("/")[2] for key in world.runs.keys(f"runs/{mine}/")}
    assert kept == {fresh.id}
    assert not any(list(store.keys(f"{folder}{mine}/")) for store, folder in folders[1:])
    assert all(list(store.keys(f"{folder}{theirs}/")) for store, folder in folders)
    assert list(world.records.page(mine, "edit#").records) == []
    assert list(world.records.page(theirs, "edit#").records)
    assert isinstance(world.runs, MemoryObjects)
    assert RunFiles(world.runs, mine, fresh.id).paste in world.runs.keys("")
    world.clock.advance(timedelta(days=100))
    nights(world)
    assert list(world.records.page(theirs, "edit#").records), "it asks for no other time than all have"


def test_a_run_that_came_late_is_kept_from_when_it_was_run(world: ApiWorld, api: Client) -> None:
    """Its id tells the day that was due, or when its file had arrived."""
    mine = api.account.account_id
    first = api.post("/imports", {"source": {"kind": "paste", "text": "email\n"}, "mapping": MAPPING}).json[
        "run"
    ]
    world.execute(world.control.run(mine, first["id"]).value)
    due = new_id(world.clock.now())
    assert api.patch("/account", {"retention_days": 10}).status == 200
    world.clock.advance(timedelta(days=20))
    late = world.control.run(mine, first["id"]).value.model_copy(
        update={
            "id": f"r{due}",
            "trigger": "schedule",
            "status": "queued",
            "requested_at": world.clock.now().isoformat(timespec="milliseconds"),
        }
    )
    world.control.create_run(mine, late)
    world.runs.put(RunFiles(world.runs, mine, late.id).paste, b"email\n")
    nights(world)
    assert {key.split("/")[2] for key in world.runs.keys(f"runs/{mine}/")} == {late.id}
    world.clock.advance(timedelta(days=11))
    nights(world)
    assert not list(world.runs.keys(f"runs/{mine}/"))

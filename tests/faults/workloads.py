"""What the service does, each thing as a workload that can be carried out again and again, with faults and without.

A workload sets a scene: a world as it was before, what is done in it, and what is done once more when all is quiet.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from contactsync.adapters.memory import MemoryScheduler, MemoryShares
from contactsync.control import Control, Read, new_id
from contactsync.errors import Busy
from contactsync.journeys.account import forgetting
from contactsync.journeys.asked import asking, editing
from contactsync.journeys.asked.lingering import HOUR
from contactsync.journeys.asked.queueing import LASTS_AT_MOST
from contactsync.journeys.asked.scheduling import kept
from contactsync.model.account import ALL_PERMISSIONS, Caller
from contactsync.model.message import EraseDue
from contactsync.model.run import Run
from contactsync.model.source import RemoteSource
from contactsync.model.sync import Schedule, Sync, SyncRequest
from contactsync.ports import ContactStore, Ending, Source, SourceStream
from tests.faults.bookscenes import (
    both_ways,
    fanned_out,
    first_contact,
    in_a_book,
    in_the_list,
    one_way,
    pictured,
    taken_off,
    turned_down,
    with_book,
)
from tests.faults.scenes import Retrying, Scene, Workload, earlier, execute, new_world
from tests.support.dropped import drop_sync, prefix, runs_of
from tests.support.world import Died, Overtaken, World

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
NUMBERED = [{"column": "number", "field": "customer_number"}, *NAMES]
BY_NUMBER = {"field": "customer_number"}
DELETING = {"delete_missing": {"scope": "all"}}


def people(*names: str) -> str:
    return "email,name\n" + "".join(f"{name.lower()}@example.com,{name}\n" for name in names)


def many(number: int, *more: str) -> str:
    return people(*(f"P{each}" for each in range(number)), *more)


def then_approve(world: World, run: Run) -> None:
    """Run until it waits, approve, run to the end; who approves tries again until it is answered."""
    world.execute(run)
    assert world.run(run).status == "awaiting_approval"
    for _ in range(4):
        with suppress(Died, Busy):
            Control(world.ports.records).approve_run(run.account_id, run.id, world.run(run).plan_hash or "")
            break
    world.execute(run, execution="after the approval")


CLAIMS_BEFORE = "number,email,name\n1,ada@example.com,Ada\n2,bob@example.com,Bob\n3,cem@example.com,Cem\n"
CLAIMS = """\
number,email,name
1,ada@example.org,Ada
2,bob@example.com,Bob B.
3,bob@example.com,Cem
4,dee@example.com,Dee
5,dee@example.com,Eve
6,,Fay
"""


def claims(world: World) -> Run:
    earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER)
    return world.request(CLAIMS, NUMBERED, identity=BY_NUMBER)


def claimed_before_and_back(world: World) -> Run:
    """The address of a contact that left it, and went, is free; that of a deleted one as well."""
    run = earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER)
    world.again(run.sync_id, CLAIMS_BEFORE.replace("ada@example.com", "ada@example.org"))
    world.execute(world.run(_latest(world, run)))
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return world.again(run.sync_id, CLAIMS_BEFORE + "4,ada@example.com,The Other Ada\n")


def _latest(world: World, run: Run) -> Run:
    sync = world.control.sync(run.account_id, run.sync_id).value
    return world.control.run(run.account_id, sync.latest_run or "").value


GENERATED = "email,name\nada@example.com,Ada\nbob@example.com,Bob\nbob@example.com,Bob too\n,Cem\n"


def generated(world: World) -> Run:
    earlier(world, people("Ada"), NAMES)
    return world.request(GENERATED, NAMES, identity={"generate": True, "field": "customer_number"})


def segmented(world: World) -> Run:
    earlier(world, people("Ada", "Bob"), NAMES)
    return world.request(
        people("Ada", "Bob", "Cem").replace("Bob", "Bob B.", 1), NAMES, options={"segments": ["vip"]}
    )


def confirmed(world: World) -> Run:
    """Contacts that another sync has brought, nearly all as the rows say: the sync notes that it knows them."""
    earlier(world, many(6), NAMES)
    run = earlier(world, people("First"), NAMES)
    return world.again(run.sync_id, CONFIRMED)


CONFIRMED = many(6, "New").replace("P5\n", "P Five\n")


def missing(world: World) -> Run:
    run = earlier(world, many(10), NAMES, options=DELETING)
    return world.again(run.sync_id, many(9, "New"))


def come_again(world: World) -> Run:
    """Most rows are as they were, one of them refused; somebody has edited two contacts since, and deleted one."""
    return _come_again(world, COME_BEFORE, COME_AGAIN)


def some_come_again(world: World) -> Run:
    """The same, none refused, and who is missing from the file goes."""
    return _come_again(world, COME_BEFORE.replace(NOBODY, ""), SOME_COME_AGAIN, options=DELETING)


def _come_again(world: World, before: str, now: str, **body: object) -> Run:
    run = earlier(world, before, NAMES, **body)
    edited, moved, gone = (world.stored()[f"p{number}@example.com"].id for number in (2, 3, 4))
    caller = Caller(account_id=run.account_id, member_id="m1", permissions=frozenset(ALL_PERMISSIONS))
    hub = cast(asking.World, world)
    for contact, fields in ((edited, {"name": "By Hand"}), (moved, {"email": "p3@example.org"})):
        editing.change_contact(hub, caller, contact, {"fields": fields}, contact, if_match=None)
    editing.delete_contact(hub, caller, gone, "deletion", if_match=None)
    world.clock.advance(timedelta(minutes=5))
    return world.again(run.sync_id, now)


NOBODY = "nobody,No Address\n"
COME_BEFORE = many(9, "Ada") + NOBODY
COME_AGAIN = COME_BEFORE.replace("P1\n", "P One\n").replace("p0@example.com,P0\n", "") + people("New")[11:]
SOME_COME_AGAIN = COME_AGAIN.replace(NOBODY, "")


def held(world: World) -> Run:
    run = earlier(world, many(10), NAMES, options=DELETING)
    return world.again(run.sync_id, many(6, "New"))


def deletions_held(world: World) -> Run:
    options = {**DELETING, "guard": {"on_trip": "hold_deletes"}}
    run = earlier(world, many(10), NAMES, options=options)
    return world.again(run.sync_id, many(6, "New"))


def undo(world: World) -> Run:
    """Of an add, of updates of which one has moved an address, of a deletion."""
    options = {"delete_missing": {"scope": "all"}, "guard": {"max_delete_percent": 40}}
    run = earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER, options=options)
    later = "number,email,name\n1,ada@example.org,Ada\n2,bob@example.com,Bob B.\n4,dee@example.com,Dee\n"
    again = world.again(run.sync_id, later)
    world.execute(again)
    assert world.run(again).counts.deleted == 1
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return world.again(run.sync_id, "", undoes=again.id)


def planned(world: World) -> Run:
    earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER)
    shown = world.request(CLAIMS, NUMBERED, identity=BY_NUMBER, dry_run=True)
    world.execute(shown)
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return world.again(shown.sync_id, CLAIMS, plan_of=shown.id)


def overtaken(world: World) -> Run:
    """Another sync adds a contact that is planned, and gives the address of another plan to somebody."""
    run = claims(world)
    other = copy.copy(world)
    rows = "number,email,name\n4,dee@example.com,Dora\n7,ada@example.org,Gil\n"
    quiet: dict[str, Any] = {"identity": BY_NUMBER, "notify": {}}
    contacts = Overtaken(world.contacts, lambda: other.import_rows(rows, NUMBERED, **quiet))
    world.ports = replace(world.ports, contacts=cast(ContactStore, contacts))
    return run


# Files


def of_rows(
    prepare: Callable[[World], Run], further: str, go: Callable[[World, Run], None] = execute
) -> Callable[[], Scene]:
    """An import of pasted rows; with the rows `further` the same sync then has nothing more to do."""

    def scene() -> Scene:
        world = new_world()
        run = prepare(world)

        def again() -> Run:
            world.clock.advance(timedelta(minutes=5))
            other = world.again(run.sync_id, further)
            world.execute(other)
            return world.run(other)

        return Scene(world, lambda: go(world, run), lambda: world.run(run), again if further else None)

    return scene


def first(world: World) -> Run:
    """Rows that are added, updated, left alone, refused and skipped."""
    earlier(world, FIRST_BEFORE, FIRST_MAPPING)
    return world.request(FIRST, FIRST_MAPPING)


FIRST_MAPPING = [*NAMES, {"column": "phone", "field": "phone"}]
FIRST_BEFORE = "email,name,phone\nada@example.com,Ada,06 12345678\nzoe@example.com,Zoë,\n"
FIRST = """\
email,name,phone
ada@example.com,Ada Lovelace,06 12345678
bob@example.com,Bob,
nobody,No Address,
zoe@example.com,Zoë,
bob@example.com,Bob the Second,
cem@example.com,Cem,+90 212 555 01 23
"""


# What comes by itself


def pause(read: Read[Sync]) -> Sync:
    return read.value.model_copy(update={"state": "paused"})


def dropped(*, paused: bool = False) -> Callable[[], Scene]:
    """Three files for one sync: one is replaced before its turn comes. None is read if the sync is paused."""

    def scene() -> Scene:
        world = new_world()
        sync = drop_sync(world)
        bucket = Retrying(world)
        events = []
        for name, text in (("a.csv", "Old"), ("b.csv", "Bea"), ("a.csv", "New")):
            rows = f"email,name\n{name[0]}@example.com,{text}\n"
            events.append(bucket.put(prefix(world, sync.id) + name, rows))
            world.clock.advance(timedelta(seconds=1))
        if paused:
            world.control.update_sync(world.account.account_id, sync.id, pause)

        def go() -> None:
            for event in events:
                bucket.receive_event(event)
            bucket.go_on()

        def told() -> object:
            drops, _ = world.control.drops(world.account.account_id, after=None, limit=10)
            return [drop.state for drop in drops], [run.status for run in runs_of(world, sync.id)]

        return Scene(world, go, lambda: runs_of(world, sync.id)[-1], told=told)

    return scene


class Served(World):
    """A world in which every source on a server holds the same file."""

    text = "email,name\nada@example.com,Ada Lovelace\nbob@example.com,Bob\n"

    def remote(self, asked: RemoteSource, **options: Any) -> Source:
        return _File(self.text)


class _File:
    def __init__(self, text: str) -> None:
        self._text = text

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        yield SourceStream(io.BytesIO(self._text.encode()), lambda: Ending("length"), name="people.csv")


def scheduled(recurrence: str, every: timedelta) -> Scene:
    """The scheduler wakes us twice for one moment, and every event comes twice."""
    world = new_world(Served())
    earlier(world, people("Ada"), NAMES)
    account, at = world.account.account_id, world.clock.now()
    schedule = Schedule(
        start=datetime.fromisoformat("2026-11-23T06:30"),
        time_zone="Europe/Amsterdam",
        recurrence=recurrence,
    )
    source = {"kind": "http", "url": "https://files.example/people.csv"}
    asked = SyncRequest.model_validate(
        {"source": source, "mapping": NAMES, "notify": {"emails": ["owner@example.com"]}}
    ).model_copy(update=kept(schedule, at))
    stamp = at.isoformat(timespec="milliseconds")
    fields = {**asked.model_dump(exclude={"source"}), **kept(schedule, at)}
    sync = Sync(
        id=f"s{new_id(at)}",
        source=source,
        created_at=stamp,
        created_by="member:m1",
        updated_at=stamp,
        **fields,
    )
    world.control.create_sync(account, sync)
    world.clock.advance(timedelta(days=1))
    bucket = Retrying(world)
    bucket.times = 2
    bucket.delivered = len(world.bus.events)

    def go() -> None:
        bucket.act("SyncDue", {"account_id": account, "sync_id": sync.id})
        bucket.go_on()

    def again() -> Run:
        world.clock.advance(every)
        go()
        return runs_of(world, sync.id)[-1]

    return Scene(
        world,
        go,
        lambda: runs_of(world, sync.id)[-1],
        again,
        told=lambda: [run.status for run in runs_of(world, sync.id)[:1]],
        bucket=bucket,
    )


def uncalled() -> Scene:
    """Events were lost: of a run, of a file, of an execution that is no more, of a run's end. By the hour somebody looks."""
    world = new_world()
    account = world.account.account_id
    earlier(world, people("Ada"), NAMES)
    sync, bucket = drop_sync(world), Retrying(world)
    bucket.drop(prefix(world, sync.id) + "a.csv", people("Bob"))
    begun, closed = (world.request(people(name), NAMES) for name in ("Cem", "Dee"))
    at = world.clock.now().isoformat()
    _turn(world, begun, status="running", execution="lost", started_at=at)
    _turn(world, closed, status="cancelled", finished_at=at)
    world.clock.advance(LASTS_AT_MOST)
    waiting = world.request(people("Ada", "Eve"), NAMES)
    world.clock.advance(timedelta(hours=1))
    bucket.delivered = len(world.bus.events)  # and nobody heard them

    def go() -> None:
        bucket.act("SyncDue", {"account_id": "", "sync_id": HOUR})
        bucket.go_on()

    def again() -> Run:
        world.clock.advance(timedelta(hours=1))
        before = len(world.bus.events)
        go()
        assert len(world.bus.events) == before, "a further look calls for what is done"
        return world.run(waiting)

    def told() -> object:
        drops, _ = world.control.drops(account, after=None, limit=10)
        ended = [world.run(run) for run in (begun, closed)]
        ends = [(run.status, run.problem and run.problem.code) for run in ended]
        return [drop.state for drop in drops], ends, [run.status for run in runs_of(world, sync.id)]

    return Scene(world, go, lambda: world.run(waiting), again, told=told, bucket=bucket)


def _turn(world: World, run: Run, **into: object) -> None:
    """What became of a run before somebody died."""
    world.control.update_run(run.account_id, run.id, lambda run: run.model_copy(update=into))


# The end


def forgotten() -> Scene:
    """An account whose grace is over: night comes, and stretch by stretch everything goes."""
    world = new_world()
    account, scheduler = world.account.account_id, MemoryScheduler()
    run = earlier(world, people("Ada", "Bob"), NAMES)
    earlier(world, people("Ada").replace("Ada", "Ada King"), NAMES)
    scheduler.put(account, run.sync_id, "cron(0 9 * * ? *)", start=None, end=None)
    world.uploads.put(f"uploads/{account}/u1", b"email")
    world.drops.put(f"{account}/{run.sync_id}/a.csv", b"email")
    forgetting.close_account(world.control, MemoryShares(), account, world.clock.now())
    world.clock.advance(forgetting.GRACE + timedelta(minutes=1))
    bucket = Retrying(world)

    def erase(message: EraseDue) -> None:
        ports = world.ports
        stores = forgetting.EveryStore(
            control=Control(ports.records),
            contacts=ports.contacts,
            runs=ports.runs,
            uploads=ports.uploads,
            photos=ports.photos,
            clock=ports.clock,
            drops=ports.drops,
            scheduler=scheduler,
            bus=ports.bus,
            keeper=world.keeper,
        )
        bucket.tried(lambda: forgetting.erase(message, stores))

    def go() -> None:
        erase(EraseDue(account_id="", erasure_id="night"))
        while any(event.kind == "EraseDue" for event in world.bus.events):
            due = [event.detail for event in world.bus.events if event.kind == "EraseDue"]
            world.bus.events.clear()
            for detail in due:
                erase(EraseDue.model_validate(detail))

    def told() -> object:
        objects = [key for store in (world.runs, world.uploads) for key in store.keys("") if account in key]
        left = [record.key.name for record in world.records.page(account, "", limit=1000).records]
        return objects, left, sorted(world.stored()), scheduler.kept

    return Scene(world, go, lambda: run, told=told)


WORKLOADS: dict[str, Workload] = {
    "small import": Workload(
        of_rows(first, FIRST), {"added": 2, "updated": 1, "unchanged": 1, "rejected": 1, "skipped": 1}
    ),
    "overtaken": Workload(of_rows(overtaken, CLAIMS), {"added": 1, "updated": 2, "rejected": 3}),
    "claims": Workload(of_rows(claims, CLAIMS), {"added": 2, "updated": 2, "rejected": 2}),
    "addresses given up": Workload(
        of_rows(claimed_before_and_back, CLAIMS_BEFORE + "4,ada@example.com,The Other Ada\n"),
        {"updated": 1, "unchanged": 2, "rejected": 1},
    ),
    "generated codes": Workload(of_rows(generated, ""), {"added": 2, "rejected": 2}),
    "segments": Workload(
        of_rows(segmented, people("Ada", "Bob", "Cem").replace("Bob", "Bob B.", 1)),
        {"added": 1, "updated": 2},
    ),
    "contacts that others have brought": Workload(
        of_rows(confirmed, CONFIRMED), {"added": 1, "updated": 1, "unchanged": 5}
    ),
    "delete what is missing": Workload(
        of_rows(missing, many(9, "New")), {"added": 1, "unchanged": 9, "deleted": 1}, known=9
    ),
    "rows that come again": Workload(
        of_rows(come_again, COME_AGAIN),
        {"added": 1, "updated": 1, "unchanged": 7, "rejected": 1, "skipped": 1},
        known=5,
    ),
    "rows that come again, some missing": Workload(
        of_rows(some_come_again, SOME_COME_AGAIN),
        {"added": 1, "updated": 1, "unchanged": 7, "skipped": 1, "deleted": 1},
        known=5,
    ),
    "held": Workload(
        of_rows(held, many(6, "New"), then_approve), {"added": 1, "unchanged": 6, "deleted": 4}, mails=2
    ),
    "deletions held": Workload(
        of_rows(deletions_held, many(6, "New"), then_approve),
        {"added": 1, "unchanged": 6, "deleted": 4},
        mails=2,
    ),
    "undo": Workload(of_rows(undo, ""), {"added": 1, "updated": 2, "deleted": 1}),
    "a plan carried out": Workload(of_rows(planned, CLAIMS), {"added": 2, "updated": 2, "rejected": 2}),
    "files dropped, one replaced": Workload(dropped(), {"added": 1}, mails=2),
    "files dropped for a paused sync": Workload(dropped(paused=True), mails=3),
    "a schedule that fires twice": Workload(
        partial(scheduled, "FREQ=DAILY", timedelta(days=1)), {"added": 1, "updated": 1}
    ),
    "an hourly schedule that fires twice": Workload(
        partial(scheduled, "FREQ=HOURLY", timedelta(hours=1)), {"added": 1, "updated": 1}
    ),
    "what nobody called for": Workload(uncalled, {"added": 1, "unchanged": 1}, mails=3),
    "address book, first run": Workload(with_book(first_contact), {"added": 2, "updated": 1, "unchanged": 3}),
    "address book, both ways": Workload(
        with_book(both_ways), {"added": 1, "updated": 2, "unchanged": 2, "deleted": 1}
    ),
    "address book, rejected deletions": Workload(with_book(turned_down), {"added": 1, "unchanged": 1}),
    "address book, into the list": Workload(with_book(one_way("pull")), {"added": 2, "updated": 1}),
    "address book, out of the list": Workload(with_book(one_way("push")), {"unchanged": 6}),
    "address book taken off and connected again": Workload(taken_off, {"unchanged": 1}),
    "three address books, an edit in one": Workload(fanned_out(in_a_book), {"unchanged": 1}, mails=0),
    "three address books, an edit in the list": Workload(fanned_out(in_the_list), {"unchanged": 1}, mails=0),
    "pictures under the hub's mark": Workload(pictured, {"added": 1, "updated": 1, "unchanged": 2}, mails=0),
    "account forgotten": Workload(forgotten, mails=0, forgets=True),
}

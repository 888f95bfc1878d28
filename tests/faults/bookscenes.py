"""Address books as workloads: brought together, kept in step, taken off, and a change that goes out to several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from contactsync.adapters.memory import MemoryScheduler
from contactsync.connectors.memory import Habits
from contactsync.connectors.oauth import OAuth
from contactsync.control import Control, new_id
from contactsync.errors import Busy
from contactsync.journeys.asked import asking, deciding, editing
from contactsync.journeys.asked.scheduling import kept
from contactsync.journeys.book import connecting
from contactsync.journeys.book.album import Album
from contactsync.journeys.book.attaching import Lent, attach, sealing_context
from contactsync.journeys.book.keeping import Keeping
from contactsync.model.account import ALL_PERMISSIONS, Caller
from contactsync.model.run import Run
from contactsync.model.sync import Schedule
from tests.contract.cards import ADA
from tests.faults.scenes import Retrying, Scene, execute
from tests.support.bookworld import CONNECTION, BookWorld
from tests.support.dropped import runs_of
from tests.support.hubworld import HubWorld
from tests.support.portraits import encoded_anew, portrait
from tests.support.world import Died, World

LATE = Habits(shows_after=timedelta(minutes=5), part=2, at_once=2)
"""Nobody can look at once what became of a write."""


def with_book(prepare: Callable[[BookWorld], str], **asked: Any) -> Callable[[], Scene]:
    """One run of a sync with an address book; what it has to leave is done by the runs that follow."""

    def scene() -> Scene:
        world = BookWorld(habits=LATE)
        sync = prepare(world)
        world.mailer.sent.clear()
        world.clock.advance(timedelta(minutes=10))
        run = world.ask(sync, **asked)

        def settle() -> None:
            for _ in range(2):
                world.go(sync)

        return Scene(
            world, lambda: execute(world, run), lambda: world.run(run), lambda: world.go(sync), settle
        )

    return scene


def person(name: str, **more: Any) -> dict[str, Any]:
    return {"name": f"{name} Person", "emails": [{"value": f"{name.lower()}@example.com"}], **more}


MAILED: dict[str, Any] = {"notify": {"emails": ["owner@example.com"]}}


def first_contact(world: BookWorld, **asked: Any) -> str:
    """Somebody on both sides, somebody on one side only, a shared address."""
    world.add({**person("Both"), "nickname": "B"})
    world.book.add(person("Both", notes="Known to both"))
    for name in ("Here", "Also", "Third"):
        world.add(person(name))
    world.book.add(ADA)
    world.book.add({**ADA, "name": "William King"})
    world.clock.advance(timedelta(hours=1))
    return world.sync(**MAILED, **asked)


def both_ways(world: BookWorld, **asked: Any) -> str:
    """Each side edits, deletes and adds somebody; one contact is edited on both."""
    sync = first_contact(world, **asked)
    for n in range(12):
        world.add(person(f"Filler{n}"))
    for _ in range(2):
        world.go(sync)
    cards = {id_: link.id for id_, link in world.links().items()}
    both, here, also, third = (
        world.id_of(f"{name}@example.com") for name in ("both", "here", "also", "third")
    )
    world.edit(both, job_title="Analyst")
    world.book.edit(cards[both], {**world.book.cards()[cards[both]].fields, "department": "Engines"})
    world.book.edit(cards[here], {**world.book.cards()[cards[here]].fields, "notes": "Called"})
    world.remove(also)
    world.book.remove(cards[third])
    world.add(person("New"))
    world.book.add(person("Newcomer"))
    return sync


def turned_down(world: BookWorld) -> str:
    """Many were deleted on both sides, and somebody has rejected that; two of them have been edited since."""
    sync = first_contact(world)
    for n in range(12):
        world.add(person(f"Filler{n}"))
    for _ in range(2):
        world.go(sync)
    cards = {id_: link.id for id_, link in world.links().items()}
    fillers = [world.id_of(f"filler{n}@example.com") for n in range(12)]
    for id_ in fillers[:5]:
        world.book.remove(cards[id_])
    for id_ in fillers[5:10]:
        world.remove(id_)
    held = world.go(sync)
    assert held.status == "awaiting_approval"
    deciding.reject(asked_of(world), caller(world), held.id, {})
    world.edit(fillers[0], job_title="Analyst")
    world.book.edit(cards[fillers[5]], person("Filler5", notes="Called"))
    return sync


def one_way(direction: str) -> Callable[[BookWorld], str]:
    """The first contact, of which one side takes nothing."""
    return lambda world: first_contact(world, direction=direction)


# Several books


def fanned_out(change: Callable[[HubWorld], Run | None]) -> Callable[[], Scene]:
    """Three members have one person in their books, who is changed in one place; every event comes twice.

    `change` begins it, and returns the run that brings it here if it was made in a book.
    """

    def scene() -> Scene:
        world = HubWorld(habits=LATE, several=3)
        world.anna.book.add(ADA)
        world.clock.advance(timedelta(hours=1))
        world.anna.go()
        ada = next(id_ for id_, fields in world.everybody().items() if fields["name"] == ADA["name"])
        for member in world.members.values():
            member.tick(ada)
        twice(world)
        begun = change(world)
        world.clock.advance(timedelta(minutes=10))
        bucket = Retrying(world)
        bucket.times, bucket.delivered = 2, len(world.bus.events)

        def go() -> None:
            if begun is not None:
                execute(world, begun)
            else:
                insisting(lambda: edit(world, ada, job_title="Dame"))
            world.clock.advance(timedelta(seconds=30))
            bucket.go_on()

        def last() -> Run:
            return runs_of(world, world.ben.sync)[-1]

        def again() -> Run:
            if begun is None:
                edit(world, ada, job_title="Dame")
            return [member.go() for member in world.members.values()][-1]

        def told() -> object:
            titles = [
                card.fields.get("job_title")
                for book in world.books.values()
                for card in book.cards().values()
            ]
            assert titles == ["Dame"] * 3, titles
            return titles

        return Scene(world, go, last, again, lambda: twice(world), told, bucket)

    return scene


def twice(world: HubWorld) -> None:
    """All members go on, until the latest of them has seen what the others have brought."""
    for _ in range(2):
        for member in world.members.values():
            member.go()


def in_a_book(world: HubWorld) -> Run:
    """One of the three edits the card; their run finds it."""
    world.anna.edit(ADA["name"], job_title="Dame")
    return world.ask(world.anna.sync)


def in_the_list(_: HubWorld) -> None:
    """Somebody edits the contact through the API."""


# Pictures


def pictured() -> Scene:
    """In one run a picture changes here, one in the book, a box is unticked, and somebody new comes with a picture.

    What a provider makes of a picture is not what it was given, so nobody knows its own by its bytes.
    """
    world = HubWorld(habits=replace(LATE, encodes=encoded_anew))
    album = Album(world.photos, world.account.account_id)
    cards = {name: world.anna.book.add(person(name)) for name in ("Here", "There", "Untick")}
    for motif, card in enumerate(cards.values()):
        world.anna.book.picture(card, portrait(motif))
    world.clock.advance(timedelta(hours=1))
    for _ in range(2):
        twice(world)
    ids = {fields["name"].split()[0]: id_ for id_, fields in world.everybody().items()}
    world.edit(ids["Here"], photo=album.keep(ids["Here"], portrait(11)))
    world.anna.book.picture(cards["There"], portrait(12))
    world.anna.untick(ids["Untick"])
    world.anna.book.picture(world.anna.book.add(person("New")), portrait(13))
    world.clock.advance(timedelta(minutes=10))
    run = world.ask(world.anna.sync)

    def seen() -> object:
        here = {
            fields["name"]: album.picture(id_, fields["photo"]) for id_, fields in world.everybody().items()
        }
        book = world.anna.book
        there = {card.fields["name"]: book.picture_of(id_) for id_, card in book.cards().items()}
        assert here["There Person"] == portrait(12), "what comes from a book is kept as it came"
        assert here["Here Person"] == portrait(11)
        return here, there

    return Scene(
        world, lambda: execute(world, run), lambda: world.run(run), world.anna.go, lambda: twice(world), seen
    )


# Taken off


class Granting:
    """An authority, as far as it gives and takes back what opens a book."""

    def __init__(self, *given: str) -> None:
        self.given = set(given)

    def revoke(self, token: str) -> bool:
        """See `OAuth.revoke`."""
        known = token in self.given
        self.given.discard(token)
        return known


def taken_off() -> Scene:
    """A book is disconnected; its day comes and somebody is edited meanwhile, and it is connected again."""
    world = BookWorld(habits=LATE)
    sync = first_contact(world)
    account = world.account.account_id
    schedule = Schedule(
        start=datetime.fromisoformat("2026-11-22T06:30"), time_zone="UTC", recurrence="FREQ=DAILY"
    )
    world.control.update_sync(
        account, sync, lambda read: read.value.model_copy(update=kept(schedule, world.clock.now()))
    )
    for _ in range(2):
        world.go(sync)
    sealed = world.vault.encrypt("lent before", sealing_context(account, CONNECTION))
    lent = {"member_id": world.account.member_id, "subject": "person-1", "sealed": sealed}
    world.control.update_connection(account, CONNECTION, lambda it: it.model_copy(update=lent))
    authority = Granting("lent before", "lent anew")
    bucket = Retrying(world)
    bucket.times, bucket.delivered = 2, len(world.bus.events)
    world.mailer.sent.clear()
    meanwhile: list[object] = []

    def due() -> None:
        world.clock.advance(timedelta(days=1))
        bucket.act("SyncDue", {"account_id": account, "sync_id": sync})
        bucket.go_on()

    def go() -> None:
        insisting(lambda: connecting.disconnect(asked_of(world, authority), caller(world), CONNECTION))
        insisting(lambda: edit(world, world.id_of("here@example.com"), job_title="Analyst"))
        runs = len(runs_of(world, sync))
        due()
        connection = world.control.connection(account, CONNECTION).value
        meanwhile.append((connection.state, connection.sealed, sorted(authority.given), len(world.links())))
        meanwhile.append(len(runs_of(world, sync)) - runs)
        insisting(lambda: connect_again(world))
        due()

    def settle() -> None:
        for _ in range(2):
            world.go(sync)

    return Scene(
        world,
        go,
        lambda: runs_of(world, sync)[-1],
        lambda: world.go(sync),
        settle,
        told=lambda: meanwhile,
    )


def connect_again(world: BookWorld) -> None:
    """The same person lets us into the same book."""
    control = Control(world.ports.records)
    begun = control.connection(world.account.account_id, CONNECTION)
    lent = Lent("person-1", "Ann", "lent anew")
    attach(control, world.ports.vault, begun, lent, world.clock.now())


# Who asks


def insisting(ask: Callable[[], object]) -> None:
    """Somebody who asks again until there is an answer."""
    for _ in range(4):
        with suppress(Died, Busy):
            ask()
            return
    raise AssertionError("there is no answer")


def edit(world: BookWorld, contact_id: str, **fields: Any) -> None:
    """One request that changes a contact."""
    seed = new_id(world.clock.now())
    editing.change_contact(
        asked_of(world), caller(world), contact_id, {"fields": fields}, seed, if_match=None
    )


def caller(world: World) -> Caller:
    """The member whose book is the first."""
    return Caller(account_id=world.account.account_id, member_id="m1", permissions=frozenset(ALL_PERMISSIONS))


def asked_of(world: World, authority: Granting | None = None) -> asking.World:
    """What a request reaches; books are opened at this authority."""
    ports = world.ports
    authorities = {"memory": world.watch(authority)} if authority else {}
    keeping = Keeping(
        Control(ports.records),
        ports.vault,
        ports.clock,
        authorities=cast(Mapping[str, OAuth], authorities),
        opened=lambda *_: world.watch(None),
        discoverer=world.discoverer,
    )
    return asking.World(
        control=Control(ports.records),
        contacts=ports.contacts,
        runs=ports.runs,
        uploads=ports.uploads,
        photos=ports.photos,
        bus=ports.bus,
        scheduler=MemoryScheduler(),
        vault=ports.vault,
        clock=ports.clock,
        drop_bucket=world.drop_bucket,
        keeper=world.watch(keeping),
        discoverer=world.discoverer,
        drops=ports.drops,
        peeker=world.peeker,
    )

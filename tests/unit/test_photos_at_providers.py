"""Pictures in whole runs of a sync with Google's and Microsoft's contacts, each with its habits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

import pytest

from contactsync.connectors.google import GoogleConnector
from contactsync.connectors.google_person import Translation as Persons
from contactsync.connectors.microsoft import MicrosoftConnector
from contactsync.connectors.microsoft_contact import Translation as Contacts
from contactsync.core.pictures import is_copy, is_marked, marked
from contactsync.journeys.book.album import Album
from contactsync.ports import Connector
from tests.contract.cards import ADA
from tests.fakes.graph import GraphServer
from tests.fakes.people import PeopleServer
from tests.support.bookworld import BookWorld
from tests.support.portraits import encoded_anew, portrait

FACE, OTHER_FACE = portrait(1, edge=300), portrait(2, edge=300)


class Provider(Protocol):
    """A provider with Ada's card, and what her owner does there."""

    def connector(self) -> Connector: ...

    def see(self) -> bytes | None: ...

    def give(self, picture: bytes) -> None: ...


class Google:
    def __init__(self, server: PeopleServer) -> None:
        self.server = server
        self.card = server.add({part: items for part, items in Persons("GB").person(ADA).items() if items})

    def connector(self) -> Connector:
        return GoogleConnector(lambda _: "token", country="GB", base=self.server.url)

    def see(self) -> bytes | None:
        name = self.server.persons[self.card].get("photo")
        return self.server.photos[name] if name else None

    def give(self, picture: bytes) -> None:
        self.server.picture(self.card, picture)


class Microsoft:
    def __init__(self, server: GraphServer) -> None:
        self.server = server
        self.card = server.add({name: value for name, value in Contacts("GB").contact(ADA).items() if value})

    def connector(self) -> Connector:
        return MicrosoftConnector(lambda _: "token", country="GB", base=f"{self.server.url}/v1.0")

    def see(self) -> bytes | None:
        return self.server.photos.get(self.card)

    def give(self, picture: bytes) -> None:
        self.server.photos[self.card] = picture


@pytest.fixture
def world() -> BookWorld:
    return BookWorld()


@pytest.fixture(params=["google", "microsoft"])
def provider(request: pytest.FixtureRequest, world: BookWorld) -> Iterator[Provider]:
    """Each encodes anew what it is given."""
    server = PeopleServer(world.clock) if request.param == "google" else GraphServer()
    server.encodes = encoded_anew
    with server:
        there = Google(server) if isinstance(server, PeopleServer) else Microsoft(server)
        world.clock.advance(timedelta(minutes=30))
        world.connect = lambda _: there.connector()
        yield there


def here(world: BookWorld) -> bytes | None:
    """The picture of the one contact."""
    [(id_, fields)] = world.everybody().items()
    return Album(world.photos, world.account.account_id).picture(id_, str(fields.get("photo", "")))


def later(world: BookWorld, sync: str, *, times: int = 2) -> None:
    """Runs of the following days, when all that was written has shown itself."""
    for _ in range(times):
        world.clock.advance(timedelta(days=1, minutes=30))
        assert world.go(sync).status in ("succeeded", "unchanged")


def test_pictures_go_both_ways_and_nothing_is_worn_down(world: BookWorld, provider: Provider):
    """Cases 31 and 33."""
    provider.give(FACE)
    sync = world.sync(group="")
    world.go(sync)
    assert here(world) == FACE
    provider.give(OTHER_FACE)
    later(world, sync)
    assert here(world) == OTHER_FACE
    [id_] = world.everybody()
    world.edit(id_, photo=Album(world.photos, world.account.account_id).keep(id_, FACE))
    later(world, sync, times=3)
    assert provider.see() == encoded_anew(FACE)
    assert here(world) == FACE


def test_the_hub_s_mark_comes_and_goes_and_is_never_read_back(world: BookWorld, provider: Provider):
    """Case 32."""
    provider.give(FACE)
    sync = world.sync(group="", selection="subscribed")
    world.go(sync)
    later(world, sync)
    assert provider.see() == encoded_anew(marked(FACE))
    assert here(world) == FACE
    [id_] = world.everybody()
    world.control.note_changes(world.account.account_id, "box", world.clock.now(), contacts=[id_])
    world.control.untick(world.account.account_id, "m1", id_)
    later(world, sync)
    shown = provider.see()
    assert shown is not None
    assert is_copy(shown, FACE)
    assert not is_marked(shown)
    assert here(world) == FACE


def test_a_picture_whose_address_leads_nowhere_keeps_nobody_else_waiting(world: BookWorld):
    """Case 31: it is looked for again with each run, until there is one."""
    with PeopleServer(world.clock) as server:
        book = Google(server)
        world.clock.advance(timedelta(minutes=30))
        world.connect = lambda _: book.connector()
        book.give(FACE)
        server.photos.clear()
        sync = world.sync(group="")
        assert world.go(sync).status == "succeeded"
        assert here(world) is None
        book.give(FACE)
        later(world, sync)
        assert here(world) == FACE

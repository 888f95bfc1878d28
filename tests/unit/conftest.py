"""The API's handler over memory adapters, for the tests that are its callers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:  # most unit tests have no use for the whole service
    from tests.fakes.authority import AuthorityServer
    from tests.fakes.graph import GraphServer
    from tests.fakes.people import PeopleServer
    from tests.support.calling import ApiBookWorld, ApiWorld, Client
    from tests.support.lists import Lists
    from tests.support.world import World


@pytest.fixture
def world() -> Iterator[ApiWorld]:
    """A service with one customer."""
    from tests.support.calling import ApiWorld, served

    with served(ApiWorld()) as world:
        yield world


@pytest.fixture
def book_world() -> Iterator[ApiBookWorld]:
    """A service with one customer and an address book: `world` of the modules that need one."""
    from tests.support.calling import ApiBookWorld, served

    world = ApiBookWorld()
    with served(world):
        yield world


@pytest.fixture
def numbered_world() -> World:
    """A customer who numbers contacts, without the API: `world` of the modules that need one."""
    from contactsync.model.field import FieldSpec
    from tests.support.world import World

    world = World()
    spec = FieldSpec(key="customer_number", label="Customer number", type="text")
    world.control.create_field(world.account.account_id, spec)
    return world


@pytest.fixture
def api(world: ApiWorld) -> Client:
    """The customer, who may do everything."""
    from tests.support.calling import Client

    return Client(world, world.account)


@pytest.fixture
def stranger(world: ApiWorld) -> Client:
    """Another customer, who may do everything in an account of their own."""
    from tests.support.calling import Client

    return Client(world, world.another_account())


@pytest.fixture
def held(api: Client) -> tuple[Lists, dict[str, Any]]:
    """A run that waits, because it would delete 30 of 100, and its lists."""
    from tests.support.lists import DELETES, Lists, many

    lists = Lists(api, options=DELETES)
    run = lists.first(many(100))
    return lists, lists.again(run["sync_id"], many(70) + "new@example.com,New\n")


@pytest.fixture
def half_held(api: Client) -> tuple[Lists, dict[str, Any]]:
    """The same where only the deletions wait."""
    from tests.support.lists import DELETES, Lists, many

    lists = Lists(api, options={**DELETES, "guard": {"on_trip": "hold_deletes"}})
    run = lists.first(many(100))
    return lists, lists.again(run["sync_id"], many(70) + "new@example.com,New\n")


@pytest.fixture
def google() -> Iterator[AuthorityServer]:
    """Google, where people sign in."""
    from tests.support.connecting import authority

    with authority() as server:
        yield server


@pytest.fixture
def microsoft() -> Iterator[AuthorityServer]:
    """Microsoft, where people sign in; it gives a new refresh token each time."""
    from tests.support.connecting import authority

    with authority(rotates=True, microsoft=True) as server:
        yield server


@pytest.fixture
def people(world: ApiWorld, google: AuthorityServer) -> Iterator[PeopleServer]:
    """Google's contacts, for whoever has signed in there."""
    from tests.fakes.people import PeopleServer

    with PeopleServer(world.clock) as server:
        server.tokens = cast("set[str]", google.access_tokens.keys())
        yield server


@pytest.fixture
def graph(microsoft: AuthorityServer) -> Iterator[GraphServer]:
    """Microsoft's contacts, for whoever has signed in there."""
    from tests.fakes.graph import GraphServer

    with GraphServer() as server:
        server.tokens = cast("set[str]", microsoft.access_tokens.keys())
        yield server

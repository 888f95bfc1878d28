"""The API's handler over memory adapters, for the tests that are its callers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # most unit tests have no use for the whole service
    from tests.calling import ApiBookWorld, ApiWorld, Client


@pytest.fixture
def world() -> Iterator[ApiWorld]:
    """A service with one customer."""
    from tests.calling import ApiWorld, served

    with served(ApiWorld()) as world:
        yield world


@pytest.fixture
def book_world() -> Iterator[ApiBookWorld]:
    """A service with one customer and an address book: `world` of the modules that need one."""
    from tests.calling import ApiBookWorld, served

    world = ApiBookWorld()
    with served(world):
        yield world


@pytest.fixture
def api(world: ApiWorld) -> Client:
    """The customer, who may do everything."""
    from tests.calling import Client

    return Client(world, world.account)


@pytest.fixture
def stranger(world: ApiWorld) -> Client:
    """Another customer, who may do everything in an account of their own."""
    from tests.calling import Client

    return Client(world, world.another_account())

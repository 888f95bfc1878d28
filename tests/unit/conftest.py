"""The API's handler over memory adapters, for the tests that are its callers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # most unit tests have no use for the whole service
    from tests.calling import ApiWorld, Client


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiWorld]:
    """A service with one customer; the handlers' composition root hands out its ports."""
    from contactsync import bootstrap
    from functions.api import handler
    from tests.calling import SHARED, ApiWorld

    world = ApiWorld()
    for name in ("control", "contacts", "runs", "uploads", "bus", "scheduler", "vault", "clock"):
        monkeypatch.setattr(bootstrap, name, partial(getattr, world, name))
    monkeypatch.setattr(bootstrap, "guests", world.guests)
    monkeypatch.setattr(bootstrap, "shared_usage_key", lambda: SHARED)
    monkeypatch.setattr(bootstrap, "drop_bucket", lambda: world.drop_bucket)
    handler.api.cache_clear()
    yield world
    handler.api.cache_clear()


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

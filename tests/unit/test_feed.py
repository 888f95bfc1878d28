"""The feed of changes: whoever comes too late to have heard everything is told so."""

from datetime import timedelta

import pytest

from contactsync.control.feed import position_at
from tests.support.world import World


@pytest.mark.parametrize(("days", "is_told"), [(28, True), (30, False)])
def test_whoever_comes_later_than_it_remembers_compares_everything(days: int, *, is_told: bool) -> None:
    world = World()
    position = position_at(world.clock.now())
    world.clock.advance(timedelta(days=days))
    told = world.control.changes_since(world.account.account_id, position, world.clock.now())
    assert (told is not None) == is_told

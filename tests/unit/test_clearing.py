"""Records that go together go in commits that DynamoDB takes: of a hundred at most, and of 4 MB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contactsync.control.clearing import clear_all
from contactsync.ports import Delete, Put, RecordKey

if TYPE_CHECKING:
    from tests.support.world import World


@pytest.mark.parametrize(("count", "characters"), [(30, 300_000), (250, 10), (99, 40_000)])
def test_all_of_a_kind_go_and_no_others(world: World, count: int, characters: int) -> None:
    for each in range(count):
        world.records.commit([Put(RecordKey("a1", f"edit#{each:03}"), {"text": "x" * characters}, 0)])
    world.records.commit([Put(RecordKey("a1", "export#1"), {}, 0)])
    clear_all(world.records, "a1", "edit#")
    assert [record.key.name for record in world.records.page("a1", "").records] == ["export#1"]


def test_a_transaction_of_more_than_dynamodb_takes_is_none_here_either(world: World) -> None:
    keys = [RecordKey("a1", f"edit#{each:03}") for each in range(30)]
    writes = [Put(key, {"text": "x" * 300_000}, 0) for key in keys]
    with pytest.raises(ValueError, match="of this size"):
        world.records.commit(writes)
    for write in writes:
        world.records.commit([write])
    with pytest.raises(ValueError, match="of this size"):
        world.records.commit([Delete(key, 1) for key in keys])

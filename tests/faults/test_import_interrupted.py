"""Whatever call of a small import fails, and however, the outcome is that of an undisturbed one."""

from __future__ import annotations

from itertools import count

import pytest

from contactsync.model.run import Counts, Run
from tests.faults.interruptions import Interruptions, Way
from tests.world import World

MAPPING = [
    {"column": "email", "field": "email"},
    {"column": "name", "field": "name"},
    {"column": "phone", "field": "phone"},
]
EARLIER = "email,name,phone\nada@example.com,Ada,06 12345678\nzoe@example.com,Zoë,\n"
ROWS = """\
email,name,phone
ada@example.com,Ada Lovelace,06 12345678
bob@example.com,Bob,
nobody,No Address,
zoe@example.com,Zoë,
bob@example.com,Bob the Second,
cem@example.com,Cem,+90 212 555 01 23
"""
EXPECTED = Counts(rows=6, added=2, updated=1, unchanged=1, rejected=1, skipped=1)


def divided_world() -> tuple[World, Run]:
    """A customer with two contacts, and an import that adds, updates, leaves, refuses and skips."""
    world = World()
    assert world.import_rows(EARLIER, MAPPING).status == "succeeded"
    world.mailer.sent.clear()
    return world, world.request(ROWS, MAPPING)


def outcome(world: World) -> dict[str, object]:
    """All that a customer sees of the contact list, save ids of runs and times."""
    return {
        email: (contact.fields, contact.version, [source.row for source in contact.sources.values()])
        for email, contact in world.stored().items()
    }


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, object]:
    """The oracle."""
    world, run = divided_world()
    world.execute(run)
    assert world.run(run).counts == EXPECTED
    assert len(world.mailer.sent) == 1
    return outcome(world)


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
def test_a_failure_at_any_call_changes_nothing_in_the_result(
    way: Way, undisturbed: dict[str, object]
) -> None:
    for at in count(1):
        world, run = divided_world()
        interruptions = Interruptions(at, way)
        world.ports = interruptions.ports(world.ports)
        world.execute(run)
        if not interruptions.fired:
            break
        where = f"call {at}, {interruptions.calls[at - 1]}, {way.value}"
        ended = world.run(run)
        assert ended.status == "succeeded", where
        assert ended.counts == EXPECTED, where
        assert outcome(world) == undisturbed, where
        assert len(world.mailer.sent) <= 1, where
        assert world.control.sync(run.account_id, run.sync_id).value.active_run is None, where
    assert at > 60, "the workload makes fewer calls than it must"


def test_an_event_delivered_twice_imports_once(undisturbed: dict[str, object]) -> None:
    world, run = divided_world()
    assert world.execute(run, execution="first") is not None
    assert world.execute(run, execution="second") is None
    assert outcome(world) == undisturbed
    assert len(world.mailer.sent) == 1

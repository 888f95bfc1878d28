"""Whatever order S3's events come in, and however often: one run a version, and the newest version of a key is final."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from contactsync.adapters.memory import Event
from contactsync.model.message import FileDropped
from contactsync.model.sync import Sync
from tests.support.dropped import DropBucket, drop_sync, prefix, runs_of
from tests.support.world import World

HISTORIES = 1_000
BATCHES = 10


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_one_run_a_version_and_the_newest_is_final(batch: int) -> None:
    for seed in range(batch, HISTORIES, BATCHES):
        chance = Random(seed)
        world = World()
        sync = drop_sync(world)
        bucket = DropBucket(world)
        put = _put_versions(chance, bucket, sync)
        events = [event for versions in put.values() for event in versions]
        _deliver(chance, bucket, [event for event in events for _ in range(chance.randint(1, 5))])
        _check(world, sync, put, f"seed {seed}")


def _put_versions(chance: Random, bucket: DropBucket, sync: Sync) -> dict[str, list[FileDropped]]:
    """One to five versions of one to three keys, put in any order, some within one second; their events by key."""
    keys = [f"{number}.csv" for number in range(chance.randint(1, 3))]
    order = [key for key in keys for _ in range(chance.randint(1, 5))]
    chance.shuffle(order)
    put: dict[str, list[FileDropped]] = {key: [] for key in keys}
    for key in order:
        bucket.world.clock.advance(timedelta(seconds=chance.choice([0, 0, 1, 60])))
        text = f"email,name\n{key}@example.com,V{len(put[key])}\n"
        put[key].append(bucket.put(prefix(bucket.world, sync.id) + key, text))
    return put


def _deliver(chance: Random, bucket: DropBucket, events: list[FileDropped]) -> None:
    """All events in any order; in between, and at the end, what is on our own bus, in any order and some of it twice."""
    chance.shuffle(events)
    pending: list[Event] = []
    while True:
        pending += bucket.world.bus.events
        bucket.world.bus.events.clear()
        if events and chance.random() < 0.6:
            bucket.receive(events.pop())
        elif pending:
            event = pending[chance.randrange(len(pending))]
            if chance.random() < 0.8:
                pending.remove(event)
            bucket.act(event.kind, event.detail)
        elif not events:
            return


def _check(world: World, sync: Sync, put: dict[str, list[FileDropped]], where: str) -> None:
    runs = runs_of(world, sync.id)
    versions = sorted(event.detail.object.version_id for events in put.values() for event in events)
    assert sorted(run.file.version for run in runs if run.file) == versions, where
    newest = {events[-1].detail.object.version_id for events in put.values()}
    for run in runs:
        assert run.has_ended, where
        assert run.status == "succeeded" or (run.status, run.problem and run.problem.code) == (
            "cancelled",
            "superseded_file",
        ), where
        assert run.status == "succeeded" or (run.file and run.file.version not in newest), where
    names = {email: fields["name"] for email, fields in world.fields().items()}
    assert names == {f"{key}@example.com": f"V{len(events) - 1}" for key, events in put.items()}, where
    assert len(world.mailer.sent) == sum(run.status == "succeeded" for run in runs), where

"""Whatever call of a dropped file's way in fails, and however: once everything is tried again, it is as if nothing had."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from contactsync.control import Read
from contactsync.model.message import FileDropped
from contactsync.model.sync import Sync
from tests.dropped import DropBucket, drop_sync, prefix, runs_of
from tests.faults.interruptions import Interruptions, Way
from tests.world import Died, World

TRIES = 3
"""As Lambda does with an event whose function failed."""


class Retrying(DropBucket):
    """Whatever answers an event is tried again when it fails."""

    def tried(self, answer: Callable[[], object]) -> None:
        for left in reversed(range(TRIES)):
            try:
                answer()
                return
            except (Exception, Died):
                if not left:
                    raise

    def receive_event(self, event: FileDropped) -> None:
        self.tried(lambda: self.receive(event))

    def act(self, kind: str, detail: dict[str, str]) -> None:
        act = super().act
        self.tried(lambda: act(kind, detail))


def pause(read: Read[Sync]) -> Sync:
    return read.value.model_copy(update={"state": "paused"})


def begun() -> tuple[World, Sync, Retrying, list[FileDropped]]:
    """A sync, and three files for it: one is replaced before its turn comes."""
    world = World()
    sync = drop_sync(world)
    bucket = Retrying(world)
    events = []
    for name, text in (("a.csv", "Old"), ("b.csv", "Bea"), ("a.csv", "New")):
        events.append(
            bucket.put(prefix(world, sync.id) + name, f"email,name\n{name[0]}@example.com,{text}\n")
        )
        world.clock.advance(timedelta(seconds=1))
    return world, sync, bucket, events


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
def test_files_are_imported_once_each_and_none_is_lost(way: Way) -> None:
    for at in count(1):
        world, sync, bucket, events = begun()
        interruptions = Interruptions(at, way)
        world.ports = interruptions.ports(world.ports)
        for event in events:
            bucket.receive_event(event)
        bucket.go_on()
        if not interruptions.fired:
            break
        where = f"call {at}, {interruptions.calls[at - 1]}, {way.value}"
        assert [run.status for run in runs_of(world, sync.id)] == ["cancelled", "succeeded", "succeeded"], (
            where
        )
        assert {email: it["name"] for email, it in world.fields().items()} == {
            "a@example.com": "New",
            "b@example.com": "Bea",
        }, where
        assert len(world.mailer.sent) <= 2, where
        held = world.control.sync(world.account.account_id, sync.id).value.active_run
        assert held is None, where
        assert world.control.waiting(world.account.account_id, sync.id, limit=1) == [], where
    assert at > 100, "the workload makes fewer calls than it must"


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
def test_files_of_a_paused_sync_are_parked_and_told_of_once(way: Way) -> None:
    for at in count(1):
        world, sync, bucket, events = begun()
        account = world.account.account_id
        world.control.update_sync(account, sync.id, pause)
        interruptions = Interruptions(at, way)
        world.ports = interruptions.ports(world.ports)
        for event in events:
            bucket.receive_event(event)
        bucket.go_on()
        if not interruptions.fired:
            break
        where = f"call {at}, {interruptions.calls[at - 1]}, {way.value}"
        drops, _ = world.control.drops(account, after=None, limit=10)
        assert [drop.state for drop in drops] == ["parked"] * 3, where
        told = len(world.mailer.sent)
        uncertain = interruptions.calls[at - 1] in {"send", "commit"}  # no second mail is risked then
        assert told == 3 or (uncertain and told == 2), where
        assert world.control.waiting(account, sync.id, limit=1) == [], where
    assert at > 30, "the workload makes fewer calls than it must"

"""Edits that are to be brought to address books: which syncs they set going, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.adapters.memory import MemoryBus
from contactsync.connectors.memory import MemoryConnector
from contactsync.errors import PlanLimit
from contactsync.journeys.book import books
from contactsync.model.message import ContactsChanged
from tests.contract.cards import ADA
from tests.support.bookworld import BookWorld, person


@pytest.fixture
def world():
    return BookWorld()


class TestEdits:
    def follow(self, world: BookWorld, **said: str) -> list[str]:
        bus = MemoryBus()
        message = ContactsChanged(account_id=world.account.account_id, **said)
        books.follow(message, control=world.control, bus=bus, clock=world.clock)
        return [event.detail["run_id"] for event in bus.events]

    def test_look_at_no_sync_that_has_never_run_with_a_book(self, world, monkeypatch):
        """Each import that was ever asked for may be one, and each edit would look through all of them."""
        world.go(world.sync())
        looked_at = 0
        page, get = world.records.page, world.records.get

        def counted(read: Any) -> Any:
            def reading(*asked: Any, **more: Any) -> Any:
                nonlocal looked_at
                looked_at += 1
                return read(*asked, **more)

            return reading

        monkeypatch.setattr(world.records, "page", counted(page))
        monkeypatch.setattr(world.records, "get", counted(get))
        needed = []
        for _ in range(2):
            looked_at = 0
            [run_id] = self.follow(world)
            needed.append(looked_at)
            world.execute(world.control.run(world.account.account_id, run_id).value)
            for _ in range(300):
                world.sync()
        assert needed[0] == needed[1]

    def test_set_a_run_going_of_each_sync_that_brings_them_to_a_book(self, world):
        world.book.add(ADA)
        pushing, pulling_only = world.sync(), world.sync(direction="pull")
        for sync in (pushing, pulling_only):
            world.go(sync)
        [run_id] = self.follow(world)
        run = world.control.run(world.account.account_id, run_id).value
        assert (run.sync_id, run.trigger, run.journey) == (pushing, "edit", "sync")
        assert self.follow(world) == [run_id], "asked for again, and not made again"
        world.execute(run)
        assert self.follow(world, but=pushing) == []

    @pytest.mark.parametrize("of", ["connection", "paused", "deleted"])
    def test_set_none_going_where_none_could_do_anything(self, world, of):
        sync, account = world.sync(), world.account.account_id
        world.go(sync)
        if of == "connection":
            world.control.update_connection(
                account, "n1", lambda book: book.model_copy(update={"state": "lost"})
            )
        else:
            ended = {"state": "paused"} if of == "paused" else {"deleted_at": "2026-11-22T09:00:00Z"}
            world.control.update_sync(account, sync, lambda read: read.value.model_copy(update=ended))
        assert self.follow(world) == []

    def test_bring_a_run_on_its_way_whose_maker_died_before_they_could(self, world):
        sync = world.sync()
        world.go(sync)
        bus = MemoryBus()
        message = ContactsChanged(account_id=world.account.account_id)
        books.follow(message, control=world.control, bus=bus, clock=world.clock)
        [run_id] = self.follow(world)
        assert [event.detail["run_id"] for event in bus.events] == [run_id]

    def test_reach_every_other_book_though_that_of_one_sync_is_forgotten(self, world):
        """A sign-in that nobody completed is forgotten with its connection."""
        sync = world.sync(source={"kind": "connection", "connection_id": "never came back"})
        other = world.sync()
        world.go(other)
        [run_id] = self.follow(world)
        assert world.control.run(world.account.account_id, run_id).value.sync_id == other
        ended = world.go(sync)
        assert (ended.status, ended.problem and ended.problem.code) == ("failed", "not_connected")

    def test_that_come_while_a_run_is_at_it_are_brought_by_another_one(self, world):
        """A run that has read what there is before the edit, and ends after it."""
        contact = world.add(person(1))
        sync = world.sync()
        for _ in range(2):
            world.go(sync)
        world.clock.advance(timedelta(minutes=10))
        run, told = world.ask(sync), len(world.bus.events)

        class Edited(MemoryConnector):
            def pull(self, *arguments):
                yield from super().pull(*arguments)
                world.clock.advance(timedelta(seconds=1))
                world.edit(contact, job_title="Dame")
                assert TestEdits().follow(world) == [], "the sync has a run already"

        world.connect = lambda _: Edited(world.book)
        world.execute(run)
        world.connect = None
        assert "ContactsChanged" in [event.kind for event in world.bus.events[told:]]
        [following] = self.follow(world)
        told = len(world.bus.events)
        world.clock.advance(timedelta(minutes=10))
        world.execute(world.control.run(world.account.account_id, following).value)
        assert [card.fields["job_title"] for card in world.book.cards().values()] == ["Dame"]
        assert "ContactsChanged" not in [event.kind for event in world.bus.events[told:]], (
            "and so on for ever"
        )

    def test_that_a_clock_puts_into_the_future_have_no_run_follow_another(self, world):
        contact = world.add(person(1))
        sync = world.sync()
        for _ in range(2):
            world.go(sync)
        world.clock.advance(timedelta(hours=1))
        world.edit(contact, job_title="Dame")
        world.clock.advance(-timedelta(minutes=30))
        told = len(world.bus.events)
        world.go(sync)
        assert "ContactsChanged" not in [event.kind for event in world.bus.events[told:]]

    def test_of_a_box_set_nothing_going_but_its_member_s_own_hub(self, world):
        """Each tick would use up a run of the day for every book of the account."""
        for selection in ("all", "subscribed"):
            world.go(world.sync(selection=selection))
        [run_id] = self.follow(world, chooser="m1")
        run = world.control.run(world.account.account_id, run_id).value
        assert world.control.sync(run.account_id, run.sync_id).value.selection == "subscribed"
        world.execute(run)
        assert self.follow(world, chooser="m2") == []

    def test_use_up_no_run_that_somebody_would_ask_for(self, world):
        """The sync's first run is the day's first, and there is one more, for an import, however many edits come."""
        sync = world.sync()
        world.go(sync)
        world.limit(runs_a_day=2)
        for _ in range(2):
            [run_id] = self.follow(world)
            world.execute(world.control.run(world.account.account_id, run_id).value)
        assert world.control.runs_on(world.account.account_id, world.clock.now().date()) == 1
        assert world.go(sync).status in ("succeeded", "unchanged")
        with pytest.raises(PlanLimit):
            world.ask(sync)

    def test_set_no_more_runs_going_on_a_day_than_may_be_asked_for(self, world):
        """What is edited after that, the next run brings."""
        contact = world.add(person(1))
        sync = world.sync()
        for _ in range(2):
            world.go(sync)
        world.limit(runs_a_day=3)
        begun = []
        for _ in range(5):
            begun += self.follow(world)
            world.execute(world.control.run(world.account.account_id, begun[-1]).value)
        assert len(begun) == 3
        world.edit(contact, job_title="Dame")
        world.go(sync)
        assert [card.fields["job_title"] for card in world.book.cards().values()] == ["Dame"]

    def test_set_nothing_going_that_nobody_has_started(self, world):
        world.sync()
        assert self.follow(world) == []

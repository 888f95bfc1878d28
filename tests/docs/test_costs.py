"""docs/costs.md is what the template costs, and the model counts what is there."""

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

import pytest

from bench import cloud
from contactsync.adapters.memory import MemoryBus, MemoryScheduler
from contactsync.journeys.asked import lingering
from contactsync.journeys.asked.scheduling import kept, listen
from contactsync.journeys.importing import SMALL_ROWS
from contactsync.model.message import SyncDue
from contactsync.model.sync import Schedule
from tests.docs.pages import README, section
from tests.support.bookworld import BookWorld, person
from tests.support.world import World


def test_the_page_is_fresh():
    assert cloud.PAGE.read_text(encoding="utf-8") == cloud.page(), "run make costs"


def test_the_prices_of_the_readme_are_those_of_the_page():
    told = re.findall(r"\$([\d.]+\d)", section(README, "Deploy to AWS"))
    bills, _, _ = cloud.page().partition("## Where it goes")
    figures = {f"{float(figure):.2f}" for figure in re.findall(r"\d+\.\d+", bills)}
    assert len(told) == 5
    assert set(told) <= figures


def test_a_small_import_enters_the_states_of_the_diagram_and_a_large_one_those_of_its_workers_too():
    assert cloud.transitions(SMALL_ROWS) == 12
    assert cloud.transitions(1_000_000) > 12 + 2 * 3 * 16


def test_units_are_priced_and_prices_are_used():
    used = set(cloud.fixed())
    for customer in cloud.CUSTOMERS:
        used |= set(cloud.of_a_month(customer))
    assert used == set(cloud.PRICES)


def test_a_million_new_contacts_are_a_million_units_to_write():
    assert cloud.of_a_run(1_000_000, 1, new=True)["write units"] == pytest.approx(1e6, rel=1e-3)


def test_what_did_not_change_is_not_written():
    month = cloud.of_a_run(1_000_000, 0.001)
    assert month["write units"] < 1_100


def test_an_account_in_which_nothing_happens_costs_so_many_queries_an_hour(monkeypatch):
    world = World()
    asked, page = [], world.records.page

    def counted(*names, **rest):
        asked.append(names)
        return page(*names, **rest)

    monkeypatch.setattr(world.records, "page", counted)
    lingering.look("", control=world.control, bus=world.bus, now=world.clock.now())
    of_the_account = [name for account, name in asked if account == world.account.account_id]
    assert len(of_the_account) == cloud.LOOK_QUERIES, of_the_account
    assert cloud.idle_account()["read units"] == pytest.approx(cloud.LOOK_QUERIES * 730, rel=0.01)


def test_an_idle_run_of_a_book_costs_what_the_model_says(monkeypatch):
    world = BookWorld()
    world.book.add(person(1))
    schedule = Schedule(start=datetime(2026, 11, 1), time_zone="UTC", recurrence="FREQ=HOURLY")  # noqa: DTZ001 local
    sync, account = world.sync(), world.account.account_id
    world.control.update_sync(
        account, sync, lambda read: read.value.model_copy(update=kept(schedule, world.clock.now()))
    )
    for _ in range(3):
        world.go(sync)
    units = Counter[str]()
    get, page, commit = world.records.get, world.records.page, world.records.commit

    def counted(ask, *names, **rest):
        units["read units"] += 1
        return ask(*names, **rest)

    def written(writes):
        for write in writes:
            kilobytes = -(-len(json.dumps(getattr(write, "document", {}))) // 1024)
            units["write units"] += (2 if len(writes) > 1 else 1) * kilobytes
        commit(writes)

    monkeypatch.setattr(world.records, "get", partial(counted, get))
    monkeypatch.setattr(world.records, "page", partial(counted, page))
    monkeypatch.setattr(world.records, "commit", written)
    world.clock.advance(timedelta(hours=1))
    world.book.requests.clear()
    due = SyncDue(account_id=account, sync_id=sync)
    run_id = listen(
        due, control=world.control, bus=MemoryBus(), scheduler=MemoryScheduler(), clock=world.clock
    ).run_id
    assert run_id is not None
    world.execute(world.control.run(account, run_id).value)
    assert world.control.run(account, run_id).value.status == "unchanged"
    assert world.book.requests == {"pull": 1}
    for kind in ("read units", "write units"):
        told = cloud.two_way_run(0)[kind] + cloud.wake_up().get(kind, 0)
        assert units[kind] == pytest.approx(told, rel=0.15)

"""The scheduler's contract, in memory and on two emulators; and what a schedule puts on the bus."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import boto3
import pytest

from contactsync.adapters import clients
from contactsync.adapters.memory import MemoryScheduler, WakeUps
from contactsync.adapters.scheduler import EventBridgeScheduler, Target
from contactsync.errors import Busy
from tests.contract.conftest import REGION
from tests.faults.proxy import refused, throttled

CRON = "cron(30 7,8 * * ? *)"
START = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
END = START + timedelta(days=365)
BUS = f"arn:aws:events:{REGION}:123456789012:event-bus/contact-sync"
ROLE = "arn:aws:iam::123456789012:role/sync-due"
QUEUE = f"arn:aws:sqs:{REGION}:123456789012:undelivered"
_numbers = itertools.count(1)


class SchedulerContract:
    """Backends give `scheduler` and `known`, which tells the wake-ups of one sync, or None."""

    def test_a_sync_is_woken_for_as_asked(self, scheduler, known):
        scheduler.put("a1", "s1", CRON, start=START, end=END)
        assert known("a1", "s1") == WakeUps(CRON, START, END)

    def test_the_last_word_counts(self, scheduler, known):
        scheduler.put("a1", "s1", CRON, start=START, end=END)
        scheduler.put("a1", "s1", "cron(0 6 * * ? *)", start=None, end=None)
        assert known("a1", "s1") == WakeUps("cron(0 6 * * ? *)", None, None)

    def test_each_account_and_sync_has_its_own(self, scheduler, known):
        for account, sync in [("a1", "s1"), ("a1", "s2"), ("a2", "s1")]:
            scheduler.put(account, sync, CRON, start=None, end=None)
        scheduler.remove("a1", "s1")
        assert known("a1", "s1") is None
        assert known("a1", "s2") is not None
        assert known("a2", "s1") is not None

    def test_removing_what_is_not_there_is_no_error(self, scheduler, known):
        scheduler.remove("a1", "never")
        scheduler.put("a1", "s1", CRON, start=None, end=None)
        scheduler.remove("a1", "s1")
        scheduler.remove("a1", "s1")
        assert known("a1", "s1") is None


class TestMemoryScheduler(SchedulerContract):
    @pytest.fixture
    def scheduler(self):
        return MemoryScheduler()

    @pytest.fixture
    def known(self, scheduler):
        return lambda account, sync: scheduler.kept.get((account, sync))


class _ServiceContract(SchedulerContract):
    @pytest.fixture(autouse=True)
    def _login(self, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    @pytest.fixture
    def client(self, url):
        return boto3.client("scheduler", endpoint_url=url, region_name=REGION)

    @pytest.fixture
    def group(self, client):
        name = f"syncs-{next(_numbers)}"
        client.create_schedule_group(Name=name)
        return name

    @pytest.fixture
    def scheduler(self, url, group):
        return EventBridgeScheduler(
            Target(group, BUS, ROLE, QUEUE), partial(clients.scheduler, REGION, endpoint=url)
        )

    @pytest.fixture
    def stored(self, client, group):
        def stored(account: str, sync: str) -> Any:
            try:
                return client.get_schedule(Name=f"{account}-{sync}", GroupName=group)
            except client.exceptions.ResourceNotFoundException:
                return None

        return stored

    @pytest.fixture
    def known(self, stored):
        def known(account: str, sync: str) -> WakeUps | None:
            found = stored(account, sync)
            if found is None:
                return None
            return WakeUps(found["ScheduleExpression"], found.get("StartDate"), found.get("EndDate"))

        return known

    def test_a_schedule_puts_sync_due_on_our_bus(self, scheduler, stored):
        scheduler.put("a1", "s1", CRON, start=None, end=None)
        target = stored("a1", "s1")["Target"]
        assert json.loads(target["Input"]) == {"account_id": "a1", "sync_id": "s1"}
        assert (target["Arn"], target["RoleArn"]) == (BUS, ROLE)
        assert target["DeadLetterConfig"] == {"Arn": QUEUE}
        assert target["EventBridgeParameters"] == {"Source": "contactsync", "DetailType": "SyncDue"}


class TestEventBridgeSchedulerOnMoto(_ServiceContract):
    @pytest.fixture
    def url(self, moto_url):
        return moto_url


class TestEventBridgeSchedulerOnMinistack(_ServiceContract):
    @pytest.fixture
    def url(self, ministack_url):
        return ministack_url


def test_a_service_that_throttles_is_busy(moto_url, proxy_to, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(clients, "ATTEMPTS", 1)
    proxy = proxy_to(moto_url)
    proxy.plan_where(lambda call: True, throttled("ThrottlingException"), times=99)
    made = partial(clients.scheduler, REGION, endpoint=proxy.url)
    with pytest.raises(Busy):
        EventBridgeScheduler(Target("default", BUS, ROLE, QUEUE), made).remove("a1", "s1")


@pytest.fixture
def proxied(moto_url, proxy_to, monkeypatch):
    """A scheduler behind a proxy, and the proxy."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    proxy = proxy_to(moto_url)
    made = partial(clients.scheduler, REGION, endpoint=proxy.url)
    return EventBridgeScheduler(Target("default", BUS, ROLE, QUEUE), made), proxy


def test_of_two_who_make_a_schedule_at_once_the_later_has_the_last_word(proxied):
    scheduler, proxy = proxied
    scheduler.put("a1", "s9", CRON, start=None, end=None)
    proxy.reset()
    proxy.plan(1, refused("ResourceNotFoundException", 404))  # it was not there yet when we looked
    scheduler.put("a1", "s9", "cron(0 6 * * ? *)", start=None, end=None)
    assert [call.method for call in proxy.calls] == ["PUT", "POST", "PUT"]


@pytest.mark.parametrize("times", [1, 99])
def test_a_schedule_that_somebody_else_is_changing_is_tried_again_and_then_busy(proxied, times):
    scheduler, proxy = proxied
    scheduler.put("a1", "s8", CRON, start=None, end=None)
    proxy.plan_where(lambda call: call.method == "DELETE", refused("ConflictException", 409), times=times)
    if times == 1:
        scheduler.remove("a1", "s8")
        return
    with pytest.raises(Busy, match="from several sides"):
        scheduler.remove("a1", "s8")

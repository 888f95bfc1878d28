"""The bus's contract, in memory and on two emulators; and faults on the way there."""

from __future__ import annotations

import itertools
import json

import boto3
import pytest

from contactsync.adapters.bus import EventBridgeBus
from contactsync.adapters.memory import Event, MemoryBus
from contactsync.adapters.wire import ServiceError, eventbridge
from contactsync.errors import Busy
from tests.contract.conftest import IMPATIENT, REGION, credentials
from tests.faults.proxy import Answer, FailBeforeSending, LoseReply, refused, throttled
from tests.support.waiting import wait_for

DETAIL = {"account_id": "acc1", "run_id": 'r1 Ω "quoted"'}
_numbers = itertools.count(1)


class BusContract:
    """Backends give `bus` and `published`, which tells the events so far, oldest first."""

    def test_an_event_is_published_as_it_is(self, bus, published):
        bus.publish("RunRequested", DETAIL)
        assert published(1) == [Event("contactsync", "RunRequested", DETAIL)]

    def test_every_event_is_an_event(self, bus, published):
        for n in range(3):
            bus.publish("RunRequested", {"run_id": str(n)})
        assert sorted(event.detail["run_id"] for event in published(3)) == ["0", "1", "2"]


class TestMemoryBus(BusContract):
    @pytest.fixture
    def bus(self):
        return MemoryBus()

    @pytest.fixture
    def published(self, bus):
        return lambda count: bus.events


class _EventBridgeContract(BusContract):
    """Events are seen in a queue that a rule fills."""

    @pytest.fixture
    def bus(self, url):
        name = f"bus-{next(_numbers)}"
        boto3.client("events", endpoint_url=url, region_name=REGION).create_event_bus(Name=name)
        return EventBridgeBus(
            name, eventbridge(REGION, endpoint=url, credentials=credentials, patience=IMPATIENT)
        )

    @pytest.fixture
    def published(self, bus, url):
        queues = boto3.client("sqs", endpoint_url=url, region_name=REGION)
        events = boto3.client("events", endpoint_url=url, region_name=REGION)
        queue = queues.create_queue(QueueName=f"queue-{bus._name}")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        pattern = json.dumps({"source": ["contactsync"], "detail-type": ["RunRequested"]})
        events.put_rule(Name="all", EventBusName=bus._name, EventPattern=pattern)
        events.put_targets(Rule="all", EventBusName=bus._name, Targets=[{"Id": "queue", "Arn": arn}])

        def seen(count: int) -> list[Event]:
            found: list[Event] = []

            def look():
                for message in queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
                    "Messages", []
                ):
                    body = json.loads(message["Body"])
                    found.append(Event(body["source"], body["detail-type"], body["detail"]))
                return len(found) >= count

            wait_for(look, within_s=10, what="the arrival of the events")
            return found

        return seen


class TestEventBridgeBusOnMinistack(_EventBridgeContract):
    @pytest.fixture
    def url(self, ministack_url):
        return ministack_url


class TestEventBridgeBusOnMoto(_EventBridgeContract):
    @pytest.fixture
    def url(self, moto_url):
        return moto_url


def one_entry_failed(code: str) -> Answer:
    return Answer(200, json.dumps({"FailedEntryCount": 1, "Entries": [{"ErrorCode": code}]}).encode())


class TestFaultsOnTheWay:
    @pytest.fixture
    def proxy(self, ministack_url, proxy_to):
        return proxy_to(ministack_url)

    @pytest.fixture
    def bus(self, proxy):
        return EventBridgeBus(
            "default", eventbridge(REGION, endpoint=proxy.url, credentials=credentials, patience=IMPATIENT)
        )

    @pytest.mark.parametrize(
        "fault",
        [
            one_entry_failed("InternalFailure"),
            one_entry_failed("ThrottlingException"),
            throttled("ThrottlingException"),
            refused("InternalFailure", 500),
            FailBeforeSending(),
            LoseReply(),
        ],
    )
    def test_what_passes_is_tried_again(self, bus, proxy, fault):
        proxy.plan(1, fault)
        bus.publish("RunRequested", DETAIL)
        assert proxy.operations() == ["PutEvents", "PutEvents"]

    def test_an_entry_that_keeps_failing_is_busy(self, bus, proxy):
        proxy.plan_where(lambda call: True, one_entry_failed("ThrottlingException"), times=9)
        with pytest.raises(Busy):
            bus.publish("RunRequested", DETAIL)
        assert len(proxy.calls) == 4

    def test_an_entry_that_is_refused_is_a_bug(self, bus, proxy):
        proxy.plan(1, one_entry_failed("MalformedDetail"))
        with pytest.raises(ServiceError, match="MalformedDetail"):
            bus.publish("RunRequested", DETAIL)

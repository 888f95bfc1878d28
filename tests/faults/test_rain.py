"""The real adapters over a service that throttles, leaves out, conflicts and is busy, by lot: nothing is lost."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import boto3

from contactsync.adapters.bucket import Bucket
from contactsync.adapters.contact_table import ContactTable
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.patience import Patience
from contactsync.adapters.s3_wire import S3Wire
from contactsync.control import Control
from contactsync.journeys.account.accounts import create_account
from tests.contract.conftest import REGION, credentials
from tests.contract.tables import make_table, wire_to
from tests.faults import invariants
from tests.faults.figures import note
from tests.faults.proxy import (
    Call,
    Fault,
    FaultProxy,
    Forward,
    Reply,
    WithholdKeys,
    WithholdStatements,
    cancelled,
    s3_error,
    throttled,
)
from tests.faults.scenes import new_world
from tests.faults.workloads import BY_NUMBER, CLAIMS, CLAIMS_BEFORE, NUMBERED
from tests.support.world import World

SEEDS = int(os.environ.get("N") or 6) if os.environ.get("FAULTS") == "all" else 1
ONLY = os.environ.get("SEED")
PATIENT = Patience(attempts=10, first_s=0.001, longest_s=0.002)


@dataclass(frozen=True)
class Conflict(Fault):
    """A transaction is cancelled, because another one is at one of its items."""

    at: float

    def apply(self, call: Call, forward: Forward) -> Reply:
        """See `Fault.apply`."""
        number = len(call.json()["TransactItems"])
        reasons = ["None"] * number
        reasons[int(self.at * number)] = "TransactionConflict"
        return cancelled(reasons).apply(call, forward)


class Rain(FaultProxy):
    """Throttling 30 %, parts left out 20 %, conflicts 10 %, S3 busy 20 %: of each call by lot."""

    def __init__(self, upstream_url: str, seed: int) -> None:
        super().__init__(upstream_url)
        self.wrong = 0
        self._lots = random.Random(seed)

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Call:
        """See `FaultProxy.take`."""
        call = super().take(method, path, headers, body)
        fault = self._fault(call)
        self.wrong += fault is not None
        return replace(call, fault=fault)

    def _fault(self, call: Call) -> Fault | None:
        lot = self._lots.random()
        if " /" in call.operation:
            return s3_error("SlowDown", 503) if lot < 0.2 else None
        if lot < 0.3:
            return throttled()
        if call.operation == "TransactWriteItems" and lot < 0.4:
            return Conflict(self._lots.random())
        if call.operation == "BatchGetItem" and lot < 0.5:
            return WithholdKeys(self._lots.randint(1, 3))
        if call.operation == "BatchExecuteStatement" and lot < 0.5:
            number = len(json.loads(call.body)["Statements"])
            return WithholdStatements(frozenset(range(self._lots.randrange(number), number)))
        return None


def real_world(url: str) -> tuple[World, Callable[[str], None]]:
    """A world whose tables and bucket are real adapters; call what comes with it to have them go by another address."""
    world = World()
    wire = wire_to(url)
    control, contacts, bucket = make_table(wire), make_table(wire), f"runs-{make_table(wire)}"
    boto3.client("s3", region_name=REGION, endpoint_url=url).create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )

    def reach(address: str) -> dict[str, Any]:
        here = wire_to(address, PATIENT)
        wire = S3Wire(bucket, REGION, endpoint=address, credentials=credentials, patience=PATIENT)
        return {
            "records": ControlTable(control, here, world.clock),
            "contacts": ContactTable(contacts, here),
            "runs": Bucket(wire),
        }

    for name, port in reach(url).items():
        setattr(world, name, port)
    world.control = Control(world.records)
    world.ports = world.true_ports()
    world.account = create_account(
        world.control, name="Acme", country="NL", email="owner@example.com", now=world.clock.now()
    )
    new_world(world)
    return world, lambda address: setattr(world, "ports", replace(world.ports, **cast(Any, reach(address))))


def test_an_import_in_the_rain_ends_as_in_the_dry(ministack_url: str) -> None:
    for seed in [int(ONLY)] if ONLY else range(SEEDS):
        where = f'replay: make faults SEED={seed} ARGS="-k rain"'
        world, go_by = real_world(ministack_url)
        assert world.import_rows(CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER).status == "succeeded"
        run = world.request(CLAIMS, NUMBERED, identity=BY_NUMBER)
        with Rain(ministack_url, seed) as rain:
            go_by(rain.url)
            world.execute(run)
        ended = world.run(run)
        assert (ended.status, ended.problem) == ("succeeded", None), where
        counts = ended.counts
        assert (counts.added, counts.updated, counts.rejected) == (2, 2, 2), where
        invariants.rows_add_up(ended, where)
        invariants.one_record_a_key(world, where)
        assert world.control.sync(run.account_id, run.sync_id).value.active_run is None, where
        assert rain.wrong > 20, where
        note("calls of real adapters that went wrong", rain.wrong)

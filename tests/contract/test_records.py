"""The control table's contract, in memory and on three emulators; and faults on the way there."""

from __future__ import annotations

import threading

import pytest

from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.memory import ManualClock, MemoryRecords
from contactsync.adapters.wire import ServiceError
from contactsync.errors import Busy, Stale
from contactsync.ports import Delete
from tests.contract.records_contract import RecordsContract, key, names, put
from tests.contract.tables import drop_table, make_table, wire_to
from tests.faults.proxy import (
    CorruptReply,
    FailBeforeSending,
    LoseReply,
    cancelled,
    is_operation,
    refused,
    throttled,
)


@pytest.fixture
def clock():
    return ManualClock()


class TestMemoryRecords(RecordsContract):
    @pytest.fixture
    def records(self, clock):
        return MemoryRecords(clock)


class _TableContract(RecordsContract):
    @pytest.fixture
    def records(self, wire, clock):
        table = make_table(wire)
        yield ControlTable(table, wire, clock)
        drop_table(wire, table)


class TestControlTableOnMoto(_TableContract):
    @pytest.fixture
    def wire(self, moto_url):
        return wire_to(moto_url)


class TestControlTableOnMinistack(_TableContract):
    @pytest.fixture
    def wire(self, ministack_url):
        return wire_to(ministack_url)


class TestControlTableOnDynamoDbLocal(_TableContract):
    @pytest.fixture
    def wire(self, dynamodb_local_url):
        return wire_to(dynamodb_local_url)


@pytest.fixture
def proxy(ministack_url, proxy_to):
    return proxy_to(ministack_url)


@pytest.fixture
def records(proxy, clock):
    wire = wire_to(proxy.url)
    table = make_table(wire)
    proxy.reset()
    yield ControlTable(table, wire, clock)
    proxy.reset()
    drop_table(wire, table)


TWO = [put("a", 0, n=1), put("b", 0, n=1)]


class TestFaultsOnTheWay:
    @pytest.mark.parametrize("fault", [throttled(), FailBeforeSending(), refused("InternalServerError", 500)])
    @pytest.mark.parametrize("writes", [TWO[:1], TWO], ids=["one", "several"])
    def test_what_passes_is_tried_again(self, records, proxy, fault, writes):
        proxy.plan(1, fault)
        records.commit(writes)
        assert names(records, "") == ["a", "b"][: len(writes)]

    def test_a_lost_answer_to_one_write_looks_stale(self, records, proxy):
        proxy.plan(1, LoseReply())
        with pytest.raises(Stale):
            records.commit(TWO[:1])
        assert records.get(key("a")).document == {"n": 1}

    @pytest.mark.parametrize("fault", [LoseReply(), CorruptReply()])
    def test_a_lost_answer_to_a_transaction_is_told_by_its_token(self, records, proxy, fault):
        proxy.plan(1, fault)
        records.commit(TWO)
        first, second = (call.json()["ClientRequestToken"] for call in proxy.calls)
        assert first == second
        assert names(records, "") == ["a", "b"]
        assert records.get(key("a")).version == 1

    @pytest.mark.parametrize(
        "reasons",
        [
            ["TransactionConflict", "None"],
            ["ThrottlingError", "ProvisionedThroughputExceeded"],
            ["None", "RequestLimitExceeded"],
        ],
    )
    def test_a_transaction_in_the_way_of_others_is_tried_again(self, records, proxy, reasons):
        proxy.plan(1, cancelled(reasons))
        records.commit(TWO)
        assert names(records, "") == ["a", "b"]

    @pytest.mark.parametrize(
        "reasons", [["ConditionalCheckFailed", "None"], ["TransactionConflict", "ConditionalCheckFailed"]]
    )
    def test_a_failed_condition_decides(self, records, proxy, reasons):
        proxy.plan(1, cancelled(reasons))
        with pytest.raises(Stale):
            records.commit(TWO)
        assert len(proxy.calls) == 1

    @pytest.mark.parametrize(
        "reasons",
        [["ValidationError", "ConditionalCheckFailed"], ["ItemCollectionSizeLimitExceeded", "None"], []],
    )
    def test_any_other_reason_is_a_bug(self, records, proxy, reasons):
        proxy.plan(1, cancelled(reasons))
        with pytest.raises(
            ServiceError, match="TransactWriteItems was refused: TransactionCanceledException"
        ):
            records.commit(TWO)

    def test_a_conflict_that_lasts_ends_as_busy(self, records, proxy):
        proxy.plan_where(lambda call: True, cancelled(["TransactionConflict", "None"]), times=4)
        with pytest.raises(Busy):
            records.commit(TWO)
        assert len(proxy.calls) == 4

    @pytest.mark.parametrize("fault", [throttled(), LoseReply(), CorruptReply()])
    def test_reads_survive_a_fault(self, records, proxy, fault):
        records.commit(TWO)
        proxy.plan_where(is_operation("Query"), fault)
        proxy.plan_where(is_operation("GetItem"), fault)
        assert names(records, "") == ["a", "b"]
        assert records.get(key("a")).document == {"n": 1}

    def test_every_read_is_consistent(self, records, proxy):
        records.get(key("a"))
        names(records, "a")
        assert [call.json()["ConsistentRead"] for call in proxy.calls] == [True, True]

    def test_of_many_writers_of_one_version_one_wins(self, records):
        records.commit([put("a")])
        won = []

        def write(n: int) -> None:
            try:
                records.commit([put("a", 1, n=n)] if n % 2 else [put("a", 1, n=n), put(f"b{n}")])
            except Stale:
                return
            won.append(n)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert records.get(key("a")).document == {"n": won[0]}
        assert len(names(records, "b")) == (0 if won[0] % 2 else 1)

    def test_a_delete_is_tried_again_too(self, records, proxy):
        records.commit([put("a")])
        proxy.reset()
        proxy.plan(1, throttled())
        records.commit([Delete(key("a"), 1)])
        assert records.get(key("a")) is None

"""The contact store's contract, in memory and on the tables of two emulators; and faults on the way there."""

from __future__ import annotations

from collections import Counter

import pytest

from contactsync.adapters.contact_table import ContactTable
from contactsync.adapters.memory import MemoryContacts
from contactsync.adapters.wire import ServiceError
from contactsync.errors import Busy
from contactsync.ports import Insert, Replace
from tests.contract.contact_store_contract import (
    ACCOUNT,
    ContactStoreContract,
    contact,
    contact_id,
    edited,
    everything,
    written,
)
from tests.contract.tables import drop_table, make_table, wire_to
from tests.faults.proxy import (
    Answer,
    CorruptReply,
    CutReply,
    Delay,
    FailBeforeSending,
    LoseReply,
    WithholdKeys,
    WithholdStatements,
    is_operation,
    refused,
    throttled,
)


class TestMemoryContacts(ContactStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryContacts()


class _TableContract(ContactStoreContract):
    @pytest.fixture
    def table(self, wire):
        name = make_table(wire)
        yield name
        drop_table(wire, name)

    @pytest.fixture
    def store(self, wire, table):
        return ContactTable(table, wire)


class TestContactTableOnMinistack(_TableContract):
    @pytest.fixture
    def wire(self, ministack_url):
        return wire_to(ministack_url)


class TestContactTableOnDynamoDbLocal(_TableContract):
    @pytest.fixture
    def wire(self, dynamodb_local_url):
        return wire_to(dynamodb_local_url)


@pytest.fixture
def proxy(ministack_url, proxy_to):
    proxy = proxy_to(ministack_url)
    yield proxy
    assert all(plan.times == 0 for plan in proxy._plans), "a planned fault did not happen"


@pytest.fixture
def store(proxy):
    wire = wire_to(proxy.url)
    table = make_table(wire)
    proxy.reset()
    yield ContactTable(table, wire)
    proxy._plans = [plan for plan in proxy._plans if plan.times]
    drop_table(wire, table)


CONTACTS = [contact(n) for n in range(60)]

PASSING = {
    "throttled": throttled(),
    "throttled otherwise": throttled("ThrottlingException"),
    "request limit": throttled("RequestLimitExceeded"),
    "internal error": refused("InternalServerError", 500),
    "bad gateway without JSON": Answer(502, b"<html>", "text/html"),
    "too many requests": Answer(429),
    "never sent": FailBeforeSending(),
    "some statements throttled": WithholdStatements(frozenset({0, 3, 9})),
    "some statements in conflict": WithholdStatements(frozenset({9}), "TransactionConflict"),
    "all statements throttled": WithholdStatements(frozenset(range(25)), "ProvisionedThroughputExceeded"),
}


class TestFaultsOnTheWay:
    @pytest.mark.parametrize("call", [1, 2, 3])
    @pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
    def test_what_passes_is_tried_again_and_nothing_is_lost_or_doubled(self, store, proxy, fault, call):
        proxy.plan(call, fault)
        outcomes = written(store, *map(Insert, CONTACTS))
        assert outcomes == [True] * 60
        assert len(everything(store)) == 60

    @pytest.mark.parametrize(
        "fault", [LoseReply(), CutReply(20), CorruptReply()], ids=["lost", "cut", "corrupted"]
    )
    def test_after_a_lost_answer_our_own_write_answers_false_and_reading_tells(self, store, proxy, fault):
        proxy.plan(2, fault)
        outcomes = Counter(written(store, *map(Insert, CONTACTS)))
        assert outcomes[False] in {10, 25}  # the batch whose answer was lost
        assert sorted(everything(store), key=lambda each: each.id) == sorted(
            CONTACTS, key=lambda each: each.id
        )

    def test_only_the_statements_that_must_wait_are_sent_again(self, store, proxy):
        proxy.plan(1, WithholdStatements(frozenset({0, 24})))
        written(store, *map(Insert, CONTACTS[:25]))
        assert [len(call.json()["Statements"]) for call in proxy.calls] == [25, 2]

    def test_progress_earns_new_patience(self, store, proxy):
        for call in range(1, 21):  # many more rounds than attempts, but one statement gets through in each
            proxy.plan(call, WithholdStatements(frozenset(range(25 - call))))
        assert written(store, *map(Insert, CONTACTS[:25])) == [True] * 25

    def test_statements_that_never_get_through_end_as_busy(self, store, proxy):
        proxy.plan(1, WithholdStatements(frozenset({2})))
        proxy.plan_where(is_operation("BatchExecuteStatement"), WithholdStatements(frozenset({0})), times=4)
        with pytest.raises(Busy):
            written(store, *map(Insert, CONTACTS[:25]))
        assert len(proxy.calls) == 5  # one with progress, four without
        assert len(everything(store)) == 24

    def test_a_table_that_stays_away_ends_as_busy_after_bounded_attempts(self, store, proxy):
        proxy.plan_where(lambda call: True, throttled(), times=4)
        with pytest.raises(Busy, match="4 times, the last time with ProvisionedThroughputExceeded"):
            written(store, Insert(CONTACTS[0]))
        assert len(proxy.calls) == 4

    def test_a_refusal_is_not_tried_again_and_says_nothing_of_the_request(self, store, proxy):
        proxy.plan(1, refused("AccessDeniedException", message="Person 0 is not allowed"))
        with pytest.raises(
            ServiceError, match="BatchExecuteStatement was refused: AccessDeniedException"
        ) as raised:
            written(store, Insert(CONTACTS[0]))
        assert "Person" not in str(raised.value)
        assert len(proxy.calls) == 1

    def test_an_unknown_error_of_one_statement_is_a_bug(self, store, proxy):
        proxy.plan(1, WithholdStatements(frozenset({1}), "AccessDenied"))
        with pytest.raises(ServiceError, match="AccessDenied"):
            written(store, *map(Insert, CONTACTS[:2]))

    def test_after_an_error_nothing_goes_on_behind_the_callers_back(self, store, proxy):
        proxy.plan(1, refused("AccessDeniedException"))
        for call in range(2, 9):
            proxy.plan(call, Delay(0.5))
        with pytest.raises(ServiceError):
            list(store.write(ACCOUNT, (Insert(contact(n)) for n in range(200))))
        assert len(proxy.calls) == 8
        assert len(everything(store)) == 175  # all that was under way, and none of it later

    def test_leaving_early_waits_for_what_is_under_way(self, store, proxy):
        for call in range(2, 9):
            proxy.plan(call, Delay(0.5))
        outcomes = store.write(ACCOUNT, (Insert(contact(n)) for n in range(1000)))
        next(outcomes)
        outcomes.close()
        assert len(everything(store)) == 25 * 8

    def test_unprocessed_keys_are_read_again(self, store, proxy):
        written(store, *map(Insert, CONTACTS))
        proxy.reset()
        proxy.plan(1, WithholdKeys(7))
        proxy.plan(2, WithholdKeys(7))
        assert len(store.get(ACCOUNT, [each.id for each in CONTACTS])) == 60
        asked = [len(next(iter(call.json()["RequestItems"].values()))["Keys"]) for call in proxy.calls]
        assert asked == [60, 7, 7]

    def test_keys_that_stay_unprocessed_end_as_busy(self, store, proxy):
        proxy.plan_where(is_operation("BatchGetItem"), WithholdKeys(100), times=4)
        with pytest.raises(Busy):
            store.get(ACCOUNT, [contact_id(1)])

    @pytest.mark.parametrize("fault", [throttled(), LoseReply(), CutReply(5), CorruptReply()])
    def test_reads_survive_a_fault(self, store, proxy, fault):
        written(store, *map(Insert, CONTACTS))
        proxy.reset()
        proxy.plan(1, fault)
        assert len(everything(store)) == 60
        proxy.reset()
        proxy.plan(1, fault)
        assert len(store.page(ACCOUNT, after=None, limit=100).contacts) == 60

    def test_requests_are_bounded_and_share_connections(self, store, proxy):
        many = [contact(n) for n in range(1000)]
        assert all(done for _, done in store.write(ACCOUNT, map(Insert, many)))
        assert [len(call.json()["Statements"]) for call in proxy.calls] == [25] * 40

    def test_the_input_is_read_no_further_than_needed(self, store):
        read = 0

        def reading():
            nonlocal read
            for n in range(2000):
                read += 1
                yield Insert(contact(n))

        outcomes = store.write(ACCOUNT, reading())
        next(outcomes)
        assert read <= 25 * 10
        outcomes.close()

    def test_every_read_is_consistent(self, store, proxy):
        """No emulator serves old data, so the promise is read off the requests."""
        store.get(ACCOUNT, [contact_id(1)])
        store.page(ACCOUNT, after=None, limit=1)
        everything(store)
        for call in proxy.calls:
            request = call.json()
            asked = request["RequestItems"].values() if "RequestItems" in request else [request]
            assert all(each["ConsistentRead"] is True for each in asked)

    def test_one_page_of_a_small_account_costs_few_rounds(self, store, proxy):
        written(store, *map(Insert, CONTACTS[:5]))
        proxy.reset()
        assert len(store.page(ACCOUNT, after=None, limit=50).contacts) == 5
        assert len(proxy.calls) == 64
        proxy.reset()
        written(store, Replace(edited(CONTACTS[0])))
        assert proxy.operations() == ["BatchExecuteStatement"]

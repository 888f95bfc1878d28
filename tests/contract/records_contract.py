"""What every Records must do. Backends inherit this and give `records`, empty, and `clock`, which stands still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.errors import Stale
from contactsync.ports import Delete, Put, RecordKey, Records

NAUGHTY = {
    "": "",
    "text": 'line\r\nnul \x00 \u2028 👩‍👩‍👧 e\u0301 é "quoted" {"S": 1}',
    "big": 2**63 - 1,
    "small": -(2**63),
    "ratio": 0.1,
    "none": None,
    "yes": True,
    "nested": {"list": [], "map": {}, "deep": [[{"a": []}]]},
}


def key(name: str, partition: str = "acc1") -> RecordKey:
    return RecordKey(partition, name)


def put(name: str, expected: int = 0, /, **document: object) -> Put:
    return Put(key(name), document, expected)


def names(records: Records, prefix: str, **options: Any) -> list[str]:
    return [record.key.name for record in records.page("acc1", prefix, **options).records]


def seconds_from(clock, delta: int) -> int:
    return int(clock.now().timestamp()) + delta


class RecordsContract:
    def test_a_document_comes_back_as_it_was_put(self, records):
        records.commit([Put(key("run#1"), NAUGHTY, 0)])
        found = records.get(key("run#1"))
        assert found.document == NAUGHTY
        assert (found.key, found.version, found.expires_at) == (key("run#1"), 1, None)

    def test_nothing_is_none(self, records):
        assert records.get(key("run#1")) is None

    def test_every_write_counts_one_version(self, records):
        for expected in range(3):
            records.commit([put("a", expected, n=expected)])
        assert records.get(key("a")).version == 3
        assert records.get(key("a")).document == {"n": 2}

    @pytest.mark.parametrize("expected", [0, 1, 3])
    def test_a_put_over_another_version_writes_nothing(self, records, expected):
        records.commit([put("a", 0, n=1)])
        records.commit([put("a", 1, n=2)])
        with pytest.raises(Stale):
            records.commit([put("a", expected, n=9)])
        assert records.get(key("a")).document == {"n": 2}

    def test_a_put_over_nothing_that_expects_something_writes_nothing(self, records):
        with pytest.raises(Stale):
            records.commit([put("a", 1)])
        assert records.get(key("a")) is None

    def test_a_delete_deletes_the_version_it_names_and_no_other(self, records):
        records.commit([put("a")])
        with pytest.raises(Stale):
            records.commit([Delete(key("a"), 2)])
        assert records.get(key("a"))
        records.commit([Delete(key("a"), 1)])
        assert records.get(key("a")) is None
        with pytest.raises(Stale):
            records.commit([Delete(key("a"), 1)])

    def test_several_writes_happen_together(self, records):
        records.commit([put("a", 0, n=1), put("b", 0, n=2)])
        records.commit([put("a", 1, n=3), Delete(key("b"), 1), Put(key("c", "acc2"), {"n": 4}, 0)])
        assert records.get(key("a")).document == {"n": 3}
        assert records.get(key("b")) is None
        assert records.get(key("c", "acc2")).document == {"n": 4}

    @pytest.mark.parametrize("stale", [0, 1, 2])
    def test_one_stale_write_stops_them_all(self, records, stale):
        records.commit([put("a"), put("b"), put("c")])
        writes = [put(name, 9 if n == stale else 1, n=9) for n, name in enumerate("abc")]
        with pytest.raises(Stale):
            records.commit(writes)
        assert [records.get(key(name)).document for name in "abc"] == [{}, {}, {}]

    def test_a_stale_delete_stops_the_others(self, records):
        records.commit([put("a"), put("b")])
        with pytest.raises(Stale):
            records.commit([put("a", 1, n=2), Delete(key("b"), 2)])
        assert records.get(key("a")).version == 1

    def test_committing_the_same_again_looks_stale(self, records):
        for writes in ([put("a", 0, n=1)], [put("b", 0, n=1), put("c", 0, n=1)]):
            records.commit(writes)
            with pytest.raises(Stale):
                records.commit(writes)

    def test_a_commit_of_nothing_changes_nothing(self, records):
        records.commit([put("a", 0, n=1)])
        records.commit([])
        assert names(records, "", limit=10) == ["a"]

    def test_a_hundred_writes_fit_and_one_more_does_not(self, records):
        records.commit([put(f"n#{n:03d}", 0, n=n) for n in range(100)])
        assert len(names(records, "n#", limit=100)) == 100
        with pytest.raises(ValueError, match="at most 100"):
            records.commit([put(f"m#{n}") for n in range(101)])

    def test_a_record_is_written_once_a_commit(self, records):
        with pytest.raises(ValueError, match="once"):
            records.commit([put("a"), put("a", 1)])
        assert records.get(key("a")) is None

    def test_a_page_holds_the_prefix_in_name_order_and_nothing_else(self, records):
        records.commit(
            [put(name) for name in ("run#2", "run#10", "run#1", "ru", "run$", "sync#1", "run#é", "run#👩")]
        )
        records.commit([Put(key("run#0", "acc2"), {}, 0)])
        assert names(records, "run#") == ["run#1", "run#10", "run#2", "run#é", "run#👩"]
        assert names(records, "run#", newest_first=True) == ["run#👩", "run#é", "run#2", "run#10", "run#1"]
        assert names(records, "") == ["ru", "run#1", "run#10", "run#2", "run#é", "run#👩", "run$", "sync#1"]
        assert names(records, "nothing#") == []

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    def test_pages_join_to_the_whole(self, records, limit, newest_first):
        everything = [f"run#{n}" for n in range(7)]
        records.commit([put(name, 0, name=name) for name in [*everything, "a", "z"]])
        found, after = [], None
        while True:
            page = records.page("acc1", "run#", after=after, limit=limit, newest_first=newest_first)
            assert len(page.records) <= limit
            found += page.records
            if page.next is None:
                break
            after = page.next
        assert [record.key.name for record in found] == (everything[::-1] if newest_first else everything)
        assert all(record.document == {"name": record.key.name} for record in found)

    def test_the_last_page_says_that_it_is_the_last(self, records):
        records.commit([put("run#1"), put("run#2"), put("s")])
        assert records.page("acc1", "run#", limit=2).next is None
        assert records.page("acc1", "run#", limit=1).next == "run#1"
        assert records.page("acc1", "run#", after="run#2", limit=1).records == ()

    def test_a_page_may_go_on_after_a_record_that_has_gone(self, records):
        records.commit([put(f"run#{n}") for n in range(5)])
        records.commit([Delete(key("run#2"), 1)])
        assert names(records, "run#", after="run#2") == ["run#3", "run#4"]
        assert names(records, "run#", after="run#2", newest_first=True) == ["run#1", "run#0"]

    def test_a_page_from_outside_of_its_prefix_is_refused(self, records):
        with pytest.raises(ValueError, match="prefix"):
            records.page("acc1", "run#", after="sync#1")
        with pytest.raises(ValueError, match="room"):
            records.page("acc1", "run#", limit=0)

    def test_large_documents_make_many_answers_and_one_page(self, records):
        for n in range(8):
            records.commit([put(f"big#{n}", 0, text="x" * 300_000)])
        assert names(records, "big#", limit=8) == [f"big#{n}" for n in range(8)]

    def test_an_expired_record_is_gone_before_it_is_removed(self, records, clock):
        records.commit(
            [
                Put(key("up#1"), {"n": 1}, 0, expires_at=seconds_from(clock, 60)),
                Put(key("up#2"), {}, 0, expires_at=seconds_from(clock, 61)),
                put("up#3"),
            ]
        )
        assert records.get(key("up#1")).expires_at == seconds_from(clock, 60)
        assert names(records, "up#", limit=3) == ["up#1", "up#2", "up#3"]
        clock.advance(timedelta(seconds=60))
        assert records.get(key("up#1")) is None
        assert names(records, "up#") == ["up#2", "up#3"]
        assert names(records, "up#", limit=1) == ["up#2"]

    def test_to_writes_an_expired_record_is_none(self, records, clock):
        for name in ("a", "b", "c", "d"):
            records.commit([Put(key(name), {"n": 1}, 0, expires_at=seconds_from(clock, 10))])
        clock.advance(timedelta(seconds=10))
        for stale in ([put("a", 1)], [Delete(key("b"), 1)], [put("a", 1), Delete(key("b"), 1)]):
            with pytest.raises(Stale):
                records.commit(stale)
        records.commit([put("a", 0, n=2)])
        records.commit([put("c", 0, n=3), put("d", 0, n=3)])
        found = records.get(key("a"))
        assert (found.document, found.version, found.expires_at) == ({"n": 2}, 1, None)

    def test_what_is_handed_out_is_a_copy(self, records):
        document = {"list": [1]}
        records.commit([Put(key("a"), document, 0)])
        document["list"].append(2)
        records.get(key("a")).document["list"].append(3)
        assert records.get(key("a")).document == {"list": [1]}

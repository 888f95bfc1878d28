"""The bucket's contract, in memory and on two emulators; and faults on the way there."""

from __future__ import annotations

import itertools
import re
import tracemalloc
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from contactsync.adapters import clients
from contactsync.adapters.bucket import PART_BYTES, Bucket
from contactsync.adapters.memory import MemoryObjects
from contactsync.errors import Busy
from contactsync.ports import Version
from tests.contract.conftest import IMPATIENT, REGION
from tests.contract.objects_contract import LARGE, ObjectsContract, read
from tests.faults.proxy import (
    Call,
    CorruptReply,
    CutReply,
    FailBeforeSending,
    Fault,
    Forward,
    LoseReply,
    Reply,
    s3_error,
)

_numbers = itertools.count(1)


class TestMemoryObjects(ObjectsContract):
    @pytest.fixture
    def objects(self):
        return MemoryObjects()

    @pytest.fixture
    def versioned(self):
        objects = MemoryObjects()
        return objects, objects.put_version


def make_bucket(url: str) -> Bucket:
    name = f"bucket-{next(_numbers)}"
    client = clients.s3(REGION, endpoint=url)
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return Bucket(name, lambda: client, patience=IMPATIENT)


def uploads_under_way(bucket: Bucket) -> int:
    return len(bucket._client.list_multipart_uploads(Bucket=bucket._name).get("Uploads", []))


def with_versions(bucket: Bucket) -> tuple[Bucket, Callable[[str, bytes], Version]]:
    """A bucket that keeps versions, and what puts one there."""
    client, name = bucket._client, bucket._name
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def put(key: str, data: bytes) -> Version:
        told = client.put_object(Bucket=name, Key=key, Body=data)
        return Version(told["VersionId"], told["ETag"].strip('"'))

    return bucket, put


class _BucketContract(ObjectsContract):
    @pytest.fixture
    def versioned(self, objects):
        return with_versions(objects)

    def test_urls_let_anybody_put_and_get(self, objects):
        key = "uploads/Ω +&/file.csv"
        put = urllib.request.Request(objects.presign_put(key, expires_s=60), data=b"a,b\n1,2\n", method="PUT")
        put.add_header("Content-Type", "text/csv")
        with urllib.request.urlopen(put) as response:
            assert response.status == 200
        assert objects.get(key) == b"a,b\n1,2\n"
        url = objects.presign_get(key, expires_s=60, filename='Liste "Ω"; x\r\n.csv')
        with urllib.request.urlopen(url) as response:
            assert response.read() == b"a,b\n1,2\n"
            disposition = response.headers["Content-Disposition"]
        assert disposition == "attachment; filename*=UTF-8''Liste%20%22%CE%A9%22%3B%20x%0D%0A.csv"

    def test_an_error_while_writing_leaves_no_parts(self, objects):
        def failing():
            with objects.writer("key") as sink:
                sink.write(LARGE)
                assert uploads_under_way(objects) == 1
                raise KeyError("the writer's own")

        with pytest.raises(KeyError):
            failing()
        assert uploads_under_way(objects) == 0

    def test_writing_takes_bounded_memory(self, objects):
        tracemalloc.start()
        with objects.writer("key") as sink:
            for _ in range(50):
                sink.write(LARGE[:1_000_000])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * PART_BYTES
        assert objects.size("key") == 50_000_000


class TestBucketOnMinistack(_BucketContract):
    @pytest.fixture
    def objects(self, ministack_url):
        return make_bucket(ministack_url)


class TestBucketOnMoto(_BucketContract):
    @pytest.fixture
    def objects(self, moto_url):
        return make_bucket(moto_url)

    def test_writing_takes_bounded_memory(self, objects):
        pytest.skip("moto lives in this process, so its memory would be measured")

    def test_more_keys_than_one_answer_holds(self, objects):
        pytest.skip("a thousand puts take moto twenty seconds, and ministack pages alike")


def test_addresses_in_the_cloud_name_the_bucket_in_the_host():
    bucket = Bucket("uploads", lambda: clients.s3(REGION))
    url = urlsplit(bucket.presign_put("a/b.csv", expires_s=60))
    assert (url.scheme, url.path) == ("https", "/a/b.csv")
    assert re.fullmatch(r"uploads\.s3(\.eu-west-1)?\.amazonaws\.com", url.netloc)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url.query
    assert "X-Amz-Expires=60" in url.query
    assert "X-Amz-SignedHeaders=host&" in url.query  # the client may send any headers of its own


def test_addresses_of_a_local_stack_name_it_in_the_path(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    bucket = Bucket("uploads", lambda: clients.s3(REGION))
    assert bucket.presign_put("a.csv", expires_s=60).startswith("http://localhost:4566/uploads/a.csv?")


class ChangeInBetween(Fault):
    """The object changes after its body was cut."""

    def __init__(self, change, cut: int) -> None:
        self._change, self._cut = change, CutReply(cut)

    def apply(self, call: Call, forward: Forward) -> Reply:
        reply = self._cut.apply(call, forward)
        self._change()
        return reply


@pytest.fixture
def proxy(ministack_url, proxy_to):
    return proxy_to(ministack_url)


@pytest.fixture
def objects(proxy, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    bucket = make_bucket(proxy.url)
    proxy.reset()
    return bucket


def ranges(proxy) -> list[tuple[str | None, str | None]]:
    return [
        (call.headers.get("range"), call.headers.get("if-match"))
        for call in proxy.calls
        if call.method == "GET"
    ]


class TestFaultsOnTheWay:
    @pytest.mark.parametrize("cut", [0, 1, 100_000, 1_000_000])
    def test_a_cut_body_is_resumed_where_it_ended_in_the_same_version(self, objects, proxy, cut):
        data = LARGE[:1_500_000]
        objects.put("key", data)
        proxy.reset()
        proxy.plan(1, CutReply(cut))
        assert read(objects, "key") == data
        (first, second) = ranges(proxy)
        assert first == (None, None)
        assert second[0] == f"bytes={cut}-1499999"
        assert second[1]

    def test_a_cut_range_is_resumed_too(self, objects, proxy):
        objects.put("key", LARGE[:1_500_000])
        proxy.reset()
        proxy.plan(1, CutReply(300))
        proxy.plan(2, CutReply(200))
        assert read(objects, "key", offset=1000, length=5000) == LARGE[1000:6000]
        assert [each for each, _ in ranges(proxy)] == [
            "bytes=1000-5999",
            "bytes=1300-5999",
            "bytes=1500-5999",
        ]

    def test_a_body_that_keeps_ending_at_one_place_is_busy(self, objects, proxy):
        objects.put("key", LARGE[:1_000_000])
        proxy.reset()
        proxy.plan(1, CutReply(500))
        proxy.plan_where(lambda call: True, CutReply(0), times=10)
        with pytest.raises(Busy, match="ended early 4 times at the same place"):
            read(objects, "key")
        assert len(ranges(proxy)) == 4

    def test_progress_earns_new_patience(self, objects, proxy):
        objects.put("key", LARGE[:100_000])
        proxy.reset()
        for call in range(1, 10):
            proxy.plan(call, CutReply(1000))
        assert read(objects, "key") == LARGE[:100_000]
        assert len(ranges(proxy)) == 10

    def test_bytes_that_change_on_the_way_are_noticed(self, objects, proxy):
        objects.put("key", LARGE[:100_000])
        proxy.reset()
        proxy.plan(1, CorruptReply())
        with pytest.raises(Busy, match="not those that were stored"):
            read(objects, "key")

    @pytest.mark.parametrize("after", [b"other" * 20_000, b"short"])
    def test_an_object_that_changes_while_it_is_read_is_busy(self, objects, proxy, after):
        objects.put("key", LARGE[:100_000])
        proxy.reset()
        proxy.plan(1, ChangeInBetween(lambda: objects.put("key", after), 5000))
        with pytest.raises(Busy):
            read(objects, "key")

    @pytest.mark.parametrize(
        "fault",
        [s3_error("SlowDown", 503), s3_error("InternalError", 500), FailBeforeSending(), LoseReply()],
        ids=["slow down", "internal error", "never sent", "lost"],
    )
    @pytest.mark.parametrize("call", range(1, 6))
    def test_any_call_of_a_large_write_may_fail_once(self, objects, proxy, fault, call):
        proxy.plan(call, fault)
        with objects.writer("key") as sink:
            sink.write(LARGE)
        assert objects.get("key") == LARGE
        proxy.reset()
        assert len(LARGE) == objects.size("key")

    def test_a_service_that_stays_away_is_busy_after_bounded_attempts(self, objects, proxy):
        proxy.plan_where(lambda call: True, s3_error("SlowDown", 503), times=100)
        for using in (
            lambda: objects.put("key", b"x"),
            lambda: objects.get("key"),
            lambda: objects.size("key"),
            lambda: list(objects.keys("")),
        ):
            before = len(proxy.calls)
            with pytest.raises(Busy):
                using()
            assert len(proxy.calls) - before == clients.ATTEMPTS

    def test_a_refusal_is_not_tried_again(self, objects, proxy):
        proxy.plan(1, s3_error("AccessDenied", 403))
        with pytest.raises(ClientError):
            objects.put("key", b"x")
        assert len(proxy.calls) == 1

    def test_an_upload_that_vanished_is_busy(self, objects, proxy):
        proxy.plan(5, s3_error("NoSuchUpload", 404))
        with pytest.raises(Busy, match="vanished"), objects.writer("key") as sink:
            sink.write(LARGE)
        assert objects.size("key") is None

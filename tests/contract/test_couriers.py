"""The courier's contract: in this process, and by the function Reach on the emulator's tokens and buckets."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

from contactsync import bootstrap
from contactsync.adapters import clients
from contactsync.adapters.bucket import Bucket
from contactsync.adapters.courier import ReachCourier, session_policy
from contactsync.adapters.memory import MemoryObjects
from contactsync.adapters.s3_wire import S3Wire
from contactsync.adapters.signing import Credentials
from contactsync.errors import Busy, SourceAway, UnreadableFile
from contactsync.model.message import StagingKeys
from contactsync.model.source import remote_source
from contactsync.ports import Carried, Courier, Destination, Objects
from contactsync.sources.net import Guard
from contactsync.sources.opening import source_of
from contactsync.sources.staging import DirectCourier
from contactsync.sources.transfer import Limits
from functions.reach import handler
from tests.contract.conftest import REGION, credentials
from tests.contract.invoked import Lambda
from tests.fakes.webserver import RESET, WebServer, reply

SECRET = "s3cret-canary-2718"
DATA = b"email\nada@example.com\n" * 1000
TO = Destination("a1", "r1", "runs/a1/r1/source")
ROLE = "arn:aws:iam::123456789012:role/staging"
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)


class CourierContract:
    """Backends give `courier`, and `runs`, where it puts the files."""

    @pytest.fixture
    def server(self) -> Iterator[WebServer]:
        with WebServer(lambda request: reply(DATA)) as server:
            yield server

    @pytest.fixture
    def opened(self, server: WebServer) -> Callable[..., Any]:
        guard = Guard(frozenset({("127.0.0.1", server.port)}))
        return partial(source_of, guard=guard, region=REGION, limits=QUICK)

    def carry(self, courier: Courier, server: WebServer, **changes: Any) -> Carried:
        asked = {
            "kind": "http",
            "url": f"http://127.0.0.1:{server.port}/a.csv?sig={SECRET}",
            "auth": {"kind": "bearer", "token": SECRET},
            **changes,
        }
        return courier.carry(remote_source().validate_python(asked), TO, host_key=None)

    def test_a_file_is_copied_with_its_digest_proof_size_and_time(self, courier, runs, server):
        server.answer = lambda _: reply(DATA, Last_Modified="Sun, 22 Nov 2026 09:00:00 GMT")
        carried = self.carry(courier, server)
        assert (carried.size, carried.modified) == (len(DATA), "2026-11-22T09:00:00+00:00")
        assert runs.get(TO.key) == DATA
        assert carried.digest == hashlib.sha256(DATA).hexdigest()
        assert carried.ending.proof == "length"
        assert server.requests[0].target.endswith(SECRET)
        assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"

    def test_what_is_missing_for_proof_is_told(self, courier, runs, server):
        server.answer = lambda request: [b"HTTP/1.1 200 OK\r\n\r\n" + DATA]
        carried = self.carry(courier, server)
        assert carried.ending.proof is None
        assert "Content-Length" in carried.ending.doubt
        assert runs.get(TO.key) == DATA

    def test_a_cut_file_is_none_at_all(self, courier, runs, server):
        server.answer = lambda request: [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", DATA, RESET]
        with pytest.raises(SourceAway, match="broke off"):
            self.carry(courier, server)
        assert runs.size(TO.key) is None

    def test_a_refusal_comes_back_as_it_was_meant(self, courier, runs, server):
        server.answer = lambda request: reply(b"", status="401 Unauthorized")
        with pytest.raises(UnreadableFile) as caught:
            self.carry(courier, server)
        assert caught.value.code == "login_refused"
        assert caught.value.title.startswith("127.0.0.1 refuses")
        assert caught.value.detail.startswith("Check the user name")
        assert runs.size(TO.key) is None

    def test_no_address_inside_is_gone_to(self, courier, server):
        with pytest.raises(UnreadableFile) as caught:
            self.carry(courier, server, url="http://169.254.169.254/latest/meta-data/")
        assert caught.value.code == "address_not_allowed"

    def test_no_secret_is_logged_or_told(self, courier, server, caplog):
        caplog.set_level(logging.DEBUG)
        told = [repr(self.carry(courier, server))]
        for status in ("401 Unauthorized", "500 Oops", "302 Found"):
            server.answer = lambda request, status=status: reply(SECRET.encode(), status=status)
            with pytest.raises((UnreadableFile, Busy)) as caught:
                self.carry(courier, server)
            told.append(str(caught.value) + repr(caught.value.__cause__))
        assert SECRET not in caplog.text + "".join(told)


class TestDirect(CourierContract):
    @pytest.fixture
    def runs(self) -> Objects:
        return MemoryObjects()

    @pytest.fixture
    def courier(self, runs, opened) -> Courier:
        return DirectCourier(opened, runs)


class TestReach(CourierContract):
    @pytest.fixture
    def used(self, moto_url, opened, monkeypatch) -> list[StagingKeys]:
        """The keys by which Reach has written."""
        used: list[StagingKeys] = []

        def staged(keys: StagingKeys) -> Objects:
            used.append(keys)
            lent = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
            return Bucket(S3Wire("runs", REGION, endpoint=moto_url, credentials=lambda: lent))

        monkeypatch.setattr(bootstrap, "remote", lambda: opened)
        monkeypatch.setattr(bootstrap, "staged", staged)
        return used

    @pytest.fixture
    def runs(self, moto_url) -> Iterator[Objects]:
        bucket = boto3.resource("s3", endpoint_url=moto_url, region_name="us-east-1").Bucket("runs")
        bucket.create()
        yield Bucket(S3Wire("runs", REGION, endpoint=moto_url, credentials=credentials))
        bucket.objects.delete()

    @pytest.fixture
    def service(self) -> Lambda:
        return Lambda("reach", handler.lambda_handler)

    @pytest.fixture
    def courier(self, moto_url, service, used) -> Courier:
        return ReachCourier(
            "reach",
            ROLE,
            "runs",
            sts=partial(clients.sts, REGION, endpoint=moto_url),
            functions=service.client,
            direct=DirectCourier(cast("Any", None), MemoryObjects()),
        )

    def test_it_writes_by_keys_that_were_lent_for_this_one_object(self, courier, server, service, used, runs):
        self.carry(courier, server)
        [keys] = used
        assert keys.session_token
        assert keys.access_key_id not in {"test", ""}
        assert service.asked[0]["key"] == TO.key

    @pytest.mark.parametrize(
        "answer",
        [
            {"errorType": "Bug", "errorMessage": "internal error, see request 1 in the log"},
            {
                "errorType": "Sandbox.Timedout",
                "errorMessage": f"{SECRET} Task timed out after 840.00 seconds",
            },
            {},
        ],
    )
    def test_what_it_breaks_on_is_our_bug_and_its_words_stay_there(self, courier, server, service, answer):
        service.answer = answer
        with pytest.raises(RuntimeError) as caught:
            self.carry(courier, server)
        assert SECRET not in str(caught.value)

    def test_our_own_services_being_busy_is_not_the_customer_s_server(self, courier, server, service):
        service.answer = {"errorType": "Busy", "errorMessage": "PutObject failed with SlowDown."}
        with pytest.raises(Busy) as caught:
            self.carry(courier, server)
        assert not isinstance(caught.value, SourceAway)
        service.refuses = "TooManyRequestsException"
        with pytest.raises(Busy):
            self.carry(courier, server)

    def test_a_bucket_is_read_without_it(self, moto_url, service, used, monkeypatch):
        """By a role of the customer's, whose session fetch can cut down by itself."""
        carried = Carried("digest", cast("Any", None), 1)
        direct = SimpleNamespace(carry=lambda source, to, host_key: carried)
        courier = ReachCourier(
            "reach", ROLE, "runs", sts=cast("Any", None), functions=cast("Any", None), direct=cast("Any", direct)
        )  # fmt: skip
        bucket = {"kind": "s3", "bucket": "customer", "key": "a.csv", "role_arn": ROLE}
        assert courier.carry(remote_source().validate_python(bucket), TO, host_key=None) is carried


def test_a_session_may_write_its_own_object_and_nothing_else():
    policy = session_policy("arn:aws-cn:iam::123456789012:role/staging", "runs", TO.key)
    [statement] = policy["Statement"]
    assert statement["Effect"] == "Allow"
    assert set(statement["Action"]) == {"s3:PutObject", "s3:AbortMultipartUpload"}
    assert statement["Resource"] == "arn:aws-cn:s3:::runs/runs/a1/r1/source"
    assert not {"*", "?"} & set(statement["Resource"])

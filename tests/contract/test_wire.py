"""The wire and its lanes where no emulator goes: silence, dead connections, patience that has to end."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
from botocore.session import get_session

from contactsync.adapters import lanes as lanes_module
from contactsync.adapters import wire as wire_module
from contactsync.adapters.lanes import Lanes
from contactsync.adapters.patience import Patience, answering
from contactsync.adapters.wire import Wire, dynamodb, eventbridge
from contactsync.errors import Busy
from tests.contract.conftest import IMPATIENT, REGION, credentials
from tests.contract.scripted import EMPTY, Server
from tests.fakes.certificates import Authority


@pytest.fixture
def short_waits(monkeypatch):
    for module in (wire_module, lanes_module):
        monkeypatch.setattr(module, "READ_S", 0.2)


def wire_to(server: Server, patience: Patience = IMPATIENT) -> Wire:
    return dynamodb(REGION, endpoint=server.url, credentials=credentials, patience=patience)


def test_connections_are_kept(serve):
    server = serve()
    wire = wire_to(server)
    for _ in range(5):
        assert wire.call("GetItem", {}) == {}
    assert server.connections == 1


def test_a_request_belongs_to_the_trace_of_the_invocation(serve, monkeypatch):
    server = serve()
    wire = wire_to(server)
    for trace in ("Root=1-1;Sampled=1", "Root=1-2;Sampled=0"):
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
        wire.call("GetItem", {})
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    wire.call("GetItem", {})
    traced = [line for line in server.heard if line.startswith(b"X-Amzn-Trace-Id")]
    assert traced == [b"X-Amzn-Trace-Id: Root=1-1;Sampled=1\r\n", b"X-Amzn-Trace-Id: Root=1-2;Sampled=0\r\n"]


def test_silence_ends_and_is_asked_again(serve, short_waits):
    server = serve(None)
    assert wire_to(server).call("GetItem", {}) == {}
    assert server.connections == 2


def test_silence_that_lasts_is_busy(serve, short_waits):
    with pytest.raises(Busy, match="4 times, the last time with TimeoutError"):
        wire_to(serve(*[None] * 9)).call("GetItem", {})


def test_nobody_who_waits_for_an_answer_is_left_in_silence(serve):
    """READ_S is fifteen seconds, and patience has four attempts: whoever asked is gone by then."""
    server = serve(*[None] * 9)
    with answering(within_s=0.2), pytest.raises(Busy):
        wire_to(server).call("GetItem", {})
    assert server.connections == 1


def test_an_answer_that_is_there_is_taken_though_time_is_over(serve):
    with answering(within_s=0):
        assert wire_to(serve()).call("GetItem", {}) == {}


def test_nobody_sleeps_beyond_the_time_for_an_answer():
    slept: list[float] = []
    with answering(within_s=0):
        Patience(first_s=9, longest_s=9, sleep=slept.append).wait(1)
    assert slept == [0]


def five_idle(wire: Wire) -> None:
    with Lanes[int](wire, 5) as lanes:
        for n in range(5):
            lanes.send("GetItem", b"{}", n)
        for _ in range(5):
            lanes.next()


def test_connections_that_died_while_idle_cost_one_attempt_altogether(serve):
    server = serve(*[EMPTY] * 5, b"")
    wire = wire_to(server, Patience(attempts=2, first_s=0.001))
    five_idle(wire)
    assert wire.call("GetItem", {}) == {}
    assert server.connections == 6


def test_connections_whose_end_is_known_are_not_asked(serve):
    server = serve()
    wire = wire_to(server, Patience(attempts=1))
    five_idle(wire)
    for connection in server.open:
        connection.shutdown(socket.SHUT_RDWR)
    assert wire.call("GetItem", {}) == {}
    assert server.connections == 6


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\ncontent-length:  8 \r\n\r\n{"v": 1}',
        b'HTTP/1.1 200 OK\ncontent-length: 11\n\n{"v":\r\n\r\n1}',
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9_000 + b'\r\ncontent-length: 8\r\n\r\n{"v": 1}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{"v":\r\n3\r\n 1}\r\n0\r\nLater: 1\r\n\r\n',
    ],
)
def test_an_answer_says_its_length_at_first_or_as_it_goes(serve, answer):
    server = serve(answer)
    wire = wire_to(server)
    assert wire.call("GetItem", {}) == {"v": 1}
    assert wire.call("GetItem", {}) == {}
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer", [EMPTY.replace(b"1.1", b"1.0"), EMPTY.replace(b"OK", b"OK\r\nConnection: Close")]
)
def test_who_hangs_up_after_its_answer_is_called_anew(serve, answer):
    server = serve(answer)
    wire = wire_to(server)
    assert [wire.call("GetItem", {}) for _ in range(2)] == [{}, {}]
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsoon\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 101 + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot JSON!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amz-crc32: 1\r\n\r\n{}",
        b"no HTTP at all\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_answer_is_asked_again(serve, short_waits, answer):
    server = serve(answer)
    assert wire_to(server).call("GetItem", {}) == {}
    assert server.connections == 2


def test_nobody_there_is_busy():
    wire = dynamodb(REGION, endpoint="http://127.0.0.1:9", credentials=credentials, patience=IMPATIENT)
    with pytest.raises(Busy, match="ConnectionRefusedError"):
        wire.call("GetItem", {})


def test_a_lane_gives_up_on_silence_and_asks_again_while_others_land(serve, short_waits):
    server = serve(None)
    with Lanes[str](wire_to(server), 2) as lanes:
        lanes.send("GetItem", b"{}", "slow")
        time.sleep(0.05)  # the silence is for the first request
        lanes.send("GetItem", b"{}", "quick")
        assert [lanes.next(), lanes.next()] == [("quick", {}), ("slow", {})]
    assert len(lanes) == 0


def test_leaving_lanes_does_not_wait_for_ever(serve, short_waits):
    started = time.monotonic()
    with Lanes[int](wire_to(serve(*[None] * 8)), 8) as lanes:
        for n in range(8):
            lanes.send("GetItem", b"{}", n)
    assert time.monotonic() - started < 1


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path, monkeypatch):
        authority = Authority(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        return authority

    @pytest.fixture
    def server(self, authority):
        server = Server(tls=authority.server("localhost"))
        yield server
        server.close()

    def test_requests_and_lanes(self, server):
        wire = wire_to(server)
        assert wire.call("GetItem", {}) == {}
        with Lanes[int](wire, 4) as lanes:
            landed = list(lanes.run(range(20), lambda n: lanes.send("GetItem", b"{}", n)))
        assert sorted(landed) == [(n, {}) for n in range(20)]
        assert server.connections == 4

    def test_a_server_that_nobody_vouches_for_is_no_service_to_wait_for(self, server, monkeypatch):
        monkeypatch.delenv("AWS_CA_BUNDLE")
        with pytest.raises(ssl.SSLCertVerificationError):
            wire_to(server).call("GetItem", {"name": "secret"})
        assert server.connections == 0


def test_a_request_may_go_out_later(serve):
    with Lanes[str](wire_to(serve()), 2) as lanes:
        lanes.send("GetItem", b"{}", "later", after_s=0.1)
        lanes.send("GetItem", b"{}", "now")
        assert [lanes.next()[0], lanes.next()[0]] == ["now", "later"]


def test_patience_grows_to_its_bound_and_waits_some_of_it():
    waited: list[float] = []
    patience = Patience(first_s=1, longest_s=4, sleep=waited.append)
    for failures in (1, 2, 3, 4, 50):
        for _ in range(200):
            patience.wait(failures)
    longest = [max(waited[n : n + 200]) for n in range(0, 1000, 200)]
    assert [round(each) for each in longest] == [1, 2, 4, 4, 4]
    assert min(waited) < 0.2


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("eu-west-1", "dynamodb.eu-west-1.amazonaws.com"),
        ("cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_addresses_in_the_cloud(region, address):
    wire = dynamodb(region)
    assert wire._host.address == f"https://{address}"


def test_every_region_has_its_partition_s_domain():
    """As botocore knows them; the cloud of Europe alone is one of them."""
    partitions = get_session().get_component("data_loader").load_data("partitions")["partitions"]
    told = {region: each["outputs"]["dnsSuffix"] for each in partitions for region in each["regions"]}
    regions = {region: domain for region, domain in told.items() if not region.endswith("-global")}
    assert "eusc-de-east-1" in regions
    assert {region: wire_module.domain(region) for region in regions} == regions


def test_the_environment_says_where_else_a_service_is(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:2")
    addresses = [wire._host.address for wire in (dynamodb(REGION), eventbridge(REGION))]
    assert addresses == ["http://127.0.0.1:2", "http://127.0.0.1:1"]


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1/path"])
def test_an_endpoint_that_is_none_is_refused(endpoint):
    with pytest.raises(ValueError, match="dynamodb"):
        dynamodb(REGION, endpoint=endpoint)

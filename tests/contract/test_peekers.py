"""The peeker's contract: in this process, and by the function Peek."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contactsync import bootstrap
from contactsync.adapters.peeker import LambdaPeeker
from contactsync.errors import Busy, SourceAway, UnreadableFile
from contactsync.model.source import remote_source
from contactsync.ports import Beginning, Peeker
from contactsync.sources import staging
from contactsync.sources.net import Guard
from contactsync.sources.opening import source_of
from contactsync.sources.staging import DirectPeeker
from contactsync.sources.transfer import Limits
from functions.peek import handler
from tests.contract.conftest import REGION
from tests.contract.invoked import Lambda
from tests.fakes.webserver import RESET, WebServer, reply

SECRET = "s3cret-canary-1618"
DATA = b"email\nada@example.com\n" * 1000
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=1)


class PeekerContract:
    """Backends give `peeker`."""

    @pytest.fixture(autouse=True)
    def limits(self, monkeypatch) -> None:
        monkeypatch.setattr(staging, "PEEK_LIMITS", QUICK)

    @pytest.fixture
    def server(self) -> Iterator[WebServer]:
        with WebServer(lambda request: reply(DATA)) as server:
            yield server

    @pytest.fixture
    def opened(self, server: WebServer) -> Callable[..., Any]:
        return partial(source_of, guard=Guard(frozenset({("127.0.0.1", server.port)})), region=REGION)

    def peek(self, peeker: Peeker, server: WebServer, **changes: Any) -> Beginning:
        asked = {
            "kind": "http",
            "url": f"http://127.0.0.1:{server.port}/a.csv?sig={SECRET}",
            "auth": {"kind": "bearer", "token": SECRET},
            **changes,
        }
        return peeker.peek("a1", remote_source().validate_python(asked))

    def test_a_small_file_comes_whole_with_what_its_server_says_of_it(self, peeker, server):
        server.answer = lambda _: reply(DATA, Last_Modified="Sun, 22 Nov 2026 09:00:00 GMT")
        came = self.peek(peeker, server)
        assert came == Beginning(DATA, True, len(DATA), "a.csv", "2026-11-22T09:00:00+00:00", None)
        assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"

    def test_a_file_of_exactly_as_much_as_is_shown_is_whole_and_one_byte_more_is_not(self, peeker, server):
        for size, whole in ((staging.PEEK_BYTES, True), (staging.PEEK_BYTES + 1, False)):
            server.answer = lambda _, size=size: reply(b"x" * size)
            came = self.peek(peeker, server)
            assert (len(came.data), came.whole, came.size) == (staging.PEEK_BYTES, whole, size)

    def test_of_a_file_without_an_end_the_beginning_is_taken_and_the_connection_given_up(
        self, peeker, server
    ):
        given_up = []

        def endless(_: Any) -> Iterator[bytes]:
            try:
                yield b"HTTP/1.1 200 OK\r\n\r\n"
                while True:
                    yield b"a@example.com\n" * 10_000
            finally:
                given_up.append(True)

        server.answer = endless
        came = self.peek(peeker, server)
        assert (len(came.data), came.whole, came.size) == (staging.PEEK_BYTES, False, None)

    def test_of_a_slow_server_what_has_come_in_time_is_shown(self, peeker, server, monkeypatch):
        monkeypatch.setattr(staging, "PEEK_S", 0)
        rows = DATA[:1100]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
        server.answer = lambda _: [head, rows, 1.5, b"rest"]
        came = self.peek(peeker, server)
        assert (rows.startswith(came.data), came.whole, came.size) == (True, False, 99999)
        assert len(came.data) >= 512

    def test_a_refusal_comes_back_as_it_was_meant(self, peeker, server):
        server.answer = lambda request: reply(b"", status="401 Unauthorized")
        with pytest.raises(UnreadableFile) as caught:
            self.peek(peeker, server)
        assert (caught.value.code, caught.value.title[:18]) == ("login_refused", "127.0.0.1 refuses ")

    def test_a_server_that_breaks_off_is_away(self, peeker, server):
        server.answer = lambda request: [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", DATA, RESET]
        with pytest.raises(SourceAway, match="broke off"):
            self.peek(peeker, server)

    def test_no_address_inside_is_gone_to(self, peeker, server):
        with pytest.raises(UnreadableFile) as caught:
            self.peek(peeker, server, url="http://169.254.169.254/latest/meta-data/")
        assert caught.value.code == "address_not_allowed"

    def test_no_secret_is_logged_or_told(self, peeker, server, caplog):
        caplog.set_level(logging.DEBUG)
        told = [repr(self.peek(peeker, server))]
        for status in ("401 Unauthorized", "500 Oops", "302 Found"):
            server.answer = lambda request, status=status: reply(SECRET.encode(), status=status)
            with pytest.raises((UnreadableFile, Busy)) as caught:
                self.peek(peeker, server)
            told.append(str(caught.value) + repr(caught.value.__cause__))
        assert SECRET not in caplog.text + "".join(told)
        assert "ada@example.com" not in caplog.text + "".join(told)


class TestDirect(PeekerContract):
    @pytest.fixture
    def peeker(self, opened) -> Peeker:
        return DirectPeeker(opened)


class TestPeek(PeekerContract):
    @pytest.fixture
    def service(self) -> Lambda:
        return Lambda("peek", handler.lambda_handler)

    @pytest.fixture
    def peeker(self, service, opened, monkeypatch) -> Peeker:
        monkeypatch.setattr(bootstrap, "remote", lambda: opened)
        return LambdaPeeker("peek", service.client, direct=cast("Any", None))

    def test_one_that_runs_out_of_time_has_waited_for_the_server(self, peeker, server, service):
        service.answer = {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "Task timed out after 20.00 seconds",
        }
        with pytest.raises(SourceAway, match="too long"):
            self.peek(peeker, server)

    def test_what_it_breaks_on_is_our_bug_and_its_words_stay_there(self, peeker, server, service):
        service.answer = {"errorType": "Bug", "errorMessage": f"internal error {SECRET}"}
        with pytest.raises(RuntimeError) as caught:
            self.peek(peeker, server)
        assert SECRET not in str(caught.value)

    def test_a_bucket_is_looked_at_without_it(self, opened):
        came = Beginning(b"", True, 0)
        direct = SimpleNamespace(peek=lambda account_id, source: came)
        peeker = LambdaPeeker("peek", cast("Any", None), direct=cast("Any", direct))
        bucket = {"kind": "s3", "bucket": "customer", "key": "a.csv"}
        assert peeker.peek("a1", remote_source().validate_python(bucket)) is came

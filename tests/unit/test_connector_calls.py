"""Calls to a provider: what is tried again, what is waited for, and what is told to be uncertain."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from contactsync.connectors.calling import Calls, Lost, retry_after
from contactsync.errors import AccessLost, BookBusy, Busy, SourceAway
from tests.fakes.webserver import Answer, Request, WebServer

Reply = tuple[int, dict[str, str], bytes]
BREAK: Reply = (0, {}, b"")
"""Take the request, and close without a word."""


@dataclass
class Provider:
    """Gives its `answers` in turn, and keeps the `tokens` that it was shown."""

    answers: list[Reply] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> Answer:
        self.tokens.append(request.headers["authorization"])
        status, headers, body = self.answers.pop(0)
        if not status:
            return []
        lines = [
            f"{name}: {value}"
            for name, value in ({"Content-Length": str(len(body)), "Connection": "close"} | headers).items()
        ]
        return ["\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + body]


@pytest.fixture
def provider() -> Iterator[Provider]:
    state = Provider()
    with WebServer(state.answer) as server:
        state.url = f"http://127.0.0.1:{server.port}"
        yield state


@dataclass
class Person:
    """Gives tokens, and remembers who waited how long."""

    renewals: int = 0
    slept: list[float] = field(default_factory=list)

    def access(self, renew: bool) -> str:
        self.renewals += renew
        return f"t{self.renewals}"


def calls(provider: Provider, person: Person) -> Calls:
    return Calls(provider.url, person.access, timeout_s=5, sleep=person.slept.append)


OK: Reply = (200, {}, b'{"a": 1}')


def test_a_dead_token_is_renewed_once(provider):
    provider.answers = [(401, {}, b""), OK]
    assert calls(provider, Person()).get("/x").json() == {"a": 1}
    assert provider.tokens == ["Bearer t0", "Bearer t1"]
    provider.answers = [(401, {}, b""), (401, {}, b"")]
    with pytest.raises(AccessLost):
        calls(provider, Person()).get("/x")


@pytest.mark.parametrize("write", [False, True])
def test_a_provider_that_asks_for_patience_gets_it(provider, write):
    """Case 24."""
    person = Person()
    provider.answers = [(429, {"Retry-After": "7"}, b""), OK]
    client = calls(provider, person)
    answer = client.write("PATCH", "/x", {}) if write else client.get("/x")
    assert answer.ok
    assert person.slept == [7.0]


def test_long_patience_is_for_the_step_as_a_whole(provider):
    """Case 24."""
    provider.answers = [(429, {"Retry-After": "300"}, b"")]
    with pytest.raises(Busy) as caught:
        calls(provider, Person()).get("/x")
    assert caught.value.retry_after_s == 300
    provider.answers = [(429, {}, b"")] * 4
    with pytest.raises(Busy):
        calls(provider, Person()).get("/x")
    assert provider.answers == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((429, {}, b""), BookBusy),
        ((429, {"Retry-After": "300"}, b""), BookBusy),
        ((503, {"Retry-After": "300"}, b""), BookBusy),
        ((503, {}, b""), SourceAway),
        ((500, {}, b""), SourceAway),
    ],
)
def test_who_wants_to_be_left_alone_is_told_from_who_is_away(provider, answer, kind):
    """Case 24: the one is waited for, the other is somebody's to look at."""
    provider.answers = [answer] * 4
    with pytest.raises(SourceAway) as caught:
        calls(provider, Person()).get("/x")
    assert type(caught.value) is kind


def test_a_moment_to_come_back_at_is_understood_too():
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after({"Retry-After": format_datetime(soon)}) == pytest.approx(30, abs=2)
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"Retry-After": "²"}) is None
    assert retry_after({}) is None


@pytest.mark.parametrize("said", ["86401", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_is_left_alone_for_longer_than_a_day(said):
    """An endless rest could not even be stored: all connections of the account were unreadable from then on."""
    assert retry_after({"Retry-After": said}) == 86_400


@pytest.mark.parametrize("answer", [BREAK, (500, {}, b""), (200, {"Content-Length": "99"}, b"{")])
def test_a_lost_answer_is_uncertain_only_where_something_was_written(provider, answer):
    provider.answers = [answer, answer]
    with pytest.raises(Busy):
        calls(provider, Person()).get("/x")
    with pytest.raises(Lost):
        calls(provider, Person()).write("POST", "/x", {})


def test_what_never_arrived_was_certainly_not_written():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(Busy):
        Calls(f"http://127.0.0.1:{port}", Person().access).write("POST", "/x", {})


def test_a_next_page_on_another_host_does_not_get_the_token(provider):
    with pytest.raises(Busy):
        calls(provider, Person()).get("http://127.0.0.2:1/next")
    assert provider.tokens == []


def test_a_page_of_a_proxy_is_no_answer(provider):
    provider.answers = [(200, {}, b"<html>sign in</html>")]
    with pytest.raises(Busy):
        calls(provider, Person()).get("/x").json()


@pytest.mark.parametrize("status", [302, 403, 404, 410])
def test_a_picture_whose_address_leads_nowhere_is_none(provider, status):
    provider.answers = [(status, {}, b"gone")]
    assert calls(provider, Person()).fetch(f"{provider.url}/p") is None


@pytest.mark.parametrize(("status", "kind"), [(429, BookBusy), (503, SourceAway)])
def test_a_picture_that_cannot_be_had_now_is_not_taken_for_none(provider, status, kind):
    provider.answers = [(status, {}, b"")]
    with pytest.raises(SourceAway) as caught:
        calls(provider, Person()).fetch(f"{provider.url}/p")
    assert type(caught.value) is kind

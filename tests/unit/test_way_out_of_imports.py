"""Nobody gets a run to connect inside: each address asked for through the API, by redirect, and by name server.

What the customer reads says what is wrong with the address and nothing about what is there.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from contactsync.sources.net import Guard
from contactsync.sources.transfer import Limits
from tests.fakes.webserver import WebServer, reply
from tests.support.outgoing import PUBLIC, aimed, answering, inner_addresses, inside, payloads, watching

HOST = "files.example.com"
MAPPING = [{"column": "email", "field": "email"}]
QUICK = Limits(connect_s=1, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)
REFUSALS = {"address_not_allowed", "address_not_valid", "scheme_not_allowed", "port_not_allowed"}
NO_REDIRECTS = {"too_many_redirects", "unexpected_answer"}
"""What cannot be read, and `http:127.0.0.1/`, which is a path on the same server, as to browsers."""
LOGINS = {"http": {}, "ftp": {}, "sftp": {"username": "ann", "password": "x"}}


@pytest.fixture
def attempts(world) -> Iterator[list[object]]:
    world.limits = QUICK
    with watching() as seen:
        yield seen


def wanted(url: str) -> Iterator[dict[str, Any]]:
    """The address as a source of each kind: as it stands, and under the schemes that the kinds take."""
    scheme, separator, rest = url.partition("://")
    for kind, schemes in (("http", ("http", "https")), ("ftp", ("ftp", "ftps", "sftp"))):
        yield {"kind": kind, "url": url}
        if separator:
            yield from (
                {"kind": kind, "url": f"{other}://{rest}", **LOGINS.get(other, {})}
                for other in schemes
                if other != scheme
            )


def run_of(api, source: dict[str, Any]) -> dict[str, Any] | None:
    """The run of a sync with this source, at its end; None if the sync was not even saved."""
    saved = api.post("/syncs", {"source": source, "mapping": MAPPING})
    if saved.status == 422:
        assert saved.pointers
        assert all(pointer.startswith("/source") for pointer in saved.pointers)
        return None
    assert saved.status == 201, saved.text
    asked = api.post(f"/syncs/{saved.json['id']}/runs", {})
    assert asked.status == 202, asked.text
    ended: dict[str, Any] = api.ended(asked.json["id"])
    return ended


def assert_refused(run: dict[str, Any], source: dict[str, Any], codes: set[str] = REFUSALS) -> None:
    """It says what to do, and is the same for every internal address: neither the address nor what is there."""
    assert run["status"] == "failed", source
    problem = run["problem"]
    assert problem["code"] in codes, (source, problem)
    said = f"{problem['title']} {problem['detail']}"
    assert problem["detail"].endswith(".")
    assert not re.search(r"169\.254|127\.|::|localhost|metadata|refused the connection|timed out", said)


def test_no_address_inside_is_fetched_from_however_it_is_asked_for(api, attempts):
    api.world.guard = Guard(resolver=inside)
    api.world.limit(runs_a_day=5_000)
    runs = 0
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as canary:
        canary.settimeout(0.05)
        for url in payloads():
            for address in (url, aimed(url, canary.getsockname()[1])):
                for source in wanted(address):
                    run = run_of(api, source)
                    if run is not None:
                        assert_refused(run, source)
                        runs += 1
        with pytest.raises(TimeoutError):
            canary.accept()
    assert attempts == []
    assert runs > len(payloads()), "hardly any was saved, so hardly any was tried"


def test_no_redirect_leads_inside(api, attempts):
    location = [""]

    def elsewhere(request: Any) -> list[bytes]:
        return [b"HTTP/1.1 302 Found\r\nLocation: " + location[0].encode() + b"\r\n\r\n"]

    with WebServer(elsewhere) as server:
        api.world.guard = Guard(frozenset({(HOST, server.port)}), resolver=inside)
        source = {"kind": "http", "url": f"http://{HOST}:{server.port}/contacts.csv"}
        for url in payloads():
            location[0] = url
            run = run_of(api, source)
            assert run is not None
            assert_refused(run, {"redirect": url}, REFUSALS | NO_REDIRECTS)
        assert set(attempts) == {("127.0.0.1", server.port)}


def test_no_name_server_leads_inside(api, attempts):
    for address in inner_addresses():
        for answers in ([address], [PUBLIC, address], [address, PUBLIC]):
            api.world.guard = Guard(resolver=answering(answers))
            for scheme, kind in (("https", "http"), ("ftps", "ftp"), ("sftp", "ftp")):
                source = {"kind": kind, "url": f"{scheme}://{HOST}/a.csv", **LOGINS.get(scheme, {})}
                run = run_of(api, source)
                assert run is not None
                assert_refused(run, source)
    assert attempts == []


def test_a_name_that_leads_inside_only_the_second_time_is_refused_then(api, attempts, monkeypatch):
    """The server breaks off, so that it is asked again: what the name leads to by then is checked anew."""
    reached = []
    connect = socket.create_connection
    with WebServer(lambda request: reply(b"email\n", Content_Length="1000")) as server:

        def outside(address: tuple[str, int], timeout: float) -> socket.socket:
            reached.append(address[0])
            return connect(("127.0.0.1", server.port), timeout)

        monkeypatch.setattr(socket, "create_connection", outside)
        for address in inner_addresses():
            api.world.guard = Guard(resolver=answering([PUBLIC], [address]))
            source = {"kind": "http", "url": f"http://{HOST}/a.csv"}
            run = run_of(api, source)
            assert run is not None
            assert_refused(run, source)
    assert reached == [PUBLIC] * len(inner_addresses())
    assert set(attempts) == {("127.0.0.1", server.port)}

"""Nobody gets us to connect inside by an address book: by the address that they name, and by what their server answers.

By redirect, by the places that an answer names, and by name server; while a book is connected, and in the runs of one
that was connected long ago.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any
from xml.sax.saxutils import escape

import pytest

from contactsync.connectors.ways import dav_book
from contactsync.model.connection import Connection
from contactsync.sources.net import Guard
from tests.fakes.webserver import Answer, Request, WebServer, reply
from tests.support.bookworld import BookWorld
from tests.support.calling import ApiWorld, Client
from tests.support.connecting import Servers
from tests.support.outgoing import PUBLIC, aimed, answering, inner_addresses, inside, payloads, watching

HOST = "dav.example.com"
LOGIN = {"provider": "carddav", "username": "ann", "password": "s3cret"}
HOME = "<C:addressbook-home-set><href>{}</href></C:addressbook-home-set>"
PRINCIPAL = "<current-user-principal><href>{}</href></current-user-principal>"
CODES = {
    "address_not_allowed", "address_not_valid", "port_not_allowed", "scheme_not_allowed", "encryption_needed",
    "redirected_elsewhere",
}  # fmt: skip
NO_REFERENCES = {"source_away", "no_address_book"}
"""What cannot be read, and `http:127.0.0.1/`, which is a path on the same server, as to browsers."""
INNER = re.compile(r"169\.254|127\.|::|localhost|metadata|refused the connection|timed out")


@pytest.fixture(autouse=True)
def attempts() -> Iterator[list[object]]:
    """Addresses that somebody tried to reach."""
    with watching() as seen:
        yield seen


def multistatus(properties: str) -> Answer:
    found = f"<propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat>"
    body = f"<response><href>/</href>{found}</response>"
    whole = f'<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">{body}</multistatus>'
    return reply(whole.encode(), status="207 Multi-Status", Connection="close")


def misleading(url: str) -> dict[str, Answer]:
    """The ways in which a server's answer may send us to `url`."""
    moved = b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " + url.encode() + b"\r\n\r\n"
    named = {
        "home": multistatus(HOME.format(escape(url))),
        "principal": multistatus(PRINCIPAL.format(escape(url))),
    }
    return {"redirect": [moved], **named}


def assert_told(said: str, of: object) -> None:
    """It says what to do, and is the same for every internal address: neither the address nor what is there."""
    assert said.endswith("."), of
    assert not INNER.search(said), (of, said)


# While a book is connected


def refused(api: Client, world: ApiWorld, guard: Guard, url: str) -> None:
    """Asked for through the API, by the function that goes to strangers' servers."""
    world.discoverer = Servers(guard=guard)
    world.know({})
    answer = api.post("/connections", {**LOGIN, "url": url})
    assert (answer.status, answer.pointers) == (422, {"/url"}), (url, answer.text)
    for error in answer.json["errors"]:
        assert_told(error["message"], url)


def spelled(url: str, port: int) -> Iterator[str]:
    """The address as it stands and aimed at `port`, under both schemes."""
    for address in (url, aimed(url, port)):
        yield address
        yield re.sub(r"^\w+://", "https://", address)


def test_no_address_inside_is_connected_to(api, world, attempts):
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as canary:
        canary.settimeout(0.05)
        for url in payloads():
            for address in spelled(url, canary.getsockname()[1]):
                refused(api, world, Guard(resolver=inside), address)
        with pytest.raises(TimeoutError):
            canary.accept()
    assert attempts == []


@pytest.mark.parametrize("way", ["redirect", "home", "principal"])
def test_no_server_sends_us_inside_while_it_is_connected(api, world, attempts, way):
    answer: list[Any] = []
    with WebServer(lambda _: answer[0]) as server:
        guard = Guard(frozenset({(HOST, server.port)}), resolver=inside)
        for url in payloads():
            answer[:] = [misleading(url)[way]]
            refused(api, world, guard, f"http://{HOST}:{server.port}/")
        assert set(attempts) == {("127.0.0.1", server.port)}


def test_no_name_server_leads_inside_while_a_book_is_connected(api, world, attempts):
    for address in inner_addresses():
        for answers in ([address], [PUBLIC, address], [address, PUBLIC]):
            refused(api, world, Guard(resolver=answering(answers)), f"https://{HOST}/")
    assert attempts == []


# In the runs of a book that was connected long ago


class Book:
    """A world whose book lies on a server that has changed its mind."""

    def __init__(self) -> None:
        self.world = BookWorld()
        self.sync = self.world.sync(group="all")

    def run(self, guard: Guard, url: str, of: object, also: set[str] = CODES) -> None:
        """A run of the sync; it ends, and says nothing of what is inside."""
        stored = Connection(
            id="n1",
            provider="carddav",
            member_id="m1",
            state="active",
            username="ann",
            subject=url,
            created_at="",
        )
        way = partial(dav_book, country=lambda _: "GB", guard=guard)
        self.world.connect = lambda _: way(stored, lambda _renew: "s3cret")
        run = self.world.go(self.sync)
        assert run.status == "failed", of
        assert run.problem
        assert run.problem.code in also, (of, run.problem)
        assert_told(f"{run.problem.title} {run.problem.detail}", of)


def test_no_redirect_leads_a_run_inside(attempts):
    book, answer = Book(), list[Any]()
    with WebServer(lambda _: answer[0]) as server:
        guard = Guard(frozenset({(HOST, server.port)}), resolver=inside)
        for url in payloads():
            answer[:] = [misleading(url)["redirect"]]
            book.run(guard, f"http://{HOST}:{server.port}/ann/", url, CODES | NO_REFERENCES)
        assert set(attempts) == {("127.0.0.1", server.port)}


def test_no_name_server_leads_a_run_inside(attempts):
    book = Book()
    for address in inner_addresses():
        for answers in ([address], [PUBLIC, address], [address, PUBLIC]):
            guard = Guard(resolver=answering(answers))
            book.run(guard, f"https://{HOST}/ann/", address, {"address_not_allowed"})
    assert attempts == []


def test_a_name_that_leads_inside_only_the_second_time_is_refused_then(monkeypatch):
    """The server closes its connection, so that another is needed: what the name leads to by then is checked anew."""
    reached = []
    connect = socket.create_connection

    def books(request: Request) -> Answer:
        return multistatus("<resourcetype><collection/><C:addressbook/></resourcetype>")

    book = Book()
    with WebServer(books) as server:

        def outside(address: tuple[str, int], timeout: float) -> socket.socket:
            reached.append(address[0])
            return connect(("127.0.0.1", server.port), timeout)

        monkeypatch.setattr(socket, "create_connection", outside)
        monkeypatch.setattr(Guard, "secured", lambda _guard, sock, _host: sock)
        for address in inner_addresses():
            guard = Guard(resolver=answering([PUBLIC], [address]))
            book.run(guard, f"https://{HOST}/ann/", address, {"address_not_allowed"})
    assert reached == [PUBLIC] * len(inner_addresses())

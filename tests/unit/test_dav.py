"""WebDAV as servers speak it: what is read, who is asked, and who is told the password."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from xml.sax.saxutils import escape

import pytest

from contactsync.connectors import dav as dav_module
from contactsync.connectors.carddav import CardDavConnector, discover
from contactsync.connectors.dav import Dav, family
from contactsync.errors import AccessLost, Busy, UnreadableFile
from contactsync.model.card import Edit, Written
from contactsync.sources.net import Guard
from tests.contract.cards import ADA
from tests.fakes.webserver import WebServer, reply
from tests.support.davserver import BOOK, CARD, allowing, connector, dav, multistatus, response, served
from tests.support.outgoing import PUBLIC, answering, watching


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><multistatus xmlns="DAV:">&c;</multistatus>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><multistatus xmlns="DAV:"/>',
        '<!DOCTYPE a><multistatus xmlns="DAV:"/>',
        '<multistatus xmlns="DAV:"><response>',
        "not xml",
    ],
)
def test_a_reply_that_defines_anything_is_refused(bomb):
    with served(reply(bomb.encode(), status="207 Multi-Status")) as server:
        began = time.monotonic()
        with pytest.raises(Busy):
            connector(server).groups()
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("markup", ["<a/>" * 1001, "<a " + " ".join(f'b{n}=""' for n in range(1001)) + "/>"])
def test_a_reply_of_nothing_but_markup_is_refused_unread(monkeypatch, markup):
    """A few bytes of it become hundreds in memory."""
    answer = dav_module.Answer(207, {}, f"<m>{markup}</m>".encode())
    assert len(answer.tree()) in (1, 1001)
    monkeypatch.setattr(dav_module, "MAX_MARKS", 1000)
    with pytest.raises(Busy):
        answer.tree()


def test_a_reply_that_drips_is_cut():
    """A byte now and then keeps a socket's own timeout from ever passing."""
    gone = threading.Event()

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 1000000\r\n\r\n"
        while not gone.wait(0.01):
            yield b" "

    with served(drip()) as server:
        book = Dav(f"http://127.0.0.1:{server.port}/", "ann", "s3cret", allowing(server), answer_s=0.3)
        with pytest.raises(Busy):
            book.ask("PROPFIND", "/")
        gone.set()


@pytest.mark.parametrize("status", ["9" * 5000, "-1", "٢٠٠", "2000"])
def test_a_status_that_is_none_is_passed_over(status):
    body = f'<multistatus xmlns="DAV:"><response><href>/x</href><status>HTTP/1.1 {status}</status></response></multistatus>'
    [member] = dav_module.members(dav_module.Answer(207, {}, body.encode()))
    assert member.status == 200


@pytest.mark.parametrize(
    ("written", "etag"),
    [('"a&#10;X-Evil: 1"', '"a X-Evil: 1"'), ('"a&#13;&#10;b"', '"a b"'), ('"žluť €"', '"žluť €"')],
)
def test_an_etag_is_one_line_of_a_header_whatever_it_holds(written, etag):
    card = f"<getetag>{written}</getetag><C:address-data>{escape(CARD)}</C:address-data>"
    found = multistatus(response(f"{BOOK}m1.vcf", card))
    done = reply(b"", status="204 No Content", Connection="close")
    with served(found, found, done, found) as server:
        book = connector(server)
        stored = book.read([f"{BOOK}m1.vcf"])[f"{BOOK}m1.vcf"]
        [(_, outcome)] = book.update([Edit(stored, {**ADA, "notes": "new"})])
        put = server.requests[2]
    assert isinstance(outcome, Written)
    assert put.headers["if-match"].encode("latin-1").decode() == etag
    assert "x-evil" not in put.headers


def test_a_password_is_not_sent_unencrypted():
    guard = Guard(frozenset({("127.0.0.1", 1)}), resolver=answering([PUBLIC]))
    with watching() as attempts:
        with pytest.raises(UnreadableFile, match="encryption_needed"):
            Dav("http://dav.example.com/", "ann", "s3cret", guard).ask("PROPFIND", "/")
        assert attempts == []


@pytest.mark.parametrize(
    ("ways", "error"),
    [
        (['Digest realm="BaikalDAV", nonce="1"'], UnreadableFile),
        (['Basic realm="a"'], AccessLost),
        (['Digest realm="a"', 'basic realm="a"'], AccessLost),
        ([], AccessLost),
    ],
)
def test_a_server_that_asks_for_another_way_of_signing_in_is_told_from_a_wrong_password(ways, error):
    head = "".join(f"WWW-Authenticate: {way}\r\n" for way in ways)
    refused = f"HTTP/1.1 401 Unauthorized\r\n{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
    with served([refused.encode()]) as server, pytest.raises(error) as caught:
        connector(server).groups()
    assert caught.value.detail.endswith(".")


def test_a_password_is_not_sent_to_another_host():
    elsewhere = reply(b"", status="301 Moved", Location="http://127.0.0.2:8/", Connection="close")
    with served(elsewhere) as server:
        with pytest.raises(UnreadableFile, match="redirected_elsewhere") as caught:
            dav(server).ask("PROPFIND", "/")
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["current-user-principal", "C:addressbook-home-set"])
def test_a_password_is_not_sent_to_a_host_that_an_answer_names(name):
    elsewhere = response("/", f"<{name}><href>https://dav.example.org/ann/</href></{name}>")
    with WebServer(lambda _: multistatus(elsewhere)) as server:
        book = dav(server, host="dav.example.com")
        with watching() as attempts:
            with pytest.raises(UnreadableFile, match="redirected_elsewhere"):
                CardDavConnector(book, discover(book), country="GB", username="ann").holder()
            assert set(attempts) == {("127.0.0.1", server.port)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("example.com", "DAV.example.com."),
        ("contacts.icloud.com", "p42-contacts.icloud.com"),
        ("dav.example.co.uk", "example.co.uk"),
        ("www.example.de", "dav.example.de"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_hosts_of_one_family(one, other):
    assert family(one) == family(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("example.com", "example.org"),
        ("dav.example.co.uk", "dav.other.co.uk"),
        ("example.com.au", "other.com.au"),
        ("8.8.0.1", "9.9.0.1"),
        ("2001:4860::1", "2001:4861::1"),
    ],
)
def test_hosts_that_only_look_like_one_family(one, other):
    assert family(one) != family(other)


def test_addresses_inside_are_not_asked():
    guard = Guard()
    with pytest.raises(UnreadableFile, match="address_not_allowed"):
        Dav("https://169.254.169.254/", "ann", "s3cret", guard).ask("PROPFIND", "/")

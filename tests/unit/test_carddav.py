"""What CardDAV servers do, and what is not done for them. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import pytest

from contactsync.connectors import dav as dav_module
from contactsync.connectors.carddav import FORBIDDEN, CardDavConnector, discover
from contactsync.connectors.dav import Dav, family
from contactsync.connectors.vcards import Translation, VCard
from contactsync.core.vcard.reading import PROPERTIES
from contactsync.errors import AccessLost, Busy, CursorExpired, UnreadableFile
from contactsync.model.card import Changed, Draft, Edit, Missing, Refused, Unknown, Written
from contactsync.sources.net import Guard
from tests.contract.cards import ADA
from tests.fakes.webserver import Answer, Request, WebServer, reply
from tests.support.outgoing import PUBLIC, answering, inside, watching
from tests.support.portraits import portrait

CARDS = Translation("GB")
CARD = CARDS.text(CARDS.new(ADA, uid="m1"))
BOOK = "/ann/contacts/"


def dav(server: WebServer, *, path: str = "/", host: str = "127.0.0.1") -> Dav:
    names = ("127.0.0.1", "localhost", "example.com", "dav.example.com")
    return Dav(f"http://{host}:{server.port}{path}", "ann", "s3cret", allowing(server, *names), timeout_s=5)


def allowing(server: WebServer, *names: str) -> Guard:
    return Guard(frozenset((name, server.port) for name in names or ("127.0.0.1",)), resolver=inside)


def connector(server: WebServer) -> CardDavConnector:
    return CardDavConnector(dav(server), "/ann/", country="GB", username="ann")


def multistatus(*responses: str, token: str = "") -> Answer:
    token = f"<sync-token>{token}</sync-token>" if token else ""
    body = f'<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">{"".join(responses)}{token}</multistatus>'
    return reply(body.encode(), status="207 Multi-Status", Connection="close")


def response(href: str, properties: str = "", *, status: int = 200) -> str:
    if status != 200:
        return f"<response><href>{href}</href><status>HTTP/1.1 {status} X</status></response>"
    found = f"<propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat>"
    return f"<response><href>{href}</href>{found}</response>"


BOOK_KIND = "<resourcetype><collection/><C:addressbook/></resourcetype>"


def served(*answers: Callable[[Request], Answer] | Answer) -> WebServer:
    """A server that gives these answers in turn."""
    left = list(answers)

    def answer(request: Request) -> Answer:
        following = left.pop(0)
        return following(request) if callable(following) else following

    return WebServer(answer)


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


def test_books_are_found_from_any_address_of_the_server():
    def moved(request: Request) -> Answer:
        assert request.target == "/.well-known/carddav"
        return reply(b"", status="301 Moved", Location="/dav/", Connection="close")

    principal = response("/dav/", "<current-user-principal><href>/dav/ann/</href></current-user-principal>")
    home = "<C:addressbook-home-set><href>/dav/books%20of%20ann/</href></C:addressbook-home-set>"
    nothing = reply(b"", status="404 Not Found", Connection="close")
    with served(nothing, moved, multistatus(principal), multistatus(response("/dav/ann/", home))) as server:
        found = discover(dav(server, path="/somewhere"))
        assert found == f"http://127.0.0.1:{server.port}/dav/books%20of%20ann/"


def test_books_are_where_the_server_refers_to():
    """RFC 6764, 6: the host that people know sends to the one that has the books; from then on it is the other's."""
    asked = []

    def answer(request: Request) -> Answer:
        host, port = request.headers["host"].split(":")
        asked.append((host, request.target))
        match asked[-1]:
            case "example.com", "/.well-known/carddav":
                there = f"http://dav.example.com:{port}/dav/"
                return reply(b"", status="301 Moved", Location=there, Connection="close")
            case "dav.example.com", "/dav/":
                principal = "<current-user-principal><href>/dav/ann/</href></current-user-principal>"
                return multistatus(response("/dav/", principal))
            case "dav.example.com", "/dav/ann/":
                home = f"https://dav.example.com:{port}/books/"  # a server that does not know its own scheme
                properties = f"<C:addressbook-home-set><href>{home}</href></C:addressbook-home-set>"
                return multistatus(response("/dav/ann/", properties))
            case "dav.example.com", "/books/":
                return multistatus(response("/books/one/", BOOK_KIND))
        return reply(b"", status="404 Not Found", Connection="close")

    with WebServer(answer) as server:
        book = dav(server, host="example.com")
        found = CardDavConnector(book, discover(book), country="GB", username="ann")
        assert found.holder().subject == f"http://dav.example.com:{server.port}/books/"
        assert [group.id for group in found.groups()] == ["all", "/books/one/"]


def test_proxies_that_write_headers_in_small_letters_are_followed_and_left_alone_as_well():
    """HAProxy writes all of them so; a server behind one seemed to have no address books."""

    def answer(request: Request) -> Answer:
        if request.target == "/.well-known/carddav":
            return reply(b"", status="301 Moved", location="/dav/", Connection="close")
        if request.target == "/dav/":
            return multistatus(response("/dav/", BOOK_KIND))
        return reply(b"", status="404 Not Found", Connection="close")

    with WebServer(answer) as server:
        assert discover(dav(server)) == f"http://127.0.0.1:{server.port}/"
    busy: dict[str, Any] = {"status": "503 Busy", "retry-after": "3600", "Connection": "close"}
    with WebServer(lambda _: reply(b"", **busy)) as server:
        with pytest.raises(Busy) as caught:
            dav(server).ask("PROPFIND", "/")
        assert caught.value.retry_after_s == 3600
        with pytest.raises(Busy):
            dav(server).write("DELETE", "/x")


def test_the_address_of_a_book_will_do():
    with served(multistatus(response(BOOK, BOOK_KIND))) as server:
        assert discover(dav(server, path=BOOK)) == f"http://127.0.0.1:{server.port}/ann/"


def test_cards_are_made_in_the_first_book_that_can_be_written():
    """A book that somebody shares, or the server's own, may come first."""
    may = "<current-user-privilege-set>{}</current-user-privilege-set>"
    reads = may.format("<privilege><read/></privilege>")
    writes = may.format("<privilege><read/></privilege><privilege><write/></privilege>")
    books = (
        response("/ann/bobs/", BOOK_KIND + reads),
        response("/ann/own/", BOOK_KIND + writes),
        response("/ann/silent/", BOOK_KIND),
    )
    data = f'<getetag>"1"</getetag><C:address-data>{escape(CARD)}</C:address-data>'
    made = reply(b"", status="201 Created", Connection="close")
    found = multistatus(response("/ann/own/m1.vcf", data))
    with served(multistatus(*books), multistatus(*books), made, found) as server:
        book = connector(server)
        assert [group.writable for group in book.groups()] == [True, False, True, True]
        [(_, outcome)] = book.create("all", [Draft("m1", ADA)])
        assert isinstance(outcome, Written)
        assert server.requests[2].target == "/ann/own/m1.vcf"


def test_where_there_is_no_book_it_is_said():
    with WebServer(lambda _: reply(b"<html>", status="200 OK", Connection="close")) as server:
        with pytest.raises(UnreadableFile, match="no_address_book") as caught:
            discover(dav(server))
        assert caught.value.detail.endswith(".")


def test_a_list_that_is_cut_short_on_purpose_goes_on():
    """RFC 6578, 3.6: 507 for the collection, and the token to go on with."""

    def asked(token: str) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            assert request.method == "REPORT"
            number = "1" if token == "t1" else "2"
            parts = [response(f"{BOOK}{number}.vcf", "<getetag>e</getetag>")]
            return multistatus(*parts, *([response(BOOK, status=507)] if token == "t1" else []), token=token)

        return answer

    def card(number: int) -> Answer:
        data = f"<getetag>e</getetag><C:address-data>{escape(CARD)}</C:address-data>"
        return multistatus(response(f"{BOOK}{number}.vcf", data))

    with served(asked("t1"), card(1), asked("t2"), card(2)) as server:
        parts = list(connector(server).pull(BOOK, ""))
    assert [each.id for part in parts for each in part.cards] == [f"{BOOK}1.vcf", f"{BOOK}2.vcf"]
    assert parts[-1].cursor


def test_who_was_in_a_book_that_is_gone_as_a_whole_is_found_out_by_looking_at_all():
    one, other = (response(f"/ann/{name}/", BOOK_KIND) for name in ("one", "other"))
    with served(multistatus(one, other), multistatus(token="t1"), multistatus(token="t2")) as server:
        *_, last = connector(server).pull("all", "")
    with served(multistatus(one)) as server, pytest.raises(CursorExpired):
        list(connector(server).pull("all", last.cursor))


def test_a_server_that_gives_no_etag_or_rewrites_the_card_is_read_back():
    """Case 7."""
    rewritten = CARDS.text(CARDS.new({**ADA, "notes": "rewritten"}, uid="m1"))
    data = f'<getetag>"after"</getetag><C:address-data>{escape(rewritten)}</C:address-data>'
    made = reply(b"", status="201 Created", Connection="close")
    with served(made, multistatus(response(f"{BOOK}m1.vcf", data))) as server:
        [(_, outcome)] = connector(server).create(BOOK, [Draft("m1", ADA)])
    assert isinstance(outcome, Written)
    assert (outcome.card.etag, outcome.card.fields["notes"]) == ('"after"', "rewritten")


def test_a_card_that_is_there_already_under_our_name_was_made_by_us():
    """Case 4: the answer to the first try was lost."""
    data = f'<getetag>"1"</getetag><C:address-data>{escape(CARD)}</C:address-data>'
    there = reply(b"", status="412 Precondition Failed", Connection="close")
    with served(there, multistatus(response(f"{BOOK}m1.vcf", data))) as server:
        [(_, outcome)] = connector(server).create(BOOK, [Draft("m1", ADA)])
        assert server.requests[0].headers["if-none-match"] == "*"
    assert isinstance(outcome, Written)
    assert outcome.card.marker == "m1"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (f"{BOOK}m1.vcf", f"{BOOK}m1.vcf"),
        (f"https://example.com{BOOK}M%c3%bcller%20%40.vcf", f"{BOOK}M%C3%BCller%20@.vcf"),
        (f"{BOOK}a%2Fb.vcf", f"{BOOK}a%2Fb.vcf"),
        (f"{BOOK}M%FCller.vcf", f"{BOOK}M%FCller.vcf"),
        (f"{BOOK}Müller.vcf", f"{BOOK}M%C3%BCller.vcf"),
    ],
    ids=["plain", "escaped otherwise", "a slash in a name", "another charset", "not escaped"],
)
def test_a_card_s_path_has_one_spelling_and_leads_to_the_card(written, plain):
    data = f'<getetag>"1"</getetag><C:address-data>{escape(CARD)}</C:address-data>'
    done = reply(b"", status="204 No Content", Connection="close")
    with served(multistatus(response(written, data)), done) as server:
        [card] = connector(server).read([plain]).values()
        list(connector(server).delete([card]))
        assert (card.id, server.requests[1].target) == (plain, plain)


def test_a_card_that_cannot_be_read_now_is_not_gone():
    with served(multistatus(response(f"{BOOK}m1.vcf", status=503))) as server, pytest.raises(Busy):
        connector(server).read([f"{BOOK}m1.vcf"])


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (CARD.replace("END:VCARD", ""), 200, "no END:VCARD"),
        ("", 200, "does not give"),
        ("", 403, "does not give"),
    ],
    ids=["no end", "empty", "forbidden"],
)
def test_a_card_that_cannot_be_read_is_there_and_says_why(data, status, told):
    """Who is not there is deleted."""
    text = f'<getetag>"1"</getetag><C:address-data>{escape(data)}</C:address-data>'
    found = multistatus(response(f"{BOOK}m1.vcf", text, status=status))
    with served(found, found, found, found) as server:
        book = connector(server)
        [card] = book.read([f"{BOOK}m1.vcf"]).values()
        assert (card.id, card.fields) == (f"{BOOK}m1.vcf", {})
        assert card.id in card.damage
        assert told in card.damage
        [(_, outcome)] = book.update([Edit(card, ADA)])
        assert outcome == Refused("card_unreadable", card.damage)
        assert book.put_photo(card, b"...") == outcome
        assert book.photo(card) is None


@pytest.mark.parametrize("status", [404, 410])
def test_a_card_that_is_gone_is_not_there_however_the_server_says_so(status):
    nothing = f"<propstat><prop><getetag/></prop><status>HTTP/1.1 {status} X</status></propstat>"
    of_its_parts = f"<response><href>{BOOK}m1.vcf</href>{nothing}</response>"
    for told in (response(f"{BOOK}m1.vcf", status=status), of_its_parts):
        with served(multistatus(told)) as server:
            assert connector(server).read([f"{BOOK}m1.vcf"]) == {}


def test_a_card_that_went_while_we_looked_is_missing():
    card = f'<getetag>"1"</getetag><C:address-data>{escape(CARD)}</C:address-data>'
    found = multistatus(response(f"{BOOK}m1.vcf", card))
    gone = reply(b"", status="404 Not Found", Connection="close")
    with served(found, found, gone) as server:
        book = connector(server)
        stored = book.read([f"{BOOK}m1.vcf"])[f"{BOOK}m1.vcf"]
        [(_, outcome)] = book.update([Edit(stored, {**ADA, "notes": "new"})])
    assert outcome == Missing()


@pytest.mark.parametrize(
    "write",
    [
        lambda book, card: next(book.update([Edit(card, {**ADA, "notes": "new"})]))[1],
        lambda book, card: book.put_photo(card, portrait(1)),
        lambda book, card: next(book.delete([card]))[1],
    ],
    ids=["fields", "a picture", "a deletion"],
)
def test_who_changes_a_card_just_before_we_write_is_not_overwritten(write):
    changed: list[str] = []
    overwritten: list[str] = []

    def answer(request: Request) -> Answer:
        if request.method == "REPORT":
            etag = '"2"' if changed else '"1"'
            data = f"<getetag>{etag}</getetag><C:address-data>{escape(CARD)}</C:address-data>"
            return multistatus(response(f"{BOOK}m1.vcf", data))
        changed.append("just before")
        if request.headers.get("if-match") == '"1"':
            return reply(b"", status="412 Precondition Failed", Connection="close")
        overwritten.append(request.method)
        return reply(b"", status="204 No Content", Connection="close")

    with WebServer(answer) as server:
        book = connector(server)
        stored = book.read([f"{BOOK}m1.vcf"])[f"{BOOK}m1.vcf"]
        outcome = write(book, stored)
    assert (outcome, overwritten) == (Changed(), [])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("500 Internal Server Error", Unknown()),
        ("502 Bad Gateway", Unknown()),
        ("503 Service Unavailable", Unknown()),
        ("501 Not Implemented", Refused("not_taken", "The server did not take the contact (501).")),
        ("507 Insufficient Storage", Refused("book_full", "The server has no room left. Make room there.")),
        ("403 Forbidden", Refused("not_taken", FORBIDDEN)),
        ("415 Unsupported Media Type", Refused("not_taken", "The server did not take the contact (415).")),
    ],
)
def test_only_a_refusal_that_is_certain_is_taken_for_one(status, outcome):
    """The card may be there all the same: whoever stands before a server does not know what became of a request."""
    with served(reply(b"", status=status, Connection="close")) as server:
        [(_, told)] = connector(server).create(BOOK, [Draft("m1", ADA)])
    assert told == outcome


@pytest.mark.parametrize("day", ["0001-01-01", "45010101"])
def test_what_programs_write_for_no_date_is_no_birthday(day):
    card = CARDS.parse(CARD.replace("END:VCARD", f"BDAY:{day}\r\nEND:VCARD"))
    assert card is not None
    assert "birthday" not in CARDS.fields(card)


def test_a_card_that_is_refused_for_what_is_in_it_is_nobodys_lack_of_rights():
    """RFC 6352 lets servers say 403 for both."""
    body = b'<error xmlns="DAV:"><C:max-resource-size xmlns:C="urn:ietf:params:xml:ns:carddav"/></error>'
    with served(reply(body, status="403 Forbidden", Connection="close")) as server:
        [(_, told)] = connector(server).create(BOOK, [Draft("m1", ADA)])
    assert told == Refused("not_taken", "The server did not take the contact (403, max-resource-size).")


@pytest.mark.parametrize(
    ("kind", "member"), [("KIND", "MEMBER"), ("X-ADDRESSBOOKSERVER-KIND", "X-ADDRESSBOOKSERVER-MEMBER")]
)
def test_a_list_of_more_people_than_a_card_has_lines_is_nobodys_card(kind, member):
    people = "".join(f"{member}:urn:uuid:{number}\r\n" for number in range(PROPERTIES + 1))
    text = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:All\r\n{kind}:group\r\n{people}END:VCARD\r\n"
    data = f'<getetag>"1"</getetag><C:address-data>{escape(text)}</C:address-data>'
    with served(multistatus(response(f"{BOOK}all.vcf", data))) as server:
        assert connector(server).read([f"{BOOK}all.vcf"]) == {}


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_all_else_that_a_card_holds_stays(version):
    """Case 38."""
    text = (
        f"BEGIN:VCARD\r\nVERSION:{version}\r\nUID:u\r\nFN:Ada\r\nN:;Ada;;;\r\nTEL;TYPE=work;X-OWN=1:020 7946 0018\r\n"
        "TEL:ask at the desk\r\nX-FATHER:Byron\r\nIMPP:xmpp:ada@example.com\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\r\n"
        "EMAIL;X-OWN=2:Ada@Example.COM\r\nURL;X-OWN=3:Example.com/ada\r\nEND:VCARD\r\n"
    )
    vcard = CARDS.parse(text)
    assert vcard is not None
    fields = CARDS.fields(vcard)
    assert fields["birthday"] == "--02-29", "case 28"
    assert [phone["value"] for phone in fields["phones"]] == ["+442079460018"]
    after = CARDS.text(CARDS.changed(vcard, {**fields, "notes": "new"}))
    for line in (
        "TEL;TYPE=work;X-OWN=1:020 7946 0018",
        "TEL:ask at the desk",
        "EMAIL;X-OWN=2:Ada@Example.COM",
        "URL;X-OWN=3:Example.com/ada",
        "X-FATHER:Byron",
        "1604-02-29",
    ):
        assert line in after
    assert "NOTE:new" in after
    assert f"VERSION:{version}" in after


def card_with(*lines: str, version: str = "3.0") -> VCard:
    text = "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", "FN:Ada", *lines, "END:VCARD", ""])
    vcard = CARDS.parse(text)
    assert vcard is not None
    return vcard


@pytest.mark.parametrize(
    ("version", "kind", "line"),
    [
        ("3.0", "PNG", "PHOTO;ENCODING=b;TYPE=PNG:"),
        ("3.0", "JPEG", "PHOTO;ENCODING=b;TYPE=JPEG:"),
        ("4.0", "PNG", "PHOTO:data:image/png;base64,"),
    ],
)
def test_a_picture_is_written_as_the_version_of_its_card_has_it(version, kind, line):
    picture = portrait(1, kind=kind)
    text = CARDS.text(CARDS.pictured(card_with(version=version), picture))
    assert line in text.replace("\r\n ", "")
    again = CARDS.parse(text)
    assert again is not None
    assert CARDS.picture(again) == picture


def test_a_picture_is_read_though_its_signs_were_escaped():
    data = base64.b64encode(portrait(1)).decode()
    card = card_with(f"PHOTO:data:image/png\\;base64\\,{data}", version="4.0")
    assert CARDS.picture(card) == portrait(1)


def test_a_picture_that_lies_elsewhere_is_another_one_at_another_address():
    told = {CARDS.picture_token(card_with(f"PHOTO;VALUE=uri:https://example.com/{n}.jpg")) for n in (1, 2)}
    assert len(told) == 2
    assert "" not in told


@pytest.mark.parametrize("kind", ["X-ADDRESSBOOKSERVER-KIND", "KIND", "kind"])
def test_a_group_of_apple_s_is_nobody(kind):
    """Apple's programs keep each group as a card of its own, which lists those who are in it."""
    group = f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:g\r\nN:Friends\r\nFN:Friends\r\n{kind}:group\r\nEND:VCARD\r\n"
    told = (response(f"{BOOK}{name}.vcf", "<getetag>e</getetag>") for name in ("g", "m1"))
    cards = (
        response(f"{BOOK}{name}.vcf", f"<getetag>e</getetag><C:address-data>{escape(text)}</C:address-data>")
        for name, text in (("g", group), ("m1", CARD))
    )
    with served(multistatus(*told, token="t1"), multistatus(*cards)) as server:
        parts = list(connector(server).pull(BOOK, ""))
    assert [card.id for part in parts for card in part.cards] == [f"{BOOK}m1.vcf"]


def test_a_card_is_read_however_large_its_picture_is():
    """One that could not be read would seem to be deleted. A file's cards are bounded, a server's answers already are."""
    large = CARDS.pictured(CARDS.new(ADA, uid="m1"), b"\x89PNG" + bytes(4_000_000))
    found = CARDS.parse(CARDS.text(large))
    assert found is not None
    assert CARDS.fields(found) == CARDS.held(ADA)


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_of_several_names_titles_and_companies_the_others_stay(version):
    """Case 38: the first is read and written; the department keeps its parts where it does not change."""
    second = "PREF=2" if version == "4.0" else "TYPE=pref"
    lines = ["FN:Ada", f"FN;{second}:Ada Lovelace", "N:;Ada;;;", "TITLE:Countess", "TITLE:Programmer"]
    lines += ["ORG:Engines;Mill;Store", "ORG:Royal Society"]
    vcard = CARDS.parse("\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"]) + "\r\n")
    assert vcard is not None
    fields = CARDS.fields(vcard)
    assert (fields["name"], fields["department"]) == ("Ada Lovelace", "Mill / Store")
    after = {**fields, "name": "Ada King", "job_title": "Analyst", "organization": "Engines Ltd"}
    changed = CARDS.changed(vcard, after)
    assert CARDS.fields(changed) == after
    text = CARDS.text(changed)
    for line in (
        "FN:Ada\r",
        "TITLE:Programmer",
        "ORG:Royal Society",
        "ORG:Engines Ltd;Mill;Store",
        "Ada King",
    ):
        assert line in text
    assert "Ada Lovelace" not in text
    assert "TITLE" not in CARDS.text(CARDS.changed(vcard, {**fields, "job_title": ""}))


def test_a_number_that_we_cannot_read_stays_the_preferred_one():
    """Of iPhones: whatever else is written, and whatever becomes of the other numbers."""
    first, *others = (
        "TEL;type=CELL;type=pref:ask at the desk",
        "TEL;type=HOME:020 7946 0018",
        "TEL:020 7946 0019",
    )
    lines = ["BEGIN:VCARD", "VERSION:3.0", "FN:Ada", first, *others, "END:VCARD", ""]
    vcard = CARDS.parse("\r\n".join(lines))
    assert vcard is not None
    fields = CARDS.fields(vcard)
    assert "\r\n".join([first, *others]) in CARDS.text(CARDS.changed(vcard, {**fields, "notes": "new"}))
    new = {"value": "+442079460017", "text": "020 7946 0017"}
    changed = CARDS.changed(vcard, {**fields, "phones": [new, *fields["phones"]]})
    assert "\r\n".join([first, "TEL:020 7946 0017", *others]) in CARDS.text(changed)
    assert CARDS.fields(changed)["phones"] == [new, *fields["phones"]]


def test_a_name_without_parts_is_shown_by_phones_as_well():
    """Apple's make what they show of the parts: without any they show the company in place of the name."""
    fields = {"name": "Ada King", "organization": "Engines"}
    vcard = CARDS.new(fields, uid="m1")
    assert "N:;Ada King;;;\r\n" in CARDS.text(vcard)
    assert CARDS.fields(vcard) == CARDS.held(fields) == fields
    for changed, n in (
        ({**fields, "name": "Ada Byron"}, "N:;Ada Byron;;;"),
        ({**fields, "given_name": "Ada", "family_name": "King"}, "N:King;Ada;;;"),
        ({"name": "Engines", "organization": "Engines"}, "N:;;;;"),
        ({}, "N:;;;;"),
    ):
        after = CARDS.changed(vcard, changed)
        assert f"{n}\r\n" in CARDS.text(after)
        assert CARDS.fields(after) == changed
        assert "N:;Ada King;;;\r\n" in CARDS.text(CARDS.changed(after, fields))


def test_a_name_without_parts_of_another_program_s_is_left_as_it_is():
    vcard = CARDS.parse("BEGIN:VCARD\r\nVERSION:3.0\r\nN:;;;;\r\nFN:Ada King\r\nEND:VCARD\r\n")
    assert vcard is not None
    assert "N:;;;;\r\n" in CARDS.text(CARDS.changed(vcard, {"name": "Ada King", "notes": "new"}))

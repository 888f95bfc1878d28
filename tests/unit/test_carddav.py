"""What CardDAV servers do, and what is not done for them. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import pytest

from contactsync.connectors.carddav import FORBIDDEN, UNREADABLE, CardDavConnector, discover
from contactsync.core.vcard.reading import PROPERTIES
from contactsync.errors import Busy, CursorExpired, UnreadableFile
from contactsync.model.card import Changed, Draft, Edit, Missing, Refused, Unknown, Written
from tests.contract.cards import ADA
from tests.fakes.webserver import Answer, Request, WebServer, reply
from tests.support.davserver import (
    BOOK,
    BOOK_KIND,
    CARD,
    CARDS,
    connector,
    dav,
    multistatus,
    response,
    served,
)
from tests.support.portraits import portrait


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
        assert outcome == Refused("card_unreadable", UNREADABLE)
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


@pytest.mark.parametrize("status", ["403 Forbidden", "409 Conflict"])
def test_a_card_that_is_refused_for_what_is_in_it_is_nobodys_lack_of_rights(status):
    """RFC 6352 lets servers say 403 for both, and 409: then nothing has changed, and the next run would be refused as well."""
    body = b'<error xmlns="DAV:"><C:max-resource-size xmlns:C="urn:ietf:params:xml:ns:carddav"/></error>'
    with served(reply(body, status=status, Connection="close")) as server:
        [(_, told)] = connector(server).create(BOOK, [Draft("m1", ADA)])
    why = f"The server did not take the contact ({status[:3]}, max-resource-size)."
    assert told == Refused("not_taken", why)


@pytest.mark.parametrize(
    ("kind", "member"), [("KIND", "MEMBER"), ("X-ADDRESSBOOKSERVER-KIND", "X-ADDRESSBOOKSERVER-MEMBER")]
)
def test_a_list_of_more_people_than_a_card_has_lines_is_nobodys_card(kind, member):
    people = "".join(f"{member}:urn:uuid:{number}\r\n" for number in range(PROPERTIES + 1))
    text = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:All\r\n{kind}:group\r\n{people}END:VCARD\r\n"
    data = f'<getetag>"1"</getetag><C:address-data>{escape(text)}</C:address-data>'
    with served(multistatus(response(f"{BOOK}all.vcf", data))) as server:
        assert connector(server).read([f"{BOOK}all.vcf"]) == {}

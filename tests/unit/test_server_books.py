"""Whole runs of a sync with a CardDAV server's book, whose cards other programs write in their own ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from contactsync.core.vcard import Card as VCard
from contactsync.core.vcard import Property
from contactsync.journeys.book.album import Album
from contactsync.journeys.book.bookfiles import BookFiles
from tests.contract.cards import ADA
from tests.contract.test_carddav import RadicaleBook
from tests.support.bookworld import BookWorld
from tests.support.portraits import portrait
from tests.support.world import Died


@pytest.fixture
def world(book_world: BookWorld) -> BookWorld:
    return book_world


@pytest.fixture
def book(world: BookWorld, tmp_path: Path) -> Iterator[RadicaleBook]:
    with RadicaleBook.served(tmp_path) as book:
        world.connect = lambda _: book.connector()
        yield book


def written(book: RadicaleBook, id_: str, *lines: str) -> None:
    """Another program adds these lines to a card."""
    card = book._card(id_)
    added = (Property(head, value) for head, _, value in (line.partition(":") for line in lines))
    book._store(id_, VCard(card.version, (*card.properties, *added)))


def text(book: RadicaleBook, id_: str) -> str:
    """A card as it lies there, unfolded."""
    return book.ask("GET", id_).text.replace("\r\n ", "")


def test_a_picture_that_lies_elsewhere_stays(world: BookWorld, book: RadicaleBook):
    """ICloud's cards say where their picture is. It cannot come in, and ours does not take its place."""
    id_ = book.add(ADA)
    written(book, id_, "PHOTO;VALUE=uri:https://gateway.example.com/ada.jpg")
    contact = world.add(ADA)
    photo = Album(world.photos, world.account.account_id).keep(contact, portrait(1))
    world.edit(contact, photo=photo, notes="Ours")
    sync = world.sync(group="")
    first = world.go(sync)
    assert "photo_not_taken" in {warning.code for warning in first.warnings}
    world.edit(contact, notes="Ours again")
    assert world.go(sync).warnings == ()
    assert "https://gateway.example.com/ada.jpg" in text(book, id_)
    assert "NOTE:Ours again" in text(book, id_)
    assert world.contact(contact).fields["photo"] == photo


def test_a_book_that_is_followed_and_deleted_ends_the_run_and_says_so(world: BookWorld, book: RadicaleBook):
    contact = world.add(ADA)
    sync = world.sync(group=book.group)
    world.go(sync)
    book.remove(book.group)
    run = world.go(sync)
    assert run.problem is not None
    assert (run.status, run.problem.code) == ("failed", "group_gone")
    assert list(world.everybody()) == [contact]


@pytest.mark.parametrize("status", ["415 Unsupported Media Type", "403 Forbidden", "501 Not Implemented"])
def test_a_book_without_a_list_of_changes_is_read_whole_once_it_has_changed(
    world: BookWorld, book: RadicaleBook, status: str
):
    """Nextcloud has one beside the usual ones, of whom somebody has written to, and other servers have no others."""
    server, asked = book.server, []
    app = server.app

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        if b"sync-collection" in body and environ["PATH_INFO"] == book.group:
            start(status, [])
            return [b""]
        asked.append((environ["REQUEST_METHOD"], b"multiget" in body))
        return app(environ, start)

    server.app = answer
    bob = {"name": "Bob", "emails": [{"value": "bob@example.com"}]}
    book.add(ADA)
    id_ = book.add(bob, group=book.group)
    sync = world.sync(group="")
    assert world.go(sync).counts.added == 2
    asked.clear()
    assert world.go(sync).status == "unchanged"
    assert ("REPORT", True) not in asked
    book.edit(id_, {**bob, "notes": "Called"})
    assert world.go(sync).counts.updated == 1
    assert world.contact(world.id_of("bob@example.com")).fields["notes"] == "Called"
    book.remove(id_)
    assert world.go(sync).counts.deleted == 1
    assert list(world.everybody()) == [world.id_of(ADA["emails"][0]["value"])]


def test_books_are_the_same_where_their_paths_have_no_slash_at_the_end(world: BookWorld, book: RadicaleBook):
    app = book.server.app

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return [part.replace(b"/</href>", b"</href>") for part in app(environ, start)]

    book.server.app = answer
    own, group = book.book.rstrip("/"), book.group.rstrip("/")
    assert [each.id for each in book.connector().groups()] == ["all", own, group]
    sync = world.sync(group=group)
    id_ = book.add(ADA, group=book.group)
    world.add({"name": "Bob", "emails": [{"value": "bob@example.com"}]})
    assert world.go(sync).counts.added == 1
    world.go(sync)
    assert len(book.connector().read([id_, *(link.id for link in world.links().values())])) == 2


def test_a_book_that_cannot_be_listed_at_all_is_away(world: BookWorld, book: RadicaleBook):
    app = book.server.app
    sync = world.sync(group=book.group)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == book.group:
            start("403 Forbidden", [])
            return [b""]
        return app(environ, start)

    world.go(sync)
    contact = world.add(ADA)
    world.go(sync)
    book.server.app = answer
    run = world.go(sync)
    assert (run.status, list(world.everybody())) == ("failed", [contact])


def puts_elsewhere(book: RadicaleBook, *, told: str) -> list[str]:
    """The server chooses where a new card lies, and tells by which of its ways; returns where they lie."""
    app = book.server.app
    moved: list[str] = []

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        if not told and b"addressbook-query" in body:
            start("403 Forbidden", [])
            return [b""]
        headers = []
        if environ["REQUEST_METHOD"] == "PUT" and environ.get("HTTP_IF_NONE_MATCH") == "*":
            moved.append(f"{book.book}own-{len(moved)}.vcf")
            environ |= {"PATH_INFO": moved[-1]}
            headers = [("Location", f"http://inner.example.com{moved[-1]}")] if told == "Location" else []
        environ["wsgi.input"] = BytesIO(body)
        return app(environ, lambda status, others: start(status, [*others, *headers]))

    book.server.app = answer
    return moved


@pytest.mark.parametrize("told", ["Location", "UID", ""])
def test_a_server_that_puts_new_cards_elsewhere_gets_each_once(
    world: BookWorld, book: RadicaleBook, told: str
):
    """One that nobody could find again was made anew by every run, and came back as another person each time."""
    moved = puts_elsewhere(book, told=told)
    world.add({"name": "Nobody's address"})
    sync = world.sync(group="")
    runs = [world.go(sync) for _ in range(4)]
    assert len(moved) == 1
    assert len(world.everybody()) == (1 if told else 2)
    assert [warning.code for warning in runs[0].warnings] == ([] if told else ["cards_refused"])
    assert runs[-1].status == "unchanged"


def test_a_card_that_lies_elsewhere_is_taken_back_by_an_undo(world: BookWorld, book: RadicaleBook, api):
    """By where it lies it was not known for the one that the run had made, and the undo said that it is gone."""
    moved = puts_elsewhere(book, told="Location")
    world.add({"name": "Nobody's address"})
    run = world.go(world.sync(group=""))
    assert book.connector().read(moved).keys() == {*moved}
    world.execute(world.control.run(run.account_id, api.post(f"/runs/{run.id}/undo").json["id"]).value)
    assert book.connector().read(moved) == {}


def test_a_card_that_lies_elsewhere_is_not_made_again_by_a_worker_that_takes_over(
    world: BookWorld, book: RadicaleBook, monkeypatch: pytest.MonkeyPatch
):
    moved = puts_elsewhere(book, told="Location")
    world.add({"name": "Nobody's address"})
    done, deaths = BookFiles.save_done, iter([Died])

    def dies(*told: Any) -> None:
        for each in deaths:
            raise each
        done(*told)

    monkeypatch.setattr(BookFiles, "save_done", dies)
    assert world.go(world.sync(group="")).status == "succeeded"
    assert len(moved) == 1


def test_a_card_with_lines_that_are_none_is_read_without_them(world: BookWorld, book: RadicaleBook):
    """Some programs write such. A card that was not read counted as deleted where a whole book was read."""
    app, known = book.server.app, b"<sync-token>http"

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        if known in body:
            start("403 Forbidden", [])
            return [b""]
        return [
            part.replace(b"X-BROKEN:1", b";=&quot;Phone: 1&quot;:&#13;\nleft over")
            for part in app(environ, start)
        ]

    id_ = book.add(ADA)
    bob = book.add({"name": "Bob", "emails": [{"value": "bob@example.com"}]})
    sync = world.sync(group="")
    world.go(sync)
    written(book, id_, "X-BROKEN:1")
    book.server.app = answer
    run = world.go(sync)
    assert (run.status, run.counts.deleted, len(world.everybody())) == ("succeeded", 0, 2)
    book.remove(bob)
    assert world.go(sync).counts.deleted == 1  # the whole book was read
    contact = next(iter(world.everybody()))
    world.edit(contact, notes="Ours")
    world.go(sync)
    assert "NOTE:Ours" in text(book, id_)


def test_a_number_that_is_there_already_keeps_its_line(world: BookWorld, book: RadicaleBook):
    """Case 27: a meeting of the two is no reason to write it in our spelling, without what another program keeps by it."""
    id_ = book.add({**ADA, "phones": []})
    line = 'TEL;TYPE=work;X-LINE="2":+44 (0)20 7946-0018'
    written(book, id_, line)
    contact = world.add(ADA)
    world.edit(contact, phones=[*ADA["phones"], {"value": "+442079460019", "text": "020 7946 0019"}])
    world.go(world.sync(group=""))
    assert line.replace('"', "") in text(book, id_).replace('"', "")
    assert "020 7946 0019" in text(book, id_)
    assert world.contact(contact).fields["phones"][0] == ADA["phones"][0]

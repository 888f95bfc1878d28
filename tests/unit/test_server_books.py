"""Whole runs of a sync with a CardDAV server's book, whose cards other programs write in their own ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contactsync.core.vcard import Card as VCard
from contactsync.core.vcard import Property
from contactsync.journeys.book.album import Album
from tests.contract.cards import ADA
from tests.contract.test_carddav import RadicaleBook, radicale
from tests.fakes.wsgiserver import WsgiServer
from tests.support.bookworld import BookWorld
from tests.support.portraits import portrait


@pytest.fixture
def world() -> BookWorld:
    return BookWorld()


@pytest.fixture
def book(world: BookWorld, tmp_path: Path) -> Iterator[RadicaleBook]:
    with WsgiServer(radicale(tmp_path)) as server:
        book = RadicaleBook(server, tmp_path)
        book.open(books="/ann/")
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

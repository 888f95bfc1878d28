"""Cards that cannot be read, on a CardDAV server or in a file: they are there all the same, so nobody is deleted for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contactsync.connectors.carddav import CardDavConnector
from contactsync.connectors.dav import Answer
from contactsync.control.documents import put
from contactsync.core.decisions import Skip, read_decision
from contactsync.core.vcard import Card as VCard
from contactsync.core.vcard import Property
from contactsync.journeys.file.runfiles import files_of
from contactsync.model.connection import Intent
from contactsync.model.run import Run
from contactsync.ports import RecordKey
from tests.contract.cards import ADA
from tests.contract.test_carddav import CARDS, RadicaleBook
from tests.support.bookworld import CONNECTION, BookWorld
from tests.support.world import World

SPOILT = "X-SPOILT:here"
WITHOUT_END = re.compile(rb"(X-SPOILT:here(?:(?!END:VCARD).)*)END:VCARD", re.DOTALL)


class SpoiltBook(RadicaleBook):
    """A server that gives some cards without their end; what lies there is whole."""

    def spoils(self, body: bytes) -> bytes:
        return WITHOUT_END.sub(rb"\1", body)

    def connector(self) -> CardDavConnector:
        dav = self.dav()
        ask = dav.ask

        def spoiling(*asked: Any, **headers: Any) -> Answer:
            answer = ask(*asked, **headers)
            return replace(answer, body=self.spoils(answer.body))

        dav.ask = spoiling  # type: ignore[method-assign]
        return CardDavConnector(dav, self.home, country="GB", username="ann")

    def spoil(self, id_: str) -> None:
        card = self._card(id_)
        head, _, value = SPOILT.partition(":")
        self._store(id_, VCard(card.version, (*card.properties, Property(head, value))))

    def mend(self, id_: str) -> None:
        card = self._card(id_)
        self._store(id_, VCard(card.version, tuple(p for p in card.properties if p.name != "X-SPOILT")))


@pytest.fixture
def world() -> BookWorld:
    return BookWorld()


@pytest.fixture
def book(world: BookWorld, tmp_path: Path) -> Iterator[SpoiltBook]:
    with SpoiltBook.served(tmp_path) as book:
        world.connect = lambda _: book.connector()
        yield book


@pytest.fixture
def linked(world: BookWorld, book: SpoiltBook) -> tuple[str, str, str]:
    """A sync, a card, and its contact; another card is beside it."""
    id_ = book.add(ADA)
    book.add({"name": "Emmy Noether"})
    sync = world.sync(group="")
    world.go(sync)
    [contact] = (each for each, fields in world.everybody().items() if fields["name"] == ADA["name"])
    return sync, id_, contact


def told(run: Run) -> dict[str, str]:
    return {warning.code: warning.message for warning in run.warnings}


def test_whose_card_cannot_be_read_stays(world: BookWorld, book: SpoiltBook, linked: tuple[str, str, str]):
    """A complete list lacked the card, and one contact may go without asking."""
    sync, id_, contact = linked
    before = world.contact(contact)
    book.spoil(id_)
    for _ in range(2):
        book.expire()
        run = world.go(sync)
        assert (run.status, run.counts.deleted, run.counts.skipped) == ("succeeded", 0, 1)
        assert told(run)["card_unreadable"].startswith("1 cards cannot be read")
    assert world.contact(contact) == before


def test_it_is_told_which_card_it_is_and_what_is_wrong_with_it(world, book, linked):
    sync, id_, contact = linked
    book.spoil(id_)
    run = world.go(sync)
    told = [read_decision(line) for line in files_of(run, world.runs).plan(0)]
    [row] = [each for each in told if isinstance(each, Skip)]
    assert row.row.id == contact
    assert "has no END:VCARD" in row.reason
    assert id_ in row.reason
    assert ADA["name"] in row.reason


@pytest.mark.parametrize("known", [b"TEL;TYPE=work", b"TITLE"])
def test_what_a_broken_line_held_is_not_taken_away(world, book, linked, monkeypatch, known):
    """A line of no field of ours is passed over; this one says that there is a value, and not which."""
    sync, id_, contact = linked
    before = world.contact(contact).fields
    assert known + b":" in book.ask("GET", id_).content
    monkeypatch.setattr(book, "spoils", lambda body: body.replace(known + b":", known + b" "))
    book.edit(id_, {**ADA, "nickname": "Countess"})
    book.expire()
    run = world.go(sync)
    assert world.contact(contact).fields == before
    assert "card_unreadable" in told(run)
    monkeypatch.undo()
    book.edit(id_, {**ADA, "nickname": "Ada"})
    world.go(sync)
    assert world.contact(contact).fields == {**before, "nickname": "Ada"}


def test_what_was_edited_here_meanwhile_goes_there_once_it_can_be_read(world, book, linked):
    sync, id_, contact = linked
    book.spoil(id_)
    book.expire()
    world.go(sync)
    world.edit(contact, job_title="edited here")
    run = world.go(sync)
    assert run.counts.deleted == 0
    assert "The card cannot be read." in told(run)["cards_refused"]
    assert ADA["name"] not in run.model_dump_json()  # which is kept for a year, whoever is erased
    assert world.go(sync).counts.deleted == 0
    assert "edited here" not in book.ask("GET", id_).text
    book.mend(id_)
    world.go(sync)
    world.go(sync)
    assert "TITLE:edited here" in book.ask("GET", id_).text
    assert len([fields for fields in world.everybody().values() if fields["name"] == ADA["name"]]) == 1


def test_what_was_edited_there_comes_in_once_it_can_be_read(world, book, linked):
    sync, id_, contact = linked
    book.spoil(id_)
    world.go(sync)
    book.edit(id_, {**ADA, "job_title": "edited there"})
    world.go(sync)
    assert world.contact(contact).fields["job_title"] == ADA["job_title"]
    book.mend(id_)
    world.go(sync)
    assert world.contact(contact).fields["job_title"] == "edited there"


def test_whose_contact_is_deleted_here_keeps_the_card_until_it_can_be_read(world, book, linked):
    sync, id_, contact = linked
    book.spoil(id_)
    world.remove(contact)
    world.go(sync)
    world.go(sync)
    assert SPOILT in book.ask("GET", id_).text
    book.mend(id_)
    world.go(sync)
    world.go(sync)
    assert all(fields["name"] != ADA["name"] for fields in world.everybody().values())


def test_a_new_card_that_cannot_be_read_is_told_and_comes_in_later(world, book, linked):
    sync, *_ = linked
    id_ = book.add({"name": "Grace Hopper"})
    book.spoil(id_)
    run = world.go(sync)
    assert "card_unreadable" in told(run)
    assert len(world.everybody()) == 2
    book.mend(id_)
    assert world.go(sync).counts.added == 1


def test_a_card_that_we_have_made_and_cannot_read_takes_nothing_from_its_contact(world, book, linked):
    """The answer to its creation was lost, and something has spoilt it since."""
    sync, *_ = linked
    contact = world.add({"name": "Grace Hopper", "job_title": "Admiral"})
    fields = dict(world.contact(contact).fields)
    id_ = f"{book.book}made-by-us.vcf"
    book._store(id_, CARDS.new(fields, uid="made-by-us"))
    book.spoil(id_)
    intent = Intent(contact_id=contact, at=world.clock.now().timestamp(), agreed=fields, seen=fields)
    key = RecordKey(f"{world.account.account_id}#{CONNECTION}", "intent#made-by-us")
    world.records.commit([put(key, intent)])
    for _ in range(2):
        world.go(sync)
        assert dict(world.contact(contact).fields) == fields
    book.mend(id_)
    world.edit(contact, job_title="Rear admiral")
    world.go(sync)
    world.go(sync)
    assert "TITLE:Rear admiral" in book.ask("GET", id_).text
    assert len(world.everybody()) == 3


CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Person {n}\r\nEMAIL:p{n}@example.com\r\nEND:VCARD\r\n"


@pytest.mark.parametrize(
    ("spoilt", "line"),
    [
        (CARD.replace("EMAIL:", "no line\r\nEMAIL:"), 91),
        (CARD.replace("END:VCARD\r\n", ""), 91),
        (CARD.replace("BEGIN:VCARD\r\n", ""), 91),
    ],
    ids=["a line that is none", "no end", "no beginning"],
)
def test_whose_card_in_a_file_cannot_be_read_is_deleted_only_if_somebody_agrees(spoilt: str, line: int):
    """Of a file that deletes whom it lacks."""
    world = World()
    whole = "".join(CARD.format(n=n) for n in range(20))
    asked = {"format": {"kind": "vcard"}, "options": {"delete_missing": {"scope": "all"}}}
    first = world.import_rows(whole, [], **asked)
    assert first.counts.added == 20
    world.clock.advance(timedelta(hours=1))
    later = world.again(first.sync_id, whole.replace(CARD.format(n=18), spoilt.format(n=18)))
    world.execute(later)
    run = world.run(later)
    assert run.problem is not None
    assert (run.status, run.problem.code) == ("awaiting_approval", "rows_unreadable")
    assert (run.counts.rejected, run.planned and run.planned.deleted) == (1, 1)
    [refused] = run.refusals
    assert refused.first_line == line
    assert len(world.stored()) == 20

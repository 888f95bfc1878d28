"""The contract of address books, by the CardDAV connector against Radicale and Xandikos."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

import pytest
import requests

from contactsync.connectors import dav as dav_module
from contactsync.connectors.carddav import CardDavConnector, discover
from contactsync.connectors.dav import Dav
from contactsync.connectors.vcards import Translation
from contactsync.core.vcard import Card as VCard
from contactsync.core.vcard import Property
from contactsync.model.contact import Fields
from contactsync.sources.net import Guard
from tests.contract.book import Book, pulled
from tests.contract.cards import NAMED, numbered, picture
from tests.contract.connector_contract import ConnectorContract
from tests.fakes.jsonserver import Mishap
from tests.fakes.radicale import MAKE_BOOK
from tests.fakes.wsgiserver import App, WsgiServer

CARDS = Translation("GB")


def radicale(folder: Path) -> App:
    from radicale.app import Application
    from radicale.config import load

    logging.getLogger("radicale").setLevel(logging.CRITICAL)
    configuration = load()
    configuration.update(
        {
            "storage": {"filesystem_folder": str(folder), "_filesystem_fsync": "False"},
            "auth": {"type": "remote_user"},
        },
        "test",
        privileged=True,
    )
    return Application(configuration)


def xandikos(folder: Path) -> App:
    from xandikos.web import SingleUserFilesystemBackend, XandikosApp
    from xandikos.wsgi_helpers import WellknownRedirector

    logging.getLogger("xandikos").setLevel(logging.CRITICAL)
    backend = SingleUserFilesystemBackend(path=str(folder))
    backend.create_principal("/ann/", create_defaults=True)
    backend._mark_as_principal("/ann/")
    app = XandikosApp(backend, "/ann/")
    return WellknownRedirector(app.handle_wsgi_request, "/")


class DavBook(Book):
    lacks = frozenset({"leave", "enter", "rename", "touch"})

    def __init__(self, server: WsgiServer) -> None:
        self.server = server
        self._numbers = 0
        self.home = ""

    def open(self, *, books: str) -> None:
        """Make two address books under `books`."""
        for name in ("a-contacts", "friends"):
            self.ask(
                "MKCOL",
                f"{books}{name}/",
                MAKE_BOOK.format(name=name.title()),
                **{"Content-Type": "text/xml"},
            )
        self.home = discover(self.dav())
        self.book, self.group = next(iter(self.connector()._books())), f"{books}friends/"

    def dav(self) -> Dav:
        guard = Guard(frozenset({("127.0.0.1", self.server.port)}))
        return Dav(self.server.url, "ann", "open sesame", guard, timeout_s=10)

    def connector(self) -> CardDavConnector:
        return CardDavConnector(self.dav(), self.home, country="GB", username="ann")

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> requests.Response:
        """Another app, with the same password."""
        answer = requests.request(
            method,
            urljoin(self.server.url, path),
            data=body.encode(),
            headers=headers,
            auth=(self.server.username, self.server.password),
            timeout=10,
        )
        assert answer.ok, (method, answer.status_code, answer.text[:300])
        return answer

    def add(self, fields: Fields, *, group: str = "") -> str:
        self._numbers += 1
        path = f"{group or self.book}other-{self._numbers}.vcf"
        self._store(path, CARDS.new(fields, uid=f"uid-of-another-app-{self._numbers}"))
        return path

    def edit(self, id_: str, fields: Fields) -> None:
        self._store(id_, CARDS.changed(self._card(id_), fields))

    def remove(self, id_: str) -> None:
        self.ask("DELETE", id_)

    def scribble(self, id_: str) -> None:
        vcard = self._card(id_)
        self._store(id_, VCard(vcard.version, (*vcard.properties, Property("X-FATHER", "Byron"))))

    def scribbled(self, id_: str) -> bool:
        return "X-FATHER:Byron" in self.ask("GET", id_).text

    def cut(self) -> None:
        self.server.cuts += 1

    def lose_answer(self) -> None:
        self.server.mishaps.append(Mishap.LOST)

    def calm(self) -> None:
        self.server.mishaps.clear()
        self.server.cuts = 0

    def lock(self) -> None:
        self.server.password = "another"

    def be_busy(self, retry_after_s: int) -> None:
        self.server.retry_after_s = retry_after_s

    def _card(self, path: str) -> VCard:
        found = CARDS.parse(self.ask("GET", path).text)
        assert found
        return found

    def _store(self, path: str, vcard: VCard) -> None:
        self.ask("PUT", path, CARDS.text(vcard), **{"Content-Type": "text/vcard; charset=utf-8"})


class RadicaleBook(DavBook):
    def __init__(self, server: WsgiServer, folder: Path) -> None:
        super().__init__(server)
        self.folder = folder

    @classmethod
    @contextmanager
    def served(cls, folder: Path) -> Iterator[Self]:
        """A server with a book, for as long as the block lasts."""
        with WsgiServer(radicale(folder)) as server:
            book = cls(server, folder)
            book.open(books="/ann/")
            yield book

    def expire(self) -> None:
        self.remove(self.add(NAMED))  # a token of the very state that there is would be made again
        for token in self.folder.rglob(".Radicale.cache/sync-token/*"):
            token.unlink()


class TestRadicale(ConnectorContract):
    @pytest.fixture
    def book(self, tmp_path: Path) -> Iterator[DavBook]:
        with RadicaleBook.served(tmp_path) as book:
            yield book

    def test_cards_that_are_too_large_for_one_answer_come_in_several(self, book, connector, monkeypatch):
        monkeypatch.setattr(dav_module, "MAX_ANSWER_BYTES", 50_000)
        ids = [book.add(numbered(number)) for number in range(6)]
        for id_ in ids:
            book._store(id_, CARDS.pictured(book._card(id_), picture() + bytes(10_000)))
        cards, _ = pulled(connector, book.book)
        assert cards.keys() == set(ids)
        before = connector.requests
        assert connector.read(ids).keys() == set(ids)
        assert connector.requests - before == 2, "it knows by now how many come at once"


class TestXandikos(ConnectorContract):
    @pytest.fixture
    def book(self, tmp_path: Path) -> Iterator[DavBook]:
        with WsgiServer(xandikos(tmp_path)) as server:
            book = DavBook(server)
            book.lacks = book.lacks | {"expire"}
            book.open(books="/ann/contacts/")
            yield book

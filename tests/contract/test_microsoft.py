"""The contract of address books, by Microsoft's connector against a Graph on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contactsync.connectors.microsoft import MicrosoftConnector
from contactsync.connectors.microsoft_contact import Translation
from contactsync.errors import AccessLost
from contactsync.model.contact import Fields
from tests.contract.book import Book
from tests.contract.connector_contract import ConnectorContract
from tests.fakes.graph import GraphServer
from tests.fakes.jsonserver import Mishap

CONTACTS = Translation("GB")


class MicrosoftBook(Book):
    lacks = frozenset({"rename"})

    def __init__(self, server: GraphServer) -> None:
        self.server = server
        self.group = server.add_folder("Friends")

    def connector(self) -> MicrosoftConnector:
        return MicrosoftConnector(self.access, country="GB", base=f"{self.server.url}/v1.0")

    def access(self, renew: bool) -> str:
        if renew and not self.server.tokens:
            raise AccessLost("access_lost", "Microsoft does not let us in any more.", "Connect again.")
        return next(iter(self.server.tokens), "dead")

    def add(self, fields: Fields, *, group: str = "") -> str:
        contact = {name: value for name, value in CONTACTS.contact(fields).items() if value}
        return self.server.add(contact, *([group] if group else []))

    def edit(self, id_: str, fields: Fields) -> None:
        self.server.edit(id_, CONTACTS.contact(fields))

    def remove(self, id_: str) -> None:
        self.server.remove(id_)

    def leave(self, id_: str) -> None:
        self.server.move(id_, "contacts")

    def enter(self, id_: str) -> None:
        self.server.move(id_, self.group)

    def ids(self, group: str = "") -> set[str]:
        contacts = self.server.contacts.items()
        return {id_ for id_, each in contacts if not group or each["parentFolderId"] == group}

    def calm(self) -> None:
        self.server.mishaps.clear()
        self.server.cuts = 0

    def touch(self, id_: str) -> None:
        self.server.edit(id_, {})

    def scribble(self, id_: str) -> None:
        self.server.edit(id_, {"spouseName": "Lovelace", "categories": ["Peers"]})

    def scribbled(self, id_: str) -> bool:
        return self.server.contacts[id_].get("spouseName") == "Lovelace"

    def expire(self) -> None:
        self.server.expire()

    def cut(self) -> None:
        self.server.cuts += 1

    def lose_answer(self) -> None:
        self.server.mishaps.append(Mishap.LOST)

    def lock(self) -> None:
        self.server.tokens.clear()

    def be_busy(self, retry_after_s: int) -> None:
        self.server.retry_after_s = retry_after_s


class TestMicrosoft(ConnectorContract):
    @pytest.fixture
    def book(self) -> Iterator[MicrosoftBook]:
        with GraphServer() as server:
            yield MicrosoftBook(server)

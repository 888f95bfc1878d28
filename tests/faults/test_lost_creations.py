"""A card whose creation was lost is made exactly once: a hundred times with each provider (`make faults`), late lists and all."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contactsync.connectors.carddav import CardDavConnector, discover
from contactsync.connectors.dav import Dav
from contactsync.connectors.google import GoogleConnector
from contactsync.connectors.microsoft import MicrosoftConnector
from contactsync.model.card import Draft, Outcome
from contactsync.ports import Connector
from contactsync.sources.net import Guard
from tests.contract.cards import numbered
from tests.contract.test_carddav import radicale
from tests.fakes.graph import GraphServer
from tests.fakes.jsonserver import Mishap
from tests.fakes.people import PeopleServer
from tests.fakes.wsgiserver import WsgiServer
from tests.support.bookworld import BookWorld

TIMES = 100 if os.environ.get("FAULTS") == "all" else 20
ROUNDS = 5
"""Runs ten minutes apart, after which everything is certain with every provider."""


class Dying:
    """A connector whose process dies right after some of the cards were made, once."""

    def __init__(self, connector: Connector, deaths: list[int]) -> None:
        self._connector = connector
        self._deaths = deaths

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        for number, made in enumerate(self._connector.create(group, drafts)):
            if self._deaths and number == self._deaths[0]:
                self._deaths.clear()
                raise RuntimeError("killed")
            yield made


@dataclass
class Provider:
    """A provider's server, a way in, and the names of the cards that it holds."""

    server: Any

    def connector(self) -> Connector:
        raise NotImplementedError

    def names(self) -> list[str]:
        raise NotImplementedError


class Google(Provider):
    def __init__(self, world: BookWorld, folder: Path) -> None:
        super().__init__(PeopleServer(world.clock))

    def connector(self) -> Connector:
        return GoogleConnector(lambda _: "token", country="GB", base=self.server.url)

    def names(self) -> list[str]:
        return [person["names"][0]["familyName"] for person in self.server.persons.values()]


class Microsoft(Provider):
    def __init__(self, world: BookWorld, folder: Path) -> None:
        super().__init__(GraphServer())

    def connector(self) -> Connector:
        return MicrosoftConnector(lambda _: "token", country="GB", base=f"{self.server.url}/v1.0")

    def names(self) -> list[str]:
        return [contact["surname"] for contact in self.server.contacts.values()]


class CardDav(Provider):
    def __init__(self, world: BookWorld, folder: Path) -> None:
        (folder / "collection-root" / "ann" / "book").mkdir(parents=True)
        (folder / "collection-root" / "ann" / "book" / ".Radicale.props").write_text(
            '{"tag": "VADDRESSBOOK"}'
        )
        self.folder = folder
        super().__init__(WsgiServer(radicale(folder)))

    def connector(self) -> Connector:
        guard = Guard(frozenset({("127.0.0.1", self.server.port)}))
        dav = Dav(self.server.url, "ann", "open sesame", guard)
        return CardDavConnector(dav, discover(dav), country="GB", username="ann")

    def names(self) -> list[str]:
        cards = (
            path.read_text("utf-8") for path in self.folder.rglob("*.vcf") if ".Radicale" not in str(path)
        )
        lines = (line for card in cards for line in card.splitlines() if line.startswith("N:"))
        return [line.removeprefix("N:").partition(";")[0] for line in lines]


@pytest.mark.parametrize("kind", [Google, Microsoft, CardDav])
def test_exactly_one_copy(kind, tmp_path, capsys):
    """Cases 4, 5 and 10."""
    single = 0
    for seed in range(TIMES):
        chance = random.Random(seed)
        world = BookWorld()
        people = [str(number) for number in range(chance.randint(1, 4))]
        for number in people:
            world.add(numbered(int(number)))
        deaths = [chance.randrange(len(people))] if chance.random() < 0.5 else []
        with ExitStack() as opened:
            provider = kind(world, tmp_path / str(seed))
            server = opened.enter_context(provider.server)
            if not deaths:
                server.mishaps.append(chance.choice([Mishap.LOST, Mishap.ERROR]))
            world.connect = lambda _, deaths=deaths, provider=provider: Dying(provider.connector(), deaths)
            sync = world.sync(group=provider.connector().groups()[0].id)
            runs = [world.go(sync) for _ in range(ROUNDS)]
            assert {run.status for run in runs[1:]} <= {"succeeded", "unchanged"}, seed
            assert Counter(provider.names()) == dict.fromkeys(people, 1), seed
            assert len(world.links()) == len(people), seed
            assert runs[-1].status == "unchanged", seed
            single += 1
    with capsys.disabled():
        print(f"\n{kind.__name__}: {single} of {TIMES} lost creations came out as exactly one card")

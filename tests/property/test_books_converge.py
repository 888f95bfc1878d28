"""Two sides come together whatever happens to them: 20,000 steps over the book in memory, some over the others."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from contactsync.connectors.memory import Habits, Mishap
from contactsync.journeys.book.album import Album
from contactsync.model.card import Card
from contactsync.model.connection import Link
from tests.contract.book import Book
from tests.contract.test_carddav import RadicaleBook
from tests.contract.test_connectors import InMemory
from tests.contract.test_google import GoogleBook
from tests.contract.test_microsoft import MicrosoftBook
from tests.fakes.graph import GraphServer
from tests.fakes.people import PeopleServer
from tests.property.books import PICK, SIDES, Books, Side, token_of
from tests.support.bookworld import BookWorld
from tests.support.portraits import portrait

LATE = timedelta(hours=14)
"""So long a provider may show what was before a write: longer than it is until the next run."""
STEPS, SHORTER = 20_000, 500
PORTRAITS = [portrait(motif, edge=24) for motif in range(4)]
LENGTH = 50
"""Steps of one history, some of which find nobody to do something to."""
HISTORIES, SHORT_HISTORIES = 100, 12
"""How many are made before the steps are counted."""


class InMemoryBooks(Books):
    """Pictures change as well; `pictures` are the latest that each side has given somebody since both agreed."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, dict[Side, bytes | None]] = {}

    def opened(self, *, late: bool, at_once: int, emails: int | None) -> tuple[BookWorld, Book]:
        most = {"emails": emails} if emails else {}
        shows_after = LATE if late else timedelta()
        world = BookWorld(habits=Habits(shows_after=shows_after, at_once=at_once, part=3, most=most))
        return world, InMemory(world.book)

    def cards(self) -> dict[str, Any]:
        return self.world.book.cards()

    @rule(side=SIDES, pick=PICK, motif=st.integers(0, len(PORTRAITS)))
    def picture(self, side: Side, pick: int, motif: int) -> None:
        """Another picture, or none: the number after the last."""
        if (found := self.pick(side, pick)) is None:
            return
        token, id_ = found
        picture = PORTRAITS[motif] if motif < len(PORTRAITS) else None
        if picture == self.shown(side, id_):
            return  # changes nothing, so it is no edit that a deletion would meet
        self.pictures.setdefault(token, {})[side] = picture
        if side == "here":
            self.change(side, token, id_, {"photo": self.album.keep(id_, picture) if picture else None})
        else:
            self.world.book.picture(id_, picture)
        self.done("picture")

    def shown(self, side: Side, id_: str) -> bytes | None:
        """Somebody's picture on one side, as it is now."""
        if side == "there":
            return self.world.book.picture_of(id_)
        return self.album.picture(id_, str(self.fields(side, id_).get("photo", "")))

    @property
    def album(self) -> Album:
        return Album(self.world.photos, self.world.account.account_id)

    def check(self) -> None:
        super().check()
        self.pictures.clear()

    def check_linked(self, link: Link, contacts: dict[str, Any], cards: dict[str, Card]) -> None:
        super().check_linked(link, contacts, cards)
        here = self.album.picture(link.contact_id, str(contacts[link.contact_id].get("photo", "")))
        assert self.world.book.picture_of(link.id) == here, "both sides show the same"
        token = token_of(contacts[link.contact_id])
        person, given = self.people.get(token), self.pictures.get(token)
        if person is not None and given and not (person.deleted or person.apart):
            assert here in given.values(), "a picture is not lost"

    @rule(mishap=st.sampled_from([*Mishap, None]), after=st.integers(0, 3))
    def mishap(self, mishap: Mishap | None, after: int) -> None:
        """Of a write that is still to come; or else the very next request is not answered."""
        if mishap is None:
            self.world.book.be_busy()
        else:
            self.world.book.mishaps.extend([None] * after + [mishap])
        self.done("mishap")


class _Served(Books):
    """A book on a server."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()

    def teardown(self) -> None:
        with self.open:
            super().teardown()


class GoogleBooks(_Served):
    def opened(self, **_: Any) -> tuple[BookWorld, Book]:
        world = BookWorld()
        return world, GoogleBook(self.open.enter_context(PeopleServer(world.clock)), world.clock)


class MicrosoftBooks(_Served):
    def opened(self, **_: Any) -> tuple[BookWorld, Book]:
        return BookWorld(), MicrosoftBook(self.open.enter_context(GraphServer()))


class RadicaleBooks(_Served):
    def opened(self, **_: Any) -> tuple[BookWorld, Book]:
        folder = Path(self.open.enter_context(TemporaryDirectory()))
        return BookWorld(), self.open.enter_context(RadicaleBook.served(folder))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("kind", "steps"),
    [(InMemoryBooks, STEPS), (GoogleBooks, SHORTER), (MicrosoftBooks, SHORTER), (RadicaleBooks, SHORTER)],
    ids=["memory", "google", "microsoft", "radicale"],
)
def test_both_sides_come_together(kind: type[Books], steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    kind.steps.clear()
    histories = HISTORIES if steps == STEPS else SHORT_HISTORIES
    for number in range(steps):
        asked = settings(
            max_examples=histories,
            stateful_step_count=LENGTH,
            phases=[Phase.generate, *([Phase.shrink] if kind is InMemoryBooks else [])],
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(seed(number)(kind), settings=asked)
        if kind.steps.total() >= steps:
            break
    with capsys.disabled():
        what = ", ".join(f"{count:,} {word}" for word, count in kind.steps.most_common())
        print(f"\n{kind.__name__}: {kind.steps.total():,} steps: {what}")
    assert kind.steps.total() >= steps

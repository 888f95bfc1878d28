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
from tests.bookworld import BookWorld
from tests.contract.book import Book
from tests.contract.test_carddav import RadicaleBook, radicale
from tests.contract.test_connectors import InMemory
from tests.contract.test_google import GoogleBook
from tests.contract.test_microsoft import MicrosoftBook
from tests.fakes.graph import GraphServer
from tests.fakes.people import PeopleServer
from tests.fakes.wsgiserver import WsgiServer
from tests.property.books import Books

LATE = timedelta(hours=14)
"""So long a provider may show what was before a write: longer than it is until the next run."""
STEPS, SHORTER = 20_000, 500
LENGTH = 50
"""Steps of one history, some of which find nobody to do something to."""
HISTORIES, SHORT_HISTORIES = 100, 12
"""How many are made before the steps are counted."""


class InMemoryBooks(Books):
    def opened(self, *, late: bool, at_once: int, emails: int | None) -> tuple[BookWorld, Book]:
        most = {"emails": emails} if emails else {}
        shows_after = LATE if late else timedelta()
        world = BookWorld(habits=Habits(shows_after=shows_after, at_once=at_once, part=3, most=most))
        return world, InMemory(world.book)

    def cards(self) -> dict[str, Any]:
        return self.world.book.cards()

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
        book = RadicaleBook(self.open.enter_context(WsgiServer(radicale(folder))), folder)
        book.open(books="/ann/")
        return BookWorld(), book


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

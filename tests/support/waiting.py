"""Waiting for what happens elsewhere: look again and again until a deadline, never sleep and hope."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeVar

import pytest

from contactsync.sources import transfer

T = TypeVar("T")

INTERVAL_S = 0.02


def wait_for(look: Callable[[], T | None], *, within_s: float, what: str, every_s: float = INTERVAL_S) -> T:
    """What `look` finds, as soon as that is neither None nor False.

    Raises AssertionError naming `what` if that is not within within_s seconds.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = look()
        if found is not None and found is not False:
            return found
        time.sleep(every_s)
    raise AssertionError(f"{what} did not happen within {within_s:g} seconds")


def waiting(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> list[float]:
    """A fetch that would wait does not, and `meanwhile` happens; returns for how long it would have waited, each time."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        meanwhile()

    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(transfer, "time", clock)
    return waits

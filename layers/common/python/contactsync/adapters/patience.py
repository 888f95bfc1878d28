"""How long a call is tried again: always bounded, never in step with the neighbours, nor longer than somebody waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from contactsync.errors import Busy

A = TypeVar("A")
_until: ContextVar[float] = ContextVar("until", default=inf)


@contextmanager
def answering(within_s: float) -> Iterator[None]:
    """What is called in here is given up as busy when the time is over.

    Somebody waits for an answer and can try again: to be told so is more use to them than silence, in which a
    function is ended that had more patience than its caller.
    """
    before = _until.set(time.monotonic() + within_s)
    try:
        yield
    finally:
        _until.reset(before)


def left_s() -> float:
    """How long there is until whoever waits for an answer has to have one; 0 if that is over."""
    return max(0.0, _until.get() - time.monotonic())


class Again(Exception):
    """One attempt failed in a way that may pass; the message is a code."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Exponential backoff with full jitter.

    Full jitter, because workers of one run are throttled together: waiting a random part of the whole
    interval spreads them best (Brooker, "Exponential Backoff And Jitter", 2015).
    """

    attempts: int = 8
    first_s: float = 0.05
    longest_s: float = 5.0
    sleep: Callable[[float], None] = time.sleep

    def delay_s(self, failures: int) -> float:
        """How long to wait after the n-th failure in a row, n counted from 1."""
        return random.uniform(0, min(self.longest_s, self.first_s * 2 ** (failures - 1)))  # noqa: S311 spreads load, keeps no secret

    def wait(self, failures: int) -> None:
        """Sleep for it, but not beyond what is left."""
        self.sleep(min(self.delay_s(failures), left_s()))

    def check(self, operation: str, failures: int, last: Again) -> None:
        """Raises Busy once an operation has failed as often as this allows, or whoever waits has no time left."""
        if failures >= self.attempts or not left_s():
            raise Busy(f"{operation} failed {failures} times, the last time with {last}.") from None

    def until_answered(self, operation: str, attempt: Callable[[], A]) -> A:
        """Attempt it until it succeeds. Raises Busy, and whatever but Again an attempt does."""
        failures = 0
        while True:
            try:
                return attempt()
            except Again as last:
                failures += 1
                self.check(operation, failures, last)
            self.wait(failures)

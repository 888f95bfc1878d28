"""How long a call is tried again: always bounded, never in step with the neighbours."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


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
        """Sleep for it."""
        self.sleep(self.delay_s(failures))

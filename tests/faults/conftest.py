"""What all campaigns share: the same chance in each world, and what a campaign has come to is printed at its end."""

import hashlib
import os
import secrets
from collections.abc import Callable
from itertools import count

import pytest

from tests.contract.conftest import ministack_url
from tests.faults.figures import FIGURES, promised

__all__ = ["ministack_url"]


@pytest.fixture
def same_chance(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ids and secrets are the same in each world; call the fixture to begin anew."""
    numbers = count()

    def begin() -> None:
        nonlocal numbers
        numbers = count()

    def token(size: int) -> str:
        return hashlib.blake2b(str(next(numbers)).encode()).hexdigest()[: 2 * size]

    monkeypatch.setattr(secrets, "token_hex", token)
    return begin


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was tried."""
    for what, number in FIGURES.items():
        terminalreporter.write_line(f"{number:,} {what}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole campaign that has come to less than the page says has failed."""
    whole = os.environ.get("FAULTS") == "all" and not session.config.option.keyword
    if whole and not (os.environ.get("N") or os.environ.get("SEED")):
        short = {what for what, number in promised().items() if FIGURES[what] < number}
        if short:
            print(f"\nfewer than docs/reliability.md says: {', '.join(sorted(short))}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

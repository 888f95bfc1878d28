"""What all campaigns share: the same chance in each world."""

import hashlib
import secrets
from collections.abc import Callable
from itertools import count

import pytest

from tests.contract.conftest import ministack_url

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

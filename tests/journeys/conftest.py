"""Customers for the journeys."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from tests.support.customer import Customer
from tests.support.second_interpreter import SecondInterpreter, second_interpreter


@pytest.fixture
def customer(stack: Stack) -> Customer:
    """A customer with an empty list."""
    return Customer.of(stack)


@pytest.fixture
def other_customer(stack: Stack) -> Customer:
    """Another one, who must never see the first one's contacts."""
    return Customer.of(stack)


@pytest.fixture
def second(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondInterpreter]:
    """The state machine under the other interpreter, on the services of the stack."""
    with second_interpreter(stack, monkeypatch) as interpreter:
        yield interpreter

"""Customers for the journeys."""

import pytest

from local.stack import Stack
from tests.customer import Customer


@pytest.fixture
def customer(stack: Stack) -> Customer:
    """A customer with an empty list."""
    return Customer.of(stack)


@pytest.fixture
def other_customer(stack: Stack) -> Customer:
    """Another one, who must never see the first one's contacts."""
    return Customer.of(stack)

"""Customers of the local stack, made by the same code that makes them in the cloud."""

from contactsync.adapters import wire
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.signing import Credentials
from contactsync.control import Control
from contactsync.journeys.accounts import NewAccount, create_account
from local.emulator import REGION


def create(*, endpoint: str, control_table: str, name: str, email: str, country: str) -> NewAccount:
    """A new account in the emulator's control table, with one member and a key."""
    clock = SystemClock()
    dynamodb = wire.dynamodb(REGION, endpoint=endpoint, credentials=lambda: Credentials("test", "test"))
    control = Control(ControlTable(control_table, dynamodb, clock))
    return create_account(control, name=name, country=country, email=email, now=clock.now())

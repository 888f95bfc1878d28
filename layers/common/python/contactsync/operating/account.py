"""Make a customer's account and print its key, which is kept nowhere else."""

from __future__ import annotations

import argparse
import sys

from contactsync.adapters.clock import SystemClock
from contactsync.control import plans
from contactsync.core.fieldtypes import BadValue, email, is_country
from contactsync.errors import Busy
from contactsync.journeys.account import accounts
from contactsync.operating.stack import Stack


def arguments(parser: argparse.ArgumentParser) -> None:
    """The customer."""
    parser.add_argument("--name", required=True, type=_name, help="the customer's name")
    parser.add_argument("--email", required=True, type=_address, help="the first member's address")
    parser.add_argument(
        "--country",
        required=True,
        type=_country,
        help="ISO 3166 code: local phone numbers are read as this country's",
    )
    parser.add_argument("--plan", default="", choices=["", *plans()], help="the default one if left out")


def run(options: argparse.Namespace, stack: Stack) -> int:
    """Store the account and have its requests counted alone; 0, also where only the latter failed."""
    control, now = stack.control(), SystemClock().now()
    made = accounts.create_account(
        control,
        name=options.name,
        country=options.country,
        email=options.email,
        now=now,
        plan=options.plan,
    )
    print(f"account {made.account_id}\nkey     {made.api_key}")
    try:
        accounts.meter(control, stack.shares(), made.account_id, now)
    except Busy as busy:
        print(
            f"Its requests are counted among everybody else's for now: {busy} "
            f"Try: python -m contactsync accounts --stack {stack.name} plan {made.account_id}",
            file=sys.stderr,
        )
    return 0


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty: give the customer's name")
    return text.strip()


def _address(text: str) -> str:
    try:
        address = email(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(bad.message) from None
    if address is None:
        raise argparse.ArgumentTypeError("it is empty: give the first member's address")
    return address


def _country(code: str) -> str:
    if not is_country(code.upper()):
        raise argparse.ArgumentTypeError(f"“{code}” is no country: write its ISO code, like NL")
    return code.upper()

"""Make a customer's account and print its key, which is kept nowhere else."""

from __future__ import annotations

import argparse

from contactsync.adapters.clock import SystemClock
from contactsync.core.fieldtypes import is_country
from contactsync.journeys.accounts import create_account
from contactsync.operating.stack import Stack


def arguments(parser: argparse.ArgumentParser) -> None:
    """The customer."""
    parser.add_argument("--name", required=True, help="the customer's name")
    parser.add_argument("--email", required=True, help="the first member's address")
    parser.add_argument(
        "--country",
        required=True,
        type=_country,
        help="ISO 3166 code: local phone numbers are read as this country's",
    )


def run(options: argparse.Namespace, stack: Stack) -> int:
    """Store the account; 0."""
    made = create_account(
        stack.control(),
        name=options.name,
        country=options.country,
        email=options.email,
        now=SystemClock().now(),
    )
    print(f"account {made.account_id}\nkey     {made.api_key}")
    return 0


def _country(code: str) -> str:
    if not is_country(code.upper()):
        raise argparse.ArgumentTypeError(f"{code} is no country: write its ISO code, like NL")
    return code.upper()

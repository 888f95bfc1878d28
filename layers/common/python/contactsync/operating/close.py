"""Close a customer's account: suspended at once, forgotten after seven days, and called back until then."""

from __future__ import annotations

import argparse

from contactsync.adapters.clock import SystemClock
from contactsync.errors import Conflict, NotFound
from contactsync.journeys.forgetting import call_back, close_account
from contactsync.operating.stack import Stack


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which account, and which way."""
    parser.add_argument("--account", required=True, help="the account's id")
    parser.add_argument("--back", action="store_true", help="keep the account, which was to be forgotten")


def run(options: argparse.Namespace, stack: Stack) -> int:
    """0, or 1 where the account is not what it would have to be."""
    now = SystemClock().now()
    try:
        if options.back:
            call_back(stack.control(), options.account, now)
            print(f"{options.account} stays")
        else:
            at = close_account(stack.control(), options.account, now)
            print(f"{options.account} is suspended, and will be forgotten after {at}")
    except NotFound:
        print("There is no such account, or it is not being closed.")
        return 1
    except Conflict as conflict:
        print(conflict.title, conflict.detail)
        return 1
    return 0

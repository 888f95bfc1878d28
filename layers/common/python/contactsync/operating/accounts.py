"""List, show, suspend, resume, delete customers' accounts, and change their plans and limits.

    python -m contactsync accounts --stack contact-sync list
    python -m contactsync accounts --stack contact-sync show a01…
    python -m contactsync accounts --stack contact-sync suspend a01…
    python -m contactsync accounts --stack contact-sync plan a01… business contacts=50000 members=
    python -m contactsync accounts --stack contact-sync delete a01…

`plan` without a plan's name keeps the plan. `limit=number` gives the account a limit of its own, `limit=` takes it back.
It holds at once; what API Gateway counts follows the plan alone. `delete` suspends at once and forgets after seven days, until
which `keep` takes it back. `erase-again` is for the hour after ContactsTable was brought back from a backup.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from contactsync import bootstrap
from contactsync.adapters.clock import SystemClock
from contactsync.control import Control, limits_of, plan_of
from contactsync.errors import Busy, Conflict, NotFound
from contactsync.journeys.account import accounts, erasing, forgetting
from contactsync.model.account import Account
from contactsync.operating.stack import Stack

PAGE = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with whom."""
    verbs = ["list", "show", "suspend", "resume", "plan", "delete", "keep", "erase-again"]
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("account", nargs="?", help="the account's id; all but list need one")
    parser.add_argument("terms", nargs="*", help="of plan: the plan's name, and limit=number")


def run(options: argparse.Namespace, stack: Stack) -> int:
    """0, or 1 with a word on what is wrong."""
    control = stack.control()
    if options.verb == "list":
        _list(control)
        return 0
    try:
        account = _done(control, stack, options)
    except NotFound:
        print(f"There is no account {options.account}: see list.", file=sys.stderr)
        return 1
    except Conflict as conflict:
        print(conflict.title, conflict.detail, file=sys.stderr)
        return 1
    except (Busy, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(_shown(control, account), indent=2, ensure_ascii=False))
    return 0


def _done(control: Control, stack: Stack, options: argparse.Namespace) -> Account:
    now, account_id = SystemClock().now(), options.account or ""
    match options.verb:
        case "suspend":
            return accounts.suspend(control, account_id, now)
        case "resume":
            return accounts.resume(control, bootstrap.bus(), account_id, now)
        case "plan":
            plan, limits = _terms(options.terms)
            accounts.change_plan(control, account_id, now, plan=plan, limits=limits)
            return accounts.meter(control, stack.shares(), account_id, now)
        case "delete":
            at = forgetting.close_account(control, stack.shares(), account_id, now)
            print(f"{account_id} is suspended, and will be forgotten after {at}", file=sys.stderr)
        case "keep":
            forgetting.call_back(control, bootstrap.bus(), account_id, now)
            return accounts.meter(control, stack.shares(), account_id, now)
        case "erase-again":
            control.account(account_id)
            emptied = erasing.erase_again(_stores(control), account_id)
            print(f"{emptied} contacts had come back, and are erased again", file=sys.stderr)
    return control.account(account_id)


def _stores(control: Control) -> erasing.Stores:
    return erasing.Stores(
        control=control,
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        uploads=bootstrap.uploads(),
        photos=bootstrap.photos(),
        clock=bootstrap.clock(),
    )


def _terms(terms: Sequence[str]) -> tuple[str | None, dict[str, Any]]:
    """The plan, if one is named, and the limits. Raises ValueError."""
    names = [term for term in terms if "=" not in term]
    if len(names) > 1:
        raise ValueError(f"Name one plan, not {len(names)}.")
    limits: dict[str, Any] = {}
    for term in terms:
        name, equals, value = term.partition("=")
        if equals:
            limits[name] = value.split(",") if name == "sources" and value else value or None
    return next(iter(names), None), limits


def _list(control: Control) -> None:
    after = None
    while True:
        found, after = control.accounts(after=after, limit=PAGE)
        for account in found:
            state = "suspended" if account.suspended_at else "active"
            print(f"{account.id}  {state:9}  {plan_of(account):10}  {account.country}  {account.name}")
        if after is None:
            return


def _shown(control: Control, account: Account) -> dict[str, Any]:
    """An account for an operator's eyes: no secret, and of its people only how many there are."""
    shown = account.model_dump(mode="json", exclude={"identity_secret", "limits", "plan"})
    return {
        **shown,
        "plan": plan_of(account),
        "limits": limits_of(account).model_dump(mode="json"),
        "limits_of_its_own": account.limits,
        "usage": accounts.usage_of(control, account, SystemClock().now()),
    }

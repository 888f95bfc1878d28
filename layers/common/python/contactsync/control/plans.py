"""The plans that there are, and what an account may do under its own.

Two layers: the plan that the account names, from plans.json, which is deployed, since API Gateway's usage plans say
the same numbers; and the account's own exceptions, in its record, which an operator changes at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from contactsync.errors import PlanLimit
from contactsync.model.account import Account
from contactsync.model.plan import Plan, PlanLimits, PlanTable


@cache
def table() -> PlanTable:
    """plans.json, read once a process."""
    return PlanTable.model_validate_json(Path(__file__).with_name("plans.json").read_bytes())


def plans() -> Mapping[str, Plan]:
    """All plans by name."""
    return table().plans


def plan_of(account: Account) -> str:
    """The name of the account's plan: the default one if it names none, or one that is no more."""
    return account.plan if account.plan in plans() else table().default


def limits_of(account: Account) -> PlanLimits:
    """What the account may do. An exception that has no sense any more is left out."""
    limits = plans()[plan_of(account)].limits
    known = {name: value for name, value in account.limits.items() if name in PlanLimits.model_fields}
    return PlanLimits.model_validate({**limits.model_dump(), **known}) if known else limits


_ROOM = {
    "schedules": ("syncs with a schedule", "Take the schedule off another sync"),
    "connections": ("connected address books", "Disconnect one that you do not need"),
    "contacts": ("contacts", "Delete contacts that you do not need"),
    "runs_a_day": ("runs a day", "Wait for tomorrow"),
    "members": ("members", "Remove a member"),
    "keys": ("keys", "Delete a key that nobody uses"),
    "fields": ("fields of your own", "Delete a field that you do not need"),
}


def check_room(account: Account, limit: str, wanted: int) -> None:
    """Raises PlanLimit if the account may not have `wanted` of what `limit` counts."""
    room = getattr(limits_of(account), limit)
    if wanted > room:
        what, way_out = _ROOM[limit]
        raise PlanLimit(
            "plan_limit",
            f"The plan {plan_of(account)} has room for {room:,} {what}.",
            f"{way_out}, or ask us for a larger plan.",
        )

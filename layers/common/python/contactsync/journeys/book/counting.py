"""What syncs with address books have done today, from what the runs have left when they came to their end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from contactsync.control import local_day
from contactsync.journeys.asked.asking import World
from contactsync.model.account import Caller

KINDS = ("added", "updated", "deleted")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many changes: those that went from here to address books, and by connection those that came from there."""

    hub: int
    remote: Mapping[str, int]
    total: int


@dataclass(frozen=True, slots=True)
class Today:
    """One day's numbers; at `resets_at` the next day begins."""

    added: Tally
    updated: Tally
    deleted: Tally
    resets_at: datetime


def today(world: World, caller: Caller) -> Today:
    """The numbers of the account's day."""
    account = world.control.account(caller.account_id)
    day = local_day(account, world.clock.now())
    counted = world.control.counted_on(caller.account_id, day)
    tallies = {}
    for kind in KINDS:
        remote = {
            book: numbers[kind]["remote"] for book, numbers in counted.items() if numbers[kind]["remote"]
        }
        hub = sum(numbers[kind]["hub"] for numbers in counted.values())
        counts_both = kind != "deleted"  # of deletions only those made in address books
        total = sum(remote.values()) + (hub if counts_both else 0)
        tallies[kind] = Tally(hub, remote, total)
    midnight = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(account.time_zone))
    return Today(**tallies, resets_at=midnight.astimezone(UTC))

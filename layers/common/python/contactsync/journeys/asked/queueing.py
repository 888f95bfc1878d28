"""Whose turn it is: as many runs of one account at a time as its plan allows, so that its million rows do not slow another's ten.

Runs wait as queued, and come in the order in which they were asked for. Whoever announces a run asks here first;
whoever ends one announces those that come next. Who is running is read from the runs as they are stored, never from
a count that somebody who died could have left wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from contactsync.control import Control, limits_of
from contactsync.model.run import Run
from contactsync.ports import Bus

LASTS_AT_MOST = timedelta(days=1)
"""A run that was begun so long ago has died with its execution: it keeps nobody waiting."""
UNCLAIMED = timedelta(minutes=1)
"""A run that nobody has taken up for so long may have lost its announcement."""


def next_runs(control: Control, account_id: str, now: datetime) -> list[Run]:
    """The queued runs whose turn it is, the first comes first."""
    account = control.account(account_id)
    if account.suspended_at is not None:
        return []  # what waits goes on waiting; who looks at it later announces it again
    at_a_time = limits_of(account).concurrent_runs
    open_runs = control.open_runs(account_id)
    running = _at_work(open_runs, now)
    queued = [run for run in open_runs if run.status == "queued"]
    return queued[: max(0, at_a_time - running)]


def runs_at_work(control: Control, account_id: str, now: datetime) -> int:
    """How many runs of the account work now: the others wait until these are fewer than its plan allows."""
    return _at_work(control.open_runs(account_id), now)


def is_next(control: Control, run: Run, now: datetime) -> bool:
    """Whether it is this queued run's turn."""
    return any(each.id == run.id for each in next_runs(control, run.account_id, now))


def announce_next(control: Control, bus: Bus, account_id: str, now: datetime) -> None:
    """Announce every run whose turn it is. Saying it twice is harmless: the first execution claims the run."""
    for run in next_runs(control, account_id, now):
        say(bus, run)


def say(bus: Bus, run: Run) -> None:
    """Tell the bus that a run was asked for, and may begin."""
    names = {"account_id": run.account_id, "run_id": run.id}
    bus.publish("RunRequested", {**names, "journey": run.journey, "trigger": run.trigger})


def is_overdue(run: Run, now: datetime) -> bool:
    """Whether a run is still queued, and may have lost its announcement."""
    return run.status == "queued" and now - datetime.fromisoformat(run.requested_at) >= UNCLAIMED


def is_lost(run: Run, now: datetime) -> bool:
    """Whether a run was begun so long ago that its execution can be no more."""
    return run.started_at is not None and now - datetime.fromisoformat(run.started_at) > LASTS_AT_MOST


def _at_work(open_runs: list[Run], now: datetime) -> int:
    return sum(run.status == "running" and not is_lost(run, now) for run in open_runs)

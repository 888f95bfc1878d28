"""Schedules of syncs: what may be asked for, who wakes us, and the run of a moment that is due.

The scheduler wakes us too often rather than too seldom, more than once at times, and late after an outage. So a
wake-up only asks whether a run is due. The run's id comes from the sync and the moment that is due, and the moment is
noted together with the run: whoever comes second finds both, and announces the same run again, which is harmless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from contactsync.control import Control, limits_of, local_day
from contactsync.core import recurrence
from contactsync.core.health import is_finer
from contactsync.core.timestamps import timestamp
from contactsync.errors import Busy, Conflict, NotFound, PlanLimit, Problem, Suspended
from contactsync.journeys.asked import dropping, lingering, queueing
from contactsync.journeys.file.remote import REMOTE
from contactsync.model.message import Heard, SyncDue
from contactsync.model.run import Run, RunProblem
from contactsync.model.sync import Schedule, Sync, had
from contactsync.ports import Bus, Clock, Scheduler

MARGIN = timedelta(days=2)
"""Wake-ups begin and end that much around a schedule's own range, which is in local days."""
ARRANGE_ATTEMPTS = 10
LATE = timedelta(minutes=10)
"""How long after its moment a sync is run where nothing is amiss."""
DECIDED_WITHIN = timedelta(days=1)
"""How long a run that waits for an approval keeps a schedule of several runs a day from overtaking it."""


def unsuitable(schedule: Schedule | None, kind: str, now: datetime | None) -> Sequence[Problem]:
    """What is wrong with a schedule for a source of this kind, with pointers into the request.

    A new one has to have a run after `now`; None for one that was taken before, and may have come to its end.
    """
    if schedule is None:
        return []
    if kind == "drop":
        message = "A file in the drop bucket is imported when it has arrived: leave the schedule out."
        return [Problem("/schedule", message, "schedule_without_remote_source")]
    if kind not in REMOTE and kind != "connection":
        message = (
            "Only a file that we can fetch has a schedule: one on a web, FTP or SSH server, or in a bucket. Send "
            "uploads and pasted rows with POST /v1/syncs/{id}/runs whenever there are new ones."
        )
        return [Problem("/schedule", message, "schedule_without_remote_source")]
    asked = _calendar(schedule)
    found = [
        replace(problem, pointer=f"/schedule{problem.pointer}") for problem in recurrence.problems(asked)
    ]
    if not found and now is not None and recurrence.next_run(asked, now) is None:
        found.append(
            Problem("/schedule", "All runs of this schedule would lie in the past: choose a later end.")
        )
    return found


def kept(schedule: Schedule | None, now: datetime) -> dict[str, Any]:
    """What a sync keeps of its schedule, set at `now`: moments that have passed by then are not made up for."""
    passed = recurrence.due(_calendar(schedule), last=None, now=now) if schedule is not None else None
    return {"schedule": schedule, **had(schedule, passed)}


def arrange(account_id: str, sync_id: str, *, control: Control, scheduler: Scheduler, clock: Clock) -> None:
    """Have the scheduler know what the sync says: after each change of its schedule or state, any number of times.

    Of several who change a sync at once, the last to tell the scheduler need not be the last to have changed the
    sync. So each looks again after it has told, until what it told is what stands there.
    """
    for _ in range(ARRANGE_ATTEMPTS):
        sync = _stored(control, account_id, sync_id)
        _tell(scheduler, account_id, sync_id, sync, clock.now())
        after = _stored(control, account_id, sync_id)
        if sync == after or (sync and after and (sync.schedule, sync.state) == (after.schedule, after.state)):
            return
    raise Busy("The schedule of the sync is being changed from several sides.")


def _tell(scheduler: Scheduler, account_id: str, sync_id: str, sync: Sync | None, now: datetime) -> None:
    if sync is None or sync.schedule is None or next_run(sync, now) is None:
        scheduler.remove(account_id, sync_id)
        return
    asked = _calendar(sync.schedule)
    start = recurrence.moment_of(asked, asked.start) - MARGIN
    end = recurrence.ends_at(asked)
    scheduler.put(
        account_id,
        sync_id,
        recurrence.wake_up_cron(asked, now),
        start=start if start > now else None,  # the service refuses a start that has passed
        end=end + MARGIN if end else None,
    )


def _stored(control: Control, account_id: str, sync_id: str) -> Sync | None:
    with suppress(NotFound):
        return control.sync(account_id, sync_id).value
    return None


def next_run(sync: Sync, now: datetime) -> datetime | None:
    """When the sync's schedule runs it next, UTC; None if it does not."""
    if sync.schedule is None or sync.state != "active":
        return None
    return recurrence.next_run(_calendar(sync.schedule), now)


def period(sync: Sync, now: datetime) -> timedelta | None:
    """How far apart the next two runs of the sync's schedule are; None where there are not two."""
    first = next_run(sync, now)
    second = next_run(sync, first) if first else None
    return second - first if first and second else None


def call_again(account_id: str, sync_id: str, *, control: Control, bus: Bus, clock: Clock) -> None:
    """Wake ourselves for a sync whose run has just ended.

    A moment or a file may have come meanwhile, or the schedule be paused.
    """
    sync = control.sync(account_id, sync_id).value
    if sync.source["kind"] == "drop" or _calls(sync, clock.now()):
        bus.publish("SyncDue", {"account_id": account_id, "sync_id": sync_id})


def _calls(sync: Sync, now: datetime) -> bool:
    """Whether a sync has a schedule that is to be looked at now."""
    return sync.schedule is not None and (sync.state != "active" or _due(sync, now) is not None)


def _due(sync: Sync, now: datetime) -> datetime | None:
    """The moment of the sync's schedule that is to be run now."""
    if sync.schedule is None or sync.state != "active":
        return None
    asked, last = _calendar(sync.schedule), sync.last_due
    if last is None and sync.last_day is not None:
        last = recurrence.moment_of(asked, datetime.combine(sync.last_day, asked.start.time()))
    return recurrence.due(asked, last=last, now=now)


def listen(message: SyncDue, *, control: Control, bus: Bus, scheduler: Scheduler, clock: Clock) -> Heard:
    """A wake-up → the run of the file whose turn it is, or of the moment that is due, stored and announced; or nothing.
    Once an hour it is for all that lingers.

    While another run of the sync is under way files wait and the moment stays open: who ends that run calls again. One
    that nobody has taken up is announced anew, whoever asked for it: its announcement may be lost. Who is woken for a
    sync that does not run by itself any more sees to it that nobody is woken again. Who is woken late tells the scheduler
    anew: its zone may have changed its clocks by a new law.
    """
    nothing = Heard(account_id=message.account_id, sync_id=message.sync_id, run_id=None)
    if message.sync_id == lingering.HOUR:
        lingering.look(message.account_id, control=control, bus=bus, now=clock.now())
        return nothing
    now = clock.now()
    sync = _stored(control, message.account_id, message.sync_id)
    if sync is None:
        arrange(message.account_id, message.sync_id, control=control, scheduler=scheduler, clock=clock)
        return nothing
    due = _due(sync, now)
    dropping.start_next(message.account_id, sync.id, control=control, bus=bus, clock=clock)
    # A moment that cannot be run now stays open
    if due is not None and why_waiting(control, message.account_id, sync, now) is None:
        if sync.active_run is not None:
            dropping.let_go(control, message.account_id, sync.active_run)
        with suppress(Conflict, PlanLimit, Suspended):
            control.create_run(message.account_id, _run_of(sync, message.account_id, due, now), due=due)
    if sync.deleted_at is not None or (sync.schedule is not None and _is_out_of_step(sync, due, now)):
        arrange(message.account_id, message.sync_id, control=control, scheduler=scheduler, clock=clock)
    sync = control.sync(message.account_id, message.sync_id).value
    run = control.run(message.account_id, sync.active_run).value if sync.active_run else None
    if run is None or run.status != "queued":
        return nothing
    if queueing.is_next(control, run, now):
        queueing.say(bus, run)
    return nothing.model_copy(update={"run_id": run.id})


def _is_out_of_step(sync: Sync, due: datetime | None, now: datetime) -> bool:
    """Whether the scheduler wakes us where nothing comes any more, or has woken us later than it should for what is due."""
    return next_run(sync, now) is None if due is None else now - due > LATE


def why_waiting(control: Control, account_id: str, sync: Sync, now: datetime) -> RunProblem | None:
    """Why a sync does not run by itself although nobody has paused it.

    Looked up rather than stored, so that it goes on by itself when somebody connects the book again, or a day begins.
    """
    if sync.connection_id and (lost := _not_connected(control, account_id, sync)) is not None:
        return lost
    if sync.active_run is not None or _due(sync, now) is None:
        return None
    if _waits_for_somebody(control, account_id, sync, now):
        return RunProblem(
            code="undecided",
            title="The sync's latest run waits for your approval, and another one would take its place.",
            detail=f"Approve or reject it: POST /v1/runs/{sync.latest_run}/approve or /reject. The schedule goes on then, or a "
            "day after that run was asked for.",
        )
    account = control.account(account_id)
    if control.runs_on(account_id, local_day(account, now)) < limits_of(account).runs_a_day:
        return None
    return RunProblem(
        code="no_runs_left",
        title="The account's plan allows no more runs on this day, so the run that is due has not begun.",
        detail="It begins by itself within a day, if there are runs left then. Ask us for a larger plan if that is too late.",
    )


def _waits_for_somebody(control: Control, account_id: str, sync: Sync, now: datetime) -> bool:
    """Whether a run waits for an approval that a schedule of several runs a day would leave no time for."""
    if sync.schedule is None or sync.latest_run is None or not is_finer(sync.schedule):
        return False
    with suppress(NotFound):
        latest = control.run(account_id, sync.latest_run).value
        return latest.status == "awaiting_approval" and now - latest.began() < DECIDED_WITHIN
    return False


def _not_connected(control: Control, account_id: str, sync: Sync) -> RunProblem | None:
    try:
        connection = control.connection(account_id, sync.connection_id).value
    except NotFound:
        return None
    if connection.state == "active":
        return None
    return RunProblem(
        code="not_connected",
        title="The address book is not connected.",
        detail=connection.problem
        or "Connect it again with POST /v1/connections; the sync then goes on where it stopped.",
    )


def _run_of(sync: Sync, account_id: str, due: datetime, now: datetime) -> Run:
    """The one run of a sync for a moment. Its id sorts by it."""
    tail = hashlib.sha256(f"{account_id}\0{sync.id}\0{due.isoformat()}".encode()).hexdigest()[:12]
    return Run(
        id=f"r{int(due.timestamp() * 1000):012x}{tail}",
        account_id=account_id,
        sync_id=sync.id,
        journey=sync.journey,
        trigger="schedule",
        requested_at=timestamp(now),
        requested_by=f"sync:{sync.id}",
    )


def _calendar(schedule: Schedule) -> recurrence.Schedule:
    """The schedule as the calendar reads it. Runs begin on the minute, as wake-ups do."""
    start = schedule.start.replace(second=0, microsecond=0)
    return recurrence.Schedule(start, schedule.time_zone, schedule.recurrence, schedule.end)

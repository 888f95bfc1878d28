"""How a sync has been doing: when its schedule stops for somebody to look.

A run by the schedule that ended without importing counts, whatever it failed by: a server that is away for days is no
passing trouble any more. So a schedule of several runs a day has to fail for as long as one of each day would. Not counted
is what is ours to mend, what somebody has cancelled, what waits for an approval, and an address book that is there and was
not to be had: its next run does the work. A good run, by whomever, begins the count anew; so does a change of what the sync
reads or how. A run by hand counts for nothing but good: who started it is there to see it fail.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from contactsync.core import recurrence
from contactsync.errors import BookBusy
from contactsync.model.run import Run, RunProblem
from contactsync.model.sync import Schedule, Sync

FAILURES_IN_A_ROW = 5
LASTING = timedelta(days=FAILURES_IN_A_ROW - 1)
"""How far apart the first and the latest failure are of a schedule that runs each day, or oftener."""
NEVER_FAILED = {"failures": 0, "failing_since": None}
ACCESS_LOST = "access_lost"
"""An address book has not let its run in."""
INTERNAL = "internal"
"""The code of a problem that is ours to mend."""
STOPPED = "stopped"
TIMED_OUT = "timed_out"
"""The codes of runs whose execution came to no end of its own: by an operator's hand, or by its time."""
OURS = frozenset({INTERNAL, STOPPED, TIMED_OUT})
NOT_COUNTED = OURS | {BookBusy.code}


def minded(sync: Sync, run: Run) -> Sync:
    """The sync when a run of it has just ended: its failures counted, paused at the last of so many in a row."""
    if run.dry_run or run.undoes is not None:
        return sync
    if run.status in ("succeeded", "unchanged"):
        return sync.model_copy(update=NEVER_FAILED)
    problem = run.problem
    if run.trigger != "schedule" or run.status not in ("failed", "blocked"):
        return sync
    if problem is None or problem.code in NOT_COUNTED:
        return sync
    since = sync.failing_since or run.requested_at
    counted = sync.model_copy(update={"failures": sync.failures + 1, "failing_since": since})
    if counted.failures < FAILURES_IN_A_ROW or sync.state != "active" or _may_pass(counted, run):
        return counted
    return counted.model_copy(update={"state": "paused", "paused_because": _pause(counted, problem)})


def is_finer(schedule: Schedule) -> bool:
    """Whether it has several runs a day."""
    return recurrence.is_finer(schedule.recurrence, schedule.start)


def _may_pass(sync: Sync, run: Run) -> bool:
    """Whether a schedule of several runs a day has not failed for long yet."""
    if sync.schedule is None or sync.failing_since is None or not is_finer(sync.schedule):
        return False
    first, latest = map(datetime.fromisoformat, (sync.failing_since, run.requested_at))
    return latest - first < LASTING


def _pause(sync: Sync, last: RunProblem) -> RunProblem:
    return RunProblem(
        code="paused_after_failures",
        title=f"The schedule is paused, because its last {sync.failures:,} runs have failed.",
        # What the last one says goes last, as a mail cuts what is very long
        detail=f'Mend what they failed by, then let the schedule go on: PATCH /v1/syncs/{sync.id} with {{"state": "active"}}. '
        f"Until then the sync runs only when it is asked to. The latest of them: {last.title} {last.detail}",
    )

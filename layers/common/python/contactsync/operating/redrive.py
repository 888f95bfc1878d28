"""Take up again the runs that failed for a reason of ours, or ran out of time.

A run that could not even be closed is redriven where its execution broke off, in Notify: it is the state machine's
to finish. A run that was closed as failed is started again as a new run of its sync, unless another one has come after
it. The new run's id comes from the failed one's, so the command can be run any number of times.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain, takewhile
from typing import Any, Literal, NamedTuple

from contactsync import bootstrap
from contactsync.control import Control
from contactsync.core.health import TIMED_OUT
from contactsync.errors import ContactSyncError, NotFound
from contactsync.journeys.asked.asking import World, start_run
from contactsync.journeys.file.finishing import INTERNAL
from contactsync.model.account import ALL_PERMISSIONS, Caller
from contactsync.model.run import Run
from contactsync.model.sync import Sync
from contactsync.operating.stack import Stack, client

OURS = frozenset({INTERNAL.code, TIMED_OUT})
"""What a run has failed by that is ours to mend; one that was stopped, somebody has stopped on purpose."""
ENDED = ("FAILED", "TIMED_OUT")
"""How the execution of such a run has ended."""
REDRIVABLE = timedelta(days=14)
"""So long Step Functions lets an execution be taken up again."""
Way = Literal["redrive", "again"]


class Failed(NamedTuple):
    """An execution that failed or ran out of time, and the run that it was for."""

    arn: str
    name: str
    account_id: str
    run_id: str


Ways = dict[Way, Callable[[Failed], object]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to look only."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def run(options: argparse.Namespace, stack: Stack) -> int:
    """0, or 1 if an execution could not be taken up."""
    stack.enter()
    states = client("stepfunctions")
    since = bootstrap.clock().now() - REDRIVABLE
    machines = [stack.output(name) for name in ("ImportStateMachineArn", "SyncStateMachineArn")]
    executions = chain.from_iterable(failed(states, machine, since=since) for machine in machines)
    return redrive(executions, bootstrap.control(), ways_of(states), only_say=options.dry_run)


def ways_of(states: Any) -> Ways:
    """What is done, by a client of Step Functions and the ports of the stack."""
    return {
        "redrive": lambda found: states.redrive_execution(executionArn=found.arn),
        "again": lambda found: again(found, bootstrap.world()),
    }


def redrive(executions: Iterable[Failed], control: Control, ways: Ways, *, only_say: bool) -> int:
    """Say what is to be done for each execution, and do it; 1 if one of them has to wait."""
    status = 0
    for found in executions:
        way = way_for(found, control)
        told = f"run {found.run_id} of account {found.account_id}, execution {found.name}"
        try:
            if way is not None and not only_say:
                ways[way](found)
        except ContactSyncError as problem:
            status = 1
            print(f"not now   {told}: {problem}")
        else:
            print(f"{way or 'nothing':<9} {told}")
    return status


def way_for(found: Failed, control: Control) -> Way | None:
    """What there is to do for a failed execution; None if somebody has taken it up, or nobody has to."""
    try:
        run = control.run(found.account_id, found.run_id).value
        sync = control.sync(found.account_id, run.sync_id).value
    except NotFound:
        return None
    if run.execution == found.name and not run.has_ended:
        return "redrive"
    ours = run.problem is not None and run.problem.code in OURS and sync.deleted_at is None
    if ours and sync.latest_run == run.id and sync.state == "active" and _repeatable(run, sync):
        return "again"
    return None


def _repeatable(run: Run, sync: Sync) -> bool:
    """Whether the run was one of its source. Undoing, or carrying out a plan, is its owner's to ask for again.

    So is an upload in whose place its owner has put another source since.
    """
    if run.undoes is not None or run.planned_already:
        return False
    return run.dry_run or run.upload_id in (None, sync.source.get("upload_id"))


def again(found: Failed, world: World) -> Run:
    """Start the run anew, over the very file where it read a dropped one: newer ones have runs of their own.

    Raises what `start_run` does.
    """
    run = world.control.run(found.account_id, found.run_id).value
    caller = Caller(account_id=run.account_id, member_id="operator", permissions=ALL_PERMISSIONS)
    asked: dict[str, Any] = {"dry_run": run.dry_run}
    if run.upload_id is not None:
        asked["upload_id"] = run.upload_id
    failed_ms = int(datetime.fromisoformat(run.finished_at or run.requested_at).timestamp() * 1000)
    seed = f"{failed_ms:012x} again after {run.id}"  # so that the new run is listed after the one that failed
    return start_run(world, caller, run.sync_id, asked, seed=seed, file=run.file)


def failed(states: Any, machine: str, *, since: datetime) -> Iterator[Failed]:
    """The executions of a machine that failed or ran out of time since then, of either kind the newest first."""
    for ended in ENDED:
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter=ended)
        executions = (each for page in pages for each in page["executions"])
        for execution in takewhile(lambda it: it["stopDate"] >= since, executions):
            told = json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"])
            yield Failed(execution["executionArn"], execution["name"], told["account_id"], told["run_id"])

"""What every step begins with: whose run it is, and how far it has come."""

from __future__ import annotations

from typing import Any, get_args

from contactsync.control import Control
from contactsync.errors import Cancelled
from contactsync.journeys.asked import queueing
from contactsync.model.message import Message, Requested
from contactsync.model.run import Run, Step
from contactsync.ports import Clock

STEPS: tuple[Step, ...] = get_args(Step)


def claim(control: Control, message: Requested, step: Step, clock: Clock) -> Run | None:
    """The run, which from now on is this execution's; None if it is another one's, or not its turn yet."""
    asked = control.run(message.account_id, message.run_id).value
    if asked.status == "queued" and not queueing.is_next(control, asked, clock.now()):
        return None
    now = clock.now().isoformat(timespec="milliseconds")

    def mine(run: Run) -> Run:
        if run.status != "queued":
            return run
        return run.model_copy(
            update={"status": "running", "execution": message.execution, "started_at": now, "step": step}
        )

    run = control.update_run(message.account_id, message.run_id, mine)
    if run.execution == message.execution and run.status == "cancelled" and not run.has_ended:
        raise Cancelled("the run was cancelled while its first step was tried again")
    return run if run.execution == message.execution and run.status == "running" else None


def enter(control: Control, message: Message, step: Step) -> Run:
    """Note that the run has come to this step. Raises Cancelled if it is no longer ours to work on."""

    def advance(run: Run) -> Run:
        if run.status != "running" or (run.step and STEPS.index(run.step) >= STEPS.index(step)):
            return run
        return run.model_copy(update={"step": step})

    run = control.update_run(message.account_id, message.run_id, advance)
    if run.status != "running":
        raise Cancelled(f"the run is {run.status}")
    return run


def check_turn(control: Control, run: Run) -> None:
    """See that the run is still where this worker has found it, as `claim` or `enter` returned it.

    The machine takes a worker for dead whose answer does not come, and another one finishes the step; what the late one
    would store by then is not what the run has gone on with. Raises Cancelled.
    """
    _late(control.run(run.account_id, run.id).value, run)


def keep(control: Control, run: Run, **found: Any) -> None:
    """What a step has found out about its run. Raises Cancelled as `check_turn` does."""

    def kept(stored: Run) -> Run:
        _late(stored, run)
        return stored.model_copy(update=found)

    control.update_run(run.account_id, run.id, kept)


def _late(stored: Run, run: Run) -> None:
    if stored.status != "running":
        raise Cancelled(f"the run is {stored.status}")
    if stored.step != run.step:
        raise Cancelled(f"another worker has brought the run to {stored.step}")

"""What people decide over a run: let its plan go on, reject it, cancel it, take back what it did.

approve   awaiting_approval → queued; its first step claims it anew and carries out the very plan
reject    awaiting_approval → cancelled, nothing was written; where only the deletions had waited, the rest is
          done and stays, so → succeeded, with a warning that they were not carried out. The same where the sync is
          run again before anybody has decided (`control.syncs`); but what was rejected the next run with an address
          book asks for no more (`journeys.book.rejecting`)
cancel    queued → cancelled; running → cancelled, its workers notice and notify counts what they had done;
          awaiting_approval → as reject
undo      succeeded → another run that takes back, field by field, what nobody has changed since; when that has
          succeeded → undone. A run that ended half way is taken back as far as it came, and keeps its status
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from contactsync.core import checking
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, NotFound
from contactsync.journeys.asked import queueing, scheduling
from contactsync.journeys.asked.asking import World, announce, check_plan, create_run, derived_id
from contactsync.journeys.file.runfiles import files_of
from contactsync.model.account import Caller
from contactsync.model.request import ApproveRequest, NothingAsked
from contactsync.model.run import Run, RunProblem, RunWarning

CANCELLED = RunProblem(
    code="cancelled",
    title="The run was cancelled.",
    detail="What it had written until then stays, all other rows count as skipped. Run the sync again to go on.",
)
REJECTED = RunProblem(
    code="plan_rejected",
    title="The plan was rejected, so nothing was written.",
    detail="Correct the source or the options of the sync, then run it again.",
)
DELETIONS_REJECTED = RunWarning(
    code="deletions_rejected",
    message="The deletions were rejected, so nobody was deleted.",
)
KEPT_APART = RunWarning(
    code="deletions_rejected",
    message="The deletions were rejected, so nobody was deleted. Contact list and address book each keep whom they have, and no "
    "later run asks for these deletions again. Who is edited later is brought to the other side again, as the sync's "
    "direction allows.",
)
WITHDRAWN = RunProblem(
    code="plan_withdrawn",
    title="Somebody whom this plan named was erased before it was approved, so nothing was written.",
    detail="Take that person out of the file first, for it would bring them back. Then run the sync again; a file that was "
    "uploaded or pasted has to be sent anew.",
)
WITHDRAWN_FROM_BOOK = RunProblem(
    code="plan_withdrawn",
    title="Somebody whom this plan named was erased before it was approved, so nothing was written.",
    detail="Run the sync again: its next plan leaves that person out.",
)
DELETIONS_WITHDRAWN = RunWarning(
    code="deletions_withdrawn",
    message="Somebody whom the plan named was erased before the deletions were approved, so nobody was deleted. The next run "
    "asks for the others again.",
)


REACHED_THE_BOOK = frozenset({"push", "commit", "notify"})
"""Steps by which a run may have written to its address book, whatever it has counted."""


def approve(world: World, caller: Caller, run_id: str, body: Mapping[str, Any]) -> Run:
    """Let a held run go on with the very plan that was shown. Raises Conflict if it does not wait for that, or not any more."""
    held = world.control.run(caller.account_id, run_id).value
    asked = checking.parse(ApproveRequest, body)
    if held.status == "awaiting_approval":
        check_plan(world, held)
    run = world.control.approve_run(caller.account_id, run_id, asked.plan_hash)
    announce(world, run)
    return run


def reject(world: World, caller: Caller, run_id: str, body: Mapping[str, Any]) -> Run:
    """Close a held run without carrying out what waits."""
    world.control.run(caller.account_id, run_id)
    checking.parse(NothingAsked, body)

    def change(run: Run) -> Run:
        if run.status != "awaiting_approval":
            raise Conflict(
                "not_waiting",
                f"The run's status is {run.status}.",
                "Only a run that waits can be rejected. GET /v1/runs/{id} says what has become of this one.",
            )
        return _rejected(run)

    return world.control.update_run(caller.account_id, run_id, change)


def cancel(world: World, caller: Caller, run_id: str, body: Mapping[str, Any]) -> Run:
    """Stop a run. One that is at work has stopped when it says when it finished; asking twice does no harm."""
    world.control.run(caller.account_id, run_id)
    checking.parse(NothingAsked, body)
    now = timestamp(world.clock.now())

    def change(run: Run) -> Run:
        match run.status:
            case "cancelled":
                return run
            case "awaiting_approval":
                return _rejected(run)
            case "queued" if run.approved:
                return _rejected(run).model_copy(update={"approved": False, "finished_at": now})
            case "queued":
                return run.model_copy(
                    update={"status": "cancelled", "problem": CANCELLED, "finished_at": now}
                )
            case "running":
                return run.model_copy(update={"status": "cancelled", "problem": CANCELLED})
        raise Conflict(
            "run_ended", f"The run's status is {run.status}.", "Only a run under way can be cancelled."
        )

    run = world.control.update_run(caller.account_id, run_id, change)
    if run.has_ended:  # nobody else will let the sync go
        world.control.close_run(caller.account_id, run_id, lambda run: run)
        scheduling.call_again(
            caller.account_id, run.sync_id, control=world.control, bus=world.bus, clock=world.clock
        )
        queueing.announce_next(world.control, world.bus, caller.account_id, world.clock.now())
    return run


def undo(world: World, caller: Caller, run_id: str, body: Mapping[str, Any], seed: str) -> Run:
    """Another run that takes back what this one did.

    Raises Conflict if there is nothing to take back, if it is taken back already, or while a run is under way.
    """
    done = world.control.run(caller.account_id, run_id).value
    checking.parse(NothingAsked, body)
    run = Run(
        id=derived_id(seed, "run"),
        account_id=caller.account_id,
        sync_id=done.sync_id,
        journey=done.journey,
        trigger="api",
        undoes=done.id,
        requested_at=timestamp(world.clock.now()),
        requested_by=f"member:{caller.member_id}",
    )
    with suppress(NotFound):
        run = world.control.run(caller.account_id, run.id).value
        announce(world, run)  # this request was here before, and may not have come so far
        return run
    _check_undoable(world, done)
    create_run(world, run)
    announce(world, run)
    return run


def _check_undoable(world: World, done: Run) -> None:
    if done.status == "undone" or done.undone_by is not None:
        raise Conflict(
            "already_undone",
            f"The run has been undone, by run {done.undone_by}.",
            "To have its changes again, undo that run.",
        )
    counts = done.counts
    wrote = not done.dry_run and counts.added + counts.updated + counts.deleted > 0
    wrote = wrote or (done.journey == "sync" and done.step in REACHED_THE_BOOK)
    if (
        done.finished_at is None
        or not (done.status == "succeeded" or (wrote and not done.is_open))
        or done.dry_run
    ):
        raise Conflict(
            "nothing_to_undo",
            "The run was a dry run." if done.dry_run else f"The run's status is {done.status}.",
            "Only a run that has ended and has changed contacts can be undone.",
        )
    try:
        files_of(done, world.runs).manifest()
    except NotFound:
        raise Conflict(
            "plan_forgotten",
            "What the run did is no longer kept in detail.",
            "A run can be undone for 90 days, or as long as the account's retention_days says. Edit the contacts, or import "
            "an older file.",
        ) from None


def withdrawn(run: Run) -> Run:
    """The run without a plan that anybody could still carry out: it is not what was looked at any more."""
    if run.status == "awaiting_approval":
        return run.unapproved(
            WITHDRAWN_FROM_BOOK if run.journey == "sync" else WITHDRAWN, DELETIONS_WITHDRAWN
        )
    return run.model_copy(update={"plan_hash": None}) if run.dry_run else run


def _rejected(run: Run) -> Run:
    return run.unapproved(REJECTED, KEPT_APART if run.journey == "sync" else DELETIONS_REJECTED)

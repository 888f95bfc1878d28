"""Guard's work: the whole plan added up, and held against the limits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from contactsync.control import Control, check_room
from contactsync.core import figures, guarding, reporting
from contactsync.core.decisions import Changing, Delete, read_decision
from contactsync.core.guarding import GO, Limits, Losses
from contactsync.errors import PlanLimit
from contactsync.journeys.book.bookfiles import BookFiles, BookPlan
from contactsync.journeys.file.applying import fits
from contactsync.journeys.file.runfiles import RunFiles, batches
from contactsync.journeys.steps import keep
from contactsync.model.run import Counts, Pushed, Run, RunWarning, Verdict
from contactsync.model.sync import Sync
from contactsync.ports import Clock, ContactStore

WEEK = timedelta(days=7)
BATCH = 1_000
STALE = Verdict(
    kind="blocked",
    code="plan_is_stale",
    title="Contacts have changed since this plan was made, so it was not carried out.",
    detail="Run the sync again and look at the new plan.",
)
UNPROVEN = RunWarning(
    code="source_not_proven_complete",
    message="Nothing shows that the source was read to its end, so contacts that it does not mention were kept.",
)
GOING_AGAIN = RunWarning(
    code="missing_as_before",
    message="Contacts come back that the sync's file did not have. As long as it does not, its next run deletes them again: correct the "
    "file, or pause the sync.",
)


def judge_plan(
    run: Run, *, control: Control, contacts: ContactStore, files: RunFiles, clock: Clock
) -> Literal["go", "nothing", "hold", "stop"]:
    """The verdict over a run's plan, kept in the run's record. Where the run goes on, its changes are announced."""
    counts, losses, plan_hash, confirms = _added_up(run, files)
    sync = control.sync(run.account_id, run.sync_id).value
    book = BookFiles(files).plan()
    now = clock.now()
    if run.planned_already:
        verdict = _of_shown_plan(run, sync, plan_hash, control=control, contacts=contacts, files=files)
    elif run.undoes is not None:
        verdict = GO
    elif sync.connection_id:
        verdict = _of_book(sync, counts, book or BookPlan(), _deleted_lately(run, control, now))
    else:
        verdict = _of_file(sync, replace(losses, deleted_lately=_deleted_lately(run, control, now)))
    if run.undoes is None and verdict.kind != "blocked":
        verdict = _too_many(run, counts, control) or verdict
    judged: dict[str, Any] = {
        "plan_hash": plan_hash,
        "planned": counts,
        "confirms": confirms,
        "planned_there": _planned_there(book) if book else None,
        "verdict": verdict,
        "warnings": _warnings(run, sync, counts, control),
    }
    keep(control, run, **judged)
    moves_links = bool(sync.connection_id) and (run.undoes is None or bool(book and book.errands))
    going = _going(run, verdict, counts, confirms, moves_links=moves_links)
    if going == "go":
        deletes = counts.deleted + (book.deleted if book else 0)
        _announce(run.model_copy(update=judged), deletes, verdict, control, now)
    return going


def _of_shown_plan(
    run: Run, sync: Sync, plan_hash: str, *, control: Control, contacts: ContactStore, files: RunFiles
) -> Verdict:
    """The verdict over a plan that somebody has looked at: as it was, unless it is another plan, or fits no longer."""
    if plan_hash != _shown(run, control) or _is_stale(run, files, contacts, _ticked(sync, run, control)):
        return STALE
    return run.verdict or GO


def _of_file(sync: Sync, losses: Losses) -> Verdict:
    """The verdict over the deletions of a file's plan."""
    verdict = guarding.judge(losses, _limits(sync))
    if verdict.kind == "hold" and sync.options.guard.on_trip == "hold_deletes":
        return verdict.model_copy(update={"kind": "hold_deletes"})
    return verdict


def _of_book(sync: Sync, counts: Counts, book: BookPlan, lately: int) -> Verdict:
    """The verdict over a round with an address book. Where it holds, it holds the deletions only."""
    here = Losses(book.linked, book.linked - counts.deleted, counts.deleted, lately)
    there = Losses(book.linked, book.linked - book.deleted, book.deleted, lately)
    verdict = guarding.judge_book(here, there, _limits(sync))
    return verdict if verdict.kind == "go" else verdict.model_copy(update={"kind": "hold_deletes"})


def _limits(sync: Sync) -> Limits:
    asked = sync.options.guard
    return Limits(asked.min_overlap_percent, asked.max_delete_percent, asked.max_delete_count)


def _deleted_lately(run: Run, control: Control, now: datetime) -> int:
    """How many contacts other runs of the sync have deleted within a week."""
    since = (now - WEEK).isoformat(timespec="milliseconds")
    return control.deleted_since(run.account_id, run.sync_id, since, but=run.id)


def _warnings(run: Run, sync: Sync, counts: Counts, control: Control) -> tuple[RunWarning, ...]:
    """The run's warnings, and what has to be said of its plan."""
    told = _of_deletions(run, sync, counts, control)
    if run.figures is not None and run.figures.rows is not None and run.undoes is None:
        told += figures.met(counts, sync.figures)
    codes = {warning.code for warning in told}
    return (*(warning for warning in run.warnings if warning.code not in codes), *told)


def _of_deletions(run: Run, sync: Sync, counts: Counts, control: Control) -> list[RunWarning]:
    """That a run deletes nobody where it was to and nothing proves its source complete; and whom an undo brings back for no
    longer than to the next run.
    """
    if not sync.options.delete_missing or run.proof or sync.deleted_at:
        return []
    if run.undoes is None:
        return [_unproven(run)]
    brings_back = counts.added and control.run(run.account_id, run.undoes).value.undoes is None
    return [GOING_AGAIN] if brings_back else []


def _unproven(run: Run) -> RunWarning:
    message = f"{UNPROVEN.message} {run.doubt}".rstrip()
    if run.doubt in (figures.OLDER, reporting.PARTIAL):
        message = f"{run.doubt} So contacts that it does not mention were kept."
    return UNPROVEN.model_copy(update={"message": message})


def _announce(run: Run, deletes: int, verdict: Verdict, control: Control, now: datetime) -> None:
    """Say, before the first write, that contacts are about to change, and how many may go."""
    if writes_contacts(run):
        control.note_changes(run.account_id, run.id, now, run_id=run.id)
        control.begin_changes(run)
    if deletes and (verdict.kind != "hold_deletes" or run.approved):
        at = now.isoformat(timespec="milliseconds")
        forget = (now - WEEK).isoformat(timespec="milliseconds")
        control.note_deletions(run, at, deletes, forget_before=forget)


def writes_contacts(run: Run) -> bool:
    """Whether the stage of a run that is at hand is to write any contact."""
    planned = run.planned or Counts()
    deletes = planned.deleted if run.stage != "rest" else 0
    return bool(planned.added + planned.updated + run.confirms + deletes)


def _planned_there(book: BookPlan) -> Pushed:
    return Pushed(added=book.created, updated=book.updated, deleted=book.deleted)


def _too_many(run: Run, counts: Counts, control: Control) -> Verdict | None:
    """The verdict over a plan that adds more contacts than the account's plan has room for; None over any other.

    What it deletes makes no room yet, for that may be held. Once its deletions were held, what it adds is there already.
    """
    adds = counts.added if run.stage != "held" else 0
    if not adds:
        return None
    there = control.contacts_count(run.account_id)
    try:
        check_room(control.account(run.account_id), "contacts", there + adds)
    except PlanLimit as limit:
        title = f"{limit.title} The import would add {adds:,} to the {there:,} that there are, so it was not performed."
        return Verdict(kind="blocked", code=limit.code, title=title, detail=limit.detail)
    return None


def _shown(run: Run, control: Control) -> str | None:
    """The hash of the plan that somebody has looked at."""
    shown = control.run(run.account_id, run.plan_of).value if run.plan_of else run
    return shown.plan_hash


def _going(
    run: Run, verdict: Verdict, counts: Counts, confirms: int, *, moves_links: bool
) -> Literal["go", "nothing", "hold", "stop"]:
    if verdict.kind == "blocked":
        return "stop"
    if run.dry_run:
        return "nothing"
    if verdict.kind == "hold" and not run.approved:
        return "hold"
    if moves_links:  # and the cursor, even where no contact changes
        return "go"
    writes = counts.added + counts.updated + confirms
    if verdict.kind == "hold_deletes" and not run.approved:
        return "go" if writes else "hold"
    return "go" if writes + counts.deleted else "nothing"


def _added_up(run: Run, files: RunFiles) -> tuple[Counts, Losses, str, int]:
    """The plan's counts, what it would delete, the hash that stands for all of it, and how many contacts it confirms.

    Rows must add up.
    """
    manifest = files.manifest()
    mapped = files.mapped_counts(len(manifest.chunks))
    counts = Counts(rejected=mapped.rejected, skipped=mapped.skipped)
    digests = hashlib.sha256()
    stored = found = confirms = 0
    for unit in range(manifest.units):
        summary = files.plan_summary(unit)
        if summary is None:
            raise RuntimeError(f"unit {unit} has no plan")
        counts += summary.counts
        stored, found = stored + summary.stored, found + summary.found
        confirms += summary.confirms
        digests.update(summary.digest.encode())
    rows = counts.settled if run.undoes else manifest.rows
    if counts.settled != rows:
        raise RuntimeError(f"{rows} rows were parsed, but {counts.settled} are planned")
    losses = Losses(stored, found, counts.deleted, unreadable=files.unreadable(len(manifest.chunks)))
    return counts.model_copy(update={"rows": rows}), losses, digests.hexdigest(), confirms


def _ticked(sync: Sync, run: Run, control: Control) -> Callable[[str], bool]:
    """Whether somebody else has ticked a contact of the shared hub: its book's member does not delete it for them."""
    if sync.selection != "subscribed":
        return lambda _: False
    mine = {control.connection(run.account_id, sync.connection_id).value.member_id}
    return lambda contact_id: bool(control.subscribers(run.account_id, contact_id) - mine)


def _is_stale(run: Run, files: RunFiles, contacts: ContactStore, ticked: Callable[[str], bool]) -> bool:
    """Whether any contact that the waiting part of the plan would change has changed since, or is kept by now."""
    waiting = Delete if run.stage == "held" else Changing
    for unit in range(files.manifest().units):
        for lines in batches(files.plan(unit), BATCH):
            decisions = [d for d in map(read_decision, lines) if isinstance(d, waiting)]
            slots = contacts.slots(run.account_id, [decision.target for decision in decisions])
            if not all(fits(decision, slots.get(decision.target)) for decision in decisions):
                return True
            if any(isinstance(decision, Delete) and ticked(decision.target) for decision in decisions):
                return True
    return False

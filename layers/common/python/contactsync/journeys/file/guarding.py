"""Guard's work: the whole plan added up, and held against the limits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from contactsync.control import Control, check_room
from contactsync.core import figures, guarding, reporting
from contactsync.core.decisions import Delete, Writing, read_decision
from contactsync.core.guarding import Limits, Losses
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


def judge_plan(
    run: Run, *, control: Control, contacts: ContactStore, files: RunFiles, clock: Clock
) -> Literal["go", "nothing", "hold", "stop"]:
    """The verdict over a run's plan, kept in the run's record."""
    counts, losses, plan_hash = _added_up(run, files)
    sync = control.sync(run.account_id, run.sync_id).value
    asked = sync.options.guard
    now = clock.now()
    verdict = Verdict(kind="go")
    if run.planned_already:
        verdict = run.verdict or verdict
        if plan_hash != _shown(run, control) or _is_stale(run, files, contacts, _ticked(sync, run, control)):
            verdict = STALE
    elif run.undoes is None and sync.connection_id:
        verdict = _of_book(run, sync, counts, control=control, files=files, now=now)
    elif run.undoes is None:
        since = (now - WEEK).isoformat(timespec="milliseconds")
        lately = control.deleted_since(run.account_id, sync.id, since, but=run.id)
        limits = Limits(asked.min_overlap_percent, asked.max_delete_percent, asked.max_delete_count)
        told = guarding.judge(
            Losses(losses.stored, losses.found, losses.deletes, lately, losses.unreadable), limits
        )
        kind: Literal["go", "blocked", "hold", "hold_deletes"] = told.kind
        if told.kind == "hold" and asked.on_trip == "hold_deletes":
            kind = "hold_deletes"
        verdict = Verdict(kind=kind, code=told.code, title=told.title, detail=told.detail)
    adds = (
        counts.added if run.stage != "held" else 0
    )  # whom it adds is there already where the deletions waited
    if run.undoes is None and verdict.kind != "blocked":
        verdict = _too_many(run, adds, control) or verdict
    warnings = run.warnings
    if sync.options.delete_missing and not run.proof and not run.undoes:
        said = f"{UNPROVEN.message} {run.doubt}".rstrip()
        if run.doubt in (figures.OLDER, reporting.PARTIAL):
            said = f"{run.doubt} So contacts that it does not mention were kept."
        unproven = UNPROVEN.model_copy(update={"message": said})
        warnings = (*(warning for warning in warnings if warning.code != unproven.code), unproven)
    kept = {"plan_hash": plan_hash, "planned": counts, "verdict": verdict, "warnings": warnings}
    kept["planned_there"] = _planned_there(files)
    keep(control, run, **kept)
    is_book = bool(sync.connection_id) and (run.undoes is None or _has_errands(files))
    going = _going(run, verdict, counts, is_book=is_book)
    if going == "go":
        run = run.model_copy(update=kept)
        if writes_contacts(run):
            control.note_changes(run.account_id, run.id, now, run_id=run.id)
            control.begin_changes(run)
        deletes = counts.deleted + _deletes_there(files)
        if deletes and (verdict.kind != "hold_deletes" or run.approved):
            at = now.isoformat(timespec="milliseconds")
            forget = (now - WEEK).isoformat(timespec="milliseconds")
            control.note_deletions(run, at, deletes, forget_before=forget)
    return going


def writes_contacts(run: Run) -> bool:
    """Whether the stage of a run that is at hand is to write any contact."""
    planned = run.planned or Counts()
    return bool(planned.added + planned.updated + (planned.deleted if run.stage != "rest" else 0))


def _of_book(
    run: Run, sync: Sync, counts: Counts, *, control: Control, files: RunFiles, now: datetime
) -> Verdict:
    """The verdict over a round with an address book. Where it holds, it holds the deletions only."""
    plan = BookFiles(files).plan() or BookPlan()
    asked = sync.options.guard
    limits = Limits(asked.min_overlap_percent, asked.max_delete_percent, asked.max_delete_count)
    since = (now - WEEK).isoformat(timespec="milliseconds")
    lately = control.deleted_since(run.account_id, sync.id, since, but=run.id)
    here = Losses(plan.linked, plan.linked - counts.deleted, counts.deleted, lately)
    there = Losses(plan.linked, plan.linked - plan.deleted, plan.deleted, lately)
    told = guarding.judge_book(here, there, limits)
    kind: Literal["go", "hold_deletes"] = "go" if told.kind == "go" else "hold_deletes"
    return Verdict(kind=kind, code=told.code, title=told.title, detail=told.detail)


def _planned_there(files: RunFiles) -> Pushed | None:
    plan = BookFiles(files).plan()
    return Pushed(added=plan.created, updated=plan.updated, deleted=plan.deleted) if plan else None


def _has_errands(files: RunFiles) -> bool:
    plan = BookFiles(files).plan()
    return plan is not None and plan.errands > 0


def _deletes_there(files: RunFiles) -> int:
    plan = BookFiles(files).plan()
    return plan.deleted if plan else 0


def _too_many(run: Run, adds: int, control: Control) -> Verdict | None:
    """The verdict over a plan after which there were more contacts than the account's plan has room for.

    What it deletes counts only once it is deleted, for that may be held. Who adds nobody is never stopped.
    """
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
    run: Run, verdict: Verdict, counts: Counts, *, is_book: bool
) -> Literal["go", "nothing", "hold", "stop"]:
    if verdict.kind == "blocked":
        return "stop"
    if run.dry_run:
        return "nothing"
    if verdict.kind == "hold" and not run.approved:
        return "hold"
    if is_book:  # links and the cursor move where no contact does
        return "go"
    writes = counts.added + counts.updated
    if verdict.kind == "hold_deletes" and not run.approved:
        return "go" if writes else "hold"
    return "go" if writes + counts.deleted else "nothing"


def _added_up(run: Run, files: RunFiles) -> tuple[Counts, Losses, str]:
    """The plan's counts, what it would delete, and the hash that stands for all of it. Rows must add up."""
    manifest = files.manifest()
    mapped = files.mapped_counts(len(manifest.chunks))
    counts = Counts(rejected=mapped.rejected, skipped=mapped.skipped)
    digests = hashlib.sha256()
    stored = found = 0
    for unit in range(manifest.units):
        summary = files.plan_summary(unit)
        if summary is None:
            raise RuntimeError(f"unit {unit} has no plan")
        counts += summary.counts
        stored, found = stored + summary.stored, found + summary.found
        digests.update(summary.digest.encode())
    rows = counts.settled if run.undoes else manifest.rows
    if counts.settled != rows:
        raise RuntimeError(f"{rows} rows were parsed, but {counts.settled} are planned")
    losses = Losses(stored, found, counts.deleted, unreadable=files.unreadable(len(manifest.chunks)))
    return counts.model_copy(update={"rows": rows}), losses, digests.hexdigest()


def _ticked(sync: Sync, run: Run, control: Control) -> Callable[[str], bool]:
    """Whether somebody else has ticked a contact of the shared hub: its book's member does not delete it for them."""
    if sync.selection != "subscribed":
        return lambda _: False
    mine = {control.connection(run.account_id, sync.connection_id).value.member_id}
    return lambda contact_id: bool(control.subscribers(run.account_id, contact_id) - mine)


def _is_stale(run: Run, files: RunFiles, contacts: ContactStore, ticked: Callable[[str], bool]) -> bool:
    """Whether any contact that the waiting part of the plan would write has changed since, or is kept by now."""
    waiting = Delete if run.stage == "held" else Writing
    for unit in range(files.manifest().units):
        for lines in batches(files.plan(unit), BATCH):
            decisions = [d for d in map(read_decision, lines) if isinstance(d, waiting)]
            slots = contacts.slots(run.account_id, [decision.target for decision in decisions])
            if not all(fits(decision, slots.get(decision.target)) for decision in decisions):
                return True
            if any(isinstance(decision, Delete) and ticked(decision.target) for decision in decisions):
                return True
    return False

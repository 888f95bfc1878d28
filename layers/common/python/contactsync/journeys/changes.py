"""Which contacts have changed here since somebody last looked: the account's feed, and the plans of its runs."""

from __future__ import annotations

from datetime import datetime

from contactsync.control import Control
from contactsync.control.feed import YOUNG, position_at, time_of
from contactsync.core.decisions import IDLE, Writing, read_decision
from contactsync.errors import NotFound
from contactsync.journeys.file.runfiles import RunFiles, files_of
from contactsync.model.run import Run
from contactsync.ports import Objects

CHANGED_MAX = 5_000
"""From so many changed contacts on it is quicker to look at all of them."""


def changed_since(
    control: Control, runs: Objects, account_id: str, position: str, now: datetime, *, but: str
) -> set[str] | None:
    """The contacts that may have changed after a position of the feed; None for perhaps all of them.

    What the run `but` has changed does not count. Edits that were announced just before may have been made after.
    """
    since = time_of(position)
    entries = control.changes_since(account_id, position_at(since - YOUNG), now)
    if entries is None:
        return None
    changed = set(control.erased(account_id, CHANGED_MAX + 1))
    for entry in entries:
        if len(changed) > CHANGED_MAX:
            break
        changed.update(entry.contacts)
        if entry.run_id and entry.run_id != but:
            run = run_named(control, account_id, entry.run_id)
            if entry.at < since and run is not None and _ended(run, since):
                continue
            written = written_by(run, runs) if run is not None else None
            if written is None:
                return None
            changed.update(written)
    return changed if len(changed) <= CHANGED_MAX else None


def changed_by_hand(control: Control, account_id: str, position: str, since: datetime) -> set[str] | None:
    """The contacts that people have changed after a position of the feed; None for perhaps more of them.

    So it is where a run may have written `since`: whom, it may still be deciding.
    """
    entries = control.changes_since(account_id, position, since)
    if entries is None:
        return None
    changed = set(control.erased(account_id, CHANGED_MAX + 1))
    for entry in entries:
        changed.update(entry.contacts)
        if entry.run_id:
            run = run_named(control, account_id, entry.run_id)
            if entry.at >= since or run is None or not _ended(run, since):
                return None
    return changed if len(changed) <= CHANGED_MAX else None


def _ended(run: Run, before: datetime) -> bool:
    return run.finished_at is not None and datetime.fromisoformat(run.finished_at) < before


def begun_by(control: Control, account_id: str, at: datetime) -> datetime:
    """When the first of the runs under way began, or `at` if that is earlier: what was announced before is written.

    One that was cancelled is under way until it has finished.
    """
    begun = (run.started_at for run in control.runs_under_way(account_id) if run.started_at)
    return min([at, *map(datetime.fromisoformat, begun)])


def run_named(control: Control, account_id: str, run_id: str) -> Run | None:
    """A run; None where it is not known any more."""
    try:
        return control.run(account_id, run_id).value
    except NotFound:
        return None


def written_by(run: Run, runs: Objects) -> dict[str, None] | None:
    """The contacts that a run was to write; None if they are too many, or not known any more."""
    try:
        return _written(files_of(run, runs))
    except NotFound:
        return None


def _written(files: RunFiles) -> dict[str, None] | None:
    summaries = [files.plan_summary(unit) for unit in range(files.manifest().units)]
    planned = [summary for summary in summaries if summary is not None]
    if sum(summary.written for summary in planned) > CHANGED_MAX or len(planned) < len(summaries):
        return None
    found: dict[str, None] = {}
    for unit, summary in enumerate(planned):
        if not summary.writes:
            continue
        for lines in (files.plan(unit), files.deviations(unit), files.deviations(unit, "held")):
            for line in lines:
                if line.startswith(IDLE):
                    continue
                decision = read_decision(line)
                if isinstance(decision, Writing):
                    found[decision.target] = None
    return found

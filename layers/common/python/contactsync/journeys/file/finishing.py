"""The last step of every run, however it went: counts that add up, the reject file, the record closed, the mail."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain

from contactsync.control import Control
from contactsync.control.feed import OUTLIVES, position_at
from contactsync.core import figures, health, mailing, reporting
from contactsync.core.parsing import Damaged
from contactsync.errors import BookBusy, NotFound
from contactsync.journeys.asked import queueing, scheduling
from contactsync.journeys.book.bookfiles import BookFiles
from contactsync.journeys.book.books import go_on, say_changed
from contactsync.journeys.book.committing import count_day
from contactsync.journeys.book.losing import say_lost
from contactsync.journeys.book.pushing import settle_links
from contactsync.journeys.book.ticking import tick_again, untick_if_gone
from contactsync.journeys.changes import begun_by
from contactsync.journeys.file.applying import Applying
from contactsync.journeys.file.chunks import raw_rows
from contactsync.journeys.file.guarding import writes_contacts
from contactsync.journeys.file.notifying import notify
from contactsync.journeys.file.ruling import rules_of, settings_hash
from contactsync.journeys.file.runfiles import Manifest, Reject, RunFiles, files_of
from contactsync.model.message import Failure, Finishing, Notified
from contactsync.model.run import Counts, Refused, Run, RunProblem, Status
from contactsync.model.sync import LastGood, Sync
from contactsync.ports import Bus, Clock, ContactStore, Mailer, Objects

REASONS_COUNTED = 1_000
"""Reasons name columns and rules, never values, so there are few; the bound is for a file made to have many."""
REASONS_KEPT = 10
REASON_CHARS = 2_000
"""Of what may be wrong with each of a thousand columns: all of it stands in the file of refused rows."""
NO_TIME = timedelta()
NOTHING_WRITTEN = {"added": 0, "updated": 0, "deleted": 0}
AGAIN = (
    "No row is lost: those that were not applied count as skipped. Start the run again, it goes on where this one "
    "stopped."
)
INTERNAL = RunProblem(
    code=health.INTERNAL,
    title="Something broke on our side; the run stopped.",
    detail=f"{AGAIN} If it happens again, tell us the id of this run.",
)
LEFT: Mapping[str, RunProblem] = {
    "ABORTED": RunProblem(
        code=health.STOPPED, title="We have stopped the run before it could come to its end.", detail=AGAIN
    ),
    "TIMED_OUT": RunProblem(
        code=health.TIMED_OUT, title="The run took longer than any run may, and was stopped.", detail=AGAIN
    ),
}
"""The problem of a run whose execution was ended from outside, by the status of the execution. Any other is INTERNAL."""


def finish(
    message: Finishing,
    *,
    control: Control,
    contacts: ContactStore,
    runs: Objects,
    mailer: Mailer,
    bus: Bus,
    clock: Clock,
    public_url: str,
) -> Notified:
    """Close the run and tell people. Runs after success and after any failure of the steps before it."""
    run = control.run(message.account_id, message.run_id).value
    if message.stopped is not None:
        run = _called_off(run, message, control)
        if run.execution != message.stopped:  # nobody's yet, or another's by now
            queueing.announce_next(control, bus, run.account_id, clock.now())
            return Notified(account_id=run.account_id, run_id=run.id, status=run.status, bug=False)
    elif run.approved and message.error is None and run.step in (None, "fetch", "parse", "pull"):
        # The step that held the run is tried once more, after the approval: the run is another execution's now
        return Notified(account_id=run.account_id, run_id=run.id, status=run.status, bug=False)
    if not run.has_ended and run.status != "awaiting_approval":
        files = files_of(run, runs)
        work = Applying(run, rules_of(run, control), files, contacts, control, clock)
        run = _close(work, message.error)
    else:
        run = control.close_run(run.account_id, run.id, lambda run: run)
    if run.undoes and run.status == "succeeded":
        control.update_run(run.account_id, run.undoes, lambda undone: _taken_back(undone, run.id))
    sync = control.sync(run.account_id, run.sync_id).value
    _call_others(run, sync, control=control, bus=bus, clock=clock)
    sent, failed = notify(run, sync, control=control, runs=runs, mailer=mailer, public_url=public_url)
    problem = run.problem.code if run.problem else None
    return Notified(
        account_id=run.account_id,
        run_id=run.id,
        status=run.status,
        bug=problem == INTERNAL.code,
        problem=problem,
        counts=run.counts if run.has_ended else None,
        took_s=run.took_s,
        mails_sent=sent,
        mails_failed=failed,
    )


def _taken_back(run: Run, undo_id: str) -> Run:
    """A run after another one has taken back what it did; one that had not succeeded keeps its status."""
    status = "undone" if run.status == "succeeded" else run.status
    return run.model_copy(update={"status": status, "undone_by": undo_id})


def _call_others(run: Run, sync: Sync, *, control: Control, bus: Bus, clock: Clock) -> None:
    """Call for all that the end of a run sets going: books that follow, runs and files that wait, a lost book's member."""
    if run.has_ended and run.counts.added + run.counts.updated + run.counts.deleted:
        say_changed(bus, run.account_id, but=run.sync_id if run.undoes is None else "")
    if run.has_ended:
        go_on(run, control=control, bus=bus, now=clock.now())
    scheduling.call_again(run.account_id, run.sync_id, control=control, bus=bus, clock=clock)
    queueing.announce_next(control, bus, run.account_id, clock.now())
    if sync.connection_id and run.problem is not None and run.problem.code == health.ACCESS_LOST:
        say_lost(control, bus, run.account_id, sync.connection_id)


def _called_off(run: Run, message: Finishing, control: Control) -> Run:
    """The run, whose workers stop when they next look at it: they may have outlived their execution.

    One that is closed already stays as it is: what may be missing is that people were told.
    """

    def call_off(run: Run) -> Run:
        if run.execution != message.stopped or run.status != "running" or message.error is None:
            return run
        return run.model_copy(update={"status": "failed", "problem": _problem(message.error, NO_TIME)})

    return control.update_run(run.account_id, run.id, call_off)


def _close(work: Applying, error: Failure | None) -> Run:
    now = work.clock.now()
    status, problem = _outcome(work.run, error, now)
    refusals: tuple[Refused, ...] = ()
    try:
        manifest = work.files.manifest()
    except NotFound:
        counts = Counts()
    else:
        counts = _counts(work, manifest, whole=error is None and work.run.status != "cancelled")
        refusals = _report_rejects(manifest, work.files)
        if manifest.known_by:
            work.files.forget_looked_at()
    if work.run.same_as:
        work.files.forget_source()
    _leave_book(work, error)
    tick_again(work.run, control=work.control, contacts=work.contacts, now=now)
    if error is not None and _has_written(work.run):
        control, id_ = work.control, work.run.id
        control.note_changes(work.run.account_id, id_, now + OUTLIVES, run_id=id_)
    finished_at = now.isoformat(timespec="milliseconds")

    def close(run: Run) -> Run:
        if run.has_ended:
            return run
        ending = {} if run.status == "cancelled" else {"status": status, "problem": problem}
        told = {"step": "notify", "counts": counts, "refusals": refusals, "finished_at": finished_at}
        return run.model_copy(update={**told, **ending})

    marker = work.control.end_changes(work.run) if _has_written(work.run) else work.run.marker
    good = _last_good(work, counts, marker) if status == "succeeded" else None
    _note_contacts(work, counts, marker)

    def learn(sync: Sync, run: Run) -> Sync:
        return health.minded(
            figures.kept(sync.model_copy(update={"last_good": good or sync.last_good}), run), run
        )

    return work.control.close_run(work.run.account_id, work.run.id, close, learn=learn)


def _has_written(run: Run) -> bool:
    """Whether a run has come so far that it may have written contacts."""
    return run.step in ("upsert", "push", "commit") and writes_contacts(run)


def _leave_book(work: Applying, error: Failure | None) -> None:
    """Let the next run have the address book; what a failed one has written is kept as agreed."""
    run, control = work.run, work.control
    connection_id = control.sync(run.account_id, run.sync_id).value.connection_id
    if not connection_id:
        return
    if run.undoes is None and run.step in ("upsert", "push", "commit") and error:
        settle_links(work, connection_id)
        count_day(run, connection_id, BookFiles(work.files), control, work.clock.now())
    with suppress(NotFound):  # nobody ever came back from its sign-in, and it was forgotten
        member_id = control.connection(run.account_id, connection_id).value.member_id
        untick_if_gone(control, run.account_id, member_id)
    control.leave_book(run.account_id, connection_id, run.id)


def _outcome(run: Run, error: Failure | None, now: datetime) -> tuple[Status, RunProblem | None]:
    """How the run ends, and why where it does not end well."""
    if error is not None:
        return "failed", _problem(error, now - datetime.fromisoformat(run.started_at or run.requested_at))
    if run.unchanged:
        return "unchanged", None
    verdict = run.verdict
    if verdict is None or verdict.kind == "go" or run.dry_run:
        return "succeeded", None
    problem = RunProblem(code=verdict.code, title=verdict.title, detail=verdict.detail)
    if verdict.kind == "blocked":
        return "blocked", problem
    return ("succeeded", None) if run.approved else ("awaiting_approval", problem)


def _last_good(work: Applying, counts: Counts, marker: str | None) -> LastGood | None:
    """What lets the next run see that nothing has changed; None where the same file might do more next time.

    It might where somebody else changed contacts meanwhile, where a deletion lacked proof, where another release has typed
    some of the rows, and where this run may have freed the address for want of which a row was refused.
    """
    run, control = work.run, work.control
    if run.dry_run or run.undoes or run.planned_already or run.digest is None:
        return None
    if marker is None or marker != control.marker(run.account_id):
        return None
    sync = control.sync(run.account_id, run.sync_id).value
    if run.settings != settings_hash(sync) or (sync.options.delete_missing and not run.proof):
        return None
    if counts.updated + counts.deleted and counts.rejected:
        mapped = work.files.mapped_counts(len(work.files.manifest().chunks))
        if counts.rejected > mapped.rejected:
            return None
    before = sync.last_good if work.files.manifest().known_by else None  # whose rows were not read
    return LastGood(
        digest=run.digest,
        settings=run.settings,
        marker=marker,
        run_id=run.id,
        feed=position_at(begun_by(control, run.account_id, run.began())),
        whole_at=before.whole_at if before is not None else run.began().isoformat(),
    )


def _note_contacts(work: Applying, counts: Counts, marker: str | None) -> None:
    """Note by how many contacts the list has grown. After an approval that is the rest: what came before it is noted."""
    run, told = work.run, work.run.counts
    if run.dry_run:
        return
    more = (counts.added - counts.deleted) - (told.added - told.deleted)
    change = f"{run.id}:approved" if run.approved else run.id
    counted = None
    if run.step == "upsert" and marker is not None and not run.planned_already and not run.undoes:
        counted = _seen(work, counts)
    if more or counted is not None:
        work.control.note_contacts(run.account_id, change, more, now=work.clock.now(), counted=counted)


def _seen(work: Applying, counts: Counts) -> int | None:
    """How many contacts there are, after a run that has gone through all of them and was alone; None after any other."""
    deletes = work.control.sync(work.run.account_id, work.run.sync_id).value.options.delete_missing
    if deletes is None or deletes.scope != "all":
        return None
    summaries = [work.files.plan_summary(unit) for unit in range(work.files.manifest().units)]
    before = sum(summary.stored for summary in summaries if summary is not None)
    return before + counts.added - counts.deleted if all(summaries) else None


def _problem(error: Failure, tried: timedelta) -> RunProblem:
    """What the customer reads: a refusal, or what their server did to the last. All else is ours to look into."""
    if error.error in {"Refused", "Busy"}:
        with suppress(ValueError):
            problem = RunProblem.model_validate_json(json.loads(error.cause)["errorMessage"])
            if error.error == "Refused":
                return problem
            what = "waited" if problem.code == BookBusy.code else "tried again and again"
            said = f"We have {what} for {mailing.in_words(tried)}. {problem.detail}"
            return problem.model_copy(update={"detail": said})
    return LEFT.get(error.error, INTERNAL)


def _counts(work: Applying, manifest: Manifest, *, whole: bool) -> Counts:
    """What became of every row, from what is stored. Rows that the run never came to count as skipped.

    `whole`: the run came to its end by itself.
    """
    run = work.run
    mapped = work.files.mapped_counts(len(manifest.chunks))
    total = Counts(rejected=mapped.rejected, skipped=mapped.skipped)
    for unit in range(manifest.units):
        summary = work.files.plan_summary(unit)
        if summary is None:
            continue
        if whole and (run.dry_run or not summary.writes):
            total += summary.counts
            continue
        begun = work.begun(unit)
        untouched = summary.counts.model_copy(update=NOTHING_WRITTEN)
        if run.stage == "held":  # the rest was carried out before
            total += work.files.upserted_counts(unit, "rest") or untouched
            total += work.settle(unit) if begun else Counts()
        else:  # a stage that came before this one, and is done, may be longer ago than progress is kept
            done = work.files.upserted_counts(unit, run.stage)
            total += done or (work.settle(unit) if begun else untouched)
    rows = manifest.rows
    if run.undoes:  # of what it was to delete, each contact that stays has a reason, and counts as a row
        planned = run.planned or Counts()
        rows = planned.rows + planned.deleted - total.deleted
        if run.journey == "sync":
            late = BookFiles(work.files).unwritten(manifest.units)
            total = total.model_copy(
                update={"unchanged": total.unchanged - late, "skipped": total.skipped + late}
            )
    return total.model_copy(update={"rows": rows, "skipped": total.skipped + rows - total.settled})


def _report_rejects(manifest: Manifest, files: RunFiles) -> tuple[Refused, ...]:
    """Write the file of refused rows; returns the commonest reasons."""
    rows: Counter[str] = Counter()
    first_lines: dict[str, int] = {}
    columns = manifest.columns
    late = files.late_rejects(manifest.units)

    def lines() -> Iterator[str]:
        yield reporting.header_line(columns)
        for reject in chain(files.rejects(len(manifest.chunks)), _with_cells(late, manifest, files)):
            if reject.is_blank:
                continue
            told = reject.reason(columns)
            reason = told if len(told) <= REASON_CHARS else f"{told[:REASON_CHARS]}…"
            if reason in rows or len(rows) < REASONS_COUNTED:
                rows[reason] += 1
                first_lines.setdefault(reason, reject.row)
            yield reporting.row_line(reject.cells, width=manifest.width, line=reject.row, reason=told)

    files.save_rejects_csv(lines())
    commonest = sorted(rows, key=lambda reason: (-rows[reason], first_lines[reason]))[:REASONS_KEPT]
    return tuple(
        Refused(reason=reason, rows=rows[reason], first_line=first_lines[reason]) for reason in commonest
    )


def _with_cells(late: dict[int, str], manifest: Manifest, files: RunFiles) -> Iterator[Reject]:
    """Rows that were refused only when they met the contact list, with their cells read again."""
    first_lines = [chunk.first_line for chunk in manifest.chunks]
    for number in sorted({bisect_right(first_lines, row) - 1 for row in late}):
        for item in raw_rows(number, files, manifest):
            if not isinstance(item, Damaged) and (reason := late.get(item[0])):
                yield Reject(item[0], item[1], [(None, None, "", reason)])

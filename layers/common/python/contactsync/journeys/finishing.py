"""The last step of every run, however it went: counts that add up, the reject file, the record closed, the mail."""

from __future__ import annotations

import json
from collections.abc import Iterator

from contactsync.control import Control
from contactsync.core import mailing, reporting
from contactsync.errors import Busy, NotFound
from contactsync.journeys.runfiles import Manifest, RunFiles
from contactsync.journeys.units import Applying, rules_of
from contactsync.model.message import Failure, Finishing, Notified
from contactsync.model.run import Counts, Refused, Run, RunProblem, Status
from contactsync.model.sync import Sync
from contactsync.ports import Clock, ContactStore, Mail, Mailer, MailRefused, MailUncertain, Objects

REASONS_COUNTED = 1_000
"""Reasons name columns and rules, never values, so there are few; the bound is for a file made to have many."""
REASONS_KEPT = 10
INTERNAL = RunProblem(
    code="internal",
    title="Something broke on our side; the run stopped.",
    detail="No row is lost: those that were not applied count as skipped. Start the run again, it goes on where "
    "this one stopped. If it happens again, tell us the id of this run.",
)


def finish(
    message: Finishing,
    *,
    control: Control,
    contacts: ContactStore,
    runs: Objects,
    mailer: Mailer,
    clock: Clock,
    public_url: str,
) -> Notified:
    """Close the run and tell people. Runs after success and after any failure of the steps before it."""
    run = control.run(message.account_id, message.run_id).value
    sync = control.sync(run.account_id, run.sync_id).value
    if run.is_open:
        files = RunFiles(runs, run.account_id, run.id)
        work = Applying(run, rules_of(run, sync), files, contacts, control, clock)
        run = _close(work, message.error)
    else:
        run = control.close_run(run.account_id, run.id, lambda run: run)
    _mail(run, sync, control, mailer, public_url)
    bug = run.problem is not None and run.problem.code == INTERNAL.code
    return Notified(account_id=run.account_id, run_id=run.id, status=run.status, bug=bug)


def _close(work: Applying, error: Failure | None) -> Run:
    problem = _problem(error)
    status: Status = "succeeded" if error is None else "failed"
    refusals: tuple[Refused, ...] = ()
    try:
        manifest = work.files.manifest()
    except NotFound:
        counts = Counts()
    else:
        counts = _counts(work, manifest, error)
        refusals = _report_rejects(manifest, work.files)
    finished_at = work.clock.now().isoformat(timespec="milliseconds")

    def close(run: Run) -> Run:
        if not run.is_open:
            return run
        return run.model_copy(
            update={
                "status": status,
                "step": "notify",
                "counts": counts,
                "refusals": refusals,
                "problem": problem,
                "finished_at": finished_at,
            }
        )

    return work.control.close_run(work.run.account_id, work.run.id, close)


def _problem(error: Failure | None) -> RunProblem | None:
    """What the customer reads. Only a refusal was written for their eyes; all else is ours to look into."""
    if error is None:
        return None
    if error.error == "Refused":
        cause = json.loads(error.cause)
        return RunProblem.model_validate_json(cause["errorMessage"])
    return INTERNAL


def _counts(work: Applying, manifest: Manifest, error: Failure | None) -> Counts:
    """What became of every row, from what is stored. Rows that the run never came to count as skipped."""
    mapped = work.files.mapped_counts(len(manifest.chunks))
    total = Counts(rejected=mapped.rejected, skipped=mapped.skipped)
    for unit in range(manifest.units):
        summary = work.files.plan_summary(unit)
        if summary is None:
            continue
        if error is None and (work.run.dry_run or not summary.writes):
            total += summary.counts
        elif work.control.has_progress(work.run, "upsert", unit):
            total += work.settle(unit)
        else:
            total += summary.counts.model_copy(update={"added": 0, "updated": 0})
    return total.model_copy(
        update={"rows": manifest.rows, "skipped": total.skipped + manifest.rows - total.settled}
    )


def _report_rejects(manifest: Manifest, files: RunFiles) -> tuple[Refused, ...]:
    """Write the file of refused rows; returns the commonest reasons."""
    reasons: dict[str, Refused] = {}

    def lines() -> Iterator[str]:
        yield reporting.header_line(manifest.columns)
        for reject in files.rejects(len(manifest.chunks)):
            if reject.is_blank:
                continue
            reason = reject.reason(manifest.columns)
            _count_reason(reason, reject.row, reasons)
            yield reporting.row_line(reject.cells, width=manifest.width, line=reject.row, reason=reason)

    files.save_rejects_csv(lines())
    return tuple(
        sorted(reasons.values(), key=lambda refused: (-refused.rows, refused.first_line))[:REASONS_KEPT]
    )


def _count_reason(reason: str, row: int, reasons: dict[str, Refused]) -> None:
    known = reasons.get(reason)
    if known is not None:
        reasons[reason] = known.model_copy(update={"rows": known.rows + 1})
    elif len(reasons) < REASONS_COUNTED:
        reasons[reason] = Refused(reason=reason, rows=1, first_line=row)


def _mail(run: Run, sync: Sync, control: Control, mailer: Mailer, public_url: str) -> None:
    """One mail to each address, never two: an address is claimed before its mail leaves.

    Where nobody can tell whether it left, because the worker died or the answer was lost, no second mail is
    risked: the run's record says all that the mail would have said.
    """
    if not _wanted(run, sync):
        return
    letter = mailing.compose(run, sync_name=sync.name, public_url=public_url)
    for number in range(run.mails_claimed, len(sync.notify.emails)):
        if not _claim(run, number, control):
            return
        mail = Mail(to=sync.notify.emails[number], subject=letter.subject, text=letter.text, html=letter.html)
        try:
            mailer.send(mail)
        except (MailRefused, MailUncertain):
            control.update_run(
                run.account_id,
                run.id,
                lambda run: run.model_copy(update={"mails_failed": run.mails_failed + 1}),
            )
        except Busy:
            _give_back(run, number, control)
            raise


def _wanted(run: Run, sync: Sync) -> bool:
    counts = run.counts
    trouble = run.status not in ("succeeded", "unchanged") or counts.rejected > 0
    changed = counts.added + counts.updated + counts.deleted > 0
    match sync.notify.on:
        case "every_run":
            return True
        case "changes":
            return trouble or changed
        case "problems":
            return trouble


def _give_back(run: Run, number: int, control: Control) -> None:
    """The mail to address `number` certainly did not leave: whoever comes next may send it."""
    control.update_run(run.account_id, run.id, lambda run: run.model_copy(update={"mails_claimed": number}))


def _claim(run: Run, number: int, control: Control) -> bool:
    """Whether this worker, and no other, is to send the mail to address `number`."""
    claimed = False

    def claim(run: Run) -> Run:
        nonlocal claimed
        claimed = run.mails_claimed == number
        return run.model_copy(update={"mails_claimed": number + 1}) if claimed else run

    control.update_run(run.account_id, run.id, claim)
    return claimed

"""Who wants to hear of a run, and the mail to each of them."""

from __future__ import annotations

from itertools import islice

from contactsync.control import Control
from contactsync.core import figures, health, mailing
from contactsync.core.naming import called
from contactsync.errors import Busy
from contactsync.journeys.book.bookfiles import BookFiles
from contactsync.journeys.book.rejecting import is_rejected
from contactsync.journeys.file.runfiles import RunFiles, files_of
from contactsync.model.run import Run
from contactsync.model.sync import Schedule, Sync
from contactsync.ports import Mail, Mailer, MailRefused, MailUncertain, Objects

MAILS_PUT_OFF = 6
"""How often a run's mails are tried again later, when the mail service is away: two less than the machine tries this
step again, so that a mail is given up before the run's execution is."""
RUNS_AT_ONCE = 5
DELETIONS_NAMED = 20
"""In the mail of a run that was stopped: enough to see what kind of contacts they are."""


def notify(
    run: Run, sync: Sync, *, control: Control, runs: Objects, mailer: Mailer, public_url: str
) -> tuple[int, int]:
    """One mail to each address, never two: an address is claimed before its mail leaves.

    Returns how many mails left, and how many did not. Where nobody can tell whether it left, because the worker died or
    the answer was lost, no second mail is risked: the run's record says all that the mail would have said.
    """
    sent = failed = 0
    if not _wanted(run, sync, control):
        return sent, failed
    letter = mailing.compose(
        run,
        sync_name=sync.name,
        public_url=public_url,
        paused=sync.paused_because,
        deletions=_deletions(run, sync, files_of(run, runs)),
    )
    for number in range(run.mails_claimed, len(sync.notify.emails)):
        if not _claim(run, number, control):
            break
        mail = Mail(to=sync.notify.emails[number], subject=letter.subject, text=letter.text, html=letter.html)
        try:
            mailer.send(mail)
            sent += 1
        except (MailRefused, MailUncertain):
            failed += _count_failed(run, control)
        except Busy:
            if _put_off(run, number, control):
                raise
            failed += _count_failed(run, control)
    return sent, failed


def _deletions(run: Run, sync: Sync, files: RunFiles) -> list[mailing.Deletions]:
    """Whom a run that was stopped would delete. They are told to those whom the customer has named, and kept nowhere."""
    if run.status not in ("awaiting_approval", "blocked") or run.planned_already:
        return []
    told = []
    if here := run.planned.deleted if run.planned else 0:
        contacts = islice(files.deletions(files.manifest().units), DELETIONS_NAMED)
        names = [called(contact.fields, sync.identity.field) for contact in contacts]
        told.append(mailing.Deletions(names, here))
    if there := run.planned_there.deleted if run.planned_there else 0:
        cards = islice(BookFiles(files).deletions(), DELETIONS_NAMED)
        names = [called(card.fields, sync.identity.field) for _, card in cards]
        told.append(mailing.Deletions(names, there, "card"))
    return told


def _wanted(run: Run, sync: Sync, control: Control) -> bool:
    """Whether the sync's people want to hear of a run.

    Where the schedule has several runs a day, one that has changed nothing is no news, nor is trouble that an earlier run
    of the day has told; the last one before the schedule was paused always is.
    """
    on, trouble = sync.notify.on, _trouble(run)
    if run.trigger == "schedule" and sync.schedule is not None and health.is_finer(sync.schedule):
        if sync.paused_because is not None:
            return True
        if trouble and _was_told(trouble, run, sync, sync.schedule, control):
            trouble = frozenset()
        on = "changes" if on == "every_run" else on
    if _has_grown_old(run, control):
        trouble |= {figures.NOT_RENEWED}
    match on:
        case "every_run":
            return True
        case "changes":
            return bool(trouble) or mailing.has_changed(run)
        case "problems":
            return bool(trouble)


def _trouble(run: Run) -> frozenset[str]:
    """What somebody may have to see to after a run: codes, and reasons for refusals."""
    found = {warning.code for warning in run.warnings} & (figures.ODD | mailing.TO_BE_SEEN_TO)
    found |= {refused.reason for refused in run.refusals}
    if run.status not in ("succeeded", "unchanged"):
        found.add(run.problem.code if run.problem else run.status)
    is_decided = run.approved or is_rejected(run)
    if run.verdict is not None and run.verdict.kind.startswith("hold") and not is_decided:
        found.add(run.verdict.code)  # of a file also once it is rejected: the next run asks the same
    if run.counts.rejected + run.pushed.refused:
        found.add("refused")
    return frozenset(found)


def _has_grown_old(run: Run, control: Control) -> bool:
    """Whether a run is the first whose file has not been renewed for long: an export that died is no news twice."""
    if not _is_of_old_file(run):
        return False
    earlier, _ = control.runs(run.account_id, run.sync_id, after=run.id, limit=RUNS_AT_ONCE)
    before = next((each for each in earlier if each.figures and not each.dry_run), None)
    return before is None or not _is_of_old_file(before)


def _is_of_old_file(run: Run) -> bool:
    return any(warning.code == figures.NOT_RENEWED for warning in run.warnings)


def _was_told(trouble: frozenset[str], run: Run, sync: Sync, schedule: Schedule, control: Control) -> bool:
    """Whether an earlier run of the same local day had all of this trouble. Nearly always the one before had."""
    day, after = schedule.day_of(run.began()), run.id
    while True:
        earlier, following = control.runs(run.account_id, sync.id, after=after, limit=RUNS_AT_ONCE)
        for each in earlier:
            if schedule.day_of(each.began()) != day:
                return False
            if trouble <= _trouble(each) and not each.dry_run and each.undoes is None:
                return True
        if following is None:
            return False
        after = following


def _count_failed(told: Run, control: Control) -> int:
    """Note one more mail that did not leave; how many that are."""
    control.update_run(
        told.account_id,
        told.id,
        lambda run: run.model_copy(update={"mails_failed": run.mails_failed + 1}),
    )
    return 1


def _put_off(told: Run, number: int, control: Control) -> bool:
    """The mail to address `number` certainly did not leave: whether whoever comes next is to send it.

    Not when that was said too often: a mail service that stays away must not keep the run's execution from its end.
    """

    def put_off(run: Run) -> Run:
        mine = (run.mails_claimed, run.status) == (number + 1, told.status)
        if not mine or run.mails_put_off == MAILS_PUT_OFF:
            return run
        return run.model_copy(update={"mails_claimed": number, "mails_put_off": run.mails_put_off + 1})

    return control.update_run(told.account_id, told.id, put_off).mails_claimed == number


def _claim(told: Run, number: int, control: Control) -> bool:
    """Whether this worker, and no other, is to send the mail to address `number`, and its news is still true."""
    claimed = False

    def claim(run: Run) -> Run:
        nonlocal claimed
        claimed = (run.mails_claimed, run.status) == (number, told.status)
        return run.model_copy(update={"mails_claimed": number + 1}) if claimed else run

    control.update_run(told.account_id, told.id, claim)
    return claimed

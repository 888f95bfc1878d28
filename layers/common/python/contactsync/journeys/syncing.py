"""An address book and the contact list, kept in step: pull → reconcile → guard → upsert → push → commit → notify.

`guard`, `upsert` and `notify` are those of every run (`journeys.importing`): reconcile writes the same plan files as
plan does. What is new is the other side: what is to be done at the provider, the links between cards and contacts,
and the cursor, which moves last. Until then a run can die anywhere, and the next one begins where it began.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contactsync.errors import AccessLost, Busy
from contactsync.journeys.book.bookfiles import BookPlan
from contactsync.journeys.book.bookrun import Ports, book_of, noting_access, open_book
from contactsync.journeys.book.committing import added_up, commit_round, with_refused
from contactsync.journeys.book.pulling import is_idle, pull_round
from contactsync.journeys.book.pushing import Pushing
from contactsync.journeys.book.reconciling import reconcile_book
from contactsync.journeys.book.rejecting import settle_rejected
from contactsync.journeys.book.undoing import undo_book
from contactsync.journeys.file.ruling import rules_of
from contactsync.journeys.steps import claim, enter, keep
from contactsync.model.message import Committed, Message, Pulled, Pushed, Reconciled, Requested
from contactsync.model.run import Run


def pull(message: Requested, *, ports: Ports) -> Pulled:
    """What has changed in the book and here → the run's files. The first execution to come here owns the run."""
    names = {"account_id": message.account_id, "run_id": message.run_id}
    run = claim(ports.control, message, "pull", ports.clock)
    if run is None:
        return Pulled(**names, outcome="duplicate")
    if run.undoes is not None:
        return Pulled(**names, outcome="pulled")
    with _noted(ports, run):
        work = open_book(run, ports)
        work.check_turn()
        settle_rejected(work)
        if run.planned_already:
            return Pulled(**names, outcome="planned")
        round_ = pull_round(work)
        if not is_idle(work, round_):
            return Pulled(**names, outcome="pulled")
        keep(ports.control, run, unchanged=True)
        return Pulled(**names, outcome="unchanged")


def reconcile(message: Message, *, ports: Ports) -> Reconciled:
    """Both sides and what they last agreed on → what is to be done here, and there. Writes nothing of either."""
    run = enter(ports.control, message, "reconcile")
    rules = rules_of(run, ports.control)
    if run.undoes is not None:
        undone = ports.control.run(run.account_id, run.undoes).value
        with _noted(ports, run):
            rows = undo_book(run, undone, ports, rules)
        return Reconciled(account_id=run.account_id, run_id=run.id, rows=rows)
    with _noted(ports, run):
        work = open_book(run, ports)
        work.check_turn()
        rows, warnings = reconcile_book(work, work.files.round(), rules)
    keep(ports.control, run, rows_total=rows, warnings=warnings)
    return Reconciled(account_id=run.account_id, run_id=run.id, rows=rows)


def push(message: Message, *, ports: Ports) -> Pushed:
    """What was planned for the book, carried out; links are stored with it."""
    run = enter(ports.control, message, "push")
    with _noted(ports, run):
        work = book_of(run, ports)
        plan = work.files.plan() or BookPlan()
        if run.undoes is None or plan.created + plan.updated + plan.deleted:
            work = open_book(run, ports)
        Pushing(work, run.stage).push()
    return Pushed(account_id=run.account_id, run_id=run.id)


def commit(message: Message, *, ports: Ports) -> Committed:
    """What is left is kept for the next run, and the cursor moves."""
    run = enter(ports.control, message, "commit")
    with _noted(ports, run):
        work = open_book(run, ports) if run.undoes is None else book_of(run, ports)
        pushed = commit_round(work) if run.undoes is None else added_up(work)
        keep(ports.control, run, pushed=pushed, warnings=with_refused(work, pushed))
        ports.control.leave_book(*work.place, run.id)
    return Committed(account_id=run.account_id, run_id=run.id)


@contextmanager
def _noted(ports: Ports, run: Run) -> Iterator[None]:
    """What the provider says of our access is remembered."""
    try:
        yield
    except (AccessLost, Busy) as error:
        noting_access(ports, run, error)
        raise

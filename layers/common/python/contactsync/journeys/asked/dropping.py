"""Files that are put into the drop bucket: noted, run one after the other, or parked and their owner told.

    receive     S3's event → the file's record and its turn, in one commit; SyncDue on the bus
    start_next  whose turn it is → its run. Called by `scheduling.listen` for every SyncDue: when a file has come, when
                a run of the sync has ended, when the sync was changed, when somebody looks at files that wait too long
    tell        a parked file → one mail

Events come more than once and in any order. A file's id, and the id of its run, come from the version of the object, so
an event that comes again finds the file noted. Of the versions of one key only the newest that has arrived is read: one
whose turn comes after a newer one has arrived gets its run too, which has ended already and has written nothing.
What a file is about to be is stored before it is announced, and announced again by whoever comes next.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from contactsync.control import Control, Read, local_day
from contactsync.core.dropping import SUPERSEDED, drop_of, holds_nothing, place_of, run_id_of, why_parked
from contactsync.core.timestamps import timestamp
from contactsync.errors import Busy, Conflict, NotFound, PlanLimit, Stale, Suspended
from contactsync.model.drop import Drop, Parked
from contactsync.model.message import FileDropped, FileParked, Received, Told
from contactsync.model.run import Run
from contactsync.model.sync import Sync
from contactsync.ports import Bus, Clock, Mail, Mailer, MailRefused, MailUncertain

MAX_WAITING = 1000
"""Files of one sync that wait for their turn. Whoever leaves more at once does not mean to import each."""
OF_THE_SYNC: frozenset[Parked] = frozenset({"sync_deleted", "sync_paused", "sync_reads_elsewhere"})
"""Why files are parked that a change of their sync lets in again."""
MAILED_A_DAY = 5
"""Mails about files of one sync that are parked for one reason: of a system that leaves one each minute somebody knows by then."""
LOOKED_BACK = 100
"""Files among which those are counted."""
TURNS_AT_ONCE = 100
"""Turns that one call looks at; where more have passed, the next call goes on."""


def receive(message: FileDropped, *, control: Control, bus: Bus) -> Received:
    """S3's event → a file that waits for its turn, or is parked. What is no file, or nobody's, starts nothing."""
    created = message.detail.object
    place = place_of(created.key)
    if place is None or not _exists(control, place.account_id):
        return Received(outcome="stray")
    if holds_nothing(created):
        return Received(outcome="ignored")
    drop = drop_of(created, place, message.time)
    reason = _no_room(drop, control)
    if reason is not None:
        drop = drop.model_copy(update={"state": "parked", "parked": reason})
    with suppress(NotFound):
        control.run(drop.account_id, run_id_of(drop))
        return Received(outcome="known", drop_id=drop.id)
    drop = control.note_drop(drop)
    if drop.state == "parked":
        bus.publish("FileParked", {"account_id": drop.account_id, "drop_id": drop.id})
        return Received(outcome="parked", drop_id=drop.id)
    bus.publish("SyncDue", {"account_id": drop.account_id, "sync_id": str(drop.sync_id)})
    return Received(outcome="noted", drop_id=drop.id)


def start_next(account_id: str, sync_id: str, *, control: Control, bus: Bus, clock: Clock) -> None:
    """Give the file whose turn it is its run, if no run of the sync is under way; whoever called announces it.

    On the way there, files whose version was replaced get their ended runs, and those of a sync that does not take
    files are parked.
    """
    for _ in range(TURNS_AT_ONCE):
        sync = control.sync(account_id, sync_id)
        drop = _first(control, account_id, sync_id)
        if drop is None:
            return
        reason = _unfit(sync.value)
        with suppress(Stale):
            if drop.value.state == "parked" or reason is not None:
                _park(drop.value, reason, control, bus)
            elif control.is_superseded(drop.value):
                control.start_drop(drop, _superseded(drop.value, clock.now()), None)
            elif sync.value.active_run is None:
                if _started(drop, sync, control, clock.now()):
                    return
            elif not let_go(control, account_id, sync.value.active_run):
                return
    bus.publish("SyncDue", {"account_id": account_id, "sync_id": sync_id})


def resume(account_id: str, sync: Sync, *, control: Control) -> None:
    """A sync takes files again: the newest that was put there meanwhile gets its turn."""
    if _unfit(sync) is None:
        newest = control.newest_drop(account_id, sync.id)
        if newest is not None and newest.state == "parked" and newest.parked in OF_THE_SYNC:
            control.requeue_drop(newest)


def tell(message: FileParked, *, control: Control, mailer: Mailer, public_url: str) -> Told:
    """A parked file → one mail to each address, never two: those of its sync, or those who manage the account.

    Of many that are parked for one reason only the first of a day are told.
    """
    drop = control.drop(message.account_id, message.drop_id).value
    told = _parked_before(drop, control)
    if drop.state != "parked" or drop.parked is None or told >= MAILED_A_DAY:
        return Told(account_id=drop.account_id, drop_id=drop.id, mails=drop.mails_claimed)
    from contactsync.core import mailing  # noqa: PLC0415 few who import this write a mail

    name, addresses = _whom_to_tell(drop, control)
    letter = mailing.compose_parked(
        drop,
        why_parked(drop.parked),
        sync_name=name,
        public_url=public_url,
        is_last=told == MAILED_A_DAY - 1,
    )
    for number in range(drop.mails_claimed, len(addresses)):
        if not _move_claim(drop, control, number, number + 1):
            break
        try:
            mailer.send(Mail(addresses[number], letter.subject, letter.text, letter.html))
        except (MailRefused, MailUncertain):
            continue  # nobody can tell whether it left: no second one is risked, and the listing says the same
        except Busy:
            _move_claim(drop, control, number + 1, number)
            raise
    mails = control.drop(drop.account_id, drop.id).value.mails_claimed
    return Told(account_id=drop.account_id, drop_id=drop.id, mails=mails)


def newest_file(account_id: str, sync_id: str, *, control: Control) -> Drop:
    """The file that a run by hand reads again. Raises Conflict if none has come."""
    newest = control.newest_drop(account_id, sync_id)
    if newest is None:
        raise Conflict(
            "nothing_dropped",
            "No file of this sync is known.",
            "Put one into the drop bucket, under the prefix that the sync's source shows: it is imported when it "
            "has arrived.",
        )
    return newest


def read_by_hand(run: Run, control: Control) -> None:
    """A parked file has been read after all, as its `problem` asks: say so where it is listed.

    Those whose sync took no files stay parked: they get their turn when it does.
    """
    newest = control.newest_drop(run.account_id, run.sync_id)
    if run.dry_run or newest is None or newest.file != run.file or newest.parked in OF_THE_SYNC:
        return

    def read(drop: Drop) -> Drop:
        if drop.state != "parked":
            return drop
        return drop.model_copy(update={"state": "run", "parked": None, "run_id": run.id})

    control.update_drop(run.account_id, newest.id, read)


def let_go(control: Control, account_id: str, holder: str) -> bool:
    """Free a sync whose run has ended, where whoever ended it died before; whether it had."""
    if not control.run(account_id, holder).value.has_ended:
        return False
    control.close_run(account_id, holder, lambda run: run)
    return True


def _exists(control: Control, account_id: str) -> bool:
    with suppress(NotFound):
        control.account(account_id)
        return True
    return False


def _no_room(drop: Drop, control: Control) -> Parked | None:
    """Why a file that has just come cannot wait: the key alone names its sync, so that has to be the account's."""
    if drop.sync_id is None:
        return "no_such_sync"
    try:
        control.sync(drop.account_id, drop.sync_id)
    except NotFound:
        return "no_such_sync"
    waiting = control.waiting(drop.account_id, drop.sync_id, limit=MAX_WAITING)
    return "too_many_waiting" if len(waiting) == MAX_WAITING else None


def _unfit(sync: Sync) -> Parked | None:
    """Why a sync takes no files now."""
    if sync.deleted_at is not None:
        return "sync_deleted"
    if sync.source["kind"] != "drop":
        return "sync_reads_elsewhere"
    return "sync_paused" if sync.state == "paused" else None


def _first(control: Control, account_id: str, sync_id: str) -> Read[Drop] | None:
    """The file whose turn it is. A turn whose file was given its run, or forgotten, is over."""
    for drop_id in control.waiting(account_id, sync_id, limit=TURNS_AT_ONCE):
        with suppress(NotFound):
            drop = control.drop(account_id, drop_id)
            if drop.value.state != "run":
                return drop
        control.end_turn(account_id, sync_id, drop_id)
    return None


def _park(drop: Drop, reason: Parked | None, control: Control, bus: Bus) -> None:
    """Park a file. Its turn ends last, so that whoever comes after a crash finds it, and announces it again."""
    if reason is not None:
        drop = control.park_drop(drop.account_id, drop.id, reason)
    if drop.state != "parked":
        raise Stale("Somebody else has given the file its run.")
    bus.publish("FileParked", {"account_id": drop.account_id, "drop_id": drop.id})
    sync_id = str(drop.sync_id)
    control.end_turn(drop.account_id, sync_id, drop.id)
    # The sync may have been made active between our looks at it, when this file was not parked yet
    resume(drop.account_id, control.sync(drop.account_id, sync_id).value, control=control)


def _started(drop: Read[Drop], sync: Read[Sync], control: Control, now: datetime) -> bool:
    """Give a file its run; False if the account may have none now, and the file is parked instead."""
    try:
        control.start_drop(drop, _run_of(drop.value, now), sync)
    except PlanLimit:
        control.park_drop(drop.value.account_id, drop.value.id, "plan_limit")
        return False
    except Suspended:
        control.park_drop(drop.value.account_id, drop.value.id, "account_suspended")
        return False
    return True


def _run_of(drop: Drop, now: datetime) -> Run:
    return Run(
        id=run_id_of(drop),
        account_id=drop.account_id,
        sync_id=str(drop.sync_id),
        trigger="drop",
        file=drop.file,
        requested_at=timestamp(now),
        requested_by=f"sync:{drop.sync_id}",
    )


def _superseded(drop: Drop, now: datetime) -> Run:
    """The run of a file that is not read any more. Nobody gets a mail: the newer file's run says what is so."""
    run = _run_of(drop, now)
    ended = {"status": "cancelled", "problem": SUPERSEDED, "finished_at": run.requested_at}
    return run.model_copy(update=ended)


def _parked_before(drop: Drop, control: Control) -> int:
    """How many files of the sync came before this one, on the same local day, and are parked for the same reason."""
    account = control.account(drop.account_id)
    earlier, _ = control.drops(drop.account_id, after=drop.id, limit=LOOKED_BACK)

    def told(each: Drop) -> object:
        return each.sync_id, each.parked, local_day(account, datetime.fromisoformat(each.dropped_at))

    return sum(told(each) == told(drop) for each in earlier)


def _whom_to_tell(drop: Drop, control: Control) -> tuple[str, tuple[str, ...]]:
    """The name of the file's sync, and who is to know."""
    if drop.sync_id is not None:
        with suppress(NotFound):
            sync = control.sync(drop.account_id, drop.sync_id).value
            return sync.name, sync.notify.emails
    members, _ = control.members(drop.account_id)
    return "", tuple(each.value.email for each in members if "account.manage" in each.value.permissions)


def _move_claim(drop: Drop, control: Control, before: int, after: int) -> bool:
    """Say to how many addresses a mail was sent; whether nobody else has said so meanwhile."""
    moved = False

    def move(stored: Drop) -> Drop:
        nonlocal moved
        moved = (stored.mails_claimed, stored.state) == (before, "parked")
        return stored.model_copy(update={"mails_claimed": after}) if moved else stored

    control.update_drop(drop.account_id, drop.id, move)
    return moved

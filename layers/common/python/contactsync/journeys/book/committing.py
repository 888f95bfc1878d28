"""Commit's work: what a run has done is counted, what it has left is kept, and last of all the sync moves on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from contactsync.control import Control, local_day
from contactsync.errors import Stale
from contactsync.journeys.book.bookfiles import BookFiles, Line, Round
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.pulling import is_worth_noting
from contactsync.journeys.book.pushing import divided
from contactsync.journeys.file.runfiles import Stage
from contactsync.model.connection import Progress
from contactsync.model.run import Counts, Pushed, Run, RunWarning

COUNTED = {"create": "added", "update": "updated", "delete": "deleted", "photo": "updated"}
NOT_TAKEN = {
    "create": "Its card was not made in the address book.",
    "update": "Its card was not changed.",
    "delete": "Its card was not deleted.",
    "photo": "Its picture was not put on the card.",
}


def commit_round(work: BookRun) -> Pushed:
    """Add up, keep what is left, count the day, move on."""
    round_ = work.files.round()
    if work.run.unchanged:
        progress = work.control.progress_of(*work.place, work.sync.id)
        if is_worth_noting(progress.value, round_):
            moved = progress.value.model_copy(update={"cursor": round_.cursor, "feed": round_.feed})
            _advance(work, moved, progress.version)
        return Pushed()
    stage = work.run.stage
    counted, left = _added_up(work.files, stage)
    if stage == "held":
        before, left_before = _added_up(work.files, "rest", waiting=False)
        counted, left = counted + before, [*left_before, *left]
    lines = [*work.files.carried(), *left]
    pushed = Pushed(
        **{name: counted[name] for name in ("added", "updated", "deleted", "refused")}, carried=len(lines)
    )
    count_day(work.run, work.connection.id, work.files, work.control, work.now)
    work.files.save_left(stage, lines)
    _settle_reviews(work)
    _move_on(work, round_, stage, lines, pushed)
    return pushed


def added_up(work: BookRun) -> Pushed:
    """What a run has done to its book that undoes another one. The sync stays where it is."""
    counted, _ = _added_up(work.files, work.run.stage)
    return Pushed(**{name: counted[name] for name in ("added", "updated", "deleted", "refused")})


def with_refused(work: BookRun, pushed: Pushed) -> tuple[RunWarning, ...]:
    """The run's warnings, with what its book did not take and why; of which contacts is kept for those who look at the rows."""
    told = list(_refused(work.files, work.run.stage)) if pushed.refused else []
    if not told:
        return work.run.warnings
    work.files.save_refused(work.run.stage, told)
    [(commonest, _)] = Counter(why for _, why in told).most_common(1)
    refused = RunWarning(
        code="cards_refused",
        message=f"The address book did not take {pushed.refused:,} of the changes. The commonest reason: {commonest} The "
        "rows of the run say of which contacts.",
    )
    return (*(warning for warning in work.run.warnings if warning.code != refused.code), refused)


def _refused(files: BookFiles, stage: Stage) -> Iterator[Line]:
    for number in range(len(divided(files, stage).parts)):
        for kind, contact_id, result, _, *why in files.done(stage, number) or ():
            if result == "refused":
                yield [contact_id, " ".join(filter(None, (NOT_TAKEN[kind], *why)))]


def _settle_reviews(work: BookRun) -> None:
    """Decisions that are carried out: their cards are linked, and need not be looked at again."""
    for key, read in work.control.reviews(*work.place).items():
        if read.value.settled or not (read.value.decision or read.value.apart):
            continue
        link = work.control.link(*work.place, key)
        if link is not None and link.value.is_live:
            settled = read.value.model_copy(update={"settled": True})
            with suppress(Stale):  # then it is settled by the next run
                work.control.store_review(*work.place, key, settled, expected=read.version)


def _added_up(files: BookFiles, stage: Stage, *, waiting: bool = True) -> tuple[Counter[str], list[Line]]:
    """What became of the errands of a stage, and what the next run has to look at.

    `waiting`: those that wait for an approval are left as well, where the stage leaves them out.
    """
    todo = divided(files, stage)
    counted: Counter[str] = Counter()
    written: set[str] = set()
    left = [errand.again for errand in todo.dropped if errand.again]
    for number in range(len(todo.parts)):
        for kind, contact_id, result, again, *_ in files.done(stage, number) or ():
            if result == "done" and kind in COUNTED and not (kind == "photo" and contact_id in written):
                counted[COUNTED[kind]] += 1
                written.add(contact_id)
            elif result == "refused":
                counted["refused"] += 1
            if again is not None:
                left.append(again)
    if stage == "rest" and waiting:
        left += [errand.again for errand in files.errands() if errand.held and errand.again]
    return counted, left


def _move_on(work: BookRun, round_: Round, stage: Stage, lines: list[Line], pushed: Pushed) -> None:
    """Remember how far the sync has come, unless another run has gone on from there meanwhile."""
    plan = work.files.plan()
    assert plan is not None
    stored = work.control.progress_of(*work.place, work.sync.id)
    if stored.value.run == work.run.id and stage != "held":
        return
    if stage == "held" and stored.value.run != work.run.id:
        return
    looks = round_.full or round_.look
    held = work.files.errands() if stage == "rest" else ()
    still_linked = -sum(errand.gains(work.sync.id) for errand in held if errand.held)
    progress = Progress(
        group=round_.group,
        cursor=round_.cursor,
        feed=round_.feed,
        settings=round_.settings,
        carry=work.files.left_key(stage) if lines else "",
        size=max(0, plan.size + pushed.added - pushed.deleted),
        linked=max(0, plan.linked_after + still_linked),
        run=work.run.id,
        full_at=round_.at if round_.full else stored.value.full_at,
        looked=plan.looked if looks else stored.value.looked,
        looked_at=work.now.timestamp() if looks else stored.value.looked_at,
    )
    _advance(work, progress, stored.version if stage == "held" else round_.version)


def _advance(work: BookRun, progress: Progress, expected: int) -> None:
    with suppress(Stale):  # a plan that was carried out late: another run has come further
        work.control.advance(*work.place, work.sync.id, progress, expected=expected)


def count_day(run: Run, connection_id: str, files: BookFiles, control: Control, now: datetime) -> None:
    """Add what a run has done to the numbers of this day, as the account's people live it; once, however often said."""
    counted, _ = _added_up(files, run.stage)
    here = files.files.upserted_counts(0, run.stage) or Counts()
    numbers = {
        "added": {"hub": counted["added"], "remote": here.added},
        "updated": {"hub": counted["updated"], "remote": here.updated},
        "deleted": {"hub": counted["deleted"], "remote": here.deleted},
    }
    if any(count for sides in numbers.values() for count in sides.values()):
        day = local_day(control.account(run.account_id), now)
        by = f"{run.id}:{run.stage}"
        control.count_today(run.account_id, connection_id, numbers, day=day, run_id=by, now=now)

"""Syncs and their runs: at most one run of a sync is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contactsync.control.documents import UPDATE_ATTEMPTS, Documents, Read, put
from contactsync.control.plans import check_room
from contactsync.errors import Busy, Conflict, NotFound, PlanLimit, Stale, Suspended
from contactsync.model.account import Account
from contactsync.model.run import STARTED, Run, RunProblem, RunWarning
from contactsync.model.sync import Sync, had
from contactsync.ports import Delete, Put, Record, RecordKey

RUNS_KEPT = timedelta(days=400)
"""As long as changes by hand, so that a contact's history can name what has changed it."""
OPEN_MAX = 50
"""Runs of one account that are looked at to tell whose turn it is: those that run are among the first."""
DAYS_COUNTED = timedelta(days=3)
SCHEDULES_COUNTED = 10_000
SCHEDULES_A_PAGE = 500
SYNCS_COUNTED = 100_000
SYNCS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Why a run that waits for an approval gets none any more: where its whole plan waits, and where only the deletions do."""

    plan: RunProblem
    deletions: RunWarning


RUN_AGAIN = Overtaken(
    RunProblem(
        code="superseded",
        title="The sync was run again before this plan was approved, so nothing was written.",
        detail="Look at its latest run, and approve that one if it waits.",
    ),
    RunWarning(
        code="deletions_superseded",
        message="The sync was run again before the deletions were approved, so nobody was deleted.",
    ),
)
CHANGED = Overtaken(
    RunProblem(
        code="superseded",
        title="The sync was changed before this plan was approved, so nothing was written.",
        detail="Run the sync again: its next plan is made by what the sync says now.",
    ),
    RunWarning(
        code="deletions_superseded",
        message="The sync was changed before the deletions were approved, so nobody was deleted. Run it again: its next plan is "
        "made by what it says now.",
    ),
)
DELETED = Overtaken(
    RunProblem(
        code="superseded",
        title="The sync was deleted before this plan was approved, so nothing was written.",
        detail="If it is still wanted, make the sync anew with POST /v1/syncs, run it, and look at its plan.",
    ),
    RunWarning(
        code="deletions_superseded",
        message="The sync was deleted before the deletions were approved, so nobody was deleted. If they are still wanted, make "
        "the sync anew with POST /v1/syncs, run it, and look at its plan.",
    ),
)


class Syncs(Documents):
    """Syncs and their runs."""

    def create_sync(self, account_id: str, sync: Sync, run: Run | None = None) -> None:
        """Store a new sync, together with its first run if it has one. Repeating the same call changes nothing.

        Raises PlanLimit for one schedule too many, PlanLimit or Suspended where the run may not begin; the sync is then
        not stored either.
        """
        witness = RecordKey(account_id, f"run#{run.id}" if run else f"sync#{sync.id}")
        writes: list[Put | Delete] = [put(RecordKey(account_id, f"sync#{sync.id}"), sync)]
        if run is not None:
            writes += first_puts(account_id, run)
        for _ in range(UPDATE_ATTEMPTS):
            try:
                scheduled = self._listed_schedule(account_id, sync) if sync.schedule is not None else []
                admitted = self._admitted(run) if run is not None else []
                self.records.commit([*writes, *scheduled, *admitted, self._counted(account_id, +1)])
                return
            except (Stale, PlanLimit, Suspended) as error:
                if self.records.get(witness) is not None:
                    return  # this call was here before
                if not isinstance(error, Stale):
                    raise
        raise Busy("The account is being changed from several sides.")

    def update_sync(self, account_id: str, sync_id: str, change: Callable[[Read[Sync]], Sync]) -> Read[Sync]:
        """Carry out `change` on the sync as it is stored now; `change` may be called several times.

        A run that waits for an approval is closed with the change that makes its plan void. Raises PlanLimit for one schedule
        too many.
        """
        for _ in range(UPDATE_ATTEMPTS):
            read = self.sync(account_id, sync_id)
            changed = change(read)
            if changed == read.value:
                return read
            writes: list[Put | Delete] = [put_sync(account_id, changed, read.version)]
            if (changed.schedule is None) != (read.value.schedule is None):
                writes += self._listed_schedule(account_id, changed)
            if changed.deleted_at is not None and read.value.deleted_at is None:
                writes.append(self._counted(account_id, -1))
                writes += self.superseding(account_id, read.value, DELETED)
            elif changed.settings_at != read.value.settings_at:
                writes += self.superseding(account_id, read.value, CHANGED)
            with suppress(Stale):
                self.records.commit(writes)
                return Read(changed, read.version + 1)
        raise Busy("The sync is being changed from several sides.")

    def syncs_count(self, account_id: str) -> int:
        """How many syncs there are, deleted ones left out."""
        return self._count(self.records.get(_count_key(account_id)), account_id)

    def _counted(self, account_id: str, more: int) -> Put:
        """What goes into the commit of a sync that comes or goes."""
        record = self.records.get(_count_key(account_id))
        count = self._count(record, account_id) + more
        return Put(_count_key(account_id), {"syncs": count}, record.version if record else 0)

    def _count(self, record: Record | None, account_id: str) -> int:
        """An account from before they were counted has them counted once."""
        if record is not None:
            return int(record.document["syncs"])
        found = self._all(account_id, "sync#", Sync, limit=SYNCS_COUNTED)
        return sum(1 for sync in found if sync.deleted_at is None)

    def schedules(self, account_id: str) -> int:
        """How many syncs have a schedule."""
        return sum(1 for _ in self.scheduled(account_id))

    def scheduled(self, account_id: str) -> Iterator[str]:
        """The syncs that have a schedule."""
        after = None
        for _ in range(SCHEDULES_COUNTED // SCHEDULES_A_PAGE):
            page = self.records.page(account_id, "schedule#", after=after, limit=SCHEDULES_A_PAGE)
            yield from (record.key.name.removeprefix("schedule#") for record in page.records)
            after = page.next
            if after is None:
                return

    def _listed_schedule(self, account_id: str, sync: Sync) -> list[Put | Delete]:
        """What goes into the commit of a sync that gets a schedule, or loses it. Raises PlanLimit."""
        key = RecordKey(account_id, f"schedule#{sync.id}")
        stored = self.records.get(key)
        if sync.schedule is None:
            return [Delete(key, stored.version)] if stored else []
        if stored is not None:
            return []
        turn = self.in_turn(account_id, "schedules")
        account = self._read(RecordKey(account_id, "account"), Account).value
        check_room(account, "schedules", self.schedules(account_id) + 1)
        return [Put(key, {}, 0), turn]

    def create_run(self, account_id: str, run: Run, *, due: datetime | None = None) -> None:
        """Add a run to a sync that has none under way; `due` is then the latest moment that its schedule has run.

        An upload that the run names is from then on what the sync reads, unless it is a dry run. Nor does a dry run close one
        that waits for an approval, which stays the sync's latest: it writes nothing that could make what was shown untrue.
        Of several who add the run of the same moment the first one does, and the others change nothing.

        Raises:
            Conflict: a run of this sync is under way.
            NotFound: there is no such sync.
            PlanLimit: the account has had its runs of the day.
            Suspended: the account may run nothing.
        """
        for _ in range(UPDATE_ATTEMPTS):
            sync = self.sync(account_id, run.sync_id)
            if sync.value.active_run == run.id:
                return
            last = sync.value.last_due
            if due is not None and last is not None and last >= due:
                return
            if sync.value.active_run is not None:
                raise Conflict(
                    "run_under_way",
                    "A run of this sync is under way.",
                    f"Wait for run {sync.value.active_run} to end, or cancel it.",
                )
            superseded = self.superseding(account_id, sync.value)
            stays = run.dry_run and superseded
            started = sync.value.model_copy(
                update={
                    "source": _source_with(run, sync.value),
                    "active_run": run.id,
                    "latest_run": sync.value.latest_run if stays else run.id,
                    **(had(sync.value.schedule, due) if due is not None else {}),
                }
            )
            try:
                self.records.commit(
                    [
                        put_sync(account_id, started, sync.version),
                        *([] if stays else superseded),
                        *first_puts(account_id, run),
                        *self._admitted(run),
                    ]
                )
                return
            except Stale:
                continue
        raise Busy("The sync is being changed from several sides.")

    def superseding(self, account_id: str, sync: Sync, why: Overtaken = RUN_AGAIN) -> list[Put]:
        """What goes into the commit that overtakes a sync's latest run: it waits for an approval no more, as it can have none."""
        with suppress(NotFound):
            before = self.run(account_id, sync.latest_run or "")
            if before.value.status == "awaiting_approval":
                after = before.value.unapproved(why.plan, why.deletions)
                return [_put_run(after, before.version)]
        return []

    def runs_on(self, account_id: str, day: date) -> int:
        """How many runs of the account began on a day of its time zone, but for those that undo others or follow edits."""
        record = self.records.get(_day(account_id, day))
        return int(record.document["runs"]) if record else 0

    def _admitted(self, run: Run) -> list[Put]:
        """What goes into the commit of a new run, so that it counts exactly once. Raises PlanLimit, Suspended."""
        account = self._read(RecordKey(run.account_id, "account"), Account).value
        if account.suspended_at is not None:
            raise Suspended
        if run.undoes is not None:  # what was done must always be possible to take back
            return []
        asked = datetime.fromisoformat(run.requested_at)
        key = _day(account.id, local_day(account, asked))
        record = self.records.get(key)
        # Nobody asks for a run that follows edits, so it takes none away from whoever does; yet nothing goes on for ever.
        counted = "following" if run.trigger == "edit" else "runs"
        begun = {"runs": 0, **(record.document if record else {})}
        begun[counted] = int(begun.get(counted, 0)) + 1
        check_room(account, "runs_a_day", begun[counted])
        forgotten = int((asked + DAYS_COUNTED).timestamp())
        return [Put(key, begun, record.version if record else 0, forgotten)]

    def sync(self, account_id: str, sync_id: str) -> Read[Sync]:
        """The sync. Raises NotFound."""
        return self._read(RecordKey(account_id, f"sync#{sync_id}"), Sync)

    def syncs(self, account_id: str, *, after: str | None, limit: int) -> tuple[list[Read[Sync]], str | None]:
        """Up to `limit` syncs older than the sync `after`, newest first, and the id to go on after."""
        page = self.records.page(
            account_id, "sync#", after=after and f"sync#{after}", limit=limit, newest_first=True
        )
        read = [
            Read(Sync.model_validate(record.document, extra="ignore"), record.version)
            for record in page.records
        ]
        return read, page.next and page.next.removeprefix("sync#")

    def every_sync(self, account_id: str) -> Iterator[Sync]:
        """All syncs of an account, newest first, those that were deleted as well."""
        after: str | None = None
        while True:
            found, after = self.syncs(account_id, after=after, limit=SYNCS_AT_ONCE)
            yield from (read.value for read in found)
            if after is None:
                return

    def runs(
        self, account_id: str, sync_id: str, *, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """Up to `limit` runs of a sync older than the run `after`, newest first, and the id to go on after."""
        prefix = f"sync_run#{sync_id}#"
        page = self.records.page(
            account_id, prefix, after=after and f"{prefix}{after}", limit=limit, newest_first=True
        )
        ids = [record.key.name.removeprefix(prefix) for record in page.records]
        return [self.run(account_id, run_id).value for run_id in ids], page.next and page.next.removeprefix(
            prefix
        )

    def run(self, account_id: str, run_id: str) -> Read[Run]:
        """The run. Raises NotFound."""
        return self._read(RecordKey(account_id, f"run#{run_id}"), Run)

    def open_runs(self, account_id: str) -> list[Run]:
        """The account's runs that are queued or running, the one that was asked for first comes first."""
        return [run for run in self.runs_under_way(account_id) if run.status in STARTED]

    def runs_under_way(self, account_id: str) -> list[Run]:
        """The same, and those that have ended otherwise and have not let their sync go yet."""
        page = self.records.page(account_id, "open_run#", limit=OPEN_MAX)
        found = []
        for record in page.records:
            with suppress(NotFound):
                found.append(self.run(account_id, record.key.name.removeprefix("open_run#")).value)
        return found

    def update_run(self, account_id: str, run_id: str, change: Callable[[Run], Run]) -> Run:
        """Carry out `change` on the run as it is stored now; `change` may be called several times."""
        key = RecordKey(account_id, f"run#{run_id}")
        for _ in range(UPDATE_ATTEMPTS):
            read = self._read(key, Run)
            changed = change(read.value)
            if changed == read.value:
                return changed
            try:
                self.records.commit([_put_run(changed, read.version)])
                return changed
            except Stale:
                continue
        raise Busy("The run's record is being changed from several sides.")

    def close_run(
        self,
        account_id: str,
        run_id: str,
        change: Callable[[Run], Run],
        *,
        learn: Callable[[Sync, Run], Sync] | None = None,
    ) -> Run:
        """As update_run, and in the same commit let the sync go if this run is the one that holds it.

        `learn` is what the sync then keeps of the run, once a run.
        """
        for _ in range(UPDATE_ATTEMPTS):
            read = self.run(account_id, run_id)
            sync = self.sync(account_id, read.value.sync_id)
            closed = change(read.value)
            writes: list[Put | Delete] = []
            if closed.status not in STARTED and (standing := self.records.get(_open_key(account_id, run_id))):
                writes.append(Delete(standing.key, standing.version))
            if closed != read.value:
                writes.append(_put_run(closed, read.version))
            if sync.value.active_run == run_id:
                free = sync.value.model_copy(update={"active_run": None})
                writes.append(put_sync(account_id, learn(free, closed) if learn else free, sync.version))
            if not writes:
                return closed
            try:
                self.records.commit(writes)
                return closed
            except Stale:
                continue
        raise Busy("The run's record is being changed from several sides.")

    def approve_run(self, account_id: str, run_id: str, plan_hash: str) -> Run:
        """Let a held run go on with the very plan that was shown.

        Raises:
            Conflict: the run does not wait, its plan is another one, its sync has gone on since, or is at a dry run.
        """
        for _ in range(UPDATE_ATTEMPTS):
            read = self.run(account_id, run_id)
            run = read.value
            if run.status == "queued" and run.approved and run.plan_hash == plan_hash:
                return run  # approved a moment ago, perhaps by this very call, whose answer was lost
            overtaken = _is_overtaken(run)
            if run.status != "awaiting_approval" and not overtaken:
                raise Conflict(
                    "not_waiting",
                    f"The run's status is {run.status}.",
                    "Only a run that waits can be approved. GET /v1/runs/{id} says what has become of this one.",
                )
            if run.plan_hash != plan_hash:
                raise Conflict(
                    "another_plan", "This is not the run's plan.", "Look at the plan and send its hash."
                )
            sync = self.sync(account_id, run.sync_id)
            if sync.value.deleted_at is not None:
                raise Conflict(
                    "superseded",
                    "The sync has been deleted, so this plan is carried out no more.",
                    "If it is still wanted, make the sync anew with POST /v1/syncs, run it, and look at its plan.",
                )
            if overtaken or sync.value.latest_run != run_id or sync.value.settings_at > run.requested_at:
                raise Conflict(
                    "superseded",
                    "The sync has run again since, or has been changed, so this plan is out of date.",
                    "Look at its latest run and approve that one, if it waits; otherwise run it again.",
                )
            if sync.value.active_run is not None:
                raise Conflict(
                    "run_under_way",
                    "A dry run of this sync is under way.",
                    f"Wait for run {sync.value.active_run} to end, or cancel it; then approve this one.",
                )
            going = run.model_copy(
                update={
                    "status": "queued",
                    "approved": True,
                    "execution": None,
                    "step": None,
                    "problem": None,
                    "mails_claimed": 0,
                    "finished_at": None,
                }
            )
            held = sync.value.model_copy(update={"active_run": run_id})
            standing = self.records.get(_open_key(account_id, run_id))
            with suppress(Stale):
                self.records.commit(
                    [
                        Put(_open_key(account_id, run_id), {}, standing.version if standing else 0),
                        _put_run(going, read.version),
                        put_sync(account_id, held, sync.version),
                    ]
                )
                return going
        raise Busy("The run's record is being changed from several sides.")


def _is_overtaken(run: Run) -> bool:
    """Whether it has waited for an approval until there could be none."""
    return any(
        run.problem == why.plan or why.deletions in run.warnings for why in (RUN_AGAIN, CHANGED, DELETED)
    )


def first_puts(account_id: str, run: Run) -> list[Put]:
    """The writes that store a new run, among those of its sync and, if it has not ended, those that are under way."""
    under_way = [Put(_open_key(account_id, run.id), {}, 0)] if run.status in STARTED else []
    return [
        _put_run(run),
        Put(RecordKey(account_id, f"sync_run#{run.sync_id}#{run.id}"), {}, 0, _forgotten_at(run)),
        *under_way,
    ]


def _source_with(run: Run, sync: Sync) -> dict[str, Any]:
    """The source of a sync that gets a run. Of uploads it is the latest that was given; a dry run only looks at one."""
    if run.upload_id is None or run.dry_run or sync.source["kind"] != "upload":
        return sync.source
    return {**sync.source, "upload_id": run.upload_id}


def _put_run(run: Run, expected: int = 0) -> Put:
    return put(
        RecordKey(run.account_id, f"run#{run.id}"), run, expected=expected, expires_at=_forgotten_at(run)
    )


def _forgotten_at(run: Run) -> int:
    return int((datetime.fromisoformat(run.requested_at) + RUNS_KEPT).timestamp())


def _count_key(account_id: str) -> RecordKey:
    return RecordKey(account_id, "syncs_count")


def _open_key(account_id: str, run_id: str) -> RecordKey:
    return RecordKey(account_id, f"open_run#{run_id}")


def local_day(account: Account, moment: datetime) -> date:
    """Which day it is where the account is."""
    return moment.astimezone(ZoneInfo(account.time_zone)).date()


def _day(account_id: str, day: date) -> RecordKey:
    return RecordKey(account_id, f"runs_of#{day.isoformat()}")


def put_sync(account_id: str, sync: Sync, expected: int) -> Put:
    """The write that stores a sync; a deleted one for as long as it is history."""
    key = RecordKey(account_id, f"sync#{sync.id}")
    return put(key, sync, expected=expected, expires_at=sync.forget_at)

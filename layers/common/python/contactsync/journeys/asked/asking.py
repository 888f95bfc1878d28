"""What callers ask to be done: make room for a file, import, run again.

What a request creates gets ids derived from the request's seed, and is announced after it is stored. So a
request that died anywhere can be sent again with the same seed: it finds what it has stored, and announces it
again. An announcement that arrives twice is harmless; the first execution claims the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contactsync.control import Control, Read, limits_of, plan_of
from contactsync.core import checking
from contactsync.core.fitting import misfits, undeliverable, unreadable
from contactsync.core.timestamps import timestamp
from contactsync.errors import Busy, Conflict, InvalidRequest, NotFound, PlanLimit, Problem, Stale
from contactsync.journeys.asked import dropping, queueing, scheduling
from contactsync.journeys.book import books
from contactsync.journeys.file.remote import is_remote, stored, unsuitable
from contactsync.journeys.file.runfiles import RunFiles, files_of
from contactsync.model.account import Account, Caller
from contactsync.model.drop import DroppedFile
from contactsync.model.request import RunRequest, UploadRequest
from contactsync.model.run import Run
from contactsync.model.segment import Segment
from contactsync.model.sync import PasteSource, Schedule, Sync, SyncRequest, Upload
from contactsync.ports import (
    Bus,
    Clock,
    ContactStore,
    Discoverer,
    Keeper,
    Objects,
    Peeker,
    Put,
    RecordKey,
    Scheduler,
    Vault,
)

UPLOAD_OPEN = timedelta(hours=1)
UPLOAD_KEPT = timedelta(days=7)
"""As long as the uploads bucket keeps the file."""
MAX_ID_LENGTH = 100
MAX_SYNC_BYTES = 100_000
"""A record of the control table holds 400 KB, and the answer that holds the sync is a string in a record too, in
which every quote is escaped twice."""


@dataclass(frozen=True, slots=True)
class World:
    """The ports that requests reach."""

    control: Control
    contacts: ContactStore
    runs: Objects
    uploads: Objects
    photos: Objects
    bus: Bus
    scheduler: Scheduler
    vault: Vault
    clock: Clock
    drop_bucket: str
    keeper: Keeper
    discoverer: Discoverer
    drops: Objects
    peeker: Peeker


@dataclass(frozen=True, slots=True)
class UploadPlace:
    """Where and until when the client may PUT its file."""

    upload: Upload
    url: str


def create_upload(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> UploadPlace:
    """Make room for one file, which the client then puts there itself."""
    request = checking.parse(UploadRequest, body)
    now = world.clock.now()
    upload_id = derived_id(seed, "upload")
    key = f"uploads/{caller.account_id}/{upload_id}"
    upload = Upload(id=upload_id, key=key, filename=request.filename, expires_at=timestamp(now + UPLOAD_OPEN))
    try:
        world.control.create_upload(
            caller.account_id, upload, expires_at=int((now + UPLOAD_KEPT).timestamp())
        )
    except Stale:  # this request was here before, and its url may be over
        upload = world.control.upload(caller.account_id, upload_id)
        upload = upload.model_copy(update={"expires_at": timestamp(now + UPLOAD_OPEN)})
    return UploadPlace(upload, world.uploads.presign_put(key, expires_s=int(UPLOAD_OPEN.total_seconds())))


def start_import(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> tuple[Sync, Run]:
    """Save a sync and run it.

    Raises InvalidRequest with every problem of the request at once: its shape, and what does not fit the account.
    """
    request = checked(world, caller, body, runs_now=True)
    add_fields(world, caller, request)
    sync, run = _saved(world, request, caller, seed)
    keep_paste(world, caller, request, run.id)
    world.control.create_sync(caller.account_id, sync, run)
    arrange(world, caller, sync)
    announce(world, run)
    return sync, run


def arrange(world: World, caller: Caller, sync: Sync) -> None:
    """Have the scheduler know what the sync says now. A sync that never had a schedule costs no call."""
    if sync.schedule is not None:
        scheduling.arrange(
            caller.account_id,
            sync.id,
            control=world.control,
            scheduler=world.scheduler,
            clock=world.clock,
        )


def checked(
    world: World,
    caller: Caller,
    body: Mapping[str, Any],
    *,
    new: Container[str] | None = None,
    schedule: Schedule | None = None,
    runs_now: bool = False,
    sync_id: str = "",
) -> SyncRequest:
    """What a sync shall be, `sync_id` if it is one already. Raises InvalidRequest with all that is wrong with it.

    `new` are the keys that it did not have before as they are now; None: all. The others may have got out of date since, as
    may `schedule`, which it has so far.
    """
    source_is_new = new is None or "source" in new
    account = world.control.account(caller.account_id)
    request, problems = checking.check(SyncRequest, _in_the_account_s_zone(body, account))
    problems += misfits(
        body,
        world.control.fields(account.id),
        country=account.country,
        segments=_segments_named(world, account.id, body),
    )
    if new is None or "format" in new:
        problems += unreadable(body.get("format"))
    if new is None or "notify" in new:
        problems += undeliverable(checking.value_at(body, "notify", "emails"))
    if source_is_new:
        upload_id = checking.value_at(body, "source", "upload_id")
        problems += upload_problems(world, account.id, upload_id, "/source/upload_id")
    if request is not None and len(request.model_dump_json(exclude={"source"}).encode()) > MAX_SYNC_BYTES:
        problems.append(
            Problem("", f"The sync is larger than {MAX_SYNC_BYTES:,} bytes: shorten names and literals.")
        )
    if request is not None:
        problems += unsuitable(request.source)
        problems += books.unsuitable(world.control, caller, request, new=new, sync_id=sync_id)
        since = world.clock.now() if request.schedule != schedule else None
        problems += scheduling.unsuitable(request.schedule, request.source.kind, since)
        if runs_now and request.source.kind == "drop":
            message = (
                "There is no file to run yet: save the sync with POST /v1/syncs, then put a file under the prefix "
                "that it shows. Each file is imported when it has arrived."
            )
            problems.append(Problem("/source/kind", message, "nothing_to_run"))
    if request is None or problems:
        raise InvalidRequest(one_a_place(problems))
    if source_is_new:
        check_kind(account, request.source.kind)
    return request


def check_kind(account: Account, kind: str) -> None:
    """Raises PlanLimit if the account's plan does not have sources of this kind."""
    if kind not in limits_of(account).sources:
        raise PlanLimit(
            "plan_limit",
            f"The plan {plan_of(account)} has no sources of the kind {kind}.",
            "Choose another source, or ask us for a larger plan.",
            [Problem("/source/kind", f"The plan has: {', '.join(limits_of(account).sources)}.")],
        )


def _in_the_account_s_zone(body: Mapping[str, Any], account: Account) -> Mapping[str, Any]:
    """A schedule that names no time zone has the account's, as it is now."""
    schedule = body.get("schedule")
    if not isinstance(schedule, Mapping) or schedule.get("time_zone", "") != "":
        return body
    return {**body, "schedule": {**schedule, "time_zone": account.time_zone}}


def add_fields(world: World, caller: Caller, request: SyncRequest) -> None:
    """Make the fields that the mapping brings with it. Those that are there already are left as they are."""
    fields = world.control.fields(caller.account_id)
    for entry in request.mapping:
        if entry.create is not None and entry.field not in fields:
            with suppress(Conflict):  # the same request, or another one, was here just now
                world.control.create_field(caller.account_id, entry.create.spec(entry.field))


def keep_paste(world: World, caller: Caller, request: SyncRequest, place: str) -> None:
    """Put pasted text where `Sync.pasted` will name it: it is people's data, so never in the control table."""
    if isinstance(request.source, PasteSource):
        files = RunFiles(world.runs, caller.account_id, place)
        world.runs.put(files.paste, request.source.text.encode())


def start_run(
    world: World,
    caller: Caller,
    sync_id: str,
    body: Mapping[str, Any],
    seed: str,
    *,
    file: DroppedFile | None = None,
) -> Run:
    """Run a sync again; where its files are dropped, over `file`, or else over the newest. Of uploads it reads the one that
    the request names, or else the latest that the sync was given.

    Raises Conflict while a run of it is under way, or if the plan asked for is not its latest.
    """
    request = checking.parse(RunRequest, body)
    sync = active_sync(world, caller, sync_id).value
    run = Run(
        id=derived_id(seed, "run"),
        account_id=caller.account_id,
        sync_id=sync.id,
        journey=sync.journey,
        trigger="api",
        dry_run=request.dry_run,
        upload_id=request.upload_id,
        file=file if sync.source["kind"] == "drop" else None,
        requested_at=timestamp(world.clock.now()),
        requested_by=f"member:{caller.member_id}",
    )
    with suppress(NotFound):
        run = world.control.run(caller.account_id, run.id).value
        return _begun(world, run)  # this request was here before, and may not have come so far
    if request.plan is not None:
        run = _carrying_out(world, sync, run, request)
    else:
        run = _with_source(world, sync, run)
    create_run(world, run)
    return _begun(world, run)


def _begun(world: World, run: Run) -> Run:
    if run.file is not None:
        dropping.read_by_hand(run, world.control)
    announce(world, run)
    return run


def create_run(world: World, run: Run) -> None:
    """Store a run of a sync that has none under way.

    Raises Conflict while there is one; one that nobody has taken up is announced again.
    """
    for _ in range(2):
        try:
            world.control.create_run(run.account_id, run)
        except Conflict:
            active = world.control.sync(run.account_id, run.sync_id).value.active_run
            if active is None:
                continue
            holder = world.control.run(run.account_id, active).value
            if not holder.has_ended:
                remind(world, holder)
                raise
            world.control.close_run(run.account_id, active, lambda run: run)  # who closed it died before
        else:
            return
    raise Busy("The sync is being run from several sides.")


def _carrying_out(world: World, sync: Sync, run: Run, request: RunRequest) -> Run:
    """The run as one that carries out a dry run's plan. Raises InvalidRequest or Conflict."""
    assert request.plan is not None
    message = "A plan is carried out as it is: leave this out."
    others = (("/dry_run", request.dry_run), ("/upload_id", request.upload_id))
    problems = [Problem(pointer, message) for pointer, given in others if given]
    planned = None
    with suppress(NotFound):
        planned = world.control.run(run.account_id, request.plan.run_id).value
    if planned is None or planned.sync_id != sync.id or not planned.dry_run:
        problems.append(Problem("/plan/run_id", "This is no dry run of this sync: give the id of one."))
    if planned is None or problems:
        raise InvalidRequest(problems)
    if planned.status == "succeeded" and planned.plan_hash is None:
        raise Conflict(
            "plan_withdrawn",
            "Somebody whom this plan named was erased, so it is carried out no more.",
            "Make another dry run and look at the new plan.",
        )
    if planned.status != "succeeded" or planned.plan_hash != request.plan.plan_hash:
        raise Conflict("another_plan", "This is not the run's plan.", "Look at the plan and send its hash.")
    if planned.verdict is not None and planned.verdict.kind == "blocked":
        raise Conflict("plan_blocked", planned.verdict.title, planned.verdict.detail)
    check_plan(world, planned)
    if sync.settings_at > planned.requested_at:
        raise Conflict(
            "superseded",
            "The sync has been changed since this plan was made.",
            "Make another dry run and look at the new plan.",
        )
    known = planned.model_dump(include={"upload_id", "rows_total", "proof", "doubt"})
    return run.model_copy(update={**known, "plan_of": planned.id, "warnings": planned.warnings})


def check_plan(world: World, run: Run) -> None:
    """Raises Conflict where the plan of a run is forgotten, as its files are after a while."""
    try:
        files_of(run, world.runs).manifest()
    except NotFound:
        raise Conflict(
            "plan_forgotten",
            "The plan is no longer kept.",
            "Run the sync again, and look at its new plan.",
        ) from None


def announce(world: World, run: Run) -> None:
    """Tell the bus that a run was asked for, if it is its turn; else whoever ends the one before it does.

    Raises Busy when it did not get through. The run stays queued: the same request again, or whoever looks at
    the run later, announces it anew.
    """
    if run.status == "queued" and queueing.is_next(world.control, run, world.clock.now()):
        queueing.say(world.bus, run)


def remind(world: World, run: Run) -> None:
    """Announce a run again that nobody has taken up: the announcement, or who was to send it, may be lost.

    At most once a minute a run, however many look at it.
    """
    if queueing.is_overdue(run, world.clock.now()):
        _once_a_minute(world, run.account_id, run.id, lambda: announce(world, run))


def remind_of_files(world: World, account_id: str, sync_id: str) -> None:
    """Have the queue of a sync looked at again, if a file waits in it: whoever was to do so may have died.

    At most once a minute a sync, however many look at it.
    """
    if world.control.waiting(account_id, sync_id, limit=1):
        _once_a_minute(world, account_id, sync_id, lambda: wake(world, account_id, sync_id))


def wake(world: World, account_id: str, sync_id: str) -> None:
    """Have somebody look what of a sync is due, because it was changed or is free again."""
    world.bus.publish("SyncDue", {"account_id": account_id, "sync_id": sync_id})


def _once_a_minute(world: World, account_id: str, what: str, say: Callable[[], None]) -> None:
    now = world.clock.now()
    records = world.control.records
    key = RecordKey(account_id, f"reminder#{what}")
    stored = records.get(key)
    if stored is not None and now - datetime.fromisoformat(stored.document["at"]) < queueing.UNCLAIMED:
        return
    expires_at = int((now + timedelta(days=1)).timestamp())
    with suppress(Stale, Busy):
        records.commit([Put(key, {"at": timestamp(now)}, stored.version if stored else 0, expires_at)])
        say()


def derived_id(seed: str, kind: str) -> str:
    """The id of what a request creates: sorts by the seed's time, and is the same each time it is asked."""
    return kind[0] + seed[:12] + hashlib.sha256(f"{seed}\0{kind}".encode()).hexdigest()[:12]


def active_sync(world: World, caller: Caller, sync_id: str) -> Read[Sync]:
    """A sync that has not been deleted. Raises NotFound."""
    read = world.control.sync(caller.account_id, sync_id)
    if read.value.deleted_at is not None:
        raise NotFound
    return read


def _saved(world: World, request: SyncRequest, caller: Caller, seed: str) -> tuple[Sync, Run]:
    run_id = derived_id(seed, "run")
    sync = new_sync(world, request, caller, seed, place=run_id)
    run = Run(
        id=run_id,
        account_id=caller.account_id,
        sync_id=sync.id,
        journey=sync.journey,
        trigger="api",
        requested_at=sync.created_at,
        requested_by=sync.created_by,
    )
    return sync.model_copy(update={"active_run": run_id, "latest_run": run_id}), run


def new_sync(world: World, request: SyncRequest, caller: Caller, seed: str, *, place: str) -> Sync:
    """A sync as it is first stored; `place` is where its pasted text lies, if it has any."""
    now = world.clock.now()
    at = timestamp(now)
    sync_id = derived_id(seed, "sync")
    source, sealed = stored(request.source, caller.account_id, sync_id, world.vault)
    return Sync(
        id=sync_id,
        name=request.name,
        source=source,
        sealed=sealed,
        **scheduling.kept(request.schedule, now),
        format=request.format,
        mapping=request.mapping,
        identity=request.identity,
        options=request.options,
        notify=request.notify,
        direction=request.direction,
        conflict=request.conflict,
        match=request.match,
        selection=request.selection,
        limits=request.limits,
        pasted=place if isinstance(request.source, PasteSource) else None,
        created_at=at,
        created_by=f"member:{caller.member_id}",
        updated_at=at,
        settings_at=at,
        changed_in=1,
    )


def _with_source(world: World, sync: Sync, run: Run) -> Run:
    """The run, sure to find its bytes: an upload that has arrived, a dropped file, a copy of what was pasted."""
    if sync.source["kind"] == "upload":
        upload_id = run.upload_id or sync.source["upload_id"]
        problems = upload_problems(world, run.account_id, upload_id, "/upload_id")
        if problems and run.upload_id is None:
            message = (
                "The latest file that this sync was given is kept no longer, and an older one is not taken in its place: "
                "send one with POST /v1/uploads, and name it here."
            )
            problems = [Problem("/upload_id", message, "upload_forgotten")]
        if problems:
            raise InvalidRequest(problems)
        return run
    if run.upload_id is not None:
        raise InvalidRequest([Problem("/upload_id", "This sync reads no uploads: leave the upload out.")])
    if is_remote(sync) or sync.connection_id or run.file is not None:
        return run
    if sync.source["kind"] == "drop":
        newest = dropping.newest_file(run.account_id, sync.id, control=world.control)
        return run.model_copy(update={"file": newest.file})
    text = _pasted(world, sync, run.account_id)
    world.runs.put(RunFiles(world.runs, run.account_id, run.id).paste, text)
    return run


def _pasted(world: World, sync: Sync, account_id: str) -> bytes:
    """The text of a sync that reads what was pasted. Each run has a copy, and is kept longer than the first."""
    for place in filter(None, (sync.pasted, sync.latest_run)):
        with suppress(NotFound):
            return world.runs.get(RunFiles(world.runs, account_id, place).paste)
    raise Conflict(
        "paste_forgotten", "The pasted text is no longer kept.", "Paste it again with a new import."
    )


def _segments_named(world: World, account_id: str, body: Mapping[str, Any]) -> Mapping[str, Segment]:
    """The account's segments, if the request names any."""
    asked = checking.value_at(body, "options", "segments")
    return world.control.segments(account_id) if asked else {}


def upload_problems(world: World, account_id: str, upload_id: Any, pointer: str) -> list[Problem]:
    """Why an upload cannot be imported; nothing if it can, or if the request names none."""
    if not isinstance(upload_id, str) or len(upload_id) > MAX_ID_LENGTH:
        return []
    try:
        upload = world.control.upload(account_id, upload_id)
    except NotFound:
        return [
            Problem(pointer, "There is no such upload: create one with POST /v1/uploads.", "unknown_upload")
        ]
    if world.uploads.size(upload.key) is not None:
        return []
    expired = datetime.fromisoformat(upload.expires_at) <= world.clock.now()
    message = (
        "No file has arrived there, and its url has expired: make another with POST /v1/uploads."
        if expired
        else "No file has arrived there: PUT it to the upload's url first."
    )
    return [Problem(pointer, message, "nothing_uploaded")]


def one_a_place(problems: list[Problem]) -> list[Problem]:
    """The first problem of each place: what is said about its shape comes before what is said about its sense."""
    return list({problem.pointer: problem for problem in reversed(problems)}.values())[::-1]

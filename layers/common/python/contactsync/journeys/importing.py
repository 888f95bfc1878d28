"""A contacts file's journey, step by step: fetch → parse → map → plan → guard → upsert → notify.

Each step reads what the step before it left in the run's files, and leaves its own. A step may be killed
anywhere and run again: its files are written whole under fixed names, its contact writes are conditional, and
it recognises those that it has made already.

What only one step needs it imports itself: every function imports this module, and starts 30 ms sooner without what
the others need.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from contactsync.control import Control
from contactsync.core import figures
from contactsync.core.planning import Rules, generated_code
from contactsync.errors import InvalidRequest, NotFound, UnreadableFile
from contactsync.journeys.file.files import stored
from contactsync.journeys.file.remote import is_remote, is_unattended, pinned, with_secrets
from contactsync.journeys.file.ruling import country_of, rules_of, settings_hash
from contactsync.journeys.file.runfiles import Manifest, files_of
from contactsync.journeys.steps import check_turn, claim, enter, keep
from contactsync.model.field import FieldSpec
from contactsync.model.message import (
    Chunks,
    Fetched,
    Finishing,
    Guarded,
    Mapped,
    Message,
    Notified,
    Parsed,
    Planned,
    Requested,
    Units,
    Upserted,
)
from contactsync.model.run import Counts, Run
from contactsync.model.sync import FieldIdentity, Sync
from contactsync.ports import (
    Bus,
    Carried,
    Clock,
    ContactStore,
    Courier,
    Destination,
    Mailer,
    Objects,
    Source,
    Vault,
    Version,
)

if TYPE_CHECKING:
    from contactsync.core.mapping import Mapper, Rule
    from contactsync.journeys.file.opening import Opened

RUNS_LOOKED_AT = 10
PROBLEMS_TOLD = 20
"""Of a mapping that does not fit: it is another file then, as a rule, and most of them say the same."""
SMALL_ROWS = 5_000
"""Up to here one worker a step is quicker than sharing: starting a Distributed Map takes seconds."""


def fetch(
    message: Requested,
    *,
    control: Control,
    uploads: Objects,
    drops: Objects,
    runs: Objects,
    vault: Vault,
    courier: Courier,
    clock: Clock,
) -> Fetched:
    """Source bytes → the run's bucket, with their digest. The first execution to come here owns the run."""
    from contactsync.sources.staging import copied  # noqa: PLC0415

    run = claim(control, message, "fetch", clock)
    if run is None:
        return Fetched(account_id=message.account_id, run_id=message.run_id, outcome="duplicate")
    if run.undoes or run.planned_already:
        return Fetched(account_id=run.account_id, run_id=run.id, outcome="fetched")
    sync = control.sync(run.account_id, run.sync_id).value
    files = files_of(run, runs)
    if run.file is None and is_remote(sync):
        carried = _carried(sync, run, files.source, control=control, vault=vault, courier=courier)
    else:
        ours = _source(sync, run, control=control, uploads=uploads, drops=drops, runs=runs, paste=files.paste)
        carried = copied(ours, runs, files.source)
    marker = control.marker(run.account_id)
    good = sync.last_good
    settings = settings_hash(sync)
    as_before = good is not None and good.is_as(carried.digest, settings, marker)
    unchanged = as_before and not run.dry_run
    found: dict[str, object] = {
        "upload_id": run.upload_id or sync.source.get("upload_id"),
        "digest": carried.digest,
        "settings": settings,
        "proof": carried.ending.proof,
        "doubt": carried.ending.doubt,
        "unchanged": unchanged,
        "same_as": good.run_id if unchanged and good else "",
        "marker": marker,
    }
    if is_unattended(sync):
        found |= _aged(carried, sync, clock.now(), unchanged=unchanged)
    keep(control, run, **found)
    outcome: Literal["unchanged", "fetched"] = "unchanged" if unchanged else "fetched"
    return Fetched(account_id=run.account_id, run_id=run.id, outcome=outcome)


def parse(message: Message, *, control: Control, runs: Objects) -> Parsed:
    """Bytes → chunks cut on record boundaries, and how to read them. A mapping that does not fit ends the run."""
    # workbooks, address books, encodings: the other steps need none of them, and start 40 ms of CPU sooner
    from contactsync.core.reporting import PARTIAL  # noqa: PLC0415
    from contactsync.journeys.file.cutting import broken_end, cut_file  # noqa: PLC0415
    from contactsync.journeys.file.known import recognising  # noqa: PLC0415
    from contactsync.journeys.file.opening import open_as_before  # noqa: PLC0415

    run = enter(control, message, "parse")
    files = files_of(run, runs)
    if run.undoes:
        undone = files_of(control.run(run.account_id, run.undoes).value, runs).manifest()
        manifest = undone.model_copy(update={"rows": 0, "chunks": [], "known_by": ""})
        files.save_manifest(manifest)
        return _parsed(run, manifest, "plan")
    if run.planned_already:
        return _parsed(run, files.manifest(), "guard")
    sync = control.sync(run.account_id, run.sync_id).value
    source = stored(runs, files.source)
    opened = open_as_before(source, sync.format, sync.mapping, sync.figures)
    country = country_of(run, sync, control)
    rules = _check_mapping(run, sync, opened, control.fields(run.account_id), country)
    dates = [rule.column for rule in rules if rule.type == "date" and rule.column is not None]
    unproven = dates if sync.format.date_order == "auto" else ()
    commas = _commas(rules, country)
    orders = _orders_before(run, opened, control, runs) if opened.is_report and unproven else {}
    manifest, warnings = cut_file(opened, source, files, dates=unproven, commas=commas, orders=orders)
    manifest = recognising(manifest, rules, run, control=control, runs=runs)
    files.save_manifest(manifest)
    found: dict[str, object] = {"rows_total": manifest.rows, "warnings": warnings}
    if run.figures is not None and not opened.is_report:  # a few rows of a list are no measure of it
        named = opened.header is not None
        like = figures.read(run.figures, manifest.rows, manifest.columns, has_header=named, first=opened.rows)
        aged = [warning for warning in run.warnings if warning.code in figures.OF_AGE]
        found |= {"figures": like, "warnings": (*aged, *figures.compared(like, sync.figures), *warnings)}
    if sync.options.delete_missing:
        doubt = PARTIAL if opened.is_report else broken_end(manifest, files)
        if doubt:
            found |= {"proof": None, "doubt": doubt}
    keep(control, run, **found)
    return _parsed(run, manifest, "map")


def _parsed(run: Run, manifest: Manifest, following: Literal["map", "plan", "guard"]) -> Parsed:
    small = manifest.units == 1 and len(manifest.chunks) <= 1 and manifest.rows <= SMALL_ROWS
    return Parsed(
        account_id=run.account_id,
        run_id=run.id,
        size="small" if small else "large",
        next=following,
        chunks=tuple(range(len(manifest.chunks))),
        units=tuple(range(manifest.units)),
    )


def map(message: Chunks, *, control: Control, runs: Objects, clock: Clock) -> Mapped:  # noqa: A001 - the step's word
    """Chunks → typed fields sorted to shards; what cannot be typed is a reject with line and reason."""
    from contactsync.journeys.file.chunks import map_chunk  # noqa: PLC0415
    from contactsync.journeys.file.known import KnownRows  # noqa: PLC0415

    run = enter(control, message, "map")
    files = files_of(run, runs)
    manifest = files.manifest()
    mapper = _mapper(run, control.sync(run.account_id, run.sync_id).value, manifest, control)
    known = KnownRows.of(files, manifest, run.account_id)
    total = Counts()
    for number in message.chunks:
        counts = map_chunk(number, files, manifest, mapper, known)
        control.note_progress(run, "map", number, counts.rows, clock.now())
        gc.collect(1)  # phonenumbers' errors are young cycles that hold all their callers, and so a chunk
        total += counts
    return Mapped(account_id=run.account_id, run_id=run.id, rows=total.rows, rejected=total.rejected)


def plan(message: Units, *, control: Control, contacts: ContactStore, runs: Objects, clock: Clock) -> Planned:
    """Incoming rows against stored contacts → exactly what will be done. Reads only."""
    from contactsync.journeys.file.missing import Witness  # noqa: PLC0415
    from contactsync.journeys.file.units import Planning  # noqa: PLC0415

    run = enter(control, message, "plan")
    files = files_of(run, runs)
    rules = rules_of(run, control)
    my_turn = partial(check_turn, control, run)
    manifest = files.manifest()
    witness = Witness.of(run, files, manifest, control) if rules.deletes else None
    planning = Planning(files, manifest, contacts, rules, int(clock.now().timestamp()), my_turn, witness)
    undone = control.run(run.account_id, run.undoes).value if run.undoes else None
    total = Counts()
    for unit in message.units:
        if undone is None:
            summary = planning.plan(unit)
        else:
            deleted = undone.stage != "rest" and undone.status != "blocked"
            summary = planning.plan_undo(unit, files_of(undone, runs), deleted=deleted)
        control.note_progress(run, "plan", unit, summary.counts.settled, clock.now())
        total += summary.counts
    return Planned(account_id=run.account_id, run_id=run.id, **_told(total))


def guard(
    message: Message, *, control: Control, contacts: ContactStore, runs: Objects, clock: Clock
) -> Guarded:
    """The whole plan against the limits → go, or not. A dry run ends here."""
    from contactsync.journeys.file.guarding import judge_plan  # noqa: PLC0415

    run = enter(control, message, "guard")
    verdict = judge_plan(run, control=control, contacts=contacts, files=files_of(run, runs), clock=clock)
    return Guarded(account_id=run.account_id, run_id=run.id, verdict=verdict)


def upsert(
    message: Units, *, control: Control, contacts: ContactStore, runs: Objects, clock: Clock
) -> Upserted:
    """The plan, carried out with conditional writes. What was planned and what was done are both kept."""
    from contactsync.journeys.file.applying import Applying  # noqa: PLC0415

    run = enter(control, message, "upsert")
    work = Applying(run, rules_of(run, control), files_of(run, runs), contacts, control, clock)
    total = Counts()
    for unit in message.units:
        total += work.apply(unit)
    return Upserted(account_id=run.account_id, run_id=run.id, **_told(total))


def notify(
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
    """The run's end → its record and the mail."""
    from contactsync.journeys.file.finishing import finish  # noqa: PLC0415

    return finish(
        message,
        control=control,
        contacts=contacts,
        runs=runs,
        mailer=mailer,
        bus=bus,
        clock=clock,
        public_url=public_url,
    )


def _carried(sync: Sync, run: Run, key: str, *, control: Control, vault: Vault, courier: Courier) -> Carried:
    """The file of a customer's server, brought into the run's bucket. The SSH server met first is the sync's from then on."""
    to = Destination(run.account_id, run.id, key)
    carried = courier.carry(with_secrets(sync, run.account_id, vault), to, host_key=sync.host_key)
    if carried.host_key and sync.host_key is None:
        control.update_sync(run.account_id, sync.id, lambda read: pinned(read.value, carried.host_key))
    return carried


def _source(
    sync: Sync,
    run: Run,
    *,
    control: Control,
    uploads: Objects,
    drops: Objects,
    runs: Objects,
    paste: str,
) -> Source:
    """The run's file in a bucket of ours; of a dropped one the very version, whatever has been put over it since."""
    from contactsync.sources.staging import MAX_SOURCE_BYTES, too_large  # noqa: PLC0415
    from contactsync.sources.stored import DroppedSource, StoredSource, gone  # noqa: PLC0415

    if run.file is not None:
        if run.file.size > MAX_SOURCE_BYTES:
            raise too_large()
        return DroppedSource(drops, run.file.key, Version(run.file.version, run.file.etag))
    if sync.source["kind"] == "paste":
        return StoredSource(runs, paste)
    try:
        upload = control.upload(run.account_id, run.upload_id or sync.source["upload_id"])
    except NotFound:
        raise gone() from None
    return StoredSource(uploads, upload.key)


def _aged(carried: Carried, sync: Sync, now: datetime, *, unchanged: bool) -> dict[str, object]:
    """What a run keeps of its file's figures and age. One that is older than the last one proves nothing."""
    from contactsync.journeys.asked import scheduling  # noqa: PLC0415

    like = figures.seen(carried.size, carried.modified, now)
    aged = figures.ahead(carried.modified, now)
    aged += figures.of_age(like, sync.figures, scheduling.period(sync, now), now)
    if unchanged:  # the same bytes are as new as they were
        aged = [warning for warning in aged if warning.code != "file_older"]
    found: dict[str, object] = {"figures": like, "warnings": tuple(aged)}
    if any(warning.code == "file_older" for warning in aged):
        found |= {"proof": None, "doubt": figures.OLDER}
    return found


def _check_mapping(
    run: Run, sync: Sync, opened: Opened, fields: Mapping[str, FieldSpec], country: str | None
) -> list[Rule]:
    """The mapping's rules. Raises, before any row is touched, if a mapped column is missing or a literal is no value of its field."""
    from contactsync.core.mapping import converted_literals, resolve_mapping  # noqa: PLC0415

    if not sync.mapping and opened.own_mapping is None:
        raise UnreadableFile(
            "mapping_missing",
            "The sync maps no columns, and the file does not say itself what they hold.",
            "Map the columns that the import should take.",
        )
    try:
        rules = resolve_mapping(
            sync.mapping or opened.own_mapping or (),
            opened.header,
            fields,
            identity_field=_mapped_identity(sync),
            width=opened.width,
        )
        converted_literals(rules, country=country, date_order=sync.format.date_order)
    except InvalidRequest as error:
        raise UnreadableFile(
            "mapping_does_not_fit",
            "The file does not fit the mapping; no row was touched.",
            f"{_first_of([problem.message for problem in error.problems])} GET /v1/runs/{run.id}/preview shows its columns.",
        ) from None
    return rules


def _first_of(messages: Sequence[str]) -> str:
    """What is wrong, and of how much more nothing is said: it travels as the cause of a state's failure, which Step
    Functions cuts after 32,768 characters, and then nobody could read it.
    """
    more = len(messages) - PROBLEMS_TOLD
    return " ".join(messages[:PROBLEMS_TOLD]) + (f" And {more:,} more of this kind." if more > 0 else "")


def _orders_before(run: Run, opened: Opened, control: Control, runs: Objects) -> dict[int, str]:
    """The date orders of a report of refused rows: those that the list has proven from which they come.

    The rows of a report are too few to prove them again. The list is the latest with these columns among the sync's last runs.
    """
    lately, _ = control.runs(run.account_id, run.sync_id, after=run.id, limit=RUNS_LOOKED_AT)
    for before in lately:
        with suppress(NotFound):
            manifest = files_of(before, runs).manifest()
            if not manifest.ours and manifest.columns == opened.header:
                return {column: manifest.date_orders[column] for column in manifest.orders_proven}
    return {}


def _commas(rules: Sequence[Rule], country: str | None) -> set[int]:
    """The columns that are read as numbers with a comma before the decimals."""
    from contactsync.core.fieldtypes.number import COMMA_DECIMAL  # noqa: PLC0415

    if country not in COMMA_DECIMAL:
        return set()
    return {rule.column for rule in rules if rule.type in {"integer", "decimal"} and rule.column is not None}


def _mapper(run: Run, sync: Sync, manifest: Manifest, control: Control) -> Mapper:
    from contactsync.core.mapping import compile_mapping, resolve_mapping  # noqa: PLC0415

    fields = control.fields(run.account_id)
    rules = rules_of(run, control)
    return compile_mapping(
        resolve_mapping(
            sync.mapping or manifest.own_mapping or (),
            manifest.header,
            fields,
            identity_field=_mapped_identity(sync),
            width=manifest.width,
        ),
        identity_field=sync.identity.field,
        secret=rules.secret,
        country=country_of(run, sync, control),
        date_order=sync.format.date_order,
        date_orders=manifest.date_orders,
        empty_cells=sync.options.empty_cells,
        width=manifest.width,
        generate=partial(_code, rules) if rules.generate else None,
    )


def _code(rules: Rules, line: int) -> str | int:
    code = generated_code(line, 0, rules)
    return int(code) if rules.identity_type == "integer" else code


def _mapped_identity(sync: Sync) -> str | None:
    """The field that a column must feed for rows to find their contacts; None where each gets a code."""
    return sync.identity.field if isinstance(sync.identity, FieldIdentity) else None


def _told(counts: Counts) -> dict[str, int]:
    """The counts that a message carries."""
    return counts.model_dump(include={"added", "updated", "unchanged", "deleted", "skipped", "rejected"})

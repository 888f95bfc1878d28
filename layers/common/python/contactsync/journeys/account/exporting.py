"""Everything that an account holds, as files to take along: contacts, history, runs, settings.

    POST /v1/exports ─→ Export stored ─→ ExportDue ─→ export: one stretch, at most one file ─→ ExportDue ─→ … done

A table needs to know how many values its lists have, so contacts are gone through twice for it. A file ends at
FILE_ROWS rows; where the next begins is kept in the record, so memory and a worker's time are bounded for any list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import orjson

from contactsync.control import Control
from contactsync.core import checking, exporting
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, InvalidRequest, NotFound, NotPermitted, Problem
from contactsync.journeys.account import stretches
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.asked.recounting import changes_of_run
from contactsync.journeys.book.album import Album
from contactsync.model.account import Caller
from contactsync.model.contact import Contact
from contactsync.model.long_work import Export, ExportFile, ExportKind
from contactsync.model.message import ExportDue
from contactsync.model.request import ExportRequest
from contactsync.model.run import Run
from contactsync.ports import Bus, Clock, ContactStore, Objects, Record, RecordKey, RecordPage

DUE = stretches.Due("ExportDue", "export_id")
KEPT = timedelta(days=7)
"""As long as the bucket keeps the files."""
OPEN_S = 900
FILE_ROWS = 100_000
FILE_BYTES = 200_000_000
"""A file ends here as well, before its pictures take longer than a worker may."""
PICTURED_AT_ONCE = 50
SURVEYED = 500_000
"""Contacts that one stretch of the first pass looks at."""
READ_AT_ONCE = 1000
ENDINGS = {"csv": "csv", "vcard": "vcf", "jsonl": "jsonl"}
BY_HAND, BY_RUNS = "edit#", "run#"
OF_AN_ACCOUNT = ("account", "member#", "field#", "segment#", "sync#")
SECRET = frozenset({"identity_secret", "sealed", "subject", "digest"})


class Part(NamedTuple):
    """Some lines, and the position behind them, None at the end. A file may end where `whole` is true."""

    lines: list[bytes]
    position: str | None
    whole: bool = True


def ask_for_export(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Export:
    """Begin an export. Raises NotPermitted for what only who manages the account may have, Conflict during another."""
    request = checking.parse(ExportRequest, body)
    _check_permitted(caller, request.kinds)
    if request.segment is not None and request.segment not in world.control.segments(caller.account_id):
        raise InvalidRequest(
            [
                Problem(
                    "/segment",
                    "There is no such segment: GET /v1/segments lists those that are there.",
                    "unknown_segment",
                )
            ]
        )
    now = world.clock.now()
    kept = min(KEPT, timedelta(days=world.control.account(caller.account_id).retention_days))
    export = Export(
        id=derived_id(seed, "export"),
        account_id=caller.account_id,
        kinds=tuple(dict.fromkeys(request.kinds)),
        format=request.format,
        segment=request.segment,
        run=request.run,
        requested_at=timestamp(now),
        requested_by=f"member:{caller.member_id}",
        touched_at=timestamp(now),
        forget_at=int((now + kept).timestamp()),
    )
    for other in _exports(world.control, caller.account_id):
        if other.finished_at is None and other.id != export.id:
            stretches.remind(world.bus, DUE, other, now)
            raise Conflict(
                "export_under_way",
                "Another export of this account is under way.",
                f"Wait until /v1/exports/{other.id} says that it has succeeded.",
            )
    stretches.store(world.control, _key(export.account_id, export.id), export)
    stretches.call(world.bus, DUE, export)
    return export


def read_export(world: World, caller: Caller, export_id: str) -> Export:
    """How far an export is. Raises NotFound."""
    stored = world.control.records.get(_key(caller.account_id, export_id))
    if stored is None:
        raise NotFound
    export = Export.model_validate(stored.document)
    _check_permitted(caller, export.kinds)
    stretches.remind(world.bus, DUE, export, world.clock.now())
    return export


def url_of(world: World, export: Export, file: ExportFile) -> str:
    """Where anybody can have a file for the next quarter of an hour."""
    key = f"{folder(export.account_id)}{export.id}/{file.name}"
    return world.runs.presign_get(key, expires_s=OPEN_S, filename=file.name)


def folder(account_id: str) -> str:
    """Where all exports of an account lie."""
    return f"exports/{account_id}/"


def export(
    message: ExportDue,
    *,
    control: Control,
    contacts: ContactStore,
    runs: Objects,
    photos: Objects,
    bus: Bus,
    clock: Clock,
) -> ExportDue:
    """One stretch of an export, and the call for the next."""
    key = _key(message.account_id, message.export_id)
    album = Album(photos, message.account_id)
    stretch = partial(_stretch, control=control, contacts=contacts, runs=runs, album=album)
    after = stretches.go_on(control, key, Export, stretch, clock.now())
    if after is not None and after.finished_at is None:
        stretches.call(bus, DUE, after)
    return message


def _stretch(
    export: Export, *, control: Control, contacts: ContactStore, runs: Objects, album: Album
) -> Export:
    """The next bounded part: a look at some contacts, or one file."""
    stages = [stage for kind in export.kinds for stage in _stages(kind, export.format)]
    stage = stages[export.stage]
    if stage == "survey":
        after = _surveyed(export, contacts)
    else:
        writer = _Writer(export, control, contacts, runs, album=album)
        after = writer.file(stage)
    if after.position is not None:
        return after
    done = after.stage + 1 == len(stages)
    return after.model_copy(update={"stage": after.stage + 1, **({"status": "succeeded"} if done else {})})


def _stages(kind: ExportKind, format_: str) -> tuple[str, ...]:
    return ("survey", kind) if kind == "contacts" and format_ == "csv" else (kind,)


def _surveyed(export: Export, contacts: ContactStore) -> Export:
    slots, position = export.slots, export.position
    for _ in range(SURVEYED // READ_AT_ONCE):
        page = contacts.page(export.account_id, after=position, limit=READ_AT_ONCE)
        slots, position = exporting.longest(page.contacts, slots), page.next
        if position is None:
            break
    return export.model_copy(update={"slots": slots, "position": position})


class _Writer:
    """Writes one file of an export."""

    def __init__(
        self, export: Export, control: Control, contacts: ContactStore, runs: Objects, *, album: Album
    ) -> None:
        self._export = export
        self._account_id = export.account_id
        self._control = control
        self._contacts = contacts
        self._runs = runs
        self._album = album

    def file(self, kind: str) -> Export:
        """The export with one more file, which begins where the last one ended."""
        export = self._export
        number = 1 + sum(file.name.startswith(kind) for file in export.files)
        ending = ENDINGS[export.format] if kind == "contacts" else "jsonl"
        name = f"{kind}-{number:04d}.{ending}"
        header, parts = self._parts(kind)
        rows, size, position = 0, len(header), export.position
        with self._runs.writer(f"{folder(self._account_id)}{export.id}/{name}") as out:
            out.write(header)
            for lines, position, whole in parts:  # noqa: B007 the last position is where the next file begins
                data = b"".join(lines)
                out.write(data)
                rows, size = rows + len(lines), size + len(data)
                if whole and (rows >= FILE_ROWS or size >= FILE_BYTES):
                    break
        written = ExportFile(name=name, rows=rows, size=size)
        files = (*export.files, written) if rows or number == 1 else export.files
        return export.model_copy(update={"files": files, "position": position})

    def _parts(self, kind: str) -> tuple[bytes, Iterator[Part]]:
        """What a file of this kind begins with, and its lines from the export's position on."""
        if kind == "contacts":
            return self._contact_parts()
        parts = {"history": self._history, "runs": self._run_records, "settings": self._settings}
        return b"", parts[kind]()

    # Contacts

    def _contact_parts(self) -> tuple[bytes, Iterator[Part]]:
        export = self._export
        segments = {each.id: each.name for each in self._control.segments(self._account_id).values()}
        country = self._control.account(self._account_id).country
        line: Callable[[Contact], bytes]
        header = b""
        match export.format:
            case "csv":
                columns = exporting.columns(self._control.fields(self._account_id), export.slots)
                header = exporting.csv_header(columns).encode()
                line = lambda each: exporting.csv_row(each, columns, segments, country).encode()  # noqa: E731
            case "vcard":
                line = lambda each: exporting.card(each, segments, country, self._picture(each)).encode()  # noqa: E731
            case "jsonl":
                line = lambda each: exporting.json_line(each, segments)  # noqa: E731
        return header, self._contact_lines(line)

    def _picture(self, contact: Contact) -> bytes | None:
        return self._album.picture(contact.id, str(contact.fields.get("photo", "")))

    def _contact_lines(self, line: Callable[[Contact], bytes]) -> Iterator[Part]:
        position = self._export.position
        at_once = PICTURED_AT_ONCE if self._export.format == "vcard" else READ_AT_ONCE
        while True:
            page = self._contacts.page(self._account_id, after=position, limit=at_once)
            position = page.next
            yield Part([line(each) for each in page.contacts if self._is_wanted(each)], position)
            if position is None:
                return

    def _is_wanted(self, contact: Contact) -> bool:
        export = self._export
        return (export.segment is None or export.segment in contact.segments) and (
            export.run is None or export.run in contact.runs
        )

    # What has happened

    def _history(self) -> Iterator[Part]:
        """First the changes by hand, then those of each run, which stay in one file."""
        position = self._export.position or BY_HAND
        if position.startswith(BY_HAND):
            for page in self._pages(BY_HAND, None if position == BY_HAND else position):
                lines = [_line(_by_hand(record)) for record in page.records]
                yield Part(lines, page.next or BY_RUNS)
            position = BY_RUNS
        for page in self._pages(BY_RUNS, None if position == BY_RUNS else position, limit=1):
            for record in page.records:
                told = changes_of_run(Run.model_validate(record.document), self._runs)
                changes = (_line({"contact_id": of, **asdict(change)}) for of, change in told)
                while lines := list(islice(changes, READ_AT_ONCE)):
                    yield Part(lines, None, whole=False)
            yield Part([], page.next)

    def _run_records(self) -> Iterator[Part]:
        for page in self._pages(BY_RUNS, self._export.position):
            yield Part([_line(record.document) for record in page.records], page.next)

    def _settings(self) -> Iterator[Part]:
        lines = []
        for prefix in OF_AN_ACCOUNT:
            for page in self._pages(prefix, None):
                lines += [_line({prefix.rstrip("#"): _public(record.document)}) for record in page.records]
        yield Part(lines, None)

    def _pages(self, prefix: str, after: str | None, *, limit: int = READ_AT_ONCE) -> Iterator[RecordPage]:
        while True:
            page = self._control.records.page(self._account_id, prefix, after=after, limit=limit)
            yield page
            after = page.next
            if after is None:
                return


def _exports(control: Control, account_id: str) -> Iterator[Export]:
    page = control.records.page(account_id, "export#", newest_first=True)
    return (Export.model_validate(record.document) for record in page.records)


def _key(account_id: str, export_id: str) -> RecordKey:
    return RecordKey(account_id, f"export#{export_id}")


def _check_permitted(caller: Caller, kinds: Sequence[ExportKind]) -> None:
    """Contacts are for whoever may see them; all else tells of other members too."""
    if set(kinds) != {"contacts"} and "account.manage" not in caller.permissions:
        raise NotPermitted("account.manage")


def _by_hand(record: Record) -> dict[str, Any]:
    _, contact_id, _ = record.key.name.split("#")
    told = {name: record.document[name] for name in ("at", "by", "change", "changes")}
    return {"contact_id": contact_id, **told}


def _public(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in SECRET}


def _line(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

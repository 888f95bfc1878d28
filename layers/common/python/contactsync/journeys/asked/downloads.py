"""Rows of a run as files: the refused ones, which notify has written, the added, updated and deleted ones on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import orjson

from contactsync.core import reporting
from contactsync.core.parsing import Damaged
from contactsync.errors import Conflict, UserError
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.rows import manifest_of, with_outcome
from contactsync.journeys.book.bookfiles import BookFiles
from contactsync.journeys.file.chunks import raw_rows
from contactsync.journeys.file.runfiles import Manifest, RunFiles, files_of
from contactsync.model.run import Counts, Run

INLINE_BYTES = 4_000_000
ANSWER_BYTES = 5_500_000
"""Lambda's answer holds 6 MB, and the report travels in it as a JSON string, in which a quote takes two bytes."""
DOWNLOAD_OPEN_S = 900
ROWS_MAX = 200_000
"""Rows of a run whose file is written while the client waits: some ten seconds, where API Gateway waits for 29."""


@dataclass(frozen=True, slots=True)
class Report:
    """Rows of a run: the file itself, or where it can be had."""

    text: str | None
    url: str | None


def rejected(world: World, run: Run) -> Report:
    """The refused rows of a run that has ended. Raises Conflict where they are forgotten."""
    files = files_of(run, world.runs)
    key = files.rejects_csv
    if world.runs.size(key) is None:
        manifest_of(files, run)
        return Report(reporting.header_line(()), None)
    return _report(world, key, f"rejects-{run.id}.csv")


def changed(world: World, run: Run, outcome: Literal["added", "updated"]) -> Report:
    """The rows of a run that has ended which added a contact, or updated one, as they stand in the file.

    Raises UserError for a run that has read no file, or more rows than can be gone through while somebody waits, or whose
    rows are forgotten.
    """
    if run.journey == "sync" or run.undoes:  # an empty file would say that it has done nothing
        raise Conflict(
            "no_file_read",
            "The run has read no file, so there are no rows of one.",
            f"What it did, contact by contact: /v1/runs/{run.id}/rows?outcome={outcome}.",
        )
    files = files_of(run, world.runs)
    key = files.changed_csv(outcome)
    if world.runs.size(key) is None:
        if run.counts.rows > ROWS_MAX:
            raise UserError(
                "run_too_large",
                f"The run has more than {ROWS_MAX:,} rows, too many for one file of them.",
                f"Read them page by page: /v1/runs/{run.id}/rows?outcome={outcome}.",
            )
        files.save_csv(key, _lines(files, manifest_of(files, run), run, outcome))
    return _report(world, key, f"{outcome}-{run.id}.csv")


def deletions(world: World, run: Run) -> Report:
    """The contacts that the plan of a run deletes, and the cards of its address book, by the fields that people recognise
    them by.

    Raises UserError for a run of more rows than can be gone through while somebody waits, or whose rows are forgotten.
    """
    files = files_of(run, world.runs)
    key = files.deletions_csv
    if world.runs.size(key) is None:
        counts = run.planned or Counts()
        if counts.rows + counts.deleted > ROWS_MAX:
            raise UserError(
                "run_too_large",
                f"The run has more than {ROWS_MAX:,} rows, too many for one file of them.",
                f"Read them page by page: /v1/runs/{run.id}/plan?change=delete.",
            )
        files.save_csv(key, _deleted(files, manifest_of(files, run), run))
    return _report(world, key, f"deletions-{run.id}.csv")


def _deleted(files: RunFiles, manifest: Manifest | None, run: Run) -> Iterator[str]:
    contacts = files.deletions(manifest.units) if manifest is not None else ()
    if run.journey == "import":
        yield reporting.contact_header()
        for contact in contacts:
            yield reporting.contact_line(contact.id, contact.fields)
        return
    yield reporting.contact_header("deleted_from")
    for contact in contacts:
        yield reporting.contact_line(contact.id, contact.fields, "contacts")
    for contact_id, card in BookFiles(files).deletions():
        yield reporting.contact_line(contact_id, card.fields, "address book")


def _lines(files: RunFiles, manifest: Manifest | None, run: Run, outcome: str) -> Iterator[str]:
    if manifest is None:
        yield reporting.changed_header(())
        return
    yield reporting.changed_header(manifest.columns)
    contacts = {
        view.line: view.contact_id or ""
        for view in with_outcome(files, manifest, run, outcome)
        if view.line is not None
    }
    for line, cells in _cells(files, manifest, contacts):
        yield reporting.changed_line(cells, width=manifest.width, line=line, contact=contacts[line])


def _cells(files: RunFiles, manifest: Manifest, wanted: dict[int, str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of the wanted rows, in the file's order."""
    for number in range(len(manifest.chunks)):
        for item in raw_rows(number, files, manifest):
            if not isinstance(item, Damaged) and item[0] in wanted:
                yield item[0], item[1]


def _report(world: World, key: str, name: str) -> Report:
    if (world.runs.size(key) or 0) <= INLINE_BYTES:
        text = world.runs.get(key).decode()
        if len(orjson.dumps(text)) <= ANSWER_BYTES:
            return Report(text, None)
    return Report(None, world.runs.presign_get(key, expires_s=DOWNLOAD_OPEN_S, filename=name))

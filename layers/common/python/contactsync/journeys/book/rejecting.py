"""Deletions that somebody has rejected: whom one side has lost the other keeps, as after an undo, and nobody asks again.

A contact whose card is gone gets another one once somebody edits it; a card whose contact is gone brings nobody back
before somebody edits that. The next run says so in the links before it looks at anything, also a dry one: it was not that
run's decision. Doing so again changes nothing, and a link that has changed since stays as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from contactsync.control.books import Linking
from contactsync.errors import NotFound, Stale
from contactsync.journeys.book.bookfiles import BookFiles, Errand
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.file.runfiles import batches, files_of
from contactsync.model.run import Run

LINKS_AT_ONCE = 45
REJECTED = "deletions_rejected"
"""The code of the warning that a run bears whose deletions somebody has rejected; one that was superseded bears another."""


def is_rejected(run: Run) -> bool:
    """Whether somebody has rejected the deletions of a run with an address book."""
    return run.journey == "sync" and any(warning.code == REJECTED for warning in run.warnings)


def settle_rejected(work: BookRun) -> None:
    """Store what becomes of the links of deletions that were rejected."""
    for batch in batches(rejected(work), LINKS_AT_ONCE):
        work.check_turn()
        linkings = [Linking(errand.link, errand.before, unticks=errand.unticks) for errand in batch]
        try:
            work.control.store_links(*work.place, linkings, work.now)
        except Stale:
            for linking in linkings:
                with suppress(Stale):  # somebody has changed it since: it is looked at as it is now
                    work.control.store_links(*work.place, [linking], work.now)


def rejected(work: BookRun) -> list[Errand]:
    """What becomes of the links whose deletions the sync's run before this one has held, if somebody rejected them."""
    progress = work.control.progress_of(*work.place, work.sync.id).value
    if not progress.carry:  # what was held is left for the next run
        return []
    try:
        run = work.control.run(work.run.account_id, progress.run).value
    except NotFound:
        return []
    if not is_rejected(run):
        return []
    files = files_of(run, work.ports.runs)
    kept = {contact.id: contact for contact in files.deletions(1)}
    settled = []
    for errand in BookFiles(files).errands():
        if errand.held and errand.kind == "delete":
            after = replace(errand, kind="link", link=replace(errand.link, state="closed"))
            settled.append(after)
        elif errand.held and errand.contact_id in kept:
            link = replace(errand.link, state="unmade", agreed=kept[errand.contact_id].fields)
            settled.append(replace(errand, link=link, unticks=""))
    return settled

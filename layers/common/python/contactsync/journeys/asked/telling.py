"""What callers are told: which syncs and contacts there are, and where a run stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from contactsync.control import Read
from contactsync.core.dropping import prefix_of
from contactsync.core.identity import is_contact_id
from contactsync.core.timestamps import timestamp
from contactsync.errors import NotFound
from contactsync.journeys.asked import scheduling
from contactsync.journeys.asked.addressing import Addresses
from contactsync.journeys.asked.asking import World, active_sync, remind, remind_of_files
from contactsync.journeys.book.album import Album
from contactsync.model.account import Caller
from contactsync.model.contact import Contact
from contactsync.model.drop import Drop
from contactsync.model.run import Run, RunProblem
from contactsync.model.sync import Sync

LOOKED_AT_MAX = 5_000
"""Contacts that one page of a filtered listing goes through, found or not."""
READ_AT_ONCE = 500
SYNCS_PASSED_OVER = 20
"""How often one page looks further where it has met syncs that were deleted."""
PHOTO_OPEN_S = 900
PASSES = 3
"""A row goes through map, plan and upsert; each reports its progress."""
PASSES_OF_BOOKS = 2
"""One with a card through upsert and push."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the position from which to go on; None at the end.

    `marks` has one position for each item: where to go on after it, should the page have to end there.
    """

    items: Sequence[T]
    marks: Sequence[str]
    next: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `rows_total` is None until the file has been read through."""

    percent: int
    rows_done: int
    rows_total: int | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it stands now."""

    run: Run
    progress: Progress


@dataclass(frozen=True, slots=True)
class SyncView:
    """A sync, its version, its latest run, when its schedule runs it next, its source as it is shown, and why it waits."""

    sync: Read[Sync]
    latest_run: RunView | None
    next_run_at: str | None
    source: Mapping[str, Any]
    waits_because: RunProblem | None = None


# Runs and syncs


def run(world: World, caller: Caller, run_id: str) -> RunView:
    """One run. A look at a run that nobody has taken up announces it again."""
    found = world.control.run(caller.account_id, run_id).value
    remind(world, found)
    return view(world, found)


def runs(world: World, caller: Caller, sync_id: str, *, after: str | None, limit: int) -> Page[RunView]:
    """The runs of a sync, newest first."""
    world.control.sync(caller.account_id, sync_id)
    found, following = world.control.runs(caller.account_id, sync_id, after=after, limit=limit)
    return Page([view(world, each) for each in found], [each.id for each in found], following)


def sync(world: World, caller: Caller, sync_id: str) -> SyncView:
    """One sync. A look at one whose files wait has their turns looked at again."""
    found = active_sync(world, caller, sync_id)
    if found.value.source["kind"] == "drop":
        remind_of_files(world, caller.account_id, sync_id)
    return _sync_view(world, caller, found)


def syncs(world: World, caller: Caller, *, after: str | None, limit: int) -> Page[SyncView]:
    """All syncs that have not been deleted, newest first. A page may hold fewer than `limit` where many were deleted."""
    kept: list[Read[Sync]] = []
    for _ in range(SYNCS_PASSED_OVER):
        found, after = world.control.syncs(caller.account_id, after=after, limit=limit - len(kept))
        kept += [each for each in found if each.value.deleted_at is None]
        if after is None or len(kept) == limit:
            break
    views = [_sync_view(world, caller, each) for each in kept]
    return Page(views, [each.value.id for each in kept], after)


def view(world: World, run: Run) -> RunView:
    """A run with its progress, computed from what its workers have noted."""
    total = run.rows_total
    if not run.is_open:
        return RunView(
            run, Progress(100, run.counts.settled, total if total is not None else run.counts.rows)
        )
    if run.status == "queued" or not total:
        return RunView(run, Progress(0, 0, total))
    passes = 1 if run.plan_of else PASSES - 1 if run.dry_run else PASSES
    passes = PASSES_OF_BOOKS if run.journey == "sync" else passes
    done = world.control.progress(run)
    settled = world.control.progress(run, "upsert")
    percent = min(99, 100 * done // (passes * total))
    return RunView(run, Progress(percent, min(settled, total), total))


def _sync_view(world: World, caller: Caller, read: Read[Sync]) -> SyncView:
    latest = read.value.latest_run
    run = None
    with suppress(NotFound):  # it ran last so long ago that the run is forgotten
        run = world.control.run(caller.account_id, latest).value if latest is not None else None
    return sync_view(world, caller, read, run)


def sync_view(world: World, caller: Caller, read: Read[Sync], run: Run | None) -> SyncView:
    """A sync with `run`, its latest."""
    due = scheduling.next_run(read.value, world.clock.now())
    return SyncView(
        read,
        view(world, run) if run is not None else None,
        timestamp(due) if due else None,
        source_of(world, caller, read.value),
        scheduling.why_waiting(world.control, caller.account_id, read.value, world.clock.now()),
    )


def source_of(world: World, caller: Caller, sync: Sync) -> dict[str, Any]:
    """A sync's source without its secrets, with the place in the drop bucket where its files are put, if they are."""
    if sync.source["kind"] != "drop":
        return sync.source
    return {
        **sync.source,
        "bucket": world.drop_bucket,
        "prefix": prefix_of(caller.account_id, sync.id),
    }


# Files of the drop bucket


def drops(world: World, caller: Caller, *, after: str | None, limit: int) -> Page[Drop]:
    """The files that have arrived for the account, newest first."""
    found, following = world.control.drops(caller.account_id, after=after, limit=limit)
    return Page(found, [each.id for each in found], following)


# Contacts


def contact(world: World, caller: Caller, wanted: str) -> Contact:
    """One contact. Raises NotFound."""
    if not is_contact_id(wanted):
        raise NotFound
    found = world.contacts.get(caller.account_id, [wanted]).get(wanted)
    if found is None:
        raise NotFound
    return found


def photo_url(world: World, caller: Caller, wanted: str) -> str:
    """Where anybody can have a contact's picture for a quarter of an hour. Raises NotFound where we keep none."""
    found = contact(world, caller, wanted)
    name = str(found.fields.get("photo", ""))
    place = Album(world.photos, caller.account_id).place(found.id, name)
    if place is None:
        raise NotFound
    return world.photos.presign_get(place, expires_s=PHOTO_OPEN_S, filename=found.id)


def contacts_by_email(world: World, caller: Caller, email: str) -> Page[Contact]:
    """The contact whose primary address this is now, if there is one.

    No address holds a space: one in the middle is a plus that stood in the query as it is, where it means a space.
    """
    found = Addresses(world, caller.account_id).contact(email.strip().replace(" ", "+"))
    return Page([found] if found else [], [], None)


def contacts(
    world: World,
    caller: Caller,
    *,
    fits: Callable[[Contact], bool] | None,
    after: str | None,
    limit: int,
) -> Page[Contact]:
    """All contacts, or those that fit, in the order of their ids.

    Those that fit are found by going through all contacts, LOOKED_AT_MAX a page: it may hold fewer than `limit`,
    even none, and `next` says whether it goes on.
    """
    if fits is None:
        page = world.contacts.page(caller.account_id, after=after, limit=limit)
        return Page(page.contacts, [each.id for each in page.contacts], page.next)
    found: list[Contact] = []
    for _ in range(LOOKED_AT_MAX // READ_AT_ONCE):
        page = world.contacts.page(caller.account_id, after=after, limit=READ_AT_ONCE)
        for contact in page.contacts:
            if fits(contact):
                found.append(contact)
            if len(found) == limit:
                return Page(found, [each.id for each in found], contact.id)
        after = page.next
        if after is None:
            break
    return Page(found, [each.id for each in found], after)

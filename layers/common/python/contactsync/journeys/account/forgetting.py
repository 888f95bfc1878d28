"""What an account no longer wants kept: all of it, once the account is closed, or what is older than it wants.

    close_account ─→ suspended; `night` begins to forget it GRACE later ─→ EraseDue ─→ … ─→ forgotten
    night ─→ each account that keeps its history for a shorter time than the buckets do ─→ EraseDue ─→ …

Until an account is forgotten it can be called back. Of one that was forgotten only this remains: its id, and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

from contactsync.control import Control
from contactsync.control.accounts import EVERY_ACCOUNT
from contactsync.control.clearing import clear, pages
from contactsync.control.members import by_email
from contactsync.core.identity import SHARDS
from contactsync.core.timestamps import timestamp
from contactsync.errors import Busy, Conflict, NotFound, Stale
from contactsync.journeys.account import stretches
from contactsync.journeys.account.accounts import resume, suspend, unmeter
from contactsync.journeys.account.erasing import DUE, Stores, key_of, person_stretch, unfinished
from contactsync.journeys.book import album
from contactsync.journeys.file.runfiles import batches
from contactsync.model.account import RETENTION_DAYS
from contactsync.model.lending import Errand
from contactsync.model.long_work import Erasure
from contactsync.model.message import EraseDue
from contactsync.ports import Bus, Delete, Keeper, Objects, Put, RecordKey, Remove, Scheduler, Shares

GRACE = timedelta(days=7)
NIGHT = "night"
CLOSING = "closing"
"""The partition of accounts that are to be forgotten."""
FORGOTTEN_FOR = timedelta(days=400)
OBJECTS_A_STRETCH = 10_000
RUNS_A_STRETCH = 500
PHOTOS_A_STRETCH = 2_000
PHOTOS_AT_ONCE = 500
RECORDS_A_PAGE = 100
PAGES_A_STRETCH = 100
STAGES = ("schedules", "contacts", "files", "keys", "records", "look again")


@dataclass(frozen=True, slots=True)
class EveryStore(Stores):
    """Everything that remembers, and what wakes us."""

    drops: Objects
    scheduler: Scheduler
    bus: Bus
    keeper: Keeper


# Closing an account


def close_account(control: Control, shares: Shares, account_id: str, now: datetime) -> str:
    """Suspend the account, and have it forgotten once the grace is over; returns when that is. Raises NotFound, Conflict."""
    suspend(control, account_id, now)
    unmeter(control, shares, account_id, now)
    at = timestamp(now + GRACE)
    try:
        control.records.commit([Put(_closing_key(account_id), {"at": at}, 0)])
    except Stale:
        raise Conflict(
            "closing_already", "The account is being closed already.", "Wait, or call it back."
        ) from None
    return at


def call_back(control: Control, bus: Bus, account_id: str, now: datetime) -> None:
    """Keep, and let go on, an account that was to be forgotten. Raises NotFound if it was not, Conflict if that has begun."""
    if control.records.get(_forgotten_key(account_id)) is not None:
        raise Conflict("forgotten_already", "The account is being forgotten.", "Make a new one.")
    stored = control.records.get(_closing_key(account_id))
    if stored is None:
        raise NotFound
    control.records.commit([Delete(stored.key, stored.version)])
    resume(control, bus, account_id, now)


def _closing_key(account_id: str) -> RecordKey:
    return RecordKey(CLOSING, f"account#{account_id}")


def _forgotten_key(account_id: str) -> RecordKey:
    return RecordKey(f"forgotten#{account_id}", "account")


# The function


def erase(message: EraseDue, stores: EveryStore) -> EraseDue:
    """One stretch of an erasure, and the call for the next; or, at night, the look at what is due."""
    if message.erasure_id == NIGHT:
        night(stores)
        return message
    closing = message.erasure_id == "account"
    key = _forgotten_key(message.account_id) if closing else key_of(message.account_id, message.erasure_id)

    def stretch(erasure: Erasure) -> Erasure:
        match erasure.kind:
            case "person":
                return person_stretch(erasure, stores)
            case "account":
                return account_stretch(erasure, stores)
            case "retention":
                return retention_stretch(erasure, stores)
            case "photos":
                return photos_stretch(erasure, stores)

    after = stretches.go_on(stores.control, key, Erasure, stretch, stores.clock.now())
    if after is not None and after.finished_at is None:
        stretches.call(stores.bus, DUE, after)
    return message


def night(stores: EveryStore) -> None:
    """Begin what is due: accounts whose grace is over, history that is older than its account wants it, and pictures
    that are nobody's, once a week. Call again for persons whose erasure has stood still.
    """
    now = stores.clock.now()
    today = now.date().isoformat()
    for erasure in unfinished(stores):
        stretches.remind(stores.bus, DUE, erasure, now)
    for account_id, at in _closing(stores.control):
        if datetime.fromisoformat(at) <= now:
            erasure = _erasure("account", "account", account_id, now, FORGOTTEN_FOR)
            stretches.store(stores.control, _forgotten_key(account_id), erasure)
            stretches.call(stores.bus, DUE, erasure)
    for folder in stores.runs.folders("runs/"):
        account_id = folder.split("/")[1]
        with suppress(NotFound):
            days = stores.control.account(account_id).retention_days
            if days < RETENTION_DAYS:
                kept = _erasure(f"retention-{today}", "retention", account_id, now, timedelta(days=2))
                erasure = kept.model_copy(update={"days": days})
                stretches.store(stores.control, key_of(account_id, erasure.id), erasure)
                stretches.call(stores.bus, DUE, erasure)
    found = (folder.split("/")[1] for each in album.FOLDERS for folder in stores.photos.folders(each))
    for account_id in sorted(set(found)):
        if sum(account_id.encode()) % 7 == now.weekday():
            erasure = _erasure(f"photos-{today}", "photos", account_id, now, timedelta(days=2))
            stretches.store(stores.control, key_of(account_id, erasure.id), erasure)
            stretches.call(stores.bus, DUE, erasure)


def _erasure(id_: str, kind: str, account_id: str, now: datetime, kept: timedelta) -> Erasure:
    return Erasure.model_validate(
        {
            "id": id_,
            "kind": kind,
            "account_id": account_id,
            "requested_at": timestamp(now),
            "requested_by": NIGHT,
            "touched_at": timestamp(now),
            "forget_at": int((now + kept).timestamp()),
        }
    )


def _closing(control: Control) -> Iterator[tuple[str, str]]:
    for page in pages(control.records, CLOSING, "account#"):
        for record in page:
            yield record.key.name.removeprefix("account#"), str(record.document["at"])


# An account, forgotten


def account_stretch(erasure: Erasure, stores: EveryStore) -> Erasure:
    """The next bounded part of forgetting an account. Each finds by itself what is left of its kind."""
    match STAGES[erasure.stage]:
        case "schedules":
            return _forget_schedules(erasure, stores)
        case "contacts":
            return _forget_contacts(erasure, stores)
        case "files":
            keys = list(islice(_objects(stores, erasure.account_id), OBJECTS_A_STRETCH))
            for objects in (stores.runs, stores.uploads, stores.photos, stores.drops):
                objects.delete(key for store, key in keys if store is objects)
            after = erasure.model_copy(update={"files": erasure.files + len(keys)})
            return after if len(keys) == OBJECTS_A_STRETCH else _next(after)
        case "keys":
            _give_back(stores, erasure.account_id)
            _forget_ways_in(stores.control, erasure.account_id)
            return _next(erasure)
        case "records":
            return erasure if _forget_records(stores.control, erasure.account_id) else _next(erasure)
        case _:
            if _is_left(stores, erasure.account_id):  # somebody who was still at work has written meanwhile
                return erasure.model_copy(update={"stage": 0, "position": None})
            listed = RecordKey(EVERY_ACCOUNT, f"account#{erasure.account_id}")
            _drop(stores.control, [listed, _closing_key(erasure.account_id)])
            return erasure.model_copy(update={"status": "succeeded"})


def _next(erasure: Erasure) -> Erasure:
    return erasure.model_copy(update={"stage": erasure.stage + 1, "position": None})


def _forget_schedules(erasure: Erasure, stores: EveryStore) -> Erasure:
    """Nothing wakes us for the account any more. Its syncs' records stay until the last stage but one."""
    page = stores.control.records.page(
        erasure.account_id, "sync#", after=erasure.position, limit=RECORDS_A_PAGE
    )
    for record in page.records:
        stores.scheduler.remove(erasure.account_id, record.key.name.removeprefix("sync#"))
    return erasure.model_copy(update={"position": page.next}) if page.next else _next(erasure)


def _forget_contacts(erasure: Erasure, stores: EveryStore) -> Erasure:
    """One shard."""
    shard = int(erasure.position or 0)
    writes = (Remove(slot.id, slot.version) for slot in stores.contacts.scan(erasure.account_id, shard))
    done = [done for _, done in stores.contacts.write(erasure.account_id, writes)]
    if not all(done):
        raise Busy("Contacts were changed while they were to be forgotten.")
    after = erasure.model_copy(update={"contacts": erasure.contacts + len(done), "position": str(shard + 1)})
    return _next(after) if shard + 1 == SHARDS else after


def _objects(stores: EveryStore, account_id: str) -> Iterator[tuple[Objects, str]]:
    """All that lies in buckets under the account's own folders, whose names end with a slash."""
    folders = (
        (stores.runs, "runs/"),
        (stores.runs, "exports/"),
        (stores.runs, "erasures/"),
        (stores.uploads, "uploads/"),
        *((stores.photos, folder) for folder in album.FOLDERS),
        (stores.drops, ""),
    )
    return chain.from_iterable(
        ((objects, key) for key in objects.keys(f"{folder}{account_id}/")) for objects, folder in folders
    )


def _give_back(stores: EveryStore, account_id: str) -> None:
    """What members have lent us goes back to the providers, while what it is sealed with can still be found."""
    for connection in stores.control.connections(account_id):
        if connection.sealed:
            stores.keeper.keep(Errand(wants="disconnect", account_id=account_id, connection_id=connection.id))


def _forget_ways_in(control: Control, account_id: str) -> None:
    """What lies outside of the account's partition: its address books, its keys' hashes, its members' addresses."""
    for connection in control.connections(account_id):
        book = f"{account_id}#{connection.id}"
        while kept := control.records.page(book, "", limit=RECORDS_A_PAGE).records:
            clear(control.records, kept)
    for prefix in ("key#", "member#"):
        for page in pages(control.records, account_id, prefix):
            for record in page:
                _drop(control, _ways_in(account_id, record.document))


def _drop(control: Control, keys: Iterable[RecordKey]) -> None:
    """Delete those of these records that are there."""
    for stored in filter(None, map(control.records.get, keys)):
        control.records.commit([Delete(stored.key, stored.version)])


def _ways_in(account_id: str, document: Mapping[str, Any]) -> Iterator[RecordKey]:
    """The records outside of the account's partition that lead to a key or a member of it."""
    if digest := document.get("digest"):
        yield RecordKey(f"key#{digest}", "key")
    if "permissions" in document:
        for way in filter(None, (by_email(document["email"]), document.get("subject"))):
            yield RecordKey(f"person#{way}", f"member#{account_id}#{document['id']}")


def _forget_records(control: Control, account_id: str) -> bool:
    """Delete some of the account's records; whether there may be more."""
    for _ in range(PAGES_A_STRETCH):
        page = control.records.page(account_id, "", limit=RECORDS_A_PAGE)
        if not page.records:
            return False
        clear(control.records, page.records)
    return True


def _is_left(stores: EveryStore, account_id: str) -> bool:
    slots = chain.from_iterable(stores.contacts.scan(account_id, shard) for shard in range(SHARDS))
    return bool(
        stores.control.records.page(account_id, "", limit=1).records
        or next(_objects(stores, account_id), None)
        or next(slots, None)
    )


# Pictures


def photos_stretch(erasure: Erasure, stores: EveryStore) -> Erasure:
    """The next pictures: each is put where it belongs, by what its contact names now."""
    found = chain.from_iterable(
        stores.photos.keys(f"{folder}{erasure.account_id}/") for folder in album.FOLDERS
    )
    later = (key for key in sorted(found) if erasure.position is None or key > erasure.position)
    keys = list(islice(later, PHOTOS_A_STRETCH))
    for batch in batches(keys, PHOTOS_AT_ONCE):
        album.Album(stores.photos, erasure.account_id).tidy(batch, stores.contacts)
    if len(keys) < PHOTOS_A_STRETCH:
        return erasure.model_copy(update={"status": "succeeded"})
    return erasure.model_copy(update={"position": keys[-1]})


# History, for as long as its account wants it


def retention_stretch(erasure: Erasure, stores: EveryStore) -> Erasure:
    """First files: of runs, uploads and exports, whose ids begin with their time; then changes by hand."""
    before = stores.clock.now() - timedelta(days=erasure.days)
    if erasure.stage == 0:
        old = (
            each
            for each in _folders(stores, erasure.account_id)
            if _made_at(each[1]) < before and _asked_at(stores, erasure.account_id, each[1]) < before
        )
        found = list(islice(old, RUNS_A_STRETCH))
        for objects, folder in found:
            objects.delete(objects.keys(folder))
        after = erasure.model_copy(update={"files": erasure.files + len(found)})
        return after if len(found) == RUNS_A_STRETCH else _next(after)
    page = stores.control.records.page(
        erasure.account_id, "edit#", after=erasure.position, limit=RECORDS_A_PAGE
    )
    old_edits = [each for each in page.records if datetime.fromisoformat(each.document["at"]) < before]
    lines = erasure.lines + clear(stores.control.records, old_edits)
    if page.next:
        return erasure.model_copy(update={"position": page.next, "lines": lines})
    return erasure.model_copy(update={"status": "succeeded", "lines": lines})


def _folders(stores: EveryStore, account_id: str) -> Iterator[tuple[Objects, str]]:
    yield from ((stores.runs, each) for each in stores.runs.folders(f"runs/{account_id}/"))
    yield from ((stores.runs, each) for each in stores.runs.folders(f"exports/{account_id}/"))
    yield from ((stores.uploads, each) for each in stores.uploads.keys(f"uploads/{account_id}/"))


def _made_at(folder: str) -> datetime:
    """When what a folder belongs to was asked for: ids are a letter, then milliseconds in hexadecimal."""
    return datetime.fromtimestamp(int(_id_of(folder)[1:13], 16) / 1000, UTC)


def _asked_at(stores: EveryStore, account_id: str, folder: str) -> datetime:
    """The same of a run whose id tells of a moment, or a file, that had come long before."""
    with suppress(NotFound):
        return datetime.fromisoformat(stores.control.run(account_id, _id_of(folder)).value.requested_at)
    return _made_at(folder)


def _id_of(folder: str) -> str:
    return folder.rstrip("/").rpartition("/")[2]

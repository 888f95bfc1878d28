"""Long work, stretch by stretch: each does a bounded part, stores how far it has come, and calls for the next.

A stretch that dies is done again: what it leaves lies under names that depend only on the stretch. Of two workers
who do the same stretch one stores it, and the other stops. Who asks how far the work is calls again, if nothing
has been heard of it for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from contactsync.control import Control
from contactsync.core.timestamps import timestamp
from contactsync.errors import Stale
from contactsync.model.long_work import LongWork
from contactsync.ports import Bus, Put, RecordKey

W = TypeVar("W", bound=LongWork)
SILENT = timedelta(minutes=20)
"""Longer than a function runs: then the worker, or the event that was to call it, is lost."""


class Due(NamedTuple):
    """The event that calls for a stretch, and how it names the work."""

    event: str
    name: str


def store(control: Control, key: RecordKey, work: LongWork) -> None:
    """Store new work; repeating the same call changes nothing."""
    with suppress(Stale):
        control.records.commit([Put(key, work.model_dump(mode="json"), 0, work.forget_at)])


def go_on(
    control: Control, key: RecordKey, kind: type[W], stretch: Callable[[W], W], now: datetime
) -> W | None:
    """Do the next stretch of the work; what is stored then, or None if there is none to do."""
    stored = control.records.get(key)
    work = kind.model_validate(stored.document) if stored else None
    if stored is None or work is None or work.finished_at is not None:
        return None
    at = timestamp(now)
    after = stretch(work.model_copy(update={"status": "running"})).model_copy(update={"touched_at": at})
    if after.status == "succeeded":
        after = after.model_copy(update={"finished_at": at})
    try:
        control.records.commit([Put(key, after.model_dump(mode="json"), stored.version, after.forget_at)])
    except Stale:
        return None  # another worker was here, and calls for the next
    return after


def call(bus: Bus, due: Due, work: LongWork) -> None:
    """Have the next stretch done."""
    bus.publish(due.event, {"account_id": work.account_id, due.name: work.id})


def remind(bus: Bus, due: Due, work: LongWork, now: datetime) -> None:
    """Have the next stretch done, if nothing was heard of the work for long."""
    if work.finished_at is None and now - datetime.fromisoformat(work.touched_at) > SILENT:
        call(bus, due, work)

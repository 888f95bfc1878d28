"""How the nouns look from outside, as the OpenAPI document has them. Nothing is shown that is not named here."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, TypeVar

import orjson

from contactsync.core.dropping import why_parked
from contactsync.core.overlay import Changes
from contactsync.core.showing import in_utc, shown
from contactsync.core.timestamps import timestamp
from contactsync.journeys.account.accounts import AccountView
from contactsync.journeys.account.keys import ShownKey
from contactsync.journeys.asked.asking import UploadPlace
from contactsync.journeys.asked.fielding import Effects
from contactsync.journeys.asked.recounting import Change
from contactsync.journeys.asked.rows import RowView
from contactsync.journeys.asked.telling import Page, RunView, SyncView
from contactsync.journeys.book.books import OF_BOOKS
from contactsync.journeys.book.connecting import Begun
from contactsync.journeys.book.counting import Today
from contactsync.journeys.book.reviewing import FrozenView, ReviewView, times
from contactsync.journeys.book.subscribing import Subscription
from contactsync.journeys.file.previewing import Preview
from contactsync.model.account import AuditNote, Caller, Key, Member
from contactsync.model.card import Group
from contactsync.model.connection import Connection
from contactsync.model.contact import Contact
from contactsync.model.drop import Drop
from contactsync.model.field import FieldSpec
from contactsync.model.long_work import Erasure, Export, ExportFile
from contactsync.model.run import Run
from contactsync.model.segment import Segment
from contactsync.model.source import external_id

LISTING_BYTES = 2_000_000
"""Lambda's answer holds 6 MB, and the body travels in it as a JSON string, which can take twice the bytes."""

REMAINS = (
    "Backups of the tables for 35 days. Files that your systems left in the drop bucket for 30 days, and versions of "
    "them for 7 more; uploads that no run has read for 7. Mails that have left. A later file that holds the person "
    "brings them back."
)

T = TypeVar("T")


def listing(
    page: Page[T], show: Callable[[T], dict[str, Any]], token: Callable[[str | None], str | None]
) -> dict[str, Any]:
    """A list. It ends early, with a token to go on, where its items grow larger than an answer may be."""
    items: list[dict[str, Any]] = []
    size = 0
    for item, mark in zip_longest(page.items, page.marks):
        items.append(show(item))
        size += len(orjson.dumps(items[-1]))
        if size > LISTING_BYTES and mark is not None and len(items) < len(page.items):
            return {"items": items, "next": token(mark)}
    return {"items": items, "next": token(page.next)}


def upload(place: UploadPlace) -> dict[str, Any]:
    """What the client needs to send its file."""
    return {
        "upload_id": place.upload.id,
        "url": place.url,
        "method": "PUT",
        "headers": {},
        "fields": {},
        "expires_at": place.upload.expires_at,
    }


def preview(found: Preview) -> dict[str, Any]:
    """How a file would be read."""
    opened, origin = found.opened, found.origin
    return {
        "format": found.format.model_dump(mode="json"),
        "confidence": found.confidence,
        "sheets": list(opened.sheets),
        "columns": [
            {
                "index": column.index,
                "name": column.name,
                "samples": column.samples,
                "suggestion": column.suggestion
                and {"field": column.suggestion.field, "confidence": column.suggestion.confidence},
            }
            for column in found.columns
        ],
        "rows": found.rows,
        "row_estimate": opened.row_estimate,
        "file": origin
        and {
            "name": origin.name,
            "size": origin.size,
            "modified_at": origin.modified and in_utc(origin.modified),
            "host_key": origin.host_key,
        },
        "warnings": [warning.model_dump(mode="json", exclude_none=True) for warning in opened.warnings],
    }


def sync(view: SyncView) -> dict[str, Any]:
    """A sync and its latest run."""
    stored = view.sync.value
    because = stored.paused_because or view.waits_because
    return {
        "id": stored.id,
        "name": stored.name,
        "source": view.source,
        "mapping": [rule.model_dump(mode="json", exclude_none=True) for rule in stored.mapping],
        **stored.model_dump(mode="json", include={"format", "identity", "options"}),
        **(stored.model_dump(mode="json", include=set(OF_BOOKS)) if stored.connection_id else {}),
        "schedule": stored.schedule.model_dump(mode="json") if stored.schedule else None,
        "notify": stored.notify.model_dump(mode="json"),
        "state": stored.state,
        "paused_because": because.model_dump() if because else None,
        "latest_run": run(view.latest_run) if view.latest_run else None,
        "next_run_at": view.next_run_at,
        "version": view.sync.version,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


def connection(stored: Connection) -> dict[str, Any]:
    """A connection, without what opens it."""
    shown = {"id", "provider", "member_id", "name", "state", "url", "username", "scopes"}
    return {
        **stored.model_dump(mode="json", include=shown),
        "problem": stored.problem or None,
        "created_at": in_utc(stored.created_at),
        "updated_at": in_utc(stored.updated_at or stored.created_at),
    }


def begun(connecting: Begun) -> dict[str, Any]:
    """A connection as it begins."""
    return {
        "connection": connection(connecting.connection),
        "authorize_url": connecting.authorize_url or None,
    }


def groups(found: Sequence[Group]) -> dict[str, Any]:
    """The parts of a book, all at once."""
    return {"items": [asdict(group) for group in found], "next": None}


def drop(stored: Drop) -> dict[str, Any]:
    """A file that has arrived, and what has become of it."""
    return {
        "id": stored.id,
        "sync_id": stored.sync_id,
        **stored.file.model_dump(mode="json", include={"key", "version", "size"}),
        "dropped_at": stored.dropped_at,
        "state": stored.state,
        "run_id": stored.run_id,
        "problem": why_parked(stored.parked).model_dump(mode="json") if stored.parked else None,
    }


def run(view: RunView) -> dict[str, Any]:
    """A run and how far it is. The counts of one that waits for approval are what its plan would do."""
    stored = view.run
    progress = view.progress
    waits = stored.status == "awaiting_approval" and stored.stage == "all"
    counts = stored.planned if waits and stored.planned else stored.counts
    return {
        **stored.model_dump(mode="json", include={"id", "sync_id", "trigger", "dry_run", "status", "step"}),
        "progress": {
            "percent": progress.percent,
            "rows_done": progress.rows_done,
            "rows_total": progress.rows_total,
        },
        "counts": counts.model_dump(),
        "planned": planned_counts(stored),
        "book": _book_side(stored),
        **stored.model_dump(mode="json", include={"warnings", "problem", "verdict", "plan_hash"}),
        **stored.model_dump(mode="json", include={"plan_of", "undoes", "undone_by", "approved"}),
        "upload_id": stored.upload_id,
        "file": stored.file.model_dump(mode="json", include={"key", "version", "size"})
        if stored.file
        else None,
        "requested_at": in_utc(stored.requested_at),
        "started_at": stored.started_at and in_utc(stored.started_at),
        "finished_at": stored.finished_at and in_utc(stored.finished_at),
        "mails_failed": stored.mails_failed,
    }


def _book_side(run: Run) -> dict[str, Any] | None:
    if run.journey != "sync":
        return None
    planned = run.planned_there.model_dump() if run.planned_there else None
    return {"planned": planned, "counts": run.pushed.model_dump()}


def row(view: RowView) -> dict[str, Any]:
    """What became of one row."""
    return {
        "row": view.line,
        "outcome": view.outcome,
        "contact_id": view.contact_id,
        "reason": view.reason,
        "errors": list(view.errors),
    }


def planned(view: RowView) -> dict[str, Any]:
    """What the plan does with one row."""
    return {
        "row": view.line,
        "change": view.outcome,
        "contact_id": view.contact_id,
        "fields": _changes(view.changes),
        "card": {"change": view.card[0], "fields": _changes(view.card[1])} if view.card else None,
        "reason": view.reason,
        "errors": list(view.errors),
    }


def planned_counts(run: Run) -> dict[str, int] | None:
    """What the plan would do; None before there is one."""
    return run.planned.model_dump() if run.planned else None


def contact(stored: Contact, segments: Container[str]) -> dict[str, Any]:
    """A contact. `segments` are those that exist."""
    return shown(stored, segments)


def change(told: Change) -> dict[str, Any]:
    """One change of a contact."""
    return {
        "at": in_utc(told.at),
        "by": told.by,
        "change": told.change,
        "run_id": told.run_id,
        "row": told.row,
        "fields": _changes(told.changes),
        "why": told.why,
    }


def export(stored: Export, url: Callable[[ExportFile], str]) -> dict[str, Any]:
    """An export, with where its files can be had for now."""
    return {
        **stored.model_dump(mode="json", include={"id", "status", "kinds", "format", "segment", "run"}),
        "files": [{**file.model_dump(mode="json"), "url": url(file)} for file in stored.files],
        **stored.model_dump(mode="json", include={"requested_at", "requested_by", "finished_at"}),
        "expires_at": timestamp(datetime.fromtimestamp(stored.forget_at, UTC)),
    }


def erasure(stored: Erasure) -> dict[str, Any]:
    """How far a person is forgotten."""
    told = {
        "id",
        "status",
        "contacts",
        "runs",
        "lines",
        "files",
        "requested_at",
        "requested_by",
        "finished_at",
    }
    return {**stored.model_dump(mode="json", include=told), "remains": REMAINS}


def subscription(told: Subscription) -> dict[str, Any]:
    """A Sync Contact box that is ticked."""
    return asdict(told) | {"since": in_utc(told.since)}


def review(view: ReviewView, segments: Container[str]) -> dict[str, Any]:
    """A card that waits for a person's decision."""
    return {
        "id": view.id,
        "card": {"fields": view.review.card},
        "contacts": [contact(each, segments) for each in view.contacts],
        "rule": list(view.review.rule),
        "why": view.review.why,
        "run_id": view.review.run_id,
        "decision": view.review.decision or None,
    }


def frozen(view: FrozenView, segments: Container[str]) -> dict[str, Any]:
    """A frozen contact."""
    return {
        "id": view.id,
        "at": in_utc(view.at),
        "contact": contact(view.contact, segments) if view.contact else None,
        "card": {"fields": view.card},
        "turns": [{"at": at, "by": "hub" if side == "ours" else "book"} for at, side in times(view.turns)],
    }


def today(numbers: Today) -> dict[str, Any]:
    """The day's numbers."""
    shown = {
        kind: {"total": tally.total, "hub": tally.hub, "remote": dict(tally.remote)}
        for kind, tally in (
            ("added", numbers.added),
            ("updated", numbers.updated),
            ("deleted", numbers.deleted),
        )
    }
    return {**shown, "resets_at": timestamp(numbers.resets_at)}


def segment(stored: Segment) -> dict[str, Any]:
    """A segment."""
    return stored.model_dump(mode="json")


def field(spec: FieldSpec) -> dict[str, Any]:
    """A field; `choices` only where there are any to choose."""
    shown = spec.model_dump(mode="json")
    if spec.type != "choice":
        del shown["choices"]
    return shown


def effects(found: Effects) -> dict[str, Any]:
    """What the change of a field would do, or has done."""
    return {
        "contacts": found.contacts,
        "contacts_looked_at": found.looked_at,
        "all_contacts_seen": found.all_seen,
        "syncs": list(found.syncs),
        "syncs_stopped": list(found.stopped),
    }


def account(seen: AccountView, caller: Caller) -> dict[str, Any]:
    """The account, what its plan lets it have and what it has, and what the caller may do in it."""
    stored = seen.account
    return {
        "id": stored.id,
        "name": stored.name,
        "country": stored.country,
        "time_zone": stored.time_zone,
        "retention_days": stored.retention_days,
        "plan": seen.plan,
        "limits": seen.limits.model_dump(mode="json"),
        "usage": {**seen.usage, "day": seen.day.isoformat()},
        "external_id": external_id(stored.id),
        "created_at": in_utc(stored.created_at),
        "member": {"id": caller.member_id, "permissions": sorted(caller.permissions)},
    }


def member(stored: Member) -> dict[str, Any]:
    """A member."""
    return {
        **stored.model_dump(mode="json", include={"id", "email", "name", "permissions"}),
        "created_at": in_utc(stored.created_at),
        "signed_in": stored.subject is not None,
    }


def key(stored: Key) -> dict[str, Any]:
    """A key, by which nobody could get in."""
    return {
        **stored.model_dump(mode="json", include={"id", "name", "member_id", "prefix", "replaced_by"}),
        "created_at": in_utc(stored.created_at),
        "expires_at": stored.expires_at and in_utc(stored.expires_at),
    }


def new_key(made: ShownKey) -> dict[str, Any]:
    """A key with its secret, this once."""
    return {**key(made.key), "key": made.secret}


def audit_note(stored: AuditNote) -> dict[str, Any]:
    """Who has changed what."""
    return {**stored.model_dump(mode="json"), "at": in_utc(stored.at)}


def _changes(changes: Changes) -> list[dict[str, Any]]:
    return [{"field": key, "from": before, "to": after} for key, (before, after) in changes.items()]

"""Syncs with address books: what may be asked for, and what an edit sets going."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from contactsync.control import Control, new_id
from contactsync.control.feed import Entry
from contactsync.core.matching import DEFAULT_RULES
from contactsync.core.timestamps import timestamp
from contactsync.errors import Busy, Conflict, NotFound, NotPermitted, PlanLimit, Problem, Suspended
from contactsync.journeys.asked import queueing
from contactsync.model.account import Caller
from contactsync.model.connection import Connection
from contactsync.model.field import PRIMARIES, STANDARD_FIELDS, FieldSpec
from contactsync.model.message import ContactsChanged, Followed
from contactsync.model.run import Run
from contactsync.model.sync import (
    ColumnMapping,
    ConnectionSource,
    InSegment,
    Options,
    Sync,
    SyncRequest,
)
from contactsync.ports import Bus, Clock

OF_BOOKS = ("direction", "conflict", "match", "selection", "limits")
"""What only a sync with an address book has."""
OF_FILES = ("existing", "mode", "empty_cells")
"""Options that only a sync of files has."""
NO_FIELD = "There is no such field: GET /v1/fields lists those that are there."


def unsuitable(
    control: Control,
    caller: Caller,
    request: SyncRequest,
    *,
    new: Container[str] | None,
    sync_id: str = "",
) -> list[Problem]:
    """What is wrong with a sync with an address book, or for want of one, although each part of it is well-formed.

    `sync_id`: which sync, if it was saved before. `new` are the keys that were asked for now, None: all. One that was
    saved before may be renamed or paused while its book is not connected.

    Raises NotPermitted for another member's book.
    """
    problems: list[Problem] = []
    account_id = caller.account_id
    if isinstance(request.selection, InSegment):
        try:
            control.segment(account_id, request.selection.segment)
        except NotFound:
            message = "There is no such segment: GET /v1/segments lists those that are there."
            problems.append(Problem("/selection/segment", message, "unknown_segment"))
    if not isinstance(request.source, ConnectionSource):
        message = "Only a sync with an address book has this: leave it out."
        asked = (key for key in OF_BOOKS if new is None or key in new)
        return problems + [
            Problem(f"/{key}", message, "of_books")
            for key in asked
            if getattr(request, key) != SyncRequest.model_fields[key].default
        ]
    if new is None or "source" in new:
        problems += _unfollowable(control, caller, request.source.connection_id, sync_id)
    fields = control.fields(account_id)
    if new is None or any(key in new for key in ("source", "mapping", "match")):
        problems += list(_misled(request, fields)) or _unfindable(request)
    if request.options.delete_missing is not None:
        message = "Deletions go with the direction of the sync; leave this out."
        problems.append(Problem("/options/delete_missing", message))
    for key in ("format", "identity", "options"):
        if new is None or key in new:
            problems += _of_files(request, key)
    known = {*fields, *(rule.field for rule in request.mapping)}
    return problems + [
        Problem(pointer, NO_FIELD, "unknown_field")
        for pointer, name in _named(request)
        if name not in known and (new is None or pointer.split("/")[1] in new)
    ]


def _unfollowable(control: Control, caller: Caller, connection_id: str, sync_id: str) -> Iterator[Problem]:
    """Why a sync cannot have this book. Raises NotPermitted for another member's, which the caller may not look at either."""
    state = "disconnected"
    with suppress(NotFound):
        connection = control.connection(caller.account_id, connection_id).value
        state = connection.state
        if connection.member_id != caller.member_id and "account.manage" not in caller.permissions:
            raise NotPermitted("account.manage")
    if state in ("pending", "disconnected"):
        message = (
            "There is no such connection, or nobody has signed in for it: connect the address book first."
        )
        yield Problem("/source/connection_id", message, "unknown_connection")
    if other := _following(control, caller.account_id, connection_id, sync_id):
        message = (
            f"Connection {other.connection_id} leads to the same address book, and sync {other.id} follows it: what "
            "one of the two brings there the other would take for news. Follow that connection, or delete that sync first."
        )
        yield Problem("/source/connection_id", message, "book_followed_already")


def _misled(request: SyncRequest, fields: Mapping[str, FieldSpec]) -> Iterator[Problem]:
    """Entries of a mapping that name no field of an address book, or none of ours that holds the same."""
    taken: set[str] = set()
    for number, rule in enumerate(request.mapping):
        if not isinstance(rule, ColumnMapping) or not isinstance(rule.column, str):
            message = "Name the address book's field, such as notes: a book has neither numbered columns nor literals."
            yield Problem(f"/mapping/{number}", message)
            continue
        column, key = (PRIMARIES.get(name, name) for name in (rule.column, rule.field))
        theirs, ours = STANDARD_FIELDS.get(column), fields.get(key) or rule.create
        if theirs is None:
            message = "An address book has no such field: name one that GET /v1/fields shows as built in."
            yield Problem(f"/mapping/{number}/column", message, "unknown_field")
        elif ours is None:
            yield Problem(f"/mapping/{number}/field", NO_FIELD, "unknown_field")
        elif (ours.type, ours.list) != (theirs.type, theirs.list):
            message = f"The address book's {column} would not fit: name a field of the type {theirs.type}."
            yield Problem(f"/mapping/{number}/field", message)
        elif not taken.isdisjoint({f"column {column}", f"field {key}"}):
            message = f"“{key}” or the address book's {column} is mapped twice: leave one of the two out."
            yield Problem(f"/mapping/{number}/field", message, "mapped_twice")
        taken |= {f"column {column}", f"field {key}"}


def _of_files(request: SyncRequest, key: str) -> Iterator[Problem]:
    """What only a sync of files has, and would be passed over here."""
    default = SyncRequest.model_fields[key].default
    if key == "format" and request.format != default:
        message = "Only a sync of files has this: leave it out. Phones without a country code are the account's country's."
        yield Problem("/format", message)
    elif key == "identity" and request.identity != default:
        message = "The cards of an address book find their contacts by match: leave this out."
        yield Problem("/identity", message)
    elif key == "options":
        message = "Only a sync of files has this: leave it out, and say by direction and conflict whose values count."
        for name in OF_FILES:
            if getattr(request.options, name) != Options.model_fields[name].default:
                yield Problem(f"/options/{name}", message)


def _unfindable(request: SyncRequest) -> Iterator[Problem]:
    """Where no card could find its contact by the fields that are mapped, everybody would come in a second time."""
    mapped = {PRIMARIES.get(rule.field, rule.field) for rule in request.mapping}
    if {"given_name", "family_name"} & mapped:
        mapped.add("name")
    rules = [[name.partition(".")[0] for name in rule] for rule in request.match or DEFAULT_RULES]
    if mapped and not any({PRIMARIES.get(key, key) for key in rule} <= mapped for rule in rules):
        message = (
            "By these fields no card finds its contact: map email as well, or name with phone or organization, "
            "or say match."
        )
        yield Problem("/mapping", message)


def _named(request: SyncRequest) -> Iterator[tuple[str, str]]:
    """The fields by which cards are matched, or which they must have, or must not empty, and where each is named."""
    for number, rule in enumerate(request.match):
        for place, name in enumerate(rule):
            yield f"/match/{number}/{place}", name.partition(".")[0]
    for key, names in (("required", request.limits.required), ("protected", request.limits.protected)):
        for place, name in enumerate(names):
            yield f"/limits/{key}/{place}", name


def _following(control: Control, account_id: str, connection_id: str, but: str) -> Sync | None:
    """A sync that follows the same book through another connection, as another member's: none `but` this one."""
    connections = control.connections(account_id)
    books = {
        (each.provider, each.subject) for each in connections if each.id == connection_id and each.subject
    }
    others = {each.id for each in connections if (each.provider, each.subject) in books} - {connection_id}
    syncs = control.every_sync(account_id) if others else iter(())
    theirs = (each for each in syncs if each.connection_id in others and each.deleted_at is None)
    return next((each for each in theirs if each.id != but), None)


def say_changed(
    bus: Bus, account_id: str, *, but: str = "", chooser: str = "", connection_id: str = ""
) -> None:
    """Tell those who keep books in step that contacts have changed, all but one sync; or that a member has chosen, or that
    one book can be followed again.

    Nothing is lost where this does not get through: the next run of each reads the feed.
    """
    more = {"chooser": chooser, "connection_id": connection_id}
    told = {name: value for name, value in more.items() if value}
    with suppress(Busy):
        bus.publish("ContactsChanged", {"account_id": account_id, "but": but, **told})


def follow(message: ContactsChanged, *, control: Control, bus: Bus, clock: Clock) -> Followed:
    """Contacts have changed → a run of each sync that brings them to a book, and has none under way.

    Announced is every run of the account whose turn it is: whoever stored one here may have died before they could.
    """
    started = 0
    for connection in control.connections(message.account_id):
        if not _is_told(message, connection):
            continue
        for sync_id in control.syncs_begun(message.account_id, connection.id):
            with suppress(NotFound, Conflict, PlanLimit, Suspended):  # then the next run finds it in the feed
                sync = control.sync(message.account_id, sync_id).value
                if sync.id != message.but and _follows(message, sync, connection):
                    control.create_run(message.account_id, _run_of(sync, message.account_id, clock.now()))
                    started += 1
    queueing.announce_next(control, bus, message.account_id, clock.now())
    return Followed(account_id=message.account_id, runs=started)


def go_on(run: Run, *, control: Control, bus: Bus, now: datetime) -> None:
    """A run with a book has ended → say so where contacts have changed while it was at it, and it may have missed them.

    Follow starts no run of a sync that has one under way, and leaves what it then heard to this.
    """
    if run.journey != "sync" or run.started_at is None:
        return
    sync = control.sync(run.account_id, run.sync_id).value
    read_to = control.progress_of(run.account_id, sync.connection_id, sync.id).value.feed
    for entry in control.changes_since(run.account_id, read_to, now) or ():
        if entry.run_id != run.id and _was_missed(control, run, entry, now):
            say_changed(bus, run.account_id)
            return


def _was_missed(control: Control, run: Run, entry: Entry, now: datetime) -> bool:
    """Whether what an entry says may have been written after the run had begun.

    What by its own clock is still to come is not: a clock that was set back would have one run follow another.
    """
    at = entry.at
    if entry.run_id:
        ended = control.run(run.account_id, entry.run_id).value.finished_at
        if ended is None:
            return False  # it says so itself
        at = datetime.fromisoformat(ended)
    return datetime.fromisoformat(str(run.started_at)) < at <= now


def _is_told(message: ContactsChanged, connection: Connection) -> bool:
    """Whether what has changed concerns a book that is connected. What a member has ticked concerns their own alone."""
    return (
        connection.state == "active"
        and message.chooser in ("", connection.member_id)
        and message.connection_id in ("", connection.id)
    )


def _follows(message: ContactsChanged, sync: Sync, connection: Connection) -> bool:
    """Whether a sync that has run before brings what has changed to this book at once: it may run now."""
    return (
        sync.connection_id == connection.id
        and sync.direction != "pull"
        and sync.state == "active"
        and sync.deleted_at is None
        and sync.active_run is None
        and (not message.chooser or sync.selection == "subscribed")
    )


def _run_of(sync: Sync, account_id: str, now: datetime) -> Run:
    return Run(
        id=f"r{new_id(now)}",
        account_id=account_id,
        sync_id=sync.id,
        journey="sync",
        trigger="edit",
        requested_at=timestamp(now),
        requested_by=f"sync:{sync.id}",
    )

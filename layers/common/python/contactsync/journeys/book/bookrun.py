"""A run and the address book that it works on: everything that its steps share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from contactsync.control import Control, limits_of
from contactsync.core.merging import Policy
from contactsync.core.viewing import View, keys_of
from contactsync.errors import AccessLost, BookBusy, Busy, NotFound
from contactsync.journeys.book.album import Album
from contactsync.journeys.book.bookfiles import BookFiles
from contactsync.journeys.file.runfiles import files_of
from contactsync.journeys.steps import check_turn
from contactsync.model.connection import Connection
from contactsync.model.contact import Contact, Fields
from contactsync.model.field import PRIMARIES
from contactsync.model.plan import PlanLimits
from contactsync.model.run import Run
from contactsync.model.sync import ColumnMapping, InSegment, Sync
from contactsync.ports import Clock, Connector, ContactStore, Objects

Connect = Callable[[Connection], Connector]
"""Opens a connected address book."""
BUSY_MARGIN_S = 1


@dataclass(frozen=True, slots=True)
class Ports:
    """What the steps with an address book reach."""

    control: Control
    contacts: ContactStore
    runs: Objects
    photos: Objects
    connect: Connect
    clock: Clock


@dataclass(frozen=True)
class BookRun:
    """One run of a sync with an address book, which is opened when it is asked for the first time."""

    run: Run
    sync: Sync
    connection: Connection
    ports: Ports

    @cached_property
    def connector(self) -> Connector:
        """The way into the book."""
        return self.ports.connect(self.connection)

    @cached_property
    def view(self) -> View:
        """What of a card the sync looks at."""
        mapping = self.sync.mapping
        mapped = [(str(rule.column), rule.field) for rule in mapping if isinstance(rule, ColumnMapping)]
        return View(
            keys_of(mapped, self.connector.capabilities.fields),
            primary_address=self.sync.limits.addresses == "primary",
            whole_birthday=self.sync.limits.birthdays == "complete",
        )

    @cached_property
    def limits(self) -> PlanLimits:
        """What the account's plan allows."""
        return limits_of(self.control.account(self.run.account_id))

    @property
    def control(self) -> Control:
        """The control table."""
        return self.ports.control

    @property
    def place(self) -> tuple[str, str]:
        """Account and connection: where the book's records lie."""
        return self.run.account_id, self.connection.id

    @property
    def files(self) -> BookFiles:
        """The run's files."""
        return BookFiles(files_of(self.run, self.ports.runs))

    @property
    def album(self) -> Album:
        """The pictures of the account's contacts."""
        return Album(self.ports.photos, self.run.account_id)

    @property
    def carries_photos(self) -> bool:
        """Whether pictures come and go."""
        return self.connector.capabilities.photos and self.sync.limits.photos != "none"

    @property
    def now(self) -> datetime:
        """Now."""
        return self.ports.clock.now()

    @property
    def group(self) -> str:
        """The group that is synced; "" stands for the whole book."""
        return str(self.sync.source.get("group") or "")

    @property
    def pulls(self) -> bool:
        """Whether contacts change."""
        return self.sync.direction != "push"

    @property
    def pushes(self) -> bool:
        """Whether cards change."""
        return self.sync.direction != "pull"

    @property
    def policy(self) -> Policy:
        """How two sides are brought together."""
        return Policy(
            held=self.held,
            direction=self.sync.direction,
            conflict=self.sync.conflict,
            mandatory=frozenset(PRIMARIES.get(key, key) for key in self.sync.limits.protected),
            deletion_wins=self.sync.limits.deletions == "deletion_wins",
        )

    @property
    def terms(self) -> str:
        """How the sync compares two sides; see `asked_for`."""
        return asked_for(self.sync).partition(":")[0]

    @property
    def segment(self) -> str:
        """The segment whose contacts are synced, if it is one."""
        return self.sync.selection.segment if isinstance(self.sync.selection, InSegment) else ""

    @property
    def is_hub(self) -> bool:
        """Whether members choose contact by contact: then deletions follow other rules."""
        return self.sync.selection == "subscribed"

    @property
    def member(self) -> str:
        """Whose book it is."""
        return self.connection.member_id

    def held(self, fields: Fields) -> Fields:
        """What of a contact's fields its card would show to this sync."""
        return self.view.into(self.connector.held(self.view.out(fields, {})))

    def chooser(self) -> Callable[[Contact], bool]:
        """Tells of a contact whether it belongs to the sync."""
        if self.segment:
            return lambda contact: self.segment in contact.segments
        if self.is_hub:
            ticked = self.control.subscriptions(self.run.account_id, self.member)
            return lambda contact: contact.id in ticked
        return bool

    def check_turn(self) -> None:
        """See that this run, and no other, works on the book, and no worker that is late. Raises Cancelled or Busy."""
        check_turn(self.control, self.run)
        if not self.control.take_book(*self.place, self.run.id, self.now):
            raise BookBusy(
                "Another sync is at work on this address book.",
                "Nothing is lost: ask again when that one has ended. What a schedule has asked for, its next run does. If it "
                "happens often, have the two begin at other times.",
            )

    def check_let_in(self) -> None:
        """See that nobody has disconnected the book since the step began. Raises AccessLost."""
        _check_let_in(self.control.connection(*self.place).value)


def book_of(run: Run, ports: Ports) -> BookRun:
    """The run with its book, for those who look at what we remember of it only. Raises AccessLost if that is nothing."""
    sync = ports.control.sync(run.account_id, run.sync_id).value
    try:
        connection = ports.control.connection(run.account_id, sync.connection_id).value
    except NotFound:
        raise AccessLost(
            "not_connected",
            "The address book was never connected.",
            "Connect it with POST /v1/connections, and have the sync follow that connection.",
        ) from None
    return BookRun(run, sync, connection, ports)


def open_book(run: Run, ports: Ports) -> BookRun:
    """The run with its book. Raises AccessLost where the provider does not let us in, Busy where it wants to rest."""
    work = book_of(run, ports)
    connection = work.connection
    _check_let_in(connection)
    if connection.rest_until > ports.clock.now().timestamp():
        wait = connection.rest_until - ports.clock.now().timestamp() + BUSY_MARGIN_S
        until = datetime.fromtimestamp(connection.rest_until, UTC)
        raise BookBusy(
            f"The address book's provider wants to be left alone until {until:%Y-%m-%d %H:%M} UTC.",
            retry_after_s=wait,
        )
    return work


def _check_let_in(connection: Connection) -> None:
    if connection.state != "active":
        raise AccessLost(
            "not_connected",
            "The address book is not connected any more.",
            connection.problem or "Connect it again; the sync then goes on where it stopped.",
        )


def noting_access(ports: Ports, run: Run, error: Exception) -> None:
    """Remember what a provider has said about our access, for those who come later."""
    sync = ports.control.sync(run.account_id, run.sync_id).value
    if isinstance(error, AccessLost) and error.code != "not_connected":
        told: dict[str, object] = {"state": "lost", "problem": error.detail}
    elif isinstance(error, Busy) and error.retry_after_s:
        told = {"rest_until": ports.clock.now().timestamp() + error.retry_after_s}
    else:
        return
    ports.control.update_connection(
        run.account_id, sync.connection_id, lambda connection: connection.model_copy(update=told)
    )


def asked_for(sync: Sync) -> str:
    """What of a sync decides over its outcome: `<how two sides are compared>:<all of it>`."""
    compared = {"direction", "mapping", "limits"}
    whole = compared | {"source", "selection", "match"}
    pictures = {"limits": {"photos"}}  # are compared by what links remember of them
    return ":".join([_digest(sync, compared, pictures), _digest(sync, whole, {})])


def _digest(sync: Sync, names: set[str], but: dict[str, set[str]]) -> str:
    told = json.dumps(sync.model_dump(mode="json", include=names, exclude=but), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]

"""The service in memory with an address book beside it, and the sync machine's states in their order.

The tries and catches are those of statemachine/sync.asl.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from contactsync.connectors.memory import ALL, Habits, MemoryBook, MemoryConnector
from contactsync.control import Control, new_id
from contactsync.core.identity import SHARDS
from contactsync.journeys import importing, syncing
from contactsync.journeys.book.bookrun import Ports
from contactsync.model.account import Member
from contactsync.model.connection import Connection, Link
from contactsync.model.contact import Audit, Contact, Fields, Tombstone
from contactsync.model.message import Finishing, Guarded, Message, Notified, Requested, Units, Upserted
from contactsync.model.run import Run
from contactsync.model.sync import Sync, SyncRequest
from contactsync.ports import Connector, Insert, Replace
from tests.support.world import Caught, World, tried

CONNECTION = "n1"
GAP = timedelta(minutes=10)
"""Between two runs; longer than anything a provider shows late here."""


@dataclass
class BookWorld(World):
    """One service, one customer, one book. `connect` is what the steps are given to open it."""

    habits: Habits = field(default_factory=Habits)
    connect: Callable[[Connection], Connector] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.book = MemoryBook(self.clock, habits=self.habits)
        at = self.clock.now().isoformat(timespec="milliseconds")
        self.join("m1")
        self.control.create_connection(
            self.account.account_id,
            Connection(
                id=CONNECTION,
                account_id=self.account.account_id,
                provider="memory",
                member_id="m1",
                state="active",
                created_at=at,
            ),
        )

    def join(self, member_id: str) -> None:
        """Somebody becomes a member."""
        at = self.clock.now().isoformat(timespec="milliseconds")
        member = Member(
            id=member_id,
            account_id=self.account.account_id,
            email=f"{member_id}@example.com",
            permissions=("contacts.view",),
            created_at=at,
        )
        self.control.records.commit(self.control.put_member(member))

    # Syncs and runs

    def sync(self, *, group: str = ALL, source: dict[str, Any] | None = None, **asked: Any) -> str:
        """Save a sync with the book; returns its id."""
        source = source or {"kind": "connection", "connection_id": CONNECTION, "group": group}
        request = SyncRequest.model_validate({"source": source, **asked})
        at = self.clock.now().isoformat(timespec="milliseconds")
        sync = Sync(
            id=f"s{new_id(self.clock.now())}",
            created_at=at,
            created_by="member:m1",
            updated_at=at,
            **{**request.model_dump(), "source": source},
        )
        self.control.create_sync(self.account.account_id, sync)
        return sync.id

    def ask(self, sync_id: str, **asked: Any) -> Run:
        """Another run of a sync, stored and not begun."""
        at = self.clock.now()
        run = Run(
            id=f"r{new_id(at)}",
            account_id=self.account.account_id,
            sync_id=sync_id,
            journey="sync",
            trigger="api",
            requested_at=at.isoformat(timespec="milliseconds"),
            requested_by="member:m1",
            **asked,
        )
        self.control.create_run(self.account.account_id, run)
        return run

    def go(self, sync_id: str, **asked: Any) -> Run:
        """Some time later: a run, to its end; as it is then."""
        self.clock.advance(GAP)
        run = self.ask(sync_id, **asked)
        self.execute(run)
        return self.run(run)

    def execute(self, run: Run, *, execution: str = "execution-1") -> Notified | None:
        """The machine of its kind over one run; None if the run belongs to another execution."""
        if run.journey == "import":
            return super().execute(run, execution=execution)
        names = {"account_id": run.account_id, "run_id": run.id}
        error: dict[str, str] | None = None
        try:
            pulled = tried(lambda: syncing.pull(Requested(**names, execution=execution), ports=self.steps()))
            if pulled.outcome == "duplicate":
                return None
            self._after(pulled.outcome, names)
        except Caught as failure:
            error = failure.as_state()
        return self.notify(Finishing.model_validate({**names, "error": error}))

    def _after(self, outcome: str, names: dict[str, str]) -> None:
        message, steps = Message(**names), self.steps()
        if outcome == "pulled":
            tried(lambda: syncing.reconcile(message, ports=steps))
        if outcome != "unchanged":
            if tried(lambda: self._judged(message)).verdict != "go":
                return
            tried(lambda: self._upserted(Units(**names, units=(0,))))
            tried(lambda: syncing.push(message, ports=steps))
        tried(lambda: syncing.commit(message, ports=steps))

    def _judged(self, message: Message) -> Guarded:
        steps = self.steps()
        return importing.guard(
            message, control=steps.control, contacts=steps.contacts, runs=steps.runs, clock=steps.clock
        )

    def _upserted(self, message: Units) -> Upserted:
        steps = self.steps()
        return importing.upsert(
            message, control=steps.control, contacts=steps.contacts, runs=steps.runs, clock=steps.clock
        )

    def steps(self) -> Ports:
        """What the steps reach, with whatever stands in front of it."""
        ports = self.ports
        return Ports(
            Control(ports.records),
            ports.contacts,
            ports.runs,
            ports.photos,
            self.connect or self._opened,
            ports.clock,
        )

    def _opened(self, connection: Connection) -> Connector:
        connector: Connector = self.watch(MemoryConnector(self.books[connection.id]))
        return connector

    # What people do here

    def add(self, fields: Fields, *segments: str) -> str:
        """Somebody adds a contact by hand; returns its id."""
        id_ = (
            self.id_of(fields["emails"][0]["value"])
            if fields.get("emails")
            else new_id(self.clock.now()) + "0" * 8
        )
        slot = self.contacts.slots(self.account.account_id, [id_]).get(id_)
        version = slot.version if slot else 0
        contact = Contact(id_, version + 1, fields, self._audit(), segments=tuple(sorted(segments)))
        self._write(Replace(contact) if version else Insert(contact))
        return id_

    def edit(self, id_: str, **changes: Any) -> None:
        """Somebody gives a contact other values; None takes a field away."""
        before = self.contact(id_)
        fields = {key: value for key, value in {**before.fields, **changes}.items() if value is not None}
        self._write(Replace(replace(before, version=before.version + 1, fields=fields, audit=self._audit())))

    def regroup(self, id_: str, *segments: str) -> None:
        """Somebody makes a contact a member of these segments, and no others."""
        before = self.contact(id_)
        self._write(Replace(replace(before, version=before.version + 1, segments=tuple(sorted(segments)))))

    def remove(self, id_: str) -> None:
        """Somebody deletes a contact."""
        before = self.contact(id_)
        at = self.clock.now().isoformat(timespec="milliseconds")
        self._write(Replace(Tombstone(id_, before.version + 1, at, "member:m1", before.sources, 2**33)))

    def _write(self, write: Insert | Replace) -> None:
        account, edit = self.account.account_id, f"e{new_id(self.clock.now())}"
        self.control.note_changes(account, edit, self.clock.now(), contacts=[write.slot_id])
        self.control.set_marker(account, edit)
        [(_, done)] = self.contacts.write(account, [write])
        assert done

    def _audit(self) -> Audit:
        at = self.clock.now().isoformat(timespec="milliseconds")
        return Audit(at, "member:m1", at, "member:m1")

    # What there is

    @property
    def books(self) -> dict[str, MemoryBook]:
        """Every address book, by connection."""
        return {CONNECTION: self.book}

    def overwrite(self, sync: str, contact: str, card: str) -> None:
        """Two programs overwrite each other's notes, until the link is frozen."""
        for _ in range(4):
            self.edit(contact, notes="here")
            self.go(sync)
            self.book.edit(card, {**self.book.cards()[card].fields, "notes": "there"})
            self.go(sync)

    def contact(self, id_: str) -> Contact:
        """One contact."""
        return self.contacts.get(self.account.account_id, [id_])[id_]

    def everybody(self) -> dict[str, Fields]:
        """The fields of every contact, by id."""
        account = self.account.account_id
        slots = (slot for shard in range(SHARDS) for slot in self.contacts.scan(account, shard))
        return {slot.id: dict(slot.fields) for slot in slots if isinstance(slot, Contact)}

    def links(self, connection: str = CONNECTION) -> dict[str, Link]:
        """Every link of a book that is not closed, by contact id."""
        reads = self.control.links(self.account.account_id, connection)
        return {read.value.contact_id: read.value for read in reads if not read.value.is_over}


def person(n: int, **more: Any) -> dict[str, Any]:
    """A card or a contact, one of as many as there are numbers."""
    return {"name": f"Person {n}", "emails": [{"value": f"p{n}@example.com"}], **more}


def one_of(world: BookWorld, n: int) -> str:
    """The contact id of such a person."""
    return world.id_of(f"p{n}@example.com")

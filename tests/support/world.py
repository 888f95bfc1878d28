"""The service in memory: every port's memory adapter, and the import machine's states in their order.

The tries and catches are those of statemachine/import.asl.yaml, so that a step which dies is run again as the
service would run it. Ports can be wrapped to make them fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from contactsync.adapters.memory import (
    ManualClock,
    MemoryBus,
    MemoryContacts,
    MemoryMailer,
    MemoryObjects,
    MemoryRecords,
    MemoryVault,
)
from contactsync.connectors.oauth import OAuth
from contactsync.connectors.ways import signed_in_book
from contactsync.control import Control, new_id
from contactsync.core.identity import SHARDS, contact_id, identity_key
from contactsync.entry import problem_of
from contactsync.errors import Busy, SourceAway, UserError
from contactsync.journeys import importing
from contactsync.journeys.account.accounts import change_plan, create_account
from contactsync.journeys.account.forgetting import EveryStore
from contactsync.journeys.book.keeping import Keeping
from contactsync.journeys.file.remote import stored as stored_source
from contactsync.journeys.file.runfiles import RunFiles
from contactsync.model.contact import Contact, Origin, Tombstone
from contactsync.model.lending import Discovered, Discovering
from contactsync.model.message import (
    Chunks,
    Fetched,
    Finishing,
    Guarded,
    Mapped,
    Message,
    Notified,
    Parsed,
    Planned,
    Requested,
    Units,
    Upserted,
)
from contactsync.model.run import Run
from contactsync.model.source import RemoteSource
from contactsync.model.sync import Sync, SyncRequest
from contactsync.ports import (
    Bus,
    Clock,
    ContactStore,
    Discoverer,
    Keeper,
    Mailer,
    Objects,
    Peeker,
    Records,
    Replace,
    Source,
    Vault,
    Write,
)
from contactsync.sources.net import Guard as NetGuard
from contactsync.sources.net import allowed_hosts
from contactsync.sources.opening import source_of
from contactsync.sources.staging import DirectCourier, DirectPeeker
from contactsync.sources.transfer import Limits

TRIES = 4
BUSY_TRIES = 9
"""Of the last step, while a service is away."""
A = TypeVar("A")

EMAIL_ONLY = [{"column": "email", "field": "email"}]


class NoServers:
    """See `ports.Discoverer`, in a world without servers."""

    def discover(self, asked: Discovering) -> Discovered:
        """See `ports.Discoverer.discover`."""
        raise SourceAway(f"There is no server at {asked.url}.")


@dataclass
class Ports:
    """What the journeys are given; a test may put faulty ones in front."""

    records: Records
    contacts: ContactStore
    runs: Objects
    uploads: Objects
    drops: Objects
    photos: Objects
    mailer: Mailer
    bus: Bus
    clock: Clock
    vault: Vault = field(default_factory=MemoryVault)


def unwatched(opened: Any) -> Any:
    """With nothing in front."""
    return opened


class Overtaken:
    """A contact list to which something happens just before it is first written."""

    def __init__(self, contacts: ContactStore, happens: Callable[[], object]) -> None:
        self._contacts = contacts
        self._happens: Callable[[], object] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        self._now()
        return self._contacts.write(account_id, writes)

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        self._now()
        return self._contacts.bring(account_id, lines, origin)

    def _now(self) -> None:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()


@dataclass
class World:
    """One service with one customer. `ports` is what the steps see, the other attributes are the truth.

    `watch` is put in front of what is opened while a step works: an address book, an authority.
    """

    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime(2026, 11, 22, 9, tzinfo=UTC)))
    contacts: MemoryContacts = field(default_factory=MemoryContacts)
    runs: MemoryObjects = field(default_factory=MemoryObjects)
    uploads: MemoryObjects = field(default_factory=MemoryObjects)
    drops: MemoryObjects = field(default_factory=MemoryObjects)
    photos: MemoryObjects = field(default_factory=MemoryObjects)
    bus: MemoryBus = field(default_factory=MemoryBus)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    vault: MemoryVault = field(default_factory=MemoryVault)
    allow_hosts: str = ""
    drop_bucket: str = "drop-bucket"
    guard: NetGuard | None = None
    """The way out, in place of one that trusts `allow_hosts`."""
    limits: Limits | None = None
    watch: Callable[[Any], Any] = field(default_factory=lambda: unwatched)

    def __post_init__(self) -> None:
        self.records = MemoryRecords(self.clock)
        self.control = Control(self.records)
        self.ports = self.true_ports()
        self.discoverer: Discoverer = NoServers()
        self.elsewhere: Mapping[str, str] = {}
        self.know({})
        self.account = create_account(
            self.control, name="Acme", country="NL", email="owner@example.com", now=self.clock.now()
        )

    @property
    def peeker(self) -> Peeker:
        """Looks at files on somebody's server, as `remote` does."""
        return DirectPeeker(self.remote)

    def know(self, authorities: Mapping[str, OAuth], elsewhere: Mapping[str, str] | None = None) -> None:
        """From now on people can sign in there, and their books lie `elsewhere`, or where they lay before."""
        self.elsewhere = elsewhere or self.elsewhere
        self.keeper: Keeper = Keeping(
            self.control,
            self.vault,
            self.clock,
            authorities=authorities,
            opened=partial(signed_in_book, country=lambda _account_id: "GB", elsewhere=self.elsewhere),
            discoverer=self.discoverer,
        )

    def true_ports(self) -> Ports:
        """The adapters themselves, with nothing in front."""
        return Ports(
            records=self.records,
            contacts=self.contacts,
            runs=self.runs,
            uploads=self.uploads,
            drops=self.drops,
            photos=self.photos,
            mailer=self.mailer,
            bus=self.bus,
            clock=self.clock,
            vault=self.vault,
        )

    def limit(self, **limits: Any) -> None:
        """Give the customer limits of its own."""
        change_plan(self.control, self.account.account_id, self.clock.now(), limits=limits)

    def request(
        self,
        text: str | bytes,
        mapping: list[dict[str, Any]] | None = None,
        *,
        dry_run: bool = False,
        **body: Any,
    ) -> Run:
        """Save a sync and its first run, as the API does: over pasted rows, or over the `source` that `body` names."""
        asked = SyncRequest.model_validate(
            {
                "source": {"kind": "paste", "text": "-"},
                "mapping": EMAIL_ONLY if mapping is None else mapping,
                "notify": {"emails": ["owner@example.com"]},
                **body,
            }
        )
        at = self.clock.now().isoformat(timespec="milliseconds")
        run_id = f"r{new_id(self.clock.now())}"
        sync_id = f"s{new_id(self.clock.now())}"
        source, sealed = stored_source(asked.source, self.account.account_id, sync_id, self.vault)
        sync = Sync(
            id=sync_id,
            source=source,
            sealed=sealed,
            active_run=run_id,
            latest_run=run_id,
            created_at=at,
            created_by="member:m1",
            updated_at=at,
            **asked.model_dump(exclude={"source"}),
        )
        return self.start(sync, run_id, text, dry_run=dry_run)

    def start(self, sync: Sync, run_id: str, text: str | bytes, *, dry_run: bool = False) -> Run:
        """Store the pasted rows, the sync and the run."""
        run = self._run(sync.id, run_id, text, dry_run=dry_run)
        self.control.create_sync(self.account.account_id, sync, run)
        return run

    def again(self, sync_id: str, text: str | bytes, **asked: Any) -> Run:
        """Another run of a sync, over other rows; `asked` is what else the run's record says."""
        run = self._run(sync_id, f"r{new_id(self.clock.now())}", text).model_copy(update=asked)
        self.control.create_run(self.account.account_id, run)
        return run

    def _run(self, sync_id: str, run_id: str, text: str | bytes, *, dry_run: bool = False) -> Run:
        data = text.encode() if isinstance(text, str) else text
        self.runs.put(RunFiles(self.runs, self.account.account_id, run_id).paste, data)
        return Run(
            id=run_id,
            account_id=self.account.account_id,
            sync_id=sync_id,
            trigger="api",
            dry_run=dry_run,
            requested_at=self.clock.now().isoformat(timespec="milliseconds"),
            requested_by="member:m1",
        )

    def import_rows(self, text: str | bytes, mapping: list[dict[str, Any]] | None = None, **body: Any) -> Run:
        """Request an import, run it to its end, and return the run as it is then."""
        run = self.request(text, mapping, **body)
        self.execute(run)
        return self.run(run)

    def run(self, run: Run) -> Run:
        """The run as it is stored now."""
        return self.control.run(run.account_id, run.id).value

    def execute(self, run: Run, *, execution: str = "execution-1") -> Notified | None:
        """The import machine over one run; None if the run belongs to another execution."""
        control = Control(self.ports.records)
        names = {"account_id": run.account_id, "run_id": run.id}
        error: dict[str, str] | None = None
        try:
            fetched = tried(lambda: self.fetch(run, execution=execution))
            if fetched.outcome == "duplicate":
                return None
            if fetched.outcome == "fetched":
                self._middle(names, control)
        except Caught as caught:
            error = caught.as_state()
        return self.notify(Finishing.model_validate({**names, "error": error}))

    def fetch(self, run: Run, *, execution: str = "execution-1") -> Fetched:
        """The first state."""
        ports = self.ports
        return importing.fetch(
            Requested(account_id=run.account_id, run_id=run.id, execution=execution),
            control=Control(ports.records),
            uploads=ports.uploads,
            drops=ports.drops,
            runs=ports.runs,
            vault=ports.vault,
            courier=DirectCourier(self.remote, ports.runs),
            clock=ports.clock,
        )

    def notify(self, message: Finishing) -> Notified:
        """The last state, which every run comes to."""
        ports = self.ports
        return tried(
            lambda: importing.notify(
                message,
                control=Control(ports.records),
                contacts=ports.contacts,
                runs=ports.runs,
                mailer=ports.mailer,
                bus=ports.bus,
                clock=ports.clock,
                public_url="https://api.example.com",
            ),
            busy=BUSY_TRIES,
        )

    def left(self, run: Run, status: str, *, execution: str = "execution-1") -> Notified:
        """What RunLeftRule does: EventBridge says that an execution came to no end of its own."""
        asked = {"account_id": run.account_id, "run_id": run.id, "journey": run.journey, "trigger": "api"}
        event = {
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": {"name": execution, "status": status, "input": json.dumps(asked), "output": None},
        }
        return self.notify(Finishing.model_validate(event))

    def remote(self, asked: RemoteSource, **options: Any) -> Source:
        """A source on somebody's server; of the private hosts, those in `allow_hosts` only."""
        guard = self.guard or NetGuard(allowed_hosts(self.allow_hosts))
        known = {"region": "eu-west-1"} | ({"limits": self.limits} if self.limits else {})
        return source_of(asked, guard=guard, **options | known)

    def _middle(self, names: dict[str, str], control: Control) -> None:
        ports = self.ports
        message = Message(**names)

        def parse() -> Parsed:
            return importing.parse(message, control=control, runs=ports.runs)

        def map_(chunk: int) -> Mapped:
            chunks = Chunks(**names, chunks=(chunk,))
            return importing.map(chunks, control=control, runs=ports.runs, clock=ports.clock)

        def plan(unit: int) -> Planned:
            units = Units(**names, units=(unit,))
            return importing.plan(
                units, control=control, contacts=ports.contacts, runs=ports.runs, clock=ports.clock
            )

        def guard() -> Guarded:
            return importing.guard(
                message, control=control, contacts=ports.contacts, runs=ports.runs, clock=ports.clock
            )

        def upsert(unit: int) -> Upserted:
            units = Units(**names, units=(unit,))
            return importing.upsert(
                units, control=control, contacts=ports.contacts, runs=ports.runs, clock=ports.clock
            )

        parsed = tried(parse)
        for chunk in parsed.chunks if parsed.next == "map" else ():
            tried(partial(map_, chunk))
        for unit in parsed.units if parsed.next != "guard" else ():
            tried(partial(plan, unit))
        if tried(guard).verdict != "go":
            return
        for unit in parsed.units:
            tried(partial(upsert, unit))

    def approve(self, run: Run) -> None:
        """Approve a run's plan, and run it to its end."""
        self.control.approve_run(run.account_id, run.id, self.run(run).plan_hash or "")
        self.execute(run, execution="after approval")

    def delete(self, email: str) -> None:
        """Somebody deletes a contact here."""
        contact = self.stored()[email]
        gone = Tombstone(
            contact.id, contact.version + 1, "2026-11-22T10:00:00Z", "member:m1", contact.sources, 2**33
        )
        edit = f"e{new_id(self.clock.now())}"
        self.control.note_changes(self.account.account_id, edit, self.clock.now(), contacts=[contact.id])
        self.control.set_marker(self.account.account_id, edit)
        [(_, done)] = self.contacts.write(self.account.account_id, [Replace(gone)])
        assert done

    def stored(self) -> dict[str, Contact]:
        """Every contact of the customer, by its primary email or else by id."""
        slots = (
            slot for shard in range(SHARDS) for slot in self.contacts.scan(self.account.account_id, shard)
        )
        found = [slot for slot in slots if isinstance(slot, Contact)]
        return {
            (contact.fields.get("emails") or [{"value": contact.id}])[0]["value"]: contact
            for contact in found
        }

    def fields(self) -> dict[str, Mapping[str, Any]]:
        """The fields of every contact, by primary email."""
        return {email: contact.fields for email, contact in self.stored().items()}

    def id_of(self, email: str) -> str:
        """The contact id that an email address makes."""
        secret = self.control.account(self.account.account_id).identity_secret
        return contact_id(bytes.fromhex(secret), "email", identity_key("email", email))

    def files(self, run: Run) -> RunFiles:
        """The files of a run."""
        return RunFiles(self.runs, run.account_id, run.id)


class Caught(Exception):
    """What a Catch puts into the state."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(error)
        self.error, self.message = error, message

    def as_state(self) -> dict[str, str]:
        return {
            "Error": self.error,
            "Cause": json.dumps({"errorType": self.error, "errorMessage": self.message}),
        }


class Died(BaseException):
    """A worker is killed: nothing in it runs any more. Only the machine sees it."""


def tried(step: Callable[[], A], *, busy: int = TRIES) -> A:
    """Run a step as the machine does: a refusal ends the run, all else is tried again, `busy` times where that helps."""
    for attempt in range(1, busy + 1):
        try:
            return step()
        except UserError as error:
            raise Caught("Refused", problem_of(error)) from None
        except (Exception, Died) as error:
            if attempt >= (busy if isinstance(error, Busy) else TRIES):
                if isinstance(error, SourceAway):
                    raise Caught("Busy", problem_of(error)) from error
                raise Caught(type(error).__name__, "") from error
    raise AssertionError("unreachable")


def stores_of(world: World, **changed: Any) -> EveryStore:
    """Everything of a world that remembers people."""
    return EveryStore(**{store.name: getattr(world, store.name) for store in fields(EveryStore)} | changed)

"""The drop bucket and the bus as AWS plays them: events of new objects, and what each event on the bus sets going."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from contactsync.adapters.memory import Event, MemoryScheduler
from contactsync.control import Control, new_id
from contactsync.core.dropping import prefix_of
from contactsync.journeys.asked import dropping, scheduling
from contactsync.journeys.book import books
from contactsync.model.message import (
    ContactsChanged,
    FileDropped,
    FileParked,
    Finishing,
    Received,
    SyncDue,
)
from contactsync.model.run import Run
from contactsync.model.sync import Sync, SyncRequest
from contactsync.ports import Version
from tests.support.world import World

if TYPE_CHECKING:
    from tests.support.calling import Client

ADA = "email,name\nada@example.com,Ada\n"
GRACE = "email,name\ngrace@example.com,Grace\n"
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]


@dataclass
class DropBucket:
    """A drop bucket whose events are delivered when a test says so, to the functions of `world`."""

    world: World
    versions: dict[str, Version] = field(default_factory=dict)
    delivered: int = 0
    executions: int = 0
    sequencer: int = 0x617F08299329D189

    def put(self, key: str, text: str, **changes: Any) -> FileDropped:
        """Put an object; the event of it, of which `changes` may say otherwise."""
        data = text.encode()
        version = self.world.drops.put_version(key, data)
        self.versions[key] = version
        self.sequencer += 0x10
        return event_of(
            key,
            self.world.clock.now(),
            **{
                "size": len(data),
                "etag": version.etag,
                "version-id": version.id,
                "sequencer": f"00{self.sequencer:X}",
                **changes,
            },
        )

    def receive(self, event: FileDropped) -> Received:
        """S3's event reaches the function receive."""
        ports = self.world.ports
        return dropping.receive(event, control=Control(ports.records), bus=ports.bus)

    def drop(self, key: str, text: str) -> Received:
        """Put an object, and deliver its event once."""
        return self.receive(self.put(key, text))

    def go_on(self, *, runs: bool = True) -> None:
        """Deliver all that is on the bus, and what comes of it, until nothing is left; without `runs`, no run is executed."""
        while self.delivered < len(self.world.bus.events):
            event = self.next_event()
            if event.kind != "RunRequested" or runs:
                self.act(event.kind, event.detail)

    def next_event(self) -> Event:
        """The next event on the bus."""
        self.delivered += 1
        return self.world.bus.events[self.delivered - 1]

    def act(self, kind: str, detail: dict[str, str]) -> None:
        """What the rule for one event on the bus sets going."""
        ports = self.world.ports
        control = Control(ports.records)
        match kind:
            case "SyncDue":
                scheduling.listen(
                    SyncDue(**detail),
                    control=control,
                    bus=ports.bus,
                    scheduler=MemoryScheduler(),
                    clock=ports.clock,
                )
            case "FileParked":
                dropping.tell(
                    FileParked(**detail), control=control, mailer=ports.mailer, public_url="https://x.example"
                )
            case "ContactsChanged":
                books.follow(ContactsChanged(**detail), control=control, bus=ports.bus, clock=ports.clock)
            case "RunRequested":
                run = self.world.control.run(detail["account_id"], detail["run_id"]).value
                self.executions += 1
                self.world.execute(run, execution=f"execution {self.executions}")
            case "RunLost":
                event = {"source": "contactsync", "detail-type": kind, "detail": detail}
                self.world.notify(Finishing.model_validate(event))


def drop_sync(world: World) -> Sync:
    """A sync of the world's customer whose files are dropped, saved."""
    asked = SyncRequest.model_validate(
        {"source": {"kind": "drop"}, "mapping": MAPPING, "notify": {"emails": ["ann@example.com"]}}
    )
    at = world.clock.now().isoformat(timespec="milliseconds")
    sync = Sync(
        id=f"s{new_id(world.clock.now())}",
        source={"kind": "drop"},
        created_at=at,
        created_by="member:m1",
        updated_at=at,
        **asked.model_dump(exclude={"source"}),
    )
    world.control.create_sync(world.account.account_id, sync)
    return sync


def event_of(key: str, at: datetime, **object_: Any) -> FileDropped:
    """S3's event of a new object, with what it says besides."""
    return FileDropped.model_validate(
        {
            "version": "0",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "time": at.isoformat(),
            "detail": {"bucket": {"name": "drop-bucket"}, "object": {"key": key, **object_}},
        }
    )


def prefix(world: World, sync_id: str) -> str:
    """Where the files of a sync are put."""
    return prefix_of(world.account.account_id, sync_id)


def runs_of(world: World, sync_id: str) -> list[Run]:
    """The runs of a sync, oldest first."""
    found, _ = world.control.runs(world.account.account_id, sync_id, after=None, limit=1000)
    return found[::-1]


def saved(api: Client, **changes: Any) -> Any:
    """A sync of the caller's whose files are dropped, as the API shows it."""
    body = {
        "name": "Members",
        "source": {"kind": "drop"},
        "mapping": MAPPING,
        "notify": {"emails": ["ann@example.com"]},
        **changes,
    }
    answer = api.post("/syncs", body)
    assert answer.status == 201, answer.text
    return answer.json


def runs(api: Client, sync: Any) -> Any:
    """The runs of a sync as the API shows them, oldest first."""
    return api.get(f"/syncs/{sync['id']}/runs").json["items"][::-1]


def told(world: World) -> list[tuple[str, str]]:
    """To whom mails went, and about what."""
    return [(mail.to, mail.subject) for mail in world.mailer.sent]


def path(world: World, sync: Any, name: str = "people.csv") -> str:
    """The key of a file that is a sync's."""
    return prefix(world, sync["id"]) + name


def later(world: World, seconds: int = 1) -> None:
    """Some seconds go by."""
    world.clock.advance(timedelta(seconds=seconds))

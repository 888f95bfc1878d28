"""Whatever the engine does, and whichever of its calls fails in whatever way, ends as if nothing had failed.

Each workload is first carried out undisturbed: its oracle. Then once for every call and every way to fail, or for
every eleventh unless FAULTS=all (`make faults`), and each time held against the oracle and against what always holds.
"""

from __future__ import annotations

import copy
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest

from contactsync.control import Control
from contactsync.core.identity import SHARDS, contact_id, identity_key
from contactsync.errors import Busy
from contactsync.journeys import cutting
from contactsync.model.contact import Alias, Contact, Slot
from contactsync.model.field import FieldSpec
from contactsync.model.run import Run
from contactsync.ports import ContactStore, Write
from tests.faults.interruptions import Interruptions, Way
from tests.world import Died, World

ALL = os.environ.get("FAULTS") == "all"
STRIDE = 1 if ALL else 11
NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
NUMBERED = [{"column": "number", "field": "customer_number"}, *NAMES]
BY_NUMBER = {"field": "customer_number"}
DELETING = {"delete_missing": {"scope": "all"}}


def people(*names: str) -> str:
    return "email,name\n" + "".join(f"{name.lower()}@example.com,{name}\n" for name in names)


def many(number: int, *more: str) -> str:
    return people(*(f"P{each}" for each in range(number)), *more)


def new_world() -> World:
    """A customer whose ids are the same each time, so that worlds can be compared whole."""
    world = World()
    spec = FieldSpec(key="customer_number", label="Customer number", type="text")
    world.control.create_field(world.account.account_id, spec)
    return world


def earlier(world: World, text: str, mapping: list[dict[str, str]], **body: object) -> Run:
    """An import that went well, before all that is tested."""
    run = world.import_rows(text, mapping, **body)
    assert run.status == "succeeded"
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return run


def execute(world: World, run: Run) -> None:
    world.execute(run)


def then_approve(world: World, run: Run) -> None:
    """Run until it waits, approve, run to the end; who approves tries again until it is answered."""
    world.execute(run)
    assert world.run(run).status == "awaiting_approval"
    for _ in range(4):
        with suppress(Died, Busy):
            Control(world.ports.records).approve_run(run.account_id, run.id, world.run(run).plan_hash or "")
            break
    world.execute(run, execution="after the approval")


@dataclass(frozen=True)
class Workload:
    """What was there before, what is done, and with which rows the same sync then has nothing more to do.

    `mails`: how many outcomes there are to write about.
    """

    prepare: Callable[[World], Run]
    counts: dict[str, int]
    further: str
    go: Callable[[World, Run], None] = execute
    mails: int = 1


CLAIMS_BEFORE = "number,email,name\n1,ada@example.com,Ada\n2,bob@example.com,Bob\n3,cem@example.com,Cem\n"
CLAIMS = """\
number,email,name
1,ada@example.org,Ada
2,bob@example.com,Bob B.
3,bob@example.com,Cem
4,dee@example.com,Dee
5,dee@example.com,Eve
6,,Fay
"""


def claims(world: World) -> Run:
    earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER)
    return world.request(CLAIMS, NUMBERED, identity=BY_NUMBER)


def claimed_before_and_back(world: World) -> Run:
    """The address of a contact that left it, and went, is free; that of a deleted one as well."""
    run = earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER)
    world.again(run.sync_id, CLAIMS_BEFORE.replace("ada@example.com", "ada@example.org"))
    world.execute(world.run(_latest(world, run)))
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return world.again(run.sync_id, CLAIMS_BEFORE + "4,ada@example.com,The Other Ada\n")


def _latest(world: World, run: Run) -> Run:
    sync = world.control.sync(run.account_id, run.sync_id).value
    return world.control.run(run.account_id, sync.latest_run or "").value


GENERATED = "email,name\nada@example.com,Ada\nbob@example.com,Bob\nbob@example.com,Bob too\n,Cem\n"


def generated(world: World) -> Run:
    earlier(world, people("Ada"), NAMES)
    return world.request(GENERATED, NAMES, identity={"generate": True, "field": "customer_number"})


def segmented(world: World) -> Run:
    earlier(world, people("Ada", "Bob"), NAMES)
    return world.request(
        people("Ada", "Bob", "Cem").replace("Bob", "Bob B.", 1), NAMES, options={"segments": ["vip"]}
    )


def missing(world: World) -> Run:
    run = earlier(world, many(10), NAMES, options=DELETING)
    return world.again(run.sync_id, many(9, "New"))


def held(world: World) -> Run:
    run = earlier(world, many(10), NAMES, options=DELETING)
    return world.again(run.sync_id, many(6, "New"))


def deletions_held(world: World) -> Run:
    options = {**DELETING, "guard": {"on_trip": "hold_deletes"}}
    run = earlier(world, many(10), NAMES, options=options)
    return world.again(run.sync_id, many(6, "New"))


def undo(world: World) -> Run:
    """Of an add, of updates of which one has moved an address, of a deletion."""
    options = {"delete_missing": {"scope": "all"}, "guard": {"max_delete_percent": 40}}
    run = earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER, options=options)
    later = "number,email,name\n1,ada@example.org,Ada\n2,bob@example.com,Bob B.\n4,dee@example.com,Dee\n"
    again = world.again(run.sync_id, later)
    world.execute(again)
    assert world.run(again).counts.deleted == 1
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return world.again(run.sync_id, "", undoes=again.id)


def planned(world: World) -> Run:
    earlier(world, CLAIMS_BEFORE, NUMBERED, identity=BY_NUMBER)
    shown = world.request(CLAIMS, NUMBERED, identity=BY_NUMBER, dry_run=True)
    world.execute(shown)
    world.clock.advance(timedelta(minutes=5))
    world.mailer.sent.clear()
    return world.again(shown.sync_id, CLAIMS, plan_of=shown.id)


class Overtaken:
    """A contact list to which something happens just before it is first written."""

    def __init__(self, contacts: ContactStore, happens: Callable[[], object]) -> None:
        self._contacts = contacts
        self._happens: Callable[[], object] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return self._contacts.write(account_id, writes)


def overtaken(world: World) -> Run:
    """Another sync adds a contact that is planned, and gives the address of another plan to somebody."""
    run = claims(world)
    other = copy.copy(world)
    rows = "number,email,name\n4,dee@example.com,Dora\n7,ada@example.org,Gil\n"
    quiet: dict[str, Any] = {"identity": BY_NUMBER, "notify": {}}
    contacts = Overtaken(world.contacts, lambda: other.import_rows(rows, NUMBERED, **quiet))
    world.ports = replace(world.ports, contacts=cast(ContactStore, contacts))
    return run


WORKLOADS = {
    "overtaken": Workload(overtaken, {"added": 1, "updated": 2, "rejected": 3}, CLAIMS),
    "claims": Workload(claims, {"added": 2, "updated": 2, "rejected": 2}, CLAIMS),
    "addresses given up": Workload(
        claimed_before_and_back,
        {"updated": 1, "unchanged": 2, "rejected": 1},
        CLAIMS_BEFORE + "4,ada@example.com,The Other Ada\n",
    ),
    "generated codes": Workload(generated, {"added": 2, "rejected": 2}, ""),
    "segments": Workload(
        segmented, {"added": 1, "updated": 2}, people("Ada", "Bob", "Cem").replace("Bob", "Bob B.", 1)
    ),
    "delete what is missing": Workload(missing, {"added": 1, "unchanged": 9, "deleted": 1}, many(9, "New")),
    "held": Workload(held, {"added": 1, "unchanged": 6, "deleted": 4}, many(6, "New"), then_approve, mails=2),
    "deletions held": Workload(
        deletions_held, {"added": 1, "unchanged": 6, "deleted": 4}, many(6, "New"), then_approve, mails=2
    ),
    "undo": Workload(undo, {"added": 1, "updated": 2, "deleted": 1}, ""),
    "a plan carried out": Workload(planned, {"added": 2, "updated": 2, "rejected": 2}, CLAIMS),
}


@pytest.fixture(autouse=True)
def same_chance(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ids and secrets are the same in each world; call the fixture to begin anew."""
    numbers = count()

    def begin() -> None:
        nonlocal numbers
        numbers = count()

    def token(size: int) -> str:
        return hashlib.blake2b(str(next(numbers)).encode()).hexdigest()[: 2 * size]

    monkeypatch.setattr(secrets, "token_hex", token)
    return begin


def slots(world: World) -> Iterator[Slot]:
    for shard in range(SHARDS):
        yield from world.contacts.scan(world.account.account_id, shard)


def outcome(world: World) -> dict[str, object]:
    """All that is stored, save versions of aliases and how often those were claimed."""
    return {
        slot.id: ("alias of", slot.contact_id) if isinstance(slot, Alias) else slot for slot in slots(world)
    }


def check_what_always_holds(world: World, run: Run, where: str) -> None:
    """No two contacts under one address, no address out of reach, rows that add up, a sync that is free."""
    stored = {slot.id: slot for slot in slots(world)}
    secret = bytes.fromhex(world.control.account(run.account_id).identity_secret)
    holders: dict[str, str] = {}
    for slot in stored.values():
        if isinstance(slot, Contact) and slot.fields.get("emails"):
            address = contact_id(secret, "email", identity_key("email", slot.fields["emails"][0]["value"]))
            assert holders.setdefault(address, slot.id) == slot.id, f"{where}: two contacts, one address"
    for slot in stored.values():
        if isinstance(slot, Alias):
            assert holders.get(slot.id) == slot.contact_id, f"{where}: an address is out of reach"
    for address, holder in holders.items():
        there = stored.get(address)
        owner = there.contact_id if isinstance(there, Alias) else there.id if there else None
        assert owner == holder, f"{where}: an address is unprotected"
    ended = world.run(run)
    assert ended.counts.rows == ended.counts.settled, where
    sync = world.control.sync(run.account_id, run.sync_id).value
    assert sync.active_run is None, where


def further_run(world: World, run: Run, workload: Workload, where: str) -> None:
    """The same rows again write nothing."""
    before = outcome(world)
    world.clock.advance(timedelta(minutes=5))
    again = world.again(run.sync_id, workload.further)
    world.execute(again)
    assert world.run(again).status in {"succeeded", "unchanged"}, where
    assert outcome(world) == before, f"{where}: a further run writes"


@pytest.mark.parametrize("units", [1, 4], ids=["one unit", "four units"])
@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_failure_at_any_call_changes_nothing_in_the_result(
    name: str,
    way: Way,
    units: int,
    same_chance: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cutting, "UNIT_ROWS", 100 if units == 1 else 2)
    workload = WORKLOADS[name]
    same_chance()
    oracle = new_world()
    run = workload.prepare(oracle)
    workload.go(oracle, run)
    counts = oracle.run(run).counts
    told = {key: number for key, number in counts.model_dump(exclude={"rows"}).items() if number}
    assert (oracle.run(run).status, told) == ("succeeded", workload.counts)
    check_what_always_holds(oracle, run, "undisturbed")
    wanted = outcome(oracle)
    assert len(oracle.mailer.sent) == workload.mails
    points = 0
    first = list(Way).index(way) + 1
    for at in count(first, STRIDE):
        same_chance()
        world = new_world()
        run = workload.prepare(world)
        interruptions = Interruptions(at, way)
        world.ports = interruptions.ports(world.ports)
        workload.go(world, run)
        if not interruptions.fired:
            break
        points += 1
        where = f"{name}, call {at}, {interruptions.calls[at - 1]}, {way.value}"
        assert world.run(run).status == "succeeded", where
        check_what_always_holds(world, run, where)
        assert world.run(run).counts == counts, where
        assert outcome(world) == wanted, where
        assert len(world.mailer.sent) <= workload.mails, where
        if workload.further:
            world.ports = world.true_ports()
            further_run(world, run, workload, where)
    assert points > 50 // STRIDE, "the workload makes fewer calls than it must"

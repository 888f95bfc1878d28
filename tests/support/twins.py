"""Two worlds to which the same happens. In the one, rows that come again are known by their bytes; in the other, each is read.

Whatever a step leaves behind is the same in both, but for the files in which the known rows lie.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import orjson
import pytest

from contactsync.adapters.memory import MemoryContacts, MemoryScheduler
from contactsync.core.identity import SHARDS
from contactsync.core.parsing import records
from contactsync.journeys.asked import asking
from contactsync.journeys.file import cutting, known
from contactsync.journeys.file.runfiles import RunFiles
from contactsync.model.account import ALL_PERMISSIONS, Caller
from contactsync.model.contact import Glimpse, Origin, Slot
from contactsync.model.field import FieldSpec
from contactsync.model.run import Run
from contactsync.ports import ContactStore, Write
from tests.support.world import World

A = TypeVar("A")
NEVER = 10**9


class Watched(MemoryContacts):
    """A contact list that counts how often somebody looks along a shard of it, and notes whom they ask for by key."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.asked: list[str] = []

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        """See `ports.ContactStore.slots`."""
        self.asked.extend(ids)
        return super().slots(account_id, ids)

    def glimpses(self, account_id: str, shard: int, fields: Collection[str]) -> Iterator[Glimpse]:
        """See `ports.ContactStore.glimpses`."""
        self.looks += 1
        return super().glimpses(account_id, shard, fields)


@dataclass
class Twin(World):
    """One of the two. `came_again` counts the rows of its runs that were known, `told` the runs that were told who is missing."""

    contacts: Watched = field(default_factory=Watched)
    scheduler: MemoryScheduler = field(default_factory=MemoryScheduler)
    known_from: int = NEVER
    tokens: int = 0
    came_again: int = 0
    told: int = 0

    @property
    def caller(self) -> Caller:
        """The account's owner."""
        account = self.account
        permissions = frozenset(ALL_PERMISSIONS)
        return Caller(account_id=account.account_id, member_id=account.member_id, permissions=permissions)

    @property
    def asked(self) -> asking.World:
        """The same as requests reach it."""
        return self  # type: ignore[return-value]


class Twins:
    """Both worlds; `chunk` and `unit` are the rows of one.

    Small as files are here, each row of them may be known, however few there are.
    """

    def __init__(self, *, chunk: int = 3, unit: int = 4) -> None:
        self._chunk, self._unit = chunk, unit
        self.worlds = [self._made(0), self._made(NEVER)]

    def each_unit(self, rows: int) -> None:
        """From now on this is how many rows a unit has."""
        self._unit = rows

    def _made(self, known_from: int) -> Twin:
        tokens = [0]
        with self._patched(known_from, tokens):
            world = Twin(known_from=known_from)
            spec = FieldSpec(key="customer_number", label="Customer number", type="text")
            world.control.create_field(world.account.account_id, spec)
        world.tokens = tokens[0]
        return world

    def _patched(self, known_from: int, tokens: list[int]) -> Any:
        def token(size: int) -> str:
            tokens[0] += 1
            return hashlib.blake2b(str(tokens[0]).encode()).hexdigest()[: 2 * size]

        patch = pytest.MonkeyPatch()
        patch.setattr(secrets, "token_hex", token)
        patch.setattr(known, "KNOWN_FROM", known_from)
        patch.setattr(known, "WORTHWHILE", 0.01)
        patch.setattr(known, "EDGE", 1)
        patch.setattr(cutting, "UNIT_ROWS", self._unit)
        patch.setattr(cutting, "cut", partial(records.cut, target_rows=self._chunk))
        return _Undone(patch)

    def both(self, act: Callable[[Twin], A]) -> A:
        """Do it in both worlds; the answer, which is the same."""
        answers: list[A] = []
        for world in self.worlds:
            tokens = [world.tokens]
            with self._patched(world.known_from, tokens):
                answers.append(act(world))
            world.tokens = tokens[0]
        first, second = answers
        assert first == second
        self.check()
        return first

    def execute(self, run: Run, **options: Any) -> Run:
        """Run to the end in both; the run as it is then."""

        def go(world: Twin) -> Run:
            looks, planned = world.contacts.looks, looks_for_missing(world, run)
            world.execute(run, **options)
            ended = world.run(run)
            world.came_again += came_again(world, ended)
            if not planned and looks_for_missing(world, ended):
                world.told += world.contacts.looks == looks
            return ended

        return self.both(go)

    @property
    def came_again(self) -> int:
        """How many rows were known so far."""
        ours, theirs = self.worlds
        assert theirs.came_again == 0
        return ours.came_again

    @property
    def told(self) -> int:
        """How many runs so far were told who is missing."""
        ours, theirs = self.worlds
        assert theirs.told == 0
        return ours.told

    def check(self) -> None:
        """Contacts, records, plans, outcomes and reports are the same."""
        ours, theirs = map(everything, self.worlds)
        assert ours.keys() == theirs.keys()
        for name, there in ours.items():
            assert there == theirs[name], name


class _Undone:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


class Troubled:
    """A contact list to which something happens at a write, and at each that follows."""

    def __init__(self, contacts: ContactStore, at: int, happens: Callable[[], None]) -> None:
        self._contacts, self._left, self._happens = contacts, at, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        self._one_more()
        return self._contacts.write(account_id, writes)

    def bring(self, account_id: str, lines: Iterable[bytes], origin: Origin) -> Iterator[bytes]:
        self._one_more()
        return self._contacts.bring(account_id, lines, origin)

    def _one_more(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._happens()


class Once:
    """What happens once, however often it is asked for."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens: Callable[[], object] | None = happens

    def __call__(self) -> None:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()


def forget_files(world: Twin) -> None:
    """What the bucket's lifecycle does."""
    kept_from = int((world.clock.now() - timedelta(days=90)).timestamp() * 1000)
    for folder in list(world.runs.folders(f"runs/{world.account.account_id}/")):
        if int(folder.split("/")[2][1:13], 16) < kept_from:
            world.runs.delete(list(world.runs.keys(folder)))


def came_again(world: World, run: Run) -> int:
    """How many rows of a run's file were known to it."""
    prefix = RunFiles(world.runs, run.account_id, run.id).prefix
    indexes = [key for key in world.runs.keys(f"{prefix}rows/") if key.endswith(".json")]
    return sum(orjson.loads(world.runs.get(key))["known"] for key in indexes)


def looks_for_missing(world: World, run: Run) -> bool:
    """Whether a run has planned deletions of those whom its file does not mention, or might have."""
    summary = RunFiles(world.runs, run.account_id, run.id).plan_summary(0)
    return summary is not None and summary.deletes is not None


def everything(world: Twin) -> dict[str, object]:
    """All that is stored, by where it lies, but for what rows were known by, when all were read, what an erasure has counted, and an API key."""
    account = world.account.account_id
    found: dict[str, object] = {
        f"slot {slot.id}": slot for shard in range(SHARDS) for slot in world.contacts.scan(account, shard)
    }
    for record in world.records.page(account, "", limit=10_000).records:
        if not record.key.name.startswith(("erasure#", "key#")):
            document = dict(record.document)
            if good := document.get("last_good"):
                document["last_good"] = {**good, "whole_at": ""}
            found[f"record {record.key.name}"] = document
    for key in world.runs.keys(""):
        name = key.split("/", 3)[-1]
        if name == "looked-at" or (name.startswith("rows/") and name.endswith(".jsonl")):
            continue
        told = world.runs.get(key)
        if name.endswith(".json"):
            dropped = {"known_by"} if name == "manifest.json" else {"known", "rows", "shards"}
            found[key] = {each: said for each, said in orjson.loads(told).items() if each not in dropped}
        else:
            found[key] = told
    return found

"""Who is missing from a file: contacts that a run may delete, as no row mentions them, and what the guard is to know.

Who is in the scope of the deletion is seen along the shards, by a glimpse of everybody. A file that comes again
lacks few, and the last good run tells who that can be: whoever it mentions and the file does not; whoever it has
noted *aside*; whoever it has found odd, and whoever has changed since. These are read by key. All others are
mentioned again, and nobody has touched them, so they are in the scope unless that run has noted them aside:

    aside   mentioned, but not in the scope once the run is through; or in the scope, but not mentioned by their id

Whoever goes is read and judged the same way in both. In any doubt all are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple, Self

from contactsync.control import Control
from contactsync.core.decisions import Delete
from contactsync.core.identity import shard_of
from contactsync.core.newcomers import added_in
from contactsync.core.planning import Rules, may_delete
from contactsync.errors import NotFound
from contactsync.journeys.changes import changed_by_hand
from contactsync.journeys.file.reading import SCAN_WORTH_ROWS, slots_by_key
from contactsync.journeys.file.runfiles import ID, Manifest, RunFiles, batches, shards_of
from contactsync.model.contact import Contact, Glimpse, Slot, glimpse_of
from contactsync.model.run import Run
from contactsync.ports import ContactStore

KEYS_AT_ONCE = 2_000
ASIDE_MAX = 5_000
"""Of a unit's contacts so many are noted aside: where there are more, all are looked at again."""


@dataclass(slots=True)
class Scope:
    """Whom a run may delete in one unit, and what it has seen of them: what the guard and the next run want to know."""

    stored: int = 0
    found: int = 0
    aside: set[str] = field(default_factory=set)

    def bring(self, plan_lines: Iterable[bytes]) -> None:
        """Whom the run adds is in its scope from then on."""
        self.aside.difference_update(added_in(plan_lines))


class Told(NamedTuple):
    """What the last good run tells of one unit: whom it mentions, whom it has noted aside; and who may have changed."""

    mentioned: set[str]
    aside: set[str]
    changed: set[str]


@dataclass(frozen=True, slots=True)
class Witness:
    """The last good run, which tells who is missing. `changed` are the contacts that may be otherwise than its rows say."""

    files: RunFiles
    manifest: Manifest
    changed: frozenset[str]

    @classmethod
    def of(cls, run: Run, files: RunFiles, manifest: Manifest, control: Control) -> Self | None:
        """The run by which parse has found that rows are known; None where it cannot tell who is missing.

        Parse has seen who had changed by then. What people have changed since is seen here; where a run was at work
        since, nobody can tell what it had still to write.
        """
        good = control.sync(run.account_id, run.sync_id).value.last_good
        if good is None or not manifest.known_by or manifest.known_by != good.run_id:
            return None
        lately = changed_by_hand(control, run.account_id, good.feed, run.began())
        if lately is None:
            return None
        before = RunFiles(files.objects, run.account_id, good.run_id)
        try:
            return cls(before, before.manifest(), files.looked_at() | lately)
        except NotFound:
            return None

    def told(self, shards: range, deletes: Literal["all", "sync"]) -> Told | None:
        """What it tells of neighbouring shards; None where it has not looked at the same scope, or files are lost."""
        aside: set[str] = set()
        try:
            for unit in range(self.manifest.units):
                if not _meet(shards_of(unit, self.manifest.units), shards):
                    continue
                summary = self.files.plan_summary(unit)
                if summary is None or summary.aside is None or summary.deletes != deletes:
                    return None
                if summary.aside:
                    aside |= self.files.aside(unit)
            lines = self.files.mapped_lines(len(self.manifest.chunks), shards)
            mentioned = {line[ID].decode() for line in lines}
        except NotFound:
            return None
        return Told(mentioned, _within(shards, aside), _within(shards, self.changed))


def _meet(some: range, others: range) -> bool:
    return some.start < others.stop and others.start < some.stop


def _within(shards: range, ids: Iterable[str]) -> set[str]:
    return {id_ for id_ in ids if id_ and shard_of(id_) in shards}


class Missing:
    """Who is missing from the rows of one unit.

    `mentioned` are the contacts that rows name by id, `typed` those whose rows are not known. `mapped` are the mapped
    lines of some shards. What is seen is added to `scope`.
    """

    def __init__(
        self,
        shards: range,
        mentioned: set[str],
        typed: set[str],
        told: Told | None,
        *,
        contacts: ContactStore,
        rules: Rules,
        mapped: Callable[[range], Iterator[bytes]],
        scope: Scope,
    ) -> None:
        self._shards = shards
        self._mentioned = mentioned
        self._contacts = contacts
        self._rules = rules
        self._mapped = mapped
        self._scope = scope
        self._by_key: dict[int, dict[str, Glimpse]] | None = None
        """Of each shard those who are neither typed nor told; None where all are looked at."""
        scope.aside = set(mentioned)
        if told is not None:
            self._take(told, typed)

    @property
    def looks_at_all(self) -> bool:
        """Whether a glimpse of everybody is asked for."""
        return self._by_key is None

    def _take(self, told: Told, typed: set[str]) -> None:
        """Look by key at those of whom the last good run does not tell for sure, if they are few."""
        sure = self._mentioned & told.mentioned
        sure -= typed
        sure -= told.changed
        outside = told.aside & sure
        unsure = told.mentioned - self._mentioned
        unsure |= told.changed | told.aside - sure
        unsure -= typed
        if len(unsure) + len(typed) >= SCAN_WORTH_ROWS * len(self._shards):
            return
        self._scope.stored = self._scope.found = len(sure) - len(outside)
        self._scope.aside = self._mentioned - sure | outside
        slots = slots_by_key(sorted(unsure), self._contacts, self._rules.account_id)
        self._by_key = {
            shard: self._glimpses({id_: slots[id_] for id_ in ids})
            for shard, ids in groupby(sorted(slots), shard_of)
        }

    def of_shard(self, shard: int, seen: dict[str, Glimpse], slots: dict[str, Slot]) -> Iterator[bytes]:
        """Plan lines that delete those of one shard. `seen` are glimpses of everybody in it, or else, with `slots`, of its rows."""
        there = seen
        if self._by_key is not None:
            # Whoever goes is one of these, in the order of their ids, as if all were looked at
            there = self._glimpses(slots) | seen | self._by_key.get(shard, {})
        for batch in batches(self._unmentioned(there), KEYS_AT_ONCE):
            now = slots_by_key(batch, self._contacts, self._rules.account_id)
            # whoever was changed after the glimpse is left to the next run: the row that it lacked may be there
            yield from (
                Delete(slot).line()
                for slot in map(now.get, batch)
                if isinstance(slot, Contact) and self._glimpse(slot) == there[slot.id]
            )

    def _unmentioned(self, there: dict[str, Glimpse]) -> list[str]:
        """Those of the scope that no row mentions, be it by another identity than their first."""
        gone: list[str] = []
        elsewhere: dict[str, str] = {}
        scope, mentioned = self._scope, self._mentioned
        for contact in there.values():
            if not contact.is_contact or not may_delete(contact, self._rules):
                continue
            scope.stored += 1
            if contact.id in mentioned:
                scope.found += 1
                scope.aside.discard(contact.id)
                continue
            scope.aside.add(contact.id)
            identity = self._rules.identity_slot(contact)
            if identity in mentioned:
                scope.found += 1
            elif identity is None or shard_of(identity) in self._shards:
                gone.append(contact.id)
            else:
                elsewhere[identity] = contact.id
        for shard, identities in groupby(sorted(elsewhere), shard_of):
            named = {line[ID].decode() for line in self._mapped(range(shard, shard + 1))}
            for identity in identities:
                if identity in named:
                    scope.found += 1
                else:
                    gone.append(elsewhere[identity])
        return gone

    def _glimpses(self, slots: dict[str, Slot]) -> dict[str, Glimpse]:
        return {id_: self._glimpse(slot) for id_, slot in slots.items()}

    def _glimpse(self, slot: Slot) -> Glimpse:
        return glimpse_of(slot, self._rules.glimpsed_names)

"""Plan's and upsert's work on one unit: some neighbouring shards of the contact list."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from contactsync.control import Control
from contactsync.core.identity import shard_of
from contactsync.core.planning import (
    Add,
    Decision,
    Row,
    Rules,
    Skip,
    Unchanged,
    Update,
    add_line,
    decide,
    is_applied,
    new_contact,
    read_decision,
    read_row,
)
from contactsync.errors import Cancelled
from contactsync.journeys.runfiles import Manifest, PlanSummary, RunFiles, batches, shards_of
from contactsync.model.contact import Contact
from contactsync.model.run import Counts, Run
from contactsync.model.sync import Sync
from contactsync.ports import Clock, ContactStore, Insert, Replace, Write

SCAN_WORTH_ROWS = 100
"""Below this many rows in a shard, asking for them by key costs less than reading along the shard."""
SCAN_PER_ROW = 4
"""Reading along costs a quarter of asking by key (four 1 KB contacts a read unit), so give up after four times
the rows: whichever way would have been right, we pay at most twice its price, and need no count of what is stored."""
KEYS_AT_ONCE = 1000
BATCH_ROWS = 2_000
"""Rows between two looks at the run's record: how long a cancelled run goes on, and how often progress shows."""
ATTEMPTS = 4
"""How often a row that others keep writing is tried before it is left for the next run."""

ID = slice(2, 34)
"""Where the id stands in a mapped row's line: `["<32 hex digits>", …`."""


def rules_of(run: Run, sync: Sync) -> Rules:
    """The rules under which a run plans and writes."""
    return Rules(
        account_id=run.account_id,
        sync_id=sync.id,
        run_id=run.id,
        at=run.started_at or run.requested_at,
        existing=sync.options.existing,
        mode=sync.options.mode,
    )


# Plan


def plan_unit(unit: int, files: RunFiles, manifest: Manifest, contacts: ContactStore, rules: Rules) -> Counts:
    """Decide what each row of one unit does; returns how many rows do what."""
    tally = {"add": 0, "update": 0, "unchanged": 0, "skip": 0}
    digest = hashlib.sha256()

    def decided() -> Iterator[bytes]:
        for line in _decisions(unit, files, manifest, contacts, rules):
            tally[line[2 : line.index(b'"', 2)].decode()] += 1
            digest.update(line)
            yield line

    files.save_plan(unit, decided())
    counts = Counts(
        added=tally["add"], updated=tally["update"], unchanged=tally["unchanged"], skipped=tally["skip"]
    )
    files.save_plan_summary(unit, PlanSummary(counts=counts, digest=digest.hexdigest()))
    return counts


def _decisions(
    unit: int, files: RunFiles, manifest: Manifest, contacts: ContactStore, rules: Rules
) -> Iterator[bytes]:
    """Plan lines of one unit in the order of contact ids, so that the same rows give the same plan."""
    rows: dict[str, bytes] = {}
    for line in files.mapped_lines(len(manifest.chunks), shards_of(unit, manifest.units)):
        id_ = line[ID].decode()
        earlier = rows.get(id_)
        if earlier is not None:
            yield _superseded(read_row(earlier), read_row(line)).line()
        rows[id_] = line
    for shard, ids in _by_shard(sorted(rows)):
        stored = _stored(shard, ids, contacts, rules.account_id)
        for id_ in ids:
            contact = stored.get(id_)
            yield (
                add_line(rows[id_]) if contact is None else decide(read_row(rows[id_]), contact, rules).line()
            )


def _superseded(earlier: Row, later: Row) -> Skip:
    return Skip(
        earlier,
        "superseded",
        f"Row {later.line} of the same file has the same identity, and the later row counts.",
    )


def _by_shard(ids: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Sorted ids in runs of the same shard."""
    start = 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or shard_of(ids[end]) != shard_of(ids[start]):
            yield shard_of(ids[start]), ids[start:end]
            start = end


def _stored(shard: int, ids: list[str], contacts: ContactStore, account_id: str) -> dict[str, Contact]:
    """Those contacts among `ids`, all of one shard, that are stored; read the cheaper way."""
    found: dict[str, Contact] = {}
    missing = ids
    if len(ids) >= SCAN_WORTH_ROWS:
        wanted = set(ids)
        read_up_to = None
        for read, contact in enumerate(contacts.scan(account_id, shard), 1):
            if contact.id in wanted:
                found[contact.id] = contact
            if read >= SCAN_PER_ROW * len(ids):
                read_up_to = contact.id
                break
        missing = [] if read_up_to is None else [id_ for id_ in ids if id_ > read_up_to]
    for batch in batches(missing, KEYS_AT_ONCE):
        found.update(contacts.get(account_id, batch))
    return found


# Upsert


@dataclass(frozen=True, slots=True)
class Applying:
    """One run's writes to the contact list, unit by unit.

    Counts come from what is stored: a row counts as added or updated when its write was confirmed, or when the
    contact says that this run wrote it. What could not be written as planned, because somebody else was there
    first, is decided anew for that row, and the new decision is saved before it is carried out.
    """

    run: Run
    rules: Rules
    files: RunFiles
    contacts: ContactStore
    control: Control
    clock: Clock

    def apply(self, unit: int) -> Counts:
        """Carry out one unit's plan; returns what became of its rows.

        Raises Cancelled when the run is no longer running; what was written until then stays written.
        """
        done = self.files.upserted_counts(unit)
        if done is not None:
            return done
        begun = self.control.has_progress(self.run, "upsert", unit)
        work = _Unit(self, unit)
        rows = 0
        self._note(unit, rows)
        for lines in batches(self.files.plan(unit), BATCH_ROWS):
            # A worker that died here may have written any of its rows, so its successor asks before it writes.
            work.go_through(lines, doubtful=begun)
            rows += len(lines)
            self._note(unit, rows)
        work.save()
        return work.counts()

    def settle(self, unit: int) -> Counts:
        """What became of a unit whose worker may have died: reads only. A row not applied counts as skipped."""
        done = self.files.upserted_counts(unit)
        if done is not None:
            return done
        work = _Unit(self, unit)
        for lines in batches(self.files.plan(unit), BATCH_ROWS):
            work.take_stock(lines)
        work.save()
        return work.counts()

    def _note(self, unit: int, rows: int) -> None:
        run = self.control.run(self.run.account_id, self.run.id).value
        if run.status != "running":
            raise Cancelled(f"the run is {run.status}")
        self.control.note_progress(self.run, "upsert", unit, rows, self.clock.now())


class _Unit:
    """What has become of one unit's rows so far."""

    def __init__(self, applying: Applying, unit: int) -> None:
        self.rules = applying.rules
        self.files = applying.files
        self.contacts = applying.contacts
        self.unit = unit
        self.tally: Counter[type[Decision]] = Counter()
        self.deviations: dict[str, Decision] = {}
        for line in self.files.deviations(unit):
            decision = read_decision(line)
            self.deviations[decision.row.id] = decision

    def go_through(self, lines: list[bytes], *, doubtful: bool) -> None:
        """Apply these plan lines; `doubtful` if some of them may be applied already."""
        open_ = self._to_write(lines)
        if not doubtful:
            open_ = self._write(open_)
        for _ in range(ATTEMPTS):
            if not open_:
                return
            open_ = self._write(self._decide_anew(open_))
        for decision in open_:
            self._settled(
                Skip(decision.row, "contended", "The contact kept changing while the run was at it.")
            )

    def take_stock(self, lines: list[bytes]) -> None:
        """See which of these plan lines are applied."""
        decisions = self._to_write(lines)
        stored = self.contacts.get(self.rules.account_id, [decision.row.id for decision in decisions])
        for decision in decisions:
            contact = stored.get(decision.row.id)
            if contact is not None and is_applied(decision.row, contact, self.rules):
                self._settled(self.deviations.get(decision.row.id, decision))
            else:
                self._settled(Skip(decision.row, "not_applied", "The run stopped before this row."))

    def counts(self) -> Counts:
        """Rows by what became of them."""
        return Counts(
            added=self.tally[Add],
            updated=self.tally[Update],
            unchanged=self.tally[Unchanged],
            skipped=self.tally[Skip],
        )

    def save(self) -> None:
        """Keep the outcome; from here on the unit is done."""
        self.files.save_upserted(self.unit, self._deviation_lines(), self.counts())

    def _to_write(self, lines: list[bytes]) -> list[Add | Update]:
        """Those decisions that write; the others are settled as they stand."""
        writing: list[Add | Update] = []
        for line in lines:
            if line.startswith(b'["unchanged"'):
                self.tally[Unchanged] += 1
            elif line.startswith(b'["skip"'):
                self.tally[Skip] += 1
            else:
                decision = read_decision(line)
                if isinstance(decision, Add | Update):
                    writing.append(decision)
        return writing

    def _write(self, decisions: list[Add | Update]) -> list[Add | Update]:
        """Write; returns those that were not carried out, or whose answer was lost."""
        by_id = {decision.row.id: decision for decision in decisions}
        refused = []
        writes = (self._write_of(decision) for decision in decisions)
        for write, done in self.contacts.write(self.rules.account_id, writes):
            decision = by_id[write.contact_id]
            if done:
                self._settled(decision)
            else:
                refused.append(decision)
        return refused

    def _write_of(self, decision: Add | Update) -> Write:
        if isinstance(decision, Add):
            return Insert(new_contact(decision.row, self.rules))
        return Replace(decision.contact)

    def _decide_anew(self, decisions: list[Add | Update]) -> list[Add | Update]:
        """Against what is stored now: settled if it is our own write, else a new decision for the row."""
        stored = self.contacts.get(self.rules.account_id, [decision.row.id for decision in decisions])
        writing: list[Add | Update] = []
        deviated = False
        for decision in decisions:
            id_ = decision.row.id
            contact = stored.get(id_)
            if contact is not None and is_applied(decision.row, contact, self.rules):
                self._settled(self.deviations.get(id_, decision))
                continue
            anew = decide(decision.row, contact, self.rules)
            if anew != decision:
                self.deviations[id_] = anew
                deviated = True
            if isinstance(anew, Add | Update):
                writing.append(anew)
            else:
                self._settled(anew)
        if deviated:
            self.files.save_deviations(self.unit, self._deviation_lines())
        return writing

    def _settled(self, decision: Decision) -> None:
        self.tally[type(decision)] += 1
        if isinstance(decision, Skip):
            self.deviations[decision.row.id] = decision

    def _deviation_lines(self) -> list[bytes]:
        return [decision.line() for decision in self.deviations.values()]

"""Plan's work on one unit: some neighbouring shards of the contact list."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from contactsync.core.decisions import (
    Add,
    Changing,
    Decision,
    Delete,
    Reject,
    Row,
    Skip,
    Update,
    Writing,
    hash_of,
    kinds_in,
    read_decision,
    read_row,
    unchanged_line,
)
from contactsync.core.identity import SHARDS, first_id, shard_of
from contactsync.core.newcomers import add_line
from contactsync.core.planning import (
    CODE_ATTEMPTS,
    NOTHING,
    Rules,
    decide,
    is_as_seen,
    is_plain,
    outdated_identity,
    same_email,
    undo,
    with_code,
)
from contactsync.journeys.file.missing import ASIDE_MAX, Missing, Scope, Witness
from contactsync.journeys.file.reading import (
    Lookup,
    glimpses_of_shard,
    pays_to_read_along,
    slots_by_key,
    slots_of_shard,
)
from contactsync.journeys.file.runfiles import (
    ID,
    KNOWN,
    MENTION,
    Manifest,
    PlanSummary,
    RunFiles,
    batches,
    shards_of,
)
from contactsync.model.contact import Contact, Glimpse, Slot
from contactsync.model.run import Counts
from contactsync.ports import ContactStore

ROWS_AT_ONCE = 2_000
ODD_MAX = 1_000
"""Of a unit's contacts that are not as their rows say, so many are noted: where there are more, all are looked at again."""
COUNTED = {
    "add": "added",
    "restore": "added",
    "update": "updated",
    "delete": "deleted",
    "unchanged": "unchanged",
    "confirm": "unchanged",
    "skip": "skipped",
    "reject": "rejected",
}


def counts_of(kinds: Counter[str]) -> Counts:
    """Counts by the words with which plan lines begin."""
    total: Counter[str] = Counter()
    for kind, number in kinds.items():
        total[COUNTED[kind]] += number
    return Counts(**total)


def kind_of(line: bytes) -> str:
    """The word with which a plan line begins."""
    return line[2 : line.index(b'"', 2)].decode()


@dataclass(frozen=True, slots=True)
class Planning:
    """One run's decisions, unit by unit.

    `witness` may tell who is missing. `now` is epoch seconds. `check_turn` raises where another worker has finished the
    step meanwhile: its plan is the one that counts.
    """

    files: RunFiles
    manifest: Manifest
    contacts: ContactStore
    rules: Rules
    now: int
    check_turn: Callable[[], None]
    witness: Witness | None = None
    odd: list[str] = field(default_factory=list)

    def plan(self, unit: int) -> PlanSummary:
        """Decide what each row of one unit does, and save that."""
        self.odd.clear()
        scope = Scope()
        return self._save(unit, self._decisions(unit, scope), scope)

    def plan_undo(self, unit: int, undone: RunFiles, *, deleted: bool = True) -> PlanSummary:
        """Decide what takes back what another run did in one unit, and save that.

        `deleted`: whether that run carried its deletions out; they may have been held, and rejected.
        """
        lines = (decision.line() for decision in self.undoing(unit, undone, deleted=deleted))
        return self._save(unit, lines, Scope())

    def _save(self, unit: int, lines: Iterator[bytes], scope: Scope) -> PlanSummary:
        kinds: Counter[str] = Counter()
        digest = hashlib.sha256()

        def counted() -> Iterator[list[bytes]]:
            for batch in batches(lines, ROWS_AT_ONCE):
                kinds.update(kinds_in(batch))
                if self.rules.deletes:
                    scope.bring(batch)
                digest.update(b"".join(batch))
                yield batch
            self.check_turn()

        self.files.save_plan(unit, chain.from_iterable(counted()))
        if 0 < len(self.odd) <= ODD_MAX:
            self.files.save_odd(unit, self.odd)
        if 0 < len(scope.aside) <= ASIDE_MAX:
            self.files.save_aside(unit, sorted(scope.aside))
        summary = PlanSummary(
            counts=counts_of(kinds),
            digest=digest.hexdigest(),
            stored=scope.stored,
            found=scope.found,
            odd=len(self.odd) if len(self.odd) <= ODD_MAX else None,
            deletes=self.rules.deletes,
            aside=len(scope.aside) if len(scope.aside) <= ASIDE_MAX else None,
            confirms=kinds["confirm"],
        )
        self.files.save_plan_summary(unit, summary)
        return summary

    def _decisions(self, unit: int, scope: Scope) -> Iterator[bytes]:
        """Plan lines of one unit in the order of contact ids, so that the same rows give the same plan."""
        rows: dict[str, bytes] = {}
        settled: dict[str, bytes] = {}
        again: list[Row] = []
        mentioned: set[str] = set()
        shards = shards_of(unit, self.manifest.units)
        for line in self._mapped(shards):
            id_ = line[ID].decode()
            if line.endswith(MENTION):
                mentioned.add(id_)
                continue
            if (earlier := rows.setdefault(id_, line)) is not line:
                if self.rules.generate:
                    again.append(read_row(line))
                    continue
                self.odd.append(id_)
                yield _superseded(read_row(earlier), read_row(line)).line()
                rows[id_] = line
                settled.pop(id_, None)
            if line.endswith(KNOWN):
                settled[id_] = unchanged_line(line)
        mentioned |= rows.keys()
        lookup = Lookup(self.contacts, self.rules, self.now)
        addresses = self._addresses(rows)
        claimed = _first_of(addresses)
        missing = self._missing(shards, mentioned, rows.keys() - settled.keys(), scope)
        for shard, ids in by_shard(sorted(rows), shards):
            if not ids and missing is None:
                continue
            left = [id_ for id_ in ids if id_ not in settled]
            every = missing is not None and missing.looks_at_all
            seen, at_a_glance, slots = self._look(shard, left, rows, every=every)
            self.odd.extend(self._with_other_addresses(at_a_glance, seen, addresses))
            settled |= at_a_glance
            for batch in batches(ids, ROWS_AT_ONCE):
                lines = [rows[id_] for id_ in batch if id_ not in settled]
                is_all_new = self.rules.identity == "email" and not slots
                decided = (
                    map(add_line, lines)
                    if is_all_new
                    else self._decide(lines, slots, lookup, claimed, rows, shards=shards)
                )
                yield from (settled.get(id_) or next(decided) for id_ in batch) if settled else decided
            if missing is not None:
                yield from missing.of_shard(shard, seen, slots)
        for row in again:
            yield self._recoded(row, lookup, claimed, rows, shards).line()

    def _look(
        self, shard: int, ids: list[str], rows: dict[str, bytes], *, every: bool
    ) -> tuple[dict[str, Glimpse], dict[str, bytes], dict[str, Slot]]:
        """One shard by a glimpse, plan lines of the rows that this settles, and what lies in the slots of the others.

        `every`: whether all of the shard is to be seen, or else what rows ask for.

        Decoding a stored contact is most of what planning a row costs, and of a file that comes again hardly any
        row needs it: 100,000 unchanged rows took 7.0 CPU seconds to plan so, and take 1.8.
        """
        rules, contacts, account_id = self.rules, self.contacts, self.rules.account_id
        beyond: Sequence[str] = ()
        if every:
            along = contacts.glimpses(account_id, shard, rules.glimpsed_names)
            seen = {glimpse.id: glimpse for glimpse in along}
        elif rules.settles_at_a_glance and pays_to_read_along(ids):
            seen, beyond = glimpses_of_shard(shard, ids, contacts, rules)
        else:
            return {}, {}, slots_of_shard(shard, ids, contacts, account_id)
        settled = {
            id_: unchanged_line(rows[id_])
            for id_ in ids
            if id_ in seen and is_as_seen(id_, hash_of(rows[id_]), seen[id_], rules)
        }
        left = [id_ for id_ in ids if id_ in seen and id_ not in settled]
        slots = slots_of_shard(shard, left, contacts, account_id) | slots_by_key(beyond, contacts, account_id)
        return seen, settled, slots

    def _mapped(self, shards: range) -> Iterator[bytes]:
        return self.files.mapped_lines(len(self.manifest.chunks), shards)

    def _addresses(self, rows: dict[str, bytes]) -> dict[str, _Address]:
        """The slot of the address that a row names beside its identity, and the row's line, by contact."""
        addresses: dict[str, _Address] = {}
        if self.rules.identity == "email":
            return addresses
        for line in rows.values():
            if line.endswith(KNOWN):  # the address is its contact's already
                continue
            row = read_row(line)
            slot = self.rules.email_slot(row.fields)
            if slot:
                addresses[row.id] = _Address(slot, row.line)
        return addresses

    def _with_other_addresses(
        self, settled: Iterable[str], seen: dict[str, Glimpse], addresses: dict[str, _Address]
    ) -> Iterator[str]:
        """The contacts that have another address than their rows name, though these say nothing new."""
        for id_ in settled:
            if id_ in addresses and addresses[id_].slot != self.rules.email_slot(seen[id_].fields):
                yield id_

    def _missing(self, shards: range, mentioned: set[str], typed: set[str], scope: Scope) -> Missing | None:
        """Who is missing, where that matters."""
        deletes = self.rules.deletes
        if deletes is None:
            return None
        told = self.witness.told(shards, deletes) if self.witness is not None else None
        return Missing(
            shards,
            mentioned,
            typed,
            told,
            contacts=self.contacts,
            rules=self.rules,
            mapped=self._mapped,
            scope=scope,
        )

    def _decide(
        self,
        lines: Sequence[bytes],
        slots: dict[str, Slot],
        lookup: Lookup,
        claimed: dict[str, Row],
        rows: dict[str, bytes],
        *,
        shards: range,
    ) -> Iterator[bytes]:
        """Plan lines of some rows of one shard, one each."""
        if self.rules.identity == "email":  # a row whose slot is empty needs no look and no thought
            known = [read_row(line) for line in lines if line[ID].decode() in slots]
        else:
            known = [read_row(line) for line in lines]
        read = {row.id: row for row in known}
        found = lookup.find(known, slots)
        for line in lines:
            row = read.get(line[ID].decode())
            if row is None:
                yield add_line(line)
                continue
            here = found.get(row.id, NOTHING)
            if self.rules.generate and here.slot is not None:
                yield self._recoded(row, lookup, claimed, rows, shards).line()
                continue
            if here.contact and (other := self._row_of(here.contact, row, rows)):
                self.odd.append(row.id)
                yield outdated_identity(row, other.line).line()
                continue
            decision = decide(row, here, self.rules)
            if isinstance(decision, Update):
                [decision] = lookup.with_claims([decision])
            decision = _unclaimed(decision, claimed)
            if not is_plain(decision, here.contact, self.rules):
                self.odd.append(row.id)
            yield decision.line()

    def _row_of(self, contact: Contact, row: Row, rows: dict[str, bytes]) -> Row | None:
        """The row that names a contact by the identity it has now, where this one names it by an earlier one.

        Two rows that write one contact would undo each other's work with every run.
        """
        identity = self.rules.identity_slot(contact)
        if identity is None or identity == row.id:
            return None
        if (line := rows.get(identity)) is not None:
            return read_row(line)
        shard = shard_of(identity)
        for line in self._mapped(range(shard, shard + 1)):
            if line[ID].decode() == identity and not line.endswith(MENTION):
                return read_row(line)
        return None

    def _recoded(
        self, row: Row, lookup: Lookup, claimed: dict[str, Row], rows: dict[str, bytes], shards: range
    ) -> Decision:
        """A row whose generated code is taken, under the first one that neither a contact nor another row of the file has.

        It is one of the unit's own: which codes the rows of other units draw, nobody here knows.
        """
        for attempt in range(1, CODE_ATTEMPTS):
            other = with_code(row, attempt, self.rules)
            if shard_of(other.id) not in shards:
                continue
            here = lookup.find_anew([other])[other.id]
            if here.slot is None and other.id not in rows:
                rows[other.id] = b""
                return _unclaimed(decide(other, here, self.rules), claimed)
        return Reject(
            row,
            "code_taken",
            "No free code was found for this row. Import rejects.csv, which has the refused rows alone: the others of this file "
            "would be added once more.",
        )

    def undoing(self, unit: int, undone: RunFiles, *, deleted: bool) -> Iterator[Decision]:
        """What takes back what became of each row of one unit: as planned, unless upsert says otherwise.

        A unit that upsert never came to, because the run ended before, has changed nothing.
        """
        if undone.upserted_counts(unit, "all") is None and undone.upserted_counts(unit, "held") is None:
            return
        otherwise = chain(undone.deviations(unit), undone.deviations(unit, "held"))
        deviations = {decision.key: decision for decision in map(read_decision, otherwise)}
        lookup = Lookup(self.contacts, self.rules, self.now)
        for lines in batches(undone.plan(unit), ROWS_AT_ONCE):
            planned = map(read_decision, lines)
            done = [
                decision
                for one in planned
                # Rows that did nothing may share the identity of one that did
                if isinstance(one, Writing)
                and isinstance(decision := deviations.get(one.key, one), Changing)
                and (deleted or not isinstance(decision, Delete))
            ]
            slots = self.contacts.slots(self.rules.account_id, [decision.target for decision in done])
            back = [each for one in done for each in undo(one, slots.get(one.target))]
            checked = {
                each.key: each
                for each in lookup.with_claims([each for each in back if isinstance(each, Writing)])
            }
            yield from (checked.get(each.key, each) for each in back)


def by_shard(ids: list[str], shards: range) -> Iterator[tuple[int, list[str]]]:
    """Sorted ids, for each of these neighbouring shards its own: they begin with the shard's digits."""
    begin = 0
    for shard in shards:
        end = bisect_left(ids, first_id(shard + 1), begin) if shard + 1 < SHARDS else len(ids)
        yield shard, ids[begin:end]
        begin = end


class _Address(NamedTuple):
    """An address that a row names: its slot, and the row's line."""

    slot: str
    line: int


def _first_of(addresses: dict[str, _Address]) -> dict[str, Row]:
    """By address, the first row of the file that gives it to its contact: two contacts cannot share one."""
    claimed: dict[str, Row] = {}
    for id_, (slot, line) in addresses.items():
        if slot not in claimed or line < claimed[slot].line:
            claimed[slot] = Row(id_, line, "", {})
    return claimed


def _superseded(earlier: Row, later: Row) -> Skip:
    return Skip(
        earlier,
        "superseded",
        f"Row {later.line} of the same file has the same identity, and the later row counts.",
    )


def _unclaimed(decision: Decision, claimed: dict[str, Row]) -> Decision:
    """The decision, unless an earlier row of the unit gives the same address to another contact."""
    if isinstance(decision, Add | Update) and decision.claim is not None:
        earlier = claimed.get(decision.claim.slot)
        if earlier is not None and earlier.line < decision.row.line:
            return same_email(earlier, decision.row)
    return decision

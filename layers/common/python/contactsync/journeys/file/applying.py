"""Upsert's work on one unit: the plan, carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contactsync.control import Control
from contactsync.core.decisions import (
    IDLE,
    Add,
    Claim,
    Confirm,
    Decision,
    Delete,
    Reject,
    Restore,
    Row,
    Skip,
    Unchanged,
    Update,
    Writing,
    kinds_in,
    read_decision,
    read_writing,
)
from contactsync.core.newcomers import told_apart
from contactsync.core.planning import (
    NOTHING,
    Rules,
    confirmed,
    decide,
    is_applied,
    new_contact,
    origin,
    same_effect,
    signed,
)
from contactsync.errors import Cancelled
from contactsync.journeys.file.reading import Lookup
from contactsync.journeys.file.runfiles import RunFiles, batches
from contactsync.journeys.file.units import counts_of, kind_of
from contactsync.model.contact import Alias, Contact, Slot, Tombstone
from contactsync.model.run import Counts, Run
from contactsync.ports import Clock, ContactStore, Insert, Remove, Replace, Write

BATCH_ROWS = 2_000
"""Writes between two looks at the run's record, or up to twice as many: how long a cancelled run goes on, and how often progress shows."""
ATTEMPTS = 4
"""How often a row that others keep writing is tried before it is left for the next run."""
REMEMBERED = timedelta(days=400)
"""How long a deleted contact is remembered: longer than any file stays away that could bring it back."""

KINDS: dict[type[Decision], str] = {Add: "add", Update: "update", Delete: "delete", Restore: "restore"}
KINDS |= {Confirm: "confirm", Unchanged: "unchanged", Skip: "skip", Reject: "reject"}
OfRow = Add | Update | Confirm
STALE = "The contact has changed since the plan was made, so it was left alone. Plan again."


@dataclass(frozen=True, slots=True)
class Applying:
    """One run's writes to the contact list, unit by unit.

    Counts come from what is stored: a row counts as added or updated when its write was confirmed, or when the
    contact says that this run wrote it. What could not be written as planned, because somebody else was there
    first, is decided anew for that row, and the new decision is saved before it is carried out; if the plan was
    approved as it was, the row is left alone instead. What was decided anew stays decided: a worker that takes
    over goes on from there.
    """

    run: Run
    rules: Rules
    files: RunFiles
    contacts: ContactStore
    control: Control
    clock: Clock

    @property
    def worker(self) -> str:
        """Under which name progress is noted: deletions that had waited are a second pass."""
        return "held" if self.run.stage == "held" else "upsert"

    def begun(self, unit: int) -> bool:
        """Whether a worker may have written any of this unit."""
        return self.control.has_progress(self.run, self.worker, unit)

    def apply(self, unit: int) -> Counts:
        """Carry out one unit's plan; returns what became of its rows.

        Raises Cancelled when the run is no longer running; what was written until then stays written.
        """
        done = self.files.upserted_counts(unit, self.run.stage)
        if done is not None:
            return done
        begun = self.begun(unit)
        work = _Unit(self, unit)
        rows = 0
        self._note(unit, rows)
        for lines in _stretches(self.files.plan(unit)):
            # A worker that died here may have written any of its rows, so its successor asks before it writes.
            work.go_through(lines, doubtful=begun)
            rows += len(lines)
            self._note(unit, rows)
        work.save()
        return work.counts()

    def settle(self, unit: int) -> Counts:
        """What became of a unit whose worker may have died: reads only. A row not applied counts as skipped."""
        done = self.files.upserted_counts(unit, self.run.stage)
        if done is not None:
            return done
        work = _Unit(self, unit)
        for lines in _stretches(self.files.plan(unit)):
            work.take_stock(lines)
        work.save()
        return work.counts()

    def _note(self, unit: int, rows: int) -> None:
        run = self.control.run(self.run.account_id, self.run.id).value
        if run.status != "running":
            raise Cancelled(f"the run is {run.status}")
        self.control.note_progress(self.run, self.worker, unit, rows, self.clock.now())


def _stretches(plan: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Plan lines in stretches of BATCH_ROWS that write: what writes nothing takes no time, and nearly all may be of that kind."""
    stretch: list[bytes] = []
    writes = 0
    for lines in batches(plan, BATCH_ROWS):
        stretch += lines
        writes += sum(not line.startswith(IDLE) for line in lines)
        if writes >= BATCH_ROWS:
            yield stretch
            stretch, writes = [], 0
    if stretch:
        yield stretch


class _Unit:
    """What has become of one unit's rows so far."""

    def __init__(self, applying: Applying, unit: int) -> None:
        self.rules = applying.rules
        self.files = applying.files
        self.contacts = applying.contacts
        self.lookup = Lookup(applying.contacts, applying.rules, int(applying.clock.now().timestamp()))
        self.now = applying.clock.now()
        self.unit = unit
        self.kinds: Counter[str] = Counter()
        self.stage = applying.run.stage
        self.undoing = applying.run.undoes is not None
        self.origin = origin(applying.rules)
        stored = self.files.deviations(unit, self.stage)
        self.deviations = {decision.key: decision for decision in map(read_decision, stored)}

    def go_through(self, lines: list[bytes], *, doubtful: bool) -> None:
        """Apply these plan lines; `doubtful` if some of them may be applied already."""
        if doubtful:
            waiting = self._to_write(lines)
        else:
            others, waiting = self._bring(lines)
            waiting += self._write(self._to_write(others))
        for _ in range(ATTEMPTS):
            if not waiting:
                return
            waiting = self._write(self._decide_anew(waiting))
        for decision in waiting:
            self._left(decision, "contended", "The contact kept changing while the run was at it.")
        self._drop(_claims(waiting))

    def take_stock(self, lines: list[bytes]) -> None:
        """See which of these plan lines are applied."""
        decisions = self._to_write(lines)
        slots = self.contacts.slots(self.rules.account_id, [decision.target for decision in decisions])
        for decision in decisions:
            # A contact that is not confirmed is unchanged all the same, as in a unit that nobody has come to
            if isinstance(decision, Confirm) or is_applied(decision, slots.get(decision.target), self.rules):
                self._settled(decision)
            else:
                self._left(decision, "not_applied", "The run stopped before this row.")

    def counts(self) -> Counts:
        """Rows by what became of them."""
        return counts_of(self.kinds)

    def save(self) -> None:
        """Keep the outcome; from here on the unit is done."""
        self.files.save_upserted(self.unit, self.stage, self._deviation_lines(), self.counts())

    def _bring(self, lines: list[bytes]) -> tuple[list[bytes], list[Writing]]:
        """Write the contacts that are simply new: nearly all of a first import, and so the way with the fewest steps.

        Returns the other lines, and what was not carried out.
        """
        if self.stage == "held":
            return lines, []
        newcomers, others = told_apart(lines)
        late = self.contacts.bring(self.rules.account_id, newcomers, self.origin)
        refused = [read_writing(line) for line in late]
        self.kinds["add"] += len(newcomers) - len(refused)
        return others, refused

    def _to_write(self, lines: list[bytes]) -> list[Writing]:
        """Those decisions that write, as they were made last; the others are settled as they stand."""
        if self.stage != "held":
            self.kinds.update(kinds_in(line for line in lines if line.startswith(IDLE)))
        writing: list[Writing] = []
        for line in lines:
            if line.startswith(IDLE) or self.stage == ("rest" if kind_of(line) == "delete" else "held"):
                continue
            planned = read_writing(line)
            decision = self.deviations.get(planned.key, planned)
            if isinstance(decision, Writing):
                writing.append(decision)
            elif not isinstance(planned, Delete) or self.undoing:
                self._settled(decision)
        return writing

    def _write(self, decisions: list[Writing]) -> list[Writing]:
        """Write; returns those that were not carried out, or whose answer was lost."""
        refused = self._claim(decisions)
        by_target: dict[str, Writing] = {}
        for decision in decisions:
            if decision.key in refused:
                continue
            if decision.target in by_target:  # two identities of one contact in one file: one after the other
                refused[decision.key] = decision
            else:
                by_target[decision.target] = decision
        released: list[Writing] = []
        writes = (self._write_of(decision) for decision in by_target.values())
        for write, done in self.contacts.write(self.rules.account_id, writes):
            decision = by_target[write.slot_id]
            if done:
                self._settled(decision)
                released.append(decision)
            else:
                refused[decision.key] = decision
        self._release(released)
        return list(refused.values())

    def _claim(self, decisions: Sequence[Writing]) -> dict[str, Writing]:
        """Take email addresses for their contacts; returns the decisions whose address somebody else has taken."""
        by_slot: dict[str, tuple[Writing, Claim]] = {}
        refused: dict[str, Writing] = {}
        for decision in decisions:
            claim = _claim_of(decision)
            if claim is None:
                continue
            if claim.slot in by_slot:
                refused[decision.key] = decision
            else:
                by_slot[claim.slot] = decision, claim
        claimed_at = int(self.now.timestamp())
        writes = [
            filling(Alias(claim.slot, claim.over + 1, decision.target, claimed_at), claim.over)
            for decision, claim in by_slot.values()
        ]
        for write, done in self.contacts.write(self.rules.account_id, writes):
            if not done:  # or done by us, and the answer was lost: then it is renewed
                decision, _ = by_slot[write.slot_id]
                refused[decision.key] = decision
        return refused

    def _release(self, decisions: Sequence[Writing]) -> None:
        """Give addresses back that contacts have no longer."""
        given_up: dict[str, Writing] = {}
        for decision in decisions:
            if isinstance(decision, Delete):
                before = decision.contact.fields
            elif isinstance(decision, Update) and "emails" in decision.changes:
                before = {"emails": decision.changes["emails"][0]}
            else:
                continue
            slot = self.rules.email_slot(before)
            if slot and slot != decision.target:
                given_up[slot] = decision
        self._drop(given_up)

    def _drop(self, given_up: dict[str, Writing]) -> None:
        """Empty these slots where they still name these contacts, and the contacts do not have the address.

        A deleted contact leaves its tombstone there, too: a row that has found it by this address is not to
        bring it back. Without it an address stays out of reach for CLAIM_S. Whoever gives a contact an address renews its claim,
        so an alias that was read before the contact is not removed from under it.
        """
        if not given_up:
            return
        slots = self.contacts.slots(self.rules.account_id, list(given_up)).values()
        aliases = [
            slot for slot in slots if isinstance(slot, Alias) and slot.contact_id == given_up[slot.id].target
        ]
        holders = self.contacts.get(self.rules.account_id, [*{alias.contact_id for alias in aliases}])
        stale = [
            self._emptying(alias, given_up[alias.id])
            for alias in aliases
            if (holder := holders.get(alias.contact_id)) is None
            or self.rules.email_slot(holder.fields) != alias.id
        ]
        for _ in self.contacts.write(self.rules.account_id, stale):
            pass

    def _emptying(self, alias: Alias, decision: Writing) -> Write:
        if not isinstance(decision, Delete):
            return Remove(alias.id, alias.version)
        gone = _tombstone(decision, self.rules, self.now)
        return Replace(replace(gone, id=alias.id, version=alias.version + 1))

    def _write_of(self, decision: Writing) -> Write:
        match decision:
            case Add():
                return filling(new_contact(decision, self.rules), decision.over)
            case Update(row, contact):
                return Replace(signed(contact, row, self.rules))
            case Confirm(row, contact):
                return Replace(confirmed(contact, row, self.rules))
            case Restore(contact, over):
                return filling(signed(contact, _row(decision), self.rules), over)
            case Delete():
                return Replace(_tombstone(decision, self.rules, self.now))

    def _decide_anew(self, decisions: list[Writing]) -> list[Writing]:
        """Against what is stored now: settled if it is our own write, else a new decision for the row."""
        slots = self.contacts.slots(self.rules.account_id, [decision.target for decision in decisions])
        rows = [decision.row for decision in decisions if isinstance(decision, OfRow) and decision.row.hash]
        found = self.lookup.find_anew(rows)
        applied: list[Writing] = []
        settled: list[Decision] = []
        fitting: list[Writing] = []
        for decision in decisions:
            slot = slots.get(decision.target)
            if is_applied(decision, slot, self.rules):
                applied.append(decision)
                self._settled(decision)
                continue
            anew: Decision = decision
            if isinstance(decision, OfRow) and decision.row.hash:
                anew = decide(decision.row, found.get(decision.row.id, NOTHING), self.rules)
            elif isinstance(decision, Restore) and isinstance(slot, Alias):
                # Whoever shares the address came back first and took it; if it is somebody else's, `with_claims` says so
                anew = Restore(replace(decision.contact, version=slot.version + 1), slot.version)
            elif not fits(decision, slot):
                anew = Skip(_row(decision), "changed_since", STALE)
            if isinstance(anew, Writing):
                fitting.append(anew)
            else:
                settled.append(anew)
        settled += self.lookup.with_claims(fitting)
        self._release(applied)
        return self._decided(settled, {decision.key: decision for decision in decisions})

    def _decided(self, anew: list[Decision], before: dict[str, Writing]) -> list[Writing]:
        """Keep what was decided otherwise than before; returns what is to be written."""
        writing: list[Writing] = []
        dropped: list[Writing] = []
        deviated = False
        for decision in anew:
            earlier = before[decision.key]
            if same_effect(decision, earlier):
                assert isinstance(decision, Writing)
                writing.append(decision)
                continue
            deviated = True
            if isinstance(decision, Writing) and not self.rules.exact:
                self.deviations[decision.key] = decision
                writing.append(decision)
            elif isinstance(decision, Writing):
                dropped.append(earlier)
                self._left(earlier, "changed_since", STALE)
            else:
                dropped.append(earlier)
                self._left_as(decision, earlier)
        if deviated:
            self.files.save_deviations(self.unit, self.stage, self._deviation_lines())
        self._drop(_claims(dropped))
        return writing

    def _settled(self, decision: Decision) -> None:
        self.kinds[KINDS[type(decision)]] += 1

    def _left(self, decision: Writing, code: str, reason: str) -> None:
        self._left_as(Skip(_row(decision), code, reason), decision)

    def _left_as(self, decision: Decision, planned: Writing) -> None:
        """Settle a decision that is not carried out. Where a file lacks a contact, that is no row to be counted."""
        self.deviations[decision.key] = decision
        if not isinstance(planned, Delete) or self.undoing:
            self._settled(decision)

    def _deviation_lines(self) -> list[bytes]:
        return [decision.line() for decision in self.deviations.values()]


def fits(decision: Writing, slot: Slot | None) -> bool:
    """Whether a decision that no row explains can still be carried out as it stands."""
    match decision:
        case Delete(contact):
            return slot == contact
        case Update() | Confirm():
            return isinstance(slot, Contact) and slot.version == decision.contact.version - 1
        case Restore(_, over):
            return not isinstance(slot, Contact) and (slot.version if slot else 0) == over
        case Add():
            return (slot.version if slot else 0) == decision.over


def _claim_of(decision: Writing) -> Claim | None:
    """The address that has to be the contact's before it is written."""
    return None if isinstance(decision, Delete | Confirm) else decision.claim


def _claims(decisions: Sequence[Writing]) -> dict[str, Writing]:
    """By an address's slot, the decision that has claimed it."""
    return {claim.slot: decision for decision in decisions if (claim := _claim_of(decision))}


def filling(slot: Slot, over: int) -> Write:
    """The write that fills a slot in which `over` is the version now, 0 if it is empty."""
    return Replace(slot) if over else Insert(slot)


def _tombstone(decision: Delete, rules: Rules, now: datetime) -> Tombstone:
    contact = decision.contact
    return Tombstone(
        id=contact.id,
        version=contact.version + 1,
        deleted_at=rules.at,
        deleted_by=rules.author,
        sources=contact.sources,
        expires_at=int((now + REMEMBERED).timestamp()),
    )


def _row(decision: Writing) -> Row:
    return decision.row if isinstance(decision, OfRow) else Row(decision.contact.id, 0, "", {})

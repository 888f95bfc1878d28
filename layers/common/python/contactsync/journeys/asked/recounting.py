"""The history of one contact: every change, by whom or which run, which fields, from what to what, and why.

A contact names the last ones that changed it. What a run did stands in the run's plan, what was done by hand in a
record of its own; so nothing is kept twice, and history is told by looking there, newest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from contactsync.control import Control
from contactsync.core.decisions import Add, Changing, Decision, Delete, Restore, Update, read_decision
from contactsync.core.identity import SHARDS, is_contact_id, shard_of
from contactsync.core.overlay import Changes, overlay
from contactsync.errors import NotFound
from contactsync.journeys.asked.rows import outcomes
from contactsync.journeys.asked.telling import Page
from contactsync.journeys.file.ruling import rules_of
from contactsync.journeys.file.runfiles import RunFiles, files_of
from contactsync.model.contact import Contact, Tombstone
from contactsync.model.run import Run
from contactsync.ports import ContactStore, Objects, RecordKey

CHANGES_A_PAGE = 10
"""Each may mean to look through a part of a run's plan, some megabytes."""
FORGOTTEN = "The details of this run are no longer kept."
CHANGING = frozenset({"added", "updated", "deleted"})
REASONS = {
    "import": (
        "Row {row} of the file.",
        "Row {row} of the file.",
        "No row of the file mentioned the contact.",
    ),
    "sync": (
        "There was a card of it in the address book.",
        "Brought together with its card in the address book.",
        "Its card was deleted in the address book.",
    ),
}
"""Why a run adds, updates and deletes, by its journey."""
EDIT = "e"
"""With which letter the ids of changes by hand begin; those of runs begin with another."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `by` is "run:<id>" or "member:<id>"; `row` is where the run's row stands in its file."""

    at: str
    by: str
    change: str
    changes: Changes
    why: str
    run_id: str | None = None
    row: int | None = None


class Remembering(Protocol):
    """Where changes are told: a `World` is one."""

    @property
    def control(self) -> Control: ...

    @property
    def contacts(self) -> ContactStore: ...

    @property
    def runs(self) -> Objects: ...


def history(
    stores: Remembering, account_id: str, contact_id: str, *, after: str | None, limit: int
) -> Page[Change]:
    """The changes of a contact, newest first; that of a deleted one too, while its deletion is remembered.

    `after` names the last that was told; "" stands for the deletion. Raises NotFound.
    """
    found = (
        stores.contacts.slots(account_id, [contact_id]).get(contact_id) if is_contact_id(contact_id) else None
    )
    teller = _Teller(stores, account_id, contact_id)
    if isinstance(found, Contact):
        ids, ending = list(found.runs), None
    elif isinstance(found, Tombstone):
        ids, ending = teller.deletion(found)
    else:
        raise NotFound
    newest_first = ids[::-1]
    begin = 0
    if after:  # one that newer changes have pushed out took all that came before it along
        begin = newest_first.index(after) + 1 if after in newest_first else len(newest_first)
    asked = newest_first[begin : begin + min(limit, CHANGES_A_PAGE)]
    contact = found if isinstance(found, Contact) else None
    told = [(each, change) for each in asked for change in teller.told(each, contact)]
    if ending is not None and after is None:
        told = [("", ending), *told]
    more = begin + len(asked) < len(newest_first)
    marks, changes = [each for each, _ in told], [change for _, change in told]
    return Page(changes, marks, asked[-1] if more and asked else None)


def changes_of_run(run: Run, runs: Objects) -> Iterator[tuple[str, Change]]:
    """Every change that a run has made, with the id of its contact. Nothing, once its files are forgotten."""
    files = files_of(run, runs)
    try:
        units = 0 if run.dry_run else files.manifest().units
    except NotFound:
        return
    for unit in range(units):
        tell = outcomes(files, run, unit)
        stages = chain(files.deviations(unit), files.deviations(unit, "held"))
        turned_out = {decision.key: decision for decision in map(read_decision, stages)}
        for planned in map(read_decision, files.plan_lines(unit)):
            decision = turned_out.get(planned.key, planned)
            if isinstance(decision, Changing) and tell(planned).outcome in CHANGING:
                yield decision.target, _of_run(run, decision)


class _Teller:
    """Finds what changed one contact."""

    def __init__(self, stores: Remembering, account_id: str, contact_id: str) -> None:
        self._stores = stores
        self._account_id = account_id
        self._id = contact_id

    def deletion(self, gone: Tombstone) -> tuple[list[str], Change | None]:
        """What had changed a deleted contact before, and its deletion."""
        kind, _, run_id = gone.deleted_by.partition(":")
        if kind == "run":
            for run in self._run(run_id):
                decision = self._decision(run, None)
                if isinstance(decision, Delete):
                    return list(decision.contact.runs), _of_run(run, decision)
            return [], Change(gone.deleted_at, gone.deleted_by, "deleted", {}, FORGOTTEN, run_id)
        for document in self._edits():
            when_and_by = document["at"], document["by"]
            if document["change"] == "deleted" and when_and_by == (gone.deleted_at, gone.deleted_by):
                return document["runs"], _by_hand(document)
        return [], Change(gone.deleted_at, gone.deleted_by, "deleted", {}, "Deleted by hand.")

    def told(self, change: str, contact: Contact | None) -> Iterator[Change]:
        """One change by its id; nothing if it is forgotten altogether."""
        if change.startswith(EDIT):
            record = self._stores.control.records.get(
                RecordKey(self._account_id, f"edit#{self._id}#{change}")
            )
            if record is not None:
                yield _by_hand(record.document)
            return
        for run in self._run(change):
            yield _of_run(run, self._decision(run, contact))

    def _run(self, run_id: str) -> Sequence[Run]:
        try:
            return [self._stores.control.run(self._account_id, run_id).value]
        except NotFound:
            return []

    def _edits(self) -> Iterator[dict[str, Any]]:
        page = self._stores.control.records.page(
            self._account_id, f"edit#{self._id}#", limit=100, newest_first=True
        )
        return (record.document for record in page.records)

    def _decision(self, run: Run, contact: Contact | None) -> Changing | None:
        """What a run decided over the contact: in its own part of the plan, or in that of its row's identity."""
        files = files_of(run, self._stores.runs)
        try:
            units = files.manifest().units
        except NotFound:
            return None
        for unit in dict.fromkeys(shard_of(slot) * units // SHARDS for slot in self._slots(run, contact)):
            for decision in self._in_unit(files, unit):
                if isinstance(decision, Changing) and decision.target == self._id:
                    return decision
        return None

    def _slots(self, run: Run, contact: Contact | None) -> Iterator[str]:
        yield self._id
        if contact is not None:
            rules = rules_of(run, self._stores.control)
            yield from filter(None, (rules.identity_slot(contact), rules.email_slot(contact.fields)))

    def _in_unit(self, files: RunFiles, unit: int) -> Iterator[Decision]:
        """Decisions that mention the contact; what turned out otherwise than planned comes first."""
        needle = self._id.encode()
        lines = chain(files.deviations(unit), files.deviations(unit, "held"), files.plan_lines(unit))
        return (read_decision(line) for line in lines if needle in line)


def _by_hand(document: dict[str, Any]) -> Change:
    words = {"added": "Added by hand.", "updated": "Edited by hand.", "deleted": "Deleted by hand."}
    return Change(
        document["at"], document["by"], document["change"], document["changes"], words[document["change"]]
    )


def _of_run(run: Run, decision: Changing | None) -> Change:
    at, by = run.started_at or run.requested_at, f"run:{run.id}"
    why = f"Run {run.undoes} was undone." if run.undoes else ""
    adds, updates, deletes = REASONS[run.journey]
    match decision:
        case None:
            return Change(at, by, "updated", {}, why or FORGOTTEN, run.id)
        case Add(row):
            told = overlay({}, row.fields, only_empty=False)[1]
            return Change(at, by, "added", told, adds.format(row=row.line), run.id, row.line)
        case Update(row, _, changes):
            line = row.line or None
            said = " ".join(filter(None, (why or updates.format(row=line), decision.note)))
            return Change(at, by, "updated", changes, said, run.id, None if run.undoes else line)
        case Delete(contact):
            told = {key: [value, None] for key, value in contact.fields.items()}
            return Change(at, by, "deleted", told, why or deletes, run.id)
        case Restore(contact):
            told = {key: [None, value] for key, value in contact.fields.items()}
            return Change(at, by, "restored", told, why, run.id)

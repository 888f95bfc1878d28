"""Decide what each row does to the contact list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal

import orjson

from contactsync.core.decisions import (
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
)
from contactsync.core.identity import contact_id, identity_key
from contactsync.core.overlay import Changes, laid_bare, overlay, undone
from contactsync.core.rules import ROW_MAX
from contactsync.model.contact import Audit, Contact, Fields, Glimpse, Origin, Slot, Source, Tombstone
from contactsync.model.field import PRIMARIES

Existing = Literal["override", "skip", "fill_empty"]

RUNS_KEPT = 50
"""How many of the runs that changed a contact it remembers: the way to its history."""
SOURCES_KEPT = 50
"""Of how many syncs a contact knows the row: who imports without saving a sync makes one with each import, and the table
holds 400 KB of a contact."""
CODES = 900_000_000
"""Generated codes have nine digits and do not begin with a zero, which spreadsheets would drop."""
CODE_ATTEMPTS = 2_000
"""One in as many as there are workers is of the worker's own part of the list."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the sync asks for, and in whose name its contacts are written.

    `at` is when the run began, RFC 3339: a step that runs twice plans the same. `secret` keys the ids.
    `generate`: each row gets a code of its own in the identity field. `segments`: what every contact of the file
    becomes a member of. `deletes`: whom the run may delete if no row mentions them. `exact`: the plan was approved, so
    a row that it no longer fits is left alone.
    `confirms`: whether the run notes of whom it finds as their rows say that the sync knows them.
    `via`: whose edits in which address book the run brings in, "<member>#<connection>"; "" where it brings none.
    `shares_addresses`: in address books people share one, as families do; the second keeps it without owning it.
    """

    account_id: str
    sync_id: str
    run_id: str
    at: str
    existing: Existing
    mode: Literal["three_way", "mirror"]
    secret: bytes
    identity: str = "email"
    identity_type: str = "email"
    generate: bool = False
    segments: tuple[str, ...] = ()
    deletes: Literal["all", "sync"] | None = None
    exact: bool = False
    shares_addresses: bool = False
    confirms: bool = False
    via: str = ""

    @property
    def author(self) -> str:
        """How the run signs what it writes."""
        return f"run:{self.run_id}"

    def slot_of(self, field: str, field_type: str, value: Any) -> str:
        """The slot that an identity makes."""
        return contact_id(self.secret, field, identity_key(field_type, value))

    def email_slot(self, fields: Fields) -> str | None:
        """The slot of the primary email address of a contact or a row; None without one."""
        email = primary(fields, "email")
        return self.slot_of("email", "email", email) if email else None

    @property
    def settles_at_a_glance(self) -> bool:
        """Whether it can be enough for a row that it was applied before as it is now."""
        return self.mode == "three_way" and self.existing != "skip" and not self.generate

    @property
    def identity_names(self) -> frozenset[str]:
        """The fields in which a contact may have its identity."""
        return _names(self.identity)

    @property
    def glimpsed_names(self) -> frozenset[str]:
        """The fields that a glimpse of a contact has to show."""
        return _names(self.identity) | _names("email")

    def identity_slot(self, contact: Contact | Glimpse) -> str | None:
        """The slot of the identity that a contact has now, by which a row of this sync would find it."""
        # Colleagues share a line: of a telephone the extension counts as well
        value = (_first if self.identity_type == "phone" else primary)(contact.fields, self.identity)
        return self.slot_of(self.identity, self.identity_type, value) if value not in (None, "") else None


@dataclass(frozen=True, slots=True)
class Found:
    """What the contact list holds for one row.

    Attributes:
        slot: what lies in the slot of the row's identity.
        contact: the contact that the identity belongs to: the slot's own, or the one that its alias names.
        claimed_by: id of a contact that has claimed the identity just now, and is not there yet.
        email_slot: what lies in the slot of the row's email address, where that is not the identity.
        email_holder: id of the contact that the address belongs to, or that has claimed it just now.
    """

    slot: Slot | None = None
    contact: Contact | None = None
    claimed_by: str | None = None
    email_slot: Slot | None = None
    email_holder: str | None = None


NOTHING = Found()


def primary(fields: Fields, key: str) -> Any:
    """A field's value, of a contact or of a row; of a list its first one's."""
    value = _first(fields, key)
    return value.get("value", value) if isinstance(value, dict) else value


def _first(fields: Fields, key: str) -> Any:
    """The same with all that goes with the value: a label, an extension."""
    value = fields.get(key)
    if value is None and key in PRIMARIES:
        value = fields.get(PRIMARIES[key])
    if isinstance(value, list):
        value = value[0] if value else None
    return value


def decide(row: Row, found: Found, rules: Rules) -> Decision:
    """What one row does to the contact that its identity belongs to, or to the empty slot.

    Three-way by default: a row that is as it was when this sync last applied it says nothing new, so an edit
    made here since stays, a deletion as well. A row that has changed is laid over the contact, and only its own
    fields count.
    """
    if found.claimed_by is not None:
        return email_taken(row, found.claimed_by, found.slot, rules)
    if found.contact is None:
        return _decide_new(row, found, rules)
    if rules.generate:
        return Reject(
            row,
            "code_taken",
            "Its generated code is taken. Import rejects.csv, which has the refused rows alone: the others of this file would be "
            "added once more.",
        )
    if rules.existing == "skip":
        return Skip(
            row, "exists", "A contact with this identity is here already, and existing ones are left alone."
        )
    return _decide_existing(row, found.contact, found, rules)


def _decide_new(row: Row, found: Found, rules: Rules) -> Add | Skip | Reject:
    if (
        isinstance(found.slot, Tombstone)
        and rules.mode == "three_way"
        and _is_as_applied(row, found.slot, rules)
    ):
        return Skip(
            row,
            "deleted_here",
            "The contact was deleted here, and the row has not changed since. To bring it back, import in mirror "
            "mode or add the contact by hand.",
        )
    claim = _claim(row, row.fields, row.id, found, rules)
    if isinstance(claim, Reject):
        return claim
    return Add(row, found.slot.version if found.slot else 0, claim)


def _decide_existing(
    row: Row, stored: Contact, found: Found, rules: Rules
) -> Update | Confirm | Unchanged | Reject:
    segments = tuple(sorted({*stored.segments, *rules.segments}))
    fields = stored.fields
    changes: Changes = {}
    if rules.mode == "mirror" or not _is_as_applied(row, stored, rules):
        said = row.fields
        if rules.identity_slot(stored) != row.id:
            # Its identity has been changed here: the row still finds it, and does not change it back
            said = {key: value for key, value in said.items() if key not in rules.identity_names}
        fields, changes = overlay(stored.fields, said, only_empty=rules.existing == "fill_empty")
        if changes and (longest := _too_large(fields)):
            return Reject(
                row,
                "contact_too_large",
                f"With this row the contact would hold more than {ROW_MAX:,} bytes: shorten {longest} in the row, or here.",
            )
    if segments != tuple(sorted(stored.segments)):
        changes = {**changes, "segments": [list(stored.segments), list(segments)]}
    if not changes:
        return _confirming(row, stored, rules)
    moved = rules.email_slot(fields) != rules.email_slot(stored.fields)
    claim = _claim(row, fields, stored.id, found, rules) if moved else None
    if isinstance(claim, Reject):
        return claim
    contact = replace(stored, version=stored.version + 1, fields=fields, segments=segments)
    return Update(row, contact, changes, claim)


def _too_large(fields: Fields) -> str:
    """The longest field of a contact that would hold more than a row may, by what was there besides; "" for all others."""
    if len(orjson.dumps(fields)) <= ROW_MAX:
        return ""
    return max(fields, key=lambda key: len(orjson.dumps(fields[key])))


def _confirming(row: Row, stored: Contact, rules: Rules) -> Confirm | Unchanged:
    if _is_as_applied(row, stored, rules) or not rules.confirms or not has_room(stored, rules):
        return Unchanged(row)
    return Confirm(row, replace(stored, version=stored.version + 1))


def has_room(contact: Contact, rules: Rules) -> bool:
    """Whether it can be noted that the sync knows a contact.

    One more than are kept would push another sync out, which would come back with its next run, for ever.
    """
    return rules.sync_id in contact.sources or len(contact.sources) < SOURCES_KEPT


def _claim(row: Row, fields: Fields, target: str, found: Found, rules: Rules) -> Claim | Reject | None:
    """What must be claimed for the contact to have its email address: an address belongs to one contact."""
    slot = rules.email_slot(fields)
    if slot is None or slot == target:
        return None
    if found.email_holder is not None and found.email_holder != target:
        return email_taken(row, found.email_holder, found.email_slot, rules)
    # Its own claim, if there is one, is renewed: whoever made it may be about to give it back
    return Claim(slot, found.email_slot.version if found.email_slot else 0)


def email_taken(row: Row, holder: str, slot: Slot | None, rules: Rules) -> Reject:
    """Two contacts cannot share a primary address. `slot` is what lies under it: whoever was first known by it keeps it."""
    if isinstance(slot, Contact) and rules.email_slot(slot.fields) != slot.id:
        return Reject(
            row,
            "email_taken",
            f"Contact {holder} was first known by this email address, which stays kept for it. If they are two people, delete that "
            "contact, add it again under the address it has now, and import this row again.",
        )
    return Reject(
        row,
        "email_taken",
        f"The email address belongs to contact {holder}. Correct the address in one of the two, or import by email.",
    )


def same_email(earlier: Row, later: Row) -> Reject:
    """Two rows of one file give their address to two contacts."""
    return Reject(
        later,
        "email_taken",
        f"Row {earlier.line} of the same file gives this email address to another contact. Correct it in one of the two.",
    )


def origin(rules: Rules) -> Origin:
    """What all contacts have in common that the run adds."""
    audit = Audit(rules.at, rules.author, rules.at, rules.author, rules.via)
    return Origin(audit, rules.sync_id, rules.run_id, rules.segments)


def new_contact(add: Add, rules: Rules) -> Contact:
    """The contact that an Add stores."""
    row = add.row
    return origin(rules).contact(row.id, add.over + 1, laid_bare(row.fields), row.line, row.hash)


def signed(contact: Contact, row: Row, rules: Rules) -> Contact:
    """The contact as this run writes it. A plan's are not signed yet: a dry run's is carried out by another run."""
    sources = contact.sources
    if row.hash:
        sources = _lately({**sources, rules.sync_id: Source(rules.run_id, row.line, row.hash)}, rules)
    return replace(
        contact,
        audit=replace(contact.audit, updated_at=rules.at, updated_by=rules.author, via=rules.via),
        sources=sources,
        runs=_with_run(contact.runs, rules),
    )


def confirmed(contact: Contact, row: Row, rules: Rules) -> Contact:
    """The contact with nothing new but that the sync knows it: it was changed by nobody, and by no run."""
    return replace(
        contact, sources={**contact.sources, rules.sync_id: Source(rules.run_id, row.line, row.hash)}
    )


def _lately(sources: dict[str, Source], rules: Rules) -> dict[str, Source]:
    """The sources of the latest runs; that of this run is among them, whatever its id says."""
    if len(sources) <= SOURCES_KEPT:
        return sources
    ordered = sorted(sources, key=lambda sync_id: (sync_id == rules.sync_id, sources[sync_id].run_id))
    return {sync_id: sources[sync_id] for sync_id in ordered[-SOURCES_KEPT:]}


def same_effect(one: Decision, other: Decision) -> bool:
    """Whether two decisions write the same contact, whichever run signs it and whatever it claims before."""
    match one, other:
        case Update(), Update():
            return (one.changes, one.contact.version, one.contact.fields) == (
                other.changes,
                other.contact.version,
                other.contact.fields,
            )
        case Confirm(), Confirm():  # whatever else the contact is by now
            return True
        case Add(), Add():
            return (one.row, one.over) == (other.row, other.over)
        case Restore(), Restore():
            return (one.contact, one.over) == (other.contact, other.over)
    return one == other


def is_applied(decision: Writing, slot: Slot | None, rules: Rules) -> bool:
    """Whether this very run has already carried out this very decision, or one made anew for the same row.

    This is how a step that runs again knows its own writes, whatever others have done to the contact since.
    """
    if isinstance(decision, Delete):
        return isinstance(slot, Tombstone) and slot.deleted_by == rules.author
    if isinstance(decision, Restore) or not (isinstance(decision, Confirm) or decision.row.hash):
        return isinstance(slot, Contact) and rules.run_id in slot.runs
    if not isinstance(slot, Contact | Tombstone):  # a tombstone: somebody has deleted it since
        return False
    return slot.sources.get(rules.sync_id) == Source(rules.run_id, decision.row.line, decision.row.hash)


def generated_code(row_line: int, attempt: int, rules: Rules) -> str:
    """A nine-digit code for one row of one run: random to everybody else, the same when a step runs again."""
    digest = blake2b(f"{rules.run_id}\0{row_line}\0{attempt}".encode(), key=rules.secret, digest_size=8)
    return str(CODES // 9 + int.from_bytes(digest.digest()) % CODES)


def with_code(row: Row, attempt: int, rules: Rules) -> Row:
    """The row under another generated code, because its first one is taken."""
    code = generated_code(row.line, attempt, rules)
    value: Any = int(code) if rules.identity_type == "integer" else code
    slot = rules.slot_of(rules.identity, rules.identity_type, value)
    return Row(slot, row.line, row.hash, {**row.fields, rules.identity: value})


def is_as_seen(row_id: str, row_hash: str, seen: Glimpse, rules: Rules) -> bool:
    """Whether a glimpse of its contact tells already that a row changes nothing: `decide` would say Unchanged.

    Nearly every row of a file that comes again is settled by this, and needs no more of its contact, nor to be
    decoded itself. Where the glimpse does not tell, the contact is read and `decide` is asked.
    """
    return (
        rules.settles_at_a_glance
        and seen.hashes.get(rules.sync_id) == row_hash
        and {*rules.segments} <= {*seen.segments}
        and rules.identity_slot(seen) in (None, row_id)
    )


def is_plain(decision: Decision, contact: Contact | None, rules: Rules) -> bool:
    """Whether a row does what it says, once the decision is carried out: to the contact in its own slot.

    One that names an address beside its identity, which its contact does not have, stands in the way of other rows
    (`same_email`).
    """
    if isinstance(decision, Add):
        return True
    if contact is None or not isinstance(decision, Update | Confirm | Unchanged):
        return False
    row, after = decision.row, contact if isinstance(decision, Unchanged) else decision.contact
    if isinstance(decision, Unchanged) and not _is_as_applied(row, contact, rules):
        return False  # the next run may confirm it
    return (
        contact.id == row.id
        and rules.identity_slot(after) in (None, row.id)
        and (
            rules.identity == "email"
            or rules.email_slot(row.fields) in (None, rules.email_slot(after.fields))
        )
    )


def may_delete(contact: Glimpse, rules: Rules) -> bool:
    """Whether a contact that no row mentions is the run's to delete.

    Scope "sync" means what this sync alone has brought: not what was here before, nor what others bring as well.
    Runs note who is in their scope for those that follow: whoever changes what it means raises `ruling.TYPING`.
    """
    if rules.deletes == "sync":
        return contact.hashes.keys() == {rules.sync_id} and contact.created_by.startswith("run:")
    return rules.deletes == "all"


def undo(done: Decision, slot: Slot | None) -> Iterator[Decision]:
    """What takes one carried-out decision of an earlier run back; nothing for one that changed nothing.

    What somebody has changed since stays as it is, and is said to.
    """
    match done:
        case Add(row, over):
            yield _undo_add(row, slot, version=over + 1)
        case Update(row, contact, changes):
            yield _undo_update(row, contact, changes, slot)
        case Delete(contact):
            row = Row(contact.id, 0, "", {})
            if isinstance(slot, Contact):
                yield Skip(row, "edited_since", "The contact is here again already.")
            else:
                over = slot.version if slot else 0
                yield Restore(replace(contact, version=over + 1), over)
        case Restore(contact, _):
            yield _undo_add(Row(contact.id, 0, "", {}), slot, version=contact.version)


def outdated_identity(row: Row, line: int) -> Skip:
    """Another row of the file names the same contact by the identity that it has now: one row a contact."""
    return Skip(
        row,
        "superseded",
        f"Row {line} of the same file has the identity that the same contact has now, and that row counts.",
    )


def _undo_add(row: Row, slot: Slot | None, *, version: int) -> Delete | Skip:
    if not isinstance(slot, Contact):
        return Skip(row, "gone_since", "The contact has been deleted since.")
    if slot.version != version and slot.audit.updated_at == slot.audit.created_at:
        return Skip(row, "confirmed_since", "Another sync has the contact as well since, and it stays.")
    if slot.version != version:
        return Skip(row, "edited_since", "The contact has been changed since, and stays.")
    return Delete(slot)


def _undo_update(row: Row, after: Contact, changes: Changes, slot: Slot | None) -> Update | Skip:
    if not isinstance(slot, Contact):
        return Skip(row, "gone_since", "The contact has been deleted since.")
    of_fields = {key: change for key, change in changes.items() if key != "segments"}
    fields, taken_back, kept = undone(slot.fields, of_fields)
    segments = slot.segments
    if "segments" in changes:
        before, after_run = map(set, changes["segments"])
        segments = tuple(sorted({*slot.segments} - (after_run - before) | (before - after_run)))
        if segments != slot.segments:
            taken_back = {**taken_back, "segments": [list(slot.segments), list(segments)]}
        else:
            kept.append("segments")
    if not taken_back:
        return Skip(row, "edited_since", f"Changed since, and stays: {', '.join(sorted(kept))}.")
    if longest := _too_large(fields):
        return Skip(
            row,
            "contact_too_large",
            f"With its former values the contact would hold more than {ROW_MAX:,} bytes, so it stays as it is: shorten {longest} "
            "here, then put back by hand what you need of them.",
        )
    contact = replace(slot, version=slot.version + 1, fields=fields, segments=segments)
    note = f"Changed since, and stays: {', '.join(sorted(kept))}." if kept else ""
    row = Row(after.id, row.line, "", {})
    return Update(row, contact, taken_back, note=note)


def _is_as_applied(row: Row, slot: Contact | Tombstone, rules: Rules) -> bool:
    applied = slot.sources.get(rules.sync_id)
    return applied is not None and applied.hash == row.hash


def _names(field: str) -> frozenset[str]:
    """A field and the list that it is the first value of."""
    return frozenset({field, PRIMARIES.get(field, field)})


def _with_run(runs: tuple[str, ...], rules: Rules) -> tuple[str, ...]:
    return (*(run for run in runs if run != rules.run_id), rules.run_id)[-RUNS_KEPT:]

"""What the contact list holds for rows: looked up in as few and as cheap reads as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from contactsync.core.decisions import Add, Claim, Decision, Restore, Row, Skip, Update, Writing
from contactsync.core.planning import Found, Rules, email_taken
from contactsync.journeys.file.runfiles import batches
from contactsync.model.contact import Alias, Contact, Glimpse, Slot, Tombstone
from contactsync.ports import ContactStore

S = TypeVar("S", Slot, Glimpse)

SCAN_WORTH_ROWS = 100
"""Below this many rows in a shard, asking for them by key costs less than reading along the shard."""
SCAN_PER_ROW = 4
"""Reading along costs a quarter of asking by key (four 1 KB contacts a read unit), so give up after four times
the rows: whichever way would have been right, we pay at most twice its price, and need no count of what is stored."""
KEYS_AT_ONCE = 1000
CLAIM_S = 3600
"""How long an address stays claimed for a contact that does not come: longer than any worker lives."""
STAYS_AWAY = (
    "Its email address is that of contact {} now, so it stays deleted. To have it back, give that contact another address, "
    "and add this one by hand."
)


def pays_to_read_along(ids: Sequence[str]) -> bool:
    """Whether so many slots of one shard are found quicker by reading along it than by key."""
    return len(ids) >= SCAN_WORTH_ROWS


def slots_of_shard(
    shard: int, ids: Sequence[str], contacts: ContactStore, account_id: str
) -> dict[str, Slot]:
    """What lies in these slots, sorted and all of one shard; read the cheaper way."""
    if not pays_to_read_along(ids):
        return slots_by_key(ids, contacts, account_id)
    found, beyond = _met(contacts.scan(account_id, shard), ids)
    return found | slots_by_key(beyond, contacts, account_id)


def slots_by_key(ids: Iterable[str], contacts: ContactStore, account_id: str) -> dict[str, Slot]:
    """What lies in these slots, of any shard."""
    found: dict[str, Slot] = {}
    for batch in batches(ids, KEYS_AT_ONCE):
        found.update(contacts.slots(account_id, batch))
    return found


def glimpses_of_shard(
    shard: int, ids: Sequence[str], contacts: ContactStore, rules: Rules
) -> tuple[dict[str, Glimpse], Sequence[str]]:
    """Glimpses of these slots, sorted and all of one shard, and those of the ids that reading along did not come to.

    Where most rows turn out to have changed, the shard is then read along for a second time.
    """
    return _met(contacts.glimpses(rules.account_id, shard, rules.glimpsed_names), ids)


def _met(along: Iterable[S], ids: Sequence[str]) -> tuple[dict[str, S], Sequence[str]]:
    """Those of these slots that are met along a shard, and the ids beyond where it does not pay to go on."""
    found: dict[str, S] = {}
    wanted = set(ids)
    for read, slot in enumerate(along, 1):
        if slot.id in wanted:
            found[slot.id] = slot
        if read >= SCAN_PER_ROW * len(ids):
            return found, [id_ for id_ in ids if id_ > slot.id]
    return found, []


class Lookup:
    """Whose the identities and the addresses of rows are. `now` is epoch seconds."""

    def __init__(self, contacts: ContactStore, rules: Rules, now: int) -> None:
        self.contacts = contacts
        self.rules = rules
        self.now = now

    def find(self, rows: Sequence[Row], slots: dict[str, Slot]) -> dict[str, Found]:
        """For each row's slot what `decide` needs to know; `slots` are those of the identities, read already."""
        rules = self.rules
        emails: dict[str, str] = {}
        if rules.identity != "email":
            emails = {row.id: email for row in rows if (email := rules.email_slot(row.fields))}
        known = {**slots, **self._slots(set(emails.values()) - slots.keys())}
        named = {slot.contact_id for slot in known.values() if isinstance(slot, Alias)}
        known.update(self._slots(named - known.keys()))
        found: dict[str, Found] = {}
        for row in rows:
            slot = known.get(row.id)
            email_slot = known.get(emails.get(row.id, ""))
            contact, claimed_by = self._owner(slot, known, rules.identity_slot)
            holder, email_claimed_by = self._owner(email_slot, known, lambda c: rules.email_slot(c.fields))
            found[row.id] = Found(
                slot, contact, claimed_by, email_slot, holder.id if holder else email_claimed_by
            )
        return found

    def find_anew(self, rows: Sequence[Row]) -> dict[str, Found]:
        """The same, everything read now."""
        return self.find(rows, self._slots({row.id for row in rows}))

    def with_claims(self, decisions: Sequence[Writing]) -> list[Decision]:
        """The same decisions, with the claims of those that give a contact an address which no row names.

        Those are an undo's, updates that empty the first address so that the second moves up, and deleted contacts that an
        address book brings back: they may have another address than they were first known by. Where the address, or the
        slot of a contact that is to come back, is another contact's, the decision turns into a refusal.
        """
        asked = [decision for decision in decisions if self._gives_unnamed(decision)]
        if not asked:
            return list(decisions)
        known = self._slots({slot for each in asked for slot in self._needed(each)})
        named = {slot.contact_id for slot in known.values() if isinstance(slot, Alias)}
        known.update(self._slots(named - known.keys()))
        claims = {each.key: self._claimed(each, known) for each in asked}
        return [claims.get(decision.key, decision) for decision in decisions]

    def _gives_unnamed(self, decision: Writing) -> bool:
        if isinstance(decision, Update):
            of_row = self.rules.email_slot(decision.row.fields) if decision.row.hash else None
            return "emails" in decision.changes and self.rules.email_slot(decision.contact.fields) != of_row
        if isinstance(decision, Add):
            return not decision.row.hash and bool(decision.over)
        return isinstance(decision, Restore)

    def _needed(self, decision: Writing) -> list[str]:
        assert isinstance(decision, Add | Update | Restore)
        fields = decision.row.fields if isinstance(decision, Add) else decision.contact.fields
        return [slot for slot in (decision.target, self.rules.email_slot(fields)) if slot]

    def _claimed(self, decision: Writing, known: dict[str, Slot]) -> Decision:
        assert isinstance(decision, Add | Update | Restore)
        claim = None
        for slot_id in self._needed(decision):
            slot = known.get(slot_id)
            contact, claimed_by = self._owner(slot, known, lambda c: self.rules.email_slot(c.fields))
            holder = contact.id if contact else claimed_by
            if holder is not None and holder != decision.target:
                if self.rules.shares_addresses or self._has_shared(decision, contact, known):
                    continue
                if isinstance(decision, Restore):
                    return Skip(Row(decision.target, 0, "", {}), "email_taken", STAYS_AWAY.format(holder))
                taken = email_taken(decision.row, holder, slot, self.rules)
                return taken if decision.row.hash else Skip(decision.row, taken.code, taken.reason)
            if slot_id != decision.target and contact is None:
                claim = Claim(slot_id, slot.version if slot else 0)
        return decision._replace(claim=claim) if isinstance(decision, Add) else replace(decision, claim=claim)

    def _has_shared(self, decision: Writing, holder: Contact | None, known: dict[str, Slot]) -> bool:
        """Whether a contact that is to come back had its address together with this one before it was deleted.

        So had one that comes back with it, and one that nobody has changed since.
        """
        if not isinstance(decision, Restore) or holder is None:
            return False
        gone = known.get(decision.target)
        return holder.audit.updated_by == self.rules.author or (
            isinstance(gone, Tombstone) and holder.audit.updated_at <= gone.deleted_at
        )

    def _owner(
        self, slot: Slot | None, known: dict[str, Slot], slot_now: Callable[[Contact], str | None]
    ) -> tuple[Contact | None, str | None]:
        """The contact to which an identity belongs, or the id of one that has claimed it and is on its way.

        An alias counts while its contact has the identity. A fresh one counts in any case: it is written before
        its contact. One whose contact never came is forgotten after CLAIM_S.
        """
        if isinstance(slot, Alias):
            target = known.get(slot.contact_id)
            if isinstance(target, Contact) and slot_now(target) == slot.id:
                return target, None
            return None, slot.contact_id if self.now - slot.claimed_at < CLAIM_S else None
        return (slot, None) if isinstance(slot, Contact) else (None, None)

    def _slots(self, ids: Iterable[str]) -> dict[str, Slot]:
        return slots_by_key(sorted(ids), self.contacts, self.rules.account_id)

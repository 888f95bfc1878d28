"""What the contact list holds for rows: looked up in as few and as cheap reads as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from contactsync.core.decisions import Row
from contactsync.core.planning import Found, Rules
from contactsync.journeys.runfiles import batches
from contactsync.model.contact import Alias, Contact, Slot
from contactsync.ports import ContactStore

SCAN_WORTH_ROWS = 100
"""Below this many rows in a shard, asking for them by key costs less than reading along the shard."""
SCAN_PER_ROW = 4
"""Reading along costs a quarter of asking by key (four 1 KB contacts a read unit), so give up after four times
the rows: whichever way would have been right, we pay at most twice its price, and need no count of what is stored."""
KEYS_AT_ONCE = 1000
CLAIM_S = 3600
"""How long an address stays claimed for a contact that does not come: longer than any worker lives."""


def slots_of_shard(
    shard: int, ids: Sequence[str], contacts: ContactStore, account_id: str
) -> dict[str, Slot]:
    """What lies in these slots, sorted and all of one shard; read the cheaper way."""
    found: dict[str, Slot] = {}
    missing = ids
    if len(ids) >= SCAN_WORTH_ROWS:
        wanted = set(ids)
        read_up_to = None
        for read, slot in enumerate(contacts.scan(account_id, shard), 1):
            if slot.id in wanted:
                found[slot.id] = slot
            if read >= SCAN_PER_ROW * len(ids):
                read_up_to = slot.id
                break
        missing = [] if read_up_to is None else [id_ for id_ in ids if id_ > read_up_to]
    for batch in batches(missing, KEYS_AT_ONCE):
        found.update(contacts.slots(account_id, batch))
    return found


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
        found: dict[str, Slot] = {}
        for batch in batches(sorted(ids), KEYS_AT_ONCE):
            found.update(self.contacts.slots(self.rules.account_id, batch))
        return found

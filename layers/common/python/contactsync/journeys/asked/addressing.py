"""Whose an email address is: its slot holds the contact that was first seen under it, or the name of another one."""

from __future__ import annotations

from dataclasses import replace

from contactsync.core.identity import contact_id, email_key
from contactsync.core.planning import primary
from contactsync.journeys.asked.asking import World
from contactsync.journeys.file.reading import CLAIM_S
from contactsync.model.contact import Alias, Contact, Fields, Slot, Tombstone
from contactsync.ports import Remove, Replace, Write


class Addresses:
    """The email addresses of one account."""

    def __init__(self, world: World, account_id: str) -> None:
        self._world = world
        self._account_id = account_id
        self.secret = bytes.fromhex(world.control.account(account_id).identity_secret)

    def slot_of(self, fields: Fields) -> str | None:
        """The slot of a contact's primary address; None without one."""
        email = primary(fields, "email")
        return self.slot(email) if email else None

    def slot(self, email: str) -> str:
        """The slot of an address."""
        return contact_id(self.secret, "email", email_key(email))

    def read(self, slot_id: str) -> Slot | None:
        """What lies in a slot."""
        return self._world.contacts.slots(self._account_id, [slot_id]).get(slot_id)

    def contact(self, email: str) -> Contact | None:
        """The contact whose primary address this is now."""
        wanted = self.slot(email)
        found = self.read(wanted)
        if isinstance(found, Alias):
            found = self.read(found.contact_id)
        return found if isinstance(found, Contact) and self.slot_of(found.fields) == wanted else None

    def holder(self, slot_id: str, slot: Slot | None) -> str | None:
        """The id of the contact to which a slot belongs, or for which it was claimed just now; None if it is free."""
        if isinstance(slot, Contact):
            return slot.id
        if not isinstance(slot, Alias):
            return None
        target = self.read(slot.contact_id)
        if isinstance(target, Contact) and self.slot_of(target.fields) == slot_id:
            return target.id
        fresh = int(self._world.clock.now().timestamp()) - slot.claimed_at < CLAIM_S
        return slot.contact_id if fresh else None

    def release(self, slot_id: str | None, of: str) -> None:
        """Give an address back that the contact `of` has no longer.

        The contact is read after the claim, which whoever gives it the address again renews.
        """
        if slot_id is None or slot_id == of:
            return
        slot = self.read(slot_id)
        if not isinstance(slot, Alias) or slot.contact_id != of:
            return
        contact = self.read(of)
        if not isinstance(contact, Contact) or self.slot_of(contact.fields) != slot_id:
            self.write(Remove(slot_id, slot.version))

    def bury(self, slot_id: str | None, gone: Tombstone) -> None:
        """Leave a deleted contact's tombstone under its address too: no row that finds it there brings it back."""
        slot = self.read(slot_id) if slot_id else None
        if isinstance(slot, Alias) and slot.contact_id == gone.id:
            self.write(Replace(replace(gone, id=slot.id, version=slot.version + 1)))

    def write(self, write: Write) -> bool:
        """Carry out one write; whether its condition held."""
        return all(done for _, done in self._world.contacts.write(self._account_id, [write]))

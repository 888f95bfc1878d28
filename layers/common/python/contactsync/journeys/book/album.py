"""Where contacts' pictures lie, as they came.

    photos/<account>/<contact>/<hash>     what the contact's `photo` names, or is about to name
    former/<account>/<contact>/<hash>     what it names no more: as long as its run can be undone, then S3 forgets it

A picture is stored before anything names it, and nobody who changes a contact has to think of it: `tidy` sees by
what contacts name which picture lies where. So nothing is doubled or lost wherever a step dies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from contactsync.core.pictures import NAME, is_name, name_of
from contactsync.errors import NotFound
from contactsync.model.contact import Contact, Slot
from contactsync.ports import ContactStore, Objects

KEPT, FORMER = "photos/", "former/"
FOLDERS = (KEPT, FORMER)


@dataclass(frozen=True, slots=True)
class Album:
    """The pictures of one account's contacts."""

    photos: Objects
    account_id: str

    def keep(self, contact_id: str, picture: bytes) -> str:
        """Store a picture; returns its name. The same one again changes nothing."""
        name = name_of(picture)
        self.photos.put(self._key(KEPT, contact_id, name), picture)
        return name

    def picture(self, contact_id: str, name: str) -> bytes | None:
        """A picture by its name; None where there is none any more."""
        place = self.place(contact_id, name)
        try:
            return self.photos.get(place) if place else None
        except NotFound:
            return None

    def place(self, contact_id: str, name: str) -> str | None:
        """Under which key a picture lies; None for no picture, and for one that is not there any more."""
        if not is_name(name):
            return None
        keys = (self._key(folder, contact_id, name) for folder in FOLDERS)
        return next((key for key in keys if self.photos.size(key) is not None), None)

    def forget(self, contact_ids: Iterable[str]) -> int:
        """Remove every picture that these contacts have or had; returns how many."""
        keys = [
            key
            for each in contact_ids
            for folder in FOLDERS
            for key in self.photos.keys(f"{folder}{self.account_id}/{each}/")
        ]
        self.photos.delete(keys)
        return len(keys)

    def tidy(self, keys: Iterable[str], contacts: ContactStore) -> None:
        """Put each of these where it belongs, by what its contact names now."""
        told = [(key, *key.split("/")) for key in keys]
        slots: dict[str, Slot] = contacts.slots(
            self.account_id, list({contact for _, _, _, contact, _ in told})
        )
        for key, folder, _, contact_id, digest in told:
            slot = slots.get(contact_id)
            is_named = isinstance(slot, Contact) and slot.fields.get("photo") == NAME + digest
            belongs = KEPT if is_named else FORMER
            if f"{folder}/" != belongs:
                self.photos.put(self._key(belongs, contact_id, NAME + digest), self.photos.get(key))
                self.photos.delete([key])

    def _key(self, folder: str, contact_id: str, name: str) -> str:
        return f"{folder}{self.account_id}/{contact_id}/{name.removeprefix(NAME)}"

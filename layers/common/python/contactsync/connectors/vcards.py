"""vCards of a server ↔ our fields. Pure; whatever else a card holds stays in it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re

from contactsync.connectors.numbers import Numbers
from contactsync.core.fieldtypes import NO_DAYS, BadValue, Converter, converter
from contactsync.core.identity import digest_of
from contactsync.core.parsing import Damaged
from contactsync.core.vcard import Card as VCard
from contactsync.core.vcard import Property, from_fields, read_cards, serialise, to_fields
from contactsync.core.vcard.reading import Found
from contactsync.model.contact import Fields
from contactsync.model.field import NAME_PARTS

__all__ = ["FIELDS", "Translation", "VCard"]

FIELDS = frozenset(
    [
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "prefix",
        "suffix",
        "nickname",
        "emails",
        "phones",
        "addresses",
        "urls",
        "organization",
        "department",
        "job_title",
        "birthday",
        "notes",
    ]
)
_DATA = re.compile(r"data:[^,;]*;base64,", re.IGNORECASE)
_GROUP = re.compile(r"^(?:X-ADDRESSBOOKSERVER-)?KIND:[ \t]*group[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Translation:
    """Between vCards and fields, for one account: a number without its country is one of `country`."""

    def __init__(self, country: str) -> None:
        self._numbers = Numbers(country)
        self._converters: dict[str, Converter] = {"emails": converter("email"), "urls": converter("url")}

    def parse(self, text: str) -> VCard | None:
        """The first card of a text, however large its picture is; None if there is none.

        Lines that are no properties are passed over where they seem to hold no field of ours: who has a card that is
        not read is left alone until somebody corrects it.
        """
        data = text.encode()
        found = read_cards([data], most_bytes=len(data), passes_over=True)
        return next((each.card for each in found if isinstance(each, Found)), None)

    def damage(self, text: str) -> str:
        """Why there is no card in a text that should hold one: whose it seems to be, and what is wrong with it."""
        data = text.encode()
        read = read_cards([data], most_bytes=len(data), passes_over=True)
        damaged = next((each for each in read if isinstance(each, Damaged)), None)
        if damaged is None:
            return "The server does not give what it holds."
        return f"It is called “{damaged.cells[0]}”. {damaged.message.partition('. ')[0]}."

    def text(self, vcard: VCard) -> str:
        """A card as it travels."""
        return serialise(vcard)

    def fields(self, vcard: VCard) -> Fields:
        """What of a card are fields of ours."""
        found = {key: value for key, value in to_fields(vcard).items() if key in FIELDS}
        if found.get("birthday") in NO_DAYS:
            del found["birthday"]
        if _parts(found) == {"given_name": found.get("name")}:
            del found["given_name"]  # a name in one piece, see `_writable`
        for key in ("emails", "phones", "urls"):
            if key in found:
                found[key] = [entry for raw in found[key] if (entry := self._entry(key, raw))]
        return {key: value for key, value in found.items() if value}

    def new(self, fields: Fields, *, uid: str) -> VCard:
        """A card of version 3.0, which every server takes."""
        vcard = from_fields(self._writable(fields, None))
        return VCard(vcard.version, (Property("UID", uid), *vcard.properties))

    def changed(self, vcard: VCard, fields: Fields) -> VCard:
        """The card with these fields, and all else that it had."""
        return from_fields(self._writable(fields, vcard), onto=vcard, version=vcard.version)

    def held(self, fields: Fields) -> Fields:
        """What a server gives back of these fields."""
        written = self.parse(self.text(self.new(fields, uid="1")))
        return self.fields(written) if written else {}

    def is_group(self, vcard: VCard | str) -> bool:
        """Whether the card is no person but a list of cards, as RFC 6350 and Apple's programs keep their groups.

        A list of thousands has more lines than we read of a card, so its text can be asked as well.
        """
        if isinstance(vcard, str):
            return bool(_GROUP.search(vcard))
        kinds = (*vcard.all("KIND"), *vcard.all("X-ADDRESSBOOKSERVER-KIND"))
        return any(prop.value.strip().lower() == "group" for prop in kinds)

    def uid(self, vcard: VCard) -> str:
        """The card's UID."""
        return next((prop.value.strip() for prop in vcard.all("UID")), "")

    def revised(self, vcard: VCard) -> str:
        """When the card was last changed, if it says so."""
        return next((prop.value.strip() for prop in vcard.all("REV")), "")

    def picture(self, vcard: VCard) -> bytes | None:
        """The picture that lies in the card; empty for one that lies elsewhere; None without one.

        Where that is, is not followed: whoever writes a card would choose where our requests go.
        """
        found = None
        for prop in vcard.all("PHOTO"):
            value = prop.value.replace("\\,", ",").replace("\\;", ";").strip()
            data = _DATA.match(value)
            if value and (data or prop.encoding == "BASE64"):
                with contextlib.suppress(binascii.Error):
                    return base64.b64decode(
                        "".join(value[data.end() if data else 0 :].split()), validate=True
                    )
            found = b"" if value else found
        return found

    def picture_token(self, vcard: VCard) -> str:
        """What changes with the picture; empty without one."""
        picture = self.picture(vcard)
        if picture is None:
            return ""
        told = (
            [base64.b64encode(picture).decode()] if picture else [each.value for each in vcard.all("PHOTO")]
        )
        return digest_of("\n".join(told))

    def pictured(self, vcard: VCard, picture: bytes | None) -> VCard:
        """The card with this picture in place of what it had."""
        others = tuple(prop for prop in vcard.properties if prop.key != "PHOTO")
        if picture is None:
            return VCard(vcard.version, others)
        kind = "PNG" if picture.startswith(b"\x89PNG") else "JPEG"
        data = base64.b64encode(picture).decode()
        if vcard.version == "4.0":
            prop = Property("PHOTO", f"data:image/{kind.lower()};base64,{data}")
        else:
            prop = Property("PHOTO", data, (("ENCODING", ("b",)), ("TYPE", (kind,))))
        return VCard(vcard.version, (*others, prop))

    def _entry(self, key: str, raw: dict[str, str]) -> dict[str, object] | None:
        """One value of a list in canonical form; None if it is none that we could hold."""
        label = {"label": raw["label"]} if raw.get("label") else {}
        if key == "phones":
            number = self._numbers.read(raw["value"])
            return {**number, **label} if number else None
        try:
            value = self._converters[key](raw["value"])
        except BadValue:
            return None
        return {"value": value, **label} if value else None

    def _writable(self, fields: Fields, onto: VCard | None) -> Fields:
        """The fields as `from_fields` takes them: numbers as they are dialled, and what of the card we cannot read.

        An entry that the card has is given as the card spells it, so that its property stays the very same one; one that
        we cannot read stays in its place, for the first of a list is the preferred one.
        """
        before = to_fields(onto) if onto else {}
        written: Fields = {key: value for key, value in fields.items() if key in FIELDS}
        is_there = onto is not None and not _parts(before) and before.get("name") == fields.get("name")
        if not (_parts(fields) or is_there or fields.get("name") in (None, fields.get("organization"))):
            # Phones of Apple's make the name that they show of its parts, and call others by their company
            written["given_name"] = fields["name"]
        for key in ("emails", "phones", "urls"):
            raws = {str(self._entry(key, raw)): raw for raw in before.get(key) or ()}
            entries = [raws.get(str(entry)) or self._plain(key, entry) for entry in fields.get(key) or ()]
            written[key] = [entry for entry in entries if self._entry(key, entry)]
            for place, raw in enumerate(before.get(key) or ()):
                if self._entry(key, raw) is None:
                    written[key].insert(place, raw)
        if "photo" in before:
            written["photo"] = before["photo"]
        return {key: value for key, value in written.items() if value}

    def _plain(self, key: str, entry: dict[str, str]) -> dict[str, str]:
        label = {"label": entry["label"]} if entry.get("label") else {}
        return {"value": self._numbers.written(entry) if key == "phones" else entry["value"], **label}


def _parts(fields: Fields) -> Fields:
    """The parts of a name."""
    return {key: fields[key] for key in NAME_PARTS if fields.get(key)}

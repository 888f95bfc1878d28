"""What a vCard is, kept without loss: properties in their order, with values as they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Version = Literal["2.1", "3.0", "4.0"]

Param = tuple[str, tuple[str, ...]]
"""A name and its values. A bare type of version 2.1 (`TEL;HOME:`) has the name ""."""

_ENCODINGS = {
    "QUOTED-PRINTABLE": "QUOTED-PRINTABLE",
    "BASE64": "BASE64",
    "B": "BASE64",
    "8BIT": "",
    "7BIT": "",
}
_BARE_VALUES = frozenset({"INLINE", "URL", "URI", "CID", "CONTENT-ID", *_ENCODINGS})
"""Bare words of 2.1 that are no types."""


@dataclass(frozen=True, slots=True)
class Property:
    """One line of a card, unfolded: `group.name;params:value`.

    `value` is raw: still escaped, and quoted-printable or base64 where the parameters say so.
    """

    name: str
    value: str
    params: tuple[Param, ...] = ()
    group: str = ""

    @property
    def key(self) -> str:
        """The name, as names are compared."""
        return self.name.upper()

    def param(self, name: str) -> tuple[str, ...]:
        """All values of one parameter; () if it is absent."""
        if not self.params:
            return ()
        return tuple(value for key, values in self.params if key.upper() == name for value in values)

    @property
    def encoding(self) -> str:
        """How the value is encoded: "QUOTED-PRINTABLE", "BASE64" or ""."""
        for value in (*self.param("ENCODING"), *self.param("")):
            if found := _ENCODINGS.get(value.upper()):
                return found
        return ""

    @property
    def types(self) -> tuple[str, ...]:
        """Types in lower case, whether they come as TYPE=a,b, as "a,b" in quotes, repeated, or bare."""
        bare = [value for value in self.param("") if value.upper() not in _BARE_VALUES]
        named = [part for value in self.param("TYPE") for part in value.split(",")]
        return tuple(value.strip().lower() for value in (*named, *bare) if value.strip())

    @property
    def preference(self) -> int:
        """1 (most preferred) to 100; 101 where nothing is said. `pref` among the types is 1."""
        if "pref" in self.types:
            return 1
        for value in self.param("PREF"):
            if re.fullmatch(r"[0-9]{1,3}", value.strip()):
                return min(max(int(value), 1), 100)
        return 101

    def without(self, *names: str) -> Property:
        """The property without these parameters."""
        kept = tuple((key, values) for key, values in self.params if key.upper() not in names)
        return Property(self.name, self.value, kept, self.group)


@dataclass(frozen=True, slots=True)
class Card:
    """One vCard. BEGIN, END and VERSION are not among its properties."""

    version: Version
    properties: tuple[Property, ...]

    def all(self, key: str) -> list[Property]:
        """Properties of one name (in capitals), the preferred first, otherwise in their order."""
        found = [prop for prop in self.properties if prop.name == key or prop.name.upper() == key]
        return sorted(found, key=lambda prop: prop.preference) if len(found) > 1 else found


def version_of(text: str) -> Version:
    """What VERSION says; 3.0, the commonest, where it is missing or unheard of."""
    return "2.1" if text.strip().startswith("2") else "4.0" if text.strip().startswith("4") else "3.0"

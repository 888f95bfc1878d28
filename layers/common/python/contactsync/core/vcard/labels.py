"""What an address, a number or a date is for: types of vCard and Apple's labels ↔ our labels."""

from __future__ import annotations

import re

from contactsync.core.vcard.card import Card, Param, Property, Version
from contactsync.core.vcard.values import text

_ORDER = ("home", "work", "school", "other", "main", "car", "cell", "fax", "pager", "iphone")
_WORDS = {"cell": "mobile"}
_TYPES = {_WORDS.get(type_, type_): type_ for type_ in _ORDER}
_SILENT = frozenset(
    {
        "voice",
        "internet",
        "pref",
        "msg",
        "text",
        "textphone",
        "video",
        "dom",
        "intl",
        "postal",
        "parcel",
        "x400",
    }
)
"""Types that say how something works, not what it is for."""
_APPLE = re.compile(r"_\$!<(.*)>!\$_", re.DOTALL)


def labels(card: Card) -> dict[str, str]:
    """Apple's own labels, by the group that carries them; its built-in ones in lower case."""
    found = {}
    for prop in card.properties:
        if prop.key == "X-ABLABEL" and prop.group:
            label = text(prop, card.version)
            builtin = _APPLE.fullmatch(label)
            found[prop.group] = builtin[1].lower() if builtin else label
    return found


def label(prop: Property, grouped: dict[str, str]) -> str:
    """What the property is for, like "home", "work fax" or "Holiday house"; "" if nothing is said."""
    if prop.group and (own := grouped.get(prop.group)):
        return own
    return _of_types(prop.types)


def _of_types(types: tuple[str, ...]) -> str:
    known = [_WORDS.get(type_, type_) for type_ in _ORDER if type_ in types]
    if known:
        return " ".join(known)
    return next((type_ for type_ in types if type_ not in _SILENT and not type_.startswith("x-")), "")


def types_for(label: str) -> tuple[str, ...] | None:
    """The types that say `label`; None if only a label of its own can."""
    types = tuple(_TYPES.get(word, "") for word in label.split(" ")) if label else ()
    return types if _of_types(types) == label and "" not in types else None


def type_params(types: tuple[str, ...], version: Version) -> tuple[Param, ...]:
    """Types as the version writes them."""
    if version == "2.1":
        return tuple(("", (type_.upper(),)) for type_ in types)
    return (("TYPE", types),) if types else ()


def without_types(prop: Property) -> tuple[Param, ...]:
    """The parameters, less those that say what the property is for or that it is preferred."""
    spoken = set(prop.types)
    return tuple(
        (name, values)
        for name, values in prop.params
        if name.upper() not in {"TYPE", "PREF"} and not (name == "" and values[0].lower() in spoken)
    )

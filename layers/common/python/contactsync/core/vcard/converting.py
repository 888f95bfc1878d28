"""A card of one version → the same card of another: encodings, escapes and parameters are written differently."""

from __future__ import annotations

import re

from contactsync.core.vcard.card import Card, Param, Property, Version
from contactsync.core.vcard.fields import birthday
from contactsync.core.vcard.labels import type_params, without_types
from contactsync.core.vcard.values import escaped, listed, plain, quoted, reescaped

_VERBATIM = frozenset(
    {"URL", "PHOTO", "LOGO", "SOUND", "KEY", "REV", "GEO", "TZ", "UID", "SOURCE", "FBURL", "AGENT"}
)
"""Properties whose values are no text and know no escapes."""
_DATA = re.compile(r"data:(?:image/)?([\w.+-]*)(?:;[^,;]*)*;base64,", re.IGNORECASE)


def converted(card: Card, version: Version) -> Card:
    """The card as `version` writes it. Unknown properties come along, with their parameters."""
    if card.version == version:
        return card
    date = birthday(card)
    properties: list[Property] = []
    for prop in card.properties:
        if prop.key == "BDAY" and date:
            if any(other.key == "BDAY" for other in properties):
                continue
            properties.append(dated(date, version))
        else:
            properties.append(_converted(prop, card.version, version))
    return Card(version, tuple(properties))


def _converted(prop: Property, before: Version, after: Version) -> Property:
    if prop.encoding == "BASE64" or _DATA.match(prop.value):
        return _binary(prop, after)
    value = plain(prop)
    if prop.key not in _VERBATIM:
        value = reescaped(value, before, after, listed=prop.key == "CATEGORIES")
    if prop.key == "NICKNAME" and after == "2.1":
        value = escaped(", ".join(listed(prop, before)), after)
    params = [
        (name, values)
        for name, values in without_types(prop)
        if name.upper() not in {"ENCODING", "CHARSET", ""}
    ]
    types = tuple(type_ for type_ in prop.types if type_ != "pref")
    new = Property(prop.name, value, (*type_params(types, after), *params), prop.group)
    if prop.preference < 101:
        new = preferred(new, after)
    return quoted(new) if after == "2.1" and not (value.isascii() and value.isprintable()) else new


def _binary(prop: Property, after: Version) -> Property:
    """A picture, sound or key: inline base64 until 3.0, a data URI in 4.0."""
    uri = _DATA.match(prop.value)
    kind = (uri[1] if uri else next(iter(prop.types), "")).lower().removeprefix("image/")
    data = prop.value[uri.end() :] if uri else prop.value
    if after == "4.0":
        return Property(prop.name, f"data:image/{kind or 'jpeg'};base64,{data}", (), prop.group)
    params: list[Param] = [("ENCODING", ("BASE64" if after == "2.1" else "b",))]
    if kind:
        params.append(("TYPE", (kind.upper(),)))
    return Property(prop.name, data, tuple(params), prop.group)


def preferred(prop: Property, version: Version) -> Property:
    if version == "4.0":
        params: tuple[Param, ...] = (*prop.params, ("PREF", ("1",)))
    elif version == "3.0":
        params = (("TYPE", (*prop.types, "pref")), *without_types(prop))
    else:
        params = (*prop.params, ("", ("PREF",)))
    return Property(prop.name, prop.value, params, prop.group)


def dated(date: str, version: Version) -> Property:
    """Without a year: --MMDD in 4.0, elsewhere as Apple writes it, which others read too."""
    if version == "4.0":
        return Property(
            "BDAY", "--" + date[2:].replace("-", "") if date.startswith("--") else date.replace("-", "")
        )
    if date.startswith("--"):
        return Property("BDAY", f"1604{date[1:]}", (("X-APPLE-OMIT-YEAR", ("1604",)),))
    return Property("BDAY", date)

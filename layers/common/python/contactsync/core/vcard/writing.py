"""A contact's fields → a card, upon the card that was there before; and a card → text.

What `fields` says is the whole truth about our standard fields: what it lacks is removed. Everything else of the
card stays: properties that we do not know, parameters, groups, and a picture that lies in the card itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from contactsync.core.vcard import fields as reading
from contactsync.core.vcard.card import Card, Param, Property, Version
from contactsync.core.vcard.converting import converted, dated, preferred
from contactsync.core.vcard.fields import ADDRESS_PARTS, LISTS, to_fields
from contactsync.core.vcard.labels import labels, type_params, types_for, without_types
from contactsync.core.vcard.values import caret, quoted, written
from contactsync.model.contact import Fields
from contactsync.model.field import NAME_PARTS

LINE_OCTETS = 75
_SINGLES = {
    "FN": ("name",),
    "N": NAME_PARTS,
    "NICKNAME": ("nickname",),
    "ORG": ("organization", "department"),
    "TITLE": ("job_title",),
    "BDAY": ("birthday",),
    "NOTE": ("notes",),
    "PHOTO": ("photo",),
}
"""Properties, and the fields that are read from them."""
_SEVERAL = frozenset({"FN", "TITLE", "ORG"})
"""Of these a card may have more than the one that is read."""
_QUOTE_NEEDED = re.compile(r"[,;:]")
_ENDS_CARD = re.compile(r"(?:BEGIN|END)[ \t]*:", re.IGNORECASE)
_UNWRITABLE = re.compile('[\x00-\x08\x0a-\x1f\x7f"]')


def from_fields(fields: Fields, *, onto: Card | None = None, version: Version = "3.0") -> Card:
    """The card that says what `fields` says.

    Args:
        fields: as `to_fields` has them; of a phone with `text`, that is what is written.
        onto: the card as it was last read.
        version: of the new card.

    Returns:
        A card whose `to_fields` is `fields`, but that it always has a name. Properties whose fields have not
        changed are the very same as in `onto`.
    """
    if onto is not None:
        onto = converted(onto, version)
    wanted = {field: value for field, value in fields.items() if value not in (None, "", [])}
    wanted.setdefault("name", reading.display(wanted))
    before = to_fields(onto) if onto else {}
    kept = onto.properties if onto else ()
    card = Card(version, kept)
    for key, names in _SINGLES.items():
        if onto is None or any(wanted.get(name) != before.get(name) for name in names):
            card = _replaced(card, key, _with_others(key, list(_single(key, wanted, card)), card))
    for field, key in LISTS.items():
        if wanted.get(field) != before.get(field):
            card = _with_list(card, key, wanted.get(field, []))
    return _without_orphans(card, kept)


def _single(key: str, fields: Fields, card: Card) -> Iterator[Property]:
    """The properties, one or none, that hold these fields."""
    values = [str(fields.get(name, "")) for name in _SINGLES[key]]
    version = card.version
    if key == "PHOTO":
        yield from (prop for prop in card.all(key) if not reading.photo_url(prop, version))
        if values[0]:
            yield _photo(values[0], version)
    elif key == "BDAY":
        if values[0]:
            yield dated(values[0], version)
    elif key == "ORG":
        units = [unit for unit in reading.units_of(card) if unit]
        if any(values):  # a department of which nothing has changed keeps its parts
            parts = units if " / ".join(units) == values[1] else values[1:]
            yield written(key, [values[0], *filter(None, parts)], version)
    elif any(values) or key == "FN" or (key == "N" and version != "4.0"):
        yield written(key, values, version)


def _with_others(key: str, new: list[Property], card: Card) -> list[Property]:
    """A name, a title or a company before others of its kind, of which only the first is read."""
    others = [prop for prop in card.all(key) if prop.value.strip(" ;")][1:] if key in _SEVERAL else []
    if not new or not new[0].value:
        return new
    if any(other.preference < new[0].preference for other in others):
        new = [preferred(new[0], card.version)]
        others = [_unpreferred(other) for other in others]
    return [*new, *others]


def _photo(url: str, version: Version) -> Property:
    kind: tuple[Param, ...] = (
        () if version == "4.0" else (("VALUE", ("URL" if version == "2.1" else "uri",)),)
    )
    prop = _address_of_web("PHOTO", url, version)
    return Property("PHOTO", prop.value, (*kind, *prop.params))


def _address_of_web(key: str, url: str, version: Version) -> Property:
    """A URI is not escaped, unless it holds what would end or change it."""
    if "\\" in url or not url.isprintable() or (version == "2.1" and not url.isascii()):
        return written(key, [url], version)
    return Property(key, url)


def _with_list(card: Card, key: str, entries: list[dict[str, Any]]) -> Card:
    """The card with these values, in this order; the first is the preferred one."""
    version = card.version
    grouped = labels(card)
    old = [(prop, reading.entry(prop, version, grouped)) for prop in card.all(key)]
    groups = {prop.group for prop in card.properties}
    built: list[Property] = []
    own_labels: list[Property] = []
    for wanted in entries:
        same = _take(old, wanted, whole=True)
        if same:
            built.append(same)
            continue
        label = wanted.get("label", "")
        types = types_for(label)
        found = _take(old, wanted, whole=False)
        prop = found or _valued(key, wanted, version)
        group = ""
        if types is None:
            group = next(
                name for number in range(1, len(groups) + 2) if (name := f"item{number}") not in groups
            )
            groups.add(group)
            own_labels.append(written("X-ABLabel", [label], version, group=group))
        params = (*type_params(types or (), version), *without_types(prop))
        built.append(Property(prop.name, prop.value, params, group))
    if sorted(built, key=lambda prop: prop.preference) != built:
        built = [_unpreferred(prop) for prop in built]
        built[0] = preferred(built[0], version)
    return _replaced(card, key, [*built, *own_labels])


def _take(
    old: list[tuple[Property, dict[str, Any] | None]], wanted: dict[str, Any], *, whole: bool
) -> Property | None:
    """A property that holds the value already, with its label if `whole`; each is taken once."""
    for index, (prop, entry) in enumerate(old):
        if entry is None or entry["value"] != wanted.get("text", wanted["value"]):
            continue
        if not whole or entry.get("label", "") == wanted.get("label", ""):
            del old[index]
            return prop
    return None


def _valued(key: str, wanted: dict[str, Any], version: Version) -> Property:
    value = wanted.get("text", wanted["value"])
    if key == "URL":
        return _address_of_web(key, value, version)
    if key != "ADR":
        return written(key, [value], version)
    components = [value.get(part, "") for part in ADDRESS_PARTS]
    formatted = value.get("formatted", "")
    params: tuple[Param, ...] = ()
    if formatted and version == "4.0":
        params = (("LABEL", (caret(formatted),)),)
    elif formatted and not any(components):
        components[ADDRESS_PARTS.index("street")] = formatted
    return written(key, components, version, params=params)


def _unpreferred(prop: Property) -> Property:
    """Without PREF and without `pref` among the types; all else as it was written."""
    params = []
    for name, values in prop.without("PREF").params:
        left = tuple(value for value in values if value.lower() != "pref" or name.upper() not in {"", "TYPE"})
        if left:
            params.append((name, left))
    return Property(prop.name, prop.value, tuple(params), prop.group)


def _replaced(card: Card, key: str, new: list[Property]) -> Card:
    """The card with `new` where the first property of that name stood, else at its end."""
    at = next((index for index, prop in enumerate(card.properties) if prop.key == key), len(card.properties))
    before = card.properties[:at]
    after = tuple(prop for prop in card.properties[at:] if prop.key != key)
    return Card(card.version, (*before, *new, *after))


def _without_orphans(card: Card, before: tuple[Property, ...]) -> Card:
    """Without the labels of properties that are no longer there."""

    def labelled(properties: tuple[Property, ...]) -> set[str]:
        return {prop.group for prop in properties if not prop.key.startswith("X-AB")}

    gone = labelled(before) - labelled(card.properties)
    kept = (prop for prop in card.properties if prop.group not in gone or not prop.key.startswith("X-AB"))
    return Card(card.version, tuple(kept))


def serialise(card: Card) -> str:
    """The card as text, with CR LF, folded at 75 octets of UTF-8, never inside a character."""
    lines = ["BEGIN:VCARD", f"VERSION:{card.version}"]
    for prop in card.properties:
        lines += _lines(prop, card.version)
    lines.append("END:VCARD")
    return "\r\n".join(lines) + "\r\n"


def _lines(prop: Property, version: Version) -> Iterator[str]:
    if "\n" in prop.value or "\r" in prop.value:
        if prop.key == "AGENT":
            yield f"{_head(prop)}:"
            yield from prop.value.split("\n")[1:]
            return
        prop = quoted(prop) if version == "2.1" else prop
    value = re.sub("\r\n?|\n", r"\\n", prop.value)
    line = f"{_head(prop)}:{value}"
    if prop.encoding == "QUOTED-PRINTABLE":
        yield from _soft_broken(line)
    elif version == "2.1" and prop.encoding != "BASE64":
        yield line  # 2.1 could fold at blanks only, and nobody needs it to
    else:
        yield from _folded(line)
    if version == "2.1" and prop.encoding == "BASE64":
        yield ""


def _head(prop: Property) -> str:
    params = "".join(f";{_param(name, values)}" for name, values in prop.params)
    return f"{prop.group}.{prop.name}{params}" if prop.group else f"{prop.name}{params}"


def _param(name: str, values: tuple[str, ...]) -> str:
    safe = (_UNWRITABLE.sub("", value) for value in values)
    joined = ",".join(f'"{value}"' if _QUOTE_NEEDED.search(value) else value for value in safe)
    return f"{name}={joined}" if name else joined


def _folded(line: str) -> Iterator[str]:
    """Pieces of at most 75 octets; the blank that begins each further one belongs to the folding."""
    data = line.encode("utf-8", "surrogatepass")
    start, room = 0, LINE_OCTETS
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        yield (" " if start else "") + data[start:end].decode("utf-8", "surrogatepass")
        start, room = end, LINE_OCTETS - 1
    yield (" " if start else "") + data[start:].decode("utf-8", "surrogatepass")


def _soft_broken(line: str) -> Iterator[str]:
    """Quoted-printable lines that end with "=", never inside "=XX" nor within the parameters.

    None begins as the end of a card does: a further line is not indented here.
    """
    start, at = 0, line.find(":") + 1
    while len(line) - start > LINE_OCTETS:
        end = max(start + LINE_OCTETS - 1, at)
        end += bool(_ENDS_CARD.match(line, end))
        end -= next((back for back in (1, 2) if line[end - back] == "="), 0)
        yield line[start:end] + "="
        start = end
    yield line[start:]

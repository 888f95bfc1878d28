"""Slot ↔ DynamoDB item. Hand-made for the one shape there is: a run encodes and decodes a million.

boto3's TypeSerializer does the same at ten times the CPU, most of it for types that no contact holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contactsync.core.identity import shard_of
from contactsync.model.contact import Alias, Audit, Contact, Glimpse, Slot, Source, Tombstone

Attribute = dict[str, Any]
"""A value with its type as DynamoDB writes it: {"S": "Ada"}, {"N": "36"}, {"M": {...}}."""
Item = dict[str, Attribute]

CONTACT, ALIAS, TOMBSTONE = "c", "a", "t"
GLIMPSE = ("sk", "k", "s", "g", "cb")
"""The attributes that a glimpse is made of, but for fields."""
ITEM_LIMIT = 400 * 1024
"""Bytes of an item, by DynamoDB's own count."""
TRANSACTION_LIMIT = 4_000_000
"""Bytes of a transaction's items, together, whether they are written or deleted."""


_PLAIN = frozenset({"S", "BOOL"})


class Unstorable(Exception):
    """Contacts that the table cannot hold: too large, or no valid text. All other writes were seen to.

    Mapping bounds what a row may hold, so this is a bug there. The message names contacts by id.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} contacts cannot be stored as they are: {', '.join(ids[:10])}")
        self.ids = tuple(ids)


def partition(account_id: str, shard: int) -> str:
    """The partition key of one shard of an account."""
    return f"{account_id}#{shard:02d}"


def attribute(value: Any) -> Attribute:
    """Canonical JSON → typed attribute. Raises TypeError for what is neither text, number, boolean nor nesting."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is dict:
        return {"M": attributes(value)}
    if kind is list or kind is tuple:
        return {"L": [{"M": attributes(each)} if type(each) is dict else attribute(each) for each in value]}
    if kind is bool:
        return {"BOOL": value}
    if kind is int:
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    raise TypeError(f"A contact field holds a {kind.__name__}; decimals are stored as text.")


def attributes(values: Mapping[str, Any]) -> dict[str, Attribute]:
    """Each value's, by its key. Most are text, and a call for each would cost more than all the rest."""
    typed: dict[str, Attribute] = {}
    for key, value in values.items():
        typed[key] = {"S": value} if type(value) is str else attribute(value)
    return typed


def value_of(typed: Attribute) -> Any:
    """Typed attribute → canonical JSON."""
    ((kind, value),) = typed.items()
    if kind in _PLAIN:
        return value
    if kind == "L":
        return [value_of(inner) for inner in value]
    if kind == "M":
        return _values(value)
    return int(value) if kind == "N" else None


def _values(typed: Mapping[str, Attribute]) -> dict[str, Any]:
    return {key: inner["S"] if "S" in inner else value_of(inner) for key, inner in typed.items()}


def item_of(account_id: str, slot: Slot) -> Item:
    """The whole item of a slot. `g` is absent without segments: DynamoDB knows no empty set."""
    if isinstance(slot, Contact):
        return _contact_item(account_id, slot)
    item: Item = {
        "pk": {"S": partition(account_id, shard_of(slot.id))},
        "sk": {"S": slot.id},
        "k": {"S": ALIAS if isinstance(slot, Alias) else TOMBSTONE},
        "v": {"N": str(slot.version)},
    }
    if isinstance(slot, Alias):
        return item | {"t": {"S": slot.contact_id}, "ct": {"N": str(slot.claimed_at)}}
    return item | {
        "s": _sources_attribute(slot.sources),
        "ua": {"S": slot.deleted_at},
        "ub": {"S": slot.deleted_by},
        "expires_at": {"N": str(slot.expires_at)},
    }


def _contact_item(account_id: str, contact: Contact) -> Item:
    audit = contact.audit
    item: Item = {
        "pk": {"S": partition(account_id, shard_of(contact.id))},
        "sk": {"S": contact.id},
        "k": {"S": CONTACT},
        "v": {"N": str(contact.version)},
        "f": {"M": attributes(contact.fields)},
        "s": _sources_attribute(contact.sources),
        "ca": {"S": audit.created_at},
        "cb": {"S": audit.created_by},
        "ua": {"S": audit.updated_at},
        "ub": {"S": audit.updated_by},
    }
    if audit.via:
        item["uv"] = {"S": audit.via}
    if contact.segments:
        item["g"] = {"SS": sorted(set(contact.segments))}
    if contact.runs:
        item["h"] = {"S": " ".join(contact.runs)}
    return item


def slot_of(item: Mapping[str, Attribute]) -> Slot:
    """What an item holds; the other half of item_of. Segments come back in order of name."""
    kind = item["k"]["S"]
    if kind == CONTACT:
        return contact_of(item)
    id_, version = item["sk"]["S"], int(item["v"]["N"])
    if kind == ALIAS:
        return Alias(id_, version, item["t"]["S"], int(item["ct"]["N"]))
    return Tombstone(
        id_, version, item["ua"]["S"], item["ub"]["S"], _sources_of(item["s"]), int(item["expires_at"]["N"])
    )


def contact_of(item: Mapping[str, Attribute]) -> Contact:
    """The contact of an item of kind CONTACT."""
    return Contact(
        id=item["sk"]["S"],
        version=int(item["v"]["N"]),
        fields=_values(item["f"]["M"]),
        audit=Audit(*(item[name]["S"] for name in ("ca", "cb", "ua", "ub", "uv") if name in item)),
        sources=_sources_of(item["s"]),
        segments=tuple(sorted(item["g"]["SS"])) if "g" in item else (),
        runs=tuple(item["h"]["S"].split(" ")) if "h" in item else (),
    )


def glimpse_of(item: Mapping[str, Attribute]) -> Glimpse:
    """The glimpse of an item that was read with GLIMPSE and some fields."""
    if item["k"]["S"] != CONTACT:
        return Glimpse(item["sk"]["S"], is_contact=False)
    return Glimpse(
        id=item["sk"]["S"],
        is_contact=True,
        hashes={sync_id: source["M"]["h"]["S"] for sync_id, source in item["s"]["M"].items()},
        segments=tuple(sorted(item["g"]["SS"])) if "g" in item else (),
        created_by=item["cb"]["S"],
        fields=_values(item["f"]["M"]) if "f" in item else {},
    )


def size_of(item: Mapping[str, Attribute]) -> int:
    """Bytes of an item as DynamoDB counts them, rounded up; the memory store refuses by it."""
    return sum(len(name.encode()) + _attribute_size(value) for name, value in item.items())


def _sources_attribute(sources: Mapping[str, Source]) -> Attribute:
    return {"M": {sync_id: _source_attribute(source) for sync_id, source in sources.items()}}


def _sources_of(typed: Attribute) -> dict[str, Source]:
    return {sync_id: _source_of(source["M"]) for sync_id, source in typed["M"].items()}


def _source_attribute(source: Source) -> Attribute:
    return {"M": {"r": {"S": source.run_id}, "n": {"N": str(source.row)}, "h": {"S": source.hash}}}


def _source_of(typed: Mapping[str, Attribute]) -> Source:
    return Source(run_id=typed["r"]["S"], row=int(typed["n"]["N"]), hash=typed["h"]["S"])


def _attribute_size(typed: Attribute) -> int:
    ((kind, value),) = typed.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return len(value) // 2 + 2
    if kind == "SS":
        return 3 + sum(1 + len(text.encode()) for text in value)
    if kind == "L":
        return 3 + sum(1 + _attribute_size(inner) for inner in value)
    if kind == "M":
        return 3 + sum(1 + len(key.encode()) + _attribute_size(inner) for key, inner in value.items())
    return 1

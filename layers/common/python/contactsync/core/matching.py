"""Who is who when a book and the contact list meet for the first time.

A wrong match mixes two people, and cannot be taken apart by a machine; a missed one leaves a double that anybody
can merge. So a pair must be the only one possible on both sides, and what is not clear goes to a person.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from contactsync.core.merging import entry_key
from contactsync.model.contact import Fields
from contactsync.model.field import LISTS, PRIMARIES

DEFAULT_RULES: tuple[tuple[str, ...], ...] = (
    ("name", "email"),
    ("name", "phone"),
    ("name", "organization"),
    ("email",),
)
KEYS_MAX = 200
"""Of one person under one rule: more addresses than that tell nobody apart."""
CANDIDATES_MAX = 100
"""Contacts that a card may be: a rule by which it may be more, such as the company alone, is a question that nobody answers."""

_word = re.compile(r"[^\W_]+")
Why = Literal["several_contacts", "several_cards", "other_name"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A card that may be one of these contacts, by which rule, and why that is not certain."""

    card: str
    contacts: tuple[str, ...]
    rule: tuple[str, ...]
    why: Why


@dataclass(frozen=True, slots=True)
class Matches:
    """Card id → contact id, one to one, and what a person must decide. All other cards are new."""

    pairs: dict[str, str]
    doubts: tuple[Doubt, ...]


@dataclass(slots=True)
class _Shared:
    """Who has one key of one rule."""

    cards: list[str] = field(default_factory=list)
    contacts: list[str] = field(default_factory=list)


def match(
    cards: Mapping[str, Fields],
    contacts: Iterable[tuple[str, Fields]],
    rules: Sequence[Sequence[str]] = DEFAULT_RULES,
    *,
    apart: Collection[tuple[str, str]] = (),
) -> Matches:
    """Find the contact of each card, by the first rule that knows one.

    Args:
        cards: fields by card id; none of them is linked.
        contacts: id and fields of those that are not linked, once each; read as a stream.
        rules: in order; every key of a rule must agree. `name`, any text field, `email` and `phone` (any of the
            card's, the contact's any), or `emails.work` (the card's labelled so, the contact's primary one).
        apart: pairs of card and contact that somebody has said are two people.

    A pair counts only if neither side has another candidate under the same rule, counting those that found
    somebody by an earlier rule as taken. Nothing follows from A being like B and B like C.
    """
    shared: dict[tuple[int, str], _Shared] = defaultdict(_Shared)
    for card_id, fields in cards.items():
        for number, rule in enumerate(rules):
            for key in _keys(fields, rule, of_card=True):
                shared[number, key].cards.append(card_id)
    names: dict[str, frozenset[str]] = {}
    for contact_id, fields in contacts:
        for number, rule in enumerate(rules):
            for key in _keys(fields, rule, of_card=False):
                who = shared.get((number, key))
                if who is not None and len(who.contacts) < CANDIDATES_MAX:
                    who.contacts.append(contact_id)
                    names[contact_id] = _words(_name(fields))
    matching = _Matching(cards, names, frozenset(apart))
    for number, rule in enumerate(rules):
        candidates = [who for (of_rule, _), who in shared.items() if of_rule == number and who.contacts]
        matching.apply(tuple(rule), candidates)
    return Matches(matching.pairs, tuple(matching.doubts.values()))


class _Matching:
    def __init__(
        self,
        cards: Mapping[str, Fields],
        names: Mapping[str, frozenset[str]],
        apart: frozenset[tuple[str, str]],
    ) -> None:
        self.cards = cards
        self.names = names
        self.apart = apart
        self.pairs: dict[str, str] = {}
        self.taken: set[str] = set()
        self.doubts: dict[str, Doubt] = {}

    def apply(self, rule: tuple[str, ...], candidates: Sequence[_Shared]) -> None:
        """Pair whom this rule pairs beyond doubt; note the others."""
        contacts_of: dict[str, dict[str, None]] = defaultdict(dict)
        cards_of: dict[str, dict[str, None]] = defaultdict(dict)
        for who in candidates:
            for card_id, contact_id in product(who.cards, who.contacts):
                if self._is_open(card_id, contact_id):
                    contacts_of[card_id][contact_id] = None
                    cards_of[contact_id][card_id] = None
        for card_id, found in contacts_of.items():
            why = self._doubt(card_id, found, cards_of)
            if why is not None:
                self.doubts[card_id] = Doubt(card_id, tuple(found), rule, why)
        for card_id, found in contacts_of.items():
            if card_id not in self.doubts:
                [self.pairs[card_id]] = found
                self.taken.update(found)

    def _is_open(self, card_id: str, contact_id: str) -> bool:
        settled = card_id in self.pairs or card_id in self.doubts or contact_id in self.taken
        return not settled and (card_id, contact_id) not in self.apart

    def _doubt(
        self,
        card_id: str,
        found: Mapping[str, None],
        cards_of: Mapping[str, Mapping[str, None]],
    ) -> Why | None:
        if len(found) > 1:
            return "several_contacts"
        [contact_id] = found
        if len(cards_of[contact_id]) > 1:
            return "several_cards"
        mine, theirs = _words(_name(self.cards[card_id])), self.names[contact_id]
        if not (mine <= theirs or theirs <= mine):
            return (
                "other_name"  # a shared address, as families and info@ have; a family name is shared with it
            )
        return None


def _keys(fields: Fields, rule: Sequence[str], *, of_card: bool) -> Iterator[str]:
    """All that this person could be found by under a rule; nothing if a key of it has no value."""
    parts = [sorted(_part(fields, name, of_card=of_card)) for name in rule]
    size = 1
    for part in parts:
        size *= len(part)
    if 0 < size <= KEYS_MAX:
        yield from ("\0".join(combined) for combined in product(*parts))


def _part(fields: Fields, name: str, *, of_card: bool) -> set[str]:
    """The values of one key of a rule, as they are compared."""
    if name == "name":
        words = _words(_name(fields))
        return {" ".join(sorted(words))} if words else set()
    key, _, label = name.partition(".")
    listed = PRIMARIES.get(key, key)
    if listed not in LISTS:
        text = " ".join(str(fields.get(key) or "").casefold().split())
        return {text} if text else set()
    entries = fields.get(listed) or []
    if label and of_card:
        entries = [entry for entry in entries if str(entry.get("label") or "").casefold() == label.casefold()]
    elif label:
        entries = entries[:1]
    return {entry_key(listed, entry) for entry in entries}


def _name(fields: Fields) -> str:
    return str(
        fields.get("name") or " ".join(str(fields.get(key) or "") for key in ("given_name", "family_name"))
    )


def _words(name: str) -> frozenset[str]:
    """A name as it is compared: its words in any order, without accents and case."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return frozenset(_word.findall("".join(each for each in plain if not unicodedata.combining(each))))

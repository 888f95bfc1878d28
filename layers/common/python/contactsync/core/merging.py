"""Two sides of one person: a contact here and a card in a book, and what both become.

Three-way: each side is compared with what it was when both last agreed, so that what one of them changed reaches
the other, and what neither changed stays, even where the two differ because the book cannot hold it. What is gone
from a card was deleted there only if it was seen there before.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import orjson

from contactsync.core.identity import email_key
from contactsync.model.contact import Fields
from contactsync.model.field import LISTS, NAME_PARTS

Entry = Mapping[str, Any]
Named = tuple[str, Entry]
Side = Literal["ours", "theirs"]

TURNS_LOOKED_AT = 6
"""So many writes in turn, now we, now they, within TURNS_WITHIN_S, that say again what was said: two bridges do that, and people do not."""
TURNS_AT_MOST = 12
"""So many, whatever they say: a bridge that adds a date or a number says something else each time."""
TURNS_WITHIN_S = 86_400
SIDE_MAX = 180_000
"""Bytes of either side as JSON: what both were when they last agreed lies in one record, which holds 400 KB."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides were when they last agreed: they need not be equal, for a card does not hold everything."""

    ours: Fields
    theirs: Fields


@dataclass(frozen=True, slots=True)
class Policy:
    """How two sides are brought together.

    Attributes:
        held: what of some fields the book can hold; see `ports.Connector.held`.
        direction: pull changes only us, push only them.
        conflict: who wins where both have changed the same value. `newest` falls back to us where nobody knows.
        mandatory: keys that a book does not empty here.
        deletion_wins: whether a deletion beats an edit that the other side made since.
    """

    held: Callable[[Fields], Fields]
    direction: Literal["pull", "push", "both"] = "both"
    conflict: Literal["remote", "hub", "newest"] = "hub"
    mandatory: frozenset[str] = frozenset({"name", "emails", "phones"})
    deletion_wins: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides had changed one value; `kept` says whose stands now. In a list, `ours` and `theirs` are entries."""

    field: str
    ours: Any
    theirs: Any
    kept: Side


@dataclass(frozen=True, slots=True)
class Merge:
    """What both sides become. None: there is to be no such contact, or no such card.

    Attributes:
        theirs: equal to what was given where nothing is to be written.
        protected: mandatory fields that were emptied there and stay here.
        revived: the side whose deletion was overruled by an edit of the other.
    """

    ours: Fields | None
    theirs: Fields | None
    conflicts: tuple[Conflict, ...] = ()
    protected: tuple[str, ...] = ()
    revived: Side | None = None


def merge(
    agreed: Agreed | None,
    ours: Fields | None,
    theirs: Fields | None,
    policy: Policy,
    *,
    newer: Side | None = None,
) -> Merge:
    """What a contact and a card become, each None if it is not there.

    Args:
        agreed: what they were when they last agreed; None on first contact, and then nothing is deleted. First
            contact is also what follows a change of direction.
        ours: the contact's fields now.
        theirs: the card's fields now.
        policy: see there.
        newer: which side was changed last, if anybody knows.
    """
    if ours is None or theirs is None:
        return _one_sided(agreed, ours, theirs, policy)
    fields = _Fields(agreed, policy, newer)
    merged = fields.merge(ours, theirs)
    return Merge(
        ours=merged if policy.direction != "push" else ours,
        theirs=_written(fields, merged, ours, theirs) if policy.direction != "pull" else theirs,
        conflicts=tuple(fields.conflicts),
        protected=tuple(fields.protected),
    )


def same(one: Fields, other: Fields) -> bool:
    """Whether two sides mean the same: spelling of phones, case of addresses, Unicode form count for nothing."""
    return all(_same(key, one.get(key), other.get(key)) for key in {*one, *other})


def is_loop(turns: Sequence[tuple[float, Side]], carried: Sequence[str]) -> bool:
    """Whether two sides keep overwriting each other, as programs do that know nothing of each other.

    People who edit in turn answer each other: what they say is new.

    Args:
        turns: epoch seconds and whose change was carried over, the oldest first.
        carried: what the latest of them said, as marks that are equal where it was the same.
    """
    if _alternate(turns[-TURNS_AT_MOST:], TURNS_AT_MOST):
        return True
    if not _alternate(turns[-TURNS_LOOKED_AT:], TURNS_LOOKED_AT) or len(carried) < TURNS_LOOKED_AT:
        return False
    told = [(side, mark) for (_, side), mark in zip(turns[-len(carried) :], carried, strict=True)]
    last = range(len(told) - TURNS_LOOKED_AT, len(told))
    if len({told[at] for at in last}) == 2:  # each says the same again and again
        return True
    # One of them says what the other has said before: our own former value comes back, or theirs.
    return any(
        all((_other(side), mark) in told[:at] for at in last for said, mark in [told[at]] if said == side)
        for side in ("ours", "theirs")
    )


def _alternate(turns: Sequence[tuple[float, Side]], count: int) -> bool:
    """Whether these are so many turns, one side's after the other's, within the time of a loop."""
    return (
        len(turns) == count
        and all(one[1] != other[1] for one, other in pairwise(turns))
        and turns[-1][0] - turns[0][0] <= TURNS_WITHIN_S
    )


def _other(side: str) -> str:
    return "theirs" if side == "ours" else "ours"


def _one_sided(agreed: Agreed | None, ours: Fields | None, theirs: Fields | None, policy: Policy) -> Merge:
    """At most one side is there: the other was deleted, or has never been."""
    pulls, pushes = policy.direction != "push", policy.direction != "pull"
    if ours is not None:
        edited = agreed is not None and not same(ours, agreed.ours)
        gone = agreed is not None and (not edited or policy.deletion_wins)
        if gone:
            return Merge(ours=None if pulls else ours, theirs=None)
        return Merge(
            ours=ours,
            theirs=policy.held(ours) if pushes else None,
            revived="theirs" if edited and pushes else None,
        )
    if theirs is not None:
        edited = agreed is not None and not same(theirs, agreed.theirs)
        gone = agreed is not None and (not edited or policy.deletion_wins)
        if gone:
            return Merge(ours=None, theirs=None if pushes else theirs)
        return Merge(
            ours=theirs if pulls else None, theirs=theirs, revived="ours" if edited and pulls else None
        )
    return Merge(ours=None, theirs=None)


def _written(fields: _Fields, merged: Fields, ours: Fields, theirs: Fields) -> Fields:
    """What the card shall be; as it is now if that means the same. What is settled stays, though it may differ."""
    after = fields.policy.held(merged)
    if same(after, theirs):
        return theirs
    settled = fields.settled(ours, theirs)
    after = {key: value for key, value in after.items() if key not in settled}
    after |= {key: theirs[key] for key in settled if key in theirs}
    if same(after, theirs):
        return theirs
    return {key: _as_spelled(key, value, theirs.get(key)) for key, value in after.items()}


class _Fields:
    """Merges the fields of one person, and notes what was in dispute."""

    def __init__(self, agreed: Agreed | None, policy: Policy, newer: Side | None) -> None:
        self.agreed = agreed
        self.policy = policy
        self.winner: Side = "ours"
        if policy.conflict == "remote" or (policy.conflict == "newest" and newer == "theirs"):
            self.winner = "theirs"
        self.conflicts: list[Conflict] = []
        self.protected: list[str] = []

    def merge(self, ours: Fields, theirs: Fields) -> Fields:
        """Field by field. Keys stay in our order; what only they have follows."""
        merged: Fields = {}
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            pair = ours.get(key), theirs.get(key)
            value = self._list(key, *pair) if key in LISTS else self._single(key, *pair)
            if not value and pair[0] and key in self.policy.mandatory:
                self.protected.append(key)
                value = pair[0]
            if value not in (None, [], ""):
                merged[key] = value
        return self._called(merged, ours, theirs)

    def _called(self, merged: Fields, ours: Fields, theirs: Fields) -> Fields:
        """A name that was edited here reaches a book that makes names of their parts: those of the old name go."""
        if self.agreed is None or self.policy.direction == "pull" or not merged.get("name"):
            return merged
        before, seen = self.agreed.ours, self.agreed.theirs
        edited = {key for key in ("name", *NAME_PARTS) if not _same(key, ours.get(key), before.get(key))}
        if edited != {"name"} or not _same("name", merged["name"], ours.get("name")):
            return merged
        if _same("name", self.policy.held(merged).get("name"), merged["name"]):
            return merged
        for key in NAME_PARTS:
            if not _same(key, theirs.get(key), seen.get(key)):
                self.conflicts.append(Conflict(key, None, theirs.get(key), "ours"))
        return {key: value for key, value in merged.items() if key not in NAME_PARTS}

    def settled(self, ours: Fields, theirs: Fields) -> set[str]:
        """Keys that neither side has changed: a run that was undone leaves sides that differ. A name is one thing.

        A list of more than the book holds has changed where other values of it are now the ones that it holds.
        """
        if self.agreed is None:
            return set()
        before, seen = self.agreed.ours, self.agreed.theirs
        pairs = (ours, before), (theirs, seen), (self.policy.held(ours), self.policy.held(before))
        moved = {
            key
            for key in {*ours, *theirs, *before, *seen}
            if not all(_same(key, now.get(key), then.get(key)) for now, then in pairs)
        }
        names = {"name", *NAME_PARTS}
        return {*ours, *theirs} - moved - (names if moved & names else set())

    def _single(self, key: str, ours: Any, theirs: Any) -> Any:
        if self.agreed is None:
            if theirs is None or _same(key, ours, theirs):
                return ours
            return self._decided(key, ours, theirs) if ours is not None else theirs
        changed_here = not _same(key, ours, self.agreed.ours.get(key))
        changed_there = not _same(key, theirs, self.agreed.theirs.get(key))
        if not changed_there and not changed_here:  # and yet they may differ
            return theirs if self.policy.direction == "push" else ours
        if not changed_there or _same(key, ours, theirs):
            return ours
        return self._decided(key, ours, theirs) if changed_here else theirs

    def _decided(self, key: str, ours: Any, theirs: Any) -> Any:
        self.conflicts.append(Conflict(key, ours, theirs, self.winner))
        return ours if self.winner == "ours" else theirs

    def _list(self, key: str, ours: Any, theirs: Any) -> list[Entry]:
        agreed = self.agreed or Agreed({}, {})
        here, there, before, seen = _told_apart(
            self._named(key, ours),
            _named(key, theirs),
            self._named(key, agreed.ours.get(key)),
            _named(key, agreed.theirs.get(key)),
        )
        if self.agreed is None:
            return [*here.values(), *(entry for name, entry in there.items() if name not in here)]
        settled = before if self.policy.direction == "push" else seen
        merged: dict[str, Entry] = {}
        for name, entry in here.items():
            edited_here = name not in before or _label(entry) != _label(before[name])
            if name in there:
                merged[name] = self._labelled(key, entry, there[name], before.get(name), seen.get(name))
            elif name not in seen or edited_here:
                merged[name] = entry
        for name, entry in there.items():
            edited_there = name not in seen or _label(entry) != _label(seen[name])
            if name not in here and (name not in settled or edited_there):
                merged[name] = entry
        return list(self._ordered(merged, here, there, before, seen))

    def _named(self, key: str, entries: Any) -> list[Named]:
        """Our entries by what the book would know each as: of an address it may hold a part only."""
        if key != "addresses":
            return _named(key, entries)
        held = ((self.policy.held({key: [dict(entry)]}).get(key), entry) for entry in entries or ())
        return [(entry_key(key, found[0] if found else entry), entry) for found, entry in held]

    def _labelled(
        self, key: str, ours: Entry, theirs: Entry, before: Entry | None, seen: Entry | None
    ) -> Entry:
        """An entry that both have: its spelling is ours, its label whose it was changed by."""
        if _label(ours) == _label(theirs):
            return ours
        changed_there = seen is None or _label(theirs) != _label(seen)
        changed_here = before is None or _label(ours) != _label(before)
        if not changed_there or (changed_here and self._decided(key, ours, theirs) is ours):
            return ours
        relabelled = {name: value for name, value in ours.items() if name != "label"}
        return {**relabelled, "label": theirs["label"]} if theirs.get("label") else relabelled

    def _ordered(
        self,
        merged: dict[str, Entry],
        here: Mapping[str, Entry],
        there: Mapping[str, Entry],
        before: Mapping[str, Entry],
        seen: Mapping[str, Entry],
    ) -> Iterator[Entry]:
        """The first value is the primary one: it moves where they have chosen another, and we have not."""
        first = next(iter(merged), None)
        chosen = next(iter(there), None)
        moved_there = chosen != next(iter(seen), None)
        moved_here = next(iter(here), None) != next(iter(before), None)
        if moved_there and not moved_here and chosen in merged:
            first = chosen
        if first is not None:
            yield merged.pop(first)
        yield from merged.values()


def _same(key: str, one: Any, other: Any) -> bool:
    if key in LISTS:
        a, b = _told_apart(_named(key, one), _named(key, other))
        labels = all(_label(a[name]) == _label(b[name]) for name in a.keys() & b.keys())
        return a.keys() == b.keys() and labels and next(iter(a), None) == next(iter(b), None)
    return bool(_plain(one) == _plain(other))


def _as_spelled(key: str, value: Any, theirs: Any) -> Any:
    """A value for the card; what it has already stays as it is spelled there, with all that hangs on it."""
    if _same(key, value, theirs):
        return theirs
    if key not in LISTS:
        return value
    here, there = _told_apart(_named(key, value), _named(key, theirs))
    pairs = ((entry, there.get(name)) for name, entry in here.items())
    return [found if found and _label(found) == _label(entry) else entry for entry, found in pairs]


def _named(key: str, entries: Any) -> list[Named]:
    """A list's entries, each by what makes it the same as another one."""
    return [(entry_key(key, entry), entry) for entry in entries or ()]


def _told_apart(*lists: list[Named]) -> list[dict[str, Entry]]:
    """Each list by the names of its entries; of two that are the same in all, the first.

    One value may be for two things, a number for work and the mobile one. Where it is in any of these lists, its label
    is a part of its name in all of them.
    """
    several = set()
    for entries in lists:
        if len({name for name, _ in entries}) < len(entries):
            labelled = {(name, _label(entry)) for name, entry in entries}
            several |= {name for name, count in Counter(name for name, _ in labelled).items() if count > 1}
    found: list[dict[str, Entry]] = []
    for entries in lists:
        found.append({})
        for name, entry in entries:
            found[-1].setdefault(f"{name}\0{_label(entry)}" if name in several else name, entry)
    return found


def entry_key(key: str, entry: Entry) -> str:
    """What makes two entries of a list the same value, however they are spelled."""
    value = entry["value"]
    if key == "emails":
        return email_key(value)
    if key == "phones":
        return f"{value};{entry.get('extension', '')}"
    if key == "addresses":
        parts = (str(value[part]) for part in sorted(value) if part != "formatted")
        text = " ".join(parts) or str(value.get("formatted", ""))
        return " ".join(_plain(text).casefold().replace(",", " ").split())
    return str(_plain(value)).rstrip("/").casefold()


def _label(entry: Entry) -> str:
    return str(entry.get("label") or "").casefold()


def _plain(value: Any) -> Any:
    """A single value as it is compared: no text, empty text and none are alike; line ends and Unicode form as well."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).replace("\r\n", "\n").strip() or None
    return value


def is_too_large(*sides: Fields | None) -> bool:
    """Whether one of these is more than can be remembered of a pair."""
    return any(len(orjson.dumps(side)) > SIDE_MAX for side in sides if side)

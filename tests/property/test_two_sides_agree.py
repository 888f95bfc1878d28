"""A contact and a card that both go on being edited: they agree after one round, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contactsync.core.merging import Agreed, Policy, merge, same

TEXTS = {
    key: st.sampled_from(["", "one", "two", "Zo\u00eb", "Zoe\u0308"])
    for key in ("name", "notes", "job_title")
}
BIRTHDAYS = st.sampled_from(["", "--02-29", "1980-01-02"])
ADDRESSES = [f"{letter}@example.org" for letter in "abcdefg"]


def held(fields: dict[str, Any]) -> dict[str, Any]:
    """A book with three addresses, no birthday without a year, and no job titles at all."""
    kept = {key: value for key, value in fields.items() if key != "job_title"}
    if "emails" in kept:
        kept["emails"] = kept["emails"][:3]
    if kept.get("birthday", "").startswith("--"):
        del kept["birthday"]
    return kept


def edited(fields: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    rest = {name: each for name, each in fields.items() if name != key}
    return {**rest, key: value} if value else rest


def addresses_survive(agreed: Agreed, ours, theirs, merged) -> None:
    """Those that nobody removed, and those that somebody added, are there."""

    def of(fields) -> set[str]:
        return {entry["value"] for entry in fields.get("emails", ())}

    removed = (of(agreed.ours) - of(ours)) | (of(agreed.theirs) - of(theirs))
    added = (of(ours) - of(agreed.ours)) | (of(theirs) - of(agreed.theirs))
    assert of(merged) == (of(agreed.ours) - removed) | added


class TwoSides(RuleBasedStateMachine):
    """Edits of one value at a time on either side, a round now and then."""

    @initialize(conflict=st.sampled_from(["hub", "remote", "newest"]))
    def meet(self, conflict) -> None:
        self.policy = Policy(held=held, conflict=conflict, mandatory=frozenset({"name"}))
        self.ours: dict[str, Any] | None = {"name": "one"}
        self.theirs: dict[str, Any] | None = None
        self.agreed: Agreed | None = None
        self.only_here: dict[str, Any] = {}
        self.only_there: dict[str, Any] = {}
        self.sync()

    @rule(data=st.data(), key=st.sampled_from([*TEXTS, "birthday"]), here=st.booleans())
    def edit_a_value(self, data, key, here) -> None:
        value = data.draw(BIRTHDAYS if key == "birthday" else TEXTS[key])
        side = self.ours if here else self.theirs
        if side is None or (not here and value and not held({key: value})):
            return
        self.write(edited(side, key, value), here=here)
        mine = self.only_here if here else self.only_there
        before = (self.agreed.ours if here else self.agreed.theirs) if self.agreed else {}
        changed = not same({key: before.get(key)}, {key: value or None})
        mine.pop(key, None)
        if changed:
            mine[key] = value

    @rule(address=st.sampled_from(ADDRESSES), here=st.booleans())
    def toggle_an_address(self, address, here) -> None:
        side = self.ours if here else self.theirs
        if side is None:
            return
        entries = side.get("emails", [])
        without = [entry for entry in entries if entry["value"] != address]
        if len(without) == len(entries) and (here or len(entries) < 3):
            without = [*entries, {"value": address}]
        self.write(edited(side, "emails", without), here=here)

    @rule()
    def sync(self) -> None:
        before = self.ours, self.theirs
        merged = merge(self.agreed, *before, self.policy)
        assert merged.ours is not None
        assert merged.theirs is not None
        for key, value in self.only_here.items():
            if key not in self.only_there:
                assert same({key: merged.ours.get(key)}, {key: value or None}), "an edit here was lost"
        for key, value in self.only_there.items():
            if key not in self.only_here and not (key == "name" and not value):
                assert same({key: merged.ours.get(key)}, {key: value or None}), "an edit there was lost"
        disputed = {conflict.field for conflict in merged.conflicts}
        assert disputed <= self.only_here.keys() & self.only_there.keys() | {"emails"}
        if self.agreed and before[0] and before[1]:
            addresses_survive(self.agreed, before[0], before[1], merged.ours)
        self.ours, self.theirs = merged.ours, merged.theirs
        self.agreed = Agreed(self.ours, self.theirs)
        self.only_here, self.only_there = {}, {}
        assert same(self.theirs, held(self.ours)), "both sides agree after one round"
        again = merge(self.agreed, self.ours, self.theirs, self.policy)
        assert (again.ours, again.theirs, again.conflicts) == (self.ours, self.theirs, ())

    def write(self, fields, *, here) -> None:
        if here:
            self.ours = fields
        else:
            self.theirs = fields

    @invariant()
    def the_book_holds_what_it_can(self) -> None:
        theirs = getattr(self, "theirs", None)
        assert theirs is None or held(theirs) == theirs


TestTwoSides = TwoSides.TestCase

"""What a contact and a card become. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.connectors.google_person import Translation
from contactsync.core.merging import Agreed, Conflict, Policy, Side, is_loop, merge, same


def emails(*values: str, **labels: str) -> list[dict[str, str]]:
    return [
        {"value": value, **({"label": labels[value[0]]} if value[0] in labels else {})} for value in values
    ]


ANN = {
    "name": "Ann",
    "emails": emails("a@x.org"),
    "phones": [{"value": "+31612345678", "text": "06 12345678"}],
}


def held(fields: dict[str, Any]) -> dict[str, Any]:
    """A book with three addresses and no birthdays without a year."""
    kept = dict(fields)
    if "emails" in kept:
        kept["emails"] = kept["emails"][:3]
    if str(kept.get("birthday", "")).startswith("--"):
        del kept["birthday"]
    return kept


BOTH = Policy(held=held)
AS_BEFORE = Agreed(ANN, ANN)


def test_what_one_side_changed_reaches_the_other() -> None:
    """Case 11, different fields."""
    merged = merge(AS_BEFORE, {**ANN, "job_title": "Pilot"}, {**ANN, "organization": "Acme"}, BOTH)
    assert merged.ours == merged.theirs == {**ANN, "job_title": "Pilot", "organization": "Acme"}
    assert merged.conflicts == ()


@pytest.mark.parametrize(
    ("rule", "newer", "kept"),
    [
        ("hub", None, "Ours"),
        ("remote", None, "Theirs"),
        ("newest", "theirs", "Theirs"),
        ("newest", "ours", "Ours"),
        ("newest", None, "Ours"),
    ],
)
def test_the_rule_decides_where_both_changed_the_same(rule, newer, kept) -> None:
    """Case 11, the same field."""
    policy = Policy(held=held, conflict=rule)
    merged = merge(AS_BEFORE, {**ANN, "notes": "Ours"}, {**ANN, "notes": "Theirs"}, policy, newer=newer)
    assert merged.ours == merged.theirs == {**ANN, "notes": kept}
    assert merged.conflicts == (Conflict("notes", "Ours", "Theirs", "ours" if kept == "Ours" else "theirs"),)


def test_both_made_the_same_change() -> None:
    after = {**ANN, "notes": "Moved"}
    merged = merge(AS_BEFORE, after, after, BOTH)
    assert (merged.ours, merged.theirs, merged.conflicts) == (after, after, ())


def test_lists_merge_as_sets() -> None:
    """Case 11: an address that one removed is gone, one that the other added is there."""
    before = Agreed({"emails": emails("a@x.org", "b@x.org")}, {"emails": emails("a@x.org", "b@x.org")})
    ours, theirs = (
        {"emails": emails("a@x.org", "b@x.org", "o@x.org")},
        {"emails": emails("a@x.org", "t@x.org")},
    )
    merged = merge(before, ours, theirs, BOTH)
    assert merged.ours == merged.theirs == {"emails": emails("a@x.org", "o@x.org", "t@x.org")}


def test_a_label_changed_there_is_taken_and_the_spelling_stays() -> None:
    before = {"phones": [{"value": "+31612345678", "text": "06-12345678", "label": "home"}]}
    theirs = {"phones": [{"value": "+31612345678", "text": "+31 6 12345678", "label": "work"}]}
    merged = merge(Agreed(before, before), before, theirs, BOTH)
    assert merged.ours == {"phones": [{"value": "+31612345678", "text": "06-12345678", "label": "work"}]}


def test_a_label_taken_away_there_is_taken_away_here() -> None:
    before, theirs = {"emails": emails("a@x.org", a="home")}, {"emails": emails("a@x.org")}
    assert merge(Agreed(before, before), before, theirs, BOTH).ours == theirs


def test_relabelled_by_both_is_a_conflict() -> None:
    before = {"emails": emails("a@x.org", a="home")}
    ours, theirs = {"emails": emails("a@x.org", a="work")}, {"emails": emails("a@x.org", a="other")}
    merged = merge(Agreed(before, before), ours, theirs, Policy(held=held, conflict="remote"))
    assert merged.ours == theirs
    assert [conflict.kept for conflict in merged.conflicts] == ["theirs"]


def test_added_by_both_under_two_labels_is_a_conflict() -> None:
    before = {"emails": emails("a@x.org")}
    ours, theirs = ({"emails": emails("a@x.org", "b@x.org", b=label)} for label in ("work", "home"))
    for policy, kept in ((BOTH, ours), (Policy(held=held, conflict="remote"), theirs)):
        merged = merge(Agreed(before, before), ours, theirs, policy)
        assert merged.ours == merged.theirs == kept
        assert len(merged.conflicts) == 1


def test_an_address_that_one_gave_another_label_is_not_removed_by_the_other() -> None:
    before = {"emails": emails("a@x.org", "b@x.org", b="home")}
    relabelled, removed = {"emails": emails("a@x.org", "b@x.org", b="work")}, {"emails": emails("a@x.org")}
    for ours, theirs in ((relabelled, removed), (removed, relabelled)):
        merged = merge(Agreed(before, before), ours, theirs, BOTH)
        assert merged.ours == merged.theirs == relabelled


def test_two_extensions_of_one_line_are_two_telephones() -> None:
    ours, theirs = (
        {"phones": [{"value": "+31201234567", "extension": each} for each in extensions]}
        for extensions in (["12"], ["12", "13"])
    )
    assert merge(Agreed(ours, ours), ours, theirs, BOTH).ours == theirs


def test_formatting_of_a_phone_is_no_change() -> None:
    """Case 27."""
    theirs = {**ANN, "phones": [{"value": "+31612345678", "text": "+31 (0)6 1234 5678"}]}
    merged = merge(AS_BEFORE, ANN, theirs, BOTH)
    assert merged.ours == ANN
    assert merged.theirs == theirs, "nothing is to be written"


def test_a_number_for_two_things_stays_for_both() -> None:
    """As with who works alone: without this the second went here, and out of the card with the next change of a number."""
    both = [{"value": "+31612345678", "label": label} for label in ("work", "mobile")]
    card = {**ANN, "phones": both}
    assert merge(Agreed(card, card), card, card, BOTH).ours == card
    met = merge(None, card, {**card, "phones": both[::-1]}, BOTH)
    assert met.ours == met.theirs == card
    ours = {**ANN, "phones": [*both, {"value": "+31612345679"}]}
    assert merge(Agreed(card, card), ours, card, BOTH).theirs == ours
    one = {**card, "phones": both[:1]}
    assert merge(Agreed(card, card), card, one, BOTH).ours == one
    assert merge(Agreed(card, card), one, card, BOTH).theirs == one


def test_an_exact_double_goes_with_the_next_change_of_its_list() -> None:
    card = {**ANN, "emails": emails("a@x.org", "A@x.org")}
    assert merge(Agreed(ANN, card), {**ANN, "notes": "new"}, card, BOTH).theirs == {**card, "notes": "new"}
    ours = {**ANN, "emails": emails("a@x.org", "b@x.org")}
    assert merge(Agreed(ANN, card), ours, card, BOTH).theirs == ours


def test_what_a_card_has_already_stays_as_it_is_spelled_there() -> None:
    """Case 27: also where something else is written."""
    theirs = {
        "name": "A\u0301nn",
        "emails": emails("A@x.org"),
        "phones": [{"value": "+31612345678", "text": "+31 (0)6 1234 5678"}],
    }
    ours = {**ANN, "name": "\u00c1nn", "emails": emails("a@x.org", "b@x.org"), "notes": "Ours"}
    merged = merge(None, ours, theirs, BOTH)
    assert merged.ours == ours
    assert merged.theirs == {**theirs, "emails": emails("A@x.org", "b@x.org"), "notes": "Ours"}


def test_unicode_form_line_ends_and_case_of_an_address_are_no_change() -> None:
    """Case 49."""
    ours = {"name": "Zo\u00eb", "notes": "a\nb", "emails": emails("Zoe@X.org")}
    theirs = {"name": "Zoe\u0308", "notes": "a\r\nb ", "emails": emails("zoe@x.org")}
    assert same(ours, theirs)
    merged = merge(Agreed(ours, theirs), ours, theirs, BOTH)
    assert (merged.ours, merged.theirs) == (ours, theirs)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("urls", "https://x.org/", "https://X.org"),
        (
            "addresses",
            {"street": "Dam 1", "city": "Delft"},
            {"street": "Dam 1,", "city": "DELFT", "formatted": "Dam 1\nDelft"},
        ),
        ("addresses", {"formatted": "Dam 1, Delft"}, {"formatted": "dam 1 delft"}),
    ],
)
def test_spelling_of_a_web_or_a_postal_address_is_no_change(key: str, one: Any, other: Any) -> None:
    assert same({key: [{"value": one, "label": "Work"}]}, {key: [{"value": other, "label": "work"}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"formatted": "Dam 1"}, {"formatted": "Dam 2"}),
        ({"street": "Dam 1", "city": "Delft"}, {"street": "Dam 1", "city": "Dordrecht"}),
    ],
)
def test_another_postal_address_is_one(one: Any, other: Any) -> None:
    assert not same({"addresses": [{"value": one}]}, {"addresses": [{"value": other}]})


def test_a_postal_address_of_which_the_book_holds_a_part_is_the_same_one() -> None:
    def streets(fields: dict[str, Any]) -> dict[str, Any]:
        held = [{"value": {"street": each["value"]["street"]}} for each in fields["addresses"]]
        return {"addresses": held}

    ours = {"addresses": [{"value": {"street": "Dam 1", "po_box": "12"}}]}
    merged = merge(None, ours, streets(ours), Policy(held=streets))
    assert (merged.ours, merged.theirs) == (ours, streets(ours))


def test_what_the_book_cannot_hold_stays_and_is_not_deleted() -> None:
    """Cases 25 and 28."""
    ours = {
        "name": "Ann",
        "emails": emails("a@x.org", "b@x.org", "c@x.org", "d@x.org"),
        "birthday": "--02-29",
    }
    seen = held(ours)
    merged = merge(Agreed(ours, seen), ours, {**seen, "notes": "Called"}, BOTH)
    assert merged.ours == {**ours, "notes": "Called"}
    assert merged.theirs == {**seen, "notes": "Called"}


def test_an_address_removed_there_makes_room_for_one_that_had_none() -> None:
    """Case 25."""
    ours = {"emails": emails("a@x.org", "b@x.org", "c@x.org", "d@x.org")}
    merged = merge(Agreed(ours, held(ours)), ours, {"emails": emails("a@x.org", "c@x.org")}, BOTH)
    assert merged.ours == {"emails": emails("a@x.org", "c@x.org", "d@x.org")}
    assert merged.theirs == merged.ours


def test_the_book_holds_the_addresses_that_come_first_here_now() -> None:
    """One that was taken off and put back in comes last: it makes room, too."""
    before = {"emails": emails("a@x.org", "b@x.org", "c@x.org", "d@x.org")}
    ours = {"emails": emails("a@x.org", "c@x.org", "d@x.org", "b@x.org")}
    merged = merge(Agreed(before, held(before)), ours, held(before), BOTH)
    assert merged.ours == ours
    assert merged.theirs == held(ours)
    again = merge(Agreed(ours, held(ours)), ours, held(ours), BOTH)
    assert (again.ours, again.theirs) == (ours, held(ours))


def test_a_mandatory_field_is_not_emptied_from_there() -> None:
    """Case 44."""
    merged = merge(AS_BEFORE, ANN, {"emails": ANN["emails"]}, BOTH)
    assert merged.ours == merged.theirs == ANN
    assert merged.protected == ("name", "phones")


def test_we_may_empty_what_a_book_may_not() -> None:
    ours = {key: value for key, value in ANN.items() if key != "phones"}
    merged = merge(AS_BEFORE, ours, ANN, BOTH)
    assert merged.ours == merged.theirs == ours
    assert merged.protected == ()


def test_another_field_is_emptied_from_there() -> None:
    ours = {**ANN, "notes": "old"}
    assert merge(Agreed(ours, ours), ours, ANN, BOTH).ours == ANN


def test_another_primary_chosen_there_is_primary_here() -> None:
    before = {"emails": emails("a@x.org", "b@x.org")}
    theirs = {"emails": emails("b@x.org", "a@x.org")}
    assert merge(Agreed(before, before), before, theirs, BOTH).ours == theirs


def test_our_choice_of_a_primary_stands_against_theirs() -> None:
    before = {"emails": emails("a@x.org", "b@x.org", "c@x.org")}
    ours, theirs = (
        {"emails": emails("b@x.org", "a@x.org", "c@x.org")},
        {"emails": emails("c@x.org", "a@x.org", "b@x.org")},
    )
    assert merge(Agreed(before, before), ours, theirs, BOTH).theirs == ours


class TestDeletion:
    def test_of_what_the_other_left_alone_is_carried_over(self) -> None:
        assert merge(AS_BEFORE, ANN, None, BOTH).ours is None
        assert merge(AS_BEFORE, None, ANN, BOTH).theirs is None

    def test_on_both_sides_is_no_error(self) -> None:
        """Case 13."""
        merged = merge(AS_BEFORE, None, None, BOTH)
        assert (merged.ours, merged.theirs) == (None, None)

    def test_loses_against_an_edit(self) -> None:
        """Case 12."""
        edited = {**ANN, "notes": "new"}
        there, here = merge(AS_BEFORE, edited, None, BOTH), merge(AS_BEFORE, None, edited, BOTH)
        assert (there.theirs, there.revived) == (edited, "theirs")
        assert (here.ours, here.revived) == (edited, "ours")

    def test_wins_against_an_edit_where_asked_for(self) -> None:
        """Case 12."""
        policy = Policy(held=held, deletion_wins=True)
        assert merge(AS_BEFORE, {**ANN, "notes": "new"}, None, policy).ours is None
        assert merge(AS_BEFORE, None, {**ANN, "notes": "new"}, policy).theirs is None

    def test_never_follows_from_a_first_contact(self) -> None:
        """Case 40."""
        assert merge(None, ANN, None, BOTH).theirs == ANN
        assert merge(None, None, ANN, BOTH).ours == ANN


class TestFirstContact:
    def test_each_gains_what_the_other_has(self) -> None:
        merged = merge(None, ANN, {"name": "Ann", "emails": emails("b@x.org"), "job_title": "Pilot"}, BOTH)
        assert merged.ours == {**ANN, "emails": emails("a@x.org", "b@x.org"), "job_title": "Pilot"}
        assert merged.theirs == merged.ours

    def test_another_spelling_is_no_difference(self) -> None:
        ours, theirs = {"name": "Zo\u00eb"}, {"name": "Zoe\u0308"}
        merged = merge(None, ours, theirs, Policy(held=held, conflict="remote"))
        assert (merged.ours, merged.theirs, merged.conflicts) == (ours, theirs, ())

    def test_the_rule_decides_where_they_differ(self) -> None:
        merged = merge(None, {"name": "Ann"}, {"name": "Anna"}, Policy(held=held, conflict="remote"))
        assert merged.ours == {"name": "Anna"}
        assert merged.conflicts == (Conflict("name", "Ann", "Anna", "theirs"),)


class TestOneWay:
    IN = Policy(held=held, direction="pull")
    OUT = Policy(held=held, direction="push")

    def test_in_changes_nothing_there(self) -> None:
        theirs = {**ANN, "notes": "theirs"}
        merged = merge(AS_BEFORE, {**ANN, "job_title": "Pilot"}, theirs, self.IN)
        assert merged.ours == {**ANN, "job_title": "Pilot", "notes": "theirs"}
        assert merged.theirs == theirs

    def test_in_does_not_bring_back_what_was_removed_here(self) -> None:
        ours, theirs = {"emails": emails("a@x.org")}, {"emails": emails("a@x.org", "b@x.org")}
        assert merge(Agreed(ours, theirs), ours, theirs, self.IN).ours == ours

    def test_in_their_first_address_is_primary_here_only_once_they_choose_it(self) -> None:
        """The card had them in another order from the beginning: nobody has chosen anything."""
        ours, theirs = {"emails": emails("a@x.org", "b@x.org")}, {"emails": emails("b@x.org", "a@x.org")}
        merged = merge(Agreed(ours, theirs), ours, {**theirs, "notes": "theirs"}, self.IN)
        assert merged.ours == {**ours, "notes": "theirs"}

    def test_in_a_deletion_here_is_not_sent(self) -> None:
        merged = merge(AS_BEFORE, None, ANN, self.IN)
        assert (merged.ours, merged.theirs) == (None, ANN)

    def test_out_changes_nothing_here_and_leaves_what_is_theirs_alone(self) -> None:
        theirs = {**ANN, "job_title": "Pilot", "emails": emails("a@x.org", "t@x.org")}
        merged = merge(Agreed(ANN, theirs), {**ANN, "notes": "ours"}, theirs, self.OUT)
        assert merged.ours == {**ANN, "notes": "ours"}
        assert merged.theirs == {**theirs, "notes": "ours"}

    def test_out_an_address_that_is_theirs_stays_beside_a_new_one_of_ours(self) -> None:
        theirs = {**ANN, "emails": emails("a@x.org", "t@x.org")}
        ours = {**ANN, "emails": emails("a@x.org", "o@x.org")}
        merged = merge(Agreed(ANN, theirs), ours, theirs, self.OUT)
        assert merged.ours == ours
        assert merged.theirs == {**ANN, "emails": emails("a@x.org", "o@x.org", "t@x.org")}

    def test_an_edit_brings_nobody_back_on_the_side_that_is_left_alone(self) -> None:
        edited = {**ANN, "notes": "new"}
        there, here = merge(AS_BEFORE, edited, None, self.IN), merge(AS_BEFORE, None, edited, self.OUT)
        assert (there.ours, there.theirs, there.revived) == (edited, None, None)
        assert (here.ours, here.theirs, here.revived) == (None, edited, None)

    def test_out_a_deletion_there_deletes_nothing_here(self) -> None:
        merged = merge(AS_BEFORE, ANN, None, self.OUT)
        assert (merged.ours, merged.theirs) == (ANN, None)

    def test_out_makes_no_contact_of_their_cards(self) -> None:
        merged = merge(None, None, ANN, self.OUT)
        assert (merged.ours, merged.theirs) == (None, ANN)


def test_two_bridges_that_overwrite_each_other_are_noticed() -> None:
    """Case 48."""
    turns: list[tuple[float, Side]] = [(100.0 * n, "theirs" if n % 2 else "ours") for n in range(6)]
    theirs_and_ours = ["x", "y"] * 3
    assert is_loop(turns, theirs_and_ours)
    assert not is_loop(turns[1:], theirs_and_ours[1:])
    assert not is_loop([*turns[:5], (90_000.0, "theirs")], theirs_and_ours)
    assert not is_loop([*turns, (700.0, "theirs")], [*theirs_and_ours, "y"])


@pytest.mark.parametrize(
    ("said", "in_a_loop_after"),
    [
        ("xy" * 6, 6),
        ("axyxyxyxyxyx", 7),
        ("abacbdcedfeg", 9),  # what we say is what they said before
        ("axcadcedfegf", 8),  # what they say is what we said before
        ("abcdefghijkl", 12),
        ("abcbdbebfbgb", 12),  # one who insists, against one who tries other words
    ],
)
def test_people_say_something_new_and_programs_say_it_again(said: str, in_a_loop_after: int) -> None:
    turns: list[tuple[float, Side]] = [(100.0 * n, "theirs" if n % 2 else "ours") for n in range(12)]
    found = [n for n in range(13) if is_loop(turns[:n], said[:n])]
    assert found[0] == in_a_loop_after


def test_turns_of_which_nobody_knows_what_they_said_are_a_loop_once_they_are_many() -> None:
    turns: list[tuple[float, Side]] = [(100.0 * n, "theirs" if n % 2 else "ours") for n in range(12)]
    assert not is_loop(turns[:11], ["x", "y"] * 2)
    assert is_loop(turns, ["x", "y"] * 2)


# Names, and their parts

EMMY = {"name": "Emmy Noether", "given_name": "Emmy", "family_name": "Noether"}
AMALIE = {"name": "Amalie Noether"}
GOOGLE = Translation("GB").held
"""Makes the name of its parts, where it has any."""


@pytest.mark.parametrize("direction", ["both", "push"])
def test_a_name_that_was_edited_here_is_not_undone_by_the_parts_of_the_old_one(direction):
    policy = Policy(held=GOOGLE, direction=direction, conflict="remote")
    agreed = Agreed(EMMY, EMMY)
    ours, theirs = {**EMMY, **AMALIE}, EMMY
    for _ in range(2):
        merged = merge(agreed, ours, theirs, policy)
        assert merged.ours
        assert (merged.ours["name"], merged.theirs) == ("Amalie Noether", AMALIE)
        ours, theirs = merged.ours, AMALIE
        agreed = Agreed(ours, theirs)


def test_parts_stay_where_the_book_holds_them_beside_any_name():
    ours = {**EMMY, **AMALIE}
    merged = merge(Agreed(EMMY, EMMY), ours, EMMY, BOTH)
    assert merged.ours == merged.theirs == ours


def test_parts_stay_here_where_nothing_goes_out():
    ours = {**EMMY, **AMALIE}
    merged = merge(Agreed(EMMY, EMMY), ours, EMMY, Policy(held=GOOGLE, direction="pull"))
    assert (merged.ours, merged.theirs) == (ours, EMMY)


def test_parts_that_were_edited_with_the_name_stay():
    ours = {**EMMY, "name": "Prof. Noether", "given_name": "Amalie"}
    merged = merge(Agreed(EMMY, EMMY), ours, EMMY, Policy(held=GOOGLE))
    assert merged.theirs == {**EMMY, "name": "Amalie Noether", "given_name": "Amalie"}


@pytest.mark.parametrize(
    ("rule", "name"), [("remote", "Emmy Artin"), ("hub", "Amalie Noether"), ("newest", "Amalie Noether")]
)
def test_a_name_and_a_part_of_it_that_were_edited_on_two_sides_are_a_conflict(rule, name):
    theirs = {**EMMY, "name": "Emmy Artin", "family_name": "Artin"}
    merged = merge(Agreed(EMMY, EMMY), {**EMMY, **AMALIE}, theirs, Policy(held=GOOGLE, conflict=rule))
    assert merged.ours
    assert merged.theirs
    assert merged.ours["name"] == merged.theirs["name"] == name
    assert Conflict("name", "Amalie Noether", "Emmy Artin", merged.conflicts[0].kept) in merged.conflicts
    if rule != "remote":
        assert Conflict("family_name", None, "Artin", "ours") in merged.conflicts

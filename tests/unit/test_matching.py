"""Who is who on first contact. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

import pytest

from contactsync.core.matching import DEFAULT_RULES, KEYS_MAX, match
from contactsync.model.contact import Fields


def person(name: str = "", *emails: str, phone: str = "", organization: str = "") -> Fields:
    fields: Fields = {
        "name": name,
        "emails": [{"value": email} for email in emails],
        "organization": organization,
    }
    return {key: value for key, value in fields.items() if value} | (
        {"phones": [{"value": phone}]} if phone else {}
    )


def test_the_rules_go_in_order() -> None:
    cards = {
        "1": person("Ann Lee", "ann@x.org"),
        "2": person("Bob Ray", phone="+31612345678"),
        "3": person("Cy Poe", organization="ACME"),
        "4": person("", "dee@x.org"),
        "5": person("Eve New", "eve@x.org"),
    }
    contacts = [
        ("a", person("ann lee", "other@x.org", "ANN@x.org")),
        ("b", person("Ray, Bob", "b@x.org", phone="+31612345678")),
        ("c", person("Cy  Poe", organization="Acme")),
        ("d", person("Dee Roe", "dee@x.org")),
        ("z", person("Zed", "zed@x.org")),
    ]
    found = match(cards, contacts)
    assert found.pairs == {"1": "a", "2": "b", "3": "c", "4": "d"}
    assert found.doubts == ()


def test_a_second_candidate_is_for_a_person_to_decide() -> None:
    """Case 43: on either side."""
    two_contacts = match({"1": person("Ann", "a@x.org")}, [(each, person("Ann", "a@x.org")) for each in "ab"])
    assert two_contacts.pairs == {}
    assert [(doubt.card, doubt.contacts, doubt.why) for doubt in two_contacts.doubts] == [
        ("1", ("a", "b"), "several_contacts")
    ]
    two_cards = match({each: person("Ann", "a@x.org") for each in "12"}, [("a", person("Ann", "a@x.org"))])
    assert two_cards.pairs == {}
    assert [(doubt.card, doubt.why) for doubt in two_cards.doubts] == [
        ("1", "several_cards"),
        ("2", "several_cards"),
    ]


def test_of_thousands_who_have_a_company_in_common_some_are_asked_about() -> None:
    """All of them found no room in the record of the question, and each card with each contact none in memory."""
    cards = {f"{n}": person(f"Card {n}", organization="ACME") for n in range(500)}
    contacts = ((f"{n:032x}", person(f"Contact {n}", organization="Acme")) for n in range(20_000))
    found = match(cards, contacts, [["organization"]])
    assert found.pairs == {}
    assert [(len(doubt.contacts), doubt.why) for doubt in found.doubts] == [(100, "several_contacts")] * 500


def test_a_shared_address_alone_joins_nobody() -> None:
    """Case 41."""
    cards = {"1": person("Ann Lee", "family@x.org"), "2": person("Bob Ray", "info@x.org")}
    contacts = [("a", person("Ann Lee", "family@x.org")), ("c", person("Cy Lee", "family@x.org"))]
    found = match(cards, [*contacts, ("d", person("Dee Roe", "info@x.org"))])
    assert found.pairs == {"1": "a"}
    assert [(doubt.card, doubt.contacts, doubt.why) for doubt in found.doubts] == [
        ("2", ("d",), "other_name")
    ]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("Bob Lee", False), ("Ann Ray", False), ("Ann", True), ("Lee, Dr. Ann B.", True), ("", True)],
)
def test_nor_does_one_that_is_shared_together_with_the_family_name(name: str, is_one: bool) -> None:
    """Case 41: who is called otherwise in one word may be somebody else; who has fewer words, or more, is not."""
    found = match({"1": person(name, "lee@x.org")}, [("a", person("Ann Lee", "lee@x.org"))])
    assert found.pairs == ({"1": "a"} if is_one else {})
    assert [doubt.why for doubt in found.doubts] == ([] if is_one else ["other_name"])


def test_no_chains() -> None:
    """Case 42: 1 is like a, and a like 2, but 1 is not like 2."""
    cards = {"1": person("", "x@x.org"), "2": person("", "y@x.org")}
    found = match(cards, [("a", person("", "x@x.org", "y@x.org"))], [["email"]])
    assert found.pairs == {}
    assert {doubt.card for doubt in found.doubts} == {"1", "2"}


def test_not_the_same_is_remembered() -> None:
    """Case 41."""
    cards, contacts = {"1": person("Ann", "a@x.org")}, [("a", person("Ann", "a@x.org"))]
    assert match(cards, contacts, apart={("1", "a")}) == match(cards, [])


def test_what_was_in_doubt_is_not_settled_by_a_weaker_rule() -> None:
    cards = {"1": person("Ann", "a@x.org", phone="+31612345678")}
    contacts = [("a", person("Ann", "a@x.org")), ("b", person("Ann", "a@x.org", phone="+31612345678"))]
    found = match(cards, contacts)
    assert found.pairs == {}
    assert [doubt.rule for doubt in found.doubts] == [("name", "email")]


def test_work_address_of_the_card_against_the_primary_one_here() -> None:
    cards = {
        "1": {"emails": [{"value": "home@x.org", "label": "home"}, {"value": "w@x.org", "label": "Work"}]},
        "2": {"emails": [{"value": "home@y.org", "label": "home"}]},
        "3": {"emails": [{"value": "w@z.org", "label": "work"}]},
    }
    contacts = [
        ("a", person("", "w@x.org", "home@x.org")),
        ("b", person("", "home@y.org", "other@y.org")),
        ("c", person("", "other@z.org", "w@z.org")),
    ]
    assert match(cards, contacts, [["emails.work"]]).pairs == {"1": "a"}


def test_who_has_found_somebody_is_no_candidate_of_a_later_rule() -> None:
    cards = {"1": person("Ann Lee", "lee@x.org"), "2": person("Ann", "lee@x.org")}
    found = match(cards, [("a", person("Ann Lee", "lee@x.org"))])
    assert (found.pairs, found.doubts) == ({"1": "a"}, ())


@pytest.mark.parametrize(
    ("card", "contact"),
    [
        ({"name": "Noël MARTIN"}, {"name": "Martin, Noel"}),
        ({"given_name": "Noel", "family_name": "Martin"}, {"name": "Noel Martin"}),
    ],
)
def test_names_are_compared_word_by_word(card: Fields, contact: Fields) -> None:
    work = {"organization": "Acme"}
    assert match({"1": {**card, **work}}, [("a", {**contact, **work})]).pairs == {"1": "a"}


@pytest.mark.parametrize("nameless", [{}, {"organization": "Acme"}])
def test_without_a_value_nobody_is_alike(nameless: Fields) -> None:
    assert match({"1": nameless}, [("a", nameless)], DEFAULT_RULES) == match({}, [])


@pytest.mark.parametrize(("count", "is_found"), [(KEYS_MAX, True), (KEYS_MAX + 1, False)])
def test_too_many_addresses_tell_nobody_apart(count: int, is_found: bool) -> None:
    everybody = person("", *(f"a{number}@x.org" for number in range(count)))
    assert bool(match({"1": everybody}, [("a", everybody)]).pairs) is is_found

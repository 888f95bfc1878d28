"""What a contact becomes by what a person enters, and what of that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.core.entering import LIST_MAX, entered
from contactsync.model.field import STANDARD_FIELDS, FieldSpec

SPECS = {
    **STANDARD_FIELDS,
    "rate": FieldSpec(key="rate", label="Rate", type="decimal"),
    "points": FieldSpec(key="points", label="Points", type="integer"),
}
LINE = {"value": "+31201234567"}


def enter(
    asked: dict[str, Any], base: dict[str, Any] | None = None, specs: dict[str, FieldSpec] = SPECS
) -> dict[str, Any]:
    fields, _, problems = entered(asked, base or {}, specs, country="NL")
    assert problems == []
    return fields


def refused(asked: dict[str, Any], specs: dict[str, FieldSpec] = SPECS) -> list[tuple[str, str]]:
    problems = entered(asked, {}, specs, country="NL")[2]
    return [(problem.pointer, problem.code) for problem in problems]


def addresses(*emails: str) -> list[dict[str, str]]:
    return [{"value": email} for email in emails]


@pytest.mark.parametrize("keys", [("email", "emails"), ("emails", "email")])
def test_a_list_and_its_first_value_may_come_in_either_order(keys: tuple[str, str]) -> None:
    asked = {"email": "b@x.org", "emails": ["a@x.org", "c@x.org"]}
    before = {"emails": addresses("a@x.org", "c@x.org")}
    fields = enter({key: asked[key] for key in keys}, before)
    assert fields["emails"] == addresses("b@x.org", "c@x.org")


def test_who_makes_the_second_address_the_first_has_it_once() -> None:
    before = {"emails": addresses("a@x.org", "b@x.org")}
    assert enter({"email": "b@x.org"}, before) == {"emails": addresses("b@x.org")}


def test_an_empty_list_empties_the_field() -> None:
    assert enter({"emails": []}, {"emails": addresses("a@x.org"), "name": "Ada"}) == {"name": "Ada"}


def test_a_value_of_a_field_that_was_deleted_can_be_taken_away() -> None:
    assert enter({"gone": None}, {"gone": "x", "name": "Ada"}) == {"name": "Ada"}


def test_a_list_fills_its_required_first_value() -> None:
    required = {**SPECS, "email": SPECS["email"].model_copy(update={"required": True})}
    assert enter({"emails": ["a@x.org"]}, specs=required) == {"emails": addresses("a@x.org")}
    assert refused({"name": "Ada"}, required) == [("/fields/email", "required")]


def test_of_a_list_with_a_bad_value_nothing_else_is_said() -> None:
    required = {**SPECS, "email": SPECS["email"].model_copy(update={"required": True})}
    problems = entered({"emails": ["no address"]}, {"emails": addresses("a@x.org")}, required, country="NL")[
        2
    ]
    assert [problem.pointer for problem in problems] == ["/fields/emails/0"]


def test_a_list_has_an_end_and_so_has_a_contact() -> None:
    many = [f"a{number}@x.org" for number in range(LIST_MAX + 1)]
    assert len(enter({"emails": many[:-1]})["emails"]) == LIST_MAX
    assert [pointer for pointer, _ in refused({"emails": many})] == ["/fields/emails"]
    texts = [key for key, spec in STANDARD_FIELDS.items() if spec.type == "text"][:10]
    assert [pointer for pointer, _ in refused(dict.fromkeys(texts, "a" * 32_000))] == ["/fields"]


@pytest.mark.parametrize(
    ("written", "value"), [("1.234", "1.234"), ("1234,5", "1234.5"), (1.5, "1.5"), (7, "7")]
)
def test_a_number_is_read_as_it_is_shown_and_else_as_people_of_the_country_write_it(
    written: Any, value: str
) -> None:
    assert enter({"rate": written}) == {"rate": value}


@pytest.mark.parametrize(
    ("asked", "phone"),
    [
        ({"value": "+31612345678", "text": "06-12345678"}, {"value": "+31612345678", "text": "06-12345678"}),
        ({"value": "+31612345678", "text": "020 1234567"}, {"value": "+31612345678", "text": "+31612345678"}),
        ({**LINE, "text": "020 1234567 ext 12"}, {**LINE, "text": "020 1234567 ext 12", "extension": "12"}),
        ({**LINE, "text": "020 1234567 ext 12", "extension": None}, {**LINE, "text": "+31201234567"}),
        (
            {**LINE, "text": "020 1234567 ext 12", "extension": "13"},
            {**LINE, "text": "+31201234567 ext. 13", "extension": "13"},
        ),
    ],
)
def test_a_telephone_keeps_its_text_while_that_says_the_same(
    asked: dict[str, Any], phone: dict[str, str]
) -> None:
    assert enter({"phones": [asked]}) == {"phones": [phone]}


@pytest.mark.parametrize(
    ("asked", "pointer", "code"),
    [
        ({"points": True}, "/fields/points", "wrong_type"),
        ({"emails": [{"value": "a@x.org", "label": ""}]}, "/fields/emails/0", "label"),
        ({"emails": [{"value": "a@x.org", "label": "x" * 41}]}, "/fields/emails/0", "label"),
        ({"emails": [{"value": "a@x.org", "colour": "red"}]}, "/fields/emails/0", "list_value"),
        ({"emails": ["a@x.org", " "]}, "/fields/emails/1", "empty_value"),
        ({"addresses": [{"city": ""}]}, "/fields/addresses/0", "empty_value"),
        ({"addresses": [{"city": 7}]}, "/fields/addresses/0", "wrong_type"),
        ({"addresses": [{"planet": "Mars"}]}, "/fields/addresses/0", "address_part"),
    ],
)
def test_what_is_refused_is_named(asked: dict[str, Any], pointer: str, code: str) -> None:
    assert refused(asked) == [(pointer, code)]

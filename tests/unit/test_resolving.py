"""A mapping against a header: which column is meant, and everything that does not fit."""

from typing import Any

import pytest

from contactsync.core.rules import Rule, resolve_mapping
from contactsync.errors import InvalidRequest
from contactsync.model.field import STANDARD_FIELDS
from contactsync.model.sync import ColumnMapping, LiteralMapping


def columns(header: list[str] | None, *wanted: str | int, width: int | None = None) -> list[int | None]:
    fields = ["name", "notes", "email", "given_name"]
    mapping = [{"column": column, "field": field} for column, field in zip(wanted, fields, strict=False)]
    return [rule.column for rule in resolve_mapping(mapping, header, STANDARD_FIELDS, width=width)]


def problems(
    mapping: list[Any], header: list[str] | None, identity: str | None = None
) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        resolve_mapping(mapping, header, STANDARD_FIELDS, identity_field=identity)
    assert all(problem.message.endswith(".") for problem in caught.value.problems)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


def test_models_and_plain_dicts_say_the_same():
    header = ["Email", "Name"]
    plain = resolve_mapping(
        [
            {"column": "Email", "field": "email"},
            {"column": 1, "field": "name"},
            {"literal": 7, "field": "notes"},
        ],
        header,
        STANDARD_FIELDS,
    )
    models = resolve_mapping(
        [
            ColumnMapping(column="Email", field="email"),
            ColumnMapping(column=1, field="name"),
            LiteralMapping(literal=7, field="notes"),
        ],
        header,
        STANDARD_FIELDS,
    )
    assert plain == models
    assert plain[0] == Rule("email", "email", 0, pointer="/mapping/0")
    assert plain[2] == Rule("notes", "text", None, "7", pointer="/mapping/2")


def test_names_are_met_exactly_before_loosely():
    assert columns(["name", "Name", "NOTES "], "Name", "notes") == [1, 2]


def test_loosely_means_without_case_blanks_and_unicode_form():
    assert columns(["\ufeff E-Mail  Address", "Pre\u0301nom"], "e-mail address", "PR\u00c9NOM") == [0, 1]


def test_positions_work_with_and_without_a_header():
    assert columns(["a", "b"], 1, 0) == [1, 0]
    assert columns(None, 1, 0, width=2) == [1, 0]


def test_the_first_position_beyond_the_last_column_is_unknown():
    assert problems([{"column": 2, "field": "name"}], ["a", "b"]) == [("/mapping/0/column", "unknown_column")]


def test_every_problem_is_told_at_once_with_its_place():
    mapping = [
        {"column": "Mail", "field": "email"},
        {"column": "Name", "field": "surname"},
        {"column": 9, "field": "name"},
        {"column": "Twice", "field": "notes"},
        {"column": "Name", "field": "birthday"},
        {"column": "Other", "field": "birthday"},
        {"literal": " ", "field": "nickname"},
        {"column": "Other", "field": "name.first"},
    ]
    assert problems(mapping, ["Name", "Twice", "Twice", "Other"], identity="email") == [
        ("/mapping/0/column", "unknown_column"),
        ("/mapping/1/field", "unknown_field"),
        ("/mapping/2/column", "unknown_column"),
        ("/mapping/3/column", "ambiguous_column"),
        ("/mapping/6/literal", "empty_literal"),
        ("/mapping/7/field", "unknown_field"),
        ("/mapping/5/field", "mapped_twice"),
    ]


@pytest.mark.parametrize(
    ("mapping", "identity", "problem"),
    [
        ([{"column": 0, "field": "name"}], "email", "identity_not_mapped"),
        ([{"literal": "a@example.com", "field": "email"}], "email", "identity_literal"),
        ([{"column": 0, "field": "name"}], "customer", "unknown_field"),
        ([{"column": 0, "field": "address"}], "address", "identity_type"),
    ],
)
def test_an_identity_that_cannot_identify_is_refused(mapping, identity, problem):
    assert problems(mapping, ["a"], identity) == [("/identity/field", problem)]


def test_names_without_a_header_are_refused():
    assert problems([{"column": "Email", "field": "email"}], None) == [
        ("/mapping/0/column", "unknown_column")
    ]


def test_lists_take_several_columns_but_not_one_twice():
    header = ["a", "b"]
    twice = [{"column": "a", "field": "emails"}, {"column": "b", "field": "emails"}]
    assert [rule.list_ for rule in resolve_mapping(twice, header, STANDARD_FIELDS)] == [True, True]
    assert problems([*twice, {"column": "a", "field": "emails"}], header) == [
        ("/mapping/2/field", "mapped_twice")
    ]


def test_a_part_of_an_address_has_one_column_for_each_label():
    header = ["a", "b", "kind", "other kind"]
    labelled = [
        {"column": "a", "field": "addresses.city", "label_column": "kind"},
        {"column": "b", "field": "addresses.city", "label_column": "other kind"},
    ]
    assert len(resolve_mapping(labelled, header, STANDARD_FIELDS)) == 2
    twice = [{"column": column, "field": "addresses.home.city"} for column in "ab"]
    assert problems(twice, header) == [("/mapping/1/field", "mapped_twice")]


def test_a_first_value_with_a_column_of_labels_is_one_of_its_list():
    [rule] = resolve_mapping(
        [{"column": "a", "field": "email", "label_column": "kind"}], ["a", "kind"], STANDARD_FIELDS
    )
    assert (rule.field, rule.list_, rule.label_column) == ("emails", True, 1)


def test_a_list_feeds_its_required_first_value():
    required = {**STANDARD_FIELDS, "email": STANDARD_FIELDS["email"].model_copy(update={"required": True})}
    assert resolve_mapping([{"column": "a", "field": "emails.work"}], ["a"], required)


def test_yes_and_no_are_literals_as_a_cell_would_say_them():
    rules = resolve_mapping(
        [{"literal": True, "field": "notes"}, {"literal": False, "field": "name"}], None, STANDARD_FIELDS
    )
    assert [rule.literal for rule in rules] == ["true", "false"]


@pytest.mark.parametrize(
    ("name", "label", "part"),
    [
        ("phones.mobile", "mobile", ""),
        ("address.city", "", "city"),
        ("addresses.home.city", "home", "city"),
        ("addresses.city", "", "city"),
    ],
)
def test_field_names_carry_labels_and_parts(name, label, part):
    [rule] = resolve_mapping([{"column": 0, "field": name}], ["a"], STANDARD_FIELDS)
    assert (rule.field, rule.label, rule.part) == (name.split(".")[0], label, part)


@pytest.mark.parametrize(
    "name",
    ["phone.mobile", "phones.a.b", "address.home.city", "address.planet", "phones." + "x" * 41, "", "."],
)
def test_other_points_in_a_name_are_refused(name):
    assert problems([{"column": 0, "field": name}], ["a"]) == [("/mapping/0/field", "unknown_field")]


def test_no_message_repeats_the_files_own_header():
    header = ["grace@example.org", "Grace"]
    with pytest.raises(InvalidRequest) as caught:
        resolve_mapping(
            [{"column": "email", "field": "email"}], header, STANDARD_FIELDS, identity_field="email"
        )
    assert "grace" not in str(caught.value).lower()

"""A row of cells becomes a contact's fields, or all the reasons why not."""

from typing import Any

import orjson
import pytest

from contactsync.core.fieldtypes import TEXT_MAX
from contactsync.core.identity import contact_id
from contactsync.core.mapping import (
    Blank,
    Mapped,
    Mapper,
    Rejected,
    compile_mapping,
    resolve_mapping,
)
from contactsync.core.rules import ROW_MAX
from contactsync.errors import InvalidRequest
from contactsync.model.field import STANDARD_FIELDS, FieldSpec

SECRET = bytes(range(32))
FIELDS = STANDARD_FIELDS | {
    spec.key: spec
    for spec in (
        FieldSpec(key="points", label="Points", type="integer"),
        FieldSpec(key="member", label="Member", type="boolean"),
        FieldSpec(key="size", label="Size", type="choice", choices=("S", "L")),
        FieldSpec(key="tags", label="Tags", type="text", list=True),
    )
}


def mapper(
    header: str, mapping: list[Any] | None = None, *, identity: str = "email", **options: Any
) -> Mapper:
    """A mapper for a header line; without a mapping each column feeds the field of its name."""
    names = header.split(",")
    entries = mapping or [{"column": name, "field": name} for name in names]
    stated = {"country": "NL", "date_order": "dmy", "empty_cells": "ignore"} | options
    rules = resolve_mapping(entries, names, FIELDS, identity_field=identity)
    return compile_mapping(rules, identity_field=identity, secret=SECRET, width=len(names), **stated)


def fields(mapped: object) -> dict[str, Any]:
    assert isinstance(mapped, Mapped), mapped
    return mapped.fields


def problems(mapped: object) -> list[tuple[Any, ...]]:
    """What a row is refused for, without the messages."""
    assert isinstance(mapped, Rejected), mapped
    assert all(message.endswith(".") for *_, message in mapped.problems)
    return [(column, field, code) for column, field, code, _ in mapped.problems]


def test_every_cell_becomes_its_fields_type():
    row = mapper("email,name,phone,birthday,url,points,member,size,notes").map(
        ["Ada@Example.com", " Ada ", "06-12345678", "17-5-1990", "example.com", "1.234", "ja", "s", 'a\n"b"']
    )
    assert fields(row) == {
        "email": "Ada@example.com",
        "name": " Ada ",
        "phone": {"text": "06-12345678", "value": "+31612345678"},
        "birthday": "1990-05-17",
        "url": "https://example.com",
        "points": 1234,
        "member": True,
        "size": "S",
        "notes": 'a\n"b"',
    }


def test_the_id_is_that_of_the_identity_and_the_hash_that_of_the_fields():
    one = mapper("email,name").map(["Ada@Example.com", "Ada"])
    other = mapper("name,email").map(["Ada", "Ada@example.COM"])
    assert isinstance(one, Mapped)
    assert isinstance(other, Mapped)
    assert one.id == other.id == contact_id(SECRET, "email", "ada@example.com")
    assert one.hash == other.hash
    assert len(one.hash) == 16
    assert orjson.loads(one.json) == one.fields
    changed = mapper("email,name").map(["Ada@Example.com", "Eda"])
    assert isinstance(changed, Mapped)
    assert (changed.id, changed.hash != one.hash) == (one.id, True)


def test_all_problems_of_a_row_are_told_at_once_in_the_order_of_the_columns():
    row = mapper("phone,name,email,birthday,points").map(["1", "a\x00b", "nobody", "31-2-2024", "many"])
    assert problems(row) == [
        (0, "phone", "phone_invalid"),
        (1, "name", "control_character"),
        (2, "email", "email_invalid"),
        (3, "birthday", "date_impossible"),
        (4, "points", "integer_invalid"),
    ]


@pytest.mark.parametrize("empty", ["", "   ", "\t", "\u00a0"])
def test_a_row_without_identity_is_refused(empty):
    row = mapper("name,email").map(["Ada", empty])
    assert problems(row) == [(1, "email", "identity_missing")]


def test_an_identity_that_is_refused_is_not_called_missing_too():
    assert problems(mapper("name,email").map(["Ada", "nobody"])) == [(1, "email", "email_invalid")]


@pytest.mark.parametrize("cells", [[], [""], ["", "", ""], [" ", "\t", "\r\n"], ["", "", "", "", ""]])
def test_blank_rows_of_any_width_are_told_apart(cells):
    assert isinstance(mapper("email,name,notes").map(cells), Blank)


def test_a_row_with_content_outside_the_mapping_is_not_blank():
    row = mapper("email,name,notes", [{"column": "email", "field": "email"}]).map(["", "", "x"])
    assert problems(row) == [(0, "email", "identity_missing")]


@pytest.mark.parametrize("cells", [["a@example.com"], ["a@example.com", "Ada", "x", "y"]])
def test_ragged_rows_are_refused_with_what_was_expected_and_found(cells):
    row = mapper("email,name,notes").map(cells)
    assert problems(row) == [(None, None, "ragged_row")]
    assert isinstance(row, Rejected)
    assert f"{len(cells)} cells" in row.problems[0][3]
    assert "3 columns" in row.problems[0][3]


def test_empty_cells_beyond_the_last_column_are_overlooked():
    assert fields(mapper("email,name").map(["a@example.com", "Ada", "", " "])) == {
        "email": "a@example.com",
        "name": "Ada",
    }


class TestEmptyCells:
    CELLS = ("a@example.com", "   ", "", "0/0/00", "")
    HEADER = "email,name,phone,birthday,points"

    def test_ignore_leaves_the_fields_alone(self):
        assert fields(mapper(self.HEADER).map(self.CELLS)) == {"email": "a@example.com"}

    def test_clear_empties_the_fields(self):
        cleared = fields(mapper(self.HEADER, empty_cells="clear").map(self.CELLS))
        assert cleared == {
            "email": "a@example.com",
            "name": None,
            "phone": None,
            "birthday": None,
            "points": None,
        }

    def test_reject_refuses_empty_phones_dates_numbers_and_choices(self):
        row = mapper(self.HEADER, empty_cells="reject").map(self.CELLS)
        assert problems(row) == [
            (2, "phone", "empty_cell"),
            (3, "birthday", "empty_cell"),
            (4, "points", "empty_cell"),
        ]

    def test_a_list_is_empty_only_when_all_its_columns_are(self):
        mapping = [
            {"column": name, "field": field}
            for name, field in [("e", "email"), ("p", "phones"), ("m", "phones")]
        ]
        strict = mapper("e,p,m", mapping, empty_cells="reject")
        assert fields(strict.map(["a@example.com", "", "0612345678"]))["phones"][0]["value"] == "+31612345678"
        assert problems(strict.map(["a@example.com", "", ""])) == [(1, "phones", "empty_cell")]
        assert problems(strict.map(["a@example.com", "", "1"])) == [(2, "phones", "phone_invalid")]
        assert (
            fields(mapper("e,p,m", mapping, empty_cells="clear").map(["a@example.com", "", ""]))["phones"]
            is None
        )


class TestLists:
    def test_several_columns_feed_one_list_with_labels_and_without_repetition(self):
        many = mapper(
            "id,e1,e2,e3",
            [
                {"column": "id", "field": "points"},
                {"column": "e1", "field": "emails"},
                {"column": "e2", "field": "emails.work"},
                {"column": "e3", "field": "emails"},
            ],
            identity="points",
        )
        row = many.map(["1", "a@example.com", "B@Example.com", "A@EXAMPLE.com"])
        assert fields(row)["emails"] == [
            {"value": "a@example.com"},
            {"value": "B@example.com", "label": "work"},
        ]

    def test_the_primary_comes_first_and_identifies(self):
        entries = [{"column": "e2", "field": "emails"}, {"column": "e1", "field": "email"}]
        row = mapper("e1,e2", entries).map(["First@example.com", "second@example.com"])
        assert fields(row) == {"emails": [{"value": "First@example.com"}, {"value": "second@example.com"}]}
        assert isinstance(row, Mapped)
        assert row.id == contact_id(SECRET, "email", "first@example.com")

    def test_a_list_alone_can_identify_and_gives_the_same_id(self):
        row = mapper("e", [{"column": "e", "field": "emails"}]).map(["Ada@example.com"])
        assert isinstance(row, Mapped)
        assert row.id == contact_id(SECRET, "email", "ada@example.com")

    def test_a_labelled_phone_keeps_value_and_text(self):
        row = mapper("email,m", [{"column": 0, "field": "email"}, {"column": 1, "field": "phones.mobile"}])
        phones = fields(row.map(["a@example.com", "06-12345678"]))["phones"]
        assert phones == [{"text": "06-12345678", "value": "+31612345678", "label": "mobile"}]

    def test_a_labelled_literal_joins_the_list_of_every_row(self):
        entries = [
            {"column": 0, "field": "email"},
            {"column": 1, "field": "phones.mobile"},
            {"literal": "020 1234567", "field": "phones.office"},
        ]
        shared = mapper("email,m", entries)
        office = {"text": "020 1234567", "value": "+31201234567", "label": "office"}
        assert fields(shared.map(["a@example.com", ""]))["phones"] == [office]
        assert fields(shared.map(["b@example.com", "0612345678"]))["phones"][1:] == [office]

    def test_a_literal_of_a_list_has_each_rows_own_label(self):
        entries = [
            {"column": 0, "field": "email"},
            {"literal": "020 1234567", "field": "phones", "label_column": 1},
        ]
        shared = mapper("email,what", entries)
        rows = [shared.map(["a@example.com", label]) for label in ("desk", "", "* Work", "*")]
        labels = [fields(row)["phones"][0].get("label") for row in rows]
        assert labels == ["desk", None, "Work", None], "Google marks the first of several"

    def test_an_extension_makes_another_telephone(self):
        entries = [{"column": 0, "field": "email"}, *({"column": n, "field": "phones"} for n in (1, 2, 3))]
        row = mapper("email,a,b,c", entries).map(
            ["a@example.com", "020 1234567", "020 1234567 ext. 5", "+31201234567"]
        )
        assert [phone.get("extension") for phone in fields(row)["phones"]] == [None, "5"]

    def test_lists_of_other_types(self):
        entries = [
            {"column": 0, "field": "email"},
            {"column": 1, "field": "tags"},
            {"literal": "import", "field": "tags"},
        ]
        row = mapper("email,tag", entries).map(["a@example.com", "vip"])
        assert fields(row)["tags"] == [{"value": "vip"}, {"value": "import"}]


class TestAddresses:
    def test_parts_make_one_address(self):
        entries = [{"column": 0, "field": "email"}]
        entries += [
            {"column": n, "field": f"address.{part}"}
            for n, part in enumerate(["street", "city", "country"], 1)
        ]
        split = mapper("email,s,c,l", entries)
        assert fields(split.map(["a@example.com", "Elm 1", " ", "US"]))["address"] == {
            "street": "Elm 1",
            "country": "US",
        }
        assert "address" not in fields(split.map(["a@example.com", "", "", ""]))
        assert problems(split.map(["a@example.com", "x\x00", "", ""])) == [
            (1, "address", "control_character")
        ]

    def test_labels_tell_addresses_apart(self):
        entries = [{"column": 0, "field": "email"}]
        names = ["home.street", "home.city", "work.city"]
        entries += [{"column": n, "field": f"addresses.{name}"} for n, name in enumerate(names, 1)]
        row = mapper("email,a,b,c", entries).map(["a@example.com", "Elm 1", "Springfield", "Shelbyville"])
        assert fields(row)["addresses"] == [
            {"value": {"street": "Elm 1", "city": "Springfield"}, "label": "home"},
            {"value": {"city": "Shelbyville"}, "label": "work"},
        ]

    def test_whole_addresses_stand_for_themselves(self):
        entries = [
            {"column": 0, "field": "email"},
            {"column": 1, "field": "addresses"},
            {"column": 2, "field": "addresses"},
        ]
        row = mapper("email,a,b", entries).map(["a@example.com", "Elm 1\nSpringfield", "Oak 2"])
        assert [entry["value"]["formatted"] for entry in fields(row)["addresses"]] == [
            "Elm 1\nSpringfield",
            "Oak 2",
        ]


class TestLiterals:
    def test_a_literal_is_typed_once_and_given_to_every_row(self):
        entries = [
            {"column": 0, "field": "email"},
            {"literal": 10, "field": "points"},
            {"literal": True, "field": "member"},
        ]
        row = mapper("email", entries).map(["a@example.com"])
        assert fields(row) == {"email": "a@example.com", "points": 10, "member": True}

    def test_a_literal_that_is_no_value_of_its_field_is_refused_before_any_row(self):
        entries = [
            {"column": 0, "field": "email"},
            {"literal": "many", "field": "points"},
            {"literal": "x", "field": "phone"},
        ]
        with pytest.raises(InvalidRequest) as caught:
            mapper("email", entries)
        assert [problem.pointer for problem in caught.value.problems] == [
            "/mapping/1/literal",
            "/mapping/2/literal",
        ]


def test_an_unknown_country_is_refused_when_phones_need_it():
    with pytest.raises(InvalidRequest) as caught:
        mapper("email,phone", country="UK")
    assert caught.value.problems[0].pointer == "/format/country"


class TestBounds:
    def test_the_longest_text_is_kept_and_a_longer_one_refused(self):
        long = mapper("email,notes")
        assert len(fields(long.map(["a@example.com", "x" * TEXT_MAX]))["notes"]) == TEXT_MAX
        assert problems(long.map(["a@example.com", "x" * (TEXT_MAX + 1)])) == [(1, "notes", "too_long")]

    def test_a_row_that_no_item_could_hold_is_refused(self):
        names = ["name", "given_name", "family_name", "middle_name", "nickname", "organization", "department"]
        wide = mapper(",".join(["email", *names, "job_title", "notes", "prefix"]))
        row = wide.map(["a@example.com", *["é" * (ROW_MAX // 20)] * 10])
        assert problems(row) == [(None, None, "row_too_large")]

    def test_half_a_character_is_refused_in_every_kind_of_text(self):
        broken = mapper(
            "email,notes,c",
            [
                {"column": "email", "field": "email"},
                {"column": "notes", "field": "notes"},
                {"column": "c", "field": "address.city"},
            ],
        )
        assert problems(broken.map(["a@example.com", "a\ud83d", "b\udc00"])) == [
            (1, "notes", "broken_character"),
            (2, "address", "broken_character"),
        ]

    @pytest.mark.parametrize(
        "text", ["\\u0000", "\\\\u0000", "C:\\users\\u0000x", "\x01\x7f\x85", "\ufeff", "\u2028"]
    )
    def test_odd_but_honest_text_survives(self, text):
        assert fields(mapper("email,notes").map(["a@example.com", text]))["notes"] == text


def test_a_text_identity_is_found_in_either_unicode_form():
    one, other = (
        mapper("name,email", identity="name").map([name, ""]) for name in ("Zoe\u0308 ", "Zo\u00eb")
    )
    assert isinstance(one, Mapped)
    assert isinstance(other, Mapped)
    assert one.id == other.id
    assert one.hash != other.hash

"""Whom bytes mention: however an address or a number is written, and nobody else."""

import pytest

from contactsync.core.redacting import Person

ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["ada@example.com"], "Ada@Example.COM"),
        (["zoë@example.com"], "ZOË@EXAMPLE.COM"),
        (["ZOË@example.com"], "zoë@example.com"),
        (["straße@example.com"], "STRASSE@example.com"),
        (["ανδρέας@example.com"], "ανδρέασ@example.com"),
        (['"ada l"@example.com'], r'["\"ada l\"@example.com"]'),
    ],
)
def test_an_address_is_found_in_any_spelling(texts, written):
    person = Person([ID], texts)
    assert person.is_in(f"x,{written},y".encode())
    assert not person.is_in(b"x,bob@example.com,y")


def test_an_address_is_no_pattern():
    assert not Person([], ["a.b@example.com"]).is_in(b"axb@example.com")


@pytest.mark.parametrize("written", ["06 12345678", "+31612345678", "+31 (0)6 12.34.56.78", "12. 34. 56. 78"])
def test_a_number_is_found_with_any_prefix_and_between_any_signs(written):
    person = Person([ID], [], ["+31 6 12345678"])
    assert person.is_in(f"x,{written},y".encode())
    assert not person.is_in(b"x,06 12345679,y")


def test_an_id_is_found():
    assert Person([ID], []).is_in(f'["{ID}",7]'.encode())

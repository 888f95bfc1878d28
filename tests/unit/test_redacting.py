"""Whom bytes mention: however an address or a number is written, and nobody else."""

import orjson
import pytest

from contactsync.core.redacting import Person

ID = "0123456789abcdef0123456789abcdef"
JAN = Person(["a" * 32], ["jan@example.com"])


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


@pytest.mark.parametrize(
    "text",
    [
        "jan@example.com", "JAN@Example.COM", "Jan <jan@example.com>", "mailto:jan@example.com?subject=x", "ask jan@example.com.",
        "jan@example.com,arjan@example.com", "'jan@example.com'", "* -jan@example.com-", "_jan@example.com_", "...jan@example.com...",
        "first\njan@example.com", "first\n-jan@example.com", "\x1fjan@example.com", "mailto%3Ajan@example.com", "=0Ajan@example.com=0A",
        "write to\u00a0jan@example.com", "邮箱jan@example.com。", "to=jan@example.com;cc=", "/jan@example.com/", "a" * 32,
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", [str.encode, orjson.dumps])
def test_an_address_is_found_wherever_it_stands(text, written):
    assert JAN.is_in(written(text))
    assert JAN.is_in(b'["x","' + written(text) + b'"]')


@pytest.mark.parametrize(
    "text",
    [
        "arjan@example.com", "dirk.jan@example.com", "dirk-jan@example.com", "dirk+jan@example.com", "jan@example.com.au",
        "jan@example.community", "jan@example.com-pany.example", "jan@example.co", "2jan@example.com", "jan@examplexcom",
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", [str.encode, orjson.dumps])
def test_a_longer_address_is_somebody_else_s(text, written):
    assert not JAN.is_in(written(text))
    assert not JAN.is_in(b'[{"value":"' + written(text) + b'"}]')


@pytest.mark.parametrize("before", [b" ", rb"\n", rb"\n-", rb"\u001f"])
@pytest.mark.parametrize("at", range(60))
def test_an_address_is_found_across_the_border_of_two_blocks(at, before):
    data = b"x" * 40 + before + b"jan@example.com " + b"y" * 40
    jan = Person([], ["jan@example.com"])
    assert jan.is_in(data[:at][-jan.longest :] + data[at:])

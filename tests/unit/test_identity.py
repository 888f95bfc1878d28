"""Who a row is about."""

import pytest

from contactsync.core.identity import SHARDS, contact_id, email_key, identity_key, shard_of

SECRET = bytes(range(32))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("jos\u00e9@example.com", "jose\u0301@example.com"),
        ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
        ("T\u0308@example.com", "\u1e97@example.com"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@BU\u0308CHER.example", "ada@b\u00fccher.example"),
    ],
)
def test_spellings_of_one_mailbox_have_one_key(one, other):
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "\u0430da@example.com"),  # Cyrillic a
        ("ada@example.com", "\uff41da@example.com"),  # full-width a
        ("ada@example.com", "ada+x@example.com"),
        ("a.da@example.com", "ada@example.com"),
        ("strasse@example.com", "straße@example.com"),
        ("ada@example.com", "ada\u200b@example.com"),
    ],
)
def test_look_alikes_stay_two(one, other):
    assert email_key(one) != email_key(other)


@pytest.mark.parametrize(
    ("field_type", "value", "key"),
    [
        ("text", "  A-12 ", "A-12"),
        ("text", "e\u0301", "\u00e9"),
        ("integer", 42, "42"),
        ("decimal", "1.5", "1.5"),
        ("boolean", True, "true"),
        ("phone", {"value": "+31612345678", "text": "06-12345678"}, "+31612345678"),
        ("phone", {"value": "+31201234567", "text": "x", "extension": "12"}, "+31201234567;ext=12"),
        ("phone", "+31612345678", "+31612345678"),
        ("email", "Ada@Example.com", "ada@example.com"),
    ],
)
def test_each_type_has_its_normal_form(field_type, value, key):
    assert identity_key(field_type, value) == key


def test_an_id_depends_on_account_field_and_key_and_shows_none_of_them():
    made = contact_id(SECRET, "email", "ada@example.com")
    assert made == "f9e5e278bb42b8d01dfe13bf088106a6"  # stored by every account: it may never change
    others = {
        contact_id(bytes(32), "email", "ada@example.com"),
        contact_id(SECRET, "phone", "ada@example.com"),
        contact_id(SECRET, "email", "bob@example.com"),
    }
    assert made not in others
    assert len(others) == 3


def test_shards_are_all_used_and_ascend_with_the_id():
    ids = sorted(contact_id(SECRET, "email", f"{number}@example.com") for number in range(3000))
    shards = [shard_of(one) for one in ids]
    assert set(shards) == set(range(SHARDS))
    assert shards == sorted(shards)

"""Spellings that people and programs use for one identity lead to one contact; others never do."""

import unicodedata

from hypothesis import assume, given
from hypothesis import strategies as st

from contactsync.core.identity import contact_id, email_key, identity_key, shard_of

SECRET = bytes(range(32))
letters = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs"], exclude_characters="@"), min_size=1
)
domains = st.sampled_from(
    ["example.com", "bücher.example", "пример.example", "straße.example", "例子.example"]
)


@given(local=letters, domain=domains)
def test_a_key_is_its_own_key(local, domain):
    key = email_key(f"{local}@{domain}")
    assert email_key(key) == key


@given(local=letters, domain=domains)
def test_composed_and_decomposed_are_one(local, domain):
    address = f"{local}@{domain}"
    assert email_key(unicodedata.normalize("NFD", address)) == email_key(
        unicodedata.normalize("NFC", address)
    )


@given(local=st.text("abcdefghijklmnopqrstuvwxyz0123456789.+", min_size=1), domain=domains)
def test_case_is_no_difference(local, domain):
    assume(domain.upper().lower() == domain)
    assert email_key(f"{local}@{domain}".upper()) == email_key(f"{local}@{domain}")


@given(one=letters, other=letters)
def test_only_case_and_composition_make_two_names_one(one, other):
    def plain(text: str) -> str:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())

    same = email_key(f"{one}@example.com") == email_key(f"{other}@example.com")
    assert same == (plain(one) == plain(other))


@given(one=letters, other=letters, field=st.sampled_from(["email", "name"]))
def test_equal_keys_and_only_they_give_equal_ids(one, other, field):
    keys = identity_key("text", one), identity_key("text", other)
    ids = contact_id(SECRET, field, keys[0]), contact_id(SECRET, field, keys[1])
    assert (ids[0] == ids[1]) == (keys[0] == keys[1])
    assert 0 <= shard_of(ids[0]) < 64

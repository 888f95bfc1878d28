"""A decimal written with any country's separators is the number that was meant."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.fieldtypes import converter

numbers = st.decimals(min_value=-(10**12), max_value=10**12, places=4, allow_nan=False)
HABITS = {
    "NL": (".", ","),
    "US": (",", "."),
    "FR": ("\u202f", ","),
    "CH": ("\u2019", "."),
    "SE": ("\u00a0", ","),
}


@given(number=numbers, country=st.sampled_from(list(HABITS)), grouped=st.booleans())
def test_local_spelling_means_the_number(number, country, grouped):
    group, point = HABITS[country]
    text = f"{number:,f}" if grouped else f"{number:f}"
    text = text.replace(",", "\0").replace(".", point).replace("\0", group)
    canonical = converter("decimal", country=country)(text)
    assert Decimal(canonical) == number
    assert converter("decimal")(canonical) == canonical


@given(number=st.integers(-(2**63), 2**63 - 1), country=st.sampled_from(list(HABITS)))
def test_whole_numbers_come_back_as_they_were(number, country):
    group, _ = HABITS[country]
    assert converter("integer", country=country)(f"{number:,}".replace(",", group)) == number
    assert converter("integer", country=country)(str(number)) == number

"""What the quick paths accept, the libraries accept, with the same value. They can only ever save time."""

import random

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.fieldtypes import BadValue, converter, phone
from tests.generate import dialled, rows
from tests.people import PLACES

COUNTRIES = sorted(phonenumbers.SUPPORTED_REGIONS)
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
KINDS = list(range(11))


def library(text: str, country: str):
    """phonenumbers' verdict: E.164, or None."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def ours(text: str, country: str):
    try:
        value = phone(country)(text)
    except BadValue:
        return None
    return value and value["value"]


@st.composite
def dialled_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """(text, country): near-numbers of any country, written from any country, with every kind of prefix."""
    home = draw(st.sampled_from(COUNTRIES))
    country = draw(st.sampled_from([home, home, *COUNTRIES]))
    example = phonenumbers.example_number_for_type(country, draw(st.sampled_from(KINDS)))
    if example is None:
        code, digits, trunk = str(draw(st.sampled_from(CODES))), "", ""
    else:
        code = str(example.country_code)
        digits = phonenumbers.national_significant_number(example)
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
        trunk = (metadata.national_prefix if metadata else None) or ""
    kept = digits[: draw(st.integers(0, len(digits)))]
    tail = draw(
        st.text(
            "0123456789", max_size=max(len(digits) - len(kept), 0) + draw(st.sampled_from([0, 0, 0, 1, 5]))
        )
    )
    start = draw(
        st.sampled_from(
            [
                "",
                trunk,
                f"+{code}",
                f"+{code}{trunk}",
                f"+{code}({trunk})",
                f"00{code}",
                f"011{code}",
                f"{code}",
            ]
        )
    )
    text = start + kept + tail
    for mark in draw(st.lists(st.sampled_from(" -().x/"), max_size=3)):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + mark + text[place:]
    return text, home


@given(dialled_numbers())
def test_every_phone_gets_the_verdict_of_phonenumbers(number):
    text, country = number
    assert ours(text, country) == library(text, country)


def test_generated_phones_get_the_verdict_of_phonenumbers():
    chance = random.Random(11)
    for row in rows(3000, seed=11):
        if row.problem != "ragged":
            for text in filter(None, row.cells[5:7]):
                for country in ("NL", chance.choice(COUNTRIES)):
                    assert ours(text, country) == library(text, country), (text, country)


def test_every_pattern_of_the_generator_gives_valid_numbers():
    chance = random.Random(3)
    for place in PLACES:
        for pattern in (*place.local, *place.abroad):
            for _ in range(20):
                assert library(dialled(pattern, chance), place.country), (pattern, place.country)


def test_thousands_of_phones_of_every_country_get_the_verdict_of_phonenumbers():
    chance = random.Random(5)
    for country in COUNTRIES:
        number = phonenumbers.example_number(country)
        assert number
        example = phonenumbers.national_significant_number(number)
        code = phonenumbers.country_code_for_region(country)
        for _ in range(100):
            kept = chance.randrange(1, len(example))
            digits = example[:kept] + "".join(chance.choice("0123456789") for _ in example[kept:])
            text = (
                chance.choice(["", "0", f"+{code}", f"+{code}0", f"00{code}", str(code), "1", "8"]) + digits
            )
            assert ours(text, country) == library(text, country), (text, country)


ascii_emails = st.from_regex(
    r"\A[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-]{0,10}@[A-Za-z0-9.\-]{0,12}(\.[A-Za-z]{1,8})?\Z"
)
odd_emails = st.builds(
    "{}@{}".format,
    st.text(min_size=0, max_size=8),
    st.sampled_from(["example.com", "bücher.example", "a.test"]),
)


@given(st.one_of(ascii_emails, odd_emails, st.emails()))
def test_every_address_gets_the_verdict_of_email_validator(text):
    text = text.strip()
    try:
        validate_email(text, check_deliverability=False)
        theirs = True
    except EmailNotValidError:
        theirs = False
    try:
        accepted = converter("email")(text) is not None
    except BadValue:
        accepted = False
    assert accepted == theirs

"""What the quick paths accept, the libraries accept, with the same value. They can only ever save time."""

import random
import re
from collections.abc import Iterator

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.fieldtypes import BadValue, converter, phone
from tests.support.generate import dialled, rows
from tests.support.people import PLACES

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
    """But for decimals, which programs write behind what they take for a number."""
    text, country = number
    assert ours(text, country) == library(re.sub(r"\A(\+?[0-9]+)\.0\Z", r"\1", text), country)


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


def ambiguous_numbers(country: str) -> Iterator[str]:
    """A country's numbers behind every prefix, and numbers that begin like one of the prefixes."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    assert metadata
    code, trunk = str(metadata.country_code), metadata.national_prefix or "0"
    abroad = metadata.preferred_international_prefix or "00"
    starts = [
        "",
        trunk,
        code,
        code + trunk,
        trunk + code,
        trunk + trunk,
        f"+{code}",
        f"+{code}{trunk}",
        f"+{code}{code}",
    ]
    starts += [
        "00",
        "000",
        f"00{code}",
        f"000{code}",
        abroad,
        f"{abroad}{code}",
        f"{abroad}{code}{trunk}",
        f"{abroad}1",
    ]
    examples = (phonenumbers.example_number_for_type(country, kind) for kind in KINDS)
    for number in {phonenumbers.national_significant_number(example) for example in examples if example}:
        bodies = {number, number[:-1], number + "0"}
        bodies |= {like + number[len(like) :] for like in (trunk, code, code + trunk, "00")}
        for body in bodies:
            for start in starts:
                yield start + body


@pytest.mark.parametrize("country", COUNTRIES)
def test_prefixes_that_can_be_misread_get_the_verdict_of_phonenumbers(country):
    numbers = list(ambiguous_numbers(country))
    for text in random.Random(country).sample(numbers, min(len(numbers), 150)):
        assert ours(text, country) == library(text, country), text


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

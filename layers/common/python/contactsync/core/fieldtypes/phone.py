"""Phone numbers: E.164, with the customer's own text kept beside it.

The verdict is always phonenumbers': `is_valid_number(parse(text, country))`. phonenumbers takes 25 µs a
number, so the common spellings take a shorter way: its own metadata, compiled per country into regular
expressions, accepts what phonenumbers would certainly accept, with the same E.164. Whatever the short way
does not accept goes to phonenumbers, so the short way can only ever save time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from contactsync.core.fieldtypes.refusal import EDGES, BadValue, Converter, refuse_unprintable

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata, PhoneNumberDesc

TEXT_MAX = 250
"""Characters that phonenumbers looks at."""

_WITHOUT_PUNCTUATION = str.maketrans("", "", " ()-./\u00a0")
_IN_LITERAL = re.compile(r"[0-9]+").fullmatch
_SPOILED = re.compile(r"[0-9]+[.,][0-9]+[eE]\+?[0-9]+").fullmatch
_TYPES = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)

Digits = Callable[[str], str | None]
"""Digits as dialled → E.164, or None where only phonenumbers can tell."""


def phone(country: str | None) -> Converter:
    """The converter to `{"text": as written, "value": E.164[, "extension": digits]}`.

    `country` (ISO 3166, upper case) is where numbers without a country code belong; without it they are refused.
    """

    def convert(cell: str) -> dict[str, str] | None:
        digits = cell.translate(_WITHOUT_PUNCTUATION)
        if digits.isascii():
            value = None
            if digits.isdigit():
                value = _from_national(country)(digits) if country else None
            elif digits[:1] == "+" and digits[1:].isdigit():
                value = _from_international(digits[1:])
            if value is not None:
                return {"text": cell, "value": value}
        return _judged(cell, country)

    return convert


def is_country(code: str) -> bool:
    """Whether numbers can be read as dialled in `code`."""
    return code in _library().SUPPORTED_REGIONS


def _judged(cell: str, country: str | None) -> dict[str, str] | None:
    """phonenumbers' own verdict: the only one that refuses."""
    text = cell.strip(EDGES)
    if not text:
        return None
    refuse_unprintable(text)
    library = _library()
    if _SPOILED(text):
        raise BadValue(
            "phone_spoiled",
            "A spreadsheet has shortened this number (like 3.46E+10): format the column as text and save again.",
        )
    try:
        number = library.parse(text, country)
    except library.NumberParseException as refusal:
        raise _refusal(refusal.error_type, country) from None
    if not library.is_valid_number(number):
        raise BadValue("phone_invalid", _invalid(library.is_possible_number_with_reason(number), country))
    value = {"text": cell, "value": library.format_number(number, library.PhoneNumberFormat.E164)}
    if number.extension:
        value["extension"] = number.extension
    return value


def _refusal(kind: int, country: str | None) -> BadValue:
    """Why phonenumbers could not read the text as a number at all."""
    if kind == _library().NumberParseException.INVALID_COUNTRY_CODE and country is None:
        return BadValue(
            "phone_without_country",
            "The country code is missing: write it, as in +31 20 123 4567, or set the format's country.",
        )
    return BadValue("phone_invalid", "This is not a phone number: it looks like +31 20 123 4567.")


def _invalid(possible: int, country: str | None) -> str:
    reasons = _library().ValidationResult
    where = f" in {country}" if country else ""
    hint = f"check it, or write the country code if it is not{where}" if country else "check it"
    if possible in (reasons.TOO_SHORT, reasons.IS_POSSIBLE_LOCAL_ONLY):
        return f"The number is too short: {hint}."
    if possible == reasons.TOO_LONG:
        return f"The number is too long: {hint}."
    return f"No such number can exist{where}: {hint}."


@cache
def _library() -> ModuleType:
    """phonenumbers, imported with the first number: most handlers never see one."""
    import phonenumbers  # noqa: PLC0415

    return phonenumbers


# The short way -----------------------------------------------------------------------------------------


@cache
def _from_national(country: str) -> Digits:
    """Digits dialled inside `country`: with its trunk prefix or without, or with its international prefix."""
    metadata = _library().PhoneMetadata.metadata_for_region(country, None)
    if metadata is None:
        return lambda _: None
    own = _plan(str(metadata.country_code), country)
    code, outward = own.code, metadata.international_prefix or "NonMatch"
    dials_abroad = re.compile(outward).match
    outward_is_literal = bool(_IN_LITERAL(outward))
    general = re.compile(metadata.general_desc.national_number_pattern or "NonMatch").fullmatch

    def e164(digits: str) -> str | None:
        if dials_abroad(digits):
            abroad = digits[len(outward) :]
            return _from_international(abroad) if outward_is_literal and abroad[:1] != "0" else None
        value = own.e164(digits)
        if value is None and digits.startswith(code) and not general(digits):
            value = own.e164_untouched(digits[len(code) :])
        return value

    return e164


def _from_international(digits: str) -> str | None:
    """Digits after a plus: country code, then national number."""
    plan = _plan_by_start(digits[:3])
    return plan.e164(digits[len(plan.code) :]) if plan else None


@cache
def _plan_by_start(start: str) -> _Plan | None:
    """The numbering plan that three leading digits select; None for codes of no country (800, 883)."""
    regions = _library().COUNTRY_CODE_TO_REGION_CODE
    for length in (1, 2, 3):
        code = start[:length]
        if code[:1] != "0" and code.isdigit() and int(code) in regions:
            main = regions[int(code)][0]
            return None if main == "001" else _plan(code, main)
    return None


class _Plan:
    """One country code as phonenumbers reads it with one country's metadata."""

    def __init__(self, code: str, country: str) -> None:
        metadata = _library().PhoneMetadata.metadata_for_region(country, None)
        prefix = metadata.national_prefix_for_parsing
        simple = prefix is None or (bool(_IN_LITERAL(prefix)) and not metadata.national_prefix_transform_rule)
        self.code = code
        self.prefix = prefix if prefix and simple else None
        self.strips = re.compile(prefix or "NonMatch").match
        self.exists = _existence(code)
        self.may_lose_prefix = re.compile(_dialable(metadata)).fullmatch

    def e164(self, digits: str) -> str | None:
        """The national number, with the trunk prefix taken off where phonenumbers takes it off."""
        if not self.strips(digits):
            return f"+{self.code}{digits}" if self.exists(digits) else None
        if self.prefix is None or _overlap(self.prefix, self.code):
            return None
        rest = digits[len(self.prefix) :]
        return self.e164_untouched(rest) if self.may_lose_prefix(rest) else None

    def e164_untouched(self, digits: str) -> str | None:
        """The national number, if it carries no trunk prefix that phonenumbers would take off."""
        if self.strips(digits) or not self.may_lose_prefix(digits) or not self.exists(digits):
            return None
        return f"+{self.code}{digits}"


_plan = cache(_Plan)


def _overlap(prefix: str, code: str) -> bool:
    """A trunk prefix that can be mistaken for the country code, as 8 can for 86. The same digits cannot."""
    return prefix != code and (prefix.startswith(code) or code.startswith(prefix))


@cache
def _existence(code: str) -> Callable[[str], bool]:
    """Whether a national number exists under a country code: the first country that claims it decides."""
    countries = _library().COUNTRY_CODE_TO_REGION_CODE[int(code)]
    if len(countries) == 1:
        pattern = _numbers(_library().PhoneMetadata.metadata_for_region(countries[0], None))
        matches = re.compile(pattern).fullmatch
        return lambda digits: matches(digits) is not None

    def exists(digits: str) -> bool:
        for country in countries:
            claims, matches = _claim(country)
            if claims is None:
                if matches(digits):
                    return True
            elif claims(digits):
                return matches(digits) is not None
        return False

    return exists


@cache
def _claim(country: str) -> tuple[Callable[[str], Any] | None, Callable[[str], Any]]:
    """How one of several countries under one code claims numbers (None: by having them), and its numbers."""
    metadata = _library().PhoneMetadata.metadata_for_region(country, None)
    claims = re.compile(metadata.leading_digits).match if metadata.leading_digits else None
    return claims, re.compile(_numbers(metadata)).fullmatch


def _numbers(metadata: PhoneMetadata) -> str:
    """The pattern of all numbers of a country, whatever their kind."""
    kinds = [getattr(metadata, kind) for kind in _TYPES]
    patterns = dict.fromkeys(_described(kind) for kind in kinds if kind and kind.national_number_pattern)
    return rf"(?={_described(metadata.general_desc)}\Z)(?:{'|'.join(patterns)})"


def _described(kind: PhoneNumberDesc | None) -> str:
    if kind is None or not kind.national_number_pattern:
        return "NonMatch"
    lengths = "|".join(rf"[0-9]{{{length}}}\Z" for length in kind.possible_length if length > 0)
    return rf"(?:{f'(?={lengths})' if lengths else ''}(?:{kind.national_number_pattern}))"


def _dialable(metadata: PhoneMetadata) -> str:
    """What may remain once a prefix is gone: phonenumbers demands a possible length and the general form."""
    return _described(metadata.general_desc)

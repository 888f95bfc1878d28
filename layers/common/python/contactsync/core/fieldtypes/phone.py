"""Phone numbers: E.164, with the customer's own text kept beside it.

The verdict is always phonenumbers': `is_valid_number(parse(text, country))`. phonenumbers takes 25 µs a
number, so the common spellings take a shorter way: its own metadata, compiled per country into regular
expressions, accepts what phonenumbers would certainly accept, with the same E.164. Whatever the short way
does not accept goes to phonenumbers, so the short way can only ever save time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, cached_property, lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from contactsync.core.fieldtypes.refusal import EDGES, BadValue, Converter, refuse_unprintable

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata, PhoneNumberDesc

TEXT_MAX = 250
"""Characters of a number with its punctuation: phonenumbers reads no more."""

NEVER = "(?!)"
"""A pattern that matches nothing: metadata without a pattern."""

REMEMBERED, REMEMBERED_CHARS = 1_000, 40
"""Verdicts of phonenumbers' that are kept for a file, and of what cells: what is no number is the same few words in most lists."""

PLANS_MAX = 2_000
"""Beginnings of numbers whose plan is kept at hand: more than there are country codes, and not whatever a file holds."""

SHORTEST = 6
"""Digits of what is surely a number of its own, where several stand in one cell."""

_APART = re.compile(r":::|[;,/|]|\s[a-z]+\s", re.IGNORECASE)
_IN_LITERAL = re.compile(r"[0-9]+").fullmatch
_SPOILED = re.compile(r"[0-9]+[.,][0-9]+[eE]\+?[0-9]+").fullmatch
_IN_DECIMALS = re.compile(r"\+?[0-9]+\.0").fullmatch
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

Matcher = Callable[[str], re.Match[str] | None]
"""Whether digits match a pattern."""


def phone(country: str | None) -> Converter:
    """The converter to `{"text": as written, "value": E.164[, "extension": digits]}`.

    `country` (ISO 3166, upper case) is where numbers without a country code belong; without it they are refused.
    """
    from_national = _from_national(country) if country else _from_nowhere
    judged = lru_cache(REMEMBERED)(partial(_verdict, country))

    def convert(cell: str) -> dict[str, str] | None:
        # A program took it for a number; no digit of it has this meaning
        if cell[-2:] == ".0" and _IN_DECIMALS(cell):
            cell = cell[:-2]
        digits = cell.replace(" ", "").replace("-", "").replace("(", "").replace(")", "").replace(".", "")
        if digits[:1] != "+":
            value = from_national(digits)
        elif _is_e164(digits[:4])(digits):
            value = digits
        else:
            value = _from_international(digits[1:])
        if value is not None and len(cell) <= TEXT_MAX:
            return {"text": cell, "value": value}
        verdict = judged(cell) if len(cell) <= REMEMBERED_CHARS else _verdict(country, cell)
        if isinstance(verdict, BadValue):
            raise BadValue(verdict.code, verdict.message)
        return verdict and verdict.copy()

    return convert


def is_country(code: str) -> bool:
    """Whether numbers can be read as dialled in `code`."""
    return code in _library().SUPPORTED_REGIONS


def _verdict(country: str | None, cell: str) -> dict[str, str] | BadValue | None:
    """As `_judged`, a refusal too: a new one, that holds neither the frames nor the errors behind it."""
    try:
        return _judged(cell, country)
    except BadValue as refusal:
        return BadValue(refusal.code, refusal.message)


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
    if not any(map(str.isdigit, text)):
        raise _no_number()
    try:
        number = library.parse(text, country)
    except library.NumberParseException as refusal:
        if sum(len(re.findall(r"[0-9]", part)) >= SHORTEST for part in _APART.split(text)) > 1:
            raise BadValue(
                "phone_invalid", "There is more than one number: one number for each column."
            ) from None
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
    return _no_number()


def _no_number() -> BadValue:
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
#
# phonenumbers takes a prefix off (to dial abroad, the country code, the trunk prefix) under conditions on
# what was there and on what remains. Each step below takes one off only where those conditions certainly
# hold, and answers None wherever they might not. All patterns match ASCII digits and nothing else.


@cache
def _from_national(country: str) -> Digits:
    """Digits dialled inside `country`: with its trunk prefix or without, or with its international prefix."""
    metadata = _metadata(country)
    own = _plan(str(metadata.country_code), country)
    code, outward = own.code, metadata.international_prefix or NEVER
    outward_is_literal = bool(_IN_LITERAL(outward))
    dials_abroad = _compiled(outward).match
    general = _compiled(_pattern(metadata.general_desc)).fullmatch
    ordinary = _compiled(rf"(?!{outward}|{code}){own.ordinary}").fullmatch
    plus = f"+{code}"

    def e164(digits: str) -> str | None:
        if found := ordinary(digits):
            return plus + found[1]
        if dials_abroad(digits):
            abroad = digits[len(outward) :]
            return _from_international(abroad) if outward_is_literal else None
        if not digits.startswith(code) or own.is_possible(digits):
            return own.e164(digits)
        return None if general(digits) else own.e164_untouched(digits[len(code) :])

    return e164


def _from_nowhere(_: str) -> None:
    """Digits without a country code, where no country is known."""


@lru_cache(PLANS_MAX)
def _is_e164(start: str) -> Matcher:
    """Whether a plus and digits that begin like `start` are E.164 as they stand: most that begin with a plus."""
    plan = _plan_by_start(start[1:])
    return plan.is_e164 if plan else _compiled(NEVER).fullmatch


def _from_international(digits: str) -> str | None:
    """Digits after a plus: country code, then national number."""
    plan = _plan_by_start(digits[:3])
    return plan.e164(digits[len(plan.code) :]) if plan else None


@lru_cache(PLANS_MAX)
def _plan_by_start(start: str) -> _Plan | None:
    """The numbering plan that three leading digits select; None for codes of no country (800, 883)."""
    regions = _library().COUNTRY_CODE_TO_REGION_CODE
    for length in (1, 2, 3):
        code = start[:length]
        if _IN_LITERAL(code) and code[0] != "0" and int(code) in regions:
            main = regions[int(code)][0]
            return None if main == "001" else _plan(code, main)
    return None


class _Plan:
    """One country code as phonenumbers reads it with one country's metadata.

    Compiling a country's patterns takes as long as reading a thousand numbers, and most numbers need but one of them.
    """

    def __init__(self, code: str, country: str) -> None:
        main = _library().COUNTRY_CODE_TO_REGION_CODE[int(code)][0]
        metadata, self._main = _metadata(country), _metadata(main)
        self.code = code
        self._plus = f"+{code}"
        self._is_main = country == main
        self._prefix_pattern = metadata.national_prefix_for_parsing or NEVER
        self._possible_pattern = _described(metadata.general_desc)
        self._rewrites = bool(metadata.national_prefix_transform_rule)

    @cached_property
    def is_e164(self) -> Matcher:
        """Whether a plus and digits are E.164 as they stand.

        Where no trunk prefix can be taken off, the first country under the code decides, if it claims the number.
        """
        claim = self._main.leading_digits or ""
        return _compiled(
            rf"\+{self.code}(?!{self._prefix_pattern})(?={claim}){_numbers(self._main)}"
        ).fullmatch

    @cached_property
    def ordinary(self) -> str:
        """The pattern of a national number, with its trunk prefix or without; its first group is the number."""
        if self._main.leading_digits is not None or _compiled(self._prefix_pattern).groups:
            return NEVER
        here = "" if self._is_main else rf"(?={self._possible_pattern}\Z)"  # within _numbers already
        return rf"(?:{self._prefix_pattern})?+{here}({_numbers(self._main)})"

    @cached_property
    def is_possible(self) -> Matcher:
        """Whether digits may be a national number by their length and beginning."""
        return _compiled(self._possible_pattern).fullmatch

    @cached_property
    def _ordinary(self) -> Matcher:
        return _compiled(self.ordinary).fullmatch

    @cached_property
    def _prefix(self) -> Matcher:
        return _compiled(self._prefix_pattern).match

    @cached_property
    def _exists(self) -> Callable[[str], bool]:
        return _existence(self.code)

    def e164(self, digits: str) -> str | None:
        """The national number, with the trunk prefix taken off where phonenumbers takes it off."""
        if found := self._ordinary(digits):  # most numbers, in one match
            return self._plus + found[1]
        prefix = self._prefix(digits)
        if prefix is None:
            return self._plus + digits if self._exists(digits) else None
        if self._rewrites and prefix[prefix.re.groups] is not None:
            return None
        return self.e164_untouched(digits[prefix.end() :])

    def e164_untouched(self, digits: str) -> str | None:
        """The national number, if it carries no trunk prefix and phonenumbers would keep all of it."""
        if self._prefix(digits) is None and self.is_possible(digits) and self._exists(digits):
            return self._plus + digits
        return None


_plan = cache(_Plan)


@cache
def _existence(code: str) -> Callable[[str], bool]:
    """Whether a national number exists under a country code: the first country that claims it decides."""
    countries = _library().COUNTRY_CODE_TO_REGION_CODE[int(code)]

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
    metadata = _metadata(country)
    claims = _compiled(metadata.leading_digits).match if metadata.leading_digits else None
    return claims, _compiled(_numbers(metadata)).fullmatch


def _metadata(country: str) -> PhoneMetadata:
    metadata = _library().PhoneMetadata.metadata_for_region(country, None)
    if metadata is None:
        raise ValueError(f"no such country: {country}")
    return cast("PhoneMetadata", metadata)


def _numbers(metadata: PhoneMetadata) -> str:
    """The pattern of all numbers of a country, whatever their kind."""
    kinds = [getattr(metadata, kind) for kind in _TYPES]
    patterns = dict.fromkeys(_described(kind) for kind in kinds if kind and kind.national_number_pattern)
    return rf"(?={_described(metadata.general_desc)}\Z)(?:{'|'.join(patterns)})"


def _described(kind: PhoneNumberDesc | None) -> str:
    """The pattern of one kind of number, its length included."""
    lengths = sorted(length for length in kind.possible_length if length > 0) if kind else []
    if not lengths:
        return f"(?:{_pattern(kind)})"
    gaps = [rf"(?![0-9]{{{gap}}}\Z)" for gap in range(lengths[0], lengths[-1]) if gap not in lengths]
    return rf"(?:(?=[0-9]{{{lengths[0]},{lengths[-1]}}}\Z){''.join(gaps)}(?:{_pattern(kind)}))"


def _pattern(kind: PhoneNumberDesc | None) -> str:
    return (kind.national_number_pattern if kind else None) or NEVER


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)

"""Whole and decimal numbers, with the separators of the country that the format states.

Without a country only the plain form is read: digits, a point before decimals, no grouping. With one, its
own separators count, strictly: "1.234" is 1234 in the Netherlands and refused where nobody said so.
"""

from __future__ import annotations

import re

from contactsync.core.fieldtypes.refusal import EDGES, BadValue, Converter

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
DIGITS_MAX = 38
"""Significant digits of a decimal: what a number in DynamoDB can hold."""

_COMMA_DECIMAL = """
AD AL AM AO AR AT AZ BA BE BG BO BR BY CL CM CO CR CU CY CZ DE DK DZ EC EE ES FI FO FR GE GL GR HR HU ID IS IT KG
KZ LT LU LV MA MC MD ME MK MN MZ NL NO PL PT PY RO RS RU SE SI SK SM SN TN TR UA UY UZ VA VE VN XK
"""
COMMA_DECIMAL = frozenset(_COMMA_DECIMAL.split())
"""Countries whose decimals follow a comma (CLDR); elsewhere they follow a point."""

PAIR_GROUPING = frozenset({"BD", "IN", "NP", "PK"})
"""Countries that group by two after the first thousand: 12,34,567."""

_SIGNED = re.compile(r"[+\-]?[0-9]++")
_SCIENTIFIC = re.compile(r"[+\-]?[0-9]+(?:[.,][0-9]+)?[eE][+\-]?[0-9]+")
_SPACES = " \u00a0\u202f\u2009'\u2019"


def integer(country: str | None) -> Converter:
    """The converter to a whole number of 64 bits, grouped as in `country` (ISO 3166, upper case) or not at all."""
    grouped = _pattern(country)

    def convert(cell: str) -> int | None:
        if len(cell) < 19 and cell.isascii() and cell.isdigit():
            return int(cell)
        text = cell.strip(EDGES)
        if _SIGNED.fullmatch(text) and len(text) <= DIGITS_MAX:
            return _bounded(int(text))
        if not text:
            return None
        found = grouped.fullmatch(text) if len(text) <= 2 * DIGITS_MAX else None
        if found is None or found["fraction"]:
            raise BadValue("integer_invalid", _reason(text, country, "whole number", "1234"))
        return _bounded(int(found["sign"] + _digits(found["whole"])))

    return convert


def _bounded(value: int) -> int:
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise BadValue("integer_too_large", f"A whole number lies between {INTEGER_MIN} and {INTEGER_MAX}.")
    return value


def decimal(country: str | None) -> Converter:
    """The converter to a decimal in canonical text: "-1234.5", no exponent, no grouping, no needless zeros."""
    grouped = _pattern(country)

    def convert(cell: str) -> str | None:
        text = cell.strip(EDGES)
        if not text:
            return None
        found = grouped.fullmatch(text) if len(text) <= 2 * DIGITS_MAX else None
        if found is None:
            raise BadValue("decimal_invalid", _reason(text, country, "number", "1234.56"))
        return _canonical(found["sign"], _digits(found["whole"]), found["fraction"] or "")

    return convert


def _canonical(sign: str, whole: str, fraction: str) -> str:
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    if len(whole) + len(fraction) > DIGITS_MAX:
        raise BadValue("decimal_too_long", f"A number has at most {DIGITS_MAX} digits.")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"-{number}" if sign == "-" and number != "0" else number


def _digits(grouped: str) -> str:
    return grouped if grouped.isdigit() else "".join(filter(str.isdigit, grouped))


def _pattern(country: str | None) -> re.Pattern[str]:
    """Sign, whole part and fraction, with every group of digits in its place and one kind of separator."""
    if country is None:
        return re.compile(r"(?P<sign>[+\-]?)(?P<whole>[0-9]++)(?:\.(?P<fraction>[0-9]++))?")
    point, group = (",", ".") if country in COMMA_DECIMAL else (".", ",")
    inner = "{2,3}" if country in PAIR_GROUPING else "{3}"
    whole = (
        rf"[0-9]{{1,3}}(?P<group>[{re.escape(group + _SPACES)}])(?:[0-9]{inner}(?P=group))*[0-9]{{3}}|[0-9]+"
    )
    return re.compile(rf"(?P<sign>[+\-]?)(?P<whole>{whole})(?:{re.escape(point)}(?P<fraction>[0-9]+))?")


def _reason(text: str, country: str | None, kind: str, example: str) -> str:
    if _SCIENTIFIC.fullmatch(text):
        return "A spreadsheet has shortened this number (like 3.46E+10): format the column as text and save again."
    if country is None and ("," in text or text.count(".") > 1):
        return f"Commas and points can mean two things: write it like {example}, or set the format's country."
    if country in COMMA_DECIMAL:
        return f"This is not a {kind} as written in {country}: write it like {example.replace('.', ',')}."
    return f"This is not a {kind}: write it like {example}."

"""A number of a workbook, as its format shows it: dates in ISO 8601, digits in plain notation.

What a spreadsheet shows depends on the reader's language; what leaves here does not. Dates and times become ISO
8601, whatever their format. Numbers have a point before their decimals, no grouping and no exponent, so that
they mean the same everywhere; decimals are rounded, zeros led and texts added as the format says. Colours,
paddings and conditions on values are followed or left out as they would be on paper.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

Shown = Callable[[float], str]

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0;-#,##0", 38: "#,##0;-#,##0",
    39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    48: "##0.0E+0", 49: "@",
} | dict.fromkeys((27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58), "yyyy-mm-dd")  # fmt: skip
"""Formats that workbooks name by number only (ECMA-376, 18.8.30); the last are dates of East Asia."""

_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | \[(?P<bracket>[^\]]*)\] | _(?P<width>.) | \*(?P<fill>.)
    | (?P<general>General) | (?P<ampm>AM/PM|A/P) | (?P<exponent>E[+-]) | (?P<date>y+|m+|d+|h+|s+|e+|g+|b+)
    | (?P<digits>[0\#?]+) | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_APART = re.compile(r'"[^"]*"?|\\.|\[[^\]]*\]|;', re.DOTALL)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?[0-9.]{1,20})")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b,
}  # fmt: skip
_FORMAT_MAX = 1_000
_PRECISION = 26
"""Digits that can be rounded exactly: a spreadsheet keeps 15."""
_SECONDS = 86_400
_LAST_DAY = 2_958_466
"""The day after 9999-12-31, the last that workbooks know."""


class _Section(NamedTuple):
    """One of a format's up to four parts."""

    tokens: tuple[tuple[str, str], ...]
    condition: tuple[str, float] | None

    def has(self, kind: str) -> bool:
        return any(found == kind for found, _ in self.tokens)


@lru_cache(maxsize=1024)
def compiled(code: str, *, from_1904: bool = False) -> Shown:
    """What shows numbers as format `code` does. `from_1904`: days count from 1904, as in workbooks of old Macs."""
    sections = [_section(part) for part in _sections(code[:_FORMAT_MAX])][:3]
    if len(sections) > 1 and _in_brackets(sections[1]):
        sections[1] = _with_minus(sections[1])
    showers = [_shower(section, from_1904=from_1904) for section in sections]
    if len(sections) == 1:
        return showers[0]

    def show(value: float) -> str:
        index = _chosen(sections, value)
        # a section of its own for negative numbers shows the sign itself, if at all
        return showers[index](abs(value) if index and not sections[index].condition else value)

    return show


def general(value: float) -> str:
    """At most 15 digits, which is what a spreadsheet keeps, and never an exponent: 34612345678, 0.1, 1.27."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{Decimal(f'{value:.15g}'):f}"


def _sections(code: str) -> list[str]:
    """The parts between semicolons that are neither quoted nor escaped."""
    parts, start = [], 0
    for found in _APART.finditer(code):
        if found[0] == ";":
            parts.append(code[start : found.start()])
            start = found.end()
    return [*parts, code[start:]]


def _section(code: str) -> _Section:
    tokens: list[tuple[str, str]] = []
    condition = None
    for found in _TOKEN.finditer(code):
        kind = str(found.lastgroup)
        text = found[kind]
        if kind == "bracket":
            compared = _CONDITION.fullmatch(text)
            if compared:
                condition = compared[1], _number(compared[2])
            elif _ELAPSED.fullmatch(text):
                tokens.append(("date", f"[{text.lower()}]"))
            elif text.startswith("$"):  # a currency, as in [$€-407]
                tokens.append(("text", text[1:].partition("-")[0]))
        elif kind in {"quoted", "escaped"}:
            tokens.append(("text", text))
        elif kind not in {"width", "fill"}:
            tokens.append((kind, text.lower() if kind == "date" else text))
    return _Section(tuple(tokens), condition)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _chosen(sections: list[_Section], value: float) -> int:
    """Which section shows the value: by conditions, else positive; negative; zero."""
    last = len(sections) - 1
    for index, section in enumerate(sections):
        if section.condition:
            sign, bound = section.condition
            if _COMPARE[sign](value, bound):
                return index
    if any(section.condition for section in sections):
        return next((index for index, section in enumerate(sections) if not section.condition), last)
    if value < 0:
        return 1
    return min(2, last) if value == 0 and last == 2 else 0


def _shower(section: _Section, *, from_1904: bool) -> Shown:
    if section.has("date"):
        return _dated(section, from_1904=from_1904)
    if section.has("digits") and not section.has("exponent") and ("other", "/") not in section.tokens:
        return _digits(section)
    if section.has("general") or section.has("digits") or ("other", "@") in section.tokens:
        return general
    text = "".join(text for kind, text in section.tokens if kind in {"text", "other"})
    return lambda _: text


def _in_brackets(section: _Section) -> bool:
    shown = [text for _, text in section.tokens if text.strip()]
    return len(shown) > 2 and shown[0] == "(" and shown[-1] == ")"


def _with_minus(section: _Section) -> _Section:
    """A negative number as numbers are written, not in the brackets of accountants."""
    tokens = (token for token in section.tokens if token[1] not in {"(", ")"})
    return _Section((("text", "-"), *tokens), section.condition)


def _dated(section: _Section, *, from_1904: bool) -> Shown:
    """ISO 8601 of what the section shows: a day, a time, both, or a day without its year."""
    fields = {text.strip("[]")[:1] for kind, text in section.tokens if kind == "date"}
    if any(text.startswith("[") for kind, text in section.tokens if kind == "date"):
        return _elapsed
    months = [text for kind, text in section.tokens if kind == "date" and text[0] == "m"]
    timed = bool(fields & {"h", "s"})
    day = bool(fields & {"y", "d", "e", "g", "b"}) or (bool(months) and not timed)
    yearless = day and not fields & {"y", "e", "g", "b"} and "d" in fields and bool(months)

    def show(value: float) -> str:
        seconds = round(value * _SECONDS)
        days, second = divmod(seconds, _SECONDS)
        if not 0 <= value < _LAST_DAY:
            return general(value)
        time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        if not day:
            return time
        date = _day(days, from_1904=from_1904)
        if yearless and not timed:
            return f"-{date[4:]}"
        return f"{date}T{time}" if timed else date

    return show


def _day(days: int, *, from_1904: bool) -> str:
    """Day number → ISO date. Excel's calendar has a 29 February 1900, and a day 0 that means none."""
    if from_1904:
        return (datetime.date(1904, 1, 1) + datetime.timedelta(min(days, _LAST_DAY - 1463))).isoformat()
    if days == 0:
        return "0000-00-00"
    if days == 60:
        return "1900-02-29"
    return (datetime.date(1899, 12, 30 if days > 60 else 31) + datetime.timedelta(days)).isoformat()


def _elapsed(value: float) -> str:
    """Hours, minutes and seconds of a duration, which may pass a day."""
    seconds = round(abs(value) * _SECONDS)
    sign = "-" if value < 0 and seconds else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class _Layout(NamedTuple):
    """Where digits go: placeholders and texts before the point, and after it."""

    whole: list[tuple[str, str]]
    fraction: list[tuple[str, str]]
    scale: int


def _digits(section: _Section) -> Shown:
    layout = _layout(section)
    places = "".join(text for kind, text in layout.fraction if kind == "digits")
    quantum = Decimal(1).scaleb(-len(places))
    required = len(places.rstrip("#?")) if places.rstrip("#?") else 0

    def show(value: float) -> str:
        exact = Decimal(f"{value:.15g}").scaleb(layout.scale)
        if exact.adjusted() + len(places) > _PRECISION:
            return general(value)
        rounded = abs(exact).quantize(quantum, ROUND_HALF_UP)
        whole, _, fraction = f"{rounded:f}".partition(".")
        fraction = fraction[:required] + fraction[required:].rstrip("0")
        sign = "-" if exact < 0 and rounded else ""
        shown = _filled_left(layout.whole, whole.lstrip("0"))
        if fraction:
            shown = (shown if shown[-1:].isdigit() else f"{shown}0") + "."
        return (sign + shown + _filled_right(layout.fraction, fraction)).strip()

    return show


def _layout(section: _Section) -> _Layout:
    """Group separators leave no trace, but those after the last digit divide by a thousand each."""
    whole: list[tuple[str, str]] = []
    fraction: list[tuple[str, str]] = []
    side = whole
    scale = pending = 0
    for kind, text in section.tokens:
        if (kind, text) == ("other", ".") and side is whole:
            side = fraction
        elif (kind, text) == ("other", ","):
            pending += 1
        elif kind == "digits":
            side.append((kind, text))
            pending = 0
        else:
            scale += 2 * (text == "%" and kind == "other")
            side.append(("text", text))
    return _Layout(whole, fraction, scale - 3 * pending)


def _filled_left(layout: list[tuple[str, str]], digits: str) -> str:
    """Digits into placeholders from the right; the leftmost placeholder takes all that are left."""
    shown: list[str] = []
    rest = digits
    first = next((index for index, (kind, _) in enumerate(layout) if kind == "digits"), None)
    for index in range(len(layout) - 1, -1, -1):
        kind, text = layout[index]
        if kind == "text":
            shown.append(text)
            continue
        count = len(rest) if index == first else min(len(text), len(rest))
        taken, rest = rest[len(rest) - count :], rest[: len(rest) - count]
        zeros = text[: max(len(text) - count, 0)].count("0")
        shown.append("0" * zeros + taken)
    return "".join(reversed(shown))


def _filled_right(layout: list[tuple[str, str]], digits: str) -> str:
    shown: list[str] = []
    for kind, text in layout:
        if kind == "text":
            shown.append(text)
        else:
            shown.append(digits[: len(text)])
            digits = digits[len(text) :]
    return "".join(shown)

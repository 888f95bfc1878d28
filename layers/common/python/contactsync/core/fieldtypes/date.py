"""Dates: ISO 8601 always, the file's stated order where it states one, birthdays without a year.

Nothing is guessed. "03/04/2024" and "03/04" are dates only in a file whose order is stated, and a year of two digits
never is one. What cannot be misread is always read: a year first, or a month by its name.
"""

from __future__ import annotations

import datetime
import re
import unicodedata

from contactsync.core.fieldtypes.refusal import EDGES, BadValue, Converter, refuse_unprintable

NO_DAYS = frozenset({"0001-01-01", "4501-01-01"})
"""The first that programs count, and Outlook's last: both stand for no date."""
_is_filler = re.compile(
    r"0{1,4}([\-/.])0{1,2}\1(?:0{4}|0{1,2})|(?:0001|4501)-01-01|0?1(?P<mark>[\-/.])0?1(?P=mark)(?:0001|4501)"
).fullmatch
"""What Outlook, databases and .NET write for "no date"."""

_LEAP_YEAR = 2000
_year_first = re.compile(
    r"([0-9]{4})(?:([\-/. ])([0-9]{1,2})\2([0-9]{1,2})\.?|([0-9]{2})([0-9]{2}))"
).fullmatch
_yearless = re.compile(r"--([0-9]{2})-?([0-9]{2})").fullmatch
_year_last = re.compile(r"([0-9]{1,2})([\-/. ])([0-9]{1,2})\2([0-9]{4})").fullmatch
_without_year = re.compile(r"([0-9]{1,2})[\-/.]([0-9]{1,2})\.?").fullmatch
_short_year = re.compile(r"[0-9]{1,2}([\-/. ])[0-9]{1,2}\1[0-9]{2}").fullmatch
_named_month = re.compile(
    r"(?:([0-9]{1,2})(?:st|nd|rd|th|er|º|\.)?(?: de|\.)?[ \-])?([^\W\d_]{3,12})\.?,?[ \-](.{4,14})"
).fullmatch
_time_of_day = re.compile(
    r",?[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:\s?[AaPp][Mm]|Z|[+\-][0-9]{2}:?[0-9]{2})?\Z"
)

_MONTHS = """
january jan januari januar jänner janvier janv enero ene gennaio gen janeiro styczeń stycznia
february feb februari februar février févr fev febrero febbraio fevereiro luty lutego
march mar maart mrt märz mär mars marzo março marzec marca
april apr avril avr abril abr aprile kwiecień kwietnia
may mei mai mayo maggio mag maio maj maja
june jun juni juin junio giugno giu junho czerwiec czerwca
july jul juli juillet juil julio luglio lug julho lipiec lipca
august aug augustus août aoû agosto ago sierpień sierpnia
september sep sept septembre septiembre settembre set setembro wrzesień września
october oct oktober okt octobre octubre ottobre ott outubro out październik października
november nov novembre noviembre novembro listopad listopada
december dec dezember dez décembre déc diciembre dic dicembre dezembro grudzień grudnia
"""
_MONTH_NUMBER = {
    word: number for number, line in enumerate(_MONTHS.strip().splitlines(), 1) for word in line.split()
}


def date(order: str | None) -> Converter:
    """The converter to "YYYY-MM-DD", or "--MM-DD" for a birthday without a year.

    `order` is "dmy", "mdy", "ymd", "iso" or None; the last three read only what has the year first. "either" is that of a
    column in which no date with its year last depends on it.
    """

    def convert(cell: str) -> str | None:
        if len(cell) == 10 and cell[4] == cell[7] == "-" and cell not in NO_DAYS:
            try:
                datetime.date.fromisoformat(cell)
                return cell
            except ValueError:
                pass
        return _unusual(cell.strip(EDGES), order)

    return convert


def _unusual(text: str, order: str | None) -> str | None:
    """Everything but a plain ISO date, the likelier forms first."""
    if not text:
        return None
    refuse_unprintable(text)
    text = _time_of_day.sub("", text[:64])
    if _is_filler(text):
        return None
    if found := _year_first(text):
        year, _, month, day, packed_month, packed_day = found.groups()
        return _assembled(year, month or packed_month, day or packed_day)
    if found := _yearless(text):
        return _of_every_year(*found.groups())
    if found := _year_last(text):
        first, _, second, year = found.groups()
        return _assembled(year, *_ordered(first, second, order))
    if found := _without_year(text):
        first, second = found.groups()
        return _of_every_year(*_ordered(first, second, None if order == "either" else order))
    if _short_year(text):
        raise BadValue("date_short_year", "The year has two digits: write all four, as in 1984-05-17.")
    return _named(text)


def _named(text: str) -> str:
    """A month by its name: 12 Mar 2024, 7-Feb-2022, March 12, 2024, 12. März 2024, 1 de mayo de 1980."""
    text = unicodedata.normalize("NFC", text).casefold().replace(" de ", " ")
    if found := _named_month(text):
        day, word, rest = found.groups()
        month = _MONTH_NUMBER.get(word)
        if month and day and re.fullmatch(r"[0-9]{4}", rest):
            return _assembled(rest, str(month), day)
        american = None if day else re.fullmatch(r"([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})", rest)
        if month and american:
            return _assembled(american[2], str(month), american[1])
    if re.fullmatch(r"[0-9]{1,2}[ \-.]+[^\W\d_]{3,12}\.?[ \-][0-9]{2}", text):
        raise BadValue("date_short_year", "The year has two digits: write all four, as in 1984-05-17.")
    raise BadValue("date_invalid", "This is not a date: write YYYY-MM-DD, or --MM-DD without a year.")


def _ordered(first: str, second: str, order: str | None) -> tuple[str, str]:
    """Month and day."""
    if order in {"dmy", "either"}:
        return second, first
    if order == "mdy":
        return first, second
    raise BadValue("date_order", "Day and month cannot be told apart: write YYYY-MM-DD, or set date_order.")


def _of_every_year(month: str, day: str) -> str:
    """A day of every year, or of each fourth."""
    return _assembled(str(_LEAP_YEAR), month, day).replace(f"{_LEAP_YEAR}-", "--", 1)


def _assembled(year: str, month: str, day: str) -> str:
    iso = f"{year:0>4}-{month:0>2}-{day:0>2}"
    try:
        datetime.date.fromisoformat(iso)
    except ValueError:
        raise BadValue("date_impossible", "The calendar has no such day: check day and month.") from None
    return iso

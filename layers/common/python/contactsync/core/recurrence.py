"""When a sync is due: an RRULE (RFC 5545) of local days, at one local time of one time zone.

The rule is one run per due local day, also on the two days a year on which clocks change. A local time that the
change leaves out is the first minute after the gap (before it, if the gap swallows midnight, so that the day keeps
its run); one that occurs twice is the first of the two.

The service's scheduler skips times that do not exist and knows no RRULEs, so it only wakes us: once for each UTC
time that the local time can be, every day. What is due is decided here, from the last day that was run. A wake-up
with nothing due ends at once; after an outage the latest missed day is run, and no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr

from contactsync.errors import InvalidRequest, Problem

FREQUENCIES = {"DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY, "YEARLY": YEARLY}
PARTS = frozenset(
    {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "UNTIL", "COUNT", "WKST"}
)
RULE_LENGTH = 500
STARTS = range(1970, 2200)
"""The years in which a schedule may begin: a start further off is a slip, and each of its days would be gone through."""
VALUES = {
    "INTERVAL": (re.compile("[1-9][0-9]{0,3}"), "a whole number from 1 to 9999"),
    "COUNT": (re.compile("[1-9][0-9]{0,4}"), "a whole number from 1 to 99999"),
    "UNTIL": (re.compile("[0-9]{8}(?:T[0-9]{6}Z?)?"), "a date like 20261231"),
}
"""What RFC 5545 has for these parts, and dateutil takes loosely: a short date for another one, an interval of none."""
LOOK_AHEAD = timedelta(days=366 * 30)
"""A rule that names no day within thirty years ("30 February") names none at all."""
CYCLE = 400
"""Years after which the calendar repeats itself, weekdays too."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a sync runs.

    Attributes:
        start: the first local moment; its time of day is that of all runs.
        zone: IANA name.
        rule: the days, as an RRULE value such as "FREQ=WEEKLY;BYDAY=MO,TH".
        end: the last local day, or None.
    """

    start: datetime
    zone: str
    rule: str
    end: date | None = None


def problems(schedule: Schedule) -> list[Problem]:
    """Everything that is wrong with a schedule, with pointers relative to it."""
    found: list[Problem] = []
    if schedule.start.tzinfo is not None:
        found.append(
            Problem("/start", "Write the local time without an offset: time_zone says where it belongs.")
        )
    if schedule.start.year not in STARTS:
        found.append(Problem("/start", f"Choose a start between {STARTS.start} and {STARTS.stop - 1}."))
    if schedule.zone not in available_timezones():
        found.append(Problem("/time_zone", "This is no IANA time zone: write a name like Europe/Amsterdam."))
    found += _rule_problems(schedule.rule)
    if schedule.end is not None and schedule.end < schedule.start.date():
        found.append(Problem("/end", "The end is before the start: choose a later end."))
    if not found and next(_days(schedule), None) is None:
        found.append(
            Problem(
                "/recurrence", "The recurrence names no day between start and end: change one of the three."
            )
        )
    return found


def next_run(schedule: Schedule, after: datetime) -> datetime | None:
    """The first moment later than `after` at which the sync is due, UTC; None if there is none any more."""
    for day in _days(schedule, since=after.astimezone(_zone(schedule)).date() - timedelta(days=1)):
        moment = moment_of(schedule, day)
        if moment > after:
            return moment
    return None


def due_day(schedule: Schedule, *, last: date | None, now: datetime) -> date | None:
    """The latest due local day whose moment has come and that is later than `last`; None if nothing is due.

    `last` is the last day that was run, or the day before the schedule was set. Of several missed days only the
    latest is run: the file is the same for all of them.
    """
    today = now.astimezone(_zone(schedule)).date()
    latest = None
    since = today - LOOK_AHEAD
    for day in _days(schedule, since=max(since, last + timedelta(days=1)) if last else since):
        if day > today or moment_of(schedule, day) > now:
            break
        latest = day
    return latest


def moment_of(schedule: Schedule, day: date) -> datetime:
    """When the sync is due on a local day, UTC."""
    zone = _zone(schedule)
    wall = datetime.combine(day, schedule.start.time())
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    return _end_of_gap(wall, zone)


def ends_at(schedule: Schedule) -> datetime | None:
    """When it is due for the last time at most, UTC; None for never, or for an end so far off that it says never."""
    if schedule.end is None or schedule.end.year >= STARTS.stop:
        return None
    return moment_of(schedule, schedule.end)


def wake_up_cron(schedule: Schedule) -> str:
    """A cron expression in UTC that covers every moment at which the sync can be due, and a few more."""
    wall = schedule.start.time()
    moments = {
        moment_of(schedule, day).time()
        for year in range(schedule.start.year, schedule.start.year + 3)
        for day in (date(year, 1, 1) + timedelta(days=offset) for offset in range(366))
    }
    # On the day of a gap the moment is the gap's end; the ordinary moment after it comes within the same hour or
    # two, so waking up then is late by minutes and keeps the expression short.
    minutes = sorted({moment.minute for moment in moments} | {wall.minute})
    hours = sorted({moment.hour for moment in moments})
    return f"cron({','.join(map(str, minutes))} {','.join(map(str, hours))} * * ? *)"


def _rule_problems(text: str) -> list[Problem]:
    pointer = "/recurrence"
    if len(text) > RULE_LENGTH:
        return [Problem(pointer, f"The recurrence is longer than {RULE_LENGTH} characters: shorten it.")]
    parts = [part.partition("=") for part in text.upper().removeprefix("RRULE:").split(";")]
    names = [name for name, _, _ in parts]
    values = {name: value for name, _, value in parts}
    found = [
        Problem(
            pointer, f"{name[:20]} has no place in a recurrence here; known are {', '.join(sorted(PARTS))}."
        )
        for name in names
        if name not in PARTS
    ]
    if values.get("FREQ") not in FREQUENCIES:
        found.append(Problem(pointer, "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY."))
    if len(set(names)) != len(names):
        found.append(Problem(pointer, "A part of the recurrence occurs twice: leave one of them out."))
    if {"COUNT", "UNTIL"} <= values.keys():
        found.append(
            Problem(pointer, "Write COUNT or UNTIL, not both: RFC 5545 lets one of them end a rule.")
        )
    for name, (pattern, what) in VALUES.items():
        if name in values and not pattern.fullmatch(values[name]):
            found.append(Problem(pointer, f"{name} must be {what}."))
    if not found:
        try:
            _parsed(text, datetime.combine(date(2026, 1, 1), time()))
        except (ValueError, TypeError, OverflowError):
            found.append(
                Problem(
                    pointer, "The recurrence cannot be read: write it as in RFC 5545, FREQ=WEEKLY;BYDAY=MO."
                )
            )
    return found


def _days(schedule: Schedule, since: date | None = None) -> Iterator[date]:
    """Due local days in order, from `since` on; bounded by the end and by LOOK_AHEAD.

    dateutil looks for a day until the calendar ends in 9999, which takes ten seconds where a rule names none. So the
    rule is asked as close to that end as whole cycles of the calendar allow.
    """
    first = datetime.combine(schedule.start.date(), time())
    begin = max(first, datetime.combine(since, time())) if since else first
    horizon = begin + LOOK_AHEAD
    last = schedule.end or date.max
    years = (MAXYEAR - horizon.year) // CYCLE * CYCLE
    rule = _parsed(schedule.rule, first, years)
    for moment in islice(rule.xafter(_later(begin, years), inc=True), 20_000):
        day = _later(moment, -years)
        if day > horizon or day.date() > last:
            return
        yield day.date()


def _later(moment: datetime, years: int) -> datetime:
    """As many whole cycles later, or earlier."""
    return moment.replace(year=moment.year + years)


def _parsed(text: str, first: datetime, years: int = 0) -> rrule:
    """The rule over naive local midnights, so many years later; UNTIL counts by its day, whatever its time and offset."""
    kept = []
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name == "UNTIL":
            until = datetime.strptime(value[:8], "%Y%m%d")  # noqa: DTZ007 local, as all days are here
            year = until.year + years
            value = f"{year}{value[4:8]}" if year <= MAXYEAR else f"{MAXYEAR}1231"
        kept.append(f"{name}={value}")
    parsed = rrulestr(";".join(kept), dtstart=_later(first, years), cache=False)
    if not isinstance(parsed, rrule):
        raise TypeError("a set of rules")
    return parsed


def _zone(schedule: Schedule) -> ZoneInfo:
    try:
        return ZoneInfo(schedule.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidRequest(
            [Problem("/time_zone", "This is no IANA time zone: write a name like Europe/Amsterdam.")]
        ) from None


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after the gap in which a local time lies; the last one before, if midnight lies in it. UTC.

    Read with the offset before the gap, the local time lies behind the change; read with the one after it, before.
    In between is the change: bisect to the minute.
    """
    later = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    earlier = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    old = earlier.astimezone(zone).utcoffset()
    while later - earlier > timedelta(minutes=1):
        middle = earlier + (later - earlier) / 2
        middle = middle.replace(second=0, microsecond=0)
        if middle <= earlier:
            break
        if middle.astimezone(zone).utcoffset() == old:
            earlier = middle
        else:
            later = middle
    later = later.replace(second=0, microsecond=0)
    stays = later.astimezone(zone).date() == wall.date()
    return later if stays else later - timedelta(minutes=1)

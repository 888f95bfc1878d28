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
from contextlib import suppress
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
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
_DAY = "[+-]?(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(?:0?[1-9]|1[0-2])"
VALUES = {
    "INTERVAL": (re.compile("[1-9][0-9]{0,3}"), "a whole number from 1 to 9999"),
    "COUNT": (re.compile("[1-9][0-9]{0,4}"), "a whole number from 1 to 99999"),
    "UNTIL": (re.compile("(?:19|[2-9][0-9])[0-9]{6}(?:T[0-9]{6}Z?)?"), "a date like 20261231"),
    "BYMONTH": (re.compile(f"{_MONTH}(?:,{_MONTH})*"), "months from 1 to 12"),
    "BYMONTHDAY": (
        re.compile(f"{_DAY}(?:,{_DAY})*"),
        "days from 1 to 31, or from -1 to -31 to count from the end of the month",
    ),
}
"""What RFC 5545 has for these parts, and dateutil takes loosely: a short date for another one, an interval of none, a day
0 of the month for every day."""
LOOK_AHEAD = timedelta(days=366 * 30)
"""A rule that names no day within thirty years ("30 February") names none at all."""
NOWHERE = frozenset({"localtime", "Factory"})
"""What a machine has among its time zones without being one: its own, and none."""
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
    if not is_zone(schedule.zone):
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


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name, wherever we run."""
    return name in available_timezones() - NOWHERE


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


def wake_up_cron(schedule: Schedule, now: datetime) -> str:
    """A cron expression in UTC that covers every moment at which the sync can be due from now on, and a few more.

    What the zone's clocks showed when the schedule began does not count: a zone may have taken another time since.
    """
    wall = schedule.start.time()
    first = max(schedule.start.year, now.year)
    moments = {
        moment_of(schedule, day).time()
        for year in range(first, first + 3)
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
    if values.get("FREQ") in {"DAILY", "WEEKLY"} and re.search("[0-9]", values.get("BYDAY", "")):
        found.append(
            Problem(
                pointer, "Only a MONTHLY or YEARLY rule counts weekdays: write BYDAY=MO instead of BYDAY=1MO."
            )
        )
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
    first = _nearer(schedule.rule, first, begin)
    years = (MAXYEAR - horizon.year) // CYCLE * CYCLE
    rule = _parsed(schedule.rule, first, years, zone=_zone(schedule), at=schedule.start.time())
    for moment in islice(rule.xafter(_later(begin, years), inc=True), 20_000):
        day = _later(moment, -years)
        if day > horizon or day.date() > last:
            return
        yield day.date()


def _nearer(rule: str, first: datetime, begin: datetime) -> datetime:
    """A later first day in the same rhythm, so that a rule of days or weeks is not gone through from long ago.

    One round before `begin` at least: dateutil takes the first week from that day on only. A rule that counts its days is
    gone through.
    """
    values = dict(part.partition("=")[::2] for part in rule.upper().removeprefix("RRULE:").split(";"))
    days = {"DAILY": 1, "WEEKLY": 7}.get(values["FREQ"])
    if days is None or "COUNT" in values:
        return first
    round_ = timedelta(days=days * int(values.get("INTERVAL", "1")))
    return first + max(0, (begin - first) // round_ - 1) * round_


def _later(moment: datetime, years: int) -> datetime:
    """As many whole cycles later, or earlier."""
    return moment.replace(year=moment.year + years)


def _parsed(text: str, first: datetime, years: int = 0, *, zone: tzinfo = UTC, at: time = time.min) -> rrule:
    """The rule over naive local midnights, so many years later; runs are at this time of this zone."""
    kept = []
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name == "UNTIL":
            until = _last_day(value, zone, at)
            year = until.year + years
            value = f"{year}{until:%m%d}" if year <= MAXYEAR else f"{MAXYEAR}1231"
        kept.append(f"{name}={value}")
    parsed = rrulestr(";".join(kept), dtstart=_later(first, years), cache=False)
    if not isinstance(parsed, rrule):
        raise TypeError("a set of rules")
    return parsed


def _last_day(until: str, zone: tzinfo, at: time) -> date:
    """The last local day of a rule. Where UNTIL is a moment, the last day whose run does not come after it (RFC 5545)."""
    if "T" not in until:
        return datetime.strptime(until, "%Y%m%d").date()  # noqa: DTZ007 local, as all days are here
    moment = datetime.strptime(until[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 local, unless a Z follows
    if until.endswith("Z"):
        with suppress(OverflowError):  # the end of the calendar, which says never
            moment = moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return moment.date() - timedelta(days=moment.time() < at)


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

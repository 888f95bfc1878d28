"""When a sync is due: an RRULE (RFC 5545) of local days, and their local times, in one time zone.

A rule of days has one time a day, that of the start. A finer one, HOURLY or MINUTELY, has steps that divide the day, so
all days are alike: the steps that go through the start's time of day, from midnight to midnight.

Each of these times is one run, also on the two days a year on which clocks change. A local time that the change leaves
out is the first minute after the gap (before it, if the gap swallows midnight, so that the day keeps its run), and
several that fall there are one; one that occurs twice is the first of the two.

The service's scheduler skips times that do not exist and knows no RRULEs, so it only wakes us: once for each UTC
time that a local time can be, every day. What is due is decided here, from the last moment that was run. A wake-up
with nothing due ends at once; after an outage the latest missed moment is run, and no other.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dateutil.rrule import rrule, rrulestr

from contactsync.errors import InvalidRequest, Problem

FREQUENCIES = frozenset({"MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
PARTS = frozenset(
    {"FREQ", "INTERVAL", "BYDAY", "BYHOUR", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "UNTIL", "COUNT", "WKST"}
)
STEPS = {"MINUTELY": (1, (15, 20, 30)), "HOURLY": (60, (1, 2, 3, 4, 6, 8, 12))}
"""Of rules that are finer than a day: the minutes of their unit, and the intervals that they may have."""
OF_DAYS = frozenset({"BYDAY", "BYMONTHDAY", "BYMONTH", "UNTIL"})
"""What such a rule says of the days on which it runs."""
DAY_MINUTES = 24 * 60
RULE_LENGTH = 500
STARTS = range(1970, 2200)
"""The years in which a schedule may begin: a start further off is a slip, and each of its days would be gone through."""
_DAY = "[+-]?(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(?:0?[1-9]|1[0-2])"
_HOUR = "(?:[01]?[0-9]|2[0-3])"
VALUES = {
    "INTERVAL": (re.compile("[1-9][0-9]{0,3}"), "a whole number from 1 to 9999"),
    "COUNT": (re.compile("[1-9][0-9]{0,4}"), "a whole number from 1 to 99999"),
    "UNTIL": (re.compile("(?:19|[2-9][0-9])[0-9]{6}(?:T[0-9]{6}Z?)?"), "a date like 20261231"),
    "BYMONTH": (re.compile(f"{_MONTH}(?:,{_MONTH})*"), "months from 1 to 12"),
    "BYMONTHDAY": (
        re.compile(f"{_DAY}(?:,{_DAY})*"),
        "days from 1 to 31, or from -1 to -31 to count from the end of the month",
    ),
    "BYHOUR": (re.compile(f"{_HOUR}(?:,{_HOUR})*"), "hours from 0 to 23"),
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
        start: no run comes before this local moment; its time of day is that of all runs, or of one in each step.
        zone: IANA name.
        rule: an RRULE value such as "FREQ=WEEKLY;BYDAY=MO,TH". Its COUNT counts local times, also those of a gap.
        end: the last local day, or None.
    """

    start: datetime
    zone: str
    rule: str
    end: date | None = None


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """A rule taken apart.

    Attributes:
        days: the rule of its days.
        times: the local times of each due day, in order.
        until: where the times of the last day are cut off, as the rule has it; "" where its days alone say the end.
        count: how many times there are in all; None where the rule of the days counts, or nothing does.
    """

    days: str
    times: tuple[time, ...]
    until: str = ""
    count: int | None = None


def _rhythm(rule: str, at: time) -> _Rhythm:
    """`at` is the start's time of day."""
    values = _values(rule)
    if values.get("FREQ") not in STEPS:
        return _Rhythm(rule, (at,))
    unit, _ = STEPS[values["FREQ"]]
    step = unit * int(values.get("INTERVAL", "1"))
    hours = {int(hour) for hour in values.get("BYHOUR", "").split(",") if hour}
    times = tuple(
        time(*divmod(minute, 60))
        for minute in range((60 * at.hour + at.minute) % step, DAY_MINUTES, step)
        if not hours or minute // 60 in hours
    )
    of_days = {"FREQ": "DAILY"} | {name: value for name, value in values.items() if name in OF_DAYS}
    days = ";".join(f"{name}={value}" for name, value in of_days.items())
    count = values.get("COUNT")
    return _Rhythm(days, times, values.get("UNTIL", ""), int(count) if count else None)


def is_finer(rule: str, start: datetime) -> bool:
    """Whether a rule has several runs a day."""
    return len(_rhythm(rule, start.time()).times) > 1


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
    if not found and not any(times for _, times in _days(schedule)):
        found.append(
            Problem(
                "/recurrence",
                "The recurrence names no moment between start and end: change one of the three.",
            )
        )
    return found


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name, wherever we run."""
    return name in available_timezones() - NOWHERE


def next_run(schedule: Schedule, after: datetime) -> datetime | None:
    """The first moment later than `after` at which the sync is due, UTC; None if there is none any more."""
    for day, times in _days(schedule, since=after.astimezone(_zone(schedule)).date() - timedelta(days=1)):
        passed = _come(schedule, day, times, after)
        if passed < len(times):
            return moment_of(schedule, datetime.combine(day, times[passed]))
    return None


def due(schedule: Schedule, *, last: datetime | None, now: datetime) -> datetime | None:
    """The latest moment at which the sync was due and that is later than `last`, UTC; None if nothing is due.

    `last` is the last moment that was run, or the latest before the schedule was set. Of several missed ones only the
    latest is run: the file is the same for all of them.
    """
    zone = _zone(schedule)
    today = now.astimezone(zone).date()
    since = today - LOOK_AHEAD
    days = []
    for day, times in _days(schedule, since=max(since, last.astimezone(zone).date()) if last else since):
        if day > today:
            break
        days.append((day, times))
    for day, times in reversed(days):
        if come := _come(schedule, day, times, now):
            moment = moment_of(schedule, datetime.combine(day, times[come - 1]))
            return moment if last is None or moment > last else None
    return None


def _come(schedule: Schedule, day: date, times: Sequence[time], now: datetime) -> int:
    """How many of a day's times have come."""
    return bisect_right(times, now, key=lambda at: moment_of(schedule, datetime.combine(day, at)))


def moment_of(schedule: Schedule, wall: datetime) -> datetime:
    """When it is this local time, UTC."""
    zone = _zone(schedule)
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    return _end_of_gap(wall, zone)


def ends_at(schedule: Schedule) -> datetime | None:
    """When it is due for the last time at most, UTC; None for never, or for an end so far off that it says never."""
    if schedule.end is None or schedule.end.year >= STARTS.stop:
        return None
    *_, latest = _rhythm(schedule.rule, schedule.start.time()).times
    return moment_of(schedule, datetime.combine(schedule.end, latest))


def wake_up_cron(schedule: Schedule, now: datetime) -> str:
    """A cron expression in UTC that covers every moment at which the sync can be due from now on, and a few more.

    What the zone's clocks showed when the schedule began does not count: a zone may have taken another time since.
    """
    # A time in a gap comes due at the gap's end, and is woken for by the offset of before: late by the rest of the gap
    # at most, which keeps the expression short. A finer schedule's next time may have come by then; that one is run.
    zone, day = _zone(schedule), timedelta(days=1)
    year = datetime(max(schedule.start.year, now.year), 1, 1, tzinfo=UTC)
    offsets = {
        (year + number * day).astimezone(zone).utcoffset() or timedelta() for number in range(-1, 3 * 366)
    }
    moments = {
        (datetime.combine(year, at) - offset).time()
        for at in _rhythm(schedule.rule, schedule.start.time()).times
        for offset in offsets
    }
    minutes, hours = ({getattr(moment, unit) for moment in moments} for unit in ("minute", "hour"))
    every_hour = len(hours) == 24
    return f"cron({_listed(minutes)} {'*' if every_hour else _listed(hours)} * * ? *)"


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _values(rule: str) -> dict[str, str]:
    """The parts of a rule by their names."""
    return dict(part.partition("=")[::2] for part in rule.upper().removeprefix("RRULE:").split(";"))


def _rule_problems(text: str) -> list[Problem]:
    pointer = "/recurrence"
    if len(text) > RULE_LENGTH:
        return [Problem(pointer, f"The recurrence is longer than {RULE_LENGTH} characters: shorten it.")]
    names = [part.partition("=")[0] for part in text.upper().removeprefix("RRULE:").split(";")]
    values = _values(text)
    found = [
        Problem(
            pointer,
            f"{name[:20] or 'An empty part'} has no place in a recurrence here; known are {', '.join(sorted(PARTS))}.",
        )
        for name in names
        if name not in PARTS
    ]
    if values.get("FREQ") not in FREQUENCIES:
        found.append(Problem(pointer, "FREQ must be MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY."))
    if len(set(names)) != len(names):
        found.append(Problem(pointer, "A part of the recurrence occurs twice: leave one of them out."))
    if {"COUNT", "UNTIL"} <= values.keys():
        found.append(
            Problem(pointer, "Write COUNT or UNTIL, not both: RFC 5545 lets one of them end a rule.")
        )
    for name, (pattern, what) in VALUES.items():
        if name in values and not pattern.fullmatch(values[name]):
            found.append(Problem(pointer, f"{name} must be {what}."))
    if values.get("FREQ") in {*STEPS, "DAILY", "WEEKLY"} and re.search("[0-9]", values.get("BYDAY", "")):
        found.append(
            Problem(
                pointer, "Only a MONTHLY or YEARLY rule counts weekdays: write BYDAY=MO instead of BYDAY=1MO."
            )
        )
    if not found:
        found += _step_problems(values)
    if not found:
        try:
            _parsed(_rhythm(text, time()).days, datetime.combine(date(2026, 1, 1), time()))
        except (ValueError, TypeError, OverflowError):
            found.append(
                Problem(
                    pointer, "The recurrence cannot be read: write it as in RFC 5545, FREQ=WEEKLY;BYDAY=MO."
                )
            )
    return found


def _step_problems(values: Mapping[str, str]) -> list[Problem]:
    """What is wrong with how a rule divides the day, if all its values can be read."""
    pointer, frequency = "/recurrence", values["FREQ"]
    if frequency not in STEPS:
        message = "Only an HOURLY or MINUTELY rule names hours: leave BYHOUR out, for others run at the start's time of day."
        return [Problem(pointer, message)] if "BYHOUR" in values else []
    found = []
    if "BYSETPOS" in values:
        message = "An HOURLY or MINUTELY rule has no BYSETPOS: choose its hours with BYHOUR."
        found.append(Problem(pointer, message))
    _, intervals = STEPS[frequency]
    if int(values.get("INTERVAL", "1")) not in intervals:
        *others, largest = map(str, intervals)
        message = f"With FREQ={frequency} INTERVAL must be {', '.join(others)} or {largest}, so that all days are alike."
        found.append(Problem(pointer, message))
    return found


def _days(schedule: Schedule, since: date | None = None) -> Iterator[tuple[date, Sequence[time]]]:
    """Due local days in order, from `since` on, each with its times; bounded by the end and by LOOK_AHEAD.

    dateutil looks for a day until the calendar ends in 9999, which takes ten seconds where a rule names none. So the
    rule is asked as close to that end as whole cycles of the calendar allow.
    """
    at, zone = schedule.start.time(), _zone(schedule)
    rhythm = _rhythm(schedule.rule, at)
    first = datetime.combine(schedule.start.date(), time())
    begin = max(first, datetime.combine(since, time())) if since else first
    horizon = begin + LOOK_AHEAD
    last = schedule.end or date.max
    left = rhythm.count
    if left is None:
        first = _nearer(rhythm.days, first, begin)
    cut_on = _last_day(rhythm.until, zone, time.min) if rhythm.until else None
    years = (MAXYEAR - horizon.year) // CYCLE * CYCLE
    rule = _parsed(rhythm.days, first, years, zone=zone, at=time.min if cut_on else at)
    for moment in rule.xafter(_later(begin if left is None else first, years), inc=True):
        day = _later(moment, -years)
        if day > horizon or day.date() > last or left == 0:
            return
        times = rhythm.times
        if day.date() == schedule.start.date():
            times = times[bisect_left(times, at) :]
        if day.date() == cut_on:
            walls = (datetime.combine(cut_on, each) for each in times)
            times = tuple(wall.time() for wall in walls if not _is_over(schedule, rhythm.until, wall))
        if left is not None:
            times = times[:left]
            left -= len(times)
        if day >= begin:
            yield day.date(), times


def _nearer(rule: str, first: datetime, begin: datetime) -> datetime:
    """A later first day in the same rhythm, so that a rule of days or weeks is not gone through from long ago.

    One round before `begin` at least: dateutil takes the first week from that day on only. A rule that counts its days is
    gone through.
    """
    values = _values(rule)
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
    for name, value in _values(text).items():
        if name != "UNTIL":
            kept.append(f"{name}={value}")
            continue
        until = _last_day(value, zone, at)
        year = until.year + years
        kept.append(f"UNTIL={year}{until:%m%d}" if year <= MAXYEAR else f"UNTIL={MAXYEAR}1231")
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


def _is_over(schedule: Schedule, until: str, wall: datetime) -> bool:
    """Whether a rule has ended before this local time of its last day."""
    if "T" not in until:
        return False
    moment = datetime.strptime(until[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 local, unless a Z follows
    return moment_of(schedule, wall) > moment.replace(tzinfo=UTC) if until.endswith("Z") else wall > moment


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

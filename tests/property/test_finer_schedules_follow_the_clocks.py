"""Rules of hours and minutes, beside a slow reading of RFC 5545 that goes through every minute of some days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from contactsync.core.recurrence import Schedule, due, next_run, problems, wake_up_cron

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DAYS = 5
"""From two days before a change of the clocks."""
CHANGES = [
    ("Europe/Amsterdam", "2026-03-29"),
    ("Europe/Amsterdam", "2026-10-25"),
    ("America/Sao_Paulo", "2018-11-04"),  # midnight is left out
    ("America/Sao_Paulo", "2018-02-18"),  # an hour before midnight comes twice
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("America/Havana", "2026-11-01"),  # the hour after midnight comes twice
    ("America/Nuuk", "2026-03-29"),  # the hour before midnight is left out
    ("Australia/Lord_Howe", "2026-10-04"),  # half an hour
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Africa/Casablanca", "2026-02-15"),  # Ramadan begins
    ("Africa/Casablanca", "2026-03-22"),
    ("Pacific/Apia", "2011-12-30"),  # a whole day
    ("Asia/Kathmandu", "2026-06-01"),  # none
]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


@dataclass(frozen=True)
class Rule:
    """A rule of hours or minutes, as a person would say it."""

    step: int
    days: frozenset[str]
    month_days: frozenset[int]
    hours: frozenset[int]
    count: int | None
    until: str

    @property
    def text(self) -> str:
        unit = ("HOURLY", self.step // 60) if self.step % 60 == 0 else ("MINUTELY", self.step)
        parts = [f"FREQ={unit[0]}", f"INTERVAL={unit[1]}"]
        for name, values in (("BYDAY", self.days), ("BYMONTHDAY", self.month_days), ("BYHOUR", self.hours)):
            parts += [f"{name}={','.join(map(str, sorted(values)))}"] if values else []
        parts += [f"COUNT={self.count}"] if self.count else []
        parts += [f"UNTIL={self.until}"] if self.until else []
        return ";".join(parts)


@cache
def clock(zone: str, first: date) -> tuple[tuple[datetime, datetime], ...]:
    """What the zone's clocks show, minute by minute, over the days and one more on either side; and the moment, UTC."""
    begin = datetime.combine(first, time(), UTC) - 2 * DAY
    moments = [begin + number * MINUTE for number in range((DAYS + 4) * 24 * 60)]
    return tuple((each.astimezone(ZoneInfo(zone)).replace(tzinfo=None), each) for each in moments)


@cache
def shown(zone: str, first: date) -> dict[datetime, datetime]:
    """The first moment at which the zone's clocks show each local time."""
    found: dict[datetime, datetime] = {}
    for wall, moment in clock(zone, first):
        found.setdefault(wall, moment)
    return found


def moment_of(zone: str, first: date, wall: datetime) -> datetime:
    known = shown(zone, first)
    if wall in known:
        return known[wall]
    after = next(each for each, _ in clock(zone, first) if each > wall)
    return known[after] if after.date() == wall.date() else known[after] - MINUTE


def walls(plan: Schedule, rule: Rule, first: date) -> list[datetime]:
    """The local times of a schedule within the days."""
    found = []
    last = min(first + (DAYS - 1) * DAY, plan.end or date.max)
    wall = plan.start
    while wall.date() <= last:
        fits = (
            (not rule.days or WEEKDAYS[wall.weekday()] in rule.days)
            and (not rule.month_days or wall.day in rule.month_days)
            and (not rule.hours or wall.hour in rule.hours)
        )
        if fits and not is_over(plan, rule, first, wall):
            found.append(wall)
        wall += rule.step * MINUTE
    return found[: rule.count]


def is_over(plan: Schedule, rule: Rule, first: date, wall: datetime) -> bool:
    if not rule.until:
        return False
    if "T" not in rule.until:
        return wall.date() > datetime.strptime(rule.until, "%Y%m%d").date()  # noqa: DTZ007 local
    moment = datetime.strptime(rule.until.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 local, or UTC
    if rule.until.endswith("Z"):
        return moment_of(plan.zone, first, wall) > moment.replace(tzinfo=UTC)
    return wall > moment


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, Rule, date]:
    """A schedule that begins within the days, its rule, and the first of the days."""
    zone, change = draw(st.sampled_from(CHANGES))
    first = date.fromisoformat(change) - 2 * DAY
    days = st.integers(0, DAYS - 1).map(lambda number: first + number * DAY)
    minutes = st.integers(0, 24 * 60 - 1)
    until = ""
    if kind := draw(st.sampled_from(["", "", "day", "local", "UTC"])):
        moment = datetime.combine(draw(days), time()) + draw(minutes) * MINUTE
        until = (
            f"{moment:%Y%m%d}" if kind == "day" else f"{moment:%Y%m%dT%H%M%S}{'Z' if kind == 'UTC' else ''}"
        )
    rule = Rule(
        step=draw(st.sampled_from([15, 20, 30, 60, 120, 180, 240, 360, 480, 720])),
        days=draw(st.frozensets(st.sampled_from(WEEKDAYS))),
        month_days=draw(st.just(frozenset()) | st.frozensets(days.map(lambda day: day.day), min_size=1)),
        hours=draw(st.just(frozenset()) | st.frozensets(st.integers(0, 23), min_size=1)),
        count=draw(st.none() | st.integers(1, 200)) if not until else None,
        until=until,
    )
    start = datetime.combine(draw(days), time()) + draw(minutes) * MINUTE
    plan = Schedule(start, zone, rule.text, draw(st.none() | days))
    assume(plan.end is None or plan.end >= start.date())
    return plan, rule, first


@given(schedules())
def test_every_local_time_of_the_rule_comes_once(drawn: tuple[Schedule, Rule, date]) -> None:
    plan, rule, first = drawn
    expected = sorted({moment_of(plan.zone, first, wall) for wall in walls(plan, rule, first)})
    assert problems(plan) == [] or not expected
    ahead = moment_of(plan.zone, first, datetime.combine(first + (DAYS - 1) * DAY, time(23, 59)))
    found: list[datetime] = []
    after = datetime.combine(first, time(), UTC) - 2 * DAY
    while (moment := next_run(plan, after)) is not None and moment <= ahead:
        assert moment > after
        found.append(moment)
        after = moment
    assert found == expected


@given(schedules(), st.integers(0, DAYS * 24 * 60), st.none() | st.integers(0, DAYS * 24 * 60))
def test_the_latest_of_those_that_have_come_is_due(
    drawn: tuple[Schedule, Rule, date], now: int, last: int | None
) -> None:
    plan, rule, first = drawn
    begin = datetime.combine(first, time(), ZoneInfo(plan.zone)).astimezone(UTC)
    at, had = begin + now * MINUTE, begin + last * MINUTE if last is not None else None
    come = {moment_of(plan.zone, first, wall) for wall in walls(plan, rule, first)}
    # Beyond the days the model says nothing
    assume(at.astimezone(ZoneInfo(plan.zone)).date() < first + DAYS * DAY)
    latest = max((moment for moment in come if moment <= at), default=None)
    expected = latest if latest is not None and (had is None or latest > had) else None
    assert due(plan, last=had, now=at) == expected


@given(schedules())
def test_the_scheduler_wakes_us_for_each_that_no_gap_has_moved(drawn: tuple[Schedule, Rule, date]) -> None:
    plan, rule, first = drawn
    minutes, hours = wake_up_cron(plan, clock(plan.zone, first)[0][1]).removeprefix("cron(").split()[:2]
    known = shown(plan.zone, first)
    for wall in walls(plan, rule, first):
        if wall in known:
            moment = known[wall]
            assert str(moment.minute) in minutes.split(",")
            assert hours == "*" or str(moment.hour) in hours.split(",")

"""Schedules: one run for each due local time, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import dateutil.rrule
import pytest

from contactsync.core import recurrence
from contactsync.core.recurrence import Schedule, due, moment_of, next_run, problems, wake_up_cron

ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Johannesburg",
    "Africa/Nairobi",
    "America/Anchorage",
    "America/Argentina/Buenos_Aires",
    "America/Asuncion",
    "America/Caracas",
    "America/Chicago",
    "America/Denver",
    "America/Halifax",
    "America/Havana",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Dhaka",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Amsterdam",
    "Europe/Chisinau",
    "Europe/London",
    "Europe/Moscow",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
]
TIMES = ["01:30", "02:00", "02:30", "03:00", "23:59"]


def schedule(
    start: str, rule: str = "FREQ=DAILY", zone: str = "Europe/Amsterdam", end: date | None = None
) -> Schedule:
    return Schedule(datetime.fromisoformat(start), zone, rule, end)


def on(plan: Schedule, day: date) -> datetime:
    """The moment of a schedule of one run a day."""
    return moment_of(plan, datetime.combine(day, plan.start.time()))


def due_day(plan: Schedule, *, last: date | None, now: datetime) -> date | None:
    """The same of what is due."""
    moment = due(plan, last=on(plan, last) if last else None, now=now)
    if moment is None:
        return None
    day = moment.astimezone(ZoneInfo(plan.zone)).date()
    assert moment == on(plan, day)
    return day


def wake_ups(cron: str, day: date) -> list[datetime]:
    """The moments at which the scheduler would wake us on a UTC day."""
    minutes, hours = cron.removeprefix("cron(").split()[:2]
    return sorted(
        datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=UTC)
        for hour in (range(24) if hours == "*" else hours.split(","))
        for minute in minutes.split(",")
    )


def changes_of_the_clock(zone: ZoneInfo, first: date, days: int) -> list[date]:
    """Local days on whose end the offset is another one than on the day before."""
    noons = [datetime.combine(first + timedelta(days=day), time(12), zone) for day in range(days)]
    return [now.date() for before, now in pairwise(noons) if before.utcoffset() != now.utcoffset()]


def run_days(daily: Schedule, days: int) -> list[date]:
    """The local days that are run when the scheduler wakes us as the cron says, for so many days from the start."""
    first = daily.start.date()
    cron = wake_up_cron(daily, datetime.combine(first, time(), UTC))
    moments: list[datetime] = []
    for offset in range(-1, days + 1):
        for now in wake_ups(cron, first + timedelta(days=offset)):
            moment = due(
                daily, last=moments[-1] if moments else on(daily, first - timedelta(days=1)), now=now
            )
            if moment is not None:
                assert now >= moment
                moments.append(moment)
    return [moment.astimezone(ZoneInfo(daily.zone)).date() for moment in moments[:days]]


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("zone", ZONES)
def test_every_local_day_is_run_once_around_each_change_of_the_clock(zone: str, at: str) -> None:
    begin = date(2026, 1, 1)
    for change in [begin, *changes_of_the_clock(ZoneInfo(zone), begin, 3 * 366)]:
        first = change - timedelta(days=2)
        ran = run_days(schedule(f"{first}T{at}", zone=zone), 5)
        assert ran == [first + timedelta(days=day) for day in range(5)]


def test_the_zones_change_their_clocks_both_ways_within_the_three_years() -> None:
    """Else the test above would show less than it says."""
    assert len(set(ZONES)) == 40
    both = 0
    for zone in map(ZoneInfo, ZONES):
        directions = set()
        for day in changes_of_the_clock(zone, date(2026, 1, 1), 3 * 366):
            noon = datetime.combine(day, time(12), zone)
            before = noon - timedelta(days=1)
            directions.add((noon.utcoffset() or timedelta()) > (before.utcoffset() or timedelta()))
        both += directions == {True, False}
    assert both >= 25


@pytest.mark.parametrize(
    ("zone", "begun"),
    [
        ("Europe/Amsterdam", "1970-01-01"),  # there was no summer time
        ("Asia/Almaty", "2020-01-01"),  # an hour more until 2024
        ("America/Caracas", "2010-01-01"),  # half an hour less until 2016
        ("Pacific/Apia", "2000-01-01"),  # the other side of the date line
    ],
)
def test_a_schedule_that_began_by_other_clocks_is_woken_by_those_of_today(zone: str, begun: str) -> None:
    daily = schedule(f"{begun}T09:00", zone=zone)
    cron = wake_up_cron(daily, datetime(2026, 11, 22, tzinfo=UTC))
    for offset in range(2 * 366):
        moment = on(daily, date(2026, 11, 22) + timedelta(days=offset))
        assert moment in wake_ups(cron, moment.date())


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("zone", ZONES)
def test_three_years_of_moments_lie_each_on_its_own_local_day(zone: str, at: str) -> None:
    daily = schedule(f"2026-01-01T{at}", zone=zone)
    days = [date(2026, 1, 1) + timedelta(days=day) for day in range(3 * 366)]
    assert [on(daily, day).astimezone(ZoneInfo(zone)).date() for day in days] == days


@pytest.mark.parametrize(
    ("day", "moment"),
    [
        ("2026-03-28", "2026-03-28T01:30:00+00:00"),
        ("2026-03-29", "2026-03-29T01:00:00+00:00"),  # 02:30 is left out: the first minute after is 03:00
        ("2026-03-30", "2026-03-30T00:30:00+00:00"),
        ("2026-10-25", "2026-10-25T00:30:00+00:00"),  # 02:30 occurs twice: the first
        ("2026-10-26", "2026-10-26T01:30:00+00:00"),
    ],
)
def test_half_past_two_in_amsterdam(day: str, moment: str) -> None:
    assert on(schedule("2026-01-01T02:30"), date.fromisoformat(day)).isoformat() == moment


def test_a_day_that_an_island_skipped_is_not_run_twice() -> None:
    apia = schedule("2011-12-28T10:00", zone="Pacific/Apia")
    days = [on(apia, date(2011, 12, day)) for day in (29, 30, 31)]
    assert days == sorted(days)


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", ["2026-01-01", "2026-01-12", "2026-01-15"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ("FREQ=MONTHLY;BYDAY=-1FR", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2028-02-29", "2032-02-29"]),
        ("FREQ=DAILY;COUNT=2", ["2026-01-01", "2026-01-02"]),
        ("FREQ=DAILY;UNTIL=20260102T235959Z", ["2026-01-01", "2026-01-02"]),
        ("RRULE:FREQ=DAILY;INTERVAL=3", ["2026-01-01", "2026-01-04", "2026-01-07"]),
        ("FREQ=DAILY;UNTIL=24000229", ["2026-01-01", "2026-01-02", "2026-01-03"]),
        ("FREQ=DAILY;UNTIL=99991231", ["2026-01-01", "2026-01-02", "2026-01-03"]),
    ],
)
def test_recurrences(rule: str, days: list[str]) -> None:
    plan = schedule("2026-01-01T09:00", rule)
    found: list[str] = []
    after = datetime(2025, 12, 31, tzinfo=UTC)
    while len(found) < 3 and (moment := next_run(plan, after)) is not None:
        found.append(moment.astimezone(ZoneInfo(plan.zone)).date().isoformat())
        after = moment
    assert found[: len(days)] == days
    assert len(found) == len(days) or len(days) == 3 or "29" in rule


@pytest.mark.parametrize(
    ("zone", "at", "until", "last"),
    [
        ("America/New_York", "20:00", "20260103T010000Z", "2026-01-02"),  # which is 20:00 of the day before
        ("America/New_York", "20:00", "20260103T005959Z", "2026-01-01"),
        (
            "America/New_York",
            "09:00",
            "20260103T045959Z",
            "2026-01-02",
        ),  # the day's last second, as calendars say it
        ("Pacific/Auckland", "09:00", "20260101T200000Z", "2026-01-02"),
        ("Europe/Amsterdam", "09:00", "20260102T090000", "2026-01-02"),
        ("Europe/Amsterdam", "09:00", "20260102T085959", "2026-01-01"),
        ("Pacific/Auckland", "09:00", "20260102", "2026-01-02"),
        ("America/New_York", "09:00", "20260102", "2026-01-02"),
    ],
)
def test_an_until_that_is_a_moment_ends_the_rule_at_that_moment(
    zone: str, at: str, until: str, last: str
) -> None:
    plan = schedule(f"2026-01-01T{at}", f"FREQ=DAILY;UNTIL={until}", zone)
    final = on(plan, date.fromisoformat(last))
    assert next_run(plan, final - timedelta(hours=1)) == final
    assert next_run(plan, final) is None


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_an_until_at_the_end_of_the_calendar_says_never(zone: str) -> None:
    plan = schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=99991231T235959Z", zone)
    assert problems(plan) == []
    assert next_run(plan, datetime(2199, 1, 1, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;INTERVAL=9;BYMONTH=2,7",
        "FREQ=DAILY;BYDAY=MO,SA;UNTIL=20290301",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=SU,MO,WE",
        "FREQ=WEEKLY;BYDAY=MO,TH,SA;BYSETPOS=1",
        "FREQ=WEEKLY;INTERVAL=5;BYDAY=MO,TH;BYSETPOS=1",
    ],
)
def test_a_rule_of_long_ago_has_the_days_that_it_has_gone_through_whole(rule: str) -> None:
    """Without going through them, which took a third of a second each time that somebody looked."""
    plan = schedule("1999-12-30T09:00", rule, "UTC")
    first = datetime(1999, 12, 30)  # noqa: DTZ001 as the rule has them
    whole = [
        day.date()
        for day in dateutil.rrule.rrulestr(rule, dtstart=first).between(
            first, first + timedelta(days=366 * 31), inc=True
        )
    ]
    for offset in range(120):
        now = datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(days=offset)
        later, earlier = ([day for day in whole if (day > now.date()) is after] for after in (True, False))
        upcoming = next_run(plan, now)
        assert (upcoming and upcoming.date()) == (later[0] if later else None)
        assert due_day(plan, last=now.date() - timedelta(days=20), now=now) == next(
            (day for day in reversed(earlier) if day > now.date() - timedelta(days=20)), None
        )


def test_a_rule_that_counts_its_days_has_no_more_of_them_years_later() -> None:
    plan = schedule("2020-01-01T09:00", "FREQ=DAILY;COUNT=40")
    assert next_run(plan, datetime(2020, 2, 8, 12, tzinfo=UTC)) == datetime(2020, 2, 9, 8, tzinfo=UTC)
    assert next_run(plan, datetime(2020, 2, 9, 12, tzinfo=UTC)) is None
    assert due_day(plan, last=date(2026, 11, 1), now=datetime(2026, 11, 22, 12, tzinfo=UTC)) is None


def test_the_end_is_the_last_day() -> None:
    plan = schedule("2026-01-01T09:00", end=date(2026, 1, 2))
    assert next_run(plan, datetime(2026, 1, 2, 7, tzinfo=UTC)) == datetime(2026, 1, 2, 8, tzinfo=UTC)
    assert next_run(plan, datetime(2026, 1, 2, 8, tzinfo=UTC)) is None
    assert problems(schedule("2026-01-01T09:00", end=date(2026, 1, 1))) == []


def test_after_an_outage_one_run_catches_up() -> None:
    plan = schedule("2026-01-01T09:00")
    back = datetime(2026, 1, 20, 12, tzinfo=UTC)
    assert due_day(plan, last=date(2026, 1, 3), now=back) == date(2026, 1, 20)
    assert due_day(plan, last=date(2026, 1, 20), now=back) is None


def test_a_schedule_that_began_long_ago_is_due_today() -> None:
    plan = schedule("1970-01-01T09:00")
    assert due_day(plan, last=None, now=datetime(2026, 1, 20, 12, tzinfo=UTC)) == date(2026, 1, 20)
    assert due_day(plan, last=date(1980, 1, 1), now=datetime(2026, 1, 20, 12, tzinfo=UTC)) == date(
        2026, 1, 20
    )


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYSETPOS=2", "FREQ=MONTHLY;BYDAY=6MO"]
)
def test_a_rule_that_names_no_day_is_not_looked_through_for_ever(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    class Noted(dateutil.rrule._iterinfo):
        def rebuild(self, year: int, month: int) -> None:
            looked_at.append((year, month))
            super().rebuild(year, month)

    monkeypatch.setattr(dateutil.rrule, "_iterinfo", Noted)
    assert problems(schedule("2026-01-01T09:00", rule))
    assert len(looked_at) < 2 * 12 * 400


@pytest.mark.parametrize("rule", ["FREQ=MINUTELY;INTERVAL=15", "FREQ=MINUTELY;INTERVAL=15;COUNT=99999"])
def test_quarters_of_an_hour_are_not_gone_through_one_by_one(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    def counted(plan: Schedule, wall: datetime) -> datetime:
        looked_at.append(wall)
        return moment_of(plan, wall)

    monkeypatch.setattr(recurrence, "moment_of", counted)
    plan = schedule("2024-03-01T09:00", rule)
    now = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)
    assert problems(plan) == []
    for last in (None, now - timedelta(days=200)):
        looked_at.clear()
        assert due(plan, last=last, now=now) == datetime(2026, 11, 22, 12, tzinfo=UTC)
        assert next_run(plan, now) == datetime(2026, 11, 22, 12, 15, tzinfo=UTC)
        assert len(looked_at) < 40


@pytest.mark.parametrize(
    ("rule", "start", "cron"),
    [
        ("FREQ=HOURLY", "09:05", "cron(5 * * * ? *)"),
        ("FREQ=HOURLY;INTERVAL=6", "09:05", "cron(5 1,2,7,8,13,14,19,20 * * ? *)"),
        ("FREQ=HOURLY;BYHOUR=8,9", "09:05", "cron(5 6,7,8 * * ? *)"),
        ("FREQ=MINUTELY;INTERVAL=20", "09:05", "cron(5,25,45 * * * ? *)"),
    ],
)
def test_the_scheduler_is_told_hours_and_minutes(rule: str, start: str, cron: str) -> None:
    plan = schedule(f"2026-01-01T{start}", rule)
    assert wake_up_cron(plan, datetime(2026, 11, 22, tzinfo=UTC)) == cron


def test_nothing_is_due_before_its_time() -> None:
    plan = schedule("2026-01-01T09:00")
    assert due_day(plan, last=None, now=datetime(2026, 1, 1, 7, 59, tzinfo=UTC)) is None
    assert due_day(plan, last=None, now=datetime(2026, 1, 1, 8, 0, tzinfo=UTC)) == date(2026, 1, 1)


def test_a_semicolon_too_many_is_called_what_it_is() -> None:
    [problem] = problems(schedule("2026-01-01T09:00", "FREQ=DAILY;"))
    assert problem.message.startswith("An empty part has no place")


@pytest.mark.parametrize(
    ("broken", "pointer"),
    [
        (schedule("2026-01-01T09:00", "FREQ=SECONDLY"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MINUTELY"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MINUTELY;INTERVAL=10"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MINUTELY;INTERVAL=60"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;INTERVAL=5"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;INTERVAL=24"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;BYHOUR=24"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;BYSETPOS=1"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;BYMINUTE=0"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;BYDAY=1MO"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;INTERVAL=4;BYHOUR=8"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;BYHOUR=8", end=date(2026, 1, 1)), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=HOURLY;UNTIL=20260101T085959"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MONTHLY;BYHOUR=3"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;BYHOUR=3"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=WEEKLY;BYDAY=XX"), "/recurrence"),
        (schedule("2026-01-01T09:00", "every day"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;INTERVAL=0"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;INTERVAL=-1"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=YEARLY;BYMONTH=2;BYDAY=1MO;INTERVAL=-0"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;INTERVAL=99999999999999999999"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=2026"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=20250101"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=2026011"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=20261231T"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=20261231T250000Z"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;UNTIL=00010101T000000Z"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=WEEKLY;BYDAY=1MO"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;BYDAY=TU,-1FR"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MONTHLY;BYMONTHDAY=0"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MONTHLY;BYMONTHDAY=15,32"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=YEARLY;BYMONTH=1,13"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;COUNT=0"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;COUNT=+3"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;COUNT=3;UNTIL=20261231"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=DAILY;INTERVAL=2;INTERVAL=3"), "/recurrence"),
        (schedule("2026-01-01T09:00", "FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 250)), "/recurrence"),
        (schedule("0001-01-01T09:00"), "/start"),
        (schedule("9999-12-31T23:00"), "/start"),
        (schedule("2026-01-01T09:00", zone="Mars/Olympus"), "/time_zone"),
        (schedule("2026-01-01T09:00", zone="localtime"), "/time_zone"),
        (schedule("2026-01-01T09:00", zone="Factory"), "/time_zone"),
        (schedule("2026-01-01T09:00", zone="europe/amsterdam"), "/time_zone"),
        (schedule("2026-01-01T09:00+01:00"), "/start"),
        (schedule("2026-01-01T09:00", end=date(2025, 1, 1)), "/end"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused_with_its_place(broken: Schedule, pointer: str) -> None:
    assert pointer in {problem.pointer for problem in problems(broken)}

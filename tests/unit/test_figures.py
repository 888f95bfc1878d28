"""A file that is unlike the last one, or older than it should be, is imported, and somebody is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from contactsync.core.figures import compared, of_age, seen
from contactsync.model.field import FieldSpec
from contactsync.model.run import Figures
from contactsync.sources import moments
from tests.fakes.webserver import WebServer, reply
from tests.support.world import World

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
MAPPING = [{"column": "email", "field": "email"}]
ODD = {"notify": {"emails": ["owner@example.com"], "on": "problems"}}
DAY = timedelta(days=1)


def like(rows: int = 100, size: int = 20_000, columns: tuple[str, ...] = ("email", "name")) -> Figures:
    return Figures(bytes=size, rows=rows, width=len(columns), columns=columns)


@pytest.mark.parametrize(
    ("now", "codes"),
    [
        (like(), []),
        (like(rows=50), []),
        (like(rows=49), ["rows_far_from_before"]),
        (like(rows=200), []),
        (like(rows=201), ["rows_far_from_before"]),
        (like(rows=0, size=10), ["rows_far_from_before"]),
        (like(size=60_001), ["size_far_from_before"]),
        (like(size=6_000), ["size_far_from_before"]),
        (like(size=60_000), []),
        (like(columns=("email", "full name")), ["columns_changed"]),
        (like(columns=("name", "email")), ["columns_changed"]),
        (like(columns=("email", "name", "phone")), ["columns_changed"]),
    ],
)
def test_what_is_far_from_the_last_file_is_told(now: Figures, codes: list[str]) -> None:
    assert [warning.code for warning in compared(now, like())] == codes


def test_a_small_difference_of_a_small_file_and_a_first_file_say_nothing() -> None:
    assert compared(like(rows=2, size=40), like(rows=11, size=200)) == []
    assert compared(like(size=100), like(size=10_099)) == []
    assert [warning.code for warning in compared(like(rows=2), like(rows=12))] == ["rows_far_from_before"]
    assert [warning.code for warning in compared(like(size=100), like(size=10_100))] == [
        "size_far_from_before"
    ]
    assert compared(like(), None) == []


@pytest.mark.parametrize(
    ("before", "now", "emptied"),
    [
        ((100, 50), (100, 0), True),
        ((100, 49), (100, 0), False),
        ((100, 100), (100, 1), False),
        ((), (100, 0), False),
    ],
)
def test_a_column_that_was_filled_and_is_empty_is_told(
    before: tuple[int, ...], now: tuple[int, ...], emptied: bool
) -> None:
    last, this = (like().model_copy(update={"filled": filled}) for filled in (before, now))
    told = [warning.message for warning in compared(this, last) if warning.code == "columns_emptied"]
    assert ["first rows: name." in message for message in told] == [True] * emptied


def test_columns_are_named_and_bounded() -> None:
    [warning] = compared(like(columns=("email", *(f"c{n}" for n in range(8)))), like())
    assert "New: c0, c1, c2, c3, c4 and 3 more. Gone: name." in warning.message
    [warning] = compared(like(columns=("name", "email")), like())
    assert "another order" in warning.message


@pytest.mark.parametrize(
    ("modified", "period", "codes"),
    [
        (NOW, DAY, []),
        (NOW - 4 * DAY, DAY, []),
        (NOW - 4.1 * DAY, DAY, ["file_not_renewed"]),
        (NOW - 20 * DAY, 7 * DAY, []),
        (NOW - 4 * DAY, DAY / 24, []),
        (NOW - 4.1 * DAY, DAY / 24, ["file_not_renewed"]),
        (NOW - 400 * DAY, None, []),
    ],
)
def test_a_file_that_is_not_renewed_is_told_by_the_measure_of_its_schedule(
    modified: datetime, period: timedelta | None, codes: list[str]
) -> None:
    found = of_age(seen(1, modified.isoformat(), NOW), None, period, NOW)
    assert [warning.code for warning in found] == codes


def test_times_that_no_file_has_say_nothing() -> None:
    for moment in (datetime(1970, 1, 1, tzinfo=UTC), NOW + 2 * DAY):
        assert seen(1, moment.isoformat(), NOW).modified is None


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        (moments.of_http("Sun, 22 Nov 2026 10:00:00 +0100"), "2026-11-22T09:00:00+00:00"),
        (moments.of_http("Sun, 22 Nov 2026 09:00:00 GMT"), "2026-11-22T09:00:00+00:00"),
        (moments.of_http("Sun, 22 Nov 2026 09:00:00 -0000"), "2026-11-22T09:00:00+00:00"),
        (moments.of_http("yesterday"), None),
        (moments.of_http(None), None),
        (moments.of_http("Sun, 99 Nov 99999 09:00:00 GMT"), None),
        (moments.of_ftp("20261122090000.123"), "2026-11-22T09:00:00+00:00"),
        (moments.of_ftp("2026"), None),
        (moments.of_epoch(1795338000), "2026-11-22T09:00:00+00:00"),
        (moments.of_epoch(10**20), None),
        (moments.of_epoch(None), None),
    ],
)
def test_each_protocol_s_time_is_read(told: str | None, moment: str | None) -> None:
    assert told == moment


class Site:
    """A file on a web server, imported again and again."""

    def __init__(self, world: World, server: WebServer) -> None:
        self.world, self.server, self.sync_id = world, server, ""

    def put(self, rows: range, *, columns: str = "email,name", modified: datetime | None = NOW) -> None:
        text = f"{columns}\n" + "".join(f"p{n}@example.com,P\n" for n in rows)
        when = modified and format_datetime(modified, usegmt=True)
        answer = reply(text.encode(), Last_Modified=when) if when else reply(text.encode())
        self.server.answer = lambda _: answer

    def run(self, **body: Any) -> Any:
        if not self.sync_id:
            source = {"kind": "http", "url": f"http://127.0.0.1:{self.server.port}/a.csv"}
            run = self.world.import_rows(
                "", **{**ODD, "mapping": MAPPING, "name": "Staff", "source": source, **body}
            )
            self.sync_id = run.sync_id
            return run
        run = self.world.again(self.sync_id, "")
        self.world.execute(run)
        return self.world.run(run)


@pytest.fixture
def site() -> Iterator[Site]:
    with WebServer(lambda _: []) as server:
        yield Site(World(allow_hosts=f"127.0.0.1:{server.port}"), server)


def codes(run: Any) -> list[str]:
    assert run.status in {"succeeded", "unchanged"}
    return [warning.code for warning in run.warnings]


def test_a_far_smaller_file_with_other_columns_is_imported_and_told_once(site: Site) -> None:
    site.put(range(100))
    assert codes(site.run()) == []
    site.put(range(20), columns="email,full name")
    assert codes(site.run()) == ["rows_far_from_before", "columns_changed"]
    [mail] = site.world.mailer.sent  # by whom who wanted to hear of problems only
    assert "The file has 20 rows, the one imported last had 100." in mail.text
    assert "New: full name. Gone: name." in mail.text
    site.put(range(21), columns="email,full name")
    assert codes(site.run()) == []
    assert len(site.world.mailer.sent) == 1


class TestWhomRowsMeet:
    """A number that has lost its leading zeros finds nobody, and everybody comes a second time."""

    def run(self, site: Site, rows: range, **asked: Any) -> list[str]:
        site.put(rows)
        site.world.mailer.sent.clear()
        return codes(site.run(**asked))

    def test_is_told_where_it_is_nobody_all_at_once(self, site: Site) -> None:
        assert self.run(site, range(40)) == []
        assert self.run(site, range(41)) == []
        assert self.run(site, range(1_000, 1_041)) == ["rows_meet_nobody"]
        [mail] = site.world.mailer.sent
        assert "41 of 41 rows are about somebody new" in mail.text
        assert self.run(site, range(1_000, 1_042)) == []

    @pytest.mark.parametrize("existing", ["skip", "override"])
    def test_is_nothing_to_tell_where_a_minority_is_new(self, site: Site, existing: str) -> None:
        asked = {"options": {"existing": existing}}
        assert self.run(site, range(40), **asked) == []
        assert self.run(site, range(41), **asked) == []
        assert self.run(site, range(20, 60)) == []
        assert self.run(site, range(100, 140)) == ["rows_meet_nobody"]

    def test_is_nothing_to_tell_of_a_file_that_has_new_ones_only(self, site: Site) -> None:
        for begin in (0, 100, 200):
            assert self.run(site, range(begin, begin + 40)) == []

    def test_is_told_otherwise_of_a_far_larger_file(self, site: Site) -> None:
        self.run(site, range(40))
        self.run(site, range(41))
        assert self.run(site, range(200)) == ["rows_far_from_before"]


def test_a_column_that_nobody_exports_any_more_is_told_once(site: Site) -> None:
    """Where empty cells clear, everybody loses what they had there."""
    people = [f"p{n}@example.com,06 1234 56{n:02}" for n in range(40)]
    mapping = [*MAPPING, {"column": "phone", "field": "phone"}]
    asked = {"mapping": mapping, "options": {"empty_cells": "clear"}}
    for rows, told in ((people, []), ([row.partition(",")[0] + "," for row in people], ["columns_emptied"])):
        answer = reply("\n".join(["email,phone", *rows]).encode())
        site.server.answer = partial(lambda told, _: told, answer)
        assert codes(site.run(**asked)) == told
    [mail] = site.world.mailer.sent
    assert "have none in this one's first rows: phone." in mail.text
    assert codes(site.run()) == []


class TestARowThatMayBeNames:
    """Columns are mapped by position, and nothing tells whether the first row names them."""

    def run(self, site: Site, *rows: str) -> set[Any]:
        """Whom the list holds after a run over these rows; `codes` are those of the run."""
        if not site.sync_id:
            number = FieldSpec(key="number", label="Number", type="text")
            site.world.control.create_field(site.world.account.account_id, number)
        answer = reply("".join(f"{row}\n" for row in rows).encode())
        site.server.answer = lambda _: answer
        self.codes = codes(
            site.run(
                mapping=[{"column": 0, "field": "number"}, {"column": 1, "field": "name"}],
                identity={"field": "number"},
                options={"delete_missing": {"scope": "all"}, "guard": {"max_delete_percent": 100}},
            )
        )
        page = site.world.contacts.page(site.world.account.account_id, after=None, limit=10)
        return {contact.fields["name"] for contact in page.contacts}

    def test_the_first_time_it_is_told(self, site: Site) -> None:
        assert self.run(site, "K1,Ada", "K2,Bob") == {"Bob"}
        assert self.codes == ["header_unsure"]

    def test_it_is_a_row_where_the_last_file_had_no_names(self, site: Site) -> None:
        assert self.run(site, "K1,Ada", "K2,Ada") == {"Ada"}
        assert self.run(site, "K2,Bob", "K1,Ada") == {"Ada", "Bob"}
        assert self.codes == []

    def test_it_is_names_where_the_last_file_had_some_of_them(self, site: Site) -> None:
        assert self.run(site, "klnr,nm", "K1,Ada") == {"Ada"}
        assert self.run(site, "klnr,nm", "K1,Ada", "K2,Bob") == {"Ada", "Bob"}
        assert self.codes == []
        assert self.run(site, "klnr,naam", "K1,Ada", "K3,Cleo") == {"Ada", "Cleo"}
        assert self.codes == ["columns_changed"]

    def test_it_is_a_row_where_those_names_are_gone(self, site: Site) -> None:
        assert self.run(site, "klnr,nm", "K1,Ada") == {"Ada"}
        assert self.run(site, "K1,Ada", "K2,Bob") == {"Ada", "Bob"}
        assert self.codes == ["columns_changed"]

    def test_what_is_surely_names_is_that_whatever_the_last_file_had(self, site: Site) -> None:
        self.run(site, "K1,Ada", "K2,Ada")
        assert self.run(site, "Customer number,Name", "K1,Ada", "K2,Bob") == {"Ada", "Bob"}


def test_a_dry_run_or_a_failed_one_sets_no_measure(site: Site) -> None:
    site.put(range(100))
    site.run()
    site.server.answer = lambda _: reply(b"name\nx\n")
    failed = site.world.again(site.sync_id, "")
    site.world.execute(failed)
    assert site.world.run(failed).status == "failed"
    site.put(range(20))
    dry = site.world.again(site.sync_id, "", dry_run=True)
    site.world.execute(dry)
    assert codes(site.world.run(dry)) == ["rows_far_from_before"]
    assert codes(site.run()) == ["rows_far_from_before"]


def test_a_run_that_waits_for_an_approval_sets_no_measure(site: Site) -> None:
    site.put(range(100))
    site.run(options={"delete_missing": {"scope": "all"}})
    site.put(range(20))
    for _ in range(2):
        held = site.run()
        assert held.status == "awaiting_approval"
        assert "rows_far_from_before" in [warning.code for warning in held.warnings]


def test_an_older_file_is_told_as_long_as_it_lies_there_and_deletes_nobody(site: Site) -> None:
    deletes = {"options": {"delete_missing": {"scope": "all"}}}
    site.put(range(100))
    site.run(**deletes)
    for rows in (range(95), range(94)):
        site.put(rows, modified=NOW - 9 * DAY)
        older = site.run()
        assert codes(older) == ["file_older", "source_not_proven_complete"]
        assert older.warnings[1].message.startswith("The file is older than the one that was imported last.")
        assert older.counts.deleted == 0
    assert len(site.world.stored()) == 100
    assert len(site.world.mailer.sent) == 2
    site.put(range(93), modified=NOW + timedelta(minutes=1))
    newer = site.run()
    assert codes(newer) == []
    assert newer.counts.deleted == 7


def test_a_time_that_is_still_to_come_is_told_each_time(site: Site) -> None:
    """A pattern takes such a file for the newest, and passes over all that come after it."""
    site.put(range(20), modified=NOW + 30 * DAY)
    for status in ("succeeded", "unchanged"):
        run = site.run()
        assert (run.status, codes(run)) == (status, ["file_dated_ahead"])
        assert f"{NOW + 30 * DAY:%Y-%m-%d}" in run.warnings[0].message


@pytest.mark.parametrize("on", ["problems", "changes"])
def test_a_file_that_is_not_renewed_any_more_is_told_each_time_and_mailed_once(site: Site, on: str) -> None:
    """An export that died would be found out by chance; and whatever is mailed every night is read by nobody."""
    schedule = {"start": "2026-11-23T09:00:00", "time_zone": "UTC", "recurrence": "FREQ=DAILY"}
    site.put(range(20), modified=NOW - 2 * DAY)
    asked = {"schedule": schedule, "notify": {"emails": ["owner@example.com"], "on": on}}
    assert codes(site.run(**asked)) == []
    site.world.mailer.sent.clear()
    for mails in (1, 0, 0):
        site.world.clock.advance(3 * DAY)
        run = site.run()
        assert (run.status, codes(run)) == ("unchanged", ["file_not_renewed"])
        assert len(site.world.mailer.sent) == mails
        site.world.mailer.sent.clear()
    site.world.clock.advance(DAY)
    site.put(range(21), modified=site.world.clock.now())
    assert codes(site.run()) == []
    site.world.mailer.sent.clear()
    site.world.clock.advance(5 * DAY)
    assert codes(site.run()) == ["file_not_renewed"]
    assert len(site.world.mailer.sent) == 1


def test_a_server_that_does_not_say_when_is_believed(site: Site) -> None:
    site.put(range(20), modified=None)
    assert codes(site.run()) == []
    site.put(range(19), modified=None)
    assert codes(site.run()) == []


def test_what_somebody_sends_by_hand_has_been_looked_at(site: Site) -> None:
    rows = "email\n" + "".join(f"p{n}@example.com\n" for n in range(100))
    first = site.world.import_rows(rows, MAPPING)
    again = site.world.again(first.sync_id, "email\np1@example.com\n")
    site.world.execute(again)
    assert codes(site.world.run(again)) == []

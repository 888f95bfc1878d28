"""Rows that come again are known by their bytes: when they are, when none is, and what a known row spares.

Each test happens in two worlds, of which the other reads every row (tests/support/twins.py): what comes of it is the same. The laws are in
tests/property.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contactsync.adapters.memory import MemoryContacts
from contactsync.journeys import changes
from contactsync.journeys.account import accounts
from contactsync.journeys.file import known, units
from contactsync.journeys.file.ruling import TYPING, rules_of
from contactsync.journeys.file.units import Planning
from contactsync.model.sync import Format, Options
from contactsync.ports import Put, RecordKey
from tests.support.twins import Twin, Twins
from tests.support.twinstory import ALL, CHANGED, HEADER, LATER, LINES, PEOPLE, TEXT, Story, row
from tests.support.workbooks import packed, parts_of, sheet_of


class TestTheyAreKnown:
    def test_all_but_those_that_are_new(self) -> None:
        story = Story()
        run = story.again()
        assert (run.counts.updated, run.counts.unchanged, story.known) == (1, 11, 11)

    def test_wherever_they_have_moved_within_a_chunk_or_two(self) -> None:
        story = Story()
        run = story.again(HEADER + row(20) + "".join(LINES[:6]) + "\n" + "".join(LINES[7:]))
        assert (run.counts.added, run.counts.unchanged, story.known) == (1, 11, 11)

    def test_and_refused_ones_likewise_whether_they_name_a_contact_or_not(self) -> None:
        rows = [*LINES[:4], row(30, phone="12"), "31,nobody,Bob,\n", *LINES[4:]]
        story = Story(HEADER + "".join(rows))
        for text, added in ((HEADER + row(20) + "".join(rows), 1), (HEADER + "".join(rows), 0)):
            run = story.again(text)
            assert (run.counts.added, run.counts.rejected, run.counts.unchanged) == (added, 2, PEOPLE)
            assert story.known == PEOPLE

    def test_beside_a_new_row_of_the_same_contact_of_which_the_later_counts(self) -> None:
        new = row(3, "Their Other Row")
        run = Story().again(HEADER + new + "".join(LINES))
        assert (run.counts.skipped, run.counts.updated, run.counts.unchanged) == (1, 0, PEOPLE)
        run = Story().again(TEXT + new)
        assert (run.counts.skipped, run.counts.updated, run.counts.unchanged) == (1, 1, 11)

    def test_by_a_run_that_has_known_them_itself(self) -> None:
        story = Story()
        story.again()
        again = story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert (again.counts.updated, again.counts.unchanged, story.known) == (1, 11, 11)

    def test_by_the_run_that_has_read_them_where_others_had_nothing_to_read(self) -> None:
        story = Story()
        read = story.good
        assert story.again(TEXT).status == "unchanged"
        assert story.good == read
        story.again()
        assert story.known == 11

    def test_of_several_lines_and_beside_refused_and_blank_ones(self) -> None:
        rows = [
            '1,a@example.com,"Ada\nLovelace",\n',
            "2,nobody,Bob,\n",
            "\n",
            ",,,\n",
            '3,"c@example.com,Cem,\n',
        ]
        text = HEADER + "".join([*rows, *LINES[4:]])
        story = Story(text)
        run = story.again(text.replace("Person 7", "Person Seven"))
        assert (run.counts.rejected, run.counts.skipped, run.counts.unchanged) == (2, 1, 8)
        assert story.known == 8

    def test_and_so_not_missing_from_the_file(self) -> None:
        story = Story(options=ALL)
        run = story.again(HEADER + "".join(LINES[1:]))
        assert (run.counts.deleted, run.counts.unchanged, story.known) == (1, 11, 11)

    def test_for_a_week_however_often_and_then_again(self) -> None:
        story = Story()
        days, text = [], TEXT
        for day in range(15):
            text = text.replace(f"Person {day}\n" if day < PEOPLE else "Person 1,", f"Someone {day}\n")
            story.again(f"{text},,,\n" + "\n" * day)
            days += [day] if story.known == 0 else []
            story.both(lambda world: world.clock.advance(timedelta(days=1) - LATER))
        assert days == [7, 14]

    def test_in_a_dry_run_whose_plan_is_carried_out(self) -> None:
        story = Story()
        shown = story.again(dry_run=True)
        assert story.known == 11
        assert story.again(plan_of=shown.id).counts.updated == 1

    def test_and_no_contact_of_theirs_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story(options={"existing": "fill_empty"})
        read: list[str] = []

        def noted(name: str) -> Callable[..., Any]:
            real = getattr(MemoryContacts, name)

            def look(self: MemoryContacts, account_id: str, *asked: Any) -> Any:
                if self is story.worlds[0].contacts:
                    read.extend(asked[0] if name in ("slots", "get") else [name])
                return real(self, account_id, *asked)

            return look

        for name in ("slots", "get", "scan", "glimpses"):
            monkeypatch.setattr(MemoryContacts, name, noted(name))
        monkeypatch.setattr(Twins, "check", lambda self: None)  # which reads them all
        run = story.again(TEXT + ",,,\n")
        assert (run.status, run.counts.unchanged, read) == ("succeeded", PEOPLE, [])
        run = story.again(CHANGED)
        assert run.counts.settled == PEOPLE
        assert set(read) == {story.id_of(5)}


def test_a_worker_of_several_units_tells_of_each_who_is_not_as_their_rows_say() -> None:
    story = Story(HEADER + row(0) + "".join(LINES))
    world, good = story.worlds[0], story.good
    files = world.files(good)
    manifest = files.manifest()
    told = [files.plan_summary(unit) for unit in range(manifest.units)]
    rules = rules_of(good, world.control)
    planning = Planning(files, manifest, MemoryContacts(), rules, 0, lambda: None)
    again = [planning.plan(unit) for unit in range(manifest.units)]
    assert [summary.odd for summary in again] == [summary.odd for summary in told if summary is not None]
    assert sum(summary.odd or 0 for summary in again) == 1


Between = Callable[[Story], object]


def of_sync(**changed: Any) -> Between:
    return lambda story: story.change_sync(**changed)


def in_good(name: str, drop: str) -> Between:
    return lambda story: story.rewrite(story.good, name, drop)


def noted_by_an_earlier_version(story: Story) -> None:
    def forget(world: Twin) -> None:
        key = RecordKey(world.account.account_id, f"sync#{story.sync_id}")
        stored = world.records.get(key)
        assert stored is not None
        good = {name: stored.document["last_good"][name] for name in ("digest", "settings", "marker")}
        world.records.commit([Put(key, {**stored.document, "last_good": good}, stored.version)])

    story.both(forget)


def moved(story: Story) -> None:
    story.both(lambda world: accounts.change(world.asked, world.caller, {"country": "GB"}).country)


NOT_KNOWN: dict[str, Between] = {
    "another country of the sync": of_sync(format=Format(country="GB")),
    "another country of the account": moved,
    "existing contacts are left alone": of_sync(options=Options(existing="skip")),
    "the file always wins": of_sync(options=Options(mode="mirror")),
    "empty cells mean something else": of_sync(options=Options(empty_cells="clear")),
    "everybody joins a segment": of_sync(options=Options(segments=("vip",))),
    "a good run of an earlier version": noted_by_an_earlier_version,
    "a manifest of an earlier version": in_good("manifest.json", "reading"),
    "a plan of an earlier version": in_good("plan/02.json", "odd"),
    "a week": lambda story: story.both(lambda world: world.clock.advance(known.WHOLE_EVERY - LATER)),
}


FOR_GOOD = ("existing contacts", "the file always", "another country")
"""In which rows are never known, or refused."""


class TestNoneIsKnown:
    @pytest.mark.parametrize("what", NOT_KNOWN)
    def test_after(self, what: str) -> None:
        story = Story()
        NOT_KNOWN[what](story)
        run = story.again()
        assert (run.status, run.counts.settled, story.known) == ("succeeded", PEOPLE, 0)
        story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert story.known == (0 if what.startswith(FOR_GOOD) else 11), "from the next one on they are"

    @pytest.mark.parametrize(("most", "known_then"), [(2, 9), (1, 0)])
    @pytest.mark.parametrize(("module", "bound"), [(known, "LOOKED_AT_MAX"), (changes, "CHANGED_MAX")])
    def test_where_too_many_contacts_have_changed(
        self, module: Any, bound: str, most: int, known_then: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        story = Story()
        monkeypatch.setattr(module, bound, most)
        story.edit(0, name="By Hand")
        story.edit(1, name="By Hand")
        story.again()
        assert story.known == known_then

    @pytest.mark.parametrize(("most", "known_then"), [(2, 9), (1, 0)])
    def test_where_too_many_contacts_are_not_as_their_rows_say(
        self, most: int, known_then: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(units, "ODD_MAX", most)
        story = Story(HEADER + row(0) + row(1) + "".join(LINES), unit=100)
        story.again(HEADER + row(0) + row(1) + "".join(LINES).replace("Person 5", "Person Five"))
        assert story.known == known_then

    def test_in_a_file_of_few_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story()
        story.worlds[0].known_from = PEOPLE + 1
        story.again()
        assert story.known == 0
        story.again(CHANGED + row(20))
        assert story.known == 12

    def test_where_the_header_names_other_columns(self) -> None:
        story = Story()
        run = story.again(CHANGED.replace("name,phone", "phone,name"))
        assert (run.counts.rejected, story.known) == (PEOPLE, 0)

    def test_where_dates_come_in_another_order(self) -> None:
        """What a day is, other rows say: nothing of a row itself has changed."""

        def dated(*days: str) -> str:
            return "email,birthday\n" + "".join(f"p{n}@example.com,{day}\n" for n, day in enumerate(days))

        mapping = [{"column": name, "field": name} for name in ("email", "birthday")]
        story = Story(dated(*["03/04/1980"] * 5, "31/12/1980"), mapping=mapping)
        run = story.again(dated(*["03/04/1980"] * 5, "12/31/1980"))
        assert (run.counts.updated, run.counts.unchanged, story.known) == (5, 1, 0)
        assert story.worlds[0].stored()["p0@example.com"].fields["birthday"] == "1980-03-04"

    def test_where_a_release_types_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story()
        monkeypatch.setattr(known, "TYPING", TYPING + 1)
        story.again()
        assert story.known == 0

    def test_in_a_workbook(self) -> None:
        def pages(text: str) -> bytes:
            rows = [line.split(",") for line in text.splitlines()]
            data: bytes = packed(parts_of(sheet_of(rows))).getvalue()
            return data

        story = Story(pages(TEXT))
        assert story.again(pages(CHANGED)).counts.unchanged == 11
        assert story.known == 0

    def test_in_a_report_of_ours_that_comes_back(self) -> None:
        story = Story(TEXT.replace("@example.com", ""))
        report = story.worlds[0].runs.get(story.worlds[0].files(story.good).rejects_csv).decode()
        mended = re.sub(r'"(p\d+)"', r'"\1@example.com"', report)
        assert story.again(mended).counts.added == PEOPLE
        again = story.again(mended.replace("Person 5", "Person Five"))
        assert (again.counts.updated, again.counts.unchanged, story.known) == (1, 11, 0)

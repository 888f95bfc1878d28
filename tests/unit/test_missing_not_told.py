"""Where the last good run cannot tell who is missing from a file, everybody is looked at, and the same people are deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.control import feed
from contactsync.core.identity import SHARDS
from contactsync.journeys import changes
from contactsync.journeys.file import known, missing
from contactsync.model.sync import DeleteMissing, Options
from contactsync.ports import Delete, RecordKey
from tests.support.missing import (
    OTHERS,
    REFUSED,
    WITHOUT_7,
    before_plan,
    create,
    figures,
    not_told,
    told,
)
from tests.support.twins import Twin
from tests.support.twinstory import ALL, CHANGED, HEADER, LATER, LINES, MAPPING, TEXT, Story, row


@pytest.mark.parametrize("drop", ["aside", "deletes"])
def test_by_a_run_of_an_earlier_version(drop: str) -> None:
    story = Story(options=ALL)
    for unit in range(4):
        story.rewrite(story.good, f"plan/{unit:02d}.json", drop)
    assert not_told(story).counts.deleted == 1
    assert told(story, WITHOUT_7.replace(LINES[8], "")).counts.deleted == 1


@pytest.mark.parametrize("name", ["plan/02.json", "plan/02.aside", "rows/00001.json", "manifest.json"])
def test_where_a_file_is_lost_before_plan(name: str) -> None:
    story = Story(TEXT + REFUSED, options=ALL)
    good = story.good
    key = f"runs/{good.account_id}/{good.id}/{name}"
    story.worlds[0].runs.get(key)
    before_plan(story, lambda world: world.runs.delete([key]))
    assert not_told(story, WITHOUT_7 + REFUSED).counts.deleted == 1


def test_where_it_is_not_known_any_more_who_has_changed() -> None:
    story = Story(options=ALL)
    run = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))
    before_plan(story, lambda world: world.runs.delete([f"{world.files(run).prefix}looked-at"]))
    before = story.told
    assert story.ended(run).counts.deleted == 1
    assert story.told == before


@pytest.mark.parametrize("by", ["nobody", "an earlier run"])
def test_where_it_is_not_the_last_good_run_that_knows_rows(by: str) -> None:
    story = Story(options=ALL)
    known_by = story.good.id if by == "an earlier run" else ""
    told(story, CHANGED)
    before = story.told
    run = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))

    def late(world: Twin) -> None:
        files = world.files(run)
        files.save_manifest(files.manifest().model_copy(update={"known_by": known_by}))

    before_plan(story, late)
    assert story.ended(run).counts.deleted == 1
    assert story.told == before


@pytest.mark.parametrize(("first", "then"), [(None, "all"), ("sync", "all"), ("all", "sync")], ids=str)
def test_by_a_run_whose_scope_was_changed_while_it_was_at_work(first: Any, then: Any) -> None:
    story = Story(options={**ALL, "delete_missing": {"scope": first} if first else None})
    story.imported(HEADER + OTHERS)
    run = story.both(lambda world: world.again(story.sync_id, CHANGED))
    options = Options.model_validate({**ALL, "delete_missing": {"scope": then}})

    def change(world: Twin) -> None:
        account = world.account.account_id
        world.control.update_sync(
            account, story.sync_id, lambda read: read.value.model_copy(update={"options": options})
        )

    story.overtaken(change)
    story.ended(run)
    assert story.good.id != run.id, "who began by other settings says nothing of what the next one may skip"
    story.both(lambda world: setattr(world, "ports", world.true_ports()))
    assert not_told(story, CHANGED.replace(LINES[7], "")).counts.deleted == (then == "all")
    assert DeleteMissing(scope=then) == options.delete_missing


def test_beside_another_run_that_is_at_work() -> None:
    story = Story(options=ALL)
    other = story.both(lambda world: world.request(HEADER + row(7, "Other"), MAPPING, notify={}))
    run = story.both(lambda world: world.again(story.sync_id, WITHOUT_7))

    looks: list[int] = []

    def another_run(world: Twin) -> None:
        world.clock.advance(LATER)
        before = world.contacts.looks
        world.execute(run)
        looks.append(world.contacts.looks - before)
        world.clock.advance(LATER)

    story.overtaken(another_run)
    story.ended(other)
    assert (story.worlds[0].run(run).counts.deleted, looks) == (1, [SHARDS, SHARDS])


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)], ids=["at once", "later"])
def test_after_a_run_that_has_ended_since_it_began(later: timedelta) -> None:
    story = Story(options=ALL)
    other = story.both(lambda world: world.request(HEADER + row(50), MAPPING, notify={}))

    def meanwhile(world: Twin) -> None:
        world.clock.advance(later)
        within, world.ports = world.ports, world.true_ports()
        world.execute(other)
        world.ports = within

    before_plan(story, meanwhile)
    assert not_told(story).counts.deleted == 2


def test_after_a_run_of_which_nothing_is_known_any_more() -> None:
    story = Story(options=ALL)
    other = story.imported(HEADER + row(50))

    def forget(world: Twin) -> None:
        stored = world.records.get(RecordKey(other.account_id, f"run#{other.id}"))
        assert stored is not None
        world.records.commit([Delete(stored.key, stored.version)])

    before_plan(story, forget)
    assert not_told(story).counts.deleted == 2


@pytest.mark.parametrize(("most", "is_told"), [(2, True), (1, False)])
def test_where_too_many_have_changed_meanwhile(
    most: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "CHANGED_MAX", most)
    story = Story(options=ALL)
    story.edit(2, name="By Hand")
    before_plan(story, lambda world: create(world, 40))
    assert story.again(WITHOUT_7).counts.deleted == 2
    assert (story.told, story.known) == (is_told, 10)


@pytest.mark.parametrize(("most", "is_told"), [(2, True), (1, False)])
def test_where_too_much_was_said_meanwhile(most: int, is_told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The good run itself has said that it writes."""
    monkeypatch.setattr(feed, "ENTRIES_MAX", most)
    story = Story(options=ALL)
    before_plan(story, lambda world: create(world, 40))
    assert story.again(WITHOUT_7).counts.deleted == 2
    assert (story.told, story.known) == (is_told, 11)


@pytest.mark.parametrize(("most", "is_told"), [(2, True), (1, False)])
def test_where_too_many_were_noted_aside(most: int, is_told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing, "ASIDE_MAX", most)
    monkeypatch.setattr("contactsync.journeys.file.units.ASIDE_MAX", most)
    story = Story(TEXT + row(20, phone="1") + row(21, phone="1"), unit=100, options=ALL)
    assert story.again(WITHOUT_7 + row(20, phone="1")).counts.deleted == 1
    assert story.told == is_told


@pytest.mark.parametrize(("changed", "is_told"), [(1, True), (2, False)])
def test_where_it_is_quicker_to_look_at_all(
    changed: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that have changed are asked for by key as well as those who may be missing."""
    monkeypatch.setattr(missing, "SCAN_WORTH_ROWS", 3 / SHARDS)
    story = Story(unit=100, options=ALL)
    text = WITHOUT_7
    for number in range(changed):
        text = text.replace(f"Person {number},", f"Someone {number},")
    assert story.again(text).counts.deleted == 1
    assert story.told == is_told


def test_once_a_week() -> None:
    story = Story(options=ALL)
    told(story)
    story.both(lambda world: world.clock.advance(known.WHOLE_EVERY))
    assert not_told(story, WITHOUT_7.replace(LINES[8], "")).counts.deleted == 1


def test_where_nothing_shows_that_the_source_is_complete() -> None:
    story = Story(options=ALL)
    run = not_told(story, WITHOUT_7[:-1] + ',"')
    assert (run.counts.deleted, figures(story, run)) == (0, (0, 0))

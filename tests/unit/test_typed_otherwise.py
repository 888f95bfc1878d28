"""A change of what decides how rows are typed, the account's country or a field, holds for each row that comes from then on.

Each test happens in two worlds, of which one knows rows by their bytes (tests/support/twins.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from contactsync.journeys.account import accounts
from contactsync.journeys.asked import fielding
from contactsync.journeys.file import ruling
from contactsync.model.field import FieldSpec
from contactsync.model.run import Run
from contactsync.ports import Objects
from tests.support.missing import After
from tests.support.twins import Twin
from tests.support.twinstory import HEADER, PEOPLE, Story, row
from tests.support.world import World

OF_BOTH = HEADER + "".join(row(number, phone="0612345678") for number in range(PEOPLE))
OTHER = OF_BOTH.replace("Person 5", "Person Five")
Change = Callable[[Twin], object]


def country(to: str) -> Change:
    return lambda world: accounts.change(world.asked, world.caller, {"country": to})


def choices(*to: str) -> Change:
    body = {"choices": list(to)}
    return lambda world: fielding.change_field(
        world.asked, world.caller, "colour", body, dry_run=False, confirm=True
    )


def phones(story: Story) -> set[str]:
    return {contact.fields["phones"][0]["value"] for contact in story.worlds[0].stored().values()}


class TestTheSameFileAgain:
    """Is read again."""

    def test_after_another_country(self) -> None:
        story = Story(OF_BOTH)
        assert story.again(OF_BOTH).status == "unchanged"
        story.both(country("DE"))
        assert story.again(OF_BOTH).counts.updated == PEOPLE
        assert phones(story) == {"+49612345678"}
        assert story.again(OF_BOTH).status == "unchanged"

    def test_after_other_choices(self) -> None:
        colour = FieldSpec(key="colour", label="Colour", type="choice", choices=("red", "green"))
        text = "email,colour\na@example.com,red\nb@example.com,blue\n"
        mapping = [{"column": "email", "field": "email"}, {"column": "colour", "field": "colour"}]
        story = Story()
        story.both(lambda world: world.control.create_field(world.account.account_id, colour))
        run = story.both(lambda world: world.request(text, mapping, notify={}))
        story.sync_id = run.sync_id
        assert story.ended(run).counts.rejected == 1
        assert story.again(text).status == "unchanged"
        story.both(choices("red", "green", "blue"))
        assert story.again(text).counts.added == 1

    def test_after_a_release_that_types_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        story = Story(OF_BOTH)
        monkeypatch.setattr(ruling, "TYPING", ruling.TYPING + 1)
        run = story.again(OF_BOTH)
        assert (run.status, run.counts.unchanged) == ("succeeded", PEOPLE)
        assert story.again(OF_BOTH).status == "unchanged"

    def test_but_not_after_another_name_of_the_account(self) -> None:
        story = Story(OF_BOTH)
        story.both(lambda world: accounts.change(world.asked, world.caller, {"name": "Other"}))
        assert story.again(OF_BOTH).status == "unchanged"


class TestWhileARunIsAtWork:
    """What it has read, it has read half in the one way and half in the other: it is nobody's witness."""

    @pytest.mark.parametrize("written", ["manifest.json", "rows/00001.json"])
    @pytest.mark.parametrize("text", [OF_BOTH, OTHER], ids=["same", "other"])
    def test_another_country_and_back(self, written: str, text: str) -> None:
        story = Story()
        self.meanwhile(story, written, country("DE"))
        story.again(OTHER)
        assert "+49612345678" in phones(story)
        story.both(country("NL"))
        run = story.again(text)
        assert (run.status, run.counts.rejected) == ("succeeded", 0)
        assert phones(story) == {"+31612345678"}

    def test_another_country_in_which_all_rows_are_refused_and_back(self) -> None:
        """The run writes nothing, so it is the country alone that has changed the marker."""
        story = Story()
        self.meanwhile(story, "manifest.json", country("US"))
        assert story.again(OTHER).counts.rejected == PEOPLE
        story.both(country("NL"))
        run = story.again(OTHER)
        assert (run.status, run.counts.rejected, run.counts.updated) == ("succeeded", 0, 1)

    def test_a_release_that_types_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        files = After(world.runs, "rows/00000.json", lambda: monkeypatch.setattr(ruling, "TYPING", 1000))
        world.ports.runs = cast(Objects, files)
        run = world.import_rows(OF_BOTH)
        again = [self.next_run(world, run) for _ in range(2)]
        assert [run.status, *again] == ["succeeded", "succeeded", "unchanged"]

    def next_run(self, world: World, run: Run) -> str:
        world.clock.advance(timedelta(minutes=5))
        again = world.again(run.sync_id, OF_BOTH)
        world.execute(again)
        return world.run(again).status

    def meanwhile(self, story: Story, written: str, change: Change) -> None:
        def watched(world: Twin) -> None:
            world.ports.runs = cast(Objects, After(world.runs, written, lambda: change(world)))

        story.both(watched)

"""Rows that come again are read all the same where somebody was at their contacts, and where files or workers get lost.

As in tests/unit/test_known_rows.py, each test happens in two worlds.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from contactsync.adapters.memory import MemoryObjects
from contactsync.control.feed import YOUNG
from contactsync.errors import NotFound
from contactsync.journeys import changes, importing
from contactsync.journeys.asked import deciding, editing, segmenting
from contactsync.journeys.file import reading
from contactsync.model.contact import Tombstone
from contactsync.model.message import Chunks, Finishing
from contactsync.model.segment import Segment
from contactsync.ports import Objects, Replace
from tests.support.twins import Twin
from tests.support.twinstory import (
    ALL,
    BY_NUMBER,
    CHANGED,
    HEADER,
    LATER,
    LINES,
    MAPPING,
    PEOPLE,
    TEXT,
    Story,
    row,
)


class TestLostFiles:
    """The bucket forgets the good run's files one by one, at any moment: then rows are read."""

    def test_before_the_next_run_begins(self) -> None:
        text = HEADER + row(3, "An Earlier Row") + "".join(LINES) + "3,nobody,,\n" + ",,,\n"
        names = Story(text).files_of_good()
        kinds = {re.sub(r"\d+", "0", name) for name in names}
        assert {"manifest.json", "source", "plan/0.odd", "upsert/0.jsonl", "rejects/0.jsonl"} <= kinds
        for name in names:
            story = Story(text)
            story.lose(story.good, name)
            run = story.again(text.replace("Person 5", "Person Five"))
            assert (run.status, run.counts.updated, run.counts.unchanged) == ("succeeded", 1, 11), name

    @pytest.mark.parametrize("name", ["rejects/00000.jsonl", "rejects/00004.jsonl"])
    def test_of_refused_rows_that_all_name_their_contacts(self, name: str) -> None:
        """Where they begin is known without it as well."""
        refused = "".join(row(number, phone="1") for number in range(20, 26))
        story = Story(TEXT + refused)
        story.lose(story.good, name)
        run = story.again(CHANGED + refused)
        assert (run.status, run.counts.unchanged, run.counts.rejected) == ("succeeded", 11, 6)
        assert story.known == (8 if name == "rejects/00000.jsonl" else 11)

    def test_between_parse_and_map(self) -> None:
        known = set()
        for name in Story().files_of_good():
            known.add(self.lost_at_work(Story(), name))
        assert {0, 11} < known

    def lost_at_work(self, story: Story, name: str) -> int:
        good = story.good
        run = story.both(lambda world: world.again(story.sync_id, CHANGED))

        def losing(world: Twin) -> None:
            key = f"runs/{good.account_id}/{good.id}/{name}"
            world.ports.runs = cast(Objects, _Losing(world.runs, key))

        story.both(losing)
        assert story.ended(run).counts.updated == 1, name
        return story.known


class _Losing:
    """A bucket that loses an object when another run's manifest is written."""

    def __init__(self, objects: Any, key: str) -> None:
        self._objects, self._key = objects, key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, key: str, data: bytes) -> None:
        self._objects.put(key, data)
        if key.endswith("manifest.json"):
            self._objects.delete([self._key])


class Bucket:
    """The bucket as one worker of map sees it: `blind`, it does not know what the others know; `after` comes after each write."""

    def __init__(self, objects: Objects, after: Callable[[str, bytes], object], *, blind: bool) -> None:
        self._objects, self._after, self._blind = objects, after, blind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def get(self, key: str) -> bytes:
        if self._blind and key.endswith("looked-at"):
            raise NotFound
        return self._objects.get(key)

    def put(self, key: str, data: bytes) -> None:
        self._objects.put(key, data)
        self._after(key, data)

    @contextmanager
    def writer(self, key: str) -> Iterator[io.BytesIO]:
        with io.BytesIO() as out:
            yield out
            self.put(key, out.getvalue())


class TestTwoWorkers:
    """A worker of map that was given up comes late, and has known other rows than the one that did its work."""

    @pytest.mark.parametrize("late_is_blind", [True, False])
    @pytest.mark.parametrize("stored", range(4))
    def test_rows_fit_their_index_however_much_of_the_late_one_is_stored(
        self, late_is_blind: bool, stored: int
    ) -> None:
        story = Story()
        run = story.both(lambda world: world.again(story.sync_id, CHANGED))
        chunk = Chunks(account_id=run.account_id, run_id=run.id, chunks=(0,))

        came: list[str] = []

        def with_a_late_one(world: Twin) -> None:
            written: list[tuple[str, bytes]] = []

            def late(key: str, _: bytes) -> None:
                if not key.endswith("rows/00000.json") or written:
                    return
                apart = MemoryObjects()
                for each in world.runs.keys(""):
                    apart.put(each, world.runs.get(each))
                mine = Bucket(apart, lambda *write: written.append(write), blind=late_is_blind)
                importing.map(chunk, control=world.control, runs=cast(Objects, mine), clock=world.clock)
                for each, data in written[:stored]:
                    world.runs.put(each, data)
                came.append(f"{len(written)} writes")

            world.ports.runs = cast(Objects, Bucket(world.runs, late, blind=not late_is_blind))

        story.both(with_a_late_one)
        run = story.ended(run)
        assert came == ["3 writes", "3 writes"], "rows, refused rows and index, in both worlds"
        assert (run.counts.updated, run.counts.unchanged) == (1, 11)
        of_the_late_one = 0 if stored < 3 else -3 if late_is_blind else 3
        assert story.known == (11 if late_is_blind else 0) + of_the_late_one

    def test_a_late_parse_that_finds_that_nothing_is_known_spoils_nothing(self) -> None:
        story = Story()
        run = story.both(lambda world: world.again(story.sync_id, CHANGED))

        def with_a_late_one(world: Twin) -> None:
            def late(key: str, _: bytes) -> None:
                if key.endswith("rows/00002.json"):
                    files = world.files(run)
                    files.save_manifest(files.manifest().model_copy(update={"known_by": ""}))

            world.ports.runs = cast(Objects, Bucket(world.runs, late, blind=False))

        story.both(with_a_late_one)
        assert story.ended(run).counts.unchanged == 11
        assert story.known == 8


class TestWhoIsLookedAt:
    """Rows are read that came before as well, where their contacts are not, or may not be, as they say."""

    def test_whom_somebody_has_edited(self) -> None:
        story = Story(options={"segments": ["vip"]})
        vip = Segment(id="vip", name="VIP", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
        story.both(lambda world: world.control.create_segment(world.account.account_id, vip))
        left, gone = story.id_of(1), story.id_of(2)
        story.both(lambda world: segmenting.leave(world.asked, world.caller, "vip", left, "leave"))
        story.both(
            lambda world: editing.delete_contact(world.asked, world.caller, gone, "gone", if_match=None)
        )
        story.edit(3, email="p3@example.org")
        run = story.again()
        assert (run.counts.updated, run.counts.skipped, run.counts.unchanged) == (2, 1, 9)
        assert story.known == 8
        assert story.worlds[0].stored()["p1@example.com"].segments == ("vip",)

    def test_whom_somebody_was_about_to_edit_when_the_good_run_began(self) -> None:
        story = Story()
        gone = story.id_of(2)
        story.both(
            lambda world: world.control.note_changes(
                world.account.account_id, "e1", world.clock.now(), contacts=[gone]
            )
        )
        story.both(lambda world: world.clock.advance(YOUNG - timedelta(seconds=1)))
        story.again(CHANGED)

        def late(world: Twin) -> None:
            account, at = world.account.account_id, world.clock.now().isoformat()
            contact = world.contacts.get(account, [gone])[gone]
            deleted = Tombstone(gone, contact.version + 1, at, "member:m1", contact.sources, 2**33)
            assert all(done for _, done in world.contacts.write(account, [Replace(deleted)]))

        story.both(late)
        run = story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert (run.counts.skipped, story.known) == (1, 10)

    def test_whom_another_sync_has_written_or_an_undo(self) -> None:
        story = Story()
        story.imported(HEADER + row(1, "Other One") + row(2))
        run = story.again()
        assert (story.known, run.counts.unchanged) == (10, 11)
        story.again("", undoes=run.id)
        again = story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert (story.known, again.counts.updated) == (10, 1)

    def test_nobody_whom_a_run_has_written_that_ended_before_the_good_one_began(self) -> None:
        story = Story()
        other = story.both(lambda world: world.request(HEADER + row(1, "Other One"), MAPPING, notify={}))
        story.execute(other)
        story.both(lambda world: world.clock.advance(YOUNG / 4))
        story.again()
        story.again(CHANGED.replace("Person 8", "Person Eight"))
        assert story.known == 11

    def test_whom_a_run_of_its_own_has_written_that_came_to_no_good_end(self) -> None:
        story = Story()
        text = TEXT.replace("Person 1", "Someone 1")
        run = story.both(lambda world: world.again(story.sync_id, text))
        story.overtaken(lambda world: deciding.cancel(world.asked, world.caller, run.id, {}))
        assert story.ended(run).status == "cancelled"
        story.again()
        assert story.known == PEOPLE - 4, "persons 1, 10, 11 and 5"

    @pytest.mark.parametrize("cancelled", [False, True], ids=["at work", "cancelled"])
    def test_whom_a_run_deletes_that_was_still_writing_when_the_good_one_ended(self, cancelled: bool) -> None:
        """One that was cancelled writes on until it looks at its record."""
        story = Story(unit=100)
        text = HEADER + "".join(LINES[1:])
        other = story.both(lambda world: world.request(text, MAPPING, notify={}, options=ALL))
        meanwhile = story.both(lambda world: world.again(story.sync_id, TEXT + ",,,\n"))

        def another_run(world: Twin) -> None:
            world.clock.advance(LATER)
            if cancelled:
                deciding.cancel(world.asked, world.caller, other.id, {})
            world.execute(meanwhile)
            assert world.run(meanwhile).counts.unchanged == PEOPLE
            world.clock.advance(LATER)

        story.overtaken(another_run)
        ended = story.ended(other)
        assert (ended.status, ended.counts.deleted) == ("cancelled" if cancelled else "succeeded", 1)
        assert story.good.id == meanwhile.id
        run = story.again(TEXT)
        assert (run.counts.skipped, run.counts.unchanged, story.known) == (1, 11, 11)

    @pytest.mark.parametrize("later", [timedelta(0), LATER - timedelta(seconds=1)], ids=["at once", "later"])
    def test_whom_a_worker_deletes_whose_run_has_been_closed(self, later: timedelta) -> None:
        """Nobody waits for the others when one of them sees that the run was cancelled."""
        story = Story(unit=100)
        text = HEADER + "".join(LINES[1:])
        other = story.both(lambda world: world.request(text, MAPPING, notify={}, options=ALL))
        meanwhile = story.both(lambda world: world.again(story.sync_id, TEXT + ",,,\n"))
        error = {"Error": "Cancelled", "Cause": "{}"}
        closing = {"account_id": other.account_id, "run_id": other.id, "error": error}

        def another_run(world: Twin) -> None:
            world.clock.advance(LATER)
            deciding.cancel(world.asked, world.caller, other.id, {})
            world.notify(Finishing.model_validate(closing))
            world.clock.advance(later)
            world.execute(meanwhile)
            assert world.run(meanwhile).counts.unchanged == PEOPLE

        story.overtaken(another_run)
        assert (story.ended(other).status, story.good.id) == ("cancelled", meanwhile.id)
        assert "p0@example.com" not in story.worlds[0].stored()
        run = story.again(TEXT)
        assert (run.counts.skipped, run.counts.unchanged, story.known) == (1, 11, 11)
        story.again(CHANGED + ",,,\n")
        assert story.known == 10
        story.both(lambda world: world.clock.advance(2 * LATER))
        story.again(TEXT)
        story.again(CHANGED)
        assert story.known == 10, "who was skipped is looked at"

    @pytest.mark.parametrize("lost", ["its record", "manifest.json", "plan/02.json", "plan/02.jsonl"])
    def test_everybody_where_a_run_has_written_of_which_something_is_lost(self, lost: str) -> None:
        story = Story()
        other = story.imported(TEXT.replace("Person", "Someone"))
        if lost == "its record":
            story.forget(other)
        else:
            story.lose(other, lost)
        story.again()
        assert story.known == 0

    def test_who_was_refused_skipped_or_superseded(self) -> None:
        text = HEADER + row(1, "An Earlier Row") + "".join(LINES) + row(30, email="p2@example.com")
        story = Story(text, identity=BY_NUMBER)
        gone = story.id_of(3)
        story.both(
            lambda world: editing.delete_contact(world.asked, world.caller, gone, "gone", if_match=None)
        )
        before = story.again(text)
        assert (before.counts.rejected, before.counts.skipped) == (1, 2)
        run = story.again(text.replace("Person 5", "Person Five"))
        assert (run.counts.rejected, run.counts.skipped, story.known) == (1, 2, 9)
        left = "".join(LINES[2:]).replace("Person 5", "Person Five")
        last = story.again(HEADER + row(1, "An Earlier Row") + left)
        assert last.counts.updated == 1, "the row that did not count does so alone"

    def test_whose_identity_has_been_changed_here(self) -> None:
        story = Story()
        story.edit(3, email="p3@example.org")
        text = TEXT + row(3, "Their New Row", email="p3@example.org")
        assert story.again(text).counts.skipped == 1
        run = story.again(text.replace("Person 5", "Person Five"))
        assert (run.counts.skipped, run.counts.unchanged, story.known) == (1, 11, 10)

    @pytest.mark.parametrize(
        ("identity", "edit", "new"),
        [
            ("email", {"email": "p3@example.org"}, row(3, "Their New Row", email="p3@example.org")),
            ("customer_number", {"customer_number": "33"}, row(33, "Their New Row", email="p3@example.com")),
        ],
    )
    def test_whom_the_row_names_by_an_earlier_identity(
        self, identity: str, edit: dict[str, str], new: str
    ) -> None:
        """A row with the present one may come, and this one then counts no more."""
        story = Story(identity={"field": identity})
        story.edit(3, **edit)
        assert story.again(TEXT).counts.unchanged == PEOPLE
        run = story.again(TEXT + new)
        assert (run.counts.skipped, story.known) == (1, 11)

    def test_whom_the_row_finds_by_an_identity_that_is_not_its_first(self) -> None:
        """It lies in another slot than the row says: what happens to it there does not tell of the row."""
        story = Story()
        first = story.id_of(3)
        story.edit(3, email="p3@example.org")
        text = HEADER + "".join(LINES).replace("p3@example.com", "p3@example.org")
        assert story.again(text).counts.unchanged == PEOPLE
        story.both(lambda world: editing.delete_contact(world.asked, world.caller, first, "d", if_match=None))
        run = story.again(text.replace("Person 5", "Person Five"))
        assert (run.counts.skipped, run.counts.updated, story.known) == (1, 1, 10)

    def test_whose_row_turned_out_otherwise_than_planned(self) -> None:
        """Of rows in several units that name one address the first to be written counts."""
        story = Story(identity=BY_NUMBER)
        text = TEXT + "".join(row(number, email="one@example.com") for number in range(20, 30))
        assert story.again(text).counts.rejected == 9
        assert [
            name for name in story.files_of_good() if name.endswith(".jsonl") and name.startswith("upsert")
        ]
        run = story.again(text.replace("Person 5", "Person Five"))
        assert (run.counts.rejected, run.counts.unchanged, story.known) == (9, 12, 12)

    @pytest.mark.parametrize("along", [1, 100], ids=["read along", "asked by key"])
    def test_who_has_another_address_than_the_row_names(
        self, along: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It stands in the way of another row, whoever reads it."""
        monkeypatch.setattr(reading, "SCAN_WORTH_ROWS", along)
        story = Story(identity=BY_NUMBER, unit=100)
        story.edit(2, email="else@example.com")
        assert story.again(TEXT).counts.unchanged == PEOPLE
        run = story.again(TEXT + row(30, email="p2@example.com"))
        assert (run.counts.rejected, run.counts.unchanged, story.known) == (1, PEOPLE, 11)

    def test_who_is_being_erased(self) -> None:
        story = Story()
        story.begin_to_erase(story.id_of(4))
        run = story.again()
        assert (run.counts.added, run.counts.updated, story.known) == (1, 1, 10)

    def test_but_nobody_is_named_by_that_when_the_run_has_ended(self) -> None:
        """An erasure does not find those in its files whom its file does not mention."""
        story = Story()
        story.edit(4, name="By Hand")
        run = story.again(CHANGED.replace(LINES[4], ""))
        [world, _] = story.worlds
        assert story.known == 10
        assert world.files(run).looked_at() == {""}

    def test_everybody_where_too_many_are_being_erased(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(changes, "CHANGED_MAX", 1)
        story = Story()
        story.begin_to_erase(story.id_of(4))
        story.begin_to_erase(story.id_of(6))
        run = story.again()
        assert (run.counts.added, run.counts.updated, story.known) == (2, 1, 0)

    def test_and_whoever_was_erased_stands_in_no_file_of_any_run(self) -> None:
        story = Story()
        gone = story.id_of(4)
        story.edit(4, name="By Hand")
        story.again()
        assert story.known == 10
        story.begin_to_erase(gone, stretches=30)
        for world in story.worlds:
            for key in world.runs.keys(""):
                assert gone.encode() not in world.runs.get(key), key

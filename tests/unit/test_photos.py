"""Pictures in a sync with an address book: what people on both sides see after a run."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from PIL import Image

from contactsync.connectors.memory import Habits, MemoryBook, MemoryConnector, Mishap
from contactsync.core.pictures import BYTES_MAX, PIXELS_MAX, name_of
from contactsync.journeys.book import picturing
from contactsync.journeys.book.album import Album
from contactsync.model.card import Card, Outcome
from contactsync.model.connection import Link, Shown, read_link
from tests.contract.cards import ADA
from tests.support.bookworld import BookWorld
from tests.support.portraits import encoded_anew, portrait

FACE, OTHER_FACE = portrait(1), portrait(2)


def blank(width: int, height: int) -> bytes:
    """A picture of one colour: few bytes, however large it is."""
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return out.getvalue()


@dataclass
class PhotoWorld(BookWorld):
    """Ada is in the book, and in the list once a sync has run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.card = self.book.add(ADA)

    @property
    def ada(self) -> str:
        [id_] = self.everybody()
        return id_

    @property
    def here(self) -> bytes | None:
        """The picture of the contact, byte for byte."""
        photo = self.contact(self.ada).fields.get("photo")
        return self.album.picture(self.ada, photo) if photo else None

    @property
    def there(self) -> bytes | None:
        """The picture of the card."""
        return self.book.picture_of(self.card)

    @property
    def album(self) -> Album:
        return Album(self.photos, self.account.account_id)

    def give(self, picture: bytes | None) -> None:
        """Somebody gives the contact another picture."""
        self.edit(self.ada, photo=self.album.keep(self.ada, picture) if picture else None)


class Overtaken(MemoryConnector):
    """A way into a book in which somebody does something just before the n-th request of a kind."""

    def __init__(self, book: MemoryBook, happens: Callable[[], object], method: str, nth: int) -> None:
        super().__init__(book)
        self._happens, self._method, self._left = happens, method, nth

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        self._overtaken("read")
        return super().read(ids)

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        self._overtaken("put_photo")
        return super().put_photo(card, picture)

    def _overtaken(self, method: str) -> None:
        self._left -= method == self._method
        if self._left == 0:
            self._left = -1
            self._happens()


@pytest.fixture
def world():
    return PhotoWorld()


def test_who_has_no_picture_at_hand_does_not_load_what_reads_them():
    names = (
        "api.app journeys.importing journeys.syncing journeys.account.exporting journeys.account.forgetting"
    )
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}.split(): importlib.import_module(f'contactsync.{{name}}')\n"
        "print('PIL' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_a_link_that_another_version_has_stored_is_read():
    link = Link("card", "contact", "v1", {"name": "Ada"}, {}, shown=Shown("token", name_of(FACE)))
    later = {**link.document(), "photo": "of the first version", "new": "of a later one"}
    assert read_link(later) == link
    assert read_link({**later, "shown": {**later["shown"], "new": 1}}) == link


class TestBothWays:
    def test_the_picture_of_a_new_card_comes_in_byte_for_byte(self, world):
        """Case 31."""
        world.book.picture(world.card, FACE)
        world.go(world.sync())
        assert world.here == FACE
        assert world.contact(world.ada).fields["photo"] == name_of(FACE)

    def test_the_picture_of_a_new_contact_goes_out_byte_for_byte(self, world):
        """Case 31."""
        world.book.remove(world.card)
        id_ = world.add(ADA)
        world.edit(id_, photo=world.album.keep(id_, FACE))
        sync = world.sync()
        run = world.go(sync)
        [card] = world.book.cards()
        assert world.book.picture_of(card) == FACE
        assert (run.pushed.added, run.pushed.updated) == (1, 0)
        assert world.go(sync).counts.updated == 0
        assert world.here == FACE

    def test_a_change_on_either_side_reaches_the_other(self, world):
        sync = world.sync()
        world.go(sync)
        world.book.picture(world.card, FACE)
        run = world.go(sync)
        assert (world.here, run.counts.updated) == (FACE, 1)
        world.give(OTHER_FACE)
        run = world.go(sync)
        assert (world.there, run.pushed.updated) == (OTHER_FACE, 1)
        assert world.go(sync).counts.updated == 0
        assert (world.here, world.there) == (OTHER_FACE, OTHER_FACE)

    def test_a_picture_that_is_taken_away_goes_on_the_other_side(self, world):
        world.book.picture(world.card, FACE)
        sync = world.sync()
        world.go(sync)
        world.book.picture(world.card, None)
        world.go(sync)
        assert "photo" not in world.contact(world.ada).fields
        world.give(FACE)
        world.go(sync)
        assert world.there == FACE
        world.give(None)
        world.go(sync)
        assert world.there is None

    def test_other_fields_change_without_a_look_at_the_picture(self, world):
        world.book.picture(world.card, FACE)
        sync = world.sync()
        world.go(sync)
        before = world.book.requests["photo"]
        world.book.edit(world.card, {**ADA, "job_title": "Dame"})
        world.edit(world.ada, nickname="A")
        world.go(sync)
        assert (world.here, world.there) == (FACE, FACE)
        assert world.book.requests["photo"] == before

    def test_our_own_picture_comes_back_as_none_and_then_all_is_quiet(self, world):
        """Case 6."""
        sync = world.sync()
        world.go(sync)
        world.give(FACE)
        world.go(sync)
        world.go(sync)
        before = world.book.requests.copy()
        assert world.go(sync).status == "unchanged"
        assert world.book.requests - before == {"pull": 1}

    def test_a_run_that_is_undone_gives_the_former_picture_back(self, world):
        world.book.picture(world.card, FACE)
        sync = world.sync()
        world.go(sync)
        world.book.picture(world.card, OTHER_FACE)
        run = world.go(sync)
        assert world.here == OTHER_FACE
        world.go(sync, undoes=run.id)
        assert world.here == FACE
        for _ in range(2):
            world.go(sync)
        assert (world.here, world.there) == (FACE, OTHER_FACE), "what the book has was not the run's doing"
        world.give(portrait(3))
        world.go(sync)
        assert world.there == portrait(3)

    @pytest.mark.parametrize("before", [None, OTHER_FACE], ids=["none", "another"])
    def test_a_run_that_is_undone_gives_the_card_its_former_picture_back(self, world, before):
        world.book.picture(world.card, before)
        sync = world.sync()
        world.go(sync)
        world.give(FACE)
        run = world.go(sync)
        assert world.there == FACE
        undoing = world.go(sync, undoes=run.id)
        assert undoing.pushed.updated == 1
        for _ in range(3):
            assert (world.here, world.there) == (FACE, before), (
                "who gave the contact its picture did not undo that"
            )
            assert world.go(sync).pushed.updated == 0

    def test_a_run_that_is_undone_gives_the_card_back_all_else_as_well(self, world):
        sync = world.sync()
        world.go(sync)
        world.edit(world.ada, notes="After")
        world.give(FACE)
        run = world.go(sync)
        assert (world.there, world.book.cards()[world.card].fields["notes"]) == (FACE, "After")
        world.go(sync, undoes=run.id)
        assert (world.there, world.book.cards()[world.card].fields.get("notes")) == (None, ADA.get("notes"))

    def test_undo_leaves_a_picture_alone_that_somebody_has_changed_since(self, world):
        sync = world.sync()
        world.go(sync)
        world.give(FACE)
        run = world.go(sync)
        world.book.picture(world.card, OTHER_FACE)
        world.go(sync, undoes=run.id)
        assert world.there == OTHER_FACE

    def test_what_lost_against_the_rule_is_put_back_by_undo(self, world):
        sync = world.sync(conflict="hub")
        world.go(sync)
        world.give(FACE)
        world.book.picture(world.card, OTHER_FACE)
        run = world.go(sync)
        assert world.there == FACE
        world.go(sync, undoes=run.id)
        assert world.there == OTHER_FACE

    def test_both_have_changed_it_and_the_rule_decides(self, world):
        for conflict, kept in (("remote", OTHER_FACE), ("hub", FACE)):
            world = PhotoWorld()
            sync = world.sync(conflict=conflict)
            world.book.picture(world.card, portrait(3))
            world.go(sync)
            world.give(FACE)
            world.book.picture(world.card, OTHER_FACE)
            world.go(sync)
            assert (world.here, world.there) == (kept, kept), conflict

    def test_an_address_of_the_web_stays_the_contact_s_and_is_not_looked_up(self, world):
        world.book.picture(world.card, FACE)
        sync = world.sync()
        world.go(sync)
        world.edit(world.ada, photo="https://example.com/ada.jpg")
        world.go(sync)
        assert world.contact(world.ada).fields["photo"] == "https://example.com/ada.jpg"
        assert world.there == FACE


class TestSizes:
    """Case 31: never a smaller one over a larger."""

    def test_a_smaller_copy_of_ours_is_no_change(self, world):
        sync = world.sync()
        world.go(sync)
        world.give(FACE)
        world.go(sync)
        world.book.picture(world.card, encoded_anew(FACE))
        world.go(sync)
        assert world.here == FACE
        world.book.touch(world.card)
        before = world.book.requests["photo"]
        world.go(sync)
        assert world.book.requests["photo"] == before, "it was looked at once"

    def test_a_larger_copy_is_a_better_one(self, world):
        world.book.picture(world.card, encoded_anew(FACE))
        sync = world.sync()
        world.go(sync)
        world.book.picture(world.card, FACE)
        world.go(sync)
        assert world.here == FACE

    @pytest.mark.parametrize("conflict", ["remote", "hub"])
    def test_where_both_have_one_on_first_contact_the_larger_stays(self, conflict):
        for here, there in ((portrait(1, edge=200), OTHER_FACE), (FACE, portrait(2, edge=200))):
            world = PhotoWorld()
            id_ = world.add(ADA)
            world.edit(id_, photo=world.album.keep(id_, here))
            world.book.picture(world.card, there)
            world.go(world.sync(conflict=conflict))
            larger = max(here, there, key=len)
            assert (world.here, world.there) == (larger, larger)

    def test_where_nothing_comes_in_a_larger_one_is_left_alone(self, world):
        id_ = world.add(ADA)
        world.edit(id_, photo=world.album.keep(id_, FACE))
        large = portrait(2, edge=200)
        world.book.picture(world.card, large)
        sync = world.sync(direction="push")
        for _ in range(2):
            world.go(sync)
            assert (world.here, world.there) == (FACE, large)
        world.give(portrait(3))
        world.go(sync)
        assert world.there == portrait(3), "an edit is meant"

    def test_a_provider_that_encodes_anew_does_not_wear_the_original_down(self):
        world = PhotoWorld(habits=Habits(encodes=encoded_anew))
        sync = world.sync()
        world.go(sync)
        world.give(FACE)
        for _ in range(3):
            world.go(sync)
            world.book.touch(world.card)
        assert world.here == FACE
        assert world.there == encoded_anew(FACE)

    @pytest.mark.parametrize(
        "picture",
        [
            b"GIF89a" + b"x" * 90,
            b"\x89PNG\r\n\x1a\n",
            FACE[: len(FACE) // 2],
            FACE + b"\0" * BYTES_MAX,
            blank(8_000, PIXELS_MAX // 8_000 + 1),
            blank(20_000, PIXELS_MAX // 4_000),
        ],
        ids=["of another kind", "broken", "cut short", "too large", "unpacks to too much", "a bomb"],
    )
    def test_what_is_no_picture_for_us_stays_where_it_is(self, world, picture):
        world.book.picture(world.card, picture)
        sync = world.sync()
        run = world.go(sync)
        assert [warning.code for warning in run.warnings] == ["photo_not_taken"]
        assert (world.here, world.there) == (None, picture)
        world.book.touch(world.card)
        assert not world.go(sync).warnings, "it was said once"


class TestWhatIsAskedFor:
    def test_once_for_contacts_that_the_sync_makes(self, world):
        world.book.picture(world.card, FACE)
        sync = world.sync(limits={"photos": "new"}, direction="pull")
        world.go(sync)
        assert world.here == FACE
        world.book.picture(world.card, OTHER_FACE)
        world.go(sync)
        assert world.here == FACE

    def test_once_is_not_for_contacts_that_were_here(self, world):
        world.add(ADA)
        world.book.picture(world.card, FACE)
        world.go(world.sync(limits={"photos": "new"}, direction="pull"))
        assert world.here is None

    def test_none_at_all(self, world):
        world.book.picture(world.card, FACE)
        sync = world.sync(limits={"photos": "none"})
        world.go(sync)
        assert world.here is None
        assert world.book.requests["photo"] == 0

    def test_asked_for_later_they_come(self, world):
        world.book.picture(world.card, FACE)
        world.go(world.sync(limits={"photos": "none"}))
        world.go(world.sync())
        assert world.here == FACE

    @pytest.mark.parametrize(("direction", "here", "there"), [("pull", FACE, FACE), ("push", None, FACE)])
    def test_one_way_only(self, direction, here, there):
        world = PhotoWorld()
        world.add(ADA)
        sync = world.sync(direction=direction)
        world.go(sync)
        world.book.picture(world.card, FACE)
        world.go(sync)
        assert (world.here, world.there) == (here, there)

    def test_a_book_without_pictures_is_not_asked_for_any(self):
        world = PhotoWorld(habits=Habits(photos=False))
        sync = world.sync()
        world.go(sync)
        world.give(FACE)
        world.go(sync)
        assert not {"photo", "put_photo"} & world.book.requests.keys()

    def test_more_than_a_run_carries_wait_for_the_next(self, world, monkeypatch):
        monkeypatch.setattr(picturing, "PHOTOS_A_RUN", 2)
        world.book.picture(world.card, FACE)
        cards = {world.card}
        for number in range(4):
            cards.add(
                world.book.add({"name": f"P {number}", "emails": [{"value": f"p{number}@example.com"}]})
            )
        for card in cards:
            world.book.picture(card, FACE)
        sync = world.sync()
        assert [warning.code for warning in world.go(sync).warnings] == ["photos_wait"]
        for _ in range(2):
            world.go(sync)
        assert [fields.get("photo") for fields in world.everybody().values()] == [name_of(FACE)] * 5


class TestListsThatDoNotTell:
    """Case 33."""

    @pytest.fixture
    def world(self):
        world = PhotoWorld(habits=Habits(lists_photos=False))
        world.book.picture(world.card, FACE)
        return world

    def test_the_first_run_asks_and_so_does_each_for_the_cards_that_changed(self, world):
        sync = world.sync()
        world.go(sync)
        assert world.here == FACE
        world.book.picture(world.card, OTHER_FACE)
        world.book.edit(world.card, {**ADA, "job_title": "Dame"})
        world.go(sync)
        assert world.here == OTHER_FACE

    def test_a_picture_that_changes_alone_is_found_within_a_day(self, world):
        sync = world.sync()
        world.go(sync)
        world.book.picture(world.card, OTHER_FACE)
        world.go(sync)
        assert world.here == FACE, "no run looks at pictures more often"
        world.clock.advance(timedelta(days=1))
        world.go(sync)
        assert world.here == OTHER_FACE

    def test_an_idle_sync_asks_for_the_list_and_no_more_than_once_a_day_for_pictures(self, world):
        sync = world.sync()
        world.go(sync)
        world.go(sync)
        world.clock.advance(timedelta(days=1))
        looked = []
        for _ in range(4):
            before = world.book.requests.copy()
            assert world.go(sync).counts.updated == 0
            looked.append(dict(world.book.requests - before))
        assert looked == [{"pull": 1, "read": 1}, *[{"pull": 1}] * 3]

    def test_a_large_book_is_gone_round_in_several_days(self, world, monkeypatch):
        monkeypatch.setattr("contactsync.journeys.book.gathering.LOOKED_AT_ONCE", 2)
        cards = [
            world.book.add({"name": f"P {n}", "emails": [{"value": f"p{n}@example.com"}]}) for n in range(4)
        ]
        sync = world.sync()
        world.go(sync)
        for card in cards:
            world.book.picture(card, FACE)
        for _ in range(3):
            world.clock.advance(timedelta(days=1))
            world.go(sync)
        assert [fields.get("photo") for fields in world.everybody().values()] == [name_of(FACE)] * 5


class TestMishaps:
    @pytest.mark.parametrize("mishap", Mishap, ids=lambda mishap: mishap.name)
    @pytest.mark.parametrize("encodes", [bytes, encoded_anew], ids=["as it came", "encoded anew"])
    def test_whatever_becomes_of_the_answer_the_picture_is_there_and_ours_is_whole(self, mishap, encodes):
        world = PhotoWorld(habits=Habits(encodes=encodes))
        sync = world.sync()
        world.go(sync)
        world.go(sync)
        world.give(FACE)
        world.book.mishaps.append(mishap)
        for _ in range(2):
            assert world.go(sync).status in ("succeeded", "unchanged")
        assert (world.here, world.there) == (FACE, encodes(FACE))

    @pytest.mark.parametrize(("method", "nth"), [("read", 1), ("read", 2), ("put_photo", 1)])
    def test_a_picture_that_was_changed_there_meanwhile_is_not_overwritten(self, world, method, nth):
        sync = world.sync(conflict="remote")
        world.go(sync)
        world.give(FACE)
        way = Overtaken(world.book, lambda: world.book.picture(world.card, OTHER_FACE), method, nth)
        world.connect = lambda _: way
        world.go(sync)
        assert world.there == OTHER_FACE
        world.connect = None
        world.go(sync)
        assert (world.here, world.there) == (OTHER_FACE, OTHER_FACE)

    @pytest.mark.parametrize("conflict", ["remote", "hub", "newest"])
    def test_what_is_edited_there_before_the_picture_comes_is_not_lost(self, conflict):
        """The list does not show the edit yet, and the card that the picture is put on has it."""
        world = PhotoWorld(habits=Habits(shows_after=timedelta(minutes=15)))
        world.clock.advance(timedelta(hours=1))
        sync = world.sync(conflict=conflict)
        for _ in range(2):
            world.go(sync)
        world.book.edit(world.card, {**world.book.cards()[world.card].fields, "notes": "Met in Turin"})
        world.give(FACE)
        for _ in range(4):
            world.go(sync)
        assert world.there == FACE
        for fields in (world.contact(world.ada).fields, world.book.cards()[world.card].fields):
            assert fields.get("notes") == "Met in Turin"
        assert world.go(sync).status == "unchanged"

    def test_a_picture_that_found_no_card_any_more_is_an_edit_that_beats_the_deletion(self):
        """The list does not show the deletion yet when the picture is to go out."""
        world = PhotoWorld(habits=Habits(shows_after=timedelta(minutes=15)))
        world.clock.advance(timedelta(hours=1))
        sync = world.sync()
        for _ in range(2):
            world.go(sync)
        world.book.remove(world.card)
        world.give(FACE)
        for _ in range(5):
            world.go(sync)
        [world.card] = world.book.cards()
        assert (world.here, world.there) == (FACE, FACE)
        assert world.go(sync).status == "unchanged"

"""The shared hub's mark on pictures: who has a contact ticked sees it in their book, and it never gets into the hub."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from datetime import timedelta

import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from contactsync.connectors.memory import ALL, Habits, Mishap
from contactsync.core.pictures import digest_of, is_copy, is_marked, marked
from contactsync.journeys.book.album import Album
from tests.contract.cards import ADA
from tests.support.hubworld import HubWorld, Member
from tests.support.portraits import cropped, encoded_anew, portrait

FACE, OTHER_FACE = portrait(1, edge=240), portrait(2, edge=240)
MISHAPS = [None, *Mishap]


@dataclass
class MarkWorld(HubWorld):
    """Anna has donated Ada. Ben has not ticked her."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.anna.book.add(ADA)

    @property
    def ada(self) -> str:
        return self.ids()[ADA["name"]]

    @property
    def album(self) -> Album:
        return Album(self.photos, self.account.account_id)

    @property
    def here(self) -> bytes | None:
        """The contact's own picture."""
        photo = self.contact(self.ada).fields.get("photo")
        return self.album.picture(self.ada, photo) if photo else None

    def give(self, picture: bytes | None) -> None:
        self.edit(self.ada, photo=self.album.keep(self.ada, picture) if picture else None)


def seen(member: Member) -> bytes | None:
    """The picture that a member sees of Ada."""
    card = member.named(ADA["name"])
    assert card is not None
    return member.book.picture_of(card)


def put(member: Member, picture: bytes | None) -> None:
    """A member gives their card of Ada another picture."""
    card = member.named(ADA["name"])
    assert card is not None
    member.book.picture(card, picture)


@pytest.fixture(params=[bytes, encoded_anew], ids=["kept as it came", "encoded anew"])
def encodes(request):
    return request.param


@pytest.fixture
def world(encodes):
    world = MarkWorld(habits=Habits(encodes=encodes))
    put(world.anna, FACE)
    world.settle()
    return world


def test_a_donated_picture_is_kept_as_it_came_and_shown_with_the_mark(world, encodes):
    assert world.here == FACE
    assert seen(world.anna) == encodes(marked(FACE))


def test_who_ticks_sees_the_mark_on_the_picture(world, encodes):
    world.ben.tick(world.ada)
    world.settle()
    assert seen(world.ben) == encodes(marked(FACE))
    assert world.here == FACE


def test_without_a_picture_one_is_made_up_to_bear_the_mark(encodes):
    world = MarkWorld(habits=Habits(encodes=encodes))
    world.settle()
    assert seen(world.anna) == encodes(marked(None))
    assert world.here is None
    world.anna.untick(world.ada)
    world.settle()
    assert seen(world.anna) is None
    assert world.here is None


def test_unticking_gives_the_original_back(world, encodes):
    """Case 32."""
    world.ben.tick(world.ada)
    world.settle()
    world.ben.untick(world.ada)
    world.settle()
    assert seen(world.ben) == encodes(FACE)
    assert is_marked(seen(world.anna) or b"") is (encodes is bytes), "hers stays as it was"
    world.ben.tick(world.ada)
    world.settle()
    assert seen(world.ben) == encodes(marked(FACE))
    assert world.here == FACE


def test_the_marked_picture_is_never_read_back(world):
    """Case 32. Neither when the card changes, nor when the provider calls it something else, nor when all is read anew."""
    world.ben.tick(world.ada)
    world.settle()
    for member in world.members.values():
        member.edit(ADA["name"], job_title=f"Seen by {member.id}")
        put(member, seen(member))
        member.book.expire_cursors()
    world.settle()
    assert world.here == FACE


def test_it_is_not_read_back_where_a_provider_encodes_it_again_later(world):
    """Case 32."""
    put(world.anna, encoded_anew(seen(world.anna) or b"", edge=64, quality=50))
    world.settle()
    assert world.here == FACE


def test_it_is_known_by_what_the_provider_gives_of_it_even_where_that_is_a_part_only():
    """Case 32."""
    world = MarkWorld(habits=Habits(encodes=cropped))
    put(world.anna, FACE)
    world.settle()
    shown = seen(world.anna)
    assert shown == cropped(marked(FACE))
    put(world.anna, shown)
    world.settle()
    assert world.here == FACE


@pytest.mark.parametrize("mishap", [Mishap.LOST, Mishap.BUSY_AFTER], ids=lambda mishap: mishap.name)
def test_a_made_up_one_is_ours_though_the_answer_was_lost(encodes, mishap):
    """Case 32: it was announced before it was put there."""
    world = MarkWorld(habits=Habits(encodes=encodes))
    world.settle()
    world.ben.book.mishaps.extend([None, mishap])
    world.ben.tick(world.ada)
    world.settle()
    assert world.here is None
    assert seen(world.ben) == encodes(marked(None))


def test_a_marked_picture_that_somebody_has_taken_elsewhere_is_no_picture(world):
    """Case 32. Ben has copied Ada's card, picture and all, into a group that another sync of his keeps in step."""
    other = world.sync(source={"kind": "connection", "connection_id": "n2", "group": ALL})
    world.ben.book.picture(
        world.ben.book.add({"name": "Copy", "emails": [{"value": "c@example.com"}]}), marked(FACE)
    )
    world.go(other)
    assert all("photo" not in fields for fields in world.everybody().values() if fields["name"] == "Copy")


def test_a_member_s_new_picture_goes_to_the_hub_and_to_everybody_under_the_mark(world, encodes):
    world.ben.tick(world.ada)
    world.settle()
    put(world.ben, OTHER_FACE)
    world.settle()
    assert world.here == OTHER_FACE
    assert [seen(member) for member in world.members.values()] == [encodes(marked(OTHER_FACE))] * 2


def test_the_hub_s_new_picture_goes_to_everybody_under_the_mark(world, encodes):
    world.give(OTHER_FACE)
    world.settle()
    assert seen(world.anna) == encodes(marked(OTHER_FACE))
    world.give(None)
    world.settle()
    assert seen(world.anna) == encodes(marked(None))
    assert world.here is None


def test_who_takes_the_marked_picture_away_takes_it_from_nobody(world, encodes):
    put(world.anna, None)
    world.settle()
    assert world.here == FACE
    assert seen(world.anna) == encodes(marked(FACE))


def test_a_contact_that_is_taken_back_leaves_the_original_in_the_books(world, encodes):
    world.ben.tick(world.ada)
    world.settle()
    world.remove(world.ada)
    world.settle()
    assert [seen(member) for member in world.members.values()] == [encodes(FACE)] * 2


def test_many_who_are_deleted_here_ask_nobody_and_no_card_keeps_the_mark(world):
    """The hub deletes nobody's cards, so there is nothing that somebody could reject."""
    for number in range(20):
        world.anna.book.add({"name": f"Person {number}", "emails": [{"value": f"p{number}@example.com"}]})
    world.settle()
    for contact in world.everybody():
        world.remove(contact)
    world.settle()
    shown = [world.anna.book.picture_of(card) for card in world.anna.book.cards()]
    assert len(shown) == 21
    assert not any(is_marked(picture) for picture in shown if picture)


def test_a_card_that_is_pushed_back_out_bears_the_mark(world, encodes):
    world.ben.tick(world.ada)
    world.settle()
    world.ben.delete(ADA["name"])
    world.settle()
    assert seen(world.ben) == encodes(marked(FACE))


def test_a_run_that_is_undone_gives_the_former_picture_back_under_the_mark(world, encodes):
    put(world.anna, OTHER_FACE)
    run = world.anna.go()
    assert world.here == OTHER_FACE
    world.go(world.anna.sync, undoes=run.id)
    world.settle()
    assert world.here == FACE
    assert seen(world.anna) == encodes(marked(FACE))


def test_what_we_cannot_keep_is_not_covered(encodes):
    world = MarkWorld(habits=Habits(encodes=encodes))
    odd = b"GIF89a" + b"x" * 90
    put(world.anna, odd)
    world.settle()
    world.anna.edit(ADA["name"], job_title="Dame")
    world.settle()
    assert seen(world.anna) == odd


def test_a_book_without_pictures_is_left_alone():
    world = MarkWorld(habits=Habits(photos=False))
    world.settle()
    assert not {"photo", "put_photo"} & world.anna.book.requests.keys()


def test_all_is_quiet_afterwards(world):
    for member in world.members.values():
        assert member.go().status == "unchanged"
        before = member.book.requests.copy()
        assert member.go().status == "unchanged"
        assert member.book.requests - before == {"pull": 1}


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.name if mishap else "none")
@pytest.mark.parametrize("unticks", [False, True], ids=["ticked", "unticked"])
def test_whatever_becomes_of_an_answer_the_mark_comes_and_goes_and_the_original_stays(
    world, encodes, mishap, unticks
):
    """Case 32."""
    world.ben.tick(world.ada)
    if unticks:
        world.settle()
        world.ben.untick(world.ada)
    world.ben.book.mishaps.append(mishap)
    world.settle()
    world.clock.advance(timedelta(hours=1))
    world.settle()
    assert world.here == FACE
    assert seen(world.ben) == encodes(FACE if unticks else marked(FACE))


def exif(*entries: tuple[int, int, int]) -> bytes:
    """What a camera says of its picture: tags, their types, their values."""
    told = b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries)) + told + bytes(4)


def photograph(exif: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(FACE)) as image:
        image.save(out, "JPEG", exif=exif)
    return out.getvalue()


class TestTheMark:
    def test_is_the_same_each_time(self):
        assert digest_of(marked(FACE)) == digest_of(marked(FACE))
        assert digest_of(marked(None)) == digest_of(marked(None))

    @pytest.mark.parametrize("edge", [1, 30, 1500])
    def test_fits_on_any_picture(self, edge):
        picture = portrait(1, edge=edge)
        with Image.open(io.BytesIO(marked(picture))) as image:
            assert max(image.size) == min(edge, 720)

    def test_leaves_the_picture_to_be_seen(self):
        large = portrait(1, edge=700)
        with Image.open(io.BytesIO(marked(large))) as image:
            upper = image.crop((0, 0, 700, 500))
            out = io.BytesIO()
            upper.save(out, "PNG")
        with Image.open(io.BytesIO(large)) as image:
            same = io.BytesIO()
            image.crop((0, 0, 700, 500)).save(same, "PNG")
        assert is_copy(out.getvalue(), same.getvalue())

    @pytest.mark.parametrize("orientation", range(10))
    def test_is_upright_on_a_picture_that_was_taken_otherwise(self, orientation):
        taken = photograph(exif((0x0112, 3, orientation << 16)))
        with Image.open(io.BytesIO(taken)) as image:
            upright = io.BytesIO()
            ImageOps.exif_transpose(image).save(upright, "PNG")
        assert is_copy(marked(taken), marked(upright.getvalue()))
        assert is_copy(taken, upright.getvalue())

    def test_fits_on_a_picture_in_whose_exif_something_is_odd(self):
        """Cameras and programs write there what they like. A run that met such a picture failed, each time."""
        odd = exif((0x0112, 3, 6 << 16), (0xA005, 1, 0))
        assert is_copy(marked(photograph(odd)), marked(photograph(exif((0x0112, 3, 6 << 16)))))

    @pytest.mark.parametrize("told", ["\nexif\n10\nno hex", "\nexif\n10\n4d4d002a"], ids=["no hex", "cut"])
    def test_fits_on_a_picture_whose_exif_is_damaged(self, told):
        """As ImageMagick keeps it in a PNG."""
        out, kept = io.BytesIO(), PngInfo()
        kept.add_text("Raw profile type exif", told)
        with Image.open(io.BytesIO(FACE)) as image:
            image.save(out, "PNG", pnginfo=kept)
        assert is_copy(marked(out.getvalue()), marked(FACE))

    def test_transparent_pictures_stand_on_white(self):
        out = io.BytesIO()
        Image.new("RGBA", (80, 80), (0, 0, 0, 0)).save(out, "PNG")
        with Image.open(io.BytesIO(marked(out.getvalue()))) as image:
            assert image.getpixel((5, 5)) == (255, 255, 255)

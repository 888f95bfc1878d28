"""Where pictures lie, who is shown them, and when they go."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contactsync.adapters.memory import MemoryShares
from contactsync.core.exporting import card
from contactsync.core.pictures import name_of
from contactsync.core.vcard import read_cards
from contactsync.core.vcard.reading import Found
from contactsync.journeys.account import forgetting
from contactsync.journeys.book.album import FORMER, KEPT, Album
from tests.support.portraits import portrait
from tests.unit.test_erasing import finish
from tests.unit.test_forgetting import nights

if TYPE_CHECKING:
    from tests.support.calling import ApiWorld, Client

FACE, OTHER_FACE = portrait(1), portrait(2, kind="JPEG")


@pytest.fixture
def album(world: ApiWorld, api: Client) -> Album:
    return Album(world.photos, api.account.account_id)


@pytest.fixture
def ada(api: Client, album: Album) -> str:
    """A contact with a picture, and a former one."""
    id_: str = api.post("/contacts", {"fields": {"email": "ada@example.com"}}).json["id"]
    for picture in (OTHER_FACE, FACE):
        told = api.patch(f"/contacts/{id_}", {"fields": {"photo": album.keep(id_, picture)}})
        assert told.status == 200, told.text
    return id_


def folders(world: ApiWorld) -> dict[str, list[bytes]]:
    """The pictures in each folder."""
    return {folder: [world.photos.get(key) for key in world.photos.keys(folder)] for folder in (KEPT, FORMER)}


def a_week(world: ApiWorld) -> None:
    """Seven nights, in one of which the account's pictures are tidied up."""
    for _ in range(7):
        world.clock.advance(timedelta(days=1))
        nights(world)


class TestWhoIsShownThem:
    def test_the_api_says_where_a_picture_lies(self, api: Client, ada: str):
        told = api.get(f"/contacts/{ada}/photo")
        assert told.status == 303
        assert name_of(FACE).rpartition(";")[2] in told.headers["location"]

    @pytest.mark.parametrize("photo", [None, "https://example.com/a.png", name_of(b"never seen")])
    def test_without_one_of_ours_there_is_none(self, api: Client, ada: str, photo: str | None):
        assert api.patch(f"/contacts/{ada}", {"fields": {"photo": photo}}).status == 200
        assert api.get(f"/contacts/{ada}/photo").status == 404

    def test_another_contact_s_picture_is_not_shown_by_its_name(self, api: Client, ada: str):
        other = api.post("/contacts", {"fields": {"email": "b@example.com", "photo": name_of(FACE)}}).json[
            "id"
        ]
        assert api.get(f"/contacts/{ada}/photo").status == 303
        assert api.get(f"/contacts/{other}/photo").status == 404

    def test_a_card_takes_it_along(self, world: ApiWorld, api: Client, ada: str):
        contact = world.contacts.get(api.account.account_id, [ada])[ada]
        [found] = read_cards([card(contact, {}, "NL", OTHER_FACE).encode()])
        assert isinstance(found, Found)
        [photo] = found.card.all("PHOTO")
        assert photo.value.startswith("data:image/jpeg;base64,")
        [bare] = read_cards([card(contact, {}, "NL").encode()])
        assert isinstance(bare, Found)
        assert not list(bare.card.all("PHOTO"))


class TestWhenTheyGo:
    @pytest.fixture(autouse=True, params=[forgetting.PHOTOS_A_STRETCH, 1])
    def at_a_time(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forgetting, "PHOTOS_A_STRETCH", request.param)

    def test_what_a_contact_has_no_more_is_set_apart_within_a_week(
        self, world: ApiWorld, ada: str, album: Album
    ):
        a_week(world)
        assert folders(world) == {KEPT: [FACE], FORMER: [OTHER_FACE]}
        assert album.picture(ada, name_of(OTHER_FACE)) == OTHER_FACE, "a run that took it away can be undone"

    def test_what_a_contact_has_again_comes_back(self, world: ApiWorld, api: Client, ada: str):
        a_week(world)
        api.patch(f"/contacts/{ada}", {"fields": {"photo": name_of(OTHER_FACE)}})
        a_week(world)
        assert folders(world) == {KEPT: [OTHER_FACE], FORMER: [FACE]}

    def test_of_a_contact_that_was_deleted_all_are_set_apart(self, world: ApiWorld, api: Client, ada: str):
        api.delete(f"/contacts/{ada}")
        a_week(world)
        found = folders(world)
        assert (found[KEPT], sorted(found[FORMER])) == ([], sorted([FACE, OTHER_FACE]))

    def test_who_is_forgotten_leaves_none(self, world: ApiWorld, api: Client, ada: str, album: Album):
        a_week(world)
        other = api.post("/contacts", {"fields": {"email": "b@example.com"}}).json["id"]
        album.keep(other, FACE)
        erasure = api.post("/erasures", {"contact_id": ada}).json
        finish(world, api.account.account_id, erasure["id"])
        assert folders(world) == {KEPT: [FACE], FORMER: []}

    def test_an_account_that_is_forgotten_leaves_none(self, world: ApiWorld, api: Client, ada: str):
        a_week(world)
        Album(world.photos, "a-other").keep(ada, FACE)
        forgetting.close_account(world.control, MemoryShares(), api.account.account_id, world.clock.now())
        world.clock.advance(forgetting.GRACE)
        a_week(world)
        assert [key.split("/")[1] for key in world.photos.keys("")] == ["a-other"]

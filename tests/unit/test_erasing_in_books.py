"""Who was erased stays out, though their card stays in a member's book: their own doing brings them back, and nobody else."""

from __future__ import annotations

import pytest

from tests.contract.cards import ADA
from tests.unit.test_erasing import erased

MARKS = ("ada@example.com", "Lovelace", "Countess", "7946 0018")


@pytest.fixture
def world(book_world):
    return book_world


@pytest.fixture
def sync(world):
    world.card = world.book.add(ADA)
    world.book.add({"name": "Bob Kahn", "emails": [{"value": "bob@example.com"}]})
    sync = world.sync()
    world.go(sync)
    return sync


def kept_of_books(world):
    """All that is remembered of the book, and what its runs have left."""
    records = world.records.page(f"{world.account.account_id}#n1", "", limit=1000).records
    files = [world.runs.get(key).decode() for key in world.runs.keys("runs/")]
    return "\n".join([*map(str, records), *files])


def forget(world, api):
    erased(world, api, email="ada@example.com")
    assert [mark for mark in MARKS if mark in kept_of_books(world)] == []


@pytest.mark.parametrize("happens", ["nothing", "full", "edited", "renamed"])
def test_who_was_erased_does_not_come_back_from_a_book(world, api, sync, happens):
    forget(world, api)
    match happens:
        case "full":
            world.book.expire_cursors()
        case "edited":
            world.book.edit(world.card, {**ADA, "notes": "Edited"})
        case "renamed":
            world.card = world.book.rename(world.card)
            world.book.expire_cursors()
    told = [world.go(sync) for _ in range(2)]
    assert [fields["name"] for fields in world.everybody().values()] == ["Bob Kahn"]
    assert world.card in world.book.cards(), "the card is the member's"
    assert len(world.book.cards()) == 2
    if happens in ("full", "renamed"):
        assert "erased" in {warning.code for run in told for warning in run.warnings}
    assert [mark for mark in MARKS if mark in kept_of_books(world)] == []


def test_nor_by_another_sync_with_the_same_book(world, api, sync):
    forget(world, api)
    other = world.sync(direction="pull")
    world.go(other)
    assert len(world.everybody()) == 1


@pytest.mark.parametrize("direction", ["both", "pull"])
@pytest.mark.parametrize("full", [False, True])
def test_who_is_added_again_by_hand_follows_their_card_again(world, api, sync, full, direction):
    world.control.update_sync(
        world.account.account_id, sync, lambda read: read.value.model_copy(update={"direction": direction})
    )
    forget(world, api)
    world.go(sync)
    if full:
        world.book.expire_cursors()
    contact = world.add({"name": "Ada Lovelace", "emails": [{"value": "ada@example.com"}]})
    for _ in range(2):
        world.go(sync)
        assert len(world.book.cards()) == 2
    assert world.links()[contact].id == world.card
    world.book.edit(world.card, {**ADA, "notes": "Edited"})
    world.go(sync)
    assert world.contact(contact).fields["notes"] == "Edited"


def test_whose_contact_was_deleted_before_does_not_come_back_either(world, api):
    """What was remembered of the card, so that it is not brought in again, held the person, too."""
    world.card = world.book.add(ADA)
    sync = world.sync(direction="pull")
    world.go(sync)
    world.remove(world.id_of("ada@example.com"))
    world.go(sync)
    forget(world, api)
    world.book.expire_cursors()
    world.go(sync)
    assert not world.everybody()


def test_whose_card_waits_for_somebody_to_say_who_it_is_stays_out(world, api):
    for n in range(2):
        emails = [{"value": f"{n}@one.example"}]
        world.add({"name": "Ada Lovelace", "emails": emails, "organization": "Engines"})
    world.card = world.book.add({**ADA, "organization": "Engines"})
    sync = world.sync()
    world.go(sync)
    assert len(world.control.reviews(world.account.account_id, "n1")) == 1
    erased(world, api, email="ada@example.com")
    world.book.expire_cursors()
    world.go(sync)
    assert len(world.everybody()) == 2
    assert len(world.book.cards()) == 3, "who may have been theirs have cards of their own now"


def test_whoever_shares_an_address_with_them_stays_in_step(world, api):
    home = [{"value": "home@example.com"}]
    world.book.add({"name": "William King", "emails": home})
    world.book.add({"name": "Ada Lovelace", "emails": home})
    sync = world.sync()
    world.go(sync)
    ada = next(id_ for id_, fields in world.everybody().items() if fields["name"] == "Ada Lovelace")
    erased(world, api, contact_id=ada)
    [(william, fields)] = world.everybody().items()
    assert fields["name"] == "William King"
    world.edit(william, notes="Edited")
    world.go(sync)
    assert world.book.cards()[world.links()[william].id].fields["notes"] == "Edited"


def test_whose_address_is_longer_is_asked_about_as_before(world, api):
    for n in range(2):
        emails = [{"value": f"{n}@one.example"}]
        world.add({"name": "Grada King", "emails": emails, "organization": "Engines"})
    for address in ("grada@example.com", "ada@example.com.au"):
        emails = [{"value": address}]
        world.book.add({"name": "Grada King", "emails": emails, "organization": "Engines"})
    world.book.add(ADA)
    world.go(world.sync())
    reviews = world.control.reviews(world.account.account_id, "n1")
    assert len(reviews) == 2
    erased(world, api, email="ada@example.com")
    assert world.control.reviews(world.account.account_id, "n1") == reviews

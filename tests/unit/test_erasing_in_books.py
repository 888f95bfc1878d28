"""Who was erased stays out, though their card stays in a member's book: their own doing brings them back, and nobody else."""

from __future__ import annotations

import pytest

from contactsync.model.connection import Intent
from contactsync.ports import Put, RecordKey
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
    named = world.records.page(f"{world.account.account_id}#n1", "contact#", limit=1000).records
    assert len(named) == sum(
        not each.value.is_over for each in world.control.links(world.account.account_id, "n1")
    )


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


@pytest.mark.parametrize("others", [0, 20], ids=["their card's deletion waits", "their card is gone"])
def test_whose_contact_was_deleted_that_had_come_without_the_address(world, api, others):
    """Nothing but the link tells whose address it was."""
    world.book.add({"name": "Ada Lovelace"})
    for n in range(others):
        world.book.add({"name": f"Person {n}", "emails": [{"value": f"p{n}@example.com"}]})
    sync = world.sync()
    world.go(sync)
    contact = next(id_ for id_, fields in world.everybody().items() if fields["name"] == "Ada Lovelace")
    world.edit(contact, emails=ADA["emails"])
    world.go(sync)
    world.remove(contact)
    world.go(sync)
    assert (contact in world.links()) == (not others)
    erased(world, api, email="ada@example.com")
    assert "ada@example.com" not in kept_of_books(world)


def test_whose_card_is_not_followed_any_more(world, api):
    """What is shown of the card names nothing by which it could be found."""
    card = world.book.add({"name": "Ada Lovelace"})
    sync = world.sync()
    world.go(sync)
    [contact] = world.everybody()
    world.overwrite(sync, contact, card)
    assert len(frozen(world)) == 1
    erased(world, api, contact_id=contact)
    assert [mark for mark in MARKS if mark in kept_of_books(world)] == []


def frozen(world):
    """The contacts and cards that two programs have overwritten again and again, as they are listed."""
    return world.control.frozen_page(world.account.account_id, "n1", after=None, limit=10)[0]


def test_whose_card_was_made_here_stays_out_as_a_copy_too(world, api):
    world.add(ADA)
    sync = world.sync()
    world.go(sync)
    [card] = world.book.cards().values()
    forget(world, api)
    world.book.remove(card.id)
    world.book.add(ADA, marker=card.marker)
    world.go(sync)
    assert card.marker
    assert not world.everybody()


def test_whoever_shares_an_address_with_them_is_listed_as_before(world, api):
    home = [{"value": "home@example.com"}]
    card = world.book.add({"name": "William King", "emails": home})
    sync = world.sync()
    world.go(sync)
    [william] = world.everybody()
    world.overwrite(sync, william, card)
    before = frozen(world)
    assert len(before) == 1
    world.book.add({"name": "Ada Lovelace", "emails": home})
    world.go(sync)
    ada = next(id_ for id_, fields in world.everybody().items() if fields["name"] == "Ada Lovelace")
    erased(world, api, contact_id=ada)
    assert frozen(world) == before


def test_whose_card_was_about_to_be_made_stays_out_when_it_turns_up(world, api):
    sync = world.sync()
    world.go(sync)
    contact = world.add(ADA)
    at = world.clock.now().timestamp()
    begun = Intent(contact_id=contact, at=at, agreed=ADA, seen=ADA).model_dump()
    world.records.commit([Put(RecordKey(f"{world.account.account_id}#n1", "intent#m1"), begun, 0)])
    forget(world, api)
    world.book.add(ADA, marker="m1")
    world.go(sync)
    assert not world.everybody()


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
    assert len(world.book.cards()) == 2, "the other one is hers"
    assert world.book.cards()[world.links()[william].id].fields["notes"] == "Edited"


def test_nor_does_a_tick_of_theirs_stay(world, api):
    world.add(ADA)
    [contact] = world.everybody()
    world.control.tick(world.account.account_id, "m1", contact, "2026-11-22T09:00:00Z")
    forget(world, api)
    assert world.control.subscriptions(world.account.account_id, "m1") == frozenset()
    assert world.control.subscribers(world.account.account_id, contact) == frozenset()


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

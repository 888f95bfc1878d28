"""A book that does not let us in any more: its member is told once, whoever notices it."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.adapters.memory import MemoryMailer
from contactsync.errors import Busy
from contactsync.journeys.book import losing
from contactsync.model.message import BookLost
from contactsync.ports import MailRefused, MailUncertain
from tests.contract.cards import ADA
from tests.support.mailers import Failing


@pytest.fixture
def world(book_world):
    account = book_world.account
    book_world.control.update_connection(
        account.account_id,
        "n1",
        lambda each: each.model_copy(
            update={
                "account_id": account.account_id,
                "member_id": account.member_id,
                "name": "ann@book.example",
            }
        ),
    )
    return book_world


def lose(world: Any) -> None:
    world.control.update_connection(
        world.account.account_id,
        "n1",
        lambda each: each.model_copy(update={"state": "lost", "problem": "Sign in to it again."}),
    )


def said(world: Any) -> list[BookLost]:
    return [BookLost(**event.detail) for event in world.bus.events if event.kind == "BookLost"]


def tell(world: Any, mailer: MemoryMailer | None = None) -> int:
    """What the function does with all that was said; how many mails have left."""
    options = {"control": world.control, "mailer": mailer or world.mailer, "public_url": "https://x.example"}
    return sum(losing.tell_lost(message, **options).mails for message in said(world))


def test_several_syncs_and_looks_at_a_lost_book_make_one_mail(world):
    """Case 46: the run that notices it says so, and so would all others."""
    world.book.add(ADA)
    syncs = [world.sync(), world.sync(direction="pull")]
    world.book.lock()
    assert world.go(syncs[0]).problem.code == "access_lost"
    for sync in syncs:
        world.go(sync)
    losing.say_lost(world.control, world.bus, world.account.account_id, "n1")
    assert len(said(world)) == 2
    assert tell(world) == 1
    [mail] = world.mailer.sent
    assert mail.to == world.control.member(world.account.account_id, world.account.member_id).email
    assert "ann@book.example" in mail.text
    assert "ann@book.example" not in mail.subject
    assert "/v1/connections/n1" in mail.text
    world.bus.events.clear()
    losing.say_lost(world.control, world.bus, world.account.account_id, "n1")
    assert said(world) == []


def test_who_connects_it_again_and_loses_it_again_is_told_again(world):
    lose(world)
    losing.say_lost(world.control, world.bus, world.account.account_id, "n1")
    assert tell(world) == 1
    world.control.update_connection(
        world.account.account_id,
        "n1",
        lambda each: each.model_copy(update={"state": "active", "problem": "", "told": False}),
    )
    assert tell(world) == 0
    lose(world)
    assert tell(world) == 1


def test_whoever_is_let_in_or_disconnects_gets_no_mail(world):
    losing.say_lost(world.control, world.bus, world.account.account_id, "n1")
    assert said(world) == []


def test_a_mail_service_that_is_away_is_tried_again(world):
    lose(world)
    losing.say_lost(world.control, world.bus, world.account.account_id, "n1")
    mailer = Failing(Busy("away"), times=1)
    with pytest.raises(Busy):
        tell(world, mailer)
    assert tell(world, mailer) == 1


@pytest.mark.parametrize("error", [MailRefused("no such address"), MailUncertain()])
def test_of_a_mail_that_may_have_left_there_is_no_second_one(world, error):
    lose(world)
    losing.say_lost(world.control, world.bus, world.account.account_id, "n1")
    mailer = Failing(error, times=1)
    assert tell(world, mailer) == 0
    assert tell(world, mailer) == 0
    assert mailer.sent == []

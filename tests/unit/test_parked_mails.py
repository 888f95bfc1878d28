"""The mail about a parked file: one to each address, whatever the mail service does and whoever else is at it."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.adapters.memory import MemoryMailer
from contactsync.control import Control
from contactsync.errors import Busy
from contactsync.journeys.asked import dropping
from contactsync.model.message import FileParked
from contactsync.ports import Mail, MailRefused, MailUncertain
from tests.support.dropped import MAPPING, DropBucket, prefix
from tests.support.mailers import Failing

ADDRESSES = ["ann@example.com", "bob@example.com"]


@pytest.fixture
def parked(api: Any, world: Any) -> FileParked:
    """A file of a paused sync, of which nobody has been told yet."""
    body = {
        "name": "Members",
        "source": {"kind": "drop"},
        "mapping": MAPPING,
        "notify": {"emails": ADDRESSES},
    }
    sync = api.post("/syncs", body).json
    api.patch(f"/syncs/{sync['id']}", {"state": "paused"})
    bucket = DropBucket(world)
    bucket.drop(f"{prefix(world, sync['id'])}people.csv", "email,name\nada@example.com,Ada\n")
    while bucket.delivered < len(world.bus.events):
        event = world.bus.events[bucket.delivered]
        bucket.delivered += 1
        if event.kind == "FileParked":
            return FileParked(**event.detail)
        bucket.act(event.kind, event.detail)
    raise AssertionError("the file was not parked")


def tell(world: Any, parked: FileParked, mailer: Any) -> int:
    control = Control(world.ports.records)
    return dropping.tell(parked, control=control, mailer=mailer, public_url="https://x.example").mails


def to(mailer: MemoryMailer) -> list[str]:
    return [mail.to for mail in mailer.sent]


@pytest.mark.parametrize(
    "error", [MailRefused("no"), MailUncertain("who knows")], ids=["refused", "uncertain"]
)
def test_a_mail_that_did_not_leave_keeps_no_other_back_and_is_not_sent_twice(world, parked, error):
    mailer = Failing(error, times=1)
    assert tell(world, parked, mailer) == 2
    assert to(mailer) == ADDRESSES[1:]
    assert tell(world, parked, mailer) == 2
    assert to(mailer) == ADDRESSES[1:], "whether the first one left nobody knows, so no second is risked"


def test_a_mail_service_that_was_away_is_asked_again(world, parked):
    mailer = Failing(Busy("away"), times=1)
    with pytest.raises(Busy):
        tell(world, parked, mailer)
    assert tell(world, parked, mailer) == 2
    assert to(mailer) == ADDRESSES


def test_two_who_tell_at_once_send_one_mail_to_each(world, parked):
    class Interrupted(MemoryMailer):
        """While the first mail is on its way, another worker tells the same."""

        def send(self, mail: Mail) -> None:
            if not self.sent:
                super().send(mail)
                tell(world, parked, other)
            else:
                super().send(mail)

    other = MemoryMailer()
    first = Interrupted()
    assert tell(world, parked, first) == 2
    assert sorted([*to(first), *to(other)]) == ADDRESSES

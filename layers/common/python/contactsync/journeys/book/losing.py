"""A book that does not let us in any more: its member is told, once, whoever noticed it and however many syncs it has."""

from __future__ import annotations

from contextlib import suppress

from contactsync.control import Control
from contactsync.errors import Busy, NotFound
from contactsync.model.connection import Connection
from contactsync.model.message import BookLost, Told
from contactsync.ports import Bus, Mail, Mailer, MailRefused, MailUncertain


def say_lost(control: Control, bus: Bus, account_id: str, connection_id: str) -> None:
    """Have the member told that their book is lost, if it is and they have not been.

    Where this does not get through, whoever looks at the book next says it again.
    """
    connection = control.connection(account_id, connection_id).value
    if connection.state == "lost" and not connection.told:
        with suppress(Busy):
            bus.publish("BookLost", {"account_id": account_id, "connection_id": connection_id})


def tell_lost(message: BookLost, *, control: Control, mailer: Mailer, public_url: str) -> Told:
    """A lost book → one mail to its member, never two; the connection itself says the same. How many have left."""
    nothing = Told(account_id=message.account_id, mails=0)
    with suppress(NotFound):
        connection = control.connection(message.account_id, message.connection_id).value
        member = control.member(message.account_id, connection.member_id)
        if not _claim(control, connection, told=True):
            return nothing
        from contactsync.core import mailing  # noqa: PLC0415 few who import this write a mail

        letter = mailing.compose_lost(connection, public_url=public_url)
        try:
            mailer.send(Mail(member.email, letter.subject, letter.text, letter.html))
        except (MailRefused, MailUncertain):
            return nothing  # nobody can tell whether it left: no second one is risked
        except Busy:
            _claim(control, connection, told=False)
            raise
        return nothing.model_copy(update={"mails": 1})
    return nothing


def _claim(control: Control, lost: Connection, *, told: bool) -> bool:
    """Say that the member is told of this loss, or is not; whether nobody else has said so meanwhile."""
    mine = False

    def claim(stored: Connection) -> Connection:
        nonlocal mine
        mine = (stored.state, stored.sealed, stored.told) == ("lost", lost.sealed, not told)
        return stored.model_copy(update={"told": told}) if mine else stored

    control.update_connection(lost.account_id, lost.id, claim)
    return mine

"""Boxes of the shared hub that nobody ticks or unticks: those of members who are gone, and of contacts that come back."""

from __future__ import annotations

from datetime import datetime

from contactsync.control import Control
from contactsync.errors import NotFound
from contactsync.journeys.file.runfiles import batches
from contactsync.model.run import Run
from contactsync.ports import ContactStore

BOXES_AT_ONCE = 1_000


def untick_if_gone(control: Control, account_id: str, member_id: str) -> bool:
    """Whether somebody is a member no more; then whatever was ticked for them since is theirs no longer.

    Asked after a box was ticked: who removes a member takes their boxes away last, and may have been here before.
    """
    try:
        control.member(account_id, member_id)
    except NotFound:
        control.untick_all(account_id, member_id)
        return True
    return False


def tick_again(run: Run, *, control: Control, contacts: ContactStore, now: datetime) -> None:
    """An undo has brought contacts back → so are the boxes that went when the undone run had deleted them.

    Before the undo is closed: syncs that hear of it look once.
    """
    if run.undoes is None:
        return
    undone = control.run(run.account_id, run.undoes).value
    since = datetime.fromisoformat(undone.started_at or undone.requested_at)
    members = set()
    for batch in batches(control.gone_with(run.account_id, since), BOXES_AT_ONCE):
        there = contacts.get(run.account_id, list(dict.fromkeys(box.contact_id for box in batch)))
        back = [box for box in batch if box.contact_id in there and run.id in there[box.contact_id].runs]
        control.tick_again(run.account_id, back, now.isoformat())
        members |= {box.member_id for box in back}
    for member_id in members:
        untick_if_gone(control, run.account_id, member_id)

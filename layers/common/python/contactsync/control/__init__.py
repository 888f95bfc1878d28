"""The control table: accounts, keys, fields, uploads, syncs and runs, and under which names they lie.

    partition        name                        document
    <account>        account                     Account
    <account>        member#<member>             Member
    <account>        field#<key>                 FieldSpec, the account's own
    <account>        segment#<segment>           Segment
    <account>        upload#<upload>             Upload
    <account>        sync#<sync>                 Sync
    <account>        run#<run>                   Run
    <account>        sync_run#<sync>#<run>       {} (the runs of a sync, newest last: run ids begin with the time)
    <account>        open_run#<run>              {} (runs that are queued or running)
    <account>        progress#<run>#<step>#<n>   {"rows": …} one a worker, so that workers never contend
    <account>        export#<export>             Export
    <account>        contacts_marker             {"marker": …} another one whenever contacts are about to change
    <account>        deletions#<sync>            {<run>: [at, count]} of the last seven days
    <account>        feed#<time>#<who>           {"run": …} or {"contacts": […]} are about to change (`control.feed`)
    <account>        connection#<connection>     Connection
    <account>        today#<connection>#<day>    what syncs with a book did on a local day
    key#<sha256>     key                         Key

and of each address book (`control.books`), in <account>#<connection>:

    card#<key>                 Link; the key is a hash of the card's id
    contact#<contact>          {"card": key}: the way from a contact to its link
    intent#<marker>            Intent: a creation that was begun; gone when its link is there
    cursor#<sync>              Progress: how far a sync has come; moves last
    review#<key>               Review: whose card it is, a person must say
    lease                      {"run": …, "until": …}: one worker a connection

Every write names the version it has read; nothing here is ever overwritten blindly.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from contactsync.control.accounts import Accounts, key_digest
from contactsync.control.books import Books
from contactsync.control.documents import Read
from contactsync.control.feed import Feed
from contactsync.control.memories import PROGRESS_KEPT, Memories
from contactsync.control.syncs import Syncs

__all__ = ["PROGRESS_KEPT", "Control", "Read", "key_digest", "new_id"]


def new_id(now: datetime) -> str:
    """A fresh id that sorts by time: 12 hex digits of milliseconds, 12 of chance."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"


class Control(Accounts, Syncs, Memories, Feed, Books):
    """Typed access to the control table. Foreign and missing documents raise the same NotFound."""

"""The control table: accounts, members, keys, fields, uploads, syncs and runs, and under which names they lie.

    partition        name                        document
    <account>        account                     Account
    <account>        member#<member>             Member
    <account>        key#<key>                   Key
    <account>        audit#<note>                AuditNote
    <account>        contacts_count              {"counted": …, "changes": {<run or edit>: [at, more]}}
    <account>        runs_of#<day>               {"runs": …} begun within one local day
    <account>        field#<key>                 FieldSpec, the account's own
    <account>        segment#<segment>           Segment
    <account>        upload#<upload>             Upload
    <account>        sync#<sync>                 Sync
    <account>        schedule#<sync>             {} (every sync that has a schedule)
    <account>        syncs_count                 {"syncs": …} without those that were deleted
    <account>        room#<limit>                {} (another version whenever one more is added of what a plan counts)
    <account>        run#<run>                   Run
    <account>        sync_run#<sync>#<run>       {} (the runs of a sync, newest last: run ids begin with the time)
    <account>        open_run#<run>              {} (runs that are queued or running)
    <account>        progress#<run>#<step>#<n>   {"rows": …} one a worker, so that workers never contend
    <account>        export#<export>             Export
    <account>        drop#<drop>                 Drop
    <account>        waiting#<sync>#<drop>       {} (files whose turn has not come, those that arrived first)
    <account>        newest_drop#<sync>          {"drop": …, "order": …} of all files of a sync
    <account>        newest_version#<sync>#<sha256>  {"drop": …, "order": …} of all files of one key
    <account>        erasure#<erasure>           Erasure
    <account>        erased#<contact>            {"at": …} whose slots were emptied, as hashes
    closing          account#<account>           {"at": …} when the account is to be forgotten
    forgotten#<account>  account                 Erasure, all that remains of an account
    <account>        looks                       {<look>: until} at files on servers, under way
    <account>        contacts_marker             {"marker": …} another one whenever contacts are about to change, or how rows are typed
    <account>        deletions#<sync>            {<run>: [at, count]} of the last seven days
    <account>        feed#<time>#<who>           {"run": …} or {"contacts": […]} are about to change (`control.feed`)
    <account>        connection#<connection>     Connection
    <account>        subscribed#<member>#<contact>   {"at": …} a Sync Contact box that is ticked (`control.boxes`)
    <account>        subscriber#<contact>#<member>   {} the same, by contact
    <account>        unticked#<contact>#<member>     {"at": …} a box that went with its contact
    <account>        holder#<sha256>             {"connection": …} that a member has to one person's book at a provider
    oauth#<sha256>   state                       SignIn, begun and not yet completed
    <account>        today#<connection>#<day>    what syncs with a book did on a local day
    key#<sha256>     key                         Key, the same
    person#<sha256>  member#<account>#<member>   {} (whom an address, or the identity provider's word, leads to)
    accounts         account#<account>           {} (every account there is)

and of each address book (`control.books`), in <account>#<connection>:

    card#<key>                 Link; the key is a hash of the card's id
    contact#<contact>          {"card": key}: the way from a contact to its link
    intent#<marker>            Intent: a creation that was begun; gone when its link is there
    cursor#<sync>              Progress: how far a sync has come; moves last
    review#<key>               Review: whose card it is, a person must say
    frozen#<key>               {"at": …, "theirs": fields}: the card of a frozen link as it was then
    lease                      {"run": …, "until": …}: one worker a connection

Every write names the version it has read; nothing here is ever overwritten blindly.
"""

from __future__ import annotations

from contactsync.control.accounts import Accounts, note
from contactsync.control.books import Books
from contactsync.control.connections import Connections
from contactsync.control.documents import Read, new_id
from contactsync.control.drops import Drops
from contactsync.control.feed import Feed
from contactsync.control.looks import Looks
from contactsync.control.members import Members, key_digest
from contactsync.control.memories import PROGRESS_KEPT, Memories
from contactsync.control.plans import check_room, limits_of, plan_of, plans
from contactsync.control.syncs import local_day

__all__ = [
    "PROGRESS_KEPT",
    "Control",
    "Read",
    "check_room",
    "key_digest",
    "limits_of",
    "local_day",
    "new_id",
    "note",
    "plan_of",
    "plans",
]


class Control(Accounts, Members, Drops, Memories, Feed, Looks, Books, Connections):
    """Typed access to the control table. Foreign and missing documents raise the same NotFound."""

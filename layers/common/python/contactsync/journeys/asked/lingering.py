"""The hourly look for runs and files that nobody calls for any more: a worker has died before that, or an event was lost.

    HourRule ─→ look ─→ a run that is queued, and whose turn it is    ─→ RunRequested
                        a sync with a file that waits for its turn    ─→ SyncDue
                        a run whose execution can be no more          ─→ RunLost
                        a run that has ended and still holds its sync ─→ the sync is let go, SyncDue
                        accounts that are left to be looked at        ─→ SyncDue, of the hour

Each of these events may come twice, or to what has moved meanwhile: it then changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from contactsync.control import Control
from contactsync.control.accounts import EVERY_ACCOUNT
from contactsync.errors import NotFound
from contactsync.journeys.asked import dropping, queueing
from contactsync.ports import Bus

HOUR = "hour"
"""What SyncDue names in the place of a sync; its account is then the last one that was looked at."""
ACCOUNTS_A_STRETCH = 500
TURNS_READ = 100


def look(after: str, *, control: Control, bus: Bus, now: datetime) -> None:
    """Announce again what lingers of the next accounts after `after`, and call for those that follow."""
    page = control.records.page(
        EVERY_ACCOUNT, "account#", after=f"account#{after}" if after else None, limit=ACCOUNTS_A_STRETCH
    )
    for record in page.records:
        account_id = record.key.name.removeprefix("account#")
        try:
            _look_at(account_id, control, bus, now)
        except NotFound:
            continue  # forgotten, and not yet taken off the list
    if page.next is not None:
        bus.publish("SyncDue", {"account_id": page.next.removeprefix("account#"), "sync_id": HOUR})


def _look_at(account_id: str, control: Control, bus: Bus, now: datetime) -> None:
    under_way = control.runs_under_way(account_id)
    for run in under_way:
        if dropping.let_go(control, account_id, run.id):
            bus.publish("SyncDue", {"account_id": account_id, "sync_id": run.sync_id})
        elif run.status != "queued" and queueing.is_lost(run, now):
            asked = {"account_id": account_id, "run_id": run.id}
            # As Step Functions says it, which does so by best effort only
            lost = {"status": "TIMED_OUT", "name": str(run.execution), "input": json.dumps(asked)}
            bus.publish("RunLost", lost)
    if any(run.status == "queued" for run in under_way):
        for run in queueing.next_runs(control, account_id, now):
            if queueing.is_overdue(run, now):
                queueing.say(bus, run)
    for sync_id in dict.fromkeys(_syncs_with_files(account_id, control)):
        bus.publish("SyncDue", {"account_id": account_id, "sync_id": sync_id})


def _syncs_with_files(account_id: str, control: Control) -> Iterator[str]:
    """The sync of each file that waits."""
    after = None
    while True:
        page = control.records.page(account_id, "waiting#", after=after, limit=TURNS_READ)
        for record in page.records:
            yield record.key.name.split("#")[1]
        after = page.next
        if after is None:
            return

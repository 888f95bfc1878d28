"""Looks at customers' servers that are under way, for a preview or to find address books: so many of an account at a time.

A server that does not answer holds whoever asks it for seconds, and all accounts share the functions that wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from contactsync.control.documents import UPDATE_ATTEMPTS, Documents, new_id
from contactsync.control.plans import limits_of
from contactsync.errors import Busy, Conflict, Stale
from contactsync.model.account import Account
from contactsync.ports import Delete, Put, RecordKey

LOOK_S = 30
"""Longer than any request: after that whoever looked has died."""


class Looks(Documents):
    """Looks at customers' servers that are under way."""

    @contextmanager
    def looking(self, account_id: str, now: datetime) -> Iterator[None]:
        """While the server is waited for. Raises Conflict where no more may begin now."""
        look = self.begin_look(self._read(RecordKey(account_id, "account"), Account).value, now)
        try:
            yield
        finally:
            self.end_look(account_id, look)

    def begin_look(self, account: Account, now: datetime) -> str:
        """Note a look, to be ended by the word that this answers. Raises Conflict where no more may begin now."""
        key, look = _key(account.id), new_id(now)
        at = int(now.timestamp())
        for _ in range(UPDATE_ATTEMPTS):
            stored = self.records.get(key)
            others = {
                each: until for each, until in (stored.document if stored else {}).items() if until > at
            }
            if len(others) >= limits_of(account).concurrent_runs:
                raise Conflict(
                    "previews_under_way",
                    f"The account is waiting for {len(others)} servers at this moment.",
                    "Ask again when one of them has answered, in half a minute at the latest.",
                )
            until = at + LOOK_S
            with suppress(Stale):
                self.records.commit(
                    [Put(key, {**others, look: until}, stored.version if stored else 0, until)]
                )
                return look
        raise Busy("The account is being changed from several sides.")

    def end_look(self, account_id: str, look: str) -> None:
        """Let others look. Where that fails, time does it."""
        key = _key(account_id)
        for _ in range(UPDATE_ATTEMPTS):
            stored = self.records.get(key)
            if stored is None or look not in stored.document:
                return
            others = {each: until for each, until in stored.document.items() if each != look}
            left = Put(key, others, stored.version, stored.expires_at)
            with suppress(Stale):
                self.records.commit([left if others else Delete(key, stored.version)])
                return


def _key(account_id: str) -> RecordKey:
    return RecordKey(account_id, "looks")

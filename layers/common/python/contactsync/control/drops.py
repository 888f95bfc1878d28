"""Files of the drop bucket: each noted once, those that wait in the order in which they arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from contactsync.control.documents import UPDATE_ATTEMPTS, Read, put
from contactsync.control.syncs import Syncs, first_puts, put_sync
from contactsync.errors import Busy, NotFound, Stale
from contactsync.model.drop import Drop, Parked
from contactsync.model.run import Run
from contactsync.model.sync import Sync
from contactsync.ports import Delete, Put, RecordKey

_CONTENDED = "The records of a file are being changed from several sides."


class Drops(Syncs):
    """Files of the drop bucket, and their turns."""

    def drop(self, account_id: str, drop_id: str) -> Read[Drop]:
        """The file. Raises NotFound."""
        return self._read(RecordKey(account_id, f"drop#{drop_id}"), Drop)

    def drops(self, account_id: str, *, after: str | None, limit: int) -> tuple[list[Drop], str | None]:
        """Up to `limit` files older than the file `after`, newest first, and the id to go on after."""
        page = self.records.page(
            account_id, "drop#", after=after and f"drop#{after}", limit=limit, newest_first=True
        )
        read = [Drop.model_validate(record.document, extra="ignore") for record in page.records]
        return read, page.next and page.next.removeprefix("drop#")

    def note_drop(self, drop: Drop) -> Drop:
        """Note a file that has arrived, once: what is noted already is returned as it stands.

        A file of a sync is noted together with its turn and with what is the newest now, of the sync and of its key.
        """
        for _ in range(UPDATE_ATTEMPTS):
            with suppress(NotFound):
                return self.drop(drop.account_id, drop.id).value
            writes: list[Put | Delete] = [_put_drop(drop)]
            if drop.state == "waiting":
                writes.append(Put(_turn(drop), {}, 0, drop.forget_at))
            if drop.sync_id is not None:
                writes += self._newer(_newest_of_sync(drop), drop, [drop.dropped_at, drop.sequencer])
                writes += self._newer(_newest_of_key(drop), drop, [drop.sequencer, drop.dropped_at])
            with suppress(Stale):
                self.records.commit(writes)
                return drop
        raise Busy(_CONTENDED)

    def waiting(self, account_id: str, sync_id: str, *, limit: int) -> list[str]:
        """The ids of up to `limit` files whose turn has not come, those that arrived first."""
        prefix = f"waiting#{sync_id}#"
        page = self.records.page(account_id, prefix, limit=limit)
        return [record.key.name.removeprefix(prefix) for record in page.records]

    def newest_drop(self, account_id: str, sync_id: str) -> Drop | None:
        """The file of a sync that was put there last; None if there is none that is still remembered."""
        record = self.records.get(RecordKey(account_id, f"newest_drop#{sync_id}"))
        with suppress(NotFound):
            return self.drop(account_id, record.document["drop"]).value if record else None
        return None

    def is_superseded(self, drop: Drop) -> bool:
        """Whether a newer version of the same key has arrived."""
        record = self.records.get(_newest_of_key(drop))
        return record is not None and record.document["drop"] != drop.id

    def start_drop(self, drop: Read[Drop], run: Run, sync: Read[Sync] | None) -> None:
        """Give a file that waits its run, which from then on holds `sync`; without one the run has ended already.

        Raises:
            Stale: the sync or the file is not as it was read; nothing was written.
            PlanLimit, Suspended: the account may have no run now.
        """
        account_id = run.account_id
        turn = self.records.get(_turn(drop.value))
        if turn is None:
            raise Stale("Somebody else has given the file its run.")
        started = drop.value.model_copy(update={"state": "run", "run_id": run.id})
        writes: list[Put | Delete] = [
            _put_drop(started, drop.version),
            Delete(turn.key, turn.version),
            *first_puts(account_id, run),
        ]
        if sync is not None:
            held = sync.value.model_copy(update={"active_run": run.id, "latest_run": run.id})
            writes += [put_sync(account_id, held, sync.version), *self.superseding(account_id, sync.value)]
            writes += self._admitted(run)
        self.records.commit(writes)

    def park_drop(self, account_id: str, drop_id: str, reason: Parked) -> Drop:
        """Say of a file that waits that it will not be read. Its turn stays until `end_turn`."""

        def park(drop: Drop) -> Drop:
            if drop.state != "waiting":
                return drop
            return drop.model_copy(update={"state": "parked", "parked": reason})

        return self.update_drop(account_id, drop_id, park)

    def end_turn(self, account_id: str, sync_id: str, drop_id: str) -> None:
        """Take a file that does not wait any more out of the queue."""
        key = RecordKey(account_id, f"waiting#{sync_id}#{drop_id}")
        turn = self.records.get(key)
        if turn is not None:
            with suppress(Stale):
                self.records.commit([Delete(key, turn.version)])

    def requeue_drop(self, drop: Drop) -> None:
        """Let a parked file wait for its turn again."""
        for _ in range(UPDATE_ATTEMPTS):
            read = self.drop(drop.account_id, drop.id)
            if read.value.state != "parked":
                return
            writes = [
                _put_drop(read.value.model_copy(update={"state": "waiting", "parked": None}), read.version)
            ]
            turn = self.records.get(_turn(drop))
            writes.append(Put(_turn(drop), {}, turn.version if turn else 0, drop.forget_at))
            with suppress(Stale):
                self.records.commit(writes)
                return
        raise Busy(_CONTENDED)

    def update_drop(self, account_id: str, drop_id: str, change: Callable[[Drop], Drop]) -> Drop:
        """Carry out `change` on the file's record as it is now; `change` may be called several times."""
        for _ in range(UPDATE_ATTEMPTS):
            read = self.drop(account_id, drop_id)
            changed = change(read.value)
            if changed == read.value:
                return changed
            with suppress(Stale):
                self.records.commit([_put_drop(changed, read.version)])
                return changed
        raise Busy(_CONTENDED)

    def _newer(self, key: RecordKey, drop: Drop, order: list[Any]) -> list[Put | Delete]:
        """The write that makes this the newest file under `key`, if it is; what is there never becomes older."""
        stored = self.records.get(key)
        if stored is not None and stored.document["order"] >= order:
            return []
        document = {"drop": drop.id, "order": order}
        return [Put(key, document, stored.version if stored else 0, drop.forget_at)]


def _put_drop(drop: Drop, expected: int = 0) -> Put:
    key = RecordKey(drop.account_id, f"drop#{drop.id}")
    return put(key, drop, expected=expected, expires_at=drop.forget_at)


def _turn(drop: Drop) -> RecordKey:
    return RecordKey(drop.account_id, f"waiting#{drop.sync_id}#{drop.id}")


def _newest_of_sync(drop: Drop) -> RecordKey:
    return RecordKey(drop.account_id, f"newest_drop#{drop.sync_id}")


def _newest_of_key(drop: Drop) -> RecordKey:
    digest = hashlib.sha256(drop.file.key.encode(errors="surrogatepass")).hexdigest()
    return RecordKey(drop.account_id, f"newest_version#{drop.sync_id}#{digest}")

"""How contacts are written: PartiQL statements, and what becomes of each of them.

Writes go out as PartiQL batches: the only request that carries 25 writes, each under its own condition, at one
write unit each. BatchWriteItem knows no conditions, a transaction costs double and fails as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contactsync.adapters.items import CONTACT, Attribute, Unstorable, item_of, partition, shard_of
from contactsync.adapters.lanes import Batch, Lanes
from contactsync.adapters.patience import Patience
from contactsync.adapters.wire import TRANSIENT, ServiceError
from contactsync.ports import Insert, Remove, Write

OPERATION = "BatchExecuteStatement"
LOST = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
TRANSIENT_STATEMENT = frozenset(code.removesuffix("Exception") for code in TRANSIENT) | {"ThrottlingError"}
UNSTORABLE = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError"})


class Statements:
    """PartiQL for the three kinds of write on one table. Values travel as parameters: none can break out."""

    def __init__(self, table: str) -> None:
        names = ("pk", "sk", "k", "v", "f", "s", "ca", "cb", "ua", "ub")
        insert = ", ".join(f"'{name}': ?" for name in names)
        update = " ".join(f"SET {name} = ?" for name in names[3:])
        where = "WHERE pk = ? AND sk = ? AND v = ? AND k = ?"  # k: an alias is nobody's to overwrite
        self._insert = f'INSERT INTO "{table}" VALUE {{{insert}}}'
        self._insert_in_segments = f"INSERT INTO \"{table}\" VALUE {{{insert}, 'g': ?}}"
        self._update = f'UPDATE "{table}" {update} REMOVE g {where}'
        self._update_in_segments = f'UPDATE "{table}" {update} SET g = ? {where}'  # noqa: S608 no value in it
        self._delete = f'DELETE FROM "{table}" {where}'  # noqa: S608 no value in it

    def of(self, account_id: str, write: Write) -> dict[str, Any]:
        """The statement that carries out a write. Raises TypeError for a contact that no item can hold."""
        if isinstance(write, Remove):
            key = [{"S": partition(account_id, shard_of(write.contact_id))}, {"S": write.contact_id}]
            return {"Statement": self._delete, "Parameters": [*key, *_condition(write.version)]}
        contact = write.contact
        values = list(item_of(account_id, contact).values())
        if isinstance(write, Insert):
            statement = self._insert_in_segments if contact.segments else self._insert
            return {"Statement": statement, "Parameters": values}
        statement = self._update_in_segments if contact.segments else self._update
        return {
            "Statement": statement,
            "Parameters": [*values[3:], *values[:2], *_condition(contact.version - 1)],
        }


class Writing:
    """One call of ContactStore.write under way. `unstorable` gathers the ids that no item can hold.

    Statements are made when they are sent and not kept for a second time: hundreds of them waiting for their
    answers are so many objects that Python's garbage collector would double the CPU of a write.
    """

    def __init__(
        self, account_id: str, statements: Statements, lanes: Lanes[Batch[Write]], patience: Patience
    ) -> None:
        self._account_id = account_id
        self._statements = statements
        self._lanes = lanes
        self._patience = patience
        self.unstorable: list[str] = []

    def start(self, batch: Batch[Write]) -> None:
        """Send a batch of at most 25."""
        try:
            statements = [self._statements.of(self._account_id, write) for write in batch.parts]
            self._lanes.send(OPERATION, {"Statements": statements}, batch, after_s=batch.delay_s)
        except TypeError:  # a value that is no canonical JSON, or half a surrogate pair
            self._divide(batch)

    def settle(
        self, batch: Batch[Write], outcome: dict[str, Any] | ServiceError
    ) -> Iterator[tuple[Write, bool]]:
        """The outcomes that are final. Writes that must wait are sent again by themselves.

        Raises:
            Busy: they have waited long enough.
            ServiceError: one was refused for a reason that no contact gives; a bug.
        """
        if isinstance(outcome, ServiceError):
            if outcome.code != "ValidationException":
                raise outcome
            self._divide(batch)
            return
        left: list[Write] = []
        for write, reply in zip(batch.parts, outcome["Responses"], strict=True):
            if "Error" not in reply:
                yield write, True
                continue
            code = reply["Error"]["Code"]
            if code in LOST:
                yield write, False
            elif code in TRANSIENT_STATEMENT:
                left.append(write)
            elif code in UNSTORABLE:
                self.unstorable.append(_id(write))
            else:
                raise ServiceError(OPERATION, 200, code, "unknown")
        if left:
            self.start(batch.rest(left, OPERATION, self._patience))

    def check(self) -> None:
        """Raises Unstorable if any contact was."""
        if self.unstorable:
            raise Unstorable(self.unstorable)

    def _divide(self, batch: Batch[Write]) -> None:
        """One part fails the whole batch before anything is carried out: find it, let the others pass."""
        middle = len(batch.parts) // 2
        if not middle:
            self.unstorable.append(_id(batch.parts[0]))
            return
        self.start(Batch(batch.parts[:middle]))
        self.start(Batch(batch.parts[middle:]))


def _condition(version: int) -> list[Attribute]:
    return [{"N": str(version)}, {"S": CONTACT}]


def _id(write: Write) -> str:
    return write.contact_id if isinstance(write, Remove) else write.contact.id

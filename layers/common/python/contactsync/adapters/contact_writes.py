"""How contacts are written: PartiQL statements, and what becomes of each of them.

Writes go out as PartiQL batches: the only request that carries 25 writes, each under its own condition, at one
write unit each. BatchWriteItem knows no conditions, a transaction costs double and fails as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from contactsync.adapters.items import (
    Attribute,
    Item,
    Unstorable,
    attributes,
    item_of,
    partition,
    shard_of,
)
from contactsync.adapters.lanes import Batch, Lanes
from contactsync.adapters.patience import Patience
from contactsync.adapters.wire import TRANSIENT, ServiceError
from contactsync.core.identity import PREFIXES
from contactsync.core.overlay import compares, laid_bare
from contactsync.core.shapes import Pieces, Shapes
from contactsync.model.contact import Origin
from contactsync.ports import Arrival, Insert, Remove, Write

OPERATION = "BatchExecuteStatement"
LOST = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
TRANSIENT_STATEMENT = frozenset(code.removesuffix("Exception") for code in TRANSIENT) | {"ThrottlingError"}
ATTRIBUTES = ("k", "v", "f", "g", "h", "s", "ca", "cb", "ua", "ub", "uv", "t", "ct", "expires_at")
WHERE = "WHERE pk = ? AND sk = ? AND v = ?"
UNSTORABLE = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError"})


class Statements:
    """PartiQL for the three kinds of write on one table. Values travel as parameters: none can break out."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._made: dict[tuple[bool, tuple[str, ...]], str] = {}
        self._delete = f'DELETE FROM "{table}" {WHERE}'  # noqa: S608 no value in it
        self._arrivals: _Arrivals | None = None

    def of(self, account_id: str, write: Write) -> dict[str, Any] | orjson.Fragment:
        """The statement that carries out a write, as JSON has it.

        Raises TypeError for a contact that no item can hold.
        """
        if isinstance(write, Arrival):
            return orjson.Fragment(self._arrivals_of(account_id, write.origin).statement(write.line))
        if isinstance(write, Remove):
            key = [{"S": partition(account_id, shard_of(write.slot_id))}, {"S": write.slot_id}]
            return {"Statement": self._delete, "Parameters": [*key, _number(write.version)]}
        item = item_of(account_id, write.slot)
        values = list(item.values())
        if isinstance(write, Insert):
            return {"Statement": self._statement(tuple(item), insert=True), "Parameters": values}
        return {
            "Statement": self._statement(tuple(item), insert=False),
            "Parameters": [*values[2:], *values[:2], _number(write.slot.version - 1)],
        }

    def _arrivals_of(self, account_id: str, origin: Origin) -> _Arrivals:
        """Those of this origin: the last one's nearly always, as a run has but one."""
        known = self._arrivals
        if known is None or known.account_id != account_id or known.origin is not origin:
            like = item_of(account_id, origin.contact("0" * 32, 1, {}, 0, ""))
            known = _Arrivals(account_id, origin, like, self._statement(tuple(like), insert=True))
            self._arrivals = known
        return known

    def _statement(self, names: tuple[str, ...], *, insert: bool) -> str:
        """The statement for an item of these attributes: there are as many as there are kinds of items."""
        made = self._made.get((insert, names))
        if made is None:
            if insert:
                values = ", ".join(f"'{name}': ?" for name in names)
                made = f'INSERT INTO "{self._table}" VALUE {{{values}}}'
            else:
                sets = " ".join(f"SET {name} = ?" for name in names[2:])
                gone = " ".join(f"REMOVE {name}" for name in ATTRIBUTES if name not in names)
                made = f'UPDATE "{self._table}" {sets} {gone} {WHERE}'
            self._made[insert, names] = made
        return made


class _Arrivals:
    """The statements that insert contacts of one origin, made of plan lines by their shape.

    `like` is the item of such a contact: what an arrival stores is what an insert of the same contact would.
    """

    def __init__(self, account_id: str, origin: Origin, like: Item, statement: str) -> None:
        self.account_id = account_id
        self.origin = origin
        self._like = like
        self._statement = statement
        self._partitions = {
            prefix.encode(): orjson.dumps(partition(account_id, shard_of(prefix)))[1:-1]
            for prefix in PREFIXES
        }
        shapes = Shapes(self._inserting, compares=lambda row: compares(row[-1]), split=self._pieces)
        self.statement = shapes.transformed
        """A plan line → its statement, as JSON."""

    def _pieces(self, line: bytes) -> Pieces:
        """A plan line at its quotes, with the contact's partition for the word "add", and the row's number in quotes."""
        pieces = line.split(b'"')
        pieces[1] = self._partitions[pieces[3][:2]]
        pieces[4:5] = b",", pieces[4][1:-1], b","
        return pieces

    def _inserting(self, row: list[Any]) -> dict[str, Any]:
        place, id_, number, hash_, fields = row
        sync_id = self.origin.sync_id
        source: Item = self._like["s"]["M"][sync_id]["M"] | {"n": {"N": number}, "h": {"S": hash_}}
        item = self._like | {
            "pk": {"S": place},
            "sk": {"S": id_},
            "f": {"M": attributes(laid_bare(fields))},
            "s": {"M": {sync_id: {"M": source}}},
        }
        return {"Statement": self._statement, "Parameters": list(item.values())}


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
                self.unstorable.append(write.slot_id)
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
            self.unstorable.append(batch.parts[0].slot_id)
            return
        self.start(Batch(batch.parts[:middle]))
        self.start(Batch(batch.parts[middle:]))


def _number(number: int) -> Attribute:
    return {"N": str(number)}

"""How contacts are written: PartiQL statements, and what becomes of each of them.

Writes go out as PartiQL batches: the only request that carries 25 writes, each under its own condition, at one
write unit each. BatchWriteItem knows no conditions, a transaction costs double and fails as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from contactsync.adapters.items import Attribute, Item, Unstorable, attributes, item_of, partition
from contactsync.adapters.lanes import Batch, Lanes, batches
from contactsync.adapters.patience import Patience
from contactsync.adapters.wire import TRANSIENT, ServiceError
from contactsync.core.identity import PREFIXES, shard_of
from contactsync.core.overlay import compares, laid_bare
from contactsync.core.shapes import Pieces, Shapes
from contactsync.model.contact import Origin
from contactsync.ports import Insert, Remove, Write

A = TypeVar("A")

OPERATION = "BatchExecuteStatement"
LOST = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
TRANSIENT_STATEMENT = frozenset(code.removesuffix("Exception") for code in TRANSIENT) | {"ThrottlingError"}
ATTRIBUTES = ("k", "v", "f", "g", "h", "s", "ca", "cb", "ua", "ub", "uv", "t", "ct", "expires_at")
WHERE = "WHERE pk = ? AND sk = ? AND v = ?"
WRITES_A_REQUEST = 25
AHEAD = 8
"""Requests that are made in one go."""
UNSTORABLE = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError"})


class Statements:
    """PartiQL for the three kinds of write on one table. Values travel as parameters: none can break out."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._made: dict[tuple[bool, tuple[str, ...]], str] = {}
        self._delete = f'DELETE FROM "{table}" {WHERE}'  # noqa: S608 no value in it
        self._arrivals: _Arrivals | None = None

    def of(self, account_id: str, writes: Sequence[Write]) -> bytes:
        """The request that carries out writes. Raises TypeError for a contact that no item can hold."""
        return orjson.dumps({"Statements": [self._of(account_id, write) for write in writes]})

    def arrivals(self, account_id: str, origin: Origin) -> Callable[[Sequence[bytes]], bytes]:
        """What makes, of the plan lines of newcomers, the request that inserts them.

        It raises TypeError as `of` does. The last origin's is kept, as a run has but one.
        """
        known = self._arrivals
        if known is None or known.account_id != account_id or known.origin is not origin:
            like = item_of(account_id, origin.contact("0" * 32, 1, {}, 0, ""))
            known = _Arrivals(account_id, origin, like, self._statement(tuple(like), insert=True))
            self._arrivals = known
        return known.request

    def _of(self, account_id: str, write: Write) -> dict[str, Any]:
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

    `like` is the item of such a contact: what is stored is what an insert of the same contact would store.
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
        self._shapes = Shapes(self._inserting, compares=lambda row: compares(row[-1]), split=self._pieces)

    def request(self, lines: Sequence[bytes]) -> bytes:
        """The request that carries out plan lines."""
        return b'{"Statements":[%b]}' % b",".join(map(self._shapes.transformed, lines))

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


class Settled(NamedTuple, Generic[A]):
    """The parts of a batch that were carried out, and those whose condition did not hold."""

    done: list[A]
    lost: list[A]


class Writing(Generic[A]):
    """One call of ContactStore.write, or bring. `made` makes the request for some parts, `id_of` names the slot of one."""

    def __init__(
        self,
        made: Callable[[Sequence[A]], bytes],
        id_of: Callable[[A], str],
        lanes: Lanes[Batch[A]],
        patience: Patience,
    ) -> None:
        self._made = made
        self._id_of = id_of
        self._lanes = lanes
        self._patience = patience
        self._unstorable: list[str] = []

    def settled(self, parts: Iterable[A]) -> Iterator[Settled[A]]:
        """Write parts, 25 in a request; yields the outcomes that are final, as they come.

        Raises:
            Unstorable: after all other parts were seen to.
            Busy: a batch has waited long enough.
            ServiceError: a part was refused for a reason that no contact gives; a bug.
        """
        waiting = self._ahead(batches(parts, WRITES_A_REQUEST))
        for batch, outcome in self._lanes.run(waiting, lambda ready: self._send(*ready)):
            yield self._settle(batch, outcome)
        if self._unstorable:
            raise Unstorable(self._unstorable)

    def _ahead(self, waiting: Iterator[Batch[A]]) -> Iterator[tuple[Batch[A], bytes | None]]:
        """Batches with their requests, which are made some at a time.

        Between two answers, each would be made by a processor that has done other things meanwhile, for twice the CPU.
        """
        while some := list(islice(waiting, AHEAD)):
            yield from [(batch, self._body(batch)) for batch in some]

    def _body(self, batch: Batch[A]) -> bytes | None:
        """None where a value is no canonical JSON, or half a surrogate pair."""
        try:
            return self._made(batch.parts)
        except TypeError:
            return None

    def _send(self, batch: Batch[A], body: bytes | None) -> None:
        if body is None:
            self._divide(batch)
        else:
            self._lanes.send(OPERATION, body, batch, after_s=batch.delay_s)

    def _settle(self, batch: Batch[A], outcome: dict[str, Any] | ServiceError) -> Settled[A]:
        """The outcomes that are final. What must wait is sent again by itself."""
        settled: Settled[A] = Settled([], [])
        if isinstance(outcome, ServiceError):
            if outcome.code != "ValidationException":
                raise outcome
            self._divide(batch)
            return settled
        left: list[A] = []
        for part, reply in zip(batch.parts, outcome["Responses"], strict=True):
            if "Error" not in reply:
                settled.done.append(part)
                continue
            code = reply["Error"]["Code"]
            if code in LOST:
                settled.lost.append(part)
            elif code in TRANSIENT_STATEMENT:
                left.append(part)
            elif code in UNSTORABLE:
                self._unstorable.append(self._id_of(part))
            else:
                raise ServiceError(OPERATION, 200, code, "unknown")
        if left:
            rest = batch.rest(left, OPERATION, self._patience)
            self._send(rest, self._body(rest))
        return settled

    def _divide(self, batch: Batch[A]) -> None:
        """One part fails the whole batch before anything is carried out: find it, let the others pass."""
        middle = len(batch.parts) // 2
        if not middle:
            self._unstorable.append(self._id_of(batch.parts[0]))
            return
        for half in (Batch(batch.parts[:middle]), Batch(batch.parts[middle:])):
            self._send(half, self._body(half))


def _number(number: int) -> Attribute:
    return {"N": str(number)}

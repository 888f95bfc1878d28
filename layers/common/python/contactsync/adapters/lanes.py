"""Several requests of one wire under way at once, in one thread.

Sending is quick and the service's latency is long, so the next request goes out while earlier ones are being
answered. Threads would do the same at twice the CPU: eight of them contend for the interpreter at every packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from select import POLLIN, poll
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from contactsync.adapters.connection import Connection
from contactsync.adapters.patience import Again, Patience
from contactsync.adapters.wire import READ_S, ServiceError, Wire
from contactsync.errors import Busy

C = TypeVar("C")
A = TypeVar("A")

Landed = tuple[C, dict[str, Any] | ServiceError]
"""What a request was for, and its answer or final refusal."""


class Lanes(Generic[C]):
    """Requests under way. Leaving the context waits for them: nothing happens behind the caller's back."""

    def __init__(self, wire: Wire, limit: int) -> None:
        self._wire = wire
        self._limit = limit
        self._lanes: list[_Lane[C]] = []
        self._awaited: dict[int, _Lane[C]] = {}  # by the descriptor of the connection
        # The selectors module takes 17 µs to watch a connection and to leave it, this less than one
        self._poll = poll()

    def send(self, operation: str, body: bytes, context: C, *, after_s: float = 0.0) -> None:
        """Let a request go out, now or later. `body` is JSON; `context` comes back with its answer.

        Raises Busy, ServiceError: as for Wire.call, of this or an earlier request.
        """
        lane = _Lane(operation, body, context, until=monotonic() + after_s)
        self._lanes.append(lane)
        if not after_s:
            self._launch(lane)

    def next(self) -> Landed[C]:
        """Wait for any answer, trying again meanwhile what failed in passing. Raises Busy."""
        while True:
            wake = min(lane.until for lane in self._lanes)
            for descriptor, _ in self._poll.poll(_ms(wake - monotonic())):
                landed = self._land(self._awaited[descriptor])
                if landed is not None:
                    return landed
            now = monotonic()
            for lane in self._lanes:
                if lane.until <= now:
                    self._on_time(lane)

    def run(self, inputs: Iterable[A], start: Callable[[A], None]) -> Iterator[Landed[C]]:
        """Start the inputs one by one as lanes become free; yield what lands, until nothing is under way.

        `start` sends an input's request; so may the caller between two landings.
        """
        for each in inputs:
            start(each)
            # Before the next input is asked for: it may be made of much
            while len(self._lanes) >= self._limit:
                yield self.next()
        while self._lanes:
            yield self.next()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        give_up = monotonic() + READ_S
        while self._awaited and (left_s := give_up - monotonic()) > 0:
            for descriptor, _ in self._poll.poll(_ms(left_s)):
                lane = self._awaited[descriptor]
                with suppress(Again, ServiceError):
                    self._wire.receive(lane.operation, self._taken(lane))
        for lane in self._lanes:
            if lane.connection is not None:
                self._taken(lane).close()
        self._lanes.clear()

    def __len__(self) -> int:
        return len(self._lanes)

    def _launch(self, lane: _Lane[C]) -> None:
        try:
            lane.connection = self._wire.send(lane.operation, lane.body)
        except Again as last:
            self._postpone(lane, last)
            return
        lane.until = monotonic() + READ_S
        descriptor = lane.connection.sock.fileno()
        self._awaited[descriptor] = lane
        self._poll.register(descriptor, POLLIN)

    def _land(self, lane: _Lane[C]) -> Landed[C] | None:
        """What came of a request whose connection has something to read; None if it is to be sent again."""
        outcome: dict[str, Any] | ServiceError
        try:
            outcome = self._wire.receive(lane.operation, self._taken(lane))
        except Again as last:
            self._postpone(lane, last)
            return None
        except ServiceError as error:
            outcome = error
        self._lanes.remove(lane)
        return lane.context, outcome

    def _on_time(self, lane: _Lane[C]) -> None:
        """A wait has ended: send what was postponed, give up on an answer that did not come."""
        if lane.connection is None:
            self._launch(lane)
        else:
            self._taken(lane).close()
            self._postpone(lane, Again("TimeoutError"))

    def _postpone(self, lane: _Lane[C], last: Again) -> None:
        lane.failures += 1
        self._wire.patience.check(lane.operation, lane.failures, last)
        lane.until = monotonic() + self._wire.patience.delay_s(lane.failures)

    def _taken(self, lane: _Lane[C]) -> Connection:
        """The lane's connection, no longer watched."""
        connection = lane.connection
        assert connection is not None
        lane.connection = None
        descriptor = connection.sock.fileno()
        del self._awaited[descriptor]
        self._poll.unregister(descriptor)
        return connection


def _ms(seconds: float) -> float:
    return max(0.0, seconds) * 1000


@dataclass(frozen=True, slots=True)
class Batch(Generic[A]):
    """The parts of one request, of which a service may do some and leave others for later."""

    parts: list[A]
    delay_s: float = 0.0
    idle_rounds: int = 0

    def rest(self, left: list[A], operation: str, patience: Patience) -> Batch[A]:
        """What is left, to be sent after a while. Progress earns new patience; too many rounds without raise Busy."""
        idle_rounds = self.idle_rounds + 1 if len(left) == len(self.parts) else 0
        if idle_rounds >= patience.attempts:
            raise Busy(f"{operation} got nothing done in {idle_rounds} rounds.")
        return Batch(left, patience.delay_s(max(idle_rounds, 1)), idle_rounds)


def batches(parts: Iterable[A], size: int) -> Iterator[Batch[A]]:
    """Parts in batches of `size`, read no further than the batch that is asked for."""
    waiting = iter(parts)
    while batch := list(islice(waiting, size)):
        yield Batch(batch)


@dataclass(slots=True, eq=False)
class _Lane(Generic[C]):
    """One request. `until` is when to send it, or, with a connection, when to give up on its answer."""

    operation: str
    body: bytes
    context: C
    until: float
    failures: int = 0
    connection: Connection | None = None

"""A file coming in over connections that break: bounded in bytes, time and attempts, resumed where that is safe.

Each protocol gives `Leg`s: one connection's worth of the file, from an offset on. `Transfer` strings them
together. After a cut it asks for the rest, and a little more: what came twice has to be the same, so that the head
of one version is not joined to the tail of another, even where a server's ETag or time of change does not tell them
apart. A leg that has to begin at the beginning again is compared from there.
"""

from __future__ import annotations

import hashlib
import io
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from contactsync.errors import SourceAway, UnreadableFile
from contactsync.ports import Ending

BUFFER_BYTES = 256 * 1024
OVERLAP_BYTES = 64 * 1024
"""How much of what came before a cut is asked for again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much. The total leaves the fetch function, which has 15 minutes, time to say what happened."""

    connect_s: float = 10
    read_s: float = 30
    answer_s: float = 40
    total_s: float = 780
    slow_s: float = 60
    slow_bytes_per_s: int = 1024
    most_bytes: int = 5 * 1024**3
    attempts: int = 5
    first_wait_s: float = 0.5
    settled_s: float = 20
    """How long a file has to stand still before it counts as whole."""

    @property
    def in_all(self) -> str:
        """The total, in words."""
        return f"{self.total_s / 60:.0f} minutes" if self.total_s >= 60 else f"{self.total_s:.0f} seconds"


class Cut(Exception):
    """A connection ended before the file did. What came is right as far as it goes."""


class Leg(Protocol):
    """One connection's worth of a file."""

    start: int
    """The offset of its first byte: what was asked for, or 0 where the server cannot begin elsewhere."""

    def read(self, count: int, /) -> bytes:
        """Up to `count` bytes; none at the end. Raises Cut or OSError."""
        ...

    def ending(self) -> Ending:
        """What proves the end, after `read` gave nothing. Raises Cut if it was not the end."""
        ...

    def close(self) -> None:
        """Give the connection up. Raises nothing."""
        ...


class Deadline:
    """When all of a file has to be there, however slowly its bytes come: counted from the first question.

    `Transfer` looks at the time between two reads. What is framed, a packet or the line before a chunk, is one read, and a
    server that sends a byte of it now and then would never be out of time.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._at: float | None = None

    def left_s(self) -> float:
        """How long there is still."""
        now = time.monotonic()
        if self._at is None:
            self._at = now + self._limits.total_s
        return max(0.0, self._at - now)


class Transfer(io.RawIOBase):
    """The file as one stream. `begin` opens a leg at an offset; it may raise SourceAway, Cut, OSError or UnreadableFile.

    Reading raises SourceAway when the server keeps breaking off, is too slow, or changes the file meanwhile, and
    UnreadableFile when the file is too large or takes too long.
    """

    def __init__(self, begin: Callable[[int], Leg], limits: Limits, host: str) -> None:
        self._begin = begin
        self._limits = limits
        self._host = host
        self._digest = hashlib.sha256()
        self._tail = bytearray()
        self._at = 0
        self._head = b""
        self._failures = 0
        self._failed_at = 0
        self._started = time.monotonic()
        self._window_s = 0.0
        self._window_bytes = 0
        self._ending: Ending | None = None
        self._leg: Leg | None = None
        self._reach()

    def ending(self) -> Ending:
        """See `ports.SourceStream.ending`."""
        return self._ending or Ending(None, "The file was not read to its end.")

    def head(self, count: int) -> bytes:
        """The first bytes, up to `count` of them, without taking them out of the stream."""
        while len(self._head) < count and (data := self._next(count - len(self._head))):
            self._head += data
        return self._head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill some of `buffer`; 0 only at an end that is no cut."""
        view = memoryview(buffer)
        data = self._head[: len(view)]
        if data:
            self._head = self._head[len(data) :]
        else:
            data = self._next(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Give the connection up."""
        if self._leg is not None:
            self._leg.close()
            self._leg = None
        super().close()

    def _next(self, count: int) -> bytes:
        while self._ending is None:
            assert self._leg is not None
            try:
                data = self._timed(self._leg, count)
                if not data:
                    self._ending = self._leg.ending()
                    break
            except (Cut, OSError):
                self._failed()
                self._reach()
                continue
            self._at += len(data)
            self._digest.update(data)
            self._tail += data
            if len(self._tail) > 8 * OVERLAP_BYTES:
                del self._tail[:-OVERLAP_BYTES]
            if self._at > self._limits.most_bytes:
                raise too_large(self._limits.most_bytes)
            return data
        return b""

    def _reach(self) -> None:
        """Have a leg whose next byte is the one that is wanted."""
        while True:
            try:
                self._leg = self._begin(max(0, self._at - OVERLAP_BYTES))
                self._catch_up(self._leg)
                return
            except (Cut, OSError):
                self._failed()

    def _failed(self) -> None:
        """Wait before another attempt, or give up. What went well for a while starts counting anew."""
        if self._leg is not None:
            self._leg.close()
            self._leg = None
        self._check_total()  # first: it may be our own cut
        self._failures = 1 if self._at - self._failed_at >= BUFFER_BYTES else self._failures + 1
        self._failed_at = self._at
        if self._failures >= self._limits.attempts:
            how_often = "" if self._failures == 1 else f" {self._failures} times, the last time"
            raise SourceAway(f"{self._host} broke off{how_often} after {self._at} bytes.")
        time.sleep(random.uniform(0.5, 1) * self._limits.first_wait_s * 2 ** (self._failures - 1))  # noqa: S311 spreads load, keeps no secret

    def _catch_up(self, leg: Leg) -> None:
        """Read a leg up to where we are. Raises SourceAway unless it says the same as the last one."""
        digest = hashlib.sha256()
        left = self._at - leg.start
        before = self._digest if leg.start == 0 else hashlib.sha256(self._tail[len(self._tail) - left :])
        while left:
            data = self._timed(leg, min(left, BUFFER_BYTES))
            if not data:
                leg.ending()  # raises Cut if the connection broke; otherwise the file is shorter now
                raise changed(self._host)
            digest.update(data)
            left -= len(data)
        if digest.digest() != before.digest():
            raise changed(self._host)

    def _timed(self, leg: Leg, count: int) -> bytes:
        """Read, and count the time that reading took; what our own side takes is no fault of the server."""
        self._check_total()
        began = time.monotonic()
        data = leg.read(count)
        if not data:
            self._check_total()  # to a body that ends with its connection, our own cut looks like its end
        self._window_s += time.monotonic() - began
        self._window_bytes += len(data)
        if self._window_s >= self._limits.slow_s:
            if self._window_bytes < self._limits.slow_bytes_per_s * self._window_s:
                raise SourceAway(
                    f"{self._host} sends less than {self._limits.slow_bytes_per_s} bytes a second."
                )
            self._window_s, self._window_bytes = 0.0, 0
        return data

    def _check_total(self) -> None:
        if time.monotonic() - self._started > self._limits.total_s:
            raise UnreadableFile(
                "too_slow",
                f"The file did not arrive from {self._host} within {self._limits.in_all}.",
                "Split it, compress it, or have it served from a faster host.",
            )


def let_settle(changed_at: float, limits: Limits) -> None:
    """Wait until a file that was changed just now has stood still for a while; its time is in epoch seconds.

    Reading takes a moment, and whoever is uploading may pause for longer: only a second look after that tells a file that is whole
    from one that ends where its upload has come to. A time in the future is another clock's.
    """
    age_s = max(0.0, time.time() - changed_at)
    if age_s < limits.settled_s:
        time.sleep(limits.settled_s - age_s)


def changed(host: str) -> SourceAway:
    """The file is not the one that we began to read: it is read anew, later."""
    return SourceAway(f"The file on {host} changed while it was read.")


def too_large(most_bytes: int) -> UnreadableFile:
    """More than any run takes."""
    return UnreadableFile(
        "too_large",
        f"The file is larger than {most_bytes / 1024**3:.3g} GiB.",
        "Split it into several files, each with a sync of its own.",
    )

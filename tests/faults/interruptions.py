"""Ports that fail at their n-th call, once: for every n and every way, this is crash enumeration.

Before: the worker dies, the call had no effect. After: the call took effect, then the worker dies. Lost: the call
took effect and the worker lives, but its adapter gave up on the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from contactsync.errors import Busy
from contactsync.ports import MailUncertain
from tests.support.world import Died, Ports

ASKS_NOBODY = frozenset({"capabilities", "held"})
"""What a connector answers by itself."""


class Way(Enum):
    """How a call fails."""

    BEFORE = "dies before"
    AFTER = "dies after the effect"
    LOST = "reply lost"


@dataclass
class Interruptions:
    """Counts the calls of all ports together, and lets one of them fail."""

    at: int
    way: Way
    calls: list[str] = field(default_factory=list)
    fired: bool = False

    def ports(self, ports: Ports) -> Ports:
        """The same ports, watched."""
        return Ports(
            records=_Watched(ports.records, self),
            contacts=_Watched(ports.contacts, self),
            runs=_Watched(ports.runs, self),
            uploads=_Watched(ports.uploads, self),
            drops=_Watched(ports.drops, self),
            photos=_Watched(ports.photos, self),
            mailer=_Watched(ports.mailer, self),
            clock=ports.clock,
            bus=_Watched(ports.bus, self),
            vault=_Watched(ports.vault, self),
        )

    def watched(self, port: object) -> Any:
        """One more thing that is called, counted among the others."""
        return _Watched(port, self)

    def due(self, name: str) -> bool:
        """Note a call; whether it is the one that fails."""
        self.calls.append(name)
        if len(self.calls) == self.at:
            self.fired = True
            return True
        return False

    def raise_before(self) -> None:
        """Die, if this is the way."""
        if self.way is Way.BEFORE:
            raise Died

    def raise_after(self) -> None:
        """Die or lose the reply."""
        if self.way is Way.AFTER:
            raise Died
        raise MailUncertain if self.calls[-1] == "send" else Busy("the reply was lost")


class _Watched:
    def __init__(self, port: object, interruptions: Interruptions) -> None:
        self._port = port
        self._interruptions = interruptions

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if name in ASKS_NOBODY:
            return call
        kind = {
            "open": self._context,
            "open_version": self._context,
            "writer": self._context,
            "write": self._stream,
            "scan": self._stream,
            "pull": self._stream,
            "create": self._stream,
            "update": self._stream,
        }
        if name == "delete" and not hasattr(self._port, "keys"):
            return self._stream(name, call)  # of cards; a bucket's is one call
        return kind.get(name, self._plain)(name, call)

    def _plain(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            due = self._interruptions.due(name)
            if due:
                self._interruptions.raise_before()
            answer = call(*arguments, **options)
            if due:
                self._interruptions.raise_after()
            return answer

        return watched

    def _context(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
            due = self._interruptions.due(name)
            if due:
                self._interruptions.raise_before()
            with call(*arguments, **options) as inner:
                yield inner
            if due:
                self._interruptions.raise_after()

        return watched

    def _stream(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
            """Each item is a call of its own; a batch in flight takes effect though its answers are lost."""
            inner = call(*arguments, **options)
            while True:
                due = self._interruptions.due(name)
                if due:
                    self._interruptions.raise_before()
                    for _ in inner:
                        pass
                    self._interruptions.raise_after()
                try:
                    item = next(inner)
                except StopIteration:
                    return
                yield item

        return watched

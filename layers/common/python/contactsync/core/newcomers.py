"""Plan lines of rows that fill an empty slot and claim nothing: `["add","<id>",<line>,"<hash>",{<fields>}]`.

A first import is nothing else, a million times over. So such a line is never decoded: plan makes it of what map wrote,
and upsert makes of it what the table is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from contactsync.core.identity import ID_BYTES
from contactsync.core.overlay import laid_bare
from contactsync.model.contact import Contact, Origin

_ADD = b'["add","'
_BARE = b"}]"
"""How the line ends: over and claim end in null] or ]]."""
_ID = slice(len(_ADD), len(_ADD) + 2 * ID_BYTES)


def add_line(mapped_line: bytes) -> bytes:
    """The plan line that adds a mapped row, made from the row's own line `[id, row, hash, fields]` unread.

    Most rows of a first import take this way; reading and writing them anew would be half of the step's work.
    """
    return b'["add",' + mapped_line[1:]


def is_newcomer(plan_line: bytes) -> bool:
    """Whether a plan line is as `add_line` makes them."""
    return plan_line.startswith(_ADD) and plan_line.endswith(_BARE)


def told_apart(plan_lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The newcomers among plan lines, and the others."""
    newcomers = [line for line in plan_lines if line.startswith(_ADD) and line.endswith(_BARE)]
    if len(newcomers) == len(plan_lines):
        return newcomers, []
    return newcomers, [line for line in plan_lines if not is_newcomer(line)]


def contact_in(add_line: bytes, origin: Origin) -> Contact:
    """The contact that a plan line adds, in full."""
    _, id_, row, hash_, fields = orjson.loads(add_line)
    return origin.contact(id_, 1, laid_bare(fields), row, hash_)


def id_in(add_line: bytes) -> str:
    """The contact that a plan line adds."""
    return add_line[_ID].decode()


def added_in(plan_lines: Iterable[bytes]) -> Iterator[str]:
    """The contacts that these plan lines add."""
    return (id_in(line) for line in plan_lines if line.startswith(_ADD))

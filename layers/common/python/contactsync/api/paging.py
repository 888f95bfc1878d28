"""Page tokens: where a listing goes on, sealed, so that nobody can point one elsewhere.

A token is signed with a key derived from the account's secret and from the place and the query that it was
made for. Another account, another route, another filter or a changed bit, and it is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from contactsync.errors import InvalidRequest, Problem

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
LIFETIME_S = 24 * 3600
PARAMETERS = frozenset({"limit", "next"})

_SEAL_BYTES = 16


@dataclass(frozen=True, slots=True)
class Pager:
    """Tokens of one account for one listing. `secret` is the account's identity secret, hex."""

    secret: str
    place: str
    query: Mapping[str, str]
    now_s: int

    def page(self) -> tuple[str | None, int]:
        """Where the asked page begins, and how many items it has. Raises InvalidRequest with what is wrong with either."""
        after, limit = together(self.position, self.limit)
        return after, limit

    def limit(self) -> int:
        """How many items a page shall have. Raises InvalidRequest."""
        asked = self.query.get("limit")
        if asked is None:
            return DEFAULT_LIMIT
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 6 and 1 <= int(asked) <= MAX_LIMIT):
            raise InvalidRequest([Problem("/limit", f"Give a whole number from 1 to {MAX_LIMIT}.")])
        return int(asked)

    def position(self) -> str | None:
        """Where the asked page begins; None for the first. Raises InvalidRequest for a token that is not ours."""
        token = self.query.get("next")
        if token is None:
            return None
        sealed = _unwrapped(token)
        seal, content = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(content)):
            raise _refused()
        position, expires_s = orjson.loads(content)
        if expires_s < self.now_s:
            raise _refused()
        return str(position)

    def token(self, position: str | None) -> str | None:
        """The token for the page that begins at `position`; None where there is none."""
        if position is None:
            return None
        content = orjson.dumps([position, self.now_s + LIFETIME_S])
        return _wrapped(self._seal(content) + content)

    def _seal(self, content: bytes) -> bytes:
        filters = sorted((name, value) for name, value in self.query.items() if name not in PARAMETERS)
        bound = orjson.dumps(["page", self.place, filters])
        key = hmac.digest(bytes.fromhex(self.secret), bound, "sha256")
        return hmac.digest(key, content, "sha256")[:_SEAL_BYTES]


def together(*asks: Callable[[], Any]) -> list[Any]:
    """What each of them says. Where some refuse, the problems of all are told at once."""
    said: list[Any] = []
    problems: list[Problem] = []
    for ask in asks:
        try:
            said.append(ask())
        except InvalidRequest as error:
            problems += error.problems
    if problems:
        raise InvalidRequest(problems)
    return said


def _wrapped(sealed: bytes) -> str:
    """URL-safe, and without the padding that would have to be escaped in a query."""
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _unwrapped(token: str) -> bytes:
    try:
        sealed = base64.b64decode(
            token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
        )
    except (UnicodeEncodeError, binascii.Error):
        raise _refused() from None
    if _wrapped(sealed) != token:  # base64 spells the last byte in several ways; we write one
        raise _refused()
    return sealed


def _refused() -> InvalidRequest:
    return InvalidRequest(
        [Problem("/next", "This page token is not valid here, or has expired: list again from the start.")]
    )

"""Calls to a provider on behalf of one person: bounded in time and size, one after the other, never repeated blindly.

What a call may have done decides what its failure means. One that only reads may be tried again, and is Busy; one
that writes and whose answer is lost may have been carried out, and is Lost, for the caller to look.
"""

from __future__ import annotations

import contextlib
import email.utils
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
import urllib3

from contactsync.errors import AccessLost, BookBusy, Busy, SourceAway

MAX_ANSWER_BYTES = 64 * 1024 * 1024
WAITS = 3
"""How often a provider that asks for patience is waited for here, before the step as a whole is tried later."""
LONGEST_WAIT_S = 20.0
LONGEST_REST_S = 86_400.0
"""A server may ask for years, which is as good as being lost, without anybody being told."""
PIECE_BYTES = 65_536
NOT_THERE = 501
"""That a provider has no such method for this account, and will have none: neither away nor lost."""

Access = Callable[[bool], str]
"""Gives an access token; True: the last one was not taken, so a new one is needed. Raises AccessLost or Busy."""


class Lost(Exception):
    """The answer to a call that writes did not come: it may have been carried out, or not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider answered, whatever it was, save for what every call treats alike."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; an empty dict for none. Raises Busy if it is something else: a proxy's page, a cut body."""
        try:
            return orjson.loads(self.body) if self.body else {}
        except orjson.JSONDecodeError:
            raise SourceAway("The provider answered something that is not JSON.") from None


class Calls:
    """One person's calls to one provider.

    Args:
        base: "https://host" with a path, or without; what is called lies below it.
        access: gives the bearer token.
        is_final: tells of a 429 whether waiting would not help, because it is room that is lacking.
        timeout_s: for connecting, and for each wait on the answer.
        sleep: waits, where a provider asks for it.
    """

    def __init__(
        self,
        base: str,
        access: Access,
        *,
        is_final: Callable[[Reply], bool] = lambda _: False,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = base.rstrip("/")
        self._access = access
        self._is_final = is_final
        self._sleep = sleep
        self._pool = urllib3.PoolManager(
            num_pools=2, maxsize=4, retries=False, timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s)
        )
        self.made = 0

    def get(self, path: str, query: Mapping[str, Any] | None = None, **headers: str) -> Reply:
        """Read. `path` may be a whole URL of the same origin, as links to next pages are."""
        return self._call("GET", self._url(path, query), None, headers, writes=False)

    def fetch(self, url: str) -> bytes | None:
        """A picture that the provider names by its address, wherever that is; the token goes to its own host only.

        None where that leads to nothing: one picture must not keep its whole book waiting.
        """
        own = urlsplit(url)[:2] == urlsplit(self._base)[:2]
        reply = self._send("GET", url, None, {}, self._access(False) if own else "", writes=False)
        if reply.status == 429 or reply.status >= 500:
            raise put_off(reply.status, retry_after(reply.headers))
        return reply.body if reply.ok else None

    def ask(self, method: str, path: str, document: Any, **headers: str) -> Reply:
        """Read by another method than GET: a search, a batch of reads."""
        return self._call(method, self._url(path, None), _json(document), headers, writes=False)

    def write(
        self,
        method: str,
        path: str,
        document: Any = None,
        query: Mapping[str, Any] | None = None,
        *,
        body: bytes | None = None,
        **headers: str,
    ) -> Reply:
        """Change something. Raises Lost if it may have been carried out and nobody knows."""
        content = body if body is not None else _json(document)
        return self._call(method, self._url(path, query), content, headers, writes=True)

    def _url(self, path: str, query: Mapping[str, Any] | None) -> str:
        url = path
        if not path.startswith(("http://", "https://")):
            url = f"{self._base}{path}"
        elif urlsplit(path)[:2] != urlsplit(self._base)[:2]:
            raise Busy("The provider named a next page on another host.")
        return f"{url}{'&' if '?' in url else '?'}{urlencode(query, doseq=True)}" if query else url

    def _call(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, writes: bool
    ) -> Reply:
        renewed = False
        waits = 0
        while True:
            token = self._access(renewed)
            reply = self._send(method, url, body, headers, token, writes=writes)
            if reply.status == 401 and not renewed:
                renewed = True
            elif reply.status == 401:
                raise AccessLost(
                    "access_lost",
                    "The provider does not let us in any more.",
                    "Connect the account again; nothing was deleted, and everything goes on from where it was.",
                )
            elif self._is_final(reply):
                return reply
            elif reply.status == 429 or (reply.status == 503 and not writes):
                wait_s = retry_after(reply.headers)
                waits += 1
                if waits > WAITS or (wait_s or 0) > LONGEST_WAIT_S:
                    raise put_off(reply.status, wait_s)
                self._sleep(wait_s if wait_s is not None else random.uniform(0.5, 1.0) * 2**waits)  # noqa: S311 spreads load
            elif reply.status >= 500 and reply.status != NOT_THERE:
                if writes:
                    raise Lost
                raise SourceAway(f"The provider answered {reply.status}.")
            else:
                return reply

    def _send(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        token: str,
        *,
        writes: bool,
    ) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Accept-Encoding": "gzip", **({"Authorization": f"Bearer {token}"} if token else {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        self.made += 1
        try:
            answer = self._pool.request(
                method, url, body=body, headers=sent, redirect=False, preload_content=False
            )
            with contextlib.closing(answer):
                return Reply(answer.status, answer.headers, _read(answer))
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            raise SourceAway("The provider cannot be reached.") from None
        except (urllib3.exceptions.HTTPError, OSError):
            if writes:
                raise Lost from None
            raise SourceAway("The provider broke off its answer.") from None


def not_allowed(provider: str) -> AccessLost:
    """We are let in, but not to the contacts: the person left that out, or somebody has taken it back since."""
    return AccessLost(
        "access_lost",
        f"{provider} lets us in, but not to the contacts of this account.",
        "Connect the account again, and allow contacts when you are asked; nothing was deleted, and everything "
        "goes on from where it was.",
    )


def put_off(status: int, wait_s: float | None, who: str = "The provider") -> SourceAway:
    """What an answer means that is none: to be left alone, for `wait_s` if that is said, or that the provider is away."""
    if status == 429 or wait_s is not None:
        return BookBusy(f"{who} asks for patience.", retry_after_s=wait_s)
    return SourceAway(f"{who} answered {status}.")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, which may be a date, a day at most; None without a readable one."""
    said = headers.get("Retry-After", "").strip()
    try:
        date_s = None if said.isdecimal() else email.utils.parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, float(said) if date_s is None else date_s - time.time()), LONGEST_REST_S)


def _json(document: Any) -> bytes | None:
    return None if document is None else orjson.dumps(document)


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    pieces, size = [], 0
    while piece := answer.read(PIECE_BYTES, decode_content=True):
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise SourceAway("The provider's answer is larger than anything that it should send.")
        pieces.append(piece)
    return b"".join(pieces)

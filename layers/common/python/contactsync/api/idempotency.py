"""Idempotency-Key: the first answer is replayed for a day.

A record per account, route and key says who is at it and, once there is one, what was answered. It also holds
the seed from which the journey derives the ids of what it creates, so that a request that died half way finds
its own work when it is sent again, instead of doing it twice.

    first request             open, under a lease → the journey → done, with its answer
    again, done               the same answer
    again, under the lease    409 with Retry-After
    again, lease over         the same work again, with the same seed: the first one died, or failed on our side
    another body or member    422: what belongs to whoever asks, such as an address book, would be another's
    refused (4xx)             the record goes: nothing was done, so the key is free for the corrected request
    again, the answer secret  the same work again, with the same seed: nothing but the seed was kept
    again, it was too large   the same
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from contactsync.api.answer import Answer, AnyAnswer, Wait
from contactsync.api.incoming import Request
from contactsync.control import Control, new_id
from contactsync.errors import Busy, InvalidRequest, Problem, Stale
from contactsync.ports import Clock, Delete, Put, RecordKey, Records

REPLAYED_S = 24 * 3600
LEASE_S = 30
"""API Gateway gives up after 29 s, and so does the function."""
KEPT_BYTES = 380_000
"""Of an answer as a text in its record, in which every quote takes two bytes: the table holds 400 KB."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Our hold on a key: the record as we have written it."""

    key: RecordKey
    document: dict[str, Any]
    version: int
    expires_at: int


def once(
    request: Request, control: Control, clock: Clock, act: Callable[[str], AnyAnswer], *, keep: bool = True
) -> AnyAnswer:
    """Carry out `act(seed)` once for this key, or replay what it answered.

    keep: an answer that may not be kept is made again instead, by an `act` that comes to the same for a seed.
    """
    if request.idempotency_key is None:
        return act(new_id(clock.now()))
    records = control.records
    secret = bytes.fromhex(control.account(request.caller.account_id).identity_secret)
    held = _take(request, request.idempotency_key, records, secret, clock.now())
    if isinstance(held, Answer):
        return held
    try:
        answer = act(held.document["seed"])
    except Exception as error:
        _let_go(held, records, keep=getattr(error, "status", 500) >= 500)
        raise
    if keep and len(orjson.dumps(answer.body)) <= KEPT_BYTES:
        _finish(held, records, answer)
    else:
        _let_go(held, records, keep=True)
    return answer


def _take(request: Request, key: str, records: Records, secret: bytes, now: datetime) -> _Held | AnyAnswer:
    digest = hashlib.sha256(f"{request.place}\0{key}".encode()).hexdigest()
    name = RecordKey(request.caller.account_id, f"idempotency#{digest}")
    # Keyed, because the body may hold a password, which whoever reads the record could find by trying
    body = orjson.dumps(request.body, option=orjson.OPT_SORT_KEYS)
    fingerprint = hmac.new(secret, b"idempotency\0" + body, hashlib.sha256).hexdigest()
    now_s = int(now.timestamp())
    stored = records.get(name)
    member = request.caller.member_id
    document: dict[str, Any] = {"seed": new_id(now), "body": fingerprint, "member": member}
    expires_at = now_s + REPLAYED_S
    if stored is not None:
        document = dict(stored.document)
        expires_at = stored.expires_at or expires_at
        if (document["body"], document.get("member", member)) != (fingerprint, member):
            raise InvalidRequest(
                [Problem("", "This Idempotency-Key was used for another request: choose a new key.")],
                title="The Idempotency-Key has been used.",
            )
        if "answer" in document:
            return Answer(**document["answer"])
        if document["until"] > now_s:
            raise _at_it()
    document["until"] = now_s + LEASE_S
    expected = stored.version if stored is not None else 0
    try:
        records.commit([Put(name, document, expected, expires_at)])
    except Stale:
        raise _at_it() from None
    return _Held(name, document, expected + 1, expires_at)


def _finish(held: _Held, records: Records, answer: AnyAnswer) -> None:
    told = {
        "status": answer.status,
        "body": answer.body,
        "content_type": answer.content_type,
        "headers": {**answer.headers},
    }
    _quietly(records, Put(held.key, {**held.document, "answer": told}, held.version, held.expires_at))


def _let_go(held: _Held, records: Records, *, keep: bool) -> None:
    """End the lease. What may have been done half stays bound to its body and its seed."""
    if keep:
        _quietly(records, Put(held.key, {**held.document, "until": 0}, held.version, held.expires_at))
    else:
        _quietly(records, Delete(held.key, held.version))


def _quietly(records: Records, write: Put | Delete) -> None:
    """Losing this write costs a repeat at most: whoever takes the key over has the same seed, and does the same."""
    with suppress(Stale, Busy):
        records.commit([write])


def _at_it() -> Wait:
    return Wait(
        "request_under_way",
        "A request with this Idempotency-Key is under way.",
        "Send it again in a second.",
        retry_after_s=1,
    )

"""API keys: made, shown once, listed, rotated, revoked.

A key opens what its member may do. So whoever makes or rotates another member's key, and thereby sees it, must have
all permissions of that member; a member without account.manage sees to their own keys only.

The secret is kept nowhere. Where the request carries an Idempotency-Key, of which we keep a hash only, the secret is made of
it and of the account's own secret, so that the same request sent again shows the same key (ADR 0015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from contactsync.control import Read, check_room, key_digest, note
from contactsync.core import checking
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, InvalidRequest, NotFound, NotPermitted, Problem
from contactsync.journeys.account.accounts import SHOWN_OF_A_KEY, as_of_now, by, derived_key, new_key
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.model.account import ALL_PERMISSIONS, Account, Caller, Key, Member
from contactsync.model.request import KeyRequest, RotateRequest
from contactsync.ports import Delete, Put

NEVER = 2200
"""A year that no key lives to see. Times at the end of the calendar could not be reckoned with."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which request it is: its seed, and its Idempotency-Key if it has one."""

    seed: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key, and the only sight of its secret."""

    key: Key
    secret: str


def listed(world: World, caller: Caller) -> list[Key]:
    """The keys that have not been revoked: everybody's for who manages the account, else one's own."""
    keys = [each.value for each in world.control.keys(caller.account_id)]
    return [key for key in keys if _manages(caller) or key.member_id == caller.member_id]


def make(world: World, caller: Caller, body: Mapping[str, Any], asked: Asked) -> ShownKey:
    """Make a key for the caller or for another member. Raises NotPermitted, PlanLimit, InvalidRequest."""
    if (again := _repeated(world, caller, asked)) is not None:
        return again
    request, problems = checking.check(KeyRequest, body)
    now = world.clock.now()
    if request is None:
        raise InvalidRequest(problems)
    if request.expires_at is not None and request.expires_at <= now:
        problems.append(
            Problem("/expires_at", "This time has passed, so the key would open nothing: choose a later one.")
        )
    if request.expires_at is not None and request.expires_at.year >= NEVER:
        problems.append(
            Problem("/expires_at", f"Choose a time before {NEVER}, or leave it out for a key that lasts.")
        )
    if request.member_id not in (None, caller.member_id) and not _manages(caller):
        raise NotPermitted("account.manage")
    try:
        member = world.control.member(caller.account_id, request.member_id or caller.member_id)
    except NotFound:
        problems.append(Problem("/member_id", "There is no such member: see GET /v1/members."))
        raise InvalidRequest(problems) from None
    if problems:
        raise InvalidRequest(problems)
    key, secret = _drafted(world, caller, member.id, asked, now)
    expires_at = request.expires_at and timestamp(request.expires_at.astimezone(UTC))
    key = key.model_copy(update={"name": request.name, "expires_at": expires_at})
    return ShownKey(
        _stored(world, caller, key, now, what="key.made", told={"member": [None, member.id]}), secret
    )


def rotate(world: World, caller: Caller, key_id: str, body: Mapping[str, Any], asked: Asked) -> ShownKey:
    """Another key in a key's place; the old one lives on for the grace. It gets as long a life as the old one had.

    Raises NotFound, NotPermitted, Conflict for a key that opens nothing any more, PlanLimit.
    """
    if (again := _repeated(world, caller, asked)) is not None:
        return again
    before = _key(world, caller, key_id)
    request = checking.parse(RotateRequest, body)
    now = world.clock.now()
    key, secret = _drafted(world, caller, before.value.member_id, asked, now)
    expires_at = None
    if before.value.expires_at is not None:
        born, dies = (datetime.fromisoformat(at) for at in (before.value.created_at, before.value.expires_at))
        expires_at = timestamp(now + (dies - born))
    key = key.model_copy(update={"name": before.value.name, "expires_at": expires_at})
    grace = timedelta(hours=request.grace_hours)
    return ShownKey(
        _stored(world, caller, key, now, what="key.rotated", told={"key": [key_id, key.id]}, grace=grace),
        secret,
    )


def revoke(world: World, caller: Caller, key_id: str) -> None:
    """A key opens nothing any more. Raises NotFound, NotPermitted."""
    now = world.clock.now()
    _key(world, caller, key_id)

    def revoking(read: Read[Account]) -> tuple[Account, list[Put | Delete]]:
        stored = _key(world, caller, key_id)
        dead = stored.value.model_copy(update={"revoked": True, "expires_at": timestamp(now)})
        told = world.control.noted(read.value.id, note(by(caller), "key.revoked", key_id, now))
        return read.value, [*world.control.put_key(dead, stored.version), told]

    world.control.change_account(caller.account_id, revoking)


def _drafted(world: World, caller: Caller, member_id: str, asked: Asked, now: datetime) -> tuple[Key, str]:
    """A key as it is before anybody has named it, and its secret."""
    if asked.idempotency_key is None:
        secret = new_key()
    else:
        own = world.control.account(caller.account_id).identity_secret
        secret = derived_key(own, asked.seed, asked.idempotency_key)
    key = Key(
        id=derived_id(asked.seed, "key"),
        account_id=caller.account_id,
        member_id=member_id,
        prefix=secret[:SHOWN_OF_A_KEY],
        digest=key_digest(secret),
        created_at=timestamp(now),
    )
    return key, secret


def _stored(
    world: World,
    caller: Caller,
    key: Key,
    now: datetime,
    *,
    what: str,
    told: Mapping[str, Any],
    grace: timedelta | None = None,
) -> Key:
    """Store a new key; `grace`: how long the one lives on that it replaces, which `told` names."""
    stored = key

    def storing(read: Read[Account]) -> tuple[Account, list[Put | Delete]]:
        nonlocal stored
        keys = world.control.keys(caller.account_id)
        for each in keys:
            if each.value.id == key.id:
                stored = each.value
                return read.value, []  # this request was here before
        _check_still(world, caller, key.member_id)
        live = sum(1 for each in keys if each.value.opens(now))
        writes = world.control.put_key(key)
        if grace is not None:
            old = _key(world, caller, told["key"][0])
            _check_replaceable(old.value, now)
            writes += world.control.put_key(_dying(old.value, key.id, now, grace), old.version)
            live -= grace == timedelta(0)
        check_room(read.value, "keys", live + 1)
        stored = key
        noted = world.control.noted(read.value.id, note(by(caller), what, key.id, now, told))
        return read.value, [*writes, noted]

    world.control.change_account(caller.account_id, storing)
    return stored


def _dying(old: Key, successor: str, now: datetime, grace: timedelta) -> Key:
    ends = timestamp(now + grace)
    if old.expires_at is not None and datetime.fromisoformat(old.expires_at) < now + grace:
        ends = old.expires_at
    return old.model_copy(update={"expires_at": ends, "revoked": not grace, "replaced_by": successor})


def _repeated(world: World, caller: Caller, asked: Asked) -> ShownKey | None:
    """The key that this very request has made before; None if it was not here yet."""
    if asked.idempotency_key is None:
        return None
    try:
        stored = world.control.read_key(caller.account_id, derived_id(asked.seed, "key")).value
    except NotFound:
        return None
    if stored.revoked:
        raise Conflict("key_revoked", "The key that this request made has been revoked.", "Make another key.")
    _key(world, caller, stored.id)
    _check_within(caller, world.control.member(caller.account_id, stored.member_id))
    return ShownKey(stored, _drafted(world, caller, stored.member_id, asked, world.clock.now())[1])


def _check_replaceable(key: Key, now: datetime) -> None:
    if key.replaced_by is not None:
        raise Conflict(
            "key_replaced",
            f"The key has been replaced by {key.replaced_by}.",
            "Rotate that one, or delete it.",
        )
    if not key.opens(now):
        raise Conflict("key_expired", "The key has expired.", "Make another key.")


def _key(world: World, caller: Caller, key_id: str) -> Read[Key]:
    """A key that the caller may see to. Raises NotFound, also for one that is revoked, and NotPermitted."""
    read = world.control.read_key(caller.account_id, key_id)
    if read.value.revoked:
        raise NotFound
    if read.value.member_id != caller.member_id and not _manages(caller):
        raise NotPermitted("account.manage")
    return read


def _check_within(caller: Caller, member: Member) -> None:
    """Whoever sees a key can do what it opens."""
    for permission in ALL_PERMISSIONS:
        if permission in member.permissions and permission not in caller.permissions:
            raise NotPermitted(permission)


def _check_still(world: World, caller: Caller, member_id: str) -> None:
    """Whoever hands out a key is still somebody who may. Raises NotPermitted, NotFound for a member who is gone."""
    now = as_of_now(world, caller)
    if member_id != now.member_id and not _manages(now):
        raise NotPermitted("account.manage")
    _check_within(now, world.control.member(now.account_id, member_id))


def _manages(caller: Caller) -> bool:
    return "account.manage" in caller.permissions

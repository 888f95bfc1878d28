"""The people of an account: added, given and denied permissions, removed.

Nobody grants what they may not do themselves, and there is always somebody who may manage the account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contactsync.control import Read, check_room, note
from contactsync.core import checking
from contactsync.core.fieldtypes import BadValue, email
from contactsync.core.identity import email_key
from contactsync.core.timestamps import timestamp
from contactsync.errors import Conflict, InvalidRequest, NotPermitted, Problem
from contactsync.journeys.account.accounts import as_of_now, by
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.book.attaching import CONNECTED, may_connect
from contactsync.model.account import ALL_PERMISSIONS, Account, Caller, Member, Permission
from contactsync.model.connection import Connection
from contactsync.model.lending import Errand
from contactsync.model.request import MemberChange, MemberRequest
from contactsync.ports import Delete, Put


def add(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Member:
    """Add a member. They sign in with the address, or by a key that somebody makes for them.

    Raises Conflict if the address is a member's already, NotPermitted for a permission that the caller lacks,
    PlanLimit.
    """
    request, problems = checking.check(MemberRequest, body)
    address = checking.value_at(body, "email")
    if isinstance(address, str) and not any(problem.pointer == "/email" for problem in problems):
        try:
            if (address := email(address)) is None:
                problems.append(Problem("/email", "Give the member's address."))
        except BadValue as refused:
            problems.append(Problem("/email", refused.message, refused.code))
    if request is None or problems:
        raise InvalidRequest(problems)
    now = world.clock.now()
    member = Member(
        id=derived_id(seed, "member"),
        account_id=caller.account_id,
        email=str(address),
        name=request.name,
        permissions=_in_order(request.permissions),
        created_at=timestamp(now),
    )
    told = note(by(caller), "member.added", member.id, now, {"permissions": [[], list(member.permissions)]})
    stored = member

    def adding(read: Read[Account]) -> tuple[Account, list[Put | Delete]]:
        nonlocal stored
        _check_grant(_managing(world, caller), request.permissions)
        others = [each.value for each in world.control.members(caller.account_id)[0]]
        for other in others:
            if other.id == member.id:
                stored = other
                return read.value, []  # this request was here before
            if email_key(other.email) == email_key(member.email):
                raise Conflict(
                    "member_exists",
                    f"The address belongs to member {other.id}.",
                    "Change that member's permissions instead.",
                )
        check_room(read.value, "members", len(others) + 1)
        stored = member
        return read.value, [*world.control.put_member(member), world.control.noted(read.value.id, told)]

    world.control.change_account(caller.account_id, adding)
    return stored


def change(world: World, caller: Caller, member_id: str, body: Mapping[str, Any]) -> Member:
    """Change a member's name or permissions. Books that they may not connect any more are given back, also where
    whoever changed that before died over it.

    Raises NotFound, NotPermitted for a permission newly given that the caller lacks, Conflict for the last one
    who manages.
    """
    world.control.member(caller.account_id, member_id)
    request = checking.parse(MemberChange, body)
    now = world.clock.now()
    after = world.control.member(caller.account_id, member_id)

    def changing(read: Read[Account]) -> tuple[Account, list[Put | Delete]]:
        nonlocal after
        stored = world.control.read_member(caller.account_id, member_id)
        before = stored.value
        changes = request.model_dump(exclude_none=True)
        if request.permissions is not None:
            changes["permissions"] = _in_order(request.permissions)
        after = before.model_copy(update=changes)
        if after == before:
            return read.value, []
        if before.manages and not after.manages:
            _check_not_the_last(world, before)
        _check_grant(_managing(world, caller), set(after.permissions) - set(before.permissions))
        told = {"permissions": [list(before.permissions), list(after.permissions)]}
        told = told if before.permissions != after.permissions else {}
        kept = world.control.noted(read.value.id, note(by(caller), "member.changed", member_id, now, told))
        return read.value, [*world.control.put_member(after, stored.version), kept]

    world.control.change_account(caller.account_id, changing)
    _disconnect(
        world, caller.account_id, member_id, but=lambda book: may_connect(after.permissions, book.provider)
    )
    return after


def remove(world: World, caller: Caller, member_id: str) -> None:
    """Remove a member; their keys open nothing from then on, their address books are given back, and no box of the
    hub is theirs. Whoever died over it may ask again: the member goes last.

    Raises NotFound, Conflict for the last who manages.
    """
    now = world.clock.now()

    def leaving() -> Read[Member]:
        stored = world.control.read_member(caller.account_id, member_id)
        if stored.value.manages:
            _check_not_the_last(world, stored.value)
        _managing(world, caller)
        return stored

    def removing(read: Read[Account]) -> tuple[Account, list[Put | Delete]]:
        stored = leaving()
        told = note(by(caller), "member.removed", member_id, now)
        return read.value, [*world.control.drop_member(stored), world.control.noted(read.value.id, told)]

    leaving()
    _give_back(world, caller.account_id, member_id)
    world.control.change_account(caller.account_id, removing)
    _give_back(world, caller.account_id, member_id)  # what they have connected or ticked meanwhile
    for key in world.control.keys(caller.account_id):  # dead already, for want of their member
        if key.value.member_id == member_id:
            dead = key.value.model_copy(update={"revoked": True, "expires_at": timestamp(now)})
            world.control.records.commit(world.control.put_key(dead, key.version))


def _give_back(world: World, account_id: str, member_id: str) -> None:
    """What opens a member's address books goes back to the providers, and their ticks keep nobody in the hub."""
    _disconnect(world, account_id, member_id)
    world.control.untick_all(account_id, member_id)


def _disconnect(
    world: World, account_id: str, member_id: str, *, but: Callable[[Connection], bool] = lambda _: False
) -> None:
    """What opens a member's address books goes back to the providers, `but` of some."""
    for book in world.control.connections(account_id):
        if book.member_id == member_id and book.state in CONNECTED and not but(book):
            world.keeper.keep(Errand(wants="disconnect", account_id=account_id, connection_id=book.id))


def _managing(world: World, caller: Caller) -> Caller:
    """The caller, who still manages the account, with what they may do now. Raises NotPermitted."""
    now = as_of_now(world, caller)
    if "account.manage" not in now.permissions:
        raise NotPermitted("account.manage")
    return now


def _check_grant(
    caller: Caller, permissions: frozenset[str] | set[Permission] | tuple[Permission, ...]
) -> None:
    for permission in ALL_PERMISSIONS:
        if permission in permissions and permission not in caller.permissions:
            raise NotPermitted(permission)


def _check_not_the_last(world: World, member: Member) -> None:
    others = (each.value for each in world.control.members(member.account_id)[0])
    if not any(other.manages for other in others if other.id != member.id):
        raise Conflict(
            "last_manager",
            "Nobody else may manage the account.",
            "Give somebody else the permission account.manage first.",
        )


def _in_order(permissions: tuple[Permission, ...]) -> tuple[Permission, ...]:
    return tuple(each for each in ALL_PERMISSIONS if each in permissions)

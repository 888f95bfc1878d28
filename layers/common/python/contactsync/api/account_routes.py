"""The account: what it is and has, its members, their keys, and who has changed what of all that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Answer, Created, NoContent, Ok, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route, pager, part
from contactsync.journeys.account import accounts, keys, members
from contactsync.journeys.account.keys import Asked
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.telling import Page
from contactsync.model.request import AccountChange, KeyRequest, MemberChange, MemberRequest, RotateRequest

if TYPE_CHECKING:
    from contactsync.api import shapes


def read_account(world: World, request: Request) -> Ok[shapes.Account]:
    """Read the account: its plan, limits and usage, and what the caller may do in it."""
    return json_answer(200, show.account(accounts.view(world, request.caller.account_id), request.caller))


def change_account(world: World, request: Request) -> Ok[shapes.Account]:
    """Change the account's name, country, time zone or retention.

    What is left out stays. A new country or time zone holds for what comes from then on: contacts are not read anew, and
    schedules keep the time zone that they have.
    """
    accounts.change(world, request.caller, request.body)
    return read_account(world, request)


def list_audit(world: World, request: Request) -> Ok[shapes.AuditList]:
    """List who has changed what of the account, its members and its keys, newest first, for 400 days."""
    tokens = pager(world, request)
    after, limit = tokens.page()
    notes, following = world.control.notes(request.caller.account_id, after=after, limit=limit)
    return json_answer(200, show.listing(Page(notes, [], following), show.audit_note, tokens.token))


def list_members(world: World, request: Request) -> Ok[shapes.MemberList]:
    """List members, oldest first."""
    tokens = pager(world, request)
    after, limit = tokens.page()
    read, following = world.control.members(request.caller.account_id, after=after, limit=limit)
    page = Page([each.value for each in read], [], following)
    return json_answer(200, show.listing(page, show.member, tokens.token))


def create_member(world: World, request: Request) -> Created[shapes.Member]:
    """Add a member.

    They sign in with the address, or by a key that somebody makes for them. Nobody gives a permission that they lack.
    """
    return json_answer(201, show.member(members.add(world, request.caller, request.body, request.seed)))


def change_member(world: World, request: Request) -> Ok[shapes.Member]:
    """Change a member's name or permissions.

    Nobody gives a permission that they lack, and somebody always keeps account.manage. It holds within a minute. Their
    address books at a provider whose permission is taken away are disconnected; its cards and the contacts stay.
    """
    changed = members.change(world, request.caller, request.ids["member_id"], request.body)
    return json_answer(200, show.member(changed))


def delete_member(world: World, request: Request) -> NoContent:
    """Remove a member.

    Their keys open nothing any more, within a minute. Their address books are disconnected and stay as they are; their
    boxes of the shared hub are unticked. What they have done stays, signed by their id.
    """
    members.remove(world, request.caller, request.ids["member_id"])
    return Answer(204, "")


def list_keys(world: World, request: Request) -> Ok[shapes.KeyList]:
    """List the keys that have not been deleted, oldest first. Without a `limit` they come at once.

    Everybody's with `account.manage`, else your own.
    """
    found = {each.id: each for each in keys.listed(world, request.caller)}
    tokens = pager(world, request)
    return json_answer(200, show.listing(part(world, request, found), show.key, tokens.token))


def create_key(world: World, request: Request) -> Created[shapes.NewKey]:
    """Make a key, for yourself or for another member.

    `key` is shown this once and kept nowhere. For another member it takes account.manage and all permissions that the
    member has, because whoever sees a key can do what it opens.
    """
    return json_answer(201, show.new_key(keys.make(world, request.caller, request.body, _asked(request))))


def rotate_key(world: World, request: Request) -> Created[shapes.NewKey]:
    """Make another key in the place of one; the old one works on for `grace_hours`."""
    key_id = request.ids["key_id"]
    made = keys.rotate(world, request.caller, key_id, request.body, _asked(request))
    return json_answer(201, show.new_key(made))


def delete_key(world: World, request: Request) -> NoContent:
    """Delete a key. It opens nothing any more, within a minute."""
    keys.revoke(world, request.caller, request.ids["key_id"])
    return Answer(204, "")


def _asked(request: Request) -> Asked:
    return Asked(request.seed, request.idempotency_key)


ROUTES = (
    Route("GET", "/account", None, read_account),
    Route("PATCH", "/account", "account.manage", change_account, body=AccountChange),
    Route("GET", "/account/audit", "account.manage", list_audit, PAGED),
    Route("GET", "/members", "account.manage", list_members, PAGED),
    Route("POST", "/members", "account.manage", create_member, body=MemberRequest),
    Route("PATCH", "/members/<member_id>", "account.manage", change_member, body=MemberChange),
    Route("DELETE", "/members/<member_id>", "account.manage", delete_member),
    Route("GET", "/keys", None, list_keys, PAGED),
    Route("POST", "/keys", None, create_key, body=KeyRequest, replayed="made_again"),
    Route("POST", "/keys/<key_id>/rotate", None, rotate_key, body=RotateRequest, replayed="made_again"),
    Route("DELETE", "/keys/<key_id>", None, delete_key),
)

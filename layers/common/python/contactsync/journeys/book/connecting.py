"""Address books as members connect them: begun, signed in for, looked at, disconnected.

What a book is opened with is never seen here, but for a password on its way to be sealed: see `keeping`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from contactsync.control import Read
from contactsync.core import checking
from contactsync.core.timestamps import timestamp
from contactsync.errors import (
    AccessLost,
    Busy,
    Conflict,
    InvalidRequest,
    NotFound,
    NotPermitted,
    Problem,
    SourceAway,
    UnreadableFile,
)
from contactsync.journeys.asked.asking import World, derived_id, wake
from contactsync.journeys.asked.telling import Page
from contactsync.journeys.book.attaching import (
    CONNECTED,
    PERMISSIONS,
    Lent,
    attach,
    check_connections,
    may_connect,
)
from contactsync.journeys.book.books import say_changed
from contactsync.journeys.book.losing import say_lost
from contactsync.model.account import Caller
from contactsync.model.card import Group
from contactsync.model.connection import Connection
from contactsync.model.lending import Discovered, Discovering, Errand
from contactsync.model.request import ConnectionRequest, DavBook, SignedInBook


@dataclass(frozen=True, slots=True)
class Begun:
    """A connection as it begins, and where to send its person; "" if nobody has to sign in."""

    connection: Connection
    authorize_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Landed:
    """Whose book was connected to which account."""

    book: str
    account: str


def begin(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Begun:
    """Connect a book at once, or say where its person signs in.

    Raises NotPermitted, PlanLimit, Conflict for a provider that is not offered, InvalidRequest.
    """
    provider = body.get("provider")
    if isinstance(provider, str) and provider in PERMISSIONS:
        _permit(caller, provider)
    request = checking.parse(ConnectionRequest, body).root
    begun = _to_renew(world, caller, request) or Read(
        Connection(
            id=derived_id(seed, "connection"),
            account_id=caller.account_id,
            provider=request.provider,
            member_id=caller.member_id,
            created_at=timestamp(world.clock.now()),
        ),
        0,
    )
    if begun.value.state not in CONNECTED:
        check_connections(world.control, caller.account_id)
    if isinstance(request, DavBook):
        connection = _connected(world, request, begun)
        _let_go_on(world, connection)
        return Begun(connection)
    return _signing_in(world, begun, seed)


def _to_renew(world: World, caller: Caller, request: SignedInBook | DavBook) -> Read[Connection] | None:
    """The caller's own connection that the request names, if it names one."""
    if not request.connection_id:
        return None
    try:
        read = world.control.connection(caller.account_id, request.connection_id)
    except NotFound:
        read = None
    if read is None or (read.value.member_id, read.value.provider) != (caller.member_id, request.provider):
        message = "You have no such connection: leave this out to connect a book as one of its own."
        raise InvalidRequest([Problem("/connection_id", message, "unknown_connection")])
    return read


def _signing_in(world: World, begun: Read[Connection], seed: str) -> Begun:
    connection = begun.value
    if not begun.version:
        world.control.begin_connection(connection, world.clock.now())
    state = _state(world.control.account(connection.account_id).identity_secret, seed)
    errand = Errand(
        wants="sign_in", account_id=connection.account_id, connection_id=connection.id, state=state
    )
    return Begun(connection, world.keeper.keep(errand).authorize_url)


def _connected(world: World, request: DavBook, begun: Read[Connection]) -> Connection:
    found = _discovered(world, request, begun.value.account_id)
    asked = begun.value.model_copy(update={"url": request.url, "username": request.username})
    lent = Lent(found.subject, found.name, request.password)
    return attach(world.control, world.vault, Read(asked, begun.version), lent, world.clock.now())


def _discovered(world: World, request: DavBook, account_id: str) -> Discovered:
    """Where the books lie. Raises InvalidRequest, which says what is wrong with address or password."""
    asked = Discovering(
        account_id=account_id, url=request.url, username=request.username, password=request.password
    )
    try:
        with world.control.looking(account_id, world.clock.now()):
            return world.discoverer.discover(asked)
    except AccessLost as error:
        raise InvalidRequest([Problem("/password", error.title, "wrong_password")]) from None
    except UnreadableFile as error:
        raise InvalidRequest([Problem("/url", f"{error.title} {error.detail}", error.code)]) from None
    except SourceAway as error:
        message = f"{error.title} See that the address is right and the server is up, and send this again."
        raise InvalidRequest([Problem("/url", message, SourceAway.code)]) from None


def complete(world: World, came_back: Mapping[str, str]) -> Landed:
    """Somebody has come back from a provider; the query is all that is known of them.

    Raises what `ports.Keeper.keep` does.
    """
    errand = Errand(
        wants="complete",
        state=came_back.get("state", ""),
        code=came_back.get("code", ""),
        refusal=came_back.get("error", "")[:100],
        issuer=came_back.get("iss", ""),
    )
    kept = world.keeper.keep(errand)
    connection = world.control.connection(kept.account_id, kept.connection_id).value
    _let_go_on(world, connection)
    return Landed(connection.name, world.control.account(kept.account_id).name)


def _let_go_on(world: World, connection: Connection) -> None:
    """A run may have come due while the book was not connected, or an edit: have it looked at now, not when the next comes."""
    account_id = connection.account_id
    with suppress(Busy):
        for sync_id in world.control.scheduled(account_id):
            if world.control.sync(account_id, sync_id).value.connection_id == connection.id:
                wake(world, account_id, sync_id)
    say_changed(world.bus, account_id, connection_id=connection.id)


def connections(world: World, caller: Caller, *, after: str | None, limit: int) -> Page[Connection]:
    """The account's connections at providers that the caller may connect, oldest first."""
    found = [
        each
        for each in world.control.connections(caller.account_id)
        if not each.became and may_connect(caller.permissions, each.provider) and each.id > (after or "")
    ]
    page = found[:limit]
    return Page(page, [each.id for each in page], page[-1].id if len(found) > limit else None)


def connection(world: World, caller: Caller, connection_id: str) -> Connection:
    """One connection; of a sign-in that led to a book that was connected before, the one that this has."""
    found = world.control.connection(caller.account_id, connection_id).value
    if found.became:
        found = world.control.connection(caller.account_id, found.became).value
    _permit(caller, found.provider)
    return found


def groups(world: World, caller: Caller, connection_id: str) -> Sequence[Group]:
    """What can be chosen in a book. Raises AccessLost where it does not open."""
    found = _handled(world, caller, connection_id)
    errand = Errand(wants="groups", account_id=caller.account_id, connection_id=found.id)
    waiting = (
        world.control.looking(caller.account_id, world.clock.now()) if found.by_password else nullcontext()
    )
    try:
        with waiting:
            return world.keeper.keep(errand).groups
    except AccessLost:
        say_lost(world.control, world.bus, caller.account_id, found.id)
        raise
    except SourceAway as error:
        if not found.by_password:  # Google or Microsoft: nobody whom a customer could ask
            raise
        raise Conflict(
            "server_away", error.title, "Ask again later; if it stays so, ask whoever runs the server."
        ) from None


def disconnect(world: World, caller: Caller, connection_id: str) -> None:
    """What opened the book is given back and forgotten. Its links and contacts stay; its syncs wait."""
    found = _handled(world, caller, connection_id)
    world.keeper.keep(Errand(wants="disconnect", account_id=caller.account_id, connection_id=found.id))


def _handled(world: World, caller: Caller, connection_id: str) -> Connection:
    """A connection that the caller may look into: their own, or any if they manage the account."""
    found = connection(world, caller, connection_id)
    if found.member_id != caller.member_id and "account.manage" not in caller.permissions:
        raise NotPermitted("account.manage")
    return found


def _permit(caller: Caller, provider: str) -> None:
    """The one place where a provider asks for its permission."""
    if not may_connect(caller.permissions, provider):
        raise NotPermitted(PERMISSIONS[provider])


def _state(identity_secret: str, seed: str) -> str:
    """The state of a sign-in: nobody can guess it, and the same request has the same one."""
    return hmac.digest(bytes.fromhex(identity_secret), f"sign-in\0{seed}".encode(), "sha256").hex()

"""Customers: an account with its first member and key, what its members see and change of it, what an operator does to it."""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from contactsync.control import Control, Read, key_digest, limits_of, local_day, new_id, note, plan_of, plans
from contactsync.core import checking
from contactsync.core.fieldtypes import is_country
from contactsync.core.recurrence import is_zone
from contactsync.errors import InvalidRequest, NotFound, Problem
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.queueing import announce_next, runs_at_work
from contactsync.journeys.book.attaching import CONNECTED
from contactsync.model.account import ALL_PERMISSIONS, Account, Caller, Key, Member
from contactsync.model.field import STANDARD_FIELDS
from contactsync.model.plan import PlanLimits
from contactsync.model.request import AccountChange
from contactsync.ports import Bus, Shares

KEY_PREFIX = "csk_"
KEY_LENGTH = 40
SHOWN_OF_A_KEY = len(KEY_PREFIX) + 4
OPERATOR = "operator"
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A fresh account. The key is nowhere else: whoever made the account must keep it."""

    account_id: str
    member_id: str
    api_key: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account, what its plan lets it have, and what it has; `day` is today, where the account is."""

    account: Account
    plan: str
    limits: PlanLimits
    day: date
    usage: Mapping[str, int]


def create_account(
    control: Control, *, name: str, country: str, email: str, now: datetime, plan: str = ""
) -> NewAccount:
    """Create an account with one member who may do everything, and a key for them.

    Args:
        control: where they are stored.
        name: the customer's name, for the operator's eyes.
        country: ISO 3166 code; phones and numbers without one are read as this country's.
        email: the member's address.
        now: in UTC.
        plan: by its name; empty for the default one.
    """
    at = now.isoformat(timespec="milliseconds")
    account = Account(
        id=f"a{new_id(now)}",
        name=name,
        country=country,
        plan=plan,
        identity_secret=secrets.token_hex(32),
        created_at=at,
    )
    member = Member(
        id=f"m{new_id(now)}", account_id=account.id, email=email, permissions=ALL_PERMISSIONS, created_at=at
    )
    api_key = new_key()
    key = Key(
        id=f"k{new_id(now)}",
        account_id=account.id,
        member_id=member.id,
        name="First key",
        prefix=api_key[:SHOWN_OF_A_KEY],
        digest=key_digest(api_key),
        created_at=at,
    )
    made = note(OPERATOR, "account.created", account.id, now)
    control.create_account(
        account, [*control.put_member(member), *control.put_key(key), control.noted(account.id, made)]
    )
    return NewAccount(account.id, member.id, api_key)


def new_key() -> str:
    """A key that nobody can guess, and that everybody recognises as ours."""
    return KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))


def derived_key(secret: str, *parts: str) -> str:
    """A key that nobody can guess who does not know the account's secret and all the parts: the same each time."""
    digest = hmac.digest(bytes.fromhex(secret), "\0".join(("api key", *parts)).encode(), "sha512")
    number, letters = int.from_bytes(digest), []
    for _ in range(KEY_LENGTH):
        number, letter = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return KEY_PREFIX + "".join(letters)


def view(world: World, account_id: str) -> AccountView:
    """What members see of their account."""
    account = world.control.account(account_id)
    now = world.clock.now()
    usage = usage_of(world.control, account, now)
    return AccountView(account, plan_of(account), limits_of(account), local_day(account, now), usage)


def usage_of(control: Control, account: Account, now: datetime) -> dict[str, int]:
    """How much the account has of what its plan counts, and how many syncs."""
    books = [each for each in control.connections(account.id) if each.state in CONNECTED]
    return {
        "contacts": control.contacts_count(account.id),
        "runs_today": control.runs_on(account.id, local_day(account, now)),
        "runs_at_work": runs_at_work(control, account.id, now),
        "syncs": control.syncs_count(account.id),
        "schedules": control.schedules(account.id),
        "connections": len(books),
        "members": len(control.members(account.id)[0]),
        "keys": sum(1 for key in control.keys(account.id) if key.value.opens(now)),
        "fields": len(control.fields(account.id).keys() - STANDARD_FIELDS.keys()),
    }


def change(world: World, caller: Caller, body: Mapping[str, Any]) -> Account:
    """Change name, country, time zone, retention. What is there already is not read anew for a new country."""
    request, problems = checking.check(AccountChange, body)
    if request is not None and request.country is not None and not is_country(request.country):
        problems.append(Problem("/country", "This is no country: write its ISO code, like NL."))
    if request is not None and request.time_zone is not None and not is_zone(request.time_zone):
        problems.append(
            Problem("/time_zone", "This is no IANA time zone: write a name like Europe/Amsterdam.")
        )
    if request is None or problems:
        raise InvalidRequest(problems)
    asked = request.model_dump(exclude_none=True)
    return _changed(
        world.control,
        caller.account_id,
        lambda _: asked,
        world.clock.now(),
        what="account.changed",
        signed=by(caller),
    )


def by(caller: Caller) -> str:
    """How a member signs a change."""
    return f"member:{caller.member_id}"


def as_of_now(world: World, caller: Caller) -> Caller:
    """The caller with what they still may do; nothing if they are gone.

    To be asked within `change_account` by whatever hands out access: the authorizer's word is up to a minute old, and
    what somebody hands out after their removal would outlive it (ADR 0015).
    """
    try:
        member = world.control.member(caller.account_id, caller.member_id)
    except NotFound:
        return caller.model_copy(update={"permissions": frozenset()})
    return caller.model_copy(update={"permissions": caller.permissions.intersection(member.permissions)})


# What an operator does


def suspend(control: Control, account_id: str, now: datetime) -> Account:
    """Nobody gets in from now on, and nothing is started; nothing is deleted. Raises NotFound."""
    at = now.isoformat(timespec="milliseconds")
    return _changed(
        control,
        account_id,
        lambda account: {"suspended_at": account.suspended_at or at},
        now,
        what="account.suspended",
    )


def resume(control: Control, bus: Bus, account_id: str, now: datetime) -> Account:
    """The end of a suspension: runs that were waiting begin, and those that came due meanwhile. Raises NotFound."""
    account = _changed(control, account_id, lambda _: {"suspended_at": None}, now, what="account.resumed")
    announce_next(control, bus, account_id, now)
    for sync_id in control.scheduled(account_id):
        bus.publish("SyncDue", {"account_id": account_id, "sync_id": sync_id})
    return account


def meter(control: Control, shares: Shares, account_id: str, now: datetime) -> Account:
    """Count the account's requests alone, as its plan limits them. Repeating it, also half done, does no harm."""
    account = control.account(account_id)
    shares.put(account.id, plan_of(account))
    return _changed(control, account_id, lambda _: {"metered": True}, now, what="account.metered")


def unmeter(control: Control, shares: Shares, account_id: str, now: datetime) -> Account:
    """Count the account's requests no longer alone. Repeating it, also half done, does no harm."""
    account = _changed(control, account_id, lambda _: {"metered": False}, now, what="account.unmetered")
    shares.remove(account_id)
    return account


def change_plan(
    control: Control,
    account_id: str,
    now: datetime,
    *,
    plan: str | None = None,
    limits: Mapping[str, Any] | None = None,
) -> Account:
    """Give an account another plan, or limits of its own over its plan's; None takes an own limit back.

    Raises NotFound, or ValueError for a plan or a limit that does not exist. What API Gateway counts follows the plan
    only, and are another port's: see `ports.Shares`.
    """
    if plan is not None and plan not in plans():
        raise ValueError(f"There is no plan {plan}: choose one of {', '.join(plans())}.")

    def changes(account: Account) -> dict[str, Any]:
        own = {name: each for name, each in {**account.limits, **(limits or {})}.items() if each is not None}
        unknown = own.keys() - PlanLimits.model_fields.keys()
        if unknown:
            raise ValueError(
                f"There is no limit {min(unknown)}: choose of {', '.join(PlanLimits.model_fields)}."
            )
        changed = {"limits": own, **({"plan": plan} if plan is not None else {})}
        try:
            then = limits_of(account.model_copy(update=changed)).model_dump(mode="json")
        except ValidationError as error:
            wrong = error.errors()[0]
            raise ValueError(f"{wrong['loc'][0]}: {wrong['msg']}.") from None
        return {**changed, "limits": {name: then[name] for name in own}}

    return _changed(control, account_id, changes, now, what="plan.changed")


def _changed(
    control: Control,
    account_id: str,
    changes: Callable[[Account], Mapping[str, Any]],
    now: datetime,
    *,
    what: str,
    signed: str = OPERATOR,
) -> Account:
    """Change an account and note from what to what. What is so already is not noted."""

    def changed(read: Read[Account]) -> tuple[Account, list[Any]]:
        before = read.value.model_dump(mode="json")
        told = {key: [before[key], to] for key, to in changes(read.value).items() if before[key] != to}
        if not told:
            return read.value, []
        after = read.value.model_copy(update={key: to for key, (_, to) in told.items()})
        noted = note(signed, what, account_id, now, told)
        typed = [control.marking(account_id, f"country:{noted.id}")] if "country" in told else []
        return after, [control.noted(account_id, noted), *typed]

    return control.change_account(account_id, changed)

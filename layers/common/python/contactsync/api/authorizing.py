"""Who is asking: API Gateway asks before every request, and keeps the answer for half a minute.

A bearer token is a key of ours, or what an identity provider has signed (journeys/account/signing_in.py). Who is known, yet may not
come in, is let through to be told why: the answer of the API is a problem as any other, a denial here is two words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from contactsync.api.incoming import header
from contactsync.control import Control, key_digest, plan_of
from contactsync.errors import NotFound
from contactsync.journeys.account.signing_in import Guests, SeveralAccounts
from contactsync.model.account import Member
from contactsync.ports import Clock

_key = re.compile(r"Bearer +(csk_[0-9A-Za-z]{40})", re.IGNORECASE).fullmatch
_token = re.compile(
    r"Bearer +(?:(a[0-9a-f]{24})~)?([\w-]{1,8192}\.[\w-]{1,8192}\.[\w-]{1,8192})", re.IGNORECASE | re.ASCII
).fullmatch
TOKEN_LENGTH = 8192
"""API Gateway takes 10,240 bytes of headers together."""


class Unauthorized(Exception):
    """API Gateway answers 401 to an error with exactly this text, and 500 to any other."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def authorize(
    event: Mapping[str, Any],
    control: Control,
    clock: Clock,
    *,
    guests: Callable[[], Guests],
    shared_key: str = "",
) -> dict[str, Any]:
    """The policy that lets the bearer in, with who they are as its context.

    Absent, malformed, unknown, expired and revoked credentials all end in the same error. It may be that the member of a
    key is gone: then the key is as good as unknown.

    Args:
        event: of a REQUEST authorizer, or of the older TOKEN kind.
        control: where keys and members are.
        clock: for what expires.
        guests: who signs in by an identity provider; asked for only when somebody does.
        shared_key: under which API Gateway counts the requests of accounts that have no key of their own there.

    Raises:
        Unauthorized: API Gateway answers 401.
    """
    given = (header(event, "authorization") or str(event.get("authorizationToken") or "")).strip()
    context: dict[str, str]
    try:
        if found := _key(given):
            member = _holder(found[1], control, clock)
        elif len(given) <= TOKEN_LENGTH and (found := _token(given)):
            member = guests().member(found[2], account_id=found[1])
        else:
            raise Unauthorized
        account = control.account(member.account_id)
    except NotFound:
        raise Unauthorized from None
    except SeveralAccounts as several:
        context = {"refused": "choose_account", "accounts": ", ".join(several.accounts)}
        return _let_through(event, several.subject, context, shared_key)
    context = {"account_id": account.id, "member_id": member.id, "plan": plan_of(account)}
    if account.suspended_at is not None:
        context["refused"] = "account_suspended"
    else:
        context["permissions"] = " ".join(member.permissions)
    return _let_through(event, member.id, context, account.id if account.metered else shared_key)


def _holder(api_key: str, control: Control, clock: Clock) -> Member:
    key = control.key(key_digest(api_key))
    if not key.opens(clock.now()):
        raise NotFound
    return control.member(key.account_id, key.member_id)


def _let_through(
    event: Mapping[str, Any], principal: str, context: Mapping[str, str], usage_key: str
) -> dict[str, Any]:
    answer = {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": _every_method(str(event.get("methodArn") or "")),
                }
            ],
        },
        "context": dict(context),
    }
    return {**answer, "usageIdentifierKey": usage_key} if usage_key else answer


def _every_method(method_arn: str) -> str:
    """The policy is kept for the key, not for the request, so it must cover all methods of the stage.

    `arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>` → the same with `/*` behind the stage.
    """
    return "/".join(method_arn.split("/")[:2]) + "/*"

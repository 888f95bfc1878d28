"""Who holds this key: API Gateway asks before every request, and keeps the answer for a minute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from contactsync.api.incoming import header
from contactsync.control import Control, key_digest
from contactsync.errors import NotFound

_credentials = re.compile(r"Bearer +(csk_[0-9A-Za-z]{40})", re.IGNORECASE).fullmatch


class Unauthorized(Exception):
    """API Gateway answers 401 to an error with exactly this text, and 500 to any other."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def authorize(event: Mapping[str, Any], control: Control) -> dict[str, Any]:
    """The policy that lets the key's holder in, with who they are as its context.

    Absent, malformed, unknown and revoked keys all end in the same error. It may be that the member of a key is
    gone: then the key is as good as unknown.

    Raises:
        Unauthorized: API Gateway answers 401.
    """
    found = _credentials(
        (header(event, "authorization") or str(event.get("authorizationToken") or "")).strip()
    )
    if found is None:
        raise Unauthorized
    try:
        key = control.key(key_digest(found[1]))
        if key.revoked:
            raise Unauthorized
        member = control.member(key.account_id, key.member_id)
    except NotFound:
        raise Unauthorized from None
    return {
        "principalId": member.id,
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
        "context": {
            "account_id": member.account_id,
            "member_id": member.id,
            "permissions": " ".join(member.permissions),
        },
    }


def _every_method(method_arn: str) -> str:
    """The policy is kept for the key, not for the request, so it must cover all methods of the stage.

    `arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>` → the same with `/*` behind the stage.
    """
    return "/".join(method_arn.split("/")[:2]) + "/*"

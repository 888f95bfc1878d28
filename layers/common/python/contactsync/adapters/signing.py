"""AWS Signature Version 4 for the one request shape that the JSON services take: POST / with a JSON body.

botocore signs the same, but its import costs a cold start five times what this module and `wire` cost
together, and its general canonicalisation four times the CPU of a request. A test holds both to the same
signature.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from time import gmtime, strftime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request is signed with."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


CredentialSource = Callable[[], Credentials]
"""Asked before every request, so that credentials which are renewed meanwhile are used."""


class NoCredentials(Exception):
    """There is nothing to sign with."""


def credential_source() -> CredentialSource:
    """The environment, where Lambda puts them for a sandbox's life; else whatever botocore's chain finds.

    botocore is imported only in the second case: profiles, single sign-on, container and instance roles.

    Raises:
        NoCredentials: neither has any.
    """
    if "AWS_ACCESS_KEY_ID" in os.environ and "AWS_SECRET_ACCESS_KEY" in os.environ:
        found = Credentials(
            os.environ["AWS_ACCESS_KEY_ID"],
            os.environ["AWS_SECRET_ACCESS_KEY"],
            os.environ.get("AWS_SESSION_TOKEN") or None,
        )
        return lambda: found

    from botocore.session import Session  # noqa: PLC0415 a fifth of a second that Lambda never pays

    chain = Session().get_credentials()
    if chain is None:
        raise NoCredentials(
            "No AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )

    def renewed() -> Credentials:
        frozen = chain.get_frozen_credentials()
        if frozen.access_key is None or frozen.secret_key is None:
            raise NoCredentials("The AWS credentials found are incomplete: sign in again.")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return renewed


class Signer:
    """Signs POST / of one service in one region at one host. Safe to share between threads."""

    def __init__(self, service: str, region: str, host: str, content_type: str) -> None:
        self._service = service
        self._region = region
        self._host = host
        self._content_type = content_type
        self._key: tuple[tuple[str, str], bytes] | None = None

    def headers(
        self, target: str, body: bytes, credentials: Credentials, *, at: float | None = None
    ) -> dict[str, str]:
        """The headers that carry `body` to the operation `target`, signed.

        `at` is epoch seconds, now by default; the service refuses what is older than five minutes.
        """
        stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(at))
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        token_line, token_name = "", ""
        if credentials.token:
            token_line, token_name = f"x-amz-security-token:{credentials.token}\n", "x-amz-security-token;"
        names = f"content-type;host;x-amz-date;{token_name}x-amz-target"
        canonical = (
            f"POST\n/\n\ncontent-type:{self._content_type}\nhost:{self._host}\nx-amz-date:{stamp}\n"
            f"{token_line}x-amz-target:{target}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._signing_key(credentials, stamp[:8]), to_sign.encode(), "sha256").hex()
        headers = {
            "Host": self._host,
            "Content-Type": self._content_type,
            "X-Amz-Date": stamp,
            "X-Amz-Target": target,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}",
        }
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        return headers

    def _signing_key(self, credentials: Credentials, day: str) -> bytes:
        """Derived once a day and key: four hashes that every request of the day shares."""
        made_for = (credentials.secret_key, day)
        cached = self._key
        if cached is not None and cached[0] == made_for:
            return cached[1]
        key = f"AWS4{credentials.secret_key}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = (made_for, key)
        return key

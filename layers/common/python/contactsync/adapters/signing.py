"""AWS Signature Version 4: for the JSON services' one request shape, POST / with a JSON body, and for S3 and SES.

botocore signs the same, but its import costs a cold start five times what this module and `wire` cost
together, and its general canonicalisation four times the CPU of a request. A test holds both to the same
signature.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import gmtime, strftime, time
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


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
            os.environ.get("AWS_SESSION_TOKEN"),
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
        self._scope = _Scope(service, region)
        self._host = host
        self._content_type = content_type

    def headers(
        self, target: str, body: bytes, credentials: Credentials, *, at: float | None = None
    ) -> dict[str, str]:
        """The headers that carry `body` to the operation `target`, signed.

        `at` is epoch seconds, now by default; the service refuses what is older than five minutes.
        """
        stamp = _stamp(at)
        token_line, token_name = "", ""
        if credentials.token:
            token_line, token_name = f"x-amz-security-token:{credentials.token}\n", "x-amz-security-token;"
        names = f"content-type;host;x-amz-date;{token_name}x-amz-target"
        canonical = (
            f"POST\n/\n\ncontent-type:{self._content_type}\nhost:{self._host}\nx-amz-date:{stamp}\n"
            f"{token_line}x-amz-target:{target}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
        )
        headers = {
            "Host": self._host,
            "Content-Type": self._content_type,
            "X-Amz-Date": stamp,
            "X-Amz-Target": target,
            "Authorization": self._scope.authorization(canonical, names, stamp, credentials),
        }
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        return headers


Query = Iterable[tuple[str, str]]


class RestSigner:
    """Signs requests to one service in one region at one host. Safe to share between threads."""

    def __init__(self, service: str, region: str, host: str) -> None:
        self._scope = _Scope(service, region)
        self._host = host

    def headers(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        digest: str,
        credentials: Credentials,
        *,
        at: float | None = None,
    ) -> dict[str, str]:
        """All headers of a request, signed: `headers`, whose names are in lower case, and those of a signature.

        `target` is sent as it is signed, S3's from `s3_target`; `digest` is the SHA-256 of the body in hexadecimal
        digits, so that no other body is taken. `at` as for Signer.
        """
        stamp = _stamp(at)
        signed = {**headers, "host": self._host, "x-amz-date": stamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = ";".join(sorted(signed))
        path, _, query_string = target.partition("?")
        lines = "".join([f"{name}:{signed[name]}\n" for name in sorted(signed)])
        canonical = f"{method}\n{path}\n{query_string}\n{lines}\n{names}\n{digest}"
        return {**signed, "authorization": self._scope.authorization(canonical, names, stamp, credentials)}

    def presigned(
        self,
        method: str,
        path: str,
        query: Query,
        expires_s: int,
        credentials: Credentials,
        *,
        at: float | None = None,
    ) -> str:
        """The target of a URL by which anybody may send S3 this request until it expires, with any headers and body."""
        stamp = _stamp(at)
        carried = [
            *query,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{credentials.access_key}/{self._scope.of(stamp)}"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(expires_s)),
            ("X-Amz-SignedHeaders", "host"),
        ]
        if credentials.token:
            carried.append(("X-Amz-Security-Token", credentials.token))
        target = s3_target(path, carried)
        encoded, _, query_string = target.partition("?")
        canonical = f"{method}\n{encoded}\n{query_string}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        return f"{target}&X-Amz-Signature={self._scope.signature(canonical, stamp, credentials)}"


def s3_target(path: str, query: Query = ()) -> str:
    """Path and query as S3 signs them, which is how they are sent: each encoded once, the query in order."""
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in query)
    return quote(path) + ("?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else "")


class _Scope:
    """What a signature is for, but the day: one service in one region; and the key of the day that was last."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region
        self._key: tuple[tuple[str, str], bytes] | None = None

    def of(self, stamp: str) -> str:
        """The scope's name on the day of `stamp`."""
        return f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"

    def authorization(self, canonical: str, names: str, stamp: str, credentials: Credentials) -> str:
        """The header that carries the signature of the request `canonical`; `names` are its signed headers."""
        signature = self.signature(canonical, stamp, credentials)
        return (
            f"{ALGORITHM} Credential={credentials.access_key}/{self.of(stamp)}, "
            f"SignedHeaders={names}, Signature={signature}"
        )

    def signature(self, canonical: str, stamp: str, credentials: Credentials) -> str:
        """Of a canonical request."""
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{ALGORITHM}\n{stamp}\n{self.of(stamp)}\n{digest}"
        return hmac.digest(self._signing_key(credentials, stamp[:8]), to_sign.encode(), "sha256").hex()

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


def _stamp(at: float | None) -> str:
    return _stamp_of(int(time() if at is None else at))


@lru_cache(1)
def _stamp_of(second: int) -> str:
    """Asked anew by every request, of which there are hundreds in a second."""
    return strftime("%Y%m%dT%H%M%SZ", gmtime(second))

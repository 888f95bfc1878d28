"""A signed token (JWT) → whom it means, or nobody: the only place that believes one.

The key comes from us, never from the token; the algorithm from the key, of which there are two. A token that does not say
until when it holds, who has issued it and for whom is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
"""By kind of key and curve."""
TYPES = frozenset({None, "JWT", "at+jwt"})
LEEWAY_S = 30
"""How far clocks may differ."""
ID_LENGTH = 255
LEAST_RSA_BITS = 2048


class Untrusted(Exception):
    """The token proves nothing. Why is nobody's business but the log's, and not even that is told."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider means. `email` is None where it does not vouch for the address."""

    subject: str
    email: str | None


def key_id(token: str) -> str:
    """Which key the token says it is signed with. Raises Untrusted."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Untrusted from None
    found = header.get("kid")
    if not isinstance(found, str) or not 1 <= len(found) <= ID_LENGTH or header.get("typ") not in TYPES:
        raise Untrusted
    if "crit" in header:  # conditions that we do not know
        raise Untrusted
    return found


def verified(
    token: str, key: Mapping[str, Any], *, issuer: str, audiences: frozenset[str], now: datetime
) -> Person:
    """Whom a token means that was signed with this key (a JSON Web Key). Raises Untrusted."""
    algorithm = ALGORITHMS.get((str(key.get("kty")), key.get("crv")))
    if algorithm is None or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        raise Untrusted
    # Times are compared here, by the clock that was given
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        public = jwt.PyJWK.from_dict(dict(key), algorithm).key
        if getattr(public, "key_size", LEAST_RSA_BITS) < LEAST_RSA_BITS and algorithm == "RS256":
            raise Untrusted
        claims = jwt.decode(token, public, algorithms=[algorithm], options=options)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Untrusted from None
    _check_time(claims, now)
    if claims.get("iss") != issuer or not _audiences_of(claims) & audiences:
        raise Untrusted
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= ID_LENGTH:
        raise Untrusted
    email = claims.get("email")
    said = claims.get("email_verified")  # Cognito may say it as text
    vouched = isinstance(email, str) and "@" in email and (said is True or said == "true")
    return Person(subject, email if vouched else None)


def _check_time(claims: Mapping[str, Any], now: datetime) -> None:
    ends, begins, issued = (_moment(claims.get(name)) for name in ("exp", "nbf", "iat"))
    if ends is None or not (max(begins or 0, issued or 0) - LEEWAY_S <= now.timestamp() < ends + LEEWAY_S):
        raise Untrusted


def _moment(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise Untrusted
    return value


def _audiences_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Whom a token is for. An access token of Cognito says it by `client_id`, and that it is one by `token_use`."""
    if claims.get("token_use") == "access":
        told = claims.get("client_id")
    elif claims.get("token_use", "id") == "id":
        told = claims.get("aud")
    else:
        raise Untrusted
    several = told if isinstance(told, list) else [told]
    return frozenset(each for each in several if isinstance(each, str))

"""An identity provider as the tests play one: keys of its own, and tokens signed with them, good and bad."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.calling import CLIENT, ISSUER

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
SHORT_RSA = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())


def public(key: Any, key_id: str) -> dict[str, Any]:
    """A key as a provider publishes it."""
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    told = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**told, "kid": key_id, "use": "sig", "alg": "RS256" if algorithm is RSAAlgorithm else "ES256"}


@dataclass
class Signer:
    """Signs tokens that are good unless `changes` or `header` make them otherwise; None leaves a claim out."""

    now: datetime
    key: Any = RSA
    key_id: str = "one"
    algorithm: str = "RS256"
    issuer: str = ISSUER
    audience: str = CLIENT
    header: dict[str, Any] = field(default_factory=dict)

    def token(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        now_s = int(self.now.timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "1b2c",
            "email": "owner@example.com",
            "email_verified": True,
            "iat": now_s,
            "exp": now_s + 3600,
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        named = {"kid": self.key_id, **(header or {})}
        return jwt.encode(
            claims,
            self.key,
            algorithm=self.algorithm,
            headers={name: value for name, value in named.items() if value is not None},
        )


def document(*keys: dict[str, Any]) -> bytes:
    """A set of keys as it is published."""
    return json.dumps({"keys": list(keys)}).encode()

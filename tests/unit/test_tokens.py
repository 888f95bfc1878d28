"""Signed tokens: which are believed, and every way to forge one that we know of."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from contactsync.core.tokens import Person, Untrusted, key_id, verified
from tests.support.calling import CLIENT, ISSUER
from tests.support.tokens import EC, OTHER_RSA, RSA, SHORT_RSA, Signer, public

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
SIGNER = Signer(NOW)


def believed(token, key=None, **changes):
    asked = {"issuer": ISSUER, "audiences": frozenset({CLIENT, "app"}), "now": NOW, **changes}
    key_id(token)
    return verified(token, public(RSA, "one") if key is None else key, **asked)


def refused(token, key=None, **changes):
    with pytest.raises(Untrusted):
        believed(token, key, **changes)
    return True


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_a_good_token_says_whom_it_means():
    assert believed(SIGNER.token()) == Person("1b2c", "owner@example.com")
    elliptic = Signer(NOW, key=EC, algorithm="ES256")
    assert believed(elliptic.token(), public(EC, "one")) == Person("1b2c", "owner@example.com")
    assert believed(SIGNER.token(aud=["other", "app"])).subject == "1b2c"
    assert believed(SIGNER.token(header={"typ": "at+jwt"})).subject == "1b2c"


@pytest.mark.parametrize("vouched", [None, False, "false", 1, "yes"])
def test_an_address_that_nobody_vouches_for_is_none(vouched):
    assert believed(SIGNER.token(email_verified=vouched)) == Person("1b2c", None)
    assert believed(SIGNER.token(email=["owner@example.com"])) == Person("1b2c", None)


def test_tokens_of_cognito():
    """Its identity tokens say `aud`, its access tokens `client_id`, and `email_verified` may be text."""
    assert believed(SIGNER.token(token_use="id", email_verified="true")).email == "owner@example.com"
    access = SIGNER.token(token_use="access", client_id=CLIENT, aud=None, email=None)
    assert believed(access) == Person("1b2c", None)
    assert refused(SIGNER.token(token_use="access", client_id="other"))
    assert refused(SIGNER.token(token_use="refresh"))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://people.example.com/pool/"},
        {"iss": "https://evil.example.com"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"aud": {CLIENT: 1}},
        {"exp": NOW_S - 31},
        {"exp": None},
        {"exp": True},
        {"nbf": NOW_S + 31},
        {"iat": NOW_S + 31},
        {"nbf": "soon"},
        {"sub": ""},
        {"sub": None},
        {"sub": "x" * 256},
    ],
)
def test_a_token_with_another_s_claims_or_out_of_its_time_is_not_believed(changes):
    assert refused(SIGNER.token(**changes))


def test_clocks_may_differ_by_half_a_minute():
    assert believed(SIGNER.token(exp=NOW_S - 29))
    assert believed(SIGNER.token(nbf=NOW_S + 29, iat=NOW_S + 29))


def test_without_a_signature_nothing_is_believed():
    _, claims, _ = SIGNER.token().split(".")
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        header = part({"alg": algorithm, "kid": "one", "typ": "JWT"})
        assert refused(f"{header}.{claims}.")
        assert refused(f"{header}.{claims}.{part(b'x')}")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(algorithm):
    """The classic: sign with the public key, which everybody has, and say that it was a shared secret."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    published = json.dumps(public(RSA, "one")).encode()
    _, claims, _ = SIGNER.token().split(".")
    header = part({"alg": algorithm, "kid": "one", "typ": "JWT"})
    for secret in (pem, pem.strip(), published):
        signature = hmac.digest(
            secret, f"{header}.{claims}".encode(), hashlib.new(f"sha{algorithm[2:]}").name
        )
        assert refused(f"{header}.{claims}.{part(signature)}")


def test_a_key_that_the_token_brings_along_is_not_asked():
    """`jwk`, `jku`, `x5u` in the header: only a key that the provider publishes counts."""
    forger = Signer(NOW, key=OTHER_RSA)
    for brought in (
        {"jwk": public(OTHER_RSA, "one")},
        {"jku": "https://evil.example.com/keys"},
        {"x5u": "https://evil.example.com/cert"},
    ):
        assert refused(forger.token(header=brought))


def test_a_signature_of_another_key_or_over_other_claims_is_none():
    assert refused(Signer(NOW, key=OTHER_RSA).token())
    header, claims, signature = SIGNER.token().split(".")
    other = part({"iss": ISSUER, "aud": CLIENT, "sub": "somebody", "exp": NOW_S + 60})
    assert refused(f"{header}.{other}.{signature}")
    assert refused(f"{header}.{claims}.{signature[:-8]}{part(b'xxxxxx')}")
    assert refused(f"{header}.{claims}.")


def test_the_key_decides_over_the_algorithm():
    assert refused(Signer(NOW, algorithm="PS256").token())
    assert refused(Signer(NOW, algorithm="RS512").token())
    assert refused(SIGNER.token(), {**public(RSA, "one"), "use": "enc"})
    assert refused(SIGNER.token(), {**public(RSA, "one"), "alg": "RS512"})
    assert refused(SIGNER.token(), public(EC, "one"))
    assert refused(SIGNER.token(), {"kty": "oct", "k": part(b"secret"), "kid": "one"})


@pytest.mark.filterwarnings("ignore")
def test_a_key_that_can_be_broken_proves_nothing():
    assert refused(Signer(NOW, key=SHORT_RSA).token(), public(SHORT_RSA, "one"))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": "x" * 256},
        {"typ": "dpop+jwt"},
        {"crit": ["exp"]},
        {"typ": "JWE"},
    ],
)
def test_a_header_that_says_too_little_or_what_we_do_not_know(header):
    assert refused(SIGNER.token(header=header))


@pytest.mark.parametrize("kid", [7, ["one"], {"one": 1}, None, True])
def test_a_key_s_name_is_text(kid):
    _, claims, signature = SIGNER.token().split(".")
    assert refused(f"{part({'alg': 'RS256', 'kid': kid, 'typ': 'JWT'})}.{claims}.{signature}")


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 8000, ".".join(["e30"] * 3)])
def test_what_is_no_token_is_refused(token):
    assert refused(token)


@pytest.mark.parametrize(
    "key", [{}, {"kty": "RSA"}, {"kty": "RSA", "n": "é", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": 1}]
)
def test_a_damaged_key_believes_nobody(key):
    assert refused(SIGNER.token(), key)

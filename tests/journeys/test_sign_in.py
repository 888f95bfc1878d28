"""A person signs in by an identity provider, through the whole stack: gateway, authorizer, roles, a provider over TLS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from local.permissions import noted
from local.stack import Ports, Settings, Stack
from tests.fakes.certificates import Authority
from tests.fakes.webserver import Request, WebServer, reply
from tests.support.customer import Customer
from tests.support.tokens import OTHER_RSA, RSA, Signer, document, public

pytestmark = pytest.mark.stack

AUDIENCE = "console"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def provider(authority: Authority) -> Iterator[str]:
    """The issuer's address."""

    def answer(request: Request) -> list[bytes]:
        if request.target.endswith("/keys"):
            return reply(document(public(RSA, "one")))
        told = f'{{"issuer": "{address}", "jwks_uri": "{address}/keys"}}'
        return reply(told.encode())

    with WebServer(answer, tls=authority.server("127.0.0.1")) as server:
        address = f"https://127.0.0.1:{server.port}"
        yield address


@pytest.fixture(scope="module")
def stack(provider: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose people sign in there."""
    settings = Settings(
        home=Path(tmp_path_factory.mktemp("signing-in")),
        ports=Ports.free(),
        functions={"SSL_CERT_FILE": str(authority.folder / "ca.pem")},
        parameters={"IdentityIssuer": provider, "IdentityAudiences": f"other,{AUDIENCE}"},
        say=lambda text: None,
    )
    with Stack(settings) as started:
        yield started


@pytest.fixture
def sign(provider: str) -> Signer:
    return Signer(datetime.now(UTC), issuer=provider, audience=AUDIENCE)


def ask(customer: Customer, bearer: str, path: str = "/account") -> requests.Response:
    return requests.get(customer.api + path, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)


def test_a_member_signs_in_and_has_their_own_permissions(stack: Stack, sign: Signer) -> None:
    customer = Customer.of(stack)
    email, subject = f"clerk-{uuid.uuid4().hex[:8]}@example.com", uuid.uuid4().hex
    clerk = customer.post("/members", {"email": email, "permissions": ["contacts.view"]}, expect=201)
    token = sign.token(email=email, sub=subject)
    told = ask(customer, token).json()
    assert (told["id"], told["member"]["id"]) == (customer.account_id, clerk["id"])
    assert told["member"]["permissions"] == ["contacts.view"]
    assert ask(customer, token, "/contacts").status_code == 200
    refused = ask(customer, token, "/syncs")
    assert (refused.status_code, "syncs.manage" in refused.json()["title"]) == (403, True)
    assert ask(customer, f"{customer.account_id}~{token}").json()["id"] == customer.account_id
    bound = {note["action"] for note in noted(stack.settings.home) if note["sid"] == "KnowWhoSignsIn"}
    assert bound == {"dynamodb:Query", "dynamodb:PutItem"}


def test_whoever_is_nobody_here_or_is_signed_by_somebody_else_stays_out(stack: Stack, sign: Signer) -> None:
    customer = Customer.of(stack)
    forged = Signer(sign.now, key=OTHER_RSA, issuer=sign.issuer, audience=AUDIENCE)
    for token in (
        sign.token(email="nobody@example.com", sub="nobody"),
        forged.token(email=customer.email, sub="forger"),
        sign.token(email=customer.email, sub="late", exp=int(sign.now.timestamp()) - 60),
        sign.token(email=customer.email, sub="unasked", email_verified=False),
    ):
        answer = ask(customer, token)
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthorized")
    assert not customer.get("/members")["items"][0]["signed_in"]

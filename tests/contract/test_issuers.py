"""The identity provider's contract, in memory and over TLS; and how a provider may misbehave."""

from __future__ import annotations

import json

import pytest

from contactsync.adapters import issuer as adapter
from contactsync.adapters.issuer import Issuer
from contactsync.adapters.memory import MemoryIssuer
from contactsync.errors import Busy
from tests.fakes.certificates import Authority
from tests.fakes.webserver import RESET, WebServer
from tests.support.tokens import EC, RSA, document, public

KEYS = (public(RSA, "one"), public(EC, "two"))


class IssuerContract:
    """Backends give `issuer`, which publishes KEYS."""

    def test_it_names_itself_and_those_it_is_for(self, issuer):
        assert issuer.issuer.startswith("https://")
        assert issuer.audiences == frozenset({"console"})

    def test_its_keys_are_found_by_their_ids(self, issuer):
        assert {name: key["kty"] for name, key in issuer.keys().items()} == {"one": "RSA", "two": "EC"}
        assert issuer.keys()["one"] == KEYS[0]


class TestMemoryIssuer(IssuerContract):
    @pytest.fixture
    def issuer(self):
        issuer = MemoryIssuer("https://people.example.com", frozenset({"console"}))
        issuer.published = {key["kid"]: key for key in KEYS}
        return issuer


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def ok(body):
    return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]


class Provider:
    """A provider on loopback; `answers` are laid over those of a good one, by path."""

    CONFIGURATION = "/pool/.well-known/openid-configuration"
    KEYS = "/pool/keys"

    def __init__(self, authority):
        self.answers = {}
        self.server = WebServer(self.answer, tls=authority.server("127.0.0.1"))
        self.address = f"https://127.0.0.1:{self.server.port}/pool"
        self.trust = authority.client()

    def answer(self, request):
        good = {
            self.CONFIGURATION: {"issuer": self.address, "jwks_uri": f"{self.address}/keys"},
            self.KEYS: json.loads(document(*KEYS)),
        }
        told = self.answers.get(request.target, good.get(request.target))
        return ok(json.dumps(told).encode()) if isinstance(told, dict) else told

    def issuer(self):
        return Issuer(self.address, frozenset({"console"}), self.trust)


@pytest.fixture
def provider(authority):
    provider = Provider(authority)
    with provider.server:
        yield provider


class TestIssuer(IssuerContract):
    @pytest.fixture
    def issuer(self, provider):
        return provider.issuer()


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example.com", "jwks_uri": "https://127.0.0.1/keys"},
        {"jwks_uri": "https://127.0.0.1/keys"},
        [b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/other\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}"],
        [RESET],
        ok(b"[]"),
        ok(b"<html>"),
        ok(b"[" * 100_000),
    ],
)
def test_a_provider_that_says_nothing_of_use_is_away(provider, configuration):
    provider.answers[provider.CONFIGURATION] = configuration
    with pytest.raises(Busy):
        provider.issuer().keys()


@pytest.mark.parametrize("scheme", ["http", "file", "ftp"])
def test_keys_are_read_by_https_only(provider, scheme):
    elsewhere = f"{scheme}://127.0.0.1:{provider.server.port}/pool/keys"
    provider.answers[provider.CONFIGURATION] = {"issuer": provider.address, "jwks_uri": elsewhere}
    with pytest.raises(Busy):
        provider.issuer().keys()
    assert len(provider.server.requests) == 1


def test_a_provider_with_a_certificate_of_somebody_else_is_away(provider, tmp_path):
    provider.trust = Authority(tmp_path).client()
    with pytest.raises(Busy):
        provider.issuer().keys()


def test_a_document_without_end_is_not_read_to_its_end(provider, monkeypatch):
    monkeypatch.setattr(adapter, "DOCUMENT_BYTES", 1000)
    provider.answers[provider.KEYS] = ok(b" " * 100_000)
    with pytest.raises(Busy):
        provider.issuer().keys()


def test_a_provider_that_drips_is_given_up(provider, monkeypatch):
    monkeypatch.setattr(adapter, "TIMEOUT_S", 0.2)
    slow = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *([0.05, b" "] * 50)]
    provider.answers[provider.KEYS] = slow
    with pytest.raises(Busy):
        provider.issuer().keys()


def test_what_is_no_key_is_left_out(provider):
    odd = {"keys": [7, {}, {"kid": 7}, {"kid": "named"}, *KEYS]}
    provider.answers[provider.KEYS] = odd
    assert set(provider.issuer().keys()) == {"named", "one", "two"}
    provider.answers[provider.KEYS] = {"keys": "none"}
    assert provider.issuer().keys() == {}

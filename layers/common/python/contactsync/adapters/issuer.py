"""An OpenID Connect issuer, asked for the keys that it signs with: by HTTPS, with bounds on time and size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

from contactsync.errors import Busy

TIMEOUT_S = 3
DOCUMENT_BYTES = 256 << 10
KEYS_TAKEN = 100


class Issuer:
    """See `ports.IdentityProvider`.

    Args:
        issuer: its https address, as its tokens spell it.
        audiences: the clients whose tokens are meant for us.
        trust: whose certificates are believed; the system's if left out.
    """

    def __init__(self, issuer: str, audiences: frozenset[str], trust: ssl.SSLContext | None = None) -> None:
        self._issuer = issuer
        self._audiences = audiences
        self._trust = trust

    @property
    def issuer(self) -> str:
        """See `ports.IdentityProvider.issuer`."""
        return self._issuer

    @property
    def audiences(self) -> frozenset[str]:
        """See `ports.IdentityProvider.audiences`."""
        return self._audiences

    def keys(self) -> Mapping[str, Mapping[str, Any]]:
        """See `ports.IdentityProvider.keys`."""
        told = self._read(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self._issuer:
            raise Busy("The identity provider's configuration names another issuer.")
        listed = self._read(str(told.get("jwks_uri"))).get("keys")
        keys = listed[:KEYS_TAKEN] if isinstance(listed, list) else []
        return {key["kid"]: key for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str)}

    def _read(self, address: str) -> dict[str, Any]:
        """A JSON object at an https address; redirects are not followed. Raises Busy."""
        url = urlsplit(address)
        if url.scheme != "https" or not url.hostname:
            raise Busy("The identity provider's configuration names an address that is not https.")
        trust = self._trust or ssl.create_default_context()
        connection = HTTPSConnection(url.hostname, url.port, timeout=TIMEOUT_S, context=trust)
        try:
            connection.request("GET", f"{url.path or '/'}{'?' + url.query if url.query else ''}")
            document = orjson.loads(_body_of(connection.getresponse(), time.monotonic() + TIMEOUT_S))
        except (OSError, HTTPException, orjson.JSONDecodeError) as error:
            raise Busy(f"The identity provider does not tell its keys: {type(error).__name__}.") from None
        finally:
            connection.close()
        if not isinstance(document, dict):
            raise Busy("The identity provider's configuration is no object.")
        return document


def _body_of(response: HTTPResponse, deadline: float) -> bytes:
    """The body of a good answer, whole; nothing of any other. Raises HTTPException for one that is too long or too slow."""
    body = bytearray()
    while response.status == 200 and (data := response.read1(1 << 16)):
        body += data
        if len(body) > DOCUMENT_BYTES or time.monotonic() > deadline:
            raise HTTPException
    return bytes(body)

"""OAuth 2.0 with PKCE (RFC 6749, 7636): how a person lets us into their book without telling us a password.

Which authority, which scopes, which extra parameters: data of each provider, see `Authority`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3

from contactsync.errors import AccessLost, Busy, Conflict, SourceAway

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 100_000
_WITHDRAWN = frozenset(
    {"invalid_grant", "interaction_required", "consent_required", "login_required", "unauthorized_client"}
)
"""What an authority says where only the person, or an administrator of theirs, can let us in again."""
_NOT_US = frozenset({"invalid_client", "unauthorized_client", "deleted_client", "disabled_client"})
"""What it says of our application while somebody signs in."""
LEEWAY_S = 120
"""A token that lives no longer than this is treated as dead, so that it does not die on the way."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A provider's authorization server, and what we ask it for.

    `needed` must all be granted: people can untick them one by one. `issuers` are those that an id token may name;
    {tid} stands for the tenant that the token names itself. `parameters` go with the authorize URL; their prompt has the
    person choose an account, for who is signed in with one would not be asked, and could never connect another.
    """

    authorize_url: str
    token_url: str
    revoke_url: str | None
    issuers: tuple[str, ...]
    scopes: tuple[str, ...]
    needed: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class App:
    """What we are to an authority."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What an authority gave. `refresh_token` is the one to keep from now on; `subject` only with the first grant."""

    access_token: str = field(repr=False)
    expires_in_s: int
    refresh_token: str = field(repr=False)
    scopes: frozenset[str] = frozenset()
    subject: str = ""
    name: str = ""


def new_verifier() -> str:
    """A PKCE verifier, which stays with us until the code comes."""
    return secrets.token_urlsafe(48)


class OAuth:
    """The conversation with one authority."""

    def __init__(self, authority: Authority, app: App) -> None:
        self._authority = authority
        self._app = app
        timeout = urllib3.Timeout(connect=TIMEOUT_S, read=TIMEOUT_S)
        self._pool = urllib3.PoolManager(num_pools=1, retries=False, timeout=timeout)

    def authorize_url(self, *, state: str, nonce: str, verifier: str, hint: str = "") -> str:
        """Where to send the person. `state` comes back with the code, `nonce` in the id token."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self._app.client_id,
            "redirect_uri": self._app.redirect_uri,
            "response_type": "code",
            "scope": " ".join(self._authority.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **self._authority.parameters,
            **({"login_hint": hint} if hint else {}),
        }
        return f"{self._authority.authorize_url}?{urlencode(query)}"

    def is_issuer(self, issuer: str) -> bool:
        """Whether an authorization answer that names its issuer (RFC 9207) comes from this authority."""
        return any(
            re.fullmatch(re.escape(known).replace(r"\{tid\}", "[0-9A-Za-z-]+"), issuer)
            for known in self._authority.issuers
        )

    def exchange(self, code: str, *, verifier: str, nonce: str) -> Grant:
        """The code that came back → the first grant.

        Raises:
            Conflict: the code is spent or not ours, the person has not granted what is needed, or the authority refuses
                our application, which beginning anew does not mend.
            Busy: the authority is away; a code can be tried once only, so the person begins anew.
        """
        status, answer = self._post(
            {
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": verifier,
                "redirect_uri": self._app.redirect_uri,
            }
        )
        if str(answer.get("error")) in _NOT_US:
            raise Conflict(
                "sign_in_failed",
                "The provider refuses our application.",
                "Nothing was connected, and it is nothing that you did: ask whoever runs this installation to see "
                "whether its client secret at the provider has expired.",
            )
        if status != 200:
            raise Conflict(
                "sign_in_failed",
                "The provider did not accept the sign-in.",
                "Begin again with POST /v1/connections: a sign-in can be completed once, within ten minutes.",
            )
        claims = self._claims(str(answer.get("id_token", "")), nonce)
        grant = self._grant(answer, claims)
        missing = [scope for scope in self._authority.needed if not _is_among(scope, grant.scopes)]
        if missing or not grant.refresh_token:
            raise Conflict(
                "not_granted",
                "Not everything was granted that the connection needs.",
                "Begin again with POST /v1/connections, and leave all boxes ticked on the provider's page.",
            )
        return grant

    def refresh(self, refresh_token: str) -> Grant:
        """A new access token. The grant's refresh token is to be stored before anything else is done.

        Raises:
            AccessLost: the person, an administrator or time has withdrawn it.
            SourceAway: the authority is away.
            Busy: it refuses us.
        """
        status, answer = self._post({"grant_type": "refresh_token", "refresh_token": refresh_token})
        if status == 200 and answer.get("access_token"):
            grant = self._grant(answer, {})
            return grant if grant.refresh_token else replace(grant, refresh_token=refresh_token)
        if str(answer.get("error")) in _WITHDRAWN:
            raise AccessLost(
                "access_lost",
                "The provider does not let us in any more.",
                "Connect the account again; nothing was deleted, and everything goes on from where it was.",
            )
        raise Busy(
            "The provider's sign-in service refuses our application."
        )  # for us to mend, should it last

    def revoke(self, token: str) -> bool:
        """Give a grant back; whether the provider has a way to do that and took it."""
        if self._authority.revoke_url is None:
            return False
        status, _ = self._post({"token": token}, self._authority.revoke_url)
        return status == 200

    def _post(self, form: Mapping[str, str], url: str = "") -> tuple[int, dict[str, Any]]:
        known = {"client_id": self._app.client_id, "client_secret": self._app.client_secret}
        try:
            answer = self._pool.request(
                "POST",
                url or self._authority.token_url,
                body=urlencode({**form, **known}),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                redirect=False,
                preload_content=False,
            )
            body = answer.read(MAX_ANSWER_BYTES, decode_content=True)
            answer.close()
        except (urllib3.exceptions.HTTPError, OSError):
            raise SourceAway("The provider's sign-in service cannot be reached.") from None
        if answer.status >= 500 or answer.status == 429:
            raise SourceAway("The provider's sign-in service is away.")
        try:
            document = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError:
            document = {}
        return answer.status, document if isinstance(document, dict) else {}

    def _grant(self, answer: Mapping[str, Any], claims: Mapping[str, Any]) -> Grant:
        lives = str(answer.get("expires_in", ""))
        return Grant(
            access_token=str(answer.get("access_token") or ""),
            expires_in_s=int(lives) if lives.isdecimal() else 0,
            refresh_token=str(answer.get("refresh_token") or ""),
            scopes=frozenset(str(answer.get("scope") or "").split()),
            subject=str(claims.get("sub", "")),
            name=str(claims.get("email") or claims.get("preferred_username") or ""),
        )

    def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        """What the id token says. It came from the authority itself over TLS, so its signature adds nothing (OpenID
        Connect Core 3.1.3.7, 6); that it is meant for us, and for this sign-in, still has to be seen.
        """
        try:
            payload = id_token.split(".")[1]
            claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            claims = {}
        claims = claims if isinstance(claims, dict) else {}
        issuers = {issuer.format(tid=claims.get("tid", "")) for issuer in self._authority.issuers}
        meant_for_us = claims.get("aud") == self._app.client_id and claims.get("nonce") == nonce
        if not claims.get("sub") or claims.get("iss") not in issuers or not meant_for_us:
            raise Conflict(
                "sign_in_failed",
                "The provider's answer does not belong to this sign-in.",
                "Begin again with POST /v1/connections.",
            )
        return dict(claims)


def _is_among(scope: str, granted: frozenset[str]) -> bool:
    """Microsoft names scopes in short or in full (https://graph.microsoft.com/Contacts.ReadWrite), in any case."""
    wanted = {scope.casefold(), f"https://graph.microsoft.com/{scope}".casefold()}
    return not wanted.isdisjoint(map(str.casefold, granted))

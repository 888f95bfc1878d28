"""An OAuth authority on loopback, as Google's and Microsoft's behave: one-time codes, PKCE, exact redirects, rotation.

A person's consent is one GET of the authorize URL, which redirects at once. Who is signed in already, in `session`, is not
asked who they are unless the prompt says so; Microsoft refuses a prompt of several words. What a person or an administrator can do
besides is a switch: untick scopes, withdraw, change the account that is signed in. So is what goes wrong: `down` is 503,
`error` is what each POST is refused with, `microsoft` frames refusals as Microsoft does, `claims` and `fields` are laid
over what the id token and the answer say.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson


@dataclass
class Person:
    """Who is signed in at the provider."""

    subject: str
    email: str


@dataclass
class AuthorityServer:
    """Begin with `with AuthorityServer(...) as server`; `server.url` is its base."""

    client_id: str = "client-1"
    client_secret: str = "client-s3cret"
    redirect_uri: str = "http://127.0.0.1/v1/oauth/callback"
    rotates: bool = False
    person: Person = field(default_factory=lambda: Person("subject-1", "ann@example.com"))
    session: Person | None = None
    unticked: frozenset[str] = frozenset()
    lifetime_s: int = 3599
    down: bool = False
    error: str = ""
    microsoft: bool = False
    claims: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    refresh_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    access_tokens: dict[str, Person] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authority.authorize(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = dict(parse_qsl(body))
                status, answer = authority.answer(urlsplit(self.path).path, form)
                content = orjson.dumps(answer)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def withdraw(self) -> None:
        """The person, or an administrator, takes everything back."""
        self.refresh_tokens.clear()
        self.access_tokens.clear()

    def expire(self) -> None:
        """Time passes: access tokens die, refresh tokens live."""
        self.access_tokens.clear()

    def authorize(self, request: BaseHTTPRequestHandler) -> None:
        """Consent, at once."""
        query = dict(parse_qsl(urlsplit(request.path).query))
        wrong = (
            query.get("client_id") != self.client_id
            or query.get("redirect_uri") != self.redirect_uri
            or query.get("code_challenge_method") != "S256"
            or query.get("response_type") != "code"
            or (self.microsoft and " " in query.get("prompt", ""))
        )
        if wrong:
            request.send_error(400)
            return
        code = secrets.token_hex(8)
        asks = "select_account" in query.get("prompt", "").split()
        self.codes[code] = {**query, "unasked": None if asks else self.session}
        request.send_response(302)
        told = urlencode({"code": code, "state": query.get("state", "")})
        request.send_header("Location", f"{self.redirect_uri}?{told}")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """What a POST gets."""
        if self.down:
            return 503, {}
        if self.error:
            return self._refused(self.error)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return 401, self._refused("invalid_client")[1]
        if path.endswith("/revoke"):
            self.revoked.append(form["token"])
            known = self.refresh_tokens.pop(form["token"], None)
            return (200, {}) if known else (400, {"error": "invalid_token"})
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form)
        return self._exchanged(form)

    def _exchanged(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or form.get("redirect_uri") != self.redirect_uri
        ):
            return self._refused("invalid_grant", "Malformed auth code.", 54005)
        scopes = [scope for scope in asked["scope"].split() if scope not in self.unticked]
        person = asked.get("unasked") or self.person
        claims = {
            "iss": self.url,
            "aud": self.client_id,
            "sub": person.subject,
            "email": person.email,
            "nonce": asked.get("nonce"),
            **self.claims,
        }
        payload = base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=").decode()
        token = {**self._token(scopes), "id_token": f"e30.{payload}.c2ln"}
        return 200, {**token, "refresh_token": self._keep(scopes), **self.fields}

    def _refreshed(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        known = self.refresh_tokens.get(form.get("refresh_token", ""))
        if known is None:
            return self._refused("invalid_grant", "Token has been expired or revoked.", 70000)
        token = self._token(known["scopes"])
        newer = {"refresh_token": self._keep(known["scopes"])} if self.rotates else {}
        return 200, {**token, **newer, **self.fields}

    def _refused(self, error: str, why: str = "Refused.", number: int = 90000) -> tuple[int, dict[str, Any]]:
        """A refusal in the frame of the one or the other."""
        if not self.microsoft:
            return 400, {"error": error, "error_description": why}
        ids = {"trace_id": secrets.token_hex(16), "correlation_id": secrets.token_hex(16)}
        told = {"error": error, "error_description": f"AADSTS{number}: {why} Trace ID: {ids['trace_id']}"}
        return 400, {**told, "error_codes": [number], "timestamp": "2026-11-22 09:00:00Z", **ids}

    def _token(self, scopes: list[str]) -> dict[str, Any]:
        token = f"at-{secrets.token_hex(12)}"
        self.access_tokens[token] = self.person
        kind = {"token_type": "Bearer", "scope": " ".join(scopes)}
        return {"access_token": token, "expires_in": self.lifetime_s, **kind}

    def _keep(self, scopes: list[str]) -> str:
        token = f"rt-{secrets.token_hex(12)}"
        self.refresh_tokens[token] = {"scopes": scopes}
        return token

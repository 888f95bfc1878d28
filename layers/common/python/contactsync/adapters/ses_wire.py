"""A lean client for SES: one request, in JSON to a path of its own.

botocore takes 200 ms of CPU to be imported and make its client, in every function that sends a mail; here there is
next to nothing to import. What `wire` and `s3_wire` try again may be carried out twice; a mail may not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from contactsync.adapters.connection import Answer, Host, InDoubt, Mangled
from contactsync.adapters.patience import Again, Patience
from contactsync.adapters.signing import CredentialSource, RestSigner, credential_source
from contactsync.adapters.wire import TRANSIENT, ServiceError, decoded, domain, own_endpoint

READ_S = 20.0
OPERATION = "SendEmail"
TARGET = "/v2/email/outbound-emails"
THROTTLED = frozenset(
    {"LimitExceededException", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)
"""Codes of what was surely not carried out, and may be later."""


class SesWire:
    """SES in one region, each request on a connection of its own. Safe to share between threads."""

    def __init__(
        self,
        region: str,
        *,
        endpoint: str | None = None,
        credentials: CredentialSource | None = None,
        patience: Patience | None = None,
    ) -> None:
        address = endpoint or own_endpoint("sesv2") or f"https://email.{region}.{domain(region)}"
        self._host = Host("ses", address, read_s=READ_S)
        self._signer = RestSigner("ses", region, self._host.named)
        self._credentials = credentials
        self._patience = patience or Patience(attempts=5, first_s=0.2)

    def send_email(self, request: Mapping[str, Any]) -> None:
        """Send one mail; again only where it surely did not leave.

        Raises:
            Busy: throttled or out of reach, as often as patience and `patience.answering` allow. It did not leave.
            InDoubt: it may have left.
            ServiceError: refused for good.
        """
        body = orjson.dumps(request)
        self._patience.until_answered(OPERATION, lambda: self._attempt(body))

    def _attempt(self, body: bytes) -> None:
        if self._credentials is None:
            self._credentials = credential_source()
        digest = hashlib.sha256(body).hexdigest()
        content_type = {"content-type": "application/json"}
        headers = self._signer.headers("POST", TARGET, content_type, digest, self._credentials())
        _check(self._host.ask_once("POST", TARGET, headers, body))


def _check(answer: Answer) -> None:
    """Raises Again, InDoubt, or ServiceError for all but "sent"."""
    status, headers, _ = answer.head
    try:
        told = decoded(status, answer.content)
    except Mangled:
        raise InDoubt(Mangled.__name__) from None
    if status == 200:
        return
    code = _code(headers, told) or f"HTTP {status}"
    if code in THROTTLED:
        raise Again(code)
    if not 300 <= status < 500 or status == 429 or code in TRANSIENT:
        raise InDoubt(code)
    raise ServiceError(OPERATION, status, code, headers.get("x-amzn-requestid", "unknown"))


def _code(headers: Mapping[str, str], told: Mapping[str, Any]) -> str:
    """The name in "namespace#Name:address", which stands in a header or in the body."""
    named = headers.get("x-amzn-errortype") or told.get("__type") or told.get("code") or ""
    return str(named).partition(":")[0].rpartition("#")[2]

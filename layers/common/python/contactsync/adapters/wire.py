"""A lean client for the AWS services that speak JSON: DynamoDB and EventBridge.

boto3 validates, serialises and parses each request by its model, at 64 to 200 µs of CPU an item of a batch of
25; here it is 10 to 15, which is most of what an import costs. Every call is signed, timed out, tried again
within bounds and checked for truncation.

Trying again is safe only for requests that may be carried out twice: what is sent here is a read, a write under
a condition, or an event on a bus that delivers at least once anyway.
"""

from __future__ import annotations

import os
import ssl
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson

from contactsync.adapters.connection import Connection, Mangled
from contactsync.adapters.patience import Patience, left_s
from contactsync.adapters.signing import CredentialSource, Signer, credential_source
from contactsync.errors import Busy

CONNECT_S = 3.0
READ_S = 15.0
LEAST_READ_S = 0.1
"""An answer that is there is taken, however little time is left."""
IDLE_CONNECTIONS = 16
TRACE = "_X_AMZN_TRACE_ID"
"""Where Lambda says to which trace the invocation belongs. The bus hands it on to whom it calls, so that it goes on there."""

TRANSIENT = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Error codes that ask for patience, whatever the HTTP status: DynamoDB throttles with 400."""


class ServiceError(Exception):
    """A service refused a request, and will again. The message carries codes only, nothing of the request.

    `code` is the service's own, such as "ConditionalCheckFailedException"; `reasons` are the codes of a
    cancelled transaction, one a write, in order, "None" for a write that was not at fault.
    """

    def __init__(
        self, operation: str, status: int, code: str, request_id: str, reasons: tuple[str, ...] = ()
    ) -> None:
        because = f", because of {', '.join(sorted(set(reasons) - {'None'}))}" if reasons else ""
        super().__init__(f"{operation} was refused: {code}{because} (HTTP {status}, request {request_id}).")
        self.operation = operation
        self.status = status
        self.code = code
        self.reasons = reasons


class Again(Exception):
    """One attempt failed in a way that may pass; the message is a code."""


class Wire:
    """One service in one region, over kept-alive connections. Safe to share between threads."""

    def __init__(
        self,
        service: str,
        target: str,
        json_version: str,
        *,
        region: str,
        endpoint: str | None = None,
        credentials: CredentialSource | None = None,
        patience: Patience | None = None,
    ) -> None:
        url = urlsplit(endpoint or _endpoint(service, region))
        if url.scheme not in {"http", "https"} or not url.hostname or url.path not in {"", "/"}:
            raise ValueError(f"The endpoint of {service} must be a plain http or https address.")
        self.patience = patience or Patience()
        self._target = target
        self._tls = url.scheme == "https"
        self._host, self._port = url.hostname, url.port or (443 if self._tls else 80)
        self._credentials = credentials
        self._signer = Signer(service, region, url.netloc, f"application/x-amz-json-{json_version}")
        self._trust: ssl.SSLContext | None = None
        self._idle: deque[Connection] = deque()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request until it is answered for good.

        Raises:
            Busy: throttled, failing or out of reach, as often as patience and `patience.answering` allow. It may have
                been carried out.
            ServiceError: refused for good.
            TypeError: the request holds something that JSON does not, such as half a surrogate pair.
        """
        body = orjson.dumps(request)
        failures = 0
        while True:
            try:
                return self.receive(operation, self.send(operation, body))
            except Again as last:
                failures += 1
                self.check_patience(operation, failures, last)
                self.patience.wait(failures)

    def send(self, operation: str, body: bytes) -> Connection:
        """Half an attempt: the request goes out on a connection that is the sender's until `receive`. Raises Again."""
        if self._credentials is None:
            self._credentials = credential_source()
        headers = self._signer.headers(f"{self._target}.{operation}", body, self._credentials())
        if trace := os.environ.get(TRACE):
            headers["X-Amzn-Trace-Id"] = trace
        connection = self._idle_or_new()
        with self._closed_on_failure(connection):
            connection.sock.settimeout(min(READ_S, max(left_s(), LEAST_READ_S)))
            connection.post(headers, body)
        return connection

    def receive(self, operation: str, connection: Connection) -> dict[str, Any]:
        """The other half: the answer. Raises Again, or ServiceError for a refusal that is final."""
        with self._closed_on_failure(connection):
            status, headers, content, closes = connection.answer()
            checksum = headers.get("x-amz-crc32")
            if checksum is not None and checksum != str(zlib.crc32(content)):
                raise Mangled
            answer = _decoded(status, content)
        if closes or len(self._idle) >= IDLE_CONNECTIONS:
            connection.close()
        else:
            self._idle.append(connection)
        if status == 200:
            return answer
        code = _code(answer)
        if status >= 500 or status == 429 or code in TRANSIENT:
            raise Again(code or f"HTTP {status}")
        request_id = headers.get("x-amzn-requestid", "unknown")
        raise ServiceError(operation, status, code, request_id, _reasons(answer))

    def check_patience(self, operation: str, failures: int, last: Again) -> None:
        """Raises Busy once an operation has failed as often as patience allows, or whoever waits has no time left."""
        if failures >= self.patience.attempts or not left_s():
            raise Busy(f"{operation} failed {failures} times, the last time with {last}.") from None

    def close(self) -> None:
        """Close the connections that are idle."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _idle_or_new(self) -> Connection:
        """An idle connection, the most recently used first, or a new one. Raises Again."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if self._tls and self._trust is None:
            self._trust = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
        with self._closed_on_failure(None):
            return Connection(self._host, self._port, self._trust, connect_s=CONNECT_S, read_s=READ_S)

    @contextmanager
    def _closed_on_failure(self, connection: Connection | None) -> Iterator[None]:
        """Close a connection in any doubt about it, and say Again where another one may fare better."""
        try:
            yield
        except BaseException as error:
            if connection is not None:
                connection.close()
            if not isinstance(error, (OSError, Mangled)) or isinstance(error, ssl.SSLCertVerificationError):
                raise
            self.close()  # the idle ones are suspect as well: a frozen sandbox loses all of them at once
            raise Again(type(error).__name__) from None


def dynamodb(region: str, **options: Any) -> Wire:
    """DynamoDB in `region`; options as for Wire."""
    return Wire("dynamodb", "DynamoDB_20120810", "1.0", region=region, **options)


def eventbridge(region: str, **options: Any) -> Wire:
    """EventBridge in `region`; options as for Wire."""
    return Wire("events", "AWSEvents", "1.1", region=region, **options)


def kms(region: str, **options: Any) -> Wire:
    """KMS in `region`; options as for Wire."""
    return Wire("kms", "TrentService", "1.1", region=region, **options)


def _endpoint(service: str, region: str) -> str:
    """Where the service is: the environment's word, as for every AWS client, else the public address."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    variable = {"events": "EVENTBRIDGE"}.get(service, service.upper())
    return (
        os.environ.get(f"AWS_ENDPOINT_URL_{variable}")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://{service}.{region}.{suffix}"
    )


def _decoded(status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict):
        return answer
    if status == 200:
        raise Mangled
    return {}  # a proxy or load balancer answered in the service's stead


def _code(answer: Mapping[str, Any]) -> str:
    """The name behind "com.amazonaws.dynamodb.v20120810#"."""
    return str(answer.get("__type", "")).rpartition("#")[2]


def _reasons(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(reason.get("Code", "None")) for reason in answer.get("CancellationReasons") or ())

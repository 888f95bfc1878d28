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
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

from contactsync.adapters.patience import Patience
from contactsync.adapters.signing import CredentialSource, Signer, credential_source
from contactsync.errors import Busy

CONNECT_S = 3.0
READ_S = 15.0
IDLE_CONNECTIONS = 16

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


class _Interrupted(Exception):
    """An answer that did not arrive whole."""


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
        self._host, self._port = url.hostname, url.port
        self._credentials = credentials
        self._signer = Signer(service, region, url.netloc, f"application/x-amz-json-{json_version}")
        self._trust: ssl.SSLContext | None = None
        self._idle: deque[HTTPConnection] = deque()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request until it is answered for good.

        Raises:
            Busy: throttled, failing or out of reach, as often as patience allows. It may have been carried out.
            ServiceError: refused for good.
            TypeError: the request holds something that JSON does not, such as half a surrogate pair.
        """
        body = orjson.dumps(request)
        why = ""
        for failures in range(1, self.patience.attempts + 1):
            try:
                status, request_id, answer = self._send(operation, body)
            except ssl.SSLCertVerificationError:
                raise
            except (OSError, HTTPException, _Interrupted) as error:
                self._drop_idle()
                why = type(error).__name__
            else:
                if status == 200:
                    return answer
                why = _code(answer)
                if status < 500 and status != 429 and why not in TRANSIENT:
                    raise ServiceError(operation, status, why, request_id, _reasons(answer))
            if failures < self.patience.attempts:
                self.patience.wait(failures)
        raise Busy(
            f"{operation} failed {self.patience.attempts} times, the last time with {why or 'no code'}."
        )

    def close(self) -> None:
        """Close the connections that are idle."""
        self._drop_idle()

    def _send(self, operation: str, body: bytes) -> tuple[int, str, dict[str, Any]]:
        """One attempt: HTTP status, request id and decoded answer."""
        if self._credentials is None:
            self._credentials = credential_source()
        headers = self._signer.headers(f"{self._target}.{operation}", body, self._credentials())
        connection = self._connection()
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        elif len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and checksum != str(zlib.crc32(content)):
            raise _Interrupted("checksum")
        return (
            response.status,
            response.headers.get("x-amzn-RequestId", "unknown"),
            _decoded(response.status, content),
        )

    def _connection(self) -> HTTPConnection:
        """An idle connection, the most recently used first, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if self._tls:
            if self._trust is None:
                self._trust = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
            connection: HTTPConnection = HTTPSConnection(
                self._host, self._port, timeout=CONNECT_S, context=self._trust
            )
        else:
            connection = HTTPConnection(self._host, self._port, timeout=CONNECT_S)
        connection.connect()
        connection.sock.settimeout(READ_S)
        return connection

    def _drop_idle(self) -> None:
        """After one broken connection the idle ones are suspect: a frozen sandbox loses all of them at once."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def dynamodb(region: str, **options: Any) -> Wire:
    """DynamoDB in `region`; options as for Wire."""
    return Wire("dynamodb", "DynamoDB_20120810", "1.0", region=region, **options)


def eventbridge(region: str, **options: Any) -> Wire:
    """EventBridge in `region`; options as for Wire."""
    return Wire("events", "AWSEvents", "1.1", region=region, **options)


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
        raise _Interrupted("not JSON")
    return {}  # a proxy or load balancer answered in the service's stead


def _code(answer: Mapping[str, Any]) -> str:
    """The name behind "com.amazonaws.dynamodb.v20120810#"."""
    return str(answer.get("__type", "")).rpartition("#")[2]


def _reasons(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(reason.get("Code", "None")) for reason in answer.get("CancellationReasons") or ())

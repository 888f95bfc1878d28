"""A lean client for the AWS services that speak JSON: DynamoDB, EventBridge and KMS.

boto3 validates, serialises and parses each request by its model, at 64 to 200 µs of CPU an item of a batch of
25; here it is 10 to 15, which is most of what an import costs. Every call is signed, timed out, tried again
within bounds and checked for truncation.

Trying again is safe only for requests that may be carried out twice: what is sent here is a read, a write under
a condition, an event on a bus that delivers at least once anyway, or a text to be sealed or opened.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from contactsync.adapters.connection import Connection, Host, Mangled
from contactsync.adapters.patience import Again, Patience
from contactsync.adapters.signing import CredentialSource, Signer, credential_source

READ_S = 15.0

_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
"""Of partitions whose domain is another, by how the names of their regions begin."""

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
        address = endpoint or own_endpoint(service) or f"https://{service}.{region}.{domain(region)}"
        self._host = Host(service, address, read_s=READ_S)
        self.patience = patience or Patience()
        self._target = target
        self._credentials = credentials
        self._signer = Signer(service, region, self._host.named, f"application/x-amz-json-{json_version}")

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request until it is answered for good.

        Raises:
            Busy: throttled, failing or out of reach, as often as patience and `patience.answering` allow. It may have
                been carried out.
            ServiceError: refused for good.
            TypeError: the request holds something that JSON does not, such as half a surrogate pair.
        """
        body = orjson.dumps(request)
        return self.patience.until_answered(
            operation, lambda: self.receive(operation, self.send(operation, body))
        )

    def send(self, operation: str, body: bytes) -> Connection:
        """Half an attempt: the request goes out on a connection that is the sender's until `receive`. Raises Again."""
        if self._credentials is None:
            self._credentials = credential_source()
        headers = self._signer.headers(f"{self._target}.{operation}", body, self._credentials())
        return self._host.send("POST", "/", headers, body)

    def receive(self, operation: str, connection: Connection) -> dict[str, Any]:
        """The other half: the answer. Raises Again, or ServiceError for a refusal that is final."""
        with self._host.doubted(connection):
            head, content = connection.answer()
            checksum = head.headers.get("x-amz-crc32")
            if checksum is not None and checksum != str(zlib.crc32(content)):
                raise Mangled
            answer = decoded(head.status, content)
        self._host.give_back(connection, head)
        if head.status == 200:
            return answer
        code = _code(answer)
        if head.status >= 500 or head.status == 429 or code in TRANSIENT:
            raise Again(code or f"HTTP {head.status}")
        request_id = head.headers.get("x-amzn-requestid", "unknown")
        raise ServiceError(operation, head.status, code, request_id, _reasons(answer))


def dynamodb(region: str, **options: Any) -> Wire:
    """DynamoDB in `region`; options as for Wire."""
    return Wire("dynamodb", "DynamoDB_20120810", "1.0", region=region, **options)


def eventbridge(region: str, **options: Any) -> Wire:
    """EventBridge in `region`; options as for Wire."""
    return Wire("events", "AWSEvents", "1.1", region=region, **options)


def kms(region: str, **options: Any) -> Wire:
    """KMS in `region`; options as for Wire."""
    return Wire("kms", "TrentService", "1.1", region=region, **options)


def own_endpoint(service: str) -> str | None:
    """Where the environment says that the service is, as for every AWS client; None if it says nothing."""
    variable = {"events": "EVENTBRIDGE"}.get(service, service.upper())
    return os.environ.get(f"AWS_ENDPOINT_URL_{variable}") or os.environ.get("AWS_ENDPOINT_URL") or None


def domain(region: str) -> str:
    """The domain of the region's partition."""
    return next((named for part, named in _DOMAINS.items() if region.startswith(part)), "amazonaws.com")


def decoded(status: int, content: bytes) -> dict[str, Any]:
    """What an answer says, nothing if it is an error in no words of the service. Raises Mangled."""
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

"""botocore's clients: made late, because the import alone takes 120 ms of CPU, and bounded in every wait.

boto3 would make the same ones, after importing its resources and transfers for another 60 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from contactsync.errors import Busy

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sts import STSClient

CONNECT_S = 3
READ_S = 20
ATTEMPTS = 5

TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def sts(region: str, *, endpoint: str | None = None) -> STSClient:
    """A client of the token service, in the function's own region."""
    client: STSClient = _client("sts", region, endpoint, _bounds())
    return client


def functions(region: str, *, answer_s: float, endpoint: str | None = None) -> LambdaClient:
    """A client of Lambda that waits for an answer up to `answer_s`. It asks once: what went out may be at work."""
    bounds = _bounds(attempts=1) | {"read_timeout": answer_s, "tcp_keepalive": True}
    client: LambdaClient = _client("lambda", region, endpoint, bounds)
    return client


def scheduler(region: str, *, endpoint: str | None = None) -> EventBridgeSchedulerClient:
    """A client of EventBridge Scheduler."""
    client: EventBridgeSchedulerClient = _client("scheduler", region, endpoint, _bounds())
    return client


@contextmanager
def busy_if_transient() -> Iterator[None]:
    """Turn what botocore gave up on after its own bounded retries into Busy; all else goes through."""
    from botocore import exceptions  # noqa: PLC0415 see the module's docstring

    try:
        yield
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or status == 429 or code in TRANSIENT_CODES:
            raise Busy(f"{error.operation_name} failed with {code or status}.") from None
        raise
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise Busy(f"The service could not be reached: {type(error).__name__}.") from None


def _client(service: str, region: str, endpoint: str | None, options: dict[str, Any]) -> Any:
    from botocore.config import Config  # noqa: PLC0415 see the module's docstring

    config = Config(**options)
    return _session().create_client(service, region, endpoint_url=endpoint, config=config)


@cache
def _session() -> Session:
    from botocore.session import get_session  # noqa: PLC0415

    return get_session()


def _bounds(attempts: int = ATTEMPTS) -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_S,
        "read_timeout": READ_S,
        "retries": {"mode": "standard", "total_max_attempts": attempts},
    }

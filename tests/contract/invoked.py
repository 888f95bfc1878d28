"""Lambda as far as errands use it: it runs the real handler, and answers as the service does."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Lambda:
    """One function, by the name that its adapter knows it by.

    Attributes:
        asked: what it was sent.
        answer: what it is said to have raised, in place of being run.
        refuses: the code with which the service turns the next calls away.
    """

    def __init__(self, name: str, handler: Handler) -> None:
        self._name = name
        self._handler = handler
        self.asked: list[dict[str, Any]] = []
        self.answer: dict[str, Any] | None = None
        self.refuses = ""

    def client(self) -> Any:
        """What an adapter takes for Lambda's client."""
        return self

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 boto3's names
        assert FunctionName == self._name
        self.asked.append(json.loads(Payload))
        if self.refuses:
            answer = {"Error": {"Code": self.refuses}, "ResponseMetadata": {"HTTPStatusCode": 429}}
            raise ClientError(cast("Any", answer), "Invoke")
        if self.answer is not None:
            return _raised(self.answer)
        try:
            told = self._handler(self.asked[-1], SimpleNamespace(aws_request_id="request-1"))
        except Exception as error:  # noqa: BLE001 as Lambda, which reports whatever comes
            return _raised({"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []})
        return {"Payload": io.BytesIO(json.dumps(told).encode())}


def _raised(failure: dict[str, Any]) -> dict[str, Any]:
    return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failure).encode())}

"""Sends a function of ours on an errand: a synchronous call, of which nothing is kept in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from contactsync.adapters.clients import busy_if_transient
from contactsync.errors import Busy, SourceAway, UserError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

T = TypeVar("T", bound=BaseModel)
_PROBLEM = TypeAdapter(dict[str, str])


def sent(
    client: LambdaClient,
    function: str,
    message: BaseModel,
    answers: type[T],
    refusal: Callable[[dict[str, str]], UserError],
    *,
    gives_up: bool = False,
) -> T:
    """What the function makes of the message, or what it has raised; `refusal` makes an error of its problem.

    One that `gives_up` stops waiting for a server before its own time is over: running out of that is then our bug.
    Raises as well Busy, and SourceAway where the function has waited for a server in vain.
    """
    with busy_if_transient():
        answer = client.invoke(FunctionName=function, Payload=message.model_dump_json().encode())
    told = answer["Payload"].read()
    if answer.get("FunctionError"):
        raise _raised(json.loads(told), refusal, gives_up=gives_up)
    return answers.model_validate_json(told, extra="ignore")  # a newer function may say more


def _raised(
    error: dict[str, Any], refusal: Callable[[dict[str, str]], UserError], *, gives_up: bool
) -> Exception:
    """What the function has raised, by the names of `entry`. Its bugs are ours, and told as a reference only."""
    kind, message = error.get("errorType", ""), error.get("errorMessage", "")
    if kind == "Refused":
        return refusal(_PROBLEM.validate_json(message))
    if kind == "Busy":
        try:
            return SourceAway.told(_PROBLEM.validate_json(message))
        except ValueError:
            return Busy(message)
    if not gives_up and ("timed out" in message.lower() or kind.endswith("Timeout")):
        return SourceAway("The server takes too long to answer.")
    return RuntimeError(f"the function failed with {kind}")

"""Sends the functions Connect and Discover on their errands: synchronous calls, of which nothing is kept in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from contactsync.adapters.clients import busy_if_transient
from contactsync.errors import (
    AccessLost,
    Busy,
    Conflict,
    NotFound,
    PlanLimit,
    SourceAway,
    UnreadableFile,
    UserError,
)
from contactsync.model.lending import Discovered, Discovering, Errand, Kept

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

T = TypeVar("T", bound=BaseModel)
_PROBLEM = TypeAdapter(dict[str, str])
_LOST = frozenset({"access_lost", "not_connected"})


class LambdaKeeper:
    """See `ports.Keeper`."""

    def __init__(self, function: str, functions: Callable[[], LambdaClient]) -> None:
        self._function = function
        self._functions = functions

    def keep(self, errand: Errand) -> Kept:
        """See `ports.Keeper.keep`."""
        return _sent(self._functions(), self._function, errand, Kept, _kept_refusal)


class LambdaDiscoverer:
    """See `ports.Discoverer`."""

    def __init__(self, function: str, functions: Callable[[], LambdaClient]) -> None:
        self._function = function
        self._functions = functions

    def discover(self, asked: Discovering) -> Discovered:
        """See `ports.Discoverer.discover`."""
        return _sent(self._functions(), self._function, asked, Discovered, _discovered_refusal)


def _sent(
    client: LambdaClient,
    function: str,
    message: BaseModel,
    answers: type[T],
    refusal: Callable[[dict[str, str]], UserError],
) -> T:
    with busy_if_transient():
        answer = client.invoke(FunctionName=function, Payload=message.model_dump_json().encode())
    told = answer["Payload"].read()
    if answer.get("FunctionError"):
        raise _raised(json.loads(told), refusal)
    return answers.model_validate_json(told)


def _raised(error: dict[str, Any], refusal: Callable[[dict[str, str]], UserError]) -> Exception:
    """What the function has raised, by the names of `entry`. Its bugs are ours, and told as a reference only."""
    kind, message = error.get("errorType", ""), error.get("errorMessage", "")
    if kind == "Refused":
        return refusal(_PROBLEM.validate_json(message))
    if kind == "Busy":
        try:
            return SourceAway.told(_PROBLEM.validate_json(message))
        except ValueError:
            return Busy(message)
    if "timed out" in message.lower() or kind.endswith("Timeout"):
        return SourceAway("The server takes too long to answer.")
    return RuntimeError(f"the function failed with {kind}")


def _kept_refusal(problem: dict[str, str]) -> UserError:
    code = problem["code"]
    if code == "not_found":
        return NotFound()
    if code in _LOST:
        return AccessLost.told(problem)
    if code == "plan_limit":
        return PlanLimit(code, problem["title"], problem["detail"])
    return Conflict(code, problem["title"], problem["detail"])


def _discovered_refusal(problem: dict[str, str]) -> UserError:
    return AccessLost.told(problem) if problem["code"] in _LOST else UnreadableFile.told(problem)

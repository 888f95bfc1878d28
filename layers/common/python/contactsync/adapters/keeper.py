"""Sends the functions Connect and Discover on their errands: synchronous calls, of which nothing is kept in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contactsync.adapters.errands import sent
from contactsync.errors import AccessLost, Conflict, NotFound, PlanLimit, UnreadableFile, UserError
from contactsync.model.lending import Discovered, Discovering, Errand, Kept

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_LOST = frozenset({"access_lost", "not_connected"})


class LambdaKeeper:
    """See `ports.Keeper`."""

    def __init__(self, function: str, functions: Callable[[], LambdaClient]) -> None:
        self._function = function
        self._functions = functions

    def keep(self, errand: Errand) -> Kept:
        """See `ports.Keeper.keep`."""
        return sent(self._functions(), self._function, errand, Kept, _kept_refusal)


class LambdaDiscoverer:
    """See `ports.Discoverer`."""

    def __init__(self, function: str, functions: Callable[[], LambdaClient]) -> None:
        self._function = function
        self._functions = functions

    def discover(self, asked: Discovering) -> Discovered:
        """See `ports.Discoverer.discover`."""
        return sent(self._functions(), self._function, asked, Discovered, _discovered_refusal)


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

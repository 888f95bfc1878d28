"""What the API answers, and how every error becomes an answer: the only place that knows (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import orjson

from contactsync.errors import Busy, ContactSyncError, Problem, Stale, UserError

JSON = "application/json"
PROBLEM = "application/problem+json"
MAX_ERRORS = 1_000
MAX_POINTER = 500
"""Characters. A body may hold a mistake in every other byte; an answer holds 6 MB."""


S = TypeVar("S", bound=int)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[S, T]):
    """A status, a body and its type.

    S is the status and T the shape of the body (one of api/shapes/, or None), as a verb's signature promises them:
    the OpenAPI document is read from there. The tests hold every answer to its promise.
    """

    status: S
    body: str
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


AnyAnswer = Answer[Any, Any]
Ok = Answer[Literal[200], T]
Created = Answer[Literal[201], T]
Accepted = Answer[Literal[202], T]
NoContent = Answer[Literal[204], None]
Elsewhere = Answer[Literal[303], None]
"""The body lies where the header Location says."""


class BadRequest(UserError):
    """A request that cannot even be read."""

    status = 400


class TooLarge(UserError):
    """A body beyond what the API reads."""

    status = 413


class Unauthorized(UserError):
    """Nobody whom the authorizer knows."""

    status = 401


class ChooseAccount(UserError):
    """Somebody has signed in who is a member of several accounts, and has not said which one is meant."""

    status = 403

    def __init__(self, accounts: str) -> None:
        super().__init__(
            "choose_account",
            "You are a member of several accounts.",
            f"Say which one, in front of the token: Authorization: Bearer <account>~<token>. Yours are {accounts}.",
        )


class WrongMethod(UserError):
    """The place is right, the verb is not."""

    status = 405

    def __init__(self, allowed: Sequence[str]) -> None:
        names = ", ".join(allowed)
        super().__init__("method_not_allowed", "This method is not offered here.", f"Use one of: {names}.")
        self.allowed = names


class Wait(UserError):
    """The answer is not there yet; ask again in `retry_after_s` seconds."""

    status = 409

    def __init__(self, code: str, title: str, detail: str, *, retry_after_s: int) -> None:
        super().__init__(code, title, detail)
        self.retry_after_s = retry_after_s


def json_answer(
    status: S, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Answer[S, Any]:
    """A JSON document."""
    return Answer(status, orjson.dumps(document).decode(), headers=headers or {})


def error_answer(error: ContactSyncError) -> AnyAnswer:
    """What the client is told about an error that was raised on purpose."""
    match error:
        case Wait():
            return _user_error(error, {"Retry-After": str(error.retry_after_s)})
        case WrongMethod():
            return _user_error(error, {"Allow": error.allowed})
        case UserError():
            return _user_error(error, {})
        case Stale():
            title, detail = (
                "Somebody else changed this at the same moment.",
                "Nothing was written. Send it again.",
            )
            return _problem(409, "changed_meanwhile", title, detail, headers={"Retry-After": "1"})
        case Busy():
            detail = (
                "Send the same request again in a few seconds, with the same Idempotency-Key if it had one."
            )
            return _problem(503, "busy", "We are busy.", detail, headers={"Retry-After": "5"})
    return bug_answer("unknown")


def bug_answer(reference: str) -> AnyAnswer:
    """What the client is told about a bug of ours: nothing but how to ask us about it."""
    detail = (
        f"It is our mistake, and it is recorded. Try again; if it stays, tell us the reference {reference}."
    )
    return _problem(500, "internal", "Something went wrong here.", detail)


def _user_error(error: UserError, headers: Mapping[str, str]) -> AnyAnswer:
    return _problem(
        error.status, error.code, error.title, error.detail, problems=error.problems, headers=headers
    )


def _problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> AnyAnswer:
    document = {
        "type": f"/problems/{code}",
        "title": title,
        "detail": detail,
        "status": status,
        "errors": [
            {"pointer": problem.pointer[:MAX_POINTER], "message": problem.message}
            for problem in problems[:MAX_ERRORS]
        ],
    }
    return Answer(status, orjson.dumps(document).decode(), PROBLEM, headers or {})

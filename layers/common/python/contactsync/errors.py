"""Every error this service raises, and what each asks of whom.

ContactSyncError
├── UserError            the customer can mend it; shown to them as it stands
│   ├── InvalidRequest   a request or a mapping; names every problem at once, each with its place
│   ├── UnreadableFile   a source that cannot be read as contacts; names the line where it can
│   ├── NotFound         missing, or somebody else's: the two look alike
│   ├── NotPermitted     names the permission that is missing
│   ├── PlanLimit        names the limit of the account's plan that is in the way
│   ├── Suspended        the account is suspended; the operator ends that
│   ├── AccessLost       an address book's provider does not let us in any more; says how to connect anew
│   └── Conflict         the thing is busy or has changed; says what to wait for or read again
├── Stale                nobody acts: a conditional write lost, nothing was written, read again
├── CursorExpired        nobody acts: a provider has forgotten how far we had read, so all is read again
├── Busy                 nobody acts: throttled or briefly away, the state machine tries again
│   └── SourceAway       a customer's server or a provider is; if that lasts, the run ends with it, and the customer asks there
│       └── BookBusy     an address book is there, and wants to be left alone; if that lasts, the next run does its work
└── Cancelled            nobody acts: the run was cancelled or taken over; the worker stops here
Anything else is a bug: alarmed on, retried a few times by the state machine, shown as a reference only.

No message here may hold a person's data or a secret: they reach logs and execution histories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    `pointer` is a JSON pointer into the request ("/mapping/3/column"), or "" for the whole.
    """

    pointer: str
    message: str
    code: str = "invalid"


class ContactSyncError(Exception):
    """The root: everything this service raises on purpose."""


class UserError(ContactSyncError):
    """Something the customer can mend.

    `code` is stable and machine-readable, `title` says what happened, `detail` what to do.
    """

    status = 422

    def __init__(self, code: str, title: str, detail: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(f"{code}: {title} {detail}")
        self.code = code
        self.title = title
        self.detail = detail
        self.problems = tuple(problems)


class InvalidRequest(UserError):
    """A request, sync or mapping that cannot be carried out as it stands."""

    def __init__(
        self, problems: Sequence[Problem], *, title: str = "The request is not valid.", status: int = 422
    ) -> None:
        first = problems[0]
        detail = f"{first.pointer}: {first.message}" if first.pointer else first.message
        if len(problems) > 1:
            detail = f"Correct the {len(problems)} problems listed in errors."
        super().__init__("invalid_request", title, detail, problems)
        self.status = status


class UnreadableFile(UserError):
    """A source that cannot be read as contacts. No contact was touched."""

    @classmethod
    def told(cls, problem: Mapping[str, str]) -> UnreadableFile:
        """The error again that another function has told of: the inverse of `entry.problem_of`."""
        return cls(problem["code"], problem["title"], problem["detail"])


class NotFound(UserError):
    """Missing, or another account's: nobody can tell which."""

    status = 404

    def __init__(self) -> None:
        super().__init__("not_found", "There is nothing here.", "Check the address and the id.")


class NotPermitted(UserError):
    """The caller may not do this."""

    status = 403

    def __init__(self, *permissions: str) -> None:
        needed = " or ".join(permissions)
        super().__init__(
            "not_permitted",
            f"This needs the permission {needed}.",
            "Ask somebody who may manage the account to give it to you.",
        )


class PlanLimit(UserError):
    """The account's plan does not have this, or not so much of it. Waiting or another plan helps, nothing else."""

    status = 403


class Suspended(UserError):
    """The account is suspended: nothing is deleted, and nothing runs."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "account_suspended",
            "The account is suspended.",
            "Nothing is deleted, and nothing runs. Ask us to resume it.",
        )


class Conflict(UserError):
    """The thing is busy, or is no longer what the caller read."""

    status = 409


class AccessLost(UserError):
    """A provider refuses what we were given for an address book: revoked, expired, a changed password."""

    @classmethod
    def told(cls, problem: Mapping[str, str]) -> AccessLost:
        """See `UnreadableFile.told`."""
        return cls(problem["code"], problem["title"], problem["detail"])


class PreconditionFailed(Conflict):
    """If-Match named another version than the one stored."""

    status = 412


class Stale(ContactSyncError):
    """A conditional write lost against another one. Nothing was written."""


class CursorExpired(ContactSyncError):
    """A provider has forgotten a cursor. Pull anew without one; nothing that is absent then was deleted by that alone."""


class Busy(ContactSyncError):
    """A service we depend on is throttling or briefly away, after the adapter's own bounded retries.

    `retry_after_s`: how long it wants to be left alone, where it says so.
    """

    def __init__(self, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceAway(Busy):
    """A customer's server, or a provider's, is away, slow or breaks off: a problem in a UserError's words, should it last."""

    code = "source_away"
    detail = "Run the sync again later; if it stays so, ask whoever runs the server."

    def __init__(self, title: str, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(title, retry_after_s=retry_after_s)
        self.title = title
        self.detail = detail or type(self).detail

    @classmethod
    def told(cls, problem: Mapping[str, str]) -> SourceAway:
        """See `UnreadableFile.told`."""
        return cls(problem["title"])


class BookBusy(SourceAway):
    """An address book is there, and not to be had now: its provider wants to be left alone, or another run is at work on it."""

    code = "book_busy"
    detail = "Nothing is lost: ask again later. What a schedule has asked for, its next run does."


class Cancelled(ContactSyncError):
    """The run was cancelled, finished or taken over by another execution while this worker was at it."""

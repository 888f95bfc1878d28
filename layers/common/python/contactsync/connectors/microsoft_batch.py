"""Several requests to Microsoft's Graph in one, and what became of each.

That a batch as a whole succeeded says nothing of what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contactsync.connectors.calling import NOT_THERE, put_off, retry_after
from contactsync.connectors.microsoft_contact import Contact
from contactsync.errors import AccessLost, Busy, Conflict
from contactsync.model.card import Changed, Missing, Outcome, Refused, Unknown

IDS = 'IdType="ImmutableId"'
"""How `Prefer` asks for ids that last, with every request."""
_OUTRUN = frozenset({409, 412})
_NO_MAILBOX = frozenset(
    {
        "mailboxnotenabledforrestapi",
        "mailboxnotsupportedforrestapi",
        "mailboxnothostedinexchangeonline",
        "errornonexistentmailbox",
    }
)
"""Codes of an account that somebody can sign in with, and whose contacts Graph cannot reach."""


class Ask:
    """One request of a batch."""

    def __init__(self, method: str, url: str, body: Contact | None = None, etag: str = "") -> None:
        headers = {"Prefer": IDS, **({"If-Match": etag} if etag else {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._request = {
            "method": method,
            "url": url,
            "headers": headers,
            **({"body": body} if body is not None else {}),
        }

    def numbered(self, number: int) -> dict[str, Any]:
        """As the batch holds it."""
        return {"id": str(number), **self._request}


class Part:
    """One answer of a batch."""

    def __init__(self, status: int, headers: Mapping[str, str], document: Any) -> None:
        self.status = status
        self.headers = headers
        self.document: dict[str, Any] = document if isinstance(document, dict) else {}
        self.ok = 200 <= status < 300

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Part:
        """As the batch's answer holds it."""
        return cls(int(answer["status"]), answer.get("headers") or {}, answer.get("body"))

    @property
    def code(self) -> str:
        """The error's code; "" if there is none."""
        error = self.document.get("error")
        return str(error.get("code", "")) if isinstance(error, dict) else ""

    def outcome(self) -> Outcome:
        """Of a write that was not carried out, or perhaps was."""
        if self.status == 404:
            return Missing()
        if self.status in _OUTRUN or self.status == 429:
            return Changed()
        return Unknown() if self.status >= 500 else refused(self.status, self.code)

    def is_there(self) -> bool:
        """Of a read: whether there is such a thing. Raises Busy if the answer says neither: nobody is gone for that."""
        if not self.ok and self.status not in (404, 410):
            raise Busy(f"Microsoft answered {self.status}.")
        return self.ok

    def check(self) -> None:
        """Of a read: raises Busy where asking again may help, AccessLost where only the person can.

        Without a mailbox nothing is found, which says of nobody that they are gone: Conflict.
        """
        check_mailbox(self.code)
        if self.status == 429 or (self.status >= 500 and self.status != NOT_THERE):
            raise put_off(self.status, retry_after(self.headers), "Microsoft")
        if self.status == 401:
            raise AccessLost(
                "access_lost",
                "Microsoft does not let us in any more.",
                "Connect the account again; nothing was deleted, and everything goes on from where it was.",
            )


def check_mailbox(code: str) -> None:
    """Raises Conflict where an error's code says that the account has no mailbox that we could look into."""
    if code.lower() in _NO_MAILBOX:
        raise Conflict(
            "no_mailbox",
            "Microsoft has no mailbox for this account that we could look into; nothing was changed.",
            "Ask whoever runs the account's Microsoft 365 for a licence with Exchange Online, or to move a mailbox "
            "there that lies on a server of their own; then run this again.",
        )


def refused(status: int, code: str) -> Refused:
    """Why a write was not carried out, by the error's code where there is one."""
    if code.lower() in ("errorquotaexceeded", "errormailboxstorageexceeded"):
        return Refused("book_full", "The mailbox is full. Make room there.")
    return Refused("not_taken", f"Microsoft did not take the contact ({code or status}).")

"""What members lend us to open their address books, as far as it travels between our functions."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import ConfigDict, Field

from contactsync.model.card import Group
from contactsync.model.deferred import Deferred


def digest_of_token(token: str) -> str:
    """What is told of a token that was not taken, in place of itself: both who asks and who answers know it by this."""
    return hashlib.sha256(token.encode()).hexdigest()


class _Travelling(Deferred):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Errand(_Travelling):
    """Connect reads this: something that cannot be done without what a member has lent us, or is about to.

    sign_in     where to send the person of the connection, who comes back with `state`
    complete    somebody has come back with `state`, and with a `code` or a `refusal`; `issuer` is who sends them, if
                that is told
    access      an access token, or a password; `refused` is the digest (`digest_of_token`) of one that was not taken
    groups      what can be chosen in the book
    disconnect  give back what was lent, and forget it
    """

    wants: Literal["sign_in", "complete", "access", "groups", "disconnect"]
    account_id: str = ""
    connection_id: str = ""
    state: str = Field(default="", repr=False)
    code: str = Field(default="", repr=False)
    refusal: str = ""
    issuer: str = ""
    refused: str = ""


class Kept(_Travelling):
    """What comes of an errand: each fills what it is about. It is answered to the caller, and kept nowhere."""

    account_id: str = ""
    connection_id: str = ""
    authorize_url: str = Field(default="", repr=False)
    token: str = Field(default="", repr=False)
    expires_in_s: int = 0
    groups: tuple[Group, ...] = ()


class Discovering(_Travelling):
    """Discover reads this: a CardDAV server, and a person there."""

    account_id: str
    url: str
    username: str
    password: str = Field(repr=False)


class Discovered(_Travelling):
    """`subject` is where the person's books lie, which is what stays the same about them; `groups` are the books."""

    account_id: str
    subject: str
    name: str
    groups: tuple[Group, ...]

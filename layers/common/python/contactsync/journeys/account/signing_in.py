"""People who sign in by the operator's identity provider: a signed token → the member whom it means.

A member is found by the verified address at the first sign-in, and is bound to whom the provider means by it. From then on
only that one signs in as this member: an address that is given to somebody else leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from contactsync.control import Control, Read, note
from contactsync.control.members import by_email, by_subject
from contactsync.errors import NotFound, Stale
from contactsync.model.account import Member
from contactsync.ports import Clock, IdentityProvider

KEYS_KEPT = timedelta(hours=1)
"""A key that the provider withdraws still counts for so long."""
KEYS_ASKED_AGAIN = timedelta(minutes=1)
"""A token may name any key; the provider is asked no more often than this."""


class SeveralAccounts(Exception):
    """Somebody is a member of several accounts, and names none."""

    def __init__(self, subject: str, accounts: list[str]) -> None:
        super().__init__(subject)
        self.subject, self.accounts = subject, accounts


class Guests:
    """Who signs in by a provider. Holds the provider's keys for the life of the process, never longer than KEYS_KEPT."""

    def __init__(self, provider: IdentityProvider | None, control: Control, clock: Clock) -> None:
        self._provider = provider
        self._control = control
        self._clock = clock
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._asked: datetime | None = None

    def member(self, token: str, *, account_id: str | None) -> Member:
        """The member of an account whom a token means; None: of the only account that they are a member of, or of the only
        one that they have signed in to.

        Raises:
            NotFound: the token is not good, or means nobody here.
            SeveralAccounts: it does not say which member.
            Busy: the provider does not tell its keys.
        """
        from contactsync.core import tokens  # noqa: PLC0415 cryptography, which keys of ours do without

        if self._provider is None:
            raise NotFound
        try:
            key = self._key(tokens.key_id(token))
            person = tokens.verified(
                token,
                key,
                issuer=self._provider.issuer,
                audiences=self._provider.audiences,
                now=self._clock.now(),
            )
        except tokens.Untrusted:
            raise NotFound from None
        subject = by_subject(self._provider.issuer, person.subject)
        known = {read.value.account_id: read for read in self._known(subject, person.email)}
        # Anybody may be invited by anybody: an invitation alone keeps nobody out of where they have been before
        been = {each: read for each, read in known.items() if read.value.subject == subject} or known
        if account_id is None and len(been) > 1:
            raise SeveralAccounts(subject, sorted(known))
        meant = known.get(account_id) if account_id else next(iter(been.values()), None)
        if meant is None:
            raise NotFound
        return self._bound(meant, subject)

    def _known(self, subject: str, email: str | None) -> list[Read[Member]]:
        """The members whom the provider may mean: bound to this subject, or not bound yet and of this address."""
        bound = [read for read in self._control.found_by(subject) if read.value.subject == subject]
        if email is None:
            return bound
        invited = [read for read in self._control.found_by(by_email(email)) if read.value.subject is None]
        return [*invited, *bound]

    def _bound(self, read: Read[Member], subject: str) -> Member:
        """The member, bound to this subject. Of two who come first at once one is bound."""
        if read.value.subject is not None:
            return read.value
        member = read.value
        now = self._clock.now()
        told = note(f"member:{member.id}", "member.signed_in", member.id, now)
        try:
            self._control.records.commit(
                [*self._control.bind_member(read, subject), self._control.noted(member.account_id, told)]
            )
        except Stale:
            member = self._control.member(member.account_id, member.id)
            if member.subject != subject:
                raise NotFound from None
        return member

    def _key(self, key_id: str) -> Mapping[str, Any]:
        """The provider's key of this id. Raises NotFound, Busy."""
        assert self._provider is not None
        now = self._clock.now()
        age = now - self._asked if self._asked is not None else KEYS_KEPT
        if age >= KEYS_KEPT or (key_id not in self._keys and age >= KEYS_ASKED_AGAIN):
            self._keys = self._provider.keys()
            self._asked = now
        if key_id not in self._keys:
            raise NotFound
        return self._keys[key_id]

"""Errands of the function Connect: the only one that opens what members have lent us, and speaks with authorities.

A token is handed out to whoever may send Connect, for an hour at most; what renews it stays here (ADR 0023).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contactsync.connectors.oauth import LEEWAY_S, Grant, OAuth, new_verifier
from contactsync.control import Control, Read
from contactsync.errors import AccessLost, Busy, Conflict, NotFound
from contactsync.journeys.book.attaching import PERMISSIONS, Lent, attach, sealing_context
from contactsync.model.connection import Connection, SignIn
from contactsync.model.lending import Discovering, Errand, Kept, digest_of_token
from contactsync.ports import Clock, Connector, Discoverer, Unopenable, Vault

SIGN_IN_OPEN = timedelta(minutes=10)
RENEWALS = 3
"""Others may renew the same token at the same moment; whose came first is used by all."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    until: float


class Keeping:
    """See `ports.Keeper`; one a process.

    Args:
        authorities: those at which we are known, by provider.
        opened: a book at one of these providers, by what gives its tokens.
    """

    def __init__(
        self,
        control: Control,
        vault: Vault,
        clock: Clock,
        *,
        authorities: Mapping[str, OAuth],
        opened: Callable[[Connection, Callable[[bool], str]], Connector],
        discoverer: Discoverer,
    ) -> None:
        self._control = control
        self._vault = vault
        self._clock = clock
        self._authorities = authorities
        self._opened = opened
        self._discoverer = discoverer
        self._tokens: dict[tuple[str, str], _Token] = {}

    def keep(self, errand: Errand) -> Kept:
        """See `ports.Keeper.keep`."""
        match errand.wants:
            case "sign_in":
                return self._begin(errand)
            case "complete":
                return self._complete(errand)
            case "access":
                return self._access(errand)
            case "groups":
                return self._groups(errand)
            case "disconnect":
                return self._disconnect(errand)

    # Signing in

    def _begin(self, errand: Errand) -> Kept:
        connection = self._control.connection(errand.account_id, errand.connection_id).value
        authority = self._authority(connection.provider)
        now = self._clock.now()
        context = sealing_context(connection.account_id, connection.id)
        found = self._control.sign_in(errand.state)
        if found is not None and now.timestamp() < found.value.expires_at:
            sign_in, verifier = found.value, self._vault.decrypt(found.value.verifier, context)
        else:
            verifier = new_verifier()
            sign_in = SignIn(
                account_id=connection.account_id,
                member_id=connection.member_id,
                connection_id=connection.id,
                provider=connection.provider,
                verifier=self._vault.encrypt(verifier, context),
                nonce=secrets.token_urlsafe(24),
                expires_at=(now + SIGN_IN_OPEN).timestamp(),
            )
            self._control.store_sign_in(errand.state, sign_in, expected=found.version if found else 0)
        url = authority.authorize_url(
            state=errand.state, nonce=sign_in.nonce, verifier=verifier, hint=connection.name
        )
        return Kept(account_id=connection.account_id, connection_id=connection.id, authorize_url=url)

    def _complete(self, errand: Errand) -> Kept:
        """The state is spent before anything else is done: whatever comes of it, nobody uses it again."""
        sign_in = self._control.take_sign_in(errand.state, self._clock.now()) if errand.state else None
        if sign_in is None:
            raise Conflict(
                "sign_in_over",
                "This sign-in is over.",
                "It was completed, or begun more than ten minutes ago. If the address book is not connected, begin again.",
            )
        authority = self._authority(sign_in.provider)
        if errand.issuer and not authority.is_issuer(errand.issuer):
            raise Conflict(
                "sign_in_failed",
                "The answer comes from another provider than the one that was asked.",
                "Nothing was connected. Begin again.",
            )
        if errand.refusal or not errand.code:
            raise Conflict(
                "sign_in_refused",
                "The provider says that access was not granted.",
                "Nothing was connected. If that was not meant, begin again and agree on the provider's page; where it asks "
                "for an administrator's approval, have an administrator of yours allow the application first.",
            )
        begun, verifier = self._begun(sign_in)
        grant = authority.exchange(errand.code, verifier=verifier, nonce=sign_in.nonce)
        lent = Lent(
            grant.subject, grant.name or grant.subject, grant.refresh_token, tuple(sorted(grant.scopes))
        )
        connection = attach(self._control, self._vault, begun, lent, self._clock.now())
        self._remember(connection, grant)
        return Kept(account_id=connection.account_id, connection_id=connection.id)

    def _begun(self, sign_in: SignIn) -> tuple[Read[Connection], str]:
        """What the sign-in was begun for, if that is still the same member's way into the same provider; the verifier."""
        context = sealing_context(sign_in.account_id, sign_in.connection_id)
        with suppress(NotFound, Unopenable):
            member = self._control.member(sign_in.account_id, sign_in.member_id)
            begun = self._control.connection(sign_in.account_id, sign_in.connection_id)
            same = (begun.value.member_id, begun.value.provider) == (sign_in.member_id, sign_in.provider)
            suspended = self._control.account(sign_in.account_id).suspended_at is not None
            if same and not suspended and PERMISSIONS[sign_in.provider] in member.permissions:
                return begun, self._vault.decrypt(sign_in.verifier, context)
        raise Conflict(
            "sign_in_over",
            "This sign-in is over.",
            "The connection that it was begun for is gone, or may not be made any more. Begin again.",
        )

    # Access

    def _access(self, errand: Errand) -> Kept:
        token = self._token(errand.account_id, errand.connection_id, errand.refused)
        lives_s = max(0, int(token.until - self._clock.now().timestamp()))
        return Kept(
            account_id=errand.account_id,
            connection_id=errand.connection_id,
            token=token.text,
            expires_in_s=lives_s,
        )

    def _token(self, account_id: str, connection_id: str, refused: str) -> _Token:
        for _ in range(RENEWALS):
            connection = self._control.connection(account_id, connection_id).value
            if connection.state != "active":
                raise not_connected(connection)
            if connection.by_password:
                return _Token(self._secret(connection), self._clock.now().timestamp())
            known = self._tokens.get((account_id, connection_id))
            if (
                known
                and known.until > self._clock.now().timestamp()
                and digest_of_token(known.text) != refused
            ):
                return known
            secret = self._secret(connection)
            try:
                grant = self._authority(connection.provider).refresh(secret)
            except AccessLost as error:
                if self._control.connection(account_id, connection_id).value.sealed != connection.sealed:
                    continue  # another worker has renewed it meanwhile
                self._lose(connection, error)
                raise
            if grant.refresh_token != secret:
                self._replace(connection, grant.refresh_token)
            return self._remember(connection, grant)
        raise Busy("The access to the address book is being renewed from several sides.")

    def _secret(self, connection: Connection) -> str:
        """What the connection is opened with. Raises AccessLost where this was sealed for another one."""
        try:
            return self._vault.decrypt(
                connection.sealed, sealing_context(connection.account_id, connection.id)
            )
        except Unopenable:
            raise AccessLost(
                "access_lost",
                "What we keep for this address book does not open.",
                "Connect it again; nothing was deleted, and everything goes on from where it was.",
            ) from None

    def _replace(self, connection: Connection, secret: str) -> None:
        """Keep the newer secret, unless somebody has stored a newer one since."""
        sealed = self._vault.encrypt(secret, sealing_context(connection.account_id, connection.id))

        def replace(stored: Connection) -> Connection:
            mine = stored.sealed == connection.sealed
            return stored.model_copy(update={"sealed": sealed}) if mine else stored

        self._control.update_connection(connection.account_id, connection.id, replace)

    def _lose(self, connection: Connection, error: AccessLost) -> None:
        def lose(stored: Connection) -> Connection:
            mine = stored.sealed == connection.sealed and stored.state == "active"
            return stored.model_copy(update={"state": "lost", "problem": error.detail}) if mine else stored

        self._control.update_connection(connection.account_id, connection.id, lose)

    def _remember(self, connection: Connection, grant: Grant) -> _Token:
        until = self._clock.now() + timedelta(seconds=grant.expires_in_s - LEEWAY_S)
        token = _Token(grant.access_token, until.timestamp())
        self._tokens[connection.account_id, connection.id] = token
        return token

    # Groups

    def _groups(self, errand: Errand) -> Kept:
        connection = self._control.connection(errand.account_id, errand.connection_id).value
        if connection.state != "active":
            raise not_connected(connection)
        if connection.by_password:
            asked = Discovering(
                account_id=connection.account_id,
                url=connection.subject,
                username=connection.username,
                password=self._secret(connection),
            )
            found = self._discoverer.discover(asked).groups
        else:
            found = tuple(self._opened(connection, self._renewing(connection)).groups())
        return Kept(account_id=connection.account_id, connection_id=connection.id, groups=found)

    def _renewing(self, connection: Connection) -> Callable[[bool], str]:
        given = [""]

        def access(renew: bool) -> str:
            refused = digest_of_token(given[0]) if renew else ""
            given[0] = self._token(connection.account_id, connection.id, refused).text
            return given[0]

        return access

    # Going

    def _disconnect(self, errand: Errand) -> Kept:
        """What we hold is forgotten whether or not the provider can be told."""
        connection = self._control.connection(errand.account_id, errand.connection_id).value
        authority = self._authorities.get(connection.provider)
        if connection.sealed and authority is not None and not self._shared(connection):
            with suppress(AccessLost):
                secret = self._secret(connection)  # where our own keys are away, nothing is forgotten yet
                with suppress(Busy):
                    authority.revoke(secret)
        gone = {"state": "disconnected", "sealed": "", "scopes": (), "problem": "", "rest_until": 0}
        gone["updated_at"] = _timestamp(self._clock.now())
        self._control.update_connection(
            connection.account_id, connection.id, lambda stored: stored.model_copy(update=gone)
        )
        self._tokens.pop((connection.account_id, connection.id), None)
        return Kept(account_id=connection.account_id, connection_id=connection.id)

    def _shared(self, connection: Connection) -> bool:
        """Whether another member has connected the same book: a provider takes back all that it gave for it."""
        theirs = (connection.provider, connection.subject)
        return any(
            (each.provider, each.subject) == theirs and each.id != connection.id and each.sealed
            for each in self._control.connections(connection.account_id)
        )

    def _authority(self, provider: str) -> OAuth:
        authority = self._authorities.get(provider)
        if authority is None:
            raise Conflict(
                "provider_not_offered",
                f"This installation is not known to {provider.capitalize()}.",
                "Ask whoever runs it to register it there and to set the provider's client id and secret.",
            )
        return authority


def not_connected(connection: Connection) -> AccessLost:
    """What is told of a book that nobody has let us into, or not any more."""
    return AccessLost(
        "not_connected",
        "The address book is not connected.",
        connection.problem or "Connect it with POST /v1/connections; what it had before then goes on.",
    )


def _timestamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")

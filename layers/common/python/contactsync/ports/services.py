"""Mail, events, schedules, secrets, sign-in, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contactsync.model.lending import Discovered, Discovering, Errand, Kept


class Keeper(Protocol):
    """Who holds what members have lent us to open their address books, and speaks with the providers about it."""

    def keep(self, errand: Errand) -> Kept:
        """Do one errand, see `Errand`.

        Raises:
            NotFound: there is no such connection.
            AccessLost: nothing lent opens the book any more; the connection says so from now on.
            Conflict: of `sign_in` and `complete`, whose code and words say why nothing was connected.
            PlanLimit: of `complete`.
        """
        ...


class Discoverer(Protocol):
    """Finds address books on CardDAV servers, which are anybody's."""

    def discover(self, asked: Discovering) -> Discovered:
        """Where the person's books lie, and which there are, within 20 seconds.

        Raises:
            AccessLost: the server does not take user name or password.
            UnreadableFile: there is no address book, or we may not go there; says what to do.
            SourceAway: the server is away, or slow.
        """
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one address, in text and HTML that say the same."""

    to: str
    subject: str
    text: str
    html: str


class Mailer(Protocol):
    """Sends mail."""

    def send(self, mail: Mail) -> None:
        """Hand one mail to the service.

        Raises:
            MailRefused: this mail was not taken and will not be; nobody gets it.
            MailUncertain: the answer was lost; whether to risk a second mail is the caller's decision.
            Busy: the mail certainly did not leave.
        """
        ...


class MailUncertain(Exception):
    """The mail may have left, or not."""


class MailRefused(Exception):
    """The mail service did not take the mail; the message says why, without the mail's content."""


class Bus(Protocol):
    """The product's own event bus."""

    def publish(self, kind: str, detail: dict[str, str]) -> None:
        """Put one event; delivered at least once."""
        ...


class Scheduler(Protocol):
    """Wakes us when syncs may be due, by the event SyncDue on the bus. It delivers at least once, or late."""

    def put(
        self, account_id: str, sync_id: str, cron: str, *, start: datetime | None, end: datetime | None
    ) -> None:
        """Wake us for this sync by `cron`, in UTC, between `start` and `end`; in place of what was said before."""
        ...

    def remove(self, account_id: str, sync_id: str) -> None:
        """Do not wake us for this sync any more, if we were to be woken at all."""
        ...


VAULT_BYTES = 4096
"""What a vault takes at once: a password, or a private key of any usual size."""


class Vault(Protocol):
    """Keeps secrets by encrypting them; what comes out may be stored anywhere."""

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> str:
        """The text, 1 to VAULT_BYTES bytes of UTF-8, so that it can be read only with the same context."""
        ...

    def decrypt(self, sealed: str, context: Mapping[str, str]) -> str:
        """The inverse of `encrypt`. Raises Unopenable if this text was not sealed here under this context."""
        ...


class Unopenable(Exception):
    """A sealed text is damaged, or belongs to another account or sync."""


class Shares(Protocol):
    """How many requests each account may send. Used by operators only; requests are counted in front of us."""

    def put(self, account_id: str, plan: str) -> None:
        """Count the account's requests alone, and limit them as this plan says, from now on."""
        ...

    def remove(self, account_id: str) -> None:
        """Count the account's requests no longer alone, if they were."""
        ...


class IdentityProvider(Protocol):
    """Who vouches for people that sign in: an OpenID Connect issuer."""

    @property
    def issuer(self) -> str:
        """Its name, as its tokens say it."""
        ...

    @property
    def audiences(self) -> frozenset[str]:
        """The clients whose tokens are meant for us."""
        ...

    def keys(self) -> Mapping[str, Mapping[str, Any]]:
        """The keys that it signs with now, as JSON Web Keys by their ids. Raises Busy."""
        ...


class Clock(Protocol):
    """The only way to learn the time."""

    def now(self) -> datetime:
        """Now, in UTC, aware."""
        ...

"""What the journeys need from outside: promises, and the errors that may be raised.

Every port has a memory adapter and a real one; both pass the suites in tests/contract. Any method may raise
`Busy` after its own bounded retries; other errors are named where they can occur.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from contactsync.model.card import Capabilities, Card, Draft, Edit, Group, Holder, Outcome, Pulled
from contactsync.model.contact import Contact, Fields, Slot
from contactsync.model.lending import Discovered, Discovering, Errand, Kept
from contactsync.model.source import RemoteSource


@dataclass(frozen=True, slots=True)
class Insert:
    """Fill a slot that is empty."""

    slot: Slot

    @property
    def slot_id(self) -> str:
        """Which slot."""
        return self.slot.id


@dataclass(frozen=True, slots=True)
class Replace:
    """Fill a slot anew, over the version that was read; `slot.version` is one more, the kind may be another."""

    slot: Slot

    @property
    def slot_id(self) -> str:
        """Which slot."""
        return self.slot.id


@dataclass(frozen=True, slots=True)
class Remove:
    """Empty a slot at the version that was read."""

    slot_id: str
    version: int


Write = Insert | Replace | Remove


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Some contacts in id order, and where to go on; None at the end."""

    contacts: Sequence[Contact]
    next: str | None


class ContactStore(Protocol):
    """The contacts of all accounts."""

    def get(self, account_id: str, ids: Sequence[str]) -> dict[str, Contact]:
        """The contacts among `ids` that exist, by id, each as last written."""
        ...

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        """Whatever lies in those of these slots that are not empty, by id, each as last written."""
        ...

    def scan(self, account_id: str, shard: int) -> Iterator[Slot]:
        """Every slot of one shard that is not empty, in id order; reads on as the caller goes on."""
        ...

    def page(self, account_id: str, *, after: str | None, limit: int) -> ContactPage:
        """Up to `limit` contacts of the account that follow the id `after`."""
        ...

    def write(self, account_id: str, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
        """Carry out every write whose condition holds, in batches and in any order.

        Yields each write with whether it was carried out; False means that the stored version is another
        one (or that the slot is not empty, for Insert) and that nothing was written. A False may also be our
        own earlier write, whose answer was lost: read again to tell. A slot occurs once in `writes`.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordKey:
    """Where a control record lies: `partition` is an account or a look-up, `name` is "<kind>#<id>"."""

    partition: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON document and its version; `expires_at` is epoch seconds, after which it may vanish."""

    key: RecordKey
    document: dict[str, Any]
    version: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Store a document if the stored version is `expected`; 0 means that there must be none."""

    key: RecordKey
    document: dict[str, Any]
    expected: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a document if the stored version is `expected`."""

    key: RecordKey
    expected: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records in name order, and the name to go on after; None at the end."""

    records: Sequence[Record] = field(default_factory=tuple)
    next: str | None = None


class Records(Protocol):
    """Small documents under conditional writes: the control table."""

    def get(self, key: RecordKey) -> Record | None:
        """The record as last written."""
        ...

    def commit(self, writes: Sequence[Put | Delete]) -> None:
        """Carry out all writes or none; at most 100, one a key.

        Raises:
            Stale: a version was not as expected. Nothing was written. A lost answer to an earlier commit of
                the same writes looks the same: read again to tell.
        """
        ...

    def page(
        self,
        partition: str,
        prefix: str,
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> RecordPage:
        """Records of a partition whose names begin with `prefix`, in name order or its reverse."""
        ...


class ObjectWriter(Protocol):
    """An object in the making: it appears, whole, when the context ends without an error."""

    def write(self, data: bytes, /) -> int:
        """Append; returns the number of bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object: the bucket's name for it, and the ETag that its bytes have."""

    id: str
    etag: str


class Objects(Protocol):
    """Files of one bucket."""

    def get(self, key: str) -> bytes:
        """A small object, whole. Raises NotFound."""
        ...

    def open(
        self, key: str, *, offset: int = 0, length: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Stream an object or a range of it. A body that ends early raises Busy, never a quiet end.

        Raises NotFound.
        """
        ...

    def open_version(self, key: str, version: Version) -> AbstractContextManager[BinaryIO]:
        """As `open`, of exactly this version, whatever has been stored over it since.

        Raises NotFound, also where what is there under this name has another ETag.
        """
        ...

    def size(self, key: str) -> int | None:
        """Bytes of an object; None if there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store a small object, whole, over whatever is there."""
        ...

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Stream an object of any size in bounded memory. An error inside leaves nothing behind."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """What lies right below `prefix`, which ends with a slash: "runs/" → "runs/a1/", "runs/a2/", in order."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these objects; one that is not there is no error. Stops half way when raising."""
        ...

    def presign_put(self, key: str, *, expires_s: int) -> str:
        """A URL to which anybody may PUT this object until it expires."""
        ...

    def presign_get(self, key: str, *, expires_s: int, filename: str) -> str:
        """A URL from which anybody may GET this object, saved under `filename`, until it expires."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a source's bytes ended.

    `proof` names the evidence that they are all there are ("length", "terminal_chunk", "size"). None: there is
    none; a run may then add and update, never delete, and `doubt` says to the customer why.
    """

    proof: str | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class SourceStream:
    """The bytes of a source as they come, and what is known about them.

    `ending` answers once `body` has been read to its end; before that nothing is proven. A body that is known
    to be cut raises SourceAway instead of ending. `name` is what was read, without its folder; of several files that
    match a pattern it says which. `etag` and `last_modified` (RFC 3339, UTC) are what the server claims: hints, not proof.
    `host_key` is an SSH server's "<type> SHA256:<fingerprint>", to be stored and given to the next fetch.
    """

    body: BinaryIO
    ending: Callable[[], Ending]
    name: str = ""
    etag: str | None = None
    last_modified: str | None = None
    host_key: str | None = None

    @property
    def proof(self) -> str | None:
        """Shorthand for `ending().proof`."""
        return self.ending().proof


class Source(Protocol):
    """Where a file comes from."""

    def open(self) -> AbstractContextManager[SourceStream]:
        """Stream the file from its beginning.

        Raises, here or while the body is read:
            UnreadableFile: there is no file, or we may not have it; says what to do. Trying again is no use.
            SourceAway: the server is away, slow or keeps breaking off; what was read so far is of no use.
        """
        ...


class Connector(Protocol):
    """One person's address book at a provider.

    Every method may raise, besides Busy (which names in `retry_after_s` how long the provider wants to be left alone):
        AccessLost: the provider does not let us in any more, and only the person can change that.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can."""
        ...

    def held(self, fields: Fields) -> Fields:
        """What of these fields the provider would give back if they were written to a card. Asks nobody.

        The law of every connector: a card written with `fields` and read again has exactly `held(fields)`, and
        `held(held(fields)) == held(fields)`. What is not held stays with us, and its absence there means nothing.
        """
        ...

    def holder(self) -> Holder:
        """Whose book it is."""
        ...

    def groups(self) -> Sequence[Group]:
        """What can be chosen, the whole book first."""
        ...

    def pull(self, group: str, cursor: str) -> Iterator[Pulled]:
        """What has changed in a group since `cursor`; everything that is in it if that is empty.

        The last part carries the next cursor; a pull that ends without one was cut, and raises Busy instead.
        Our own earlier writes may come back, at once or minutes later, or not at all.

        Raises:
            CursorExpired: the provider has forgotten the cursor; pull anew without one. Parts given before that
                count for nothing.
        """
        ...

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        """Those of these cards that exist, whatever group they are in, each as it is now."""
        ...

    def find(self, markers: Sequence[str]) -> dict[str, Card]:
        """The cards that were made with these markers, as far as the provider shows them yet."""
        ...

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        """Make cards in a group: Written, Refused, or Unknown. A draft that was not sent is Changed."""
        ...

    def update(self, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Outcome]]:
        """Change cards that are still as they were read. Whatever `fields` does not speak of (`extra`) stays."""
        ...

    def delete(self, cards: Sequence[Card]) -> Iterator[tuple[Card, Outcome]]:
        """Delete cards that are still as they were read: Written with the card as it was, Changed, or Missing."""
        ...

    def photo(self, card: Card) -> bytes | None:
        """The card's picture as it was put there, byte for byte if the provider keeps it so; None if there is none."""
        ...

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        """Give the card a JPEG or PNG picture, or none."""
        ...


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
class Carried:
    """A file that was copied: the SHA-256 of its bytes, how they ended, how many they are; and what the server said.

    `modified` is RFC 3339, `host_key` an SSH server's; None where there is none.
    """

    digest: str
    ending: Ending
    size: int
    modified: str | None = None
    host_key: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run's file is put: the object `key` of the runs bucket."""

    account_id: str
    run_id: str
    key: str


class Courier(Protocol):
    """Copies files from customers' servers, where nobody knows what is sent back."""

    def carry(self, source: RemoteSource, to: Destination, *, host_key: str | None) -> Carried:
        """Copy a file, whole or not at all. `source` has its secrets, `host_key` is what it had before.

        Raises what `Source.open` does, and UnreadableFile: too_large.
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
    """The only way to learn the time, and to wait."""

    def now(self) -> datetime:
        """Now, in UTC, aware."""
        ...

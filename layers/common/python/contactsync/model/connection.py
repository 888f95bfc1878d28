"""An address book that somebody has connected, and what is remembered of every card in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from typing import Any, Literal

from pydantic import ConfigDict, Field

from contactsync.model.card import Card
from contactsync.model.contact import Fields
from contactsync.model.deferred import Deferred

Provider = Literal["google", "microsoft", "carddav", "memory"]
Turn = tuple[float, Literal["ours", "theirs"]]
State = Literal["linked", "frozen", "left", "unchosen", "unmade", "closed", "gone"]
EXTRA_KEPT = 50_000
"""Characters of a card's own form that its link keeps; of a longer one the card is read again before it is written."""


class Connection(Deferred):
    """A member's way into an address book. `subject` is the provider's unchanging id of the person whose book it is."""

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str = ""
    provider: Provider
    member_id: str
    subject: str = ""
    name: str = Field(
        default="", description="By which the person recognises the book, an address as a rule."
    )
    state: Literal["pending", "active", "lost", "disconnected"] = "pending"
    url: str = Field(default="", description="CardDAV only.")
    username: str = Field(default="", description="CardDAV only.")
    sealed: str = Field(
        default="", repr=False, description="Tokens or password, encrypted for this connection."
    )
    scopes: tuple[str, ...] = ()
    problem: str = Field(default="", description="Why the state is lost, in words for the member.")
    told: bool = Field(default=False, description="The member knows that it is lost.")
    rest_until: float = Field(
        default=0, description="Epoch seconds until which the provider wants to be left alone."
    )
    became: str = Field(
        default="", description="The connection that there was already, where a sign-in led to its book."
    )
    created_at: str
    updated_at: str = ""

    @property
    def by_password(self) -> bool:
        """Whether it is opened with a password, and not by somebody who has signed in."""
        return bool(self.username)


class SignIn(Deferred):
    """A sign-in at a provider that was begun; found by a hash of the state that comes back, and by nothing else.

    `verifier` is sealed for the connection, `nonce` comes back in the id token. `expires_at`: epoch seconds.
    """

    model_config = ConfigDict(frozen=True)

    account_id: str
    member_id: str
    connection_id: str
    provider: Provider
    verifier: str = Field(repr=False)
    nonce: str = Field(repr=False)
    expires_at: float


class Progress(Deferred):
    """How far a sync has read its book and the contact list: written last of all, by the run `run`.

    `group` is the provider's id of what was chosen, `feed` the place in the account's feed of changes, `settings`
    stands for what the sync asked for then, and `carry` is where the run has left what the next one is to begin
    with, "" if there is nothing. `size` and `linked` are how many cards the group had, and how many contacts.
    `looked` is the key of the link up to which pictures were looked at, at `looked_at` (epoch seconds), where the
    provider's list does not tell of them.
    """

    model_config = ConfigDict(frozen=True)

    group: str = ""
    cursor: str = ""
    feed: str = ""
    settings: str = ""
    carry: str = ""
    size: int = 0
    linked: int = 0
    run: str = ""
    full_at: str = ""
    looked: str = ""
    looked_at: float = 0


class Intent(Deferred):
    """A creation that was begun at `at`, epoch seconds: of a card for this contact, as both sides would then agree."""

    model_config = ConfigDict(frozen=True)

    contact_id: str
    at: float
    agreed: Fields = Field(repr=False)
    seen: Fields = Field(repr=False)


NEW = "new"
"""A person's decision that a card is none of the contacts that it was like."""


class Review(Deferred):
    """A card that may be one of these contacts; a person says which, or that it is none of them.

    `decision` is a contact's id, or NEW. `apart` are contacts that it certainly is not. `settled`: a run has
    carried the decision out.
    """

    model_config = ConfigDict(frozen=True)

    card_id: str
    card: Fields = Field(default={}, repr=False)
    contacts: tuple[str, ...]
    rule: tuple[str, ...]
    why: str
    run_id: str
    decision: str = ""
    apart: tuple[str, ...] = ()
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The picture that a card showed when both sides last agreed on it.

    Attributes:
        token: the card's `photo` then: as long as it is the same, nobody has changed the picture there.
        photo: the name of the contact's own picture that it is; "" for none.
        digest: of the bytes that the provider gives of what we have put there, for some give others than they got;
            "" where the picture came from there.
        marked: whether it bears the mark of the shared hub, or is a made-up one that does.
        alone: it is one that we do not keep, and is left as it is.
        begun: we were about to put another one there, and nobody knows whether that came about.
    """

    token: str = ""
    photo: str = ""
    digest: str = ""
    marked: bool = False
    alone: bool = False
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """That a card and a contact are one person, and what both were when they last agreed.

    Attributes:
        id, etag, marker, extra: the card's, as last read or written. `extra` is None where it is too long.
        agreed: the contact's fields then.
        seen: the card's fields then, as the connector gave them.
        state: linked; frozen, for two programs keep overwriting each other; left, as the card is in another group
            now; unchosen, as the contact does not belong to the sync any more; closed, as the contact was deleted and
            its card is left alone; gone, as there is no card any more; unmade, as its card was taken back, and is not made
            again until the contact is edited.
        turns: the latest writes and whose change each carried over.
        carried: what the latest of those said, as digests; fewer where a version wrote that knew nothing of it.
        sync: the sync that follows it; where a card is missing from that sync's group, it has gone or left.
        written_at: epoch seconds of our last write to the card; lists may be older than that for a while.
        terms: how the two were compared when they agreed (`bookrun.asked_for`): under others nothing is agreed.
        shown: their picture; None if it was never looked at.
    """

    id: str
    contact_id: str
    etag: str
    agreed: Fields
    seen: Fields
    extra: str | None = ""
    marker: str = ""
    state: State = "linked"
    turns: tuple[Turn, ...] = ()
    carried: tuple[str, ...] = ()
    sync: str = ""
    written_at: float = 0
    terms: str = ""
    shown: Shown | None = None

    @property
    def is_live(self) -> bool:
        """Whether the two follow each other, or would if they were not frozen."""
        return self.state in ("linked", "frozen")

    @property
    def is_over(self) -> bool:
        """Whether no contact goes with the card any more; it is remembered, so that it is not taken for a new one."""
        return self.state in ("closed", "gone")

    @property
    def is_marked(self) -> bool:
        """Whether the card shows the hub's mark, or perhaps does."""
        return self.shown is not None and (self.shown.marked or self.shown.begun)

    @property
    def key(self) -> str:
        """Under which name it lies: ids are long, and may hold anything."""
        return key_of(self.id)

    @property
    def card(self) -> Card:
        """The card as it was when it was last seen."""
        photo = self.shown.token if self.shown else None
        return Card(self.id, self.etag, self.seen, self.extra or "", self.marker, photo)

    def seeing(self, card: Card) -> Link:
        """The link, having seen the card as it is now."""
        extra = card.extra if len(card.extra) <= EXTRA_KEPT else None
        return replace(
            self,
            id=card.id,
            etag=card.etag,
            seen=card.fields,
            extra=extra,
            marker=card.marker or self.marker,
        )

    def document(self) -> dict[str, Any]:
        """As stored; what is empty is left out."""
        told = asdict(self)
        if self.shown is None:
            del told["shown"]
        return {name: value for name, value in told.items() if value not in ("", (), 0)}


def read_link(document: Mapping[str, Any]) -> Link:
    """A link as `document()` stored it, or another version did: what this one does not know is left unread."""
    known = _known(Link, document)
    known["turns"] = tuple((at, side) for at, side in known.get("turns", ()))
    known["carried"] = tuple(known.get("carried", ()))
    if "shown" in known:
        known["shown"] = Shown(**_known(Shown, known["shown"]))
    return Link(**{"id": "", "contact_id": "", "etag": "", **known})


def _known(kind: type[Link] | type[Shown], document: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def key_of(card_id: str) -> str:
    """A card's id as a name."""
    return blake2b(card_id.encode(), digest_size=16).hexdigest()

"""Address books: connections, what links cards to contacts, how far each sync has come, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from contactsync.control.boxes import Boxes, ticking
from contactsync.control.clearing import lots
from contactsync.control.documents import UPDATE_ATTEMPTS, Read, put
from contactsync.errors import Busy, Cancelled, NotFound, Stale
from contactsync.model.connection import Connection, Intent, Link, Progress, Review, read_link
from contactsync.model.contact import Fields
from contactsync.ports import Delete, Put, Record, RecordKey

CONNECTIONS_MAX = 1_000
SYNCS_MAX = 1_000
"""Of one connection, those included that were deleted."""
LINKS_MAX = 200_000
"""Links of one connection that are read along; a book of 25,000 has so many after years of coming and going."""
INTENTS_MAX = 25_000
REVIEWS_MAX = 25_000
WRITES_AT_ONCE = 90
GONE_KEPT = timedelta(days=400)
"""How long a card is remembered that was deleted: longer than any device stays away. One that is still there, and
whose contact was deleted, is remembered as long as its book: a full list would bring it back at any time."""
LEASE = timedelta(minutes=20)
"""Longer than any one step works between two looks at the run."""
COUNTED_KEPT = timedelta(days=8)
COUNTED_MAX = 8 * CONNECTIONS_MAX


@dataclass(frozen=True, slots=True)
class Linking:
    """A link as it becomes.

    Attributes:
        before: what was read, None for a new one.
        marker: the intent that it fulfils.
        ticks, unticks: the member whose box of the contact is ticked with it, or taken away; "" for nobody's.
        theirs: the card's fields where the link becomes frozen, to be shown beside the contact.
    """

    after: Link
    before: Read[Link] | None = None
    marker: str = ""
    ticks: str = ""
    unticks: str = ""
    theirs: Fields | None = None


@dataclass(frozen=True, slots=True)
class ErasedCard:
    """The ids that a card's person had here, and since when they are here again, RFC 3339; "" if they are not."""

    ids: frozenset[str]
    back: str = ""


class Books(Boxes):
    """What is remembered of address books."""

    # Connections

    def connection(self, account_id: str, connection_id: str) -> Read[Connection]:
        """A connection. Raises NotFound."""
        return self._read(RecordKey(account_id, f"connection#{connection_id}"), Connection)

    def connections(self, account_id: str) -> list[Connection]:
        """Every connection of the account, oldest first."""
        return self._all(account_id, "connection#", Connection, limit=CONNECTIONS_MAX)

    def create_connection(self, account_id: str, connection: Connection) -> None:
        """Store a new connection. Repeating the same call changes nothing."""
        key = RecordKey(account_id, f"connection#{connection.id}")
        self._commit_once([put(key, connection)], key)

    def update_connection(
        self, account_id: str, connection_id: str, change: Callable[[Connection], Connection]
    ) -> Connection:
        """Carry out `change` on the connection as it is stored now; `change` may be called several times."""
        key = RecordKey(account_id, f"connection#{connection_id}")
        for _ in range(UPDATE_ATTEMPTS):
            read = self._read(key, Connection)
            changed = change(read.value)
            if changed == read.value:
                return changed
            with suppress(Stale):
                self.records.commit([put(key, changed, expected=read.version)])
                return changed
        raise Busy("The connection is being changed from several sides.")

    # One worker a connection

    def take_book(self, account_id: str, connection_id: str, run_id: str, now: datetime) -> bool:
        """Whether this run is the one that works on the connection now; it is for LEASE, or until it says so again."""
        key = RecordKey(_book(account_id, connection_id), "lease")
        for _ in range(UPDATE_ATTEMPTS):
            record = self.records.get(key)
            until = (now + LEASE).timestamp()
            others = record is not None and record.document["run"] != run_id
            if record is not None and others and record.document["until"] > now.timestamp():
                return False
            with suppress(Stale):
                self.records.commit(
                    [Put(key, {"run": run_id, "until": until}, record.version if record else 0)]
                )
                return True
        raise Busy("The connection is wanted by several runs.")

    def leave_book(self, account_id: str, connection_id: str, run_id: str) -> None:
        """Let the next run work on the connection."""
        key = RecordKey(_book(account_id, connection_id), "lease")
        record = self.records.get(key)
        if record is not None and record.document["run"] == run_id:
            with suppress(Stale):
                self.records.commit([Delete(key, record.version)])

    # Links

    def link(self, account_id: str, connection_id: str, key: str) -> Read[Link] | None:
        """The link of a card."""
        record = self.records.get(RecordKey(_book(account_id, connection_id), f"card#{key}"))
        return _link(record) if record else None

    def link_of(self, account_id: str, connection_id: str, contact_id: str) -> Read[Link] | None:
        """The link of a contact."""
        record = self.records.get(RecordKey(_book(account_id, connection_id), f"contact#{contact_id}"))
        return self.link(account_id, connection_id, record.document["card"]) if record else None

    def links(self, account_id: str, connection_id: str) -> Iterator[Read[Link]]:
        """Every link of a connection."""
        for record in self._pages(_book(account_id, connection_id), "card#", LINKS_MAX):
            yield _link(record)

    def store_links(
        self, account_id: str, connection_id: str, linkings: Iterable[Linking], now: datetime
    ) -> None:
        """Store links, each over the version that was read. Those that are stored already are left as they are.

        Raises Stale where somebody else has changed one meanwhile.
        """
        waiting: list[Linking] = []
        writes: list[Put | Delete] = []
        for linking in linkings:
            mine = self._writes(account_id, connection_id, linking, now, look=False)
            if len(writes) + len(mine) > WRITES_AT_ONCE:
                self._commit_links(account_id, connection_id, waiting, writes, now)
                waiting, writes = [], []
            waiting.append(linking)
            writes += mine
        if waiting:
            self._commit_links(account_id, connection_id, waiting, writes, now)

    def _commit_links(
        self,
        account_id: str,
        connection_id: str,
        linkings: Sequence[Linking],
        writes: Sequence[Put | Delete],
        now: datetime,
    ) -> None:
        try:
            self.records.commit(writes)
        except Stale:
            for linking in linkings:
                self._store_link(account_id, connection_id, linking, now)

    def _store_link(self, account_id: str, connection_id: str, linking: Linking, now: datetime) -> None:
        """One link, where several together could not be stored."""
        stored = self.link(account_id, connection_id, linking.after.key)
        if stored is None or stored.value != linking.after:
            self.records.commit(self._writes(account_id, connection_id, linking, now, look=True))

    def _writes(
        self, account_id: str, connection_id: str, linking: Linking, now: datetime, *, look: bool
    ) -> list[Put | Delete]:
        """The link, the way to it from its contact, and the intent that is fulfilled, in one commit.

        `look`: whether to see first what leads to a link that is new; as a rule nothing does.
        """
        book, after, before = _book(account_id, connection_id), linking.after, linking.before
        was = before.value if before else None
        moved = was is None or was.key != after.key
        expires_at = int((now + GONE_KEPT).timestamp()) if after.state == "gone" else None
        version = before.version if before is not None and not moved else 0
        writes: list[Put | Delete] = [
            Put(RecordKey(book, f"card#{after.key}"), after.document(), version, expires_at)
        ]
        if before is not None and moved:
            writes.append(Delete(RecordKey(book, f"card#{before.value.key}"), before.version))
        leads = "" if after.is_over else after.contact_id
        led = was.contact_id if was is not None and not was.is_over else ""
        if led and led != leads:
            key = RecordKey(book, f"contact#{led}")
            record = self.records.get(key)
            writes += [Delete(key, record.version)] if record else []
        if leads and (moved or led != leads):
            key = RecordKey(book, f"contact#{leads}")
            record = self.records.get(key) if look or led == leads else None
            writes.append(Put(key, {"card": after.key}, record.version if record else 0))
        if linking.marker:
            key = RecordKey(book, f"intent#{linking.marker}")
            intent = self.records.get(key)
            writes += [Delete(key, intent.version)] if intent else []
        writes += self._frozen(book, linking, now)
        if linking.ticks and not (look and self.subscription(account_id, linking.ticks, after.contact_id)):
            writes += ticking(account_id, linking.ticks, after.contact_id, now.isoformat())
        if linking.unticks:
            writes += self.going_with(account_id, linking.unticks, after.contact_id, now)
        return writes

    def _frozen(self, book: str, linking: Linking, now: datetime) -> list[Put | Delete]:
        """What lists a link among the frozen ones, and takes it from there."""
        was = linking.before is not None and linking.before.value.state == "frozen"
        if was == (linking.after.state == "frozen"):
            return []
        link = linking.before.value if linking.before is not None and was else linking.after
        key = RecordKey(book, f"frozen#{link.key}")
        record = self.records.get(key)
        if was:
            return [Delete(key, record.version)] if record else []
        document = {"at": now.isoformat(timespec="milliseconds"), "theirs": linking.theirs or {}}
        return [Put(key, document, record.version if record else 0)]

    # Creations that were begun

    def intents(self, account_id: str, connection_id: str) -> dict[str, Intent]:
        """Creations of which nobody knows yet whether they came about, by marker."""
        found = self._pages(_book(account_id, connection_id), "intent#", INTENTS_MAX)
        return {
            record.key.name.removeprefix("intent#"): Intent.model_validate(record.document, extra="ignore")
            for record in found
        }

    def begin_creations(
        self, account_id: str, connection_id: str, intents: dict[str, Intent], *, run_id: str
    ) -> None:
        """Say, before the first try, which cards are about to be made; said again, it counts from the latest try.

        Raises Cancelled or Stale unless the book is this run's, and no other worker's since: with the lease in the same commit
        nobody who is late leaves an intent behind.
        """
        book = _book(account_id, connection_id)
        lease = self.records.get(RecordKey(book, "lease"))
        if lease is None or lease.document["run"] != run_id:
            raise Cancelled("the address book is not this run's any more")
        writes = []
        for marker, intent in intents.items():
            key = RecordKey(book, f"intent#{marker}")
            record = self.records.get(key)
            writes.append(put(key, intent, expected=record.version if record else 0))
        for number, some in enumerate(lots(writes, most=WRITES_AT_ONCE)):
            held = Put(lease.key, lease.document, lease.version + number)
            self.records.commit([held, *some])

    def has_intent(self, account_id: str, connection_id: str, marker: str) -> Intent | None:
        """The creation that was begun under a marker, if its link is not there yet."""
        record = self.records.get(RecordKey(_book(account_id, connection_id), f"intent#{marker}"))
        return Intent.model_validate(record.document, extra="ignore") if record else None

    def forget_intent(self, account_id: str, connection_id: str, marker: str) -> None:
        """A creation is not to be made any more."""
        key = RecordKey(_book(account_id, connection_id), f"intent#{marker}")
        record = self.records.get(key)
        if record is not None:
            with suppress(Stale):
                self.records.commit([Delete(key, record.version)])

    # How far a sync has come

    def progress_of(self, account_id: str, connection_id: str, sync_id: str) -> Read[Progress]:
        """How far a sync has come with its book; version 0 if it has not begun."""
        try:
            return self._read(RecordKey(_book(account_id, connection_id), f"cursor#{sync_id}"), Progress)
        except NotFound:
            return Read(Progress(), 0)

    def syncs_begun(self, account_id: str, connection_id: str) -> Iterator[str]:
        """The syncs that have ever run with a book: an account may have thousands of others."""
        found = self._pages(_book(account_id, connection_id), "cursor#", SYNCS_MAX)
        return (record.key.name.removeprefix("cursor#") for record in found)

    def advance(
        self, account_id: str, connection_id: str, sync_id: str, progress: Progress, *, expected: int
    ) -> None:
        """Move on. Raises Stale where another run of the sync has, unless it was this very run."""
        key = RecordKey(_book(account_id, connection_id), f"cursor#{sync_id}")
        try:
            self.records.commit([put(key, progress, expected=expected)])
        except Stale:
            if self.progress_of(account_id, connection_id, sync_id).value != progress:
                raise

    # What a person must decide

    def reviews(self, account_id: str, connection_id: str) -> dict[str, Read[Review]]:
        """Cards whose contact is in doubt, by the card's key."""
        found = self._pages(_book(account_id, connection_id), "review#", REVIEWS_MAX)
        return {
            record.key.name.removeprefix("review#"): Read(
                Review.model_validate(record.document, extra="ignore"), record.version
            )
            for record in found
        }

    def review(self, account_id: str, connection_id: str, key: str) -> Read[Review]:
        """One doubt. Raises NotFound."""
        return self._read(RecordKey(_book(account_id, connection_id), f"review#{key}"), Review)

    def reviews_page(
        self, account_id: str, connection_id: str, *, after: str | None, limit: int
    ) -> tuple[list[tuple[str, Read[Review]]], str | None]:
        """Some doubts with their keys, decided or not, and the key to go on after."""
        found, following = self._keyed(_book(account_id, connection_id), "review#", after, limit)
        return [
            (key, Read(Review.model_validate(record.document), record.version)) for key, record in found
        ], following

    def frozen_page(
        self, account_id: str, connection_id: str, *, after: str | None, limit: int
    ) -> tuple[list[tuple[str, dict[str, Any]]], str | None]:
        """Some frozen links by key, `{at, theirs}`, and the key to go on after."""
        found, following = self._keyed(_book(account_id, connection_id), "frozen#", after, limit)
        return [(key, record.document) for key, record in found], following

    def is_frozen(self, account_id: str, connection_id: str, key: str) -> bool:
        """Whether a link is listed among the frozen ones."""
        return self.records.get(RecordKey(_book(account_id, connection_id), f"frozen#{key}")) is not None

    def _keyed(
        self, book: str, prefix: str, after: str | None, limit: int
    ) -> tuple[list[tuple[str, Record]], str | None]:
        begin = f"{prefix}{after}" if after is not None else None
        page = self.records.page(book, prefix, after=begin, limit=limit)
        following = page.next.removeprefix(prefix) if page.next is not None else None
        return [(record.key.name.removeprefix(prefix), record) for record in page.records], following

    def store_review(
        self, account_id: str, connection_id: str, key: str, review: Review, *, expected: int = 0
    ) -> None:
        """Keep a doubt, or a decision over it, under the version read."""
        name = RecordKey(_book(account_id, connection_id), f"review#{key}")
        self.records.commit([put(name, review, expected=expected)])

    # People who were erased

    def erased_cards(self, account_id: str, connection_id: str) -> dict[str, ErasedCard]:
        """Cards whose people were erased, by their marks (`core.identity.card_mark`)."""
        found = self._pages(_book(account_id, connection_id), "erased#", LINKS_MAX)
        return {
            record.key.name.removeprefix("erased#"): ErasedCard(
                frozenset(record.document["ids"]), record.document.get("back", "")
            )
            for record in found
        }

    def let_back(self, account_id: str, connection_id: str, ids: Collection[str], at: str) -> None:
        """People who were erased have been added again: from now on their cards count. Said again, it changes nothing."""
        for mark, card in self.erased_cards(account_id, connection_id).items():
            if not card.ids.isdisjoint(ids) and not card.back:
                key = RecordKey(_book(account_id, connection_id), f"erased#{mark}")
                record = self.records.get(key)
                document = {"ids": sorted(card.ids), "back": at}
                self.records.commit([Put(key, document, record.version if record else 0)])

    def erase_card(
        self,
        account_id: str,
        connection_id: str,
        marks: Iterable[str],
        ids: Sequence[str],
        known: Iterable[str],
    ) -> None:
        """Forget the records `known` of a person's card, and remember by its marks that it is to stay out.

        As long as the book is remembered, for the card may be there as long. Repeating the same call changes nothing.
        """
        book = _book(account_id, connection_id)
        writes: list[Put | Delete] = []
        for mark in marks:
            key = RecordKey(book, f"erased#{mark}")
            record = self.records.get(key)
            writes.append(Put(key, {"ids": list(ids)}, record.version if record else 0))
        stored = (self.records.get(RecordKey(book, name)) for name in known)
        writes += [Delete(record.key, record.version) for record in stored if record is not None]
        self.records.commit(writes)

    # The day's numbers

    def count_today(
        self,
        account_id: str,
        connection_id: str,
        numbers: dict[str, dict[str, int]],
        *,
        day: date,
        run_id: str,
        now: datetime,
    ) -> None:
        """Add a run's numbers to those of a local day, once however often it is said, past midnight too."""
        before = self.records.get(_today(account_id, connection_id, day - timedelta(days=1)))
        if before is not None and run_id in before.document["runs"]:
            return
        key = _today(account_id, connection_id, day)
        expires_at = int((now + COUNTED_KEPT).timestamp())
        for _ in range(UPDATE_ATTEMPTS):
            record = self.records.get(key)
            stored: dict[str, Any] = record.document if record else {"runs": []}
            if run_id in stored["runs"]:
                return
            summed = {
                name: {side: stored.get(name, {}).get(side, 0) + count for side, count in sides.items()}
                for name, sides in numbers.items()
            }
            document = {**summed, "runs": [*stored["runs"], run_id]}
            with suppress(Stale):
                self.records.commit([Put(key, document, record.version if record else 0, expires_at)])
                return
        raise Busy("The day's numbers are being changed from several sides.")

    def counted_on(self, account_id: str, day: date) -> dict[str, dict[str, dict[str, int]]]:
        """The numbers of a local day by connection: `{added: {hub, remote}, updated: …, deleted: …}`."""
        found = {}
        for record in self._pages(account_id, "today#", COUNTED_MAX):
            _, connection_id, of = record.key.name.split("#")
            if of == day.isoformat():
                found[connection_id] = record.document
        return found


def _book(account_id: str, connection_id: str) -> str:
    return f"{account_id}#{connection_id}"


def _today(account_id: str, connection_id: str, day: date) -> RecordKey:
    return RecordKey(account_id, f"today#{connection_id}#{day.isoformat()}")


def _link(record: Record) -> Read[Link]:
    return Read(read_link(record.document), record.version)

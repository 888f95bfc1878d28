"""CardDAV: address books on servers of anybody's (RFC 6352, 6578, 6764).

A card's id is its path. Its marker is the UID that we chose, which makes its path as well: a card whose creation was
lost is where it would be made again, and `If-None-Match: *` keeps it from being made twice. Servers that keep it
elsewhere say where, or are asked for the UID.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import orjson

from contactsync.connectors.calling import Lost
from contactsync.connectors.dav import DAV, Answer, Dav, Member, TooLarge, escaped, joined, members, plain
from contactsync.connectors.vcards import FIELDS, Translation, VCard
from contactsync.core.identity import digest_of
from contactsync.errors import CursorExpired, SourceAway, UnreadableFile
from contactsync.model.card import (
    Capabilities,
    Card,
    Changed,
    Draft,
    Edit,
    Group,
    Holder,
    Missing,
    Outcome,
    Pulled,
    Refused,
    Unknown,
    Written,
)
from contactsync.model.contact import Fields

ALL = "all"
CARD = "{urn:ietf:params:xml:ns:carddav}"
AT_ONCE = 100
"""Cards that are asked for in one request, fewer where their pictures are large; writes go one by one."""
WRITES = 10
FORBIDDEN = "The server does not let this user change it: see there who may write to the address book, or let the sync only pull."
UNREADABLE = "The card cannot be read. Correct it in the address book: until then it is left as it is."
"""Without its name: what a book did not take is told in the record of the run, which outlives whom it is about."""
_IN_THE_CARD = re.compile(rb"no-uid-conflict|(?:supported|valid)-address-data|max-resource-size")
"""What a server says where it forbids a card for what is in it: not to who writes it, nor for what is there by now (RFC 6352)."""
PARTS_MAX = 1_000
WELL_KNOWN = "/.well-known/carddav"
LISTED = "listed "
"""Begins what stands for the token of a book that gives none; no sync-token has a blank, for it is a URI."""
_XMLNS = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"'
_Stored = tuple[str, VCard | str]
"""The etag of a card, and the card; or why it cannot be read."""
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,120}").fullmatch


class CardDavConnector:
    """See `ports.Connector`.

    Args:
        dav: the way to the server, as one person.
        home: the collection that holds the person's address books, as `discover` found it, or its path.
        country: ISO 3166; of telephone numbers that do not say theirs.
        username: whose book it is.
    """

    def __init__(self, dav: Dav, home: str, *, country: str, username: str) -> None:
        self._dav = dav
        self._home = home
        self._translation = Translation(country)
        self._username = username
        self._at_once = AT_ONCE

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self._dav.made

    @property
    def capabilities(self) -> Capabilities:
        """See `ports.Connector.capabilities`."""
        return Capabilities(fields=FIELDS, photos=True, writes_at_once=WRITES)

    def held(self, fields: Fields) -> Fields:
        """See `ports.Connector.held`."""
        return self._translation.held(fields)

    def holder(self) -> Holder:
        """See `ports.Connector.holder`. Where the books lie is what stays the same about a person."""
        self._books()
        return Holder(joined(self._dav.url, self._home), self._username)

    def groups(self) -> Sequence[Group]:
        """See `ports.Connector.groups`: the address books."""
        return [Group(ALL, "All address books"), *self._books().values()]

    def pull(self, group: str, cursor: str) -> Iterator[Pulled]:
        """See `ports.Connector.pull`."""
        tokens: dict[str, str] = orjson.loads(cursor) if cursor else {}
        books = list(self._books()) if group == ALL else [group]
        if tokens.keys() - set(books):
            raise CursorExpired  # a whole book is gone: only a full look tells what was in it
        following: dict[str, str] = {}
        for book in books:
            for part, token in self._changes(book, tokens.get(book, "")):
                following[book] = token
                yield part
        yield Pulled(cursor=orjson.dumps(following).decode())

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.read`."""
        return {id_: self._card(id_, *found) for id_, found in self._vcards(ids).items()}

    def find(self, markers: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.find`."""
        books = self._books() if markers else {}
        places = {_place(book, marker): marker for book in books for marker in markers}
        found = {places[id_]: card for id_, card in self.read(list(places)).items()}
        for marker in set(markers) - found.keys():
            if card := next(filter(None, (self._named(book, marker) for book in books)), None):
                found[marker] = card
        return found

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        """See `ports.Connector.create`. "Not there yet" is asked for with every one.

        Of all books it is the first that can be written: some are other people's, or the server's own.
        """
        book = group
        if group == ALL:
            books = self._books()
            book = next((href for href, found in books.items() if found.writable), next(iter(books)))
        for draft in drafts:
            vcard = self._translation.new(draft.fields, uid=draft.marker)
            yield draft, self._put(_place(book, draft.marker), vcard, If_None_Match="*")

    def update(self, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Outcome]]:
        """See `ports.Connector.update`. Each is made over the card as it is there now, if that is the one we read."""
        for at in range(0, len(edits), AT_ONCE):
            batch = edits[at : at + AT_ONCE]
            now = self._vcards([edit.card.id for edit in batch])
            for edit in batch:
                there = _as_read(edit.card, now)
                if not isinstance(there, VCard):
                    yield edit, there
                    continue
                vcard = self._translation.changed(there, edit.fields)
                yield edit, self._put(edit.card.id, vcard, If_Match=edit.card.etag)

    def delete(self, cards: Sequence[Card]) -> Iterator[tuple[Card, Outcome]]:
        """See `ports.Connector.delete`."""
        for card in cards:
            try:
                answer = self._dav.write("DELETE", card.id, If_Match=card.etag)
            except Lost:
                yield card, Unknown()
                continue
            yield card, Written(card) if answer.ok else self._refused(answer, card.id)

    def photo(self, card: Card) -> bytes | None:
        """See `ports.Connector.photo`."""
        _, vcard = self._vcards([card.id]).get(card.id, ("", ""))
        return self._translation.picture(vcard) if isinstance(vcard, VCard) else None

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        """See `ports.Connector.put_photo`."""
        there = _as_read(card, self._vcards([card.id]))
        if not isinstance(there, VCard):
            return there
        return self._put(card.id, self._translation.pictured(there, picture), If_Match=card.etag)

    def _books(self) -> dict[str, Group]:
        """The address books of the home, by path; the home itself if it is one."""
        names = "<resourcetype/><displayname/><current-user-privilege-set/>"
        body = f"<propfind {_XMLNS}><prop>{names}</prop></propfind>"
        answer = self._dav.ask("PROPFIND", self._home, body, Depth="1")
        if answer.status != 207:
            raise _no_book()
        found = {
            member.href: Group(member.href, _called(member), _is_writable(member))
            for member in members(answer)
            if _is_book(member)
        }
        if not found:
            raise _no_book()
        return dict(sorted(found.items()))

    def _changes(self, book: str, token: str) -> Iterator[tuple[Pulled, str]]:
        """What has changed in one book, in parts, each with the token to go on from."""
        if token.startswith(LISTED):
            yield from self._listed(book, token)
            return
        for _ in range(PARTS_MAX):
            body = (
                f"<sync-collection {_XMLNS}><sync-token>{escaped(token)}</sync-token><sync-level>1</sync-level>"
                f"<prop><getetag/></prop></sync-collection>"
            )
            answer = self._dav.ask("REPORT", book, body, Depth="0")
            # The token is forgotten, or the book is gone with it, or it has no such list any more
            if answer.status != 207 and token:
                raise CursorExpired
            if answer.status != 207:
                yield from self._listed(book, "")
                return
            told = list(members(answer))
            said = [member for member in told if _folder(member.href) != _folder(book)]
            more = any(member.status == 507 for member in told)
            following = answer.tree().findtext(f"{DAV}sync-token", "").strip()
            gone = tuple(member.href for member in said if member.status == 404)
            fresh = [member.href for member in said if member.status != 404 and not member.href.endswith("/")]
            for at in range(0, len(fresh), AT_ONCE):
                cards = self.read(fresh[at : at + AT_ONCE])
                yield Pulled(tuple(cards.values())), following
            yield Pulled(gone=gone if token else ()), following
            if not following:
                raise SourceAway("The server gave no sync-token.")
            if not more:
                return
            token = following
        raise SourceAway("The server's list does not end.")

    def _listed(self, book: str, known: str) -> Iterator[tuple[Pulled, str]]:
        """All of a book that has no list of changes: nothing of it, while it is as it was when `known` was its token.

        Nextcloud has such a book beside the usual ones, of whom its user has written to; other servers have no others.

        Raises CursorExpired: the book has changed, and only a full look tells who is not there any more.
        """
        body = f"<propfind {_XMLNS}><prop><getetag/></prop></propfind>"
        answer = self._dav.ask("PROPFIND", book, body, Depth="1")
        if answer.status != 207 and known:
            raise CursorExpired
        if answer.status != 207:
            raise SourceAway(f"The server answered {answer.status} when asked what is in the address book.")
        etags = {member.href: member.text(f"{DAV}getetag") for member in members(answer)}
        there = [href for href in sorted(etags) if _folder(href) != _folder(book) and not href.endswith("/")]
        token = LISTED + digest_of("\n".join(f"{href} {etags[href]}" for href in there))
        if known and token != known:
            raise CursorExpired
        for at in range(0, 0 if known else len(there), AT_ONCE):
            yield Pulled(tuple(self.read(there[at : at + AT_ONCE]).values())), token
        yield Pulled(), token

    def _vcards(self, ids: Sequence[str]) -> dict[str, _Stored]:
        """What lies at those paths where a card is."""
        found: dict[str, _Stored] = {}
        by_book: dict[str, list[str]] = {}
        for id_ in ids:
            by_book.setdefault(f"{id_.rpartition('/')[0]}/", []).append(id_)
        for book, hrefs in by_book.items():
            at = 0
            while asked := hrefs[at : at + self._at_once]:
                try:
                    found |= self._multiget(book, asked)
                except TooLarge:
                    if len(asked) == 1:
                        raise
                    self._at_once = len(asked) // 2
                else:
                    at += len(asked)
        return found

    def _multiget(self, book: str, hrefs: Sequence[str]) -> dict[str, _Stored]:
        wanted = "".join(f"<href>{escaped(href)}</href>" for href in hrefs)
        body = (
            f"<C:addressbook-multiget {_XMLNS}><prop><getetag/><C:address-data/></prop>{wanted}"
            f"</C:addressbook-multiget>"
        )
        answer = self._dav.ask("REPORT", book, body, Depth="0")
        if answer.status == 404:
            return {}
        if answer.status != 207:
            raise SourceAway(f"The server answered {answer.status} when asked for cards.")
        return self._told(answer)

    def _told(self, answer: Answer) -> dict[str, _Stored]:
        """What lies at each path that an answer tells of."""
        found: dict[str, _Stored] = {}
        for member in members(answer):
            if member.status >= 500:  # then it is there or not, and nobody is gone for that
                raise SourceAway(f"The server answered {member.status} when asked for cards.")
            if member.status in (404, 410) or (member.status == 200 and not member.properties):
                continue
            text = member.text(f"{CARD}address-data")
            vcard = self._translation.parse(text)
            if not self._translation.is_group(vcard or text):
                etag = " ".join(member.text(f"{DAV}getetag").split())  # goes into a header, which is one line
                found[member.href] = (etag, vcard or self._translation.damage(text))
        return found

    def _put(self, id_: str, vcard: VCard, **condition: str) -> Outcome:
        body = self._translation.text(vcard).encode()
        try:
            answer = self._dav.write("PUT", id_, body, Content_Type="text/vcard; charset=utf-8", **condition)
        except Lost:
            return Unknown()
        if answer.status == 412 and condition.get("If_None_Match"):
            answer = Answer(201, {}, b"")  # it is there, under a name that only we choose: made before
        if not answer.ok:
            return self._refused(answer, id_)
        said = answer.headers.get("Location", "")
        places = dict.fromkeys((id_, plain(joined(answer.url, said)) if said else id_))
        there = self.read(list(places))  # servers rewrite cards, and need not say what the etag is then
        now = next((there[place] for place in places if place in there), None)
        if now is None and "If_None_Match" in condition:  # some servers choose a new card's place themselves
            now = self._named(f"{id_.rpartition('/')[0]}/", self._translation.uid(vcard))
            if now is None:  # made again, there would be one more with each run
                return Refused(
                    "not_taken", "The server took the contact, and does not say where it has put it."
                )
        return Written(now) if now else Missing()

    def _named(self, book: str, uid: str) -> Card | None:
        """The card of a book that has this UID, as far as the server looks for it."""
        wanted = f'<C:prop-filter name="UID"><C:text-match match-type="equals">{escaped(uid)}</C:text-match></C:prop-filter>'
        body = (
            f"<C:addressbook-query {_XMLNS}><prop><getetag/><C:address-data/></prop><C:filter>{wanted}</C:filter>"
            "</C:addressbook-query>"
        )
        answer = self._dav.ask("REPORT", book, body, Depth="1")
        cards = self._told(answer) if answer.status == 207 else {}
        for id_, (etag, vcard) in cards.items():
            if isinstance(vcard, VCard) and self._translation.uid(vcard) == uid:
                return self._card(id_, etag, vcard)
        return None

    def _refused(self, answer: Answer, id_: str) -> Outcome:
        if answer.status in (404, 410):
            return Missing()
        why = _IN_THE_CARD.search(answer.body)
        if answer.status in (409, 412) and why is None:
            return Changed() if self.read([id_]) else Missing()
        if answer.status == 507:
            return Refused("book_full", "The server has no room left. Make room there.")
        if answer.status == 403 and why is None:
            return Refused("not_taken", FORBIDDEN)
        named = f", {why[0].decode()}" if why else ""
        return Refused("not_taken", f"The server did not take the contact ({answer.status}{named}).")

    def _card(self, id_: str, etag: str, vcard: VCard | str) -> Card:
        if isinstance(vcard, str):
            damage = f"The card {id_} in the address book cannot be read. {vcard} Correct it there: until then it is left as it is."
            return Card(id_, etag, {}, photo=None, damage=damage)
        uid = self._translation.uid(vcard)
        return Card(
            id=id_,
            etag=etag,
            fields=self._translation.fields(vcard),
            marker=uid if id_.endswith(f"/{_name(uid)}") and _SAFE(uid) else "",
            photo=self._translation.picture_token(vcard),
            updated_at=self._translation.revised(vcard),
        )


def discover(dav: Dav) -> str:
    """The URL of the collection that holds the person's address books, from whatever address they know (RFC 6764).

    That may be on another host than the one that was asked: servers refer to those where a person's books lie.

    Raises:
        UnreadableFile: there is no address book to be found from there.
    """
    refusals: list[UnreadableFile] = []
    for start in (dav.url, WELL_KNOWN, "/"):
        try:
            if home := _home(dav, start):
                return home
        except UnreadableFile as refusal:  # a host's pages may lie elsewhere than its address books
            refusals.append(refusal)
    raise refusals[0] if refusals else _no_book()


def _home(dav: Dav, start: str) -> str:
    """Where the address books lie as far as is said there; empty if nothing is."""
    found = _look(dav, start, "<current-user-principal/><resourcetype/><C:addressbook-home-set/>")
    if found is None:
        return ""
    if _is_book(found.member):
        return found.leads_to(f"{found.member.href.rstrip('/').rpartition('/')[0]}/")
    for principal in found.places(f"{DAV}current-user-principal")[:1]:
        found = _look(dav, principal, "<C:addressbook-home-set/>") or found
    return next(iter(found.places(f"{CARD}addressbook-home-set")), "")


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is at a URL, which is the one that answered."""

    url: str
    member: Member

    def places(self, name: str) -> list[str]:
        """The URLs that a property names."""
        return [self.leads_to(href) for href in self.member.hrefs(name)]

    def leads_to(self, href: str) -> str:
        """The URL of a place. On the server's own host it is reached as this one was, whatever scheme the server thinks
        that it has: behind a proxy it does not know.
        """
        here, there = urlsplit(self.url), urlsplit(joined(self.url, href))
        origin = here if there.hostname == here.hostname else there
        return urlunsplit((origin.scheme, origin.netloc, plain(href), "", ""))


def _look(dav: Dav, href: str, names: str) -> _Found | None:
    body = f"<propfind {_XMLNS}><prop>{names}</prop></propfind>"
    answer = dav.ask("PROPFIND", href, body, Depth="0")
    member = next(members(answer), None) if answer.status == 207 else None
    return _Found(answer.url, member) if member else None


def _is_book(member: Member) -> bool:
    kind = member.properties.get(f"{DAV}resourcetype")
    return kind is not None and kind.find(f"{CARD}addressbook") is not None


def _folder(href: str) -> str:
    """The path of a collection: not every server ends it as what lies in it needs."""
    return f"{href.rstrip('/')}/"


def _called(member: Member) -> str:
    return member.text(f"{DAV}displayname") or member.href.rstrip("/").rpartition("/")[2]


def _is_writable(member: Member) -> bool:
    """Whether cards can be made in a book, as far as the server says what we may (RFC 3744)."""
    told = member.properties.get(f"{DAV}current-user-privilege-set")
    may = (
        {each.tag for privilege in told.iter(f"{DAV}privilege") for each in privilege}
        if told is not None
        else set()
    )
    return not may or not may.isdisjoint({f"{DAV}all", f"{DAV}write", f"{DAV}bind"})


def _as_read(card: Card, now: Mapping[str, _Stored]) -> VCard | Outcome:
    """The card, to be written over, if it is there as it was read; or what forbids that."""
    if card.id not in now:
        return Missing()
    etag, vcard = now[card.id]
    if isinstance(vcard, str):
        return Refused("card_unreadable", UNREADABLE)
    return vcard if etag == card.etag else Changed()


def _place(book: str, marker: str) -> str:
    """Where a card of ours lies."""
    return f"{_folder(book)}{_name(marker)}"


def _name(marker: str) -> str:
    """Under which name it lies there."""
    return f"{plain(marker)}.vcf"


def _no_book() -> UnreadableFile:
    return UnreadableFile(
        "no_address_book",
        "There is no address book at this address.",
        "Give the address that the provider names for CardDAV, as a rule https:// and a host.",
    )

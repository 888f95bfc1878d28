"""Microsoft contacts (Outlook), by Graph v1.0.

Ids are asked for in their immutable form with every request. What changes is asked for folder by folder; one that
is said to be removed is looked for by its id, because a contact that moves to another folder is said to be removed
as well. So does one that somebody deletes, to Deleted Items, where it can still be read: it counts as gone. Links to
further pages are opaque, and are followed on the same host only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from contactsync.connectors.calling import Access, Calls, Lost, Reply, not_allowed
from contactsync.connectors.microsoft_batch import IDS, Ask, Part, check_mailbox, refused
from contactsync.connectors.microsoft_contact import FIELDS, PROPERTIES, Contact, Translation
from contactsync.connectors.oauth import Authority
from contactsync.core.identity import digest_of
from contactsync.errors import Busy, CursorExpired
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
    Unknown,
    Written,
)
from contactsync.model.contact import Fields

BASE = "https://graph.microsoft.com/v1.0"
ALL = "all"
DEFAULT_FOLDER = "contacts"
"""The well-known name of the folder that everybody has; lists of folders leave it out."""
CATEGORY = "category:"
PAGE = 500
AT_ONCE = 20
SETTLES_S = 300
PAGES_MAX = 500
FOLDERS = 100
LEVELS_MAX = 20
MARKER = "String {6f2b4a1e-5d0c-4c3f-9a57-0c1d9be1a4f7} Name contact-sync-marker"
"""The property that holds our marker: an extended one, which no program shows."""
EXPAND = f"singleValueExtendedProperties($filter=id eq '{MARKER}')"
_SELECTED = (*PROPERTIES, "id", "categories", "parentFolderId", "lastModifiedDateTime")
SELECT = ",".join(_SELECTED)
_FORBIDDEN = frozenset({"erroraccessdenied", "accessdenied", "authorization_requestdenied"})
"""How Exchange, Graph and the directory say that we may not read."""
_FORGOTTEN = frozenset({"syncstatenotfound", "resyncrequired", "syncstateinvalid"})

READ_WRITE = "Contacts.ReadWrite"
_LOGIN = "https://login.microsoftonline.com/common/oauth2/v2.0"
AUTHORITY = Authority(
    authorize_url=f"{_LOGIN}/authorize",
    token_url=f"{_LOGIN}/token",
    revoke_url=None,
    issuers=("https://login.microsoftonline.com/{tid}/v2.0",),
    scopes=("openid", "profile", "email", "offline_access", "User.Read", READ_WRITE),
    needed=(READ_WRITE,),
    parameters={"response_mode": "query", "prompt": "select_account"},  # more than one word is refused there
)


class MicrosoftConnector:
    """See `ports.Connector`.

    Args:
        access: gives access tokens.
        country: ISO 3166; of telephone numbers that do not say theirs.
        base: where the API is.
    """

    def __init__(self, access: Access, *, country: str, base: str = BASE) -> None:
        self._calls = Calls(base, access)
        self._translation = Translation(country)
        self._inside = frozenset({""})

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self._calls.made

    @property
    def capabilities(self) -> Capabilities:
        """See `ports.Connector.capabilities`."""
        return Capabilities(
            fields=FIELDS,
            photos=True,
            lists_photos=False,
            finds_at_once=False,
            settles_after_s=SETTLES_S,
            writes_at_once=AT_ONCE,
        )

    def held(self, fields: Fields) -> Fields:
        """See `ports.Connector.held`."""
        return self._translation.held(fields)

    def holder(self) -> Holder:
        """See `ports.Connector.holder`."""
        me = _read(self._calls.get("/me", {"$select": "id,mail,userPrincipalName"}))
        return Holder(me["id"], me.get("mail") or me.get("userPrincipalName") or me["id"])

    def groups(self) -> Sequence[Group]:
        """See `ports.Connector.groups`: folders, and categories where we may see them."""
        folders = [Group(id_, name) for id_, name in self._folders()]
        reply = self._calls.get("/me/outlook/masterCategories", {"$top": 100})
        categories = reply.json().get("value") or () if reply.ok else ()
        named = [Group(f"{CATEGORY}{each['displayName']}", each["displayName"]) for each in categories]
        return [Group(ALL, "All contacts"), *folders, *named]

    def pull(self, group: str, cursor: str) -> Iterator[Pulled]:
        """See `ports.Connector.pull`."""
        links = _links(cursor)
        folders = [group]
        if group == ALL or group.startswith(CATEGORY):
            folders = [DEFAULT_FOLDER, *(id_ for id_, _ in self._folders())]
        if links.keys() - set(folders):
            raise CursorExpired  # a whole folder is gone: only a full look tells what was in it
        category = group.removeprefix(CATEGORY) if group.startswith(CATEGORY) else None
        removed: dict[str, None] = {}
        said: set[str] = set()
        following: dict[str, str] = {}
        for folder in folders:
            for contacts, link in self._delta(folder, links.get(folder)):
                following[folder] = link
                fresh = [each for each in contacts if "@removed" not in each]
                fresh = self._whole(fresh) if cursor else fresh
                removed |= {each["id"]: None for each in contacts if "@removed" in each}
                inside = [
                    each for each in fresh if category is None or category in (each.get("categories") or ())
                ]
                outside = [each["id"] for each in fresh if each not in inside] if cursor else []
                said |= {each["id"] for each in fresh}
                yield Pulled(tuple(map(self._card, inside)), (), tuple(outside))
        yield self._end([id_ for id_ in removed if id_ not in said], group, _cursor(following))

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.read`."""
        found = self._contacts(ids)
        photos = self._photos(list(found))
        return {id_: self._card(contact, photos.get(id_, "")) for id_, contact in found.items()}

    def find(self, markers: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.find`."""
        places = [
            "/me/contacts",
            *(f"/me/contactFolders/{quote(id_, safe='')}/contacts" for id_, _ in self._folders()),
        ]
        asked = [(marker, place) for marker in markers for place in places] if markers else []
        found: dict[str, Card] = {}
        for (marker, _), part in zip(asked, self._batch([_search(*each) for each in asked]), strict=True):
            for contact in (part.document.get("value") or ()) if part.is_there() else ():
                found[marker] = self._card(contact, self._photos([contact["id"]]).get(contact["id"], ""))
        return found

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        """See `ports.Connector.create`."""
        category = group.removeprefix(CATEGORY) if group.startswith(CATEGORY) else None
        folder = DEFAULT_FOLDER if group == ALL or category else group
        for at in range(0, len(drafts), AT_ONCE):
            batch = drafts[at : at + AT_ONCE]
            done = self._written({draft.marker: self._creation(draft, folder, category) for draft in batch})
            for draft in batch:
                result = done[draft.marker]
                yield draft, Written(self._card(result.document, "")) if isinstance(result, Part) else result

    def update(self, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Outcome]]:
        """See `ports.Connector.update`.

        That If-Match is heeded for contacts is not documented, so the versions are looked at before as well.
        """
        for at in range(0, len(edits), AT_ONCE):
            batch = edits[at : at + AT_ONCE]
            yield from zip(batch, self._updated(batch), strict=True)

    def delete(self, cards: Sequence[Card]) -> Iterator[tuple[Card, Outcome]]:
        """See `ports.Connector.delete`."""
        for at in range(0, len(cards), AT_ONCE):
            batch = cards[at : at + AT_ONCE]
            now = self._contacts([card.id for card in batch])
            outcomes = {card.id: _obstacle(card, now) for card in batch}
            going = {card.id: card for card in batch if outcomes[card.id] is None}
            done = self._written({id_: _change("DELETE", card) for id_, card in going.items()})
            for card in batch:
                result = outcomes[card.id] or done[card.id]
                yield card, Written(card) if isinstance(result, Part) else result

    def photo(self, card: Card) -> bytes | None:
        """See `ports.Connector.photo`. Private mailboxes have none."""
        reply = self._calls.get(f"/me/contacts/{quote(card.id, safe='')}/photo/$value", Prefer=IDS)
        return reply.body if reply.ok else None

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        """See `ports.Connector.put_photo`."""
        obstacle = _obstacle(card, self._contacts([card.id]))
        if obstacle is not None:
            return obstacle
        place = f"/me/contacts/{quote(card.id, safe='')}/photo"
        try:
            if picture is None:
                reply = self._calls.write("DELETE", place, Prefer=IDS)
            else:
                kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
                reply = self._calls.write(
                    "PUT", f"{place}/$value", body=picture, Content_Type=kind, Prefer=IDS
                )
        except Lost:
            return Unknown()
        if not reply.ok:
            return refused(reply.status, _code(reply))
        now = self.read([card.id]).get(card.id)
        return Written(now) if now else Missing()

    def _folders(self) -> list[tuple[str, str]]:
        """Folders and those that lie in them, level by level, each named with what it lies in."""
        level = self._listed(_read(self._calls.get("/me/contactFolders", {"$top": FOLDERS}, Prefer=IDS)))
        found = list(level)
        for _ in range(LEVELS_MAX):
            if not level:
                return found
            places = [f"/me/contactFolders/{quote(id_, safe='')}/childFolders" for id_, _ in level]
            parts = self._batch([Ask("GET", f"{place}?$top={FOLDERS}") for place in places])
            level = [
                (id_, f"{outer}/{name}")
                for (_, outer), part in zip(level, parts, strict=True)
                if part.is_there()
                for id_, name in self._listed(part.document)
            ]
            found += level
        raise Busy("Microsoft's folders lie in each other without an end.")

    def _listed(self, answer: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Ids and names of a list of folders that begins with this answer."""
        found: list[tuple[str, str]] = []
        for _ in range(PAGES_MAX):
            found += [(each["id"], each.get("displayName", "")) for each in answer.get("value") or ()]
            link = str(answer.get("@odata.nextLink", ""))
            if not link:
                return found
            answer = _read(self._calls.get(link, None, Prefer=IDS))
        raise Busy("Microsoft's list of folders does not end.")

    def _delta(self, folder: str, link: str | None) -> Iterator[tuple[list[Contact], str]]:
        """Pages of a folder's changes, each with the link that is the cursor once the last one has come."""
        query: dict[str, Any] | None = None
        is_known = link is not None
        if link is None:
            link = f"/me/contactFolders/{quote(folder, safe='')}/contacts/delta"
            query = {"$select": SELECT, "$expand": EXPAND}
        for _ in range(PAGES_MAX):
            reply = self._calls.get(link, query, Prefer=f"{IDS}, odata.maxpagesize={PAGE}")
            check_mailbox(_code(reply))
            if _is_forgotten(reply) or (is_known and reply.status in (400, 404)):  # or the folder is gone
                raise CursorExpired
            answer = _read(reply)
            last = answer.get("@odata.deltaLink", "")
            yield answer.get("value") or [], last
            if last:
                return
            link, query = str(answer.get("@odata.nextLink", "")), None
            if not link:
                raise Busy("Microsoft's list ended without a link to go on.")
        raise Busy("Microsoft's list does not end.")

    def _end(self, removed: Sequence[str], group: str, cursor: str) -> Pulled:
        """The last part: of what was said to be removed, what is deleted, what has left, and what has only moved."""
        there = self._contacts(removed)
        gone = tuple(id_ for id_ in removed if id_ not in there)
        if group == ALL:
            return Pulled(tuple(map(self._card, there.values())), gone, (), cursor)
        return Pulled((), gone, tuple(there), cursor)

    def _contacts(self, ids: Sequence[str]) -> dict[str, Contact]:
        query = f"?$select={quote(SELECT)}&$expand={quote(EXPAND)}"
        parts = self._batch([Ask("GET", f"/me/contacts/{quote(id_, safe='')}{query}") for id_ in ids])
        found = {id_: part.document for id_, part in zip(ids, parts, strict=True) if part.is_there()}
        places = {_folder_of(contact) for contact in found.values()}
        if not places <= self._inside:
            default = self._calls.get(f"/me/contactFolders/{DEFAULT_FOLDER}", {"$select": "id"}, Prefer=IDS)
            self._inside |= {_read(default)["id"], *(id_ for id_, _ in self._folders())}
        return {id_: contact for id_, contact in found.items() if _folder_of(contact) in self._inside}

    def _whole(self, rows: Sequence[Contact]) -> list[Contact]:
        """Of a contact that has changed a list need not tell more than what has: then all of it is read."""
        parts = {row["id"] for row in rows if not row.keys() >= set(_SELECTED)}
        read = self._contacts(sorted(parts)) if parts else {}
        whole = (read.get(row["id"]) if row["id"] in parts else row for row in rows)
        return [row for row in whole if row is not None]

    def _photos(self, ids: Sequence[str]) -> dict[str, str]:
        """By contact, what changes with its picture. Pictures do not appear among the changes of a contact."""
        parts = self._batch([Ask("GET", f"/me/contacts/{quote(id_, safe='')}/photo") for id_ in ids])
        found = zip(ids, parts, strict=True)
        return {
            id_: digest_of(str(part.document.get("@odata.mediaEtag", ""))) for id_, part in found if part.ok
        }

    def _creation(self, draft: Draft, folder: str, category: str | None) -> Ask:
        contact = {name: value for name, value in self._translation.contact(draft.fields).items() if value}
        contact["singleValueExtendedProperties"] = [{"id": MARKER, "value": draft.marker}]
        if category:
            contact["categories"] = [category]
        return Ask(
            "POST", f"/me/contactFolders/{quote(folder, safe='')}/contacts?$expand={quote(EXPAND)}", contact
        )

    def _updated(self, batch: Sequence[Edit]) -> Iterator[Outcome]:
        now = self._contacts([edit.card.id for edit in batch])
        asked = {}
        for edit in batch:
            if _obstacle(edit.card, now) is None:
                changes = self._translation.changes(edit.card.fields, edit.fields, now[edit.card.id])
                if changes:
                    asked[edit.card.id] = _change("PATCH", edit.card, changes)
        done = self._written(asked)
        for edit in batch:
            result = _obstacle(edit.card, now) or done.get(edit.card.id) or Written(edit.card)
            if isinstance(result, Part):
                result = Written(self._card(result.document, edit.card.photo))
            yield result

    def _written(self, asked: Mapping[str, Ask]) -> dict[str, Part | Outcome]:
        """What became of each of at most AT_ONCE writes, under the same keys: the answer where it was carried out."""
        try:
            parts = self._batch(list(asked.values()), writes=True)
        except Lost:
            return dict.fromkeys(asked, Unknown())
        return {key: part if part.ok else part.outcome() for key, part in zip(asked, parts, strict=True)}

    def _batch(self, asked: Sequence[Ask], *, writes: bool = False) -> list[Part]:
        """Several requests in one, AT_ONCE at a time; their answers in the order of the requests."""
        found: list[Part] = []
        for at in range(0, len(asked), AT_ONCE):
            requests = [ask.numbered(number) for number, ask in enumerate(asked[at : at + AT_ONCE])]
            send = self._calls.write if writes else self._calls.ask
            reply = send("POST", "/$batch", {"requests": requests}, Prefer=IDS)
            by_number = {each["id"]: Part.of(each) for each in _read(reply).get("responses") or ()}
            parts = [by_number.get(str(number), Part(504, {}, {})) for number in range(len(requests))]
            for part in [] if writes else parts:
                part.check()
            found += parts
        return found

    def _card(self, contact: Contact, photo: str | None = None) -> Card:
        marks = contact.get("singleValueExtendedProperties") or ()
        return Card(
            id=contact["id"],
            etag=contact["@odata.etag"],
            fields=self._translation.fields(contact),
            marker=next((each["value"] for each in marks if each["id"] == MARKER), ""),
            photo=photo,
            updated_at=str(contact.get("lastModifiedDateTime") or ""),
        )


def _folder_of(contact: Contact) -> str:
    """Where a contact lies, if it says so. One that is deleted keeps its immutable id, but lies in no folder of contacts."""
    return str(contact.get("parentFolderId") or "")


def _search(marker: str, place: str) -> Ask:
    value = marker.replace("'", "''")
    wanted = f"singleValueExtendedProperties/Any(ep: ep/id eq '{MARKER}' and ep/value eq '{value}')"
    return Ask("GET", f"{place}?$filter={quote(wanted)}&$select={quote(SELECT)}&$expand={quote(EXPAND)}")


def _change(method: str, card: Card, body: Contact | None = None) -> Ask:
    query = f"?$expand={quote(EXPAND)}" if body is not None else ""
    return Ask(method, f"/me/contacts/{quote(card.id, safe='')}{query}", body, card.etag)


def _obstacle(card: Card, now: Mapping[str, Contact]) -> Outcome | None:
    """What forbids a write over the version that was read."""
    found = now.get(card.id)
    if found is None:
        return Missing()
    return None if found["@odata.etag"] == card.etag else Changed()


def _read(reply: Reply) -> Any:
    """A reading call's answer. Raises AccessLost where we may not read contacts, Conflict where there is no mailbox,
    Busy for whatever else is none.
    """
    check_mailbox(_code(reply))
    if reply.status == 403 and _code(reply) in _FORBIDDEN:
        raise not_allowed("Microsoft")
    if not reply.ok:
        raise Busy(f"Microsoft answered {reply.status}.")
    return reply.json()


def _is_forgotten(reply: Reply) -> bool:
    """Whether a cursor is worth nothing any more: 410, or another 4xx with one of several codes, which may be nested."""
    return reply.status == 410 or (400 <= reply.status < 500 and not _FORGOTTEN.isdisjoint(_codes(reply)))


def _codes(reply: Reply) -> Iterator[str]:
    try:
        error = reply.json().get("error")
    except (AttributeError, Busy):
        return
    for _ in range(5):
        if not isinstance(error, dict):
            return
        yield str(error.get("code", "")).lower()
        error = error.get("innerError") or error.get("innererror")


def _code(reply: Reply) -> str:
    return next(_codes(reply), "")


def _cursor(links: Mapping[str, str]) -> str:
    """Where each folder goes on; worth nothing once other properties are asked for."""
    return orjson.dumps([digest_of(SELECT + EXPAND), links]).decode()


def _links(cursor: str) -> dict[str, str]:
    if not cursor:
        return {}
    asked, links = orjson.loads(cursor)
    if asked != digest_of(SELECT + EXPAND):
        raise CursorExpired
    return dict(links)

"""Microsoft Graph v1.0 on loopback, in the parts that contacts need, with its habits.

Ids have another form where the immutable one is not asked for. Delta links are opaque and per folder; pages may be
empty, contacts may come twice, and one that moves is said to be removed, as is one that nobody has heard of. What is
deleted lies in Deleted Items, and can be read by its id; deleted once more, it is gone. A change that leaves the display name out gets a new one. What happens inside a batch says nothing of the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import orjson

from tests.fakes.jsonserver import Call, JsonServer, Reply

Contact = dict[str, Any]
DEFAULT = "contacts"
DEFAULT_ID = "Fo000000=="
"""The folder that is called by the well-known name; contacts and lists of folders call it by its id."""
BIN = "Fo999999=="
LISTS = {
    "emailAddresses": ("EmailAddresses", 3),
    "businessPhones": ("BusinessPhones", 2),
    "homePhones": ("HomePhones", 2),
}
PAGE = 10
"""What a list shows at a time unless more is asked for."""


def failed(status: int, code: str, message: str = "", inner: str = "", **headers: str) -> Reply:
    """An error as Graph frames it; the telling code may be nested."""
    ids = {"date": "2026-11-22T09:00:00", "request-id": "1", "client-request-id": "1"}
    error = {"code": code, "message": message, "innerError": {**({"code": inner} if inner else {}), **ids}}
    return Reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


NOT_FOUND = failed(404, "ErrorItemNotFound", "The specified object was not found in the store.")
NO_MAILBOX = failed(
    404,
    "MailboxNotEnabledForRESTAPI",
    "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
)
OUTRUN = failed(412, "ErrorIrresolvableConflict", "The send or update operation could not be performed.")


@dataclass(frozen=True)
class Event:
    """That a contact was made or changed in a folder, and what of it; or that it is no longer there."""

    folder: str
    id: str
    properties: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Link:
    """What a link stands for: a round over the events between two numbers, and how many rows of it were shown."""

    folder: str
    since: int
    seen: int
    place: int
    asked: dict[str, list[str]]


class GraphServer(JsonServer):
    """One mailbox's contacts.

    Attributes:
        tokens: the access tokens that it takes.
        retry_after_s: how long every call is asked to wait.
        inner_statuses: what becomes of the next requests inside batches: 200, or an error.
        forgotten: status, code and nested code for a link that is known no more; `elsewhere`: its Location.
        without_mailbox: whether the account has lost its mailbox; people can sign in with it yet.
        sparing: whether lists of changes tell of a contact only what has changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {"token"}
        self.retry_after_s: int | None = None
        self.inner_statuses: list[int] = []
        self.forgotten = (410, "SyncStateNotFound", "")
        self.elsewhere = ""
        self.without_mailbox = False
        self.sparing = False
        self.at_once_max = 4
        self.folders: dict[str, str] = {}
        self.lies_in: dict[str, str] = {}
        self.categories: list[str] | None = []
        self.contacts: dict[str, Contact] = {}
        self.binned: dict[str, Contact] = {}
        self.photos: dict[str, bytes] = {}
        self.without_photos = 0
        """What a private mailbox answers when it is asked for pictures; 0 where it has some."""
        self.encodes: Callable[[bytes], bytes] = bytes
        """What becomes of a picture that is put there."""
        self.events: list[Event] = []
        self.links: dict[str, Link] = {}
        self._numbers = 0

    # What others do

    def add(self, properties: Contact, folder: str = DEFAULT) -> str:
        """Another program makes a contact."""
        id_ = f"Im{self._next():06d}/+="
        self._keep(id_, {**properties, "parentFolderId": folder})
        return id_

    def edit(self, id_: str, properties: Contact) -> None:
        """Another program changes these properties."""
        self._keep(id_, {**self.contacts[id_], **properties})

    def remove(self, id_: str) -> None:
        """Somebody deletes a contact."""
        contact = self.contacts.pop(id_)
        self.events.append(Event(contact["parentFolderId"], id_))
        self.binned[id_] = {**contact, "parentFolderId": BIN}

    def restore(self, id_: str) -> None:
        """Somebody takes a contact out of Deleted Items."""
        self._keep(id_, {**self.binned.pop(id_), "parentFolderId": DEFAULT})

    def move(self, id_: str, folder: str) -> None:
        """Somebody moves a contact to another folder."""
        self.events.append(Event(self.contacts[id_]["parentFolderId"], id_))
        self._keep(id_, {**self.contacts[id_], "parentFolderId": folder})

    def add_folder(self, name: str, inside: str = DEFAULT) -> str:
        """Somebody makes a folder in another one; returns its id."""
        id_ = f"Fo{self._next():06d}=="
        self.folders[id_] = name
        self.lies_in[id_] = inside
        return id_

    def remove_folder(self, id_: str) -> None:
        """Somebody deletes a folder, with all that is in it; its links may be known yet."""
        del self.folders[id_]
        for contact, stored in list(self.contacts.items()):
            if stored["parentFolderId"] == id_:
                self.binned[contact] = {**self.contacts.pop(contact), "parentFolderId": BIN}

    def expire(self) -> None:
        """Every link is forgotten."""
        self.links.clear()

    # What the API answers

    def _is_write(self, call: Call) -> bool:
        if call.path.endswith("/$batch"):
            return any(each["method"] != "GET" for each in call.json()["requests"])
        return call.method != "GET"

    def exhausted(self) -> Reply:
        return failed(429, "ApplicationThrottled", "Application is over its limit.", Retry_After="1")

    def respond(self, call: Call) -> Reply:
        if call.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return failed(401, "InvalidAuthenticationToken", "Access token is empty.")
        if self.retry_after_s is not None:
            over = "Application is over its MailboxConcurrency limit."
            return failed(429, "ApplicationThrottled", over, Retry_After=str(self.retry_after_s))
        path = call.path.removeprefix("/v1.0")
        if path == "/$batch":
            return self._batch(call)
        return self._one(call.method, path, call.query, call.headers, call.body)

    def _batch(self, call: Call) -> Reply:
        requests = call.json()["requests"]
        if len(requests) > 20 or len({each["id"] for each in requests}) < len(requests):
            return failed(400, "BadRequest", "Batch size exceeds 20, or ids repeat.")
        responses = []
        for each in requests:
            split = urlsplit(each["url"])
            headers = {name.lower(): value for name, value in (each.get("headers") or {}).items()}
            body = orjson.dumps(each["body"]) if "body" in each else b""
            if self.inner_statuses and (status := self.inner_statuses.pop(0)) != 200:
                code = "ApplicationThrottled" if status == 429 else "generalException"
                reply = failed(status, code, Retry_After="300") if status == 429 else failed(status, code)
            else:
                reply = self._one(each["method"], split.path, parse_qs(split.query), headers, body)
            responses.append(
                {"id": each["id"], "status": reply.status, "headers": reply.headers, "body": reply.document}
            )
        return Reply(200, {"responses": responses[::-1]})

    def _one(  # noqa: C901 one case an operation
        self, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes
    ) -> Reply:
        immutable = "ImmutableId" in headers.get("prefer", "")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", ["me"]:
                return Reply(200, {"id": "user-1", "mail": None, "userPrincipalName": "ann@example.com"})
            case _ if self.without_mailbox:
                return NO_MAILBOX
            case "GET", ["me", "contactFolders"]:
                return self._folders("me/contactFolders", DEFAULT, query)
            case "GET", ["me", "contactFolders", "contacts"]:
                return Reply(200, {"id": DEFAULT_ID})
            case "GET", ["me", "contactFolders", folder, "childFolders"]:
                return self._folders(
                    f"me/contactFolders/{quote(folder, safe='')}/childFolders", folder, query
                )
            case "GET", ["me", "outlook", "masterCategories"]:
                if self.categories is None:
                    return failed(403, "ErrorAccessDenied")
                return Reply(200, {"value": [{"displayName": name} for name in self.categories]})
            case "GET", ["me", "contactFolders", folder, "contacts", "delta"]:
                return self._delta(folder, query, headers.get("prefer", ""))
            case "POST", ["me", "contactFolders", folder, "contacts"]:
                return self._create(folder, orjson.loads(body), query, immutable=immutable)
            case "GET", ["me", "contacts"]:
                return self._search(DEFAULT, query, immutable=immutable)
            case "GET", ["me", "contactFolders", folder, "contacts"]:
                return self._search(folder, query, immutable=immutable)
            case _, ["me", "contacts", id_, *rest]:
                return self._contact(method, id_, rest, query, headers, body)
        return failed(400, "BadRequest", "Resource not found for the segment.")

    def _contact(
        self,
        method: str,
        id_: str,
        rest: list[str],
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: bytes,
    ) -> Reply:
        known = {**self.binned, **self.contacts} if "ImmutableId" in headers.get("prefer", "") else {}
        stored = known.get(id_)
        if stored is None:
            return NOT_FOUND
        if rest:
            return self._photo(method, id_, rest, body)
        if method == "GET":
            return Reply(200, self._shown(id_, stored, query, immutable=True))
        if headers.get("if-match", stored["etag"]) != stored["etag"]:
            return OUTRUN
        if id_ in self.binned:
            return self._in_the_bin(method, id_)
        if method == "DELETE":
            self.remove(id_)
            return Reply(204)
        return self._change(id_, orjson.loads(body), query)

    def _in_the_bin(self, method: str, id_: str) -> Reply:
        assert method == "DELETE", "a contact was changed that is deleted"
        del self.binned[id_]
        return Reply(204)

    def _change(self, id_: str, asked: Contact, query: dict[str, list[str]]) -> Reply:
        if problem := _too_many(asked):
            return problem
        stored = {**self.contacts[id_], **asked}
        if "displayName" not in asked:
            names = (stored.get(name) for name in ("givenName", "middleName", "surname"))
            stored["displayName"] = (
                " ".join(name for name in names if name) or stored.get("companyName") or ""
            )
        self._keep(id_, stored)
        return Reply(200, self._shown(id_, self.contacts[id_], query, immutable=True))

    def _create(self, folder: str, asked: Contact, query: dict[str, list[str]], *, immutable: bool) -> Reply:
        if folder != DEFAULT and folder not in self.folders:
            return failed(404, "ErrorItemNotFound")
        if problem := _too_many(asked):
            return problem
        id_ = self.add(asked, folder)
        return Reply(201, self._shown(id_, self.contacts[id_], query, immutable=immutable))

    def _search(self, folder: str, query: dict[str, list[str]], *, immutable: bool) -> Reply:
        wanted = (
            query.get("$filter", [""])[0].rpartition("ep/value eq '")[2].removesuffix("')").replace("''", "'")
        )
        found = [
            self._shown(id_, contact, query, immutable=immutable)
            for id_, contact in self.contacts.items()
            if contact["parentFolderId"] == folder
            and any(each["value"] == wanted for each in contact.get("singleValueExtendedProperties", ()))
        ]
        return Reply(200, {"value": found})

    def _photo(self, method: str, id_: str, rest: list[str], body: bytes) -> Reply:
        picture = self.photos.get(id_)
        if self.without_photos:
            return failed(self.without_photos, "NotSupported")
        if method == "PUT":
            self.photos[id_] = self.encodes(body)
            return Reply(200)
        if picture is None:
            return failed(404, "ErrorItemNotFound")
        if method == "DELETE":
            del self.photos[id_]
            return Reply(204)
        if rest[-1] == "$value":
            return Reply(200, raw=picture, headers={"Content-Type": "image/jpeg"})
        return Reply(
            200, {"id": "240x240", "@odata.mediaEtag": f'"{hashlib.sha256(picture).hexdigest()[:8]}"'}
        )

    def _folders(self, path: str, inside: str, query: dict[str, list[str]]) -> Reply:
        begin, size = int(query.get("$skip", ["0"])[0]), int(query.get("$top", [str(PAGE)])[0])
        found = [
            {"id": id_, "displayName": name}
            for id_, name in self.folders.items()
            if self.lies_in[id_] == inside
        ]
        more = f"{self.url}/v1.0/{path}?$top={size}&$skip={begin + size}"
        following = {"@odata.nextLink": more} if begin + size < len(found) else {}
        return Reply(200, {"value": found[begin : begin + size], **following})

    def _delta(self, folder: str, query: dict[str, list[str]], prefer: str) -> Reply:
        """Pages of a round: an empty one first, as may happen, then so many rows at a time as are wanted."""
        if folder != DEFAULT and folder not in self.folders:
            return NOT_FOUND
        if token := (query.get("$deltatoken") or query.get("$skiptoken") or [""])[0]:
            known = self.links.get(token)
            if known is None:
                status, code, inner = self.forgotten
                text = "The sync state generation is not found; generation=1;[highest=2]."
                location = {"Location": self.elsewhere} if self.elsewhere else {}
                return failed(status, code, text, inner, **location)
        else:
            asked = {name: query.get(name, [""]) for name in ("$select", "$expand")}
            known = Link(folder, 0, 0, 0, asked)
        if not token or token.startswith("delta-"):
            known = replace(known, since=known.seen, seen=len(self.events), place=-1)
        rows = self._rows(known, immutable="ImmutableId" in prefer)
        size = int(prefer.partition("odata.maxpagesize=")[2] or PAGE)
        end = 0 if known.place < 0 and not token else max(0, known.place) + size
        base = f"{self.url}/v1.0/me/contactFolders/{folder}/contacts/delta"
        value = rows[max(0, known.place) : end]
        if end == 0 or end < len(rows):
            name = self._linked("skip", replace(known, place=end))
            return Reply(200, {"value": value, "@odata.nextLink": f"{base}?$skiptoken={name}"})
        name = self._linked("delta", known)
        return Reply(200, {"value": value, "@odata.deltaLink": f"{base}?$deltatoken={name}"})

    def _linked(self, kind: str, link: Link) -> str:
        name = f"{kind}-{self._next()}"
        self.links[name] = link
        return name

    def _rows(self, link: Link, *, immutable: bool) -> list[Contact]:
        """What has happened in a folder, each contact once, and the first of them twice, as may happen."""
        changed: dict[str, set[str]] = {}
        for event in self.events[link.since : link.seen]:
            if event.folder == link.folder:
                changed.setdefault(event.id, set()).update(event.properties)
        rows = []
        for id_, properties in changed.items():
            contact = self.contacts.get(id_)
            if contact is not None and contact["parentFolderId"] == link.folder:
                row = self._shown(id_, contact, link.asked, immutable=immutable)
                told = {*properties, "id", "@odata.etag"} if self.sparing and link.since else row.keys()
                rows.append({name: value for name, value in row.items() if name in told})
            else:
                reason = "deleted" if contact is None else "changed"
                rows.append({"id": _id(id_, immutable=immutable), "@removed": {"reason": reason}})
        return rows + rows[:1]

    def _keep(self, id_: str, contact: Contact) -> None:
        number = self._next()
        stamp = f"2026-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}Z"
        stored = {**deepcopy(contact), "etag": f'W/"{number}"', "lastModifiedDateTime": stamp}
        before = self.contacts.get(id_, {})
        changed = frozenset(name for name, value in stored.items() if before.get(name) != value)
        self.contacts[id_] = stored
        self.events.append(Event(stored["parentFolderId"], id_, changed))

    def _shown(self, id_: str, contact: Contact, query: dict[str, list[str]], *, immutable: bool) -> Contact:
        wanted = [name for name in query.get("$select", [""])[0].split(",") if name]
        properties = {name: contact.get(name) for name in wanted} if wanted else contact
        shown = {**properties, "id": _id(id_, immutable=immutable), "@odata.etag": contact["etag"]}
        shown.pop("etag", None)
        shown.pop("singleValueExtendedProperties", None)
        if contact["parentFolderId"] == DEFAULT and "parentFolderId" in shown:
            shown["parentFolderId"] = DEFAULT_ID
        for name in LISTS:
            shown[name] = contact.get(name) or []
        shown["emailAddresses"] = [_address(each) for each in shown["emailAddresses"]]
        if birthday := contact.get("birthday"):
            shown["birthday"] = f"{birthday[:10]}T11:59:00Z"
        if query.get("$expand", [""])[0] and contact.get("singleValueExtendedProperties"):
            shown["singleValueExtendedProperties"] = contact["singleValueExtendedProperties"]
        return shown

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def _id(id_: str, *, immutable: bool) -> str:
    return id_ if immutable else f"default-{id_}"


def _address(entry: dict[str, str]) -> dict[str, str]:
    """One that is none loses its address where it is read."""
    return entry if "@" in entry.get("address", "") else {"name": entry.get("name", "")}


def _too_many(asked: Contact) -> Reply | None:
    for name, (shown, most) in LISTS.items():
        if len(asked.get(name) or ()) > most:
            text = f"The multi value property {shown} has {len(asked[name])} entries, that exceeds the max allowed value of {most}"
            return failed(400, "ErrorInvalidProperty", text)
    return None

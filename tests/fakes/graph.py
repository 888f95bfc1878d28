"""Microsoft Graph v1.0 on loopback, in the parts that contacts need, with its habits.

Ids have another form where the immutable one is not asked for. Delta links are opaque and per folder; pages may be
empty, contacts may come twice, and one that moves is said to be removed. A change that leaves the display name out
gets a new one. What happens inside a batch says nothing of the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from tests.fakes.jsonserver import Call, JsonServer, Reply

Contact = dict[str, Any]
DEFAULT = "contacts"
LISTS = {
    "emailAddresses": ("EmailAddresses", 3),
    "businessPhones": ("BusinessPhones", 2),
    "homePhones": ("HomePhones", 2),
}
OWN_ERRORS = (400, 401, 404, 409, 410, 412, 429)


def failed(status: int, code: str, message: str = "", inner: str = "") -> Reply:
    """An error as Graph frames it; the telling code may be nested."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innerError"] = {"code": inner}
    return Reply(status, {"error": error})


NOT_FOUND = failed(404, "ErrorItemNotFound", "The specified object was not found in the store.")
OUTRUN = failed(412, "ErrorIrresolvableConflict", "The send or update operation could not be performed.")


class GraphServer(JsonServer):
    """One mailbox's contacts. `tokens` are the access tokens that it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {"token"}
        self.retry_after_s: int | None = None
        self.inner_statuses: list[int] = []
        self.forgotten = (410, "SyncStateNotFound", "")
        self.folders: dict[str, str] = {}
        self.categories: list[str] | None = []
        self.contacts: dict[str, Contact] = {}
        self.photos: dict[str, bytes] = {}
        self.encodes: Callable[[bytes], bytes] = bytes
        """What becomes of a picture that is put there."""
        self.events: list[tuple[str, str]] = []
        self.links: dict[str, tuple[str, int, str, str]] = {}
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
        folder = self.contacts.pop(id_)["parentFolderId"]
        self.events.append((folder, id_))

    def move(self, id_: str, folder: str) -> None:
        """Somebody moves a contact to another folder."""
        self.events.append((self.contacts[id_]["parentFolderId"], id_))
        self._keep(id_, {**self.contacts[id_], "parentFolderId": folder})

    def add_folder(self, name: str) -> str:
        """Somebody makes a folder; returns its id."""
        id_ = f"Fo{self._next():06d}=="
        self.folders[id_] = name
        return id_

    def expire(self) -> None:
        """Every link is forgotten."""
        self.links.clear()

    # What the API answers

    def _is_write(self, call: Call) -> bool:
        if call.path.endswith("/$batch"):
            return any(each["method"] != "GET" for each in call.json()["requests"])
        return call.method != "GET"

    def respond(self, call: Call) -> Reply:
        if call.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return failed(401, "InvalidAuthenticationToken", "Access token is empty.")
        if self.retry_after_s is not None:
            busy = failed(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
            return Reply(429, busy.document, {"Retry-After": str(self.retry_after_s)})
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
                reply = failed(status, "ApplicationThrottled" if status == 429 else "generalException")
            else:
                reply = self._one(each["method"], split.path, parse_qs(split.query), headers, body)
            responses.append(
                {"id": each["id"], "status": reply.status, "headers": reply.headers, "body": reply.document}
            )
        return Reply(200, {"responses": responses[::-1]})

    def _one(
        self, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes
    ) -> Reply:
        immutable = "ImmutableId" in headers.get("prefer", "")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", ["me"]:
                return Reply(200, {"id": "user-1", "mail": None, "userPrincipalName": "ann@example.com"})
            case "GET", ["me", "contactFolders"]:
                return Reply(
                    200, {"value": [{"id": id_, "displayName": name} for id_, name in self.folders.items()]}
                )
            case "GET", ["me", "outlook", "masterCategories"]:
                if self.categories is None:
                    return failed(403, "ErrorAccessDenied")
                return Reply(200, {"value": [{"displayName": name} for name in self.categories]})
            case "GET", ["me", "contactFolders", folder, "contacts", "delta"]:
                return self._delta(folder, query, immutable=immutable)
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
        stored = self.contacts.get(id_) if "ImmutableId" in headers.get("prefer", "") else None
        if stored is None:
            return NOT_FOUND
        if rest:
            return self._photo(method, id_, rest, body)
        if method == "GET":
            return Reply(200, self._shown(id_, stored, query, immutable=True))
        if headers.get("if-match", stored["etag"]) != stored["etag"]:
            return OUTRUN
        if method == "DELETE":
            self.remove(id_)
            return Reply(204)
        return self._change(id_, orjson.loads(body), query)

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

    def _delta(self, folder: str, query: dict[str, list[str]], *, immutable: bool) -> Reply:
        if folder != DEFAULT and folder not in self.folders:
            return failed(404, "ErrorItemNotFound")
        asked = (query.get("$select", [""])[0], query.get("$expand", [""])[0])
        since, seen, place = 0, len(self.events), 0
        full = True
        if token := (query.get("$deltatoken") or query.get("$skiptoken") or [""])[0]:
            known = self.links.get(token)
            if known is None:
                status, code, inner = self.forgotten
                return failed(
                    status, code, "The sync state generation is not found; generation=1;[highest=2].", inner
                )
            _, since, *chosen = known
            asked = (chosen[0], chosen[1])
            full = token.startswith("skip-")
        changed = list(dict.fromkeys(id_ for of, id_ in self.events[since:seen] if of == folder))
        shown = {"$select": [asked[0]], "$expand": [asked[1]]}
        value = []
        for id_ in changed[place:]:
            contact = self.contacts.get(id_)
            if contact is not None and contact["parentFolderId"] == folder:
                value.append(self._shown(id_, contact, shown, immutable=immutable))
            elif not full:
                value.append({"id": _id(id_, immutable=immutable), "@removed": {"reason": "deleted"}})
        value += value[:1]  # said twice, as may happen
        base = f"{self.url}/v1.0/me/contactFolders/{folder}/contacts/delta"
        after = f"delta-{self._next()}"
        self.links[after] = (folder, seen, *asked)
        answer = {"value": value, "@odata.deltaLink": f"{base}?$deltatoken={after}"}
        if token.startswith("skip-"):
            return Reply(200, answer)
        again = f"skip-{self._next()}"  # an empty page comes first, as may happen
        self.links[again] = (folder, since, *asked)
        if token:
            return Reply(200, answer)
        return Reply(200, {"value": [], "@odata.nextLink": f"{base}?$skiptoken={again}"})

    def _keep(self, id_: str, contact: Contact) -> None:
        number = self._next()
        stamp = f"2026-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}Z"
        stored = {**deepcopy(contact), "etag": f'W/"{number}"', "lastModifiedDateTime": stamp}
        self.contacts[id_] = stored
        self.events.append((stored["parentFolderId"], id_))

    def _shown(self, id_: str, contact: Contact, query: dict[str, list[str]], *, immutable: bool) -> Contact:
        wanted = query.get("$select", [""])[0].split(",")
        properties = {name: value for name, value in contact.items() if not wanted[0] or name in wanted}
        shown = {**properties, "id": _id(id_, immutable=immutable), "@odata.etag": contact["etag"]}
        shown.pop("etag", None)
        shown.pop("singleValueExtendedProperties", None)
        for name in LISTS:
            shown[name] = contact.get(name) or []
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


def _too_many(asked: Contact) -> Reply | None:
    for name, (shown, most) in LISTS.items():
        if len(asked.get(name) or ()) > most:
            text = f"The multi value property {shown} has {len(asked[name])} entries, that exceeds the max allowed value of {most}"
            return failed(400, "ErrorInvalidProperty", text)
    return None

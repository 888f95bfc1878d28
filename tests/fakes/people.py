"""Google's People API v1 on loopback, in the parts that contacts need, with its habits.

Lists lag behind writes, single reads do not. Tokens of lists are bound to their other parameters and die after seven
days. Parts of a person are returned only if the mask names them, and are replaced as a whole by a write whose mask
names them. Both etags are checked where they are given. A list tells a hundred values of a kind, and a person's former
names; a single read tells all values, and no former names, but finds who is asked for by one.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contactsync.connectors.google_person import PHOTO_EDGE
from contactsync.ports import Clock
from tests.fakes.jsonserver import Call, JsonServer, Reply
from tests.support.portraits import encoded_anew

Person = dict[str, Any]
SINGLE = ("biographies", "birthdays", "genders", "names")
_UPDATABLE = """
addresses biographies birthdays calendarUrls clientData emailAddresses events externalIds genders imClients interests
locales locations memberships miscKeywords names nicknames occupations organizations phoneNumbers relations sipAddresses
urls userDefined
"""
UPDATABLE = frozenset(_UPDATABLE.split())
READABLE = UPDATABLE | {"ageRanges", "coverPhotos", "metadata", "photos", "skills"}
TOKEN_LIVES = timedelta(days=7)
ALL = "contactGroups/myContacts"


def failed(
    code: int, status: str, message: str, reason: str = "", *, retry_after_s: int | None = None
) -> Reply:
    """An error as Google frames it."""
    error: dict[str, Any] = {"code": code, "status": status, "message": message}
    if reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": reason, "domain": "people.googleapis.com"}]
    return Reply(code, {"error": error}, {} if retry_after_s is None else {"Retry-After": str(retry_after_s)})


NOT_FOUND = failed(404, "NOT_FOUND", "Requested entity was not found.")
EXPIRED = failed(
    400,
    "INVALID_ARGUMENT",
    "Sync token is expired. Clear local cache and retry call without the sync token.",
    "EXPIRED_SYNC_TOKEN",
)
_DIFFERENT = (
    "Request person.{0} is different than the current person.{0}. Clear local cache and get the latest person"
)
OUTRUN = failed(400, "FAILED_PRECONDITION", f"{_DIFFERENT.format('etag')}.", "failedPrecondition")
OUTRUN_SOURCE = failed(400, "FAILED_PRECONDITION", _DIFFERENT.format("metadata.sources.etag"))
NO_ETAG = failed(
    400,
    "INVALID_ARGUMENT",
    "Request must set person.etag or person.metadata.sources.etag for the source that is being updated.",
)
NO_QUOTA = failed(
    429,
    "RESOURCE_EXHAUSTED",
    "Quota exceeded for quota metric 'Critical read requests (Contact and Profile Reads)' and limit 'Critical read "
    "requests (Contact and Profile Reads) per minute per user' of service 'people.googleapis.com'.",
)
LISTED_MAX = 100


@dataclass
class Event:
    """A person as it became at a moment; None where it was deleted."""

    at: datetime
    id: str
    person: Person | None


@dataclass
class Token:
    """What a sync token stands for."""

    at: datetime
    seen: int
    parameters: tuple[str, ...]


@dataclass
class Page:
    """A list that is being paged through."""

    people: list[Person]
    size: int
    parameters: tuple[str, ...]
    answer: dict[str, Any] = field(default_factory=dict)


class PeopleServer(JsonServer):
    """One person's contacts.

    Attributes:
        tokens: the access tokens that it takes.
        retry_after_s: how long every call is asked to wait.
        expired: what a dead sync token is answered with; others were seen.
        spurious: so many of the next updates are refused as if somebody else had written.
        inner_codes: what of the next persons of a `batchGet` cannot be read, and why: statuses of HTTP.
        full_lists: so many lists of everything may be begun; None for any number.
    """

    def __init__(
        self, clock: Clock, *, lag: timedelta = timedelta(minutes=5), capacity: int = 25_000
    ) -> None:
        super().__init__()
        self.clock = clock
        self.lag = lag
        self.capacity = capacity
        self.full = (400, "FAILED_PRECONDITION")
        """With which status a full book refuses: no document says."""
        self.tokens = {"token"}
        self.retry_after_s: int | None = None
        self.expired = EXPIRED
        self.spurious = 0
        self.inner_codes: deque[int] = deque()
        self.full_lists: int | None = None
        self.persons: dict[str, Person] = {}
        self.photos: dict[str, bytes] = {}
        self.encodes: Callable[[bytes], bytes] = bytes
        """What becomes of a picture that is put there."""
        self.groups: dict[str, str] = {}
        self.events: list[Event] = []
        self.sync_tokens: dict[str, Token] = {}
        self.pages: dict[str, Page] = {}
        self._numbers = 0

    # What others do

    def add(self, parts: Person, *groups: str) -> str:
        """Another app makes a contact."""
        id_ = f"people/c{self._next():012d}"
        names = dict.fromkeys((ALL, *groups))
        memberships = [{"contactGroupMembership": {"contactGroupResourceName": name}} for name in names]
        self._keep(id_, {"memberships": memberships, **deepcopy(parts)})
        return id_

    def edit(self, id_: str, parts: Person) -> None:
        """Another app changes these parts of a contact."""
        self._keep(id_, {**self.persons[id_], **deepcopy(parts)})

    def remove(self, id_: str) -> None:
        """Somebody deletes a contact."""
        del self.persons[id_]
        self.events.append(Event(self.clock.now(), id_, None))

    def rename(self, id_: str) -> str:
        """Google gives a contact another resource name."""
        person = self.persons.pop(id_)
        self.events.append(Event(self.clock.now(), id_, None))
        new = f"people/c{self._next():012d}"
        self._keep(new, {**person, "previous": [*person.get("previous", ()), id_]})
        return new

    def add_group(self, name: str) -> str:
        """Somebody makes a label; returns its resource name."""
        id_ = f"contactGroups/{self._next():x}"
        self.groups[id_] = name
        return id_

    def remove_group(self, group: str) -> None:
        """Somebody deletes a label, and keeps the contacts."""
        del self.groups[group]
        for id_, person in list(self.persons.items()):
            kept = [each for each in person["memberships"] if each != _member_of(group)]
            if kept != person["memberships"]:
                self.edit(id_, {"memberships": kept})

    def expire(self) -> None:
        """Every sync token is forgotten."""
        self.sync_tokens.clear()

    # What the API answers

    def exhausted(self) -> Reply:
        return NO_QUOTA

    def respond(self, call: Call) -> Reply:  # noqa: C901 one case an operation
        if call.path.startswith("/photos/"):
            name, _, edge = call.path.removeprefix("/photos/").partition("=s")
            picture = self.photos.get(name)
            if picture is not None and int(edge) < PHOTO_EDGE:
                picture = encoded_anew(picture, edge=int(edge))
            return Reply(200, raw=picture) if picture is not None else NOT_FOUND
        if call.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return failed(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if self.retry_after_s is not None:
            text = "Resource has been exhausted (e.g. check quota)."
            return failed(429, "RESOURCE_EXHAUSTED", text, retry_after_s=self.retry_after_s)
        match call.method, call.path.removeprefix("/v1/"):
            case "GET", "people/me":
                me = {"resourceName": "people/117", "emailAddresses": [{"value": "ann@example.com"}]}
                return Reply(200, me)
            case "GET", "people/me/connections":
                return self._connections(call)
            case "GET", "people:batchGet":
                return self._batch_get(call)
            case "GET", "contactGroups":
                return self._contact_groups(call)
            case "POST", "people:batchCreateContacts":
                return self._batch_create(call)
            case "PATCH", path if path.endswith(":updateContact"):
                return self._update(call, path.partition(":")[0])
            case "DELETE", path if path.endswith(":deleteContact"):
                return self._delete(path.partition(":")[0])
            case "PATCH", path if path.endswith(":updateContactPhoto"):
                return self._update_photo(call, path.partition(":")[0])
            case "DELETE", path if path.endswith(":deleteContactPhoto"):
                return self._delete_photo(call, path.partition(":")[0])
        return failed(404, "NOT_FOUND", "Method not found.")

    def _connections(self, call: Call) -> Reply:
        mask, problem = _mask(call.one("personFields"))
        size = int(call.one("pageSize", "100"))
        if problem or not 1 <= size <= 1000:
            return problem or failed(400, "INVALID_ARGUMENT", "Page size must be between 1 and 1000.")
        parameters = (call.one("personFields"), call.one("sources"), call.one("requestSyncToken"), str(size))
        if page := call.one("pageToken"):
            kept = self.pages.get(page)
            if kept is None or kept.parameters != parameters:
                return failed(
                    400, "INVALID_ARGUMENT", "Request parameters must match those of the first call."
                )
            return self._page(kept)
        if not call.one("syncToken") and self.full_lists is not None:
            self.full_lists -= 1
            if self.full_lists < 0:
                return NO_QUOTA
        seen = self._seen()
        since = 0
        if token := call.one("syncToken"):
            known = self.sync_tokens.get(token)
            if known is None or self.clock.now() - known.at > TOKEN_LIVES:
                return self.expired
            if known.parameters != parameters:
                return failed(
                    400, "INVALID_ARGUMENT", "Request parameters must match those of the first call."
                )
            since = known.seen
        people = self._listed(since, seen, mask, incremental=bool(token))
        answer: dict[str, Any] = {"totalItems": len(people)}
        if call.one("requestSyncToken") == "true":
            name = f"sync-{self._next()}"
            begun = self.sync_tokens[token].at if token else self.clock.now()
            self.sync_tokens[name] = Token(begun, seen, parameters)
            answer["nextSyncToken"] = name
        return self._page(Page(people, size, parameters, answer))

    def _page(self, page: Page) -> Reply:
        first, rest = page.people[: page.size], page.people[page.size :]
        if not rest:
            return Reply(200, {**({"connections": first} if first else {}), **page.answer})
        name = f"page-{self._next()}"
        self.pages[name] = Page(rest, page.size, page.parameters, page.answer)
        return Reply(200, {"connections": first, "nextPageToken": name})

    def _seen(self) -> int:
        """How many events lists show by now."""
        return sum(event.at <= self.clock.now() - self.lag for event in self.events)

    def _listed(self, since: int, seen: int, mask: set[str], *, incremental: bool) -> list[Person]:
        changed = {event.id: event for event in self.events[since:seen]}
        formerly = {
            old for event in changed.values() if event.person for old in event.person.get("previous", ())
        }
        people = []
        for id_, event in changed.items():
            if event.person is not None:
                people.append(self._listed_one(id_, event.person, mask, incremental=incremental))
            elif incremental and id_ not in formerly:
                gone = {"deleted": True, "sources": []}
                people.append({"resourceName": id_, "etag": "%gone", "metadata": gone})
        return people

    def _listed_one(self, id_: str, person: Person, mask: set[str], *, incremental: bool) -> Person:
        shown = self._shown(id_, person, mask)
        for part in ("emailAddresses", "phoneNumbers"):
            if part in shown:
                shown[part] = shown[part][:LISTED_MAX]
        if "metadata" in shown and person.get("previous") and incremental:
            shown["metadata"]["previousResourceNames"] = person["previous"]
        return shown

    def _contact_groups(self, call: Call) -> Reply:
        system = [
            {"resourceName": f"contactGroups/{name}", "groupType": "SYSTEM_CONTACT_GROUP", "name": name}
            for name in ("myContacts", "starred", "friends", "blocked")
        ]
        own = [
            {"resourceName": id_, "groupType": "USER_CONTACT_GROUP", "name": name, "formattedName": name}
            for id_, name in self.groups.items()
        ]
        begin, size = int(call.one("pageToken", "0")), int(call.one("pageSize", "30"))
        if not 1 <= size <= 1000:
            return failed(400, "INVALID_ARGUMENT", "Page size must be between 1 and 1000.")
        found, end = [*system, *own], begin + size
        following = {"nextPageToken": str(end)} if end < len(found) else {}
        return Reply(200, {"contactGroups": found[begin:end], **following})

    def _batch_get(self, call: Call) -> Reply:
        mask, problem = _mask(call.one("personFields"))
        names = call.query.get("resourceNames", [])
        if problem or len(names) > 200:
            return problem or failed(400, "INVALID_ARGUMENT", "At most 200 resource names.")
        return Reply(200, {"responses": [self._got(id_, mask) for id_ in names]})

    def _got(self, id_: str, mask: set[str]) -> dict[str, Any]:
        asked = {"requestedResourceName": id_}
        status = self.inner_codes.popleft() if self.inner_codes else 200
        if status != 200:
            return {**asked, "httpStatusCode": status, "status": {"code": 14}}
        now = [each for each, person in self.persons.items() if id_ in (each, *person.get("previous", ()))]
        if not now:
            return {**asked, "httpStatusCode": 404, "status": {"code": 5}}
        return {**asked, "httpStatusCode": 200, "person": self._shown(now[0], self.persons[now[0]], mask)}

    def _batch_create(self, call: Call) -> Reply:
        asked = call.json()
        mask, problem = _mask(asked.get("readMask", ""))
        people = [each["contactPerson"] for each in asked.get("contacts", ())]
        if problem or not 1 <= len(people) <= 200:
            return problem or failed(400, "INVALID_ARGUMENT", "Between 1 and 200 contacts.")
        if bad := [number for number, person in enumerate(people) if _is_misshapen(person)]:
            return _bad_batch(bad)
        if len(self.persons) + len(people) > self.capacity:
            return failed(*self.full, "MY_CONTACTS_OVERFLOW_COUNT")
        made = []
        for person in people:
            id_ = f"people/c{self._next():012d}"
            self._keep(id_, {"memberships": [_member_of(ALL)], **person})
            made.append(
                {
                    "requestedResourceName": id_,
                    "httpStatusCode": 200,
                    "person": self._shown(id_, self.persons[id_], mask),
                }
            )
        return Reply(200, {"createdPeople": made})

    def _update(self, call: Call, id_: str) -> Reply:
        mask, problem = _mask(call.one("personFields"))
        parts = call.one("updatePersonFields").split(",")
        asked = call.json()
        stored = self.persons.get(id_)
        if problem or not set(parts) <= UPDATABLE:
            return problem or failed(400, "INVALID_ARGUMENT", "Invalid updatePersonFields mask path.")
        if stored is None:
            return NOT_FOUND
        sources = [each for each in asked.get("metadata", {}).get("sources", ()) if each["type"] == "CONTACT"]
        if not sources:
            return failed(400, "INVALID_ARGUMENT", "Request must set person.metadata.sources.")
        if problem := self._outrun(asked.get("etag"), sources[0].get("etag"), stored):
            return problem
        if _is_misshapen(asked) or ("memberships" in parts and not asked.get("memberships")):
            return failed(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        kept = {name: value for name, value in stored.items() if name not in parts}
        self._keep(id_, {**kept, **{part: asked[part] for part in parts if asked.get(part)}})
        return Reply(200, self._shown(id_, self.persons[id_], mask))

    def _outrun(self, etag: str | None, source_etag: str | None, stored: Person) -> Reply | None:
        if self.spurious:
            self.spurious -= 1
            return OUTRUN
        if etag is None and source_etag is None:
            return NO_ETAG
        if etag not in (None, stored["etag"]):
            return OUTRUN
        return OUTRUN_SOURCE if source_etag not in (None, stored["source_etag"]) else None

    def _delete(self, id_: str) -> Reply:
        if id_ not in self.persons:
            return NOT_FOUND
        self.remove(id_)
        return Reply(200, {})

    def _update_photo(self, call: Call, id_: str) -> Reply:
        if id_ not in self.persons:
            return NOT_FOUND
        asked = call.json()
        self.picture(id_, self.encodes(base64.b64decode(asked["photoBytes"])))
        return Reply(200, {"person": self._shown(id_, self.persons[id_], _mask(asked["personFields"])[0])})

    def picture(self, id_: str, picture: bytes, *, profile: bool = False) -> None:
        """Somebody gives a contact a picture, or, in `profile`, themselves one."""
        name = f"{hashlib.sha256(picture).hexdigest()[:12]}-{self._next()}"
        self.photos[name] = picture
        self._keep(id_, {**self.persons[id_], "photo": name, "profile": profile})

    def _delete_photo(self, call: Call, id_: str) -> Reply:
        if id_ not in self.persons:
            return NOT_FOUND
        self._keep(id_, {name: value for name, value in self.persons[id_].items() if name != "photo"})
        return Reply(200, {"person": self._shown(id_, self.persons[id_], _mask(call.one("personFields"))[0])})

    def _keep(self, id_: str, person: Person) -> None:
        number = self._next()
        stamp = self.clock.now().isoformat().replace("+00:00", "Z")
        stored = {**deepcopy(person), "etag": f"%e{number}", "source_etag": f"#s{number}", "updated": stamp}
        self.persons[id_] = stored
        self.events.append(Event(self.clock.now(), id_, stored))

    def _shown(self, id_: str, person: Person, mask: set[str]) -> Person:
        """A person as the API gives it: the parts that were asked for, and what Google adds to each."""
        shown: Person = {"resourceName": id_, "etag": person["etag"]}
        source = {"type": "CONTACT", "id": id_.rpartition("/c")[2]}
        for part in sorted(mask & person.keys() & UPDATABLE):
            shown[part] = [
                {**_completed(part, item), "metadata": {"primary": first, "source": source}}
                if part != "clientData"
                else item
                for first, item in zip([True, *[False] * len(person[part])], person[part], strict=False)
            ]
        if "photos" in mask:
            own = person.get("photo")
            photo = (
                {"url": f"{self.url}/photos/{own}=s100"}
                if own
                else {"url": f"{self.url}/letter.png", "default": True}
            )
            kind = {"type": "PROFILE", "id": "1"} if person.get("profile") else source
            shown["photos"] = [{**photo, "metadata": {"primary": True, "source": kind}}]
        if "metadata" in mask:
            sources = [{**source, "etag": person["source_etag"], "updateTime": person["updated"]}]
            shown["metadata"] = {"sources": sources, "objectType": "PERSON"}
        return shown  # whoever gets it gets JSON

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def _completed(part: str, item: dict[str, Any]) -> dict[str, Any]:
    """What Google works out by itself."""
    match part:
        case "names":
            return _named(item)
        case "phoneNumbers":
            digits = "".join(each for each in item.get("value", "") if each in "+0123456789")
            return {**item, **({"canonicalForm": digits} if digits.startswith("+") else {})}
        case "addresses":
            parts = [str(value) for name, value in item.items() if name not in ("type", "formattedValue")]
            return {**item, "formattedValue": item.get("formattedValue") or "\n".join(parts)}
        case "birthdays":
            date = {name: value for name, value in item["date"].items() if value}
            return {**item, "date": date}
    return item


def _named(item: dict[str, Any]) -> dict[str, Any]:
    order = ("honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix")
    parts = [item[name] for name in order if item.get(name)]
    if parts:
        return {**item, "displayName": " ".join(parts)}
    whole = item.get("unstructuredName", "")
    given, _, family = whole.rpartition(" ")
    taken_apart = {"givenName": given, "familyName": family} if given else {"givenName": family}
    return {**item, **taken_apart, "displayName": whole, "unstructuredName": whole}


def _bad_batch(numbers: list[int]) -> Reply:
    """A whole batch that was refused for some of its contacts. The shape of its details is known from a fixture only."""
    reply = failed(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
    kind = "type.googleapis.com/google.people.v1.BatchCreateContactsErrorDetails"
    errors = {str(number): {"code": 3, "message": "Invalid contact."} for number in numbers}
    error = {**reply.document["error"], "details": [{"@type": kind, "contactErrors": errors}]}
    return Reply(400, {"error": error})


def _member_of(group: str) -> dict[str, Any]:
    return {"contactGroupMembership": {"contactGroupResourceName": group}}


def _is_misshapen(person: Person) -> bool:
    return any(len(person.get(part, ())) > 1 for part in SINGLE) or bool(
        set(person) - UPDATABLE - {"etag", "metadata", "resourceName"}
    )


def _mask(text: str) -> tuple[set[str], Reply | None]:
    if not text:
        return set(), failed(400, "INVALID_ARGUMENT", "personFields mask is required.")
    for path in text.split(","):
        if path not in READABLE:
            return set(), failed(400, "INVALID_ARGUMENT", f"Invalid personFields mask path: '{path}'.")
    return set(text.split(",")), None

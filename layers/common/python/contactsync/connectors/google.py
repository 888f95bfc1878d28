"""Google contacts, by the People API v1.

Facts that no document settles stand in one function each: how an expired cursor, a lost race and a full book look.
Writes of one person's book go one after the other, as Google asks for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from contactsync.connectors.calling import Access, Calls, Lost, Reply, not_allowed
from contactsync.connectors.google_person import (
    FIELDS,
    READ_MASK,
    Person,
    Translation,
    client_data,
    marker_of,
    others_data,
    photo_of,
    whole,
)
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
    Refused,
    Unknown,
    Written,
)
from contactsync.model.contact import Fields

BASE = "https://people.googleapis.com"
ALL = "contactGroups/myContacts"
STARRED = "contactGroups/starred"
PAGE = 1000
AT_ONCE = 200
SETTLES_S = 900
"""Writes show in lists after minutes; how many, nobody promises."""
BOOK_SIZE = 25_000
LISTED_MAX = 100
NOT_FOUND = 5
"""As google.rpc.Code numbers it."""
PAGES_MAX = 200
"""More pages than the largest book has: a list that goes on for ever is no list."""
_SOURCE = "READ_SOURCE_TYPE_CONTACT"

CONTACTS = "https://www.googleapis.com/auth/contacts"
AUTHORITY = Authority(
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",  # noqa: S106 an address, no secret
    revoke_url="https://oauth2.googleapis.com/revoke",
    issuers=("https://accounts.google.com", "accounts.google.com"),
    scopes=("openid", "email", CONTACTS),
    needed=(CONTACTS,),
    # Without `offline` and `consent` there is no refresh token.
    parameters={"access_type": "offline", "prompt": "select_account consent"},
)


class GoogleConnector:
    """See `ports.Connector`.

    Args:
        access: gives access tokens.
        country: ISO 3166; of telephone numbers that do not say theirs.
        base: where the API is.
    """

    def __init__(self, access: Access, *, country: str, base: str = BASE) -> None:
        self._calls = Calls(base, access, is_final=_is_full)
        self._translation = Translation(country)

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
            finds_at_once=False,
            settles_after_s=SETTLES_S,
            writes_at_once=AT_ONCE,
            book_size=BOOK_SIZE,
        )

    def held(self, fields: Fields) -> Fields:
        """See `ports.Connector.held`."""
        return self._translation.held(fields)

    def holder(self) -> Holder:
        """See `ports.Connector.holder`."""
        me = _read(self._calls.get("/v1/people/me", {"personFields": "names,emailAddresses,metadata"}))
        named = [item.get("value", "") for item in me.get("emailAddresses") or ()]
        return Holder(me["resourceName"].removeprefix("people/"), next(iter(named), me["resourceName"]))

    def groups(self) -> Sequence[Group]:
        """See `ports.Connector.groups`. Of Google's own groups only those that contacts can still be put into."""
        found, page = [Group(ALL, "All contacts"), Group(STARRED, "Starred")], ""
        for _ in range(PAGES_MAX):
            query = {"pageSize": PAGE, **({"pageToken": page} if page else {})}
            answer = _read(self._calls.get("/v1/contactGroups", query))
            found += [
                Group(group["resourceName"], group.get("formattedName") or group.get("name", ""))
                for group in answer.get("contactGroups") or ()
                if group.get("groupType") == "USER_CONTACT_GROUP"
            ]
            page = answer.get("nextPageToken", "")
            if not page:
                return found
        raise Busy("Google's list of groups does not end.")

    def pull(self, group: str, cursor: str) -> Iterator[Pulled]:
        """See `ports.Connector.pull`. Google lists the whole book; a group's cards are picked out here."""
        query = {"personFields": READ_MASK, "pageSize": PAGE, "requestSyncToken": "true", "sources": _SOURCE}
        if cursor:
            query["syncToken"] = _token(cursor)
        page = ""
        for _ in range(PAGES_MAX):
            reply = self._calls.get(
                "/v1/people/me/connections", {**query, **({"pageToken": page} if page else {})}
            )
            if _is_expired(reply) or (
                cursor and reply.status == 400
            ):  # all else that is asked is always the same
                raise CursorExpired
            answer = _read(reply)
            page = answer.get("nextPageToken", "")
            token = answer.get("nextSyncToken", "")
            if not page and not token:
                raise Busy("Google's list ended without a sync token.")
            people = self._whole(answer.get("connections") or ())
            yield self._part(people, group, "" if page else _cursor(token), bool(cursor))
            if not page:
                return
        raise Busy("Google's list does not end.")

    def read(self, ids: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.read`."""
        return {person["resourceName"]: self._card(person) for person in self._persons(ids)}

    def find(self, markers: Sequence[str]) -> dict[str, Card]:
        """See `ports.Connector.find`. Google searches no such data, so this goes through the whole book."""
        wanted = set(markers)
        found = [
            card
            for part in (self.pull(ALL, "") if wanted else ())
            for card in part.cards
            if card.marker in wanted
        ]
        return {card.marker: card for card in found}

    def create(self, group: str, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Outcome]]:
        """See `ports.Connector.create`."""
        for at in range(0, len(drafts), AT_ONCE):
            batch = drafts[at : at + AT_ONCE]
            people = [self._drafted(draft, group) for draft in batch]
            document = {
                "contacts": [{"contactPerson": person} for person in people],
                "readMask": READ_MASK,
                "sources": [_SOURCE],
            }
            try:
                reply = self._calls.write("POST", "/v1/people:batchCreateContacts", document)
            except Lost:
                yield from ((draft, Unknown()) for draft in batch)
                continue
            if reply.ok:
                told = reply.json().get("createdPeople") or ()
                made = [self._card(each["person"]) for each in told if each.get("person")]
                by_marker = {card.marker: card for card in made}
                for draft in batch:
                    card = by_marker.get(draft.marker)
                    yield draft, Written(card) if card else Unknown()
            elif _is_full(reply) or len(batch) == 1:
                yield from ((draft, _refusal(reply)) for draft in batch)
            else:  # one of them is wrong, and Google does not say reliably which: none was made
                for draft in batch:
                    yield from self.create(group, [draft])

    def update(self, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Outcome]]:
        """See `ports.Connector.update`. Only the parts that change are sent, each of them whole."""
        for edit in edits:
            yield edit, self._update(edit, again=True)

    def delete(self, cards: Sequence[Card]) -> Iterator[tuple[Card, Outcome]]:
        """See `ports.Connector.delete`. Google deletes whatever version there is, so we look immediately before."""
        for at in range(0, len(cards), AT_ONCE):
            batch = cards[at : at + AT_ONCE]
            now = self.read([card.id for card in batch])
            for card in batch:
                yield card, self._delete(card, now.get(card.id))

    def photo(self, card: Card) -> bytes | None:
        """See `ports.Connector.photo`."""
        [person] = list(self._persons([card.id])) or [{}]
        url = photo_of(person)
        return self._calls.fetch(whole(url)) if url else None

    def put_photo(self, card: Card, picture: bytes | None) -> Outcome:
        """See `ports.Connector.put_photo`."""
        if self.read([card.id]).get(card.id, card).etag != card.etag:
            return Changed()
        query = {"personFields": READ_MASK, "sources": _SOURCE}
        try:
            if picture is None:
                reply = self._calls.write("DELETE", f"/v1/{card.id}:deleteContactPhoto", query=query)
            else:
                document = {"photoBytes": base64.b64encode(picture).decode(), **query, "sources": [_SOURCE]}
                reply = self._calls.write("PATCH", f"/v1/{card.id}:updateContactPhoto", document)
        except Lost:
            return Unknown()
        if reply.status == 404:
            return Missing()
        return Written(self._card(reply.json()["person"])) if reply.ok else _refusal(reply)

    def _update(self, edit: Edit, *, again: bool) -> Outcome:
        before: Person = orjson.loads(edit.card.extra)
        parts = self._translation.changed(edit.card.fields, edit.fields)
        if not parts:
            return Written(edit.card)
        whole = self._translation.person(edit.fields, before)
        person = {part: whole[part] for part in parts}
        if "names" in parts:
            parts.append("clientData")
            person["clientData"] = [*others_data(before), *client_data(edit.card.marker, edit.fields)]
        query = {"updatePersonFields": ",".join(parts), "personFields": READ_MASK, "sources": _SOURCE}
        document = {**person, "etag": before["etag"], "metadata": {"sources": before["metadata"]["sources"]}}
        try:
            reply = self._calls.write("PATCH", f"/v1/{edit.card.id}:updateContact", document, query)
        except Lost:
            return Unknown()
        if reply.status == 404:
            return Missing()
        if not _is_outrun(reply):
            return Written(self._card(reply.json())) if reply.ok else _refusal(reply)
        now = self.read([edit.card.id]).get(edit.card.id)
        if now is not None and again and now.etag == edit.card.etag:  # seen without anybody having written
            return self._update(edit, again=False)
        return Changed() if now else Missing()

    def _delete(self, card: Card, now: Card | None) -> Outcome:
        if now is None:
            return Missing()
        if now.etag != card.etag:
            return Changed()
        try:
            reply = self._calls.write("DELETE", f"/v1/{card.id}:deleteContact")
        except Lost:
            return Unknown()
        if reply.status == 404:
            return Missing()
        return Written(card) if reply.ok else _refusal(reply)

    def _persons(self, ids: Sequence[str]) -> Iterator[Person]:
        for at in range(0, len(ids), AT_ONCE):
            query = {"resourceNames": ids[at : at + AT_ONCE], "personFields": READ_MASK, "sources": _SOURCE}
            answer = _read(self._calls.get("/v1/people:batchGet", query))
            yield from (_as_asked(each) for each in answer.get("responses") or () if _is_there(each))

    def _whole(self, people: Sequence[Person]) -> list[Person]:
        """A list tells a hundred values of a kind at most: whoever has so many is read alone, or is gone by now."""
        cut = [person["resourceName"] for person in people if _is_cut(person)]
        read = {person["resourceName"]: person for person in self._persons(cut)}
        whole = []
        for person in people:
            if not _is_cut(person):
                whole.append(person)
            elif now := read.get(person["resourceName"]):
                whole.append({**now, "metadata": {**person["metadata"], **now["metadata"]}})
        return whole

    def _part(self, people: Sequence[Person], group: str, cursor: str, incremental: bool) -> Pulled:
        cards: list[Card] = []
        gone: list[str] = []
        left: list[str] = []
        for person in people:
            if person.get("metadata", {}).get("deleted"):
                gone.append(person["resourceName"])
            elif group in (ALL, *_groups_of(person)):
                cards.append(self._card(person))
            else:  # under a former name as well, which complete lists do not tell: there the marker has to do
                left += person.get("metadata", {}).get("previousResourceNames") or ()
                left += [person["resourceName"]] if incremental or marker_of(person) else []
        return Pulled(tuple(cards), tuple(gone), tuple(left), cursor)

    def _drafted(self, draft: Draft, group: str) -> Person:
        person = {part: items for part, items in self._translation.person(draft.fields).items() if items}
        groups = dict.fromkeys((ALL, group))
        memberships = [{"contactGroupMembership": {"contactGroupResourceName": name}} for name in groups]
        data = client_data(draft.marker, draft.fields)
        return {**person, "clientData": data, "memberships": memberships}

    def _card(self, person: Person) -> Card:
        metadata = person.get("metadata", {})
        sources = metadata.get("sources") or ()
        updated = [source.get("updateTime", "") for source in sources if source.get("type") == "CONTACT"]
        photo = photo_of(person)
        return Card(
            id=person["resourceName"],
            etag=person["etag"],
            fields=self._translation.fields(person),
            extra=orjson.dumps(person).decode(),
            marker=marker_of(person),
            photo=digest_of(photo) if photo else "",
            former=tuple(metadata.get("previousResourceNames") or ()),
            updated_at=next(iter(updated), ""),
        )


def _read(reply: Reply) -> Any:
    """A reading call's answer. Raises AccessLost where we may not read contacts, Busy for whatever else is none."""
    if reply.status == 403 and _is_scope_missing(_error(reply)):
        raise not_allowed("Google")
    if not reply.ok:
        raise Busy(f"Google answered {reply.status}.")
    return reply.json()


def _is_scope_missing(error: Mapping[str, Any]) -> bool:
    """Whether the person has not let us in to their contacts. Seen with a reason and without; then the words count."""
    return "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in _reasons(error) or str(error.get("message", "")).startswith(
        "Request had insufficient authentication scopes"
    )


def _is_cut(person: Person) -> bool:
    """Whether there may be more than a list tells of somebody."""
    return any(len(items) >= LISTED_MAX for items in person.values() if isinstance(items, list))


def _is_there(response: Mapping[str, Any]) -> bool:
    """Whether a person was found. Raises Busy if the answer says neither: nobody is gone for that."""
    code = response.get("httpStatusCode") or response.get("status", {}).get("code")
    if "person" not in response and code not in (404, NOT_FOUND):
        raise Busy(f"Google answered {code}.")
    return "person" in response


def _as_asked(response: Mapping[str, Any]) -> Person:
    """A person that was found. Who is asked for by a former name is given under the present one."""
    person: Person = response["person"]
    asked = response.get("requestedResourceName") or person["resourceName"]
    if asked == person["resourceName"]:
        return person
    return {**person, "metadata": {**person.get("metadata", {}), "previousResourceNames": [asked]}}


def _is_expired(reply: Reply) -> bool:
    """Whether a cursor is worth nothing any more. Seen with 400 and 410; the reason counts, else the words."""
    if reply.status not in (400, 410):
        return False
    error = _error(reply)
    return "EXPIRED_SYNC_TOKEN" in _reasons(error) or str(error.get("message", "")).startswith(
        "Sync token is expired"
    )


def _reasons(error: Mapping[str, Any]) -> list[Any]:
    return [detail.get("reason") for detail in error.get("details") or () if isinstance(detail, dict)]


def _is_outrun(reply: Reply) -> bool:
    """Whether somebody else has written since: 400 FAILED_PRECONDITION, or reason failedPrecondition, or the words."""
    error = _error(reply) if reply.status in (400, 409, 412) else {}
    words = str(error.get("message", ""))
    return bool(error) and (
        str(error.get("status", "")) == "FAILED_PRECONDITION"
        or ".etag is different than the current" in words
    )


def _is_full(reply: Reply) -> bool:
    """Whether the book takes no more: 25,000, and what lies in the bin counts for 30 days."""
    return (
        reply.status in (400, 403, 429)
        and "MY_CONTACTS_OVERFLOW_COUNT" in orjson.dumps(_error(reply)).decode()
    )


def _refusal(reply: Reply) -> Refused:
    if _is_full(reply):
        return Refused("book_full", "The Google account holds as many contacts as it can. Delete some there.")
    status = str(_error(reply).get("status", reply.status))
    return Refused("not_taken", f"Google did not take the contact ({status}).")


def _error(reply: Reply) -> Mapping[str, Any]:
    try:
        found = reply.json().get("error", {})
    except (AttributeError, Busy):
        found = {}
    return found if isinstance(found, dict) else {}


def _groups_of(person: Person) -> Iterator[str]:
    for membership in person.get("memberships") or ():
        yield membership.get("contactGroupMembership", {}).get("contactGroupResourceName", "")


def _cursor(token: str) -> str:
    """A cursor is worth nothing with another mask, so it carries a digest of the one that it was given for."""
    return f"{digest_of(READ_MASK)}:{token}"


def _token(cursor: str) -> str:
    mask, _, token = cursor.partition(":")
    if mask != digest_of(READ_MASK):
        raise CursorExpired
    return token

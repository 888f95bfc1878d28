"""One customer's day, in which every route is asked once: what was sent and answered are the document's examples.

Nothing in it is left to chance or to the clock, so that it comes out the same each time.
"""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.logging import Logger

from contactsync.adapters.memory import MemoryObjects
from contactsync.api.app import Api
from contactsync.api.route import Route
from contactsync.control.books import Linking
from contactsync.journeys.account import exporting
from contactsync.model.card import Group
from contactsync.model.connection import Connection, Link, Review, Turn, key_of
from contactsync.model.lending import Errand, Kept
from contactsync.model.message import ExportDue
from tests.support.calling import ApiWorld, Client, Told
from tests.support.dropped import DropBucket
from tests.support.promises import hold, route_of

PEOPLE = """\
Name,Mail,Phone,Tier
Ada Lovelace,ada@example.com,020 7946 0018,gold
Grace Hopper,grace@example.com,+1 202-555-0143,silver
Nobody,not an address,12,
"""
LATER = """\
Name,Mail,Phone,Tier
Ada King,ada@example.com,020 7946 0018,gold
Zoë Example,zoe@example.com,020 7946 0099,silver
"""
MAPPING = [
    {"column": "Name", "field": "name"},
    {"column": "Mail", "field": "email"},
    {"column": "Phone", "field": "phone"},
    {"column": "Tier", "field": "tier"},
]


class Bucket(MemoryObjects):
    """Signs URLs that look as they do in the cloud."""

    def presign_put(self, key: str, *, expires_s: int) -> str:
        return (
            f"https://uploads.s3.eu-west-1.amazonaws.com/{key}?X-Amz-Expires={expires_s}&X-Amz-Signature=6f1e"
        )

    def presign_get(self, key: str, *, expires_s: int, filename: str) -> str:
        return f"https://runs.s3.eu-west-1.amazonaws.com/{key}?X-Amz-Expires={expires_s}&X-Amz-Signature=52ab"


@dataclass
class Recorder(Client):
    """A customer whose first successful request of each route is kept, with its answer."""

    requests: dict[Route, Any] = field(default_factory=dict)
    answers: dict[tuple[Route, int], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.world.reached()
        logger = Logger(service="scenario", stream=io.StringIO())
        self._api = Api(world, logger=logger, log_bug=_raise)

    def call(self, method: str, path: str, **changes: Any) -> Told:
        answer = self._api.handle(self.event(method, path, **changes))
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        told = Told(answer["statusCode"], headers, answer["body"])
        hold(method, path, told.status, headers, told.text)
        route = route_of(method, path)
        assert route is not None
        assert told.status < 400, f"{method} {path}: {told.text}"
        if changes.get("body"):
            self.requests.setdefault(route, json.loads(changes["body"]))
        shown = told.json if headers["content-type"] == "application/json" and told.text else told.text
        self.answers.setdefault((route, told.status), shown)
        return told

    def upload(self, text: str) -> str:
        """A file, put where the API says."""
        upload_id: str = self.post("/uploads", {"filename": "people.csv"}).json["upload_id"]
        self.world.uploads.put(f"uploads/{self.account.account_id}/{upload_id}", text.encode())
        return upload_id

    def end(self, run_id: str) -> None:
        """Let a run come to its end, or to where it waits."""
        self.world.clock.advance(timedelta(seconds=2))
        self.world.execute(
            self.world.control.run(self.account.account_id, run_id).value, execution=f"execution of {run_id}"
        )


def _raise(error: Exception) -> None:
    raise error


@cache
def _day() -> Recorder:
    chance = random.Random(7)
    with (
        patch("secrets.token_hex", lambda length: chance.randbytes(length).hex()),
        patch("secrets.choice", chance.choice),
    ):
        world = ApiWorld(uploads=Bucket(), runs=Bucket(), photos=Bucket())
        world.keeper = _Keeper()
        customer = Recorder(world, world.another_account())
        segment_id = _fields_and_segments(customer)
        run = _import(customer, segment_id)
        _decisions(customer, run["sync_id"])
        _syncs(customer)
        _contacts(customer, segment_id)
        _the_rest(customer, segment_id)
        _drops(customer)
        _export(customer)
        _connections(customer)
    return customer


def _fields_and_segments(customer: Recorder) -> str:
    tier = {"key": "tier", "label": "Tier", "type": "choice", "choices": ["gold", "silver"]}
    customer.post("/fields", tier)
    customer.get("/fields")
    segment_id: str = customer.post("/segments", {"name": "Newsletter"}).json["id"]
    customer.get("/segments")
    return segment_id


def _import(customer: Recorder, segment_id: str) -> dict[str, Any]:
    source = {"kind": "upload", "upload_id": customer.upload(PEOPLE)}
    customer.post("/previews", {"source": source})
    asked = {
        "name": "People",
        "source": source,
        "mapping": MAPPING,
        "identity": {"field": "email"},
        "options": {
            "delete_missing": {"scope": "sync"},
            "guard": {"max_delete_count": 0},
            "segments": [segment_id],
        },
        "notify": {"emails": ["you@example.com"], "on": "problems"},
    }
    run: dict[str, Any] = customer.post("/imports", asked).json["run"]
    customer.end(run["id"])
    for kind in ("", "/preview", "/rows", "/rejects.csv", "/added.csv", "/updated.csv"):
        customer.get(f"/runs/{run['id']}{kind}")
    return run


def _decisions(customer: Recorder, sync_id: str) -> None:
    """Later files, which lack somebody: each run waits for somebody to decide."""
    upload_id = customer.upload(LATER)

    def asked(**more: Any) -> dict[str, Any]:
        customer.world.clock.advance(timedelta(minutes=5))
        told = customer.post(f"/syncs/{sync_id}/runs", {"upload_id": upload_id, **more})
        customer.end(told.json["id"])
        shown: dict[str, Any] = customer.get(f"/runs/{told.json['id']}").json
        return shown

    plan = asked(dry_run=True)
    customer.get(f"/runs/{plan['id']}/plan?limit=2")
    customer.post(f"/runs/{asked()['id']}/reject")
    customer.post(f"/runs/{asked()['id']}/cancel")
    held = asked()
    customer.get(f"/runs/{held['id']}/deletions.csv")
    customer.post(f"/runs/{held['id']}/approve", {"plan_hash": held["plan_hash"]})
    customer.world.execute(
        customer.world.control.run(customer.account.account_id, held["id"]).value, execution="after approval"
    )
    customer.end(customer.post(f"/runs/{held['id']}/undo").json["id"])
    customer.get(f"/syncs/{sync_id}/runs?limit=1")


def _syncs(customer: Recorder) -> None:
    asked = {
        "name": "Members of the shop",
        "source": {
            "kind": "http",
            "url": "https://files.example.com/members.csv",
            "auth": {"kind": "bearer", "token": "t0ken"},
        },
        "mapping": MAPPING,
        "schedule": {
            "start": "2026-11-23T06:30:00",
            "time_zone": "Europe/London",
            "recurrence": "FREQ=WEEKLY;BYDAY=MO,TH",
        },
    }
    sync = customer.post("/syncs", asked).json
    place = f"/syncs/{sync['id']}"
    customer.get(place)
    customer.patch(place, {"state": "paused", "options": {"existing": "fill_empty"}}, if_match=1)
    customer.get("/syncs?limit=1")
    customer.delete(place, if_match=2)


def _drops(customer: Recorder) -> None:
    """A file that arrives in the drop bucket."""
    asked = {"name": "Members", "source": {"kind": "drop"}, "mapping": MAPPING}
    prefix = customer.post("/syncs", asked).json["source"]["prefix"]
    bucket = DropBucket(customer.world, delivered=len(customer.world.bus.events))
    bucket.drop(f"{prefix}members.csv", PEOPLE)
    bucket.go_on()
    customer.get("/drops")


def _contacts(customer: Recorder, segment_id: str) -> None:
    fields = {
        "name": "Alan Turing",
        "email": "alan@example.com",
        "birthday": "--06-23",
        "addresses": [{"value": {"city": "Bletchley", "country": "GB"}, "label": "work"}],
    }
    contact = customer.post("/contacts", {"fields": fields, "segments": []}).json
    place = f"/contacts/{contact['id']}"
    customer.world.clock.advance(timedelta(minutes=1))
    customer.get("/contacts?email=alan@example.com")
    customer.patch(place, {"fields": {"organization": "Example Ltd", "birthday": None}}, if_match=1)
    customer.get(place)
    customer.put(f"/segments/{segment_id}{place}")
    customer.delete(f"/segments/{segment_id}{place}")
    customer.put(f"{place}/subscription")
    customer.delete(f"{place}/subscription")
    customer.get("/metrics/today")
    _book(customer, contact["id"])
    customer.get(f"{place}/history?limit=2")
    customer.delete(place)


def _book(customer: Recorder, contact_id: str) -> None:
    """An address book with a card in doubt, and one that another program keeps changing."""
    control, account_id, now = customer.world.control, customer.account.account_id, customer.world.clock.now()
    book = account_id, "n0193f1a7c2e04be1d2c3a4f5"
    connection = Connection(
        id=book[1],
        provider="google",
        member_id=customer.account.member_id,
        name="you@example.com",
        state="active",
        created_at=now.isoformat(),
    )
    control.create_connection(account_id, connection)
    card = {"name": "Alan M. Turing", "emails": [{"value": "alan@example.com", "label": "work"}]}
    doubt = Review(
        card_id="people/c1",
        card=card,
        contacts=(contact_id,),
        rule=("email",),
        why="other_name",
        run_id=customer.get("/syncs").json["items"][0]["id"],
    )
    control.store_review(*book, key_of("people/c1"), doubt)
    at = now.timestamp()
    turns: tuple[Turn, ...] = ((at - 7200, "ours"), (at - 3600, "theirs"))
    link = Link("people/c2", contact_id, "1", card, card, turns=turns)
    control.store_links(*book, [Linking(link)], now)
    read = control.link_of(*book, contact_id)
    control.store_links(*book, [Linking(replace(link, state="frozen"), read, theirs=card)], now)
    place = f"/connections/{book[1]}"
    customer.get(f"{place}/reviews")
    answer = {"decision": "same", "contact_id": contact_id}
    customer.patch(f"{place}/reviews/{key_of('people/c1')}", answer)
    customer.get(f"{place}/frozen")
    customer.delete(f"{place}/frozen/{link.key}")


def _the_rest(customer: Recorder, segment_id: str) -> None:
    customer.patch("/fields/tier?dry_run=true", {"choices": ["gold"]})
    customer.post("/fields", {"key": "shoe_size", "label": "Shoe size", "type": "integer"})
    customer.delete("/fields/shoe_size?dry_run=true")
    customer.delete("/fields/shoe_size")
    spare: str = customer.post("/segments", {"name": "Spare"}).json["id"]
    customer.delete(f"/segments/{spare}")
    _account(customer)


def _account(customer: Recorder) -> None:
    customer.get("/account")
    customer.patch("/account", {"time_zone": "Europe/London"})
    clerk = {"email": "clerk@example.com", "name": "Clerk", "permissions": ["contacts.view"]}
    member_id = customer.post("/members", clerk).json["id"]
    customer.world.clock.advance(timedelta(minutes=1))
    customer.get("/members")
    customer.patch(f"/members/{member_id}", {"permissions": ["contacts.view", "contacts.edit"]})
    key = customer.post("/keys", {"name": "Nightly import", "member_id": member_id}).json
    customer.get("/keys")
    key = customer.post(f"/keys/{key['id']}/rotate", {"grace_hours": 2}).json
    customer.delete(f"/keys/{key['id']}")
    customer.delete(f"/members/{member_id}")
    customer.get("/account/audit?limit=3")


class _Keeper:
    """Google, as far as the document shows it."""

    known = ("", "")

    def keep(self, errand: Errand) -> Kept:
        if errand.account_id:
            self.known = (errand.account_id, errand.connection_id)
        return Kept(
            account_id=self.known[0],
            connection_id=self.known[1],
            authorize_url="https://accounts.google.com/o/oauth2/v2/auth?client_id=…&state=…",
            groups=(Group("contactGroups/myContacts", "All contacts"), Group("contactGroups/1a", "Friends")),
        )


def _connections(customer: Recorder) -> None:
    """An address book that is connected, whose person has signed in."""
    begun = customer.post("/connections", {"provider": "google"}).json["connection"]
    control, account_id = customer.world.control, customer.account.account_id
    signed_in = {"state": "active", "name": "you@example.com", "scopes": ("openid", "email")}
    control.update_connection(account_id, begun["id"], lambda it: it.model_copy(update=signed_in))
    customer.get("/connections")
    customer.get(f"/connections/{begun['id']}")
    customer.get(f"/connections/{begun['id']}/groups")
    customer.get("/oauth/callback?state=1&code=2")
    customer.delete(f"/connections/{begun['id']}")


def _export(customer: Recorder) -> None:
    world = customer.world
    export_id: str = customer.post("/exports", {"kinds": ["contacts", "history"], "format": "csv"}).json["id"]
    due = ExportDue(account_id=customer.account.account_id, export_id=export_id)
    for _ in range(3):  # a look at the contacts, their table, their history
        exporting.export(
            due,
            control=world.control,
            contacts=world.contacts,
            runs=world.runs,
            photos=world.photos,
            bus=world.bus,
            clock=world.clock,
        )
    customer.get(f"/exports/{export_id}")
    person: str = customer.get("/contacts").json["items"][0]["id"]
    erasure_id: str = customer.post("/erasures", {"contact_id": person}).json["id"]
    customer.get(f"/erasures/{erasure_id}")


def requests() -> dict[Route, Any]:
    """What was sent, by route."""
    return _day().requests


def answers() -> dict[tuple[Route, int], Any]:
    """What was answered, by route and status."""
    return _day().answers

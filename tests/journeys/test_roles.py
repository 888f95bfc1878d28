"""Each function's role allows what the function does, and nothing that it never does.

The local stack enforces roles (local/permissions.py), so that every journey shows them to be sufficient. Here every
route and every kind of run is gone through once, and then each action that a role allows was either needed or stands
below with the reason why it is there all the same.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from contactsync.api.routes import ROUTES
from contactsync.control.books import Linking
from local import deploy
from local.accounts import control_of
from local.permissions import noted
from local.stack import Stack
from tests.architecture.template import ENTRANCES, ERRANDS, IMPORT, SYNC, permissions
from tests.fakes.radicale import DavPerson, Radicale
from tests.fakes.webserver import WebServer, reply
from tests.journeys.imports import LATER, ROWS, import_on_second, request
from tests.support.customer import Customer
from tests.support.portraits import portrait
from tests.support.second_interpreter import SecondInterpreter
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

Ask = Callable[..., Any]
"""Calls one route, and keeps in mind which: see `every_route`."""

FUNCTIONS = {*IMPORT, *SYNC, *ENTRANCES, *ERRANDS}
HOLDS_NOTHING = {"reach", "peek", "discover"}
"""Functions whose roles allow nothing: whoever goes to strangers asks AWS for nothing under its own name."""
CODED = "code,email\nA1,ada@example.com\nB2,bob@example.com\n"
CODE_AND_EMAIL = [{"column": key, "field": key} for key in ("code", "email")]
ONLY_WHEN = {
    (
        "s3:AbortMultipartUpload",
        "*",
    ): "a large file is given up half way, because its source broke off or its cells do not fit",
    ("dynamodb:DeleteItem", "pull"): "deletions of an address book were rejected: their links are closed",
    (
        "s3:ListBucket",
        "fetch parse map guard export reconcile commit",
    ): "a file is missing that was there before: without it S3 answers 403, as if we might not read",
    (
        "dynamodb:BatchGetItem",
        "upsert notify",
    ): "a contact was changed by somebody else meanwhile, or a worker died with its unit half done",
    (
        "dynamodb:PutItem dynamodb:Query events:PutEvents",
        "listen",
    ): "a day is due: test_remote.py waits for one, on a stack of its own",
    (
        "scheduler:CreateSchedule scheduler:UpdateSchedule scheduler:DeleteSchedule iam:PassRole",
        "listen",
    ): "a schedule has failed so often that it is paused",
    (
        "dynamodb:PutItem dynamodb:Query",
        "authorize",
    ): "somebody signs in by an identity provider: test_sign_in.py does, on a stack of its own",
    (
        "TidyPhotos",
        "erase",
    ): "once a week, on a day that its id decides, an account's pictures are tidied up: test_privacy.py has it done",
    (
        "SeeWhoHasChanged",
        "plan",
    ): "a large file comes again, and contacts that it lacks are deleted: test_again.py has it done",
    ("dynamodb:Query", "guard"): "deletions that waited are approved, in the shared hub",
    ("events:PutEvents", "notify"): "another run of the account waits for its turn",
    (
        "scheduler:DeleteSchedule dynamodb:Query GiveBackWhatWasLent",
        "erase",
    ): "a whole account is forgotten: test_privacy.py does that",
}
"""Actions, or statements, and the functions that need them on bad days only."""


@pytest.fixture(scope="module")
def used(stack: Stack, radicale: Radicale) -> set[tuple[str, str, str]]:
    """Function, statement and action of all that was needed, once everything was done that there is to do."""
    every_route(Customer.of(stack), stack, radicale.person("rosa", "Contacts"))
    every_kind_of_run(stack, Customer.of(stack))
    return {(word_of(note["function"]), note["sid"], note["action"]) for note in noted(stack.settings.home)}


def word_of(function: str) -> str:
    """The word of a function, from the name that CloudFormation gave it, or that the template gives it itself."""
    made = re.search(r"-([A-Za-z]+)Function-[^-]+$", function)
    return made[1].lower() if made else function.rpartition("-")[2]


def test_nothing_is_asked_for_that_a_role_does_not_allow(used: set[tuple[str, str, str]], stack: Stack):
    assert [note for note in noted(stack.settings.home) if not note["sid"]] == []
    assert {word for word, _, _ in used} == FUNCTIONS - HOLDS_NOTHING


def test_a_role_allows_nothing_that_is_never_asked_for(used: set[tuple[str, str, str]]):
    allowed = {
        (permission.role, permission.sid, action)
        for permission in permissions()
        for action in permission.actions
        if permission.role in FUNCTIONS
        and not seldom(permission.role, action)
        and not seldom(permission.role, permission.sid)
    }
    missing = sorted(allowed - used)
    assert missing == [], missing


def seldom(word: str, asked: str) -> bool:
    """Whether the table above says why a good day may pass without an action, or a whole statement."""
    return any(
        asked in named.split() and (words == "*" or word in words.split()) for named, words in ONLY_WHEN
    )


def test_the_errand_to_a_customer_s_server_is_run_under_a_role_that_is_lent(
    other_customer: Customer, second: SecondInterpreter, monkeypatch: pytest.MonkeyPatch
):
    """A file of several parts; once more with a wrong length, so that what has gone up is taken back."""
    padding = "x" * 125_000
    people = "email,name,phone,padding\n" + "".join(f"p{n}@example.com,P,,{padding}\n" for n in range(80))
    length = len(people)
    with WebServer(lambda request: reply(people.encode(), Content_Length=str(length))) as server:
        monkeypatch.setenv("ALLOW_HOSTS", f"127.0.0.1:{server.port}")
        url = f"http://127.0.0.1:{server.port}/people.csv"
        source = {"kind": "http", "url": url, "auth": {"kind": "bearer", "token": "t0ken"}}
        run = import_on_second(second, other_customer, "", source=source)
        assert run.counts.added == 80, run.problem
        length -= 1
        run = import_on_second(second, other_customer, "", source=source)
        assert run.problem
        assert run.problem.code == "length_wrong"
    asked = {(call.function, call.action) for call in second.calls}
    assert {action for function, action in asked if function == "reach"} == {
        "s3:PutObject", "s3:AbortMultipartUpload"
    }  # fmt: skip
    fetched = {action for function, action in asked if function == "fetch"}
    assert {"sts:AssumeRole", "lambda:InvokeFunction", "kms:Decrypt"} <= fetched
    assert not {action for action in fetched if action.startswith("s3:")}


def every_route(customer: Customer, stack: Stack, person: DavPerson) -> None:
    """Each route of the API once; an address book's with a book there, which is synced meanwhile."""
    visited = []

    def ask(method: str, route: str, body: Any = None, *, expect: int, query: str = "", **ids: str) -> Any:
        visited.append((method, route))
        path = route
        for name, value in ids.items():
            path = path.replace(f"<{name}>", value)
        given = {"json": body or {}} if method in {"POST", "PATCH"} else {}
        told = customer.request(method, path + query, **given)
        assert told.status_code == expect, f"{method} {path}: {told.text}"
        return told.json() if told.text and "json" in told.headers["content-type"] else told.text

    place = ask("POST", "/uploads", {"filename": "people.csv"}, expect=201)
    requests.request(place["method"], place["url"], data=ROWS.encode(), headers=place["headers"], timeout=30)
    uploaded = {**request(ROWS, customer), "source": {"kind": "upload", "upload_id": place["upload_id"]}}
    ask("POST", "/previews", {"source": uploaded["source"]}, expect=200)
    customer.wait_for_run(ask("POST", "/imports", uploaded, expect=202)["run"]["id"])
    pasted = ask("POST", "/imports", request(LATER, customer), expect=202)
    sync_id, run_id = pasted["sync"]["id"], pasted["run"]["id"]
    customer.wait_for_run(run_id)
    customer.wait_for_run(ask("POST", "/syncs/<sync_id>/runs", {}, sync_id=sync_id, expect=202)["id"])
    saved = ask("POST", "/syncs", request(LATER, customer), expect=201)
    ask("PATCH", "/syncs/<sync_id>", {"name": "Fair"}, sync_id=saved["id"], expect=200)
    ask("DELETE", "/syncs/<sync_id>", sync_id=saved["id"], expect=204)
    ask("GET", "/syncs", expect=200)
    ask("GET", "/syncs/<sync_id>", sync_id=sync_id, expect=200)
    ask("GET", "/syncs/<sync_id>/runs", sync_id=sync_id, expect=200)
    ask("GET", "/runs/<run_id>", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/rejects.csv", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/added.csv", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/updated.csv", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/deletions.csv", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/rows", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/plan", run_id=run_id, expect=200)
    ask("POST", "/runs/<run_id>/approve", {"plan_hash": "0"}, run_id=run_id, expect=409)
    ask("POST", "/runs/<run_id>/reject", run_id=run_id, expect=409)
    ask("POST", "/runs/<run_id>/cancel", run_id=run_id, expect=409)
    undo = ask("POST", "/runs/<run_id>/undo", run_id=run_id, expect=202)
    customer.wait_for_run(undo["id"])
    planned = ask("POST", "/syncs/<sync_id>/runs", {"dry_run": True}, sync_id=sync_id, expect=202)
    dry = customer.wait_for_run(planned["id"])
    ask("GET", "/runs/<run_id>/preview", run_id=dry["id"], expect=200)
    plan = {"run_id": dry["id"], "plan_hash": dry["plan_hash"]}
    again = ask("POST", "/syncs/<sync_id>/runs", {"plan": plan}, sync_id=sync_id, expect=202)
    customer.wait_for_run(again["id"])
    [contact, *_] = ask("GET", "/contacts", expect=200)["items"]
    ask("GET", "/contacts", query="?email=ada@example.com", expect=200)
    ask("GET", "/contacts/<contact_id>", contact_id=contact["id"], expect=200)
    by_hand = {"fields": {"email": "ada.king@example.com"}}
    made = ask("POST", "/contacts", by_hand, expect=201)
    ask("GET", "/contacts/<contact_id>/history", contact_id=contact["id"], expect=200)
    changed = {"fields": {"email": "countess@example.com"}}
    ask("PATCH", "/contacts/<contact_id>", changed, contact_id=made["id"], expect=200)
    segment = ask("POST", "/segments", {"name": "Fair"}, expect=201)
    ask("GET", "/segments", expect=200)
    both = {"segment_id": segment["id"], "contact_id": made["id"]}
    ask("PUT", "/segments/<segment_id>/contacts/<contact_id>", **both, expect=200)
    ask("DELETE", "/segments/<segment_id>/contacts/<contact_id>", **both, expect=204)
    ask("DELETE", "/segments/<segment_id>", segment_id=segment["id"], expect=204)
    ask("DELETE", "/contacts/<contact_id>", contact_id=made["id"], expect=204)
    ask("GET", "/contacts/<contact_id>/history", contact_id=made["id"], expect=200)
    ask("POST", "/fields", {"key": "shoe_size", "label": "Shoe size", "type": "integer"}, expect=201)
    ask("PATCH", "/fields/<key>", {"label": "Size of shoe"}, key="shoe_size", expect=200)
    ask("DELETE", "/fields/<key>", key="shoe_size", expect=204)
    ask("GET", "/fields", expect=200)
    export = ask("POST", "/exports", {"kinds": ["contacts", "history"]}, expect=202)
    ask("GET", "/exports/<export_id>", export_id=export["id"], expect=200)
    customer.wait_until_done(f"/exports/{export['id']}")
    erasure = ask("POST", "/erasures", {"contact_id": contact["id"]}, expect=202)
    ask("GET", "/erasures/<erasure_id>", erasure_id=erasure["id"], expect=200)
    customer.wait_until_done(f"/erasures/{erasure['id']}")
    ask("GET", "/drops", expect=200)
    ask("GET", "/account", expect=200)
    ask("PATCH", "/account", {"time_zone": "Europe/London"}, expect=200)
    ask("GET", "/account/audit", expect=200)
    member = ask("POST", "/members", {"email": "two@example.com", "permissions": []}, expect=201)
    ask("GET", "/members", expect=200)
    ask("PATCH", "/members/<member_id>", {"name": "Two"}, member_id=member["id"], expect=200)
    key = ask("POST", "/keys", {"member_id": member["id"]}, expect=201)
    ask("GET", "/keys", expect=200)
    key = ask("POST", "/keys/<key_id>/rotate", {"grace_hours": 0}, key_id=key["id"], expect=201)
    ask("DELETE", "/keys/<key_id>", key_id=key["id"], expect=204)
    ask("DELETE", "/members/<member_id>", member_id=member["id"], expect=204)
    ask("GET", "/docs", expect=200)
    ask("GET", "/openapi.json", expect=200)
    signing_in(ask)
    a_book_on_a_server(ask, customer, stack, person)
    assert {(route.method, route.path) for route in ROUTES} - set(visited) == set(), "a route was not tried"


def signing_in(ask: Ask) -> None:
    """The way into a book whose person signs in for it, and out again."""
    begun = ask("POST", "/connections", {"provider": "google"}, expect=201)
    sent_back = requests.get(begun["authorize_url"], allow_redirects=False, timeout=30).headers["Location"]
    page = ask("GET", "/oauth/callback", query=f"?{urlsplit(sent_back).query}", expect=200)
    assert "is connected to" in page
    connection = {"connection_id": begun["connection"]["id"]}
    ask("GET", "/connections/<connection_id>/groups", **connection, expect=200)
    ask("DELETE", "/connections/<connection_id>", **connection, expect=204)


def a_book_on_a_server(ask: Ask, customer: Customer, stack: Stack, person: DavPerson) -> None:
    """A book that is opened by a password, synced both ways: somebody to decide about, somebody who is frozen."""
    person.put("Contacts", "1", "Ada", "ada@book.example", portrait(1, edge=24))
    person.put("Contacts", "2", "Bea", "family@book.example")
    ask("POST", "/contacts", {"fields": {"name": "Ben", "email": "family@book.example"}}, expect=201)
    opened = {
        "provider": "carddav",
        "url": person.server,
        "username": person.name,
        "password": person.password,
    }
    connection = {"connection_id": ask("POST", "/connections", opened, expect=201)["connection"]["id"]}
    ask("GET", "/connections", expect=200)
    ask("GET", "/connections/<connection_id>", **connection, expect=200)
    ask("GET", "/connections/<connection_id>/groups", **connection, expect=200)
    source = {"kind": "connection", **connection}
    sync_id = ask("POST", "/syncs", {"source": source}, expect=201)["id"]
    customer.sync(sync_id)
    [review] = ask("GET", "/connections/<connection_id>/reviews", **connection, expect=200)["items"]
    decided = {**connection, "review_id": review["id"]}
    route = "/connections/<connection_id>/reviews/<review_id>"
    ask("PATCH", route, {"decision": "new"}, **decided, expect=200)
    [ada] = ask("GET", "/contacts", query="?email=ada@book.example", expect=200)["items"]
    ticked = {"contact_id": ada["id"]}
    ask("PUT", "/contacts/<contact_id>/subscription", **ticked, expect=200)
    ask("DELETE", "/contacts/<contact_id>/subscription", **ticked, expect=204)
    assert ask("GET", "/contacts/<contact_id>/photo", **ticked, expect=200)
    person.ask("DELETE", "contacts/2.vcf")
    person.put("Contacts", "1", "Ada", "ada@book.example", portrait(2, edge=24))
    customer.sync(sync_id)
    former = {"fields": {"photo": ada["fields"]["photo"]}}
    ask("PATCH", "/contacts/<contact_id>", former, **ticked, expect=200)
    customer.sync(sync_id)
    assert person.picture("Contacts", "1") == portrait(1, edge=24)
    cards = ask("POST", "/exports", {"kinds": ["contacts"], "format": "vcard"}, expect=202)
    customer.wait_until_done(f"/exports/{cards['id']}")
    freeze(stack, customer, connection["connection_id"], ada["id"])
    [frozen] = ask("GET", "/connections/<connection_id>/frozen", **connection, expect=200)["items"]
    thawed = {**connection, "frozen_id": frozen["id"]}
    ask("DELETE", "/connections/<connection_id>/frozen/<frozen_id>", **thawed, expect=204)
    last = customer.sync(sync_id)
    undo = ask("POST", "/runs/<run_id>/undo", run_id=last["id"], expect=202)
    assert customer.wait_for_run(undo["id"])["status"] == "succeeded"
    ask("GET", "/metrics/today", expect=200)
    ask("DELETE", "/connections/<connection_id>", **connection, expect=204)


def freeze(stack: Stack, customer: Customer, connection_id: str, contact_id: str) -> None:
    """Two programs have overwritten a contact often enough: test_api_reviews.py has them do it."""
    control, place = control_of(stack.endpoint, stack.deployed), (customer.account_id, connection_id)
    read = control.link_of(*place, contact_id)
    assert read is not None
    frozen = replace(read.value, state="frozen")
    control.store_links(*place, [Linking(frozen, read, theirs=read.value.seen)], datetime.now(UTC))


def every_kind_of_run(stack: Stack, customer: Customer) -> None:
    """What no route asks for by itself: deletions that wait, files on servers, days that are due, dropped files."""
    first = a_list_that_may_lose(customer, many(100, "Ann"))
    held = again(
        customer, first["sync_id"], many(70, "Ben") + "new@example.com,New\n", status="awaiting_approval"
    )
    customer.post(f"/runs/{held['id']}/approve", {"plan_hash": held["plan_hash"]}, expect=202)
    assert customer.wait_for_run(held["id"])["counts"]["deleted"] == 30
    undone = customer.post(f"/runs/{held['id']}/undo", {}, expect=202)
    customer.wait_for_run(undone["id"])
    coded = {**request(CODED, customer), "mapping": CODE_AND_EMAIL, "identity": {"field": "code"}}
    customer.post("/fields", {"key": "code", "label": "Code", "type": "text"}, expect=201)
    moved = customer.wait_for_run(customer.post("/imports", coded, expect=202)["run"]["id"])
    coded["source"] = {"kind": "paste", "text": CODED.replace("ada@", "countess@")}
    customer.wait_for_run(customer.post("/imports", coded, expect=202)["run"]["id"])
    [ada, *_] = customer.get("/contacts", email="countess@example.com")["items"]
    by_hand = {"fields": {"email": "ada@example.com"}}
    assert customer.request("PATCH", f"/contacts/{ada['id']}", json=by_hand).ok
    assert moved["status"] == "succeeded"
    nowhere = {"kind": "http", "url": "https://nowhere.invalid/people.csv"}
    bearer = {"kind": "bearer", "token": "a-token"}
    bucket = {"kind": "s3", "bucket": "nowhere", "key": "people.csv"}
    role = "arn:aws:iam::210987654321:role/reader"
    due = saved_with_schedule(customer, nowhere)
    events = deploy.client("events", stack.endpoint)
    detail = json.dumps({"account_id": customer.account_id, "sync_id": due})
    known = {"Source": "contactsync", "DetailType": "SyncDue", "Detail": detail}
    events.put_events(Entries=[{**known, "EventBusName": stack.deployed.outputs["EventBusName"]}])
    wait_for(
        lambda: any(word_of(it["function"]) == "listen" for it in noted(stack.settings.home)),
        within_s=30,
        what="the wake-up",
    )
    customer.request("DELETE", f"/syncs/{due}")
    dropped_files(stack, customer)
    for source in ({**nowhere, "auth": bearer}, {**bucket, "role_arn": role}):
        assert customer.request("POST", "/previews", json={"source": source}).status_code == 422
        asked = {**request(ROWS, customer), "source": source}
        assert customer.wait_for_run(customer.post("/imports", asked, expect=202)["run"]["id"])["problem"]


def dropped_files(stack: Stack, customer: Customer) -> None:
    """A file that is imported when it has arrived, and one under no sync, of which somebody is told."""
    asked = {**request(ROWS, customer), "source": {"kind": "drop"}}
    prefix = customer.post("/syncs", asked, expect=201)["source"]["prefix"]
    s3 = deploy.client("s3", stack.endpoint)
    for key in (f"{prefix}people.csv", f"{customer.account_id}/people.csv"):
        s3.put_object(Bucket=stack.facts.drop_bucket, Key=key, Body=ROWS.encode())

    def run_id() -> str | None:
        drops = customer.get("/drops")["items"]
        return next((drop["run_id"] for drop in drops if drop["run_id"]), None)

    customer.wait_for_run(wait_for(run_id, within_s=60, what="the run of a dropped file"))
    sync_id = prefix.split("/")[1]
    customer.post("/previews", {"source": {"kind": "drop"}, "sync_id": sync_id}, expect=200)
    told = "Drop bucket: a file was not imported"
    wait_for(lambda: any(mail["subject"] == told for mail in customer.mails()), within_s=60, what="the mail")


def saved_with_schedule(customer: Customer, source: dict[str, Any]) -> str:
    """A sync that runs every day from tomorrow on; its schedule is changed once."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:00")
    schedule = {"start": tomorrow, "time_zone": "UTC", "recurrence": "FREQ=DAILY"}
    asked = {**request(ROWS, customer), "source": source, "schedule": schedule}
    sync_id: str = customer.post("/syncs", asked, expect=201)["id"]
    changed = {"schedule": {**schedule, "recurrence": "FREQ=WEEKLY"}}
    assert customer.request("PATCH", f"/syncs/{sync_id}", json=changed).ok
    return sync_id


def many(count: int, name: str) -> str:
    return "email,name\n" + "".join(f"p{number}@example.com,{name} {number}\n" for number in range(count))


def a_list_that_may_lose(customer: Customer, text: str) -> dict[str, Any]:
    """The first run of a sync that deletes whom its file no longer names."""
    asked = {
        **request(ROWS, customer),
        "source": {"kind": "upload", "upload_id": customer.upload("people.csv", text.encode())},
        "mapping": [{"column": key, "field": key} for key in ("email", "name")],
        "options": {"delete_missing": {"scope": "all"}},
    }
    return customer.wait_for_run(customer.post("/imports", asked, expect=202)["run"]["id"])


def again(customer: Customer, sync_id: str, text: str, *, status: str) -> dict[str, Any]:
    """A later run with another file, once it has come to `status`."""
    body = {"upload_id": customer.upload("people.csv", text.encode())}
    run_id = customer.post(f"/syncs/{sync_id}/runs", body, expect=202)["id"]

    def come() -> dict[str, Any] | None:
        run: dict[str, Any] = customer.get(f"/runs/{run_id}")
        return run if run["status"] == status else None

    return wait_for(come, within_s=60, what=f"{status} of run {run_id}")

"""Contacts stand in the contacts table and in the buckets, and nowhere else: all else is searched for marked people."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from local import deploy
from local.stack import Stack
from tests.journeys import traces
from tests.journeys.traces import Place
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

MARKS = {
    "email": "kanarienvogel-7f3a@example.com",
    "phone": "658765432",
    "phone as written": "06 58-76 54 32",
    "name": "Quetzalcóatl Ζωή",
    "note": "Schlüssel unter der dritten Matte",
    "what is no email": "kanarienvogel-7f3a at home",
}
SECRETS = {
    "password": "Zaunkönig-7f3a",
    "token": "zilpzalp-7f3a-token",
    "part of a web address": "rohrdommel-7f3a",
}
"""Nobody is told these, and no store shows them."""
WORDS = {
    "name of a sync": "Wendehals 7f3a",
    "name of a file": "neuntöter-7f3a.csv",
    "label of a field": "Goldammer 7f3a",
    "choice": "Girlitz 7f3a",
    "name of a segment": "Kleiber 7f3a",
    "address of a member": "gimpel-7f3a@example.com",
    "contact by hand": "stieglitz-7f3a@example.com",
    "page token": "bergfink-7f3a",
    "header": "hänfling-7f3a",
}
"""What people call things is stored, and stands in mails about them; whoever looks after the service reads none of it."""
STORES = ("executions", "logs", "events", "object keys", "records", "mails", "refusals")
UNREAD = ("executions", "logs", "events", "object keys")
HEADER = "Name,Mail,Phone,Note\n"
PERSON = f'{MARKS["name"]},{MARKS["email"]},{MARKS["phone as written"]},"{MARKS["note"]}\nsecond line"\n'
REFUSED = f"{MARKS['name']},{MARKS['what is no email']},{MARKS['phone as written']}0000,{MARKS['note']}\n"
BROKEN = f'{MARKS["name"]},"{MARKS["email"]},{MARKS["phone as written"]},{MARKS["note"]}\n'
RAGGED = f"{MARKS['name']},{MARKS['email']},{MARKS['phone as written']},{MARKS['note']},{MARKS['name']}\n"
MAPPING = [
    {"column": "Name", "field": "name"},
    {"column": "Mail", "field": "email"},
    {"column": "Phone", "field": "phone"},
    {"column": "Note", "field": "notes"},
]
MANY = 5_200
"""More rows than one worker takes, so that children of Distributed Maps are among the executions."""


@dataclass(frozen=True)
class Written:
    """Where the service has written after imports of marked people, and who they belong to."""

    customer: Customer
    stored: list[Place]
    places: dict[str, list[Place]]


@pytest.fixture(scope="module")
def written(stack: Stack) -> Written:
    customer = Customer.of(stack, country="NL")
    queue = overhearing(stack)
    use(customer)
    name_things(customer)
    drop(stack, customer)
    runs = stack.deployed.outputs["RunsBucketName"]
    contacts = [
        Place("contact", json.dumps(item, ensure_ascii=False))
        for item in traces.contacts(stack, customer.account_id)
    ]
    return Written(
        customer=customer,
        stored=contacts + traces.objects(stack, runs, f"runs/{customer.account_id}/"),
        places={
            "executions": traces.executions(stack),
            "logs": traces.logs(stack),
            "events": traces.messages(stack, queue),
            "object keys": traces.object_keys(stack),
            "records": traces.records(stack),
            "mails": traces.mails(stack),
            "refusals": [Place(refusal[:40], refusal) for refusal in customer.refusals],
        },
    )


def overhearing(stack: Stack) -> str:
    """A queue that gets whatever is said on the product's bus."""
    sqs, events = (deploy.client(service, stack.endpoint) for service in ("sqs", "events"))
    queue = sqs.create_queue(QueueName="overheard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = {"Rule": "overhear", "EventBusName": stack.deployed.outputs["EventBusName"]}
    events.put_rule(
        Name=rule["Rule"],
        EventBusName=rule["EventBusName"],
        EventPattern=json.dumps({"source": ["contactsync"]}),
    )
    events.put_targets(**rule, Targets=[{"Id": "overheard", "Arn": arn}])
    return str(queue)


def use(customer: Customer) -> None:
    """Everything that could leave a trace: good, refused and damaged rows, many rows, failures, look-ups, odd requests."""
    rows = HEADER + PERSON + REFUSED + RAGGED + BROKEN
    first = run(customer, rows)
    assert first["counts"]["added"] == 1
    assert run(customer, rows.replace("second line", "another line"))["counts"]["updated"] == 1
    for told in ("added.csv", "rejects.csv", "rows", "plan"):
        customer.request("GET", f"/runs/{first['id']}/{told}")
    undone = customer.post(f"/runs/{first['id']}/undo", {}, expect=202)
    assert customer.wait_for_run(undone["id"])["status"] == "succeeded"
    many = "".join(f"{MARKS['name']},n{number}-{MARKS['email']},,\n" for number in range(MANY))
    assert run(customer, HEADER + many)["counts"]["added"] == MANY
    assert run(customer, PERSON + REFUSED)["status"] == "failed"
    upload_id = customer.upload("people.csv", PERSON.encode("utf-16"))
    assert run(customer, upload_id=upload_id)["status"] == "failed"
    customer.get("/contacts", email=MARKS["email"])
    customer.request("GET", f"/contacts/{MARKS['email']}")
    customer.request("GET", f"/nowhere/{MARKS['name']}", params={"note": MARKS["note"]})
    customer.request(
        "POST", "/imports", json={"name": MARKS["name"], "mail": MARKS["email"], "x": MARKS["note"]}
    )
    customer.request(
        "POST", "/imports", data=MARKS["note"].encode(), headers={"Idempotency-Key": "k" + MARKS["email"]}
    )


def name_things(customer: Customer) -> None:
    """Words and secrets through every door that takes them."""
    agent = WORDS["header"].encode("ascii", "replace").decode()
    customer.request("GET", "/account", headers={"User-Agent": agent, "X-Said": quote(WORDS["header"])})
    customer.request("GET", "/contacts", params={"next": WORDS["page token"]})
    customer.post("/fields", {"key": "bird", "label": WORDS["label of a field"], "type": "choice",
                              "choices": [WORDS["choice"]]}, expect=201)  # fmt: skip
    customer.post("/segments", {"name": WORDS["name of a segment"]}, expect=201)
    customer.post("/members", {"email": WORDS["address of a member"], "permissions": []}, expect=201)
    by_hand = {"fields": {"email": WORDS["contact by hand"], "bird": WORDS["choice"]}}
    contact = customer.post("/contacts", by_hand, expect=201)
    customer.request("GET", "/contacts", params={"email": WORDS["contact by hand"]})
    export = customer.post("/exports", {"kinds": ["contacts", "history"]}, expect=202)
    customer.wait_until_done(f"/exports/{export['id']}")
    upload_id = customer.upload(WORDS["name of a file"], PERSON.encode())
    auths = [
        {"kind": "basic", "username": "u", "password": SECRETS["password"]},
        {"kind": "bearer", "token": SECRETS["token"]},
    ]
    url = f"http://127.0.0.1:9/people.csv?key={SECRETS['part of a web address']}"
    for source in (
        {"kind": "upload", "upload_id": upload_id},
        *({"kind": "http", "url": url, "auth": auth} for auth in auths),
    ):
        request = {"name": WORDS["name of a sync"], "source": source, "mapping": MAPPING}
        customer.request("POST", "/previews", json={"source": source})
        customer.wait_for_run(customer.post("/imports", request, expect=202)["run"]["id"])
    erasure = customer.post("/erasures", {"contact_id": contact["id"]}, expect=202)
    customer.wait_until_done(f"/erasures/{erasure['id']}")


def drop(stack: Stack, customer: Customer) -> None:
    """A file of marked people through the drop bucket, and one that is parked."""
    body = {"name": WORDS["name of a sync"], "source": {"kind": "drop"}, "mapping": MAPPING}
    sync = customer.post("/syncs", {**body, "notify": {"emails": [customer.email]}}, expect=201)
    s3 = deploy.client("s3", stack.endpoint)
    for prefix in (sync["source"]["prefix"], f"{customer.account_id}/s{'0' * 24}/"):
        s3.put_object(Bucket=stack.facts.drop_bucket, Key=f"{prefix}a.csv", Body=(HEADER + PERSON).encode())
    wait_for(
        lambda: (
            len(customer.get("/drops")["items"]) == 2
            and (customer.get(f"/syncs/{sync['id']}")["latest_run"] or {}).get("finished_at")
        ),
        within_s=60,
        what="the end of a dropped file's run",
    )


def run(customer: Customer, text: str = "", *, upload_id: str = "") -> dict[str, Any]:
    source = {"kind": "upload", "upload_id": upload_id} if upload_id else {"kind": "paste", "text": text}
    request = {"source": source, "mapping": MAPPING, "notify": {"emails": [customer.email]}}
    return customer.wait_for_run(customer.post("/imports", request, expect=202)["run"]["id"])


@pytest.mark.parametrize("what", MARKS)
def test_the_search_finds_what_is_there(written: Written, what: str) -> None:
    """Else the tests below would find nothing by looking wrongly."""
    assert traces.found(MARKS[what], written.stored)


@pytest.mark.parametrize("where", STORES)
@pytest.mark.parametrize("what", MARKS)
def test_a_contact_leaves_no_trace(written: Written, what: str, where: str) -> None:
    places = written.places[where]
    assert places, "nothing was searched"
    assert traces.found(MARKS[what], places) == []


@pytest.mark.parametrize("where", STORES)
@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_leaves_no_trace(written: Written, what: str, where: str) -> None:
    assert traces.found(SECRETS[what], written.places[where]) == []


@pytest.mark.parametrize("where", UNREAD)
@pytest.mark.parametrize("what", WORDS)
def test_what_people_call_things_is_not_read_by_others(written: Written, what: str, where: str) -> None:
    assert traces.found(WORDS[what], written.places[where]) == []


@pytest.mark.parametrize("where", STORES)
def test_a_key_leaves_no_trace(written: Written, where: str) -> None:
    assert traces.found(written.customer.api_key, written.places[where]) == []


def test_the_search_covers_what_it_says(written: Written) -> None:
    """Each place must speak of this customer at all."""
    assert len(written.places["refusals"]) >= 4
    for where in ("executions", "logs", "events", "object keys", "records"):
        assert traces.found(written.customer.account_id, written.places[where]), where
    assert traces.found(written.customer.email, written.places["mails"])
    histories = " ".join(place.text for place in written.places["executions"])
    assert "MapChunk" in histories
    assert "Refused" in histories


def test_no_event_was_undeliverable(stack: Stack, written: Written) -> None:
    queue = deploy.client("sqs", stack.endpoint).get_queue_url(
        QueueName=stack.deployed.resources["UndeliveredQueue"].rpartition("/")[2]
    )["QueueUrl"]
    assert traces.messages(stack, queue) == []


@pytest.mark.parametrize(
    "wrapped",
    ["{}", "x{}y", "xx{}", "xxx{}"],
)
@pytest.mark.parametrize("what", MARKS)
def test_every_spelling_is_found(what: str, wrapped: str) -> None:
    text = wrapped.format(MARKS[what])
    for written_as in (
        text,
        text.upper(),
        json.dumps({"it": text}),
        json.dumps(json.dumps({"it": json.dumps(text)})),
        quote(text),
        base64.b64encode(text.encode()).decode(),
        base64.urlsafe_b64encode(text.encode()).decode(),
        text.encode().hex(),
        repr(text),
    ):
        assert traces.found(MARKS[what], [Place("here", written_as)]) == ["here"], written_as

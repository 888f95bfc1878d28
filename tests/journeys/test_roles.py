"""What the functions really ask of AWS, against what the template's roles allow: an emulator enforces no role."""

import json
from fnmatch import fnmatchcase
from typing import Any, cast

import pytest
import requests

from contactsync.api.routes import ROUTES
from contactsync.journeys import importing
from contactsync.journeys.accounts import NewAccount
from functions.authorize import handler as authorize
from local.stack import Stack
from tests.architecture.template import permissions
from tests.calling import Client
from tests.customer import Customer
from tests.fakes.webserver import WebServer, reply
from tests.journeys.imports import HEADER_ONLY, LATER, ROWS, import_on_second, request
from tests.second_interpreter import SecondInterpreter

pytestmark = pytest.mark.stack

LENT = {"reach": "StagingRole"}
"""Functions that act under a role that is lent to them, for want of permissions of their own."""


def test_each_step_s_role_allows_all_that_the_step_asks_for(
    stack: Stack, other_customer: Customer, second: SecondInterpreter, monkeypatch: pytest.MonkeyPatch
):
    import_on_second(second, other_customer, ROWS)
    monkeypatch.setattr(importing, "SMALL_ROWS", 2)
    import_on_second(second, other_customer, LATER)
    import_on_second(second, other_customer, HEADER_ONLY)
    assert refused(second, stack) == set()


def test_the_roles_of_fetch_and_its_errand_allow_all_that_they_ask_for_on_a_customer_s_server(
    stack: Stack, other_customer: Customer, second: SecondInterpreter, monkeypatch: pytest.MonkeyPatch
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
    assert refused(second, stack) == set()


def test_the_api_s_role_allows_all_that_its_routes_ask_for(
    stack: Stack, customer: Customer, second: SecondInterpreter
):
    client = Client(cast("Any", None), NewAccount(customer.account_id, customer.member_id, customer.api_key))
    visited = []

    def ask(method: str, route: str, body: Any = None, *, expect: int, query: str = "", **ids: str) -> Any:
        visited.append((method, route))
        path = route
        for name, value in ids.items():
            path = path.replace(f"<{name}>", value)
        with second.acting_as("api"):
            event = {"body": json.dumps(body or {}), "headers": {"Content-Type": "application/json"}}
            told = client.call(method, path + query, **(event if method in {"POST", "PATCH"} else {}))
        assert told.status == expect, f"{method} {path}: {told.text}"
        return told.json if told.text and "json" in told.headers["content-type"] else told.text

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
    ask("GET", "/runs/<run_id>/rows", run_id=run_id, expect=200)
    ask("GET", "/runs/<run_id>/plan", run_id=run_id, expect=200)
    ask("POST", "/runs/<run_id>/approve", {"plan_hash": "0"}, run_id=run_id, expect=409)
    ask("POST", "/runs/<run_id>/reject", run_id=run_id, expect=409)
    ask("POST", "/runs/<run_id>/cancel", run_id=run_id, expect=409)
    undo = ask("POST", "/runs/<run_id>/undo", run_id=run_id, expect=202)
    customer.wait_for_run(undo["id"])
    planned = ask("POST", "/syncs/<sync_id>/runs", {"dry_run": True}, sync_id=sync_id, expect=202)
    dry = customer.wait_for_run(planned["id"])
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
    export = ask("POST", "/exports", {}, expect=202)
    ask("GET", "/exports/<export_id>", export_id=export["id"], expect=200)
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
    assert {(route.method, route.path) for route in ROUTES} - set(visited) == set(), "a route was not tried"
    assert refused(second, stack) == set()


def test_the_authorizer_s_role_allows_all_that_it_asks_for(
    stack: Stack, customer: Customer, second: SecondInterpreter
):
    event = {
        "headers": {"Authorization": f"Bearer {customer.api_key}"},
        "methodArn": "arn:aws:execute-api:::api/v1/GET/x",
    }
    with second.acting_as("authorize"):
        assert authorize.lambda_handler(event, None)["context"]["account_id"] == customer.account_id
    assert refused(second, stack) == set()


def refused(second: SecondInterpreter, stack: Stack) -> set[tuple[str, str, str]]:
    """What was asked for and no permission of the function's role covers."""
    assert second.calls, "nothing was asked of AWS"
    names = {physical: logical for logical, physical in stack.deployed.resources.items()}
    asked = {(call.function, call.action, _in_template(call.resource, names)) for call in second.calls}
    return {call for call in asked if not _allowed(*call)}


def _in_template(resource: str, names: dict[str, str]) -> str:
    """`bucket/<name>/<key>` as a role of the template spells it: `${RunsBucket.Arn}/<key>`."""
    kind, _, rest = resource.partition("/")
    name, _, inner = rest.partition("/")
    if kind == "identity":
        return "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${MailIdentity}"
    return f"${{{names[name]}.Arn}}" + (f"/{inner}" if inner else "")


def _allowed(function: str, action: str, resource: str) -> bool:
    role = LENT.get(function, function)
    return any(
        permission.role == role and action in permission.actions and _matches(resource, allowed)
        for permission in permissions()
        for allowed in permission.resources
    )


def _matches(resource: str, allowed: str) -> bool:
    return resource == allowed or ("*" in allowed and fnmatchcase(resource, allowed))

"""What every request must pass: hostile bodies, wrong places, missing permissions, other people's ids."""

import base64
import json
import logging
import re

import pytest

from contactsync.api.routes import ROUTES
from tests.support.calling import Client
from tests.support.holder import Holder

JSON = {"content-type": "application/json"}
SOME_ID = "r0190a1b2c3d4e5f6a7b8c9d0"


NEEDLESS = {"/keys": '{"name": 7}'}
"""What a key opens is its own question: see test_api_keys.py."""


def path_of(route, some_id=SOME_ID, **ids):
    return re.sub(r"<(\w+)>", lambda name: ids.get(name[1], some_id), route.path)


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[1, 2",
        "null",
        "[]",
        '"text"',
        "{'filename': 'a'}",
        '{"filename": NaN}',
        '{"filename": Infinity}',
        '{"filename": "a", "filename": "b"}',
        '{"filename": "a", "x": {"y": 1, "y": 2}}',
        '{"filename": "\\ud800"}',
        '{"filename": "a",}',
        '{"filename": "a"} trailing',
        '{"filename": "a\x00"}',
        '{"x": ' + "9" * 5000 + "}",
        '{"x": ' + "9" * 30 + "}",
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"x": ' * 100 + "1" + "}" * 100,
        '{"x":' * 5000 + "1" + "}" * 5000,
        "\ufeff{}",
    ],
)
def test_what_is_not_one_json_object_is_400(api, body):
    answer = api.call("POST", "/uploads", body=body, headers=JSON)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "detail", "status", "errors"}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"]
)
def test_another_content_type_is_400(api, kind):
    assert (
        api.call("POST", "/uploads", body='{"filename": "a"}', headers={"Content-Type": kind}).status == 400
    )


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", None])
def test_json_by_any_spelling_is_read(api, kind):
    headers = {"content-type": kind} if kind else None
    assert api.call("POST", "/uploads", body='{"filename": "a"}', headers=headers).status == 201


def test_a_body_in_base64_is_read(api):
    body = base64.b64encode('{"filename": "späti.csv"}'.encode()).decode()
    assert api.call("POST", "/uploads", body=body, headers=JSON, isBase64Encoded=True).status == 201
    for bad in ("%%%", base64.b64encode(b'{"filename": "\xff"}').decode()):
        assert api.call("POST", "/uploads", body=bad, headers=JSON, isBase64Encoded=True).status == 400


@pytest.mark.parametrize("size", [5_000_001, 10_000_000])
def test_a_body_beyond_the_bound_is_413(api, size):
    body = json.dumps({"filename": "x" * size})
    assert api.call("POST", "/uploads", body=body, headers=JSON).status == 413


def test_no_body_is_an_empty_object(api):
    answer = api.call("POST", "/uploads", body=None, headers=JSON)
    assert (answer.status, answer.pointers) == (422, {"/filename"})


@pytest.mark.parametrize(
    "query", ["?colour=red", "?limit=0", "?limit=201", "?limit=x", "?limit=²", "?limit=1&limit=2", "?next="]
)
def test_a_query_that_means_nothing_is_named(api, query):
    answer = api.get(f"/contacts{query}")
    assert answer.status == 422
    assert answer.pointers == {f"/{query[1:].partition('=')[0]}"}


@pytest.mark.parametrize(
    "path",
    [
        "/contacts?limit=0&next=x&phone=soon&field.nothing=1",
        "/segments?limit=0&next=x",
        "/syncs?limit=x&next=x",
        "/runs/r1/rows?outcome=lost&limit=0&next=x",
        "/runs/r1/plan?change=lost&limit=0",
        "/contacts?colour=red&limit=0&phone=soon",
        "/contacts?limit=0&limit=1&phone=soon",
        "/runs/r1/rows?colour=red&outcome=lost&limit=0",
        "/fields/tier?dry_run=yes&confirm=no",
    ],
)
def test_all_that_is_wrong_with_a_query_is_told_at_once(api, path):
    answer = api.delete(path) if path.startswith("/fields") else api.get(path)
    asked = path.partition("?")[2].split("&")
    assert (answer.status, answer.pointers) == (422, {f"/{each.partition('=')[0]}" for each in asked})


# Places


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "/imports/x", "/runs", "/runs//rows", "/contacts/x/y", "/v2/imports", "/Imports"],
)
def test_a_place_that_is_not_there_is_404(api, path):
    answer = api.get(path)
    assert (answer.status, answer.json["type"]) == (404, "/problems/not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("GET", "/imports", "POST"), ("DELETE", "/fields", "GET, POST")]
)
def test_another_method_is_405(api, method, path, allowed):
    answer = api.call(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/v1/account", "/account/", "/v1/account/"])
def test_the_stage_and_a_slash_at_the_end_do_not_matter(api, path):
    assert api.get(path).json["id"] == api.account.account_id


@pytest.mark.parametrize("path", ["/account", "/openapi.json", "/docs"])
def test_who_asks_only_whether_something_is_there_hears_what_get_says_without_its_body(api, path):
    looked, read = api.call("HEAD", path), api.get(path)
    assert (looked.status, looked.headers, looked.text) == (200, read.headers, "")


def test_to_look_has_the_permission_and_the_limits_of_to_read(api):
    assert api.call("HEAD", "/contacts/nobody").status == 404
    assert api.call("HEAD", "/imports").status == 405
    assert Client(api.world, api.account, ()).call("HEAD", "/contacts").status == 403


def test_a_look_at_where_people_come_back_to_spends_no_sign_in(api):
    """Mail programs and proxies look at links before people follow them."""
    assert api.call("HEAD", "/oauth/callback?state=x&code=y").status == 405


# Callers


@pytest.mark.parametrize("authorizer", [None, {}, {"account_id": "x"}, {"member_id": "y"}])
def test_without_the_authorizers_word_nobody_gets_in(api, authorizer):
    event = api.event("GET", "/account")
    event["requestContext"]["authorizer"] = authorizer
    assert api.call("GET", "/account", requestContext=event["requestContext"]).status == 401


def test_an_account_in_header_query_or_body_is_not_believed(api, stranger):
    theirs = stranger.account.account_id
    assert api.get("/account", headers={"account_id": theirs, "X-Account-Id": theirs}).json["id"] != theirs
    assert api.get(f"/account?account_id={theirs}").status == 422


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.permissions],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_every_route_names_the_permission_that_is_missing(api, route):
    granted = tuple(permission for permission in api.permissions if permission not in route.permissions)
    limited = Client(api.world, api.account, granted)
    answer = limited.call(route.method, path_of(route), body="{}", headers=JSON)
    assert answer.status == 403
    assert all(permission in answer.json["title"] for permission in route.permissions)
    nobody = Client(api.world, api.account, ("made.up",))
    assert nobody.call(route.method, path_of(route)).status == 403


def test_a_second_permission_is_needed_beside_the_first(api):
    only = Client(api.world, api.account, ("contacts.delete",))
    answer = only.post("/erasures", {"email": "ada@example.com"})
    assert (answer.status, "account.manage" in answer.json["title"]) == (403, True)


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if not route.public],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_exactly_the_permission_that_is_named_opens_a_route(api, route):
    """Whether it then says 404, 409 or 422 is the route's own; 403 it says for want of this one permission only."""
    needed = (*route.permissions[:1], *filter(None, [route.also]))
    limited = Client(api.world, api.account, needed)
    body = NEEDLESS.get(route.path, "{}")
    assert limited.call(route.method, path_of(route), body=body, headers=JSON).status != 403


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if "<" in route.path],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_foreign_and_missing_ids_look_the_same(api, stranger, route):
    theirs = {name: values[0] for name, values in Holder(stranger, "theirs").ids.items()}
    places = [
        path_of(route, **theirs),
        *(path_of(route, some_id) for some_id in (SOME_ID, "0" * 32, "é", "x" * 2000, "a;b", "%2e%2e")),
    ]
    answers = [api.call(route.method, place, body="{}", headers=JSON) for place in places]
    assert stranger.call(route.method, places[0], body="{}", headers=JSON).status != 404
    assert {(answer.status, answer.text, tuple(answer.headers.items())) for answer in answers} == {
        (404, answers[0].text, tuple(answers[0].headers.items()))
    }


# Mistakes of ours


def test_a_bug_is_500_with_a_reference_and_says_nothing_more(api, monkeypatch, caplog):
    def broken(*_args, **_options):
        raise KeyError("ada@example.com")

    monkeypatch.setattr(type(api.world.contacts), "page", broken)
    event = api.event("GET", "/contacts")
    with caplog.at_level(logging.INFO):
        answer = api.call("GET", "/contacts", requestContext=event["requestContext"])
    assert answer.status == 500
    assert event["requestContext"]["requestId"] in answer.json["detail"]
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert "ada@example.com" not in answer.text + told
    assert "KeyError" in told


def test_the_log_says_route_status_account_and_time_and_nothing_of_what_was_said(api, caplog):
    text = "email\nada@example.com\n"
    body = {"source": {"kind": "paste", "text": text}, "mapping": [{"column": "email", "field": "email"}]}
    with caplog.at_level(logging.DEBUG):
        api.post("/imports", body, key="ada@example.com")
        api.get("/contacts?email=ada@example.com")
        api.get("/contacts/ada@example.com")
    lines = [record.__dict__ for record in caplog.records if record.message == "request"]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("POST /imports", 202),
        ("GET /contacts", 200),
        ("GET /contacts/<contact_id>", 404),
    ]
    assert all(line["account_id"] == api.account.account_id for line in lines)
    assert "ada@" not in " ".join(str(record.__dict__) for record in caplog.records)


def test_no_answer_may_be_kept_on_the_way(api):
    assert api.get("/contacts").headers["cache-control"] == "no-store"


def test_a_condition_on_what_has_no_version_is_refused_rather_than_passed_over(api):
    segment = api.post("/segments", {"name": "Fair"}).json["id"]
    answer = api.delete(f"/segments/{segment}", if_match=1)
    assert (answer.status, answer.json["type"]) == (400, "/problems/bad_if_match")
    assert [each["id"] for each in api.get("/segments").json["items"]] == [segment]
    headers = {"Content-Type": "application/json", "If-Match": '"1"'}
    answer = api.call("POST", "/segments", body='{"name": "New"}', headers=headers)
    assert (answer.status, answer.json["type"]) == (400, "/problems/bad_if_match")
    assert api.call("GET", "/segments", headers=headers).status == 200, "to read breaks no condition"

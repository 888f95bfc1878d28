"""The OpenAPI document is whole, valid, what the code says, and shown by a page that asks nobody else for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from contactsync.api import document_routes
from contactsync.api.route import Route
from contactsync.api.routes import ROUTES
from tests.docs import glossary, openapi, raising, scenario
from tests.support.promises import promise

PAGE = openapi.DOCUMENT.with_name("docs.html")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is served."""
    read: dict[str, Any] = json.loads(openapi.DOCUMENT.read_text(encoding="utf-8"))
    return read


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, place in document["paths"].items()
        for method, operation in place.items()
    ]


# What a route has to say of itself


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_says_what_it_is_sent_and_what_it_answers(route: Route) -> None:
    name = route.verb.__name__
    where = f"{name} of {route.method} {route.path}"
    summary = (route.verb.__doc__ or "").strip().partition("\n")[0]
    assert summary.endswith("."), (
        f"{where} needs a docstring: its first line is what the OpenAPI document calls the operation"
    )
    promised = promise(route)
    if route.method in ("POST", "PATCH"):
        assert route.body is not None, (
            f"{where} needs body=…, the model of what it is sent (NothingAsked if its place says all)"
        )
    else:
        assert route.body is None, f"{where}: a {route.method} has no body"
    undescribed = sorted(route.query - openapi.PARAMETERS.keys())
    assert undescribed == [], f"{where}: describe these in PARAMETERS of tests/docs/openapi.py"
    if not route.public:
        shown = {status for asked, status in scenario.answers() if asked == route}
        assert promised.keys() - shown - {303} == set(), (
            f"{where}: let the customer of tests/docs/scenario.py ask it, for the document's example"
        )


def test_no_two_verbs_have_one_name() -> None:
    """It is what clients that are generated from the document call the operation."""
    names = [route.verb.__name__ for route in ROUTES]
    assert len(names) == len(set(names))


# The document


def test_the_document_is_what_the_code_says(document: dict[str, Any]) -> None:
    assert json.loads(openapi.text()) == document, "routes, models or errors have changed: run make docs"


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert len(operations(document)) == len(ROUTES)


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for where, operation in operations(document):
        contents = [*operation.get("requestBody", {}).get("content", {}).values()]
        for response in operation["responses"].values():
            contents += response.get("content", {}).values()
        for content in contents:
            if "example" in content:
                schema = {**content["schema"], "components": document["components"]}
                found = [error.message for error in OAS31Validator(schema).iter_errors(content["example"])]
                assert found == [], where
                seen += 1
    assert seen > len(ROUTES)


def test_every_property_that_is_named_has_a_schema_and_every_operation_its_words(
    document: dict[str, Any],
) -> None:
    for where, operation in operations(document):
        assert operation["summary"], where
        assert all(each["description"] and each["schema"] for each in operation.get("parameters", [])), where
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), f"{name} needs a docstring"


def properties(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, schema in document["components"]["schemas"].items():
        for key, described in schema.get("properties", {}).items():
            yield name, key, described


def test_a_tag_says_what_its_requests_are_about_and_not_how_the_code_is_cut(document: dict[str, Any]) -> None:
    assert [tag["name"] for tag in document["tags"] if "route" in tag["description"].lower()] == []


def test_every_property_says_what_it_is(document: dict[str, Any]) -> None:
    silent = [f"{name}.{key}" for name, key, it in properties(document) if not openapi.says_what_it_is(it)]
    assert silent == [], "describe these in their models, or in tests/docs/glossary.py"


def test_the_glossary_explains_what_there_is(document: dict[str, Any]) -> None:
    used = {(name, key): it.get("description") for name, key, it in properties(document)}
    for place, words in glossary.OF.items():
        name, _, key = place.partition(".")
        assert used.get((name, key)) == words, f"{place} says it itself, or is no more"
    for named, words in glossary.NAMED.items():
        assert any(key == named and told == words for (_, key), told in used.items()), named


def test_whatever_a_sync_was_made_with_can_be_changed(document: dict[str, Any]) -> None:
    """Clients that are made from the document send nothing that it does not name."""
    change, request = (document["components"]["schemas"][name] for name in ("SyncChange", "SyncRequest"))
    assert request["properties"].keys() | {"state"} == change["properties"].keys()
    assert change["required"] == []


def test_what_an_answer_holds_may_get_further_keys(document: dict[str, Any]) -> None:
    """The document asks clients to pass over what they do not know, so none that is made from it may refuse it."""
    closed = {
        name
        for name, schema in document["components"]["schemas"].items()
        if schema.get("additionalProperties") is False
    }
    assert {"Run", "Sync", "Contact", "Options", "Problem"} & closed == set()
    assert {"SyncRequest", "ContactRequest", "HttpSource"} <= closed, "an unknown key in a body is refused"
    assert {"FieldIdentity", "GeneratedIdentity"} <= closed, "one without keys of its own would fit both"


def test_the_key_that_tells_kinds_apart_is_required(document: dict[str, Any]) -> None:
    """Without it nobody knows which kind is meant, so it is asked for, whatever else there is."""

    def unions(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield from [node["discriminator"]] if "discriminator" in node else []
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from unions(child)

    found = list(unions(document))
    assert len(found) > 3
    for union in found:
        for reference in union["mapping"].values():
            schema = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert union["propertyName"] in schema["required"], reference


def test_every_error_that_the_api_s_own_modules_raise_is_told(document: dict[str, Any]) -> None:
    told = json.dumps(document["paths"]) + json.dumps(document["components"]["responses"])
    assert {code for code in raising.codes_of("contactsync.api") if f"`{code}`" not in told} == set()


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ("POST /contacts", "409", "email_taken"),
        ("PATCH /contacts/{contact_id}", "412", "changed_since"),
        ("GET /runs/{run_id}/plan", "409", "plan_under_way"),
        ("POST /runs/{run_id}/approve", "409", "another_plan"),
        ("POST /previews", "422", "not_a_text_file"),
        ("POST /previews", "422", "login_refused"),
        ("POST /previews", "422", "address_not_allowed"),
        ("POST /previews", "422", "source_away"),
        ("POST /previews", "409", "nothing_dropped"),
        ("POST /syncs/{sync_id}/runs", "409", "plan_blocked"),
        ("GET /account", "403", "account_suspended"),
        ("POST /keys", "403", "not_permitted"),
        ("GET /fields", "403", "choose_account"),
        ("POST /segments", "400", "bad_if_match"),
    ],
)
def test_a_journey_s_own_errors_are_told_with_its_route(
    document: dict[str, Any], operation: str, status: str, code: str
) -> None:
    responses = dict(operations(document))[operation]["responses"]
    assert f"`{code}`" in responses[status]["description"]


# Served


def test_document_and_page_are_for_everybody(api: Any) -> None:
    event = {"requestContext": {"requestId": "x", "authorizer": None}}
    assert api.call("GET", "/openapi.json", **event).json["openapi"] == "3.1.0"
    page = api.call("GET", "/v1/docs", **event)
    assert (page.status, page.headers["content-type"]) == (200, document_routes.HTML)
    assert "default-src 'none'" in page.headers["content-security-policy"]


class Page(HTMLParser):
    """What of a page could run, load, or act."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_page_asks_nobody_else_and_runs_nothing_that_its_policy_does_not_name() -> None:
    text = PAGE.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("script"), tags.count("style")) == (1, 1), "the policy holds one hash of each"
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(tags)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
        assert re.match(r"#|openapi\.json$", attributes.get("href") or "#"), tag
    assert not re.search(r"https?://|innerHTML|eval\(|localStorage|sessionStorage|document\.cookie", text)

"""The way in: whose requests are counted and how, and what API Gateway says in our stead."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from contactsync.api import app, incoming
from contactsync.api.incoming import MAX_BODY_BYTES
from contactsync.api.routes import ROUTES
from contactsync.control import plans
from functions.api import handler as api_handler
from functions.authorize import handler as authorize_handler
from local import front
from tests.architecture.template import RESOURCES, TEMPLATE, functions, of_type

# ── Fair shares, and how long a revoked key works ──


def test_each_plan_has_a_usage_plan_with_its_very_numbers():
    told = {
        name.removesuffix("UsagePlan").lower(): (it["Throttle"], it["Quota"])
        for name, it in of_type("AWS::ApiGateway::UsagePlan").items()
    }
    assert told == {
        name: (
            {"RateLimit": plan.requests.a_second, "BurstLimit": plan.requests.burst},
            {"Limit": plan.requests.a_day, "Period": "DAY"},
        )
        for name, plan in plans().items()
    }
    outputs = {name for name in TEMPLATE["Outputs"] if name.endswith("UsagePlanId")}
    assert outputs == {f"{name.capitalize()}UsagePlanId" for name in plans()}


def test_requests_are_counted_by_the_authorizer_s_word_under_a_key_that_there_is():
    api = RESOURCES["RestApi"]["Properties"]
    assert api["ApiKeySourceType"] == "AUTHORIZER"
    assert api["Auth"]["ApiKeyRequired"] is True
    told = functions()["authorize"]["Environment"]["Variables"]["SHARED_USAGE_KEY"]
    assert RESOURCES["SharedUsageKey"]["Properties"]["Value"] == told
    assert len(told["Sub"].replace("${AWS::StackName}", "x")) >= 20, "API Gateway takes no shorter key"


def test_a_revoked_key_works_no_longer_than_a_minute():
    """What the authorizer read before the revocation is answered later at most by its time-out, and then kept."""
    [authorizer] = RESOURCES["RestApi"]["Properties"]["Auth"]["Authorizers"].values()
    kept = authorizer["Identity"]["ReauthorizeEvery"]
    assert kept + functions()["authorize"]["Timeout"] <= 60
    assert authorizer["Identity"]["Headers"] == ["Authorization"], (
        "what is kept is kept for this header alone"
    )


# ── What API Gateway says by itself ──


def gateway_answer(kind: str) -> dict[str, Any]:
    told = RESOURCES["RestApi"]["Properties"]["GatewayResponses"][kind]["ResponseTemplates"]
    problem: dict[str, Any] = json.loads(told["application/json"])
    return problem


@pytest.mark.parametrize("kind", sorted(RESOURCES["RestApi"]["Properties"]["GatewayResponses"]))
def test_a_gateway_answer_looks_like_our_own(kind: str):
    answer = RESOURCES["RestApi"]["Properties"]["GatewayResponses"][kind]
    assert answer["ResponseParameters"]["Headers"]["Content-Type"] == "'application/problem+json'"
    [template] = answer["ResponseTemplates"].values()
    problem = json.loads(template)
    assert set(problem) == {"type", "title", "detail", "status", "errors"}
    assert problem["status"] == answer["StatusCode"]


def test_a_body_too_large_for_the_gateway_is_told_what_the_api_reads():
    """Whoever is told of the gateway's own limit sends a little less, and is refused again."""
    assert f"larger than {MAX_BODY_BYTES // 1_000_000} MB" in gateway_answer("REQUEST_TOO_LARGE")["title"]


@pytest.mark.parametrize(
    ("kind", "told"), [("REQUEST_TOO_LARGE", front.TOO_LARGE), ("INTEGRATION_TIMEOUT", front.TOO_LATE)]
)
def test_the_address_on_this_machine_answers_as_the_gateway_would(kind: str, told: bytes):
    assert json.loads(told) == gateway_answer(kind)


def test_a_usage_key_that_is_missing_is_no_fault_of_the_client_s():
    """It is the authorizer that names it."""
    assert gateway_answer("INVALID_API_KEY")["status"] == 503


def test_whoever_is_not_answered_is_told_when_to_ask_again():
    """The authorizer and the API function may be throttled, or their tables: no 5xx of API Gateway's own is left bare."""
    answers = RESOURCES["RestApi"]["Properties"]["GatewayResponses"]
    assert {
        "AUTHORIZER_FAILURE",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "INTEGRATION_TIMEOUT",
        "DEFAULT_5XX",
    } <= set(answers)
    for kind, answer in answers.items():
        if answer.get("StatusCode") in (429, 503, 504):
            assert "Retry-After" in answer["ResponseParameters"]["Headers"], kind


def test_functions_behind_the_api_answer_before_they_are_ended():
    limits = functions()
    assert limits["authorize"]["Timeout"] > authorize_handler.ANSWER_S
    assert api_handler.ANSWER_S < limits["api"]["Timeout"] <= 29


# ── Pages of browsers ──


def test_a_page_may_send_what_the_api_reads_and_no_key_is_asked_for_with_the_question():
    api = RESOURCES["RestApi"]["Properties"]
    read = set(re.findall(r'header\(event, "([^"]+)"', Path(incoming.__file__).read_text(encoding="utf-8")))
    allowed = api["Cors"]["AllowHeaders"].strip("'").lower().split(", ")
    assert set(allowed) == read | {"authorization"}
    methods = api["Cors"]["AllowMethods"].strip("'").split(", ")
    assert set(methods) == {route.method for route in ROUTES} | {"HEAD"}
    assert api["Auth"]["AddDefaultAuthorizerToCorsPreflight"] is False
    assert api["Auth"]["AddApiKeyRequiredToCorsPreflight"] is False


def test_a_page_may_read_what_the_answers_say_beside_their_bodies():
    document = json.loads((Path(app.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
    answers = [
        answer
        for path in document["paths"].values()
        for operation in path.values()
        for answer in operation["responses"].values()
    ]
    told = {
        name
        for answer in (*answers, *document["components"]["responses"].values())
        for name in answer.get("headers", {})
    }
    assert told <= set(app.ANY_PAGE["Access-Control-Expose-Headers"].split(", "))


@pytest.mark.parametrize("kind", RESOURCES["RestApi"]["Properties"]["GatewayResponses"])
def test_a_page_may_read_what_the_gateway_says_in_our_stead(kind: str):
    headers = RESOURCES["RestApi"]["Properties"]["GatewayResponses"][kind]["ResponseParameters"]["Headers"]
    assert headers["Access-Control-Allow-Origin"] == "'*'"
    assert headers.get("Access-Control-Expose-Headers") == (
        "'Retry-After'" if "Retry-After" in headers else None
    )


@pytest.mark.parametrize("bucket", ["RunsBucket", "PhotosBucket"])
def test_a_page_may_follow_where_the_api_sends_it(bucket: str):
    """With a signature; whoever has one needs no origin."""
    [rule] = RESOURCES[bucket]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["GET", "HEAD"], ["*"])

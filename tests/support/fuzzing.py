"""Requests made from the OpenAPI document, and its judgement of their answers.

Two thirds are as the document wants them, a third breaks it somewhere; most name things that exist, for what asks
about nothing is soon answered.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.docs.openapi import DOCUMENT
from tests.support.calling import Client

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
BASE = "http://api.example/v1"
MOST_URL = 8_000
"""Characters; a gateway reads little more, and answers the rest by itself."""

Known = Mapping[str, list[Any]]
"""The name of a place in a path, a query or a body ("run_id") → values that mean something there."""
Ask = Callable[[Case[Any]], Response]


@dataclass
class Tally:
    """How many requests were made, and how they were answered."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        told = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.cases} requests: {told}"


MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
TEXT = "email,name\nada@example.com,Ada\nbob@example.com,Bob\nnobody,\n"
TIER = {"key": "tier", "label": "Tier", "type": "choice", "choices": ["gold", "silver"]}
SENSIBLE: Known = {
    "mapping": [MAPPING, []],
    "identity": [{"field": "email"}, {"generate": True, "field": "name"}],
    "format": [{}, {"kind": "csv", "has_header": True}],
    "emails": [["you@example.com"], []],
    "schedule": [None],
    "direction": ["both"],  # of a file only this may be said, and of the four that follow
    "conflict": ["remote"],
    "match": [[]],
    "selection": ["all"],
    "limits": [{}],
    "text": [TEXT],
    "field": ["email", "name", "tier", "phone", "birthday"],
    "column": ["email", "name"],
    "fields": [{"email": "ada@example.com"}, {"name": "Zoë", "birthday": "--02-29"}, {"tier": "gold"}],
    "email": ["ada@example.com"],
}
"""What chance would hardly come upon."""


def operations() -> list[Any]:
    """Every operation of the document; those that take things away come last."""
    schema = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text(encoding="utf-8")))
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return sorted(found, key=lambda operation: operation.method == "delete")


def examples(usual: int) -> int:
    """How many requests an operation gets: `usual`, unless FUZZ says otherwise (make fuzz-api)."""
    return int(os.environ.get("FUZZ", usual))


def fuzz(operation: Any, ask: Ask, known: Known, count: int) -> Tally:
    """Make `count` requests of one operation; fails with the first answer that the document does not allow."""
    tally = Tally()

    @settings(
        max_examples=count,
        phases=[Phase.generate],  # the world is another one after each request: nothing can be shrunk
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
    )
    @given(case=_cases(operation, known))
    def one(case: Case[Any]) -> None:
        assume(len(_url(case)) < MOST_URL)
        answer = ask(case)
        tally.cases += 1
        tally.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    one()
    return tally


def _url(case: Case[Any]) -> str:
    return requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare().url or ""


@st.composite
def _cases(draw: st.DrawFn, operation: Any, known: Known) -> Case[Any]:
    case: Case[Any] = draw(operation.as_strategy(generation_mode=draw(st.sampled_from(MODES))))
    case.body = deepcopy(
        case.body
    )  # it may be an example of the document, which later requests are made of too
    for part in (case.path_parameters, case.query, case.body):
        for holder, name in _places(part):
            if name in known and draw(st.sampled_from((True, True, True, False))):
                holder[name] = deepcopy(draw(st.sampled_from(known[name])))
    if case.headers:
        case.headers.pop("Authorization", None)
    return case


def _places(part: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every key of every object in a part of a request."""
    if isinstance(part, dict):
        for name, value in [*part.items()]:
            yield part, name
            yield from _places(value)
    elif isinstance(part, list):
        for each in part:
            yield from _places(each)


def in_memory(client: Client) -> Ask:
    """Asks the handler over memory adapters, by the event that API Gateway would make of the request."""

    def ask(case: Case[Any]) -> Response:
        made = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        body = made.body.decode("utf-8", "surrogateescape") if isinstance(made.body, bytes) else made.body
        told = client.call(
            made.method or "", made.path_url.removeprefix("/v1"), body=body, headers=dict(made.headers)
        )
        headers = {name: [value] for name, value in told.headers.items()}
        return Response(told.status, headers, told.text.encode(), made, elapsed=0.0, verify=False)

    return ask

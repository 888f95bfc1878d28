"""The OpenAPI document, written from the routes, the signatures of their verbs, the models, and real answers.

    python -m tests.docs.openapi        # or: make docs

It is a file of the package, so that the API serves it without importing what only the document needs.
"""

from __future__ import annotations

import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, RootModel
from pydantic.json_schema import models_json_schema

from contactsync.api import answer, shapes
from contactsync.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from contactsync.api.route import Route
from contactsync.api.routes import ROUTES
from contactsync.journeys.asked.rows import OUTCOMES, PLANNED
from tests.docs import catalogue, glossary, raising, scenario
from tests.support.promises import MEDIA, leads, promise

DOCUMENT = catalogue.PACKAGE / "api" / "openapi.json"

Json = dict[str, Any]

_TEXT: Json = {"type": "string", "maxLength": 2000}
_FLAG: Json = {"type": "string", "enum": ["true", "false"], "default": "false"}

PARAMETERS: dict[str, tuple[str, Json]] = {
    "limit": (
        f"How many items a page has at most; {DEFAULT_LIMIT} if it is left out, where nothing else is said above.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    ),
    "next": ("Where to go on: `next` of the page before, with the same query.", _TEXT),
    "email": (
        "The contact whose primary email address this is; `field.emails` finds all who share one.",
        _TEXT,
    ),
    "name": ("Contacts with this text in one of their names, whatever its case.", _TEXT),
    "phone": ("Contacts with this number, as people of the account's country write it.", _TEXT),
    "segment": ("Members of this segment.", _TEXT),
    "subscribed": (
        "Contacts that you have ticked, or have not.",
        {"type": "string", "enum": ["true", "false"]},
    ),
    "run": ("Contacts that this run changed, if it was one of the last that did.", _TEXT),
    "field.*": (
        "Contacts with this value in a field: `field.organization=Example Ltd`.",
        {
            "type": "object",
            "patternProperties": {r"^field\.[a-z][a-z0-9_]{0,62}$": _TEXT},
            "additionalProperties": False,
            "maxProperties": 20,
        },
    ),
    "state": ("As it went out with `authorize_url`.", _TEXT),
    "code": ("The provider's, once.", _TEXT),
    "error": ("Why the provider sends no code.", _TEXT),
    "iss": ("Who sends the person, where the provider says so.", _TEXT),
    "outcome": ("Rows of which this became.", {"type": "string", "enum": list(OUTCOMES)}),
    "change": (
        "Rows whose contact, or whose card, the plan does this with.",
        {"type": "string", "enum": list(PLANNED)},
    ),
    "dry_run": ("Tell what it would do, and do nothing.", _FLAG),
    "confirm": ("Do it although contacts have values that it concerns.", _FLAG),
}
"""Every parameter of a query: what it asks for, and its schema. One ending in `.*` stands for a kind of parameters."""

_ABOUT = """\
Keeps a company's contact list true: a contacts file in, the contact list changed by exactly what is new, a mail out.

- JSON in and out, UTF-8. Times are RFC 3339 in UTC. Ids are opaque; one that is somebody else's and one that is missing are both 404.
- Every request needs `Authorization: Bearer <key>`, but for this document and its page.
- What goes wrong is told as `application/problem+json` (RFC 9457): `title` says what happened, `detail` what to do, `errors` every \
place of the request to correct, all at once. 4xx: the move is yours. 409 with `Retry-After`, 429 and 503: send the same request again later. \
500 and 504: ours.
- Lists: `{"items": […], "next": …}`. `next` goes on with the same query and is null at the end.
- Give every POST an `Idempotency-Key` of your own: sent again within 24 hours it is answered as the first time, and done once.
- Additions to answers are no change of this contract: pass over keys that you do not know.
"""

_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Yours to choose, for instance a UUID. The first answer is given again for 24 hours; while the first "
    "request is under way the answer is 409, with another body 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "description": 'The `version` that you have read, in quotes: `"7"`. If it has changed since, nothing is written and the '
    "answer is 412.",
    "schema": {"type": "string", "pattern": r'^(\*|"[0-9]{1,15}")$'},
}
_LOCATION: Json = {"description": "Where it can be had.", "schema": {"type": "string"}}
_RETRY_AFTER: Json = {
    "description": "Seconds to wait, where waiting helps.",
    "schema": {"type": "string", "pattern": "^[0-9]+$"},
}

_CLOSED = ("additionalProperties", False)

_EVERYBODY_S = ("too_many_requests", "internal", "busy", "no_answer", "timeout")
"""What every request can meet."""
_CALLERS = ("unauthorized", "account_suspended", "choose_account", "too_many_requests_today")
"""What every request of somebody can meet."""
_BODY_S = (
    "not_json",
    "malformed_json",
    "duplicate_key",
    "too_deep",
    "too_many_values",
    "not_an_object",
    "body_too_large",
)


def document() -> Json:
    """The whole document."""
    paths, shared = _paths(), _shared()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Contact Sync",
            "version": "1",
            "summary": "The hosted API, version 1.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/v1", "description": "Where this document lies."}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": about} for name, about in _tags().items()],
        "paths": paths,
        "components": {
            "schemas": _opened(_schemas(), {"responses": shared, **paths}),
            "responses": shared,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "csk_…",
                    "description": "A key of a member; it may do what the member may.",
                }
            },
        },
    }


def text() -> str:
    """The document as it is served."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


# Paths


def _paths() -> Json:
    paths: dict[str, Json] = {}
    for route in ROUTES:
        place = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", route.path), {})
        place[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> Json:
    summary, _, description = inspect.cleandoc(route.verb.__doc__ or "").partition("\n")
    operation: Json = {"operationId": _camel(route.verb.__name__), "tags": [_tag(route)]}
    operation["summary"] = summary.rstrip(".")
    said = [
        _unwrapped(description.strip()),
        _needed(route),
    ]
    if any(said):
        operation["description"] = "\n\n".join(filter(None, said))
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _body(route)
    if route.public:
        operation["security"] = []
    operation["responses"] = {**_promised(route), **_problems(route)}
    return operation


def _needed(route: Route) -> str:
    match route.permissions:
        case ():
            return ""
        case (permission,):
            return f"Needs the permission `{permission}`{f', and `{route.also}`' if route.also else ''}."
        case several:
            return f"Needs the permission of the provider: {', '.join(f'`{each}`' for each in several)}."


def _parameters(route: Route) -> list[Json]:
    found = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _about_id(name),
            "schema": {"type": "string", "pattern": "^[0-9A-Za-z_]{1,64}$"},
        }
        for name in re.findall(r"<(\w+)>", route.path)
    ]
    for name in sorted(route.query, key=list(PARAMETERS).index):
        about, schema = PARAMETERS[name]
        parameter: Json = {
            "name": name.partition(".")[0],
            "in": "query",
            "description": about,
            "schema": schema,
        }
        if name.endswith(".*"):
            parameter |= {"style": "form", "explode": True}
        found.append(parameter)
    if route.method == "POST" and route.replayed != "never":
        found.append(_IDEMPOTENCY_KEY)
    if route.versioned:
        found.append(_IF_MATCH)
    return found


def _body(route: Route) -> Json:
    assert route.body is not None
    content: Json = {"schema": _reference(route.body)}
    if example := scenario.requests().get(route):
        content["example"] = example
    required = any(field.is_required() for field in route.body.model_fields.values())
    return {"required": required, "content": {answer.JSON: content}}


def _promised(route: Route) -> Json:
    """The answers when all is well."""
    responses: Json = {}
    for status, shape in sorted(promise(route).items()):
        told: Json = {"description": _about_status(status)}
        if leads(route, status):
            told["headers"] = {"Location": _LOCATION}
        if shape is not None:
            content: Json = {"schema": _schema(shape)}
            if example := scenario.answers().get((route, status)):
                content["example"] = example
            told["content"] = {MEDIA.get(shape, answer.JSON): content}
        responses[str(status)] = told
    return responses


def _problems(route: Route) -> Json:
    """The answers when something is wrong, by status, each with its codes."""
    shared = _shared()
    by_status: dict[int, dict[str, raising.Problem]] = defaultdict(dict)
    for code, problem in {**_general(route), **raising.problems(route)}.items():
        by_status[problem.status][code] = problem
    responses: Json = {}
    for status, problems in sorted(by_status.items()):
        told = _problem(status, problems)
        name = _name(status)
        responses[str(status)] = (
            {"$ref": f"#/components/responses/{name}"} if shared.get(name) == told else told
        )
    return responses


def _problem(status: int, problems: dict[str, raising.Problem]) -> Json:
    lines = [
        f"- `{code}`: {problem.title} {problem.detail}".replace("\n", " ")
        for code, problem in sorted(problems.items())
    ]
    told: Json = {
        "description": "\n".join(lines),
        "content": {answer.PROBLEM: {"schema": _reference(shapes.Problem)}},
    }
    if status in (409, 429, 503, 504):
        told["headers"] = {"Retry-After": _RETRY_AFTER}
    return told


@cache
def _shared() -> Json:
    """Problems that many routes tell in the same words."""
    codes = ("not_permitted", "not_found", "body_too_large", "invalid_request", *_CALLERS, *_EVERYBODY_S)
    known = raising.known()
    by_status: dict[int, dict[str, raising.Problem]] = defaultdict(dict)
    for code in codes:
        by_status[known[code].status][code] = known[code]
    return {_name(status): _problem(status, problems) for status, problems in by_status.items()}


def _name(status: int) -> str:
    return catalogue.phrase(status).title().replace(" ", "")


def _general(route: Route) -> dict[str, raising.Problem]:
    """What a request of this kind can meet, whatever its verb does."""
    codes = {*_EVERYBODY_S, "invalid_request"}
    if not route.public:
        codes |= {*_CALLERS}
    if route.permissions or raising.asks_for_permission(route):
        codes |= {"not_permitted"}
    if "<" in route.path or (route.body is not None and raising.names_nobody(route)):
        codes |= {"not_found"}
    if route.body is not None:
        codes |= {*_BODY_S}
    if route.method == "POST" and route.replayed != "never":
        codes |= {"bad_idempotency_key", "request_under_way"}
    if route.method != "GET":
        codes |= {"bad_if_match"}
    if route.method != "GET" and route.replayed != "never":
        codes |= {"changed_meanwhile"}
    return {code: raising.known()[code] for code in codes}


def _about_id(name: str) -> str:
    return f"The {name.removesuffix('_id').replace('_', ' ')}'s {'id' if name.endswith('_id') else 'name'}."


def _about_status(status: int) -> str:
    return {
        200: "Done.",
        201: "Made.",
        202: "Accepted: it goes on by itself; `Location` says where to look.",
        204: "Done; there is nothing to show.",
        303: "It lies where `Location` says.",
    }[status]


def _tag(route: Route) -> str:
    return route.path.split("/")[1].partition(".")[0].capitalize()


def _tags() -> dict[str, str]:
    """The nouns, in the order of the routes; what they are is said by the module of their verbs."""
    found: dict[str, str] = {}
    for route in ROUTES:
        module = inspect.getmodule(route.verb)
        about = inspect.cleandoc((module.__doc__ or "") if module else "").partition("\n")[0]
        found.setdefault(_tag(route), about)
    return found


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


# Schemas


@cache
def _schemas() -> Json:
    """Every model that a request or an answer is made of."""
    models: set[type[BaseModel]] = {shapes.Problem}
    for route in ROUTES:
        models |= {shape for shape in promise(route).values() if _is_model(shape)}
        models |= {route.body} if route.body is not None else set()
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template="#/components/schemas/{model}"
    )
    found: Json = definitions["$defs"]
    strange = [name for name in found if "__" in name]
    assert strange == [], f"two models have one name: call one of each pair something else: {strange}"
    return {name: _described(name, _tidy(schema)) for name, schema in sorted(found.items())}


def _opened(schemas: Json, places: Json) -> Json:
    """The schemas, of which those that an answer holds forbid no further keys.

    Answers may get some, and whoever checks them by the document has to pass those over. Only where nothing but their keys
    tells two schemas apart, as of the two kinds of a mapping, they stay closed: who tries one after the other would take
    the first. What is only sent stays closed as well, for there an unknown key is refused.
    """
    held: set[str] = set()
    found = {name for responses in _values(places, "responses") for name in _references(responses)}
    while found:
        held |= found
        found = {name for each in found for name in _references(schemas[each])} - held
    for either in _values(schemas, "anyOf"):
        names = {*_references(either)}
        held -= names if len(names) > 1 else set()
    return {
        name: {key: value for key, value in schema.items() if name not in held or (key, value) != _CLOSED}
        for name, schema in schemas.items()
    }


def _values(node: Any, key: str) -> Iterator[Any]:
    """What a document has under a key, wherever that stands."""
    if isinstance(node, dict):
        yield from [node[key]] if key in node else []
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _values(child, key)


def _references(node: Any) -> Iterator[str]:
    """The names of the schemas that a part of the document refers to."""
    return (str(each).rpartition("/")[2] for each in _values(node, "$ref") if "/schemas/" in str(each))


def _described(name: str, schema: Json) -> Json:
    """The schema, each of whose properties says what it is: by its model, by the schema that it names, or by the glossary."""
    for key, described in schema.get("properties", {}).items():
        if not says_what_it_is(described):
            words = glossary.OF.get(f"{name}.{key}") or glossary.NAMED.get(key)
            if words:
                described["description"] = words
    return schema


def says_what_it_is(described: Json) -> bool:
    """Whether a property has a description, or is a schema, or one or none, that has one."""
    named = [described, *described.get("anyOf", ()), *described.get("allOf", ()), *described.get("oneOf", ())]
    return "description" in described or any("$ref" in each for each in named)


def _schema(shape: Any) -> Json:
    if _is_model(shape):
        return _reference(shape)
    return {"type": "string" if shape in MEDIA else "object"}


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel | RootModel)


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _tidy(schema: Any) -> Any:
    """Without the titles that only repeat a name, and with docstrings of several lines as one text."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {}
    for key, value in schema.items():
        if key == "default":
            if value is not None or {"type": "null"} in schema.get("anyOf", ()):
                tidied[key] = value  # of what may be left out but never be null, pydantic says null here
        elif key == "properties":  # one of which may well be called "title"
            tidied[key] = {name: _tidy(each) for name, each in value.items()}
        elif key != "title":
            tidied[key] = _tidy(value)
    if isinstance(tidied.get("description"), str):
        tidied["description"] = _unwrapped(tidied["description"])
    return tidied


def _unwrapped(text: str) -> str:
    """A docstring's paragraphs, each on one line."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")

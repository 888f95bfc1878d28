"""What each route promises to answer, read from its verb's signature; every answer that a test gets is held to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from contactsync.api import answer, document_routes, run_routes, shapes
from contactsync.api.app import BASE
from contactsync.api.route import Route
from contactsync.api.routes import ROUTES

OF_PYDANTIC = re.compile(r"\b(Input|String|Value|Data|List|Tuple|Dictionary|Datetimes?|Dates?) should\b")
"""How pydantic says what is wrong: no sentence for people."""

MEDIA = {shapes.Csv: run_routes.CSV, shapes.Page: document_routes.HTML}
"""Shapes that are no JSON."""

Promise = dict[int, Any]
"""Status → the shape of the body; None where there is no body."""


@cache
def promise(route: Route) -> Promise:
    """What the verb of a route answers when all is well.

    Raises TypeError, which says what the signature lacks.
    """
    told = get_type_hints(route.verb, localns={"shapes": shapes}).get("return")
    branches = get_args(told) if get_origin(told) in (Union, UnionType) else (told,)
    promised: Promise = {}
    for branch in branches:
        match get_origin(branch), get_args(branch):
            case answer.Answer, (status, shape) if get_args(status) and shape is not Any:
                promised[get_args(status)[0]] = None if shape is type(None) else shape
            case _:
                name = getattr(route.verb, "__name__", "the verb")
                raise TypeError(
                    f"{name} of {route.method} {route.path} must say what it answers: -> Ok[shapes.…], "
                    "Created[shapes.…], Accepted[shapes.…] or NoContent, with a shape of contactsync/api/shapes.py"
                )
    return promised


def leads(route: Route, status: int) -> bool:
    """Whether an answer says at `Location` where to look: for what goes on, lies elsewhere, or was made and can be read."""
    own = re.compile(re.escape(route.path) + r"/<\w+>")
    readable = any(each.method == "GET" and own.fullmatch(each.path) for each in ROUTES)
    return status in (202, 303) or (status == 201 and readable)


def route_of(method: str, path: str) -> Route | None:
    """The route of this method at this path, with or without the stage in front."""
    place = path.partition("?")[0].removeprefix(BASE).rstrip("/")
    for route in ROUTES:
        pattern = re.sub(r"<\w+>", "[^/]+", re.escape(route.path))
        if route.method == method and re.fullmatch(pattern, place):
            return route
    return None


def hold(method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> None:
    """Fail if an answer is none that the route has promised, or is no problem as all problems are."""
    kind = headers.get("content-type")
    where = f"{method} {path[:200]}: {status} {body[:500]}"
    if method == "HEAD":  # whose body stays away
        assert body == "", where
        return
    if status >= 400:
        assert kind == answer.PROBLEM, where
        _fits(shapes.Problem, body, where)
        assert not OF_PYDANTIC.search(body), where
        return
    route = route_of(method, path)
    assert route is not None, where
    promised = promise(route)
    assert status in promised, f"{where}\nis promised nowhere: {sorted(promised)} are"
    assert ("location" in headers) == leads(route, status), where
    shape = promised[status]
    if shape is None:
        assert body == "", where
    elif shape in MEDIA:
        assert kind == MEDIA[shape], where
    else:
        assert kind == answer.JSON, where
        _fits(shape, body, where)


def _fits(shape: Any, body: str, where: str) -> None:
    try:
        _adapter(shape).validate_json(body, strict=True)
    except ValidationError as error:
        raise AssertionError(f"{where}\nis not as contactsync/api/shapes.py has it:\n{error}") from None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)

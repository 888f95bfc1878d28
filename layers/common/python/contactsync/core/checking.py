"""A request's JSON against a model: either the model, or every problem at once, each with its JSON pointer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from contactsync.errors import InvalidRequest, Problem

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]

_WORDS = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such key here; check its spelling.",
}


def parse(model: type[M], body: Mapping[str, Any]) -> M:
    """The body as a model. Raises InvalidRequest with all problems."""
    parsed, problems = check(model, body)
    if parsed is None:
        raise InvalidRequest(problems)
    return parsed


def check(model: type[M], body: Mapping[str, Any]) -> tuple[M | None, list[Problem]]:
    """The body as a model, or None and what is wrong with it.

    Types are taken strictly, as JSON has them: "3" is no number, 1 is no boolean.
    """
    try:
        return model.model_validate_json(orjson.dumps(body), strict=True), []
    except ValidationError as error:
        found = [
            (tuple(detail["loc"]), detail["type"], detail["msg"])
            for detail in error.errors(include_url=False, include_context=False, include_input=False)
            if not (
                detail["type"] == "too_short" and value_at(body, *detail["loc"])
            )  # pydantic counts good items only
        ]
    return None, _problems(body, found)


def pointer(place: Sequence[str | int]) -> str:
    """RFC 6901: ("mapping", 3, "a/b") → "/mapping/3/a~1b"."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def value_at(body: Any, *place: str | int) -> Any:
    """What stands at a place of a body that may have any shape; None if there is nothing."""
    for part in place:
        if isinstance(body, Mapping) and isinstance(part, str):
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        else:
            return None
    return body


def _problems(body: Any, found: Sequence[tuple[Place, str, str]]) -> list[Problem]:
    """One problem a place. Where a value fits no branch of a union, the branch that it fits best speaks."""
    by_branch: dict[Place, dict[Place, dict[Place, list[str]]]] = defaultdict(lambda: defaultdict(dict))
    for location, kind, message in found:
        place, union, branch = _split(body, location, missing=kind == "missing")
        said = _WORDS.get(kind) or f"{message.removeprefix('Value error, ').rstrip('.')}."
        messages = by_branch[union][branch].setdefault(place, [])
        if said not in messages:
            messages.append(said)
    problems: dict[Place, list[str]] = {}
    for branches in by_branch.values():
        best = min(branches.values(), key=len)
        for place, messages in best.items():
            problems.setdefault(place, []).extend(messages)
    return [Problem(pointer(place), " Or: ".join(messages)) for place, messages in problems.items()]


def _split(body: Any, location: Place, *, missing: bool) -> tuple[Place, Place, Place]:
    """A pydantic location → the place in the body, where it first met a union of objects, and the branch taken.

    Pydantic writes the branches of a union into its locations, as if they were keys. A part that the body does
    not have is such a branch, unless it is the key that is missing.
    """
    place: list[str | int] = []
    union: Place = ()
    branch: Place = ()
    here = body
    for index, part in enumerate(location):
        inside = isinstance(here, Mapping | list)
        known = value_at(here, part) is not None or (isinstance(here, Mapping) and part in here)
        if inside and (known or (missing and index == len(location) - 1)):
            place.append(part)
            here = value_at(here, part)
        elif inside and not branch:
            union, branch = tuple(place), (part,)
    return tuple(place), union, branch

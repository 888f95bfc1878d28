"""A request's JSON against a model: either the model, or every problem at once, each with its JSON pointer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from contactsync.errors import InvalidRequest, Problem
from contactsync.model.forms import ASKED_FOR

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]

WORDS = {  # by pydantic's names; of a text without a character, and of all that is wrong with a time, by ours
    "missing": "This is required.",
    "union_tag_not_found": "This is required.",
    "extra_forbidden": "There is no such key here: check its spelling, or leave it out.",
    "literal_error": "Give {expected}.",
    "union_tag_invalid": "Give one of {expected_tags}.",
    "string_type": "Give a text.",
    "bool_type": "Give true or false.",
    "int_type": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "int_parsing_size": "Give a whole number of at most 64 bits.",
    "float_type": "Give a number.",
    "list_type": "Give a list.",
    "tuple_type": "Give a list.",
    "dict_type": "Give an object.",
    "model_type": "Give an object.",
    "model_attributes_type": "Give an object.",
    "string_too_short": "Give at least {min_length} characters.",
    "string_too_long": "Give at most {max_length} characters.",
    "too_short": "Give at least {min_length}.",
    "too_long": "Give at most {max_length}.",
    "greater_than": "Give more than {gt}.",
    "greater_than_equal": "Give {ge} or more.",
    "less_than_equal": "Give {le} or less.",
    "empty": "This is empty: fill it in.",
    "time": "Give a day and a time, such as 2026-11-30T09:00:00.",
    "day": "Give a day, such as 2026-11-30.",
    "timezone_aware": "Give the time's zone, too, as in 2026-11-30T09:00:00Z.",
}
"""What to do about each kind of mistake: pydantic's own sentences are no words for people."""
_ABSENT = frozenset({"missing", "union_tag_not_found"})


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
            (
                _place(detail["loc"], detail.get("ctx", {})),
                _said(detail["type"], detail["msg"], detail.get("ctx", {})),
                detail["type"] in _ABSENT,
            )
            for detail in error.errors(include_url=False, include_input=False)
            # Pydantic counts good items only: a list with bad ones is not too short besides
            if not (detail["type"] == "too_short" and value_at(body, *detail["loc"]))
        ]
    return None, _problems(body, found)


def _place(location: Place, context: Mapping[str, Any]) -> Place:
    """Where it is; of an object whose kind is missing, or is none that there is, at the key that says it."""
    kind_key = context.get("discriminator")
    return (*location, kind_key.strip("'")) if kind_key else location


def _said(kind: str, message: str, context: Mapping[str, Any]) -> str:
    """What to do about it."""
    if kind == "string_pattern_mismatch":
        return ASKED_FOR[context["pattern"]]
    if kind == "string_too_short" and context["min_length"] == 1:
        kind = "empty"
    elif kind.startswith(("date_", "datetime_")):
        kind = "day" if kind.startswith("date_") else "time"
    if kind in WORDS:
        return WORDS[kind].format(**context)
    return f"{message.removeprefix('Value error, ').rstrip('.')}."


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


def _problems(body: Any, found: Sequence[tuple[Place, str, bool]]) -> list[Problem]:
    """One problem a place. Where a value fits no branch of a union, the branch that it fits best speaks."""
    by_branch: dict[Place, dict[Place, dict[Place, list[str]]]] = defaultdict(lambda: defaultdict(dict))
    for location, said, missing in found:
        place, union, branch = _split(body, location, missing=missing)
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

"""A request as a Lambda proxy event brings it → what the routes may rely on.

Everything here is hostile until it has passed: sizes, nesting, encodings, keys that occur twice.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, get_args

import orjson

from contactsync.api.answer import BadRequest, ChooseAccount, TooLarge, Unauthorized
from contactsync.core import checking
from contactsync.errors import Problem, Suspended
from contactsync.model.account import Caller, Permission

MAX_BODY_BYTES = 5_000_000
MAX_NESTING = 40
MAX_VALUES = 100_000
MAX_QUERY_LENGTH = 2_000
MAX_PLACES = 20
"""Of keys that occur twice: who has made so many will see what to mend."""

_PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    `place` names the route with its ids: "POST /syncs/0190…/runs". From `seed` come the ids of what the request
    creates: the same again when it is sent again under its Idempotency-Key. `if_match` is the version that the thing
    must have; None: whichever.
    """

    place: str
    caller: Caller
    ids: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    seed: str = ""
    if_match: int | None = None


NOBODY = Caller(account_id="", member_id="", permissions=frozenset())
"""Who asks where no key is asked for."""


def caller_of(event: Mapping[str, Any]) -> Caller:
    """Who is asking. Only the authorizer is believed, never a header, a query or a body.

    Raises Suspended, or what else the authorizer knows them for, yet does not let them in.
    """
    found = (event.get("requestContext") or {}).get("authorizer") or {}
    match found.get("refused"):
        case "account_suspended":
            raise Suspended
        case "choose_account":
            raise ChooseAccount(str(found.get("accounts") or ""))
    account_id, member_id = found.get("account_id"), found.get("member_id")
    if not account_id or not member_id:
        raise Unauthorized("unauthorized", "This needs a key.", "Send Authorization: Bearer <your key>.")
    granted = _PERMISSIONS & set(str(found.get("permissions") or "").split())
    return Caller(account_id=account_id, member_id=member_id, permissions=granted)


def header(event: Mapping[str, Any], name: str) -> str | None:
    """The value of a header, whatever its spelling."""
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name and value is not None:
            return str(value)
    return None


def query_of(
    event: Mapping[str, Any], allowed: frozenset[str], *, passes_over: bool = False
) -> tuple[dict[str, str], list[Problem]]:
    """The query's parameters, and what is wrong with the others: each has to be `allowed`, and may occur once.

    `passes_over`: of what is not allowed nothing is said.
    """
    several = event.get("multiValueQueryStringParameters") or {}
    single = event.get("queryStringParameters") or {}
    if passes_over:
        several, single = (
            {name: value for name, value in each.items() if name in allowed} for each in (several, single)
        )
    query: dict[str, str] = {}
    problems = []
    for name in {**several, **single}:
        if name not in allowed and not _is_one_of(name, allowed):
            offered = ", ".join(sorted(allowed)) or "none"
            message = f"There is no such parameter here. Offered: {offered}."
        elif len(several.get(name) or ()) > 1:
            message = "Give this parameter once."
        elif len(single.get(name) or "") > MAX_QUERY_LENGTH:
            message = f"Give at most {MAX_QUERY_LENGTH} characters."
        else:
            if name in single:
                value = single[name]
                query[name] = value if value is not None else (several.get(name) or [""])[0]
            continue
        problems.append(Problem(f"/{name[:100]}", message))
    return query, problems


def _is_one_of(name: str, allowed: frozenset[str]) -> bool:
    """Whether a parameter of a kind is allowed: `field.tier` where `field.*` is."""
    kind, point, rest = name.partition(".")
    return bool(point and rest) and f"{kind}.*" in allowed


def idempotency_key_of(event: Mapping[str, Any]) -> str | None:
    """The Idempotency-Key, if there is one."""
    key = header(event, "idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadRequest(
            "bad_idempotency_key",
            "The Idempotency-Key cannot be used.",
            "Send 1 to 255 printable ASCII characters, for instance a UUID.",
        )
    return key


def version_of(event: Mapping[str, Any], *, offered: bool) -> int | None:
    """The version that If-Match names: `"7"`, as the API shows it. None without one, or for `*`.

    What has no version takes none: a condition that is passed over would be as good as broken.
    """
    said = (header(event, "if-match") or "*").strip()
    if said == "*":
        return None
    if not offered:
        raise BadRequest("bad_if_match", "There is no version here to name.", "Leave If-Match out.")
    version = said.removeprefix("W/").strip('"')
    if not (version.isascii() and version.isdecimal() and len(version) < 16):
        raise BadRequest(
            "bad_if_match", "If-Match names no version.", 'Send the version as you read it: "7".'
        )
    return int(version)


def body_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of the body; no body at all is an empty object."""
    data = _bytes_of(event)
    if not data.strip():
        return {}
    kind = (header(event, "content-type") or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(
            "not_json", "The body is not JSON.", "Send JSON, with Content-Type: application/json."
        )
    document = _read(data)
    if not isinstance(document, dict):
        raise BadRequest("not_an_object", "The body is not a JSON object.", "Send one object: {…}.")
    return document


def _bytes_of(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if len(body) > MAX_BODY_BYTES * 4 // 3 + 4:
        _too_large()
    try:
        data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, UnicodeEncodeError):
        raise _malformed() from None
    if len(data) > MAX_BODY_BYTES:
        _too_large()
    return data


def _read(data: bytes) -> Any:
    """Strict JSON: no NaN, no key twice, no lone surrogates, no numbers or nesting without end."""
    doubled: list[tuple[dict[str, Any], list[str]]] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            counted = Counter(key for key, _ in pairs)
            doubled.append((document, [key for key, count in counted.items() if count > 1]))
        return document

    try:
        orjson.loads(data)  # refuses all of that but keys that occur twice
        document = json.loads(data, object_pairs_hook=object_of)
        _bound(document)
        orjson.dumps(document)  # integers beyond 64 bits
    except (ValueError, TypeError, RecursionError):
        raise _malformed() from None
    if doubled:
        raise BadRequest(
            "duplicate_key",
            "A key occurs twice in the body.",
            "Say each key of an object once.",
            _places(document, doubled),
        )
    return document


def _places(document: Any, doubled: Sequence[tuple[dict[str, Any], list[str]]]) -> list[Problem]:
    """Where the keys stand that occur twice, those that are found first."""
    keys_of = {id(each): keys for each, keys in doubled}
    found: list[Problem] = []
    level: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while level and len(found) < MAX_PLACES:
        following: list[tuple[tuple[str | int, ...], Any]] = []
        for place, value in level:
            places = (checking.pointer((*place, key[:100])) for key in keys_of.get(id(value), ()))
            found += [Problem(pointer, "This key occurs twice.") for pointer in places]
            if isinstance(value, dict):
                following += [((*place, key[:100]), child) for key, child in value.items()]
            elif isinstance(value, list):
                following += [((*place, index), child) for index, child in enumerate(value)]
        level = following
    return found[:MAX_PLACES]


def _bound(document: Any) -> None:
    """Raise BadRequest for what is nested too deeply, or holds so many values that looking at each costs too much."""
    level = [document]
    values = 0
    for _ in range(MAX_NESTING):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        values += len(level)
        if values > MAX_VALUES:
            raise BadRequest(
                "too_many_values",
                f"The body holds more than {MAX_VALUES:,} values.",
                "Send large files by POST /v1/uploads: up to 5 GB each.",
            )
        if not level:
            return
    raise BadRequest("too_deep", "The body is nested too deeply.", f"Nest at most {MAX_NESTING} levels.")


def _malformed() -> BadRequest:
    return BadRequest(
        "malformed_json",
        "The body is not well-formed JSON.",
        "Send it in UTF-8 without a byte-order mark, and check it with a JSON validator.",
    )


def _too_large() -> NoReturn:
    megabytes = MAX_BODY_BYTES // 1_000_000
    raise TooLarge(
        "body_too_large",
        f"The body is larger than {megabytes} MB.",
        "Send large files by POST /v1/uploads: up to 5 GB each.",
    )

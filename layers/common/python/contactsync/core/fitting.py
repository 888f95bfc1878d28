"""Whether what a sync asks for fits the account: its fields exist, an identity is mapped, the country is one.

The body may have any shape: whatever of it makes sense is checked, so that these problems are told together
with those of the shape itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from contactsync.core.checking import value_at
from contactsync.core.fieldtypes import BadValue, converter, email, is_country, text
from contactsync.core.identity import email_key
from contactsync.core.parsing.dialect import contradiction, delimiter_named
from contactsync.core.rules import Rule, resolve_mapping
from contactsync.errors import InvalidRequest, Problem
from contactsync.model.field import KEY, FieldSpec
from contactsync.model.sync import NewField, SyncRequest

MAX_COLUMNS = 1000
MAX_SEGMENTS = 20
MAX_ADDRESSES = 20
GENERATED_TYPES = frozenset({"text", "integer"})
DEFAULT_IDENTITY = SyncRequest.model_fields["identity"].default.field


def misfits(
    body: Mapping[str, Any],
    fields: Mapping[str, FieldSpec],
    *,
    country: str,
    segments: Container[str] = frozenset(),
) -> list[Problem]:
    """What of a sync's request does not fit an account with these fields and segments, at home in `country`.

    Returns:
        Problems with pointers into the request; those that only the file can show are parse's to find.
    """
    problems: list[Problem] = []
    named = value_at(body, "format", "country")
    if isinstance(named, str):
        if is_country(named):
            country = named
        else:
            problems.append(Problem("/format/country", "This is no country: write its ISO code, like NL."))
    entries = _readable(value_at(body, "mapping"))
    brought, found_wrong = new_fields(body, fields)
    problems += found_wrong
    fields = {**fields, **brought}
    identity = value_at(body, "identity", "field") if "identity" in body else DEFAULT_IDENTITY
    if value_at(body, "identity", "generate") is True:
        problems += _ungeneratable(body, identity, fields)
        identity = None
    problems += _unknown_segments(value_at(body, "options", "segments"), segments)
    # A card's fields are the book's own, and other rules find its contact
    if value_at(body, "source", "kind") == "connection":
        return problems
    kind, has_header = (value_at(body, "format", key) for key in ("kind", "has_header"))
    speaks = kind in ("vcard", "export")
    if not value_at(body, "mapping") and not speaks:
        message = (
            "Map at least one column. Only vCards and exports say themselves what is what: state format.kind "
            "vcard or export."
        )
        problems.append(Problem("/mapping", message, "mapping_missing"))
    if not entries:
        return problems
    nameless = has_header is False and not speaks
    try:
        rules = resolve_mapping(
            list(entries.values()),
            None if nameless else list(dict.fromkeys(_named_columns(entries.values()))),
            fields,
            identity_field=identity if isinstance(identity, str) else None,
            width=10 * MAX_COLUMNS,
        )
    except InvalidRequest as error:
        problems += [_placed(problem, list(entries)) for problem in error.problems]
    else:
        found = _bad_literals(rules, country, value_at(body, "format", "date_order"))
        problems += [_placed(problem, list(entries)) for problem in found]
    return problems


def new_fields(
    body: Mapping[str, Any], fields: Mapping[str, FieldSpec]
) -> tuple[dict[str, FieldSpec], list[Problem]]:
    """The fields that a mapping brings with it and that are not there yet, and what is wrong with them."""
    brought: dict[str, FieldSpec] = {}
    problems: list[Problem] = []
    mapping = value_at(body, "mapping")
    for index, entry in enumerate(mapping[:MAX_COLUMNS] if isinstance(mapping, list) else ()):
        key, create = value_at(entry, "field"), value_at(entry, "create")
        if not isinstance(key, str) or not isinstance(create, Mapping):
            continue
        try:
            spec = NewField.model_validate(create).spec(key)
        except ValidationError:
            if not KEY.fullmatch(key):
                message = (
                    "Begin a new field's key with a letter, then lower-case letters, digits and underscores."
                )
                problems.append(Problem(f"/mapping/{index}/field", message))
            brought.setdefault(key, FieldSpec.model_construct(key=key, label=key, type="text"))
            continue
        there = fields.get(key) or brought.get(key)
        if there is None:
            brought[key] = spec
        elif (there.type, there.list) != (spec.type, spec.list):
            message = (
                f"There is a field “{key}” of another kind already: take another key, or leave create out."
            )
            problems.append(Problem(f"/mapping/{index}/create", message, "field_exists"))
        if spec.type == "choice" and not spec.choices:
            message = "A choice needs at least one value to choose."
            problems.append(Problem(f"/mapping/{index}/create/choices", message))
    return brought, problems


def unreadable(asked: Any) -> Iterator[Problem]:
    """What of a stated format is that of no file: its run could only fail."""
    encoding, delimiter, quote = (value_at(asked, key) for key in ("encoding", "delimiter", "quote"))
    if isinstance(encoding, str) and encoding != "auto":
        # large tables, for the few who state one
        from contactsync.core.parsing.encoding import CODECS, encoding_named  # noqa: PLC0415

        if encoding_named(encoding) is None:
            message = f"This is no encoding that can be read: state “auto” or one of {', '.join(CODECS)}."
            yield Problem("/format/encoding", message, "encoding_unknown")
    quote = quote if isinstance(quote, str) else '"'
    stated = delimiter_named(delimiter) if isinstance(delimiter, str) else None
    if problem := contradiction(stated or ("," if quote != "," else ";"), quote, None):
        yield Problem("/format/delimiter" if stated else "/format/quote", problem, "delimiter_unusable")


def undeliverable(addresses: Any) -> Iterator[Problem]:
    """Of the addresses that get mails those to which none would leave, or a second one."""
    seen: set[str] = set()
    for index, address in enumerate(addresses[:MAX_ADDRESSES] if isinstance(addresses, list) else ()):
        if not isinstance(address, str):
            continue
        place = f"/notify/emails/{index}"
        try:
            found = email(address)
        except BadValue as bad:
            yield Problem(place, bad.message, bad.code)
            continue
        if found is None or address != address.strip():
            yield Problem(place, "Give the address alone, without blanks.", "email_invalid")
        elif email_key(found) in seen:
            yield Problem(place, "This address stands there twice: leave one of the two out.", "email_twice")
        else:
            seen.add(email_key(found))


def _ungeneratable(body: Mapping[str, Any], field: Any, fields: Mapping[str, FieldSpec]) -> Iterator[Problem]:
    """Why rows cannot get a code of their own in this field."""
    spec = fields.get(field) if isinstance(field, str) else None
    if isinstance(field, str) and spec is None:
        message = "There is no such field: create it first, or name another one."
        yield Problem("/identity/field", message, "unknown_field")
    elif spec is not None and (spec.list or spec.type not in GENERATED_TYPES):
        message = f"“{spec.key}” cannot hold a generated code: choose a field of the type text or integer."
        yield Problem("/identity/field", message, "identity_type")
    if isinstance(value_at(body, "options", "delete_missing"), Mapping):
        message = (
            "Each run gives every row a new code, so everybody whom the run before has brought would seem to be "
            "missing, and would be deleted. Leave out one of the two: the generated codes, or the deletion."
        )
        yield Problem("/options/delete_missing", message, "generate_deletes")


def _unknown_segments(asked: Any, segments: Container[str]) -> Iterator[Problem]:
    for index, segment in enumerate(asked[:MAX_SEGMENTS] if isinstance(asked, list) else ()):
        if isinstance(segment, str) and segment not in segments:
            message = "There is no such segment: create it with POST /v1/segments and give its id."
            yield Problem(f"/options/segments/{index}", message, "unknown_segment")


def _readable(mapping: Any) -> dict[int, dict[str, Any]]:
    """Those entries of a mapping that name a field, by their place. One without a usable column stands in for one."""
    entries: dict[int, dict[str, Any]] = {}
    for index, entry in enumerate(mapping[:MAX_COLUMNS] if isinstance(mapping, list) else ()):
        if not isinstance(value_at(entry, "field"), str):
            continue
        column = entry.get("column")
        literal = entry.get("literal")
        label = entry.get("label_column")
        if "literal" not in entry and not isinstance(column, str) and not _is_position(column):
            column = MAX_COLUMNS + index
        if "literal" in entry and (not isinstance(literal, str | int) or column is not None):
            column, literal = MAX_COLUMNS + index, None
        entries[index] = {
            "field": entry["field"],
            "column": column,
            "literal": literal,
            "label_column": label if isinstance(label, str) or _is_position(label) else None,
        }
    return entries


def _named_columns(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The columns that entries name, as if a file had just these."""
    for entry in entries:
        for column in (entry["column"], entry["label_column"]):
            if isinstance(column, str):
                yield column


def _is_position(column: Any) -> bool:
    return isinstance(column, int) and not isinstance(column, bool) and 0 <= column < MAX_COLUMNS


def _bad_literals(rules: list[Rule], country: str, date_order: Any) -> Iterator[Problem]:
    """Constants that are no value of their field: every row would be refused for the same reason."""
    for rule in rules:
        if rule.literal is None:
            continue
        order = date_order if isinstance(date_order, str) else None
        convert = converter(rule.type, country=country, date_order=order, choices=rule.choices)
        try:
            (text if rule.part else convert)(rule.literal)
        except BadValue as bad:
            yield Problem(f"{rule.pointer}/literal", bad.message, bad.code)


def _placed(problem: Problem, places: list[int]) -> Problem:
    """The problem with its pointer into the request: `places` says where each checked entry stands there."""
    parts = problem.pointer.split("/")
    if len(parts) < 3 or parts[1] != "mapping":
        return problem
    parts[2] = str(places[int(parts[2])])
    return Problem("/".join(parts), problem.message, problem.code)

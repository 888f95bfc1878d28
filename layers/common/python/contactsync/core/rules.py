"""A sync's mapping, resolved against one file's header: which column feeds which field.

A field is named by its key. A value of a list may carry a label, and an address may come in parts:

    organization        phones.mobile           address.city
    emails              emails.work             addresses.home.postal_code

Where each row has labels of its own, they stand in a column beside, the entry's `label_column`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contactsync.core.naming import short
from contactsync.errors import InvalidRequest, Problem
from contactsync.model.field import LISTS, PRIMARIES, FieldSpec

ADDRESS_PARTS = ("formatted", "street", "extended", "po_box", "city", "region", "postal_code", "country")
LABEL_MAX = 40
ROW_MAX = 300_000
"""Bytes of a row's fields as JSON: a table item holds 400 KB, and segments and sources need some of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One column, or one constant, into one field.

    `column` counts from 0; exactly one of `column` and `literal` is set. Several rules may feed one list.
    `part` is one of ADDRESS_PARTS, or "" for a whole value. `label_column` holds the label of each row's value.
    `pointer` finds the entry in the request.
    """

    field: str
    type: str
    column: int | None
    literal: str | None = None
    list_: bool = False
    label: str = ""
    part: str = ""
    choices: tuple[str, ...] = ()
    pointer: str = ""
    required: bool = False
    label_column: int | None = None


def resolve_mapping(
    mapping: Sequence[object],
    header: Sequence[str] | None,
    fields: Mapping[str, FieldSpec],
    *,
    identity_field: str | None = None,
    width: int | None = None,
) -> list[Rule]:
    """The mapping's entries as rules, in their order.

    Args:
        mapping: the sync's entries, `{column, field}` or `{literal, field}`, as models or as dicts.
        header: the file's column names; None if it has none, and then columns go by position.
        fields: every field of the account, by key.
        identity_field: the field that identifies contacts; a column must feed it.
        width: the number of columns; the header's length if not given.

    Raises:
        InvalidRequest: every problem of the mapping at once, each with its pointer, like "/mapping/3/column".
    """
    problems: list[Problem] = []
    if width is None and header is not None:
        width = len(header)
    columns = _Columns(header, width)
    rules: list[Rule] = []
    for index, entry in enumerate(mapping):
        rule = _rule(f"/mapping/{index}", _plain(entry), columns, fields, problems)
        if rule:
            rules.append(rule)
    problems.extend(_repeated(rules))
    problems.extend(_unmapped(mapping, fields))
    if identity_field is not None:
        named = {str(_plain(entry)["field"]).partition(".")[0] for entry in mapping}
        problems.extend(_without_identity(rules, named, identity_field, fields))
    if problems:
        raise InvalidRequest(problems, title="The mapping does not fit.")
    return rules


def _plain(entry: object) -> dict[str, Any]:
    """A model or a dict → {"field", "column" | "literal"}."""
    names = ("field", "column", "literal", "label_column")
    if isinstance(entry, Mapping):
        return {name: entry.get(name) for name in names}
    return {name: getattr(entry, name, None) for name in names}


def _rule(
    pointer: str,
    entry: dict[str, Any],
    columns: _Columns,
    fields: Mapping[str, FieldSpec],
    problems: list[Problem],
) -> Rule | None:
    """One entry's rule; None with its problems reported."""
    found = len(problems)
    spec, label, part = _target(entry["field"] or "", fields, f"{pointer}/field", problems)
    column = literal = None
    if entry["column"] is not None:
        column = columns.find(entry["column"], f"{pointer}/column", problems)
    else:
        literal = _written(entry["literal"])
        if not literal.strip():
            problems.append(
                Problem(
                    f"{pointer}/literal",
                    "The literal is empty: give a value or leave it out.",
                    "empty_literal",
                )
            )
    label_column = None
    if entry["label_column"] is not None:
        label_column = columns.find(entry["label_column"], f"{pointer}/label_column", problems)
        if spec is not None and not (spec.list or spec.key in PRIMARIES):
            message = f"“{spec.key}” holds one value, which has no label: leave this out."
            problems.append(Problem(f"{pointer}/label_column", message))
    if spec is None or len(problems) > found:
        return None
    if label_column is not None and spec.key in PRIMARIES:
        spec = fields[PRIMARIES[spec.key]]
    return Rule(
        spec.key,
        spec.type,
        column,
        literal,
        spec.list,
        label,
        part,
        spec.choices,
        pointer,
        spec.required,
        label_column,
    )


def _written(literal: str | int | bool | None) -> str:
    """A literal as a cell would write it."""
    if isinstance(literal, bool):
        return "true" if literal else "false"
    return "" if literal is None else str(literal)


def _target(
    name: str, fields: Mapping[str, FieldSpec], pointer: str, problems: list[Problem]
) -> tuple[FieldSpec | None, str, str]:
    """A field's name → its spec, the label of a list's value, the part of an address."""
    key, *rest = name.split(".")
    spec = fields.get(key)
    if spec is None:
        message = f"There is no field “{short(key)}”: create it first, or map the column to another one."
        problems.append(Problem(pointer, message, "unknown_field"))
        return None, "", ""
    part = rest.pop() if rest and spec.type == "address" and rest[-1] in ADDRESS_PARTS else ""
    label = rest.pop() if rest and spec.list else ""
    if rest or len(label) > LABEL_MAX:
        problems.append(Problem(pointer, _misnamed(spec), "unknown_field"))
        return None, "", ""
    return spec, label, part


def _misnamed(spec: FieldSpec) -> str:
    key = spec.key
    if spec.type == "address":
        return f"“{key}” has the parts {', '.join(ADDRESS_PARTS)}, as in {key}{'.home' if spec.list else ''}.city."
    if spec.list:
        return (
            f"A label follows “{key}” after one point, as in {key}.work, in at most {LABEL_MAX} characters."
        )
    return f"“{key}” has no parts and no labels: write the key alone."


def _repeated(rules: Sequence[Rule]) -> Iterator[Problem]:
    """A second source for a place that holds one value."""
    seen: set[tuple[Any, ...]] = set()
    for rule in rules:
        place: tuple[Any, ...] = (rule.field, rule.label, rule.part, rule.label_column)
        if rule.list_ and not rule.part:
            place = (rule.field, rule.column, rule.literal)
        if place in seen:
            message = f"“{rule.field}” is mapped twice: leave one of the two out."
            yield Problem(f"{rule.pointer}/field", message, "mapped_twice")
        seen.add(place)


def _unmapped(mapping: Sequence[object], fields: Mapping[str, FieldSpec]) -> Iterator[Problem]:
    """Required fields that no entry feeds, themselves or as the first value of their list."""
    fed = {str(_plain(entry)["field"]).partition(".")[0] for entry in mapping}
    for spec in fields.values():
        if spec.required and fed.isdisjoint(feeders(spec.key)):
            message = f"“{short(spec.key)}” is required: map a column to it, or give it a literal."
            yield Problem("/mapping", message, "required_not_mapped")


def _without_identity(
    rules: Sequence[Rule], named: set[str], identity_field: str, fields: Mapping[str, FieldSpec]
) -> Iterator[Problem]:
    """What keeps `identity_field` from telling contacts apart; `named` are the fields that entries name."""
    pointer = "/identity/field"
    shown = short(identity_field)
    spec = fields.get(identity_field)
    if spec is None:
        yield Problem(
            pointer, f"There is no field “{shown}”: name one of the account's fields.", "unknown_field"
        )
        return
    if spec.type == "address" or (spec.list and identity_field not in LISTS):
        yield Problem(
            pointer, f"“{shown}” cannot identify a contact: choose a single value.", "identity_type"
        )
        return
    feeding = [rule for rule in rules if rule.field in feeders(identity_field)]
    if named.isdisjoint(feeders(identity_field)):
        message = (
            f"No column is mapped to “{shown}”, which identifies contacts: map one, or choose another field."
        )
        yield Problem(pointer, message, "identity_not_mapped")
    elif any(rule.column is None for rule in feeding):
        message = f"“{shown}” identifies contacts, so it cannot be one literal for all of them: map a column."
        yield Problem(pointer, message, "identity_literal")


def feeders(field: str) -> tuple[str, ...]:
    """The fields whose first value is that of `field`: itself, and the list or the primary that it belongs to."""
    for primary, list_field in PRIMARIES.items():
        if field in (primary, list_field):
            return primary, list_field
    return (field,)


class _Columns:
    """A file's columns by name: exactly as written, else ignoring case, blanks and Unicode form, if that is clear."""

    def __init__(self, header: Sequence[str] | None, width: int | None) -> None:
        self._width = width
        self._has_header = header is not None
        self._exact: dict[str, list[int]] = {}
        self._loose: dict[str, list[int]] = {}
        for index, name in enumerate(header or ()):
            self._exact.setdefault(name, []).append(index)
            self._loose.setdefault(folded(name), []).append(index)

    def find(self, column: str | int, pointer: str, problems: list[Problem]) -> int | None:
        """The position of a column; None with the problem reported."""
        if isinstance(column, int):
            if column < 0 or (self._width is not None and column >= self._width):
                message = f"There is no column {column}: the file has {self._width}, counted from 0."
                problems.append(Problem(pointer, message, "unknown_column"))
                return None
            return column
        shown = short(column)
        if not self._has_header:
            message = f"The file has no header, so “{shown}” names nothing: map columns by position, from 0."
            problems.append(Problem(pointer, message, "unknown_column"))
            return None
        found = self._exact.get(column) or self._loose.get(folded(column)) or []
        if len(found) == 1:
            return found[0]
        if not found:
            message = f"The file has no column “{shown}”: correct the name, or leave the entry out."
            problems.append(Problem(pointer, message, "unknown_column"))
        else:
            places = ", ".join(str(index) for index in found[:10])
            message = f"Several columns are called “{shown}”: map by position instead, one of {places}."
            problems.append(Problem(pointer, message, "ambiguous_column"))
        return None


def folded(name: str) -> str:
    """A header name as people compare them: NFC, without case, blanks run together."""
    return " ".join(unicodedata.normalize("NFC", name).replace("\ufeff", "").casefold().split())

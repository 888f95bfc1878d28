"""Raw cells → a contact's fields, typed and normalised, or every reason why not.

The mapping is compiled once for a file; `Mapper.map` then runs for each row, a million times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import orjson

from contactsync.core.composing import Composed, Item, RowProblem
from contactsync.core.fieldtypes import TEXT_MAX, BadValue, Converter, converter, is_country, text
from contactsync.core.fieldtypes.refusal import EDGES, refuse_broken
from contactsync.core.identity import ID_BYTES, email_key, identity_key
from contactsync.core.rules import ROW_MAX, Rule, feeders, resolve_mapping
from contactsync.core.unrolling import Filler, Parts, Text, Typed, unrolled
from contactsync.errors import InvalidRequest, Problem
from contactsync.model.field import LISTS, PRIMARIES

__all__ = [
    "Blank",
    "Mapped",
    "Mapper",
    "Rejected",
    "RowProblem",
    "Rule",
    "compile_mapping",
    "resolve_mapping",
]


HASH_BYTES = 8

EmptyCells = Literal["ignore", "clear", "reject"]

NEVER_EMPTY = frozenset({"phone", "date", "integer", "decimal", "choice"})
"""Types whose empty cells `reject` refuses. Text may always be empty; a list, unless all its columns are."""

_TOLD_IN_ORDER = (Text, Parts, Typed, Composed)
"""Where one column feeds several fields, what is wrong with its cell is told in this order, for texts at last."""

_ESCAPE, _NUL = ord("\\"), b"\\u0000"


class Mapped(NamedTuple):
    """A good row. `json` is `fields` as canonical JSON (sorted keys), `hash` its digest: 16 hex digits."""

    id: str
    fields: dict[str, Any]
    hash: str
    json: bytes


class Rejected(NamedTuple):
    """A row that cannot be imported, and all that is wrong with it.

    `id`: the contact that it is about, where the identity at least can be read: it is not missing from the file.
    """

    problems: list[RowProblem]
    id: str | None = None


class Blank(NamedTuple):
    """A row without any content: nothing is wrong with it, and nothing is to be done."""


def compile_mapping(
    rules: Sequence[Rule],
    *,
    identity_field: str,
    secret: bytes,
    country: str | None,
    date_order: str | None,
    empty_cells: EmptyCells,
    width: int,
    generate: Callable[[int], Any] | None = None,
    date_orders: Mapping[int, str] | None = None,
) -> Mapper:
    """The mapper of one file.

    Args:
        rules: from `resolve_mapping`.
        identity_field: whose value makes the contact's id; a rule feeds it.
        secret: the account's, keys the ids.
        country: ISO 3166, upper case; where local phones and separators belong. None: nowhere.
        date_order: "iso", "ymd", "dmy", "mdy" or None.
        empty_cells: what an empty cell of a mapped column does: nothing, empty the field, or refuse the row
            (only fields of the types in NEVER_EMPTY).
        width: cells of a whole row.
        generate: makes the identity of a row from its line, whatever the file says in that column.
        date_orders: the orders of single columns, over `date_order`.

    Raises:
        InvalidRequest: a literal is not a value of its field's type, or the country is unknown.
    """
    if country is not None and any(rule.type == "phone" for rule in rules) and not is_country(country):
        raise InvalidRequest([Problem("/format/country", "This is no country: write its ISO code, like NL.")])

    def convert_for(rule: Rule) -> Converter:
        order = (date_orders or {}).get(-1 if rule.column is None else rule.column, date_order)
        return converter(rule.type, country=country, date_order=order, choices=rule.choices)

    literals = converted_literals(rules, country=country, date_order=date_order)
    begun: dict[str, Any] = {}
    fillers: list[Filler] = []
    for field, feeding in _by_field(rules).items():
        if empty_cells == "clear":
            begun[field] = None
        required = empty_cells == "reject" and feeding[0].type in NEVER_EMPTY
        filler = _filler(field, feeding, literals, convert_for, required=required)
        if filler is None:
            begun[field] = literals[feeding[0]]
        else:
            fillers.append(filler)
    return Mapper(
        begun=begun,
        fillers=sorted(fillers, key=lambda filler: _TOLD_IN_ORDER.index(type(filler))),
        identity=_identity(identity_field, rules) if generate is None else _generated(identity_field),
        secret=secret,
        width=width,
        generate=generate,
    )


def _filler(
    field: str,
    feeding: Sequence[Rule],
    literals: Mapping[Rule, Any],
    convert_for: Callable[[Rule], Converter],
    *,
    required: bool,
) -> Filler | None:
    """What fills a field from its rules; None for one that is a literal in every row."""
    first = feeding[0]
    required = required or any(rule.required for rule in feeding)
    is_list = any(rule.list_ for rule in feeding)
    parts = [(rule.column, rule.part) for rule in feeding if rule.part and rule.column is not None]
    if len(parts) == len(feeding) and not is_list and not required:
        return Parts(field, parts)
    if field in LISTS or first.list_ or first.part:
        items = tuple(
            Item(
                rule.column,
                literals.get(rule),
                text if rule.part else convert_for(rule),
                rule.label,
                rule.part,
                rule.label_column,
            )
            for rule in feeding
        )
        return Composed(field, first.type, is_list, items, required)
    if first.column is None:
        return None
    if first.type == "text" and not required:
        return Text(field, first.column)
    return Typed(field, first.column, convert_for(first), required)


def _by_field(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """Rules by the field that they fill. Where a list is mapped, its primary joins it, in first place."""
    mapped = {rule.field for rule in rules}
    fields: dict[str, list[Rule]] = {}
    for rule in sorted(rules, key=lambda rule: rule.field not in PRIMARIES):
        list_field = PRIMARIES.get(rule.field, "")
        fields.setdefault(list_field if list_field in mapped else rule.field, []).append(rule)
    return fields


def converted_literals(
    rules: Sequence[Rule], *, country: str | None, date_order: str | None
) -> dict[Rule, Any]:
    """Each literal's value, converted once for all rows.

    Raises InvalidRequest: one is no value of its field, or none any more.
    """
    values: dict[Rule, Any] = {}
    problems: list[Problem] = []
    for rule in rules:
        if rule.literal is None:
            continue
        convert = converter(rule.type, country=country, date_order=date_order, choices=rule.choices)
        try:
            values[rule] = (text if rule.part else convert)(rule.literal)
        except BadValue as bad:
            message = f"The literal for “{rule.field}”: {bad.message}"
            problems.append(Problem(f"{rule.pointer}/literal", message, bad.code))
    if problems:
        raise InvalidRequest(problems, title="The mapping does not fit.")
    return values


class _Identity(NamedTuple):
    """Which field of a mapped row identifies it, and which columns can fill that field."""

    name: str
    field: str
    type: str
    in_list: bool
    columns: frozenset[int]


def _identity(identity_field: str, rules: Sequence[Rule]) -> _Identity:
    """Where the identity is found: in its field, or first in the list that it belongs to."""
    names = feeders(identity_field)
    feeding = [rule for rule in rules if rule.field in names]
    columns = frozenset(rule.column for rule in feeding if rule.column is not None)
    if not columns:
        raise ValueError("no column feeds the identity: resolve_mapping refuses that")
    lists = [rule.field for rule in feeding if rule.list_]
    return _Identity(names[0], lists[0] if lists else names[0], feeding[0].type, bool(lists), columns)


def _reader(identity: _Identity) -> Callable[[dict[str, Any]], str | None]:
    """What tells a row's contact by its fields; None if nothing does."""
    field, is_phone = identity.field, identity.type == "phone"
    in_list = identity.in_list
    key_of = email_key if identity.type == "email" else partial(identity_key, identity.type)

    def read(fields: dict[str, Any]) -> str | None:
        value = fields.get(field)
        if value and in_list:
            value = value[0] if is_phone else value[0]["value"]
        return None if value is None else key_of(value) or None

    return read


def _generated(identity_field: str) -> _Identity:
    """The identity of rows that get a code each."""
    return _Identity(identity_field, identity_field, "text", False, frozenset())


class Mapper:
    """Maps the rows of one file. Make it with `compile_mapping`."""

    def __init__(
        self,
        *,
        begun: dict[str, Any],
        fillers: Sequence[Filler],
        identity: _Identity,
        secret: bytes,
        width: int,
        generate: Callable[[int], Any] | None = None,
    ) -> None:
        self._width = width
        self._fields_of = unrolled(begun, fillers)
        self._texts = list(_texts(fillers))
        self._identity = identity
        self._identity_key = _reader(identity)
        self._generate = generate
        self._keyed = blake2b(f"{identity.name}\0".encode(), key=secret, digest_size=ID_BYTES)
        self._unkeyed = blake2b(digest_size=HASH_BYTES)

    def map(self, cells: Sequence[str], line: int = 0) -> Mapped | Rejected | Blank:
        """One row's fields, or what is wrong with it. `line` makes its identity, where that is generated.

        A row must have the file's width; empty cells beyond it are overlooked.
        """
        if len(cells) != self._width:
            return self._map_misfit(cells, line)
        problems: list[RowProblem] = []
        fields = self._fields_of(cells, problems)
        if self._generate is not None and not _is_blank(cells):
            fields[self._identity.name] = self._generate(line)
        key = self._identity_key(fields)
        if problems or key is None:
            return self._refused(cells, problems, key)
        try:
            json = orjson.dumps(fields, None, orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # half a character somewhere
            return self._refused(cells, problems, key)
        # What else can be wrong with text shows in the JSON: one look for the row spares one for each cell.
        if len(json) > TEXT_MAX or (_ESCAPE in json and _NUL in json):
            problems = self._bad_texts(cells) or _too_large(json)
            if problems:
                return Rejected(problems, self._id(key))
        hash_ = self._unkeyed.copy()
        hash_.update(json)
        return Mapped(self._id(key), fields, hash_.hexdigest(), json)

    def _id(self, key: str) -> str:
        keyed = self._keyed.copy()
        keyed.update(key.encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()

    def _map_misfit(self, cells: Sequence[str], line: int) -> Mapped | Rejected | Blank:
        """A row of another width: trailing empty cells are forgiven, everything else is not."""
        if _is_blank(cells):
            return Blank()
        found, expected = len(cells), self._width
        if found > expected and _is_blank(cells[expected:]):
            return self.map(cells[:expected], line)
        message = (
            f"The row has {found} cells where the file has {expected} columns: look for a missing or superfluous "
            "separator, or for an unquoted one inside a cell."
        )
        return Rejected([(None, None, "ragged_row", message)])

    def _refused(self, cells: Sequence[str], problems: list[RowProblem], key: str | None) -> Rejected | Blank:
        """A row that cannot be imported, with all its problems in the order of its columns."""
        if _is_blank(cells):
            return Blank()
        problems = problems + self._bad_texts(cells)
        identity = self._identity
        refused = {column for column, *_ in problems}
        if key is None and identity.columns.isdisjoint(refused):
            message = f"“{identity.name}” identifies contacts and is empty here: fill it in."
            problems.append((min(identity.columns), identity.name, "identity_missing", message))
        problems = sorted(problems, key=lambda problem: -1 if problem[0] is None else problem[0])
        return Rejected(problems, None if key is None else self._id(key))

    def _bad_texts(self, cells: Sequence[str]) -> list[RowProblem]:
        """What is wrong with cells that are taken as they are: nearly always nothing with all of them together."""
        with suppress(BadValue):
            refuse_broken("".join([cells[column] for column, _ in self._texts]))
            return []
        problems: list[RowProblem] = []
        for column, field in self._texts:
            try:
                refuse_broken(cells[column])
            except BadValue as bad:
                problems.append((column, field, bad.code, bad.message))
        return problems


def _texts(fillers: Sequence[Filler]) -> Iterator[tuple[int, str]]:
    """The columns that are taken as they are, each with its field."""
    for filler in fillers:
        match filler:
            case Text(field, column):
                yield column, field
            case Parts(field, columns):
                yield from ((column, field) for column, _ in columns)


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip(EDGES) for cell in cells)


def _too_large(json: bytes) -> list[RowProblem]:
    if len(json) <= ROW_MAX:
        return []
    message = (
        f"The row's values make {len(json):,} bytes and a contact holds {ROW_MAX:,}: shorten the longest."
    )
    return [(None, None, "row_too_large", message)]

"""The function that types a row, unrolled from the mapping: what is the same for every row is not asked again.

As `dataclasses` does for `__init__`, source is put together and compiled, once for a file. A name, a birthday and
telephones come to this:

    def fields_of(cells, problems):
        fields = begun.copy()
        cell = cells[0]
        if cell >= "!" or cell.strip(EDGES):
            fields['name'] = cell
        cell = cells[1]
        try:
            value = given_7(cell) if cell else None
        except BadValue as bad:
            value = None
            problems.append((1, 'birthday', bad.code, bad.message))
        if value is not None:
            fields['birthday'] = value
        entries = []
        cell = cells[2]
        try:
            …
        if value is not None and not (entries and is_listed(value, entries, 'phone')):
            entry = value
            if label := 'mobile':
                entry['label'] = label
            entries.append(entry)
        …
        value = entries or None
        if value is not None:
            fields['phones'] = value
        return fields

`tests/support/plain_mapping.py` says the same without haste. Nothing of a customer's becomes code: fields and labels are
written as literals, all else is reached by a name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import indent
from typing import Any, NamedTuple

from contactsync.core.composing import Composed, RowProblem, addresses, empty, is_listed, own_label
from contactsync.core.fieldtypes import BadValue, Converter
from contactsync.core.fieldtypes.refusal import EDGES

FieldsOf = Callable[[Sequence[str], list[RowProblem]], dict[str, Any]]
"""A row's cells → its fields. What is wrong with cells is added to the list; texts are taken unseen."""


class Text(NamedTuple):
    """A column that is taken as it is."""

    field: str
    column: int


class Parts(NamedTuple):
    """One address, each of whose parts is a column that is taken as it is."""

    field: str
    columns: Sequence[tuple[int, str]]


class Typed(NamedTuple):
    """A column of a type, which alone feeds a field."""

    field: str
    column: int
    convert: Converter
    required: bool


Filler = Text | Parts | Typed | Composed
"""What fills one field."""


def unrolled(begun: dict[str, Any], fillers: Sequence[Filler]) -> FieldsOf:
    """The function that fills a row's fields, one after the other. `begun`: what they are without any cell."""
    code = _Code(begun)
    for filler in fillers:
        code.fill(filler)
    return code.compiled()


class _Code:
    """Source that grows by a block for each thing to do, and the values behind its names."""

    def __init__(self, begun: dict[str, Any]) -> None:
        self._names: dict[str, Any] = {
            "begun": begun, "BadValue": BadValue, "EDGES": EDGES, "addresses": addresses, "empty": empty,
            "is_listed": is_listed, "own_label": own_label,
        }  # fmt: skip
        self._source = "def fields_of(cells, problems):\n    fields = begun.copy()\n"

    def compiled(self) -> FieldsOf:
        """The function."""
        self._add("return fields")
        exec(self._source, self._names)  # noqa: S102 - see the top of this module
        fields_of: FieldsOf = self._names["fields_of"]
        return fields_of

    def fill(self, filler: Filler) -> None:
        """Add what fills one field."""
        if isinstance(filler, Typed | Composed) and filler.required:
            self._add("known = len(problems)")
        match filler:
            case Text(field, column):
                self._take_text(column, "fields", field)
                return
            case Parts(_, columns):
                self._add("value = {}")
                for column, part in columns:
                    self._take_text(column, "value", part)
                self._add("value = value or None")
            case Typed(field, column, convert, required):
                self._convert(column, field, convert, when="cell.strip(EDGES)" if required else "cell")
            case Composed(type="address"):
                self._add(f"value = addresses({self._named(filler)}, cells, problems)")
            case Composed():
                self._list(filler)
        self._add(f"if value is not None:\n    fields[{filler.field!r}] = value")
        if isinstance(filler, Typed | Composed) and filler.required:
            missing = f"empty({filler.column}, {filler.field!r})"
            self._add(f"elif len(problems) == known:\n    problems.append({missing})")

    def _take_text(self, column: int, into: str, key: str) -> None:
        """A cell as it is, unless it is blank: `cell >= "!"` alone decides nearly always."""
        self._add(f"""\
cell = cells[{column}]
if cell >= "!" or cell.strip(EDGES):
    {into}[{key!r}] = cell""")

    def _convert(self, column: int, field: str, convert: Converter, *, when: str = "cell") -> None:
        self._add(f"""\
cell = cells[{column}]
try:
    value = {self._named(convert)}(cell) if {when} else None
except BadValue as bad:
    value = None
    problems.append(({column}, {field!r}, bad.code, bad.message))""")

    def _list(self, composed: Composed) -> None:
        """Values as entries, each once: what an earlier one equals is left out."""
        self._add("entries = []")
        for item in composed.items:
            if item.column is None:
                self._add(f"value = {self._named(item.literal)}")
            else:
                self._convert(item.column, composed.field, item.convert)
            entry = "{'value': value}"
            if composed.type == "phone":  # an entry already; a literal one is every row's
                entry = "value.copy()" if item.column is None else "value"
            label = (
                repr(item.label) if item.label_column is None else f"own_label(cells[{item.label_column}])"
            )
            self._add(f"""\
if value is not None and not (entries and is_listed(value, entries, {composed.type!r})):
    entry = {entry}
    if label := {label}:
        entry['label'] = label
    entries.append(entry)""")
        self._add("value = entries or None")

    def _add(self, block: str) -> None:
        self._source += indent(block, "    ") + "\n"

    def _named(self, value: object) -> str:
        name = f"given_{len(self._names)}"
        self._names[name] = value
        return name

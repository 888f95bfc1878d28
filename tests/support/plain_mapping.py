"""What becomes of a row, told plainly: cell by cell from the mapping's rules, with nothing known beforehand.

`Mapper` says the same in a tenth of the time; `tests/property/test_the_short_way_maps_as_the_plain_one.py` holds it
to that. Nothing here is to be quick, and nothing is taken from what it checks but the converters of single cells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from contactsync.core.fieldtypes import TEXT_MAX, BadValue, converter, text
from contactsync.core.identity import identity_key
from contactsync.core.mapping import NEVER_EMPTY, Blank, Mapped, Rejected, RowProblem
from contactsync.core.rules import ROW_MAX, Rule
from contactsync.model.field import PRIMARIES

BLANKS = " \t\r\n\u00a0\ufeff"


class Stated(NamedTuple):
    """All that `compile_mapping` is told."""

    rules: Sequence[Rule]
    identity_field: str
    secret: bytes
    country: str | None
    date_order: str | None
    empty_cells: str
    width: int
    generate: Callable[[int], Any] | None = None
    date_orders: Mapping[int, str] | None = None


class _Row:
    """One row while it is read: its fields so far, and what is wrong with it in the order in which that is found."""

    def __init__(self, cells: Sequence[str], stated: Stated) -> None:
        self.cells = cells
        self.stated = stated
        self.fields: dict[str, Any] = {}
        self.problems: list[RowProblem] = []

    def value(self, rule: Rule, field: str) -> Any:
        """A rule's value in this row; None where there is none or it is refused."""
        order = self.stated.date_order
        if rule.column is not None and self.stated.date_orders:
            order = self.stated.date_orders.get(rule.column, order)
        convert = converter(rule.type, country=self.stated.country, date_order=order, choices=rule.choices)
        written = rule.literal if rule.column is None else self.cells[rule.column]
        if not written:
            return None
        try:
            return text(written) if rule.part else convert(written)
        except BadValue as bad:
            self.problems.append((rule.column, field, bad.code, bad.message))
            return None

    def cell(self, rule: Rule) -> str:
        """The cell of a rule that has a column."""
        assert rule.column is not None
        return self.cells[rule.column]

    def says(self, rule: Rule) -> bool:
        """Whether a text is kept: it begins with more than a space, or has content behind."""
        return self.cell(rule)[:1] > " " or self.cell(rule).strip(BLANKS) != ""

    def label(self, rule: Rule) -> str:
        """What the rule's value is for in this row."""
        if rule.label_column is None:
            return rule.label
        label = self.cells[rule.label_column].strip()
        return label[label.startswith("*") :].strip()[:40]


def plainly_mapped(cells: Sequence[str], line: int, stated: Stated) -> Mapped | Rejected | Blank:
    """One row's outcome."""
    is_blank = not "".join(cells).strip(BLANKS)
    if len(cells) != stated.width:
        if is_blank:
            return Blank()
        if len(cells) < stated.width or "".join(cells[stated.width :]).strip(BLANKS):
            message = (
                f"The row has {len(cells)} cells where the file has {stated.width} columns: look for a missing or "
                "superfluous separator, or for an unquoted one inside a cell."
            )
            return Rejected([(None, None, "ragged_row", message)])
        cells = cells[: stated.width]
    row = _Row(cells, stated)
    texts: list[Rule] = []
    for field, rules in sorted(_feeding(stated.rules).items(), key=lambda item: _kind(item[1], stated)):
        if _kind(rules, stated) in (TEXT, PLAIN_ADDRESS):
            texts += [rule for rule in rules if rule.column is not None]
        _fill(row, field, rules)
    if stated.generate and not is_blank:
        row.fields[stated.identity_field] = stated.generate(line)
    outcome = _judged(row, texts)
    return Blank() if is_blank and isinstance(outcome, Rejected) else outcome


SINGLE, SEVERAL, TEXT, PLAIN_ADDRESS = range(4)


def _feeding(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """The rules of each field; those of a primary stand first among its list's, where that is mapped."""
    mapped = {rule.field for rule in rules}
    feeding: dict[str, list[Rule]] = {}
    for first in (True, False):
        for rule in rules:
            if (rule.field in PRIMARIES) == first:
                list_field = PRIMARIES.get(rule.field)
                feeding.setdefault(list_field if list_field in mapped else rule.field, []).append(rule)
    return feeding


def _kind(rules: Sequence[Rule], stated: Stated) -> int:
    """How a field is fed; what is wrong with one cell is told in this order where it feeds several."""
    required, is_list = _is_required(rules, stated), any(rule.list_ for rule in rules)
    if not is_list and not required and all(rule.part and rule.column is not None for rule in rules):
        return PLAIN_ADDRESS
    if is_list or rules[0].part:  # a whole address that comes first stands alone
        return SEVERAL
    return TEXT if rules[0].type == "text" and not required else SINGLE


def _is_required(rules: Sequence[Rule], stated: Stated) -> bool:
    typed = stated.empty_cells == "reject" and rules[0].type in NEVER_EMPTY
    return typed or any(rule.required for rule in rules)


def _fill(row: _Row, field: str, rules: list[Rule]) -> None:
    """One field's value into the row, or what is wrong with it."""
    kind, required = _kind(rules, row.stated), _is_required(rules, row.stated)
    known = len(row.problems)
    value: Any
    if kind == SEVERAL:
        value = _addresses(row, field, rules) if rules[0].type == "address" else _entries(row, field, rules)
    elif kind == PLAIN_ADDRESS:
        value = {rule.part: row.cell(rule) for rule in rules if row.says(rule)}
    elif rules[0].column is None:
        row.fields[field] = row.value(rules[0], field)
        return
    elif kind == TEXT:
        value = row.cell(rules[0]) if row.says(rules[0]) else None
    else:
        value = None if required and not row.cell(rules[0]).strip(BLANKS) else row.value(rules[0], field)
    if value not in (None, [], {}):
        row.fields[field] = value
    elif len(row.problems) > known:
        return
    elif required:
        message = f"“{field}” is empty, and must not be: fill it in."
        row.problems.append((rules[0].column, field, "empty_cell", message))
    elif row.stated.empty_cells == "clear":
        row.fields[field] = None


def _entries(row: _Row, field: str, rules: list[Rule]) -> list[dict[str, Any]]:
    """Every value once, each with its label."""
    entries: list[dict[str, Any]] = []
    keys = []
    for rule in rules:
        value = row.value(rule, field)
        if value is None or identity_key(rule.type, value) in keys:
            continue
        keys.append(identity_key(rule.type, value))
        entry = value if rule.type == "phone" else {"value": value}
        entries.append(entry | ({"label": row.label(rule)} if row.label(rule) else {}))
    return entries


def _addresses(row: _Row, field: str, rules: list[Rule]) -> Any:
    """Parts that share a label and its column make one address; a whole one in a cell is one of its own."""
    groups: list[tuple[object, dict[str, str], str]] = []
    is_list = any(rule.list_ for rule in rules)
    for rule in rules:
        value = row.value(rule, field)
        if value is None:
            continue
        mark = (rule.label, rule.label_column) if rule.part or not is_list else object()
        if mark not in [other for other, _, _ in groups]:
            groups.append((mark, {}, row.label(rule)))
        address = next(address for other, address, _ in groups if other == mark)
        address.update({rule.part: value} if rule.part else value)
    if not is_list:
        return groups[0][1] if groups else None
    return [{"value": address} | ({"label": label} if label else {}) for _, address, label in groups]


def _key(row: _Row) -> str | None:
    """What identifies the row."""
    if row.stated.generate:
        value = row.fields.get(row.stated.identity_field)
        return None if value is None else identity_key("text", value)
    rules = _identifying(row.stated)
    lists = [rule.field for rule in rules if rule.list_]
    value = row.fields.get(lists[0] if lists else rules[0].field)
    if value and lists:
        value = value[0] if rules[0].type == "phone" else value[0]["value"]
    return None if value is None else identity_key(rules[0].type, value) or None


def _name(stated: Stated) -> str:
    """What the identity is called: a list's by its primary."""
    named = {list_field: primary for primary, list_field in PRIMARIES.items()}
    return (
        stated.identity_field if stated.generate else named.get(stated.identity_field, stated.identity_field)
    )


def _identifying(stated: Stated) -> list[Rule]:
    """The rules that can fill the identity."""
    name = _name(stated)
    return [rule for rule in stated.rules if rule.field in (name, PRIMARIES.get(name))]


def _judged(row: _Row, texts: Sequence[Rule]) -> Mapped | Rejected:
    """Mapped, or refused for all that is wrong."""
    key, problems, stated = _key(row), row.problems, row.stated
    name = f"{_name(stated)}\0".encode()
    id_ = None
    if key is not None:
        told = key.encode("utf-8", "surrogatepass")
        id_ = blake2b(name + told, key=stated.secret, digest_size=16).hexdigest()
    written = json.dumps(row.fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    data = written.encode("utf-8", "surrogatepass")
    is_broken = any("\ud800" <= character <= "\udfff" for character in written)
    faults = [fault for rule in texts if (fault := _fault(row, rule))]
    if problems or id_ is None or is_broken:
        problems += faults
        columns = {rule.column for rule in _identifying(stated) if rule.column is not None}
        if id_ is None and not columns & {column for column, *_ in problems}:
            message = f"“{_name(stated)}” identifies contacts and is empty here: fill it in."
            problems.append((min(columns, default=None), _name(stated), "identity_missing", message))
        return Rejected(sorted(problems, key=lambda problem: -1 if problem[0] is None else problem[0]), id_)
    # a text of blanks alone is not kept, and may be too long where nothing else is
    if faults and (len(data) > TEXT_MAX or "\\u0000" in written):
        return Rejected(faults, id_)
    if len(data) > ROW_MAX:
        message = (
            f"The row's values make {len(data):,} bytes and a contact holds {ROW_MAX:,}: shorten the longest."
        )
        return Rejected([(None, None, "row_too_large", message)], id_)
    return Mapped(id_, row.fields, blake2b(data, digest_size=8).hexdigest(), data)


def _fault(row: _Row, rule: Rule) -> RowProblem | None:
    """Why a cell that is taken as it is cannot be stored."""
    try:
        text(row.cell(rule))
    except BadValue as bad:
        return rule.column, rule.field, bad.code, bad.message
    return None

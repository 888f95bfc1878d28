"""What is made of a JSON by its shape is what is made of it decoded."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.adapters.items import attributes
from contactsync.core import shapes
from contactsync.core.overlay import compares, laid_bare
from contactsync.core.shapes import Shapes

TEXTS = st.text(
    st.one_of(st.sampled_from('"\\%,:{}[]bs\n\ue000\ue001é0'), st.characters(codec="utf-8")), max_size=6
)
KEYS = st.sampled_from(["address", "name", "notes", "url", "a%b", 'a"b', "\ue0000\ue001"])
LEAVES = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-9, 9))
ENTRY = st.fixed_dictionaries({"value": TEXTS}, optional={"label": TEXTS, "text": TEXTS})
VALUES = st.one_of(LEAVES, st.lists(ENTRY, max_size=3), st.dictionaries(KEYS, TEXTS, max_size=3))
OF_LISTS = {
    "email": TEXTS,
    "phone": ENTRY,
    "emails": st.lists(ENTRY, max_size=3),
    "phones": st.lists(ENTRY, max_size=3),
}
ROWS = st.builds(
    dict.__or__, st.dictionaries(KEYS, VALUES, max_size=6), st.fixed_dictionaries({}, optional=OF_LISTS)
)


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """What the table makes of a row that finds an empty slot."""
    return attributes(laid_bare(row))


def plainly(row: dict[str, Any]) -> bytes:
    """Decoded and encoded."""
    return orjson.dumps(stored(orjson.loads(orjson.dumps(row))))


@given(st.lists(ROWS, min_size=1, max_size=6))
def test_rows_become_what_they_become_decoded(rows: list[dict[str, Any]]) -> None:
    by_shape = Shapes(stored, compares=compares)

    for row in [*rows, *rows]:  # each shape is met anew, and again
        assert by_shape.transformed(orjson.dumps(row)) == plainly(row)


@given(st.lists(st.tuples(st.integers(0, 99), ROWS), min_size=1, max_size=6))
def test_a_number_that_each_row_has_of_its_own_makes_no_shapes(
    rows: list[tuple[int, dict[str, Any]]],
) -> None:
    met: list[Any] = []

    def numbered(row: list[Any]) -> list[Any]:
        met.append(row)
        number, fields = row
        return [{"N": number}, stored(fields)]

    def quoted(json: bytes) -> list[bytes]:
        number, comma, rest = json.partition(b",")
        return [b"[", number[1:], *(comma + rest).split(b'"')]

    by_shape = Shapes(numbered, compares=lambda row: compares(row[1]), split=quoted)

    for number, row in [*rows, *rows]:
        made = by_shape.transformed(orjson.dumps([number, row]))
        assert made == orjson.dumps([{"N": str(number)}, orjson.loads(plainly(row))])
    before = len(met)
    by_shape.transformed(orjson.dumps([100, {"name": "Ada"}]))
    by_shape.transformed(orjson.dumps([101, {"name": "Zoe"}]))
    assert len(met) <= before + 2


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_a_transformation_that_looks_at_texts_is_left_to_them(pairs: list[tuple[str, str]]) -> None:
    def alike(pair: dict[str, str]) -> dict[str, str]:
        return {"same": pair["a"]} if pair["a"] == pair["b"] else pair

    by_shape = Shapes(alike, compares=lambda pair: True)

    for a, b in [*pairs, ("x", "y"), ("x", "x")]:
        pair = {"a": a, "b": b}
        assert by_shape.transformed(orjson.dumps(pair)) == orjson.dumps(alike(pair))


def test_what_was_met_is_not_decoded_again() -> None:
    met: list[Any] = []

    def noted(row: Any) -> Any:
        met.append(row)
        return row

    by_shape = Shapes(noted, compares=lambda row: False)

    for number in range(100):
        by_shape.transformed(orjson.dumps({"name": f'Ada "{number}" \\', "emails": [{"value": "a\n"}]}))

    assert len(met) == 2  # the first one, its texts marked and left out


def test_shapes_beyond_those_that_are_remembered_are_transformed_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shapes, "SHAPES", 2)
    by_shape = Shapes(stored, compares=compares)

    for number in range(10):
        row = {"age": number, "name": "Ada"}
        assert by_shape.transformed(orjson.dumps(row)) == plainly(row)
        row = {f"key{number}": "Ada"}
        assert by_shape.transformed(orjson.dumps(row)) == plainly(row)

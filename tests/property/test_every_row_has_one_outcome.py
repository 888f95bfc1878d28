"""Whatever a file holds, each of its rows is mapped, rejected with reasons, or blank: never an exception."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.mapping import Blank, Mapped, Rejected, compile_mapping, resolve_mapping
from tests.support.fields import FIELDS

NAMES = [
    "email",
    "emails.work",
    "name",
    "phone",
    "phones.mobile",
    "birthday",
    "url",
    "points",
    "rate",
    "member",
    "size",
]
NAMES += ["address.city", "notes", "addresses.home.city"]

cells = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(), max_size=10),  # half characters too
    st.sampled_from(
        ["", " ", "ada@example.com", "06-12345678", "+31201234567", "1990-05-17", "3/4/2024", "1.234,5", "ja"]
    ),
    st.sampled_from(
        ["S", "example.com", "-5", "\x00", "\\u0000", "x" * 33_000, "0/0/00", "\u0661\u0662", "=1+1"]
    ),
    st.from_regex(r"\A[0-9+\-./ @a-z]{1,20}\Z"),
)
GOOD = {
    "email": ["ada@example.com", "Zoë@example.com"],
    "emails.work": ["", "ada@work.example.com", "ADA@example.com"],
    "phone": ["", "06-12345678"],
    "phones.mobile": ["", "+31 6 1234 5678"],
    "birthday": ["", "1990-05-17", "3/4/2024"],
    "url": ["", "example.com"],
    "points": ["", "1.234"],
    "rate": ["", "1.234,50"],
    "member": ["", "ja"],
    "size": ["", "s"],
}
good_rows = st.tuples(*(st.sampled_from(GOOD.get(name, ["", " x", "a\n"])) for name in NAMES)).map(list)
rows = st.one_of(good_rows, st.lists(cells, min_size=len(NAMES), max_size=len(NAMES)))


def mapper(empty_cells: Any = "ignore", order: list[int] | None = None):
    places = order or list(range(len(NAMES)))
    entries = [{"column": places.index(n), "field": NAMES[n]} for n in places]
    rules = resolve_mapping(entries, None, FIELDS, identity_field="email", width=len(NAMES))
    return compile_mapping(
        rules,
        identity_field="email",
        secret=bytes(32),
        country="NL",
        date_order="dmy",
        empty_cells=empty_cells,
        width=len(NAMES),
    )


MAPPERS = {rule: mapper(rule) for rule in ("ignore", "clear", "reject")}


@given(row=rows, empty_cells=st.sampled_from(list(MAPPERS)))
def test_any_cells_have_an_outcome_and_it_can_be_stored(row, empty_cells):
    match MAPPERS[empty_cells].map(row):
        case Mapped(id_, fields, hash_, json):
            assert orjson.loads(json) == fields
            assert (len(id_), len(hash_)) == (32, 16)
        case Rejected(problems):
            assert problems
            for column, field, code, message in problems:
                assert column is None or 0 <= column < len(row)
                assert field is None or field in FIELDS
                assert code.replace("_", "").isalpha()
                assert message.endswith(".")
        case Blank():
            assert not any(cell.strip() for cell in row if cell.isprintable())


@given(row=st.lists(cells, max_size=20))
def test_rows_of_any_width_have_an_outcome(row):
    outcome = MAPPERS["ignore"].map(row)
    assert isinstance(outcome, Mapped | Rejected | Blank)
    if isinstance(outcome, Mapped):
        assert not any(cell.strip() for cell in row[len(NAMES) :])


@given(row=rows, order=st.permutations(range(len(NAMES))))
def test_the_order_of_columns_makes_no_difference(row, order):
    straight, shuffled = (
        MAPPERS["ignore"].map(row),
        mapper("ignore", list(order)).map([row[n] for n in order]),
    )
    if isinstance(straight, Mapped):
        assert isinstance(shuffled, Mapped)
        assert (shuffled.id, shuffled.hash) == (straight.id, straight.hash)
    else:
        assert type(shuffled) is type(straight)


@given(row=rows)
def test_the_same_row_maps_the_same_and_its_values_map_to_themselves(row):
    first = MAPPERS["ignore"].map(row)
    assert MAPPERS["ignore"].map(list(row)) == first
    if isinstance(first, Mapped):
        typed = {0: "emails", 5: "birthday", 6: "url", 7: "points"}
        again = list(row)
        for column, field in typed.items():
            value = first.fields.get(field)
            if value is not None and field != "emails":
                again[column] = str(value)
        second = MAPPERS["ignore"].map(again)
        assert isinstance(second, Mapped)
        assert second.fields == first.fields


@given(row=rows)
def test_no_reason_repeats_a_cell(row):
    outcome = MAPPERS["ignore"].map([f"Quixote{cell}Quixote" if cell else "" for cell in row])
    if isinstance(outcome, Rejected):
        assert "Quixote" not in " ".join(message for *_, message in outcome.problems)

"""`Mapper` is put together for speed. Whatever mapping, options and rows it gets, it says what a plain reading says."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from contactsync.core.mapping import compile_mapping, resolve_mapping
from contactsync.core.rules import ROW_MAX
from contactsync.errors import InvalidRequest
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from tests.support.plain_mapping import Stated, plainly_mapped

WIDTH = 7
OWN = [
    FieldSpec(key="points", label="Points", type="integer"),
    FieldSpec(key="rate", label="Rate", type="decimal"),
    FieldSpec(key="member", label="Member", type="boolean"),
    FieldSpec(key="size", label="Size", type="choice", choices=("S", "L", "Éé")),
    FieldSpec(key="tags", label="Tags", type="text", list=True),
    FieldSpec(key="days", label="Days", type="date", list=True),
]
FIELDS = STANDARD_FIELDS | {spec.key: spec for spec in OWN}

TARGETS = {
    "text": ["name", "given_name", "notes", "tags", "tags.vip"],
    "email": ["email", "emails", "emails.work"],
    "phone": ["phone", "phones", "phones.mobile", "phones.office"],
    "url": ["url", "urls.home"],
    "date": ["birthday", "days", "days.born"],
    "integer": ["points"],
    "decimal": ["rate"],
    "boolean": ["member"],
    "choice": ["size"],
    "address": ["address", "address.city", "address.street", "addresses", "addresses.work"],
    "part": ["addresses.home.city", "addresses.home.street", "addresses.work.city"],
}
TYPES = {name: kind for kind, names in TARGETS.items() for name in names}
GOOD = {
    "text": ["Zoë", " x ", 'a\n"b"', "\\u0000", "日本", "\x01", "\t", "a\x00b", "\ud83d", "x" * 33_000],
    "email": ["ada@example.com", "Zoë@Example.com", " b@example.org ", "ADA@EXAMPLE.COM", "a@bücher.example"],
    "phone": [
        "06-12345678",
        "+31 6 1234 5678",
        "+31612345678",
        "0031612345678",
        "020 1234567 ext. 5",
        "020 1234567",
    ],
    "url": ["https://example.com/a", "example.com", "HTTP://EXAMPLE.com"],
    "date": ["1990-05-17", "3/4/2024", "--02-29", "0/0/00", "12 Mar 2024"],
    "integer": ["0", "1.234", "-5", " 7 "],
    "decimal": ["1.234,50", "1.5", "-0,0", "007"],
    "boolean": ["ja", "0", "TRUE"],
    "choice": ["S", "l", "E\u0301e\u0301"],
    "part": ["Springfield", " ", "Elm 1", "a\x00b"],
    "address": ["Elm 1\nSpringfield", "Springfield", " "],
}
ODD_PHONES = ["+31 (0)20 123 4567", "+393123456789", "+77012345678", "+81312345678", "+441534123456", "+31"]
HOSTILE = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(), max_size=6),  # half characters too
    st.sampled_from(
        [
            "\x00",
            "a\x00b",
            "x" * 33_000,
            " " * 33_000,
            "é" * 17_000,
            "\ud83d",
            "\ufeff",
            "=1+1",
            "é" * ROW_MAX,
        ]
    ),
    st.sampled_from(ODD_PHONES),
    st.sampled_from([cell for cells in GOOD.values() for cell in cells]),
)
BLANK = st.sampled_from(["", "", "", " ", "\u00a0"])


@st.composite
def entries(draw: st.DrawFn, identity: str) -> list[dict[str, Any]]:
    """A mapping: some fields, each fed by any column or by a literal, in any order; `identity` by a column."""
    names = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=9, unique=True))
    made: list[dict[str, Any]] = []
    for name in dict.fromkeys([identity, *names]):
        if name != identity and draw(st.integers(0, 4)) == 0:
            made.append(
                {"field": name, "literal": draw(st.sampled_from(GOOD[TYPES[name]]).filter(str.strip))}
            )
            continue
        made.append({"field": name, "column": draw(st.integers(0, WIDTH - 1))})
        if FIELDS[name.partition(".")[0]].list and draw(st.integers(0, 4)) == 0:
            made[-1]["label_column"] = draw(st.integers(0, WIDTH - 1))
    return draw(st.permutations(made))


@st.composite
def rows(draw: st.DrawFn, mapping: list[dict[str, Any]]) -> list[list[str]]:
    """Some rows, most of whose cells suit a field that their column feeds; a few are ragged."""
    suited = [
        [GOOD[TYPES[entry["field"]]] for entry in mapping if entry.get("column") == n] for n in range(WIDTH)
    ]
    made = []
    for _ in range(draw(st.integers(1, 4))):
        odds = draw(st.sampled_from([0, 0, 1, 4, 10]))
        cells = []
        for pools in suited:
            if draw(st.integers(0, 9)) < odds:
                cells.append(draw(HOSTILE | BLANK))
            elif pools:
                cells.append(draw(st.sampled_from(["", *draw(st.sampled_from(pools))])))
            else:
                cells.append(draw(st.sampled_from(["", "x"])))
        if draw(st.integers(0, 9)) == 0:
            cells = draw(
                st.sampled_from([[*cells, ""], [*cells, " x"], cells[:-1], [""] * WIDTH, [], [" "] * 9])
            )
        made.append(cells)
    return made


@st.composite
def imports(draw: st.DrawFn) -> tuple[Stated, list[list[str]]]:
    """All that a mapper is told, and rows for it."""
    identity = draw(st.sampled_from(["email", "email", "emails", "phone", "name", "points", "size"]))
    generated = draw(st.integers(0, 5)) == 0
    mapping = draw(entries(identity))
    named = sorted({entry["field"].partition(".")[0] for entry in mapping})
    musts = {key: draw(st.integers(0, 5)) == 0 for key in named}
    fields = FIELDS | {key: FIELDS[key].model_copy(update={"required": musts[key]}) for key in named}
    try:
        rules = resolve_mapping(mapping, None, fields, identity_field=identity, width=WIDTH)
    except InvalidRequest:
        assume(False)
    stated = Stated(
        rules,
        "code" if generated else identity,
        draw(st.sampled_from([bytes(32), b"sixteen bytes in"])),
        draw(st.sampled_from(["NL", "NL", "JP", "US", None])),
        draw(st.sampled_from(["dmy", "mdy", "iso", None])),
        draw(st.sampled_from(["ignore", "clear", "reject"])),
        WIDTH,
        (lambda line: f"c{line}") if generated else None,
        draw(st.dictionaries(st.integers(0, WIDTH - 1), st.sampled_from(["dmy", "mdy"]), max_size=2)),
    )
    return stated, draw(rows(mapping))


@given(imports())
def test_every_row_of_any_import_comes_out_as_told_plainly(told):
    stated, table = told
    try:
        mapper = compile_mapping(**stated._asdict())
    except InvalidRequest:  # a literal that this country has no such number for
        assume(False)
    quick = [mapper.map(cells, line) for line, cells in enumerate(table)]
    plain = [plainly_mapped(cells, line, stated) for line, cells in enumerate(table)]
    assert quick == plain
    assert [type(outcome) for outcome in quick] == [type(outcome) for outcome in plain]

"""Whoever looks at what `cut` passes finds in it what reading every row would have shown."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from contactsync.core.parsing import Damaged, Dialect, Stretch, cut, read_chunk, records
from contactsync.core.parsing.evidence import Evidence
from tests.property.test_rows_add_up import CUTTINGS, DIALECTS, FILES, FILES_OF_LINES, Cutting, all_rows

DATES = st.sampled_from(
    [
        "13/2/1990",
        "2/13/1990",
        "1/2/1990",
        "3/3/1990",
        "13 2 1990",
        "2-13-1990 10:30",
        "13.2.1990T\n",
        " 13/2/1990",
        "\ufeff2/13/1990",
        "\n\u00a013/2/1990",
        '"2/13/1990',
        "'2/13/1990",
        "113/2/1990",
        "13/2/199",
        "1990-02-13",
        "13,2,1990",
        "",
    ]
)
OTHERS = st.sampled_from(
    ["Ann", "Lee, Ann", "two\nlines", "two\r\nlines", 'say "hi"', "a;b", "\\", "é", "", "x" * 40]
)
FOREIGN = st.sampled_from([b"\xff", b"\xfe", b"\xfd", b"\xfc", b"\xfb", b"\0", b"\r", b'"', b"\\", b"\n"])
MARKS = st.one_of(
    st.just((",", '"')),
    st.tuples(
        st.sampled_from([",", ";", "\t", " ", "/", "||", "-"]), st.sampled_from(['"', "'", ".", "1", ""])
    ),
)


@st.composite
def files_of_dates(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    """Mostly sound files of three columns, the second of dates, and the dialect that they are written in."""
    delimiter, quote = draw(MARKS)
    dialect = Dialect(delimiter=delimiter, quote=quote, has_header=draw(st.booleans()))
    always = draw(st.booleans())

    def written(cell: str) -> str:
        if quote and (always or any(mark in cell for mark in (delimiter, quote, "\r", "\n"))):
            return quote + cell.replace(quote, quote * 2) + quote
        return cell

    end = draw(st.sampled_from(["\n", "\r\n", "\n", "\r"]))
    rows = draw(st.lists(st.tuples(OTHERS, DATES, OTHERS), max_size=12))
    widths = draw(st.lists(st.sampled_from([3, 3, 3, 3, 2, 1, 4]), min_size=len(rows), max_size=len(rows)))
    lines = [
        delimiter.join(map(written, [*row, "more"][:width])) + end
        for row, width in zip(rows, widths, strict=True)
    ]
    parts = [line.encode() for line in lines]
    if draw(st.booleans()) and parts:
        at = draw(st.integers(0, len(parts) - 1))
        into = draw(st.integers(0, len(parts[at])))
        parts[at] = parts[at][:into] + draw(FOREIGN) + parts[at][into:]
    return b"".join(parts), dialect


def stretches(data: bytes, dialect: Dialect, width: int, cutting: Cutting) -> list[Stretch]:
    seen: list[Stretch] = []
    blocks = [data[at : at + cutting.block] for at in range(0, len(data), cutting.block)]
    with patch.object(records, "_WINDOW_BYTES", cutting.window):
        few = {"target_bytes": cutting.target_bytes, "target_rows": cutting.target_rows}
        list(cut(blocks, dialect, width=width, look=seen.append, **few))
    return seen


def read(stretch: Stretch) -> list[tuple[int, list[str]] | Damaged]:
    return list(read_chunk(stretch.data, stretch.dialect, width=stretch.width, first_line=1))


def without_lines(rows: list[Any]) -> list[Any]:
    return [(row.code, row.cells) if isinstance(row, Damaged) else row[1] for row in rows]


@settings(max_examples=300)
@given(data=st.one_of(FILES, FILES_OF_LINES), dialect=DIALECTS, width=st.integers(1, 4), cutting=CUTTINGS)
def test_every_row_is_shown_once_and_in_order(data, dialect, width, cutting):
    shown = [row for stretch in stretches(data, dialect, width, cutting) for row in read(stretch)]
    assert without_lines(shown) == without_lines(all_rows(data, dialect, width, cutting))


@settings(max_examples=1_000)
@given(
    file=st.one_of(files_of_dates(), st.tuples(FILES_OF_LINES, st.just(Dialect(has_header=False)))),
    block=st.integers(1, 300),
    window=st.integers(10, 150),
    many=st.sampled_from([0, 8]),
)
@example(file=(b'a,b,c\n"a","13/2/1990","c"\n', Dialect()), block=6, window=6, many=0)
def test_dates_prove_what_they_do_when_every_cell_is_read(file, block, window, many):
    data, dialect = file
    cutting = Cutting(block, window, 1 << 20, 1 << 20)
    looked, everything = Evidence(range(3)), Evidence(range(3))
    with patch.object(records, "_MANY_QUOTES", many):
        for stretch in stretches(data, dialect, 3, cutting):
            looked.look(stretch, lambda data: read_chunk(data, dialect, width=3, first_line=1))
    everything.add(all_rows(data, dialect, 3, cutting))
    assert looked.orders() == everything.orders()


@settings(max_examples=500)
@given(
    file=files_of_dates(), column=st.integers(0, 2), window=st.integers(10, 150), many=st.sampled_from([0, 8])
)
def test_a_cell_that_need_not_be_read_is_among_those_that_are_known(file, column, window, many):
    data, dialect = file
    with patch.object(records, "_MANY_QUOTES", many):
        found = stretches(data, dialect, 3, Cutting(1 << 20, window, 1 << 20, 1 << 20))
    for stretch in found:
        if (roughly := stretch.roughly(column)) is not None:
            rows = [row[1] for row in read(stretch) if not isinstance(row, Damaged)]
            lines = roughly.decode("utf-8", "surrogateescape").split("\n")
            known = {line.removesuffix("\r").replace("\udcff", "\n") for line in lines}
            cells = {row[column].removesuffix("\r") for row in rows if len(row) > column}
            assert {cell for cell in cells if cell.strip(dialect.quote)} <= known

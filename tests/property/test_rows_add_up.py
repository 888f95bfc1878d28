"""What `cut` counts is what `read_chunk` yields, wherever a file happens to be cut."""

from __future__ import annotations

import csv
from itertools import pairwise
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from contactsync.core.parsing import Chunk, Damaged, Dialect, cut, read_chunk, records

BOM = b"\xef\xbb\xbf"
HOSTILE = st.sampled_from(
    [
        '"',
        '"',
        '""',
        ",",
        ";",
        "||",
        "|",
        "\\",
        "\r",
        "\n",
        "\r\n",
        '",',
        ',"',
        '","',
        '"\n',
        " ",
        "a",
        "é",
        "\0",
        "\ufeff",
    ]
)
FILES = st.one_of(
    st.lists(HOSTILE, max_size=60).map(lambda parts: "".join(parts).encode()),
    st.lists(st.one_of(HOSTILE.map(str.encode), st.binary(max_size=2)), max_size=40).map(b"".join),
)
LINES = [
    "1,Ann,x\n",
    '2,"Lee, Ann",x\n',
    '"3","Ann","x"\n',
    '"4","say ""hi""",""\n',
    '5,"two\nlines",x\n',
    '"6","two\r\nlines","x"\r\n',
    '7,"a, b, c\nd, e, f",x\n',
    '8,"ragged\nand short"\n',
    "9,Ann,x\r\n",
    "10,Ann,x\r",
    '11,"a\rb",x\n',
    "\n",
    "\r\n",
    '12,"Ann,x\n',
    '13,5" pipe,x\n',
    '14,Ann",x\n',
    '15,"Ann" Lee,x\n',
    '",",",","\n',
    '"16",","","",x"\n',
    '"17","","","\n\n"\n',
    '18,a","b,"c\nd"\n',
    '19,Ann"\n',
]
FILES_OF_LINES = st.lists(st.sampled_from(LINES), max_size=40).map(lambda lines: "".join(lines).encode())
"""Mostly sound, so that whole windows can be counted rather than lexed."""
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "||", ", "]),
    quote=st.sampled_from(['"', '"', "'", ""]),
    escape=st.sampled_from([None, None, "\\"]),
    has_header=st.booleans(),
    skip_rows=st.integers(0, 3),
    skip_spaces=st.booleans(),
)
CELLS = st.text(
    st.one_of(
        st.sampled_from('",\r\n a\\'), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    )
)


class Cutting(NamedTuple):
    """How a file comes in and how it is divided."""

    block: int
    window: int
    target_bytes: int
    target_rows: int


CUTTINGS = st.builds(
    Cutting,
    block=st.integers(1, 40),
    window=st.integers(len(BOM), 40),
    target_bytes=st.one_of(st.integers(1, 60), st.just(1 << 20)),
    target_rows=st.one_of(st.integers(1, 5), st.just(1 << 20)),
)
WHOLE = Cutting(1 << 20, 1 << 20, 1 << 20, 1 << 20)


def cut_up(data: bytes, dialect: Dialect, width: int, cutting: Cutting) -> list[Chunk]:
    blocks = [data[at : at + cutting.block] for at in range(0, len(data), cutting.block)]
    with patch.object(records, "_WINDOW_BYTES", cutting.window):
        return list(
            cut(
                blocks,
                dialect,
                width=width,
                target_bytes=cutting.target_bytes,
                target_rows=cutting.target_rows,
            )
        )


def rows_of(data: bytes, chunk: Chunk, dialect: Dialect, width: int) -> list[tuple[int, list[str]] | Damaged]:
    part = data[chunk.offset : chunk.offset + chunk.length]
    return list(read_chunk(part, dialect, width=width, first_line=chunk.first_line))


def all_rows(data: bytes, dialect: Dialect, width: int, cutting: Cutting) -> list[Any]:
    return [
        row for chunk in cut_up(data, dialect, width, cutting) for row in rows_of(data, chunk, dialect, width)
    ]


@given(data=FILES, dialect=DIALECTS, width=st.integers(1, 4), cutting=CUTTINGS)
@example(data=b'a\n"b\nc"\n', dialect=Dialect(), width=1, cutting=Cutting(3, 4, 2, 1))
def test_every_chunk_yields_as_many_rows_as_were_counted(data, dialect, width, cutting):
    for chunk in cut_up(data, dialect, width, cutting):
        assert len(rows_of(data, chunk, dialect, width)) == chunk.rows
        assert 0 < chunk.rows <= cutting.target_rows


@settings(max_examples=500)
@given(
    data=FILES_OF_LINES,
    width=st.sampled_from([3, 3, 2, 6]),
    block=st.integers(1, 300),
    window=st.integers(10, 150),
    many=st.sampled_from([0, 8]),
)
def test_counting_a_window_of_lines_comes_to_what_reading_them_yields(data, width, block, window, many):
    cutting = Cutting(block, window, 1 << 20, 1 << 20)
    dialect = Dialect(has_header=False)
    with patch.object(records, "_MANY_QUOTES", many):
        chunks = cut_up(data, dialect, width, cutting)
    assert sum(chunk.length for chunk in chunks) <= len(data)
    for chunk in chunks:
        assert len(rows_of(data, chunk, dialect, width)) == chunk.rows
    assert all_rows(data, dialect, width, cutting) == all_rows(data, dialect, width, WHOLE)


@given(data=FILES, dialect=DIALECTS, width=st.integers(1, 4), cutting=CUTTINGS)
def test_where_the_file_is_cut_changes_no_row(data, dialect, width, cutting):
    assert all_rows(data, dialect, width, cutting) == all_rows(data, dialect, width, WHOLE)


@given(data=FILES, dialect=DIALECTS, width=st.integers(1, 4), cutting=CUTTINGS)
def test_chunks_follow_each_other_and_name_their_first_line(data, dialect, width, cutting):
    chunks = cut_up(data, dialect, width, cutting)
    for before, after in pairwise(chunks):
        assert before.offset + before.length <= after.offset
        # only blank lines lie between two chunks
        assert not data[before.offset + before.length : after.offset].strip(b"\r\n")
    for chunk in chunks:
        above = data[: chunk.offset].removeprefix(BOM)
        assert chunk.first_line == 1 + len(above.splitlines())


def written(table: list[list[str]], end: str, *, always: bool) -> bytes:
    """The table as RFC 4180 has it (csv.writer leaves a lone CR unquoted up to Python 3.12)."""

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if always or set(text) & set('",\r\n') else text

    return "".join(",".join(map(cell, row)) + end for row in table).encode()


@given(
    table=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    always=st.booleans(),
    cutting=CUTTINGS,
)
def test_what_was_written_is_read_back(table, end, always, cutting):
    data = written([["id", "name", "note"], *table], end, always=always)
    assert [row[1] for row in all_rows(data, Dialect(), 3, cutting)] == table


@given(
    before=st.lists(st.lists(CELLS, min_size=3, max_size=3)),
    # where a quote stands before a delimiter or a line's end, the stray one could close: nobody can tell
    after=st.lists(st.lists(CELLS.map(lambda cell: cell.lstrip('",\r\n')), min_size=3, max_size=3)),
    broken=st.sampled_from(['7,"Ann,x', '7,Ann,"x', '"7,Ann,x', '7,"Ann"",x', '"7","Ann","x']),
    cutting=CUTTINGS,
    always=st.booleans(),
)
def test_a_stray_quote_costs_its_own_row_only(before, after, broken, cutting, always):
    data = b"".join(
        [written(before, "\n", always=always), f"{broken}\n".encode(), written(after, "\n", always=always)]
    )
    rows = all_rows(data, Dialect(has_header=False), 3, cutting)
    refused = [row for row in rows if isinstance(row, Damaged)]
    assert [row.code for row in refused] == ["unbalanced_quote"]
    assert [row[1] for row in rows if not isinstance(row, Damaged)] == [*before, *after]


@given(
    table=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1),
    place=st.integers(min_value=0),
    byte=st.integers(0x80, 0xFF),
    cutting=CUTTINGS,
)
def test_a_byte_that_is_no_text_costs_its_own_row_only(table, place, byte, cutting):
    rows = [written([row], "\n", always=True) for row in table]
    place %= len(rows)
    rows[place] = rows[place][:-2] + bytes([byte]) + rows[place][-2:]
    found = all_rows(b"".join(rows), Dialect(has_header=False), 3, cutting)
    assert [row.code if isinstance(row, Damaged) else row[1] for row in found] == [
        "not_in_encoding" if index == place else row for index, row in enumerate(table)
    ]


@given(
    line=st.lists(HOSTILE, min_size=1).map("".join).filter(lambda line: not set(line) & set("\r\n\0")),
    dialect=DIALECTS.filter(lambda dialect: len(dialect.delimiter) == 1),
)
def test_a_row_of_one_line_is_read_as_the_csv_module_reads_it(line, dialect):
    reader = csv.reader(
        [f"{line}\n", "more\n"],
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        escapechar=dialect.escape,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        skipinitialspace=dialect.skip_spaces,
    )
    expected = next(reader)
    (row,) = read_chunk(f"{line}\n".encode(), dialect, width=1, first_line=1)
    if reader.line_num == 1:
        assert row == (1, expected)
    else:
        assert isinstance(row, Damaged)
        assert row.code == "unbalanced_quote"

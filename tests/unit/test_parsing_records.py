"""Rows as a user would count them: line breaks in cells, every kind of line end, damage, bounds."""

from __future__ import annotations

import csv
import io
import itertools
import json
import time
import tracemalloc
from typing import Any

import pytest

from contactsync.core.parsing import Chunk, Damaged, Dialect, cut, read_chunk, records
from contactsync.core.parsing.lexer import CELL_CHARS
from contactsync.errors import UnreadableFile
from tests.support.corpus import corpus

PLAIN = Dialect()
BARE = Dialect(has_header=False)


def read(data: bytes, dialect: Dialect = PLAIN, width: int = 3) -> list[Any]:
    """All rows of a file, chunk by chunk: (line, cells) or Damaged."""
    rows: list[Any] = []
    for chunk in cut([data], dialect, width=width):
        part = data[chunk.offset : chunk.offset + chunk.length]
        found = list(read_chunk(part, dialect, width=width, first_line=chunk.first_line))
        assert len(found) == chunk.rows
        rows += found
    return rows


SPECTRUM = [
    "comma_in_quotes",
    "empty",
    "empty_crlf",
    "escaped_quotes",
    "json",
    "newlines",
    "newlines_crlf",
    "quotes_and_newlines",
    "simple",
    "simple_crlf",
    "utf8",
]
"""All but location_coordinates, whose expected answer is another file's."""


@pytest.mark.parametrize("name", SPECTRUM)
def test_csv_spectrum_reads_as_it_says(name):
    data = corpus(f"csv-spectrum/csvs/{name}.csv").read_bytes()
    expected = json.loads(corpus(f"csv-spectrum/json/{name}.json").read_text())
    expected = expected if isinstance(expected, list) else [expected]
    rows = read(data, width=len(expected[0]))
    assert [row[1] for row in rows] == [list(row.values()) for row in expected]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_naughty_strings_survive_character_by_character(quoting):
    strings = json.loads(corpus("naughty-strings/blns.json").read_text())
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows([number, text, "x"] for number, text in enumerate(strings))
    assert [row[1] for row in read(out.getvalue().encode(), BARE)] == [
        [str(number), text, "x"] for number, text in enumerate(strings)
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_break_in_a_cell_is_kept_and_lines_are_counted(end):
    data = end.join(["id,name,note", "1,Ann,x", '2,"Zoe', 'Moe",y', "", "3,Bob,z"]).encode()
    assert read(data) == [(2, ["1", "Ann", "x"]), (3, ["2", f"Zoe{end}Moe", "y"]), (6, ["3", "Bob", "z"])]


def test_cr_lf_divided_between_two_blocks_is_one_line_end():
    blocks = [b"id,name\r", b"\n1,Ann\r", b"\n2,Zoe"]
    assert list(cut(blocks, PLAIN, width=2)) == [Chunk(offset=9, length=12, first_line=2, rows=2)]


def test_byte_order_mark_preamble_and_header_are_no_rows():
    data = "\ufeffExported by nobody\n\nid,name,note\n1,Ann,x\n".encode()
    assert read(data, Dialect(skip_rows=1)) == [(4, ["1", "Ann", "x"])]


def test_a_header_of_several_lines_is_one_header():
    assert read(b'"full\nname",b,c\nd,e,f\n') == [(3, ["d", "e", "f"])]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('7,5" pipe,x', ["7", '5" pipe', "x"]),
        ('7,5",x', ["7", '5"', "x"]),
        ('7,"Ann" Lee,x', ["7", "Ann Lee", "x"]),
        ('7,"",x', ["7", "", "x"]),
        ('"7","a,b","say ""hi"""', ["7", "a,b", 'say "hi"']),
    ],
)
def test_a_quote_that_ends_with_its_line_is_read_as_spreadsheets_do(line, cells):
    assert read(f"1,Bo,y\n{line}\n2,Zoe,z\n".encode(), BARE)[1] == (2, cells)


@pytest.mark.parametrize("stray", ['2,"Ann,x', '2,Ann,"', '"2,Ann,x', '2,"Ann ""A"",x', '"2","Ann","x', '"'])
@pytest.mark.parametrize("other", ["{},Bob,y", '"{}","Bob, jr.","y"', '{},"Bob\nBob",y'])
def test_a_stray_quote_loses_its_own_row_and_no_other(stray, other):
    lines = [other.format(number) for number in range(100, 160)]
    data = "\n".join([*lines[:30], stray, *lines[30:], ""]).encode()
    rows = read(data, BARE)
    damaged = [row for row in rows if isinstance(row, Damaged)]
    assert [(row.line, row.code) for row in damaged] == [(31 + 30 * other.count("\n"), "unbalanced_quote")]
    assert [row[1][0] for row in rows if not isinstance(row, Damaged)] == [str(n) for n in range(100, 160)]


def test_two_stray_quotes_do_not_take_the_rows_between_them_for_a_note():
    rows = [f"{number},Ann,ann@example.com,London,UK" for number in range(20)]
    rows[5] = '5,"Ann,ann@example.com,London,UK'
    rows[9] = '9,Ann",ann@example.com,London,UK'
    found = read("\n".join(rows).encode(), BARE, width=5)
    assert [row.line for row in found if isinstance(row, Damaged)] == [6]
    assert len(found) == 20


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("within", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("cell", range(6))
def test_a_cell_of_two_lines_is_one_cell_wherever_it_stands(cell, quoted, within, end):
    cells = ["Grace", "grace@example.com", "", "UK", "", "x"]
    cells[cell] = f"Grace{within}Hopper"
    mark = '"' if quoted else ""
    row = ",".join(f'"{each}"' if each == cells[cell] else f"{mark}{each}{mark}" for each in cells)
    assert read(f"{row}{end}".encode(), BARE, width=6) == [(1, cells)]


def test_two_stray_quotes_in_first_cells_do_not_take_a_row_for_a_name():
    rows = [f"Ann{number},ann@example.com,1,London,UK" for number in range(20)]
    rows[5] = f'"{rows[5]}'
    rows[6] = rows[6].replace(",", '",', 1)
    found = read("\n".join(rows).encode(), BARE, width=5)
    assert [row.line for row in found if isinstance(row, Damaged)] == [6]
    assert len(found) == 20


def test_a_ragged_row_of_several_lines_is_one_row():
    found = read(b'1,"first\nsecond"\n2,Zoe,z\n', BARE)
    assert found == [(1, ["1", "first\nsecond"]), (3, ["2", "Zoe", "z"])]


def test_what_stood_on_a_damaged_line_can_be_corrected():
    (row,) = read(b'2,"Ann,x\n', BARE)
    assert row.cells == ["2", '"Ann', "x"]
    assert "Ann" not in row.message


def test_bytes_that_are_no_text_cost_their_row_and_name_their_column():
    found = read(b"1,Ann,x\n2,Zo\xe9,y\n3,Bob,z\n", BARE)
    assert [row[1][1] for row in found if not isinstance(row, Damaged)] == ["Ann", "Bob"]
    (damaged,) = [row for row in found if isinstance(row, Damaged)]
    assert (damaged.line, damaged.column, damaged.code) == (2, 1, "not_in_encoding")
    assert damaged.cells == ["2", "Zo\ufffd", "y"]
    assert "0xE9" in damaged.message
    assert "Column 2" in damaged.message


def test_a_nul_costs_its_row_only():
    found = read(b"1,A\0nn,x\n2,Zoe,y\n", BARE)
    assert [row.code if isinstance(row, Damaged) else row[1] for row in found] == [
        "nul_character",
        ["2", "Zoe", "y"],
    ]


@pytest.mark.parametrize("quoted", [False, True])
def test_a_cell_beyond_the_bound_costs_its_row_only(quoted):
    long = "x" * (CELL_CHARS + 1)
    long = f'"{long}"' if quoted else long
    found = read(f"1,Ann,x\n2,{long},y\n3,Bob,z\n".encode(), BARE)
    assert [row.code if isinstance(row, Damaged) else row[0] for row in found] == [1, "cell_too_long", 3]


def test_a_million_columns_cost_their_row_only_and_are_not_kept():
    found = read(b"1,Ann,x\n" + b"," * 1_000_000 + b"\n3,Bob,z\n", BARE)
    assert [row.code if isinstance(row, Damaged) else row[0] for row in found] == [1, "too_many_columns", 3]
    assert len(found[1].cells) == records.COLUMNS


@pytest.mark.parametrize("of", [b"x", records.END_MARK], ids=["letters", "marks of an end that never comes"])
def test_a_line_of_200_mb_is_refused_with_its_number_in_bounded_memory(of):
    block = of * (1 << 20)
    blocks = itertools.chain([b"id,name\n1,Ann\n"], itertools.repeat(block, 200))
    tracemalloc.start()
    with pytest.raises(UnreadableFile, match="line_too_long: Line 3 is longer than 1 MiB"):
        list(cut(blocks, PLAIN, width=2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_quote_that_is_never_closed_holds_no_more_than_the_bound_in_memory():
    row = b"1,Ann," + b"x" * 200 + b"\n"
    rows = row * 5_000
    tracemalloc.start()
    chunks = list(cut(itertools.chain([b'0,"Ann,x\n'], itertools.repeat(rows, 20)), BARE, width=3))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(chunk.rows for chunk in chunks) == 100_001
    assert peak < 8 << 20


def test_a_quoted_cell_of_many_lines_beyond_the_bound_is_a_stray_quote():
    lines = "line\n" * (CELL_CHARS // 5 + 1000)
    rows = read(f'1,"{lines}",x\n2,Zoe,y\n'.encode(), BARE)
    assert isinstance(rows[0], Damaged)
    assert rows[-1][1] == ["2", "Zoe", "y"]


def test_more_rows_than_the_bound_are_refused(monkeypatch):
    monkeypatch.setattr(records, "ROWS", 1000)
    with pytest.raises(UnreadableFile, match="too_many_rows"):
        list(cut([b"a,b\n" * 1500], PLAIN, width=2, target_rows=100))


@pytest.mark.parametrize(
    "line",
    [
        'a",b,"c',  # closes the quote of the line before, and opens another
        'a,"b',
        'a,",b',
        '"a",""",b',
        "a,b",
    ],
)
def test_no_pattern_of_quotes_costs_more_than_reading_the_file_a_few_times(line):
    text = "x" * 300
    data = f'1,"{text}\n'.encode() + f"{line}{text}\n".encode() * 25_000
    begun = time.process_time()
    found = read(data, BARE, width=7)
    assert time.process_time() - begun < 10, "quadratic, this takes many minutes"
    assert len(found) > 12_000


def test_many_stray_quotes_among_good_rows_are_no_reason_to_refuse_the_file():
    lines = [f'{n},"Ann,x' if n % 50 == 0 else f'{n},"Bob, jr.",y' for n in range(20_000)]
    found = read("\n".join(lines).encode(), BARE)
    assert len(found) == 20_000
    assert sum(isinstance(row, Damaged) for row in found) == 400


def test_chunks_end_between_records_and_keep_to_their_targets():
    row = b'7,"two\nlines",x\n'
    chunks = list(cut([row * 1000], BARE, width=3, target_bytes=10 * len(row), target_rows=1000))
    assert len(chunks) == 100
    assert chunks[1] == Chunk(offset=10 * len(row), length=10 * len(row), first_line=21, rows=10)
    chunks = list(cut([row * 1000], BARE, width=3, target_rows=300))
    assert [chunk.rows for chunk in chunks] == [300, 300, 300, 100]


@pytest.mark.parametrize("quoted", [False, True])
def test_a_file_of_many_windows_is_counted_as_it_is_read(quoted):
    mark = '"' if quoted else ""
    lines = [
        f'{mark}{n}{mark},"note\r\nof {n}, in two lines",{mark}x{mark}\r\n'
        if n % 7 == 0
        else f"{mark}{n}{mark},Ann,x\r\n"
        for n in range(60_000)
    ]
    data = "".join(lines).encode()
    chunks = list(cut([data], BARE, width=3))
    assert sum(chunk.rows for chunk in chunks) == 60_000
    assert sum(chunk.length for chunk in chunks) == len(data)
    ids = [row[1][0] for row in read(data, BARE)]
    assert ids == [str(n) for n in range(60_000)]


@pytest.mark.parametrize(
    ("dialect", "line", "cells"),
    [
        (Dialect(delimiter="||", has_header=False), '1||"a||b"||c|', ["1", "a||b", "c|"]),
        (Dialect(delimiter="\t", has_header=False), '1\t"a\tb"\tc', ["1", "a\tb", "c"]),
        (Dialect(quote="'", has_header=False), "1,'O''Brien, Pat',c", ["1", "O'Brien, Pat", "c"]),
        (Dialect(quote="", has_header=False), '1,"a,c"', ["1", '"a', 'c"']),
        (Dialect(escape="\\", has_header=False), '1,"say \\"hi, you\\"",c', ["1", 'say "hi, you"', "c"]),
        (Dialect(skip_spaces=True, has_header=False), '1, "a, b", c', ["1", "a, b", "c"]),
    ],
)
def test_other_dialects(dialect, line, cells):
    assert read(f"{line}\n".encode(), dialect) == [(1, cells)]


@pytest.mark.parametrize(
    "parts", [{"delimiter": ""}, {"delimiter": '"'}, {"delimiter": "\n"}, {"quote": "''"}, {"escape": '"'}]
)
def test_a_dialect_in_which_nothing_can_be_read_is_refused(parts):
    with pytest.raises(ValueError, match=r"\.$"):
        Dialect(**parts)

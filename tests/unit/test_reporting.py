"""The report of refused rows: nothing is lost on the way out and back, and nothing computes."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core import reporting

CELLS = st.text(alphabet=st.one_of(st.sampled_from("'=+-@\t\r\n\0＝＋ \"a;,"), st.characters()), max_size=12)


@given(CELLS)
def test_what_is_protected_is_restored_exactly(cell):
    assert reporting.restore(reporting.protect(cell)) == cell


@given(CELLS)
def test_nothing_that_a_spreadsheet_computes_leaves_unprotected(cell):
    assert not reporting.protect(cell).lstrip(" ").startswith(tuple("=+-@\t\r\n\0＝＋－＠"))


@pytest.mark.parametrize(
    "cell", ["=1+1", "+31 6 12345678", "-5", "@SUM(1)", "\t=1", "\r=1", "\0=1", "＝1+1", "  =1"]
)
def test_formulas_get_an_apostrophe(cell):
    assert reporting.protect(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Ada", "ada@example.com", "O'Neil", "'quoted'", "1-2", '";=cmd'])
def test_ordinary_cells_stay_as_they_are(cell):
    assert reporting.protect(cell) == cell
    assert reporting.restore(cell) == cell


@given(st.lists(CELLS.map(lambda cell: cell.replace("\0", "0")), min_size=1, max_size=5))
def test_a_report_reads_back_as_the_rows_it_was_made_of(cells):
    text = reporting.header_line([f"c{n}" for n in range(len(cells))])
    text += reporting.row_line(cells, width=len(cells), line=7, reason="email: this is no address.")
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert reporting.is_report(header)
    assert [reporting.restore(cell) for cell in row[:-2]] == cells
    assert row[-2:] == ["7", "email: this is no address."]


def test_every_cell_is_quoted():
    assert reporting.row_line(["a", 'b"c'], width=2, line=3, reason="r") == '"a","b""c","3","r"\r\n'


def test_short_rows_are_filled_up_and_long_ones_keep_everything():
    assert reporting.row_line(["a"], width=3, line=3, reason="r") == '"a","","","3","r"\r\n'
    assert reporting.row_line(["a", "b", "c", "d"], width=2, line=3, reason="r") == '"a","b,c,d","3","r"\r\n'


def test_only_a_file_that_ends_in_line_and_reason_is_a_report():
    assert reporting.is_report(["email", "line", "reason"])
    assert not reporting.is_report(["line", "reason", "email"])
    assert not reporting.is_report(["line", "reason"])

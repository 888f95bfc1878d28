"""Every workbook of the corpus: its rows where the corpus or its name gives them, its refusal where it is none."""

import csv
import json

import pytest

from contactsync.core.parsing import Damaged
from contactsync.core.spreadsheet import Workbook
from contactsync.errors import UnreadableFile
from tests.support.corpus import corpus
from tests.support.workbooks import packed, parts_of, sheet_of

REFUSED = {".xls": "old_workbook", ".ods": "opendocument"}

EXPECTED = {
    # file: rows with content, and one of them
    "csvkit/dummy.xlsx": (2, (2, ["1", "2", "3"])),
    "csvkit/realdata/ne_1033_data.xlsx": (
        1037,
        (
            2,
            [
                "NE",
                "ADAMS",
                "31001",
                "1005-00-589-1271",
                "RIFLE,7.62 MILLIMETER",
                "1",
                "Each",
                "138",
                "138",
                "2008-07-11T00:00:00",
                "10",
                "WEAPONS",
                "1005",
                "Guns, through 30 mm",
            ],
        ),
    ),
    "csvkit/sheets.xlsx": (0, None),  # the first sheet is empty
    "csvkit/test.xlsx": (6, (6, ["Unicode! Σ"])),
    "csvkit/test_skip_lines.xlsx": (6, (8, ["This row has blanks"])),
    "frictionless/adjust-floating-point-error.xlsx": (
        6,
        (2, ["P-1-94-AR P21 16-20cm Pi split 3", "60.565", "242.26", "242.26"]),
    ),
    "frictionless/cast-int-to-string-issue-1251.xlsx": (3, (2, ["001", "b", "1", "a", "1"])),
    "frictionless/fixtures/template.xlsx": (1, (1, ["abc", "xyz", "string", "number", "integer", "boolean"])),
    "frictionless/issue-1024.xlsx": (54, (7, ["Afghanistan"])),
    "frictionless/issue-312.xlsx": (5, (6, ["2", "german", "1", "2", "3"])),  # a blank row keeps its number
    "frictionless/issue-313.xlsx": (
        3,
        (3, ["column_1_value_2", "", "column_2_value_2", "column_4_value_2", "Column_5_value_2"]),
    ),
    "frictionless/issue-320.xlsx": (54, (9, ["Create date: 18.5.2020"])),
    "frictionless/issue-870.xlsx": (
        10,
        (2, ["1", "Dulce", "Abril", "Female", "United States", "32", "15/10/2017", "1562"]),  # dates as text
    ),
    "frictionless/merged-cells.xlsx": (1, (1, ["data"])),  # four cells in one: the value once
    "frictionless/multiline-headers.xlsx": (4, (6, ["A", "B", "C", "D"])),
    "frictionless/number-format-multicode.xlsx": (4, (3, ["-9.032"])),
    "frictionless/preserve-formatting-percentage.xlsx": (4, (2, ["123", "52.00%"])),
    "frictionless/preserve-formatting.xlsx": (
        2,
        (
            2,
            [
                "",
                "1001",
                "1000.56",
                "1000.5577",
                "1000.55770",
                "1000.5577",
                "2040-05-20",
                "--05-20",
                "2040-05-20",
                "2040-05-20",
                "2040-05-20",
            ],
        ),
    ),
    "frictionless/sheet2.xlsx": (0, None),  # the first sheet is empty
    "frictionless/sheets.xlsx": (2, (2, ["1", "london"])),
    "frictionless/skip-rows.xlsx": (4, (4, ["", "TOTAL"])),
    "frictionless/table-infer-boolean.xlsx": (3, (2, ["1", "two", "TRUE"])),
    "frictionless/table-output.xlsx": (3, (3, ["2", "german"])),
    "frictionless/table.xlsx": (3, (3, ["2", "中国人"])),
}


def rows_of(name, sheet=None):
    with corpus(name).open("rb") as file:
        return list(Workbook(file).rows(sheet))


def test_the_table_has_every_workbook():
    found = {str(path.relative_to(corpus("."))) for path in corpus(".").rglob("*.xlsx")}
    assert found == set(EXPECTED)


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items(), ids=EXPECTED)
def test_what_is_read(name, expected):
    rows = rows_of(name)
    count, sample = expected
    assert len(rows) == count
    assert sample is None or sample in rows


@pytest.mark.parametrize("suffix", REFUSED)
def test_other_spreadsheets_are_refused_by_name(suffix):
    files = sorted(corpus(".").rglob(f"*{suffix}"))
    assert files
    for path in files:
        with path.open("rb") as file, pytest.raises(UnreadableFile) as refused:
            Workbook(file)
        assert refused.value.code == REFUSED[suffix]
        assert "save it as .xlsx or CSV" in refused.value.detail


@pytest.mark.parametrize("name", ["test", "test_skip_lines"])
def test_the_rows_are_those_of_the_converted_file(name):
    """Truths are TRUE here and True there, and csvkit writes a day of midnight with its time or without."""
    with corpus("csvkit/testxlsx_converted.csv").open(encoding="utf-8", newline="") as file:
        _, *expected = list(csv.reader(file))
    _, *found = [cells for _, cells in rows_of(f"csvkit/{name}.xlsx")]
    for ours, theirs in zip(found, expected, strict=True):
        plain = [cell.capitalize() if cell in {"TRUE", "FALSE"} else cell for cell in ours]
        assert plain + [""] * (len(theirs) - len(ours)) == theirs


def test_naughty_strings_survive_in_cells():
    naughty = [
        text for text in json.loads(corpus("naughty-strings/blns.json").read_text(encoding="utf-8")) if text
    ]
    book = Workbook(packed(parts_of(sheet_of([["x", text] for text in naughty]))))
    assert [row[1][1] for row in book.rows() if not isinstance(row, Damaged)] == naughty

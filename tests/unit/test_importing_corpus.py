"""Other projects' test files, imported: every one ends, its rows add up, and what was refused has its reason here."""

import bz2
import csv
import io
import json

import pytest

from contactsync.core.fieldtypes.refusal import EDGES
from contactsync.errors import UserError
from contactsync.journeys.file.files import pasted
from contactsync.journeys.file.previewing import preview_of
from contactsync.model.field import FieldSpec
from contactsync.model.sync import Format
from tests.support.corpus import ROOT, corpus
from tests.support.world import World

FOLDERS = ("csv-spectrum", "csvkit", "frictionless", "ical4j-vcards")
FILES = sorted(
    str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()
)
COLUMNS = 60
GENERATED = {"generate": True, "field": "code"}

WHOLE_FILES = {
    # why the file is refused: its problem's code, and which files
    "JSON is no table": (
        "not_a_text_file",
        [name for name in FILES if name.startswith("csv-spectrum/json/")],
    ),
    "spreadsheets of other kinds than .xlsx": (
        "not_a_text_file",
        [name for name in FILES if name.endswith((".xls", ".ods"))],
    ),
    "compressed otherwise than by gzip or zip": (
        "not_a_text_file",
        [name for name in FILES if name.endswith((".bz2", ".xz"))],
    ),
    "several files in one archive": (
        "archive_not_one_file",
        [
            "frictionless/innerpath.package.zip",
            "frictionless/package-invalid.zip",
            "frictionless/package.zip",
            "frictionless/resource.zip",
            "frictionless/table-multiple-files.zip",
            "frictionless/zipped-resources/ogd10_catalogs.zip",
        ],
    ),
    "nothing in it": ("empty_file", ["csvkit/empty.csv", "frictionless/empty.csv"]),
    "nothing on its first sheet": ("empty_sheet", ["csvkit/sheets.xlsx", "frictionless/sheet2.xlsx"]),
    "a header and nothing else": (
        "no_rows",
        [
            "frictionless/fixtures/template.xlsx",
            "frictionless/merged-cells.xlsx",
            "frictionless/without-rows.csv",
            "frictionless/without-rows.csv.zip",
            *(name for name in FILES if name.endswith("/LICENCE-NOTE.txt")),  # one line of text
        ],
    ),
}
REFUSED = {name: code for code, names in WHOLE_FILES.values() for name in names}

ROWS = {
    # file: rows added, rejected, skipped, and why not all are added
    "csvkit/bad.csv": (1, 2, 0, "a cell too many, a cell too few"),
    "csvkit/bad_skip_lines.csv": (1, 2, 0, "the same below a preamble"),
    "csvkit/blanks_converted.csv": (0, 0, 1, "a row of empty cells"),
    "csvkit/join_a_short.csv": (2, 2, 0, "rows of two cells under three names"),
    "csvkit/null_byte.csv": (0, 1, 0, "a NUL in a cell"),
    "csvkit/realdata/FY09_EDU_Recipients_by_State.csv": (52, 0, 1, "a row of empty cells at the end"),
    "csvkit/test_empty_columns.csv": (2, 1, 1, "a row of four cells under five names, and an empty one"),
    "csvkit/test_empty_columns_long_row.csv": (0, 0, 1, "a row of empty cells"),
    "csvkit/test_empty_columns_short_row.csv": (0, 0, 1, "a row of empty cells"),
    "csvkit/test_extra_header.csv": (0, 1, 0, "a row of three cells under four names"),
    "csvkit/test_join_short_rows.csv": (2, 2, 0, "rows of two cells under three names"),
    "frictionless/blank-rows-multiple.csv": (2, 0, 11, "empty rows"),
    "frictionless/blank-rows.csv": (2, 0, 1, "an empty row"),
    "frictionless/capital-invalid.csv": (8, 2, 0, "rows of two cells under three names"),
    "frictionless/countries.csv": (3, 2, 0, "a cell too many, cells too few"),
    "frictionless/defective-rows.csv": (0, 2, 0, "a cell too few, a cell too many"),
    "frictionless/dialect.csv": (1, 1, 0, "an escape of its own kind: three cells under two names"),
    "frictionless/invalid.csv": (0, 3, 0, "the header has four names, no row has four cells"),
    "frictionless/issue-1004-data1.csv": (3, 2, 0, "a cell too many, cells too few"),
    "frictionless/issue-1004-data2.csv": (0, 3, 0, "no row has the header's four cells"),
    "frictionless/schema-errors.csv": (3, 1, 0, "cells too many"),
    "frictionless/skip-blank-at-the-end.csv": (1, 1, 0, "a comment between the rows"),
    "frictionless/skip-rows.csv": (2, 1, 0, "a comment between the rows"),
    "frictionless/structure-errors.csv": (2, 1, 1, "cells too many, and an empty row"),
    "frictionless/without-headers-extra.csv": (2, 1, 0, "a cell too many"),
}


@pytest.fixture
def world():
    world = World()
    keys = [f"c{number}" for number in range(COLUMNS)]
    for key in ("code", *keys):
        spec = FieldSpec(key=key, label=key, type="text")
        world.control.create_field(world.account.account_id, spec)
    return world


def imported(world, data, **stated):
    """Each column into a field of its own, as a client does that has seen the preview."""
    try:
        seen = preview_of(pasted(data), Format(**stated), {})
    except UserError:
        mapping = [{"column": 0, "field": "c0"}]
    else:
        mapping = [{"column": column.index, "field": f"c{column.index}"} for column in seen.columns[:COLUMNS]]
    return world.import_rows(data, mapping, identity=GENERATED, format=stated)


def stored_rows(world, width):
    """The rows as they are stored, in the file's order; "" for what is empty."""
    contacts = sorted(world.stored().values(), key=lambda one: next(iter(one.sources.values())).row)
    return [[one.fields.get(f"c{number}", "") for number in range(width)] for one in contacts]


@pytest.mark.parametrize("name", FILES or ["csv-spectrum"])
def test_every_file_ends_and_its_rows_add_up(world, name):
    run = imported(world, corpus(name).read_bytes())
    counts = run.counts
    assert counts.rows == counts.added + counts.rejected + counts.skipped
    assert len(world.stored()) == counts.added
    if name in REFUSED:
        assert (run.status, run.problem.code) == ("failed", REFUSED[name])
        return
    added, rejected, skipped, _ = ROWS.get(name, (counts.rows, 0, 0, ""))
    assert (run.status, counts.added, counts.rejected, counts.skipped) == (
        "succeeded", added, rejected, skipped
    )  # fmt: skip


def test_the_table_names_files_that_exist():
    corpus("csvkit")
    assert {*ROWS, *REFUSED} <= set(FILES)


@pytest.mark.parametrize(
    "name",
    [name.split("/")[-1][:-4] for name in FILES if name.startswith("csv-spectrum/csvs/")] or ["simple"],
)
def test_what_csv_spectrum_expects(world, name):
    if name == "location_coordinates":
        pytest.skip("the expectation holds other values than the file, and is not in UTF-8")
    imported(world, corpus(f"csv-spectrum/csvs/{name}.csv").read_bytes())
    expected = json.loads(corpus(f"csv-spectrum/json/{name}.json").read_text("utf-8", errors="replace"))
    width = len(expected[0])
    assert stored_rows(world, width) == [list(row.values()) for row in expected]


@pytest.mark.parametrize(
    ("name", "sheet", "expected", "columns"),
    [
        ("test.xlsx", None, "testxlsx_noinference_converted.csv", (0, 1, 2)),
        ("sheets.xlsx", "data", "sheetsxlsx_converted.csv", (0, 2)),
        ("dummy.xlsx", None, "dummy.csv", (0, 1, 2)),
        ("dummy.csv.gz", None, "dummy.csv", (0, 1, 2)),
        ("test_utf16_little.csv", None, "test_utf8.csv", (0, 1, 2)),
        ("test_utf16_big.csv", None, "test_utf8.csv", (0, 1, 2)),
        ("test_utf8_bom.csv", None, "test_utf8.csv", (0, 1, 2)),
    ],
)
def test_what_csvkit_expects(world, name, sheet, expected, columns):
    stated = {"sheet": sheet} if sheet else {}
    imported(world, corpus(f"csvkit/{name}").read_bytes(), **stated)
    text = corpus(f"csvkit/{expected}").read_text("utf-8")
    _, *rows = csv.reader(io.StringIO(text))
    found = [[row[at] for at in columns] for row in stored_rows(world, max(columns) + 1)]
    # of the sheets the expected rows are in another order
    assert sorted(found) == sorted([row[at] if at < len(row) else "" for at in columns] for row in rows)


def test_lines_that_end_as_on_old_macs(world):
    imported(world, corpus("csvkit/mac_newlines.csv").read_bytes())
    assert stored_rows(world, 3) == [["1", "2", "3"], ["Once upon\ra time", "5", "6"]]


def survives(world, texts, **stated):
    """Which of the texts are not stored as they are. A cell of blanks is an empty one."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "text"])
    writer.writerows((f"n{number}", text) for number, text in enumerate(texts))
    mapping = [{"column": 0, "field": "code"}, {"column": 1, "field": "c0"}]
    data = out.getvalue().encode()
    run = world.import_rows(data, mapping, identity={"field": "code"}, format={"has_header": True, **stated})
    assert run.status == "succeeded", run.problem
    stored = {one.fields["code"]: one.fields.get("c0", "") for one in world.stored().values()}
    rejected = {reject.cells[0] for reject in world.files(run).rejects(1)}
    return [
        (text, stored.get(f"n{number}"))
        for number, text in enumerate(texts)
        if f"n{number}" not in rejected
        and stored.get(f"n{number}") != text
        and not (text.strip(EDGES) == "" and stored.get(f"n{number}") == "")
    ], rejected


def test_naughty_strings_are_stored_byte_for_byte(world):
    naughty = json.loads(corpus("naughty-strings/blns.json").read_text("utf-8"))
    assert len(naughty) == 515
    assert survives(world, naughty) == ([], set())


def test_normalisation_rows_are_stored_byte_for_byte(world):
    lines = bz2.decompress(corpus("unicode/NormalizationTest.txt.bz2").read_bytes()).decode().splitlines()
    forms = [line.split(";")[:5] for line in lines if line[:1] not in ("", "#", "@")]
    texts = {"".join(chr(int(code, 16)) for code in form.split()) for row in forms[::5] for form in row}
    assert len(texts) > 5_000
    assert survives(world, sorted(texts)) == ([], set())


def test_two_spellings_of_one_address_are_one_contact_and_look_alikes_two(world):
    mapping = [{"column": "email", "field": "email"}]
    composed, decomposed = "jos\u00e9@example.com", "jose\u0301@example.com"
    run = world.import_rows(f"email\n{composed}\n{decomposed}\n", mapping)
    assert (run.counts.added, len(world.stored())) == (1, 1)
    again = world.import_rows(f"email\n{decomposed}\n", mapping)
    assert again.counts.added == 0
    cyrillic = "\u0430da@example.com"
    run = world.import_rows(f"email\nada@example.com\n{cyrillic}\n", mapping)
    assert run.counts.added == 2

"""Workbooks: what the sheet shows is what is read, and no file can cost more than it should."""

import io
import random
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.parsing import Damaged
from contactsync.core.spreadsheet import Workbook
from contactsync.core.spreadsheet.numberformat import BUILT_IN, compiled, general
from contactsync.core.spreadsheet.sheet import CELL_CHARS
from contactsync.errors import UnreadableFile
from tests.support.corpus import corpus
from tests.support.workbooks import packed, parts_of


def workbook(sheet_data, **more):
    return Workbook(packed(parts_of(sheet_data, **more)))


def rows(sheet_data, **more):
    return list(workbook(sheet_data, **more).rows())


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("General", 34612345678.0, "34612345678"),
        ("General", 0.1 + 0.2, "0.3"),
        ("General", 1e20, "100000000000000000000"),
        ("General", 1.5e-7, "0.00000015"),
        ("0.00E+00", 34612345678.0, "34612345678"),
        ("00000", 1234.0, "01234"),
        ("0000000000", 612345678.0, "0612345678"),
        ('"+"0', 31612345678.0, "+31612345678"),
        ("000-00-0000", 12345678.0, "012-34-5678"),
        (r"[<=9999999]###\-####;\(###\)\ ###\-####", 5550100.0, "555-0100"),
        (r"[<=9999999]###\-####;\(###\)\ ###\-####", 2025550100.0, "(202) 555-0100"),
        ("0", 1000.5577, "1001"),
        ("0.00", 1000.5, "1000.50"),
        ("0.0000#", 1000.5577, "1000.5577"),
        ("0.00", -0.0001, "0.00"),
        ("#,##0.00", -1234567.5, "-1234567.50"),
        (r"#,##0.00_);[Red]\(#,##0.00\)", -1234.5, "-1234.50"),
        (r"[$€-407]\ #,##0.00", 1234.5, "€ 1234.50"),
        ("0%", 0.07, "7%"),
        ("0.00%", 0.5234, "52.34%"),
        ('0,,"M"', 12200000.0, "12M"),
        ("#", 0.0, ""),
        ("#.##", 0.5, "0.5"),
        ("0;-0;;@", 0.0, ""),
        ("# ?/?", 1.5, "1.5"),
        ("@", 45000.0, "45000"),
        ('0" kg"', 5.0, "5 kg"),
        ("m/d/yy", 51276.0, "2040-05-20"),
        ("[$-F800]dddd, mmmm dd, yyyy", 45000.0, "2023-03-15"),
        ("mmm-yy", 45000.0, "2023-03-15"),
        (r"d\-mmm", 45000.0, "--03-15"),
        ("yyyy-mm-dd hh:mm", 45000.5, "2023-03-15T12:00:00"),
        ("yyyy-mm-dd hh:mm:ss", 45000.999999999, "2023-03-16T00:00:00"),
        ("h:mm AM/PM", 0.75, "18:00:00"),
        ("[h]:mm:ss", 1.25, "30:00:00"),
        ("yyyy-mm-dd", 0.0, "0000-00-00"),
        ("yyyy-mm-dd", 1.0, "1900-01-01"),
        ("yyyy-mm-dd", 59.0, "1900-02-28"),
        ("yyyy-mm-dd", 61.0, "1900-03-01"),
        ("yyyy-mm-dd", -5.0, "-5"),
    ],
)
def test_numbers_as_shown(code, value, shown):
    assert compiled(code)(value) == shown


def test_days_of_old_macs_count_from_1904():
    assert compiled("yyyy-mm-dd", from_1904=True)(0.0) == "1904-01-01"


@given(
    st.sampled_from([*BUILT_IN.values(), "00000", "0.0#;(0.0#);-", '"a"0'])
    | st.text('0#?.,%;()[]"\\-Edmyhs@<=9 ', max_size=12),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300),
)
def test_no_format_fails_and_none_shows_an_exponent(code, value):
    shown = compiled(code)(value)
    assert "e+" not in shown.lower()
    assert "e-" not in general(value).lower()


def test_cells_of_every_kind():
    strings = (
        "<si><t>Ada</t></si><si><r><t>Zoë </t></r><r><rPr><b/></rPr><t>Ångström</t></r>"
        '<rPh sb="0" eb="1"><t>reading aid</t></rPh></si><si><t xml:space="preserve"> a_x000D_b_xD800_ </t></si>'
    )
    data = (
        '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c><c r="C2" t="s"><v>2</v></c></row>'
        '<row r="5"><c r="B5" t="inlineStr"><is><t>in</t><r><t>line</t></r></is></c><c r="D5" t="b"><v>1</v></c>'
        '<c r="E5" t="e"><v>#N/A</v></c><c r="F5" t="str"><f>A1</f><v>=x</v></c><c r="G5" s="0"><v>45000</v></c>'
        '<c r="H5" t="d"><v>2023-03-15T00:00:00</v></c><c r="I5"><v></v></c><c r="J5" s="7"/></row>'
        '<row><c><v>1</v></c><c r="AB6"><v>2</v></c></row><row r="9"><c r="A9" s="1"/></row>'
    )
    assert rows(data, strings=strings, formats=["dd/mm/yyyy"]) == [
        (2, ["Ada", "Zoë Ångström", " a\rb_xD800_ "]),
        (5, ["", "inline", "", "TRUE", "#N/A", "=x", "2023-03-15", "2023-03-15"]),
        (6, ["1", *[""] * 26, "2"]),
    ]


def test_prefixed_elements_and_the_old_calendar():
    parts = parts_of(
        "", formats=["yyyy-mm-dd"], workbook='<workbookPr date1904="1"/><x:workbookPr xmlns:x="x"/>'
    )
    parts["xl/worksheets/sheet1.xml"] = (
        '<x:worksheet xmlns:x="u"><x:sheetData><x:row r="1"><x:c r="A1" s="0"><x:v>1</x:v></x:c></x:row></x:sheetData>'
        "</x:worksheet>"
    )
    assert list(Workbook(packed(parts)).rows()) == [(1, ["1904-01-02"])]


def test_sheets_by_name_and_the_first_that_is_visible():
    book = workbook("", state=("hidden", "visible"))
    assert book.sheets == ("Two",)
    assert list(book.rows()) == list(book.rows("two")) == [(1, ["two"])]
    assert list(book.rows("One")) == []
    with pytest.raises(UnreadableFile, match="no_such_sheet"):
        list(book.rows("Three"))


def test_rows_to_skip_are_the_sheet_s_own():
    data = "".join(f'<row r="{n}"><c><v>{n}</v></c></row>' for n in (1, 3, 5))
    assert [row for row, _ in workbook(data).rows(skip_rows=3)] == [5]


def test_what_deserves_a_second_look():
    data = (
        '<row r="1"><c t="str"><v>Mobile</v></c><c t="str"><v>Number</v></c></row>'
        '<row r="2"><c><v>612345678</v></c><c><v>12345678901234567890</v></c></row>'
        '<row r="3"><c><v>3.4612345678E10</v></c><c t="e"><v>#REF!</v></c><c><f>1+1</f></c></row>'
        '<row r="4" hidden="1"><c t="str"><v>x</v></c></row><row r="5" hidden="1"></row><row r="6" hidden="0"></row>'
    )
    book = workbook(data)
    header, *_ = (cells for _, cells in book.rows())
    found = [(warning.code, warning.column, warning.row) for warning in book.warnings(header)]
    assert found == [
        ("hidden_rows", None, 4),
        ("number_may_be_phone", "Mobile", 2),
        ("digits_lost", "Number", 2),
        ("error_value", "Number", 3),
        ("formula_not_calculated", 2, 3),
    ]


@pytest.mark.parametrize(
    ("header", "warned"),
    [
        *dict.fromkeys(
            [
                "Phone 1 - Value",
                "PhoneNumber",
                "Mobilnummer",
                "Telefoonnummer",
                "Téléphone mobile",
                "Teléfono",
                "Handy",
                "Cellulare",
                "Numer telefonu",
                "GSM",
                "Tel.",
                "Fax",
            ],
            True,
        ).items(),
        *dict.fromkeys(
            ["E-mail", "Hotel", "Title", "Cancelled", "Portfolio", "Immobilien", ""], False
        ).items(),
    ],
)
def test_headers_of_phones(header, warned):
    book = workbook('<row r="1"><c><v>612345678</v></c></row>')
    list(book.rows())
    assert bool(book.warnings([header])) == warned


def test_rows_beyond_bounds_are_refused_alone():
    long = "a" * (CELL_CHARS + 1)
    data = (
        f'<row r="1"><c t="str"><v>{long}</v></c></row><row r="2"><c r="XFD2"><v>1</v></c></row>'
        '<row r="3"><c><v>1</v></c></row>'
    )
    found = rows(data)
    assert [one.code for one in found if isinstance(one, Damaged)] == ["cell_too_long", "too_many_columns"]
    assert found[-1] == (3, ["1"])


def refusal(file):
    begin = time.process_time()
    tracemalloc.start()
    with pytest.raises(UnreadableFile) as refused:
        for _ in Workbook(file).rows():
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.detail
    return refused.value.code, time.process_time() - begin, peak


def replaced(name, data, **more):
    return packed({**parts_of('<row r="1"><c t="s"><v>0</v></c></row>', **more), name: data})


@pytest.mark.parametrize(
    "bomb", ["xmlbomb", "xmlbomb2", "quadratic", "cyclic", "external", "external_file", "dtd"]
)
@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml"]
)
def test_a_document_type_is_refused_at_once(bomb, part):
    code, seconds, peak = refusal(replaced(part, corpus(f"xml-bombs/{bomb}.xml").read_bytes()))
    assert code == "xml_document_type"
    assert seconds < 1
    assert peak < 4 << 20


def test_a_style_of_thousands_of_digits_is_none():
    assert rows(f'<row r="1"><c s="{"9" * 5000}"><v>12</v></c></row>') == [(1, ["12"])]


def test_zeros_that_expand_a_thousandfold_are_refused():
    code, _, peak = refusal(
        replaced("xl/worksheets/sheet1.xml", b"<worksheet><sheetData>" + b" " * (64 << 20))
    )
    assert code == "workbook_too_large"
    assert peak < 8 << 20


def test_one_shared_string_in_every_cell_is_refused():
    """Each row refers to one string of 100,000 characters; the sheet would come to terabytes."""
    row = "<row>{}</row>".format('<c t="s"><v>0</v></c>' * 9)
    parts = parts_of(row * 1200, strings=f"<si><t>{'a' * 100_000}</t></si>")
    code, _, peak = refusal(packed(parts))
    assert code == "workbook_too_large"
    assert peak < 64 << 20


def test_a_tag_without_end_is_refused():
    noise = random.Random(5).randbytes(3 << 20).hex()
    code, seconds, _ = refusal(replaced("xl/worksheets/sheet1.xml", f'<worksheet a="{noise}"/>'))
    assert code == "workbook_too_large"
    assert seconds < 5


def test_a_million_entries_are_refused():
    code, _, peak = refusal(packed({**parts_of(""), **{f"x/{n:060}": b"" for n in range(12_000)}}))
    assert code == "workbook_too_large"
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (
            {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"},
            "opendocument",
        ),
        ({"_rels/.rels": "<x/>", "xl/workbook.bin": ""}, "binary_workbook"),
        ({"contacts.csv": "a,b"}, "not_a_workbook"),
        ({"_rels/.rels": "<x/>"}, "workbook_damaged"),
        ({**parts_of(""), "xl/worksheets/sheet1.xml": "<worksheet>"}, "workbook_damaged"),
        ({**parts_of('<row r="x"/>')}, "workbook_damaged"),
        ({**parts_of('<row><c t="s"><v>5</v></c></row>')}, "workbook_damaged"),
        ({**parts_of('<row><c t="s"><v>²</v></c></row>')}, "workbook_damaged"),
    ],
)
def test_what_is_no_workbook_is_called_what_it_is(parts, code):
    assert refusal(packed(parts))[0] == code


def test_passwords_and_torn_files():
    ole = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2040))
    ole[30:32] = (9).to_bytes(2, "little")
    assert refusal(io.BytesIO(ole))[0] == "old_workbook"
    ole[512:544] = "EncryptedPackage".encode("utf-16-le")
    assert refusal(io.BytesIO(ole))[0] == "workbook_protected"
    whole = packed(parts_of('<row r="1"><c><v>1</v></c></row>' * 99)).getvalue()
    assert refusal(io.BytesIO(whole[: len(whole) // 2]))[0] == "workbook_damaged"
    flipped = bytearray(whole)
    at = whole.index(b"xl/worksheets/sheet1.xml") + 40
    flipped[at : at + 8] = b"\xff" * 8
    assert refusal(io.BytesIO(flipped))[0] == "workbook_damaged"


@given(st.binary(max_size=300), st.integers(0, 2_000))
def test_no_bytes_break_the_reader(noise, at):
    whole = bytearray(
        packed(parts_of('<row r="1"><c t="s"><v>0</v></c></row>', strings="<si><t>a</t></si>")).getvalue()
    )
    whole[at : at + len(noise)] = noise
    with suppress(UnreadableFile):
        list(Workbook(io.BytesIO(whole)).rows())


SCRAPS = st.sampled_from(
    [b"", b'"', b"<", b">", b"/", b"&", b"=", b"-1", b"1e999", b"9" * 12, b' t="s"', b's="-1"', b"[h]", b";"]
)
SOUND = parts_of(
    '<row r="1"><c r="A1" s="0" t="s"><v>0</v></c><c s="0"><v>1</v></c></row>',
    strings="<si><t>a</t></si>",
    formats=["0.0"],
)


@given(st.sampled_from(sorted(SOUND)), st.floats(0, 1), st.integers(0, 6), SCRAPS | st.binary(max_size=3))
def test_no_part_breaks_the_reader(name, where, length, scrap):
    part = bytearray(SOUND[name].encode())
    at = round(where * len(part))
    part[at : at + length] = scrap
    with suppress(UnreadableFile):
        book = Workbook(packed({**SOUND, name: bytes(part)}))
        list(book.rows())
        book.warnings([])


def test_parts_are_utf_8_or_utf_16_whatever_they_claim():
    sheet = '<?xml version="1.0" encoding="{}"?><worksheet><sheetData><row><c t="str"><v>Zoë</v></c></row></sheetData></worksheet>'
    for encoding, claim in [("utf-8", "UTF-99"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16")]:
        parts = {**SOUND, "xl/worksheets/sheet1.xml": sheet.format(claim).encode(encoding)}
        assert list(Workbook(packed(parts)).rows()) == [(1, ["Zoë"])]

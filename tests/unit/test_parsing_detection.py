"""What is read off a file's beginning: how sure, always overridable, and what is refused or warned of."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from contactsync.core.parsing.detection import Detected, detect
from contactsync.core.parsing.tables import table_of
from contactsync.errors import UnreadableFile
from contactsync.model.sync import Format
from tests.support.corpus import corpus


def detected(text: str | bytes, mapped: list[str] | None = None, **asked: Any) -> Detected:
    sample = text.encode() if isinstance(text, str) else text
    return detect(sample, complete=True, requested=Format(**asked), mapped_columns=mapped)


def codes(found: Detected) -> set[str]:
    return {finding.code for finding in found.warnings}


EMAILS = "\n".join(f"anne.lee{number}@team.example.com" for number in range(50))


@pytest.mark.parametrize(
    ("text", "delimiter", "width"),
    [
        ("id,name,email\n1,Ann,ann@example.com\n2,Zoe,zoe@example.com\n", ",", 3),
        ("id;name;score\n1;Ann;1,5\n2;Zoe;2,5\n3;Bob;3,25\n", ";", 3),
        ("id\tname\tnote\n1\tAnn\tone, two\n2\tZoe\tthree, four\n", "\t", 3),
        ("id|name|at\n1|Ann|10:30\n2|Zoe|11:45\n", "|", 3),
        ("id||name||at\n1||Ann||10:30\n2||Zoe||11:45\n", "||", 3),
        ('id;name\n1;"Lee; Ann"\n2;"Moe; Zoe"\n', ";", 2),
        ("id,name,age\n1101,Ann\n1102,Zoe,26,more\n", ",", 3),
        (f"email\n{EMAILS}\n", None, 1),
        (f"{EMAILS}\n", None, 1),
        ("name\nLee, Ann\nMoe, Zoe\nPoe, Bob\n", None, 1),
        ("note\nCalled\nWrote\nMet Ann, Bob, Zoe\n", None, 1),
        ("site\nhttps://a.example.com/x\nhttps://b.example.com/y\n", None, 1),
    ],
)
def test_the_delimiter_is_the_one_that_makes_a_table(text, delimiter, width):
    found = detected(text)
    assert found.width == width
    if delimiter:
        assert found.dialect.delimiter == delimiter
        assert found.confidence["delimiter"] > 0.5
    else:  # one column: whatever is named must not divide any row
        assert found.dialect.delimiter not in text
        assert not set(found.dialect.delimiter) & set("abcdefghijklmnopqrstuvwxyz@.")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("name,email\nAnn,ann@example.com\n", True),
        ("mail@contact.de\nann@example.com\n", False),
        ("email,2023,2024\nann@example.com,5,6\nzoe@example.com,7,8\n", True),
        ("Vorname;Nachname;Ort\nAnn;Lee;Ulm\nZoe;Moe;Bonn\n", True),
        ("alpha,beta\nAnn,ann@example.com\nZoe,zoe@example.com\n", True),
        ("Ann,ann@example.com\nZoe,zoe@example.com\n", False),
        ("1,Ann,2020-01-02\n2,Zoe,2021-03-04\n", False),
        ("1,2,3\n", False),
        ("id,name\n", True),
        ("email\n", True),
        (EMAILS, False),
    ],
)
def test_a_header_is_told_from_a_row(text, header):
    found = detected(text)
    assert found.dialect.has_header is header
    assert (found.header is not None) is header
    assert 0.5 <= found.confidence["header"] <= 1


def test_what_is_stated_is_kept():
    found = detected(
        "id;name\n1;Ann\n", delimiter=",", has_header=False, encoding="windows-1252", skip_rows=1
    )
    assert found.dialect.delimiter == ","
    assert (found.dialect.has_header, found.dialect.encoding) == (False, "windows-1252")
    assert (found.dialect.skip_rows, found.header, found.rows) == (1, None, [["1;Ann"]])
    assert set(found.confidence.values()) == {1.0}


def test_the_names_that_a_mapping_asks_for_settle_delimiter_and_header():
    text = "Ann Lee;x,y\nAnn Moe;z,w\n"
    assert detected(text, mapped=["x"]).confidence["header"] < 1
    found = detected(text, mapped=["ann lee"])
    assert (found.dialect.delimiter, found.header, found.confidence["header"]) == (
        ";",
        ["Ann Lee", "x,y"],
        1.0,
    )
    found = detected("name\nLee, Ann\nMoe, Zoe\n", mapped=["name"])
    assert (found.width, found.header) == (1, ["name"])


@pytest.mark.parametrize("spelled", ["Zoë  Lee", "ZOË LEE", "Zoe\u0308 Lee", "Zoë\u00a0Lee"])
def test_a_name_settles_them_however_it_is_spelled(spelled):
    """As the mapping finds its column then: blanks, case and composed accents make no other name."""
    found = detected("Zoë Lee;x,y\nAnn Moe;z,w\n", mapped=[spelled])
    assert (found.dialect.delimiter, found.confidence["header"]) == (";", 1.0)
    sheet = [(1, ["Our people"]), (2, ["Zoë Lee", "x"]), (3, ["Ann Moe", "z"])]
    table = table_of(sheet, has_header="auto", names=[spelled])
    assert (table.header, table.first_line, table.confidence) == (["Zoë Lee", "x"], 2, 1.0)


@pytest.mark.parametrize(
    ("above", "skipped"),
    [
        ("sep=;\n", 1),
        ("# exported by nobody, on a day\n", 1),
        ('Notes:\n"When exporting, some may be missing, see help."\n\n', 3),
    ],
)
def test_what_stands_above_the_table_is_skipped_and_told(above, skipped):
    found = detected(f"{above}First Name;Last Name;URL\nAnn;Lee;https://example.com/ann\n")
    assert (found.dialect.skip_rows, found.dialect.delimiter) == (skipped, ";")
    assert found.header == ["First Name", "Last Name", "URL"]
    assert "preamble_skipped" in codes(found)
    assert found.lines == [skipped + 2]


@pytest.mark.parametrize(
    ("above", "skipped"),
    [
        ("Customers;;;\n", 1),
        ("Customers;;;\n;;;\n", 2),
        ("Customers;;;\nExported;2024-01-01;;\n;;;\n", 3),
        ('"Customers\nof 2024";;;\n', 2),
    ],
)
def test_titles_are_above_the_table_also_where_a_spreadsheet_has_filled_them_up(above, skipped):
    table = "Naam;E-mail;Bedrag;Plaats\n" + "Jan;jan@example.com;1,50;Ede\n" * 3 + ";;;\nTotaal;;4,50;\n"
    found = detected(above + table)
    assert (found.dialect.skip_rows, found.header) == (skipped, ["Naam", "E-mail", "Bedrag", "Plaats"])
    assert "preamble_skipped" in codes(found)
    asked = detected(above + table, ["Naam"])
    assert (asked.dialect.skip_rows, asked.header) == (found.dialect.skip_rows, found.header)


@pytest.mark.parametrize("first", ["ann@example.com;;;", "Ann;;;", "E-mail;;;"])
def test_a_first_row_with_one_cell_is_no_title_of_rows_without_names(first):
    found = detected(f"{first}\n" + "Jan;jan@example.com;1,50;Ede\n" * 3)
    assert found.dialect.skip_rows == 0


def test_quotes_escapes_and_spaces_are_read_off_the_rows():
    assert detected("id,name\n'1','O, Ann'\n'2','Lee'\n'3','Moe'\n").dialect.quote == "'"
    assert detected('id,say\n1,"she \\"said, yes\\""\n2,"no"\n').dialect.escape == "\\"
    spaced = detected('id, name\n1, "Lee, Ann"\n2, "Moe, Zoe"\n')
    assert spaced.dialect.skip_spaces
    assert spaced.rows == [["1", "Lee, Ann"], ["2", "Moe, Zoe"]]
    note = detected('id,note\n1,"a, ""b"""\n2," c"\n')
    assert not note.dialect.skip_spaces
    assert note.rows[1] == ["2", " c"]


@pytest.mark.parametrize("quote", [*"'|~^:;,\t([{*+?.$\\)]}§ a"])
@pytest.mark.parametrize("stated", [True, False])
def test_any_character_can_be_the_quote(quote, stated):
    """Of some a pattern was made, or a candidate's half: whoever stated them was told of a mistake of ours."""
    delimiter = ";" if quote == "," else ","
    rows = [["id", "who", "note"], ["1", "Moe", f"he{delimiter} {quote}too"], ["2", "Zoe", "no\\yes"]]
    text = "".join(
        delimiter.join(quote + cell.replace(quote, quote * 2) + quote for cell in row) + "\n" for row in rows
    )
    found = detected(text, quote=quote, has_header=True, delimiter=delimiter if stated else "auto")
    assert (found.header, found.rows) == (rows[0], rows[1:])


def test_a_line_break_is_no_quote():
    with pytest.raises(UnreadableFile, match="delimiter_unusable"):
        detected("id,name\n1,Ann\n", quote="\n")


def test_the_width_is_the_headers_unless_the_rows_agree_on_more():
    assert detected("a,b,c\n" + "1,2,3,\n" * 5).width == 4
    assert detected("a,b,c\n" + "1,2\n" * 5).width == 3
    assert detected("a,b,c\n1,2,3,\n").width == 3


def test_a_sample_that_ends_within_a_row_or_a_character_is_no_damage():
    text = "id,name\n" + "".join(f"{number:04},Zoë Ångström\n" for number in range(3000))
    whole = text.encode()
    for end in range(20_000, 20_020):
        found = detect(whole[:end], complete=False, requested=Format())
        assert (found.dialect.encoding, codes(found)) == ("utf-8", set())
        assert abs(found.row_estimate(len(whole)) - 3000) < 60


@pytest.mark.parametrize(
    ("sample", "code", "says"),
    [
        (b"", "empty_file", "empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "empty_file", "empty"),
        (gzip.compress(b"id,name\n", mtime=0), "not_a_text_file", "gzip"),
        (b"PK\x03\x04....xl/workbook.xml", "not_a_text_file", "Excel workbook"),
        (b"PK\x03\x04....contacts.csv", "not_a_text_file", "zip"),
        (b"%PDF-1.7\n%....", "not_a_text_file", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "not_a_text_file", "old Excel"),
        (b"\x89PNG\r\n\x1a\n", "not_a_text_file", "image"),
        (b"<!DOCTYPE html><title>Sign in</title>", "not_a_text_file", "web page"),
        (b'[{"email": "ann@example.com"}]', "not_a_text_file", "JSON"),
        (b"dn: cn=Ann Lee\nmail: ann@example.com\n\ndn:: Y249\n", "not_a_text_file", "LDIF"),
        (b"version: 1\r\ndn: cn=Ann Lee\r\nmail: ann@example.com\r\n", "not_a_text_file", "LDIF"),
        (bytes(range(256)) * 20, "not_a_text_file", "control characters"),
        (b"id,name\n1," + b"x," * 2000 + b"\n", "too_many_columns", "Line 2"),
    ],
)
def test_what_is_no_table_is_refused_by_its_name(sample, code, says):
    asked: dict[str, Any] = {"has_header": False, "skip_rows": 1} if code == "too_many_columns" else {}
    with pytest.raises(UnreadableFile) as raised:
        detected(sample, **asked)
    assert raised.value.code == code
    assert says in raised.value.title
    assert raised.value.detail


def test_a_stated_encoding_that_does_not_fit_names_the_place():
    with pytest.raises(UnreadableFile) as raised:
        detected("id,name\n1,Ann\n2,Zoë\n".encode("windows-1252"), encoding="utf-8")
    assert raised.value.code == "not_in_stated_encoding"
    assert "byte 18, on line 3" in raised.value.title
    with pytest.raises(UnreadableFile, match="encoding_unknown"):
        detected("id,name\n", encoding="rot13")
    with pytest.raises(UnreadableFile, match="delimiter_unusable"):
        detected("id,name\n", delimiter="\n")


def test_damage_is_told_before_anything_is_stored():
    found = detected(
        "id,phone,mobile,phone,,born,joined,score,note\n"
        "1,3.46E+10,612345678,x,y,03/04/1990,31/01/2020,#REF!,0/0/00\n"
        "2,020 1234,687654321,x,y,05/06/1991,30/01/2020,2,Unspecified\n"
        "3,020 5678,611122233,x,y,07/08/1992,01/29/2020,3,CafÃ©\n"
        '4,"020,x\n'
        "5,1\n"
    )
    told = {(finding.code, finding.column) for finding in found.warnings}
    assert told >= {
        ("spoiled_number", "phone"),
        ("lost_leading_zeros", "mobile"),
        ("duplicate_header", "phone"),
        ("blank_header", 4),
        ("ambiguous_dates", "born"),
        ("mixed_date_orders", "joined"),
        ("broken_formula", "score"),
        ("filler_values", "note"),
        ("misread_text", "note"),
        ("unbalanced_quote", None),
        ("ragged_rows", None),
    }
    assert not any("612345678" in finding.message for finding in found.warnings)


def test_a_date_order_that_one_row_proves_is_not_called_ambiguous():
    found = detected("name,born\nAnn,03/04/1990\nZoe,23/04/1990\n")
    assert not codes(found)


def test_mixed_encodings_are_told_with_their_line():
    found = detected("id,name\n1,Zoë\n2,Åsa\n3,Ärla Ö\n".encode() + b"4,Zo\xeb\n")
    assert found.dialect.encoding == "utf-8"
    (finding,) = found.warnings
    assert (finding.code, finding.row) == ("mixed_encodings", 5)
    assert found.rows[3] == ["4", "Zo\ufffd"]


HEADERS = ["google-new-2024", "google-old", "linkedin-connections", "outlook-desktop-92", "outlook-live-com"]


@pytest.mark.parametrize("name", HEADERS)
def test_the_headers_of_address_book_exports_are_headers(name):
    found = detected(corpus(f"headers/{name}.csv").read_bytes())
    assert (found.dialect.delimiter, found.dialect.has_header, found.confidence["header"]) == (",", True, 1.0)


@pytest.mark.parametrize(
    ("name", "delimiter", "encoding", "header", "width", "rows"),
    [
        ("csvkit/test_utf16_big.csv", ",", "utf-16be", True, 3, 2),
        ("csvkit/test_utf16_little.csv", ",", "utf-16le", True, 3, 2),
        ("csvkit/test_utf8_bom.csv", ",", "utf-8", True, 3, 2),
        ("csvkit/test_latin1.csv", ",", "windows-1252", True, 3, 2),
        ("csvkit/mac_newlines.csv", ",", "utf-8", True, 3, 2),
        ("csvkit/no_header_row3.csv", ",", "utf-8", False, 3, 2),
        ("csvkit/test_header_newline.csv", ",", "utf-8", True, 3, 1),
        ("csvkit/sniff_limit.csv", ";", "utf-8", True, 3, 1),
        ("csvkit/dummy.tsv", "\t", "utf-8", True, 3, 1),
        ("frictionless/country-2.csv", ";", "utf-8", True, 4, 5),
        ("frictionless/skip-rows-before-headers.csv", ",", "utf-8", True, 2, 2),
        ("frictionless/escaping.csv", ",", "utf-8", True, 2, 3),
        ("frictionless/dialect.csv", "|", "utf-8", True, 2, 2),
        ("frictionless/without-headers.csv", ",", "utf-8", False, 2, 3),
        ("frictionless/without-rows.csv", ",", "utf-8", True, 2, 0),
        ("frictionless/table-infer-iso-8859-7.csv", ",", "windows-1253", True, 3, 4),
        ("frictionless/table-with-accents.csv", ";", "windows-1252", True, 8, 100),
        ("frictionless/defective-rows.csv", ",", "utf-8", True, 3, 2),
    ],
)
def test_files_of_other_projects(name, delimiter, encoding, header, width, rows):
    found = detected(corpus(name).read_bytes())
    dialect = found.dialect
    assert (dialect.delimiter, dialect.encoding, dialect.has_header) == (delimiter, encoding, header)
    assert (found.width, len(found.rows)) == (width, rows)

"""Names in their own countries' encodings: recognised, read, and put into UTF-8 whatever the blocks."""

from __future__ import annotations

import json
import random

import pytest

from contactsync.core.parsing import Damaged, Dialect, cut, read_chunk
from contactsync.core.parsing.detection import detect
from contactsync.core.parsing.encoding import encoding_named, lines_beyond_ascii, read_sample, to_utf8
from contactsync.model.sync import Format
from tests.support.corpus import corpus

COUNTRIES = [
    ("fr_FR", "windows-1252"),
    ("de_DE", "windows-1252"),
    ("es_ES", "windows-1252"),
    ("pt_PT", "windows-1252"),
    ("sv_SE", "windows-1252"),
    ("da_DK", "windows-1252"),
    ("is_IS", "windows-1252"),
    ("fr_FR", "macintosh"),
    ("de_DE", "macintosh"),
    ("es_ES", "macintosh"),
    ("sv_SE", "macintosh"),
    ("cs_CZ", "windows-1250"),
    ("pl_PL", "windows-1250"),
    ("hu_HU", "windows-1250"),
    ("hr_HR", "windows-1250"),
    ("tr_TR", "windows-1254"),
    ("lv_LV", "windows-1257"),
    ("ru_RU", "windows-1251"),
    ("uk_UA", "windows-1251"),
    ("bg_BG", "windows-1251"),
    ("ru_RU", "koi8-r"),
    ("el_GR", "windows-1253"),
    ("he_IL", "windows-1255"),
    ("ar_AA", "windows-1256"),
    ("ja_JP", "shift_jis"),
    ("zh_CN", "gb18030"),
    ("zh_TW", "big5"),
    ("ko_KR", "euc-kr"),
    ("th_TH", "windows-874"),
]
PYTHON = {
    "windows-874": "cp874",
    "macintosh": "mac-roman",
    "shift_jis": "cp932",
    "big5": "cp950",
    "euc-kr": "cp949",
}


def listed(locale: str, count: int) -> str:
    names = json.loads(corpus("faker-names/names-by-locale.json").read_text())[locale]
    chance = random.Random(locale)
    given, family = names["first"] or names["last"], names["last"] or names["first"]
    lines = [
        f"{number},{chance.choice(given)} {chance.choice(family)},user{number}@example.com"
        for number in range(count)
    ]
    return "\n".join(["id,name,email", *lines, ""])


@pytest.mark.parametrize(("locale", "encoding"), COUNTRIES)
def test_two_hundred_names_tell_their_encoding(locale, encoding):
    data = listed(locale, 200).encode(PYTHON.get(encoding, encoding), "ignore")
    found = read_sample(data, complete=True, requested="auto")
    assert found.text == data.decode(PYTHON.get(encoding, encoding))
    assert 0.3 <= found.confidence < 1  # never as sure as UTF-8 or a byte-order mark can be


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_recognised_with_and_without_its_mark(codec):
    text = "id,name\n1,Zoë\n2,王\n3,Ann\n"
    found = read_sample(text.encode(codec), complete=True, requested="auto")
    assert found.text == text
    assert found.confidence >= 0.9


def test_a_single_symbol_is_taken_for_what_most_files_are():
    assert read_sample(b"id,name\n1,\xa9\n", complete=True, requested="auto").encoding == "windows-1252"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("UTF8", "utf-8"),
        ("Latin-1", "windows-1252"),
        ("ISO_8859-1", "windows-1252"),
        ("cp1252", "windows-1252"),
        ("Shift-JIS", "shift_jis"),
        ("GBK", "gb18030"),
        ("mac_roman", "macintosh"),
        ("rot13", None),
        ("idna", None),
        ("../x", None),
    ],
)
def test_encodings_have_many_names_and_only_text_encodings_count(name, meant):
    assert encoding_named(name) == meant


@pytest.mark.parametrize("encoding", ["utf-16le", "shift_jis", "gb18030", "windows-1252", "utf-8"])
@pytest.mark.parametrize("block", [1, 3, 1000])
def test_blocks_may_divide_characters(encoding, block):
    text = "id,name\n1,Zoë\n" if encoding == "windows-1252" else "id,name\n1,田中\n2,佐藤\n"
    data = text.encode(encoding)
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    assert b"".join(to_utf8(blocks, encoding)).decode() == text


def test_a_byte_order_mark_is_no_text():
    assert b"".join(to_utf8(["id\n".encode("utf-16")], "utf-16le")) == b"id\n"


def test_bytes_that_the_encoding_lacks_cost_their_row_only():
    data = b"".join(to_utf8([b"1,Ann\n2,Zo\x81\n3,Bob\n"], "windows-1252"))
    dialect = Dialect(encoding="windows-1252", has_header=False)
    (chunk,) = cut([data], dialect, width=2)
    rows = list(read_chunk(data, dialect, width=2, first_line=chunk.first_line))
    assert [row.code if isinstance(row, Damaged) else row[1] for row in rows] == [
        ["1", "Ann"],
        "not_in_encoding",
        ["3", "Bob"],
    ]
    assert isinstance(rows[1], Damaged)
    assert "windows-1252" in rows[1].message


@pytest.mark.parametrize("block", [1, 7, 100_000])
def test_the_first_letter_beyond_ascii_tells_wherever_it_stands(block):
    lines = ["id,name", *(f"{number},Ann Lee" for number in range(5000)), "x,Zoë Müller", "y,Ann", "z,José"]
    data = "\n".join(lines).encode("windows-1252")
    beyond = lines_beyond_ascii(data[at : at + block] for at in range(0, len(data), block))
    assert beyond == "x,Zoë Müller\nz,José\n".encode("windows-1252")
    asked = Format()
    assert detect(data[:1000], complete=False, requested=asked).dialect.encoding == "utf-8"
    found = detect(data[:1000], complete=False, requested=asked, beyond=beyond)
    assert found.dialect.encoding == "windows-1252"
    assert found.header == ["id", "name"]


@pytest.mark.parametrize("stated", ["windows-1252", "latin1", "windows-1250", "macroman", "windows-1251"])
def test_utf_8_is_read_as_such_though_another_encoding_is_stated(stated):
    """A nightly export that has changed to it would spoil every name."""
    data = "id,name\n1,Zoë Müller\n2,José\n".encode()
    found = detect(data, complete=True, requested=Format(encoding=stated))
    assert found.dialect.encoding == "utf-8"
    assert [row[1] for row in found.rows] == ["Zoë Müller", "José"]
    [told] = [finding for finding in found.warnings if finding.code == "encoding_overridden"]
    assert f"read as that, and not as {stated}" in told.message


@pytest.mark.parametrize("encoding", ["windows-1252", "windows-1251", "windows-1253", "iso-8859-2", "ibm866"])
def test_what_is_stated_counts_where_the_bytes_are_that(encoding):
    names = {"windows-1251": "Привет", "windows-1253": "Νίκος", "ibm866": "Привет"}.get(encoding, "Zoë")
    found = detect(
        f"id,name\n1,{names}\n".encode(encoding), complete=True, requested=Format(encoding=encoding)
    )
    assert (found.dialect.encoding, found.rows) == (encoding, [["1", names]])
    assert found.warnings == ()


def test_a_letter_of_two_bytes_may_be_utf_8_by_chance():
    """Of an encoding that has two bytes for each letter the stated one is believed."""
    found = detect("1,模通\n".encode("gb18030"), complete=True, requested=Format(encoding="gb18030"))
    assert found.rows == [["1", "模通"]]

"""Compressed files come out whole or not at all, in bounded memory."""

from __future__ import annotations

import gzip
import io
import random
import stat
import tracemalloc
import zipfile
from typing import Any

import pytest

from contactsync.core.compression import MOST_RATIO, decompressed
from contactsync.errors import UnreadableFile
from tests.support.corpus import corpus

TEXT = b"".join(b"%d,Ann %d,ann%d@example.com\r\n" % (n, n, n * 7919) for n in range(40_000))


class Slow(io.RawIOBase):
    """Gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes, step: int) -> None:
        self._left = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1) -> bytes:
        return self._left.read(self._step)


def zipped(
    name: str | zipfile.ZipInfo, data: bytes, method: int = zipfile.ZIP_DEFLATED, *, seekable: bool = True
) -> bytes:
    out = io.BytesIO()
    if not seekable:  # then sizes follow the data, as with `zip -` in a pipe
        out.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def by_finder(name: str, data: bytes, hidden: bytes = b"icon and tags") -> bytes:
    """As a Mac's Finder packs a file."""
    out = io.BytesIO()
    out.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        archive.writestr("__MACOSX/", b"")
        archive.writestr(f"__MACOSX/._{name}", hidden)
    return out.getvalue()


def code_of(data: bytes, **bounds: Any) -> str:
    with pytest.raises(UnreadableFile) as caught:
        decompressed(io.BytesIO(data), **bounds).read()
    assert caught.value.detail.endswith(".")
    return caught.value.code


PACKED = {
    "gz": gzip.compress(TEXT),
    "gz of two members": gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]),
    "gz with padding": gzip.compress(TEXT) + bytes(512),
    "zip": zipped("contacts.csv", TEXT),
    "zip, sizes after": zipped("contacts.csv", TEXT, seekable=False),
    "zip of a Mac": by_finder("contacts.csv", TEXT),
    "zip, stored": zipped("in/contacts.csv", TEXT, zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("step", [1 << 20, 4093])
def test_what_was_packed_comes_out(kind, step):
    assert decompressed(Slow(PACKED[kind], step)).read() == TEXT  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"P", b"PK", b"name\nAnn\n", TEXT])
def test_what_is_not_packed_comes_through(data):
    assert decompressed(io.BytesIO(data)).read() == data


def test_a_spreadsheet_comes_through():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"):
            archive.writestr(name, "<x/>")
    assert decompressed(io.BytesIO(out.getvalue())).read() == out.getvalue()


@pytest.mark.parametrize("kind", [kind for kind in PACKED if kind != "gz with padding"])
def test_a_cut_file_never_ends_quietly(kind):
    data = PACKED[kind]
    whole_member = len(gzip.compress(TEXT[:1000]))  # what is cut there is a whole file of its own
    chance = random.Random(1)
    places = {
        4,
        10,
        29,
        35,
        len(data) - 1,
        len(data) - 8,
        *(chance.randrange(3, len(data)) for _ in range(60)),
    }
    for place in places - {whole_member}:
        assert code_of(data[:place]) in {"compressed_file_cut", "compressed_file_damaged"}, place


def test_a_packed_file_of_almost_nothing_has_been_cut():
    assert code_of(b"\x1f") == "compressed_file_cut"
    for name in ("contacts.csv.gz", "Contacts.ZIP"):
        with pytest.raises(UnreadableFile):
            decompressed(io.BytesIO(), name=name)


def test_any_damage_to_the_content_is_found():
    chance = random.Random(2)
    for kind in ("gz", "zip", "zip, stored"):
        for _ in range(40):
            data = bytearray(PACKED[kind])
            data[chance.randrange(60, len(data) - 120)] ^= 1 << chance.randrange(8)
            assert code_of(bytes(data)) in {
                "compressed_file_damaged",
                "compressed_file_cut",
                "archive_not_one_file",
            }


def test_a_bomb_stops_early_and_costs_no_memory():
    bombs = [gzip.compress(bytes(100 << 20), 9), zipped("a.csv", bytes(100 << 20))]
    for bomb in bombs:
        tracemalloc.start()
        stream = decompressed(io.BytesIO(bomb))
        with pytest.raises(UnreadableFile) as caught:
            sum(map(len, iter(lambda: stream.read(1 << 16), b"")))  # noqa: B023 called at once
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()
        assert caught.value.code == "bomb"


def test_output_is_bounded_whatever_the_ratio():
    assert code_of(gzip.compress(TEXT), most_bytes=len(TEXT) - 1) == "bomb"
    assert decompressed(io.BytesIO(gzip.compress(TEXT)), most_bytes=len(TEXT)).read() == TEXT


def test_a_list_that_repeats_itself_is_no_bomb():
    data = b"Ann,ann@example.com\n" * 100_000
    assert len(data) / len(gzip.compress(data)) > MOST_RATIO
    assert decompressed(io.BytesIO(gzip.compress(data))).read() == data


@pytest.mark.parametrize("inner", [gzip.compress(b"x", mtime=0), zipped("a.csv", b"x")])
def test_nested_is_refused(inner):
    assert code_of(gzip.compress(inner)) == "archive_nested"
    assert code_of(zipped("a.gz", inner, zipfile.ZIP_STORED)) == "archive_nested"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a.csv", "in/../../a.csv", "..\\a.csv", "C:\\a.csv", "\\\\host\\a.csv"]
)
def test_a_name_that_leads_out_is_refused(name):
    assert code_of(zipped(name, b"x")) == "archive_not_readable"


def test_a_link_is_refused():
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert code_of(zipped(link, b"/etc/passwd")) == "archive_not_readable"
    assert code_of(corpus("payloads/zip-symlink-etc_passwd.zip").read_bytes()) == "archive_not_readable"


@pytest.mark.parametrize(
    "names",
    [
        ["a.csv", "b.csv"],
        ["in/", "in/a.csv"],
        ["a.csv", "__MACOSX/._a.csv", "b.csv"],
        ["__MACOSX/._a.csv", "a.csv"],
    ],
)
def test_more_than_one_file_is_refused(names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"" if name.endswith("/") else b"x")
    assert code_of(out.getvalue()) == "archive_not_one_file"


def test_what_a_mac_adds_is_no_place_to_hide_much():
    assert code_of(by_finder("a.csv", b"x", random.Random(1).randbytes(2 << 20))) == "archive_not_one_file"


def test_a_password_is_said_so():
    data = bytearray(zipped("a.csv", b"x"))
    data[6] |= 1
    assert code_of(bytes(data)) == "archive_protected"


def test_an_unknown_method_is_said_so():
    assert code_of(zipped("a.csv", TEXT, zipfile.ZIP_BZIP2)) == "archive_not_readable"


def test_something_after_the_end_is_refused():
    assert code_of(gzip.compress(TEXT) + b"more") == "compressed_file_damaged"

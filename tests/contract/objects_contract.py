"""What every Objects must do. Backends inherit this and give `objects`, empty, and `versioned`, with how to put a version."""

from __future__ import annotations

import io
import os

import pytest

from contactsync.errors import NotFound
from contactsync.ports import Objects, Version

LARGE = os.urandom(1024 * 1024) * 21 + b"end"
"""More than two parts of an upload."""
KEYS = [
    "runs/a/source",
    "runs/a/rows/0.jsonl",
    "runs/a/rows/1.jsonl",
    "runs/ab/source",
    "other/Ω é +&?%20.csv",
]
ODD_KEYS = [
    "a//b/",
    "~-._!*'()",
    '#;,:@$=[]{}|^`"<>\\',
    "🎉/☃",
    "line\nend\r\t",
    "\x01\x1f",
    "%2F%0A",
]


def read(objects: Objects, key: str, **options: int) -> bytes:
    with objects.open(key, **options) as stream:
        return stream.read()


def read_version(objects: Objects, key: str, version: Version) -> bytes:
    with objects.open_version(key, version) as stream:
        return stream.read()


class ObjectsContract:
    @pytest.mark.parametrize("data", [b"", b"a", b"\x00\xff\r\n" * 1000], ids=["empty", "one byte", "bytes"])
    def test_what_is_put_is_got(self, objects, data):
        objects.put("key", data)
        assert objects.get("key") == data
        assert read(objects, "key") == data
        assert objects.size("key") == len(data)

    def test_a_put_replaces(self, objects):
        objects.put("key", b"first and longer")
        objects.put("key", b"second")
        assert objects.get("key") == b"second"

    def test_nothing_is_not_found(self, objects):
        assert objects.size("key") is None
        for reading in (
            lambda: objects.get("key"),
            lambda: read(objects, "key"),
            lambda: read(objects, "key", offset=1),
        ):
            with pytest.raises(NotFound):
                reading()

    @pytest.mark.parametrize("key", KEYS)
    def test_any_key_will_do(self, objects, key):
        objects.put(key, key.encode())
        assert objects.get(key) == key.encode()
        assert list(objects.keys("")) == [key]

    def test_objects_are_deleted_whatever_they_are_called(self, objects):
        keys = [*KEYS, *ODD_KEYS]
        for key in keys:
            objects.put(key, key.encode())
            assert objects.get(key) == key.encode()
        assert list(objects.keys("")) == sorted(keys)
        objects.delete([*keys, "none"])
        assert list(objects.keys("")) == []

    def test_keys_come_in_order_under_their_prefix(self, objects):
        for key in KEYS:
            objects.put(key, b"x")
        assert list(objects.keys("runs/a/")) == sorted(KEYS[:3])
        assert list(objects.keys("runs/a")) == sorted(KEYS[:4])
        assert list(objects.keys("none")) == []

    def test_more_keys_than_one_answer_holds(self, objects):
        for n in range(1003):
            objects.put(f"many/{n:04d}", b"")
        assert list(objects.keys("many/")) == [f"many/{n:04d}" for n in range(1003)]

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 3), (2, 4), (5, None), (9, 1), (0, 0), (4, 0), (8, 100), (10, None), (50, 3), (0, 100)],
    )
    def test_ranges_are_clipped_at_the_end(self, objects, offset, length):
        objects.put("key", b"0123456789")
        expected = b"0123456789"[offset : None if length is None else offset + length]
        assert read(objects, "key", offset=offset, length=length) == expected

    def test_a_range_of_an_empty_object_is_empty(self, objects):
        objects.put("key", b"")
        assert read(objects, "key", offset=0, length=10) == b""

    def test_a_stream_reads_piece_by_piece_and_line_by_line(self, objects):
        objects.put("key", b"one\ntwo\r\nthree")
        with objects.open("key") as stream:
            assert stream.read(2) == b"on"
            assert stream.readline() == b"e\n"
            assert list(stream) == [b"two\r\n", b"three"]
            assert stream.read(5) == b""
        with objects.open("key") as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
            assert list(text) == ["one\n", "two\r\n", "three"]

    def test_a_stream_may_be_left_early(self, objects):
        objects.put("key", LARGE)
        with objects.open("key") as stream:
            assert stream.read(10) == LARGE[:10]
        assert objects.size("key") == len(LARGE)

    @pytest.mark.parametrize("piece", [1000, 3_000_001, len(LARGE)])
    def test_a_large_object_is_written_and_read_in_pieces(self, objects, piece):
        with objects.writer("key") as sink:
            for start in range(0, len(LARGE), piece):
                data = LARGE[start : start + piece]
                assert sink.write(data) == len(data)
            assert objects.size("key") is None
        assert objects.size("key") == len(LARGE)
        assert objects.get("key") == LARGE
        assert read(objects, "key", offset=9_000_000, length=8_000_000) == LARGE[9_000_000:17_000_000]

    @pytest.mark.parametrize(
        "size", [8 * 1024 * 1024 - 1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 16 * 1024 * 1024]
    )
    def test_sizes_about_one_part(self, objects, size):
        with objects.writer("key") as sink:
            sink.write(LARGE[:size])
        assert objects.get("key") == LARGE[:size]

    def test_a_writer_that_writes_nothing_makes_an_empty_object(self, objects):
        with objects.writer("key"):
            pass
        assert objects.get("key") == b""

    @pytest.mark.parametrize("size", [10, len(LARGE)])
    def test_an_error_while_writing_leaves_what_was_there(self, objects, size):
        objects.put("key", b"before")

        def failing():
            with objects.writer("key") as sink:
                sink.write(LARGE[:size])
                raise KeyError("the writer's own")

        with pytest.raises(KeyError):
            failing()
        assert objects.get("key") == b"before"

    def test_a_written_object_replaces(self, objects):
        objects.put("key", b"before")
        with objects.writer("key") as sink:
            sink.write(b"after")
        assert objects.get("key") == b"after"

    def test_a_version_is_read_whatever_was_stored_over_it(self, versioned):
        objects, put = versioned
        key = "a/b c+d%20é.csv"
        first, second = put(key, LARGE), put(key, b"second")
        assert read_version(objects, key, first) == LARGE
        assert read_version(objects, key, second) == b"second"

    def test_a_version_that_is_not_there_is_not_found(self, versioned):
        objects, put = versioned
        version = put("key", b"data")
        for key, asked in (
            ("other", version),
            ("key", Version("null", version.etag)),
            ("key", Version(version.id, "0" * 32)),
            ("key", Version(version.id[::-1], version.etag)),
        ):
            with pytest.raises(NotFound):
                read_version(objects, key, asked)

    def test_urls_differ_by_key_and_purpose(self, objects):
        urls = {
            objects.presign_put("a", expires_s=60),
            objects.presign_put("b", expires_s=60),
            objects.presign_get("a", expires_s=60, filename="a.csv"),
            objects.presign_get("b", expires_s=60, filename="a.csv"),
        }
        assert len(urls) == 4

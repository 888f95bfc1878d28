"""Bodies that nobody should send, made by kind: what is almost JSON, what is JSON and no request, and what is neither."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

SOUND = '{"filename": "people.csv"}'
JSON = "application/json"
DEEP = 100_000


class Body(NamedTuple):
    """One body. `kind` names it; `status` is what it must be answered with."""

    kind: str
    data: bytes
    content_type: str = JSON
    status: int = 400


def all_of_them() -> list[Body]:
    """Every kind once."""
    found = [
        *_cut(), *_grammar(), *_numbers(), *_strings(), *_bytes(), *_spaces(), *_encodings(), *_no_objects(),
        *_deep(), *_large(), *_doubled(), *_content_types(), *_wrong_values(),
    ]  # fmt: skip
    assert len({body.kind for body in found}) == len(found)
    return found


def _cut() -> Iterator[Body]:
    for end in range(1, len(SOUND)):
        yield Body(f"cut after {end}", SOUND[:end].encode())


def _grammar() -> Iterator[Body]:
    wrong = (
        "{,}", "{:}", '{"a"}', '{"a":}', '{:"a"}', '{"a" "b"}', '{"a"::1}', '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}',
        '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a"=1}', '{"a"=>1}', '{"a",1}', "{'a':1}", '{a:1}', '{1:1}', '{null:1}',
        '{true:1}', '{[]:1}', '{{}:1}', '{"a":1}}', '{"a":1}]', '{"a":1]', '{"a":[1}', '{"a":[1,]}', '{"a":[,1]}',
        '{"a":[1 2]}', '{"a":[1,,2]}', '{"a":[:]}', '{"a":[1:2]}', '{"a":(1)}', '{"a":<1>}', '{"a":1}{"b":2}',
        '{"a":1},{"b":2}', '{"a":1} x', '{"a":1}//', '//\n{"a":1}', '{"a":1/* */}', '{/* */"a":1}', '#\n{"a":1}',
        '{"a":1}#', '{"a":1};', 'var a = {"a":1}', '{"a":True}', '{"a":FALSE}', '{"a":nul}', '{"a":NULL}',
        '{"a":None}', '{"a":undefined}', '{"a":tru}', '{"a":truee}', '{"a":yes}', '{"a":*}', '{"a":$ref}', '{"a":@}',
        '{"a":"b""c"}', '{"a":"b"+"c"}', '{"a":`b`}', '{"a":"b', '{"a":b"}', '{"a', '{"', "}", "]", ",", ":", '"', "{", "[",
        "{]", "[}", "({})", "<a/>", "--- a", "a=1", "a: 1", "%7B%7D", "e30=", "\\{\\}",
    )  # fmt: skip
    yield from (Body(f"grammar {text!r}", text.encode()) for text in wrong)


def _numbers() -> Iterator[Body]:
    wrong = (
        "01", "-01", "+1", ".5", "-.5", "1.", "1.e5", "1e", "1e+", "1e-", "1E", "0x1F", "0b1", "0o7", "1_000", "1,000.5x",
        "--1", "-", "- 1", "+-1", "1-", "1..2", "1.2.3", "e5", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "+Infinity",
        "inf", "1/2", "½", "１", "1f", "1L", "1n", "0.1.", "00", "1 000", "9" * 30, "-" + "9" * 30, "9" * 5000,
    )  # fmt: skip
    yield from (Body(f"number {text[:40]}", f'{{"a": {text}}}'.encode()) for text in wrong)


def _strings() -> Iterator[Body]:
    for code in range(0x20):
        yield Body(f"raw control {code:02x}", b'{"a": "x' + bytes([code]) + b'y"}')
    escapes = (
        "\\", "\\x41", "\\a", "\\'", "\\0", "\\U00000041", "\\u", "\\u1", "\\u12", "\\u123", "\\uZZZZ", "\\u{41}",
        "\\u00g0", "\\ud800", "\\udbff", "\\udc00", "\\udfff", "\\ud800\\ud800", "\\ud800x", "\\udc00\\ud800", "\\ud800\\u0041",
        "\\ ", "\\\n", "\\é", "\\u+041", "\\u 041", "\\v", "\\e",
    )  # fmt: skip
    yield from (Body(f"escape {text!r}", f'{{"a": "{text}"}}'.encode()) for text in escapes)
    yield Body("a lone surrogate as a key", b'{"\\ud800": 1}')


def _bytes() -> Iterator[Body]:
    """No byte above 7F stands alone in UTF-8."""
    for byte in range(0x80, 0x100):
        yield Body(f"lone byte {byte:02x}", b'{"filename": "' + bytes([byte]) + b'"}')
    sequences = (
        b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xff\xfe", b"\xc3(", b"\xe2(\xa1",
    )  # fmt: skip
    yield from (Body(f"bytes {each.hex()}", b'{"filename": "' + each + b'"}') for each in sequences)


def _spaces() -> Iterator[Body]:
    """JSON knows four kinds of white space."""
    for space in "\x0b\x0c\xa0\u1680\u2000\u2028\u2029\u200b\u3000\u2060\u0085\x1f\x00\x7f":
        yield Body(f"space {ord(space):04x}", f'{{{space}"filename": "a"}}'.encode())


def _encodings() -> Iterator[Body]:
    for name in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "utf-8-sig",
        "cp037",
        "utf-7",
    ):
        if name == "utf-7":
            yield Body(name, "{+ACI-a+ACI-:1}".encode("ascii"))
        else:
            yield Body(name, SOUND.encode(name))
    yield Body("latin-1", '{"filename": "späti"}'.encode("latin-1"))
    yield Body("gzip", b"\x1f\x8b\x08\x00" + bytes(60))
    yield Body("zip", b"PK\x03\x04" + bytes(60))


def _no_objects() -> Iterator[Body]:
    for text in (
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        '""',
        '"text"',
        "[]",
        "[1]",
        "[{}]",
        f"[{SOUND}]",
        "[[]]",
        '"{}"',
    ):
        yield Body(f"no object {text}", text.encode())


def _deep() -> Iterator[Body]:
    for depth in (41, 100, 1_000, 10_000, DEEP):
        yield Body(f"lists {depth} deep", b'{"a": ' + b"[" * depth + b"]" * depth + b"}")
        yield Body(f"objects {depth} deep", b'{"a": ' * depth + b"1" + b"}" * depth)
        yield Body(f"both {depth} deep", b'{"a": [' * depth + b"1" + b"]}" * depth)
        yield Body(f"lists {depth} deep without an end", b"[" * depth)
        yield Body(f"objects {depth} deep without an end", b'{"a":' * depth)


def _large() -> Iterator[Body]:
    for size in (5_000_001, 7_000_000, 9_900_000):
        yield Body(f"{size} bytes in one string", json.dumps({"filename": "x" * size}).encode(), status=413)
        yield Body(f"{size} bytes of spaces", b" " * size + SOUND.encode(), status=413)
    yield Body("many small lists", b'{"a": [' + b"[]," * 1_600_000 + b"1]}")
    yield Body("many small objects", b'{"a": [' + b"{}," * 1_600_000 + b"1]}")
    yield Body("many keys", ("{" + ",".join(f'"{n:07}":1' for n in range(400_000)) + "}").encode())
    yield Body(
        "many wrong keys", ("{" + ",".join(f'"{n:05}":1' for n in range(90_000)) + "}").encode(), status=422
    )
    yield Body("many numbers", b'{"a": [' + b"1," * 2_400_000 + b"1]}")


def _doubled() -> Iterator[Body]:
    texts = (
        '{"filename": "a", "filename": "b"}', '{"filename": "a", "filename": "a"}', '{"a": {"b": 1, "b": 2}}',
        '{"a": [{"b": 1, "b": 2}]}', '{"a": 1, "\\u0061": 2}', '{"": 1, "": 2}', '{"a": {"b": {"c": {"d": 1, "d": 1}}}}',
        '{"é": 1, "\\u00e9": 2}', '{"a": 1, "b": 2, "a": {"c": 1, "c": 2}}', '{"a": null, "a": null, "a": null}',
    )  # fmt: skip
    yield from (Body(f"twice {text}", text.encode()) for text in texts)


def _content_types() -> Iterator[Body]:
    kinds = (
        "text/plain", "text/json", "text/html", "text/csv", "application/xml", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/octet-stream", "application/x-json", "application/jsonp",
        "application/json-patch+json", "application/merge-patch+json", "application/problem+json", "application/ld+json",
        "application/x-ndjson", "application/yaml", "application/msgpack", "application/*", "*/*", "json", "application",
        "application/json, text/plain", "application/ json", "image/png", "/json",
    )  # fmt: skip
    yield from (Body(f"content type {kind}", SOUND.encode(), kind) for kind in kinds)


def _wrong_values() -> Iterator[Body]:
    values = ("null", "true", "1", "1.5", "[]", "{}", '["a"]', '""', json.dumps("x" * 256), "-0.0", "1e300")
    for value in values:
        yield Body(f"filename {value[:20]}", f'{{"filename": {value}}}'.encode(), status=422)
    for key in (
        "Filename",
        "filename ",
        "file_name",
        "__proto__",
        "constructor",
        "\\u0000",
        "filename\\n",
        "$where",
        "🙂",
    ):
        yield Body(f"key {key}", f'{{"filename": "a", "{key}": 1}}'.encode(), status=422)
    yield Body("nothing at all", b"{}", status=422)
    yield Body("no bytes", b"", status=422)
    yield Body("spaces only", b" \n\t\r ", status=422)

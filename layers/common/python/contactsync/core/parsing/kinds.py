"""What a file is, by its first bytes: names and media types are whatever a sender made of them."""

from __future__ import annotations

import re

from contactsync.errors import UnreadableFile

_SIGNATURES = (
    (b"\x1f\x8b", "gzip"),
    (b"%PDF-", "pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"SQLite format 3\0", "sqlite"),
    (b"PAR1", "parquet"),
    (b"\x7fELF", "program"),
    (b"MZ\x90\0", "program"),
)
_WORKBOOKS = {b"xl/": "xlsx", b"application/vnd.oasis.opendocument": "ods", b"word/": "docx"}
_MARKUP = (
    (re.compile(rb"(?:<!doctype html|<html|<head|<body)\b", re.IGNORECASE), "html"),
    (re.compile(rb"<\?xml|<[a-z][\w:]*[ >]", re.IGNORECASE), "xml"),
    (re.compile(rb"BEGIN:VCARD\b", re.IGNORECASE), "vcard"),
    (re.compile(rb"BEGIN:VCALENDAR\b", re.IGNORECASE), "calendar"),
    (re.compile(rb"(?:version: 1\s+)?dn::? \w", re.IGNORECASE), "ldif"),
    (re.compile(rb'\{\s*"|\[\s*[\[{]'), "json"),
    (re.compile(rb"\{\\rtf"), "rtf"),
)
_CALLED = {
    "gzip": "a gzip archive",
    "zip": "a zip archive",
    "xlsx": "an Excel workbook",
    "xls": "an old Excel or Office document",
    "ods": "an OpenDocument spreadsheet",
    "docx": "a Word document",
    "pdf": "a PDF document",
    "image": "an image",
    "html": "a web page, perhaps the page of a login",
    "xml": "an XML document",
    "vcard": "a vCard file",
    "calendar": "a calendar",
    "ldif": "an LDIF file, as directories write it",
    "json": "a JSON document",
    "rtf": "a formatted text document",
    "program": "a program",
    "sqlite": "a database",
    "parquet": "a Parquet file",
}
_CONTROLS = re.compile("[\0-\x08\x0e-\x1a]")
_BINARY_SHARE = 0.02
"""Control characters that make a text binary. A NUL or two are damage, which costs their rows only."""


def kind_of(sample: bytes) -> str | None:
    """A word for what the file certainly is (`gzip`, `zip`, `xlsx`, `vcard`, `html`, …); None if it may be CSV."""
    for signature, kind in _SIGNATURES:
        if sample.startswith(signature):
            return kind
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return next((kind for sign, kind in _WORKBOOKS.items() if sign in sample[:8192]), "zip")
    start = sample[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((kind for pattern, kind in _MARKUP if pattern.match(start)), None)


def refuse_what_is_no_table(sample: bytes) -> None:
    """Raises UnreadableFile `not_a_text_file` for a kind of file that holds no lines of cells, saying which."""
    if kind := kind_of(sample):
        called = _CALLED.get(kind, f"a {kind} archive")
        raise UnreadableFile(
            "not_a_text_file",
            f"This is {called}, not a text file with a row a line.",
            "Export the contacts as CSV and send that file.",
        )


def refuse_noise(text: str) -> None:
    """Raises UnreadableFile `not_a_text_file` for bytes that are no text in any encoding."""
    if len(_CONTROLS.findall(text)) > _BINARY_SHARE * len(text) and text.count("\0") != 1:
        raise UnreadableFile(
            "not_a_text_file",
            "The file is not text: it holds control characters, as programs' own formats do.",
            "Export the contacts as CSV and send that file.",
        )

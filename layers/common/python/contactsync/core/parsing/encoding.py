"""Which encoding a file has, and the file in UTF-8.

A byte-order mark or valid UTF-8 settles it. Otherwise every encoding below reads the same bytes, and the reading
that looks most like words of some language wins (`spelling`); how far it is ahead is the confidence.
"""

from __future__ import annotations

import codecs
import encodings.aliases
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from contactsync.core.parsing.spelling import likeness
from contactsync.errors import UnreadableFile

CODECS = {
    "utf-8": "utf-8",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32le": "utf-32-le",
    "utf-32be": "utf-32-be",
    "windows-1252": "cp1252",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "windows-874": "cp874",
    "macintosh": "mac-roman",
    "shift_jis": "cp932",  # what writes "Shift_JIS" is Windows, with its additions
    "gb18030": "gb18030",
    "big5": "cp950",
    "euc-jp": "euc-jp",
    "euc-kr": "cp949",
    "iso-8859-2": "iso8859-2",
    "iso-8859-5": "iso8859-5",
    "iso-8859-7": "iso8859-7",
    "iso-8859-15": "iso8859-15",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "ibm437": "cp437",
    "ibm850": "cp850",
    "ibm852": "cp852",
    "ibm866": "cp866",
}
"""Every encoding that can be read: the name shown and stored, and Python's codec."""

_OTHER_NAMES = {
    "utf8bom": "utf-8",
    "utf8sig": "utf-8",
    "ascii": "utf-8",
    "usascii": "utf-8",
    "utf16": "utf-16le",  # a byte-order mark, if there is one, decides before any name does
    "unicode": "utf-16le",
    "utf32": "utf-32le",
    # what calls itself Latin-1 and has bytes 80 to 9F means Windows-1252; so do browsers
    "latin1": "windows-1252",
    "iso88591": "windows-1252",
    "ansi": "windows-1252",
    "macroman": "macintosh",
    "sjis": "shift_jis",
    "windows31j": "shift_jis",
    "ms932": "shift_jis",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "big5hkscs": "big5",
    "ksc56011987": "euc-kr",
    "iso88599": "windows-1254",
}
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32le",  # begins as UTF-16's does, so it is asked first
    codecs.BOM_UTF32_BE: "utf-32be",
    codecs.BOM_UTF16_LE: "utf-16le",
    codecs.BOM_UTF16_BE: "utf-16be",
}
_LIKELY = (
    "windows-1252 windows-1250 windows-1251 macintosh shift_jis euc-kr gb18030 big5 euc-jp windows-1253 windows-1254"
    " windows-1257 windows-1255 windows-1256 koi8-r koi8-u ibm850 ibm852 ibm866 windows-874"
)
_GUESSED = _LIKELY.split()
"""In this order where two readings look equally well."""
_WITHIN_LATIN = re.compile("[A-Za-z][\u00c0-\u024f]|[\u00c0-\u024f][A-Za-z]")
"""What UTF-8 makes of names like Zoë, and hardly ever of other encodings' bytes: they would read ZoÃ«."""
_LINE_BYTES = 1 << 20
_HANDICAP = {
    "macintosh": 0.95,
    "koi8-r": 0.95,
    "koi8-u": 0.95,
    "ibm850": 0.85,
    "ibm852": 0.85,
    "ibm866": 0.85,
}
"""Encodings that few programs write any more have to read clearly better."""
_EXCERPT_BYTES = 32 << 10
"""How much of the lines beyond ASCII is weighed: some hundred names."""
_BY_CHANCE = frozenset({"shift_jis", "gb18030", "big5", "euc-jp", "euc-kr", "windows-874"})
"""In these a word or two may be valid UTF-8 by chance; in the others every name is a capital and a symbol then."""
_MARKER = "\udcff"
"""Stands for bytes that their encoding does not have. It becomes the byte FF, which no UTF-8 holds."""
_HANDLER = "contactsync.marker"
codecs.register_error(_HANDLER, lambda error: (_MARKER, getattr(error, "end", 0)))


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample as text, and how far the encoding is sure.

    Bytes that are no text in it are lone surrogates U+DC80 to U+DCFF in `text`, and `broken` in number.
    """

    text: str
    encoding: str
    confidence: float
    broken: int = 0


def encoding_named(name: str) -> str | None:
    """The encoding that `name` means, as it is shown and stored; None if it is not one that can be read."""
    return _NAMES.get(_plain(name))


def lines_beyond_ascii(blocks: Iterable[bytes]) -> bytes:
    """The first lines of a file that are not ASCII, some 32 KiB of them: for `detect`."""
    found = []
    size = 0
    rest = b""
    for block in chain(blocks, [b"\n"]):
        data = rest + block
        end = data.rfind(b"\n") + 1
        rest = data[end:][-_LINE_BYTES:]
        if data.isascii():
            continue
        for line in data[:end].splitlines(keepends=True):
            if not line.isascii():
                found.append(line)
                size += len(line)
                if size >= _EXCERPT_BYTES:
                    return b"".join(found)
    return b"".join(found)


def read_sample(sample: bytes, *, complete: bool, requested: str, beyond: bytes = b"") -> Reading:
    """The sample as text, without its byte-order mark; `requested` is "auto" or an encoding's name.

    A byte-order mark outweighs the request: the bytes cannot be anything else. Nor can they where every line beyond ASCII
    is UTF-8: a nightly export that has changed to it would spoil each name (ZoÃ«). `beyond` are such lines from the whole
    file, which decide where the sample is ASCII.

    Raises UnreadableFile: `encoding_unknown`, `not_in_stated_encoding` (with the place).
    """
    stated = None if requested == "auto" else encoding_named(requested)
    if requested != "auto" and stated is None:
        raise UnreadableFile(
            "encoding_unknown",
            "The stated encoding is not one that can be read.",
            f"State “auto” or one of: {', '.join(CODECS)}.",
        )
    for mark, encoding in _MARKS.items():
        if sample.startswith(mark):
            return _read(sample[len(mark) :], encoding, complete=complete, confidence=1.0)
    if stated and stated not in _BY_CHANCE and _is_utf8(beyond or sample, complete=complete):
        stated = "utf-8"
    if stated:
        return _as_stated(sample, stated, complete=complete)
    if wide := _wide(sample):
        return _read(sample, wide, complete=complete, confidence=0.9)
    if beyond and sample.isascii():
        further = _guess(beyond, complete=False)
        return _read(sample, further.encoding, complete=complete, confidence=further.confidence)
    return _guess(sample, complete=complete)


def to_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8, block by block, without a byte-order mark.

    Bytes that the encoding does not have become the byte FF, so that `read_chunk` refuses their rows only.
    """
    decoder = codecs.getincrementaldecoder(CODECS[encoding])(_HANDLER)
    begun = False
    for block in blocks:
        text = decoder.decode(block)
        if text and not begun:
            begun = True
            text = text.removeprefix("\ufeff")
        if text:
            yield text.encode("utf-8", "surrogateescape")
    if rest := decoder.decode(b"", final=True):
        yield rest.encode("utf-8", "surrogateescape")


def _read(sample: bytes, encoding: str, *, complete: bool, confidence: float) -> Reading:
    """The sample in one encoding, whatever the bytes; a character that the sample's end divides is left out."""
    errors = "surrogateescape" if encoding == "utf-8" else _HANDLER
    text = codecs.getincrementaldecoder(CODECS[encoding])(errors).decode(sample, final=complete)
    return Reading(text, encoding, confidence, sum(map(len, re.findall("[\udc80-\udcff]+", text))))


def _is_utf8(data: bytes, *, complete: bool) -> bool:
    """Whether this is text beyond ASCII, and all of it valid UTF-8."""
    if data.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=complete)
    except UnicodeDecodeError:
        return False
    return True


def _as_stated(sample: bytes, encoding: str, *, complete: bool) -> Reading:
    reading = _read(sample, encoding, complete=complete, confidence=1.0)
    sound = sum(1 for char in reading.text if char > "\x7f") - reading.broken
    if reading.broken and (reading.broken > sound or encoding != "utf-8"):
        try:
            sample.decode(CODECS[encoding])
        except UnicodeDecodeError as error:
            line = len(sample[: error.start].splitlines()) or 1
            raise UnreadableFile(
                "not_in_stated_encoding",
                f"The file is not {encoding}: byte {error.start:,}, on line {line:,}, has no meaning in it.",
                "State the encoding that the file was saved in, or “auto” to have it detected.",
            ) from None
    return reading


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a byte-order mark: commas, digits and line ends have a NUL beside them, always on one side."""
    pairs = len(sample) // 2
    even, odd = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if odd >= max(3, 0.1 * pairs) and even <= 0.01 * pairs:
        return "utf-16le"
    if even >= max(3, 0.1 * pairs) and odd <= 0.01 * pairs:
        return "utf-16be"
    return None


def _guess(sample: bytes, *, complete: bool) -> Reading:
    utf8 = _read(sample, "utf-8", complete=complete, confidence=1.0)
    if not utf8.broken:
        if not utf8.text.isascii():
            return utf8
        return Reading(utf8.text, "utf-8", 1.0 if complete else 0.9)
    sound = sum(1 for char in utf8.text if char > "\x7f") - utf8.broken
    if sound >= 3 * utf8.broken:  # a stray byte or two in what cannot be UTF-8 by chance
        return Reading(utf8.text, "utf-8", 0.8, utf8.broken)
    if 2 * len(_WITHIN_LATIN.findall(utf8.text)) >= utf8.broken:  # two files in one
        return Reading(utf8.text, "utf-8", 0.5, utf8.broken)
    beyond_ascii = b"\n".join(line for line in sample.splitlines() if not line.isascii())[:_EXCERPT_BYTES]
    ranked = sorted(
        ((_score(beyond_ascii, encoding), encoding) for encoding in _GUESSED), key=lambda pair: -pair[0]
    )
    (best, encoding), (second, _) = ranked[
        :2
    ]  # sorting is stable: the order of _GUESSED decides between equals
    confidence = round(max(0.3, min(0.95, best) * min(1.0, 0.6 + 2 * (best - second))), 2)
    return _read(sample, encoding, complete=complete, confidence=confidence)


def _score(excerpt: bytes, encoding: str) -> float:
    """How much the excerpt reads like words in an encoding; every byte that it lacks counts against it."""
    reading = _read(excerpt, encoding, complete=False, confidence=0.0)
    beyond = sum(char > "\x7f" for char in reading.text)
    return likeness(reading.text, encoding) * _HANDICAP.get(encoding, 1.0) - reading.broken / max(1, beyond)


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _names() -> dict[str, str]:
    """Every spelling of an encoding's name, as `_plain` has it → our name."""
    ours = {_plain(codec): name for name, codec in CODECS.items()}
    names = {_plain(name): name for name in CODECS} | ours | _OTHER_NAMES
    for alias, codec in encodings.aliases.aliases.items():
        if name := names.get(_plain(codec)):
            names.setdefault(_plain(alias), name)
    return names


_NAMES = _names()

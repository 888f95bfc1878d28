"""Bytes of a .vcf file → cards, one by one, in bounded memory and linear time.

A card that cannot be read is one `Damaged`, with the line of its BEGIN:VCARD; reading goes on at the next BEGIN.
Exporters differ from the standards, so these are forgiven: names in any case, blanks after BEGIN and END, a
missing VERSION, blank lines, base64 whose further lines are not indented, notes and addresses that run on over
lines without being folded, and text that is not UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from contactsync.core.parsing import Damaged
from contactsync.core.vcard.card import Card, Param, Property, Version, version_of
from contactsync.core.vcard.values import charset_of, decoded, quoted

CARD_BYTES = 4 << 20
"""The largest card, photo and all. It is also the longest line, and what one card costs in memory."""
PROPERTIES = 2_000
"""The most properties of a card; fifty times the fullest one that we know."""
SHOWN_BYTES = 200
_BLOCK_BYTES = 256 << 10

_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?BEGIN[ \t]*:[ \t]*VCARD[ \t]*", re.IGNORECASE)
_END = re.compile(rb"END[ \t]*:[ \t]*VCARD[ \t]*", re.IGNORECASE)
_SEAM = re.compile(rb"(?<=VCARD)[ \t]*(?=(?:\xef\xbb\xbf)?BEGIN[ \t]*:)", re.IGNORECASE)
"""Between files that were put together although the first has no line break at its end."""
_VERSION = re.compile(rb"VERSION[^:\n]*:(.*)", re.IGNORECASE)
_AGENT = re.compile(rb"(?:[\w-]+\.)?AGENT\b[^:]*:[ \t]*", re.IGNORECASE)
_FORMATTED_NAME = re.compile(rb"(?:[\w-]+\.)?FN\b[^:]*:(.*)", re.IGNORECASE)
# letters, digits, underscore, hyphen and all beyond ASCII; by what they are not, which takes no 5 ms to compile
_NAME = re.compile(r"(?:([^\x00-,./:-@\[-^`{-\x7f]+)\.)?([^\x00-,.:-@\[-^`{-\x7f]+)[ \t]*")
_HEAD = re.compile(rb'(?:[\w\x80-\xff-]+\.)?([\w/\x80-\xff-]+)[ \t]*((?:;(?:[^":]|"[^"]*+")*+)?):')
_QUOTED_PRINTABLE = re.compile(rb"\bQUOTED-PRINTABLE\b", re.IGNORECASE)
_BASE64 = re.compile(rb"\b(?:BASE64|ENCODING=B)\b", re.IGNORECASE)
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]++={0,2}[ \t]*")
_PIECE = re.compile(r'(?:[^";]|"[^"]*+"?)++')
_ITEM = re.compile(r'(?:[^",]|"[^"]*+"?)++')
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_OF_OURS = re.compile(
    rb"(?:[\w-]+\.)?(?:ADR|BDAY|EMAIL|FN|N|NICKNAME|NOTE|ORG|PHOTO|TEL|TITLE|UID|URL)(?:[;=\s]|$)",
    re.IGNORECASE,
)
_NOT_IN_NAME = re.compile('[";:,]')
_RUNS_ON = frozenset({b"NOTE", b"LABEL", b"ADR"})
"""Values that exporters write over several lines without folding them."""


class Found(NamedTuple):
    """A card, and the number of the line on which it begins."""

    line: int
    card: Card


class _Fault(NamedTuple):
    """Why a card cannot be read."""

    code: str
    message: str


_LIMIT = f"{CARD_BYTES >> 20} MiB"
TOO_LARGE = _Fault(
    "card_too_large", f"This card is larger than {_LIMIT}. Export it again without its picture."
)
NOT_CLOSED = _Fault("card_not_closed", "This card has no END:VCARD. Export it again.")
OUTSIDE = _Fault("outside_card", "This text stands outside all cards and belongs to none. Remove it.")
TOO_MANY = _Fault("too_many_properties", f"This card has more than {PROPERTIES:,} properties. Divide it.")


def read_cards(
    blocks: Iterable[bytes], *, most_bytes: int = CARD_BYTES, passes_over: bool = False
) -> Iterator[Found | Damaged]:
    """The cards of a file in UTF-8, or in the charsets that its properties name, in their order.

    Text outside cards is one `Damaged` a stretch. A line that is no property makes its card `Damaged`, or is left out if
    `passes_over`, unless it seems to hold a field of ours: without it the card would say that there is no such value.
    Memory: a block and a card of at most `most_bytes`.
    """
    lines: list[bytes] = []
    begun = size = depth = 0
    stray = False
    for number, line in _numbered(_physical_lines(blocks, most_bytes)):
        if _BEGIN.fullmatch(line) and not (begun and lines and _AGENT.fullmatch(lines[-1])):
            if begun:
                yield _damaged(begun, lines, TOO_LARGE if size > most_bytes else NOT_CLOSED)
            lines, begun, size, depth, stray = [], number, 0, 0, False
            continue
        if _BEGIN.fullmatch(line):
            depth = 1  # an AGENT is a card within the card
        elif _END.fullmatch(line):
            if begun and not depth:
                if size > most_bytes:
                    yield _damaged(begun, lines, TOO_LARGE)
                else:
                    yield _card(begun, lines, passes_over=passes_over)
                lines, begun = [], 0
                continue
            depth = 0
        if begun:
            size += len(line) + 1
            if size <= most_bytes:
                lines.append(line)
        elif line.strip(b" \t\x1a") and not stray:
            stray = True
            yield _damaged(number, [line], OUTSIDE)
    if begun:
        yield _damaged(begun, lines, TOO_LARGE if size > most_bytes else NOT_CLOSED)


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; the end of a card and the beginning of the next have one each, whatever they share."""
    for number, line in enumerate(lines, 1):
        if line[:3].upper() == b"END":
            for part in _SEAM.split(line):
                yield number, part
        else:
            yield number, line


def _physical_lines(blocks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Lines without their ends; of one beyond `most_bytes` enough to see that it is too long."""
    held: list[bytes] = []
    size = 0
    carry = b""
    for block in _slices(blocks):
        text = carry + block
        carry = b"\r" if text.endswith(b"\r") else b""  # it may be half of CR LF
        for line in text[: len(text) - len(carry)].splitlines(keepends=True):
            if size <= most_bytes:
                held.append(line)
            size += len(line)
            if line.endswith((b"\n", b"\r")):
                yield b"".join(held).rstrip(b"\r\n")
                held, size = [], 0
    if held:
        yield b"".join(held)


def _slices(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _BLOCK_BYTES):
            yield block[start : start + _BLOCK_BYTES]


def _damaged(begun: int, lines: Sequence[bytes], fault: _Fault) -> Damaged:
    """The card as one refused row: what can be told of whom it is about, and why."""
    named = (found[1] for line in lines[:50] if (found := _FORMATTED_NAME.fullmatch(line)))
    shown = next(named, lines[0] if lines else b"")
    return Damaged(begun, [decoded(shown[:SHOWN_BYTES]).strip()], fault.code, fault.message)


def _card(begun: int, lines: list[bytes], *, passes_over: bool) -> Found | Damaged:
    """The card of these lines, or why it is none."""
    version = version_of(
        next((decoded(found[1]) for line in lines if (found := _VERSION.fullmatch(line))), "")
    )
    properties: list[Property] = []
    for offset, logical in _logical_lines(lines, version):
        prop = _property(logical, version)
        if prop is None and passes_over and not _OF_OURS.match(logical):
            continue
        if prop is None:
            message = f"Line {begun + 1 + offset:,} has no “NAME:value”. Correct the line, or export again."
            return _damaged(begun, lines, _Fault("line_not_understood", message))
        if prop.key != "VERSION":
            properties.append(prop)
        if len(properties) > PROPERTIES:  # at once: a card of short lines has a million
            return _damaged(begun, lines, TOO_MANY)
    return Found(begun, Card(version, tuple(properties)))


def _logical_lines(lines: Sequence[bytes], version: Version) -> Iterator[tuple[int, bytes]]:
    """Unfolded lines, each with the index of its first physical one."""
    joined: list[bytes] = []
    start = depth = 0
    name = encoding = b""
    for index, line in enumerate(lines):
        if depth or (joined and name == b"AGENT" and _BEGIN.fullmatch(line)):
            depth += bool(_BEGIN.fullmatch(line)) - bool(_END.fullmatch(line))
            joined += [b"\n", line]
        elif joined and encoding == b"Q" and joined[-1].endswith(b"="):
            joined[-1] = joined[-1][:-1]
            joined.append(line)
        elif joined and line[:1] in {b" ", b"\t"}:
            # 2.1 folds before a blank that belongs to the text; later versions insert the blank
            joined.append(line if version == "2.1" else line[1:])
        elif not line.strip():
            encoding = b""
        elif joined and encoding == b"B" and _BASE64_LINE.fullmatch(line):
            joined.append(line)
        else:
            head = _HEAD.match(line)
            if head is None and joined and name in _RUNS_ON:
                joined += [b"\n", line]
                continue
            if joined:
                yield start, b"".join(joined)
            joined, start = [line], index
            name = head[1].upper() if head else b""
            encoding = _encoding(head[2]) if head else b""
    if joined:
        yield start, b"".join(joined)


def _encoding(params: bytes) -> bytes:
    return b"Q" if _QUOTED_PRINTABLE.search(params) else b"B" if _BASE64.search(params) else b""


def _property(raw: bytes, version: Version) -> Property | None:
    """One unfolded line; None if it is no property."""
    prop = _parsed(decoded(raw))
    if prop is None:
        return None
    if prop.encoding == "BASE64":
        return Property(prop.name, "".join(prop.value.split()), prop.params, prop.group)
    charset = charset_of(prop)
    if charset and prop.encoding != "QUOTED-PRINTABLE" and charset.upper() not in {"UTF-8", "UTF8"}:
        prop = (_parsed(decoded(raw, charset)) or prop).without("CHARSET")
    if "\n" in prop.value and prop.key != "AGENT":
        # the line ran on unfolded; from here on it is written as it should have been
        if version == "2.1":
            return quoted(prop)
        return Property(prop.name, prop.value.replace("\n", "\\n"), prop.params, prop.group)
    return prop


def _parsed(text: str) -> Property | None:
    """`group.name;params:value` → property."""
    end = _end_of_head(text)
    if end < 0:
        return None
    head = text[:end]
    pieces = _PIECE.findall(head) if '"' in head else [piece for piece in head.split(";") if piece]
    named = _NAME.fullmatch(pieces.pop(0)) if pieces else None
    if named is None:
        return None
    params = tuple(param for piece in pieces if any((param := _param(piece))[1]) or param[0])
    return Property(named[2], text[end + 1 :], params, named[1] or "")


def _end_of_head(text: str) -> int:
    """Where the first colon outside quotes is; where the first of all is, if a quote is left open; or -1."""
    first = text.find(":")
    if '"' not in text[:first]:
        return first
    quoted = False
    for found in re.finditer('[":]', text):
        if found[0] == '"':
            quoted = not quoted
        elif not quoted:
            return found.start()
    return first


def _param(piece: str) -> Param:
    """`name=value,"value"`, or a bare word. What cannot be written again where it stands is left out."""
    piece = _CONTROLS.sub("", piece)
    name, equals, values = piece.partition("=")
    name = _NOT_IN_NAME.sub("", name).strip()
    if not equals or not name:
        return "", (piece.replace('"', "").strip(),)
    return name, tuple(item.replace('"', "").strip() for item in _ITEM.findall(values)) or ("",)

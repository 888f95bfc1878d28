"""Compressed files: .gz, and .zip that holds one file. Recognised by their first bytes, read as they stream.

What a Mac's Finder packs behind a file, about its icon and its tags, is passed over.

What a file says about its own size is not believed: output is counted against what came in, so that a bomb stops
after its first megabytes. Nothing is written anywhere, so a name in an archive can do no harm; strange names are
refused all the same, because an archive that holds them was not made to hold contacts.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from contactsync.errors import UnreadableFile

MOST_BYTES = 5 * 1024**3
MOST_RATIO = 200
"""Contacts shrink to a tenth, tables that repeat themselves to a fiftieth; zeros to a thousandth."""
UNJUDGED_BYTES = 16 << 20
"""Up to here any ratio will do: a small file may well hold one row a hundred thousand times."""

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_CENTRAL_SIGN = b"PK\x01\x02"
_END_SIGN = b"PK\x05\x06"
_LINK, _KIND = 0o120000, 0o170000
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
_OFFICE = ("[Content_Types].xml", "_rels/", "docProps/", "xl/", "mimetype")
"""What spreadsheets begin with: they are zip files too, of many entries, and are read by who knows them."""
_OF_FINDER = b"__MACOSX/"
_TAIL_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10


def decompressed(
    body: BinaryIO, *, name: str = "", most_bytes: int = MOST_BYTES, most_ratio: int = MOST_RATIO
) -> BinaryIO:
    """The contents of a compressed file; any other comes through as it is.

    Args:
        body: the file's bytes. It is read, not closed.
        name: the file's. What is called .gz or .zip and holds nothing has been cut; else the name does not matter.
        most_bytes: of output.
        most_ratio: output to input, beyond `UNJUDGED_BYTES` of output.

    Returns:
        A stream. It raises while it is read, as this function does.

    Raises:
        UnreadableFile: compressed_file_cut: it ends in the middle; compressed_file_damaged; bomb: it expands too
            much; archive_not_one_file, archive_protected, archive_nested, archive_not_readable. A file read to its
            end without an error is whole: checksums and lengths were compared.
    """
    source = _Input(body)
    head = source.peek(4)
    if head in {GZIP[:1], ZIP[:3]} or (not head and name.lower().endswith((".gz", ".zip"))):
        raise _cut()
    if head[:2] == GZIP:
        pieces = _gunzip(source)
    elif head == ZIP:
        entry = _Entry.of(source)
        if entry.name.startswith(_OFFICE):
            return _stream(source.rest())
        pieces = _unzip(source, entry)
    else:
        return _stream(source.rest())
    return _stream(_bounded(pieces, source, most_bytes, most_ratio))


class _Input:
    """Bytes with a look ahead, counted as they are used up."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self._ahead = b""
        self.used = 0

    def peek(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        while len(self._ahead) < count and (data := self._body.read(_PIECE_BYTES)):
            self._ahead += data
        return self._ahead[:count]

    def take(self, count: int) -> bytes:
        """Exactly so many. Raises UnreadableFile: compressed_file_cut."""
        data = self.peek(count)
        if len(data) < count:
            raise _cut()
        self._ahead = self._ahead[count:]
        self.used += count
        return data

    def some(self, most: int = _PIECE_BYTES) -> bytes:
        """At least one and at most `most` bytes; none at the end."""
        self.peek(1)  # so that something is ahead, unless this is the end
        return self.take(min(most, len(self._ahead)))

    def back(self, data: bytes) -> None:
        """Put back what was too much."""
        self._ahead = data + self._ahead
        self.used -= len(data)

    def rest(self) -> Iterator[bytes]:
        """All that is left."""
        return iter(self.some, b"")


@dataclass(frozen=True, slots=True)
class _Entry:
    """The header of a file in an archive. `size` is that of the compressed bytes; None if it is told afterwards."""

    name: str
    method: int
    flags: int
    size: int | None
    header_bytes: int

    @classmethod
    def of(cls, source: _Input) -> _Entry:
        """Read the header that is next, without using it up."""
        header = source.peek(_LOCAL.size)
        if len(header) < _LOCAL.size:
            raise _cut()
        _, _, flags, method, _, _, _, packed, _, name_bytes, extra_bytes = _LOCAL.unpack(header)
        whole = source.peek(_LOCAL.size + name_bytes + extra_bytes)
        if len(whole) < _LOCAL.size + name_bytes + extra_bytes:
            raise _cut()
        name = whole[_LOCAL.size : _LOCAL.size + name_bytes].decode(
            "utf-8" if flags & _UTF8 else "cp437", "replace"
        )
        size = None if flags & _SIZES_FOLLOW else packed
        if size == 0xFFFFFFFF:
            size = _long_size(whole[_LOCAL.size + name_bytes :])
        return cls(name, method, flags, size, len(whole))

    def check(self) -> None:
        """Raise UnreadableFile unless this is a file that we unpack."""
        if self.flags & _ENCRYPTED:
            raise UnreadableFile(
                "archive_protected",
                "The zip file is protected by a password.",
                "Make it without one; protect the way it takes (https, sftp) instead.",
            )
        parts = self.name.replace("\\", "/").split("/")
        if self.name.endswith("/") or not self.name:
            raise _not_one_file()
        if not parts[0] or ".." in parts or ":" in parts[0] or "\0" in self.name:
            raise UnreadableFile(
                "archive_not_readable",
                "The zip file holds a file with a path that leads out of it.",
                _MAKE_ANEW,
            )
        if self.method not in {0, 8} or (self.method == 0 and self.size is None):
            raise UnreadableFile(
                "archive_not_readable", "The zip file is packed by a method that we do not know.", _MAKE_ANEW
            )


_MAKE_ANEW = "Pack the file anew with the ordinary method (deflate), or use .gz."


def _gunzip(source: _Input) -> Iterator[bytes]:
    """All members, one after the other, as gzip itself does; zeros after the last are padding of tapes."""
    while source.peek(2) == GZIP:
        yield from _inflated(source, zlib.MAX_WBITS | 16)
    for data in source.rest():
        if data.strip(b"\0"):
            raise _damaged()


def _unzip(source: _Input, entry: _Entry) -> Iterator[bytes]:
    """The one file of an archive, then the archive's own table, which has to say the same."""
    entry.check()
    source.take(entry.header_bytes)
    checksum, size = 0, 0
    for data in _inflated(source, -zlib.MAX_WBITS) if entry.method == 8 else _copied(source, entry.size or 0):
        checksum = zlib.crc32(data, checksum)
        size += len(data)
        yield data
    _check_table(source.peek(_TAIL_BYTES), checksum, size)


def _check_table(tail: bytes, checksum: int, size: int) -> None:
    """What follows the file: perhaps its sizes and what Finder adds, then the table of contents, then the table's end."""
    at = next((at for at in (0, 12, 16, 20, 24) if tail[at : at + 4] in {_CENTRAL_SIGN, ZIP}), None)
    if len(tail) < _CENTRAL.size + _END.size:
        raise _cut()
    if at is None:
        raise _damaged()
    end = tail.rfind(_END_SIGN)
    if end < 0 or len(tail) < end + _END.size:
        raise _cut() if len(tail) < _TAIL_BYTES else _not_one_file()
    (_, line), *others = _table(tail, tail.find(_CENTRAL_SIGN, at), end)
    stored_sum, stored_size, attributes = line[7], line[9], line[15]
    has_more = tail[at : at + 4] == ZIP
    if not all(name.startswith(_OF_FINDER) for name, _ in others) or has_more != bool(others):
        raise _not_one_file()
    if _END.unpack_from(tail, end)[4] not in {1 + len(others), 0xFFFF}:
        raise _not_one_file()
    if (attributes >> 16) & _KIND == _LINK:
        raise UnreadableFile(
            "archive_not_readable", "The zip file holds a link instead of a file.", _MAKE_ANEW
        )
    if stored_sum != checksum or stored_size not in {size, 0xFFFFFFFF}:
        raise _damaged()


def _table(tail: bytes, at: int, end: int) -> list[tuple[bytes, tuple[Any, ...]]]:
    """The lines of the table of contents, each with the name in it; at least one. Raises UnreadableFile."""
    lines = []
    while 0 <= at <= end - _CENTRAL.size and tail[at : at + 4] == _CENTRAL_SIGN:
        line = _CENTRAL.unpack_from(tail, at)
        name_at, name_bytes = at + _CENTRAL.size, line[10]
        lines.append((tail[name_at : name_at + name_bytes], line))
        at = name_at + sum(line[10:13])
    if not lines or at > end or _CENTRAL_SIGN in tail[at:end]:
        raise _damaged()
    return lines


def _inflated(source: _Input, window: int) -> Iterator[bytes]:
    """One deflated stream. zlib compares a gzip member's checksum and length itself."""
    inflater = zlib.decompressobj(wbits=window)
    while not inflater.eof:
        packed = source.some()
        if not packed:
            raise _cut()
        try:
            data = inflater.decompress(packed, _PIECE_BYTES)
        except zlib.error:
            raise _damaged() from None
        source.back(inflater.unused_data or inflater.unconsumed_tail)
        if data:
            yield data
        elif inflater.unconsumed_tail and not inflater.eof:
            raise _damaged()


def _copied(source: _Input, size: int) -> Iterator[bytes]:
    while size:
        data = source.some(min(size, _PIECE_BYTES))
        if not data:
            raise _cut()
        size -= len(data)
        yield data


def _bounded(pieces: Iterator[bytes], source: _Input, most_bytes: int, most_ratio: int) -> Iterator[bytes]:
    head: bytes | None = b""
    size = 0
    for data in pieces:
        size += len(data)
        if size > most_bytes or (size > UNJUDGED_BYTES and size > most_ratio * source.used):
            raise UnreadableFile(
                "bomb",
                "The compressed file expands to far more than a list of contacts would.",
                "Check how it was made; a list that is really this large has to be split.",
            )
        if head is not None:
            head = (head + data)[:4]
            if head[:2] == GZIP or head == ZIP:
                raise UnreadableFile(
                    "archive_nested",
                    "The compressed file holds another compressed file.",
                    "Compress the list once, or not at all; spreadsheets are compressed already.",
                )
            head = head if len(head) < 4 else None
        yield data


def _long_size(extra: bytes) -> int | None:
    """The compressed size from the ZIP64 part of a header's extra data."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1 and length >= 16:
            return int(struct.unpack_from("<2Q", extra, 4)[1])
        extra = extra[4 + length :]
    return None


def _cut() -> UnreadableFile:
    return UnreadableFile(
        "compressed_file_cut",
        "The compressed file ends in the middle.",
        "Most likely it was fetched before it was finished, or its transfer to the server broke off: "
        "put it there anew, under another name first, and rename it when it is complete.",
    )


def _damaged() -> UnreadableFile:
    return UnreadableFile(
        "compressed_file_damaged",
        "The compressed file is damaged.",
        "Compress it anew; if it was sent by FTP, have it sent in binary mode.",
    )


def _not_one_file() -> UnreadableFile:
    return UnreadableFile(
        "archive_not_one_file",
        "The zip file does not hold exactly one file.",
        "Pack the one file with the contacts, without folders and hidden files.",
    )


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a stream."""

    def __init__(self, following: Callable[[], bytes]) -> None:
        self._following = following
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._piece:
            self._piece = memoryview(self._following())
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count


def _stream(pieces: Iterator[bytes]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Pieces(lambda: next(pieces, b"")), _PIECE_BYTES))

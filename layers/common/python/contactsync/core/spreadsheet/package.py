"""The zip file that a workbook is: its parts as streams of XML, bounded in size, ratio and number.

Nothing in it is trusted. Sizes that it declares are not believed but counted; what expands further than any
workbook does is refused while it is read; no document type is accepted, so no entity is ever expanded.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any, BinaryIO
from xml.parsers import expat

from contactsync.errors import UnreadableFile

DIRECTORY_BYTES = 1 << 20
"""The longest list of parts: some ten thousand. A workbook of contacts has a dozen."""
PART_BYTES = 4 << 30
"""The most that a part may expand to: sixteen times a sheet of a million contacts."""
RATIO = 200
RATIO_FREE_BYTES = 16 << 20
"""How far a part may expand beyond its first 16 MiB. Sheets reach 30:1; zip's own limit is 1032:1."""
TOKEN_BYTES = 1 << 20
"""The longest tag. The parser holds an unfinished one in memory, and rereads it with each block."""
_BLOCK_BYTES = 64 << 10
_FED_BYTES = 8 << 10
"""What is parsed before rows are handed on. Few bytes can name long shared strings, so few are taken at a time."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UTF_16 = frozenset({b"\xff\xfe", b"\xfe\xff"})
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError)
"""What zipfile raises over bytes that are no sound zip file."""
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})

StartHandler = Callable[[str, dict[str, str]], None]
EndHandler = Callable[[str], None]


class Package:
    """An open workbook file. The caller closes the file."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises UnreadableFile, saying what the file is instead, if it is no zip with the parts of a workbook."""
        _refuse_ole(file)
        try:
            self._zip = zipfile.ZipFile(_Bounded(file))
        except _DAMAGE:
            raise damaged() from None
        self._parts: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            self._parts.setdefault(info.filename.replace("\\", "/").lstrip("/").lower(), info)
        self._refuse_others()

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._parts

    def blocks(self, name: str) -> Iterator[bytes]:
        """A part's bytes. Raises UnreadableFile if it is missing, damaged, protected or a bomb."""
        info = self._parts.get(name.lower())
        if info is None or info.compress_type not in _METHODS:
            raise damaged()
        if info.flag_bits & 1:
            raise protected()
        bound = min(PART_BYTES, max(RATIO_FREE_BYTES, RATIO * info.compress_size))
        total = 0
        try:
            with self._zip.open(info) as part:
                while block := part.read(_BLOCK_BYTES):
                    total += len(block)
                    if total > bound:
                        raise too_large()
                    yield block
        except _DAMAGE:
            raise damaged() from None

    def parse(
        self,
        name: str,
        start: StartHandler,
        end: EndHandler | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """Read a whole part as XML. See `parsed`."""
        for _ in self.parsed(name, start, end, text):
            pass

    def parsed(
        self,
        name: str,
        start: StartHandler,
        end: EndHandler | None = None,
        text: Callable[[str], None] | None = None,
    ) -> Iterator[None]:
        """Read a part as XML, yielding after each block so that the caller can take what its handlers found.

        Element names come without their prefixes. Raises UnreadableFile for what is no well-formed XML, or has a
        document type.
        """
        blocks = self.blocks(name)
        first = next(blocks, b"")
        # a workbook's XML has one of these two encodings, whatever it claims
        parser = expat.ParserCreate("utf-16" if first[:2] in _UTF_16 else "utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = _from_root(parser, start, end)
        if text:
            parser.CharacterDataHandler = text
        fed = 0
        try:
            for block in chain([first], blocks):
                for at in range(0, len(block), _FED_BYTES):
                    parser.Parse(block[at : at + _FED_BYTES], False)
                    yield
                fed += len(block)
                if fed - parser.CurrentByteIndex > TOKEN_BYTES:
                    raise too_large()
            parser.Parse(b"", True)
            yield
        except expat.ExpatError:
            raise damaged() from None

    def _refuse_others(self) -> None:
        """Zip files that are no .xlsx, by what they hold."""
        if any(info.flag_bits & 1 for info in self._parts.values()):
            raise protected()
        if "mimetype" in self and b"opendocument" in next(self.blocks("mimetype"), b""):
            raise save_as("opendocument", "This is an OpenDocument file.")
        if "xl/workbook.bin" in self:
            raise save_as("binary_workbook", "This is a binary Excel workbook (.xlsb).")
        if "_rels/.rels" not in self:
            raise save_as("not_a_workbook", "This file is a zip archive, and no Excel workbook.")


class _Bounded:
    """A file of which nobody can ask for very much at once: zipfile reads the list of parts in one piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > DIRECTORY_BYTES:
            raise too_large()
        data = self._file.read(size if size >= 0 else DIRECTORY_BYTES + 1)
        if len(data) > DIRECTORY_BYTES:
            raise too_large()
        return data


def _from_root(parser: expat.XMLParserType, start: StartHandler, end: EndHandler | None) -> StartHandler:
    """Handler of the root, which sets the others: only elements with the root's own prefix concern them."""

    def first(name: str, attributes: dict[str, str]) -> None:
        prefix = name.rpartition(":")[0]
        parser.StartElementHandler = _unprefixed(start, f"{prefix}:") if prefix else start
        if end:
            parser.EndElementHandler = _unprefixed(end, f"{prefix}:") if prefix else end
        parser.StartElementHandler(name, attributes)

    return first


def _unprefixed(handler: Callable[..., None], prefix: str) -> Callable[..., None]:
    def handle(name: str, *rest: Any) -> None:
        handler(name.removeprefix(prefix), *rest)

    return handle


def _refuse_doctype(*_: object) -> None:
    raise UnreadableFile(
        "xml_document_type",
        "The workbook holds a document type declaration, which no spreadsheet program writes.",
        "Open it in a spreadsheet program, save it anew as .xlsx or CSV, and upload that file.",
    )


def _refuse_ole(file: IO[bytes]) -> None:
    """Files of the format before .xlsx, which also wraps workbooks with a password."""
    file.seek(0)
    head = file.read(512)
    if not head.startswith(_OLE):
        return
    sector = 1 << min(int.from_bytes(head[30:32], "little"), 12)
    file.seek((int.from_bytes(head[48:52], "little") + 1) * sector)
    names = file.read(1 << 16)
    if "EncryptedPackage".encode("utf-16-le") in names:
        raise protected()
    raise save_as("old_workbook", "This is a workbook of Excel 2003 or older (.xls).")


def save_as(code: str, what: str) -> UnreadableFile:
    """What the file is, and what to make of it."""
    return UnreadableFile(
        code, what, "Open it in a spreadsheet program, save it as .xlsx or CSV, and upload that file."
    )


def protected() -> UnreadableFile:
    """The workbook needs a password."""
    return UnreadableFile(
        "workbook_protected",
        "The workbook is protected by a password.",
        "Open it, remove the password (or save it as CSV), and upload that file.",
    )


def damaged() -> UnreadableFile:
    """The file is cut off, or somebody broke it."""
    return UnreadableFile(
        "workbook_damaged",
        "The workbook is damaged, or was not transferred completely.",
        "Open it in a spreadsheet program, save it anew as .xlsx or CSV, and upload that file.",
    )


def too_large() -> UnreadableFile:
    """The file expands beyond all bounds."""
    return UnreadableFile(
        "workbook_too_large",
        "The workbook expands to more than a contact list can need.",
        "Delete unused sheets, rows and columns and save it anew, or save the sheet as CSV.",
    )

"""What a sheet refers to: the workbook's sheets, its shared strings, and the formats of its cells."""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

from contactsync.core.spreadsheet.numberformat import BUILT_IN, Shown, compiled
from contactsync.core.spreadsheet.package import Package, damaged, too_large

STRINGS_BYTES = 192 << 20
STRINGS = 16 << 20
"""What shared strings may come to: a million rows of some ten different texts, within a function's memory."""
_FORMATS = 1 << 16
_SHEETS = 1_000
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SheetRef(NamedTuple):
    """A worksheet: its name, whether people see it, and where it lies."""

    name: str
    visible: bool
    part: str


class Contents(NamedTuple):
    """The workbook part and what it points to."""

    sheets: tuple[SheetRef, ...]
    strings: str | None
    styles: str | None
    from_1904: bool


def contents(package: Package) -> Contents:
    """The workbook's table of contents. Raises UnreadableFile if it has no worksheet."""
    root = next((target for kind, target in _relations(package, "").values() if kind == "officeDocument"), "")
    if not root:
        raise damaged()
    related = _relations(package, root)
    sheets: list[SheetRef] = []
    from_1904 = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal from_1904
        if name == "workbookPr":
            from_1904 = attributes.get("date1904", "0").lower() in {"1", "true"}
        elif name == "sheet" and len(sheets) < _SHEETS:
            reference = next(
                (value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), ""
            )
            kind, target = related.get(reference, ("", ""))
            if kind == "worksheet":
                visible = attributes.get("state", "visible") == "visible"
                sheets.append(SheetRef(attributes.get("name", ""), visible, target))

    package.parse(root, start)
    if not sheets:
        raise damaged()
    by_kind = {kind: target for kind, target in related.values() if target.lower() in package}
    return Contents(tuple(sheets), by_kind.get("sharedStrings"), by_kind.get("styles"), from_1904)


def _relations(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """What a part points to: reference → (last word of its type, name of the part)."""
    folder, _, file = part.rpartition("/")
    found: dict[str, tuple[str, str]] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External" and len(found) < _FORMATS:
            kind = attributes.get("Type", "").rpartition("/")[2]
            found[attributes.get("Id", "")] = kind, _resolved(folder, attributes.get("Target", ""))

    package.parse(f"{folder}/_rels/{file}.rels".lstrip("/"), start)
    return found


def _resolved(folder: str, target: str) -> str:
    path = [] if target.startswith("/") else folder.split("/")
    for step in target.replace("\\", "/").split("/"):
        if step == "..":
            del path[-1:]
        elif step not in {"", "."}:
            path.append(step)
    return "/".join(step for step in path if step)


class Strings:
    """Shared strings, packed: ten million of them are no more in memory than in a text file."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("Q", [0])

    def add(self, text: str) -> None:
        """One more. Raises UnreadableFile beyond the bounds."""
        self._data += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._data))
        if len(self._data) > STRINGS_BYTES or len(self._ends) > STRINGS:
            raise too_large()

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self._ends) - 1:
            raise damaged()
        return self._data[self._ends[index] : self._ends[index + 1]].decode("utf-8", "surrogatepass")


def strings(package: Package, part: str | None) -> Strings:
    """The shared strings; of rich text its characters, of East Asian text not its reading aids."""
    found = Strings()
    pieces: list[str] = []
    size = 0
    taking = phonetic = False

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal taking, phonetic
        phonetic = phonetic or name == "rPh"
        taking = name == "t" and not phonetic

    def end(name: str) -> None:
        nonlocal taking, phonetic, size
        taking = False
        if name == "rPh":
            phonetic = False
        elif name == "si":
            found.add(unescaped("".join(pieces)))
            pieces.clear()
            size = 0

    def text(data: str) -> None:
        nonlocal size
        if taking:
            size += len(data)
            if size > STRINGS_BYTES:
                raise too_large()
            pieces.append(data)

    if part:
        package.parse(part, start, end, text)
    return found


def unescaped(text: str) -> str:
    """Characters that XML cannot hold are written _x000D_; what would be half a character stays as it is."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code < 0xE000 else chr(code)


def formats(package: Package, part: str | None, *, from_1904: bool) -> list[Shown]:
    """How numbers are shown, by the style of their cells."""
    codes = dict(BUILT_IN)
    styles: list[int] = []
    within = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal within
        if name == "cellXfs":
            within = True
        elif name == "numFmt" and len(codes) < _FORMATS:
            codes[_integer(attributes.get("numFmtId", ""))] = attributes.get("formatCode", "General")
        elif name == "xf" and within and len(styles) < _FORMATS:
            styles.append(_integer(attributes.get("numFmtId", "0")))

    def end(name: str) -> None:
        nonlocal within
        within = within and name != "cellXfs"

    if part:
        package.parse(part, start, end)
    return [compiled(codes.get(style, "General"), from_1904=from_1904) for style in styles]


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

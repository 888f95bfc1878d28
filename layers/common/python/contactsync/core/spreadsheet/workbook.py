"""A workbook: which sheets it has, the rows of one, and what deserves a second look."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO

from contactsync.core.parsing import Damaged
from contactsync.core.rules import folded
from contactsync.core.spreadsheet.package import Package
from contactsync.core.spreadsheet.parts import SheetRef, contents, formats, strings
from contactsync.core.spreadsheet.sheet import Seen, read_rows
from contactsync.errors import UnreadableFile
from contactsync.model.run import RunWarning

_PHONE_WORDS = (
    r"(?:tele)?(?:ph|f)on[eo]?s?|tel|mobiles?|mobilnummer|mobiel|handy|cell(?:ulare|ulaire)?|celular|m[oó]vil|gsm"
    r"|fax|portable|telemóvel|telefo+n\w*|téléphone|teléfono|komórka|komórkowy|puhelin|matkapuhelin|mobil\w*"
)
_PHONE_HEADER = re.compile(rf"(?:^|[\W_])(?:\w*phone\w*|{_PHONE_WORDS})(?:[\W_0-9]|$)")
"""Headers of columns that hold phones, in the main European languages."""

_WHOLE = -1
"""Stands for the sheet, where others have a column."""
_MESSAGES = {
    "number_may_be_phone": "{count:,} phones are stored as numbers: a leading 0 or + is lost. "
    "Check them, or give the country, and format the column as text.",
    "digits_lost": "{count:,} numbers have more than 15 digits; the spreadsheet program has replaced the others "
    "by zeros. Format the column as text and enter them again.",
    "error_value": "{count:,} cells hold an error like #N/A instead of a value.",
    "formula_not_calculated": "{count:,} cells hold a formula without its result. Open the workbook in a "
    "spreadsheet program and save it.",
    "hidden_rows": "{count:,} rows are hidden in the workbook, by a filter perhaps, and are read like all others. Delete them, "
    "or copy those that you see to a sheet of their own.",
}


class Workbook:
    """An .xlsx file, open. The caller keeps the file open while rows are read, and closes it."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises UnreadableFile, saying what to do, if the file is no workbook that can be read."""
        self._package = Package(file)
        self._contents = contents(self._package)
        self._seen = Seen()

    @property
    def sheets(self) -> tuple[str, ...]:
        """Names of the sheets that people see, in their order."""
        return tuple(sheet.name for sheet in self._contents.sheets if sheet.visible)

    def rows(
        self, sheet: str | None = None, *, skip_rows: int = 0, commas: Collection[int] = ()
    ) -> Iterator[tuple[int, list[str]] | Damaged]:
        """The rows of a sheet, by name, or of the first that people see.

        Rows without content are left out; each has its number in the sheet. `skip_rows` leaves out the sheet's
        first so many. Rows differ in width: they end with their last cell that has content. Numbers have a point before
        their decimals, and in the columns `commas` a comma, as whoever reads them expects; texts stay as they are.

        Raises UnreadableFile: `no_such_sheet`, or whatever is wrong with the workbook.
        """
        chosen = self._sheet(sheet)
        self._seen = Seen()
        shared = strings(self._package, self._contents.strings)
        styles = formats(self._package, self._contents.styles, from_1904=self._contents.from_1904)
        for row in read_rows(self._package, chosen.part, shared, styles, self._seen, commas=commas):
            if (row.line if isinstance(row, Damaged) else row[0]) > skip_rows:
                yield row

    def warnings(self, header: Sequence[str]) -> list[RunWarning]:
        """What was noticed in the rows read so far: one warning a column, with the first row that gave rise to it, and one
        of rows that the sheet does not show.
        """
        seen = self._seen
        phones = {column: at for column, at in seen.phone_like.items() if _is_phone(header, column)}
        found: list[tuple[str, Mapping[int, tuple[int, int]]]] = [
            ("hidden_rows", {_WHOLE: seen.hidden} if seen.hidden[1] else {}),
            ("number_may_be_phone", phones),
            ("digits_lost", seen.rounded),
            ("error_value", seen.errors),
            ("formula_not_calculated", seen.uncalculated),
        ]
        return [
            RunWarning(
                code=code,
                message=_MESSAGES[code].format(count=count),
                column=None if column == _WHOLE else _called(header, column),
                row=row,
            )
            for code, columns in found
            for column, (row, count) in sorted(columns.items())
        ]

    def _sheet(self, name: str | None) -> SheetRef:
        sheets = self._contents.sheets
        if name is None:
            return next((sheet for sheet in sheets if sheet.visible), sheets[0])
        for same in (str, str.casefold):
            for sheet in sheets:
                if same(sheet.name) == same(name):
                    return sheet
        raise UnreadableFile(
            "no_such_sheet",
            f"The workbook has {len(sheets)} sheets, and none of that name.",
            "Choose one of its sheets, or leave the name out to read the first.",
        )


def _called(header: Sequence[str], column: int) -> str | int:
    """A column's name, or its number where it has none."""
    return header[column] if column < len(header) and header[column].strip() else column


def _is_phone(header: Sequence[str], column: int) -> bool:
    return column < len(header) and bool(_PHONE_HEADER.search(folded(header[column])))

"""Excel workbooks (.xlsx) as rows of text, in bounded memory.

A reader of our own, of some six hundred lines: the library that everybody uses holds all shared strings as
objects, believes what a file says of its own size, and hands out numbers without the format that makes a number
a date, a percentage or a telephone number. Ours is a tenth of its size in the layer, and shows what the sheet
shows.
"""

from contactsync.core.spreadsheet.workbook import Workbook

__all__ = ["Workbook"]

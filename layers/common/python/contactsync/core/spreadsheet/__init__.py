"""Excel workbooks (.xlsx) as rows of text, in bounded memory.

A reader of our own. The library that everybody uses, openpyxl, holds every shared string as an object, does not
bound what a part expands to, and hands out a number beside the code of its format: to show 00612 or 52 % as the
sheet does would still be ours to write, and that is the larger half of this package.
"""

from contactsync.core.spreadsheet.workbook import Workbook

__all__ = ["Workbook"]

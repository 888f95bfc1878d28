"""Bytes of a file that somebody else's program wrote → rows of cells.

`detect` looks at the beginning and says how the file is written; `to_utf8` turns other encodings into UTF-8; `cut`
divides the whole into chunks between records; `read_chunk` yields one chunk's rows. All are pure: they iterate
what they are given.
"""

from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.records import Chunk, Damaged, cut, read_chunk

__all__ = ["Chunk", "Damaged", "Dialect", "cut", "read_chunk"]

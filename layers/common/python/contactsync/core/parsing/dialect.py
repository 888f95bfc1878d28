"""How a file is written: what separates cells, what quotes them, where the rows begin."""

from __future__ import annotations

from dataclasses import dataclass

DELIMITER_CHARS = 8
"""The longest delimiter that may be typed by hand; it is the request's own limit too."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read one file. Everything is decided here; nothing is guessed later.

    `delimiter` is one or several characters; `quote` one, or "" where quotes mean nothing; `escape` one, which
    takes the meaning from the character after it. A doubled quote inside quotes is always one quote.
    `encoding` is the source's; `cut` and `read_chunk` are always given UTF-8 (see `encoding.to_utf8`).
    `skip_rows` counts physical lines, blank ones too, before the header or the first row.
    `skip_spaces`: spaces after a delimiter are no part of the cell, so that `1, "a, b"` has two cells.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    has_header: bool = True
    skip_rows: int = 0
    skip_spaces: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a dialect in which no file can be read."""
        if problem := contradiction(self.delimiter, self.quote, self.escape):
            raise ValueError(problem)
        if self.skip_spaces and self.delimiter.startswith(" "):
            raise ValueError("Where spaces delimit cells, they cannot be skipped.")

    @property
    def is_utf8(self) -> bool:
        """Whether the source can be cut as it is, without `encoding.to_utf8`."""
        return self.encoding == "utf-8"


def delimiter_named(stated: str) -> str | None:
    """The delimiter that a request states, where a tab may be typed as backslash and t; None for “auto”."""
    return {"auto": None, "\\t": "\t"}.get(stated, stated)


def contradiction(delimiter: str, quote: str, escape: str | None) -> str | None:
    """Why these three cannot be used together; None if they can."""
    marks = [mark for mark in (quote, escape) if mark]
    if not 1 <= len(delimiter) <= DELIMITER_CHARS:
        return f"A delimiter has 1 to {DELIMITER_CHARS} characters."
    if any(len(mark) != 1 for mark in marks):
        return "A quote and an escape are one character each."
    if any(end in delimiter or end in marks for end in "\r\n"):
        return "A line break ends a row; it cannot be a delimiter, a quote or an escape."
    if any(mark in delimiter for mark in marks) or len(set(marks)) < len(marks):
        return "Delimiter, quote and escape must differ."
    return None

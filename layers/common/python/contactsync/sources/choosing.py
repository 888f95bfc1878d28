"""Which file is meant: one by its name, or the newest of those that match a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from contactsync.errors import UnreadableFile

MAX_LISTED = 100_000
"""Entries of a folder that are looked through. A folder with more is not the place for a pattern."""

_WILD = re.compile(r"([*?])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_HIDDEN = r"(?![.]|\Z)"
"""As in a shell, no wildcard at the beginning stands for a dot: so are files called that are still being written, or
that a Mac puts beside each of its own. Nor for nothing: that is how a bucket names a folder."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """A folder, "" or ending in "/", and in it a file's name, or a pattern of which the newest match is meant."""

    folder: str
    name: str
    pattern: re.Pattern[str] | None = field(default=None, compare=False)
    fixed: str = ""
    """What the names that match begin with."""

    @classmethod
    def of(cls, path: str, *, encoded: bool) -> FilePath:
        """Read a path whose last segment may hold `*` and `?`. `encoded`: it comes from a URL, %2A is a plain star.

        A URL's path is taken from the server's root; without its "/~/" from where the login leads.

        Raises:
            UnreadableFile: address_not_valid: there is no file name, or a line break that would become a command.
        """
        plain = unquote if encoded else str
        folder, slash, last = path.rpartition("/")
        name = plain(last)
        if not name or name in {".", ".."}:
            raise _not_valid("It needs the path of a file, such as /exports/contacts.csv or /exports/*.csv.")
        if _CONTROL.search(plain(path)) or "\N{REPLACEMENT CHARACTER}" in plain(path):
            raise _not_valid("Its path holds a control character, or one that is not UTF-8.")
        pieces = _WILD.split(last)
        if len(pieces) == 1:
            return cls(plain(folder + slash), name)
        pattern = _pattern(last, plain)
        compiled = re.compile(pattern if pieces[0] else _NOT_HIDDEN + pattern, re.DOTALL)
        return cls(plain(folder + slash), name, compiled, plain(pieces[0]))

    def newest(self, found: Iterable[tuple[str, str]]) -> str:
        """The newest of (time, name) pairs that match; of equally old ones the last by name.

        Raises:
            UnreadableFile: file_not_found, or too_many_files.
        """
        assert self.pattern is not None
        best: tuple[str, str] | None = None
        for count, entry in enumerate(found):
            if count >= MAX_LISTED:
                raise UnreadableFile(
                    "too_many_files",
                    f"The folder holds more than {MAX_LISTED:,} files.",
                    "Move old files away, or name one file instead of a pattern.",
                )
            if self.pattern.fullmatch(entry[1]) and (best is None or entry > best):
                best = entry
        if best is None:
            raise UnreadableFile(
                "file_not_found",
                "No file matches the pattern.",
                "Check the folder and the pattern; if they are right, no file has been put there.",
            )
        return best[1]


def _pattern(written: str, plain: Callable[[str], str]) -> str:
    """What a name with wildcards matches, as a regular expression.

    Each star but the last stands for as little as will do, and is never asked again: so no pattern takes long over a name.
    """
    first, *others = (
        "".join("." if piece == "?" else re.escape(plain(piece)) for piece in re.split(r"([?])", part))
        for part in written.split("*")
    )
    if not others:
        return first
    *inner, last = others
    return first + "".join(f"(?>.*?{part})" for part in inner) + f".*{last}"


def readable(name: str) -> str:
    """A name as it may be shown. Those of servers are bytes; what is not UTF-8 in them travels as lone surrogates."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _not_valid(what: str) -> UnreadableFile:
    return UnreadableFile("address_not_valid", "The address of the source is not valid.", what)

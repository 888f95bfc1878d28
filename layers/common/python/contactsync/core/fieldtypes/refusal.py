"""How a converter says no, and what every converter refuses alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Converter = Callable[[str], Any]
"""A cell's text → its canonical JSON value, or None where the cell holds a filler that means "nothing".

Raises:
    BadValue: the text is not a value of the type.
"""

TEXT_MAX = 32_768
"""Characters of one value: what a spreadsheet's cell can hold, and a twelfth of what a table item can."""

UNSEEN = (
    "\u00a0\u202f\u3000\ufeff\u200b\u2060\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Blanks of typesetters, and marks without width: what comes along when a value is copied from a page or a mail."""

EDGES = f" \t\r\n{UNSEEN}"
"""What people and spreadsheets leave around a value without meaning it."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class BadValue(Exception):
    """A cell that is not a value of its field's type.

    `code` is stable; `message` says what is wrong and what would be right. It never repeats the cell:
    that stands beside it where the customer reads it, and must stand nowhere else.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def refuse_unprintable(text: str) -> None:
    """Control characters and halves of characters have no place in a typed value.

    Raises:
        BadValue: code `control_character` or `broken_character`.
    """
    if _CONTROL.search(text):
        raise BadValue(
            "control_character",
            "There is a line break or an invisible control character inside: remove it.",
        )
    refuse_broken(text)


def refuse_broken(text: str) -> None:
    """What no UTF-8 text, and so no stored value, can hold; also a bound on its length.

    Raises:
        BadValue: code `too_long`, `control_character` (NUL) or `broken_character`.
    """
    if len(text) > TEXT_MAX:
        raise BadValue("too_long", f"The text is longer than {TEXT_MAX:,} characters: shorten it.")
    if "\x00" in text:
        raise BadValue("control_character", "There is a NUL character inside: save the file as text again.")
    if _LONE_SURROGATE.search(text):
        raise BadValue("broken_character", "Half of a character is missing: save the file as UTF-8 again.")

"""Text, yes and no, choices, and a whole address in one cell."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from contactsync.core.fieldtypes.refusal import EDGES, BadValue, Converter, refuse_broken, refuse_unprintable

_TRUE = """
true yes y t 1 on ja j oui o si sí sì s sim tak ano igen da kyllä evet nai ναι да так はい 是
waar wahr vrai verdadero verdadeiro vero prawda pravda sant sann sand tosi igaz adevărat doğru истина
"""
_FALSE = """
false no n f 0 off nee nein non nej não nao nie ne nem nu ei hayır hayir oxi όχι нет ні いいえ 否
onwaar falsch faux falso fałsz nepravda falskt usann falsk epätosi hamis fals yanlış yanliş ложь
"""
BOOLEANS: dict[str, bool] = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)
"""The words a boolean may be written as, in lower case: English, yes and no in the languages around us, and what Excel there writes."""


def text(cell: str) -> str | None:
    """The cell as it is, byte for byte; None if empty.

    Raises:
        BadValue: code `too_long`, `control_character` (only NUL) or `broken_character`.
    """
    refuse_broken(cell)
    return cell or None


def boolean(cell: str) -> bool | None:
    """One of BOOLEANS, in any case → bool.

    Raises:
        BadValue: code `boolean_invalid`.
    """
    word = cell.strip(EDGES)
    value = BOOLEANS.get(word.lower())
    if value is None and word:
        raise BadValue("boolean_invalid", "Write yes or no, true or false, 1 or 0.")
    return value


def choice(choices: Sequence[str]) -> Converter:
    """The converter to one of `choices`, as they are spelt there; case and edges do not matter."""
    exact = frozenset(choices)
    loose: dict[str, str] = {}
    ambiguous: set[str] = set()
    for option in choices:
        key = _folded(option)
        if loose.setdefault(key, option) != option:
            ambiguous.add(key)
    different = list(dict.fromkeys(choices))
    options = ", ".join(different[:10]) + (", …" if len(different) > 10 else "")

    def convert(cell: str) -> str | None:
        if cell in exact:
            return cell
        key = _folded(cell)
        if not key:
            return None
        if key not in loose or key in ambiguous:
            raise BadValue("choice_unknown", f"This is none of the field's choices. Write one of: {options}.")
        return loose[key]

    return convert


def _folded(option: str) -> str:
    return unicodedata.normalize("NFC", option.strip(EDGES)).casefold()


def address(cell: str) -> dict[str, str] | None:
    """A whole postal address in one cell: kept as written, under `formatted`.

    Raises:
        BadValue: code `too_long`, `control_character` or `broken_character`.
    """
    stripped = cell.strip(EDGES)
    if not stripped:
        return None
    refuse_broken(cell)
    for line in stripped.splitlines():
        refuse_unprintable(line)
    return {"formatted": stripped}

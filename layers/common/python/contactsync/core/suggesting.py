"""Header names and samples → the fields that the columns most likely belong to.

A suggestion is only that: nothing is mapped until somebody says so. A name is met exactly, then without the
words beside it (a label, a number, noise), then with one typing error; samples can contradict, and speak where
the header says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from contactsync.core import synonyms
from contactsync.model.field import PRIMARIES, STANDARD_FIELDS, FieldSpec

EXACT, DRESSED, DECIDED, MISSPELT, BY_SAMPLES = 1.0, 0.95, 0.85, 0.7, 0.5
"""Confidence: the very name; with words around it; by its neighbours; with a typing error; by the values alone."""

NAME_MAX = 100
"""Characters: what is longer is no name of a column."""

MISSPELT_MIN = 5
"""Letters: shorter names differ too little from each other to forgive any."""

_OF_PEOPLE = frozenset({"email", "phone", "phones", "address", "birthday", "given_name", "family_name"})
"""What a person has and a company or a post has not: "E-Mail Kunde" is an email, "Company Contact" no company."""
_ORDINALS = frozenset({"first", "last", "middle"})
"""Names of columns only where they stand alone, or behind whose they are: "Last Contact" is a date."""
_COURTESIES = "mr, mrs, ms, miss, mx, dr, prof, sir, dhr, mevr, mw, heer, mevrouw, herr, frau, m, mme, mlle, sr, sra, srta, sig, pan"
_DATE_DIGITS = 4
"""Of a day and a month, or of a year."""
_looks_like_email = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+").fullmatch
_looks_like_phone = re.compile(r"(?:\+|00)[0-9][0-9 ()\-./]{6,20}").fullmatch
_looks_like_url = re.compile(r"https?://\S+").fullmatch


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`field` as a mapping names it ("email", "phones.mobile", "address.city"); `confidence` from 0 to 1."""

    field: str
    confidence: float


def suggest(
    header: Sequence[str],
    samples: Sequence[Sequence[str]] = (),
    fields: Mapping[str, FieldSpec] = STANDARD_FIELDS,
) -> list[Suggestion | None]:
    """A suggestion for each column, or None where nothing fits.

    Args:
        header: the columns' names; empty ones where there is no header.
        samples: for each column some of its values; may be shorter than the header, or empty.
        fields: the account's, of which its own are met by key and label.
    """
    names = [_plain(name[:NAME_MAX]) for name in header]
    columns = [
        [value for value in samples[n] if value.strip()] if n < len(samples) else []
        for n in range(len(names))
    ]
    own = {
        _plain(word): spec.key
        for spec in fields.values()
        if not spec.built_in
        for word in (spec.key, spec.label)
    }
    found = [Suggestion(own[name], EXACT) if name in own else _by_name(name) for name in names]
    _decide(names, columns, found)
    for n, values in enumerate(columns):
        found[n] = _weighed(found[n], values, named=bool(names[n]))
    return _settled(found)


def _plain(name: str) -> str:
    """A name without case, accents and punctuation, its words one blank apart; "straße" is "strasse"."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # eMail stays whole enough: fuzzy matching mends it
    bare = "".join(c for c in unicodedata.normalize("NFD", split.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"[^\W\d_]+|[0-9]+", bare.replace("ł", "l").replace("ø", "o").replace("ı", "i"))
    return " ".join(words)


def _by_name(name: str) -> Suggestion | None:
    """The field of a plain name, whatever stands beside it in the file."""
    table = _table()
    if name in table:
        return Suggestion(table[name], EXACT)
    words = name.split()
    if not words:
        return None
    rest, label, number = _undressed(words)
    field, confidence = table.get(rest), DRESSED
    if field is None and rest.startswith(("address ", "adresse ", "adres ")):
        first, _, part = rest.partition(" ")
        field = table.get(part)
        field = field if field and field.startswith("address.") else None
        if number > 1 and words[words.index(first) + 1].isdecimal():
            label, number = f"{label} {number}".strip(), 1  # "Address 2 Street" is of the second address
    if field is None:
        field, confidence = _misspelt(rest.replace(" ", "")), MISSPELT
    if field is None or not _may_stand(words, rest, field.partition(".")[0]):
        return None
    return _labelled(field, label, number, confidence)


def _may_stand(words: Sequence[str], rest: str, key: str) -> bool:
    """Whether the words beside a name leave it its sense: a company's number or contact is no company."""
    if _words(synonyms.NUMBERS).intersection(words) and key not in {"phone", "phones"}:
        return False
    if _words(synonyms.VALUES).intersection(words) and key not in PRIMARIES:
        return False
    return words[-1] not in _words(synonyms.PEOPLE) or (key in _OF_PEOPLE and rest not in _ORDINALS)


def _undressed(words: Sequence[str]) -> tuple[str, str, int]:
    """Words → the name alone, its label, its number (1 if none)."""
    rest: list[str] = []
    label, number = "", 1
    for word in words:
        if word.isdecimal():  # of "¹" Python says that it is a digit, and reads no number from it
            number = int(word) if len(word) < 3 else 0
        elif word in _labels():
            label = _labels()[word]
        elif word not in _noise():
            rest.append(word)
    while rest and rest[0] in _words(synonyms.LINKS):
        del rest[0]
    while rest and rest[-1] in _words(synonyms.LINKS):
        del rest[-1]
    return " ".join(rest), label, number


def _labelled(field: str, label: str, number: int, confidence: float) -> Suggestion | None:
    """A field that carries a label and a number: "Business Street 2" is the second line of the work address."""
    key, _, part = field.partition(".")
    if key == "address":
        if part == "street" and number == 2:
            part = "extended"
        elif part in {"street", "extended"} and number > 2:
            return None
        elif number > 1 and not label:
            label = str(number)
        return Suggestion(f"addresses.{label}.{part}" if label else f"address.{part}", confidence)
    if key == "phones":
        return Suggestion(f"phones.{label} {part}" if label else field, confidence)
    if key in PRIMARIES:
        if label:
            return Suggestion(f"{PRIMARIES[key]}.{label}", confidence)
        return Suggestion(PRIMARIES[key] if number > 1 else key, confidence)
    return Suggestion(field, confidence) if number == 1 and not label else None


def _decide(names: Sequence[str], columns: Sequence[Sequence[str]], found: list[Suggestion | None]) -> None:
    """Names that mean one thing or another: their neighbours and their values decide."""
    taken = {suggestion.field for suggestion in found if suggestion}
    halves = taken & {"given_name", "family_name"}
    for n, name in enumerate(names):
        if name in _words(synonyms.AMBIGUOUS_NAME):
            field = "name"
            if len(halves) == 1:
                field = "family_name" if "given_name" in halves else "given_name"
            found[n] = Suggestion(field, EXACT if field == "name" else DECIDED)
        elif name in _words(synonyms.AMBIGUOUS_TITLE):
            courteous = [
                value for value in columns[n] if _plain(value).partition(" ")[0] in _words(_COURTESIES)
            ]
            before_name = "job_title" in taken or 2 * len(courteous) > len(columns[n])
            found[n] = Suggestion("prefix" if before_name else "job_title", DECIDED)


def _weighed(suggestion: Suggestion | None, values: Sequence[str], *, named: bool) -> Suggestion | None:
    """The suggestion, unless all values contradict it; without a name, what the values look like."""
    if not values:
        return suggestion
    if suggestion is None:
        return None if named else _by_values(values)
    key = suggestion.field.partition(".")[0]
    if key in {"email", "emails"}:
        fits = any("@" in value for value in values)
    elif key in {"phone", "phones"}:
        fits = any(character.isdigit() for value in values for character in value)
    elif key == "birthday":  # the day alone, of a birthday in three columns, is none
        fits = any(sum(map(str.isdigit, value)) >= _DATE_DIGITS for value in values)
    else:
        fits = True
    return suggestion if fits else None


def _by_values(values: Sequence[str]) -> Suggestion | None:
    """What a column without a name holds, where every value shows it."""
    for field, looks in (
        ("email", _looks_like_email),
        ("phone", _looks_like_phone),
        ("url", _looks_like_url),
    ):
        if all(looks(value.strip()) for value in values):
            return Suggestion(field, BY_SAMPLES)
    return None


def _settled(found: Sequence[Suggestion | None]) -> list[Suggestion | None]:
    """Each field once, to its surest and first column; further values join the list, where there is one."""
    surest = sorted(
        ((n, suggestion) for n, suggestion in enumerate(found) if suggestion),
        key=lambda one: -one[1].confidence,
    )
    settled: list[Suggestion | None] = [None] * len(found)
    taken: set[str] = set()
    for n, suggestion in surest:
        field = suggestion.field
        if field in taken:
            field = PRIMARIES.get(field, field)
            if field.partition(".")[0] not in {"emails", "phones", "urls"}:
                continue
        taken.add(field)
        settled[n] = Suggestion(field, suggestion.confidence)
    return settled


@cache
def _table() -> dict[str, str]:
    """Plain name → field."""
    return {name: field for field, names in synonyms.NAMES.items() for name in _words(names)}


@cache
def _nearly() -> dict[str, set[tuple[str, str]]]:
    """Every name in one word, whole and with any one letter left out → the words that it may be, and their fields."""
    nearly: dict[str, set[tuple[str, str]]] = {}
    for name, field in _table().items():
        word = name.replace(" ", "")
        for shorter in (word, *_shorter(word)):
            nearly.setdefault(shorter, set()).add((word, field))
    return nearly


def _misspelt(word: str) -> str | None:
    """The field of a name with a letter missing, one too many, one wrong, or two exchanged; what two share is nobody's."""
    if word in _words(synonyms.OTHERS):
        return None
    fields = {
        field
        for shorter in (word, *_shorter(word))
        for name, field in _nearly().get(shorter, ())
        if word == name or (len(word) >= MISSPELT_MIN and _is_one_off(word, name))
    }
    return fields.pop() if len(fields) == 1 else None


def _is_one_off(word: str, name: str) -> bool:
    """Whether one error makes one of the other: both without a letter may be alike after two (Pesel, Paese)."""
    if len(word) != len(name):
        return True
    wrong = [n for n in range(len(word)) if word[n] != name[n]]
    if len(wrong) == 2:
        return wrong[0] + 1 == wrong[1] and word[wrong[0]] + word[wrong[1]] == name[wrong[1]] + name[wrong[0]]
    return len(wrong) == 1


def _shorter(word: str) -> Iterator[str]:
    if len(word) >= MISSPELT_MIN:
        for n in range(len(word)):
            yield word[:n] + word[n + 1 :]


@cache
def _words(names: str) -> frozenset[str]:
    return frozenset(_plain(name) for name in names.split(","))


@cache
def _labels() -> dict[str, str]:
    return {word: label for label, words in synonyms.LABELS.items() for word in _words(words)}


@cache
def _noise() -> frozenset[str]:
    return _words(",".join((synonyms.NOISE, synonyms.PEOPLE, synonyms.NUMBERS, synonyms.VALUES)))

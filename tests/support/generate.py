"""Realistic contact files of any size, from a seed: the same seed always gives the same bytes.

    python -m tests.support.generate --rows 100000 --seed 7 > contacts.csv

Rows are made one at a time, so a million need no memory. A stated share is invalid by construction, and each
such row says which of its columns is to blame.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple, TextIO

from tests.support.people import COMPANIES, DOMAINS, NOTES, PLACES, TITLES, Place

HEADER = [
    "id", "given_name", "family_name", "name", "email", "phone", "mobile", "company", "job_title",
    "street", "city", "country", "birthday", "url", "notes",
]  # fmt: skip

MAPPING = [
    {"column": "given_name", "field": "given_name"},
    {"column": "family_name", "field": "family_name"},
    {"column": "name", "field": "name"},
    {"column": "email", "field": "email"},
    {"column": "phone", "field": "phones"},
    {"column": "mobile", "field": "phones.mobile"},
    {"column": "company", "field": "organization"},
    {"column": "job_title", "field": "job_title"},
    {"column": "street", "field": "address.street"},
    {"column": "city", "field": "address.city"},
    {"column": "country", "field": "address.country"},
    {"column": "birthday", "field": "birthday"},
    {"column": "url", "field": "url"},
    {"column": "notes", "field": "notes"},
]
"""Every column but `id` into the standard fields, as an import request says it."""

INVALID_SHARE = 0.066

RAGGED = "ragged"
"""What `problem` says of a row that has lost a cell."""

_HOLE = re.compile(r"#|\[(\d)-(\d)\]")


class Row(NamedTuple):
    """One record. `problem`: the column that makes it invalid, RAGGED, or None for a good row."""

    cells: list[str]
    problem: str | None


def rows(
    count: int, *, seed: int = 0, country: str = "NL", invalid: float = INVALID_SHARE, first: int = 1
) -> Iterator[Row]:
    """`count` rows whose ids, and so their emails, are numbered from `first`.

    Numbers of `country` are written as at home, all others with their country code: an import of the file
    states that country.
    """
    chance = random.Random(f"{seed}/{country}/{first}")
    weights = list(accumulate(place.weight for place in PLACES))
    for number in range(first, first + count):
        place = chance.choices(PLACES, cum_weights=weights)[0]
        cells = _cells(number, place, chance, at_home=place.country == country)
        problem = None
        if chance.random() < invalid:
            problem, spoil = chance.choice(_SPOILERS)
            spoil(cells, chance)
        yield Row(cells, problem)


def write_csv(
    out: TextIO,
    count: int,
    *,
    seed: int = 0,
    country: str = "NL",
    invalid: float = INVALID_SHARE,
    newline: str = "\r\n",
) -> None:
    """A header and `rows`, as RFC 4180 has it. `out` must not translate line ends (`newline=""`)."""
    writer = csv.writer(out, lineterminator=newline)
    writer.writerow(HEADER)
    writer.writerows(row.cells for row in rows(count, seed=seed, country=country, invalid=invalid))


def _cells(number: int, place: Place, chance: random.Random, *, at_home: bool) -> list[str]:
    """A good row."""
    pick = chance.choice
    given, family = pick(place.given), pick(place.family)
    phones = place.local if at_home else place.abroad
    has_mobile = chance.random() < 0.6
    return [
        str(number),
        given,
        family,
        f"{family} {given}" if place.country in {"CN", "JP"} else f"{given} {family}",
        f"{_slug(given, family)}{number}@{pick(DOMAINS)}",
        dialled(pick(phones), chance),
        dialled(pick(phones), chance) if has_mobile else "",
        pick(COMPANIES),
        pick(TITLES),
        f"{pick(place.streets)} {chance.randrange(1, 400)}",
        pick(place.cities),
        place.country,
        f"{chance.randrange(1935, 2009)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
        f"https://www.example.com/people/{number}" if chance.random() < 0.5 else "",
        pick(NOTES) if chance.random() < 0.5 else "",
    ]


def dialled(pattern: str, chance: random.Random) -> str:
    """A phone pattern with its holes filled."""

    def digit(hole: re.Match[str]) -> str:
        low, high = hole.groups(default="")
        return str(chance.randint(int(low or 0), int(high or 9)))

    return _HOLE.sub(digit, pattern)


def _slug(given: str, family: str) -> str:
    """The part of an address before the number: ASCII where the name has any, else a plain word."""
    plain = unicodedata.normalize("NFD", f"{given}.{family}").encode("ascii", "ignore").decode().lower()
    words = ".".join(re.findall("[a-z]+", plain))
    return f"{words}." if words else "contact."


def _put(column: str, *values: str) -> Callable[[list[str], random.Random], None]:
    def spoil(cells: list[str], chance: random.Random) -> None:
        cells[HEADER.index(column)] = chance.choice(values)

    return spoil


def _lose_a_cell(cells: list[str], chance: random.Random) -> None:
    del cells[chance.randrange(5, len(cells))]


_SPOILERS: list[tuple[str, Callable[[list[str], random.Random], None]]] = [
    ("email", _put("email", "not-an-address", "ada@", "@example.com", "ada lovelace@example.com", "a..b@example.com")),
    ("email", _put("email", "", "  ")),
    ("phone", _put("phone", "12", "3.46E+10", "call me", "+999 1234567", "0612345")),
    ("mobile", _put("mobile", "unknown", "+31 6 1", "00000000")),
    ("birthday", _put("birthday", "1990-02-30", "1990-13-01", "yesterday", "0190-00-12")),
    ("url", _put("url", "javascript:alert(1)", "http://", "not a link")),
    (RAGGED, _lose_a_cell),
]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """The command line: a CSV file in UTF-8 to standard output."""
    parser = argparse.ArgumentParser(
        prog="tests.support.generate", description="Write a contacts file of invented people."
    )
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--country", default="NL", help="whose phones are written without a country code")
    parser.add_argument("--invalid", type=float, default=INVALID_SHARE, help="share of invalid rows, 0 to 1")
    given = parser.parse_args(arguments)
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    write_csv(sys.stdout, given.rows, seed=given.seed, country=given.country, invalid=given.invalid)


if __name__ == "__main__":
    main()

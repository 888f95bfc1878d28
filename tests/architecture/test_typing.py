"""A release that types a cell otherwise says so: rows that were typed before are known by their bytes (docs/adr/0028).

typed.json holds what values came to when `TYPING` was raised last. Where they come to something else now, raise it, and
write the file anew: `.venv/bin/python -m tests.architecture.test_typing`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from itertools import product
from pathlib import Path

import orjson
import phonenumbers

from contactsync.core.mapping import Mapped, Rejected, compile_mapping, resolve_mapping
from contactsync.journeys.file.ruling import TYPING
from tests.support.fields import FIELDS

TYPED = Path("tests/architecture/typed.json")
NAMES = (
    "name",
    "phone",
    "birthday",
    "url",
    "points",
    "rate",
    "member",
    "size",
    "emails.work",
    "address.city",
)
COUNTRIES = ("NL", "GB", "US", "DE", None)
VALUES = (
    *(
        "",
        " ",
        "Ada Lovelace",
        " Ada  Lovelace ",
        "Zoë",
        "e\u0301",
        "x\u00a0",
        "\u200bx",
        "\u200b",
        "-",
        "0",
        "null",
    ),
    *(
        "ada@example.com",
        "ada@example.com\n",
        "ADA@Example.COM",
        "zoë@bücher.example",
        "ada@",
        "Ada <ada@example.com>",
    ),
    *(
        "06 12345678",
        "612345678.0",
        "+31 (0)6-1234 5678",
        "0031612345678",
        "020 7946 0018",
        "(415) 555-2671",
        "030 123456",
        "112",
    ),
    *("+442079460018", "+1 415 555 2671 ext. 9", "12", "٠٦١٢٣٤٥٦٧٨", "6.12345678E+8"),
    *(
        "1990-05-17",
        "17-5-1990",
        "5/17/1990",
        "3/4/2024",
        "17 mei 1990",
        "--02-29",
        "29-02",
        "1/1/0001",
        "1/1/4501",
        "0/0/00",
        "3/4/2024 0:00",
        "3/4/2024, 9:05:00 PM",
        "45000",
    ),
    *("example.com", "https://Example.com/a b", "ftp://example.com", "javascript:x"),
    *("5", "-5", "+5", "1.234", "1,234", "1.234,50", "1,234.50", "1e3", "12345678901234567890", "5%"),
    *("yes", "no", "ja", "Nein", "WAHR", "true", "0", "1", "S", "l", "M"),
)


def outcomes() -> Iterator[object]:
    """What each value comes to in each type, country and order of dates; of a refused one its codes."""
    for name, country, order, empty in product(NAMES, COUNTRIES, ("iso", "dmy", "mdy"), ("ignore", "clear")):
        entries = [{"column": 0, "field": "email"}, {"column": 1, "field": name}]
        mapper = compile_mapping(
            resolve_mapping(entries, None, FIELDS, identity_field="email", width=2),
            identity_field="email",
            secret=bytes(32),
            country=country,
            date_order=order,
            empty_cells="clear" if empty == "clear" else "ignore",
            width=2,
        )
        for value in VALUES:
            match mapper.map(["ada@example.com", value]):
                case Mapped(_, fields, _, _):
                    yield fields
                case Rejected(problems):
                    yield [code for _, _, code, _ in problems]


def typed() -> dict[str, object]:
    """What decides how a cell is typed, in short."""
    digest = blake2b(digest_size=16)
    for outcome in outcomes():
        digest.update(orjson.dumps(outcome, option=orjson.OPT_SORT_KEYS))
    return {"typing": TYPING, "values": digest.hexdigest(), "phonenumbers": phonenumbers.__version__}


def test_what_types_otherwise_says_so() -> None:
    told = json.loads(TYPED.read_text(encoding="utf-8"))
    now = typed()
    if told["typing"] == TYPING:
        assert now == told, "cells are typed otherwise: raise TYPING in journeys/file/ruling.py"
    assert now == told, "TYPING was raised: write typed.json anew, as this module says"


if __name__ == "__main__":
    TYPED.write_text(json.dumps(typed(), indent=2) + "\n", encoding="utf-8")

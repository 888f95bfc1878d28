"""Fields and pictures that any address book may be asked to hold."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from hypothesis import strategies as st

from contactsync.model.contact import Fields
from contactsync.model.field import STANDARD_FIELDS

NAMED: Fields = {"name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace"}
ADA: Fields = {
    **NAMED,
    "emails": [{"value": "ada@example.com", "label": "work"}, {"value": "ada@home.example", "label": "home"}],
    "phones": [{"value": "+442079460018", "text": "020 7946 0018", "label": "work"}],
    "organization": "Analytical Engines",
    "job_title": "Countess",
    "notes": "First line\nsecond line",
}
FULL: Fields = {
    **ADA,
    "middle_name": "Augusta",
    "prefix": "Lady",
    "suffix": "FRS",
    "nickname": "Ada",
    "department": "Programming",
    "birthday": "1815-12-10",
    "addresses": [
        {
            "value": {
                "street": "12 St James's Square",
                "city": "London",
                "region": "Greater London",
                "postal_code": "SW1Y 4JH",
                "country": "United Kingdom",
            },
            "label": "home",
        }
    ],
    "urls": [{"value": "https://example.com/ada", "label": "work"}],
}
SAMPLES: dict[str, Fields] = {
    "usual": ADA,
    "full": FULL,
    "only a name": NAMED,
    "only an address": {"emails": [{"value": "nobody@example.com"}]},
    "a company": {"name": "Engines Ltd", "organization": "Engines Ltd"},
    "twelve of each": {
        **NAMED,
        "emails": [{"value": f"ada{n}@example.com"} for n in range(12)],
        "phones": [{"value": f"+44207946{n:04d}", "text": f"020 7946 {n:04d}"} for n in range(12)],
        "urls": [{"value": f"https://example.com/{n}"} for n in range(12)],
    },
    "own labels": {
        **NAMED,
        "emails": [{"value": "ada@example.com", "label": "Büro; \"x\": 'y', z"}],
        "phones": [
            {"value": "+442079460018", "text": "+44 20 7946 0018", "label": "mobile"},
            {"value": "+442079460019", "text": "+44 20 7946 0019", "label": "mobile"},
            {"value": "+442079460020", "text": "+44 20 7946 0020", "label": "fax"},
        ],
    },
    "born on a 29 February": {**NAMED, "birthday": "2004-02-29"},
    "born in no year": {**NAMED, "birthday": "--02-29"},
    "hard text": {
        "name": "Zoë “Ζωή” 👩‍👩‍👧 O'Neill; Smith, Jr.",
        "given_name": "Zoë\\n;,",
        "family_name": "עברית العربية",
        "notes": 'one\n\ntwo, with; all \\ kinds: of "marks"\n' + "long " * 900,
    },
    "composed and decomposed": {"name": "Jose\u0301 José", "given_name": "Jose\u0301"},
}
"""Fields as contacts hold them: canonical values under plural keys. Case 25, 28, 29, 30, 49."""


def numbered(number: int) -> Fields:
    """One of many people. The parts of the name make the name, as some books insist."""
    return {"name": f"Person {number}", "given_name": "Person", "family_name": str(number)}


def picture(shade: int = 0) -> bytes:
    """A PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(str.strip)


def _lists(value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    labels = st.sampled_from(
        [{}, {"label": "work"}, {"label": "home"}, {"label": "mobile"}, {"label": "Büro"}]
    )
    entry = st.tuples(value, labels).map(lambda pair: {**pair[0], **pair[1]})
    return st.lists(entry, max_size=12)


def any_fields() -> st.SearchStrategy[Fields]:
    """Fields of contacts, some of them without sense."""
    digits = st.integers(200_000_0000, 999_999_9999).map(str)
    days = st.dates().map(str) | st.sampled_from(["--02-29", "--12-24", "2004-02-29", "1604-02-29"])
    place = st.fixed_dictionaries(
        {}, optional={key: _texts() for key in ("street", "city", "country", "region")}
    )
    lists = {
        "emails": _lists(st.integers(0, 99).map(lambda n: {"value": f"p{n}@example.com"})),
        "phones": _lists(digits.map(lambda number: {"value": f"+44{number}", "text": number})),
        "addresses": _lists(place.filter(bool).map(lambda parts: {"value": parts})),
        "urls": _lists(st.integers(0, 99).map(lambda n: {"value": f"https://example.com/{n}"})),
    }
    plain = {key: _texts() for key, spec in STANDARD_FIELDS.items() if spec.type == "text" and not spec.list}
    own = {
        "favourite_colour": _texts(),
        "shoe_size": st.integers(),
        "photo": st.just("https://example.com/p.png"),
    }
    return st.fixed_dictionaries({}, optional={**plain, **lists, "birthday": days, **own})

"""Rows mapped and validated per CPU second: ours against a pydantic model with EmailStr and phonenumbers.

    python -m bench.mapping [rows] [rounds]

Both read the same generated rows, in turn, several times; the median counts. Both type the same fifteen
columns by the same rules; ours also hashes the row and derives the contact's id, which the model does not.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    HttpUrl,
    ValidationError,
)

from contactsync.core.mapping import Mapped, compile_mapping, resolve_mapping
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from tests.support.generate import HEADER, MAPPING, rows

COUNTRY = "NL"
CUSTOM = FieldSpec(key="customer_number", label="Customer number", type="integer")


def phone(text: str) -> str:
    """The usual validator, as its documentation shows it."""
    number = phonenumbers.parse(text, COUNTRY)
    if not phonenumbers.is_valid_number(number):
        raise ValueError("not a valid phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


Phone = Annotated[str, AfterValidator(phone)]
Text = Annotated[str, Field(max_length=32_768)]
none_if_empty = BeforeValidator(lambda text: text.strip() or None)


class Person(BaseModel):
    """What one would write first, and what most do."""

    model_config = ConfigDict(extra="forbid")

    id: int
    given_name: Text
    family_name: Text
    name: Text
    email: EmailStr
    phone: Annotated[Phone | None, none_if_empty]
    mobile: Annotated[Phone | None, none_if_empty]
    company: Text
    job_title: Text
    street: Text
    city: Text
    country: Text
    birthday: Annotated[date | None, none_if_empty]
    url: Annotated[HttpUrl | None, none_if_empty]
    notes: Text


def with_pydantic(table: list[list[str]]) -> int:
    """Good rows by the model."""
    good = 0
    for cells in table:
        if len(cells) != len(HEADER):
            continue
        try:
            Person(**dict(zip(HEADER, cells, strict=True)))
        except (ValidationError, phonenumbers.NumberParseException):
            continue
        good += 1
    return good


def with_mapper(table: list[list[str]]) -> int:
    """Good rows by our mapper, compiled as the map step does."""
    mapping: list[dict[str, Any]] = [{"column": "id", "field": "customer_number"}, *MAPPING]
    fields = STANDARD_FIELDS | {CUSTOM.key: CUSTOM}
    mapper = compile_mapping(
        resolve_mapping(mapping, HEADER, fields, identity_field="email"),
        identity_field="email",
        secret=bytes(32),
        country=COUNTRY,
        date_order="iso",
        empty_cells="ignore",
        width=len(HEADER),
    )
    return sum(isinstance(mapper.map(cells), Mapped) for cells in table)


def cpu_s(work: Callable[[list[list[str]]], int], table: list[list[str]]) -> tuple[float, int]:
    """CPU seconds of one pass, and the good rows it found."""
    gc.collect()
    start = time.process_time()
    good = work(table)
    return time.process_time() - start, good


def measure(count: int = 20_000, rounds: int = 5) -> dict[str, float]:
    """Both in turn, `rounds` times → µs a row each, and the ratio of the medians."""
    table = [row.cells for row in rows(count, seed=1, country=COUNTRY)]
    with_mapper(table[:500]), with_pydantic(table[:500])  # compile patterns, load metadata
    ours, theirs = [], []
    for _ in range(rounds):
        seconds, our_good = cpu_s(with_mapper, table)
        ours.append(seconds)
        seconds, their_good = cpu_s(with_pydantic, table)
        theirs.append(seconds)
        print(
            f"  ours {ours[-1]:.2f} s ({our_good} good), pydantic {theirs[-1]:.2f} s ({their_good} good)",
            file=sys.stderr,
        )
    mine, peer = statistics.median(ours), statistics.median(theirs)
    return {
        "rows": count,
        "ours_us_a_row": round(mine / count * 1e6, 2),
        "pydantic_us_a_row": round(peer / count * 1e6, 2),
        "ratio": round(peer / mine, 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:3])), indent=2))

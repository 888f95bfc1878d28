"""What is exported and imported again is the same: as a table, as cards, and line by line through the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.adapters.memory import MemoryBus, MemoryScheduler
from contactsync.core import exporting
from contactsync.core.fieldtypes import converter
from contactsync.core.reporting import protect
from contactsync.journeys.asked import asking, editing
from contactsync.model.account import ALL_PERMISSIONS, Caller
from contactsync.model.contact import Audit, Contact
from contactsync.model.field import FieldSpec
from tests.support.world import World

OWN = (
    FieldSpec(key="tier", label="Tier", type="choice", choices=("gold", "=1+1")),
    FieldSpec(key="balance", label="Balance", type="decimal"),
    FieldSpec(key="visits", label="Visits", type="integer"),
    FieldSpec(key="vip", label="VIP", type="boolean"),
    FieldSpec(key="since", label="Since", type="date"),
    FieldSpec(key="tags", label="Tags", type="text", list=True),
    FieldSpec(key="houses", label="Houses", type="address", list=True),
    FieldSpec(key="office", label="Office", type="address"),
)
WORDS = st.text(
    st.sampled_from("aÅß漢😀 ;,:\\\"=^'.-+@/\n\t") | st.characters(exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=30,
).filter(lambda text: text.strip() == text and text.strip("\ufeff\u200b\u2060") == text)
LABELS = st.sampled_from(["", "work", "home", "mobile", "Holiday house", "=x", "-"])
DATES = st.dates().map(lambda day: day.isoformat()).filter(lambda day: day[:4] != "1604")
PARTS = st.dictionaries(st.sampled_from(["street", "city", "postal_code", "country"]), WORDS, min_size=1)
PHONES = st.sampled_from(["+31 6 12345678", "06 12345678", "+44 20 7946 0018", "+1 202-555-0143"]).map(
    converter("phone", country="NL")
)
LINKS = st.sampled_from(["https://example.com/", "https://example.org/a?b=c,d;e", "https://example.net/é"])


def listed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some values, none twice, with labels or without."""

    def entry(value: Any, label: str) -> dict[str, Any]:
        described = dict(value) if isinstance(value, dict) and "text" in value else {"value": value}
        return {**described, "label": label} if label else described

    return st.lists(
        st.builds(entry, values, LABELS), min_size=1, max_size=4, unique_by=lambda each: str(each["value"])
    )


STANDARD = {
    **dict.fromkeys(["name", "given_name", "family_name", "organization", "department", "notes"], WORDS),
    "birthday": DATES | DATES.map(lambda day: f"-{day[4:]}"),
    "phones": listed(PHONES),
    "urls": listed(LINKS),
    "addresses": listed(PARTS),
}
OF_THEIR_OWN = {
    "tier": st.sampled_from(["gold", "=1+1"]),
    "balance": st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
    ).map(lambda number: converter("decimal")(str(number))),
    "visits": st.integers(-(2**40), 2**40),
    "vip": st.booleans(),
    "since": DATES,
    "tags": listed(WORDS),
    "houses": listed(PARTS),
    "office": PARTS,
}


def people(optional: dict[str, Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """The fields of some contacts, each with an address that no other has."""
    one = st.fixed_dictionaries({}, optional=optional)
    emails = st.lists(st.sampled_from(["work", "", "home"]), min_size=1, max_size=3)

    def person(number: int, fields: dict[str, Any], labels: list[str]) -> dict[str, Any]:
        entries = [
            {"value": f"p{number}.{place}@example.com", **({"label": label} if label else {})}
            for place, label in enumerate(labels)
        ]
        return {"name": f"Person {number}", **fields, "emails": entries}

    return st.lists(st.tuples(one, emails), min_size=1, max_size=4).map(
        lambda them: [person(number, *each) for number, each in enumerate(them)]
    )


def contacts_of(fields: list[dict[str, Any]]) -> list[Contact]:
    audit = Audit("2026-11-22T09:00:00Z", "member:m1", "2026-11-22T09:00:00Z", "member:m1")
    return [Contact(f"{number:032x}", 1, each, audit) for number, each in enumerate(fields)]


def service() -> World:
    world = World()
    for spec in OWN:
        world.control.create_field(world.account.account_id, spec)
    return world


def imported(world: World, text: str) -> list[dict[str, Any]]:
    """The contacts of an account that has imported this file without a word on its columns."""
    run = world.import_rows(text, [])
    assert (run.status, run.counts.rejected) == ("succeeded", 0), (run.problem, run.refusals)
    return [dict(each) for _, each in sorted(world.fields().items())]


def in_order(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(fields, key=lambda each: each["emails"][0]["value"])


@given(people(STANDARD | OF_THEIR_OWN))
def test_a_table_comes_back_as_it_was(fields: list[dict[str, Any]]) -> None:
    world, contacts = service(), contacts_of(fields)
    specs = world.control.fields(world.account.account_id)
    columns = exporting.columns(specs, exporting.longest(contacts, {}))
    lines = [exporting.csv_row(each, columns, {}, "NL") for each in contacts]
    assert imported(world, exporting.csv_header(columns) + "".join(lines)) == in_order(fields)


@given(people(STANDARD))
def test_cards_come_back_as_they_were(fields: list[dict[str, Any]]) -> None:
    text = "".join(exporting.card(each, {}, "NL") for each in contacts_of(fields))
    assert imported(service(), text) == in_order(fields)


@given(people(STANDARD | OF_THEIR_OWN))
def test_a_line_can_be_sent_back_as_it_is(fields: list[dict[str, Any]]) -> None:
    world = service()
    asked = asking.World(
        world.control, world.contacts, world.runs, world.uploads, world.photos, MemoryBus(), MemoryScheduler(), world.vault,
        world.clock, world.drop_bucket, world.keeper, world.discoverer, world.drops, world.peeker,
    )  # fmt: skip
    caller = Caller(
        account_id=world.account.account_id, member_id="m1", permissions=frozenset(ALL_PERMISSIONS)
    )
    for number, each in enumerate(contacts_of(fields)):
        line = json.loads(exporting.json_line(each, frozenset()))
        editing.create_contact(asked, caller, {"fields": line["fields"]}, f"{number:024x}")
    assert [dict(each) for _, each in sorted(world.fields().items())] == in_order(fields)


@pytest.mark.parametrize("cell", ["=1+1", "+31 6", "-1", "@x", "\tx", "\rx", "＝1", "'=1"])
def test_no_cell_of_a_table_is_a_formula(cell: str) -> None:
    [contact] = contacts_of([{"name": cell}])
    spec = FieldSpec(key="name", label="Name", type="text")
    line = exporting.csv_row(contact, exporting.columns({"name": spec}, {}), {}, "NL")
    assert line.startswith(f'"\'{cell}"')
    assert protect(cell) != cell

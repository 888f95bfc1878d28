"""Laws of planning one row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.decisions import (
    Add,
    Claim,
    Decision,
    Delete,
    Restore,
    Row,
    Skip,
    Unchanged,
    Update,
    hash_of,
    read_decision,
    read_row,
    unchanged_line,
)
from contactsync.core.newcomers import add_line, id_in, is_newcomer
from contactsync.core.overlay import is_empty, laid_bare, overlay
from contactsync.core.planning import (
    CODE_ATTEMPTS,
    Found,
    Rules,
    generated_code,
    is_applied,
    is_as_seen,
    new_contact,
    signed,
)
from contactsync.core.planning import decide as decide_found
from contactsync.model.contact import Audit, Contact, Source, Tombstone, glimpse_of

texts = st.text(max_size=20)
emails = st.sampled_from(["ada@example.com", "ADA@example.com", "zoë@example.com", "bob@example.org"])
labels = st.fixed_dictionaries({}, optional={"label": st.sampled_from(["home", "work"])})
entries = st.builds(lambda value, label: {"value": value, **label}, emails, labels)
email_lists = st.lists(entries, min_size=1, max_size=3, unique_by=lambda entry: entry["value"].lower())
row_fields = st.fixed_dictionaries(
    {},
    optional={
        "name": texts | st.none(),
        "organization": texts | st.none(),
        "age": st.integers(-(2**63), 2**63 - 1),
        "member": st.booleans(),
        "email": emails | st.none(),
        "urls": email_lists,
        "phone": st.sampled_from([{"value": "+31612345678", "text": "06 12345678"}]) | st.none(),
    },
)
stored_fields = st.fixed_dictionaries(
    {},
    optional={
        "name": texts,
        "organization": texts,
        "notes": texts,
        "emails": email_lists,
        "urls": email_lists,
    },
)
SECRET = b"sixteen bytes or more"
RULES = Rules(
    "a1",
    "s1",
    "r2",
    "2026-11-22T09:00:00+00:00",
    "override",
    "three_way",
    SECRET,
    identity="customer_id",
    identity_type="text",
)
MIRROR = replace(RULES, mode="mirror")
SKIP = replace(RULES, existing="skip")
AUDIT = Audit("2026-01-01T00:00:00+00:00", "member:m1", "2026-01-01T00:00:00+00:00", "member:m1")


def a_row(fields: dict[str, Any], hash_: str = "h2") -> Row:
    return Row("0" * 32, 7, hash_, fields)


def decide(row: Row, stored: Contact | None, rules: Rules) -> Decision:
    return decide_found(row, Found(stored, stored), rules)


def a_contact(fields: dict[str, Any], sources: dict[str, Source] | None = None) -> Contact:
    return Contact("0" * 32, 3, fields, AUDIT, sources or {}, ("vip",))


@given(stored=stored_fields, row=row_fields)
def test_laying_a_row_over_twice_changes_nothing_the_second_time(
    stored: dict[str, Any], row: dict[str, Any]
) -> None:
    once, _ = overlay(stored, row, only_empty=False)
    emptied_lists = {key for key, value in row.items() if value is None and key in ("email", "phone")}
    if not emptied_lists:  # emptying the primary of a list lets the next value take its place
        assert overlay(once, row, only_empty=False) == (once, {})


@given(
    row=row_fields,
    more=st.fixed_dictionaries(
        {},
        optional={
            "emails": email_lists | st.none(),
            "phones": st.just([{"value": "+31201234567", "label": "work"}]) | st.none(),
            "address": st.just({"city": "Delft"}) | st.none(),
        },
    ),
)
def test_laying_a_row_over_nothing_has_a_short_way(row: dict[str, Any], more: dict[str, Any]) -> None:
    given = {**row, **more}
    assert list(laid_bare(given).items()) == list(overlay({}, given, only_empty=False)[0].items())


@given(stored=stored_fields, row=row_fields)
def test_changes_name_exactly_the_fields_that_differ(stored: dict[str, Any], row: dict[str, Any]) -> None:
    after, changes = overlay(stored, row, only_empty=False)
    assert changes == {
        key: [stored.get(key), after.get(key)]
        for key in {*stored, *after}
        if stored.get(key) != after.get(key) or (key in after) != (key in stored)
    }


@given(stored=stored_fields, row=row_fields)
def test_fill_empty_never_touches_a_field_that_holds_something(
    stored: dict[str, Any], row: dict[str, Any]
) -> None:
    after, _ = overlay(stored, row, only_empty=True)
    assert {key: after[key] for key, value in stored.items() if not is_empty(value)} == {
        key: value for key, value in stored.items() if not is_empty(value)
    }


@given(stored=stored_fields, row=row_fields)
def test_only_mapped_fields_are_touched(stored: dict[str, Any], row: dict[str, Any]) -> None:
    after, _ = overlay(stored, row, only_empty=False)
    touched = {{"email": "emails", "phone": "phones"}.get(key, key) for key in row}
    assert {k: v for k, v in after.items() if k not in touched} == {
        k: v for k, v in stored.items() if k not in touched
    }


@given(stored=stored_fields, row=row_fields)
def test_a_row_as_it_was_last_applied_leaves_an_edit_alone(
    stored: dict[str, Any], row: dict[str, Any]
) -> None:
    contact = a_contact(stored, {"s1": Source("r1", 7, "h2")})
    assert decide(a_row(row), contact, RULES) == Unchanged(a_row(row))


modes = st.sampled_from(
    [RULES, MIRROR, SKIP, replace(RULES, segments=("vip",)), replace(RULES, segments=("new",))]
)
identities = st.sampled_from(["", "c1", "c2", None])


@given(
    stored=stored_fields,
    row=row_fields,
    rules=modes,
    identity=identities,
    hash_=st.sampled_from(["h1", "h2"]),
)
def test_what_a_glimpse_settles_is_unchanged(
    stored: dict[str, Any], row: dict[str, Any], rules: Rules, identity: str | None, hash_: str
) -> None:
    whose = Row(rules.slot_of("customer_id", "text", "c1"), 7, hash_, {**row, "customer_id": "c1"})
    known = stored if identity is None else {**stored, "customer_id": identity}
    contact = replace(a_contact(known, {"s1": Source("r1", 7, "h2")}), id=whose.id)
    if is_as_seen(whose.id, whose.hash, glimpse_of(contact, rules.identity_names), rules):
        assert decide(whose, contact, rules) == Unchanged(whose)
        assert rules.settles_at_a_glance
    elif decide(whose, contact, rules) == Unchanged(whose):  # only these need a closer look to say so
        renamed = identity == "c2"
        assert renamed or hash_ == "h1" or rules.mode == "mirror"


@given(row=row_fields, line=st.integers(1, 10**9), hash_=st.sampled_from(["0123456789abcdef", "f" * 16]))
def test_lines_of_rows_are_told_apart_unread(row: dict[str, Any], line: int, hash_: str) -> None:
    mapped = orjson.dumps(["0" * 32, line, hash_, row])
    assert read_row(mapped) == Row("0" * 32, line, hash_, row)
    assert hash_of(mapped) == hash_
    assert unchanged_line(mapped) == Unchanged(read_row(mapped)).line()
    added = add_line(mapped)
    assert added == Add(read_row(mapped)).line()
    assert (is_newcomer(added), id_in(added)) == (True, "0" * 32)
    claiming = [
        Add(read_row(mapped), over, claim).line() for over, claim in ((1, None), (0, Claim("a" * 32, 0)))
    ]
    assert not any(map(is_newcomer, claiming))


@given(stored=stored_fields, row=row_fields)
def test_mirror_mode_always_brings_the_row(stored: dict[str, Any], row: dict[str, Any]) -> None:
    contact = a_contact(stored, {"s1": Source("r1", 7, "h2")})
    fields, changes = overlay(stored, row, only_empty=False)
    decision = decide(a_row(row), contact, MIRROR)
    assert isinstance(decision, Update) == bool(changes)
    if isinstance(decision, Update):
        assert (decision.contact.fields, decision.changes) == (fields, changes)


@given(stored=stored_fields, row=row_fields)
def test_an_update_keeps_what_it_does_not_say(stored: dict[str, Any], row: dict[str, Any]) -> None:
    others = Source("r0", 1, "h0")
    decision = decide(a_row(row), a_contact(stored, {"other": others}), RULES)
    if isinstance(decision, Update):
        contact = signed(decision.contact, decision.row, RULES)
        assert (contact.version, contact.segments, contact.sources["other"]) == (4, ("vip",), others)
        assert (contact.audit.created_by, contact.audit.updated_by) == ("member:m1", "run:r2")
        assert is_applied(decision, contact, RULES)


@given(stored=email_lists, row=email_lists)
def test_a_list_says_all_that_the_row_says_and_loses_only_what_the_row_speaks_of(
    stored: list[dict[str, Any]], row: list[dict[str, Any]]
) -> None:
    after = overlay({"emails": stored}, {"emails": row}, only_empty=False)[0]["emails"]
    said = [entry["value"].lower() for entry in after]
    assert said[: len(row)] == [entry["value"].lower() for entry in row]
    assert len(set(said)) == len(said)
    spoken_of = {entry.get("label") for entry in row}
    for entry in stored:
        assert entry["value"].lower() in said or entry.get("label") in spoken_of


@given(row=row_fields)
def test_an_existing_contact_is_left_alone_when_asked(row: dict[str, Any]) -> None:
    assert isinstance(decide(a_row(row), a_contact({}), SKIP), Skip)


@given(row=row_fields)
def test_a_new_contact_is_the_row_and_knows_where_it_comes_from(row: dict[str, Any]) -> None:
    decision = decide(a_row(row), None, RULES)
    assert isinstance(decision, Add)
    assert (decision.row, decision.over) == (a_row(row), 0)
    contact = new_contact(Add(a_row(row)), RULES)
    assert contact.version == 1
    assert is_applied(Add(a_row(row)), contact, RULES)
    assert decide(a_row(row), contact, MIRROR) == Unchanged(a_row(row))


def test_each_attempt_at_a_code_makes_another_one() -> None:
    assert len({generated_code(7, attempt, RULES) for attempt in range(CODE_ATTEMPTS)}) == CODE_ATTEMPTS


def test_a_run_knows_its_own_writes_whatever_became_of_the_contact() -> None:
    add = Add(a_row({"name": "Ada"}))
    contact = new_contact(add, RULES)
    by_hand = Tombstone(contact.id, 2, "2026-11-22T09:00:00+00:00", "member:m1", contact.sources, 2**33)
    by_the_run = replace(by_hand, deleted_by=RULES.author)
    assert is_applied(add, by_hand, RULES)
    assert [is_applied(Delete(contact), slot, RULES) for slot in (contact, by_hand, by_the_run)] == [
        False,
        False,
        True,
    ]
    back = Restore(replace(contact, version=3), 2)
    assert not is_applied(back, by_hand, RULES)
    assert is_applied(back, signed(back.contact, Row(contact.id, 0, "", {}), RULES), RULES)


@given(stored=st.none() | stored_fields, row=row_fields)
def test_a_plan_comes_back_from_its_file_as_it_was(
    stored: dict[str, Any] | None, row: dict[str, Any]
) -> None:
    decision = decide(a_row(row), None if stored is None else a_contact(stored), RULES)
    read = read_decision(decision.line())
    if isinstance(decision, Add | Update):
        assert read == decision
    else:
        assert type(read) is type(decision)
        assert read.key == decision.key

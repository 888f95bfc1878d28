"""Codes that a sync draws for contacts whose file names none: each is new, and one that somebody else has costs its row at most."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from contactsync.core import planning
from contactsync.core.planning import Rules
from contactsync.journeys import importing
from contactsync.journeys.file import cutting
from contactsync.journeys.file.runfiles import files_of
from contactsync.model.field import FieldSpec
from contactsync.model.message import Guarded
from tests.support.world import World


@pytest.fixture
def world(numbered_world: World) -> World:
    return numbered_world


def test_generated_codes_are_new_unique_and_nine_digits(world: World) -> None:
    mapping = [{"column": "name", "field": "name"}]
    text = "name\n" + "Ada\n" * 50
    identity = {"generate": True, "field": "customer_number"}
    run = world.import_rows(text, mapping, identity=identity)
    assert run.counts.added == 50
    codes = {contact.fields["customer_number"] for contact in world.stored().values()}
    assert len(codes) == 50
    assert all(code.isdigit() and len(code) == 9 for code in codes)


@pytest.mark.parametrize("unit_rows", [100, 25])
def test_rows_whose_codes_are_drawn_twice_are_all_stored(
    world: World, monkeypatch: pytest.MonkeyPatch, unit_rows: int
) -> None:
    """Also where several workers draw anew, and none knows what the others do."""
    monkeypatch.setattr(planning, "CODES", 300)
    monkeypatch.setattr(cutting, "UNIT_ROWS", unit_rows)
    run = world.import_rows(
        "name\n" + "".join(f"Person {number}\n" for number in range(100)),
        [{"column": "name", "field": "name"}],
        identity={"generate": True, "field": "customer_number"},
    )
    assert run.counts.added == len(world.fields()) == 100


@pytest.mark.parametrize(("field", "kind"), [("customer_number", str), ("points", int)])
def test_a_generated_code_that_is_taken_is_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch, field: str, kind: type
) -> None:
    """By another row of the file, or by a contact that is here."""

    def code(line: int, attempt: int, _: Rules) -> str:
        return str(100_000_000 + (attempt and 10 * line + attempt))

    monkeypatch.setattr(planning, "generated_code", code)
    monkeypatch.setattr(importing, "generated_code", code)
    spec = FieldSpec(key="points", label="Points", type="integer")
    world.control.create_field(world.account.account_id, spec)
    mapping, identity = [{"column": "name", "field": "name"}], {"generate": True, "field": field}
    for _ in range(2):
        run = world.import_rows("name\nAda\nBob\nCem\n", mapping, identity=identity)
        assert run.counts.added == 3
    codes = [contact.fields[field] for contact in world.stored().values()]
    assert (len(codes), len(set(codes)), set(map(type, codes))) == (6, 6, {kind})


def test_a_code_that_somebody_takes_before_it_is_written_costs_its_row_until_that_is_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, from the report: each row of the whole file would be somebody new."""
    drawn: list[str] = []
    guard, generated_code = importing.guard, planning.generated_code

    def drawing(line: int, attempt: int, rules: Rules) -> str:
        drawn.append(generated_code(line, attempt, rules))
        return drawn[-1]

    def taken_before(*told: Any, **ports: Any) -> Guarded:
        monkeypatch.undo()
        mapping = [{"column": "number", "field": "customer_number"}, {"column": "name", "field": "name"}]
        theirs = f"number,name\n{drawn[1]},Somebody\n"
        world.import_rows(theirs, mapping, identity={"field": "customer_number"})
        return guard(*told, **ports)

    monkeypatch.setattr(importing, "generated_code", drawing)
    monkeypatch.setattr(importing, "guard", taken_before)
    run = world.import_rows(
        "name\nAda\nBob\nCem\n",
        [{"column": "name", "field": "name"}],
        identity={"generate": True, "field": "customer_number"},
    )
    assert (run.counts.added, run.counts.rejected, run.counts.rows, run.counts.settled) == (2, 1, 3, 3)
    report = world.runs.get(files_of(run, world.runs).rejects_csv).decode()
    [refused] = list(csv.DictReader(io.StringIO(report)))
    assert (refused["name"], refused["line"]) == ("Bob", "3")
    assert "rejects.csv" in refused["reason"]
    world.clock.advance(timedelta(hours=1))
    again = world.again(run.sync_id, report)
    world.execute(again)
    assert (world.run(again).counts.added, world.run(again).counts.rejected) == (1, 0)
    names = sorted(contact.fields["name"] for contact in world.stored().values())
    assert names == ["Ada", "Bob", "Cem", "Somebody"]

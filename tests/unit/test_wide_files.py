"""Files of a thousand columns, with names of any length, or millions of rows to refuse: what is said of them finds room."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from contactsync.adapters.memory import MemoryObjects
from contactsync.core.decisions import Reject, Row
from contactsync.journeys.file.runfiles import RunFiles
from contactsync.model.field import FieldSpec
from tests.support.world import World


@pytest.fixture
def world() -> World:
    return World()


def test_of_a_thousand_columns_of_which_something_is_to_be_said_the_first_are_told(world: World) -> None:
    """A survey: each question is a column. The warnings had no room in the run's record, which holds 400 KB."""
    questions = [f"{'How content are you with us, all in all? ' * 5}{n}" for n in range(999)]
    header = ",".join(["email", *(f'"{question}"' for question in questions)])
    text = f"{header}\nada@example.com{',n/a' * 999}\nbob@example.com{',03/04/2024' * 999}\n"
    run = world.import_rows(text)
    assert (run.status, run.counts.added) == ("succeeded", 2)
    assert len(run.warnings) == 101
    assert run.warnings[-1].code == "more_warnings"
    assert all(len(str(warning.column)) <= 101 for warning in run.warnings)


def test_columns_whose_names_are_as_long_as_a_cell_refuse_their_rows_and_the_run_ends(world: World) -> None:
    """A header that is damaged: the reasons, which name columns, had no room, and no run came to its end."""
    names = ("D" * 100_000, "P" * 100_000)
    rows = ("x,1", "1/1/01,12", "2024-13-45,+3100000000000000000000", "0/1/2024,abc", "--99-99,+999 1")
    lines = [f"p{n}@example.com,{row}" for n, row in enumerate(rows)]
    mapping: list[dict[str, Any]] = [
        {"column": "email", "field": "email"},
        {"column": 1, "field": "birthday"},
        {"column": 2, "field": "phone"},
    ]
    text = "\n".join([f"email,{names[0]},{names[1]}", *lines, ""])
    run = world.import_rows(text, mapping, format={"date_order": "dmy"})
    assert (run.status, run.counts.rejected) == ("succeeded", 5)
    assert len(run.refusals) == 3
    assert all(len(refused.reason) < 2_100 for refused in run.refusals)


def test_a_row_with_a_thousand_faults_tells_all_of_them_in_the_file_only(world: World) -> None:
    keys = [f"number_{n}" for n in range(400)]
    rows = [f"p{row}@example.com," + ",".join(["x"] * 400) for row in range(2)]
    text = "\n".join([",".join(["email", *keys]), *rows, ""])
    for key in keys:
        field = FieldSpec(key=key, label=key, type="integer")
        world.control.create_field(world.account.account_id, field)
    run = world.import_rows(text, [{"column": key, "field": key} for key in ("email", *keys)])
    [refused] = run.refusals
    assert (refused.rows, len(refused.reason)) == (2, 2_001)
    report = world.runs.get(world.files(run).rejects_csv).decode()
    assert "number_399: " in report


PAGE = "x" * 32_000


def pages(world: World, *keys: str) -> tuple[str, list[dict[str, Any]]]:
    """A file with a page in each of these columns, for the first of its two contacts."""
    for key in keys:
        world.control.create_field(world.account.account_id, FieldSpec(key=key, label=key, type="text"))
    header = ",".join(["email", *keys])
    text = f"{header}\nada@example.com{f',{PAGE}' * len(keys)}\nbob@example.com{',Bob' * len(keys)}\n"
    return text, [{"column": key, "field": key} for key in ("email", *keys)]


def test_a_contact_that_two_files_make_too_large_is_refused_and_the_others_go_on(world: World) -> None:
    world.import_rows(*pages(world, *(f"a_{n}" for n in range(7))))
    before = world.fields()["ada@example.com"]
    run = world.import_rows(*pages(world, *(f"b_{n}" for n in range(7))))
    assert (run.status, run.counts.updated, run.counts.rejected) == ("succeeded", 1, 1)
    assert world.fields()["ada@example.com"] == before
    [refused] = run.refusals
    assert refused.reason == (
        "With this row the contact would hold more than 300,000 bytes: shorten a_0 in the row, or here."
    )


def test_an_undo_that_would_make_a_contact_too_large_leaves_it_and_says_so(world: World) -> None:
    text, mapping = pages(world, *(f"a_{n}" for n in range(7)))
    world.import_rows(text, mapping)
    run = world.import_rows(text.replace(PAGE, "short"), mapping)
    world.import_rows(*pages(world, *(f"b_{n}" for n in range(7))))
    undo = world.again(run.sync_id, "", undoes=run.id)
    world.execute(undo)
    undone = world.run(undo)
    assert (undone.status, undone.counts.skipped, undone.counts.rows) == ("succeeded", 1, 1)


def test_millions_of_rows_that_are_refused_late_find_room() -> None:
    """A list whose customers have new numbers: each row's address is somebody else's. Notify has one GB for all reasons."""
    files, rows = RunFiles(MemoryObjects(), "a1", "r1"), 20_000
    reason = "The email address belongs to contact {:032x}. Correct the address in one of the two, or import by email."
    refused = (Reject(Row(f"{n:032x}", n, "", {}), "email_taken", reason.format(n)) for n in range(rows))
    files.save_plan(0, [each.line() for each in refused])
    tracemalloc.start()
    late = files.late_rejects(1)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(late) == rows
    assert taken < 400 * rows

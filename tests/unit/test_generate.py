"""The generator of contact files keeps its promises."""

import csv
import io
import itertools
import subprocess
import sys
import tracemalloc

from contactsync.core.mapping import Mapped, Rejected, compile_mapping, resolve_mapping
from contactsync.model.field import STANDARD_FIELDS
from tests.support.generate import HEADER, MAPPING, RAGGED, main, rows, write_csv


def mapper():
    rules = resolve_mapping(MAPPING, HEADER, STANDARD_FIELDS, identity_field="email")
    return compile_mapping(
        rules,
        identity_field="email",
        secret=bytes(32),
        country="NL",
        date_order="iso",
        empty_cells="ignore",
        width=len(HEADER),
    )


def test_one_seed_gives_the_same_bytes_and_another_gives_others():
    first, again, other = io.StringIO(), io.StringIO(), io.StringIO()
    write_csv(first, 50, seed=4)
    write_csv(again, 50, seed=4)
    write_csv(other, 50, seed=5)
    assert first.getvalue() == again.getvalue() != other.getvalue()


def test_the_file_reads_back_as_the_rows():
    out = io.StringIO()
    write_csv(out, 200, seed=2)
    header, *table = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert header == HEADER
    assert table == [row.cells for row in rows(200, seed=2)]
    assert any("\n" in cell for cells in table for cell in cells)
    assert any('"' in cell for cells in table for cell in cells)


def test_exactly_the_rows_said_to_be_invalid_are_refused_and_for_what_was_said():
    table, spoiled = mapper(), 0
    for row in rows(4000, seed=3):
        outcome = table.map(row.cells)
        if row.problem is None:
            assert isinstance(outcome, Mapped), row
            continue
        spoiled += 1
        assert isinstance(outcome, Rejected), row
        [(column, _, code, _)] = outcome.problems
        assert code == "ragged_row" if row.problem == RAGGED else column == HEADER.index(row.problem)
    assert 0.05 < spoiled / 4000 < 0.08


def test_no_two_rows_share_an_identity():
    table = mapper()
    ids = [outcome.id for row in rows(2000, seed=1) if isinstance(outcome := table.map(row.cells), Mapped)]
    assert len(ids) == len(set(ids))


def test_rows_are_made_one_at_a_time():
    tracemalloc.start()
    for _ in itertools.islice(rows(10**9, seed=1), 2000):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_command_writes_utf_8():
    told = subprocess.run(
        [sys.executable, "-m", "tests.support.generate", "--rows", "30", "--seed", "9"],
        capture_output=True,
        check=True,
    )
    table = list(csv.reader(io.StringIO(told.stdout.decode("utf-8"), newline="")))
    assert [len(table), table[0]] == [31, HEADER]
    assert main.__doc__

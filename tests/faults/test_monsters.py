"""Files that are made to hurt: what can be read is stored, the rest is refused with its place, in bounded memory."""

import json
import subprocess
import sys

import pytest

from tests.support.world import World

MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
MOST_MB = 64
"""What a file may make the process grow beyond what an ordinary import has taken: some windows and a card."""

POISON = {
    "a quote that is never closed": (b'"p@example.com,Poison\n', "not closed"),
    "a quote closed a row later": (b'p@example.com,"Poison\n', "not closed"),
    "a byte that is no UTF-8": (b"p@example.com,Poi\xffson\n", "not utf-8"),
    "a NUL": (b"p@example.com,Poi\0son\n", "NUL"),
    "a cell too many": (b"p@example.com,Poison,more\n", "3 cells"),
    "a cell too few": (b"p@example.com\n", "1 cells"),
    "a cell without end": (b"p@example.com," + b"x" * 200_000 + b"\n", "characters"),
    "columns without end": (b"p@example.com" + b",x" * 2_000 + b"\n", "1,000 columns"),
    "no address": (b"nobody,Poison\n", "no @"),
    "an injected line": (b'"p@example.com\r\nBcc: eve@example.org",Poison\n', "email"),
}

MONSTERS = {
    # case: the problem's code, and how the place is named
    "long_line": ("line_too_long", "Line 3 "),
    "million_columns": ("too_many_columns", "Line 1 "),
    "million_columns_below": ("line_too_long", "Line 3 "),
    "gzip_bomb": ("bomb", "The compressed file "),
    "zip_bomb": ("bomb", "The compressed file "),
}
ONE_ROW = {
    "many_columns_in_one_row": ("more than 1,000 columns", 3),
    "huge_card": ("larger than 4 MiB", 6),
}


def poisoned(count, row):
    rows = [b"p%d@example.com,Zo\xc3\xab %d\n" % (number, number) for number in range(count - 1)]
    at = count * 2 // 3
    return b"".join([b"email,name\n", *rows[:at], row, *rows[at:]]), at + 2


@pytest.mark.parametrize("poison", POISON)
def test_a_poison_row_costs_itself_and_nothing_else(poison):
    world = World()
    row, reason = POISON[poison]
    text, line = poisoned(2_000, row)
    run = world.import_rows(text, MAPPING)
    assert (run.status, run.counts.added, run.counts.rejected) == ("succeeded", 1_999, 1)
    [refusal] = run.refusals
    assert refusal.first_line == line
    assert reason in refusal.reason


@pytest.mark.slow
def test_one_poison_row_among_a_hundred_thousand():
    world = World()
    text, line = poisoned(100_000, POISON["a quote that is never closed"][0])
    run = world.import_rows(text, MAPPING)
    assert (run.counts.added, run.counts.rejected) == (99_999, 1)
    assert [(one.rows, one.first_line) for one in run.refusals] == [(1, line)]
    assert len(world.stored()) == 99_999


def monster(case, folder):
    """Import the file in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.monsters", case, str(folder)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    told = json.loads(done.stdout)
    assert told["grown_mb"] < MOST_MB
    return told


@pytest.mark.parametrize("case", MONSTERS)
def test_a_monster_is_refused_in_bounded_memory_with_its_place(case, tmp_path):
    told = monster(case, tmp_path)
    code, place = MONSTERS[case]
    assert (told["status"], told["problem"]["code"]) == ("failed", code)
    assert told["problem"]["title"].startswith(place)


@pytest.mark.parametrize("case", ONE_ROW)
def test_a_monstrous_row_among_good_ones_costs_itself(case, tmp_path):
    told = monster(case, tmp_path)
    reason, line = ONE_ROW[case]
    assert (told["status"], told["counts"]["rows"], told["counts"]["rejected"]) == ("succeeded", 3, 1)
    [refusal] = told["refusals"]
    assert refusal["first_line"] == line
    assert reason in refusal["reason"]

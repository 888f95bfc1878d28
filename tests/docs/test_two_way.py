"""docs/two-way.md: fifty cases in order, and every test that it names is there."""

from __future__ import annotations

import ast
import re

import pytest

from local.deploy import ROOT

ROWS = re.findall(
    r"^\| (\d+) \| (.+?) \| (.*?) ?\|$", (ROOT / "docs" / "two-way.md").read_text("utf-8"), re.MULTILINE
)
NAMED = [(case, place) for case, _, shown in ROWS for place in re.findall(r"`(tests/[^`]+)`", shown)]


def test_all_fifty_in_order() -> None:
    assert [int(case) for case, _, _ in ROWS] == list(range(1, 51))


@pytest.mark.parametrize(("case", "place"), NAMED)
def test_what_shows_a_case_is_there(case: str, place: str) -> None:
    path, *names = place.split("::")
    node: ast.AST = ast.parse((ROOT / path).read_text("utf-8"))
    for name in names:
        found = [each for each in ast.walk(node) if getattr(each, "name", None) == name]
        assert found, f"case {case}: there is no {name} in {path}"
        node = found[0]

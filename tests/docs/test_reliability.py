"""docs/reliability.md: what shows each promise is there, and each figure is one that a campaign notes."""

from __future__ import annotations

import ast
import re

import pytest

from local.deploy import ROOT
from tests.faults.figures import promised

PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[^`]+)`", PAGE)


@pytest.mark.parametrize("place", NAMED)
def test_what_shows_a_promise_is_there(place: str) -> None:
    path, *names = place.split("::")
    node: ast.AST = ast.parse((ROOT / path).read_text("utf-8"))
    for name in names:
        found = [each for each in ast.walk(node) if getattr(each, "name", None) == name]
        assert found, f"there is no {name} in {path}"
        node = found[0]


def test_every_figure_is_one_that_a_campaign_notes() -> None:
    noted: set[str] = set()
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        text = path.read_text("utf-8")
        if "from tests.faults.figures import note" in text:
            noted |= set(re.findall(r'note\("([^"]+)"', text))
    assert promised().keys() == noted
    assert promised()["crash points"] >= 3_000

"""How much a campaign has tried: added up over its tests, printed at the end, and held against docs/reliability.md."""

import os
import re
from collections import Counter

import pytest

from local.deploy import ROOT

FIGURES: Counter[str] = Counter()


def note(what: str, number: int) -> None:
    """So many more of these were tried, and held."""
    FIGURES[what] += number


def promised() -> dict[str, int]:
    """What docs/reliability.md says is tried, at least."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z ]+) \| ([\d,]+) \|$", page, re.MULTILINE)
    return {what: int(number.replace(",", "")) for what, number in rows}


def short(session: pytest.Session) -> list[str]:
    """What a whole campaign should have tried more of; nothing if this was none."""
    is_whole = os.environ.get("FAULTS") == "all" and not session.config.option.keyword
    if not is_whole or os.environ.get("N") or os.environ.get("SEED"):
        return []
    return sorted(what for what, number in promised().items() if FIGURES[what] < number)

"""Every page: what it links to, which commands and which tests it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.deploy import ROOT
from tests.docs.pages import PAGES

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def identified(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(params=PAGES, ids=identified)
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8"))
    assert [link for link, _ in links if link and not (page.parent / link).exists()] == []
    sections = [(page.parent / link if link else page, anchor) for link, anchor in links if anchor]
    assert [anchor for target, anchor in sections if anchor not in anchors(target)] == []


def anchors(page: Path) -> list[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_the_make_targets_it_names_exist(page: Path) -> None:
    named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= TARGETS


def test_the_files_it_names_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:tests|local|bench|docs|functions|layers|statemachine)/[^`\s]*)`",
        page.read_text(encoding="utf-8"),
    )
    assert [name for name in named if not list(ROOT.glob(name.partition("::")[0].rstrip("/")))] == []


def test_the_tests_it_names_exist(page: Path) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py"))
    named = re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if f"def {name}(" not in code] == []

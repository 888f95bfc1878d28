"""The repository's pages as the tests read them: fenced blocks, sections, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from local.deploy import ROOT

README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)

_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|\+00:00)| \d\d:\d\d UTC)"), "<time>"),
    (re.compile(r"\bcsk_\w+"), "<key>"),
    (re.compile(r"\b[a-z]?[0-9a-f]{24,32}\b"), "<id>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<host>"),
    (re.compile(r"\b\d+(?:\.\d)? s\b"), "<seconds>"),
)
"""What differs from run to run; everything else must be as the page shows it."""


class Block(NamedTuple):
    """What stands between two fences, and what the first one says it is."""

    kind: str
    text: str


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page or section, in order."""
    return [Block(kind, inner) for kind, inner in _FENCED.findall(text)]


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", text)


def section(page: Path, title: str) -> str:
    """What stands under a second-level heading."""
    _, _, rest = page.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    assert rest, f"{page.name} has no section “{title}”"
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def steady(text: str) -> str:
    """The text with a word in the place of whatever differs from run to run."""
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text.strip()

"""Bars as SVG, for pages: readable on light and dark ground, and without a library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

LABEL_PX, BAR_PX, VALUE_PX, ROW_PX = 300, 340, 110, 26

_FONT = 'font-family="system-ui, sans-serif" font-size="13"'
_STYLE = """<style>text{fill:#24292f}.ours{fill:#0969da}.peer{fill:#8c959f}
@media (prefers-color-scheme: dark){text{fill:#e6edf3}}</style>"""


class Bar(NamedTuple):
    """A line of the picture: its label, its value, and how that is written."""

    label: str
    value: float
    told: str
    ours: bool = False


def svg(title: str, bars: Sequence[Bar]) -> str:
    """The picture; the longest bar fills the width."""
    width, top = LABEL_PX + BAR_PX + VALUE_PX, 34
    height = top + ROW_PX * len(bars) + 6
    most = max(bar.value for bar in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" {_FONT}>',
        f"<title>{escape(title)}</title>",
        _STYLE,
        f'<text x="0" y="16" font-weight="600">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        y = top + ROW_PX * number
        length = max(2, round(BAR_PX * bar.value / most))
        lines += [
            f'<text x="{LABEL_PX - 8}" y="{y + 15}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{"ours" if bar.ours else "peer"}" x="{LABEL_PX}" y="{y + 3}" width="{length}" height="17"/>',
            f'<text x="{LABEL_PX + length + 6}" y="{y + 16}">{escape(bar.told)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])

"""How much a campaign has tried: added up over its tests, printed at the end, and held against docs/reliability.md."""

from collections import Counter

FIGURES: Counter[str] = Counter()


def note(what: str, number: int) -> None:
    """So many more of these were tried, and held."""
    FIGURES[what] += number

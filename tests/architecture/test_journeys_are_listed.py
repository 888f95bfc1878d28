"""The map of the journeys names every module."""

import re
from pathlib import Path

from contactsync import journeys


def test_the_map_of_the_journeys_is_whole() -> None:
    assert journeys.__doc__ is not None
    words = set(re.findall(r"\w+", journeys.__doc__))
    modules = {path.stem for path in Path(str(journeys.__file__)).parent.glob("*.py")} - {"__init__"}
    assert modules - words == set()

"""The maps of the journeys name every module."""

import re
from pathlib import Path

import pytest

from contactsync import journeys

FOLDER = Path(str(journeys.__file__)).parent


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in FOLDER.rglob("__init__.py")}), ids=lambda path: path.name
)
def test_the_map_is_whole(folder: Path) -> None:
    words = set(re.findall(r"\w+", (folder / "__init__.py").read_text("utf-8")))
    modules = {path.stem for path in folder.iterdir() if not path.name.startswith("_")}
    assert modules - words == set()

"""Public test data that is too large or too foreign to live here.

It is looked for where CORPUS says, else beside the repository in ../shared/corpus. Where it is missing, the
tests that need it are skipped, and say so.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")


def corpus(name: str) -> Path:
    """A file or folder of the corpus; skips the test where there is none."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"NOT TESTED: the corpus has no {name}; set CORPUS to the folder that holds it")
    return path

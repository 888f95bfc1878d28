"""What the layer's recipe compiles, and what it says where it cannot."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path("layers/common/python/Makefile").resolve()
UNCHECKED = b"\x01\0\0\0"
"""PEP 552: known by a hash, which nobody compares."""


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    module = tmp_path / "python" / "contactsync" / "greeting.py"
    module.parent.mkdir(parents=True)
    module.write_text("def greet():\n    return 'hello'\n")
    unused = tmp_path / "python" / "phonenumbers" / "geodata" / "data0.py"
    unused.parent.mkdir(parents=True)
    unused.write_text("data = {}\n")
    return tmp_path


def compiled(layer: Path, *stated: str, path: str = os.environ["PATH"]) -> str:
    """Run the recipe's last step; what it says."""
    make = shutil.which("make")
    assert make
    command = [make, "-f", str(RECIPE), "compiled", f"ARTIFACTS_DIR={layer}", *stated]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_modules_are_compiled_under_the_names_that_they_have_in_the_cloud(layer):
    compiled(layer, f"COMPILER={sys.executable}")
    (found,) = layer.rglob("*.pyc")
    assert found == Path(importlib.util.cache_from_source(str(layer / "python/contactsync/greeting.py")))
    data = found.read_bytes()
    assert (data[:4], data[4:8]) == (importlib.util.MAGIC_NUMBER, UNCHECKED)
    assert marshal.loads(data[16:]).co_filename == "/opt/python/contactsync/greeting.py"


@pytest.mark.parametrize("name", ["python3", "python3.13"])
def test_only_the_python_of_the_cloud_compiles(layer, name):
    there = layer / "bin"
    there.mkdir()
    for needed in ("sh", "echo"):
        (there / needed).symlink_to(str(shutil.which(needed)))
    (there / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (there / name).chmod(0o755)
    said = compiled(layer, path=str(there))
    ours = sys.implementation.cache_tag == "cpython-313"
    assert bool(list(layer.rglob("contactsync/**/*.pyc"))) == ours
    assert ("NOT COMPILED" in said) != ours

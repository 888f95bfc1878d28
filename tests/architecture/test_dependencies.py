"""What the package imports is what it says it needs: a module that only the tests bring along is missing in the cloud."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path("layers/common/python/contactsync")


def named(requirement: str) -> str:
    """The distribution's name, spelt as PEP 503 has it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def imports() -> Iterator[tuple[str, Path]]:
    """Every module of others that is imported when the code runs, however late."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        unread = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) in unread:
                continue
            if isinstance(node, ast.Import):
                yield from ((alias.name, path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module, path


DECLARED = {
    named(each)
    for each in tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
}
USED = sorted({name.partition(".")[0] for name, _ in imports()} - sys.stdlib_module_names - {"contactsync"})

PARTS = {"botocore": "boto3", "urllib3": "boto3", "cryptography": "pyjwt"}
"""Modules that are part of what is declared, in its own words."""


@pytest.mark.parametrize("module", USED)
def test_what_is_imported_is_declared(module: str):
    brought = {named(each) for each in packages_distributions().get(module, ())}
    assert brought & DECLARED or PARTS.get(module) in DECLARED, f"{module}: declare it in pyproject.toml"


def test_the_layer_carries_what_is_declared():
    carried = {
        named(line)
        for line in (PACKAGE.parent / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if re.match(r"\w", line)
    }
    assert carried >= DECLARED

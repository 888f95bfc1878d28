"""docs/operations.md says what the template does."""

from __future__ import annotations

import re

from local.deploy import ROOT
from tests.architecture.template import RESOURCES
from tests.docs.pages import section

PAGE = ROOT / "docs" / "operations.md"


def test_what_outlives_the_stack_is_told_with_what_to_do_about_it() -> None:
    """A key costs a dollar a month, and a user pool holds people's addresses, for as long as nobody knows of them."""
    rows = re.findall(r"^\| (`.+) \| .+ \|$", section(PAGE, "Deleting the installation"), re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(
        name for name, it in RESOURCES.items() if it.get("DeletionPolicy", "").startswith("Retain")
    )

"""Patterns of file names match as a shell's do, and none takes long."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from contactsync.sources.choosing import FilePath

NAMES = st.text("ab.", min_size=1, max_size=8)


@given(st.text("ab.*?", min_size=1, max_size=8), NAMES)
def test_a_pattern_matches_as_in_a_shell(pattern: str, name: str) -> None:
    path = FilePath.of(f"/in/x{pattern}", encoded=False)
    if path.pattern is not None:
        assert bool(path.pattern.fullmatch(f"x{name}")) == fnmatchcase(f"x{name}", f"x{pattern}")


def test_no_name_takes_long_whatever_the_pattern() -> None:
    """Each star more would else take as many times as long as the name has letters."""
    path = FilePath.of("/in/" + "*a" * 100 + "b.csv", encoded=False)
    began = time.process_time()
    assert path.pattern is not None
    assert path.pattern.fullmatch("a" * 255) is None
    assert time.process_time() - began < 1

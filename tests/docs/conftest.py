"""The API in memory, for the tests that read what it serves."""

from tests.unit.conftest import api, world

__all__ = ["api", "world"]

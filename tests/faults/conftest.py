"""What a campaign has come to is printed at its end."""

import pytest

from tests.faults.figures import FIGURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was tried."""
    for what, number in FIGURES.items():
        terminalreporter.write_line(f"{number:,} {what}")

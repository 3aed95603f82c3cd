"""Says which seeds a test run tries, and how to try them again."""

from tests.simulation.schedules import FIRST, SEEDS


def pytest_report_header() -> str:
    """The line above the tests."""
    return f"simulation: {SEEDS:,} seeds from {FIRST}; again with: make simulate FIRST={FIRST} SEEDS={SEEDS}"

"""Shares the seconds of ``FUZZ_SECONDS`` out among the chosen targets, and runs them in both halves of the tests."""

import os
from pathlib import Path

import pytest

from tests.fuzz import fuzzing

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each target the same time, and mark it: it draws few inputs in make test, and many in make test-long."""
    items = [item for item in items if FOLDER in item.path.parents]
    for item in items:
        item.add_marker(pytest.mark.seeds)
    fuzzing.seconds_a_target = float(os.environ.get("FUZZ_SECONDS", "0")) / max(1, len(items))

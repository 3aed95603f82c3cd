"""Shares the seconds of ``FUZZ_SECONDS`` out among the chosen targets."""

import os

import pytest

from tests.fuzz import fuzzing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each target the same time."""
    fuzzing.seconds_a_target = float(os.environ.get("FUZZ_SECONDS", "0")) / max(1, len(items))

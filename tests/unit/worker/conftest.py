"""A fixture for each test of the worker: a fleet in memory."""

from pathlib import Path

import pytest

from tests.support.memory_fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)

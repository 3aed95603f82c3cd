"""A fleet for each test of the worker."""

from pathlib import Path

import pytest

from tests.support.memory_fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)

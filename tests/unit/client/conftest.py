"""A fleet in memory and a state directory for each test."""

from pathlib import Path

import pytest

from client.pushes import Pushes
from cloudkon.memory import memory_services
from cloudkon.ports import Services


@pytest.fixture
def services() -> Services:
    return memory_services()


@pytest.fixture
def pushes(tmp_path: Path) -> Pushes:
    return Pushes(tmp_path / "state" / "pushes", "local", "cloudkon")
